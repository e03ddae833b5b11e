"""Translation: scenarios of one study become those of another in a second language, audited by translating them back.

In: a study's scenarios, the author that translates, the judge that translates back and compares. Out: scenarios for
`write_scenario_file`, each with the scenario that it is of as its source; what a judge found; prompts for the targets,
and the values' definitions.
"""

import re
from dataclasses import replace

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import prompt_texts, render
from conflictscope.scenarios.from_file import as_scenario, as_table
from conflictscope.scenarios.generation import Scenario
from conflictscope.scenarios.value_sets import ValueSet, in_one_line

TEXTS = tuple(Scenario.model_fields)
"""What of a scenario is translated."""
PUT_TO_TARGETS = (
    *("choose", "choose_or_abstain", "rate"),
    *("system_steered", "system_steered_paper", "system_placebo", "system_placebo_paper"),
)
"""Prompts that are translated."""
_COMPARED = ("description", "goal", "action_1", "action_2")
# what a program follows in a prompt: fields, statements and comments, whole or begun
_FIELD, _CODE = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}"), re.compile(r"\{[{%#]")


class Translated(BaseModel):
    """The judge's reply about a translation; see ``prompts/check_translation.txt``."""

    model_config = ConfigDict(extra="forbid")
    reason: NonBlank
    same: bool


async def translate_scenarios(
    scenarios: pd.DataFrame, models: Models, translator: str, language: str, *, label: str = "translations"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Translate scenarios.

    Parameters
    ----------
    scenarios : DataFrame
        The table ``kept_scenarios``.
    translator, language : str
        The model, and the language as it is told to it: a BCP-47 tag or a name.

    Returns
    -------
    translated : DataFrame
        The scenarios table; ``outline_id`` is the scenario that each is a translation of, ``author`` stays.
    lost : DataFrame
        ``scenario_id`` and ``problem`` of those without a reply that could be read.
    """
    requests = [
        Request.of(render("translate", language=language, **{name: row[name] for name in TEXTS}), schema=Scenario)
        for row in scenarios.to_dict("records")
    ]
    replies = await models.ask(translator, requests, label=label)
    rows, lost = [], []
    for row, reply in zip(scenarios.to_dict("records"), replies, strict=True):
        if isinstance(reply.parsed, Scenario):
            kept = {name: row[name] for name in ("value_1", "value_2", "structure", "severity", "author")}
            acting = None if pd.isna(row["acting_value"]) else row["acting_value"]
            fields = kept | {"acting_value": acting, "source": row["scenario_id"]} | reply.parsed.model_dump()
            rows.append(as_scenario(fields, [row["value_1"], row["value_2"]]))
        else:
            lost.append({"scenario_id": row["scenario_id"], "problem": reply.problem or reply.outcome})
    return as_table(rows), pd.DataFrame(lost, columns=["scenario_id", "problem"])


async def audit_translation(
    scenarios: pd.DataFrame, translated: pd.DataFrame, models: Models, judge: str, language: str
) -> pd.DataFrame:
    """Have a judge translate scenarios back, and compare what comes back with what was written.

    Parameters
    ----------
    scenarios : DataFrame
        The originals.
    translated : DataFrame
        From `translate_scenarios`.
    language : str
        Of the originals.

    Returns
    -------
    DataFrame
        One row a translation: ``scenario_id``, ``source`` (the original), ``same`` (empty if the judge gave none),
        ``reason``, ``back`` (the description that came back) and ``problem``.
    """
    back, lost = await translate_scenarios(translated, models, judge, language, label="translations back")
    rows = translated[["scenario_id", "outline_id"]].merge(
        back.rename(columns={"outline_id": "of"})[["of", *_COMPARED]], left_on="scenario_id", right_on="of"
    )
    originals = scenarios.set_index("scenario_id")[list(_COMPARED)]
    requests = [
        Request.of(
            render(
                "check_translation",
                original=_told(originals.loc[row["outline_id"]].to_dict()),
                back=_told(row),
            ),
            schema=Translated,
            temperature=0.0,
        )
        for row in rows.to_dict("records")
    ]
    replies = await models.ask(judge, requests, label="translations compared")
    read = [reply.parsed if isinstance(reply.parsed, Translated) else None for reply in replies]
    table = pd.DataFrame(
        {
            "scenario_id": rows["scenario_id"],
            "source": rows["outline_id"],
            "same": pd.array([None if verdict is None else verdict.same for verdict in read], dtype="boolean"),
            "reason": pd.array([None if verdict is None else verdict.reason for verdict in read], dtype="str"),
            "back": rows["description"],
            "problem": pd.array([None if r.problem is None else r.problem for r in replies], dtype="str"),
        }
    )
    unread = lost.merge(translated[["scenario_id", "outline_id"]], on="scenario_id")
    return pd.concat([table, unread.rename(columns={"outline_id": "source"})], ignore_index=True)[list(table)]


async def translate_prompts(models: Models, translator: str, language: str) -> dict[str, str]:
    """Translate the prompts that are put to targets, system prompts that steer among them.

    Returns
    -------
    dict
        Name → text, for a folder that ``prompts_folder`` names.

    Raises
    ------
    ValueError
        If one got no reply, or one without its fields, with loops out of their order, or with braces of its own.
    """
    texts = prompt_texts()
    forms = {name: _without_fields(_bare(texts[name])) for name in PUT_TO_TARGETS}
    requests = [Request.of(render("translate_prompt", language=language, prompt=form)) for form, _ in forms.values()]
    replies = await models.ask(translator, requests, label="prompts translated")
    translated = {}
    for (name, (_, fields)), reply in zip(forms.items(), replies, strict=True):
        if reply.outcome != "ok" or not reply.text:
            raise ValueError(f"{translator}: prompt {name!r} was not translated: {reply.problem or reply.outcome}.")
        translated[name] = _with_fields(reply.text, fields, f"{translator}: prompt {name!r}") + "\n"
    return translated


async def translate_definitions(values: ValueSet, models: Models, translator: str, language: str) -> ValueSet:
    """Translate the definitions of a value set; names, groups and pairs stay, so that two languages can be compared.

    Raises
    ------
    ValueError
        If one got no reply.
    """
    requests = [
        Request.of(render("translate_prompt", language=language, prompt=value.definition)) for value in values.values
    ]
    replies = await models.ask(translator, requests, label="definitions translated")
    translated = []
    for value, reply in zip(values.values, replies, strict=True):
        if reply.outcome != "ok" or not reply.text:
            raise ValueError(
                f"{translator}: the definition of {value.name!r} was not translated: {reply.problem or reply.outcome}."
            )
        translated.append(replace(value, definition=in_one_line(reply.text)))
    return replace(values, values=tuple(translated))


def _without_fields(text: str) -> tuple[str, list[str]]:
    """Return a prompt with numbers in brackets for what a program fills in, and what stood there."""
    fields = _FIELD.findall(text)
    numbers = iter(range(1, len(fields) + 1))
    return _FIELD.sub(lambda _: f"[[{next(numbers)}]]", text), fields


def _with_fields(text: str, fields: list[str], what: str) -> str:
    """Return a translated prompt with its fields back in their places; what a model wrote is no program."""
    if _CODE.search(text):
        raise ValueError(f"{what}: its translation holds braces that a program would follow: {text[:200]!r}.")
    marks = [f"[[{number}]]" for number in range(1, len(fields) + 1)]
    if lost := [mark for mark in marks if text.count(mark) != 1]:
        raise ValueError(f"{what}: its translation holds {lost} not once each: {text[:200]!r}.")
    if any(field.startswith("{%") for field in fields) and sorted(marks, key=text.index) != marks:
        raise ValueError(f"{what}: its translation holds the parts of a loop in another order: {text[:200]!r}.")
    for mark, field in zip(marks, fields, strict=True):
        text = text.replace(mark, field)
    return text


def _bare(text: str) -> str:
    """Return a prompt without the comment at its head."""
    return text[text.index("--- ") :].strip()


def _told(row: dict) -> str:
    """Return what of a scenario is compared, a line each."""
    return "\n".join(f"{name}: {row[name]}" for name in _COMPARED)
