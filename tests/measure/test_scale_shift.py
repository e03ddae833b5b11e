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
    assert found.omnibus_p[0] == pytest.approx(1, abs=1e-3)
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
    assert two.omnibus_p[0] == pytest.approx(one.omnibus_p[0])
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
    assert found.omnibus_p == pytest.approx(slow.omnibus_p, rel=0.01)
    assert found.shift == pytest.approx(slow.shift, abs=0.06)
