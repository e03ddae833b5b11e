"""Rates: Wilson's interval against statsmodels, and counts worked out by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from conflictscope.measure import flip_rate, position_effect, preference_rates, wilson_interval
from conflictscope.table_files import check_table


def choices_from(rows):
    """Return a choices table; a row is (scenario, value 1, value 2, target, shown first, action, repetition)."""
    names = ["scenario_id", "value_1", "value_2", "target", "action_shown_first", "action", "repetition"]
    table = pd.DataFrame(rows, columns=names)
    one, two, action = table["value_1"], table["value_2"], table["action"]
    table["outcome"] = np.where(action.notna(), "choice", "invalid")
    table["winner"] = one.where(action.eq(1), two).where(action.notna())
    table["loser"] = two.where(action.eq(1), one).where(action.notna())
    table = table.assign(structure="means", severity="mild", acting_value="a", judge=None)
    return check_table(table.assign(condition="multiple_choice", arm="default"), "choices")


HAND = choices_from(
    [
        # m: s1 keeps its choice, s2 flips, s3 has one order only, s4 flips in its second repetition
        ("s1", "a", "b", "m", 1, 1, 0),
        ("s1", "a", "b", "m", 2, 1, 0),
        ("s2", "b", "a", "m", 1, 1, 0),
        ("s2", "b", "a", "m", 2, 2, 0),
        ("s3", "a", "c", "m", 1, 2, 0),
        ("s3", "a", "c", "m", 2, None, 0),
        ("s4", "a", "c", "m", 1, 1, 0),
        ("s4", "a", "c", "m", 2, 1, 0),
        ("s4", "a", "c", "m", 1, 1, 1),
        ("s4", "a", "c", "m", 2, 2, 1),
        # n: no choice at all
        ("s1", "a", "b", "n", 1, None, 0),
    ]
)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
def test_wilson_is_that_of_statsmodels(level):
    successes, trials = np.array([(s, n) for n in (1, 2, 7, 50, 4000) for s in {0, 1, n // 3, n - 1, n}]).T
    low, high = wilson_interval(successes, trials, level)
    expected = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    np.testing.assert_allclose([low, high], expected, atol=1e-12)
    assert (low >= 0).all() and (high <= 1).all()


def test_wilson_without_trials_is_empty():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(wilson_interval([0], [0])).all()
    with pytest.raises(ValueError, match="level: found 95"):
        wilson_interval([1], [2], 95)


def test_preference_rates_by_hand():
    rates = preference_rates(HAND)
    assert rates[["target", "value_1", "value_2", "wins", "choices"]].to_numpy().tolist() == [
        ["m", "a", "b", 3, 4],
        ["m", "a", "c", 4 - 1, 5],
        ["n", "a", "b", 0, 0],
        ["n", "a", "c", 0, 0],
    ]
    assert rates["rate"].head(2).tolist() == [0.75, 0.6]
    low, high = proportion_confint([3, 3], [4, 5], method="wilson")
    np.testing.assert_allclose(rates[["rate_low", "rate_high"]].head(2).T, [low, high])
    assert rates[["rate", "rate_low", "rate_high"]].tail(2).isna().all().all()


def test_preference_rates_do_not_depend_on_which_value_stands_first():
    turned = HAND.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    turned = turned.assign(action=3 - HAND["action"], action_shown_first=3 - HAND["action_shown_first"])
    pd.testing.assert_frame_equal(preference_rates(turned), preference_rates(HAND))


def test_position_effect_by_hand():
    position = position_effect(HAND)
    assert position[["target", "first_chosen", "choices"]].to_numpy().tolist() == [["m", 6, 9], ["n", 0, 0]]
    assert position.loc[0, "rate"] == pytest.approx(6 / 9)
    assert position.loc[1, ["rate", "rate_low", "rate_high"]].isna().all()


def test_position_effect_of_one_who_always_takes_the_first(make_choices):
    choices = make_choices({"a": 0, "b": 0}, scenarios_per_pair=50, seed=0, orders=(1, 2))
    always = choices.assign(action=choices["action_shown_first"])
    first = always["action"].eq(1)
    always["winner"] = always["value_1"].where(first, always["value_2"])
    always["loser"] = always["value_2"].where(first, always["value_1"])
    assert position_effect(always).loc[0, "rate"] == 1
    assert flip_rate(always).loc[0, "rate"] == 1
    assert preference_rates(always).loc[0, "rate"] == 0.5


def test_flip_rate_by_hand():
    flips = flip_rate(HAND)
    assert flips[["target", "flipped", "compared"]].to_numpy().tolist() == [["m", 2, 4], ["n", 0, 0]]
    assert flips.loc[0, "rate"] == 0.5
    assert flips.loc[1, ["rate", "rate_low", "rate_high"]].isna().all()


@pytest.mark.parametrize("measure", [preference_rates, position_effect, flip_rate])
def test_row_order_does_not_matter_and_two_judges_are_refused(measure):
    pd.testing.assert_frame_equal(measure(HAND.sample(frac=1, random_state=0)), measure(HAND))
    verdicts = HAND.assign(condition="open_ended", judge="j")
    with pytest.raises(ValueError, match="Filter by judge"):
        measure(pd.concat([verdicts, verdicts.assign(judge="k")]))
