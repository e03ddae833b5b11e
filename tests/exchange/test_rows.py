"""Files are refused in words, rows counted one by one, and Python literals read as data and nothing else."""

import gzip
import math

import pytest

from conflictscope.exchange import gathering
from conflictscope.exchange.gathering import MAX_LITERAL_CHARACTERS, Form, read_literal, read_rows

FORM = Form("the test's table", ("situation", "action"), optional=("note",))


def test_rows_are_numbered_and_broken_ones_handed_on(write_csv):
    path = write_csv([{"situation": "rain, and\nwind", "action": "stay"}, ["only one"], ["a", "b", "c"]])
    read = read_rows(path, FORM)
    assert [row.number for row in read] == [1, 2, 3]
    assert read[0].fields == {"situation": "rain, and\nwind", "action": "stay"} and not read[0].problem
    assert "found 1 fields; expected 2" in read[1].problem and "found 3" in read[2].problem


def test_a_byte_order_mark_is_no_part_of_the_first_column(write_csv):
    path = write_csv([{"situation": "a", "action": "b"}], encoding="utf-8-sig")
    assert read_rows(path, FORM)[0].fields["situation"] == "a"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["situation"], r"missing \['action'\], unknown none"),
        (["situation", "action", "mood"], r"missing none, unknown \['mood'\]"),
        (["situations", "action"], r"perhaps renamed 'situation' \(now 'situations'\?\)"),
        (["situation", "action", "action"], r"repeated \['action'\]"),
    ],
)
def test_other_columns_are_named(write_csv, columns, said):
    with pytest.raises(ValueError, match=said) as problem:
        read_rows(_with_header(write_csv, columns), FORM)
    assert "the test's table" in str(problem.value) and "expected ['situation', 'action']" in str(problem.value)


def _with_header(write_csv, columns):
    path = write_csv([{"x": "y"}])
    path.write_text(",".join(columns) + "\n" + ",".join("abc"[: len(columns)]) + "\n", encoding="utf-8")
    return path


def test_json_lines_plain_and_packed(write_lines):
    records = [{"situation": "a", "action": "b"}, "", "{broken", "[1]", {"situation": "only"}, "[" * 100_000]
    for name in ("data.jsonl", "data.jsonl.gz"):
        read = read_rows(write_lines(records, name), FORM)
        assert [bool(row.problem) for row in read] == [False, True, True, True, True]
        assert "no JSON" in read[1].problem and "found list" in read[2].problem
        assert "keys missing: ['action']" in read[3].problem


def test_what_is_no_such_file_is_refused(tmp_path, write_lines):
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv is not there"):
        read_rows(tmp_path / "nothing.csv", FORM)
    with pytest.raises(ValueError, match="first line: no JSON"):
        read_rows(write_lines(["situation,action"]), FORM)
    path = tmp_path / "latin.csv"
    path.write_bytes("situation,action\nGar\xe7on,b\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        read_rows(path, FORM)
    path = tmp_path / "no.jsonl.gz"
    path.write_bytes(b"plain text")
    with pytest.raises(ValueError, match="gzip"):
        read_rows(path, FORM)
    path.write_bytes(gzip.compress(b'{"situation": "a", "action": "b"}\n' * 500)[:-20])
    with pytest.raises(ValueError, match="gzip"):
        read_rows(path, FORM)
    path = tmp_path / "open.csv"
    path.write_text('situation,action\n"never closed,b\nmore,c\n', encoding="utf-8")
    with pytest.raises(ValueError, match="unexpected end of data"):
        read_rows(path, FORM)


def test_long_files_and_lines_are_refused(write_lines, monkeypatch):
    record = {"situation": "a" * 200, "action": "b"}
    monkeypatch.setattr(gathering, "MAX_LINE_CHARACTERS", 150)
    with pytest.raises(ValueError, match="longer than 150 characters"):
        read_rows(write_lines([record], "bomb.jsonl.gz"), FORM)
    monkeypatch.setattr(gathering, "MAX_LINE_CHARACTERS", 1000)
    monkeypatch.setattr(gathering, "MAX_FILE_CHARACTERS", 1000)
    with pytest.raises(ValueError, match="more than 1,000 in all"):
        read_rows(write_lines([record] * 20, "bomb.jsonl.gz"), FORM)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'persona': \"a nurse's aunt\", 'goal': 'to sleep'}", {"persona": "a nurse's aunt", "goal": "to sleep"}),
        ("['honesty', 'care']", ["honesty", "care"]),
        ("('honesty',)", ["honesty"]),
        (" [] ", []),
        ("[1, -2, 0.5, True, None]", [1, -2, 0.5, True, None]),
        ("{'a': ['b', {'c': 'd'}]}", {"a": ["b", {"c": "d"}]}),
        ("['banana', 'nan']", ["banana", "nan"]),
    ],
)
def test_literals_are_read(text, value):
    assert read_literal(text) == value


def test_a_bare_nan_is_a_missing_number_and_text_with_nan_stays_text():
    found = read_literal("['nan in a text', nan, -nan]")
    assert found[0] == "nan in a text"
    assert all(math.isnan(entry) for entry in found[1:])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "[x for x in 'abc']",
        "open('/etc/passwd')",
        "os",
        "'a' + 'b'",
        "f'{1}'",
        "lambda: 1",
        "{1: 'a'}",
        "{**{'a': 1}}",
        "b'bytes'",
        "-'a'",
        "1j",
        "...",
        "",
        "{'a': ",
        "a: b",
        "9" * 5000,
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"literal|expected"):
        read_literal(text)


def test_long_and_deep_ones_are_refused():
    with pytest.raises(ValueError, match="200,000"):
        read_literal("'" + "a" * MAX_LITERAL_CHARACTERS + "'")
    with pytest.raises(ValueError, match="deeper than 10"):
        read_literal("[" * 12 + "]" * 12)
    for hostile in ("[" * 50_000, "-" * 50_000 + "1", "(" * 5_000 + ")" * 5_000):
        with pytest.raises(ValueError, match=r"literal|nested"):
            read_literal(hostile)
