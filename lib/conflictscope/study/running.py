"""Whether a study is running, and how far it is: one run at a time, seen from any terminal.

In: a study's folder. Out: a lock that a run holds, a file in which it says where it is, and lines for whoever asks.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from conflictscope.files import refuse_link, write_text

_LOCK = ".running"
_HOLDER = f"{_LOCK}.pid"
_PROGRESS = f"{_LOCK}.progress"


@contextmanager
def alone_in(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a study's folder against a second run, which is refused, or waits for its turn.

    Two runs would draw over each other's executed notebooks, and pay twice for what both have in flight. The operating
    system lets go of the lock when its holder ends, so a killed run leaves nothing to clear away.

    Raises
    ------
    ValueError
        If another process runs the study and is not waited for, with its number; or if the lock's file is a link, which
        is not followed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    refuse_link(folder / _LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise ValueError(
            f"{folder}: process {_holder(folder)} is running this study. Wait for it (--wait does), or "
            "stop it (kill, or Ctrl-C where it runs) and give the same command again: it goes on from there."
        ) from None
    try:
        number = f"{os.getpid()}\n"
        write_text(folder / _HOLDER, number)
        yield
    finally:
        lock.release()


@contextmanager
def progress_file(folder: Path, notebook: str, number: int, of: int) -> Iterator[Path]:
    """Give the file for a notebook's progress while it runs: a line that says which it is, then reports.

    A report is as ``models.progress`` writes them.
    """
    path = folder / _PROGRESS
    began = datetime.now(UTC).isoformat(timespec="seconds")
    head = json.dumps({"notebook": notebook, "number": number, "of": of, "began": began}) + "\n"
    write_text(path, head)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def describe_running(folder: Path, now: datetime | None = None) -> list[str]:
    """Return lines that say what is going on in a study's folder; none if nothing is.

    Whether something is, is known by the lock alone; if that cannot be tried, because the folder may only be read, the
    line says so.
    """
    lock = folder / _LOCK
    if not lock.exists():
        return []
    try:
        with FileLock(refuse_link(lock), timeout=0):
            return []
    except Timeout:
        pass
    except OSError:
        return [f"Whether it is running cannot be told: {lock} cannot be opened."]
    head, steps = _read_progress(folder / _PROGRESS)
    process = f"Running now, process {_holder(folder)}"
    if not head:
        return [process]
    minutes = ((now or datetime.now(UTC)) - datetime.fromisoformat(head["began"])).total_seconds() / 60
    under_way = [step for step in steps.values() if step["done"] < step["total"]] or list(steps.values())[-1:]
    return [
        f"{process}: {head['notebook']}, notebook {head['number']} of {head['of']}, for {minutes:.0f} min",
        *(
            f"  {step['label']}: {step['done']:,} of {step['total']:,} calls"
            + (f"; {step['note']}" * bool(step["note"]))
            for step in under_way
        ),
    ]


def _holder(folder: Path) -> str:
    """Return the number of the process that runs a study, as far as it is known."""
    holder = folder / _HOLDER
    number = holder.read_text(encoding="utf-8").strip() if holder.exists() else ""
    return number if number.isdecimal() else "unknown"


def _read_progress(path: Path) -> tuple[dict, dict[str, dict]]:
    """Return which notebook runs, and label → the last report of each step."""
    if not path.exists():
        return {}, {}
    # the last line may be half written
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head, *reports = [json.loads(line) for line in lines if line.endswith("\n")] or [{}]
    return head, {report["label"]: report for report in reports}
