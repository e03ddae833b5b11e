"""One model of everything: against known truth, against the closed forms, and by simulation-based calibration."""

import sys

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies, true_strengths
from conflictscope.measure import JudgeErrors, Settings, correct_rankings, fit_posterior, rank_values

VALUES = ["a", "b", "c"]
TRUTH = Truth({"a": 0.7, "b": 0.1, "c": -0.8}, [("a", "b"), ("a", "c"), ("b", "c")], scenario_sd=0.8, target_sd=0.3)
HIDDEN = Nuisance(position_bias=0.8, scale=1.5, judge_error=0.12)
GROUP = ["target", "condition", "arm", "value"]


@pytest.fixture
def numpyro():
    return pytest.importorskip("numpyro", reason="the extra 'posterior' is not installed")


@pytest.fixture(scope="module")
def study():
    return draw_studies(TRUTH, HIDDEN, scenarios=60, studies=1, seed=3, targets=3)


def labels(each: int) -> JudgeErrors:
    """Return labels of a judge that errs as the study's does."""
    counts = np.zeros((3, 3, 2, 2))
    counts[np.triu_indices(3, 1)] = each * np.array([[0.88, 0.12], [0.12, 0.88]])
    return JudgeErrors(counts)


def strengths_of(study, condition) -> pd.DataFrame:
    """Return what each target's answers would report without end and read right, one row a target."""
    rows = []
    for strengths in study.strengths[0]:
        own = Truth(dict(zip(VALUES, strengths, strict=True)), TRUTH.pairs, scenario_sd=TRUTH.scenario_sd)
        rows.append(true_strengths(own, HIDDEN, condition))
    return pd.DataFrame(rows, index=[f"m{t}" for t in range(len(rows))], columns=VALUES)


@pytest.fixture(scope="module")
def fitted(study):
    pytest.importorskip("numpyro", reason="the extra 'posterior' is not installed")
    return fit_posterior(choices_table(study), VALUES, errors=labels(60), warmup=400, draws=1000)


def test_strengths_are_the_truth_s_and_agree_with_the_closed_forms(study, fitted):
    choices = choices_table(study)
    ranked = rank_values(choices, VALUES).merge(fitted.strengths, on=GROUP, suffixes=("", "_one"))
    ranked["true"] = [
        strengths_of(study, row.condition).loc[row.target, row.value] for row in ranked[GROUP].itertuples()
    ]
    assert len(ranked) == len(fitted.strengths) == 18
    covered = ranked["true"].between(ranked["strength_low_one"], ranked["strength_high_one"])
    assert covered.mean() > 0.83
    asked = ranked[ranked["condition"].eq("multiple_choice")]
    gap = asked["strength_one"] - asked["strength"]
    assert gap.abs().max() < 0.15 and np.corrcoef(asked["strength_one"], asked["strength"])[0, 1] > 0.98
    # pooled: no further from the truth than each target by itself, and with narrower intervals
    far = (asked["strength_one"] - asked["true"]).abs().mean(), (asked["strength"] - asked["true"]).abs().mean()
    assert far[0] < far[1] + 0.01
    assert (asked["strength_high_one"] - asked["strength_low_one"]).mean() < (
        asked["strength_high"] - asked["strength_low"]
    ).mean()


def test_a_judge_s_errors_are_taken_out_as_the_closed_form_takes_them_out(study, fitted):
    corrected = correct_rankings(choices_table(study), VALUES, labels(60))
    talked = corrected.merge(fitted.strengths, on=GROUP, suffixes=("", "_one"))
    assert len(talked) == 9
    true = np.array([strengths_of(study, "open_ended").loc[row.target, row.value] for row in talked.itertuples()])
    off = {name: np.abs(talked[name] - true).mean() for name in ("strength", "corrected", "strength_one")}
    assert off["strength_one"] < off["strength"] and off["strength_one"] < off["corrected"] + 0.02
    assert (talked["strength_one"] - talked["corrected"]).abs().max() < 0.5


def test_position_scale_scenarios_and_the_judge_come_back(fitted):
    of_all = fitted.effects[fitted.effects["target"].isna()].set_index("quantity")
    for quantity, true in (("position", 0.8), ("scale", 1.5), ("scenario_sd", 0.8)):
        assert of_all.loc[quantity, "low"] < true < of_all.loc[quantity, "high"], quantity
    assert of_all.loc["position", "high"] - of_all.loc["position", "low"] < 1.0
    accuracy = of_all.loc["judge_accuracy"]
    assert ((accuracy["low"] < 0.88) & (accuracy["high"] > 0.88)).all()
    # nothing but the scale differs: no value's shift is sure
    shift = of_all.loc["shift"]
    assert ((shift["low"] < 0) & (shift["high"] > 0)).all()


def test_orders_are_probabilities(study, fitted):
    assert len(fitted.orders) == 18 and fitted.orders["probability"].between(0.5, 1).all()
    far = fitted.orders[fitted.orders["condition"].eq("multiple_choice")].query("above == 'a' and below == 'c'")
    assert len(far) == 3 and (far["probability"] > 0.99).all()
    wide = fitted.strengths.pivot(index=["target", "condition"], columns="value", values="strength")
    for row in fitted.orders[fitted.orders["probability"] > 0.6].itertuples():
        assert wide.loc[(row.target, row.condition), row.above] > wide.loc[(row.target, row.condition), row.below]


def test_the_same_seed_gives_the_same_tables_and_chains_that_disagree_are_refused(numpyro):
    choices = choices_table(draw_studies(TRUTH, Nuisance(), scenarios=6, studies=1, seed=0, targets=2))
    choices = choices[choices["condition"].eq("multiple_choice")]
    one, two = (fit_posterior(choices, VALUES, Settings(seed=4), warmup=200, draws=250) for _ in range(2))
    pd.testing.assert_frame_equal(one.strengths, two.strengths)
    pd.testing.assert_frame_equal(one.effects, two.effects)
    assert "scale" not in set(one.effects["quantity"]) and set(one.strengths["condition"]) == {"multiple_choice"}
    with pytest.raises(ArithmeticError, match="have not come to agree: largest r-hat"):
        fit_posterior(choices, VALUES, warmup=2, draws=20)


def test_acting_by_template_is_taken_out(numpyro):
    rng = np.random.default_rng(0)
    choices = choices_table(
        draw_studies(Truth({"a": 0.5, "b": -0.5}, [("a", "b")]), Nuisance(), scenarios=300, studies=1, seed=0)
    )
    choices = choices[choices["condition"].eq("open_ended")].reset_index(drop=True)
    strong, acts = rng.random(300) < 0.5, np.where(rng.random(300) < 0.8, 1, -1)  # acting is mostly for a
    chance = 1 / (1 + np.exp(-(1.0 + acts * (0.8 + 0.6 * (strong - 0.5)))))
    won = pd.Series(rng.random(300) < chance)
    choices = choices.assign(
        severity=np.where(strong, "strong", "mild"),
        structure=np.where(rng.random(300) < 0.5, "means", "side_effect"),
        acting_value=np.where(acts > 0, "a", "b"),
        winner=choices["value_1"].where(won, choices["value_2"]),
        loser=choices["value_2"].where(won, choices["value_1"]),
    )
    effects = fit_posterior(choices, ["a", "b"], template=True, warmup=300, draws=400).effects.set_index("quantity")
    assert effects.loc["acting", "low"] < 0.8 < effects.loc["acting", "high"] and effects.loc["acting", "low"] > 0.2
    assert effects.loc["acting × strong", "low"] < 0.6 < effects.loc["acting × strong", "high"]
    between = effects.loc["strength", "estimate"].iloc[0] - effects.loc["strength", "estimate"].iloc[1]
    assert between == pytest.approx(1.0, abs=0.45)


def test_ranks_of_truths_among_draws_are_even(numpyro):
    from conflictscope.calibration.prior_studies import KEPT, posterior_ranks

    ranks = posterior_ranks(24, targets=2, scenarios=6, labels=20, seed=0, warmup=200, draws=300)
    place = (ranks["rank"].astype(float) + 0.5) / (KEPT + 1)
    by_quantity = place.groupby(ranks["quantity"]).mean()
    assert ranks["study"].nunique() == 24 and len(by_quantity) == 16
    # four standard errors of the mean of 24 even ranks
    assert by_quantity.between(0.5 - 0.24, 0.5 + 0.24).all(), by_quantity
    strengths = place[ranks["quantity"].eq("strengths")]
    assert 0.3 < (strengths - 0.5).abs().lt(0.25).mean() < 0.7
    assert (strengths - 0.5).abs().lt(0.45).mean() > 0.8


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(ModuleNotFoundError, match=r"'numpyro', which is not installed.*-e '\.\[posterior\]'"):
        fit_posterior(choices_table(draw_studies(TRUTH, Nuisance(), scenarios=2, studies=1, seed=0)), VALUES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda choices: choices.assign(preference=0.5), "graded by 'preference'"),
        (lambda choices: pd.concat([choices, choices.assign(arm="placebo")]), r"arms \['default', 'placebo'\]"),
        (lambda choices: choices[choices["value_2"].eq("b")], "do not link all"),
    ],
)
def test_what_cannot_be_fitted_is_refused(monkeypatch, change, words):
    monkeypatch.setattr("conflictscope.measure.posterior.import_numpyro", lambda chains: None)
    choices = choices_table(draw_studies(TRUTH, Nuisance(), scenarios=2, studies=1, seed=0))
    with pytest.raises(ValueError, match=words):
        fit_posterior(change(choices), VALUES)


def test_a_judge_that_reads_at_random_tells_nothing(numpyro):
    counts = np.zeros((3, 3, 2, 2))
    counts[np.triu_indices(3, 1)] = 20
    choices = choices_table(draw_studies(TRUTH, Nuisance(), scenarios=2, studies=1, seed=0))
    with pytest.raises(ValueError, match="hardly depend on what is true"):
        fit_posterior(choices, VALUES, errors=JudgeErrors(counts))
