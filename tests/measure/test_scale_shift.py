"""Shift apart from scale, on exact numbers and on known truth."""

import numpy as np
import pytest
from scipy.stats import t as t_distribution

from conflictscope.measure import scale_shift
from conflictscope.measure.scale_shift import shift_apart_from_scale
from conflictscope.measure.strengths import largest_of_t

CENTRE = np.eye(5) - 1 / 5
THETA = np.array([1.0, 0.6, 0.1, -0.5, -1.2])


def compare(one: np.ndarray, two: np.ndarray, error: float = 0.05):
    """Return the comparison of two exact vectors of strengths with independent errors."""
    covariance = np.broadcast_to(error**2 * CENTRE, (1, 5, 5))
    return shift_apart_from_scale(
        ((one - one.mean())[None], (two - two.mean())[None]),
        (covariance, covariance, np.zeros((1, 5, 5))),
        np.array([500.0]),
    )


def test_a_scale_is_no_shift():
    found = compare(THETA, 1.5 * THETA)
    assert found.scale[0] == pytest.approx(1.5, abs=0.01)
    assert found.scale_low[0] < 1.5 < found.scale_high[0] and found.scale_p[0] < 0.001
    assert found.omnibus_p[0] == pytest.approx(1, abs=1e-2)
    assert np.abs(found.shift).max() < 0.01


@pytest.mark.parametrize("value", range(5))
def test_one_value_that_moved_is_found_alone_with_its_size(value):
    moved = 1.4 * THETA
    moved[value] += 1.0
    found = compare(THETA, moved)
    assert found.omnibus_p[0] < 0.001
    assert (found.p_value[0] < 0.05).tolist() == [v == value for v in range(5)]
    assert found.shift[0, value] == pytest.approx(1.0, abs=0.03)
    assert found.scale_of_the_rest[0] == pytest.approx(1.4, abs=0.03)


def test_values_may_stand_in_any_order():
    order = np.array([3, 0, 4, 1, 2])
    moved = THETA + np.array([0, 0, 0.3, 0, 0])
    one, two = compare(THETA, moved), compare(THETA[order], moved[order])
    assert two.omnibus_p[0] == pytest.approx(one.omnibus_p[0], rel=0.2)
    assert two.shift[0] == pytest.approx(one.shift[0, order], abs=1e-6)
    assert two.p_value[0] == pytest.approx(one.p_value[0, order], abs=0.02)


def test_a_reversed_order_is_a_shift_not_a_negative_scale():
    assert compare(THETA, -THETA).omnibus_p[0] < 1e-6


def test_two_conditions_change_places():
    there, back = compare(THETA, 2 * THETA), compare(2 * THETA, THETA)
    assert back.scale[0] == pytest.approx(1 / there.scale[0], abs=1e-3)


def test_a_condition_without_preference_leaves_the_scale_open():
    found = compare(np.zeros(5), THETA)
    assert np.isinf(found.scale_high[0])
    assert found.omnibus_p[0] > 0.5


def test_two_values_can_only_differ_in_scale():
    covariance = np.broadcast_to(0.01 * (np.eye(2) - 0.5), (1, 2, 2))
    found = shift_apart_from_scale(
        (np.array([[0.5, -0.5]]), np.array([[0.8, -0.8]])),
        (covariance, covariance, np.zeros((1, 2, 2))),
        np.array([100.0]),
    )
    assert np.isnan(found.omnibus_p[0]) and np.isnan(found.p_value).all()
    assert found.scale[0] == pytest.approx(1.6, abs=0.01)


def test_largest_of_one_t_is_a_t():
    largest = largest_of_t(np.ones((1, 1, 1)), np.array([12.0]), draws=100_000, seed=0)
    assert np.quantile(largest, 0.95) == pytest.approx(t_distribution.isf(0.025, 12), abs=0.03)


def test_a_value_whose_rest_fit_no_scale_has_no_size_of_shift():
    one, two = np.array([1.0, 0.0, -1.0]), np.array([-1.2, 0.1, 1.1])
    covariance = np.broadcast_to(0.0025 * (np.eye(3) - 1 / 3), (1, 3, 3))
    found = shift_apart_from_scale(
        (one[None], two[None]), (covariance, covariance, np.zeros((1, 3, 3))), np.array([200.0])
    )
    assert found.omnibus_p[0] < 1e-6
    assert not (np.abs(np.nan_to_num(found.shift)) > 30).any()


def test_of_many_values_one_shift_is_found_and_none_made_up(monkeypatch):
    rng = np.random.default_rng(0)
    theta = rng.normal(0, 1, 50)
    theta -= theta.mean()
    error, centre = 0.15, np.eye(50) - 1 / 50
    covariance = np.broadcast_to(error**2 * centre, (2, 50, 50))
    one = theta + error * rng.standard_normal((2, 50)) @ centre
    two = 1.4 * theta + error * rng.standard_normal((2, 50)) @ centre
    two[1, 7] += 1.5
    two -= two.mean(axis=1, keepdims=True)
    found = shift_apart_from_scale((one, two), (covariance, covariance, np.zeros((2, 50, 50))), np.full(2, 2000.0))
    assert (found.scale_low < 1.4).all() and (found.scale_high > 1.4).all()
    assert found.omnibus_p[0] > 0.05 > found.omnibus_p[1]
    assert (found.p_value[0] > 0.05).all() and np.flatnonzero(found.p_value[1] < 0.05).tolist() == [7]
    assert found.shift_low[1, 7] < 1.5 < found.shift_high[1, 7]
    # the same by the way of fewer values, which fits the scale anew for each of them
    monkeypatch.setattr(scale_shift, "MOST_DRAWN", 50)
    slow = shift_apart_from_scale((one, two), (covariance, covariance, np.zeros((2, 50, 50))), np.full(2, 2000.0))
    assert found.scale == pytest.approx(slow.scale, abs=1e-3) and found.scale_low == pytest.approx(
        slow.scale_low, abs=0.02
    )
    assert found.omnibus_p == pytest.approx(slow.omnibus_p, rel=0.01, abs=0.001)
    assert found.shift == pytest.approx(slow.shift, abs=0.06)


def draw_problems(k: int, number: int, seed: int):
    """Return strengths, covariances and freedom of made-up studies in which several values moved a little."""
    rng = np.random.default_rng(seed)
    centre = np.eye(k) - 1 / k
    parts = rng.normal(size=(2, number, k, 3 * k)) * rng.uniform(0.1, 0.3, size=(2, number, 1, 1)) / np.sqrt(3 * k)
    first, second = (centre @ part @ np.swapaxes(part, 1, 2) @ centre for part in parts)
    one = rng.normal(size=(number, k)) @ centre
    two = rng.uniform(0.3, 2, size=(number, 1)) * one + 0.3 * rng.normal(size=(number, k)) @ centre
    return (one, two), (first, second, np.zeros_like(first)), np.full(number, 60.0)


@pytest.mark.parametrize("k", [3, 4, 8])
def test_an_interval_leaves_out_no_shift_where_the_test_does(k):
    compared = shift_apart_from_scale(*draw_problems(k, 200, seed=k), seed=1)
    known = ~np.isnan(compared.shift) & (np.abs(compared.p_value - 0.05) > 0.002)
    assert known.mean() > 0.7
    without = (compared.shift_low > 0) | (compared.shift_high < 0)
    assert 0.02 < without[known].mean() < 0.9
    assert not (without & (compared.p_value > 0.05))[known].any()
    # a shift that may be large either way, and not small, has an interval over both parts
    assert (~without & (compared.p_value < 0.05))[known].mean() < 0.005
    inside = (compared.shift_low <= compared.shift) & (compared.shift <= compared.shift_high)
    assert inside[~np.isnan(compared.shift)].all()


def test_the_ends_of_a_shift_are_equally_far_by_another_way():
    strengths, covariances, freedom = draw_problems(4, 12, seed=0)
    compared = shift_apart_from_scale(strengths, covariances, freedom, seed=1)

    def least(n: int, value: int, shift: float) -> float:
        """Return the least distance over all scales with one value's shift given."""

        def distance(scale):
            gap = strengths[1][n] - scale * strengths[0][n] - shift * (np.eye(4)[value] - 1 / 4)
            return gap @ np.linalg.pinv(covariances[1][n] + scale**2 * covariances[0][n]) @ gap

        tried = np.geomspace(1e-3, 1e3, 60)
        for _ in range(3):
            best = min(range(60), key=lambda n: distance(tried[n]))
            tried = np.geomspace(tried[max(best - 1, 0)], tried[min(best + 1, 59)], 60)
        return min(map(distance, tried))

    alone = compared.omnibus_p > 0.05  # beyond that, values are set free one after the other
    ends = np.isfinite(compared.shift_low) & np.isfinite(compared.shift_high) & alone[:, None]
    assert ends.sum() > 8
    for n, value in zip(*np.nonzero(ends), strict=True):
        low, high = (least(n, value, end[n, value]) for end in (compared.shift_low, compared.shift_high))
        at = least(n, value, compared.shift[n, value])
        assert low - at == pytest.approx(high - at, rel=0.03) and low - at > 3


def test_one_large_shift_and_many_small_ones_are_found_by_one_test():
    k, studies, error = 8, 200, 0.1
    rng = np.random.default_rng(0)
    centre = np.eye(k) - 1 / k
    one_truth = np.linspace(0.9, -0.9, k)
    covariance = np.broadcast_to(error**2 * centre, (studies, k, k))
    draws = rng.normal(0, error, size=(2, studies, k)) @ centre
    rejected = {}
    for name, moved in {
        "none": np.zeros(k),
        "one": np.where(np.arange(k) == 3, 0.6, 0),
        "many": 0.3 * (-1.0) ** np.arange(k),
    }.items():
        strengths = (one_truth + draws[0], 1.2 * one_truth + (centre @ moved) + draws[1])
        compared = shift_apart_from_scale(
            strengths, (covariance, covariance, np.zeros_like(covariance)), np.full(studies, 300.0), draws=2000
        )
        together = scale_shift.no_shift_p(
            strengths, (covariance, covariance, np.zeros_like(covariance)), np.full(studies, 300.0)
        )
        p_values = {"both": compared.omnibus_p, "together": together, "alone": compared.p_value.min(axis=1)}
        rejected[name] = {test: (p < 0.05).mean() for test, p in p_values.items()}
    assert rejected["none"]["both"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    assert rejected["one"]["both"] > rejected["one"]["together"] + 0.02
    assert rejected["many"]["both"] > rejected["many"]["alone"] + 0.02
