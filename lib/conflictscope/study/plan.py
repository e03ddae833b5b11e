"""What a study will ask of which model, before anything is asked.

In: a study's parameters. Out: a table of calls, tokens and dollars by stage. Calls are counted as if nothing were
dropped as a duplicate or filtered out, so they are the most that a study makes without repairs and retries. Tokens
follow a stated rule: the length of the prompt's text plus typical lengths of what is filled in, at four characters a
token.
"""

from dataclasses import dataclass

import pandas as pd

from conflictscope.elicit import choose_target_rankings
from conflictscope.models import Registry
from conflictscope.prompts import prompt_lengths
from conflictscope.scenarios import load_value_set, missing_fields, plan_one_step, plan_outlines, read_given
from conflictscope.scenarios.outlines import Batch
from conflictscope.study.parameters import StudyParameters
from conflictscope.tables import CHECKS

CHARACTERS_PER_TOKEN = 4
# typical lengths in characters, measured on the scenarios that the project ships with
TYPICAL = {
    "definition": 90,
    "outline": 620,
    "description": 620,
    "profile": 330,
    "action": 170,
    "scenario": 1900,
    "message": 850,
    "artifact": 700,
    "reply": 900,
    "reason": 160,
    "reasoning": 350,
}
# how many opening messages have a text of their own written for them, of 100
ARTIFACTS_PER_100 = 25


@dataclass(frozen=True)
class _Step:
    """One step of a stage: which role answers, how often, and characters in and out of each call."""

    stage: str
    step: str
    role: str
    calls: int
    characters_in: int
    characters_out: int


def plan_study(parameters: StudyParameters, registry: Registry) -> pd.DataFrame:
    """Estimate a study.

    Returns
    -------
    DataFrame
        One row a stage, step and model: ``stage``, ``step``, ``model``, ``calls``, ``input_tokens``, ``output_tokens``
        (whole numbers) and ``dollars`` (empty where the model's prices are not in ``params/models.yaml``).
    """
    rows = []
    for step in (step for step in _steps(parameters) if step.calls):
        models = parameters.values[step.role]
        for name in models if isinstance(models, list) else [models]:
            model = registry[str(name)]
            tokens_in = step.calls * step.characters_in // CHARACTERS_PER_TOKEN
            tokens_out = step.calls * step.characters_out // CHARACTERS_PER_TOKEN
            rows.append(
                {
                    "stage": step.stage,
                    "step": step.step,
                    "model": name,
                    "calls": step.calls,
                    "input_tokens": tokens_in,
                    "output_tokens": tokens_out,
                    "dollars": model.cost(tokens_in, tokens_out),
                }
            )
    return pd.DataFrame(rows)


def _steps(parameters: StudyParameters) -> list[_Step]:
    """Return the steps of the stages that the study runs."""
    return [*_writing_steps(parameters), *_asking_steps(parameters)]


def _number(parameters: StudyParameters, name: str) -> int:
    """Return a parameter that is a whole number; its type has been checked when the file was read."""
    return int(str(parameters.values[name]))


def _batches(parameters: StudyParameters) -> list[Batch]:
    """Return the author's calls of the first step."""
    value_set = load_value_set(parameters.path("value_set"))
    per_pair, generation = _number(parameters, "scenarios_per_pair"), str(parameters.values["generation"])
    if generation == "two_stage":
        return plan_outlines(value_set, per_pair, _number(parameters, "outlines_per_call"))
    return plan_one_step(value_set, per_pair, generation)


def _scenarios(parameters: StudyParameters) -> int:
    """Return how many scenarios there are where none is lost: those given, or those asked for."""
    if parameters.values["scenarios"]:
        return len(read_given(parameters.path("scenarios"), load_value_set(parameters.path("value_set"))))
    return sum(batch.count for batch in _batches(parameters))


def _writing_steps(parameters: StudyParameters) -> list[_Step]:
    """Return the steps of notebooks 01 and 02."""
    t, length, pair = TYPICAL, prompt_lengths(), 2 * TYPICAL["definition"]
    scenarios = _scenarios(parameters)
    batches = [] if parameters.values["scenarios"] else _batches(parameters)
    if parameters.values["scenarios"]:
        given = read_given(parameters.path("scenarios"), load_value_set(parameters.path("value_set")))
        asked = int((missing_fields(given).map(len) > 0).sum())
        shown = length["complete"] + pair + t["description"] + 2 * t["action"]
        steps = [_Step("01", "completing scenarios", "author", asked, shown, t["profile"] + 2 * t["action"])]
    elif parameters.values["generation"] == "two_stage":
        outline = int(t["outline"] * scenarios / len(batches))
        steps = [
            _Step("01", "outlines", "author", len(batches), length["outlines"] + pair, outline),
            _Step("01", "scenarios", "author", scenarios, length["scenario"] + pair + t["outline"], t["scenario"]),
        ]
    else:
        steps = [_Step("01", "scenarios", "author", scenarios, length["one_step"] + pair, t["scenario"])]
    checks = sum(characters for name, characters in length.items() if name.startswith("check_")) // len(CHECKS)
    examined = checks + t["description"] + 2 * t["action"]
    return [
        *steps,
        # value_guided is asked once per value
        _Step("02", "checks", "filter_judge", (len(CHECKS) + 1) * scenarios, examined, t["reason"]),
        _Step("02", "domains", "filter_judge", scenarios, length["domain"] + t["description"], 20),
    ]


def _asking_steps(parameters: StudyParameters) -> list[_Step]:
    """Return the steps of notebooks 03, 04 and 06."""
    t, length = TYPICAL, prompt_lengths()
    scenarios = _scenarios(parameters)
    asked = scenarios * _number(parameters, "repetitions")
    turns = _number(parameters, "max_turns")
    targets = len(list(parameters.values["targets"]))  # type: ignore[call-overload]
    steered = _prompts_of_steering(parameters)
    by_choice = "multiple_choice" in list(parameters.values["steered_conditions"])  # type: ignore[call-overload]
    by_talk = "open_ended" in list(parameters.values["steered_conditions"])  # type: ignore[call-overload]
    actions, conversation = 2 * t["action"], t["message"] + t["reply"]
    # with every turn the conversation that is sent grows by a reply and a message
    heard = t["message"] + conversation * (turns - 1) // 2
    told = length["system_steered"] + t["definition"] * 6
    choose = length["choose"] + t["description"] + actions
    judge = length["judge"] + actions + conversation * turns
    opening = length["opening_message"] + t["description"] + t["profile"]
    following = length["next_message"] + t["description"] + conversation * turns // 2
    artifacts = scenarios * ARTIFACTS_PER_100 // 100
    return [
        _Step("03", "choices", "targets", 2 * asked, choose, 8),
        _Step("03", "ratings", "targets", 2 * asked, length["rate"] + t["description"] + t["action"], 8),
        _Step("04", "opening messages", "simulated_user", scenarios, opening, t["message"]),
        _Step("04", "artifacts", "simulated_user", artifacts, length["artifact"] + t["message"], t["artifact"]),
        _Step("04", "conversations", "targets", asked * turns, heard, t["reply"]),
        _Step("04", "next messages", "simulated_user", asked * (turns - 1) * targets, following, t["message"]),
        _Step("04", "verdicts", "judge", asked * targets, judge, t["reasoning"]),
        _Step("04", "verdicts, swapped", "judge", asked * targets, judge, t["reasoning"]),
        _Step("04", "verdicts, further judges", "further_judges", asked * targets, judge, t["reasoning"]),
        _Step("06", "choices", "targets", 2 * asked * steered * by_choice, told + choose, 8),
        _Step("06", "conversations", "targets", asked * turns * steered * by_talk, told + heard, t["reply"]),
        _Step(
            "06",
            "next messages",
            "simulated_user",
            asked * (turns - 1) * targets * steered * by_talk,
            following,
            t["message"],
        ),
        _Step("06", "verdicts", "judge", asked * targets * steered * by_talk, judge, t["reasoning"]),
    ]


def _prompts_of_steering(parameters: StudyParameters) -> int:
    """Return under how many system prompts a target is asked again: its target rankings and the placebo."""
    wanted = list(parameters.values["target_rankings"])  # type: ignore[call-overload]
    names = load_value_set(parameters.path("value_set")).names
    # what is known before anything is asked is how many orders there are, not a model's own default order
    stand_in = pd.DataFrame(
        {
            "target": "any",
            "condition": "open_ended",
            "system_prompt": "default",
            "value": names,
            "strength": range(len(names)),
        }
    )
    return len(choose_target_rankings(names, stand_in, wanted, seed=0)["any"]) + 1
