"""Parameters: one typed model, which the notebooks' cells repeat; files resolved, or refused with key and reason."""

import json
from pathlib import Path

import papermill
import pytest
import yaml

from conflictscope.study.parameters import (
    Parameters,
    check_parameters,
    declared_parameters,
    load_parameters,
    numbered_notebooks,
    restore_parameters,
)

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(
    p for p in (ROOT / "params").rglob("*.yaml") if p.parent.name != "value_sets" and p.name != "models.yaml"
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# what a notebook beside the pipeline sets otherwise than the study does: default, or meaning
OWN = {
    "annotate": {"run_folder"},
    "before_and_after": {"run_folder", "seed"},
    "browse_responses": {"run_folder"},
    "browse_scenarios": {"run_folder"},
    "compare_datasets": {"study", "run_folder", "value_set", "targets", "budget_usd", "seed"},
    "compare_judges": {"run_folder", "further_judges", "budget_usd", "seed"},
    "constitution": {"figures_folder", "seed"},
    "recover_known_rankings": {"figures_folder", "level", "seed"},
    "validate_judges": {"run_folder", "budget_usd", "seed"},
    "04_open_ended": {"repetitions"},
}


def write(project, text, name="mine.yaml"):
    path = project / "params" / name
    path.write_text(text, encoding="utf-8")
    return path


def cell_of(path):
    """Return name → (type, default, comment) of a notebook's parameters cell, as papermill reads it."""
    words = {"None": "null", "True": "true", "False": "false"}
    return {
        name: (cell["inferred_type_name"], yaml.safe_load(words.get(cell["default"], cell["default"])), cell["help"])
        for name, cell in papermill.inspect_notebook(str(path)).items()
    }


def as_in_a_cell(name):
    """Return type, default and comment of a parameter as the model has them."""
    field = Parameters.model_fields[name]
    schema = Parameters.model_json_schema()["properties"][name]
    kind = (schema.get("anyOf") or [schema])[0]["type"]
    types = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list"}
    return types[kind], field.default, field.description


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebooks_cell_is_as_the_model_says(path):
    cell = cell_of(path)
    assert tuple(cell) == declared_parameters(path)
    numbered = path.stem[:2].isdigit()
    for name, (kind, default, comment) in cell.items():
        assert kind and comment, f"{name} has no type or no trailing comment"
        if not numbered and name not in Parameters.model_fields:
            continue
        wanted = as_in_a_cell(name)
        assert kind == wanted[0], name
        if name not in OWN.get(path.stem, ()):
            assert (default, comment) == wanted[1:], name
        if name != "study":
            check_parameters({name: default}, path.name)


def test_every_parameter_is_taken_by_a_notebook():
    taken = {name for path in numbered_notebooks(ROOT) for name in declared_parameters(path)}
    # where figures go is in the manifest
    assert taken == set(Parameters.model_fields) - {"figures_folder"}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_file_resolves(file):
    parameters = load_parameters(file)
    assert set(parameters.notebooks) == {path.stem for path in numbered_notebooks(ROOT)}
    for name, declared in parameters.notebooks.items():
        assert set(parameters.of(name)) == set(declared)
    assert not parameters.notes
    json.dumps(parameters.values, allow_nan=False)


def test_the_defaults_are_the_demo():
    assert load_parameters(ROOT / "params" / "hhh.yaml").values == Parameters().model_dump()


def test_file_over_cast_and_setting_over_file(project):
    path = write(project, "value_set: hhh\ncast: simulated\noutlines_per_pair: 5\njudge: simulated/user")
    parameters = load_parameters(path, settings=["outlines_per_pair=2", "targets=[simulated/steady]"])
    assert parameters.values["outlines_per_pair"] == 2
    assert parameters.values["judge"] == "simulated/user"
    assert parameters.values["author"] == "simulated/author"
    assert parameters.values["targets"] == ["simulated/steady"]


def test_paths_are_from_the_projects_folder(project):
    path = write(project, "value_set: hhh")
    parameters = load_parameters(path)
    assert parameters.study == parameters.values["study"] == "mine"
    assert parameters.values["run_folder"] == "runs/mine"
    assert parameters.values["figures_folder"] == "figures/mine"
    assert parameters.values["value_set"] == "params/value_sets/hhh.yaml"
    assert parameters.path("value_set") == (project / "params" / "value_sets" / "hhh.yaml").resolve()
    inside = load_parameters(path, out=project / "elsewhere")
    assert inside.values["run_folder"] == "elsewhere" and inside.values["figures_folder"] == "elsewhere/figures"
    outside = load_parameters(path, settings=["earlier_runs=[runs/x]"], out=project.parent / "elsewhere")
    assert outside.values["run_folder"] == str((project.parent / "elsewhere").resolve())
    # what is executed there has no project at or above it
    assert outside.values["value_set"] == str((project / "params" / "value_sets" / "hhh.yaml").resolve())
    assert outside.values["earlier_runs"] == [str((project / "runs" / "x").resolve())]
    assert outside.values["prompts_folder"] == ""
    assert outside.path("figures_folder") == (project.parent / "elsewhere" / "figures").resolve()


def test_a_value_set_may_be_a_path_beside_the_file(project):
    write(project, '{"candour": "say what is so", "tact": "spare feelings"}', "own.json")
    parameters = load_parameters(write(project, "value_set: own.json"))
    assert parameters.path("value_set") == (project / "params" / "own.json").resolve()


def test_an_earlier_name_is_taken_and_said(project):
    path = write(project, "value_set: hhh\nscenarios_per_pair: 5\n")
    parameters = load_parameters(path)
    assert parameters.values["outlines_per_pair"] == 5
    assert parameters.notes == (f"{path}: scenarios_per_pair is now called outlines_per_pair",)
    parameters = load_parameters(path, settings=["scenarios_per_pair=7"])
    assert parameters.values["outlines_per_pair"] == 7 and len(parameters.notes) == 2
    with pytest.raises(ValueError, match="scenarios_per_pair: found beside outlines_per_pair"):
        load_parameters(write(project, "outlines_per_pair: 5\nscenarios_per_pair: 5\n"))


REFUSED = [
    (
        "outlines_per_pear: 3",
        r"unknown key 'outlines_per_pear'; expected one of \['abstain', 'author'.*mean 'outlines_per_pair'",
    ),
    ("outlines_per_pair: three", "outlines_per_pair: found 'three'; expected a whole number .outlines asked for"),
    ("outlines_per_pair: true", "outlines_per_pair: found True; expected a whole number"),
    ("outlines_per_pair: 2.0", "outlines_per_pair: found 2.0; expected a whole number"),
    ("outlines_per_pair:", "outlines_per_pair: found None; expected a whole number"),
    ("outlines_per_pair: 0", "outlines_per_pair: found 0; expected at least 1"),
    ("replay: 1", "replay: found 1; expected true or false"),
    ("replay: yes", "replay: found 'yes'; expected true or false"),
    ("targets: simulated/steady", r"targets: found 'simulated/steady'; expected a list"),
    ("outlines_per_pair: 100000000000000000000", "outlines_per_pair: found 1.*; expected at most 1,000,000"),
    ("targets: []", r"targets: found \[\]; expected a list of at least 1"),
    ("targets: [simulated/steady, simulated/steady]", "targets: found .*expected each once"),
    ("targets: [7]", "targets: found 7; expected text"),
    ("run_folder: /tmp/x", "run_folder is set by the runner"),
    ("study: ../../elsewhere", r"study: found '\.\./\.\./elsewhere'; expected letters"),
    ("study: ..", r"study: found '\.\.'"),
    ("cast: nobody", "'nobody'"),
    ("value_set: 3", "value_set: found 3; expected"),
    ("value_set: hhh\nvalue_set: modelspec", "repeated keys"),
    ("level: 95", "level: found 95; expected a number below 1 .coverage of the intervals"),
    ("level: 0", "level: found 0; expected a number above 0"),
    ("level: true", "level: found True; expected a number"),
    ("level: .nan", "level: found '.nan'; expected a number"),
    ("penalty: -1", "penalty: found -1; expected at least 0"),
    ("target_max_tokens: -3", "target_max_tokens: found -3; expected at least 1"),
    ("choice_temperature: -1", "choice_temperature: found -1; expected at least 0"),
    ("user_temperature: 20", "user_temperature: found 20; expected at most 2"),
    ("generation: singlestage", "generation: found 'singlestage'; expected 'two_stage', .*did you mean 'single_stage'"),
    ("domains: [work]", r"domains: found \['work'\]; expected a list of at least 2"),
    ("domains: [work, work]", "domains: found .*expected each once"),
    ("domains: [work, !!binary aGk=]", "found the type '!!binary'"),
    ("earlier_runs: [!!set {'x\";import os;#'}]", "found the type '!!set'"),
    ("steered_conditions: [open-ended]", "steered_conditions: found 'open-ended'; .*did you mean 'open_ended'"),
    ("steered_conditions: [multiple_choice, open-ended]", "found 'open-ended'; expected 'multiple_choice' or"),
    ("steered_conditions: []", "expected a list of at least 1"),
    ("steered_conditions: [open_ended, open_ended]", "expected each once"),
    ("target_rankings: [reverse-of-default]", "found 'reverse-of-default'; .*did you mean 'reverse_of_default'"),
    (
        "target_rankings: [balanced:0]",
        "target_rankings: found 'balanced:0'; expected reverse_of_default, .*balanced:<n>",
    ),
    ("budget_usd: 0", "budget_usd: found 0; expected a number above 0"),
    ("budget_usd: -3", "budget_usd: found -3; expected a number above 0"),
    ("seed: -1", "seed: found -1; expected at least 0"),
    ("resamples: 0", "resamples: found 0; expected at least 1"),
    ("similarity_threshold: 1.5", "similarity_threshold: found 1.5; expected at most 1"),
    ('author: "a\\tb"', "author: found .*expected text without line ends, tabs"),
    ('author: "\\ud800"', "author: found .*expected text without"),
    ("author: ''", "author: found ''; expected text that is not empty"),
    ("author: 2026-01-02\nseed: 2026-01-02", "seed: found '2026-01-02'; expected a whole number"),
    ("seed: 1\n\tlevel: 0.9", "line 2, column 1: a tab"),
    ("scenarios: x.csv\ngeneration: direct", "generation: found 'direct', but scenarios are given"),
]


@pytest.mark.parametrize(("text", "complaint"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_wrong_is_said(project, text, complaint):
    path = write(
        project, text if "value_set" in text else f"value_set: hhh\n{text}".replace("hhh\nseed: 1\n\t", "1\n\t")
    )
    with pytest.raises(ValueError, match=complaint) as problem:
        load_parameters(path)
    assert str(path) in str(problem.value)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("seed", "--set seed: expected key=value, for example"),
        ("=3", "expected key=value"),
        ("level=95", "mine.yaml: --set level=95: level: found 95; expected a number below 1"),
        ("domains=[!!set {'x\";import os;#'}]", "--set .*found the type '!!set'"),
        ("domains=[!!binary aGk=, b]", "found the type '!!binary'"),
        ("domains=[!!python/tuple [1], b]", "found the type"),
        ("author={a: b}", "author: found {'a': 'b'}; expected text"),
        ("domains=[", "--set domains=. cannot be read"),
    ],
)
def test_a_setting_is_checked_like_the_file(project, setting, complaint):
    with pytest.raises(ValueError, match=complaint):
        load_parameters(write(project, "value_set: hhh"), settings=[setting])


def test_all_problems_are_said_at_once(project):
    with pytest.raises(ValueError, match=r"penalty: .*\n.*level: .*\n.*unknown key 'pear'") as problem:
        load_parameters(write(project, "pear: 1\nlevel: 95\npenalty: -1\nvalue_set: hhh"))
    assert str(problem.value).count("mine.yaml: ") == 3
    assert all(f"mine.yaml: line {n}, column 1: " in str(problem.value) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"domains": [{"x"}, "y"]}, "domains: found {'x'}; expected text"),
        ({"domains": ("a", "b")}, "domains: found .*expected a list"),
        ({"author": b"x"}, "author: found b'x'; expected text"),
        ({"level": float("nan")}, "level: found nan; expected"),
        ({"nothing": 1}, "bundle.zip: unknown key 'nothing'"),
        ({"call_store": "postgresql://me:secret@host/db"}, "call_store: expected an address without a password"),
    ],
)
def test_what_a_manifest_or_bundle_holds_is_checked_alike(values, complaint):
    with pytest.raises(ValueError, match=complaint) as problem:
        restore_parameters("hhh", values, ROOT, {"run_folder": ROOT / "runs" / "hhh"}, source="bundle.zip")
    assert "secret" not in str(problem.value)


def test_a_study_that_has_run_is_restored_with_its_places(tmp_path):
    given = {"scenarios_per_pair": 3, "level": 0.9, "run_folder": "elsewhere"}
    parameters = restore_parameters("old", given, ROOT, {"run_folder": tmp_path}, source="manifest.json")
    assert parameters.values["outlines_per_pair"] == 3 and parameters.values["study"] == "old"
    assert parameters.path("run_folder") == tmp_path.resolve()
    with pytest.raises(ValueError, match=r"manifest\.json: study: found '\.\./x'"):
        restore_parameters("../x", {}, ROOT, {}, source="manifest.json")


def test_missing_files_are_named_with_what_there_is(project, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"nothing.yaml is not there"):
        load_parameters(project / "params" / "nothing.yaml")
    with pytest.raises(ValueError, match=r"params is a folder; expected a study's parameter file"):
        load_parameters(project / "params")
    with pytest.raises(FileNotFoundError, match=r"'virtues'.*expected one of \['hhh'"):
        load_parameters(write(project, "value_set: virtues"))
    with pytest.raises(FileNotFoundError, match="did you mean 'modelspec'"):
        load_parameters(write(project, "value_set: model_spec"))
    monkeypatch.chdir(project)
    with pytest.raises(FileNotFoundError, match=r"did you mean 'params/hhh\.yaml'"):
        load_parameters("params/hh.yaml")


def test_a_cell_that_declares_what_the_model_does_not_is_said(project):
    path = project / "notebooks" / "03_multiple_choice.ipynb"
    path.write_text(path.read_text().replace("repetitions: int", "repetition: int"))
    with pytest.raises(ValueError, match=r"03_multiple_choice.*\['repetition'\].*did you mean 'repetitions'"):
        load_parameters(project / "params" / "hhh.yaml")
    path.write_text(path.read_text().replace('"parameters"', '"parameter"'))
    with pytest.raises(ValueError, match="declares no parameters"):
        load_parameters(project / "params" / "hhh.yaml")
