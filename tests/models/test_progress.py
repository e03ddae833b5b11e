import io
import json

import pytest

from conflictscope.models.progress import PROGRESS_FILE, Silent, open_progress


@pytest.fixture(autouse=True)
def nobody_watches(monkeypatch):
    for name in (PROGRESS_FILE, "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr", io.StringIO())


def test_reports_go_to_the_runner(tmp_path, monkeypatch):
    path = tmp_path / "progress"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    progress = open_progress("checks", 1000, lambda: "$1.00 spent")
    for _ in range(1000):
        progress.advance()
    progress.close()
    reports = [json.loads(line) for line in path.read_text().splitlines()]
    assert reports[0] == {"label": "checks", "done": 1, "total": 1000, "note": "$1.00 spent"}
    assert reports[-1] == {"label": "checks", "done": 1000, "total": 1000, "note": "$1.00 spent"}
    assert len(reports) < 100


def test_an_executed_notebook_holds_no_residue(capsys):
    progress = open_progress("checks", 3, lambda: "$1.00 spent")
    progress.advance(3)
    progress.close()
    assert isinstance(progress, Silent)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    progress = open_progress("checks", 3, lambda: "$1.00 spent")
    progress.advance(3)
    progress.close()
    assert "checks" in terminal.getvalue() and "$1.00 spent" in terminal.getvalue()
