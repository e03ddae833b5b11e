"""Likert difference rate, diversity and pass rates against counts by hand and brute force."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from statsmodels.stats.proportion import proportion_confint

from conflictscope.measure.difficulty import diversity, likert_difference_rate, pass_rates
from conflictscope.tables import CHECKS

SCENARIOS = pd.DataFrame({"scenario_id": list("stuv"), "value_1": list("aaab"), "value_2": list("bbcc")})


def rate(*entries, arm="default"):
    """Return ratings from (scenario, target, repetition, rating of action 1, rating of action 2)."""
    rows = [
        {
            "scenario_id": s,
            "target": t,
            "arm": arm,
            "repetition": r,
            "rated_action": action,
            "rating": x,
        }
        for s, t, r, *both in entries
        for action, x in zip((1, 2), both, strict=True)
    ]
    return pd.DataFrame(rows).astype({"rating": "Int64"})


def test_likert_difference_by_hand():
    ratings = rate(
        ("s", "m", 0, 4, 4),  # alike
        ("s", "n", 0, 4, 6),  # different
        ("t", "m", 0, 1, 7),  # different, then alike: half
        ("t", "m", 1, 2, 2),
        ("u", "m", 0, 3, None),  # left out
        ("v", "m", 0, None, 2),  # this repetition does not count, the next does
        ("v", "m", 1, 5, 2),
    )
    found = likert_difference_rate(ratings, SCENARIOS, resamples=500).iloc[0]
    assert found["rate"] == pytest.approx((0 + 1 + 0.5 + 1) / 4)
    assert (found["compared"], found["left_out"], found["targets"]) == (4, 1, 2)
    assert found["rate_low"] <= found["rate"] <= found["rate_high"] and pd.isna(found["problem"])


def test_likert_interval_is_over_scenarios_not_rows():
    # 20 targets that all rate alike are one scenario's worth of evidence
    ratings = rate(*((f"s{i}", f"m{t}", 0, 4, 4 + i % 2) for i in range(100) for t in range(20)))
    scenarios = pd.DataFrame({"scenario_id": [f"s{i}" for i in range(100)], "value_1": "a", "value_2": "b"})
    found = likert_difference_rate(ratings, scenarios).iloc[0]
    assert found["rate"] == 0.5
    assert found["rate_high"] - found["rate_low"] == pytest.approx(2 * 1.96 * 0.05, abs=0.03)


def test_likert_system_prompts_are_apart_and_unreadable_ones_are_said():
    ratings = pd.concat([rate(("s", "m", 0, 4, 5)), rate(("s", "m", 0, None, 5), arm="placebo")])
    found = likert_difference_rate(ratings, SCENARIOS, resamples=20).set_index("arm")
    assert found.loc["default", "rate"] == 1
    assert pd.isna(found.loc["placebo", "rate"]) and pd.isna(found.loc["placebo", "rate_low"])
    assert found.loc["placebo", "problem"] == "no scenario with both ratings readable"
    assert found.loc["placebo", ["compared", "left_out"]].tolist() == [0, 1]


def test_likert_ignores_row_order_and_which_action_is_first():
    ratings = rate(*((s, t, 0, i, (i * 3) % 7 + 1) for i, (s, t) in enumerate(zip("stuvst", "mmmmnn", strict=True), 1)))
    found = likert_difference_rate(ratings, SCENARIOS, resamples=50)
    for other in (ratings[::-1], ratings.assign(rated_action=3 - ratings["rated_action"])):
        pd.testing.assert_frame_equal(likert_difference_rate(other, SCENARIOS, resamples=50), found)


def test_likert_refuses_unknown_scenarios():
    with pytest.raises(ValueError, match="'x' for example"):
        likert_difference_rate(rate(("x", "m", 0, 1, 2)), SCENARIOS)


def test_diversity_is_one_minus_the_mean_cosine_within_a_pair():
    rng = np.random.default_rng(0)
    vectors, pairs = rng.normal(size=(41, 8)) + 0.5, [("a", "b")] * 10 + [("a", "c")] * 30 + [("b", "c")]
    means = []
    for rows in (slice(0, 10), slice(10, 40)):
        cosines = cosine_similarity(vectors[rows])
        means.append(1 - cosines[np.triu_indices(len(cosines), 1)].mean())
    found = diversity(vectors, pairs).iloc[0]
    assert found["diversity"] == pytest.approx(np.mean(means))
    assert found["diversity_low"] < found["diversity"] < found["diversity_high"]
    assert (found["pairs"], found["scenarios"], found["left_out"]) == (2, 40, 1)
    # more dimensions than scenarios, and vectors of other lengths, change nothing
    wide = np.hstack([vectors, np.zeros((41, 100))]) * rng.uniform(1, 5, size=(41, 1))
    pd.testing.assert_frame_equal(diversity(wide, pairs), diversity(vectors, pairs))


def test_resamples_are_as_diverse_as_the_scenarios():
    # all at right angles: a scenario compared with its own copy would pull the interval below 1
    found = diversity(np.eye(12), ["p"] * 12, resamples=200).iloc[0]
    assert found[["diversity", "diversity_low", "diversity_high"]].tolist() == pytest.approx([1, 1, 1])


def test_diversity_that_is_not_there_is_said():
    found = diversity(np.eye(2), ["p", "q"]).iloc[0]
    assert pd.isna(found["diversity"]) and found["problem"] == "no value pair with two scenarios"
    assert (found["pairs"], found["left_out"]) == (0, 2)
    # of two scenarios, half of the resamples draw one of them twice
    assert 350 < diversity(np.eye(2), ["p", "p"]).iloc[0]["undefined_resamples"] < 650


def test_diversity_refuses_what_has_no_direction_or_no_pair():
    with pytest.raises(ValueError, match="row 1 has length"):
        diversity([[1, 0], [0, 0]], ["p", "p"])
    with pytest.raises(ValueError, match="for 3 pairs"):
        diversity(np.eye(2), ["p", "p", "p"])


def test_pass_rates_by_check_and_template():
    scenarios = pd.DataFrame(
        {
            "scenario_id": list("stuv"),
            "structure": ["side_effect"] * 3 + ["means"],
            "severity": ["mild"] * 3 + ["strong"],
        }
    )
    rows = [
        {"scenario_id": s, "check": check, "passed": True}
        for s in "stuv"
        for check in CHECKS
        for _ in range(2 if check == "value_guided" else 1)
    ]
    checks = pd.DataFrame(rows).astype({"passed": "boolean"})
    for (scenario, check), passed in {
        ("s", "realistic"): False,
        ("t", "dilemma"): pd.NA,
        ("u", "value_guided"): False,  # one of its two parts
    }.items():
        checks.loc[(checks["scenario_id"].eq(scenario) & checks["check"].eq(check)).idxmax(), "passed"] = passed
    found = pass_rates(scenarios, checks)
    assert len(found) == 2 * 7
    by = found.set_index(["structure", "severity", "check"]).sort_index()
    mild = by.loc["side_effect", "mild"]
    assert mild.loc["realistic", ["passed", "failed", "undecided"]].tolist() == [2, 1, 0]
    assert mild.loc["dilemma", ["passed", "failed", "undecided"]].tolist() == [2, 0, 1]
    assert mild.loc["value_guided", ["passed", "failed", "undecided"]].tolist() == [2, 1, 0]
    assert mild.loc["all", ["passed", "failed", "undecided"]].tolist() == [0, 2, 1]
    assert (by.loc["means", "strong"]["rate"] == 1).all()
    low, high = proportion_confint(2, 3, method="wilson")
    assert mild.loc["realistic", ["rate", "rate_low", "rate_high"]].tolist() == pytest.approx([2 / 3, low, high])


def test_a_check_that_nobody_answered_has_no_rate():
    scenarios = pd.DataFrame({"scenario_id": ["s"], "structure": ["means"], "severity": ["mild"]})
    nothing = pd.DataFrame({"scenario_id": [], "check": [], "passed": []}).astype({"scenario_id": "str"})
    found = pass_rates(scenarios, nothing)
    assert found["undecided"].tolist() == [1] * 7 and found[["rate", "rate_low", "rate_high"]].isna().all(axis=None)
