"""Write full scenarios: from outlines, the second step of generation (paper, 3.1), or without (ablations, 3.2).

In: the outlines that were kept, or a value set and the number wanted per pair. Out: the scenarios table, and what was
lost. Without outlines, ``single_stage`` states template and direction in one call and ``direct`` states neither; each
scenario gets an entry in the outlines table, so that near-duplicates are found the same way.
"""

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.outlines import CELL, SHORTFALL, WRITTEN, Batch, Outline, content_id, plan_outlines
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
    """Have the author expand each outline that is ``kept``.

    Returns
    -------
    scenarios : DataFrame
        The scenarios table. A scenario's id is a hash of its content, templates and values included.
    lost : DataFrame
        ``outline_id`` and ``problem`` for each outline without a scenario of its own: an unreadable reply, a call that
        failed, or a scenario that repeats an earlier one word for word.
    """
    kept = outlines[outlines["kept"].astype(bool)].to_dict("records")
    requests = []
    for outline in kept:
        one, two, acting = outline["value_1"], outline["value_2"], outline["acting_value"]
        sides = {"acting_value": acting, "other_value": two if acting == one else one}
        texts = {name: outline[name] for name in Outline.model_fields}
        prompt = render("scenario", **value_set.pair_fields(one, two), **sides, **texts)
        requests.append(Request.of(prompt, schema=Scenario, temperature=temperature))
    replies = await models.ask(author, requests, label="scenarios")
    rows: dict[str, dict] = {}
    lost = []
    for outline, reply in zip(kept, replies, strict=True):
        problem = reply.problem
        if isinstance(reply.parsed, Scenario):
            content = {name: outline[name] for name in CELL} | reply.parsed.model_dump()
            scenario_id = content_id(content)
            if scenario_id not in rows:
                identity = {"scenario_id": scenario_id, "outline_id": outline["outline_id"], "author": author}
                rows[scenario_id] = identity | content
                continue
            problem = f"repeats scenario {scenario_id} word for word"
        lost.append({"outline_id": outline["outline_id"], "problem": problem or reply.outcome})
    scenarios = pd.DataFrame(list(rows.values()), columns=TABLES["scenarios"].names)
    return scenarios, pd.DataFrame(lost, columns=["outline_id", "problem"])


def plan_single_stage(value_set: ValueSet, outlines_per_pair: int, generation: str) -> list[Batch]:
    """Return one call for each scenario: over the eight cells for ``single_stage``, without a cell for ``direct``."""
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
    """Have the author write each scenario in one call, as ``plan_single_stage`` says.

    Returns
    -------
    outlines, scenarios, shortfalls : DataFrame
        The scenarios table before near-duplicates are taken out: keep the rows whose outline is kept. Outlines and
        shortfalls as from ``write_outlines``: an outline's ``context`` is the description and its
        ``action_opportunity`` the acting side's action (action 1 for ``direct``), ``good`` and ``harm`` are empty; a
        shortfall is a call without a readable scenario.
    """
    batches = plan_single_stage(value_set, outlines_per_pair, generation)
    prompts = [render("single_stage", **batch.fields(value_set), number=batch.number) for batch in batches]
    requests = [Request.of(prompt, schema=Scenario, temperature=temperature) for prompt in prompts]
    replies = await models.ask(author, requests, label="scenarios in one step")
    outlines, scenarios, shortfalls = [], [], []
    for batch, reply in zip(batches, replies, strict=True):
        if not isinstance(reply.parsed, Scenario):
            shortfalls.append(batch.cell | {"asked": 1, "got": 0, "problem": reply.problem})
            continue
        written = reply.parsed
        content = batch.cell | written.model_dump()
        # the call's number is part of the outline's id, so that a word-for-word repeat has a row of its own
        identity = {"outline_id": content_id(content | {"number": batch.number}), "author": author}
        scenarios.append({"scenario_id": content_id(content)} | identity | content)
        acting = written.action_2 if batch.acting_value == batch.value_2 else written.action_1
        outline = {"context": written.description, "action_opportunity": acting, "good": None, "harm": None}
        outlines.append(identity | batch.cell | outline)
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
