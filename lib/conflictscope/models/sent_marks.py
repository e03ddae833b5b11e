"""Which of a process's attempts were sent: a byte for each, in a temporary file that outlives the process.

An attempt is in the call store before its turn comes, so that no turn is spent waiting for a commit. If the process is
killed, what had its turn may have been charged for, and what was only ready was not: the bytes tell them apart. It is
what was not sent that has to be known: where a byte is missing, as in a folder that is full, the attempt counts as
sent.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_READY, _SENT = b"\1", b"\2"


class SentMarks:
    """The marks of the attempts of one open call store.

    Parameters
    ----------
    holder : str
        The store's name among all that are open, by which others find the marks.
    """

    def __init__(self, holder: str):
        self._holder = holder
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def set_ready(self, number: int) -> None:
        """Mark an attempt as not sent, before it is recorded; if that cannot be done, it counts as sent."""
        with self._lock, suppress(OSError):
            if self._file is None:
                self._file = _path_of(self._holder).open("xb", buffering=0)
            _write(self._file, number, _READY)

    def set_sent(self, number: int) -> None:
        """Mark an attempt as sent. A write to the file's cache, which a killed process leaves behind; not a disk's."""
        with self._lock:
            if self._file is not None:
                try:
                    _write(self._file, number, _SENT)
                except OSError:
                    # it would count as not sent
                    self._remove()

    def close(self) -> None:
        """Remove the file: no attempt is under way."""
        with self._lock:
            self._remove()

    def _remove(self) -> None:
        """Close and remove the file, if there is one."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
            forget_marks(self._holder)


def was_sent(holder: str, number: int) -> bool:
    """Return whether an attempt may have been sent; True if nobody can tell, as on another machine."""
    try:
        with _path_of(holder).open("rb") as file:
            # of a machine that lost its power, the last bytes were not yet on the disk
            if os.fstat(file.fileno()).st_mtime < time.time() - time.monotonic():
                return True
            file.seek(number)
            return file.read(1) != _READY
    except (OSError, ValueError):
        return True


def forget_marks(holder: str) -> None:
    """Remove the marks of a process that is gone, whose attempts have all been looked at."""
    with suppress(OSError, ValueError):
        _path_of(holder).unlink()


def _write(file: BinaryIO, number: int, mark: bytes) -> None:
    """Write the mark of an attempt."""
    file.seek(number)
    file.write(mark)


def _path_of(holder: str) -> Path:
    """Return the file of a store's marks; the last part of its name is drawn at random."""
    return Path(tempfile.gettempdir()) / f"conflictscope-sent-{holder.rpartition(':')[2]}"
