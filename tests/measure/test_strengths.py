"""Strengths with closed-form errors, against statsmodels, scipy and choix."""

import choix
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import root

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure.strengths import (
    PairSums,
    cross_covariance,
    expit,
    fit_points,
    fit_strengths,
    grade_choices,
    pair_design,
    sum_by_pair,
)

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


def shares(scenarios: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return graded shares, shape (1, scenarios), and the pair of each."""
    truth = Truth({"a": 0.8, "b": 0.1, "c": -0.9}, PAIRS, scenario_sd=0.7)
    drawn = draw_studies(truth, Nuisance(position_bias=0.6), scenarios=scenarios, studies=1, seed=seed)
    return drawn.expressed[0, :, :, :, :, 0].mean(axis=-1).reshape(1, -1).astype(float), np.repeat(range(3), scenarios)


def test_point_and_errors_near_those_of_statsmodels_with_many_scenarios():
    share, pair = shares(3000)
    fit = fit_strengths(sum_by_pair(share, pair, FIRST, SECOND, 3))
    design = pair_design(FIRST, SECOND, 3)[pair]
    outside = sm.GLM(share[0], design, family=sm.families.Binomial()).fit(cov_type="HC0")
    centre = np.eye(3)[:, :-1] - 1 / 3
    assert fit.strengths[0] == pytest.approx(centre @ outside.params, abs=1e-3)
    errors = np.sqrt(np.diag(centre @ outside.cov_params() @ centre.T))
    assert np.sqrt(np.diag(fit.covariance[0])) == pytest.approx(errors, rel=0.01)


def test_firths_penalty_solves_his_adjusted_score():
    won, asked = np.array([7.0, 9.0, 6.0]), np.array([9.0, 9.0, 9.0])
    share = np.concatenate([np.r_[np.ones(int(w)), np.zeros(int(n - w))] for w, n in zip(won, asked, strict=True)])
    fit = fit_strengths(sum_by_pair(share[None], np.repeat(range(3), 9), FIRST, SECOND, 3))
    design = pair_design(FIRST, SECOND, 3)

    def score(theta: np.ndarray) -> np.ndarray:
        p = expit(design @ theta)
        weight = np.sqrt(asked * p * (1 - p))[:, None] * design
        hat = np.diag(weight @ np.linalg.inv(weight.T @ weight) @ weight.T)
        return design.T @ (won - asked * p + hat * (0.5 - p))

    theta = np.r_[root(score, np.zeros(2), tol=1e-12).x, 0]
    assert fit.strengths[0] == pytest.approx(theta - theta.mean(), abs=1e-7)


def test_strengths_of_choix_with_many_choices():
    share, pair = shares(2000)
    sums = sum_by_pair(share, pair, FIRST, SECOND, 3)
    fit = fit_strengths(sums)
    wins = np.zeros((3, 3))
    wins[FIRST, SECOND], wins[SECOND, FIRST] = sums.y[0], sums.n[0] - sums.y[0]
    data = [(i, j) for i in range(3) for j in range(3) for _ in range(int(2 * wins[i, j]))]
    assert fit.strengths[0] == pytest.approx(choix.ilsr_pairwise(3, data), abs=2e-3)


def test_pairing_takes_what_conditions_share_off_the_error_of_a_difference():
    truth = Truth({"a": 0.8, "b": 0.1, "c": -0.9}, PAIRS, scenario_sd=2.0)
    drawn = draw_studies(truth, Nuisance(), scenarios=200, studies=300, seed=1)
    pair = np.repeat(range(3), 200)
    one, two = (
        array.reshape(300, -1).astype(float)
        for array in (drawn.expressed[:, 0, ..., 0].mean(axis=-1), drawn.revealed[:, 0, ..., 0])
    )
    sums = [sum_by_pair(share, pair, FIRST, SECOND, 3) for share in (one, two)]
    fits = [fit_strengths(s) for s in sums]
    product = sum_by_pair(one * two, pair, FIRST, SECOND, 3).y
    cross = cross_covariance(*fits, *sums, product)
    estimated = (fits[0].covariance + fits[1].covariance - cross - np.swapaxes(cross, 1, 2))[:, 0, 0].mean()
    assert estimated == pytest.approx((fits[1].strengths - fits[0].strengths)[:, 0].var(), rel=0.2)
    assert cross[:, 0, 0].mean() > 0.1 * fits[0].covariance[:, 0, 0].mean()


def test_a_value_that_always_wins_has_a_finite_estimate_and_its_error_stays_wide():
    won = np.concatenate([np.ones(100), np.r_[np.ones(35), np.zeros(15)]])
    fit = fit_strengths(sum_by_pair(won[None], np.repeat(range(3), 50), FIRST, SECOND, 3))
    assert fit.strengths[0].argmax() == 0
    assert np.sqrt(fit.covariance[0, 0, 0]) > 0.5


def test_always_the_first_listed_says_nothing_of_values():
    fit = fit_strengths(sum_by_pair(np.full((1, 48), 0.5), np.repeat(range(3), 16), FIRST, SECOND, 3))
    assert fit.undecided.all()


def test_choices_are_graded_scenario_by_scenario_and_value_1_may_be_either():
    truth = Truth({"a": 0.8, "b": 0.1, "c": -0.9}, [("b", "a"), ("a", "c"), ("c", "b")])
    drawn = draw_studies(truth, Nuisance(repetitions=2, refusal={"a": 0.3}), scenarios=20, studies=1, seed=2)
    graded = grade_choices(choices_table(drawn), ["a", "b", "c"])
    expressed = graded.share[graded.rows([("m0", "multiple_choice", "default")])[0]].reshape(3, 20)
    expected = drawn.expressed[0, 0].mean(axis=(-1, -2))
    assert expressed[0] == pytest.approx(1 - expected[0])
    assert expressed[1] == pytest.approx(expected[1])
    assert expressed[2] == pytest.approx(1 - expected[2])
    revealed = graded.share[graded.rows([("m0", "open_ended", "default")])[0]].reshape(3, 20)
    lost = np.isnan(drawn.revealed[0, 0]).all(axis=-1)
    assert np.isnan(revealed[1]).tolist() == lost[1].tolist()


def test_values_that_no_pair_links_have_no_strength():
    fit = fit_strengths(sum_by_pair(np.ones((1, 4)), np.zeros(4, dtype=int), FIRST[:1], SECOND[:1], 3))
    assert np.isnan(fit.strengths).all()


@pytest.mark.parametrize("k", [2, 3, 4])
def test_every_tiny_study_has_a_fit_or_is_not_linked(k):
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(k, 1)
    n = rng.integers(0, 4, size=(3000, len(first))).astype(float)
    halves = rng.integers(0, 2 * n.astype(int) + 1) / 2
    fit = fit_strengths(PairSums(n, halves, np.minimum(halves, n), first, second, k))
    linked = ~np.isnan(fit.strengths[:, 0])
    assert linked.mean() > 0.5 and np.isfinite(fit.covariance[linked]).all()


def test_a_start_from_which_nothing_converges_is_given_up():
    # a ring of six values in which nearly all went one way: from these starts Newton's steps go to and fro
    first, second = np.array([0, 0, 1, 2, 2, 3]), np.array([1, 3, 4, 4, 5, 5])
    n, y = np.array([[5.0, 4, 4, 5, 6, 5], [5, 3, 3, 4, 6, 5]]), np.array([[0.0, 4, 0, 0, 1, 0], [0, 0, 3, 0, 0, 0]])
    given = PairSums(n, y, y, first, second, 6)
    start = np.array([[-2.466, 0.013, -1.236, -1.358, -1.842, 0], [-2.941, -1.285, -0.915, -1.723, -1.310, 0]])
    assert fit_points(given, start) == pytest.approx(fit_points(given), abs=1e-8)
