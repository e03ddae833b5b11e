"""Misread and missing answers: corrections, tipping points and joint bounds."""

from itertools import combinations, product

import numpy as np
import pytest

from conflictscope.measure.doubts import (
    correct_for_judge,
    judge_tipping_points,
    missing_tipping_points,
    orders_that_hold,
)
from conflictscope.measure.sandwich import PairSums, fit_strengths

FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


def sums(n, y, first=FIRST, second=SECOND, k=3) -> PairSums:
    """Return the sums of one group's yes-or-no shares."""
    won = np.array([y], dtype=float)
    return PairSums(np.array([n], dtype=float), won, won, first, second, k)


def test_a_judge_without_error_changes_next_to_nothing():
    given = sums([400, 400, 400], [250, 320, 280])
    labels = np.tile(np.diag([5000, 5000]), (3, 1, 1))
    plain, corrected = fit_strengths(given), correct_for_judge(given, labels)
    assert corrected.strengths == pytest.approx(plain.strengths, abs=1e-3)
    assert corrected.covariance == pytest.approx(plain.covariance, rel=0.02)


def test_known_error_is_taken_out_and_the_labels_widen_the_errors():
    true = np.array([0.7, 0.8, 0.6])
    read = 0.95 * true + 0.2 * (1 - true)
    given = sums([1000] * 3, 1000 * read)
    labels = np.tile(np.array([[0.95, 0.05], [0.2, 0.8]]), (3, 1, 1))
    many, few = correct_for_judge(given, 1e6 * labels), correct_for_judge(given, 50 * labels)
    assert many.strengths == pytest.approx(fit_strengths(sums([1000] * 3, 1000 * true)).strengths, abs=1e-2)
    assert (few.covariance[0, 0, 0] > 2 * many.covariance[0, 0, 0]) and few.covariance[0, 0, 0] < 0.2


def test_a_judge_that_reads_at_random_gives_no_strengths():
    labels = np.full((3, 2, 2), 100)
    assert np.isnan(correct_for_judge(sums([50] * 3, [30, 30, 30]), labels).strengths).all()


def test_two_values_tip_where_the_majority_does():
    given = sums([100], [60], np.array([0]), np.array([1]), 2)
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
