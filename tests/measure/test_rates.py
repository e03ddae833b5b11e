"""Rates against statsmodels, counts by hand and known truth; design effects by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from conflictscope.measure import (
    Settings,
    flip_rate,
    position_effect,
    preference_rates,
    rank_values,
    retest_reliability,
    wilson_interval,
)
from conflictscope.measure.rates import acting_effect, count_successes, design_effect, effects_by, rate_interval
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
    assert position.loc[0, "rate"] == pytest.approx((1 / 2 + 1 + 0 + 3 / 4) / 4), "a scenario counts once"
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


def draw(chance_acting, *, scenarios=200, seed=0, answers=1, alike=False, target="m"):
    """Return choices that take the acting side with a chance by template, whatever the values."""
    rng = np.random.default_rng(seed)
    rows = []
    for structure in ("side_effect", "means"):
        for severity in ("mild", "strong"):
            for n in range(scenarios):
                acting = "ab"[n % 2]
                took = rng.random(answers) < chance_acting[structure, severity]
                for answer, acted in enumerate(np.repeat(took[0], answers) if alike else took):
                    winner = acting if acted else "ba"[n % 2]
                    rows.append((f"{structure}{severity}{n}", structure, severity, acting, answer, winner))
    table = pd.DataFrame(rows, columns=["scenario_id", "structure", "severity", "acting_value", "repetition", "winner"])
    table = table.assign(target=target, condition="multiple_choice", arm="default", judge=None)
    table = table.assign(value_1="a", value_2="b", outcome="choice", action_shown_first=1)
    table["loser"] = np.where(table["winner"].eq("a"), "b", "a")
    return table.assign(action=np.where(table["winner"].eq("a"), 1, 2))


CHANCE = {
    ("side_effect", "mild"): 0.8,
    ("side_effect", "strong"): 0.5,
    ("means", "mild"): 0.6,
    ("means", "strong"): 0.2,
}


def test_planted_acting_rates_are_found_by_template():
    found = acting_effect(draw(CHANCE, scenarios=500)).set_index(["structure", "severity"])
    for template, chance in CHANCE.items():
        assert found.loc[template, "rate"] == pytest.approx(chance, abs=0.07)
        assert found.loc[template, "rate_low"] < found.loc[template, "rate"] < found.loc[template, "rate_high"]
    assert found.loc[("all", "all"), "choices"] == 2000
    assert found.loc[("all", "all"), "rate"] == pytest.approx(np.mean(list(CHANCE.values())), abs=0.03)


def test_intervals_are_wilsons_where_answers_are_independent():
    found = acting_effect(draw(CHANCE, scenarios=40)).query("structure != 'all'")
    for row in found.to_dict("records"):
        low, high = proportion_confint(row["acting_chosen"], row["choices"], method="wilson")
        assert (row["rate_low"], row["rate_high"]) == pytest.approx((low, high))
        assert row["design_effect"] == pytest.approx(1)


def test_answers_that_repeat_each_other_make_no_interval_narrower():
    once, twice = (acting_effect(draw(CHANCE, answers=n, alike=True, seed=1)) for n in (1, 2))
    once = acting_effect(draw(CHANCE, answers=2, alike=True, seed=1).query("repetition == 0"))
    numbers = ["rate", "rate_low", "rate_high"]
    np.testing.assert_allclose(twice[numbers], once[numbers])
    assert twice["design_effect"].to_numpy() == pytest.approx(2)


def test_intervals_cover_when_answers_to_a_scenario_move_together():
    rng = np.random.default_rng(0)
    scenarios = draw(dict.fromkeys(CHANCE, 0.5), scenarios=15, answers=2).sort_values("scenario_id")
    choices = pd.concat([scenarios.assign(target=f"m{n:03d}") for n in range(400)], ignore_index=True)
    leaning = np.repeat(rng.beta(2, 2, len(choices) // 2), 2)
    other = choices["acting_value"].map({"a": "b", "b": "a"})
    choices["winner"] = choices["acting_value"].where(rng.random(len(choices)) < leaning, other)
    choices["loser"] = choices["winner"].map({"a": "b", "b": "a"})
    found = acting_effect(choices).query("structure == 'all'")
    covered = (found["rate_low"] <= 0.5) & (found["rate_high"] >= 0.5)
    assert abs(covered.mean() - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 400)
    assert found["design_effect"].mean() > 1.1


def test_effects_by_another_column():
    choices = draw(CHANCE, scenarios=100)
    choices["domain"] = np.where(choices["scenario_id"].str.endswith("1"), "work", "home")
    found = effects_by(choices, "domain")
    assert found["by"].eq("domain").all()
    assert found.groupby("measure")["choices"].sum().to_dict() == {"acting": 400, "preference": 400}
    cells = found.set_index(["measure", "category"])
    for domain, rows in choices.groupby("domain"):
        row = cells.loc[("preference", domain)]
        plain = preference_rates(rows).iloc[0]
        assert (row["value_1"], row["value_2"], row["chosen"]) == ("a", "b", plain["wins"])
        assert row["rate"] == plain["rate"] and row["rate_low"] == pytest.approx(plain["rate_low"])
        acting = cells.loc[("acting", domain)]
        assert acting["chosen"] == rows["winner"].eq(rows["acting_value"]).sum()
        assert pd.isna(acting["value_1"])


def test_by_severity_agrees_with_the_template_table():
    choices = draw(CHANCE).query("structure == 'means'")
    by = effects_by(choices, "severity").query("measure == 'acting'").set_index("category")
    template = acting_effect(choices).query("structure == 'means'").set_index("severity")
    np.testing.assert_allclose(by["rate"], template["rate"])
    np.testing.assert_allclose(by["rate_high"], template["rate_high"])


def test_what_has_no_category_or_no_choice_is_shown():
    choices = draw(CHANCE, scenarios=10)
    choices["domain"] = choices["structure"].where(choices["structure"].eq("means"))
    silent = choices["severity"].eq("mild") & choices["structure"].eq("means")
    choices.loc[silent, "outcome"] = "refusal"
    choices.loc[silent, ["winner", "loser", "action"]] = None
    assert set(effects_by(choices, "domain")["category"]) == {"means", "(none)"}
    found = acting_effect(choices).set_index(["structure", "severity"])
    assert found.loc[("means", "mild"), "choices"] == 0
    assert found.loc[("means", "mild"), ["rate", "rate_low", "rate_high"]].isna().all()
    assert found.loc[("means", "strong"), "rate"] >= 0


def test_all_replies_invalid():
    choices = draw(CHANCE, scenarios=5).assign(outcome="invalid", winner=None, loser=None, action=None)
    for table in (acting_effect(choices), effects_by(choices, "severity")):
        assert len(table) and (table["choices"] == 0).all() and table["rate"].isna().all()


def test_rows_permuted_and_actions_swapped():
    choices = draw(CHANCE, scenarios=20, answers=2)
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"}).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(acting_effect(swapped), acting_effect(choices))
    pd.testing.assert_frame_equal(effects_by(swapped, "severity"), effects_by(choices, "severity"))


def test_bad_input_is_refused():
    choices = draw(CHANCE, scenarios=2)
    with pytest.raises(ValueError, match=r"\['domain'\] are missing"):
        effects_by(choices, "domain")
    with pytest.raises(ValueError, match="acting_value 'c'"):
        acting_effect(choices.assign(acting_value="c"))
    with pytest.raises(ValueError, match="level"):
        acting_effect(choices, level=0)


VALUES = ["candour", "tact", "thrift"]
PAIRS = [("candour", "tact"), ("candour", "thrift"), ("tact", "thrift")]


def asked(chances, repetitions, rng, *, condition="multiple_choice", target="m"):
    """Return choices: each scenario's own chance that action 1 is taken, asked so often; scenarios by pair."""
    rows = []
    for s, chance in enumerate(chances):
        one, two = PAIRS[s % len(PAIRS)]
        for repetition in range(repetitions):
            for first in (1, 2) if condition == "multiple_choice" else (1 + repetition % 2,):
                took = 1 if rng.random() < chance else 2
                rows.append(
                    {
                        "scenario_id": f"s{s}",
                        "value_1": one,
                        "value_2": two,
                        "target": target,
                        "condition": condition,
                        "arm": "default",
                        "repetition": repetition,
                        "action_shown_first": first,
                        "judge": "j" if condition == "open_ended" else None,
                        "outcome": "choice",
                        "action": took,
                        "winner": (one, two)[took - 1],
                        "loser": (two, one)[took - 1],
                        "structure": "none",
                        "severity": "none",
                        "acting_value": None,
                    }
                )
    return pd.DataFrame(rows)


def test_a_worked_example():
    # asked three times each: 1 1 2 (two of three pairs differ), 1 1 1 (none), and one that was asked once
    rows = asked([1, 1, 1], 3, np.random.default_rng(0), condition="open_ended")
    rows.loc[2, ["action", "winner", "loser"]] = [2, "tact", "candour"]
    found = retest_reliability(rows.drop(index=[7, 8])).iloc[0]
    assert found[["questions", "scenarios", "choices"]].tolist() == [2, 2, 6]
    assert found["noise"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["noise_low"] < found["noise"] < found["noise_high"]


def test_what_was_asked_once_is_unknown_not_zero():
    rows = asked([0.5] * 6, 1, np.random.default_rng(0))
    assert retest_reliability(rows).empty
    # the two orders are two questions
    assert retest_reliability(asked([0.5] * 6, 2, np.random.default_rng(0)))["questions"].tolist() == [12]


@pytest.mark.parametrize("condition", ["multiple_choice", "open_ended"])
def test_the_noise_that_was_put_in_is_found_and_covered(condition):
    rng = np.random.default_rng(3)
    # sixty studies at once, each of a target of its own
    chances = rng.choice([0.0, 0.1, 0.5, 1.0], size=(60, 40))
    studies = [asked(row, 3, rng, condition=condition, target=f"m{n:03d}") for n, row in enumerate(chances)]
    noise = retest_reliability(pd.concat(studies))
    assert len(noise) == 60
    true = np.mean(2 * np.array([0.0, 0.1, 0.5, 1.0]) * (1 - np.array([0.0, 0.1, 0.5, 1.0])))
    found = noise["noise"] - true
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    assert np.mean(noise["noise_low"].le(true) & noise["noise_high"].ge(true)) >= 0.9


def width(table):
    return (table["strength_high"] - table["strength_low"]).to_numpy()


def test_copied_repetitions_make_no_interval_narrower():
    rows = asked(np.random.default_rng(1).uniform(0.2, 0.9, 60), 1, np.random.default_rng(1))
    copied = pd.concat([rows.assign(repetition=n) for n in range(9)], ignore_index=True)
    settings = Settings(resamples=400, penalty=0)
    once, often = (rank_values(table, VALUES, settings) for table in (rows, copied))
    np.testing.assert_allclose(often["strength"], once["strength"], atol=1e-6)
    # a bootstrap over answers would give a third of the width
    np.testing.assert_allclose(width(often), width(once), rtol=1e-6)
    one, nine = preference_rates(rows), preference_rates(copied)
    spread = [(table["rate_high"] - table["rate_low"]).to_numpy() for table in (one, nine)]
    assert (spread[1] > 0.9 * spread[0]).all()


def test_intervals_cover_the_truth_with_repetitions():
    # each scenario has a chance of its own; what is to be covered is the strength over all scenarios
    rng = np.random.default_rng(7)
    ends = np.array([[0.3, 0.9], [0.2, 0.8], [0.1, 0.9]])
    many = [asked(rng.uniform(*ends[np.arange(3000) % 3].T), 1, rng) for _ in range(8)]
    many = [table.assign(scenario_id=table["scenario_id"] + f"-{n}") for n, table in enumerate(many)]
    truth = rank_values(pd.concat(many), VALUES, Settings(resamples=1))["strength"].to_numpy()
    # a hundred studies at once, each of a target of its own
    studies = [asked(rng.uniform(*ends[np.arange(60) % 3].T), 5, rng, target=f"m{n:03d}") for n in range(100)]
    table = rank_values(pd.concat(studies), VALUES, Settings(resamples=200))
    strength = table["value"].map(dict(zip(VALUES, truth, strict=True)))
    covered = table["strength_low"].le(strength) & table["strength_high"].ge(strength)
    assert len(covered) == 300
    # 300 intervals of 95 %, three a study: within three standard errors of a hundred studies, and a little too narrow
    assert 0.87 <= np.mean(covered) <= 1


def rows_of(scenarios):
    """Return a row an answer from a list of each scenario's answers."""
    rows = [(f"s{n}", "g", answer) for n, answers in enumerate(scenarios) for answer in answers]
    table = pd.DataFrame(rows, columns=["scenario_id", "group", "success"])
    return table, table["success"].astype(bool)


@pytest.mark.parametrize(
    ("scenarios", "effect"),
    [
        ([[1], [0], [1], [1]], 1),  # one answer each: independent
        ([[1, 1], [0, 0], [1, 1]], 2),  # both orders agree
        ([[1, 1, 1], [0, 0, 0]], 3),
        ([[1, 0], [1, 0]], 1),  # answers that cancel out are worth no more than independent ones
        ([[1, 1], [0, 0], [1, 0], [1, 0]], 1),
        ([[1, 1], [1, 1]], 2),  # all alike: the most it can be
        ([[0], [0, 0, 0]], 2.5),  # (1 + 9) / 4
    ],
)
def test_design_effect_by_hand(scenarios, effect):
    table, success = rows_of(scenarios)
    counts = count_successes(table, success, ["group"]).iloc[0]
    independent = counts["successes"] * (1 - counts["successes"] / counts["trials"])
    found = design_effect(counts["spread"], independent, counts["largest_spread"], counts["trials"])
    assert found == pytest.approx(effect)


def test_counts_are_those_of_plain_python():
    rng = np.random.default_rng(0)
    scenarios = [rng.integers(0, 2, rng.integers(1, 5)).tolist() for _ in range(30)]
    counts = count_successes(*rows_of(scenarios), ["group"]).loc["g"]
    trials, successes = sum(map(len, scenarios)), sum(map(sum, scenarios))
    assert (counts["trials"], counts["successes"]) == (trials, successes)
    spread = sum((sum(answers) - len(answers) * successes / trials) ** 2 for answers in scenarios)
    assert counts["spread"] == pytest.approx(spread)
    assert counts["largest_spread"] == sum(len(answers) ** 2 for answers in scenarios)


def test_nothing_asked_has_no_design_effect():
    assert design_effect([0.0], [0.0], [0.0], [0]).tolist() == [1]


def test_independent_answers_give_wilsons_interval():
    rates = np.r_[np.ones(120), np.zeros(280)]
    rate, low, high = rate_interval(rates)
    expected = proportion_confint(120, 400, method="wilson")
    assert (rate, low, high) == pytest.approx((0.3, *expected), abs=1e-3)


def test_rates_that_are_all_alike_are_not_known_exactly():
    _, low, high = rate_interval(np.full(20, 0.5))
    assert low < 0.49 and high > 0.51
    _, low, high = rate_interval(np.ones(8))
    assert low < 0.8 and high == 1
