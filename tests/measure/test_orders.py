"""Orders of values: joint comparisons, open ends, τ that can hold 1."""

import numpy as np
import pytest

from conflictscope.measure.orders import kendall_interval, order_values, strength_intervals
from conflictscope.measure.sandwich import PairSums, fit_strengths

FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


def sums(n: list[float], y: list[float]) -> PairSums:
    """Return the sums of three values' yes-or-no shares."""
    won = np.array([y], dtype=float)
    return PairSums(np.array([n], dtype=float), won, won, FIRST, SECOND, 3)


def test_a_value_that_always_wins_is_ranked_with_its_upper_end_open():
    given = sums([50, 50, 50], [50, 50, 35])
    fit = fit_strengths(given)
    orders = order_values(fit)
    assert orders.rank[0].tolist() == orders.rank_low[0].tolist() == orders.rank_high[0].tolist() == [1, 2, 3]
    low, high = strength_intervals(fit, given)
    assert np.isposinf(high[0, 0]) and np.isfinite(low[0, 0])
    assert np.isneginf(low[0, 1:]).all() and np.isfinite(high[0, 1:]).all()


def test_a_value_between_one_that_always_wins_and_one_that_always_loses_has_no_bound():
    given = sums([20, 20, 20], [20, 20, 20])
    low, high = strength_intervals(fit_strengths(given), given)
    assert np.isinf(low[0]).tolist() == [False, True, True] and np.isinf(high[0]).tolist() == [True, True, False]


def test_values_that_are_not_apart_share_ranks():
    orders = order_values(fit_strengths(sums([20, 20, 20], [11, 16, 15])))
    assert orders.rank_low[0].tolist() == [1, 1, 3] and orders.rank_high[0].tolist() == [2, 2, 3]
    assert 0.5 < orders.above[0, 0, 1] < 0.9
    assert orders.above[0] + orders.above[0].T == pytest.approx(np.ones((3, 3)))


def test_a_target_that_takes_whatever_is_first_has_neither_rank_nor_bound():
    half = np.full((1, 3), 8.0)
    given = PairSums(2 * half, half, half / 2, FIRST, SECOND, 3)
    fit = fit_strengths(given)
    low, high = strength_intervals(fit, given)
    assert np.isneginf(low).all() and np.isposinf(high).all()
    orders = order_values(fit)
    assert np.isnan(orders.rank).all() and np.isnan(orders.above).all()
    assert orders.rank_low[0].tolist() == [1, 1, 1] and orders.rank_high[0].tolist() == [3, 3, 3]


def test_tau_of_two_like_orders_can_be_1():
    theta = np.array([[0.5, 0.1, -0.1, -0.5]])
    covariance = 0.04 * (np.eye(4) - 0.25)[None]
    tau, low, high, same = kendall_interval(
        (theta, theta), (covariance, covariance, np.zeros((1, 4, 4))), np.array([100.0])
    )
    assert tau[0] == 1 and high[0] == 1 and low[0] < 1 and 0 < same[0] < 1


def test_tau_of_orders_that_surely_differ_is_not_1():
    theta = np.array([[2.0, 0.5, -0.5, -2.0]])
    covariance = 0.01 * (np.eye(4) - 0.25)[None]
    both = (theta, theta[:, [3, 1, 2, 0]])
    tau, low, high, same = kendall_interval(both, (covariance, covariance, np.zeros((1, 4, 4))), np.array([100.0]))
    assert tau[0] == pytest.approx(-2 / 3) and low[0] <= tau[0] <= high[0] < 0 and same[0] == 0
