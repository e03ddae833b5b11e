"""Three lines at the end of a run: counted from the tables, of those that could be tested, simulated said."""

import pandas as pd
import pytest

from conflictscope import measure
from conflictscope.measure import Settings
from conflictscope.study.findings import sum_up, tested_shifts
from conflictscope.table_files import read_table

VALUES = ["accuracy", "speed", "kindness", "openness"]
SETTINGS = Settings(resamples=200)


@pytest.fixture(scope="module")
def tables(recorded):
    folder = recorded / "runs" / "newsroom"
    return [read_table(name, folder, study="newsroom") for name in ("choices", "steered_choices")]


def test_a_run_ends_with_what_was_found(recorded, tables):
    said = (recorded / "said").read_text(encoding="utf-8").splitlines()
    lines = [f"  {line}" for line in sum_up(*tables, VALUES, SETTINGS, source="simulated models")]
    assert said[-3:] == lines
    assert all(line.endswith(" · simulated models") for line in lines)


def test_the_lines_count_what_measure_counts(tables):
    choices, steered = tables
    rankings, shifts, steering = sum_up(choices, steered, VALUES, SETTINGS)
    diagnosis = measure.diagnose(choices, VALUES, level=SETTINGS.level)
    assert rankings.startswith(
        f"rankings: {diagnosis['supported'].sum()} of {len(diagnosis)} are supported by the data"
    )
    table = measure.value_shifts(choices, VALUES, SETTINGS)
    tested = tested_shifts(table)
    assert list(tested) == ["target", "value", "size", "beyond"] and len(tested) == len(table)
    beyond, could = tested["beyond"].eq(True).sum(), tested["beyond"].notna().sum()
    assert shifts.startswith(f"shifts: {beyond} of {could} beyond noise")
    assert could == len(tested) or f"({len(tested) - could} more could not be tested)" in shifts
    assert steering.startswith("steering: prompts gain ") and "of the headroom" in steering


def test_what_was_not_asked_and_what_cannot_be_told_is_said(tables):
    choices, _ = tables
    words = choices[choices["condition"].eq("multiple_choice")]
    rankings, shifts, steering = sum_up(words, None, VALUES, SETTINGS)
    assert "first in multiple choice" in rankings or "0 of" in rankings
    assert shifts == "shifts: not measured: the targets were not asked both ways"
    assert steering == "steering: none was asked for"
    # one answer a target: no win graph is connected, and without a penalty there is no fit at all
    few = choices.groupby(["target", "condition"]).head(1)
    for settings in (SETTINGS, Settings(resamples=20, penalty=0)):
        rankings, shifts, _ = sum_up(few, None, VALUES, settings)
        assert rankings.startswith("rankings: 0 of") or "cannot be told" in rankings
        assert "0 of 0 beyond noise" in shifts or "cannot be told" in shifts


def test_a_value_is_first_and_ties_are_said():
    rows = [
        (f"s{i}", target, "a" if i % 8 else "b", "b" if i % 8 else "a")
        for target in ("m", "n")
        for i in range(40 if target == "m" else 8)
    ]
    choices = pd.DataFrame(rows, columns=["scenario_id", "target", "winner", "loser"]).assign(
        value_1="a", value_2="b", condition="open_ended", arm="default", judge="j", outcome="choice", repetition=0
    )
    choices["action"] = choices["winner"].map({"a": 1, "b": 2})
    choices["action_shown_first"] = 1
    line = sum_up(choices, None, ["a", "b"], SETTINGS)[0]
    assert "first in conversation, of " in line and "a for " in line
