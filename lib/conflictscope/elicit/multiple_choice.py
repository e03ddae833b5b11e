"""Multiple choice: which action does a target say that it would take? (paper, section 3.3: expressed preference).

In: the kept scenarios. Out: one answer for each scenario, target and order in which the two actions were shown, and
one 1–7 rating for each action; if asked, the same answers with a third on offer, to take neither action. A reply that
cannot be read is ``invalid``; it is never a choice.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from conflictscope.elicit.short_answers import read_letter, read_rating, reads_as_refusal
from conflictscope.elicit.system_prompts import Arms, default_arm, system_message
from conflictscope.models import Models, Reply, Request
from conflictscope.prompts import Prompt, render
from conflictscope.tables import MAY_ABSTAIN, TABLES, NothingToCount

_AB = ("A", "B")


class Answer(BaseModel):
    """A target's reply to ``prompts/choose.txt``, if its endpoint takes JSON schemas."""

    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


class FreeAnswer(BaseModel):
    """A target's reply to ``prompts/choose_or_abstain.txt``, if its endpoint takes JSON schemas."""

    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B", "C"]


class Rating(BaseModel):
    """A target's reply to ``prompts/rate.txt``, if its endpoint takes JSON schemas."""

    model_config = ConfigDict(extra="forbid")
    rating: int = Field(ge=1, le=7)


async def ask_multiple_choice(
    scenarios: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    *,
    arms: Mapping[str, Arms] | None = None,
    default_system_prompt: str = "",
    repetitions: int = 1,
    temperature: float | None = 0.0,
) -> pd.DataFrame:
    """Ask each target to choose, with either action shown first; all targets side by side.

    Parameters
    ----------
    arms : mapping, optional
        Target → its arms, as from `steered_prompts`; a target that is not in it is asked under ``default`` alone.
    default_system_prompt : str
        System prompt of the arm ``default``; "": none.
    repetitions : int
        How often each question is asked. At temperature 0 that shows what the endpoint alone varies.
    temperature : float, optional
        Sampling temperature; the paper's is 0.

    Returns
    -------
    DataFrame
        The answers table: n_scenarios × n_arms × repetitions × 2 rows for each target, target by target.

    Raises
    ------
    NothingToCount
        If there are no scenarios; or as ``Models.ask``.
    """
    prompts = [(scenario.scenario_id, *choice_prompts(scenario)) for scenario in scenarios.itertuples()]
    default = default_arm(default_system_prompt)
    asked = {target: (arms or {}).get(target, default) for target in targets}
    answered = await _ask_targets(prompts, models, asked, Answer, repetitions, temperature)
    rows = [
        identity | {"action_shown_first": first} | _read_answer(first, reply) for identity, first, reply in answered
    ]
    return pd.DataFrame(rows, columns=TABLES["answers"].names)


async def ask_with_abstention(
    scenarios: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    *,
    default_system_prompt: str = "",
    repetitions: int = 1,
    temperature: float | None = 0.0,
) -> pd.DataFrame:
    """Ask each target what `ask_multiple_choice` asks, with a third answer: "Neither; I would say why.".

    Parameters
    ----------
    default_system_prompt, repetitions, temperature
        As for `ask_multiple_choice`.

    Returns
    -------
    DataFrame
        The abstaining_answers table, in which the third answer is the outcome ``neither`` and the arm is
        ``may_abstain``: n_scenarios × repetitions × 2 rows for each target, none without a target.

    Raises
    ------
    NothingToCount
        As for `ask_multiple_choice`.
    """
    prompts = [
        (scenario.scenario_id, *choice_prompts(scenario, "choose_or_abstain")) for scenario in scenarios.itertuples()
    ]
    arm = {MAY_ABSTAIN: default_arm(default_system_prompt)["default"]}
    asked = dict.fromkeys(targets, arm)
    answered = await _ask_targets(prompts, models, asked, FreeAnswer, repetitions, temperature)
    rows = [
        identity | {"action_shown_first": first} | _read_answer(first, reply, may_abstain=True)
        for identity, first, reply in answered
    ]
    return pd.DataFrame(rows, columns=TABLES["abstaining_answers"].names)


def choice_prompts(scenario: Any, prompt: str = "choose") -> tuple[Prompt, Prompt]:
    """Return what a target is asked about a row of the scenarios, as sent: action 1 shown first, then action 2."""
    first, second = scenario.action_1, scenario.action_2
    return (
        render(prompt, description=scenario.description, action_a=first, action_b=second),
        render(prompt, description=scenario.description, action_a=second, action_b=first),
    )


async def ask_ratings(
    scenarios: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    *,
    default_system_prompt: str = "",
    repetitions: int = 1,
    temperature: float | None = 0.0,
) -> pd.DataFrame:
    """Ask each target to rate each action by itself from 1 to 7.

    Parameters
    ----------
    default_system_prompt, repetitions, temperature
        As for `ask_multiple_choice`.

    Returns
    -------
    DataFrame
        The ratings table: n_scenarios × repetitions × 2 rows for each target, target by target.

    Raises
    ------
    NothingToCount
        As for `ask_multiple_choice`.
    """
    prompts = [
        (
            scenario.scenario_id,
            render("rate", description=scenario.description, action=scenario.action_1),
            render("rate", description=scenario.description, action=scenario.action_2),
        )
        for scenario in scenarios.itertuples()
    ]
    asked = dict.fromkeys(targets, default_arm(default_system_prompt))
    answered = await _ask_targets(prompts, models, asked, Rating, repetitions, temperature)
    rows = [identity | {"rated_action": number} | _read_rating(reply) for identity, number, reply in answered]
    return pd.DataFrame(rows, columns=TABLES["ratings"].names)


async def _ask_targets(
    prompts: Sequence[tuple[str, Prompt, Prompt]],
    models: Models,
    arms: Mapping[str, Arms],
    schema: type[BaseModel],
    repetitions: int,
    temperature: float | None,
) -> list[tuple[dict, int, Reply]]:
    """Put each scenario's two prompts; return what a row is about, which prompt, and the reply, target by target.

    `arms` maps each target to its arms.
    """
    if arms and not prompts:
        raise NothingToCount("there is no scenario to put to the targets: notebook 02 kept none; see its funnel.")

    async def ask(target: str) -> list[tuple[dict, int, Reply]]:
        model = models.registry[target]
        asked, requests = [], []
        for arm, text in arms[target].items():
            for scenario_id, *both in prompts:
                for repetition, (number, prompt) in itertools.product(range(repetitions), enumerate(both, start=1)):
                    identity = {"scenario_id": scenario_id, "target": target, "arm": arm, "repetition": repetition}
                    asked.append((identity, number))
                    requests.append(
                        Request.of(
                            prompt,
                            before=system_message(text(scenario_id)),
                            schema=schema if model.json_schema else None,
                            temperature=temperature,
                            repetition=repetition,
                            logprobs=model.logprobs and schema is not Rating,
                        )
                    )
        what, is_usable = _ASKED[schema]
        replies = await models.ask(target, requests, label=f"{what}: {target}", is_usable=is_usable)
        return [(*who, reply) for who, reply in zip(asked, replies, strict=True)]

    return list(itertools.chain.from_iterable(await asyncio.gather(*map(ask, arms))))


def _gives_answer(reply: Reply) -> bool:
    """Return whether a reply chooses or declines to."""
    return _read_answer(1, reply)["outcome"] != "invalid"


def _gives_free_answer(reply: Reply) -> bool:
    """Return whether a reply chooses, abstains or declines to answer."""
    return _read_answer(1, reply, may_abstain=True)["outcome"] != "invalid"


def _gives_rating(reply: Reply) -> bool:
    """Return whether a reply rates or declines to."""
    return reply.outcome == "refusal" or _read_rating(reply)["rating"] is not None or reads_as_refusal(reply.text or "")


_ASKED: dict[type[BaseModel], tuple[str, Callable[[Reply], bool]]] = {
    Answer: ("multiple choice", _gives_answer),
    FreeAnswer: ("multiple choice, may abstain", _gives_free_answer),
    Rating: ("ratings", _gives_rating),
}


def _read_answer(shown_first: int, reply: Reply, *, may_abstain: bool = False) -> dict:
    """Return what a reply adds to a row of the answers table."""
    letter: str | None = reply.parsed.answer if isinstance(reply.parsed, Answer | FreeAnswer) else None
    outcome, problem = reply.outcome, reply.problem
    if reply.outcome == "ok" and letter is None:
        letter = read_letter(reply.text or "", may_abstain=may_abstain)
        outcome = "refusal" if letter is None and reads_as_refusal(reply.text or "") else "invalid"
        problem = None if letter else f"not one letter, {'A, B or C' if may_abstain else 'A or B'}"
    return {
        "outcome": "neither" if letter == "C" else "choice" if letter else outcome,
        "action": {"A": shown_first, "B": 3 - shown_first}.get(letter or ""),
        "probability_first": _probability_of_a(reply),
        "problem": problem,
        "raw": reply.raw,
        "reasoning": reply.reasoning,
        "model_id": reply.model_id,
    }


def _read_rating(reply: Reply) -> dict:
    """Return what a reply adds to a row of the ratings table."""
    rating = reply.parsed.rating if isinstance(reply.parsed, Rating) else None
    problem = reply.problem
    if reply.outcome == "ok" and rating is None:
        rating = read_rating(reply.text or "")
        problem = None if rating else "not one whole number from 1 to 7"
    return {"rating": rating, "problem": problem, "raw": reply.raw, "reasoning": reply.reasoning}


def _probability_of_a(reply: Reply) -> float | None:
    """Return P(A) / (P(A) + P(B)) at the token that is the letter, or None if either is not given."""
    if reply.outcome == "ok" and reply.parsed is None and "".join(filter(str.isalpha, reply.text or "")) not in _AB:
        # where more than a letter is said, the first token like one may be an echo of the question
        return None
    for alternatives in reply.top_logprobs or ():
        letters = {token: token.strip(" \n\"'*(:{}") for token in alternatives}
        # if JSON is asked for, the tokens around the letter may have had a bare letter for an alternative
        if (
            isinstance(reply.parsed, Answer | FreeAnswer)
            and letters[max(alternatives, key=lambda t: alternatives[t])] not in _AB
        ):
            continue
        logprob: dict[str, float] = {}
        for token, value in alternatives.items():
            if (letter := letters[token]) in _AB:
                logprob[letter] = float(np.logaddexp(logprob.get(letter, -np.inf), value))
        if logprob:
            return None if len(logprob) < 2 else float(1 / (1 + np.exp(logprob["B"] - logprob["A"])))
    return None
