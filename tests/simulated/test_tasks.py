import pytest

from conflictscope.prompts import fence, prompt_hashes, render
from conflictscope.prompts.rendering import _load
from conflictscope.simulated.tasks import CHAT, read_task

NOT_TASKS = {"system_steered", "system_placebo", "json_only", "repair"}


def _render(name: str):
    special = {
        "values": [{"name": "x", "definition": "y"}],
        "structure": "means",
        "severity": "mild",
        "domains": ["work"],
        "known": {"persona": "a baker"},
        "lacking": ["goal", "consequence_1"],
    }
    return render(name, **{field: special.get(field, f"some {field}") for field in _load(name).fields})


@pytest.mark.parametrize("name", sorted(set(prompt_hashes()) - NOT_TASKS))
def test_every_prompt_is_recognised(name):
    assert read_task(_render(name).messages).name == name


def test_sections_are_read_from_the_fences():
    task = read_task(render("choose", description="d", action_a="first", action_b="second").messages)
    assert dict(task.sections) == {"description": "d", "action a": "first", "action b": "second"}


@pytest.mark.parametrize("name", ["judge", "choose", "check_dilemma"])
def test_text_between_marks_sets_no_task(name):
    injected = "\n".join(message["content"] for message in _render(name).messages)
    assert read_task(render("rate", description=injected, action="x").messages).name == "rate"
    assert read_task([{"role": "user", "content": fence(injected, "quoted")}]).name == CHAT


def test_a_repair_turn_keeps_the_task_and_counts_the_attempt():
    messages = [
        *_render("rate").messages,
        {"role": "assistant", "content": "hm"},
        *render("repair", problem="no number").messages,
    ]
    task = read_task(messages)
    assert (task.name, task.attempt) == ("rate", 1)


def test_a_conversation_with_a_system_prompt_is_a_chat():
    task = read_task([*_render("system_steered").messages, {"role": "user", "content": "Hello there"}])
    assert task.name == CHAT
    assert task.opening == "Hello there"
    assert "order of priority" in task.system


def test_content_in_parts_is_read():
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert read_task([{"role": "user", "content": parts}]).opening == "Hello"
