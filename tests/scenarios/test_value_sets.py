"""Value sets: both forms load, and everything that is wrong is said before any money is spent."""

import itertools
import json
from pathlib import Path

import pytest

from conflictscope.scenarios import load_value_set

SHIPPED = Path(__file__).parents[2] / "params" / "value_sets"


def write(tmp_path, text, name="mine.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "values", "pairs"), [("hhh", 3, 3), ("personal_protective", 8, 16), ("modelspec", 6, 15)]
)
def test_the_shipped_sets_load(name, values, pairs):
    value_set = load_value_set(SHIPPED / f"{name}.yaml")
    assert (len(value_set.values), len(value_set.pairs)) == (values, pairs)


def test_between_groups_crosses_the_groups_and_keeps_the_order_of_the_set():
    value_set = load_value_set(SHIPPED / "personal_protective.yaml")
    personal, protective = value_set.names[:4], value_set.names[4:]
    assert value_set.pairs == tuple(itertools.product(personal, protective))


def test_the_published_form_loads(tmp_path):
    path = write(tmp_path, json.dumps({"candour": "say what is so", "tact": "spare people's feelings"}), "set.json")
    value_set = load_value_set(path)
    assert value_set.names == ["candour", "tact"]
    assert value_set.pairs == (("candour", "tact"),)
    assert value_set["tact"].definition == "spare people's feelings"


def test_listed_pairs_are_turned_into_the_order_of_the_set(tmp_path):
    path = write(tmp_path, "values: {a: one thing, b: another matter, c: third concern}\npairs: [[c, a], [b, c]]")
    assert load_value_set(path).pairs == (("a", "c"), ("b", "c"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("values: {a: one thing, a: another matter}", "repeated keys"),
        ("values: {candour: one thing, Candour: another matter}", "upper and lower case"),
        ("values: {a: one thing, b: ''}", "'b': the definition is empty"),
        ("values: {a: one thing, b: }", "'b': the definition is empty"),
        ("values: {a: telling people the truth, b: telling people the truth.}", "nearly"),
        ("values: {a: one thing}", "at least two"),
        ("values: {a: one thing, b: another matter}\npears: all", r"unknown keys \['pears'\]"),
        ("values: {a: one thing, b: another matter}\npairs: some", "found 'some'"),
        ("values: {a: one thing, b: another matter}\npairs: [[a, z]]", r"found \['a', 'z'\]"),
        ("values: {a: one thing, b: another matter}\npairs: [[a, b], [b, a]]", "listed twice"),
        ("values: {a: one thing, b: another matter}\npairs: between_groups", "needs a group"),
        ("values: {a: {definition: x y, tribe: p}, b: another matter}", "found .*tribe"),
        ("values: {'../../etc': one thing, b: another matter}", "expected a name"),
        ("values: {a: one, b: two, c: three, d: four}\npairs: [[a, b], [c, d]]", "do not connect"),
        ("- a\n- b", "found list; expected a mapping"),
        ("values: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=complaint) as raised:
        load_value_set(path)
    assert str(path) in str(raised.value)


def test_all_problems_are_said_at_once(tmp_path):
    path = write(tmp_path, "values: {a: '', b: another matter}\npairs: [[a, z]]")
    with pytest.raises(ValueError, match=r"definition is empty.*expected two different names"):
        load_value_set(path)


def test_a_missing_set_is_never_replaced_by_another(tmp_path):
    write(tmp_path, "values: {a: one thing, b: another matter}")
    with pytest.raises(FileNotFoundError, match=r"other.yaml is not there.*mine.yaml"):
        load_value_set(tmp_path / "other.yaml")


def test_the_hash_changes_with_every_definition(tmp_path):
    one = load_value_set(write(tmp_path, "values: {a: one thing, b: another matter}"))
    other = load_value_set(write(tmp_path, "values: {a: one thing, b: another matter!}"))
    assert one.hash != other.hash
