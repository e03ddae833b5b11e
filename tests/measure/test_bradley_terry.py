"""Fits, diagnostics and bounds against published numbers, choix, statsmodels and known truth."""

import itertools
import json
import warnings
from pathlib import Path

import choix
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from conflictscope.measure import fit_bradley_terry, win_graph_connected
from conflictscope.measure.bradley_terry import diagnose

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


# Stigler (1994), Statistical Science 9: citations between four journals, the winner is the journal that is cited
JOURNALS = ["Biometrika", "Comm Statist", "JASA", "JRSS-B"]
CITATIONS = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
# fitted by Turner and Firth (2012), J. Statistical Software 48(9), section 2.1; residual deviance, 3 degrees of freedom
PUBLISHED_DEVIANCE = 4.293
PUBLISHED_STRENGTHS = [0, -2.9491, -0.4796, 0.2690]  # Biometrika the reference


def choices_from(wins, values, *, answers=1):
    """Return choices with these win counts, each scenario giving the same answer `answers` times."""
    rows = []
    for i, j in itertools.permutations(range(len(values)), 2):
        one, two = min(i, j), max(i, j)
        for n in range(int(wins[i][j])):
            for answer in range(answers):
                row = (f"{i}-{j}-{n}", values[one], values[two], answer, values[i], values[j], 1 if i == one else 2)
                rows.append(row)
    columns = ["scenario_id", "value_1", "value_2", "repetition", "winner", "loser", "action"]
    shared = {"target": "m", "condition": "multiple_choice", "arm": "default", "judge": None}
    return pd.DataFrame(rows, columns=columns).assign(**shared, outcome="choice", action_shown_first=1)


def statsmodels_fit(wins):
    """Return the fit of a logistic regression without intercept, one row a pair."""
    wins = np.asarray(wins, dtype=float)
    first, second = np.triu_indices(len(wins), 1)
    rows = np.arange(len(first))
    design = np.zeros((len(rows), len(wins)))
    design[rows, first], design[rows, second] = 1, -1
    return GLM(np.column_stack([wins[first, second], wins[second, first]]), design[:, 1:], family=Binomial()).fit()


def test_published_fit_of_journal_citations():
    found = diagnose(choices_from(CITATIONS, JOURNALS), JOURNALS).iloc[0]
    assert found["deviance"] == pytest.approx(PUBLISHED_DEVIANCE, abs=0.0005)
    assert found["degrees_of_freedom"] == 3
    assert found["dispersion"] == pytest.approx(1), "one answer a scenario"
    assert found["p_value"] == pytest.approx(chi2.sf(PUBLISHED_DEVIANCE, 3), abs=1e-4)
    assert found["choices"] == np.sum(CITATIONS)
    strengths = fit_bradley_terry(CITATIONS, penalty=0)
    np.testing.assert_allclose(strengths - strengths[0], PUBLISHED_STRENGTHS, atol=0.00005)


@pytest.mark.parametrize("seed", range(5))
def test_deviance_and_residuals_are_statsmodels(seed):
    values = list("abcde")
    wins = np.random.default_rng(seed).integers(1, 40, (5, 5))
    np.fill_diagonal(wins, 0)
    fit = statsmodels_fit(wins)
    found = diagnose(choices_from(wins, values), values).iloc[0]
    assert found["deviance"] == pytest.approx(fit.deviance)
    assert found["degrees_of_freedom"] == fit.df_resid
    residuals = fit.get_influence().resid_studentized
    worst = np.abs(residuals).argmax()
    assert found["worst_residual"] == pytest.approx(np.abs(residuals[worst]), rel=1e-6)
    pair = list(itertools.combinations(values, 2))[worst]
    assert (found["worst_winner"], found["worst_loser"]) == (pair if residuals[worst] > 0 else pair[::-1])
    assert found["worst_observed"] > found["worst_expected"]


def test_answers_that_repeat_each_other_are_no_more_evidence():
    wins = np.array([[0, 30, 12], [10, 0, 25], [28, 15, 0]])
    once, twice = (diagnose(choices_from(wins, list("abc"), answers=n), list("abc")).iloc[0] for n in (1, 2))
    assert twice["dispersion"] == pytest.approx(2)
    assert twice["deviance"] == pytest.approx(2 * once["deviance"])
    for name in ("p_value", "worst_residual", "worst_observed", "triads_cyclic"):
        assert twice[name] == pytest.approx(once[name])


def test_a_true_model_is_rejected_as_often_as_the_p_value_says(make_choices, many_targets):
    values = {"a": 1.0, "b": 0.3, "c": -0.2, "d": -1.1}
    scenarios = make_choices(values, scenarios_per_pair=60, seed=0, orders=(1, 2))
    p = diagnose(many_targets(scenarios, values, targets=400, seed=1), list(values))["p_value"]
    assert abs((p < 0.1).mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 / 400)


def test_a_true_model_is_rejected_as_often_when_answers_move_together(make_choices, many_targets):
    level = dict.fromkeys("abcd", 0.0)  # a spread of scenarios around equal strengths leaves the model true
    scenarios = make_choices(level, scenarios_per_pair=60, seed=0, orders=(1, 2))
    found = diagnose(many_targets(scenarios, level, targets=400, seed=1, spread=3.0), list("abcd"))
    assert found["dispersion"].mean() > 1.4
    assert abs((found["p_value"] < 0.1).mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 / 400)
    naive = chi2.sf(found["deviance"], 3)
    assert (naive < 0.1).mean() > 0.15, "answers taken as independent would reject too often"


def test_cycle_is_counted_and_rejected():
    wins = [[0, 30, 10], [10, 0, 30], [30, 10, 0]]
    found = diagnose(choices_from(wins, list("abc")), list("abc")).iloc[0]
    assert (found["triads_decided"], found["triads_cyclic"]) == (1, 1)
    assert found["worst_observed"] == 0.75 and found["worst_expected"] == pytest.approx(0.5)
    assert found["p_value"] < 0.01 and found["equal_p"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("leads", "decided", "cyclic"),
    [
        ({}, 4, 0),
        ({("b", "d"): -1}, 4, 1),  # b > c > d > b
        ({("a", "d"): -1}, 4, 2),  # a > b > d > a and a > c > d > a
        ({("a", "b"): 0}, 2, 0),  # a tie leaves the two triads of a and b undecided
    ],
)
def test_triads_by_hand(leads, decided, cyclic):
    values = list("abcd")
    wins = np.zeros((4, 4))
    for i, j in itertools.combinations(range(4), 2):
        lead = leads.get((values[i], values[j]), 1)
        wins[i, j], wins[j, i] = 10 + lead, 10 - lead
    found = diagnose(choices_from(wins, values), values).iloc[0]
    assert (found["triads_decided"], found["triads_cyclic"]) == (decided, cyclic)


def test_values_far_apart_are_apart_though_one_hardly_ever_loses():
    wins = np.array([[0, 36, 26], [0, 0, 2], [5, 30, 0]])
    found = diagnose(choices_from(wins, list("abc"), answers=2), list("abc")).iloc[0]
    assert found["connected"] and found["equal_p"] < 1e-6


def test_the_test_of_equal_strengths_is_the_likelihood_ratio_of_statsmodels():
    fit = statsmodels_fit(np.array(CITATIONS, dtype=float))
    found = diagnose(choices_from(CITATIONS, JOURNALS), JOURNALS).iloc[0]
    even = sum(
        2 * (w * np.log(2 * w / (w + v)) + v * np.log(2 * v / (w + v)))
        for w, v in ((CITATIONS[i][j], CITATIONS[j][i]) for i, j in itertools.combinations(range(4), 2))
    )
    assert found["equal_p"] == pytest.approx(chi2.sf(even - fit.deviance, 3))


def test_equal_values_are_said_to_be_apart_as_often_as_the_level_says(make_choices, many_targets):
    level = dict.fromkeys("abcd", 0.0)
    scenarios = make_choices(level, scenarios_per_pair=40, seed=0)
    found = diagnose(many_targets(scenarios, level, targets=300, seed=1), list("abcd"))
    apart = (found["equal_p"] < 0.05).mean()
    assert abs(apart - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("wins", "connected", "freedom"),
    [
        ([[0, 9, 9], [0, 0, 5], [0, 6, 0]], False, pd.NA),  # one value never loses
        ([[0, 9, 0], [4, 0, 12], [0, 3, 0]], True, 0),  # a pair without a choice
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], False, pd.NA),
    ],
)
def test_thin_data_have_a_visible_answer(wins, connected, freedom):
    asked = choices_from(np.array([[0, 3, 3], [3, 0, 3], [3, 3, 0]]), list("abc"))
    asked = asked.assign(outcome="invalid", winner=None, loser=None, scenario_id=asked["scenario_id"] + " unread")
    choices = pd.concat([choices_from(wins, list("abc")).astype(asked.dtypes.to_dict()), asked], ignore_index=True)
    found = diagnose(choices, list("abc")).iloc[0]
    assert found["connected"] == connected
    assert found["degrees_of_freedom"] is freedom or found["degrees_of_freedom"] == freedom
    assert pd.isna(found["p_value"]) and pd.isna(found["worst_winner"])


def test_two_values_have_nothing_to_test():
    found = diagnose(choices_from([[0, 30], [5, 0]], list("ab")), list("ab")).iloc[0]
    assert (found["deviance"], found["degrees_of_freedom"]) == (0, 0)
    assert found["connected"] and found["triads_decided"] == 0


def test_unanimous_cycle_takes_the_largest_design_effect():
    wins = [[0, 8, 0], [0, 0, 8], [8, 0, 0]]
    found = diagnose(choices_from(wins, list("abc"), answers=2), list("abc")).iloc[0]
    assert found["connected"] and found["dispersion"] == 2
    assert found["triads_cyclic"] == 1


def test_rows_permuted_actions_swapped_and_values_relabelled():
    wins = np.random.default_rng(3).integers(2, 20, (4, 4))
    np.fill_diagonal(wins, 0)
    values = list("abcd")
    choices = choices_from(wins, values)
    expected = diagnose(choices, values)
    pd.testing.assert_frame_equal(diagnose(choices.sample(frac=1, random_state=2), values), expected)
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"}).assign(action=3 - choices["action"])
    pd.testing.assert_frame_equal(diagnose(swapped, values), expected)
    numbers = ["deviance", "p_value", "worst_residual", "worst_observed", "triads_cyclic", "equal_p"]
    relabelled = diagnose(choices, values[::-1])
    np.testing.assert_allclose(relabelled[numbers], expected[numbers])
    assert relabelled["worst_winner"][0] == expected["worst_winner"][0]


def test_groups_stand_by_themselves():
    one = choices_from(CITATIONS, JOURNALS)
    two = choices_from(np.transpose(CITATIONS), JOURNALS).assign(target="n")
    found = diagnose(pd.concat([two, one]), JOURNALS)
    assert found["target"].tolist() == ["m", "n"]
    assert found["deviance"].tolist() == pytest.approx([PUBLISHED_DEVIANCE] * 2, abs=0.0005)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        diagnose(choices_from([[0, 3], [3, 0]], list("ab")), ["a"])
