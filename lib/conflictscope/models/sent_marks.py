"""Which of a process's attempts were sent: a byte for each, in a temporary file that outlives the process.

An attempt is in the call store before its turn comes, so that no turn is spent waiting for a commit. If the process is
killed, what had its turn may have been charged for, and what was only ready was not: the bytes tell them apart.
"""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_SENT = b"\1"


class SentMarks:
    """The marks of the attempts of one open call store.

    Parameters
    ----------
    holder : str
        The store's name among all that are open, by which others find the marks.
    """

    def __init__(self, holder: str):
        self._path = _path_of(holder)
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the file, before the first attempt is recorded; without one, all attempts count as sent."""
        if self._file is None:
            with suppress(OSError):
                self._file = self._path.open("xb", buffering=0)

    def set(self, number: int) -> None:
        """Mark an attempt as sent. A write to the file's cache, which a killed process leaves behind; not a disk's."""
        if self._file is not None:
            with self._lock:
                self._file.seek(number)
                self._file.write(_SENT)

    def close(self) -> None:
        """Remove the file: no attempt is under way."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


def was_sent(holder: str, number: int) -> bool:
    """Return whether an attempt may have been sent; True if nobody can tell, as on another machine."""
    try:
        with _path_of(holder).open("rb") as file:
            file.seek(number)
            return file.read(1) == _SENT
    except OSError:
        return True


def forget_marks(holder: str) -> None:
    """Remove the marks of a process that is gone, whose attempts have all been looked at."""
    with suppress(OSError):
        _path_of(holder).unlink()


def _path_of(holder: str) -> Path:
    """Return the file of a store's marks; the last part of its name is drawn at random."""
    return Path(tempfile.gettempdir()) / f"conflictscope-sent-{holder.rpartition(':')[2]}"
