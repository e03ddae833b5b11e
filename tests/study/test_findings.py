"""Three lines at the end of a run: counted from the tables, of those that could be tested, simulated said."""

from pathlib import Path

import pandas as pd
import pytest

from conflictscope import measure
from conflictscope.measure import Settings
from conflictscope.study.findings import name_simulated, sum_up, sum_up_changes, sum_up_pairs, sum_up_steering
from conflictscope.study.parameters import load_parameters
from conflictscope.table_files import read_table

ROOT = Path(__file__).parents[2]
VALUES = ["accuracy", "speed", "kindness", "openness"]
SETTINGS = Settings(resamples=200)


@pytest.fixture(scope="module")
def tables(recorded):
    folder = recorded / "runs" / "newsroom"
    return [read_table(name, folder, study="newsroom") for name in ("choices", "swapped_verdicts", "steered_choices")]


def test_a_run_ends_with_what_was_found(recorded, tables):
    said = (recorded / "said").read_text(encoding="utf-8").splitlines()
    lines = [f"  {line}" for line in sum_up(*tables, VALUES, SETTINGS, source="simulated models")]
    assert said[-3:] == lines
    assert all(line.endswith(" · simulated models") for line in lines)


def test_the_lines_count_what_measure_counts(tables):
    choices, swapped, steered = tables
    rankings, shifts, steering = sum_up(choices, swapped, steered, VALUES, SETTINGS)
    support = measure.check_support(choices, VALUES, SETTINGS, swapped=swapped)
    assert rankings.startswith(f"rankings: {support['supported'].sum()} of {len(support)} pass all checks")
    compared, _ = measure.compare_conditions(choices, VALUES, SETTINGS)
    could = compared["omnibus_p"].notna().sum()
    assert shifts.startswith(f"shifts: {compared['p_value'].lt(0.05).sum()} of {could} targets")
    assert could == len(compared) or f"({len(compared) - could} more could not be tested)" in shifts
    assert steering.startswith("steering: prompts gain ") and "of the headroom" in steering
    # one order alone: what the placebo gains for it is lost for none
    assert steering.endswith("surely gain more than the placebo")


def test_a_placebo_whose_effects_cancel_is_not_what_is_beaten():
    about = {"target": ["m", "n"], "condition": "open_ended", "effect": [0.2, 0.5], "over_placebo_low": [-0.1, 0.3]}
    line = sum_up_steering(pd.DataFrame(about).assign(placebo=[0.0, 1e-17]))
    assert line.endswith("1 of 2 surely gain something (over all orders the placebo gains nothing)")
    line = sum_up_steering(pd.DataFrame(about).assign(placebo=[0.0, 0.1]))
    assert line.endswith("1 of 2 surely gain more than the placebo")


def test_what_was_not_asked_and_what_cannot_be_told_is_said(tables):
    choices, swapped, _ = tables
    words = choices[choices["condition"].eq("multiple_choice")]
    rankings, shifts, steering = sum_up(words, swapped, None, VALUES, SETTINGS)
    assert "first in multiple choice" in rankings or "0 of" in rankings
    assert shifts == "shifts: not measured: the targets were not asked both ways"
    assert steering == "steering: none was asked for"
    # one answer a target: no order is linked
    few = choices.groupby(["target", "condition"]).head(1)
    rankings, shifts, _ = sum_up(few, swapped, None, VALUES, SETTINGS)
    assert rankings.startswith("rankings: 0 of") or "cannot be told" in rankings
    assert "0 of 0 targets" in shifts or "cannot be told" in shifts


def test_a_value_is_first_where_that_is_supported():
    rows = [
        (f"s{i}", target, "a" if i % every else "b", "b" if i % every else "a")
        for target, every in (("m", 8), ("n", 2))
        for i in range(40)
    ]
    choices = pd.DataFrame(rows, columns=["scenario_id", "target", "winner", "loser"]).assign(
        value_1="a", value_2="b", condition="open_ended", arm="default", judge="j", outcome="choice", repetition=0
    )
    choices["action"] = choices["winner"].map({"a": 1, "b": 2})
    choices["action_shown_first"] = 1
    line = sum_up(choices, None, None, ["a", "b"], SETTINGS)[0]
    assert line == "rankings: 1 of 2 pass all checks that apply; first in conversation, of 1 such targets: a for 1"


def test_what_is_simulated_is_named():
    def named(text):
        return name_simulated(load_parameters(ROOT / "params" / text))

    assert named("hhh.yaml") == "simulated models"
    # three open models in all roles but one
    assert named("recorded.yaml") == "simulated author"


def test_pairs_are_told_from_the_widest_margin_on_and_the_rest_is_counted():
    columns = ["value_1", "value_2", "rate", "rate_low", "rate_high"]
    rates = pd.DataFrame(
        [("a", "b", 0.6, 0.52, 0.7), ("a", "c", 0.1, 0.0, 0.2), ("b", "c", 0.5, 0.3, 0.7)], columns=columns
    )
    assert sum_up_pairs(rates) == "c over a, a over b; not known for 1 of 3 pairs"
    assert sum_up_pairs(rates.tail(1)) == "no value surely over another; not known for 1 of 1 pairs"
    many = pd.DataFrame([(f"v{n}", "w", 0.9, 0.8, 1.0) for n in range(7)], columns=columns)
    assert sum_up_pairs(many).endswith("v4 over w and 2 more")


def test_a_change_is_changed_equivalent_or_not_known_and_a_problem_is_told():
    changes = pd.DataFrame({"pair": "m → n", "value": ["a", "b", "c"], "change": [1.25, 0.01, -0.4]})
    changes = changes.assign(p_value=[0.001, 0.9, 0.4], equivalent=[False, True, False])
    by_pair = pd.DataFrame({"pair": ["m → n", "m → o"], "problem": [None, "no scenario has a choice on both sides"]})
    assert sum_up_changes(by_pair, changes, 0.95) == [
        "m → n: changed: a +1.2; equivalent: b; neither can be said of 1 of 3",
        "m → o: no scenario has a choice on both sides",
    ]
