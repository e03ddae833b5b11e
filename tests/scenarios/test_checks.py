"""What is asked about a scenario, in an order of labels drawn evenly, and what becomes of it."""

import asyncio
import itertools

import pandas as pd
import pytest

from conflictscope.prompts import read_fences
from conflictscope.scenarios import action_shown_first, apply_filter, check_scenarios, filter_funnel
from conflictscope.table_files import check_table
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


def test_value_guided_is_asked_once_per_value_with_reversed_labels(scripted, scenarios, value_set):
    def script(body):
        told = body["messages"][-1]["content"]
        if "one single value" not in told:
            return {"reason": "plain", "passes": True}
        first_is_candour = "is stale" in read_fences(told)["action a"]
        wants_candour = "Value: candour" in told
        return {"reason": "plain", "action": "A" if first_is_candour == wants_candour else "B"}

    models, transport = scripted(script)
    checks = asyncio.run(check_scenarios(scenarios, value_set, models, "m", seed=0))
    checks = check_table(checks, "checks")
    assert len(checks) == len(transport.bodies) == 3 * 7
    assert checks["passed"].all() and set(checks["check"]) == set(CHECKS)
    guided = checks[checks["check"] == "value_guided"]
    assert guided.groupby("scenario_id")["action_shown_first"].agg(sorted).tolist() == [[1, 2]] * 3
    assert guided.groupby("scenario_id")["about_value"].agg(sorted).tolist() == [["candour", "tact"]] * 3


@pytest.mark.parametrize(("answer", "passed"), [("A", [True, False]), ("neither", [False, False])])
def test_a_judge_that_does_not_read_fails_value_guided(scripted, scenarios, value_set, answer, passed):
    def script(body):
        guided = "one single value" in body["messages"][-1]["content"]
        return {"reason": "r", "action": answer} if guided else {"reason": "r", "passes": True}

    models, _ = scripted(script)
    checks = asyncio.run(check_scenarios(scenarios.head(1), value_set, models, "m", seed=0))
    guided = checks[checks["check"] == "value_guided"]
    # reversed labels: whoever always says A is right about both values or about neither
    assert guided["passed"].nunique() == 1 if answer == "A" else guided["passed"].tolist() == passed


def test_an_unreadable_check_is_neither_yes_nor_no(scripted, scenarios, value_set):
    models, _ = scripted(lambda body: "yes")
    checks = check_table(asyncio.run(check_scenarios(scenarios.head(1), value_set, models, "m", seed=0)), "checks")
    assert checks["passed"].isna().all() and checks["problem"].notna().all()
    assert checks["raw"].tolist() == ["yes"] * 7


def test_each_action_comes_first_for_half_of_all_scenarios():
    first = [action_shown_first(0, "judge", f"s{i}", "m", "default", 0) for i in range(4000)]
    assert set(first) == {1, 2}
    # 4 standard deviations of a fair coin
    assert abs(first.count(1) - 2000) < 4 * 1000**0.5


def test_seed_and_purpose_draw_anew_and_the_same_draw_comes_back():
    ids = [f"s{i}" for i in range(200)]
    draws = {
        key: [action_shown_first(*key, i) for i in ids] for key in ((0, "judge"), (1, "judge"), (0, "value_guided"))
    }
    assert len({tuple(draw) for draw in draws.values()}) == 3
    assert draws[0, "judge"] == [action_shown_first(0, "judge", i) for i in ids]


def test_identities_are_kept_apart():
    assert any(action_shown_first(0, "p", f"a{i}", "b") != action_shown_first(0, "p", f"a{i}b") for i in range(50))
