"""Before and after: a planted change is found and named, an absent one excluded, halves agree as noise lets them."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration import plant_change, simulate_choices
from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure import compare_groups, halves_agree, strength_differences, told_first
from conflictscope.simulated import Respondent

VALUES = ["a", "b", "c", "d"]
PAIRS = [(one, two) for n, one in enumerate(VALUES) for two in VALUES[n + 1 :]]
TRUTH = Truth(dict(zip(VALUES, (0.9, 0.3, -0.3, -0.9), strict=True)), PAIRS, shift={"b": 1.2}, scenario_sd=0.7)
WORD, DEED = ("m0", "multiple_choice", "default"), ("m0", "open_ended", "default")


def study(scenarios=200, **nuisance):
    return choices_table(draw_studies(TRUTH, Nuisance(**nuisance), scenarios=scenarios, studies=1, seed=3))


def test_a_planted_change_is_found_and_one_that_is_not_there_is_excluded():
    words = study()[lambda choices: choices["condition"].eq("multiple_choice")]
    changed = plant_change(words, "c", share=0.5, seed=0).assign(target="later")
    both = pd.concat([words, changed, words.assign(target="copy")], ignore_index=True)
    later, copy = (tuple([name, *WORD[1:]]) for name in ("later", "copy"))
    pairs = {"changed": (WORD, later), "same": (WORD, copy)}
    by_pair, by_value = compare_groups(both, VALUES, pairs, margin=0.4)
    found = by_value.set_index(["pair", "value"])
    assert "c" in by_pair["changed"].iloc[0] and pd.isna(by_pair["changed"].iloc[1])
    assert found.loc[("changed", "c"), "change_low"] > 0 and not found.loc[("changed", "c"), "equivalent"]
    assert by_pair["equivalent"].tolist() == [False, True]
    same = found.loc["same"]
    assert same["change"].abs().max() < 1e-9 and same["excluded"].between(0.01, 0.4).all(), "never of width 0"
    assert (found["excluded"] >= found["change"].abs()).all() and (found["p_value"] >= found["p_within"]).all()
    assert by_pair["excluded"].tolist() == pytest.approx(found["excluded"].groupby("pair", sort=False).max().tolist())


def test_the_change_is_that_between_two_studies_of_the_same_scenarios():
    choices = study(scenarios=30)
    word, deed = (choices[choices["condition"].eq(side[1])] for side in (WORD, DEED))
    _, by_value = compare_groups(choices, VALUES, {"x": (WORD, DEED)})
    # one and the same group in two studies
    words = word[word["action_shown_first"].eq(1)]
    again = pd.concat([words, deed.assign(condition="multiple_choice", target="other")], ignore_index=True)
    _, once = compare_groups(again, VALUES, {"x": (WORD, ("other", *WORD[1:]))})
    apart = strength_differences(words, deed.assign(condition="multiple_choice"), VALUES)
    for name in ("", "_low", "_high"):
        assert once[f"change{name}"].to_numpy() == pytest.approx(apart[f"difference{name}"].to_numpy())
    assert by_value["change"].to_numpy() == pytest.approx((by_value["after"] - by_value["before"]).to_numpy())


def test_groups_that_cannot_be_compared_say_why():
    choices = study(scenarios=5)
    by_pair, by_value = compare_groups(choices, VALUES, {"x": (WORD, ("nobody", *WORD[1:])), "y": (WORD, DEED)})
    assert by_pair["problem"].iloc[0] == "after: no choices" and pd.isna(by_pair["problem"].iloc[1])
    assert by_value.head(4)[["change", "p_value", "excluded", "equivalent"]].isna().all(axis=None)
    with pytest.raises(ValueError, match="margin above 0"):
        compare_groups(choices, VALUES, {"x": (WORD, DEED)}, margin=0)


ORDERS = {"a>b>c": list("abc"), "a>c>b": list("acb"), "c>b>a": list("cba")}


def steered(scenarios, seed, steerability=0.0):
    """Choices of one respondent by default, under a placebo and under three orders."""
    known = Respondent("m", utilities=dict(zip("abc", (0.5, 0.0, -0.5), strict=True)), steerability=steerability)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    return simulate_choices({"m": known}, pairs, scenarios_per_pair=scenarios, seed=seed, target_rankings=ORDERS)


def test_what_is_told_to_come_first_gains():
    choices = steered(150, seed=1, steerability=1.0)
    table = told_first(choices, VALUES[:3], ORDERS).set_index(["condition", "told_first", "value"])
    assert len(table) == 2 * 3 * 3
    for condition in ("multiple_choice", "open_ended"):
        moved = table["change"][condition]
        assert moved["a", "a"] > 0.5 and moved["c", "c"] > 0.5 and moved["c", "a"] < -0.5
        assert table["p_value"][condition, "a", "a"] < 0.01 and abs(moved["placebo"]).max() < 0.4
    # of strengths with mean 0 not all can gain
    assert table["change"].groupby(["condition", "told_first"]).sum().abs().max() < 1e-9
    with pytest.raises(ValueError, match="steered:"):
        told_first(choices, VALUES[:3], {"a>b>c": list("abc")})


def test_where_no_prompt_moves_anything_hardly_a_matrix_says_that_one_does():
    tables = [told_first(steered(20, seed), VALUES[:3], ORDERS) for seed in range(20)]
    assert np.mean([table["p_value"].lt(0.05).any() for table in tables]) <= 0.1
    held = pd.concat(tables)
    assert (held["change_low"].le(0) & held["change_high"].ge(0)).mean() >= 0.93


def test_halves_agree_no_less_across_than_within_if_nothing_changed():
    nothing = Truth(TRUTH.strengths, PAIRS, scenario_sd=0.7)
    drawn = draw_studies(nothing, Nuisance(), scenarios=40, studies=1, seed=5, targets=2)
    choices = choices_table(drawn)
    turned = choices[choices["target"].eq("m1")].assign(target="turned")
    turned = turned.assign(winner=turned["loser"], loser=turned["winner"], action=3 - turned["action"])
    both = pd.concat([choices, turned], ignore_index=True)
    pairs = {"same": (WORD, ("m1", *WORD[1:])), "turned": (WORD, ("turned", *WORD[1:]))}
    table = halves_agree(both, VALUES, pairs, splits=50).set_index("pair")
    assert table.loc["same", "share"] == pytest.approx(1, abs=0.1)
    assert table.loc["turned", "across"] < -0.5 and (table[["before", "after"]] > 0.7).all(axis=None)
    assert np.allclose(table["ceiling"], np.sqrt(table["before"] * table["after"])) and table["splits"].eq(50).all()
    with pytest.raises(ValueError, match="at least three"):
        halves_agree(both, VALUES[:2], pairs)
