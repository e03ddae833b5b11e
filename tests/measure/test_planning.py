"""Planning: simulated studies against closed forms and against the measures that real studies go through."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from conflictscope.measure import Settings
from conflictscope.measure.planning import (
    PlannedStudy,
    expected_precision,
    outlines_by_pair,
    precision_plan,
    widening,
)
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.strengths import PairSums, fit_strengths

THREE = list(itertools.combinations("abc", 2))


@pytest.mark.parametrize(
    ("answers", "flip_rate", "without_choice"), [(1, 0.1, 0.0), (2, 0.1, 0.05), (2, 0.5, 0.0), (2, 0.0, 0.2)]
)
def test_rate_goal_is_the_closed_form(answers, flip_rate, without_choice):
    study = PlannedStudy(THREE, answers=answers, flip_rate=flip_rate, without_choice=without_choice)
    found = precision_plan(study, precision=0.08, studies=100).iloc[0]
    # at even odds, answers of one scenario correlate by 1 − 2 × flip rate
    design_effect = 1 + (answers - 1) * (1 - 2 * flip_rate)
    expected = norm.isf(0.025) ** 2 * 0.25 * design_effect / answers / 0.08**2 / (1 - without_choice)
    assert found["scenarios_per_pair"] == pytest.approx(expected, rel=0.06)
    assert found["rate_half_width"] <= 0.08


def test_told_apart_is_what_the_rankings_of_such_studies_say():
    study = PlannedStudy(THREE, difference=0.6, answers=1, flip_rate=0.5, without_choice=0.0)
    needed = precision_plan(study, power=0.8).iloc[1]
    n = int(needed["scenarios_per_pair"])
    assert needed["told_apart"] == pytest.approx(0.8, abs=0.03)
    rng = np.random.default_rng(5)
    strengths = {"a": 0.6, "b": 0.0, "c": -0.6}
    rows = pd.DataFrame([(one, two, f"{one}{two}{k}") for one, two in THREE for k in range(n)])
    rows.columns = ["value_1", "value_2", "scenario_id"]
    choices = pd.concat([rows.assign(target=f"m{t:03d}") for t in range(300)], ignore_index=True)
    gap = choices["value_1"].map(strengths) - choices["value_2"].map(strengths)
    first = rng.random(len(choices)) < 1 / (1 + np.exp(-gap))
    choices["winner"] = choices["value_1"].where(first, choices["value_2"])
    choices["loser"] = choices["value_2"].where(first, choices["value_1"])
    choices = choices.assign(
        condition="multiple_choice", arm="default", judge=None, outcome="choice", action_shown_first=1
    )
    ranked = rank_values(choices, list("abc"), Settings(resamples=400))
    letters = ranked.pivot(index="target", columns="value", values="tie_group")
    apart = [
        [not set(row[one]) & set(row[two]) for one, two in (("a", "b"), ("b", "c"))]
        for row in letters.to_dict("records")
    ]
    assert np.mean(apart) == pytest.approx(0.8, abs=0.06)


def test_strength_half_width_is_that_of_the_information_matrix():
    study = PlannedStudy([("a", "b")], difference=0.8, answers=1, without_choice=0.0)
    found = expected_precision(study, 500, studies=20_000)
    chance = 1 / (1 + np.exp(-0.8))
    assert found["strength_half_width"] == pytest.approx(
        norm.isf(0.025) / np.sqrt(500 * chance * (1 - chance)), rel=0.03
    )


def test_more_of_everything_that_costs_precision_needs_more_scenarios():
    def needed(**settings):
        plan = precision_plan(PlannedStudy(THREE, **settings), precision=0.15, studies=1000)
        return plan["scenarios_per_pair"].to_numpy()

    usual = needed()
    assert (needed(answers=1) >= usual).all() and (needed(without_choice=0.4) > usual).all()
    assert (needed(level=0.99) > usual).all()
    assert needed(difference=0.25)[1] > 3 * usual[1], "half the difference, four times the scenarios"
    closer = precision_plan(PlannedStudy(THREE), precision=0.075, studies=100)["scenarios_per_pair"][0]
    assert closer == pytest.approx(4 * usual[0], rel=0.06)


def test_outlines_and_scenarios_follow_from_the_number_a_pair():
    plan = precision_plan(PlannedStudy(THREE, kept_share=0.3), precision=0.1, studies=100)
    assert (plan["scenarios"] == 3 * plan["scenarios_per_pair"]).all()
    assert plan["outlines_per_pair"].tolist() == [-(-10 * n // 3) for n in plan["scenarios_per_pair"]]
    assert plan["goal"].tolist() == [
        "preference rate known to ± 0.1",
        "strengths 0.5 apart told apart, power 0.8",
        "a shift of 0.8 found, power 0.8",
    ]


def test_what_cannot_be_reached_is_empty():
    apart = PlannedStudy([("a", "b"), ("c", "d")])  # no pair ties a and b to c and d
    plan = precision_plan(apart, precision=0.1, studies=100)
    assert plan["scenarios_per_pair"].isna().tolist() == [False, True, True]
    assert plan["told_apart"].isna().tolist() == [False, True, True] and plan["told_apart"][0] == 0


def test_a_shift_of_the_papers_size_is_found_at_the_papers_size():
    pairs = [(one, two) for one in "abcd" for two in "efgh"]
    study = PlannedStudy(pairs, difference=0.25)
    found = [expected_precision(study, n, studies=100) for n in (10, 74, 300)]
    assert found[0]["shift_found"] < 0.4 < found[1]["shift_found"] <= found[2]["shift_found"]
    assert found[2]["shift_found"] > 0.95
    assert found[1]["labels_per_pair"] == 27  # 4 × .1 × .9 × 74
    two = expected_precision(PlannedStudy([("a", "b")]), 50, studies=100)
    assert np.isnan(two["shift_found"])


def test_the_seed_decides():
    one, same, other = (
        precision_plan(PlannedStudy(THREE), precision=0.2, studies=200, seed=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert one["strength_half_width"].tolist() != other["strength_half_width"].tolist()


def test_a_single_scenario_has_an_answer():
    found = expected_precision(PlannedStudy(THREE, without_choice=0.9), 1, studies=100)
    assert all(np.isfinite(number) for number in found.values()) and found["told_apart"] < 0.1


@pytest.mark.parametrize(
    "setting",
    [
        {"pairs": []},
        {"pairs": [("a", "a")]},
        {"pairs": [("a", "b"), ("b", "a")]},
        {"difference": 0},
        {"answers": 0},
        {"flip_rate": 0.6},
        {"without_choice": 1},
        {"kept_share": 0},
        {"penalty": 0},
        {"level": 95},
        {"shift": 0},
        {"judge_error": 0.5},
    ],
)
def test_bad_settings_are_refused(setting):
    with pytest.raises(ValueError, match=f"planned study: {next(iter(setting))}"):
        PlannedStudy(**{"pairs": THREE} | setting)


def test_bad_goals_are_refused():
    study = PlannedStudy(THREE)
    for goal in ({"precision": 0}, {"precision": 0.5}, {"power": 1}, {"studies": 10}):
        with pytest.raises(ValueError, match=next(iter(goal))):
            precision_plan(study, **goal)
    with pytest.raises(ValueError, match="scenarios_per_pair"):
        expected_precision(study, 0)


def test_what_some_of_the_pairs_cost_in_width_is_what_the_fits_say():
    names = "abcdefgh"
    ring = [(names[n], names[(n + step) % 8]) for n in range(8) for step in (1, 3)]
    ring = sorted({tuple(sorted(pair)) for pair in ring})
    widths = []
    for pairs in (ring, list(itertools.combinations(names, 2))):
        first, second = (np.array([names.index(pair[side]) for pair in pairs]) for side in (0, 1))
        n = np.full((1, len(pairs)), 1000.0)
        fit = fit_strengths(PairSums(n, n / 2, n / 2, first, second, 8))
        c = fit.covariance[0]
        widths.append(
            np.sqrt(np.mean([c[i, i] + c[j, j] - 2 * c[i, j] for i, j in itertools.combinations(range(8), 2)]))
        )
    a_pair, in_all = widening(ring)
    assert a_pair == pytest.approx(widths[0] / widths[1], rel=0.01)
    assert in_all == pytest.approx(a_pair * np.sqrt(len(ring) / 28))
    assert widening(THREE) == pytest.approx((1, 1))
    assert widening([("a", "b"), ("c", "d")]) == (np.inf, np.inf)


def shown(*rows):
    return pd.DataFrame(rows, columns=["value_1", "value_2", "outlines", "kept", "stated"])


def test_a_rare_pair_is_named_first_with_the_outlines_that_it_takes():
    study = PlannedStudy(THREE)
    known = shown(("a", "b", 0, 0, 0.5), ("a", "c", 0, 0, 0.05), ("b", "c", 0, 0, 1.0))
    table = outlines_by_pair(study, known, scenarios_per_pair=40, outlines_per_pair=60)
    assert table["value_1"].str.cat(table["value_2"]).tolist() == ["ac", "ab", "bc"]
    assert table["outlines_needed"].iloc[2] == 40 and table["kept_planned"].tolist() == [3, 30, 60]
    rng = np.random.default_rng(0)
    for share, needed in zip((0.05, 0.5), table["outlines_needed"], strict=False):
        assert (rng.binomial(needed, share, 20_000) >= 40).mean() == pytest.approx(0.8, abs=0.03)
    assert table["rate_half_width"].is_monotonic_decreasing


def test_what_few_outlines_have_shown_takes_more_to_be_sure_of():
    few, many = (
        outlines_by_pair(
            PlannedStudy(THREE), shown(("a", "b", n, n // 10, np.nan)), scenarios_per_pair=20, outlines_per_pair=50
        ).iloc[0]
        for n in (20, 2000)
    )
    assert few["kept_share"] == many["kept_share"] == 0.1
    assert few["kept_share_low"] < many["kept_share_low"] < 0.1 < many["kept_share_high"] < few["kept_share_high"]
    assert 200 < many["outlines_needed"] < 0.9 * few["outlines_needed"]


def test_the_chance_holds_over_pairs_whose_share_is_not_known():
    """Over shares drawn from the prior and counts from them, the outlines needed do in as many cases as was asked."""
    rng = np.random.default_rng(1)
    reached = []
    for share in rng.beta(0.5, 0.5, 400):
        kept = rng.binomial(30, share)
        known = shown(("a", "b", 30, kept, np.nan))
        needed = outlines_by_pair(PlannedStudy(THREE), known, scenarios_per_pair=10, outlines_per_pair=1)
        if pd.notna(m := needed["outlines_needed"].iloc[0]):
            reached.append(rng.binomial(m, share) >= 10)
    assert np.mean(reached) == pytest.approx(0.82, abs=0.06)


def test_what_was_never_kept_is_left_open():
    row = outlines_by_pair(
        PlannedStudy(THREE), shown(("a", "b", 400, 0, np.nan)), scenarios_per_pair=200, outlines_per_pair=50
    ).iloc[0]
    assert pd.isna(row["outlines_needed"]) and row["rate_half_width"] == 0.5
