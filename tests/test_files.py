"""Files that people write: what is wrong points into the file, and what is nearly right is named."""

import pytest

from conflictscope import table_files
from conflictscope.files import near_file, places_in, read_mapping
from conflictscope.models.registry import load_registry
from conflictscope.scenarios import load_value_set, read_scenario_file

TABS = ["values:\n\ta: one", "values:\n  a: one\n\tb: two", "a:\n  - x\n\t- y", "a: 1\n\tb: 2"]


@pytest.mark.parametrize("text", TABS)
def test_a_tab_is_called_a_tab_with_its_line(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    line = text[: text.index("\t")].count("\n") + 1
    with pytest.raises(ValueError, match=rf"mine\.yaml cannot be read: line {line}, column 1: a tab indents the line"):
        read_mapping(file)


def test_places_are_those_of_the_innermost_entry_that_is_written_there(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text('# a comment\na: &one\n  b: 1\nc:\n  <<: *one\n  d: [x, y]\n"e": 1\n', encoding="utf-8")
    place = places_in(file)
    assert place("a") == "line 2, column 1: "
    assert place("a", "b") == "line 3, column 3: "
    # lent by an anchor: where it is lent to
    assert place("c", "b") == "line 4, column 1: "
    assert place("c", "d", 1) == "line 6, column 10: "
    assert place("c", "d", 7) == "line 6, column 3: "
    assert place("e") == "line 7, column 1: "
    assert place("f") == place() == ""
    json = tmp_path / "mine.json"
    json.write_text('{"a": 1}', encoding="utf-8")
    assert places_in(json)("a") == ""


def test_a_file_whose_name_is_like_it_is_named(tmp_path):
    for name in ("newsroom.yaml", ".newsrom.yaml", "hospital.yaml"):
        (tmp_path / name).touch()
    assert near_file(tmp_path / "newsrom.yaml") == f"; did you mean '{tmp_path}/newsroom.yaml'?"
    # what both end in makes no two names alike
    (tmp_path / "modelspec.yaml").touch()
    assert near_file(tmp_path / "nope.yaml") == ""
    assert near_file(tmp_path / "x.yaml") == near_file(tmp_path / "nowhere" / "newsroom.yaml") == ""


SET = "values:\n  candour: saying what is so\n  tact: sparing feelings\n"
MODELS = "models:\n  m:\n    base_url: http://x/v1\n    id: m\n"
SCENARIO = "- {description: d, action_1: a, action_2: b, value_1: candour, value_2: tact}\n"
WRONG = [
    (load_value_set, SET + "pairs:\n  - [candour, tact]\n  - [candor, tact]\n", "line 6, column 5: pairs: found"),
    (load_value_set, SET + "  care:\n", "line 4, column 3: value 'care': the definition is empty"),
    (
        load_value_set,
        SET + "  care: {definitions: x}\n",
        "line 4, column 3: value 'care': found ['definitions']; "
        "expected a definition, or definition, group and sentence; did you mean 'definition'?",
    ),
    (load_value_set, SET + "pears: all\n", "line 4, column 1: unknown keys ['pears']"),
    (load_registry, MODELS + "    input_prices: 1\n", "line 5, column 5: models: m: unknown key 'input_prices'"),
    (load_registry, MODELS + "    concurrency: 0\n", "line 5, column 5: models: m: concurrency: found 0"),
    (load_registry, MODELS + "    kind: embedding\n", "did you mean 'embeddings'?"),
    (load_registry, MODELS + "cast: {}\n", "line 5, column 1: found ['cast', 'models']"),
    (load_registry, MODELS + "cast: {}\n", "did you mean 'casts'?"),
    (
        load_registry,
        MODELS + "casts:\n  mine: {author: m, filter_judge: m, simulated_users: m}\n",
        "line 6, column 3: casts: mine: found ['author', 'filter_judge', 'simulated_users']",
    ),
    (load_registry, MODELS + "casts:\n  mine: {author: m, simulated_users: m}\n", "did you mean 'simulated_user'?"),
]


@pytest.mark.parametrize(("load", "text", "problem"), WRONG, ids=[problem for *_, problem in WRONG])
def test_what_is_wrong_with_what_a_file_says_points_into_it(tmp_path, load, text, problem):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        load(file)
    assert f"{file}: " in str(raised.value) and problem in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("tact}", "tackt}", "did you mean 'tact'?"),
        ("action_2: b", "actions_2: b", "unknown key 'actions_2'"),
        ("action_2: b", "actions_2: b", "did you mean 'action_2'?"),
        ("tact}", "tact, structure: mean, severity: mild}", "did you mean 'means'?"),
        ("tact}", "tact, acting_value: candor}", "did you mean 'candour'?"),
    ],
)
def test_a_scenario_that_is_nearly_right_is_pointed_at(tmp_path, value_set, old, new, problem):
    file = tmp_path / "mine.yaml"
    file.write_text(SCENARIO + SCENARIO.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        read_scenario_file(file, value_set)
    assert f"{file}: line 2, column 3: scenario 2: " in str(raised.value) and problem in str(raised.value)
    with pytest.raises(FileNotFoundError, match=r"did you mean '.*mine\.yaml'"):
        read_scenario_file(tmp_path / "mien.yaml", value_set)


def test_a_table_that_may_not_be_read_is_not_said_to_be_damaged(tmp_path, monkeypatch):
    path = tmp_path / "answers.parquet"

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(table_files.pq, "ParquetFile", refuse)
    path.touch()
    with pytest.raises(PermissionError, match="is there, and you may not read it"):
        table_files.read_table("answers", tmp_path, study="s")
