"""Studies on a Dask cluster: one task a notebook, in each study's order.

In: jobs, and the address of a scheduler. Out: as ``several.run_at_once``. All workers see the project under the same
path, and the call store of a study that more than one machine works on is on a server. A notebook whose worker is lost
is run again by another, and asks nothing twice: what was answered is in the call store.
"""

import logging
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conflictscope.study.runner import Signalled, signals_raised
from conflictscope.study.several import Job, start_study, wait_for_end

if TYPE_CHECKING:
    from distributed import Future

_CONNECT_S = 10
# of a worker: run → the notebooks of it that are under way here, and those runs that were stopped
_under_way: dict[str, set[subprocess.Popen[str]]] = {}
_stopped: set[str] = set()
_lock = threading.Lock()


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
        from distributed import CancelledError, Client, as_completed
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
                for future in as_completed(asked):
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
