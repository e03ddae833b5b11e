"""Refusals counted as actions: what counts, how it is marked, and what becomes of the orders."""

import pandas as pd
import pytest

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies, true_strengths
from conflictscope.measure import (
    check_support,
    compare_without_refusals,
    count_refusals,
    rank_values,
    value_orders,
    without_refusals,
)
from conflictscope.table_files import check_table

VALUES = ["a", "b", "c"]
PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
NEAR = Truth({"a": 0.9, "b": 0.75, "c": -0.9}, PAIRS, scenario_sd=0.7)
REFUSES = Nuisance(refusal={"a": 0.3})


def readings(choices, value="a"):
    """Return a refusals table: declining is the value's action in both orders, neither in scenarios without it."""
    each = choices.drop_duplicates("scenario_id")
    action = pd.Series(0, index=each.index).mask(each["value_1"].eq(value), 1).mask(each["value_2"].eq(value), 2)
    table = pd.DataFrame({"scenario_id": each["scenario_id"], "action": action.astype("Int64").mask(action.eq(0))})
    both = pd.concat([table.assign(action_shown_first=first) for first in (1, 2)], ignore_index=True)
    both["outcome"] = both["action"].notna().map({True: "choice", False: "neither"})
    return both.assign(judge="j", reasoning="r", problem=None, raw="{}", thoughts=None)


def drawn(scenarios=370, studies=1, seed=3):
    study = draw_studies(NEAR, REFUSES, scenarios=scenarios, studies=studies, seed=seed)
    return choices_table(study, one_target_a_study=True)


def test_a_refusal_counts_where_both_label_orders_name_one_action_and_is_marked():
    choices = drawn(scenarios=20)
    refusals = check_table(readings(choices), "refusals")
    refused = choices["outcome"].eq("refusal")
    counted = check_table(count_refusals(choices, refusals).assign(model_id=None), "choices")
    assert refused.sum() > 3 and counted["by_refusing"].eq(refused).all()
    assert counted.loc[refused, "outcome"].eq("choice").all() and counted.loc[refused, "winner"].eq("a").all()
    side = counted["value_1"].where(counted["action"].eq(1), counted["value_2"])
    assert side.eq(counted["winner"]).all()
    # in one order alone, or with another action in the other, it is no action
    for spoilt in (
        refusals[refusals["action_shown_first"].eq(1)],
        refusals.assign(action=refusals["action_shown_first"]),
    ):
        assert not count_refusals(choices, spoilt)["by_refusing"].any()
    assert count_refusals(choices, refusals.head(0)) is choices


def test_a_refusal_in_multiple_choice_stays_one():
    choices = drawn(scenarios=5)
    asked = choices["condition"].eq("multiple_choice")
    lost = choices.assign(
        outcome=choices["outcome"].mask(asked, "refusal"),
        **{name: choices[name].mask(asked) for name in ("action", "winner", "loser")},
    )
    assert count_refusals(lost, readings(lost)).loc[asked, "outcome"].eq("refusal").all()


def test_taken_back_they_are_refusals_again():
    choices = drawn(scenarios=20)
    back = without_refusals(count_refusals(choices, readings(choices)))
    names = ["outcome", "winner", "loser"]
    pd.testing.assert_frame_equal(back[names], choices[names])
    assert without_refusals(choices) is choices


def test_where_refusing_is_the_act_counting_it_brings_the_truth_back():
    true = true_strengths(NEAR, Nuisance(), "open_ended")
    choices = drawn(studies=60)
    counted = count_refusals(choices, readings(choices))
    cover = {}
    for name, table in (("left out", choices), ("counted", counted)):
        ranked = rank_values(table[table["condition"].eq("open_ended")], VALUES)
        cover[name] = ranked.assign(true=list(true) * 60).eval("strength_low <= true <= strength_high").mean()
    assert cover["left out"] < 0.6 and cover["counted"] > 0.9
    sure = value_orders(counted[counted["condition"].eq("open_ended")], VALUES).query("sure")
    assert not (sure["above"].eq("b") & sure["below"].eq("a")).any()


def test_left_out_they_are_warned_of_and_counted_they_are_not_missing():
    choices = drawn()
    talked = choices[choices["condition"].eq("open_ended")]
    assert not check_support(talked, VALUES)["missing"].iloc[0]
    assert check_support(count_refusals(talked, readings(talked)), VALUES)["missing"].iloc[0]


def test_what_hangs_on_them_is_shown_by_group_and_pair():
    choices = drawn()
    counted = count_refusals(choices, readings(choices))
    by_group, by_pair = compare_without_refusals(counted, VALUES)
    refused = choices["outcome"].eq("refusal").sum()
    row = by_group.iloc[0]
    assert (row["answers"], row["refused"], row["counted"]) == (3 * 370, refused, refused)
    assert row["sure"] == row["kept"] + row["unsure"] + row["turned"]
    assert by_pair["for_1"].sum() == refused and by_pair["for_2"].sum() == 0
    assert by_pair.query("value_1 == 'b' and value_2 == 'c'")["refused"].eq(0).all()


def test_choices_of_before_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="columns"):
        count_refusals(pd.DataFrame({"scenario_id": []}), pd.DataFrame())
