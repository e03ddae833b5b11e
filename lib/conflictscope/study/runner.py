"""Run a study: its numbered notebooks in order, by papermill, one run at a time, to an orderly end.

In: a study's parameters. Out: executed notebooks beside the tables that they wrote, and the manifest. A signal that
ended the runner at once would leave the notebook's kernel to go on asking, and paying. Progress is drawn here, from
what the kernels report, so that executed notebooks hold no residue of bars.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from conflictscope.files import did_you_mean, refuse_link, unwritten
from conflictscope.models import BatchesPending, BudgetReached, load_registry
from conflictscope.models.progress import PROGRESS_FILE
from conflictscope.models.spending import write_planned
from conflictscope.shown import for_terminal
from conflictscope.study.parameters import StudyParameters
from conflictscope.study.plan import plan_study, read_done
from conflictscope.study.provenance import record_places, write_manifest
from conflictscope.study.running import alone_in, progress_file

# Ctrl-C, `kill`, and a terminal or connection that is closed
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StudyStopped(RuntimeError):
    """A run was stopped by a signal, whose number is in ``signal``; the message says how to go on."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number


def stop_without_parent() -> None:
    """Stop this process, as ``kill`` does, once whoever started it is gone and its standard input with it."""

    def watch() -> None:
        # not by way of sys.stdin, which a thread that waits would hold when Python ends
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


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


def run_study(parameters: StudyParameters, *, only: Sequence[str] = (), wait: bool = False) -> list[Path]:
    """Run the numbered notebooks, or those named in `only`; if another process runs the study, refuse, or wait for it.

    Returns
    -------
    list of Path
        The executed notebooks.

    Raises
    ------
    ValueError
        If `only` names a notebook that is not there, or another process runs the study and is not waited for.
    StudyStopped
        If the process was told to end; the notebook's kernel has ended then.
    NotebookFailed
        If a cell raised, its kernel died, or it stopped the notebook before its end. What was stored and written
        until then stays.
    BudgetReached
        If a notebook stopped because the study's budget is reached.
    BatchesPending
        If a notebook stopped because its batches are not done yet.
    """
    names = choose_notebooks(parameters, only)
    with signals_raised(), alone_in(parameters.path("run_folder"), wait=wait):
        record_places(parameters.path("run_folder"), parameters.study, parameters.values)
        return _run_notebooks(parameters, names)


def choose_notebooks(parameters: StudyParameters, only: Sequence[str]) -> list[str]:
    """Return the numbered notebooks, or those named in `only`, in their order.

    Raises
    ------
    ValueError
        If `only` names a notebook that is not there.
    """
    names = list(parameters.notebooks)
    if unknown := sorted(set(only) - set(names)):
        numbered = [name for name in names if name.startswith(unknown[0].zfill(2))]
        near = did_you_mean(numbered[0] if numbered else unknown[0], names) or "."
        raise ValueError(f"--only {', '.join(unknown)}: no such notebook; expected some of {names}{near}")
    return [name for name in names if not only or name in only]


def _run_notebooks(parameters: StudyParameters, names: Sequence[str]) -> list[Path]:
    """Execute notebooks one after the other and return the paths of the executed ones."""
    folder, registry = parameters.path("run_folder"), load_registry(parameters.path("models_file"))
    executed: list[Path] = []
    times: dict[str, tuple[datetime, float]] = {}
    bar = tqdm(names, desc=parameters.study, unit="notebook", position=0, dynamic_ncols=True)
    name = ""
    try:
        for number, name in enumerate(bar, start=1):
            bar.set_postfix_str(name)
            began, start = datetime.now(UTC), time.monotonic()
            # for the ledger; how many scenarios there are is known once they are written
            write_planned(plan_study(parameters, registry, done=read_done(parameters)), folder)
            with progress_file(folder, name, number, len(names)) as progress, _draw_progress(progress):
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
        for orderly in (BudgetReached, BatchesPending):
            if failure.ename == orderly.__name__:
                raise orderly(f"{name}, cell {failure.cell_index + 1}: {reason}") from None
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
def _draw_progress(path: Path) -> Iterator[None]:
    """Draw a bar for each step that the notebook's kernel reports on in a file, while the notebook runs."""
    before = os.environ.get(PROGRESS_FILE)
    os.environ[PROGRESS_FILE] = str(path.absolute())
    done = threading.Event()
    drawer = threading.Thread(target=_follow, args=(path, done), daemon=True)
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


def _follow(path: Path, done: threading.Event) -> None:
    """Read the reports until the notebook is done, and draw a bar for each step under way."""
    bars: dict[str, tqdm] = {}
    with path.open(encoding="utf-8") as reports:
        # which notebook it is
        reports.readline()
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
