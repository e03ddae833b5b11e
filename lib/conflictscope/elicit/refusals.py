"""Refusals: which of a scenario's two actions declining to help amounts to, as a judge reads them.

In: scenarios. Out: the refusals table. The judge sees the situation and the two actions, in both label orders, and
neither a target's reply nor the names of the values, so that one reading holds for all targets and system prompts.
"""

from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.prompts import render
from conflictscope.tables import TABLES


class Declining(BaseModel):
    """The judge's reply; see ``prompts/declining.txt``."""

    model_config = ConfigDict(extra="forbid")
    reasoning: NonBlank
    amounts_to: Literal["A", "B", "neither"]


async def read_refusals(scenarios: pd.DataFrame, models: Models, judge: str) -> pd.DataFrame:
    """Have the judge say of each scenario which action declining to help amounts to.

    Returns
    -------
    DataFrame
        The refusals table: two rows a scenario, one for each order of labels.
    """
    cases = [(scenario, first) for scenario in scenarios.itertuples() for first in (1, 2)]
    requests = [_request(scenario, first) for scenario, first in cases]
    replies = await models.ask(judge, requests, label=f"what declining is: {judge}")
    rows = [
        {"scenario_id": scenario.scenario_id, "judge": judge, "action_shown_first": first} | _read(reply, first)
        for (scenario, first), reply in zip(cases, replies, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLES["refusals"].names)


def _request(scenario, first: int) -> Request:
    """Return what the judge is asked about one scenario, with action 1 or 2 labelled A."""
    actions = (scenario.action_1, scenario.action_2)
    prompt = render(
        "declining", description=scenario.description, action_a=actions[first - 1], action_b=actions[2 - first]
    )
    return Request.of(prompt, schema=Declining, temperature=0.0)


def _read(reply: Reply, first: int) -> dict:
    """Return outcome, action and what else a reply says."""
    row = {"thoughts": reply.reasoning, "raw": reply.raw}
    if not isinstance(reply.parsed, Declining):
        outcome = "error" if reply.outcome == "error" else "invalid"
        return row | {"outcome": outcome, "problem": f"the judge: {reply.problem or reply.outcome}"}
    shown = {"A": first, "B": 3 - first}
    action = shown.get(reply.parsed.amounts_to)
    return row | {
        "outcome": "choice" if action else "neither",
        "action": action,
        "reasoning": reply.parsed.reasoning,
        "problem": None,
    }
