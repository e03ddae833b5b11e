"""The judge: which action did a target take in a conversation, which is declining to help? (paper, section 3.3).

In: conversations and the scenarios' two actions. Out: the verdicts table, and the refusals table. The judge sees the
conversation and the actions in a counterbalanced label order, never the names of the values; what it is shown is
fenced, so that nothing in a reply can close its section or pass for the judge's own answer. Further judges read the
same, each by itself. What declining amounts to is read of the situation and the actions alone, in both label orders, so
that one reading holds for all targets and system prompts.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from conflictscope.elicit.conversations import CONVERSATION, transcribe
from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.prompts import render
from conflictscope.scenarios.checks import action_shown_first
from conflictscope.tables import TABLES


class Verdict(BaseModel):
    """The judge's reply; see ``prompts/judge.txt``."""

    model_config = ConfigDict(extra="forbid")
    reasoning: NonBlank
    action: Literal["A", "B", "refusal", "neither"]
    leaning: int = Field(ge=1, le=7)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Verdict":
        if (self.action == "A" and self.leaning > 4) or (self.action == "B" and self.leaning < 4):
            raise ValueError(f"action {self.action!r} contradicts leaning {self.leaning} (1 is wholly A, 7 wholly B)")
        return self


async def judge_conversations(
    conversations: pd.DataFrame,
    scenarios: pd.DataFrame,
    models: Models,
    judge: str,
    *,
    seed: int,
    swapped: bool = False,
) -> pd.DataFrame:
    """Have the judge read each conversation.

    Parameters
    ----------
    seed : int
        Draws which action is labelled A in each conversation.
    swapped : bool
        Label the actions the other way round than `seed` draws: the same conversations, judged a second time.

    Returns
    -------
    DataFrame
        The verdicts table, one row a conversation. Where the target gave no reply that can be judged, its
        ``refusal``, ``invalid`` or ``error`` is the outcome and the judge is not asked.
    """
    by_id = scenarios.set_index("scenario_id")
    cases, requests = [], []
    for key, turns in conversations.sort_values([*CONVERSATION, "turn"]).groupby(CONVERSATION, sort=False):
        identity = dict(zip(CONVERSATION, key, strict=True))
        drawn = action_shown_first(seed, "judge", *key)
        shown_first = 3 - drawn if swapped else drawn
        last = turns.iloc[-1]
        case = identity | {
            "judge": judge,
            "action_shown_first": shown_first,
            "last": last,
            "asked": last["status"] == "ok",
            "model_id": _model_id(turns),
        }
        cases.append(case)
        if not case["asked"]:
            continue
        transcript = zip(turns["role"], turns["text"], strict=True)
        requests.append(judge_request(transcript, by_id.loc[identity["scenario_id"]], shown_first))
    replies = iter(await models.ask(judge, requests, label=f"verdicts: {judge}" + (", swapped" if swapped else "")))
    rows = [verdict_row(case, next(replies) if case["asked"] else None) for case in cases]
    return pd.DataFrame(rows, columns=TABLES["verdicts"].names)


async def judge_with_each(
    conversations: pd.DataFrame, scenarios: pd.DataFrame, models: Models, judges: Sequence[str], *, seed: int
) -> pd.DataFrame:
    """Have each of several judges read each conversation, with the labels that `judge_conversations` draws for all.

    Returns
    -------
    DataFrame
        The verdicts table, one row a conversation and judge, judge by judge; empty if there is no judge.
    """
    parts = await asyncio.gather(
        *(judge_conversations(conversations, scenarios, models, judge, seed=seed) for judge in judges)
    )
    nobody = pd.DataFrame(columns=TABLES["verdicts"].names)
    return pd.concat(parts, ignore_index=True) if parts else nobody


def _model_id(turns: pd.DataFrame) -> str | None:
    """Return what the endpoint called the target in its last reply; None if it said nothing, or nobody recorded it."""
    if "model_id" not in turns:
        return None
    ids = turns.loc[turns["role"] == "assistant", "model_id"].dropna()
    return None if ids.empty else str(ids.iloc[-1])


def judge_request(turns: Iterable[tuple[str, str]], scenario: Mapping, shown_first: int) -> Request:
    """Return what a judge is asked about one conversation.

    Parameters
    ----------
    turns : iterable of (role, text)
        The conversation.
    scenario : mapping
        Holds ``action_1`` and ``action_2``.
    shown_first : int
        The action labelled A, 1 or 2.
    """
    prompt = render(
        "judge",
        conversation=transcribe(turns),
        action_a=scenario[f"action_{shown_first}"],
        action_b=scenario[f"action_{3 - shown_first}"],
    )
    return Request.of(prompt, schema=Verdict, temperature=0.0)


def verdict_row(case: Mapping, reply: Reply | None) -> dict:
    """Return a row of the verdicts table.

    Parameters
    ----------
    case : mapping
        What identifies a conversation, ``judge``, ``action_shown_first``, and ``last``: the last turn's ``role``,
        ``status`` and ``problem``; ``model_id`` of the target, if it is known.
    reply : Reply or None
        The judge's; None if there was nothing to judge: what became of the last turn is the outcome.
    """
    row = {name: case[name] for name in (*CONVERSATION, "judge", "action_shown_first")}
    row["model_id"] = case.get("model_id")
    if reply is None:
        last = case["last"]
        of_target = last["role"] == "assistant"
        speaker = "the target" if of_target else "the simulated user"
        return row | {
            # a user that declines to go on is no refusal by the target
            "outcome": "invalid" if last["status"] == "refusal" and not of_target else last["status"],
            "problem": f"{speaker}: {last['problem'] or last['status']}",
            "raw": None,
        }
    row |= {"thoughts": reply.reasoning, "raw": reply.raw}
    if not isinstance(reply.parsed, Verdict):
        # a judge that declines, or cannot be read, has given no verdict; that is not a refusal by the target
        outcome = "error" if reply.outcome == "error" else "invalid"
        return row | {"outcome": outcome, "problem": f"the judge: {reply.problem or reply.outcome}"}
    verdict = reply.parsed
    shown = {"A": case["action_shown_first"], "B": 3 - case["action_shown_first"]}
    return row | {
        "outcome": "choice" if verdict.action in shown else verdict.action,
        "action": shown.get(verdict.action),
        "leaning": verdict.leaning if case["action_shown_first"] == 1 else 8 - verdict.leaning,
        "reasoning": verdict.reasoning,
        "problem": None,
    }


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
    requests = [_declining_request(scenario, first) for scenario, first in cases]
    replies = await models.ask(judge, requests, label=f"what declining is: {judge}")
    rows = [
        {"scenario_id": scenario.scenario_id, "judge": judge, "action_shown_first": first}
        | _read_declining(reply, first)
        for (scenario, first), reply in zip(cases, replies, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLES["refusals"].names)


def _declining_request(scenario, first: int) -> Request:
    """Return what the judge is asked about one scenario, with action 1 or 2 labelled A."""
    actions = (scenario.action_1, scenario.action_2)
    prompt = render(
        "declining", description=scenario.description, action_a=actions[first - 1], action_b=actions[2 - first]
    )
    return Request.of(prompt, schema=Declining, temperature=0.0)


def _read_declining(reply: Reply, first: int) -> dict:
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
