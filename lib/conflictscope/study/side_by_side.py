"""Several studies at once, each in a process of its own, as ``conflictscope run`` runs one.

In: parameter files, further words of the command line. Out: what each printed, once it has ended, and an exit code.
Studies that share a call store pay nothing twice, and its budget and rates hold for all of them.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from conflictscope.study.runner import Signalled, signals_raised


def run_side_by_side(files: Sequence[Path], words: Sequence[str], jobs: int, say: Callable[[str], None]) -> int:
    """Run studies, so many at once.

    Parameters
    ----------
    words : sequence of str
        Options of ``conflictscope run`` for all of them.
    jobs : int
        How many are run at once.
    say : callable
        Is given what each study printed, when it has ended.

    Returns
    -------
    int
        The exit code of the first file, in the order given, whose study failed; 0 if none did; 128 and a signal's
        number if one came, which is passed on to the studies.
    """
    running: set[subprocess.Popen[str]] = set()
    lock, stopped = threading.Lock(), threading.Event()
    # bars of several would be drawn over each other; `conflictscope status` says how far each is
    environment = os.environ | {"TQDM_DISABLE": "1"}

    def run(file: Path) -> tuple[int, str]:
        with lock:
            if stopped.is_set():
                return 0, f"{file}: not begun"
            process = subprocess.Popen(
                [sys.executable, "-m", "conflictscope", "run", str(file), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                # a signal of the terminal comes to this process, which passes it on
                start_new_session=True,
            )
            running.add(process)
        printed, _ = process.communicate()
        running.discard(process)
        return process.returncode, printed.rstrip()

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, file): file for file in files}
        try:
            with signals_raised():
                for future in as_completed(futures):
                    say(f"{futures[future]}:\n{future.result()[1]}")
        except Signalled as signalled:
            with lock:
                stopped.set()
            for process in list(running):
                process.send_signal(signalled.signal)
            for future in futures:
                say(f"{futures[future]}:\n{future.result()[1]}")
            return 128 + signalled.signal
    codes = {futures[future]: future.result()[0] for future in futures}
    return next((codes[file] for file in files if codes[file]), 0)
