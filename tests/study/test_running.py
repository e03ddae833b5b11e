"""One run at a time; what is going on is seen from another terminal."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from filelock import FileLock

from conflictscope.models.progress import PROGRESS_FILE, open_progress
from conflictscope.study.running import alone_in, describe_running, progress_file


def test_a_run_that_waits_has_its_turn_after_the_first(tmp_path):
    order = []

    def second():
        with alone_in(tmp_path, wait=True):
            order.append("second")

    waiting = threading.Thread(target=second)
    with alone_in(tmp_path):
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".running").symlink_to(precious)
    with pytest.raises(ValueError, match=r"\.running is a link; delete it"), alone_in(folder):
        pass
    with pytest.raises(ValueError, match=r"\.running is a link; delete it"):
        describe_running(folder)
    (folder / ".running").unlink()
    (folder / ".running.pid").symlink_to(precious)
    with alone_in(folder):
        assert (folder / ".running.pid").read_text() == f"{os.getpid()}\n"
    assert precious.read_text() == "mine"


def test_a_holder_that_nobody_knows_is_said(tmp_path):
    (tmp_path / ".running.pid").write_text("<b>not a number</b>")
    with (
        FileLock(tmp_path / ".running"),
        pytest.raises(ValueError, match="process unknown is running"),
        alone_in(tmp_path),
    ):
        pass


def test_where_nothing_runs_nothing_is_said(tmp_path):
    assert describe_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with alone_in(tmp_path):
        pass
    # what a killed run has left
    (tmp_path / ".running.progress").write_text('{"notebook": "03_multiple_choice"}\n')
    assert describe_running(tmp_path) == []


def test_a_run_is_seen_from_another_terminal(project, monkeypatch, run_python):
    folder = project / "runs" / "hhh"
    with alone_in(folder), progress_file(folder, "03_multiple_choice", 3, 7) as path:
        assert describe_running(folder) == [
            f"Running now, process {os.getpid()}: 03_multiple_choice, notebook 3 of 7, for 0 min"
        ]
        monkeypatch.setenv(PROGRESS_FILE, str(path))
        done = open_progress("ratings: a", 4, str)
        done.advance(4)
        done.close()
        step = open_progress("choices: \x1b]0;mine\x07a", 1200, lambda: "$0.10 spent, $4.90 left")
        step.advance(300)
        step.close()
        with path.open("a", encoding="utf-8") as half:
            half.write('{"label": "choi')
        later = datetime.now(UTC) + timedelta(minutes=12)
        running, *steps = describe_running(folder, later)
        assert running.endswith("for 12 min")
        assert steps == ["  choices: \x1b]0;mine\x07a: 300 of 1,200 calls; $0.10 spent, $4.90 left"]
        seen = run_python("-m", "conflictscope", "status", "params/hhh.yaml", cwd=project)
        assert seen.returncode == 0, seen.stderr
        assert "03_multiple_choice, notebook 3 of 7" in seen.stdout and "300 of 1,200 calls" in seen.stdout
        # labels hold names of models, and nothing in them speaks to the terminal
        assert "\x1b" not in seen.stdout and "01_generate_scenarios\n" in seen.stdout
    assert not path.exists() and describe_running(folder) == []


def test_progress_goes_into_no_file_that_a_link_leads_to(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".running.progress").symlink_to(precious)
    with progress_file(tmp_path, "01_generate_scenarios", 1, 7) as path:
        assert json.loads(path.read_text())["notebook"] == "01_generate_scenarios"
    assert precious.read_text() == "mine"
