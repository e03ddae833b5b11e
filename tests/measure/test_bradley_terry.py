"""The fit against published numbers, against choix, and on known truth; Ford's condition against scipy."""

import json
import warnings
from pathlib import Path

import choix
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components

from conflictscope.measure import fit_bradley_terry, win_graph_connected

PUBLISHED = json.loads(Path(__file__).with_name("bradley_terry_published.json").read_text(encoding="utf-8"))
CHOIX_TOLERANCE = 1e-6  # choix stops when its own steps are below 1e-8 in sum

AWKWARD = {
    "50:0": [[0, 50], [0, 0]],
    "50:0 and a value never seen": [[0, 50, 0], [0, 0, 0], [0, 0, 0]],
    "two groups without a link": [[0, 3, 0, 0], [5, 0, 0, 0], [0, 0, 0, 9], [0, 0, 2, 0]],
    "one value always wins": [[0, 7, 9], [0, 0, 4], [0, 5, 0]],
    "one value always loses": [[0, 7, 9], [6, 0, 4], [0, 0, 0]],
    "one choice": [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
    "many": [[0, 40_000, 30_000], [60_000, 0, 20_000], [1, 80_000, 0]],
    "a circle": [[0, 5, 0], [0, 0, 5], [5, 0, 0]],
}


def on_published_scale(strengths, scale):
    if scale == "odds that add up to 1":
        return np.exp(strengths) / np.exp(strengths).sum()
    return strengths - strengths[-1]


@pytest.mark.parametrize("example", PUBLISHED, ids=lambda example: example["name"])
def test_maximum_likelihood_reproduces_published_fits(example):
    fitted = fit_bradley_terry(example["wins"], penalty=0)
    found = on_published_scale(fitted, example["scale"])
    np.testing.assert_allclose(found, example["expected"], atol=example["tolerance"], rtol=0)


@pytest.mark.parametrize("example", PUBLISHED, ids=lambda example: example["name"])
def test_small_penalty_goes_to_maximum_likelihood(example):
    likelihood = fit_bradley_terry(example["wins"], penalty=0)
    np.testing.assert_allclose(fit_bradley_terry(example["wins"], penalty=1e-12), likelihood, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.5, 1e-4])
@pytest.mark.parametrize("wins", AWKWARD.values(), ids=AWKWARD.keys())
def test_agrees_with_choix(wins, alpha):
    expected = choix.ilsr_pairwise_dense(np.array(wins, dtype=float), alpha=alpha, max_iter=100_000)
    np.testing.assert_allclose(fit_bradley_terry(wins, alpha), expected, atol=CHOIX_TOLERANCE)


@pytest.mark.parametrize("k", [2, 3, 6, 8])
def test_agrees_with_choix_on_rows_and_whatever_the_number_of_values(k):
    rng = np.random.default_rng(k)
    wins = rng.poisson(3, (k, k))
    np.fill_diagonal(wins, 0)
    rows = [(i, j) for i in range(k) for j in range(k) for _ in range(wins[i, j])]
    expected = choix.ilsr_pairwise(k, rows, alpha=0.01, max_iter=100_000)
    np.testing.assert_allclose(fit_bradley_terry(wins, 0.01), expected, atol=CHOIX_TOLERANCE)


@pytest.mark.parametrize("wins", AWKWARD.values(), ids=AWKWARD.keys())
def test_maximises_the_objective_as_it_is_written(wins):
    wins, alpha = np.array(wins, dtype=float), 0.01
    k = len(wins)

    def loss(theta):
        log_chance = -np.logaddexp(0, theta[None, :] - theta[:, None])
        return -(wins * log_chance).sum() - alpha * k * (theta - np.exp(theta)).sum()

    theta = minimize(loss, np.zeros(k), method="BFGS", options={"gtol": 1e-10}).x
    fitted = fit_bradley_terry(wins, alpha)
    # with Σ exp θ = k the fitted differences give θ itself
    at_fitted = fitted + np.log(k / np.exp(fitted).sum())
    assert loss(at_fitted) <= loss(theta) + 1e-9
    np.testing.assert_allclose(fitted, theta - theta.mean(), atol=1e-3)


def test_batch_is_each_fit_by_itself():
    rng = np.random.default_rng(0)
    wins = rng.poisson(2, (3, 5, 4, 4)) * (1 - np.eye(4))
    fitted = fit_bradley_terry(wins, 0.01)
    assert fitted.shape == (3, 5, 4)
    for place in np.ndindex(3, 5):
        np.testing.assert_allclose(fitted[place], fit_bradley_terry(wins[place], 0.01), atol=1e-12)
    assert fit_bradley_terry(np.zeros((0, 3, 3))).shape == (0, 3)


def test_no_choices_at_all_is_a_draw():
    np.testing.assert_array_equal(fit_bradley_terry(np.zeros((3, 3))), [0, 0, 0])


def test_relabelling_and_reversing():
    wins = np.array(PUBLISHED[0]["wins"])
    fitted = fit_bradley_terry(wins)
    order = np.random.default_rng(1).permutation(len(wins))
    np.testing.assert_allclose(fit_bradley_terry(wins[np.ix_(order, order)]), fitted[order], atol=1e-10)
    np.testing.assert_allclose(fit_bradley_terry(wins.T, 0), -fit_bradley_terry(wins, 0), atol=1e-10)


def test_mean_is_zero_and_more_wins_mean_more_strength():
    wins = [[0, 8, 9], [2, 0, 7], [1, 3, 0]]
    fitted = fit_bradley_terry(wins)
    assert abs(fitted.mean()) < 1e-12
    assert fitted[0] > fitted[1] > fitted[2]


def test_recovers_known_strengths():
    truth = np.array([1.2, 0.4, -0.1, -0.5, -1.0])
    chance = 1 / (1 + np.exp(truth[None, :] - truth[:, None]))
    rng = np.random.default_rng(3)
    wins = np.triu(rng.binomial(20_000, chance), 1)
    wins += np.triu(20_000 - wins, 1).T
    np.testing.assert_allclose(fit_bradley_terry(wins), truth, atol=0.03)
    np.testing.assert_allclose(fit_bradley_terry(1e6 * chance * (1 - np.eye(5)), 0), truth, atol=1e-9)


def test_strongly_connected_is_what_scipy_says():
    rng = np.random.default_rng(0)
    wins = rng.random((300, 6, 6)) < rng.uniform(0.05, 0.6, (300, 1, 1))
    wins = wins * (1 - np.eye(6))
    expected = [connected_components(table, directed=True, connection="strong")[0] == 1 for table in wins]
    assert 30 < sum(expected) < 270
    np.testing.assert_array_equal(win_graph_connected(wins), expected)
    assert win_graph_connected(AWKWARD["a circle"]) is True
    assert win_graph_connected(AWKWARD["50:0"]) is False


def test_no_maximum_is_refused_without_a_penalty():
    with pytest.raises(ValueError, match="1 of 1 win graphs are not strongly connected"):
        fit_bradley_terry(AWKWARD["50:0"], penalty=0)
    with pytest.raises(ValueError, match="1 of 2 win graphs"):
        fit_bradley_terry([AWKWARD["a circle"], AWKWARD["one choice"]], penalty=0)


@pytest.mark.parametrize(
    ("wins", "said"),
    [
        ([1, 2], r"shape \(2,\)"),
        ([[0, 1, 2], [1, 0, 2]], r"shape \(2, 3\)"),
        ([[0]], r"shape \(1, 1\)"),
        ([[0, -1], [1, 0]], "negative"),
        ([[0, np.nan], [1, 0]], "not a number"),
        ([[0, np.inf], [1, 0]], "infinite"),
        ([[1, 2], [1, 0]], "diagonal"),
    ],
)
def test_bad_counts_are_refused(wins, said):
    with pytest.raises(ValueError, match=said):
        fit_bradley_terry(wins)
    with pytest.raises(ValueError, match=said):
        win_graph_connected(wins)


@pytest.mark.parametrize("penalty", [-0.1, np.nan, np.inf])
def test_bad_penalty_is_refused(penalty):
    with pytest.raises(ValueError, match="penalty"):
        fit_bradley_terry([[0, 1], [1, 0]], penalty)


def test_a_fit_that_cannot_converge_is_an_error():
    # with so small a penalty the maximum lies beyond what floating point can tell from infinity
    with pytest.raises(ArithmeticError, match="did not converge"):
        fit_bradley_terry([[0, 50], [0, 0]], penalty=1e-320)


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for wins in AWKWARD.values():
            fit_bradley_terry(wins)
