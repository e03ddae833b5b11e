"""Scenarios in a second language: every text is translated, each names its original, and the way back is compared."""

import asyncio
import json

import pandas as pd
import pytest

from conflictscope.prompts import read_fences, render, use_prompts
from conflictscope.scenarios import audit_translation, translate_definitions, translate_prompts, translate_scenarios
from conflictscope.scenarios.translation import PUT_TO_TARGETS, TEXTS
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES


class Translator:
    """An endpoint that puts a word before each text, takes it off on the way back, and softens one action."""

    def reply(self, body: dict) -> str:
        prompt = body["messages"][-1]["content"]
        sections = read_fences(prompt)
        if "prompt" in sections:
            return sections["prompt"].replace("Which action do you take?", "Was tust du?")
        if "original" in sections:
            same = sections["original"] == sections["back"]
            return json.dumps({"reason": "So it is.", "same": same})
        texts = {label.replace(" ", "_"): text for label, text in sections.items()}
        if "language: Deutsch" in prompt:
            return json.dumps({name: f"Deutsch: {text}" for name, text in texts.items()})
        back = {name: text.removeprefix("Deutsch: ") for name, text in texts.items()}
        if "third" in back["description"]:
            back["action_2"] = "The assistant asks politely."
        return json.dumps(back)


@pytest.fixture
def scenarios():
    columns = [column.name for column in TABLES["scenarios"].columns]
    rows = [
        {name: f"{name} of the {which} one" for name in columns}
        | {"scenario_id": f"s{which}", "value_1": "b", "value_2": "a", "acting_value": acting, "author": "somebody"}
        | {"structure": "means", "severity": "mild"}
        for which, acting in (("first", "a"), ("second", None), ("third", "b"))
    ]
    return check_table(pd.DataFrame(rows, columns=columns), "kept_scenarios")


@pytest.fixture
def models(scripted):
    return scripted(Translator().reply)[0]


def test_every_text_is_translated_and_each_names_its_original(scenarios, models):
    translated, lost = asyncio.run(translate_scenarios(scenarios, models, "m", "Deutsch"))
    assert lost.empty and translated["outline_id"].tolist() == ["sfirst", "ssecond", "sthird"]
    check_table(translated, "scenarios")
    for name in TEXTS:
        assert translated[name].tolist() == [f"Deutsch: {text}" for text in scenarios[name]]
    kept = ["value_1", "value_2", "structure", "severity", "acting_value", "author"]
    pd.testing.assert_frame_equal(translated[kept], scenarios[kept])
    assert translated["scenario_id"].is_unique and not set(translated["scenario_id"]) & set(scenarios["scenario_id"])


def test_the_audit_finds_what_came_back_otherwise(scenarios, models):
    async def run():
        translated, _ = await translate_scenarios(scenarios, models, "m", "Deutsch")
        return translated, await audit_translation(scenarios, translated, models, "m", "English")

    translated, audit = asyncio.run(run())
    assert audit["source"].tolist() == ["sfirst", "ssecond", "sthird"]
    assert audit["scenario_id"].tolist() == translated["scenario_id"].tolist()
    assert audit["same"].tolist() == [True, True, False] and audit["problem"].isna().all()
    assert audit["back"].tolist() == scenarios["description"].tolist()


def test_prompts_to_targets_keep_their_fields(models):
    texts = asyncio.run(translate_prompts(models, "m", "Deutsch"))
    assert sorted(texts) == sorted(PUT_TO_TARGETS)
    assert "Was tust du?" in texts["choose"] and "{{ action_a" in texts["choose"]
    assert texts["choose"].startswith("--- user\n")


@pytest.mark.parametrize("more", ["{{ 7 * 7 }}", "{% for n in range(9) %}", "{# x", "[[1]]", ""])
def test_a_prompt_that_a_model_translated_holds_no_program(scripted, more):
    def reply(body):
        text = read_fences(body["messages"][-1]["content"])["prompt"]
        return text + more if more else text.replace("[[2]]", "")

    models, *_ = scripted(reply)
    with pytest.raises(ValueError, match=r"prompt 'choose': its translation holds"):
        asyncio.run(translate_prompts(models, "m", "Deutsch"))


def test_system_prompts_that_steer_are_rendered_with_translated_definitions(scripted, value_set, tmp_path):
    def reply(body):
        text = read_fences(body["messages"][-1]["content"])["prompt"]
        return text.replace("You are", "Du bist").replace("The assistant", "Der Assistent")

    models, *_ = scripted(reply)

    async def run():
        return (
            await translate_prompts(models, "m", "Deutsch"),
            await translate_definitions(value_set, models, "m", "Deutsch"),
        )

    texts, values = asyncio.run(run())
    assert (values.names, values.pairs) == (value_set.names, value_set.pairs)
    changed = [value.definition.replace("The assistant", "Der Assistent") for value in value_set.values]
    assert [value.definition for value in values.values] == changed
    folder = tmp_path / "prompts"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    shipped = render("system_steered", values=values.values).messages[0]["content"]
    try:
        use_prompts(folder)
        told = render("system_steered", values=values.values).messages[0]["content"]
    finally:
        use_prompts(None)
    assert told == shipped.replace("You are", "Du bist") != shipped


def test_a_loop_out_of_order_is_refused(scripted):
    def reply(body):
        text = read_fences(body["messages"][-1]["content"])["prompt"]
        if "priority, the most important first" in text:
            return text.replace("[[1]]", "[[x]]").replace("[[5]]", "[[1]]").replace("[[x]]", "[[5]]")
        return text

    models, *_ = scripted(reply)
    with pytest.raises(ValueError, match=r"prompt 'system_steered': .* a loop in another order"):
        asyncio.run(translate_prompts(models, "m", "Deutsch"))
