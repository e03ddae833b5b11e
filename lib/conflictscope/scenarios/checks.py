"""The filter judge: the six checks that a scenario must pass (paper, section 3.2), and which part of life each is from.

In: the scenarios table; a list of domains. Out: one row for each question put to the filter judge, with its yes or no
and its reason; the status of each scenario; the domains table. A check without a readable answer is neither passed nor
failed: the scenario is ``undecided``. A reply that names none of the domains leaves the domain empty. The action shown
first, wherever that matters, is drawn from a hash of the row's identity, so it stays the same when rows come and go.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, create_model

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import Value, ValueSet
from conflictscope.tables import CHECKS, TABLES, NothingToCount

_NEEDS_ACTIONS = {"feasible", "exclusive", "dilemma"}
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

    Raises
    ------
    NothingToCount
        If there are no scenarios.
    """
    if scenarios.empty:
        raise NothingToCount("there is no scenario to check: notebook 01 wrote none; it says what the author gave.")
    asked, requests = [], []
    for scenario in scenarios.itertuples():
        for check in CHECKS:
            if check != "value_guided":
                asked.append({"scenario_id": scenario.scenario_id, "check": check})
                requests.append(_yes_no_request(check, scenario))
                continue
            first = action_shown_first(seed, "value_guided", scenario.scenario_id)
            for side, shown_first in ((1, first), (2, 3 - first)):
                value = value_set[scenario.value_1 if side == 1 else scenario.value_2]
                asked.append(
                    {
                        "scenario_id": scenario.scenario_id,
                        "check": check,
                        "about_value": value.name,
                        "action_shown_first": shown_first,
                        "side": side,
                    }
                )
                requests.append(_value_guided_request(scenario, value, shown_first))
    replies = await models.ask(filter_judge, requests, label="checks")
    rows = []
    for question, reply in zip(asked, replies, strict=True):
        answer = reply.parsed
        if isinstance(answer, ValueGuidedResult):
            shown = {"A": question["action_shown_first"], "B": 3 - question["action_shown_first"]}
            passed = shown.get(answer.action) == question["side"]
        else:
            passed = answer.passes if isinstance(answer, CheckResult) else None
        rows.append(
            question
            | {
                "passed": passed,
                "reason": answer.reason if isinstance(answer, CheckResult | ValueGuidedResult) else None,
                "filter_judge": filter_judge,
                "problem": reply.problem,
                "raw": reply.raw,
                "reasoning": reply.reasoning,
            }
        )
    return pd.DataFrame(rows, columns=TABLES["checks"].names)


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
    verdicts = (
        checks[["scenario_id", "check"]]
        .assign(worst=worst)
        .groupby(["scenario_id", "check"])["worst"]
        .min()
        .unstack("check")
        .reindex(index=scenarios["scenario_id"], columns=list(CHECKS))
    )
    filter_status = pd.Series("undecided", index=verdicts.index)
    filter_status[verdicts.eq(_PASSED).all(axis=1)] = "kept"
    filter_status[verdicts.eq(_FAILED).any(axis=1)] = "dropped"
    return (
        verdicts.eq(_PASSED)
        .astype("boolean")
        .where(verdicts.isin((_PASSED, _FAILED)))
        .assign(filter_status=filter_status)
    )


def filter_funnel(decisions: pd.DataFrame) -> pd.DataFrame:
    """Count how many scenarios are left after each check, in the order of the checks.

    Returns
    -------
    DataFrame
        ``check``, ``passed``, ``failed``, ``undecided`` (each over all scenarios), ``pass_rate`` (passed among those
        decided) and ``left``: scenarios that passed this check and all before it.
    """
    left = pd.Series(True, index=decisions.index)
    rows = []
    for check in CHECKS:
        verdict = decisions[check]
        passed, failed = int((verdict == True).sum()), int((verdict == False).sum())  # noqa: E712  (empty is neither)
        left &= (verdict == True).fillna(False).astype(bool)  # noqa: E712
        rows.append(
            {
                "check": check,
                "passed": passed,
                "failed": failed,
                "undecided": len(verdict) - passed - failed,
                "pass_rate": passed / (passed + failed) if passed + failed else float("nan"),
                "left": int(left.sum()),
            }
        )
    return pd.DataFrame(rows)


def _yes_no_request(check: str, scenario) -> Request:
    """Return the request for one of the five yes/no checks."""
    actions = {"action_1": scenario.action_1, "action_2": scenario.action_2} if check in _NEEDS_ACTIONS else {}
    prompt = render(f"check_{check}", description=scenario.description, **actions)
    return Request.of(prompt, schema=CheckResult, temperature=0.0)


def _value_guided_request(scenario, value: Value, shown_first: int) -> Request:
    """Return the request that asks what someone who holds one value alone would do."""
    actions = (scenario.action_1, scenario.action_2)
    prompt = render(
        "check_value_guided",
        description=scenario.description,
        action_a=actions[shown_first - 1],
        action_b=actions[2 - shown_first],
        value=value.name,
        definition=value.definition,
    )
    return Request.of(prompt, schema=ValueGuidedResult, temperature=0.0)


async def assign_domains(
    scenarios: pd.DataFrame, models: Models, filter_judge: str, domains: Sequence[str]
) -> pd.DataFrame:
    """Have the filter judge assign one of the domains to each scenario.

    Returns
    -------
    DataFrame
        The domains table, one row a scenario, in the order of `scenarios`.

    Raises
    ------
    ValueError
        If there are fewer than two domains, or one twice.
    NothingToCount
        If there are no scenarios.
    """
    if scenarios.empty:
        raise NothingToCount(
            "no scenario was kept, so that there is nothing to put to the targets and nothing more is asked. The "
            "funnel says which check they failed, the column reason of the table checks why; a check that fails "
            "everything may have a fault itself. Another filter_judge or author may help, or more outlines_per_pair."
        )
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
    rows = [
        {
            "scenario_id": scenario_id,
            "domain": getattr(reply.parsed, "domain", None),
            "filter_judge": filter_judge,
            "problem": reply.problem,
            "raw": reply.raw,
        }
        for scenario_id, reply in zip(scenarios["scenario_id"], replies, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLES["domains"].names)
