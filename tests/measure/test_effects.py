"""What else moves choices: acting rates and rates by any column."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from conflictscope.measure.rates import acting_effect, effects_by, preference_rates


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
