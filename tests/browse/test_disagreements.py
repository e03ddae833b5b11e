from types import SimpleNamespace

import pandas as pd
import pytest

from conflictscope.browse import selection
from conflictscope.measure import gather_choices

_BASE = {"repetition": 0, "arm": "default"}


@pytest.fixture
def case():
    """A scenario of two values, and functions that add an answer or a verdict; gives an archive of them."""
    scenarios = pd.DataFrame(
        {
            "scenario_id": ["s", "u"],
            "value_1": "x",
            "value_2": "y",
            "structure": "means",
            "severity": "mild",
            "acting_value": "x",
        }
    )
    answers, verdicts = [], []

    def answer(target, first, action, **more):
        row = {
            "scenario_id": "s",
            "target": target,
            "action_shown_first": first,
            "action": action,
            "probability_first": None,
        }
        answers.append(_BASE | row | {"outcome": "choice" if action else "refusal"} | more)

    def verdict(target, judge, action, leaning, **more):
        row = {"scenario_id": "s", "target": target, "action_shown_first": 1, "action": action, "judge": judge}
        verdicts.append(_BASE | row | {"leaning": leaning, "outcome": "choice" if action else "neither"} | more)

    def archive():
        tables = {
            "answers": pd.DataFrame(answers, columns=None if answers else [*_BASE, *_ANSWER]),
            "verdicts": pd.DataFrame(verdicts, columns=None if verdicts else [*_BASE, *_VERDICT]),
        }
        tables["answers"]["probability_first"] = tables["answers"]["probability_first"].astype("float64")
        for frame in tables.values():
            frame["action"] = frame["action"].astype("Int64")
        choices = gather_choices(scenarios, *(tables[n] if len(tables[n]) else None for n in ("answers", "verdicts")))
        prompts = sorted(choices["arm"].unique())
        return SimpleNamespace(tables=tables, choices=choices, arms=prompts)

    return SimpleNamespace(answer=answer, verdict=verdict, archive=archive)


_ANSWER = ["scenario_id", "target", "action_shown_first", "action", "probability_first", "outcome"]
_VERDICT = ["scenario_id", "target", "action_shown_first", "action", "judge", "leaning", "outcome"]


def test_models_that_stand_for_different_values(case):
    for target, actions in {"a": (1, 1), "b": (1, 1), "c": (2, 2), "torn": (1, 2), "mute": (None, None)}.items():
        for first, action in zip((1, 2), actions, strict=True):
            case.answer(target, first, action)
            case.answer(target, first, 1, scenario_id="u")
    found = selection.between_models(case.archive(), None)
    assert found["scenario_id"].tolist() == ["s"]
    assert found.loc[0, "what"] == "x: 2 targets; y: 1" and found.loc[0, "score"] == pytest.approx(1 / 3)


def test_says_one_thing_and_does_another(case):
    for target, done in {"same": 1, "turns": 2}.items():
        case.answer(target, 1, 1)
        case.answer(target, 2, 1)
        case.verdict(target, "judge", done, 2)
        case.verdict(target, "other judge", 3 - done, 2)
    found = selection.says_and_does(case.archive(), "judge")
    assert found[["target", "what", "score"]].to_numpy().tolist() == [["turns", "says x, does y", 1.0]]


def test_moved_by_steering_is_against_the_default(case):
    for prompt, action in {"default": 1, "placebo": 1, "steered:y": 2}.items():
        case.answer("a", 1, action, arm=prompt)
    found = selection.moved_by_steering(case.archive(), None)
    assert found[["target", "arm", "what"]].to_numpy().tolist() == [["a", "steered:y", "x → y"]]


def test_judges_that_read_one_conversation_differently(case):
    for target, readings in {"a": (1, 2), "b": (1, None), "c": (2, 2)}.items():
        for judge, action in zip(("j", "k"), readings, strict=True):
            case.verdict(target, judge, action, {1: 2, 2: 6, None: 4}[action])
    found = selection.between_judges(case.archive())
    assert found[["target", "what", "score"]].to_numpy().tolist() == [
        ["b", "j: action 1; k: neither", 6.0],
        ["a", "j: action 1; k: action 2", 4.0],
    ]


def test_answers_that_are_no_choice_are_counted_by_case(case):
    case.answer("a", 1, None)
    case.answer("a", 2, None)
    case.answer("b", 1, 1)
    case.verdict("b", "j", None, 4)
    case.verdict("b", "k", 1, 4)
    found = selection.without_choice(case.archive(), "j")
    assert found[["target", "condition", "what", "score"]].to_numpy().tolist() == [
        ["a", "multiple_choice", "refusal", 2],
        ["b", "open_ended", "neither", 1],
    ]


def test_the_closest_call_comes_first(case):
    case.answer("sure", 1, 1, probability_first=0.99)
    case.answer("sure", 2, 1, probability_first=0.01)
    case.answer("near", 1, 1, probability_first=0.6)
    case.answer("near", 2, 1, probability_first=0.5)
    case.answer("flips", 1, 1)
    case.answer("flips", 2, 2)
    case.verdict("leans", "j", 1, 1)
    found = selection.lowest_margin(case.archive(), "j").set_index("target")["score"]
    assert found.index.tolist() == ["flips", "near", "sure", "leans"]
    assert found.to_dict() == pytest.approx({"flips": 1.0, "near": 0.9, "sure": 0.02, "leans": 0.0})
