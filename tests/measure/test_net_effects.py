"""Net effects: the logistic model against Bradley–Terry, statsmodels by formula, and planted effects."""

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from conflictscope.measure.bootstrap import count_wins
from conflictscope.measure.bradley_terry import fit_bradley_terry
from conflictscope.measure.rates import OTHER_TERMS, net_value_effects

STRENGTHS = {"a": 0.8, "b": 0.1, "c": -0.9}
EFFECTS = {"shown first": 0.4, "acting": -0.6, "acting × strong": 0.8, "acting × means": -0.5}
NAMES = list(STRENGTHS)


def draw(*, scenarios=40, seed=0, orders=(1, 2), spread=0.0, strengths=STRENGTHS, effects=EFFECTS, target="m"):
    """Return choices with planted strengths and effects, balanced over templates and acting sides."""
    rng = np.random.default_rng(seed)
    cells = itertools.product(
        itertools.combinations(strengths, 2), ("side_effect", "means"), ("mild", "strong"), (0, 1), range(scenarios)
    )
    rows = [
        (f"{pair}{structure}{severity}{side}{n}", *pair, structure, severity, pair[side], order)
        for pair, structure, severity, side, n in cells
        for order in orders
    ]
    columns = ["scenario_id", "value_1", "value_2", "structure", "severity", "acting_value", "action_shown_first"]
    table = pd.DataFrame(rows, columns=columns)
    acting = np.where(table["acting_value"].eq(table["value_1"]), 1, -1)
    push = effects["acting"] + effects["acting × strong"] * (table["severity"].eq("strong") - 0.5)
    push += effects["acting × means"] * (table["structure"].eq("means") - 0.5)
    gap = table["value_1"].map(strengths) - table["value_2"].map(strengths) + acting * push
    gap += effects["shown first"] * np.where(table["action_shown_first"].eq(1), 1, -1)
    gap += np.repeat(rng.normal(0, spread, len(table) // len(orders)), len(orders))
    table["action"] = np.where(rng.random(len(table)) < 1 / (1 + np.exp(-gap)), 1, 2)
    table["winner"] = table["value_1"].where(table["action"].eq(1), table["value_2"])
    table["loser"] = table["value_2"].where(table["action"].eq(1), table["value_1"])
    return table.assign(target=target, condition="multiple_choice", arm="default", judge=None, outcome="choice")


def test_planted_effects_are_found():
    found = net_value_effects(draw(scenarios=400), NAMES).set_index("term")
    planted = pd.Series(STRENGTHS | EFFECTS)
    assert found.index.tolist() == [*NAMES, *OTHER_TERMS]
    assert (found["low"] <= planted).all() and (planted <= found["high"]).all()
    assert (found["high"] - found["low"] < 0.35).all()
    assert (found.drop("b")["p"] < 0.001).all() and found["problem"].isna().all()


def test_value_effects_are_net_of_what_is_mixed_up_with_them():
    choices = draw(scenarios=100, effects=EFFECTS | {"acting": 1.5})
    # a study in which the acting side serves the first value of each pair more often than not
    lopsided = choices[choices["acting_value"].eq(choices["value_1"]) | choices["scenario_id"].str.endswith("0")]
    net = net_value_effects(lopsided, NAMES).set_index("term")["estimate"]
    _, wins = count_wins(lopsided, NAMES)
    plain = pd.Series(fit_bradley_terry(wins[0]), index=NAMES)
    truth = pd.Series(STRENGTHS)
    assert (net[NAMES] - truth).abs().max() < 0.25
    assert (plain - truth).abs().max() > 0.5


def test_without_other_effects_the_values_are_bradley_terrys():
    choices = draw(effects=dict.fromkeys(EFFECTS, 0.0))
    both = pd.concat([choices, choices.assign(scenario_id=choices["scenario_id"] + "'",
        acting_value=choices["value_1"].where(choices["acting_value"].eq(choices["value_2"]), choices["value_2"]),
        action_shown_first=3 - choices["action_shown_first"])])  # fmt: skip
    # every choice once with acting and position this way and once the other way: they cannot matter
    found = net_value_effects(both, NAMES).set_index("term")["estimate"]
    _, wins = count_wins(both, NAMES)
    np.testing.assert_allclose(found[NAMES], fit_bradley_terry(wins[0], penalty=0), atol=1e-6)
    np.testing.assert_allclose(found[list(OTHER_TERMS)], 0, atol=1e-6)


def test_estimates_and_clustered_errors_are_those_of_a_plain_parametrisation():
    choices = draw(scenarios=6, spread=1.5)
    found = net_value_effects(choices, NAMES).set_index("term")
    acting = np.where(choices["acting_value"].eq(choices["value_1"]), 1.0, -1.0)
    design = np.column_stack(
        [
            choices["value_1"].eq("a").astype(float) - choices["value_2"].eq("a"),
            choices["value_1"].eq("b").astype(float) - choices["value_2"].eq("b"),
            np.where(choices["action_shown_first"].eq(1), 1, -1),
            acting,
            acting * (choices["severity"].eq("strong") - 0.5),
            acting * (choices["structure"].eq("means") - 0.5),
        ]
    )
    clusters = choices["scenario_id"].factorize()[0]
    fit = GLM(choices["action"].eq(1).to_numpy(float), design, family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    np.testing.assert_allclose(found.loc[list(OTHER_TERMS), "estimate"], fit.params[2:], atol=1e-6)
    np.testing.assert_allclose(found.loc[list(OTHER_TERMS), ["low", "high"]], fit.conf_int()[2:], atol=1e-5)
    np.testing.assert_allclose(found.loc[list(OTHER_TERMS), "p"], fit.pvalues[2:], atol=1e-6)
    gap = fit.t_test([1, -1, 0, 0, 0, 0])
    assert found.loc["a", "estimate"] - found.loc["b", "estimate"] == pytest.approx(gap.effect[0], abs=1e-6)
    assert found["estimate"][NAMES].sum() == pytest.approx(0, abs=1e-9)


def test_intervals_cover_where_answers_to_a_scenario_move_together():
    nothing = dict.fromkeys(EFFECTS, 0.0)
    tables = [
        draw(scenarios=4, seed=n, spread=2.0, effects=nothing, strengths=dict.fromkeys("abc", 0.0), target=f"m{n:03d}")
        for n in range(150)
    ]
    found = net_value_effects(pd.concat(tables), NAMES)
    covered = ((found["low"] <= 0) & (found["high"] >= 0)).groupby(found["term"]).mean()
    assert (covered - 0.95).abs().max() < 3.5 * np.sqrt(0.05 * 0.95 / 150)


def test_repeated_answers_are_no_more_evidence():
    once = draw(scenarios=10, orders=(1,))
    twice = pd.concat([once, once.assign(repetition=1)])
    columns = ["estimate", "low", "high"]
    pair = [net_value_effects(choices, NAMES)[columns].dropna() for choices in (once, twice)]
    np.testing.assert_allclose(*pair, atol=0.01)  # the correction for small samples differs a little


def test_actions_swapped_rows_permuted_and_values_reordered():
    choices = draw(scenarios=5)
    expected = net_value_effects(choices, NAMES).set_index("term")
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    swapped = swapped.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    swapped = pd.concat([swapped[::2], choices[1::2]]).sample(frac=1, random_state=0)
    for found in (net_value_effects(swapped, NAMES), net_value_effects(choices, NAMES[::-1])):
        found = found.set_index("term").loc[expected.index]
        np.testing.assert_allclose(found[["estimate", "low", "high", "p"]], expected[["estimate", "low", "high", "p"]],
                                   atol=1e-6)  # fmt: skip


def test_one_order_and_one_severity_leave_the_rest_estimable():
    choices = draw(scenarios=30).query("severity == 'mild'")
    found = net_value_effects(choices, NAMES).set_index("term")
    assert found["estimate"].isna()["acting × strong"]
    assert found.loc["acting × strong", "problem"] == "cannot be told from other terms in these choices"
    assert found.drop("acting × strong")["problem"].isna().all()
    assert found.loc["acting", "estimate"] == pytest.approx(-0.6 - 0.4, abs=0.3), "of the severity that there is"


def test_one_value_on_the_acting_side_cannot_be_told_from_acting():
    choices = draw(scenarios=20, strengths={"a": 0.5, "b": -0.5})
    choices = choices[choices["acting_value"].eq("a")]
    found = net_value_effects(choices, ["a", "b"]).set_index("term")
    assert found.loc[["a", "b", "acting"], "estimate"].isna().all()
    assert found.loc["shown first", "estimate"] == pytest.approx(0.4, abs=0.4)


def test_a_value_that_does_not_occur_is_not_estimated():
    choices = draw(scenarios=10)
    found = net_value_effects(choices, [*NAMES, "d"]).set_index("term")
    assert found.loc[[*NAMES, "d"], "estimate"].isna().all(), "the mean of the set is not known without it"
    assert found.loc["acting", "estimate"] < 0


def test_separated_choices_are_named():
    choices = draw(scenarios=10)
    first = choices["action_shown_first"]
    always_first = choices.assign(
        action=first,
        winner=choices["value_1"].where(first.eq(1), choices["value_2"]),
        loser=choices["value_2"].where(first.eq(1), choices["value_1"]),
    )
    found = net_value_effects(always_first, NAMES)
    assert found["estimate"].isna().all()
    assert found["problem"].eq("choices are separated, no finite estimate: shown first").all()
    a_always_wins = choices[choices["winner"].eq("a") | ~(choices["value_1"].eq("a"))]
    problem = net_value_effects(a_always_wins, NAMES)["problem"]
    assert problem.eq("choices are separated, no finite estimate: a").all()


def test_choices_that_terms_separate_together_are_found():
    choices = draw(scenarios=10, strengths={"a": 0.0, "b": 0.0})
    # acting wins unless shown second under strong severity: no term alone says so
    acting_first = choices["acting_value"].eq(choices["value_1"]).eq(choices["action_shown_first"].eq(1))
    kept = choices[choices["winner"].eq(choices["acting_value"]).eq(acting_first | choices["severity"].eq("mild"))]
    problem = net_value_effects(kept, ["a", "b"])["problem"]
    assert problem.str.startswith("choices are separated").all()
    assert problem.str.contains("shown first").all() and problem.str.contains("acting").all()


def test_few_scenarios_and_no_choices_say_so():
    choices = draw(scenarios=4, effects=dict.fromkeys(EFFECTS, 0.0), strengths=dict.fromkeys("abc", 0.0))
    merged = choices.assign(scenario_id=choices["scenario_id"].str[-1])
    assert net_value_effects(merged, NAMES)["problem"].eq("4 scenarios for 7 terms").all()
    silent = choices.assign(outcome="invalid", winner=None, loser=None, action=None, target="silent")
    found = net_value_effects(pd.concat([choices, silent]), NAMES).set_index("target")
    assert found.loc["silent", "problem"].eq("no choices").all() and found.loc["silent", "estimate"].isna().all()
    assert found.loc["m", "estimate"].notna().all(), "one silent target spoils nothing"


def test_bad_input_is_refused():
    choices = draw(scenarios=1)
    with pytest.raises(ValueError, match="unknown values \\['c'\\]"):
        net_value_effects(choices, ["a", "b"])
    with pytest.raises(ValueError, match="missing columns \\['severity'\\]"):
        net_value_effects(choices.drop(columns="severity"), NAMES)
    with pytest.raises(ValueError, match="level"):
        net_value_effects(choices, NAMES, level=1.0)


def test_where_no_scenario_states_an_acting_side_nothing_is_said_of_acting():
    unstated = draw(scenarios=60).assign(acting_value=None, structure="none", severity="none")
    found = net_value_effects(unstated, NAMES).set_index("term")
    acting = [term for term in OTHER_TERMS if term.startswith("acting")]
    assert found.loc[acting, "estimate"].isna().all() and found.loc[acting, "problem"].notna().all()
    assert found.loc[[*NAMES, "shown first"], "estimate"].notna().all()
