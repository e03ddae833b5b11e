"""Run a study: its numbered notebooks in order, by papermill, one run at a time, to an orderly end.

In: a study's parameters. Out: executed notebooks beside the tables that they wrote, and the manifest. A signal that
ended the runner at once would leave the notebook's kernel to go on asking, and paying. Progress is drawn here, from
what the kernels report, so that executed notebooks hold no residue of bars.
"""

import json
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
from filelock import FileLock, Timeout
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from conflictscope.files import refuse_link, unwritten, write_atomically
from conflictscope.models import BudgetReached, load_registry
from conflictscope.models.progress import PROGRESS_FILE
from conflictscope.models.spending import write_planned
from conflictscope.shown_text import for_terminal
from conflictscope.study.parameters import StudyParameters
from conflictscope.study.plan import plan_study, read_done
from conflictscope.study.provenance import record_places, write_manifest

_LOCK = ".running"
# Ctrl-C, `kill`, and a terminal or connection that is closed
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StudyStopped(RuntimeError):
    """A run was stopped by a signal, whose number is in ``signal``; the message says how to go on."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number


class Signalled(KeyboardInterrupt):
    """A signal came: a ``KeyboardInterrupt``, because that alone gets through an event loop that is running."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.signal = number


@contextmanager
def signals_raised() -> Iterator[None]:
    """Raise ``Signalled`` in the main thread if the process is told to end."""

    def stop(number: int, frame: object) -> None:
        raise Signalled(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a study's folder against a second run.

    Two runs would draw over each other's executed notebooks, and pay twice for what both have in flight. The operating
    system lets go of the lock when its holder ends, so a killed run leaves nothing to clear away.

    Raises
    ------
    ValueError
        If another process runs the study, with its number; or if the lock's file is a link, which is not followed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / _LOCK), folder / f"{_LOCK}.pid"
    refuse_link(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        number = holder.read_text(encoding="utf-8").strip() if holder.exists() else ""
        raise ValueError(
            f"{folder}: process {number if number.isdecimal() else 'unknown'} is running this study. Wait for it, or "
            "stop it (kill, or Ctrl-C where it runs) and give the same command again: it goes on from there."
        ) from None
    try:
        write_atomically(holder, lambda temporary: Path(temporary).write_text(f"{os.getpid()}\n", encoding="utf-8"))
        yield
    finally:
        lock.release()


_POLL_SECONDS = 0.2
_GOES_ON = "What was paid for is in the call store: once this is mended, the same command goes on from here."
# A kernel warns on every start about unencrypted TCP, which on loopback is no news, and where it is told to end it may
# log, by either logger, that its connection is gone. What a cell raises comes back by another way.
_QUIET_KERNEL = [
    "--IPKernelApp.log_level=CRITICAL",
    "--IPKernelApp.logging_config={'loggers': {'tornado.general': {'level': 'CRITICAL'}}}",
]


class NotebookFailed(RuntimeError):
    """A notebook did not run to its end; the message says which, in which cell and why."""


def run_study(parameters: StudyParameters, *, only: Sequence[str] = ()) -> list[Path]:
    """Run the numbered notebooks, or those named in `only`.

    Returns
    -------
    list of Path
        The executed notebooks.

    Raises
    ------
    ValueError
        If `only` names a notebook that is not there, or another process runs the study.
    StudyStopped
        If the process was told to end; the notebook's kernel has ended then.
    NotebookFailed
        If a cell raised, its kernel died, or it stopped the notebook before its end. What was stored and written
        until then stays.
    BudgetReached
        If a notebook stopped because the study's budget is reached.
    """
    names = list(parameters.notebooks)
    if unknown := sorted(set(only) - set(names)):
        raise ValueError(f"--only {', '.join(unknown)}: no such notebook; expected some of {names}.")
    names = [name for name in names if not only or name in only]
    with signals_raised(), alone_in(parameters.path("run_folder")):
        record_places(parameters.path("run_folder"), parameters.study, parameters.values)
        return _run_notebooks(parameters, names)


def _run_notebooks(parameters: StudyParameters, names: Sequence[str]) -> list[Path]:
    """Execute notebooks one after the other and return the paths of the executed ones."""
    folder, registry = parameters.path("run_folder"), load_registry(parameters.path("models_file"))
    executed: list[Path] = []
    times: dict[str, tuple[datetime, float]] = {}
    bar = tqdm(names, desc=parameters.study, unit="notebook", position=0, dynamic_ncols=True)
    name = ""
    try:
        for name in bar:
            bar.set_postfix_str(name)
            began, start = datetime.now(UTC), time.monotonic()
            # for the ledger; how many scenarios there are is known once they are written
            write_planned(plan_study(parameters, registry, done=read_done(parameters)), folder)
            with _draw_progress():
                executed.append(_run_notebook(parameters, name, folder))
            times[name] = began, time.monotonic() - start
    except BaseException as stop:
        bar.close()
        # what ended the run is to be told, not that the manifest could not be written either
        with suppress(OSError):
            write_manifest(parameters, times, finished=False)
        if isinstance(stop, Signalled):
            # the tasks that waited for the kernel have lost it, which is no news
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            raise StudyStopped(
                f"stopped in {name} by {stop}. What was answered is in the call store: give the same command again, "
                "and it goes on from there.",
                stop.signal,
            ) from None
        raise
    bar.close()
    write_manifest(parameters, times, finished=True)
    return executed


def _run_notebook(parameters: StudyParameters, name: str, folder: Path) -> Path:
    """Execute one notebook in the project's folder and return the path of the executed one."""
    output = refuse_link(folder / f"{name}.ipynb")
    try:
        papermill.execute_notebook(
            _literally(parameters.notebooks_folder / f"{name}.ipynb"),
            _literally(output),
            parameters=parameters.of(name),
            cwd=str(parameters.root),
            kernel_name="python3",
            progress_bar=False,
            extra_arguments=_QUIET_KERNEL,
        )
    except PapermillExecutionError as failure:
        reason = for_terminal(failure.evalue).strip()
        if failure.ename == BudgetReached.__name__:
            raise BudgetReached(f"{name}, cell {failure.cell_index + 1}: {reason}") from None
        raise NotebookFailed(
            f"{name}, cell {failure.cell_index + 1}: {failure.ename}: {reason}\n"
            f"The notebook up to there, with the whole traceback: {output}. {_GOES_ON}"
        ) from None
    except OSError as problem:
        raise unwritten(output, problem) from problem
    except DeadKernelError:
        raise NotebookFailed(
            f"{name}: its kernel died, as happens if memory runs out or another process ends it. {_GOES_ON}"
        ) from None
    cells = nbformat.read(output, as_version=4).cells
    skipped = [i for i, cell in enumerate(cells, 1) if cell.cell_type == "code" and cell.execution_count is None]
    if skipped:
        # a cell that calls exit() ends the kernel without an error
        raise NotebookFailed(f"{name} stopped before its end: cells {skipped} of {output} did not run.")
    return output


def _literally(path: Path) -> str:
    """Return a path for papermill, which takes what stands in braces for parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _draw_progress() -> Iterator[None]:
    """Draw a bar for each step that the notebook's kernel reports on, while the notebook runs."""
    handle, path = tempfile.mkstemp(prefix="conflictscope-progress-")
    os.close(handle)
    before = os.environ.get(PROGRESS_FILE)
    os.environ[PROGRESS_FILE] = path
    done = threading.Event()
    drawer = threading.Thread(target=_follow, args=(Path(path), done), daemon=True)
    drawer.start()
    try:
        yield
    finally:
        done.set()
        drawer.join()
        if before is None:
            del os.environ[PROGRESS_FILE]
        else:
            os.environ[PROGRESS_FILE] = before
        Path(path).unlink()


def _follow(path: Path, done: threading.Event) -> None:
    """Read the reports until the notebook is done, and draw a bar for each step under way."""
    bars: dict[str, tqdm] = {}
    with path.open(encoding="utf-8") as reports:
        half = ""
        while True:
            finishing = done.is_set()
            for line in iter(reports.readline, ""):
                half += line
                if not half.endswith("\n"):
                    break
                report, half = json.loads(half), ""
                label, note = (for_terminal(report[name]) for name in ("label", "note"))
                _show(bars, label, report["done"], report["total"], note)
            if finishing:
                break
            done.wait(_POLL_SECONDS)
    for bar in bars.values():
        bar.close()


def _show(bars: dict[str, tqdm], label: str, done: int, total: int, note: str) -> None:
    """Bring a step's bar up to date; several steps are under way at once if several targets are asked."""
    if label not in bars:
        taken = {-bar.pos for bar in bars.values()}
        free = next(line for line in range(1, len(taken) + 2) if line not in taken)
        bars[label] = tqdm(desc=label, unit="call", position=free, leave=False, dynamic_ncols=True)
    bars[label].total = total
    bars[label].set_postfix_str(note, refresh=False)
    bars[label].update(done - bars[label].n)
    if done >= total:
        bars.pop(label).close()
