"""Tipping points of misread and missing answers, and joint bounds."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure import support
from conflictscope.measure.strengths import PairSums, fit_strengths
from conflictscope.measure.support import (
    judge_tipping_points,
    missing_curve,
    missing_tipping_points,
    orders_that_hold,
    value_orders,
)


def sums(n, y, first=(0, 0, 1), second=(1, 2, 2), k=3) -> PairSums:
    """Return the sums of one group's yes-or-no shares."""
    won = np.array([y], dtype=float)
    return PairSums(np.array([n], dtype=float), won, won, np.array(first), np.array(second), k)


def test_two_values_tip_where_the_majority_does():
    given = sums([100], [60], [0], [1], 2)
    assert judge_tipping_points(given)[0, 0, 1] == pytest.approx(0.10, abs=1e-3)
    assert judge_tipping_points(given)[0, 1, 0] == 0
    tips = missing_tipping_points(given, np.array([[40.0]]))
    assert tips[0, 0, 1] == pytest.approx(0.75, abs=1e-3)  # 60 + 10 against 40 + 30
    assert np.isinf(missing_tipping_points(given, np.array([[15.0]]))[0, 0, 1])


def test_bounds_are_joint():
    """Each rank survives its own value's worst case alone; one assignment of all the missing turns c and b."""
    given, missing = sums([10, 9, 12], [8, 6, 6]), np.array([[2.0, 3.0, 0.0]])
    holds = orders_that_hold(given, missing)[0]
    assert holds.tolist() == [[False, True, True], [False, False, False], [False, False, False]]


def test_the_worst_assignment_is_that_of_all_assignments():
    rng = np.random.default_rng(0)
    first, second = (np.array(side) for side in zip(*combinations(range(4), 2), strict=True))
    corners = np.array([*product([0.0, 0.5, 1.0], repeat=6)])
    for _ in range(15):
        n = rng.integers(4, 30, 6).astype(float)
        y, missing = rng.binomial(n.astype(int), rng.random(6)), rng.integers(0, 8, 6).astype(float)
        given = sums(n, y, first, second, 4)
        won = given.y + missing * corners
        theta = fit_strengths(
            PairSums(np.broadcast_to(given.n + missing, won.shape), won, won, first, second, 4)
        ).strengths
        every = (theta[:, :, None] > theta[:, None, :] + 1e-9).all(axis=0)
        assert (orders_that_hold(given, missing[None])[0] == every).all()


def asked_of_three(condition, won):
    """Return choices of one target: for each pair how often the first value won, the second did, and neither."""
    rows = [
        (f"{one}{two}{n}", one, two, one if n < first else two if n < first + second else None)
        for (one, two), (first, second, neither) in won.items()
        for n in range(first + second + neither)
    ]
    table = pd.DataFrame(rows, columns=["scenario_id", "value_1", "value_2", "winner"])
    lost = table["value_1"].where(table["winner"].eq(table["value_2"]), table["value_2"])
    return table.assign(
        loser=lost.where(table["winner"].notna()),
        outcome=np.where(table["winner"].notna(), "choice", "refusal"),
        target="m",
        condition=condition,
        arm="default",
        judge="j" if condition == "open_ended" else None,
        action_shown_first=1,
    )


def test_every_two_values_have_a_row_with_what_would_turn_it():
    clear = {("a", "b"): (40, 12, 0), ("a", "c"): (55, 5, 0), ("b", "c"): (50, 10, 0)}
    both = [
        asked_of_three("multiple_choice", clear),
        # forty conversations about a and b were declined, as if that were what b asks for
        asked_of_three("open_ended", clear | {("a", "b"): (40, 12, 40)}),
    ]
    orders = value_orders(pd.concat(both, ignore_index=True), ["a", "b", "c"]).set_index(
        ["condition", "above", "below"]
    )
    assert len(orders) == 6 and orders["sure"].all()
    asked, talked = orders.loc["multiple_choice"], orders.loc["open_ended"]
    assert asked["judge_tips"].isna().all() and talked["judge_tips"].between(0, 0.6).all()
    assert np.isinf(asked["missing_tips"]).all() and asked["holds"].all()
    assert asked["neighbours"].to_dict() == {("a", "b"): True, ("a", "c"): False, ("b", "c"): True}
    assert not talked.loc[("a", "b"), "holds"] and 0 < talked.loc[("a", "b"), "missing_tips"] < 1
    assert talked.loc[("b", "c"), "holds"] and talked.loc[("a", "c"), "holds"]


def lossy(truth, lost, scenarios, studies, seed):
    """Return many studies in which a share of one value's wins is lost."""
    drawn = draw_studies(truth, Nuisance(refusal=lost), scenarios=scenarios, studies=studies, seed=seed)
    choices = choices_table(drawn, one_target_a_study=True)
    return choices[choices["condition"].eq("open_ended")]


def test_an_order_is_unsure_before_it_falls_and_both_are_found_by_hand():
    given = sums([100], [66], [0], [1], 2)
    missing, bar = np.array([[40.0]]), np.array([2.0])
    unsure, falls = (missing_tipping_points(given, missing, at)[0, 0, 1] for at in (bar, None))
    assert falls == pytest.approx(0.9, abs=1e-3)  # 66 + 4 against 34 + 36
    won = 66 + 40 * (1 - unsure)
    assert np.log(won / (140 - won)) == pytest.approx(2 * np.sqrt(140 / (won * (140 - won))), abs=0.03)
    assert missing_tipping_points(given, missing, np.array([9.0]))[0, 0, 1] == 0


def test_the_curve_falls_with_the_share_against_and_meets_the_tipping_points():
    near = Truth({"a": 0.5, "b": 0.0, "c": -0.9}, [("a", "b"), ("a", "c"), ("b", "c")])
    choices = lossy(near, {"a": 0.3}, 200, 1, seed=2)
    values = ["a", "b", "c"]
    orders = value_orders(choices, values).set_index(["above", "below"])
    shares = np.linspace(0, 1, 101)
    curve = missing_curve(choices, values, shares=shares)
    assert set(zip(curve["above"], curve["below"], strict=True)) == set(orders.index[orders["neighbours"]])
    for pair, line in curve.groupby(["above", "below"]):
        assert (np.diff(line["difference"]) < 0).all() and line["missing"].eq(orders.loc[pair, "missing"]).all()
        for end, tip in (("difference", "missing_tips"), ("difference_low", "missing_unsure")):
            positive = (line[end] > 0).to_numpy()
            crossed = np.inf if positive.all() else shares[positive.argmin()]
            if orders.loc[pair, tip] > 0:
                assert crossed == pytest.approx(orders.loc[pair, tip], abs=0.011)
            else:
                assert tip == "missing_unsure" and not orders.loc[pair, "sure"]
    assert missing_curve(choices[choices["outcome"].eq("choice")], values).empty


def test_where_one_value_s_wins_are_lost_the_curve_at_their_share_holds_the_truth():
    """All that is lost was for b: the end of the curve, at which all of it went against a, has the true difference."""
    near = Truth({"a": 0.4, "b": 0.3, "c": -0.7}, [("a", "b"), ("a", "c"), ("b", "c")])
    choices = lossy(near, {"b": 0.3}, 300, 100, seed=5)
    curve = missing_curve(choices, ["a", "b", "c"], shares=[1.0]).query("above == 'a' and below == 'b'")
    assert len(curve) > 80, "as read, a stands above b"
    true = 0.1
    assert curve["difference"].mean() == pytest.approx(true, abs=0.05)
    assert ((curve["difference_low"] <= true) & (true <= curve["difference_high"])).mean() > 0.95
    orders = value_orders(choices, ["a", "b", "c"]).query("above == 'a' and below == 'b' and sure")
    assert len(orders) > 80 and orders["holds"].mean() < 0.2, "the difference that is left is hardly ever sure"


def test_of_many_values_first_order_tells_nearly_the_same(monkeypatch):
    places = np.array([*combinations(range(6), 2)]).T
    rng = np.random.default_rng(0)
    theta = np.array([1.1, 0.7, 0.3, -0.2, -0.6, -1.3])
    chance = 1 / (1 + np.exp(theta[places[1]] - theta[places[0]]))
    given = sums(np.full(15, 80), rng.binomial(80, chance), *places, k=6)
    missing = np.full((1, 15), 12.0)
    bar = np.array([2.8])

    def found():
        return [
            judge_tipping_points(given),
            missing_tipping_points(given, missing),
            orders_that_hold(given, missing, bar),
            missing_tipping_points(given, missing, bar),
        ]

    exact = found()
    monkeypatch.setattr(support, "MOST_DRAWN", 5)
    near = found()
    small = exact[0] < 0.1
    assert near[0][small] == pytest.approx(exact[0][small], abs=0.01)
    assert (near[0] <= exact[0] + 0.01).all() and (near[0] >= 0.6 * exact[0]).all(), "large ones are understated"
    both = np.isfinite(exact[1]) & np.isfinite(near[1])
    assert (np.isfinite(exact[1]) == np.isfinite(near[1])).all() and both.sum() > 15
    assert near[1][both] == pytest.approx(exact[1][both], abs=0.12)
    assert (near[2] == exact[2]).mean() > 0.85 and exact[2].any() and not exact[2].all()
    assert ((near[3] > 0) == (exact[3] > 0)).mean() > 0.9
    both = np.isfinite(exact[3]) & np.isfinite(near[3]) & (exact[3] > 0) & (near[3] > 0)
    assert both.sum() >= 5 and near[3][both] == pytest.approx(exact[3][both], abs=0.12)
