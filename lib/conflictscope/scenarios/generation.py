"""Generation: the author writes outlines, then full scenarios from those that were kept (paper, section 3.1).

In: a value set and the number wanted per pair; for the second step the outlines that were kept. Out: the outlines
table, before near-duplicates are marked (``dedupe``); the scenarios table, and what was lost. Each pair gets the same
number for each of its eight cells: structure × severity × which value the acting side serves, so that acting against
refraining is not confounded with either value. In the ablations (3.2), without outlines, ``single_stage`` states
template and direction in one call and ``direct`` states neither; each scenario gets an entry in the outlines table, so
that near-duplicates are found the same way.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import Prompt, render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import SEVERITIES, STRUCTURES, TABLES, NothingToCount

GENERATIONS = ("two_stage", "single_stage", "direct")


class Outline(BaseModel):
    """The author's reply for one outline; see ``prompts/outlines.txt``."""

    model_config = ConfigDict(extra="forbid")
    context: str
    action_opportunity: str
    good: str
    harm: str


class Outlines(BaseModel):
    """The author's reply for a batch of outlines."""

    model_config = ConfigDict(extra="forbid")
    outlines: list[Outline]


CELL = ("value_1", "value_2", "structure", "severity", "acting_value")
"""What outlines of one kind share, as columns."""
WRITTEN = ["outline_id", *CELL, *Outline.model_fields, "author"]
"""Columns of the outlines table before near-duplicates are marked."""
SHORTFALL = [*CELL, "asked", "got", "problem"]
"""Columns of the calls that gave less than was asked for."""


@dataclass(frozen=True)
class Batch:
    """One call to the author: a cell of a pair, how many outlines, and which batch of the cell it is."""

    value_1: str
    value_2: str
    structure: str
    severity: str
    acting_value: str
    count: int
    number: int

    @property
    def other_value(self) -> str:
        """The value that acting goes against."""
        return self.value_2 if self.acting_value == self.value_1 else self.value_1

    @property
    def cell(self) -> dict[str, object]:
        """The columns that its outlines share; no acting value is empty."""
        return {name: getattr(self, name) or None for name in CELL}

    def fields(self, value_set: ValueSet) -> dict[str, str]:
        """Return what the prompts say of the cell."""
        return {name: getattr(self, name) for name in (*CELL, "other_value")} | {
            "definition_1": value_set[self.value_1].definition,
            "definition_2": value_set[self.value_2].definition,
        }


def plan_outlines(value_set: ValueSet, outlines_per_pair: int, outlines_per_call: int) -> list[Batch]:
    """Spread the outlines of each pair over its eight cells.

    If the number is not a multiple of eight the remainder goes to different cells from pair to pair, so that over
    the whole set no cell is favoured.

    Raises
    ------
    ValueError
        If either number is below 1.
    """
    for name, number in (("outlines_per_pair", outlines_per_pair), ("outlines_per_call", outlines_per_call)):
        if number < 1:
            raise ValueError(f"{name}: found {number}; expected at least 1.")
    batches = []
    for p, (value_1, value_2) in enumerate(value_set.pairs):
        cells = list(itertools.product(STRUCTURES, SEVERITIES, (value_1, value_2)))
        each, rest = divmod(outlines_per_pair, len(cells))
        for c, (structure, severity, acting_value) in enumerate(cells):
            # a stride of 3 visits all 8 cells, alternating direction
            wanted = each + (((c * 3 + p) % len(cells)) < rest)
            for number, start in enumerate(range(0, wanted, outlines_per_call), start=1):
                count = min(outlines_per_call, wanted - start)
                batches.append(Batch(value_1, value_2, structure, severity, acting_value, count, number))
    return batches


async def write_outlines(
    value_set: ValueSet,
    models: Models,
    author: str,
    *,
    outlines_per_pair: int,
    outlines_per_call: int = 5,
    temperature: float | None = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Have the author write the outlines of a study.

    Returns
    -------
    outlines : DataFrame
        Columns of the outlines table but for ``nearest``, ``similarity``, ``kept`` and ``embedder``.
    shortfalls : DataFrame
        One row for each call that gave fewer outlines than asked: the cell, ``asked``, ``got`` and ``problem``. A
        call that gave more is cut to what was asked.

    Raises
    ------
    NothingToCount
        If the author gave none.
    """
    batches = plan_outlines(value_set, outlines_per_pair, outlines_per_call)
    replies = await models.ask(
        author, [_outlines_request(batch, value_set, temperature) for batch in batches], label="outlines"
    )
    rows, shortfalls = [], []
    for batch, reply in zip(batches, replies, strict=True):
        written = reply.parsed.outlines[: batch.count] if isinstance(reply.parsed, Outlines) else []
        for position, outline in enumerate(written):
            content = batch.cell | outline.model_dump()
            # the place is part of the id, so that a word-for-word repeat has a row of its own, marked as such
            place = {"batch": batch.number, "position": position, "of": outlines_per_call}
            rows.append({"outline_id": content_id(content | place)} | content | {"author": author})
        if len(written) < batch.count:
            problem = reply.problem or "fewer outlines than asked for"
            shortfalls.append(batch.cell | {"asked": batch.count, "got": len(written), "problem": problem})
    refuse_nothing(rows, author, shortfalls)
    return pd.DataFrame(rows, columns=WRITTEN), pd.DataFrame(shortfalls, columns=SHORTFALL)


def refuse_nothing(rows: Sequence[Mapping], author: str, shortfalls: Sequence[Mapping]) -> None:
    """Raise ``NothingToCount`` if an author that was asked has given nothing that can be read."""
    if not rows and shortfalls:
        raise NothingToCount(
            f"author {author!r} gave nothing that can be read in {len(shortfalls)} calls, so that there is nothing to "
            f"go on with; of the first: {shortfalls[0]['problem']}. To do: mend its entry in the file of models, or "
            "take another author; then run the same command again."
        )


def content_id(content: dict) -> str:
    """Return a 16-digit hash of a record's content: the id of an outline or scenario."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _outlines_request(batch: Batch, value_set: ValueSet, temperature: float | None) -> Request:
    """Return the request for one batch."""
    prompt = render("outlines", **batch.fields(value_set), count=batch.count, batch=batch.number)
    return Request.of(prompt, schema=Outlines, temperature=temperature)


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
        author, [_scenario_request(outline, value_set, temperature) for outline in kept.itertuples()], label="scenarios"
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


def _scenario_request(outline, value_set: ValueSet, temperature: float | None) -> Request:
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
