"""Expressed against revealed: differences of rankings, their noise, Kendall's τ, mean ranks of groups."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from conflictscope.measure import Settings
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.shift import group_ranks, ranking_agreement, value_shifts

VALUES = ["candour", "kindness", "privacy"]
SAID = {"candour": 0.8, "kindness": 0.0, "privacy": -0.8}
DONE = {"candour": -0.8, "kindness": 0.0, "privacy": 0.8}


@pytest.fixture
def both(make_choices):
    """Return a function that draws both conditions of one target from planted strengths."""

    def make(said, done, *, scenarios_per_pair=60, seed=0, target="m", orders=(1, 2), spread=0.0):
        shared = {"scenarios_per_pair": scenarios_per_pair, "target": target, "spread": spread}
        asked = make_choices(said, seed=[seed, 0], orders=orders, **shared)
        talked = make_choices(done, seed=[seed, 1], condition="open_ended", **shared)
        return pd.concat([asked, talked], ignore_index=True)

    return make


def without_choices(choices, rows, outcome="invalid"):
    """Return the choices with an outcome other than a choice in some rows."""
    choices = choices.copy()
    choices.loc[rows, "outcome"] = outcome
    choices.loc[rows, ["action", "winner", "loser"]] = None
    return choices


def test_shift_is_the_difference_of_the_two_rankings(both):
    choices = both(SAID, DONE)
    shifts = value_shifts(choices, VALUES, Settings(resamples=200, seed=3))
    rankings = rank_values(choices, VALUES, Settings(resamples=200, seed=3)).set_index(["condition", "value"])
    said, done = rankings.loc["multiple_choice"], rankings.loc["open_ended"]
    np.testing.assert_allclose(shifts["strength_expressed"], said["strength"])
    np.testing.assert_allclose(shifts["strength_shift"], done["strength"] - said["strength"], atol=1e-7)
    np.testing.assert_allclose(shifts["rank_shift"], done["rank"] - said["rank"])
    assert (shifts["strength_shift"] > shifts["strength_shift_low"]).all()
    assert (shifts["strength_shift"] < shifts["strength_shift_high"]).all()


def test_planted_shift_is_found_with_its_direction(both):
    shifts = value_shifts(both(SAID, DONE, scenarios_per_pair=300), VALUES, Settings(resamples=300)).set_index("value")
    assert shifts["beyond_noise"].tolist() == [True, False, True]
    assert shifts.loc["candour", "rank_shift"] == 2, "a value that falls from first to third"
    assert shifts.loc["privacy", "rank_shift"] == -2
    planted = pd.Series(DONE) - pd.Series(SAID)
    assert shifts["strength_shift"].to_numpy() == pytest.approx(planted.to_numpy(), abs=0.3)


def test_the_same_choices_in_both_conditions_have_no_shift_at_all(make_choices):
    asked = make_choices(SAID, scenarios_per_pair=30, seed=0)
    choices = pd.concat([asked, asked.assign(condition="open_ended", judge="j")], ignore_index=True)
    shifts = value_shifts(choices, VALUES, Settings(resamples=100))
    zero = ["strength_shift", "strength_shift_low", "strength_shift_high", "rank_shift", "rank_shift_high"]
    assert (shifts[[*zero, "bootstrap_error"]] == 0).all(axis=None), "resamples are paired"
    assert not shifts["beyond_noise"].any()
    assert ranking_agreement(choices, VALUES, Settings(resamples=50))["tau"].tolist() == [1, 1]


def test_nothing_is_claimed_more_often_than_the_level_says_when_nothing_differs(both, many_targets):
    scenarios = both(SAID, SAID, scenarios_per_pair=50)
    found = value_shifts(many_targets(scenarios, SAID, targets=300, seed=1), VALUES, Settings(resamples=400))
    covered = (found["strength_shift_low"] <= 0) & (found["strength_shift_high"] >= 0)
    error = np.sqrt(0.05 * 0.95 / 300)  # a study's three values are no three studies
    assert abs(covered.mean() - 0.95) < 3 * error
    assert found["beyond_noise"].mean() < 0.05 + 3 * error


def test_order_shift_shows_a_position_bias_and_raises_the_bar(make_choices):
    level = dict.fromkeys(VALUES, 0.0)
    first_shown = {"candour": 3.0, "kindness": 0.0, "privacy": -3.0}  # action 1 belongs to the earlier value
    asked = [
        make_choices(first_shown if n == 1 else level, scenarios_per_pair=100, seed=n, orders=(n,)) for n in (1, 2)
    ]
    talked = make_choices(level, scenarios_per_pair=100, seed=5, condition="open_ended")
    shifts = value_shifts(pd.concat([*asked, talked]), VALUES, Settings(resamples=100)).set_index("value")
    assert shifts.loc["candour", "order_shift_low"] > 1
    assert abs(shifts.loc["candour", "strength_shift"]) > shifts.loc["candour", "bootstrap_error"]
    assert not shifts.loc["candour", "beyond_noise"], "the two orders differ by more"


def test_one_order_sets_no_bar(both):
    shifts = value_shifts(both(SAID, DONE, orders=(1,), scenarios_per_pair=200), VALUES, Settings(resamples=100))
    assert shifts["order_shift"].isna().all()
    assert shifts["beyond_noise"].tolist() == [True, False, True]


def test_tau_is_scipys(make_choices):
    names = list("abcdef")
    rng = np.random.default_rng(1)
    tables = []
    for target in "mno":
        said, done = (dict(zip(names, rng.normal(0, 1, 6), strict=True)) for _ in range(2))
        tables.append(make_choices(said, scenarios_per_pair=8, seed=1, target=target))
        tables.append(make_choices(done, scenarios_per_pair=8, seed=2, target=target, condition="open_ended"))
    choices = pd.concat(tables, ignore_index=True)
    shifts = value_shifts(choices, names, Settings(resamples=10))
    agreement = ranking_agreement(choices, names, Settings(resamples=100)).set_index("target")
    for target, rows in shifts.groupby("target"):
        expected = kendalltau(rows["strength_expressed"], rows["strength_revealed"]).statistic
        assert agreement.loc[target, "tau"] == pytest.approx(expected)
    assert agreement.loc["all targets", "tau"] == pytest.approx(agreement.loc[list("mno"), "tau"].mean())
    assert agreement.loc["all targets", "targets"] == 3
    assert (agreement["tau_low"] <= agreement["tau"]).all() and (agreement["tau"] <= agreement["tau_high"]).all()


def test_tau_with_ties_is_tau_b(make_choices):
    pair_of = [("a", "b"), ("a", "c"), ("b", "c")]
    wins = {"multiple_choice": [(3, 1), (3, 1), (2, 2)], "open_ended": [(1, 3), (2, 2), (3, 1)]}
    rows = []
    for condition, counts in wins.items():
        for (one, two), (first, second) in zip(pair_of, counts, strict=True):
            for n, action in enumerate([1] * first + [2] * second):
                rows.append((f"{one}{two}{n}", one, two, condition, action))
    choices = pd.DataFrame(rows, columns=["scenario_id", "value_1", "value_2", "condition", "action"])
    choices = choices.assign(target="m", arm="default", judge=None, outcome="choice", action_shown_first=1)
    took_first = choices["action"].eq(1)
    choices["winner"] = choices["value_1"].where(took_first, choices["value_2"])
    choices["loser"] = choices["value_2"].where(took_first, choices["value_1"])
    shifts = value_shifts(choices, list("abc"), Settings(resamples=10))
    assert shifts["rank_expressed"].tolist() == [1, 2.5, 2.5], "tied values share the mean of their places"
    expected = kendalltau(shifts["strength_expressed"], shifts["strength_revealed"]).statistic
    assert ranking_agreement(choices, list("abc"), Settings(resamples=10))["tau"][0] == pytest.approx(expected)


def test_group_ranks_on_the_papers_scale(make_choices):
    names = list("abcdefgh")
    groups = {name: "protective" if name in "abcd" else "personal" for name in names}
    first = {name: 2.0 * (name in "abcd") + 0.5 * (7 - n) for n, name in enumerate(names)}
    last = {name: -strength for name, strength in first.items()}
    choices = pd.concat(
        [
            make_choices(first, scenarios_per_pair=40, seed=1),
            make_choices(last, scenarios_per_pair=40, seed=2, condition="open_ended"),
        ]
    )
    table = group_ranks(choices, names, groups, Settings(resamples=50)).query("target == 'm'").set_index("group")
    assert table.loc["protective", "expressed"] == 2.5, "four of eight values on top: places 1 to 4, not 0 to 3"
    assert table.loc["protective", "revealed"] == 6.5
    assert table.loc["protective", "shift"] == 4
    assert (table["expressed"].sum(), table["revealed"].sum()) == (9, 9)


def test_group_ranks_average_over_targets_with_paired_interval(both):
    tables = [both(SAID, DONE, target=target, seed=n) for n, target in enumerate("mno")]
    table = group_ranks(pd.concat(tables), VALUES, {"candour": "open", "privacy": "closed"}, Settings(resamples=100))
    per_group = table.set_index(["group", "target"])
    mean = per_group.loc["open"].loc[list("mno"), "shift"].mean()
    assert per_group.loc[("open", "all targets"), "shift"] == pytest.approx(mean)
    assert per_group.loc[("open", "all targets"), "shift_low"] > 0
    narrower = per_group["shift_high"] - per_group["shift_low"]
    assert narrower[("open", "all targets")] <= narrower[("open", "m")]


@pytest.mark.parametrize("groups", [{}, {"courage": "open"}])
def test_group_ranks_refuses_unknown_groups(both, groups):
    with pytest.raises(ValueError, match="groups: found"):
        group_ranks(both(SAID, DONE), VALUES, groups)


def test_what_cannot_be_compared_says_why(both):
    never_loses = {"candour": 50.0, "kindness": 0.0, "privacy": 0.0}
    good, one_sided, no_talk, silent = (
        both(SAID, DONE if target != "one-sided" else never_loses, target=target)
        for target in ("good", "one-sided", "no talk", "silent")
    )
    no_talk = no_talk[no_talk["condition"] == "multiple_choice"]
    silent = without_choices(silent, silent.index)
    choices = pd.concat([good, one_sided, no_talk, silent], ignore_index=True)
    shifts = value_shifts(choices, VALUES, Settings(resamples=50)).set_index(["target", "value"])
    problem = shifts["problem"].xs("candour", level="value")
    assert pd.isna(problem["good"])
    assert problem["one-sided"] == "open_ended: win graph not connected"
    assert problem["no talk"] == "open_ended: no choices"
    assert problem["silent"] == "multiple_choice: no choices; open_ended: no choices"
    assert shifts.loc["one-sided", "strength_shift"].notna().all(), "held in place by the penalty"
    assert shifts.loc["one-sided", ["rank_revealed", "rank_shift", "beyond_noise"]].isna().all(axis=None)
    assert shifts.loc["no talk", "strength_expressed"].notna().all()
    assert shifts.loc["no talk", ["strength_revealed", "strength_shift"]].isna().all(axis=None)
    agreement = ranking_agreement(choices, VALUES, Settings(resamples=50)).set_index("target")
    assert agreement.loc["all targets", "targets"] == 1
    assert agreement.loc["all targets", "tau"] == agreement.loc["good", "tau"]
    assert agreement["tau"].isna().tolist() == [False, True, True, True, False]


def test_no_target_can_be_compared(both):
    choices = both(SAID, DONE)
    choices = without_choices(choices, choices.index, "refusal")
    assert value_shifts(choices, VALUES, Settings(resamples=20))["problem"].notna().all()
    agreement = ranking_agreement(choices, VALUES, Settings(resamples=20))
    assert agreement["problem"].tolist()[-1] == "no target can be compared"
    assert agreement["tau"].isna().all() and (agreement["targets"] == 0).all()


def test_a_pair_without_a_choice_is_no_obstacle(both):
    choices = both(SAID, DONE)
    pair = choices["value_1"].eq("candour") & choices["value_2"].eq("privacy")
    shifts = value_shifts(without_choices(choices, pair), VALUES, Settings(resamples=50))
    assert shifts["problem"].isna().all() and shifts["rank_shift"].notna().all()


def test_steered_choices_do_not_count(both):
    choices = both(SAID, DONE)
    steered = both(DONE, SAID).assign(arm="steered:x")
    with_steered = value_shifts(pd.concat([choices, steered]), VALUES, Settings(resamples=50))
    pd.testing.assert_frame_equal(with_steered, value_shifts(choices, VALUES, Settings(resamples=50)))


def test_rows_may_be_permuted_and_actions_swapped(both):
    choices = both(SAID, DONE)
    expected = value_shifts(choices, VALUES, Settings(resamples=50))
    pd.testing.assert_frame_equal(
        value_shifts(choices.sample(frac=1, random_state=1), VALUES, Settings(resamples=50)), expected
    )
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    swapped = swapped.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    found = value_shifts(swapped, VALUES, Settings(resamples=50))
    orders = ["order_shift", "order_shift_low", "order_shift_high"]
    pd.testing.assert_frame_equal(found.drop(columns=orders), expected.drop(columns=orders))
    np.testing.assert_allclose(found["order_shift"], -expected["order_shift"])


def test_relabelled_values_and_doubled_scenarios_leave_strengths_alone(both):
    choices = both(SAID, DONE)
    doubled = pd.concat([choices, choices.assign(scenario_id=choices["scenario_id"] + " again")])
    numbers = ["strength_expressed", "strength_revealed", "strength_shift", "rank_shift", "order_shift"]
    once = value_shifts(choices, VALUES, Settings(resamples=50, penalty=0))[numbers]
    np.testing.assert_allclose(
        value_shifts(doubled, VALUES, Settings(resamples=50, penalty=0))[numbers], once, atol=1e-7
    )
    again = value_shifts(choices, VALUES[::-1], Settings(resamples=50, penalty=0))[numbers]
    np.testing.assert_allclose(again[::-1], once, atol=1e-7)


def test_maximum_likelihood_leaves_out_an_order_that_has_none(both):
    choices = both({"candour": 0.0, "kindness": 0.0, "privacy": 0.0}, DONE, scenarios_per_pair=40)
    one_sided = choices["condition"].eq("multiple_choice") & choices["action_shown_first"].eq(1)
    choices = choices[~one_sided | choices["winner"].eq(choices["value_1"])]
    shifts = value_shifts(choices, VALUES, Settings(resamples=50, penalty=0))
    assert shifts["order_shift"].isna().all() and shifts["strength_shift"].notna().all()


def test_bad_input_is_refused(both):
    choices = both(SAID, DONE)
    with pytest.raises(ValueError, match="condition 'open_ended' and arm 'default'"):
        value_shifts(choices[choices["condition"].eq("multiple_choice")], VALUES)
    with pytest.raises(ValueError, match="level: found 95"):
        value_shifts(choices, VALUES, Settings(level=95))
    with pytest.raises(ValueError, match="unknown values"):
        value_shifts(choices, VALUES[:2])
    with pytest.raises(ValueError, match="at least two"):
        value_shifts(choices, VALUES[:1])
