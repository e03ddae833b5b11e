"""A run is opened by its folder alone, from anywhere, and records what was read, asked and written in it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conflictscope import prompts
from conflictscope.models.records import EMBEDDING
from conflictscope.prompts.rendering import FOLDER
from conflictscope.study import open_run, start_run
from conflictscope.study.notebook import TitledTable, show_table
from conflictscope.table_files import read_notes, read_table, table_path

BEGIN = {"study": "mine", "value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml"}


@pytest.fixture
def inside(project, monkeypatch):
    """The project, as working folder; the shipped prompts are in use again when the test ends."""
    monkeypatch.chdir(project)
    yield project
    prompts.use_prompts(None)


def places(folder):
    return json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))


def test_a_folder_says_what_it_is_of_and_is_opened_from_anywhere(inside, tmp_path, monkeypatch):
    started = start_run("runs/mine", BEGIN | {"seed": 3, "author": "simulated/author", "unknown": object()})
    assert started.parameters == BEGIN | {"seed": 3, "author": "simulated/author"}
    assert started.folder == inside / "runs" / "mine" and started.figures_folder == inside / "figures" / "mine"
    told = places("runs/mine")
    assert told["study"] == "mine" and told["parameters"] == {
        **{name: BEGIN[name] for name in ("value_set", "models_file")},
        "figures_folder": "figures/mine",
    }
    for folder in (inside / "runs" / "mine", inside / "params", tmp_path.parent):
        monkeypatch.chdir(folder)
        run = open_run(started.folder)
        assert run.study == "mine" and run.value_set.names == started.value_set.names
        assert run.figures_folder == started.figures_folder
        assert run.path("params/x") == inside / "params" / "x" and run.path("/data/x") == Path("/data/x")
    monkeypatch.chdir(inside / "notebooks")
    assert open_run("runs/mine").folder == started.folder


def test_a_folder_without_a_manifest_says_what_makes_one(inside):
    with pytest.raises(
        FileNotFoundError, match=r"runs/none/manifest.json is not there.*`conflictscope run.*notebook 01"
    ):
        open_run("runs/none")
    assert not (inside / "runs").exists()


def test_outside_any_project_a_relative_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="go into the project's folder"):
        open_run("runs/mine")


def test_figures_of_a_run_elsewhere_stay_with_it(inside, tmp_path):
    assert start_run("runs/other", BEGIN).figures_folder == inside / "runs" / "other" / "figures"
    told = BEGIN | {"figures_folder": "figures/here"}
    assert start_run("runs/third", told).figures_folder == inside / "figures" / "here"
    # the manifest knows, though the cell does not say it again
    assert start_run("runs/third", BEGIN).figures_folder == inside / "figures" / "here"


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"study": "other"}, ValueError, "holds study 'mine'; expected 'other'"),
        ({"value_set": "params/none.yaml"}, FileNotFoundError, "names .*none.yaml, which is not there"),
        ({"models_file": "runs/mine/models.yaml"}, ValueError, "models_file: found .*inside the run's own folder"),
        ({"prompts_folder": "nowhere"}, FileNotFoundError, "nowhere, which is not there"),
        ({"call_store": "nonsense"}, ValueError, "call_store: found no address"),
    ],
)
def test_what_a_folder_may_not_say_is_refused(inside, more, error, said):
    start_run("runs/mine", BEGIN)
    shutil.copy("params/models.yaml", "runs/mine/models.yaml")
    with pytest.raises(error, match=said):
        start_run("runs/mine", BEGIN | more)


def test_a_manifest_that_is_none_is_refused(inside):
    start_run("runs/mine", BEGIN)
    for text, said in (("[]", "is no manifest"), ('{"parameters": {}}', "found no"), ("{", "cannot be read")):
        (inside / "runs" / "mine" / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            open_run("runs/mine")


def test_budget_replay_and_call_store_come_from_the_cell_and_the_manifest(inside):
    run = start_run("runs/mine", BEGIN | {"call_store": "sqlite:///runs/shared.sqlite", "replay": True})
    assert run.models.replay and (inside / "runs" / "shared.sqlite").exists()
    run = open_run("runs/mine", {"budget_usd": 2.5, "replay": False})
    assert not run.models.replay and str(inside / "runs" / "shared.sqlite") in run.models.store.name
    assert run.models._ledger._content()["budget_usd"] == 2.5


def test_names_that_a_notebook_annotates_or_reuses_are_no_parameters(inside, run_python):
    start_run("runs/mine", BEGIN)
    cell = {"seed": 1, "scenarios": pd.DataFrame({"a": [1]}), "BASE": Path("x"), "__annotations__": {"BASE": Path}}
    assert open_run("runs/mine", cell).parameters == {"seed": 1}
    code = (
        "from pathlib import Path\nBASE: Path = Path('runs')\nfrom conflictscope.study import open_run\n"
        "print(open_run(BASE / 'mine', globals()).study)"
    )
    done = run_python("-c", code, cwd=inside)
    assert done.stdout == "mine\n", done.stderr


def test_a_table_records_what_was_read_and_asked_for_it_since_the_last(finished):
    folder = finished / "runs" / "newsroom"
    run = open_run(folder, {"seed": 7, "targets": ["simulated/steady"], "judge": "simulated/judge"})
    kept = run.read("kept_scenarios")
    answers, ratings = (read_table(name, folder, study="newsroom") for name in ("answers", "ratings"))

    def written(frame, name):
        run.write(frame, name)
        return json.loads(read_notes(name, folder)["origin"])

    run.models.asked |= {("simulated/steady", "choose", "aa"), ("simulated/steady", EMBEDDING, "")}
    origin = written(answers, "answers")
    assert origin["prompts"] == {"choose": "aa"} and set(origin["models"]) == {"simulated/steady"}
    assert origin["parameters"] == {"targets": ["simulated/steady"]} and list(origin["tables"]) == ["kept_scenarios"]
    assert set(origin["values"]) == set(run.value_set.names)
    run.models.asked.add(("simulated/steady", "rate", "bb"))
    origin = written(ratings, "ratings")
    assert origin["prompts"] == {"rate": "bb"} and set(origin["tables"]) == {"kept_scenarios", "answers"}
    # a cell that is run again is made from no later table, and from what had been asked for it
    origin = written(answers, "answers")
    assert list(origin["tables"]) == ["kept_scenarios"] and origin["prompts"] == {"choose": "aa"}
    # under steering the system prompts went along
    run.models.asked.add(("simulated/steady", "choose", "aa"))
    steered = read_table("steered_answers", folder, study="newsroom")
    assert set(written(steered, "steered_answers")["prompts"]) == {"choose", "system_steered", "system_placebo"}
    assert len(kept)


def test_a_study_s_own_prompts_are_asked_and_one_kernel_is_for_one_study(inside):
    (inside / "mine").mkdir()
    text = (FOLDER / "rate.txt").read_text(encoding="utf-8")
    (inside / "mine" / "rate.txt").write_text(f"{text}\nTake your time.\n", encoding="utf-8")
    own = start_run("runs/own", BEGIN | {"study": "own", "prompts_folder": "mine"})
    assert prompts.prompts_in_use() == (inside / "mine", "")
    rendered = prompts.render("rate", description="d", action="a")
    assert rendered.messages[-1]["content"].endswith("Take your time.")
    assert rendered.hash == prompts.prompt_hashes(inside / "mine")["rate"] != prompts.prompt_hashes()["rate"]
    start_run("runs/mine", BEGIN)
    assert not prompts.render("rate", description="d", action="a").messages[-1]["content"].endswith("Take your time.")
    outlines = pd.DataFrame(columns=["outline_id"])
    with pytest.raises(ValueError, match=r"own: the prompts in use are those of the project; expected .*/mine"):
        own.write(outlines, "outlines")


def test_an_executed_notebook_runs_again_where_it_is_and_a_plain_one_from_any_folder(finished, tmp_path, run_python):
    def papermill(notebook, out, cwd, *words):
        done = run_python("-m", "papermill", "--no-progress-bar", notebook, out, *words, cwd=cwd)
        assert done.returncode == 0, done.stderr[-3000:]

    folder = finished / "runs" / "newsroom"
    names = ("answers", "ratings")
    before = {name: table_path(folder, name).read_bytes() for name in names}
    for name in names:
        table_path(folder, name).unlink()
    papermill("03_multiple_choice.ipynb", "03_multiple_choice.ipynb", folder)
    assert {name: table_path(folder, name).read_bytes() for name in names} == before
    # outside the project its folder is named in full
    shutil.rmtree(finished / "figures" / "newsroom")
    words = ["-p", "run_folder", folder, "-p", "resamples", 200]
    papermill(finished / "notebooks" / "05_rank_values.ipynb", tmp_path / "out.ipynb", tmp_path, *words)
    assert (finished / "figures" / "newsroom" / "rankings.png").exists()


def test_tables_are_shown_under_a_title_and_escaped():
    frame = pd.DataFrame({"text": ["<script>alert(1)</script>", None], "number": [0.123456, None]})
    shown = show_table(frame, "A <b>title</b>", "simulated models")
    assert isinstance(shown, TitledTable)
    both = shown._repr_mimebundle_()
    assert "<script>" not in both["text/html"] and "A &lt;b&gt;title&lt;/b&gt; · simulated models" in both["text/html"]
    assert both["text/plain"].startswith("A <b>title</b> · simulated models\n") and "0.12" in both["text/plain"]
    assert show_table(frame, "x", "")._repr_mimebundle_()["text/plain"].startswith("x\n")
    chances = show_table(pd.DataFrame({"p_value": [0.0001, 0.25, None], "share": 0.0}), "x", "")
    assert repr(chances).split()[3:7] == ["<", "0.01", "0.0", "0.25"]
    assert (
        ">&lt; 0.01<" in chances._repr_mimebundle_()["text/html"] and ">–<" in chances._repr_mimebundle_()["text/html"]
    )
    order = show_table(pd.DataFrame({"order": ["honesty>kindness"]}), "x", "")._repr_mimebundle_()
    wide = show_table(pd.DataFrame({"strength_<b>_low": [1.0], 7: [2.0]}), "x", "")._repr_mimebundle_()
    assert "strength_<wbr>&lt;b&gt;_<wbr>low" in wide["text/html"] and ">7<" in wide["text/html"]
    assert "honesty&gt;<wbr>kindness" in order["text/html"] and "honesty>kindness" in order["text/plain"]


def test_simulated_models_are_named_as_the_source(inside):
    run = start_run("runs/mine", BEGIN)
    assert run.source(["gpt-4o", "simulated/judge"]) == "simulated models" and run.source(["gpt-4o"]) == ""


def test_a_table_without_a_row_is_a_sentence():
    bundle = show_table(pd.DataFrame(columns=["a"]), "Calls <that> failed", "simulated models")._repr_mimebundle_()
    assert bundle["text/plain"] == "Calls <that> failed · simulated models: none."
    assert (
        "Calls &lt;that&gt; failed · simulated models: none." in bundle["text/html"]
        and "<table" not in bundle["text/html"]
    )
