"""Two languages: a planted difference of one pair is found in that pair, and none is made up."""

from itertools import combinations

import numpy as np
import pytest

from conflictscope.calibration import simulate_choices
from conflictscope.measure import compare_languages, comparisons
from conflictscope.simulated import Respondent

VALUES = ["ehrlich", "freundlich", "frei", "gerecht"]
PAIRS = [*combinations(VALUES, 2)]


def studies(number, scenarios=12, seed=0):
    """Return so many studies in two languages, a target each, in which language makes no difference."""
    utilities = dict(zip(VALUES, (0.8, 0.2, -0.3, -0.7), strict=True))
    known = {
        f"{language}{n}": Respondent("known", utilities=utilities, scenario_weight=0.6, noise=0.7)
        for n in range(number)
        for language in "ab"
    }
    choices = simulate_choices(known, PAIRS, scenarios_per_pair=scenarios, seed=seed, conditions=["open_ended"])
    one, two = (
        choices[choices["target"].str.startswith(language)].assign(target=lambda rows: rows["target"].str[1:])
        for language in "ab"
    )
    ids = {f"{name} auf Deutsch": name for name in one["scenario_id"].unique()}
    back = {name: translated for translated, name in ids.items()}
    return one, two.assign(scenario_id=two["scenario_id"].map(back)), ids


def favour(choices, value, other, share, seed=0):
    """Return choices in which a share of the losses of a value against another is turned into wins."""
    lost = choices["winner"].eq(other) & choices["loser"].eq(value)
    turned = lost & (np.random.default_rng(seed).random(len(choices)) < share)
    return choices.assign(
        winner=choices["winner"].mask(turned, value),
        loser=choices["loser"].mask(turned, other),
        action=choices["action"].mask(turned, 3 - choices["action"]),
    )


def test_a_planted_difference_is_found_in_its_pair():
    one, two, ids = studies(10, scenarios=30)
    found = compare_languages(one, favour(two, "gerecht", "ehrlich", 0.8), ids)
    planted = found["value_1"].eq("ehrlich") & found["value_2"].eq("gerecht")
    overall = found["value_1"].eq("all")
    assert found.loc[planted, "functions_otherwise"].mean() >= 0.9
    assert found.loc[planted, "difference"].mean() < -0.4
    assert found.loc[~planted & ~overall, "functions_otherwise"].sum() == 0
    assert (found.loc[overall, "functions_otherwise"].to_numpy() == found.loc[planted, "functions_otherwise"]).all()


def test_without_a_difference_none_is_claimed_more_often_than_the_level_says(monkeypatch):
    one, two, ids = studies(100)
    monkeypatch.setattr(comparisons, "_DRAWS", 1000)
    # each target by itself
    monkeypatch.setattr(comparisons, "holm_multiples", np.ones_like)
    found = compare_languages(one, two, ids)
    assert ((found["difference_low"] <= 0) & (found["difference_high"] >= 0)).mean() > 0.93
    assert found.query("value_1 == 'all'")["functions_otherwise"].mean() <= 0.09, "0.05 and two standard errors"


def test_scenarios_are_matched_and_those_without_a_choice_in_both_left_out():
    one, two, ids = studies(1)
    lost = one["scenario_id"].iloc[0]
    some = one.assign(outcome=one["outcome"].mask(one["scenario_id"].eq(lost), "refusal"))
    some.loc[one["scenario_id"].eq(lost), ["winner", "loser", "action"]] = None
    pairs = 12 * len(PAIRS)
    assert compare_languages(some, two, ids)["scenarios"].iloc[0] == pairs - 1
    same = compare_languages(one, one.assign(scenario_id=one["scenario_id"] + " auf Deutsch"), ids)
    assert (same["difference"] == 0).all() and (same["rate_a"] == same["rate_b"]).all() and (same["p_value"] == 1).all()
    with pytest.raises(ValueError, match="none of 0 scenarios has a choice in both languages"):
        compare_languages(one, two, {})
