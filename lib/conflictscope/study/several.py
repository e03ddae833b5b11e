"""Several studies: one of each value of a parameter (a sweep), at once, on this machine or on a Dask cluster.

In: parameter files and settings, as ``conflictscope run`` takes them; a scheduler's address. Out: what each study
printed, once it has ended, and an exit code. Studies that share a call store pay nothing twice, and its budget and
rates hold for all of them. On this machine each has a process of its own; on a cluster a task is a notebook, in each
study's order. All workers see the project under the same path, and the call store of a study that more than one machine
works on is on a server. A notebook whose worker is lost is run again by another, and asks nothing twice: what was
answered is in the call store.
"""

import itertools
import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conflictscope.study.parameters import load_parameters, read_setting, show_setting
from conflictscope.study.provenance import STORE_FILE
from conflictscope.study.runner import Signalled, signals_raised

if TYPE_CHECKING:
    from distributed import Future

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 80
_CONNECT_S = 10
# of a worker: run → the notebooks of it that are under way here, and those runs that were stopped
_under_way: dict[str, set[subprocess.Popen[str]]] = {}
_stopped: set[str] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A study to run: its parameter file, and the settings over it, as ``--set`` takes them."""

    file: Path
    settings: tuple[str, ...]
    name: str

    @property
    def words(self) -> list[str]:
        """Return what the command line calls it."""
        return [str(self.file), *(f"--set={setting}" for setting in self.settings)]


def list_jobs(files: Sequence[Path], settings: Sequence[str], sweeps: Sequence[str]) -> list[Job]:
    """Return the studies of a few parameter files; with sweeps, one of each combination of values.

    A study of a sweep is named after its values, and has the call store of its parameter file's own study: what two of
    them ask alike is paid once, and a study of all values together finds every reply there.

    Parameters
    ----------
    settings : sequence of str
        ``key=value``, for all of them.
    sweeps : sequence of str
        ``key=[value, …]``. A value of a parameter that is a list may be one item of it: ``targets=[a, b]`` makes a
        study of each target.

    Raises
    ------
    ValueError
        If a sweep is no list of values or of no parameter, or two of them, or of their studies, have the same name.
    """
    if not sweeps:
        return [Job(file, tuple(settings), str(file)) for file in files]
    swept: dict[str, list[object]] = {}
    for sweep in sweeps:
        shown = show_setting(sweep, "--sweep")
        for key, values in read_setting(sweep, "--sweep").items():
            if not isinstance(values, list) or not values:
                raise ValueError(f"{shown}: expected a list of values, such as {key}=[first, second].")
            if key == "call_store":
                raise ValueError("--sweep call_store: studies of a sweep share one call store; name it by --set.")
            if key in swept:
                raise ValueError(f"{shown}: {key} is swept already; expected all its values in one list.")
            swept[key] = values
    jobs = []
    for file in files:
        whole = load_parameters(file, settings=settings)
        if unknown := sorted(set(swept) - {*whole.values, "cast"}):
            raise ValueError(f"--sweep {unknown[0]}: no such parameter of {file}.")
        # the call store of all of them is there
        whole.path("run_folder").mkdir(parents=True, exist_ok=True)
        shared = {
            "value_set": str(whole.path("value_set")),
            "call_store": whole.values["call_store"] or f"sqlite:///{whole.values['run_folder']}/{STORE_FILE}",
        }
        for values in itertools.product(*swept.values()):
            given = {
                key: [value] if isinstance(whole.values.get(key), list) and not isinstance(value, list) else value
                for key, value in zip(swept, values, strict=True)
            }
            parts = [whole.study, *(value if isinstance(value, str) else json.dumps(value) for value in values)]
            study = "-".join(_NO_NAME.sub("-", part).strip("-") for part in parts)[:_LONGEST_NAME]
            more = {"study": study} | shared | given
            over = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in more.items())
            jobs.append(Job(file, (*settings, *over), study))
    names = [job.name for job in jobs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--sweep: two studies would be named {repeated[0]!r}.")
    return jobs


def start_study(words: Sequence[str], folder: Path | None = None) -> subprocess.Popen[str]:
    """Start ``conflictscope run`` with these words in a process of its own, which ends in order if this one is gone."""
    return subprocess.Popen(
        [sys.executable, "-m", "conflictscope", "run", *words, "--tied"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # bars of several would be drawn over each other; `conflictscope status` says how far each is
        env=os.environ | {"TQDM_DISABLE": "1"},
        # a signal of the terminal comes to this process, which passes it on
        start_new_session=True,
    )


def wait_for_end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit code of a study that was started, and what it printed."""
    assert process.stdout is not None
    # its standard input stays open until it has ended
    printed = process.stdout.read()
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    return code, printed.rstrip()


def run_at_once(jobs: Sequence[Job], words: Sequence[str], number: int, say: Callable[[str], None]) -> int:
    """Run studies, so many at once.

    Parameters
    ----------
    words : sequence of str
        Options of ``conflictscope run`` for all of them.
    number : int
        How many are run at once.
    say : callable
        Is given what each study printed, when it has ended.

    Returns
    -------
    int
        The exit code of the first job, in the order given, whose study failed; 0 if none did; 128 and a signal's number
        if one came, which is passed on to the studies.
    """
    running: set[subprocess.Popen[str]] = set()
    lock, stopped = threading.Lock(), threading.Event()

    def run(job: Job) -> tuple[int, str]:
        with lock:
            if stopped.is_set():
                return 0, "not begun"
            process = start_study([*job.words, *words])
            running.add(process)
        ended = wait_for_end(process)
        running.discard(process)
        return ended

    with ThreadPoolExecutor(number) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        try:
            with signals_raised():
                for future in as_completed(futures):
                    say(f"{futures[future].name}:\n{future.result()[1]}")
        except Signalled as signalled:
            with lock:
                stopped.set()
            for process in list(running):
                process.send_signal(signalled.signal)
            for future, job in futures.items():
                say(f"{job.name}:\n{future.result()[1]}")
            return 128 + signalled.signal
    return next((code for code, _ in (future.result() for future in futures) if code), 0)


def run_on_cluster(
    jobs: Mapping[Job, Sequence[str]], words: Sequence[str], scheduler: str, say: Callable[[str], None]
) -> int:
    """Run studies on a cluster.

    Parameters
    ----------
    jobs : mapping
        Job → the notebooks to run, in their order.
    words : sequence of str
        Options of ``conflictscope run`` for each notebook.
    scheduler : str
        Its address, such as ``tcp://host:8786``.
    say : callable
        Is told of each notebook that has ended, with what it printed if it failed.

    Returns
    -------
    int
        The exit code of the first job, in the order given, that failed; 0 if none did; 128 and a signal's number if one
        came: the notebooks under way are stopped then, as Ctrl-C stops one.

    Raises
    ------
    ValueError
        If the optional extra ``cluster`` is not installed.
    OSError
        If the scheduler is not there, or is lost.
    """
    try:
        from distributed import CancelledError, Client
        from distributed import as_completed as as_ended
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install 'conflictscope[cluster]'.") from None
    # what it would log as it loses the scheduler is said below, without tracebacks
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    run, folder = uuid.uuid4().hex, str(Path.cwd())
    with Client(scheduler, timeout=_CONNECT_S) as client:
        asked: dict[Future, tuple[Job, str]] = {}
        last: dict[Job, Future] = {}
        for job, notebooks in jobs.items():
            for notebook in notebooks:
                about = [*job.words, *words, "--only", notebook, "--wait"]
                # the one before it has to be done, and to have gone well
                future = client.submit(_run_notebook, about, folder, run, last.get(job), pure=False)
                asked[future] = job, notebook
                last[job] = future
        try:
            with signals_raised():
                for future in as_ended(asked):
                    code, printed = _result_of(future)
                    if printed is not None:
                        job, notebook = asked[future]
                        say(f"{job.name}, {notebook}: {f'failed ({code}): {printed}' if code else 'done'}")
        except Signalled as signalled:
            client.run(_stop, run)
            say("stopped; what was answered is in the call stores: give the same command again")
            return 128 + signalled.signal
        except CancelledError:
            raise OSError(f"the scheduler {scheduler} was lost; give the same command again.") from None
        return next((code for code, _ in map(_result_of, last.values()) if code), 0)


Ended = tuple[int, str | None]
"""Exit code of a notebook and what it printed; None: it was not begun."""


def _result_of(future: "Future") -> Ended:
    """Return how a notebook's task ended; one that cannot be run is a failure with its reason."""
    if future.status == "error":
        return 1, f"{type(future.exception()).__name__}: {future.exception()}"
    result: Ended = future.result()
    return result


def _run_notebook(words: Sequence[str], folder: str, run: str, before: Ended | None) -> Ended:
    """Run one notebook of a study on a worker, unless the one before it failed."""
    if before is not None and before[0]:
        return before[0], None
    with _lock:
        if run in _stopped:
            return 0, None
        process = start_study(words, Path(folder))
        _under_way.setdefault(run, set()).add(process)
    try:
        return wait_for_end(process)
    finally:
        _under_way[run].discard(process)


def _stop(run: str) -> None:
    """Stop what a worker does for a run."""
    with _lock:
        _stopped.add(run)
        for process in _under_way.get(run, ()):
            process.terminate()
