"""What a study will ask of which model, before anything is asked.

In: a study's parameters. Out: a table of calls, tokens and dollars by stage. Calls are counted as if nothing were dropped
as a duplicate or filtered out, so they are the most that a study makes without repairs and retries. Tokens follow a stated
rule: the length of the prompt's text plus typical lengths of what is filled in, at four characters a token.
"""

from dataclasses import dataclass

import pandas as pd

from conflictscope.models import Registry
from conflictscope.prompts import prompt_lengths
from conflictscope.scenarios import load_value_set, plan_outlines
from conflictscope.study.parameters import StudyParameters

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
    for step in _steps(parameters):
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
    p, t = parameters.values, TYPICAL
    value_set = load_value_set(parameters.path("value_set"))
    batches = plan_outlines(value_set, int(str(p["scenarios_per_pair"])), int(str(p["outlines_per_call"])))
    scenarios = sum(batch.count for batch in batches)
    repetitions, turns = int(str(p["repetitions"])), int(str(p["max_turns"]))
    asked = scenarios * repetitions
    per_batch = scenarios / len(batches)
    length = prompt_lengths()
    pair = 2 * t["definition"]
    actions = 2 * t["action"]
    checks_text = sum(length[name] for name in length if name.startswith("check_")) // 6
    conversation = t["message"] + t["reply"]
    return [
        _Step("01", "outlines", "author", len(batches), length["outlines"] + pair, int(per_batch * t["outline"])),
        _Step("01", "scenarios", "author", scenarios, length["scenario"] + pair + t["outline"], t["scenario"]),
        _Step("02", "checks", "filter_judge", 7 * scenarios, checks_text + t["description"] + actions, t["reason"]),
        _Step("03", "choices", "targets", 2 * asked, length["choose"] + t["description"] + actions, 8),
        _Step("03", "ratings", "targets", 2 * asked, length["rate"] + t["description"] + t["action"], 8),
        _Step(
            "04",
            "opening messages",
            "simulated_user",
            scenarios,
            length["opening_message"] + t["description"] + t["profile"],
            t["message"],
        ),
        _Step(
            "04",
            "artifacts",
            "simulated_user",
            scenarios * ARTIFACTS_PER_100 // 100,
            length["artifact"] + t["message"],
            t["artifact"],
        ),
        # with every turn the conversation that is sent grows by a reply and a message
        _Step(
            "04", "conversations", "targets", asked * turns, t["message"] + conversation * (turns - 1) // 2, t["reply"]
        ),
        _Step(
            "04",
            "next messages",
            "simulated_user",
            asked * (turns - 1) * len(list(p["targets"])),  # type: ignore[call-overload]
            length["next_message"] + t["description"] + conversation * turns // 2,
            t["message"],
        ),
        _Step(
            "04",
            "verdicts",
            "judge",
            asked * len(list(p["targets"])),  # type: ignore[call-overload]
            length["judge"] + actions + conversation * turns,
            t["reasoning"],
        ),
    ]
