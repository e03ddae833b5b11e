"""A whole study through papermill, as a user would run it, against a server that knows nothing of the project."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from conflictscope.table_files import read_table, table_path
from conflictscope.tables import TABLES

ROOT = Path(__file__).parents[2]
MODELS = """
models:
  loopback: {{base_url: "http://127.0.0.1:{port}/v1", id: loopback, json_schema: true, concurrency: 8}}
casts:
  loopback:
    author: loopback
    filter_judge: loopback
    simulated_user: loopback
    judge: loopback
    targets: [loopback]
    embedder: tfidf
"""


@pytest.fixture
def server(project, loopback):
    """A loopback server; the project's models file names it and nothing else."""
    (project / "params" / "models.yaml").write_text(MODELS.format(port=loopback.port), encoding="utf-8")
    return loopback


def only(*numbers):
    """Return the options that run some of the notebooks."""
    names = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [word for name in names if name[:2] in numbers for word in ("--only", name)]


def tables(folder, study):
    return {name: read_table(name, folder, study=study) for name in TABLES if table_path(folder, name).exists()}


def test_a_set_of_ones_own_runs_end_to_end(recorded):
    said = (recorded / "said").read_text(encoding="utf-8")
    assert "7 notebooks ran" in said and "runs/newsroom" in said
    folder = recorded / "runs" / "newsroom"
    there = tables(folder, "newsroom")
    assert set(there) == set(TABLES)
    assert set(there["rankings"]["value"]) == {"accuracy", "speed", "kindness", "openness"}
    assert there["scenarios"].groupby(["value_1", "value_2"]).ngroups == 6
    for ending in ("pdf", "png", "csv"):
        assert (recorded / "figures" / "newsroom" / f"rankings.{ending}").stat().st_size > 0
    for path in folder.glob("*.ipynb"):
        assert "simulated models" in path.read_text(encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["finished"] and manifest["parameters"]["outlines_per_pair"] == 3


def test_a_study_runs_the_same_way_twice_and_outside_the_project_too(recorded, tmp_path, run):
    folder = tmp_path / "again"
    run(recorded, "run", "params/newsroom.yaml", *only("01", "02", "03", "04"), "--out", str(folder), hashes="2")
    again = tables(folder, "newsroom")
    assert "verdicts" in again
    for name in again:
        first = table_path(recorded / "runs" / "newsroom", name)
        assert table_path(folder, name).read_bytes() == first.read_bytes(), name


def test_a_killed_run_goes_on_asks_nothing_twice_and_ends_in_the_same_tables(project, server, run, start_python):
    file = project / "params" / "mine.yaml"
    file.write_text(
        "value_set: hhh\ncast: loopback\noutlines_per_pair: 12\nfiltered: false\n"
        "target_rankings: [reverse_of_default]\n",
        encoding="utf-8",
    )
    asking = only("01", "02", "03", "04")
    run(project, "run", str(file), *asking, "--out", str(project / "whole"))
    whole = server()
    assert whole["total"] == whole["distinct"]

    # killed twice: while scenarios are written, and among the checks
    for share in (0.05, 0.5):
        words = ["-m", "conflictscope", "run", str(file), *asking]
        if share == 0.05:
            # started as a user would: a kernel that is forked here does not see for itself that its parent is gone
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen([sys.executable, *words], cwd=project, **quiet)
        else:
            process = start_python(words, cwd=project)
        goal = whole["total"] * (1 + share)
        while server()["total"] < goal and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # the kernel notices that its parent is gone and ends by itself
        before = -1
        while before != (before := server()["total"]):
            time.sleep(1.5)
    run(project, "run", str(file), *asking)
    counts = pd.Series(server("count"))
    assert len(counts) == whole["distinct"]
    # each body once for the whole run and once for the interrupted one, but for the calls that were on the wire, or
    # answered and not yet in the store, at the moment of a kill: at most so many as are in flight, each
    assert (counts >= 2).all()
    assert (counts - 2).sum() <= 2 * (8 + 8)
    for name, table in tables(project / "whole", "mine").items():
        pd.testing.assert_frame_equal(table, read_table(name, project / "runs" / "mine", study="mine"), obj=name)

    asked = server()["total"]
    run(project, "run", str(file), *only("02"), "--set", "replay=true")
    assert server()["total"] == asked


def test_an_endpoint_that_is_down_is_said_and_what_was_paid_for_stays(project, server, run, run_python):
    file = project / "params" / "mine.yaml"
    file.write_text("value_set: hhh\ncast: loopback\noutlines_per_pair: 8\n", encoding="utf-8")
    run(project, "run", str(file), "--only", "01_generate_scenarios")
    # nothing listens on the discard port
    (project / "params" / "models.yaml").write_text(MODELS.format(port=9), encoding="utf-8")
    done = run_python("-m", "conflictscope", "run", str(file), "--only", "02_filter_scenarios", cwd=project)
    assert done.returncode == 1
    assert "02_filter_scenarios, cell" in done.stderr
    assert "'loopback' at http://127.0.0.1:9/v1" in done.stderr and "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert table_path(project / "runs" / "mine", "scenarios").exists()
    assert os.path.getsize(project / "runs" / "mine" / "calls.sqlite") > 0
