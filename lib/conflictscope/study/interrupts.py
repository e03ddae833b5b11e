"""One run of a study at a time, and an orderly end where it is stopped.

In: a study's folder, a signal. Out: a lock that goes with the process, however it ends; an exception that says which
signal came. A signal that ended the runner at once would leave the notebook's kernel to go on asking, and paying.
"""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".running"
# Ctrl-C, `kill`, and a terminal or connection that is closed
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    """Raise ``Signalled`` in the main thread where the process is told to end."""

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
        Where another process runs the study, with its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(
                f"{folder}: process {lock.read().strip() or 'unknown'} is running this study. Wait for it, or stop it "
                "(kill, or Ctrl-C where it runs) and give the same command again: it goes on from there."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
