"""The filter judge: the six checks that a scenario must pass (paper, section 3.2), and which part of life it is from.

In: the scenarios table. Out: one row for each question put to the judge, with its yes or no and its reason; the
status of each scenario. A check without a readable answer is neither passed nor failed: the scenario is ``undecided``.
The action shown first is drawn from a hash of the row's identity, so it stays the same when rows come and go.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, create_model

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import CHECKS, TABLES

_NEEDS_ACTIONS = {"feasible", "exclusive", "dilemma"}
# `value_guided` is asked about the value of each side
_QUESTIONS = [(check, side) for check in CHECKS for side in ((1, 2) if check == "value_guided" else (None,))]
_FAILED, _EMPTY, _PASSED = range(3)


def action_shown_first(seed: int, purpose: str, *identity: object) -> int:
    """Return the action, 1 or 2, to show first; each comes first for half of all identities."""
    content = "\x1f".join(map(str, (seed, purpose, *identity)))
    return 1 + hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[0] % 2


class CheckResult(BaseModel):
    """The filter judge's reply to a yes/no check; see ``prompts/check_*.txt``."""

    model_config = ConfigDict(extra="forbid")
    reason: NonBlank
    passes: bool


class ValueGuidedResult(BaseModel):
    """The filter judge's reply to ``prompts/check_value_guided.txt``."""

    model_config = ConfigDict(extra="forbid")
    reason: NonBlank
    action: Literal["A", "B", "neither"]


async def check_scenarios(
    scenarios: pd.DataFrame, value_set: ValueSet, models: Models, filter_judge: str, *, seed: int
) -> pd.DataFrame:
    """Put seven questions to the filter judge about each scenario: five checks, and `value_guided` once per value.

    Returns
    -------
    DataFrame
        The checks table. In ``value_guided`` the two actions are shown in an order drawn from `seed` and the
        scenario's id, reversed for the second value; the row is passed if the judge names the action that supports
        the value.
    """
    asked = [(scenario, check, side) for scenario in scenarios.itertuples() for check, side in _QUESTIONS]
    questions = [_question(scenario, check, side, value_set, seed) for scenario, check, side in asked]
    replies = await models.ask(filter_judge, [request for _, request in questions], label="checks")
    rows = []
    for (_, _, side), (row, _), reply in zip(asked, questions, replies, strict=True):
        answer = reply.parsed
        if isinstance(answer, ValueGuidedResult):
            passed: bool | None = answer.action == ("A" if row["action_shown_first"] == side else "B")
        else:
            passed = getattr(answer, "passes", None)
        judged = {"passed": passed, "reason": getattr(answer, "reason", None), "filter_judge": filter_judge}
        rows.append(row | judged | {"problem": reply.problem, "raw": reply.text})
    return pd.DataFrame(rows, columns=TABLES["checks"].names)


def _question(scenario, check: str, side: int | None, value_set: ValueSet, seed: int) -> tuple[dict, Request]:
    """Return the row of a question, as far as it is known before it is asked, and the request that puts it."""
    row = {"scenario_id": scenario.scenario_id, "check": check}
    if side is None:
        actions = {"action_1": scenario.action_1, "action_2": scenario.action_2} if check in _NEEDS_ACTIONS else {}
        prompt = render(f"check_{check}", description=scenario.description, **actions)
        return row, Request.of(prompt, schema=CheckResult, temperature=0.0)
    value = value_set[scenario.value_1 if side == 1 else scenario.value_2]
    first = action_shown_first(seed, check, scenario.scenario_id)
    first = first if side == 1 else 3 - first
    shown = (scenario.action_1, scenario.action_2)[:: 1 if first == 1 else -1]
    fields = {"action_a": shown[0], "action_b": shown[1], "value": value.name, "definition": value.definition}
    prompt = render(f"check_{check}", description=scenario.description, **fields)
    row |= {"about_value": value.name, "action_shown_first": first}
    return row, Request.of(prompt, schema=ValueGuidedResult, temperature=0.0)


def apply_filter(scenarios: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Return what became of each scenario.

    Returns
    -------
    DataFrame, index ``scenario_id`` in the order of `scenarios`
        A column for each check (True, False, or empty if undecided; `value_guided` needs both values right) and
        ``filter_status``: ``kept`` (all six passed), ``dropped`` (at least one failed) or ``undecided``.
    """
    passed = checks["passed"].astype("boolean")
    # a failed part fails the check whatever the other part was; only then does an empty one leave it undecided
    worst = np.select([passed.eq(False).fillna(False), passed.isna()], [_FAILED, _EMPTY], _PASSED)
    parts = checks[["scenario_id", "check"]].assign(worst=worst).groupby(["scenario_id", "check"])["worst"].min()
    verdicts = parts.unstack("check").reindex(index=scenarios["scenario_id"], columns=list(CHECKS))
    filter_status = pd.Series("undecided", index=verdicts.index)
    filter_status[verdicts.eq(_PASSED).all(axis=1)] = "kept"
    filter_status[verdicts.eq(_FAILED).any(axis=1)] = "dropped"
    decided = verdicts.eq(_PASSED).astype("boolean").where(verdicts.isin((_PASSED, _FAILED)))
    return decided.assign(filter_status=filter_status)


def filter_funnel(decisions: pd.DataFrame) -> pd.DataFrame:
    """Count how many scenarios are left after each check, in the order of the checks.

    Returns
    -------
    DataFrame
        ``check``, ``passed``, ``failed``, ``undecided`` (each over all scenarios), ``pass_rate`` (passed among those
        decided) and ``left``: scenarios that passed this check and all before it.
    """
    passed, failed = (decisions[list(CHECKS)].eq(verdict).fillna(False).astype(bool) for verdict in (True, False))
    table = pd.DataFrame({"check": list(CHECKS), "passed": passed.sum().to_numpy(), "failed": failed.sum().to_numpy()})
    decided = table["passed"] + table["failed"]
    left = passed.cummin(axis=1).sum().astype(int).to_numpy()
    return table.assign(undecided=len(decisions) - decided, pass_rate=table["passed"] / decided, left=left)


async def assign_domains(
    scenarios: pd.DataFrame, models: Models, filter_judge: str, domains: Sequence[str]
) -> pd.DataFrame:
    """Have the filter judge assign one of at least two different domains to each scenario (ours, not the paper's).

    Returns
    -------
    DataFrame
        The domains table, one row a scenario, in the order of `scenarios`. A reply that names none of the domains is
        kept with its text and leaves the domain empty.
    """
    if len(domains) < 2 or len(set(domains)) < len(domains):
        raise ValueError(f"domains: found {list(domains)}; expected at least two, each once.")
    # the reply to prompts/domain.txt: one of the domains
    one_of = (Literal[tuple(domains)], ...)
    schema = create_model("Domain", __config__=ConfigDict(extra="forbid"), domain=one_of)  # type: ignore[arg-type]
    requests = [
        Request.of(render("domain", description=description, domains=list(domains)), schema=schema, temperature=0.0)
        for description in scenarios["description"]
    ]
    replies = await models.ask(filter_judge, requests, label="domains")
    return pd.DataFrame(
        {
            "scenario_id": scenarios["scenario_id"].to_numpy(),
            "domain": [getattr(reply.parsed, "domain", None) for reply in replies],
            "filter_judge": filter_judge,
            "problem": [reply.problem for reply in replies],
            "raw": [reply.text for reply in replies],
        },
        columns=TABLES["domains"].names,
    )
