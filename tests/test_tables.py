"""The table contract: what is written comes back, and what does not fit is refused with column and row."""

import os

import pandas as pd
import pytest

from conflictscope.table_files import check_table, read_table, table_path, write_table
from conflictscope.tables import TABLES


@pytest.fixture
def answers():
    common = {"target": "m", "arm": "default", "repetition": 0, "probability_first": None}
    return pd.DataFrame(
        [
            common
            | {
                "scenario_id": "s",
                "action_shown_first": 1,
                "outcome": "choice",
                "action": 2,
                "raw": "B",
                "problem": None,
            },
            common
            | {
                "scenario_id": "s",
                "action_shown_first": 2,
                "outcome": "invalid",
                "action": None,
                "raw": "?",
                "problem": "no letter",
            },
        ]
    )


def test_a_table_comes_back_as_it_was_written(answers, tmp_path):
    written = write_table(answers, "answers", tmp_path, study="one")
    pd.testing.assert_frame_equal(read_table("answers", tmp_path, study="one"), written)
    assert list(written.columns) == [column.name for column in TABLES["answers"].columns]
    assert written["action"].isna().tolist() == [False, True]


def test_the_same_table_is_the_same_file(answers, tmp_path):
    for folder in ("a", "b"):
        write_table(answers, "answers", tmp_path / folder, study="one")
    first, second = (table_path(tmp_path / folder, "answers").read_bytes() for folder in ("a", "b"))
    assert first == second


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda f: f.drop(columns="raw"), r"missing \['raw'\]"),
        (lambda f: f.assign(mood="good"), r"unknown \['mood'\]"),
        (lambda f: f.assign(action=[1, 3]), "column 'action', row 1: found .*3"),
        (lambda f: f.assign(action=[1.5, None]), "column 'action', row 0: found .*1.5"),
        (lambda f: f.assign(outcome=["choice", "maybe"]), "column 'outcome', row 1: found 'maybe'"),
        (lambda f: f.assign(target=[None, "m"]), "column 'target', row 0: empty"),
        (lambda f: f.assign(repetition=["zero", 0]), "column 'repetition', row 0: found 'zero'"),
        (lambda f: f.assign(action_shown_first=1), "row 1 repeats the key"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(answers, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_table(change(answers), "answers")


def test_a_table_of_another_study_is_refused(answers, tmp_path):
    write_table(answers, "answers", tmp_path, study="one")
    with pytest.raises(ValueError, match="belongs to study 'one'; expected 'two'"):
        read_table("answers", tmp_path, study="two")


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="Run the notebook that writes 'answers'"):
        read_table("answers", tmp_path, study="one")
    table_path(tmp_path, "answers").write_bytes(b"PAR1 torn")
    with pytest.raises(ValueError, match="Delete it and run its notebook again"):
        read_table("answers", tmp_path, study="one")


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(answers, tmp_path, monkeypatch):
    write_table(answers, "answers", tmp_path, study="one")
    before = table_path(tmp_path, "answers").read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_table(answers.head(1), "answers", tmp_path, study="one")
    assert os.listdir(tmp_path) == ["answers.parquet"]
    assert table_path(tmp_path, "answers").read_bytes() == before


def test_every_column_says_what_it_means():
    for table in TABLES.values():
        assert table.meaning
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names)
        assert set(table.key) <= set(names)
        assert all(column.meaning for column in table.columns)
