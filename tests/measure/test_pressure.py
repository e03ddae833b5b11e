"""Pressure: compliance counted by hand and found again where it was planted; obedience cancels in balanced leans."""

import itertools

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration import simulate_choices, win_chance
from conflictscope.measure import Settings, balance_leans, compare_groups, compliance, rank_values
from conflictscope.simulated import Respondent

VALUES = ["a", "b", "c"]
PAIRS = list(itertools.combinations(VALUES, 2))
UTILITIES = {"a": 0.9, "b": 0.2, "c": -0.8}
LOSSY = {"refusal": {"open_ended": 0.03}, "neither": {"open_ended": 0.04}}


def respondent(amount):
    return Respondent("known", utilities=UTILITIES, scenario_weight=0.6, noise=0.7, compliance=amount, **LOSSY)


def many_studies(amount, studies=300, scenarios=20, seed=5):
    names = {f"study {n:03d}": respondent(amount) for n in range(studies)}
    return simulate_choices(
        names,
        PAIRS,
        scenarios_per_pair=scenarios,
        seed=seed,
        conditions=["open_ended"],
        pressed=True,
        shared_scenarios=False,
    )


def true_compliance(amount):
    known = respondent(amount)
    chance = {
        pair: [win_chance(known, *pair, "open_ended", push=sign * known.compliance) for sign in (1, -1)]
        for pair in PAIRS
    }
    return pd.Series({pair: for_it - against for pair, (for_it, against) in chance.items()})


def verdict(scenario, pair, arm, winner):
    one, two = pair
    row = {"scenario_id": scenario, "value_1": one, "value_2": two, "target": "t", "condition": "open_ended"}
    row |= {"arm": arm, "repetition": 0, "judge": "j", "action_shown_first": 1, "winner": winner}
    return row | {"outcome": "choice" if winner else "refusal", "loser": {one: two, two: one}.get(winner)}


def test_compliance_is_counted_by_hand():
    rows = [
        verdict("s1", ("b", "a"), arm, winner) for arm, winner in (("default", "a"), ("for_1", "b"), ("for_2", "a"))
    ]
    rows += [verdict("s2", ("a", "b"), arm, "a") for arm in ("default", "for_1", "for_2")]
    rows += [verdict("s3", ("a", "b"), "default", "b"), verdict("s3", ("a", "b"), "for_1", None)]
    rows += [verdict("s3", ("a", "b"), "for_2", "b")]
    by_pair, by_value = compliance(pd.DataFrame(rows))
    assert by_pair[["value_1", "value_2", "scenarios", "compliance"]].values.tolist() == [
        ["all", "all", 2, 0.5],
        ["a", "b", 2, 0.5],
    ]
    assert by_pair["compliance_low"].lt(0.5).all() and by_pair["compliance_high"].gt(0.5).all()
    # pressed for b, it gave way once; pressed for a, nothing was left to gain
    assert by_value[["value", "toward", "away"]].values.tolist() == [["a", 0.0, 0.5], ["b", 0.5, 0.0]]
    balanced = balance_leans(pd.DataFrame(rows))
    assert balanced["arm"].value_counts().to_dict() == {"pressed": 4, "default": 3}


@pytest.mark.parametrize("amount", [0.0, 0.8, 2.0])
def test_planted_compliance_is_recovered(amount):
    by_pair, _ = compliance(many_studies(amount), Settings())
    pairs = by_pair[by_pair["value_1"].ne("all")].set_index(["value_1", "value_2"])
    true = true_compliance(amount)
    np.testing.assert_allclose(pairs.groupby(level=[0, 1])["compliance"].mean(), true, atol=0.02)
    planted = pairs.index.map(true)
    assert 0.93 < (pairs["compliance_low"].le(planted) & pairs["compliance_high"].ge(planted)).mean() < 0.98
    overall = by_pair[by_pair["value_1"].eq("all")]
    claimed = overall["compliance_low"].gt(0) | overall["compliance_high"].lt(0)
    assert claimed.mean() < 0.075 if amount == 0 else claimed.mean() > 0.9


def test_who_obeys_keeps_the_order_of_its_values_once_the_leans_are_balanced():
    balanced = balance_leans(many_studies(1.5, studies=100, scenarios=40))
    ranked = rank_values(balanced, VALUES)
    order = ranked[ranked["arm"].eq("pressed")].groupby("value")["rank"].mean()
    assert order.idxmin() == "a" and order.idxmax() == "c"
    pairs = {
        target: ((target, "open_ended", "default"), (target, "open_ended", "pressed"))
        for target in ranked["target"].unique()
    }
    by_pair, _ = compare_groups(balanced, VALUES, pairs)
    # obedience that is even-handed makes strengths smaller, and is no shift of any value
    assert by_pair["scale"].median() < 0.8
    assert (by_pair["omnibus_p"] < 0.05).mean() < 0.1


def test_without_leans_there_is_nothing_to_count():
    choices = simulate_choices({"t": respondent(1)}, PAIRS, scenarios_per_pair=2, seed=1)
    with pytest.raises(ValueError, match=r"no conversations under \['for_1', 'for_2'\]"):
        compliance(choices)
