"""How far a list of requests is, for whoever is watching.

In: a label, counts and a note. Out: lines of JSON for the runner if it asked for them, else a bar in an open
notebook or on a terminal, else nothing: an executed notebook holds no residue of bars.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from tqdm import tqdm
from tqdm.auto import tqdm as notebook_tqdm

PROGRESS_FILE = "CONFLICTSCOPE_PROGRESS"
"""Environment variable that names a file for lines of ``{"label": …, "done": …, "total": …, "note": …}``."""

_SECONDS_BETWEEN_REPORTS = 0.1


class Progress(Protocol):
    """Counts up."""

    def advance(self, count: int = 1) -> None:
        """Count so many more as done."""

    def close(self) -> None:
        """End the count."""


class Silent:
    """Shows nothing."""

    def advance(self, count: int = 1) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Reports:
    """Appends lines to a file, at most about ten a second and one at the end."""

    def __init__(self, label: str, total: int, note: Callable[[], str], path: str):
        self._label, self._total, self._note, self._done = label, total, note, 0
        self._next = 0.0
        # appended unbuffered and a line at a time, so that lines of several writers stay whole
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115

    def advance(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_REPORTS
            self._report()

    def close(self) -> None:
        self._report()
        self._file.close()

    def _report(self) -> None:
        report = {"label": self._label, "done": self._done, "total": self._total, "note": self._note()}
        self._file.write(json.dumps(report).encode() + b"\n")


class _Bar:
    """Draws a bar that goes away when it is done."""

    def __init__(self, label: str, total: int, note: Callable[[], str], draw: type[tqdm]):
        self._bar = draw(total=total, desc=label, unit="call", leave=False)
        self._note = note
        self._next = 0.0
        self._bar.set_postfix_str(note())

    def advance(self, count: int = 1) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_REPORTS
            self._bar.set_postfix_str(self._note(), refresh=False)
        self._bar.update(count)

    def close(self) -> None:
        self._bar.close()


def open_progress(label: str, total: int, note: Callable[[], str]) -> Progress:
    """Return what shows the progress of `total` calls to whoever is watching, if anybody is.

    Parameters
    ----------
    note : callable
        Returns what to say behind the count, such as what has been spent; asked now and then.
    """
    if path := os.environ.get(PROGRESS_FILE):
        return _Reports(label, total, note, path)
    if os.environ.get("JPY_SESSION_NAME"):  # JupyterLab sets it for the kernel of an open notebook
        return _Bar(label, total, note, notebook_tqdm)
    if sys.stderr.isatty():
        return _Bar(label, total, note, tqdm)
    return Silent()
