"""Python literals are read as data: what is none is refused, however it is dressed up."""

import math

import pytest

from conflictscope.exchange.rows import MAX_CHARACTERS, read_literal


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
        read_literal("'" + "a" * MAX_CHARACTERS + "'")
    with pytest.raises(ValueError, match="deeper than 10"):
        read_literal("[" * 12 + "]" * 12)
    for hostile in ("[" * 50_000, "-" * 50_000 + "1", "(" * 5_000 + ")" * 5_000):
        with pytest.raises(ValueError, match=r"literal|nested"):
            read_literal(hostile)
