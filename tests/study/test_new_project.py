"""A project's folder outside a checkout: made from what is shipped, never over what is there."""

import tomllib
from pathlib import Path

import pytest

import conflictscope
from conflictscope.study import new_project
from conflictscope.study.new_project import PARTS, make_project, shipped_project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(run_python):
    """Return a function: a folder, and what is typed after ``conflictscope`` there → what came of it."""
    return lambda cwd, *words: run_python("-m", "conflictscope", *words, cwd=cwd)


def test_a_project_is_made_and_its_study_can_be_planned(tmp_path, command):
    done = command(tmp_path, "new", "mine")
    assert done.returncode == 0, done.stderr
    assert "cd mine && conflictscope run params/hhh.yaml" in done.stdout
    for part in PARTS:
        ours = {path.relative_to(ROOT): path.read_bytes() for path in (ROOT / part).rglob("*.*") if path.is_file()}
        for path, content in ours.items():
            if ".ipynb_checkpoints" not in path.parts:
                assert (tmp_path / "mine" / path).read_bytes() == content
    assert not list((tmp_path / "mine").rglob(".*"))
    planned = command(tmp_path / "mine", "plan", "params/hhh.yaml")
    assert planned.returncode == 0 and "At most" in planned.stdout


@pytest.mark.parametrize("there", ["a file in it", "a file"])
def test_nothing_is_written_over(tmp_path, there, command):
    place = tmp_path / "mine"
    if there == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    done = command(tmp_path, "new", "mine")
    assert done.returncode == 1 and "mine is there, and not empty" in done.stderr and "Traceback" not in done.stderr
    assert not (place / "notebooks").exists()


def test_an_empty_folder_will_do(tmp_path):
    assert make_project(tmp_path) == tmp_path and (tmp_path / "notebooks" / "01_generate_scenarios.ipynb").exists()


def test_replies_and_probes_beside_the_shipped_parameters_stay_where_they_are(tmp_path, monkeypatch):
    shipped = make_project(tmp_path / "checkout")
    for name in ("value_sets/constitution.calls.sqlite", "value_sets/constitution.calls.sqlite-wal", "probes.json"):
        (shipped / "params" / name).write_text("mine")
    monkeypatch.setattr(new_project, "shipped_project", lambda: shipped)
    made = make_project(tmp_path / "new") / "params"
    assert (made / "models.yaml").exists() and not list(made.rglob("*.sqlite*")) + list(made.rglob("probes.json"))


def test_a_wheel_holds_them_where_they_are_looked_for(tmp_path, monkeypatch):
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert told["targets"]["wheel"]["force-include"] == {part: f"conflictscope/project/{part}" for part in PARTS}
    assert {f"/{part}" for part in PARTS} <= set(told["targets"]["sdist"]["include"])
    # in a checkout they are at its top
    assert shipped_project() == ROOT
    (tmp_path / "conflictscope" / "project").mkdir(parents=True)
    monkeypatch.setattr(conflictscope, "__file__", str(tmp_path / "conflictscope" / "__init__.py"))
    assert shipped_project() == tmp_path / "conflictscope" / "project"


def test_outside_any_project_it_is_said_how_to_make_one(tmp_path, command):
    done = command(tmp_path, "run", "params/hhh.yaml")
    assert done.returncode == 1 and "`conflictscope new FOLDER` makes one" in done.stderr
    assert "Traceback" not in done.stderr


def test_plain_papermill_outside_a_project_says_why_it_does_not_run(tmp_path, run_python):
    notebook = ROOT / "notebooks" / "05_rank_values.ipynb"
    done = run_python("-m", "papermill", "--no-progress-bar", notebook, tmp_path / "out.ipynb", cwd=tmp_path)
    assert done.returncode != 0
    assert "go into the project's folder, name the study's folder in full" in done.stderr
