"""Multiple choice: which action does a target say that it would take? (paper, section 3.3: expressed preference).

In: the kept scenarios. Out: one answer for each scenario, target and order in which the two actions were shown, and
one 1–7 rating for each action. A reply that cannot be read is ``invalid``; it is never a choice.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from conflictscope.elicit.short_answers import read_letter, read_rating, reads_as_refusal
from conflictscope.elicit.system_prompts import DEFAULT, SystemPrompts, system_message
from conflictscope.models import Models, Reply, Request
from conflictscope.prompts import render
from conflictscope.tables import TABLES


class Answer(BaseModel):
    """A target's reply to ``prompts/choose.txt``, where its endpoint takes JSON schemas."""

    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


class Rating(BaseModel):
    """A target's reply to ``prompts/rate.txt``, where its endpoint takes JSON schemas."""

    model_config = ConfigDict(extra="forbid")
    rating: int = Field(ge=1, le=7)


async def ask_multiple_choice(
    scenarios: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    *,
    system_prompts: SystemPrompts = DEFAULT,
    repetitions: int = 1,
    temperature: float | None = 0.0,
) -> pd.DataFrame:
    """Ask each target to choose, with either action shown first.

    Parameters
    ----------
    repetitions : int
        How often each question is asked. At temperature 0 that shows what the endpoint alone varies.
    temperature : float, optional
        Sampling temperature; the paper's is 0.

    Returns
    -------
    DataFrame
        The answers table: n_scenarios × n_targets × n_system_prompts × repetitions × 2 rows.
    """
    questions = [
        {
            "scenario_id": scenario.scenario_id,
            "arm": name,
            "repetition": repetition,
            "action_shown_first": first,
            "messages": system_message(text(scenario.scenario_id)),
            "prompt": render(
                "choose",
                description=scenario.description,
                action_a=scenario.action_1 if first == 1 else scenario.action_2,
                action_b=scenario.action_2 if first == 1 else scenario.action_1,
            ),
        }
        for name, text in system_prompts.items()
        for scenario in scenarios.itertuples()
        for repetition in range(repetitions)
        for first in (1, 2)
    ]
    answered = await _ask_targets(questions, models, targets, Answer, "multiple choice", temperature, logprobs=True)
    rows = [_answer_row(question, target, reply) for target, question, reply in answered]
    return pd.DataFrame(rows, columns=[column.name for column in TABLES["answers"].columns])


async def ask_ratings(
    scenarios: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    *,
    system_prompts: SystemPrompts = DEFAULT,
    repetitions: int = 1,
    temperature: float | None = 0.0,
) -> pd.DataFrame:
    """Ask each target to rate each action by itself from 1 to 7.

    Parameters
    ----------
    repetitions, temperature
        As for `ask_multiple_choice`.

    Returns
    -------
    DataFrame
        The ratings table: n_scenarios × n_targets × n_system_prompts × repetitions × 2 rows.
    """
    questions = [
        {
            "scenario_id": scenario.scenario_id,
            "arm": name,
            "repetition": repetition,
            "rated_action": action,
            "messages": system_message(text(scenario.scenario_id)),
            "prompt": render(
                "rate",
                description=scenario.description,
                action=scenario.action_1 if action == 1 else scenario.action_2,
            ),
        }
        for name, text in system_prompts.items()
        for scenario in scenarios.itertuples()
        for repetition in range(repetitions)
        for action in (1, 2)
    ]
    answered = await _ask_targets(questions, models, targets, Rating, "ratings", temperature, logprobs=False)
    rows = [_rating_row(question, target, reply) for target, question, reply in answered]
    return pd.DataFrame(rows, columns=[column.name for column in TABLES["ratings"].columns])


async def _ask_targets(
    questions: list[dict],
    models: Models,
    targets: Sequence[str],
    schema: type[BaseModel],
    label: str,
    temperature: float | None,
    *,
    logprobs: bool,
) -> list[tuple[str, dict, Reply]]:
    """Ask every target every question; return target, question and reply, target by target."""

    async def ask(target: str) -> list[Reply]:
        model = models.registry[target]
        # log-probabilities are those of a bare letter, so a target that gives them is asked for one
        weighed = logprobs and model.logprobs
        requests = [
            Request.of(
                question["prompt"],
                before=question["messages"],
                schema=schema if model.json_schema and not weighed else None,
                temperature=temperature,
                repetition=question["repetition"],
                logprobs=weighed,
            )
            for question in questions
        ]
        return await models.ask(target, requests, label=f"{label}: {target}")

    replies = await asyncio.gather(*(ask(target) for target in targets))
    return [
        (target, question, reply)
        for target, own in zip(targets, replies, strict=True)
        for question, reply in zip(questions, own, strict=True)
    ]


def _answer_row(question: dict, target: str, reply: Reply) -> dict:
    """Return a row of the answers table."""
    letter: str | None = reply.parsed.answer if isinstance(reply.parsed, Answer) else None
    outcome, problem = reply.outcome, reply.problem
    if reply.outcome == "ok" and letter is None:
        letter = read_letter(reply.text or "")
        outcome = "refusal" if letter is None and reads_as_refusal(reply.text or "") else "invalid"
        problem = None if letter else "not one letter, A or B"
    return {
        "scenario_id": question["scenario_id"],
        "target": target,
        "arm": question["arm"],
        "repetition": question["repetition"],
        "action_shown_first": question["action_shown_first"],
        "outcome": "choice" if letter else outcome,
        "action": {"A": question["action_shown_first"], "B": 3 - question["action_shown_first"]}.get(letter or ""),
        "probability_first": _probability_of_a(reply),
        "problem": problem,
        "raw": reply.text,
    }


def _rating_row(question: dict, target: str, reply: Reply) -> dict:
    """Return a row of the ratings table."""
    rating = reply.parsed.rating if isinstance(reply.parsed, Rating) else None
    problem = reply.problem
    if reply.outcome == "ok" and rating is None:
        rating = read_rating(reply.text or "")
        problem = None if rating else "not one whole number from 1 to 7"
    return {
        "scenario_id": question["scenario_id"],
        "target": target,
        "arm": question["arm"],
        "repetition": question["repetition"],
        "rated_action": question["rated_action"],
        "rating": rating,
        "problem": problem,
        "raw": reply.text,
    }


def _probability_of_a(reply: Reply) -> float | None:
    """Return P(A) / (P(A) + P(B)) at the first token that is a letter, or None where either is not given."""
    for alternatives in reply.top_logprobs or ():
        logprob: dict[str, float] = {}
        for token, value in alternatives.items():
            letter = token.strip(" \n\"'*(")
            if letter in ("A", "B"):
                logprob[letter] = float(np.logaddexp(logprob.get(letter, -np.inf), value))
        if logprob:
            return None if len(logprob) < 2 else float(1 / (1 + np.exp(logprob["B"] - logprob["A"])))
    return None
