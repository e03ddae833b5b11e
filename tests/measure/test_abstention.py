"""Abstention: counted by scenario and pair, set beside the forced answers, and planted ones found again."""

import itertools

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration import abstention_chance, simulate_choices
from conflictscope.measure import Settings, compare_with_forced
from conflictscope.simulated import Respondent

VALUES = ["a", "b", "c"]
PAIRS = list(itertools.combinations(VALUES, 2))
KNOWN = Respondent(
    "known", utilities={"a": 0.9, "b": 0.2, "c": -0.8}, scenario_weight=0.6, noise=0.7, order_noise=0.2, abstention=0.6
)


def answer(scenario, pair, arm, first, winner):
    one, two = pair
    row = {"scenario_id": scenario, "value_1": one, "value_2": two, "target": "t", "condition": "multiple_choice"}
    row |= {"arm": arm, "repetition": 0, "judge": None, "action_shown_first": first}
    row |= {"outcome": "choice" if winner else "neither", "winner": winner}
    return row | {"loser": {one: two, two: one}.get(winner)}


def test_each_form_is_counted_by_hand():
    rows = [answer("s1", ("b", "a"), "default", first, "a") for first in (1, 2)]
    rows += [answer("s1", ("b", "a"), "may_abstain", first, None) for first in (1, 2)]
    rows += [answer("s2", ("a", "b"), "default", first, "ab"[first - 1]) for first in (1, 2)]
    rows += [answer("s2", ("a", "b"), "may_abstain", first, (None, "a")[first - 1]) for first in (1, 2)]
    by_target, by_pair = compare_with_forced(pd.DataFrame(rows), ["a", "b"])
    row = by_pair.iloc[0]
    assert (row["value_1"], row["value_2"], row["scenarios"], row["rate"]) == ("a", "b", 2, 0.75)
    # forced, the three that would have been left open went to a; the one that was not left open went to a as well
    assert (row["forced"], row["chosen"]) == (1.0, 1.0)
    target = by_target.iloc[0]
    assert (target["asked"], target["abstained"], target["rate"], target["same"]) == (4, 3, 0.75, 0.0)


def test_planted_abstention_is_recovered_and_no_false_order_is_claimed():
    studies = 300
    names = {f"study {n:03d}": KNOWN for n in range(studies)}
    choices = simulate_choices(
        names,
        PAIRS,
        scenarios_per_pair=20,
        seed=5,
        conditions=["multiple_choice"],
        may_abstain=True,
        shared_scenarios=False,
    )
    by_target, by_pair = compare_with_forced(choices, VALUES, Settings(seed=1))
    true = pd.Series({pair: abstention_chance(KNOWN, *pair) for pair in PAIRS})
    found = by_pair.groupby(["value_1", "value_2"])["rate"].mean()
    np.testing.assert_allclose(found, true, atol=0.012)
    planted = by_pair.set_index(["value_1", "value_2"]).index.map(true)
    assert 0.93 < (by_pair["rate_low"].le(planted) & by_pair["rate_high"].ge(planted)).mean() < 0.985
    assert 0.93 < by_target["rate_low"].le(true.mean()).mul(by_target["rate_high"].ge(true.mean())).mean() <= 1
    # the nearer two values, the more often is neither taken: and it is the near calls that go
    assert true["a", "b"] > true["a", "c"]
    # the order is that of the utilities in either form
    assert by_target["turned"].sum() == 0 and by_target["tau"].mean() > 0.9
    assert (by_target["sure"] == by_target[["kept", "unsure", "turned"]].sum(axis=1)).all()


def test_who_never_abstains_is_said_to_answer_both_forms_alike_but_for_noise():
    certain = Respondent("t", utilities=KNOWN.utilities, scenario_weight=0.0, noise=1e-9)
    choices = simulate_choices({"t": certain}, PAIRS, scenarios_per_pair=5, seed=1, may_abstain=True)
    by_target, by_pair = compare_with_forced(choices, VALUES)
    assert by_target.loc[0, ["abstained", "same", "turned", "unsure"]].tolist() == [0, 1, 0, 0]
    assert by_pair["forced"].isna().all() and by_pair["chosen"].eq(1).all()


def test_one_form_alone_cannot_be_compared():
    choices = simulate_choices({"t": KNOWN}, PAIRS, scenarios_per_pair=2, seed=1)
    with pytest.raises(ValueError, match=r"may_abstain.*expected both forms"):
        compare_with_forced(choices, VALUES)
