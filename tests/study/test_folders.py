"""Folders as they come: from strangers, with links in them; read-only; under names that mean something elsewhere."""

import json
import os
import shutil
import sqlite3
import sys
import zipfile

import pytest

from conflictscope.browse.labels import Label, now, read_labels, write_label
from conflictscope.models.store import CallStore, store_url, summarise_store
from conflictscope.study import command_line, open_run, start_run
from conflictscope.study.parameters import load_parameters
from conflictscope.study.provenance import read_manifest, restore_run
from conflictscope.study.runner import _run_notebook
from conflictscope.study.running import alone_in
from conflictscope.table_files import read_table, table_path, write_table

BEGIN = {"study": "mine", "value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml"}
BROWSE = """
import sys
from conflictscope import browse
from conflictscope.study import open_run, show_table
run = open_run(sys.argv[1])
archive = browse.open_archive(run.folder, study=run.study, source=run.source(run.read("answers")["target"].tolist()))
assert browse.ResponseBrowser(archive, browse.Labelling(archive, run.folder, "me")).view.html
assert browse.ScenarioBrowser(archive).view.html
sample = browse.sample_conversations(archive, 4, seed=0)
assert browse.Annotator(archive, sample, run.folder, "me", seed=0).widget.html
"""


# gives up what lets root write where nobody may: the second bit of each set, in the third version of the calls
AS_NOBODY = """
import ctypes, os
if os.geteuid() == 0:
    system, version, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(version, sets) == 0
    sets[:3] = [bits & ~2 for bits in sets[:3]]
    assert system.capset(version, sets) == 0
"""
COMMAND = "from conflictscope.study.command_line import main; main()"


@pytest.fixture
def call(run_python):
    """Return a function: folder, text of a program, its words → what it came to without the rights of root."""
    return lambda folder, program, *words: run_python("-c", AS_NOBODY + program, *words, cwd=folder)


@pytest.fixture
def conflictscope(call):
    """Return a function: folder, words of the command line → what came of it without the rights of root."""
    return lambda folder, *words: call(folder, COMMAND, *words)


@pytest.fixture
def sealed(finished):
    """A study that has run, in a project in which nothing may be written."""
    replies = finished / "runs" / "newsroom" / "calls.sqlite"
    before = {path: path.stat().st_mode for path in [finished, *finished.rglob("*")] if not path.is_symlink()}
    for path, mode in before.items():
        path.chmod(mode & ~0o222)
    content = replies.read_bytes()
    yield finished
    assert replies.read_bytes() == content
    for path, mode in before.items():
        path.chmod(mode)
    assert set(before) == {finished, *finished.rglob("*")}


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by a call of Linux")
def test_status_bundle_export_and_browsing_only_read(sealed, tmp_path, call, conflictscope):
    assert call(sealed, "open('runs/newsroom/x', 'w')").returncode
    out = tmp_path / "out"
    said = conflictscope(sealed, "status", "runs/newsroom")
    assert said.returncode == 0 and "up to date" in said.stdout, said.stderr[-2000:]
    packed = conflictscope(sealed, "bundle", "runs/newsroom", "--out", str(out / "x.zip"))
    assert packed.returncode == 0, packed.stderr[-2000:]
    with zipfile.ZipFile(out / "x.zip") as bundle:
        assert bundle.read("calls.jsonl").count(b'"replies"') > 100
    exported = conflictscope(sealed, "export", "runs/newsroom", "--to", str(out / "shared"))
    assert exported.returncode == 0 and (out / "shared" / "choices.parquet").exists(), exported.stderr[-2000:]
    browsed = call(sealed, BROWSE, "runs/newsroom")
    assert browsed.returncode == 0, browsed.stderr[-2000:]
    # what does write says where it may not
    refused = conflictscope(sealed, "bundle", "runs/newsroom")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "newsroom.bundle.zip was not written: Permission denied" in refused.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by a call of Linux")
def test_replies_of_a_run_that_was_killed_are_read_where_nothing_may_be_written(tmp_path, call):
    folder = tmp_path / "run"
    folder.mkdir()
    script = (
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom conflictscope.models.requests import RawReply\n"
        "from conflictscope.models.store import CallStore\n"
        "store = CallStore(Path(sys.argv[1]))\nreply = RawReply(None, 'A', None, 'stop', 1, 1, None, 0.1)\n"
        "asyncio.run(store.add('k', reply, model='m', prompt='p', prompt_hash='h', request='{}'))\nos._exit(0)"
    )
    assert call(tmp_path, script, folder / "calls.sqlite").returncode == 0
    waiting = folder / "calls.sqlite-wal"
    assert waiting.stat().st_size
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555)
    count = (
        "import sys\nfrom pathlib import Path\nfrom conflictscope.models.store import summarise_store\n"
        "print(summarise_store(Path(sys.argv[1]))['replies'].sum())"
    )
    assert call(tmp_path, count, folder / "calls.sqlite").stdout == "1\n"
    folder.chmod(0o755)


def test_a_path_means_itself_whatever_marks_it_holds(recorded, tmp_path, conflictscope):
    project = shutil.copytree(recorded, tmp_path / "a?b%41#c=d {seed}")
    replies = summarise_store(project / "runs" / "newsroom" / "calls.sqlite")["replies"].sum()
    said = conflictscope(project, "status", "params/newsroom.yaml")
    assert said.returncode == 0 and f"{replies:,} replies in the call store" in said.stdout, said.stderr[-2000:]
    packed = conflictscope(project, "bundle", "runs/newsroom")
    assert packed.returncode == 0, packed.stderr[-2000:]
    with zipfile.ZipFile(project / "runs" / "newsroom.bundle.zip") as bundle:
        assert bundle.read("calls.jsonl").count(b'["replies", ') == replies
    out = "runs/o?x {author} %41#1"
    words = ("run", "params/newsroom.yaml", "--only", "01_generate_scenarios", "--set", "outlines_per_pair=1")
    ran = conflictscope(project, *words, "--out", out)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert {"calls.sqlite", "01_generate_scenarios.ipynb", "scenarios.parquet"} <= set(os.listdir(project / out))
    assert sorted(os.listdir(project / "runs")) == sorted(
        ["newsroom", "newsroom.bundle.zip", out.removeprefix("runs/")]
    )


@pytest.fixture
def inside(project, monkeypatch):
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def elsewhere(tmp_path):
    """A file that is not the study's."""
    file = tmp_path / "elsewhere"
    file.write_text("as it was\n")
    yield file
    assert file.read_text() == "as it was\n"


def test_nothing_is_written_through_a_link(inside, elsewhere):
    folder = inside / "runs" / "mine"
    (folder / "labels").mkdir(parents=True)
    for name in (".running", ".running.pid", "manifest.json", "ledger.json", "03_multiple_choice.ipynb"):
        (folder / name).symlink_to(elsewhere)
    (folder / "labels" / "me.jsonl").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"\.running is a link; delete it"), alone_in(folder):
        pass
    (folder / ".running").unlink()
    with alone_in(folder):
        assert not (folder / ".running.pid").is_symlink()
    parameters = load_parameters(inside / "params" / "hhh.yaml")
    with pytest.raises(ValueError, match=r"03_multiple_choice\.ipynb is a link; delete it"):
        _run_notebook(parameters, "03_multiple_choice", folder)
    label = Label("s", "check", "me", "yes", now(), check="realistic")
    with pytest.raises(ValueError, match=r"me\.jsonl is a link; delete it"):
        write_label(label, folder)
    (folder / "labels" / "me.jsonl").unlink()
    (folder / "labels" / ".me.lock").unlink(missing_ok=True)
    (folder / "labels" / ".me.lock").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"\.me\.lock is a link; delete it"):
        write_label(label, folder)


def test_a_folder_of_labels_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "labels").symlink_to("other")
    with pytest.raises(ValueError, match="labels is a link; delete it"):
        write_label(Label("s", "check", "me", "yes", now(), check="realistic"), tmp_path)
    assert not os.listdir(tmp_path / "other")


def test_a_table_and_a_manifest_take_the_place_of_a_link(inside, elsewhere, recorded):
    frame = read_table("answers", recorded / "runs" / "newsroom", study="newsroom")
    folder = inside / "runs" / "mine"
    folder.mkdir(parents=True)
    table_path(folder, "answers").symlink_to(elsewhere)
    write_table(frame, "answers", folder, study="mine")
    assert not table_path(folder, "answers").is_symlink()
    start_run(folder, BEGIN)
    assert not (folder / "manifest.json").is_symlink()


@pytest.mark.parametrize("beside", ["", "-wal", "-shm", "-journal"])
def test_a_call_store_that_is_a_link_is_refused(inside, elsewhere, beside):
    start_run("runs/mine", BEGIN)
    (inside / "runs" / "mine" / f"calls.sqlite{beside}").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"calls\.sqlite.* is a link; delete it"):
        open_run("runs/mine")


def test_another_program_s_database_is_left_alone(inside, tmp_path):
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE accounts (name TEXT)")
    database.close()
    before = other.read_bytes()
    run = start_run("runs/mine", BEGIN | {"call_store": f"sqlite:///{other}"})
    assert other.read_bytes() == before
    with pytest.raises(ValueError, match=r"is a database of something else, with the tables \['accounts'\]"):
        assert run.models
    with pytest.raises(ValueError, match="is a database of something else"):
        CallStore(store_url(other))
    assert other.read_bytes() == before


def test_an_earlier_manifest_is_read_from_where_it_was_written(finished, conflictscope):
    file = finished / "runs" / "newsroom" / "manifest.json"
    manifest = json.loads(file.read_text())
    told = manifest["parameters"]
    for name in ("value_set", "models_file", "figures_folder", "run_folder"):
        told[name] = f"../{told[name]}"
    file.write_text(json.dumps(manifest))
    parameters, _ = restore_run(finished / "runs" / "newsroom", finished)
    assert parameters.path("models_file") == (finished / "params" / "models.yaml").resolve()
    assert parameters.path("figures_folder") == (finished / "figures" / "newsroom").resolve()
    packed = conflictscope(finished, "bundle", "runs/newsroom")
    assert packed.returncode == 0, packed.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["parameters"].pop("value_set"), r"manifest\.json: found no \['value_set'\]"),
        (lambda m: m["parameters"].update(models_file=7), r"found no \['models_file'\]"),
        (lambda m: m["parameters"].update(value_set="params/gone.yaml"), r"value_set: .*gone\.yaml is not there"),
        (lambda m: m["parameters"].update(judge=["x"]), "judge: found .*expected text"),
        (lambda m: m.pop("packages"), r"found no \['packages'\] of this version's form"),
        (lambda m: m.update(study=["x"]), r"found no \['study'\] of this version's form"),
        (lambda m: m.update(study="../x"), "study: found"),
    ],
)
def test_a_manifest_of_another_form_is_refused_in_words(finished, change, said):
    folder = finished / "runs" / "newsroom"
    manifest = read_manifest(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        restore_run(folder, finished)


def test_a_bundle_without_its_replies_is_none(finished, conflictscope):
    store = finished / "runs" / "newsroom" / "calls.sqlite"
    with sqlite3.connect(store) as database:
        database.execute("DELETE FROM replies WHERE prompt = 'judge'")
    database.close()
    for empty in (False, True):
        if empty:
            store.unlink()
        packed = conflictscope(finished, "bundle", "runs/newsroom")
        assert packed.returncode == 1 and "expected" in packed.stderr and "Put the call store back" in packed.stderr
        assert not (finished / "runs" / "newsroom.bundle.zip").exists()


def test_labels_of_another_form_are_refused_in_words(tmp_path):
    (tmp_path / "labels").mkdir()
    whole = {"scenario_id": "s", "kind": "check", "annotator": "me", "answer": "yes", "labelled_at": now()}
    whole["check"] = "realistic"
    for line in (
        *("7", "[]", "x", "[" * 100_000, '{"a": 1}', "\ud800"),
        *(json.dumps(whole | {name: value}) for name in whole for value in (None, 7, ["x"], {"x": 1})),
        *(json.dumps(whole | {name: value}) for name in ("target", "arm", "about_value") for value in (7, ["x"])),
        *(json.dumps(whole | {"repetition": value}) for value in ("x", 1.5, ["x"], True)),
    ):
        (tmp_path / "labels" / "me.jsonl").write_text(line, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(ValueError, match=r"me\.jsonl, line 1: no label"):
            read_labels(tmp_path)


def test_a_damaged_store_is_said_by_every_command_and_what_can_be_read_is_saved(finished, conflictscope):
    folder = finished / "runs" / "newsroom"
    store = folder / "calls.sqlite"
    whole = store.read_bytes()
    store.write_bytes(whole[: len(whole) * 3 // 4])
    for words in (
        ("run", "params/newsroom.yaml", "--only", "03_multiple_choice"),
        ("status", "params/newsroom.yaml"),
        ("bundle", "runs/newsroom"),
    ):
        said = conflictscope(finished, *words)
        assert said.returncode == 1 and "Traceback" not in said.stderr, said.stderr[-2000:]
        assert "`conflictscope rescue RUN_FOLDER` saves what can be read" in said.stderr, words
    said = conflictscope(finished, "rescue", "runs/newsroom")
    assert said.returncode == 0 and "of runs/newsroom/calls.sqlite could be read" in said.stdout, said.stderr[-2000:]
    store.unlink()
    (folder / "calls.rescued.sqlite").rename(store)
    said = conflictscope(finished, "status", "params/newsroom.yaml")
    assert said.returncode == 0 and "replies in the call store" in said.stdout, said.stderr[-2000:]
    # and it is no more than was there
    assert 0 < summarise_store(store)["replies"].sum() < read_counted(folder)


def read_counted(folder):
    """Return how many replies a study's manifest has counted."""
    return sum(row["replies"] for row in read_manifest(folder)["calls"])


def test_an_endpoint_s_words_do_not_speak_to_the_terminal(capsys):
    command_line._say("Error code: 400 - \x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\r\u202egone\u202c", err=True)
    said = capsys.readouterr().err
    assert said == "Error code: 400 - \\x1b]0;title\\x07\\x1b[2Jred\\r\\u202egone\\u202c\n"


def test_what_the_system_says_of_a_file_names_it_and_what_to_do(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["conflictscope", "new", str(tmp_path / "file" / "mine")])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1 and f"{tmp_path / 'file'}" in said and "Once this is mended, do the same again" in said
    assert "Errno" not in said
