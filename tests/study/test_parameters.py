"""Parameter files: resolved, checked against what the notebooks declare, refused with file, key, found, expected."""

from pathlib import Path

import pytest

from conflictscope.study.parameters import declared_parameters, load_parameters, numbered_notebooks

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(
    p for p in (ROOT / "params").rglob("*.yaml") if p.parent.name != "value_sets" and p.name != "models.yaml"
)


def write(project, text, name="mine.yaml"):
    path = project / "params" / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_file_resolves(file):
    parameters = load_parameters(file)
    assert set(parameters.notebooks) == {path.stem for path in numbered_notebooks(ROOT)}
    for name, declared in parameters.notebooks.items():
        assert set(parameters.of(name)) == set(declared)


def test_the_notebooks_defaults_are_the_demo():
    parameters = load_parameters(ROOT / "params" / "hhh.yaml")
    for path in numbered_notebooks(ROOT):
        for name, declared in declared_parameters(path).items():
            assert parameters.values[name] == declared.default, f"{path.name}: {name}"


def test_every_declared_parameter_is_typed_and_explained():
    for path in numbered_notebooks(ROOT):
        for name, declared in declared_parameters(path).items():
            assert declared.type in {"str", "int", "float", "bool", "list", "dict"}, f"{path.name}: {name}"
            assert declared.help, f"{path.name}: {name} has no trailing comment"


def test_a_parameter_means_the_same_in_every_notebook():
    seen = {}
    for path in numbered_notebooks(ROOT):
        for name, declared in declared_parameters(path).items():
            default = seen.setdefault(name, (declared.type, declared.default))
            assert default == (declared.type, declared.default), f"{path.name}: {name}"


def test_file_over_cast_and_setting_over_file(project):
    path = write(project, "value_set: hhh\ncast: simulated\noutlines_per_pair: 5\njudge: simulated/user")
    parameters = load_parameters(path, settings=["outlines_per_pair=2", "targets=[simulated/steady]"])
    assert parameters.values["outlines_per_pair"] == 2
    assert parameters.values["judge"] == "simulated/user"
    assert parameters.values["author"] == "simulated/author"
    assert parameters.values["targets"] == ["simulated/steady"]


def test_paths_are_relative_to_the_notebooks(project):
    path = write(project, "value_set: hhh")
    values = load_parameters(path).values
    assert values["study"] == "mine"
    assert values["run_folder"] == "../runs/mine"
    assert values["figures_folder"] == "../figures/mine"
    elsewhere = load_parameters(path, out=project / "elsewhere")
    assert elsewhere.path("run_folder") == (project / "elsewhere").resolve()
    assert elsewhere.path("figures_folder") == (project / "elsewhere" / "figures").resolve()


def test_a_value_set_may_be_a_path_beside_the_file(project):
    write(project, '{"candour": "say what is so", "tact": "spare feelings"}', "own.json")
    parameters = load_parameters(write(project, "value_set: own.json"))
    assert parameters.path("value_set") == (project / "params" / "own.json").resolve()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("value_set: hhh\nscenarios_per_pear: 3", r"unknown key 'scenarios_per_pear'; expected one of \['cast'"),
        ("value_set: hhh\noutlines_per_pair: three", "outlines_per_pair: found 'three'; expected int"),
        ("value_set: hhh\noutlines_per_pair: true", "outlines_per_pair: found True; expected int"),
        ("value_set: hhh\noutlines_per_pair:", "outlines_per_pair: found None; expected int"),
        ("value_set: hhh\nreplay: 1", "replay: found 1; expected bool"),
        ("value_set: hhh\ntargets: simulated/steady", "targets: found 'simulated/steady'; expected list"),
        ("value_set: hhh\nrun_folder: /tmp/x", "run_folder is set by the runner"),
        ("value_set: hhh\nstudy: ../../elsewhere", r"study: found '\.\./\.\./elsewhere'"),
        ("value_set: hhh\nstudy: ..", r"study: found '\.\.'"),
        ("value_set: hhh\ncast: nobody", "'nobody'"),
        ("value_set: 3", "value_set: found 3"),
        ("value_set: hhh\nvalue_set: modelspec", "repeated keys"),
    ],
)
def test_what_is_wrong_is_said(project, text, complaint):
    path = write(project, text)
    with pytest.raises(ValueError, match=complaint):
        load_parameters(path)


def test_missing_files_are_named_with_what_there_is(project):
    with pytest.raises(FileNotFoundError, match=r"nothing.yaml is not there"):
        load_parameters(project / "params" / "nothing.yaml")
    with pytest.raises(FileNotFoundError, match=r"'virtues'.*expected one of \['hhh'"):
        load_parameters(write(project, "value_set: virtues"))


def test_a_setting_without_a_value_is_refused(project):
    with pytest.raises(ValueError, match="--set seed: expected key=value"):
        load_parameters(write(project, "value_set: hhh"), settings=["seed"])
