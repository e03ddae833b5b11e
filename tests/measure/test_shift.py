"""Expressed against revealed: scale, shifts, Kendall's τ, mean strengths of groups."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import kendalltau
from scipy.stats import t as t_distribution
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure import Settings, compare_conditions, group_strengths
from conflictscope.measure import shift as comparing
from conflictscope.measure.judge_errors import JudgeErrors
from conflictscope.measure.shift import crossed_interval, kendall_interval

VALUES = list("abcdefgh")
PAIRS = [(one, two) for one in VALUES[::2] for two in VALUES[1::2]]
STRENGTHS = dict(zip(VALUES, np.linspace(0.9, -0.9, 8), strict=True))


def study(*, scenarios=74, targets=1, seed=0, values=8, shift=None, **nuisance) -> pd.DataFrame:
    """Return the choices of one study; with fewer than eight values, of all their pairs."""
    names = VALUES[:values]
    pairs = PAIRS if values == 8 else [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    strengths = {name: STRENGTHS[name] for name in names}
    truth = Truth(strengths, pairs, shift=shift or {}, scenario_sd=0.7)
    drawn = draw_studies(truth, Nuisance(**nuisance), scenarios=scenarios, studies=1, targets=targets, seed=seed)
    return choices_table(drawn)


def without_choices(choices, rows, outcome="invalid"):
    """Return the choices with an outcome other than a choice in some rows."""
    choices = choices.copy()
    choices.loc[rows, "outcome"] = outcome
    choices.loc[rows, ["action", "winner", "loser"]] = None
    return choices


def test_a_planted_shift_is_found_whatever_the_position_bias_and_the_place_of_the_value():
    for value in ("a", "d", "h"):
        choices = study(scenarios=300, shift={value: 1.0}, position_bias=1.0)
        by_target, by_value = compare_conditions(choices, VALUES)
        assert by_target["shifted"].item() == value
        moved = by_value.set_index("value").loc[value]
        assert moved["shift_low"] > 0.3 and moved["shift_high"] < 2.2


def test_more_noise_in_one_condition_is_scale_and_no_shift():
    for nuisance in ({"order_noise": 2.0}, {"judge_error": 0.15}, {"scale": 1.5}):
        by_target, by_value = compare_conditions(study(scenarios=300, **nuisance), VALUES)
        found = by_target.iloc[0]
        assert not found["scale_low"] <= 1 <= found["scale_high"], nuisance
        assert found["omnibus_p"] > 0.05 and not by_value["shifted"].any()


def test_the_same_choices_in_both_conditions_do_not_differ():
    asked = study(values=3)
    asked = asked[asked["condition"].eq("multiple_choice") & asked["action_shown_first"].eq(1)]
    choices = pd.concat([asked, asked.assign(condition="open_ended", judge="j")], ignore_index=True)
    by_target, by_value = compare_conditions(choices, VALUES[:3])
    assert by_target["scale"].item() == pytest.approx(1, abs=0.01) and by_target["tau"].item() == 1
    assert by_value["shift"].abs().max() < 0.05


def test_scenarios_without_a_choice_in_both_are_left_out_and_counted():
    choices = study(values=3, scenarios=40)
    lost = choices["condition"].eq("open_ended") & choices["scenario_id"].str.endswith("0")
    by_target, by_value = compare_conditions(without_choices(choices, lost), VALUES[:3])
    assert by_target[["scenarios", "left_out"]].iloc[0].tolist() == [108, 12]
    common = choices[~choices["scenario_id"].str.endswith("0")]
    again = compare_conditions(common, VALUES[:3])
    pd.testing.assert_frame_equal(again[1], by_value)
    pd.testing.assert_frame_equal(again[0].drop(columns="left_out"), by_target.drop(columns="left_out"))


def test_p_values_over_targets_are_holms():
    by_target, by_value = compare_conditions(study(targets=5, scenarios=20), VALUES)
    expected = multipletests(by_target["omnibus_p"], method="holm")[1]
    assert by_target["p_value"].to_numpy() == pytest.approx(expected)
    assert (by_value["p_value"] >= by_value["p_within"]).all()
    assert (by_value["p_within"].to_numpy().reshape(5, 8) >= by_target["omnibus_p"].to_numpy()[:, None] - 1e-12).all()


def test_tau_is_scipys():
    by_target, by_value = compare_conditions(study(targets=3, scenarios=8), VALUES)
    for target, rows in by_value.groupby("target"):
        # strengths that differ by rounding alone are tied
        expected = kendalltau(rows["expressed"].round(8), rows["revealed"].round(8)).statistic
        assert by_target.set_index("target").loc[target, "tau"] == pytest.approx(expected)
    assert (by_target["tau_low"] <= by_target["tau"]).all() and (by_target["tau"] <= by_target["tau_high"]).all()


def test_tau_of_two_like_orders_can_be_1():
    theta = np.array([[0.5, 0.1, -0.1, -0.5]])
    covariance = 0.04 * (np.eye(4) - 0.25)[None]
    tau, low, high, same = kendall_interval(
        (theta, theta), (covariance, covariance, np.zeros((1, 4, 4))), np.array([100.0])
    )
    assert tau[0] == 1 and high[0] == 1 and low[0] < 1 and 0 < same[0] < 1


def test_tau_of_many_values_is_that_of_few(monkeypatch):
    rng = np.random.default_rng(1)
    theta = rng.normal(0, 1, (1, 12))
    theta -= theta.mean()
    covariance = np.broadcast_to(0.02 * (np.eye(12) - 1 / 12), (1, 12, 12))
    both = (theta, theta[:, ::-1] * 0.5 + theta), (covariance, covariance, 0 * covariance), np.array([300.0])
    few = kendall_interval(*both)
    monkeypatch.setattr(comparing, "MOST_DRAWN", 11)
    many = kendall_interval(*both)
    assert many[0] == pytest.approx(few[0])
    assert many[1] == pytest.approx(few[1], abs=0.06) and many[2] == pytest.approx(few[2], abs=0.06)


def test_tau_of_orders_that_surely_differ_is_not_1():
    theta = np.array([[2.0, 0.5, -0.5, -2.0]])
    covariance = 0.01 * (np.eye(4) - 0.25)[None]
    both = (theta, theta[:, [3, 1, 2, 0]])
    tau, low, high, same = kendall_interval(both, (covariance, covariance, np.zeros((1, 4, 4))), np.array([100.0]))
    assert tau[0] == pytest.approx(-2 / 3) and low[0] <= tau[0] <= high[0] < 0 and same[0] == 0


def test_two_values_can_only_differ_in_scale():
    by_target, by_value = compare_conditions(study(values=2), VALUES[:2])
    assert by_target["omnibus_p"].isna().all() and by_value["shifted"].isna().all()
    assert by_target["scale"].notna().all() and by_target["problem"].isna().all()


def test_correction_for_the_judge_takes_a_false_shift_away():
    choices = study(scenarios=300, judge_error=0.02, misread={"a": 0.3})
    counts = np.zeros((8, 8, 2, 2))
    for i in range(8):
        for j in range(i + 1, 8):
            counts[i, j] = [[680, 320], [20, 980]] if i == 0 else [[980, 20], [20, 980]]
    plain, _ = compare_conditions(choices, VALUES)
    corrected, _ = compare_conditions(choices, VALUES, errors=JudgeErrors(counts))
    assert plain["omnibus_p"].item() < 0.01 < 0.05 < corrected["omnibus_p"].item()


def test_what_cannot_be_compared_says_why():
    three = VALUES[:3]
    good, no_talk, silent, first = (
        study(values=3, scenarios=20, always_first=name == "first").assign(target=name)
        for name in ("good", "no talk", "silent", "first")
    )
    no_talk = no_talk[no_talk["condition"].eq("multiple_choice")]
    silent = without_choices(silent, silent.index)
    by_target, by_value = compare_conditions(pd.concat([good, no_talk, silent, first], ignore_index=True), three)
    problem = by_target.set_index("target")["problem"]
    assert pd.isna(problem["good"])
    assert problem["no talk"] == "open_ended: no choices"
    assert problem["silent"] == "multiple_choice: no choices; open_ended: no choices"
    assert problem["first"] == "multiple_choice: every choice followed the order shown"
    told = by_value.set_index("target")["shifted"]
    assert told.loc["good"].notna().all() and told.loc[["no talk", "silent", "first"]].isna().all()
    nothing = compare_conditions(silent, three)[0]
    assert nothing[["scale", "tau", "omnibus_p"]].isna().all(axis=None)


def test_other_arms_and_the_order_of_rows_do_not_matter():
    choices = study(values=3, scenarios=30)
    expected = compare_conditions(choices, VALUES[:3])
    steered = study(values=3, scenarios=30, seed=5).assign(arm="steered:x")
    for other in (pd.concat([choices, steered]), choices.sample(frac=1, random_state=1)):
        for one, two in zip(compare_conditions(other, VALUES[:3]), expected, strict=True):
            pd.testing.assert_frame_equal(one, two)


def test_groups_of_values_over_targets():
    groups = {value: "first" if value in VALUES[::2] else "second" for value in VALUES}
    table = group_strengths(study(targets=4), VALUES, groups).set_index("group")
    assert table["targets"].tolist() == [4, 4]
    for name in ("expressed", "revealed", "shift"):
        assert table.loc["first", name] == pytest.approx(-table.loc["second", name])
        assert (table[f"{name}_low"] < table[name]).all() and (table[name] < table[f"{name}_high"]).all()
    assert (table["rank_expressed"].sum(), table["rank_revealed"].sum()) == (9, 9)
    _, by_value = compare_conditions(study(targets=4), VALUES)
    mean = by_value.assign(group=by_value["value"].map(groups)).groupby("group")["expressed"].mean()
    assert table.loc["first", "expressed"] == pytest.approx(mean["first"] - mean["second"])


def test_one_target_has_no_interval_over_targets():
    table = group_strengths(study(), VALUES, {"a": "one"})
    assert table["expressed"].notna().all() and table[["expressed_low", "shift_high"]].isna().all(axis=None)


@pytest.mark.parametrize("groups", [{}, {"courage": "open"}, dict.fromkeys(VALUES, "all")])
def test_groups_that_do_not_fit_are_refused(groups):
    with pytest.raises(ValueError, match="groups: "):
        group_strengths(study(scenarios=5), VALUES, groups)


def test_crossed_variance_of_statsmodels():
    rng = np.random.default_rng(0)
    targets, scenarios = 14, 60
    cells = rng.normal(size=(targets, 1)) + 2 * rng.normal(size=(1, scenarios)) + rng.normal(size=(targets, scenarios))
    contrasts = cells.mean(axis=1)
    mean, low, high = crossed_interval(contrasts, (cells - contrasts[:, None]) / scenarios)
    fit = sm.OLS(cells.ravel(), np.ones(cells.size)).fit()
    group = np.indices(cells.shape).reshape(2, -1)
    outside = cov_cluster_2groups(fit, group[0], group[1], use_correction=False)[0]
    variance = float(np.squeeze(outside)) + contrasts.var(ddof=1) / targets - contrasts.var() / targets
    half = high - mean
    assert half == pytest.approx(t_distribution.isf(0.025, 20) * np.sqrt(variance), rel=0.15)
    assert mean - low == pytest.approx(half)


def test_bad_input_is_refused():
    choices = study(values=3, scenarios=5)
    with pytest.raises(ValueError, match="condition 'open_ended' and arm 'default'"):
        compare_conditions(choices[choices["condition"].eq("multiple_choice")], VALUES)
    with pytest.raises(ValueError, match="level: found 95"):
        compare_conditions(choices, VALUES, Settings(level=95))
    with pytest.raises(ValueError, match="unknown values"):
        compare_conditions(choices, VALUES[:2])
    with pytest.raises(ValueError, match="at least two"):
        compare_conditions(choices, VALUES[:1])
