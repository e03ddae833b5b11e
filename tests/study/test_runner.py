"""Notebooks in order, one run at a time: words for what stops one, nothing lost, nothing paid twice."""

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from conflictscope.study.command_line import BATCHES_EXIT_CODE, BUDGET_EXIT_CODE
from conflictscope.study.parameters import load_parameters
from conflictscope.study.runner import NotebookFailed, run_study
from conflictscope.study.running import alone_in
from conflictscope.table_files import table_path

ROOT = Path(__file__).parents[2]
CONCURRENCY = 4
MODELS = """
models:
  loopback: {{base_url: "http://127.0.0.1:{port}/v1", id: loopback, json_schema: true, concurrency: {concurrency}}}
casts:
  loopback: {{author: loopback, filter_judge: loopback, simulated_user: loopback, judge: loopback, targets: [loopback],
    embedder: tfidf}}
"""
# the stages without the notebooks around them
SCRIPT = """
import asyncio, sys
from conflictscope import scenarios as sc
from conflictscope.study import start_run

async def main(folder):
    places = {"value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml"}
    run = start_run(folder, {"study": "s", **places})
    written, _ = await sc.write_outlines(run.value_set, run.models, "loopback", outlines_per_pair=8)
    marked, _ = await sc.mark_duplicates(written, run.models, embedder="tfidf")
    full, _ = await sc.write_scenarios(run.write(marked, "outlines"), run.value_set, run.models, "loopback")
    run.write(full, "scenarios")
    run.write(await sc.check_scenarios(full, run.value_set, run.models, "loopback", seed=0), "checks")
    await run.close()

asyncio.run(main(sys.argv[1]))
"""
TABLES = ("outlines", "scenarios", "checks")


@pytest.fixture
def asked(project, loopback):
    """A loopback server that the study's models are at; what it has been asked."""
    (project / "params" / "mine.yaml").write_text("value_set: hhh\ncast: loopback\noutlines_per_pair: 64\n")
    (project / "stages.py").write_text(SCRIPT, encoding="utf-8")
    (project / "params" / "models.yaml").write_text(MODELS.format(port=loopback.port, concurrency=CONCURRENCY))
    return loopback


def start_alone(project, *words, **options):
    """Start Python as a user would; a test whose subject are signals or limits of processes wants no forked one."""
    return subprocess.Popen(
        [sys.executable, *words], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.fixture
def start(project, start_python):
    """Return a function that starts Python with some words in the project."""
    return lambda *words: start_python(words, cwd=project)


RUN_01 = ("-m", "conflictscope", "run", "params/mine.yaml", "--only", "01_generate_scenarios")


def paid_twice(asked):
    return sum(asked("count").values()) - len(asked("count"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_told_to_end_does_so_in_order(project, asked, start, number, code, wait_for):
    # one of the two as a user would start it, kernel and all
    process = start_alone(project, *RUN_01) if number == signal.SIGINT else start(*RUN_01)
    wait_for(asked, 20, process)
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == code
    assert f"stopped in 01_generate_scenarios by {number.name}" in said and "same command" in said
    assert "Traceback" not in said
    # the kernel has ended with the run
    stopped_at = asked()["total"]
    time.sleep(1)
    assert asked()["total"] == stopped_at
    manifest = json.loads((project / "runs" / "mine" / "manifest.json").read_text())
    assert not manifest["finished"] and manifest["calls"]

    process = start(*RUN_01)
    assert process.wait(timeout=300) == 0, process.printed()[1][-2000:]
    assert asked()["total"] > stopped_at
    # but for what was on the wire at that moment, and not yet in the store
    assert paid_twice(asked) <= 2 * CONCURRENCY


def test_a_study_that_is_running_is_not_run_a_second_time(project, asked):
    # two runs at once would draw over each other's notebooks, and pay twice for what both have in flight
    (project / "params" / "models.yaml").write_text(MODELS.format(port=9, concurrency=1))
    parameters = load_parameters(project / "params" / "mine.yaml")
    with (
        alone_in(parameters.path("run_folder")),
        pytest.raises(ValueError, match=rf"process {os.getpid()} is running this study"),
    ):
        run_study(parameters)
    with alone_in(parameters.path("run_folder")):
        pass


def test_an_interrupted_cell_asks_no_more_and_goes_on_when_it_is_run_again(project, asked, quiet):
    manager, client = start_new_kernel(extra_arguments=["--IPKernelApp.log_level=ERROR"], cwd=str(project))
    try:
        client.execute_interactive(
            "from conflictscope import scenarios as sc\n"
            "from conflictscope.study import start_run\n"
            'study, value_set, models_file = "s", "params/value_sets/hhh.yaml", "params/models.yaml"\n'
            'run = start_run("runs/s", globals())\n'
            'cell = sc.write_outlines(run.value_set, run.models, "loopback", outlines_per_pair=64, '
            "outlines_per_call=1)",
            timeout=120,
        )
        cell = (
            'written, _ = await sc.write_outlines(run.value_set, run.models, "loopback", outlines_per_pair=64, '
            "outlines_per_call=1)\nlen(written)"
        )
        for _ in range(2):
            before = asked()["total"]
            request = client.execute(cell)
            deadline = time.monotonic() + 60
            while asked()["total"] < before + 15:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            manager.interrupt_kernel()
            answer = client.get_shell_msg(timeout=300)
            while answer["parent_header"].get("msg_id") != request:
                answer = client.get_shell_msg(timeout=300)
            assert answer["content"]["status"] == "error"
            stopped_at = quiet(asked)
            assert stopped_at < 192
        shown = []
        answer = client.execute_interactive(
            cell, timeout=120, output_hook=lambda m: shown.append(m["content"].get("data", {}).get("text/plain"))
        )
        assert answer["content"]["status"] == "ok", answer["content"]
        assert "192" in shown
        assert asked()["distinct"] == 192
        # the kernel lives on, so that what was on the wire is stored; one an interrupt may be lost as it is sent
        assert paid_twice(asked) <= 2
        total = asked()["total"]
        assert client.execute_interactive(cell, timeout=120)["content"]["status"] == "ok"
        assert client.execute_interactive("await run.close()", timeout=300)["content"]["status"] == "ok"
        assert asked()["total"] == total
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("loopback", [["--vary"]], indirect=True)
def test_two_processes_on_one_store_end_in_the_same_tables(project, asked, start):
    (project / "b").mkdir()
    both = [start("stages.py", "a") for _ in range(2)]
    for process in both:
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said[-2000:]
    # each call at most once by each, and by both only where both had it in flight
    assert max(asked("count").values()) <= 2
    # what both had in flight was answered differently, and the reply that is stored is what both go on with
    first = [table_path(project / "a", name).read_bytes() for name in TABLES]
    total = asked()["total"]
    shutil.copy(project / "a" / "calls.sqlite", project / "b" / "calls.sqlite")
    assert start("stages.py", "b").wait(timeout=300) == 0
    assert asked()["total"] == total
    assert [table_path(project / "b", name).read_bytes() for name in TABLES] == first


def test_a_store_copied_from_a_killed_run_goes_on_elsewhere(project, asked, start, wait_for, quiet):
    process = start("stages.py", "here")
    wait_for(asked, 60, process)
    process.kill()
    process.wait(timeout=300)
    killed_at = quiet(asked)
    (project / "there").mkdir()
    for path in (project / "here").glob("calls.sqlite*"):
        if not path.name.endswith("-shm"):
            # the write-ahead log goes along; the file of shared memory is this machine's
            shutil.copy(path, project / "there" / path.name)
    process = start("stages.py", "there")
    assert process.wait(timeout=300) == 0, process.printed()[1][-2000:]
    assert asked()["total"] > killed_at and paid_twice(asked) <= 2 * CONCURRENCY
    assert start("stages.py", "here").wait(timeout=300) == 0
    for name in TABLES:
        assert table_path(project / "here", name).read_bytes() == table_path(project / "there", name).read_bytes()


def test_a_full_disk_is_said_and_loses_nothing(project, asked, start, quiet):
    # no file of the run may grow beyond so much, as on a disk that is full
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (400_000, 400_000))
    full = start_alone(project, *RUN_01, preexec_fn=limit)
    said = full.communicate(timeout=300)[1]
    assert full.returncode == 1, said[-2000:]
    assert "free disk space" in said and "Traceback" not in said, said[-2000:]
    answered = quiet(asked)
    process = start(*RUN_01)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said[-2000:]
    assert asked()["total"] > answered and paid_twice(asked) <= 2 * 2 * CONCURRENCY
    assert (project / "runs" / "mine" / "scenarios.parquet").exists()


def test_a_store_of_another_version_is_refused_with_words(project, asked, start):
    folder = project / "runs" / "mine"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "calls.sqlite") as store:
        store.execute("CREATE TABLE meta (name VARCHAR(64) PRIMARY KEY, value VARCHAR(64))")
        store.execute("INSERT INTO meta VALUES ('schema_version', '99')")
    process = start(*RUN_01)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    assert "schema version 99" in said and "Traceback" not in said
    assert asked()["total"] == 0
    assert os.path.getsize(folder / "calls.sqlite") > 0


FIRST = "01_generate_scenarios"
ENDS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "kernel died",
    # the cells after it may begin before the kernel has ended
    "exit()": "kernel died|stopped before its end",
    "1 / 0": "ZeroDivisionError",
    "raise ValueError('said by an endpoint: ' + chr(27) + ']0;title' + chr(7))": r"endpoint: \\x1b\]0;title\\x07",
    "from tornado.log import gen_log; gen_log.error('plumbing'); print(gone)": "NameError",
}


@pytest.mark.parametrize("source", ENDS)
def test_a_notebook_that_does_not_come_to_its_end_is_said_with_words(project, source, capfd):
    (project / "params" / "mine.yaml").write_text("value_set: hhh\noutlines_per_pair: 8\n")
    path = project / "notebooks" / f"{FIRST}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    # after the parameters and what is imported, before anything is asked
    notebook.cells.insert(4, nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)
    parameters = load_parameters(project / "params" / "mine.yaml")
    with pytest.raises(NotebookFailed, match=ENDS[source]) as failure:
        run_study(parameters, only=[FIRST])
    said = capfd.readouterr().err
    assert FIRST in str(failure.value) and "Traceback" not in said and "plumbing" not in said
    manifest = json.loads((project / "runs" / "mine" / "manifest.json").read_text())
    assert not manifest["finished"]


PRICED = """
models:
  m: {{base_url: "http://127.0.0.1:{port}/v1", id: m, json_schema: true, concurrency: 4, {prices}}}
casts:
  simulated: {{author: m, filter_judge: m, simulated_user: m, judge: m, targets: [m], embedder: tfidf}}
"""


@pytest.fixture
def run_01(project, run_python):
    """Return a function that runs the demo's first notebook in the project, with further options."""
    return partial(run_python, "-m", "conflictscope", "run", "params/hhh.yaml", "--only", FIRST, cwd=project)


def test_a_reached_budget_ends_the_run_with_its_own_code_and_more_goes_on(project, loopback, run_01):
    models = project / "params" / "models.yaml"
    models.write_text(PRICED.format(port=loopback.port, prices="input_price: 10, output_price: 10"), encoding="utf-8")
    folder = project / "runs" / "hhh"

    stopped = run_01("--set", "budget_usd=0.2")
    assert stopped.returncode == BUDGET_EXIT_CODE == 3, stopped.stderr
    assert "01_generate_scenarios, cell" in stopped.stderr and "higher budget_usd" in stopped.stderr
    assert "budget of 0.20 dollars is reached" in stopped.stderr and "Traceback" not in stopped.stderr
    # a bar says what was spent, what is left, and where the study is heading
    assert "spent, $" in stopped.stderr and "left, $" in stopped.stderr and "projected" in stopped.stderr
    # the same words are in the notebook
    notebook = json.loads((folder / "01_generate_scenarios.ipynb").read_text(encoding="utf-8"))
    errors = [out for cell in notebook["cells"] for out in cell.get("outputs", []) if out["output_type"] == "error"]
    assert [error["ename"] for error in errors] == ["BudgetReached"] and "is reached" in errors[0]["evalue"]
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert ledger["budget_reached"] and 0.1 < ledger["spent_usd"] <= 0.2 < ledger["projected_usd"]

    done = run_01("--set", "budget_usd=50")
    assert done.returncode == 0, done.stderr
    counted = loopback()
    assert counted["total"] == counted["distinct"]
    after = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert after["calls"] == counted["total"] > ledger["calls"] and not after["budget_reached"]


@pytest.mark.parametrize("loopback", [["batches.py", "--seconds", "15"]], indirect=True)
def test_a_run_in_batches_is_left_and_gone_on_with(project, loopback, run_01, run):
    prices = "input_price: 9000, output_price: 9000, batch_wait_minutes: 0"
    models = project / "params" / "models.yaml"
    models.write_text(PRICED.format(port=loopback.port, prices=prices), encoding="utf-8")
    done = run_01("--batch")
    assert done.returncode == BATCHES_EXIT_CODE == 4, done.stderr[-2000:]
    assert "Give the same command again later" in done.stderr
    status = run(project, "status", "params/hhh.yaml")
    assert re.search(r"m: \d+ calls in 1 open batch, since 0\.0 h, which may cost [1-9]\d*\.\d\d dollars", status)
    # not in batches, they would be paid twice
    live = run_01()
    assert live.returncode == 4 and "in batches that were handed over before" in live.stderr
    while (done := run_01("--batch")).returncode == 4:
        time.sleep(4)
    assert done.returncode == 0, done.stderr[-2000:]
    books = loopback("books")
    assert books["live"] == 0 and set(books["billed"].values()) == {1}
    assert "open batch" not in run(project, "status", "params/hhh.yaml")


def test_a_price_that_is_unknown_is_said_before_anything_is_asked(project, loopback, run_01):
    models = project / "params" / "models.yaml"
    models.write_text(PRICED.format(port=loopback.port, prices="input_price: 10"), encoding="utf-8")
    refused = run_01("--set", "budget_usd=0.2")
    assert refused.returncode == 1 and "the price of 'm' is unknown" in refused.stderr
    assert loopback()["total"] == 0
