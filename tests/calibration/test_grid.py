"""The grid: its table is whole and read as it is written, its cells run, and a short one agrees with the table."""

import pandas as pd
import pytest

from conflictscope.calibration import read_grid, run_grid
from conflictscope.calibration.grid import CACHED, WANTED, cells

KEY = ["size", "truth", "nuisance"]


def test_the_table_has_every_cell_with_enough_studies():
    table = read_grid()
    assert {*table[KEY].itertuples(index=False, name=None)} == {*cells()}
    assert not table.duplicated([*KEY, "what"]).any()
    assert set(table["what"]) == set(WANTED)
    # κ and intervals may be undefined in some studies
    assert table["studies"].median() >= 500


def test_met_is_within_two_errors_of_what_is_wanted(tmp_path):
    rows = [
        ("at most", 0.05, 0.06, 0.01, True),
        ("at most", 0.05, 0.08, 0.01, False),
        ("at least", 0.8, 0.79, 0.01, True),
        ("at least", 0.8, 0.7, 0.01, False),
        ("level", 0.95, 0.93, 0.005, True),
        ("level", 0.95, 0.9, 0.005, False),
        ("level", 0.95, 0.995, 0.005, False),
        ("about", 0.0, -0.015, 0.001, True),
        ("about", 0.0, -0.2, 0.01, False),
        (None, None, 0.5, 0.1, pd.NA),
    ]
    names = ["wanted_is", "wanted", "found", "error"]
    table = pd.DataFrame([row[:4] for row in rows], columns=names).assign(
        size="s", truth="t", nuisance="none", what="w"
    )
    table.to_csv(tmp_path / "grid.csv", index=False)
    read = read_grid(tmp_path / "grid.csv")
    assert read["met"].tolist() == [row[4] for row in rows]
    assert read["nuisance"].eq("none").all(), "the word is no missing value"


@pytest.mark.parametrize(
    "key",
    [
        ("3 values, 17 a pair", "nothing shifts", "judge errs in 10 %"),
        ("3 values, 17 a pair", "rankings, two values near", "30 % of the first's wins refused"),
        ("3 values, 17 a pair", "takes the first option", "none"),
        ("3 values, 17 a pair", "a value that always wins", "none"),
        ("3 values, 17 a pair", "steerability 0.6", "none"),
        ("3 values, 17 a pair", "rates", "5 repetitions"),
        ("8 conversations", "κ", "either errs in 20%"),
    ],
)
def test_a_short_form_agrees_with_the_table(key):
    short = pd.concat(run_grid(40, only=[key]))
    table = read_grid()
    cached = table[(table[KEY] == list(key)).all(axis=1)].set_index("what")["found"]
    for row in short.itertuples():
        assert abs(row.found - cached[row.what]) < 4 * row.error + 0.06, row.what


def test_the_table_is_part_of_the_package():
    assert CACHED.name == "grid.csv" and CACHED.exists()
