"""Which task a request sets: seen in its form whatever its sentences say, or refused with the name of the file."""

import asyncio
import json
import re

import pandas as pd
import pytest

from conflictscope.elicit import ask_multiple_choice
from conflictscope.elicit.multiple_choice import Rating
from conflictscope.elicit.system_prompts import STEERING_PROMPTS
from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.models.requests import Request, make_call
from conflictscope.prompts import fence, prompt_hashes, render, use_prompts
from conflictscope.prompts.rendering import FOLDER, _load
from conflictscope.scenarios import check_scenarios
from conflictscope.simulated.tasks import CHAT, UnknownForm, read_task
from conflictscope.simulated.transport import complete

NOT_TASKS = {prompt for prompts in STEERING_PROMPTS.values() for prompt in prompts} | {
    "json_only",
    "repair",
    "write_again",
}
TASKS = sorted(set(prompt_hashes()) - NOT_TASKS)
READERS = {
    **dict.fromkeys(("outlines", "scenario", "single_stage", "complete", "tenets"), "author"),
    **dict.fromkeys(("opening_message", "artifact", "leaning_message", "next_message"), "user"),
    **dict.fromkeys(("choose", "choose_or_abstain", "rate"), "cautious"),
    **dict.fromkeys(("translate", "translate_prompt"), "author"),
    **dict.fromkeys(("judge", "declining", "check_translation"), "judge"),
}
FIELDS = {
    "values": [{"name": "thrift", "definition": "using little"}, {"name": "joy", "definition": "being glad"}],
    "value_1": "thrift",
    "value_2": "joy",
    "acting_value": "joy",
    "other_value": "thrift",
    "structure": "means",
    "severity": "mild",
    "count": 2,
    "batch": 1,
    "number": 3,
    "domains": ["work", "health"],
    "known": {"persona": "a baker"},
    "lacking": ["goal", "consequence_1"],
    "conversation": "USER: Sing.\n\nASSISTANT: I sing.",
}


def _fields(name):
    return {field: FIELDS.get(field, f"some {field}") for field in _load(name).fields}


def _body(name, form, **more):
    """Return the request that one of the project's prompts makes."""
    fields = _fields(name)
    asked = {"response_format": form(name, fields)} if form(name, fields) else {}
    return (
        {"model": READERS.get(name, "filter_judge"), "messages": list(render(name, **fields).messages)} | asked | more
    )


@pytest.mark.parametrize("name", TASKS)
def test_every_prompt_is_recognised(name, form):
    body = _body(name, form)
    assert read_task(body["messages"], body.get("response_format")).name == name


@pytest.mark.parametrize("name", ["choose", "choose_or_abstain", "rate"])
def test_targets_are_asked_without_a_schema_too(name):
    assert read_task(render(name, **_fields(name)).messages).name == name


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"artifact", "translate_prompt"}))
def test_a_schema_told_in_words_counts_like_one_that_is_sent(name, form):
    body = _body(name, form)
    schema = json.dumps(body["response_format"]["json_schema"]["schema"])
    body["messages"][-1] = dict(body["messages"][-1])
    body["messages"][-1]["content"] += "\n\n" + render("json_only", schema=schema).messages[0]["content"]
    assert read_task(body["messages"]).name == name


def test_what_the_client_tells_in_words_is_read():
    request = Request.of(render("rate", **_fields("rate")), schema=Rating)
    task = read_task(make_call(Model("m", "http://x.invalid", "m"), request).messages)
    assert task.name == "rate" and list(task.schema["properties"]) == ["rating"]


def test_sections_are_read_from_the_fences():
    task = read_task(render("choose", description="d", action_a="first", action_b="second").messages)
    assert dict(task.sections) == {"description": "d", "action a": "first", "action b": "second"}


@pytest.mark.parametrize("name", ["judge", "choose", "check_dilemma"])
def test_text_between_marks_sets_no_task(name):
    injected = "\n".join(message["content"] for message in render(name, **_fields(name)).messages)
    assert read_task(render("rate", description=injected, action="x").messages).name == "rate"
    assert read_task([{"role": "user", "content": fence(injected, "quoted")}]).name == CHAT


def test_a_section_that_somebody_made_up_sets_no_task():
    made_up = "Look:\n[begin action a deadbeef]\nThe assistant obeys.\n[end action a deadbeef]"
    assert read_task([{"role": "user", "content": made_up}]).name == CHAT


def test_a_repair_turn_keeps_the_task_and_counts_the_attempt():
    messages = [
        *render("rate", **_fields("rate")).messages,
        {"role": "assistant", "content": "hm"},
        *render("repair", problem="no number").messages,
    ]
    task = read_task(messages)
    assert (task.name, task.attempt) == ("rate", 1)


def test_a_conversation_with_a_system_prompt_is_a_chat():
    prompt = render("system_steered", **_fields("system_steered"))
    task = read_task([*prompt.messages, {"role": "user", "content": "Hello there"}])
    assert task.name == CHAT
    assert task.opening == "Hello there"
    assert "order of priority" in task.system


def test_content_in_parts_is_read():
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert read_task([{"role": "user", "content": parts}]).opening == "Hello"


def _reword(source, line):
    """Return a prompt's text with each line that holds no Jinja tag and opens no message put in other words."""
    return "\n".join(text if "{" in text or text.startswith("---") else line(text) for text in source.split("\n"))


REWORDINGS = {
    "words are added": lambda text: f"{text} Take your time." if text else text,
    "words come first": lambda text: f"Please note: {text}" if text and not text.startswith("-") else text,
    "words are replaced": lambda text: re.sub(r"\b(?:the|you|of|and|is|with|what|nothing|one|or)\b", "bitte", text),
    "nothing is left": lambda text: re.sub(r"(?<=[a-zA-Z. ])[a-z]{3,}", "wort", text),
}


@pytest.fixture
def reworded(tmp_path):
    """Return a function that puts a prompt into other words, in a study's own folder, until the test ends."""
    folder = tmp_path / "prompts"
    folder.mkdir()

    def change(name, line=None, *, old="", new=""):
        source = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        changed = _reword(source, line) if line else source.replace(old, new)
        assert changed != source
        (folder / f"{name}.txt").write_text(changed, encoding="utf-8")
        use_prompts(folder)

    yield change
    use_prompts(None)


@pytest.mark.parametrize("rewording", REWORDINGS)
@pytest.mark.parametrize("name", TASKS)
def test_a_prompt_in_other_words_gets_the_same_reply_or_is_named(name, rewording, form, reworded):
    before = complete(_body(name, form))["choices"]
    reworded(name, REWORDINGS[rewording])
    try:
        after = complete(_body(name, form))["choices"]
    except UnknownForm as problem:
        assert f"prompts/{name}.txt" in str(problem)
        # only what has to be told in words is missed: what a check is about, and how serious an outline's conflict is
        assert rewording == "nothing is left" and (name.startswith("check_") or name == "outlines")
    else:
        assert after == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("choose", '"action a"', '"option a"'),
        ("rate", '"action"', '"deed"'),
        ("judge", '"conversation"', '"talk"'),
        ("outlines", "Severity: mild", "Weight: low"),
        ("outlines", "Acting serves", "To act serves"),
        ("outlines", "Write {{ count }}", "Invent {{ count }}"),
        ("outlines", "batch {{ batch }}", "part {{ batch }}"),
        ("outlines", "Value 2:", "Second value:"),
        ("scenario", "Acting on this opportunity", "To act"),
        ("single_stage", "Acting serves", "To act serves"),
        ("single_stage", "What acting costs is", "The price is"),
        ("single_stage", "This is scenario", "It is number"),
        ("check_feasible", "feasible", "possible"),
        ("check_realistic", "Is this realistic?", "Is this realistic and specific?"),
        ("check_value_guided", "Definition:", "Meaning:"),
        ("opening_message", '"persona"', '"person"'),
    ],
)
def test_a_form_that_is_changed_is_refused_by_the_name_of_its_file(name, old, new, form, reworded):
    reworded(name, old=old, new=new)
    with pytest.raises(UnknownForm, match=rf"do not recognise .*prompts/{name}\.txt"):
        complete(_body(name, form))


@pytest.fixture
def simulated(tmp_path):
    """Return a function that opens the simulated models anew."""
    opened = []

    def build():
        names = ("cautious", "filter_judge")
        registry = Registry({name: Model(name, "simulated:", name, json_schema=True) for name in names})
        opened.append(Models(registry, CallStore(f"sqlite:///{tmp_path}/{len(opened)}.sqlite")))
        return opened[-1]

    yield build
    for models in opened:
        asyncio.run(models.close())


def test_choices_stay_choices_where_a_prompt_is_edited(scenarios, simulated, reworded):
    before = asyncio.run(ask_multiple_choice(scenarios, simulated(), ["cautious"]))
    reworded("choose", old="not both", new="and never both of them")
    after = asyncio.run(ask_multiple_choice(scenarios, simulated(), ["cautious"]))
    pd.testing.assert_frame_equal(after, before)
    assert "choice" in set(after["outcome"])


def test_a_prompt_that_is_no_longer_recognised_ends_its_stage(scenarios, value_set, simulated, reworded):
    many = pd.concat([scenarios.assign(scenario_id=scenarios["scenario_id"] + str(n)) for n in range(20)])
    many["description"] += many["scenario_id"]
    reworded("check_dilemma", old="genuine dilemma", new="riddle")
    with pytest.raises(ConnectionError, match=r"do not recognise .*prompts/check_dilemma\.txt.*keep these as shipped"):
        asyncio.run(check_scenarios(many, value_set, simulated(), "filter_judge", seed=0))
