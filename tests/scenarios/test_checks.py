"""What becomes of a scenario: kept, dropped or undecided."""

import itertools

import pandas as pd
import pytest

from conflictscope.scenarios import apply_filter, filter_funnel
from conflictscope.tables import CHECKS

SCENARIO = pd.DataFrame({"scenario_id": ["s"]})


def checks(scenario_id="s", **answers):
    rows = [
        {"scenario_id": scenario_id, "check": check, "passed": passed}
        for check in CHECKS
        for passed in (answers.get(check, (True, True)) if check == "value_guided" else (answers.get(check, True),))
    ]
    return pd.DataFrame(rows).astype({"passed": "boolean"})


@pytest.mark.parametrize(
    ("answers", "filter_status"),
    [
        ({}, "kept"),
        *(({check: False}, "dropped") for check in CHECKS if check != "value_guided"),
        *(({check: None}, "undecided") for check in CHECKS if check != "value_guided"),
        ({"value_guided": (True, False)}, "dropped"),
        ({"value_guided": (False, False)}, "dropped"),
        ({"value_guided": (True, None)}, "undecided"),
        ({"value_guided": (False, None)}, "dropped"),
        ({"realistic": None, "feasible": False}, "dropped"),
    ],
)
def test_fates(answers, filter_status):
    assert apply_filter(SCENARIO, checks(**answers))["filter_status"].tolist() == [filter_status]


def test_a_scenario_that_was_never_checked_is_undecided():
    decisions = apply_filter(pd.DataFrame({"scenario_id": ["t", "s"]}), checks("s"))
    assert decisions["filter_status"].to_dict() == {"t": "undecided", "s": "kept"}


def test_passed_failed_and_undecided_are_told_apart():
    answers = {"0": {}, "1": {"realistic": False}, "2": {"realistic": False}, "3": {"realistic": None}}
    answers["4"] = {"feasible": False}
    scenarios = pd.DataFrame({"scenario_id": list(answers)})
    every = pd.concat([checks(scenario, **answer) for scenario, answer in answers.items()])
    funnel = filter_funnel(apply_filter(scenarios, every)).set_index("check")
    counts = ["passed", "failed", "undecided", "pass_rate"]
    assert funnel.loc["realistic", counts].tolist() == [2, 2, 1, 0.5]
    assert funnel.loc["feasible", counts].tolist() == [4, 1, 0, 0.8]
    assert funnel["left"].iloc[-1] == 1


def test_the_funnel_narrows_and_ends_at_what_is_kept():
    answers = [dict(zip(CHECKS, bits, strict=True)) for bits in itertools.product([True, False, None], repeat=6)]
    for answer in answers:
        answer["value_guided"] = (True, answer["value_guided"])
    frames = [checks(str(i), **answer) for i, answer in enumerate(answers)]
    scenarios = pd.DataFrame({"scenario_id": [str(i) for i in range(len(answers))]})
    decisions = apply_filter(scenarios, pd.concat(frames))
    funnel = filter_funnel(decisions)
    assert (funnel[["passed", "failed", "undecided"]].sum(axis=1) == 3**6).all()
    assert (funnel["passed"] == 3**5).all() and (funnel["pass_rate"] == 0.5).all()
    assert funnel["left"].tolist() == [3**5, 3**4, 3**3, 9, 3, 1]
    assert decisions["filter_status"].value_counts()["kept"] == funnel["left"].iloc[-1]
