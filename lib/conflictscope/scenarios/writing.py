"""Write full scenarios: from outlines, the second step of generation (paper, 3.1), or without (ablations, 3.2).

In: the outlines that were kept, or a value set and the number wanted per pair. Out: the scenarios table, and what was
lost. Without outlines, ``single_stage`` states template and direction in one call and ``direct`` states neither; each
scenario gets an entry in the outlines table, so that near-duplicates are found the same way.
"""

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import Prompt, render
from conflictscope.scenarios.outlines import (
    CELL,
    SHORTFALL,
    WRITTEN,
    Batch,
    content_id,
    plan_outlines,
    refuse_nothing,
)
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import TABLES

GENERATIONS = ("two_stage", "single_stage", "direct")


class Scenario(BaseModel):
    """The author's reply; see ``prompts/scenario.txt``."""

    model_config = ConfigDict(extra="forbid")
    description: NonBlank
    persona: NonBlank
    background: NonBlank
    goal: NonBlank
    action_1: NonBlank
    action_2: NonBlank
    consequence_1: NonBlank
    consequence_2: NonBlank


async def write_scenarios(
    outlines: pd.DataFrame, value_set: ValueSet, models: Models, author: str, *, temperature: float | None = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Have the author expand each kept outline.

    Parameters
    ----------
    outlines : DataFrame
        The outlines table; rows that are not ``kept`` are left out.

    Returns
    -------
    scenarios : DataFrame
        The scenarios table. A scenario's id is a hash of its content, templates and values included.
    lost : DataFrame
        ``outline_id`` and ``problem`` for each outline without a scenario of its own: an unreadable reply, a call that
        failed, or a scenario that repeats an earlier one word for word.

    Raises
    ------
    NothingToCount
        If the author gave none.
    """
    kept = outlines[outlines["kept"].astype(bool)]
    replies = await models.ask(
        author, [_request(outline, value_set, temperature) for outline in kept.itertuples()], label="scenarios"
    )
    rows, lost, seen = [], [], set()
    for outline, reply in zip(kept.to_dict("records"), replies, strict=True):
        problem = reply.problem
        if isinstance(reply.parsed, Scenario):
            content = {name: outline[name] for name in CELL} | reply.parsed.model_dump()
            scenario_id = content_id(content)
            if scenario_id not in seen:
                seen.add(scenario_id)
                identity = {"scenario_id": scenario_id, "outline_id": outline["outline_id"], "author": author}
                rows.append(identity | content)
                continue
            problem = f"repeats scenario {scenario_id} word for word"
        lost.append({"outline_id": outline["outline_id"], "problem": problem or reply.outcome})
    refuse_nothing(rows, author, lost)
    return (
        pd.DataFrame(rows, columns=TABLES["scenarios"].names),
        pd.DataFrame(lost, columns=["outline_id", "problem"]),
    )


def _request(outline, value_set: ValueSet, temperature: float | None) -> Request:
    """Return the request that expands one outline."""
    acts_on_1 = outline.acting_value == outline.value_1
    prompt = render(
        "scenario",
        value_1=outline.value_1,
        definition_1=value_set[outline.value_1].definition,
        value_2=outline.value_2,
        definition_2=value_set[outline.value_2].definition,
        context=outline.context,
        action_opportunity=outline.action_opportunity,
        good=outline.good,
        harm=outline.harm,
        acting_value=outline.acting_value,
        other_value=outline.value_2 if acts_on_1 else outline.value_1,
    )
    return Request.of(prompt, schema=Scenario, temperature=temperature)


def plan_single_stage(value_set: ValueSet, outlines_per_pair: int, generation: str) -> list[Batch]:
    """Return one call for each scenario: over the eight cells for ``single_stage``, without a cell for ``direct``.

    Raises
    ------
    ValueError
        If `generation` is neither.
    """
    if generation == "single_stage":
        return plan_outlines(value_set, outlines_per_pair, outlines_per_call=1)
    if generation == "direct":
        return [
            Batch(first, second, "none", "none", "", 1, number)
            for first, second in value_set.pairs
            for number in range(1, outlines_per_pair + 1)
        ]
    raise ValueError(f"generation: found {generation!r}; expected one of {list(GENERATIONS)}.")


async def write_in_single_stage(
    value_set: ValueSet,
    models: Models,
    author: str,
    *,
    outlines_per_pair: int,
    generation: str,
    temperature: float | None = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the author write each scenario in one call.

    Returns
    -------
    outlines : DataFrame
        As from ``write_outlines``: ``context`` is the description and ``action_opportunity`` the acting side's action
        (action 1 for ``direct``); ``good`` and ``harm`` are empty.
    scenarios : DataFrame
        The scenarios table, before near-duplicates are taken out: keep the rows whose outline is kept.
    shortfalls : DataFrame
        As from ``write_outlines``: one row for each call without a readable scenario.

    Raises
    ------
    NothingToCount
        If the author gave none.
    """
    batches = plan_single_stage(value_set, outlines_per_pair, generation)
    requests = [Request.of(_prompt(batch, value_set), schema=Scenario, temperature=temperature) for batch in batches]
    replies = await models.ask(author, requests, label="scenarios in one step")
    outlines, scenarios, shortfalls = [], [], []
    for batch, reply in zip(batches, replies, strict=True):
        if not isinstance(reply.parsed, Scenario):
            shortfalls.append(batch.cell | {"asked": 1, "got": 0, "problem": reply.problem})
            continue
        content = batch.cell | reply.parsed.model_dump()
        acts_on_2 = batch.acting_value == batch.value_2
        outline = {
            "context": reply.parsed.description,
            "action_opportunity": reply.parsed.action_2 if acts_on_2 else reply.parsed.action_1,
        }
        # the call's number is part of the outline's id, so that a word-for-word repeat has a row of its own
        outline_id = content_id(content | {"number": batch.number})
        outlines.append(
            {"outline_id": outline_id} | batch.cell | outline | {"good": None, "harm": None, "author": author}
        )
        scenarios.append({"scenario_id": content_id(content), "outline_id": outline_id, "author": author} | content)
    refuse_nothing(scenarios, author, shortfalls)
    return (
        pd.DataFrame(outlines, columns=WRITTEN),
        pd.DataFrame(scenarios, columns=TABLES["scenarios"].names),
        pd.DataFrame(shortfalls, columns=SHORTFALL),
    )


def drop_repeated_scenarios(scenarios: pd.DataFrame, outlines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop the scenarios whose entry in the outlines table is marked as a near-duplicate.

    Returns
    -------
    scenarios, lost : DataFrame
        As from ``write_scenarios``; lost are scenarios that repeat an earlier one of another pair word for word.
    """
    kept = scenarios[scenarios["outline_id"].isin(outlines.loc[outlines["kept"].astype(bool), "outline_id"])]
    repeated = kept["scenario_id"].duplicated()
    problem = "repeats scenario " + kept.loc[repeated, "scenario_id"] + " word for word"
    lost = pd.DataFrame({"outline_id": kept.loc[repeated, "outline_id"], "problem": problem})
    return kept[~repeated].reset_index(drop=True), lost.reset_index(drop=True)


def _prompt(batch: Batch, value_set: ValueSet) -> Prompt:
    """Return the prompt of one call."""
    return render("single_stage", **batch.fields(value_set), number=batch.number)
