"""First step of generation: outlines, spread evenly over templates and directions (paper, section 3.1).

In: a value set and the number wanted per pair. Out: the outlines table, before near-duplicates are marked. Each pair
gets the same number for each of its eight cells: structure × severity × which value the acting side serves, so that
acting against refraining is not confounded with either value.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, Request
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import SEVERITIES, STRUCTURES


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


# columns: what outlines of one kind share; the outlines table before near-duplicates are marked; the calls that gave
# less than was asked for
CELL = ("value_1", "value_2", "structure", "severity", "acting_value")
WRITTEN = ["outline_id", *CELL, *Outline.model_fields, "author"]
SHORTFALL = [*CELL, "asked", "got", "problem"]


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
    def cell(self) -> dict[str, object]:
        """The columns that its outlines share; no acting value is empty."""
        return {name: getattr(self, name) or None for name in CELL}

    def fields(self, value_set: ValueSet) -> dict[str, str]:
        """Return what the prompts say of the cell; ``other_value`` is the one that acting goes against."""
        other = self.value_2 if self.acting_value == self.value_1 else self.value_1
        template = {"structure": self.structure, "severity": self.severity}
        sides = {"acting_value": self.acting_value, "other_value": other}
        return value_set.pair_fields(self.value_1, self.value_2) | template | sides


def plan_outlines(value_set: ValueSet, outlines_per_pair: int, outlines_per_call: int) -> list[Batch]:
    """Spread the outlines of each pair over its eight cells; both numbers are at least 1.

    If the number is not a multiple of eight the remainder goes to different cells from pair to pair, so that over
    the whole set no cell is favoured.
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
    """
    batches = plan_outlines(value_set, outlines_per_pair, outlines_per_call)
    prompts = [render("outlines", **b.fields(value_set), count=b.count, batch=b.number) for b in batches]
    requests = [Request.of(prompt, schema=Outlines, temperature=temperature) for prompt in prompts]
    replies = await models.ask(author, requests, label="outlines")
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
    return pd.DataFrame(rows, columns=WRITTEN), pd.DataFrame(shortfalls, columns=SHORTFALL)


def content_id(content: dict) -> str:
    """Return a 16-digit hash of a record's content: the id of an outline or scenario."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]
