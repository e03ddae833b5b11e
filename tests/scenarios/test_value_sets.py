"""Value sets: both forms load, and everything that is wrong is said before any money is spent."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from conflictscope.scenarios import load_value_set, value_sets
from conflictscope.scenarios.value_sets import balanced_pairs

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


@pytest.mark.parametrize(("size", "each"), [(3, 2), (5, 3), (6, 5), (7, 4), (66, 7), (300, 10)])
def test_some_pairs_link_all_values_and_each_value_is_in_as_many(size, each):
    names = [f"v{n:03d}" for n in range(size)]
    pairs = balanced_pairs(names, each, seed=2)
    assert pairs == sorted({*pairs}) and all(one < two for one, two in pairs)
    count = Counter(itertools.chain.from_iterable(pairs))
    assert sorted(count.values()) == [each] * (size - size * each % 2) + [each + 1] * (size * each % 2)
    reached = {names[0]}
    while more := {v for pair in pairs if reached & {*pair} for v in pair} - reached:
        reached |= more
    assert reached == {*names}


def test_an_incomplete_design_is_asked_for_by_the_file_and_is_the_same_each_time(tmp_path):
    values = "values: {" + ", ".join(f"v{n}: topic number {chr(97 + n) * 9}" for n in range(8)) + "}"
    path = write(tmp_path, values + "\npairs: {each: 3, seed: 5}")
    pairs = load_value_set(path).pairs
    assert len(pairs) == 12 and pairs == tuple(balanced_pairs(load_value_set(path).names, 3, 5))
    assert pairs != load_value_set(write(tmp_path, values + "\npairs: {each: 3}", "other.yaml")).pairs


@pytest.mark.parametrize("pairs", ["{each: 1}", "{each: 2, sed: 1}", "{each: 8}", "{each: true}", "{each: 2.5}"])
def test_an_incomplete_design_that_is_none_is_said(tmp_path, pairs):
    values = "values: {" + ", ".join(f"v{n}: topic number {chr(97 + n) * 9}" for n in range(8)) + "}"
    with pytest.raises(ValueError, match="from 2 to 7"):
        load_value_set(write(tmp_path, f"{values}\npairs: {pairs}"))


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
        (
            "values: {a: one thing, b: another matter}\npairs: [[a, a]]",
            r"found \['a', 'a'\]; expected two different names",
        ),
        ("values: {a: one thing, b: another matter}\npairs: [[a, [b]]]", "expected two different names"),
        ("values: {a: one thing, b: another matter}\npairs: [7]", "pairs: found 7; expected two different names"),
        ("values: {a: one thing, b: another matter}\npairs: []", "do not connect"),
        ("values: {a: one thing, b: another matter}\npairs: between_group", "did you mean 'between_groups'"),
        ("values: {honesty: one thing, tact: more}\npairs: [[honsty, tact]]", "did you mean 'honesty'"),
        ("values: {a: one thing, b: another matter}\nnames: x", "did you mean 'name'"),
        ("values: {straße: one thing, STRASSE: another matter}", "upper and lower case"),
        ("values: {a: one thing, b: one thing}", "'a' and 'b' have .nearly. the same definition"),
        ("values: {a: 'doing good, and no harm', b: 'Doing good and -- no harm!'}", "the same definition"),
        ("values: {a: one thing, b: ' '}", "'b': the definition is empty"),
        ("values: {a: one thing, b: 7}", "definition: found 7; expected text"),
        ('values: {a: one thing, b: "two\\tthings"}', "'b': the definition holds characters that cannot be shown"),
        ('values: {a: one thing, b: "two\\u0007 things"}', "characters that cannot be shown"),
        ('values: {a: one thing, "b\\tc": other}', "expected a name"),
        ("values:\n\ta: one thing", "line 2, column 1: a tab"),
        (
            "values: {a: {definition: one, group: own}, b: {definition: two, group: Own}}",
            "group: found 'Own', of 1 value; .*did you mean 'own'",
        ),
        (
            "values: {a: {definition: one, group: personal}, b: {definition: two, group: personal},"
            " c: {definition: three, group: persnal}}",
            "found 'persnal'.*did you mean 'personal'",
        ),
        ("values: {a: {definition: one, group: 7}, b: two}", "group: found 7"),
        ("values: {a: !!binary aGk=, b: two}", "!!binary"),
        ("values: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=complaint) as raised:
        load_value_set(path)
    assert str(path) in str(raised.value)


def test_definitions_of_twice_as_many_values_take_twice_the_steps_and_different_ones_pass(tmp_path, count_lines):
    words = ["people", "truth", "rules", "privacy", "law", "care", "harm", "work"]
    words += ["trust", "need", "choice", "voice", "cost", "time", "risk", "hope"]

    def refused(size):
        entries = {
            f"value {n}": f"keeping to the {words[n % 16]} of {words[n // 16 % 16]} where {words[n * 7 % 16]} meets {n}"
            for n in range(size)
        }
        entries["one more"] = entries["value 17"].upper() + "."
        # few pairs: those of all values are as many as their square
        path = write(tmp_path, json.dumps({"values": entries, "pairs": {"each": 2}}))
        with pytest.raises(ValueError, match=r"'value 17' and 'one more' have .nearly. the same definition"):
            load_value_set(path)

    few, many = (count_lines(value_sets, refused, size) for size in (150, 300))
    assert many <= 2.2 * few


def test_a_name_is_the_same_however_its_accents_are_written(tmp_path):
    path = write(tmp_path, "values: {e\u0301quité: one thing, नैतिकता: another matter}\npairs: [[नैतिकता, \xe9quité]]")
    assert load_value_set(path).pairs == (("\xe9quité", "नैतिकता"),)
    escaped = json.dumps({"e\u0301quit\xe9": "one thing", "tact": "another matter"})
    assert load_value_set(write(tmp_path, escaped, "set.json")).names == ["\xe9quit\xe9", "tact"]


def test_names_and_definitions_hold_what_people_write(tmp_path):
    names = ["privacy/confidentiality", "autonomy (user)", "truth, whole", "راست\u200cگویی", "ක්\u200dරියා"]
    definition = "says\xa0what is un\xadwelcome: even \u200csmall things 👩\u200d🔬"
    text = json.dumps({name: f"{definition} {name}" for name in names})
    values = load_value_set(write(tmp_path, text, "set.json"))
    assert values.names == names
    assert values.values[0].definition.startswith("says what is unwelcome: even \u200csmall things 👩\u200d🔬")


@pytest.mark.parametrize(
    "name", ["hon\u200desty", "hon\u200cesty", "honesty\u200d", "ab\xadc", "a\u202eb", "راست\u200c"]
)
def test_names_that_look_like_others_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a name"):
        load_value_set(write(tmp_path, json.dumps({name: "one thing", "tact": "another matter"}), "set.json"))


def test_a_json_set_may_be_indented_by_tabs_and_hold_escapes(tmp_path):
    text = '{\n\t"candour": "says what is so \\ud83d\\ude00",\n\t"tact": "spares people pain"\n}\n'
    for name in ("set.json", "SET.JSON"):
        assert load_value_set(write(tmp_path, text, name)).values[0].definition == "says what is so \U0001f600"
    # half a character
    with pytest.raises(ValueError, match=r"candour.*holds characters that cannot be shown"):
        load_value_set(write(tmp_path, text.replace("\\ude00", ""), "set.json"))


def test_files_in_other_encodings(tmp_path):
    text = '{"größe": "zeigt Größe auch im Streit", "tact": "spares people pain"}'
    path = write(tmp_path, text, "set.json")
    path.write_bytes(text.encode("utf-16"))
    assert load_value_set(path).names == ["größe", "tact"]
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"not UTF-8 .*Save it as UTF-8"):
        load_value_set(path)
    with pytest.raises(ValueError, match=r"line 3, column 9: .*': ' stands in quotes"):
        load_value_set(write(tmp_path, "values:\n  tact: one\n  b: two: three\n"))


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
