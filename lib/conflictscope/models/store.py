"""The call store, a cache on disk: every reply that was paid for, under the key of its call.

In: raw replies as they arrive, and keys. Out: the reply that is held under a key. The first reply under a key stays and
is what everybody gets back, so processes that share a store end in the same tables. One thread owns the connection; it
commits what has queued up meanwhile at one go, and whoever stored a reply goes on after the commit. If the file is
removed or replaced meanwhile, what it held is saved beside it.
"""

import asyncio
import contextlib
import itertools
import json
import os
import platform
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)

from conflictscope.files import unwritten
from conflictscope.models.records import (
    BATCHES,
    FAILURES,
    METADATA,
    PASSING,
    REPLIES,
    SCHEMA_VERSION,
    TRIES,
    UNANSWERED,
    USAGE,
    Answered,
    Attempts,
    Elsewhere,
    News,
    Unanswered,
    Usage,
    UsageTable,
    bring_up_to_date,
    charge_abandoned,
    columns_there,
    delete_replies,
    find_answers,
    find_failures,
    find_on_wire,
    find_replies,
    find_unanswered,
    keep_others_out,
    read_others,
    read_usage,
    required_columns,
    write_news,
)
from conflictscope.models.requests import RawReply
from conflictscope.models.sent_marks import SentMarks

T = TypeVar("T")
_JOBS_A_COMMIT = 1000
# once so many jobs have come together, more are waited for so long: a commit costs about as much for one as for ten
_MANY_JOBS, _GATHERED_S = 4, 0.004
# of a reply, what endpoints say of themselves
_UNSAID: dict[str, Any] = dict.fromkeys(
    ("model_id", "prompt_tokens", "completion_tokens", "top_logprobs", "cached_tokens", "reasoning_tokens")
)
# what is the matter with a row, and not with the database: a number or a text that its columns do not take
_REFUSED = (DataError, OverflowError, UnicodeError)
_BUSY_SECONDS = 60
_PAGES_KIB = 65_536
# how long a server that has gone away is waited for
_AWAY_SECONDS = 300
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.05, 1.0


def store_url(path: Path | str) -> sa.URL:
    """Return the database URL of a call store that is a SQLite file, whatever marks its path holds."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{str(path)!r} is not UTF-8, which a call store's path has to be; rename the folder."
        ) from None
    return sa.URL.create("sqlite", database=str(path))


class _ServerAway(OSError):
    """The server of the database has gone away, and may come back."""


class CallStore:
    """A call store; give it to ``Models``, which closes it.

    Parameters
    ----------
    place : Path, URL or str
        A SQLite file, or a database URL such as ``sqlite:///runs/hhh/calls.sqlite``. SQLite and PostgreSQL are tried;
        of the others that SQLAlchemy has a driver for, those that know JSON_TABLE may do.

    Raises
    ------
    ValueError
        If the URL is none, or what is there is no call store of this version.
    OSError
        If the database cannot be opened.
    """

    def __init__(self, place: Path | sa.URL | str):
        try:
            self._engine = sa.create_engine(_as_url(place), connect_args=_connect_args(_as_url(place)))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as problem:
            raise ValueError(
                f"call store: cannot use this database URL ({problem}); expected one like sqlite:///runs/hhh/calls.sqlite."
            ) from None
        self.name = _shown(self._engine.url)
        self.usage: UsageTable = {}
        """(model, prompt) → what had been used at the last commit, by all processes on this store."""
        self.others: dict[str, Usage] = {}
        """Model → what calls may use that others on this store had on the wire when last looked at."""
        self.gone: OSError | None = None
        """What to tell if its file is no longer the one that was opened; None as long as it is."""
        self._file = _file_of(self._engine.url)
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self.holder = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._numbers, self._marks = itertools.count(), SentMarks(self.holder)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(opened,), name="call store", daemon=True)
        self._thread.start()
        opened.result()

    def __repr__(self) -> str:
        return f"CallStore({self.name!r})"

    async def find(self, keys: Collection[str]) -> dict[str, RawReply]:
        """Return key → reply for those of the keys under which there is one."""
        return await self._do(_Job("find", keys))

    async def find_failures(self, keys: Collection[str]) -> dict[str, str]:
        """Return key → problem for those of the keys whose call has finally failed."""
        return await self._do(_Job("find_failures", keys))

    async def find_unanswered(self, keys: Collection[str]) -> dict[str, Unanswered]:
        """Return key → what is known of the call, for those of the keys that were sent and have no reply."""
        return await self._do(_Job("find_unanswered", keys))

    def next_number(self) -> int:
        """Return a number for an attempt that is about to be made."""
        number = next(self._numbers)
        if not self._closed:
            self._marks.set_ready(number)
        return number

    def mark_sent(self, number: int) -> None:
        """Mark an attempt that was begun as sent; if the process is killed, those alone are charged for."""
        self._marks.set_sent(number)

    async def begin(
        self, number: int, key: str, *, model: str, prompt: str, expected: Usage, seconds: float
    ) -> Elsewhere | None:
        """Record that an attempt at a call is about to be sent.

        It is not recorded, and not to be sent, if its reply is there already or somebody else waits for it.

        Parameters
        ----------
        number : int
            As from ``next_number``, to be marked once it is sent; the attempt is over with ``end`` or ``add``.
        expected : Usage
            What it may be expected to use.
        seconds : float
            After which nobody waits for its answer any more.

        Returns
        -------
        Elsewhere or None
            Why it is not to be sent; None: it is.
        """
        row = {"holder": self.holder, "number": number, "key": key, "model": model, "prompt": prompt}
        tokens = {"input_tokens": expected.input_tokens, "output_tokens": expected.output_tokens}
        return await self._do(_Job("begin", row | tokens | {"until": time.time() + seconds}))

    async def wait_elsewhere(self, key: str) -> RawReply | None:
        """Wait for the reply that somebody else waits for; None if nobody does any more, and the call is to be sent."""
        pause = _FIRST_LOOK_S
        while (elsewhere := await self._do(_Job("look_elsewhere", key))) is not None:
            if elsewhere.reply is not None:
                return elsewhere.reply
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_LOOK_S)
        # of a process that was killed
        await self.apply(lambda connection: charge_abandoned(connection, is_gone))
        return None

    async def end(self, number: int, key: str, *, model: str, prompt: str, used: Usage | None) -> None:
        """Record that an attempt brought no reply, and what it has used by estimate if its answer was lost."""
        await self._do(_end_job(number, key, model, prompt, used))

    def end_soon(self, number: int, key: str, *, model: str, prompt: str, used: Usage | None) -> None:
        """Record the same without waiting for it; None if the attempt was not made."""
        self._jobs.put(_end_job(number, key, model, prompt, used))

    async def settle(self, calls: Sequence[dict[str, str]]) -> None:
        """Record that a list came to its end although calls, of ``key``, ``model`` and ``prompt``, failed."""
        await self._do(_Job("settle", calls))

    async def add(
        self,
        key: str,
        reply: RawReply,
        *,
        model: str,
        prompt: str,
        prompt_hash: str,
        request: str,
        attempts: Attempts | None = None,
        number: int | None = None,
    ) -> RawReply:
        """Store a reply unless there is one under the key already; return the one that is there then.

        Parameters
        ----------
        request : str
            The canonical JSON text that the key is the hash of.
        attempts : Attempts, optional
            What it took to get the reply; default: one attempt.
        number : int, optional
            Of the attempt that brought it.

        Raises
        ------
        OSError
            If the database does not take it, a full disk for example. What was stored before stays.
        """
        call = {"key": key, "model": model, "prompt": prompt, "prompt_hash": prompt_hash, "request": request}
        held = await self._do(_Job("add", [(call, reply, attempts or Attempts(made=1))], number))
        return held[0]

    async def add_all(self, answered: Sequence[Answered]) -> list[RawReply]:
        """Store many replies in one transaction, none of them of an attempt with a number; return what is there then.

        Raises
        ------
        OSError
            As for ``add``.
        """
        return await self._do(_Job("add", answered))

    async def apply(self, work: Callable[[sa.Connection], T]) -> T:
        """Do something with the database, in one transaction, in which no other process applies anything."""
        return await self._do(_Job("apply", work))

    async def find_answers(self, model: str, most: int) -> list[str]:
        """Return ``RawReply.answer`` of a model's last replies, latest last."""
        return await self._do(_Job("find_answers", (model, most)))

    async def discard(self, keys: Collection[str]) -> None:
        """Delete replies that turn out to be to something else than was asked; what they used stays counted."""
        await self._do(_Job("discard", keys))

    async def add_failure(
        self, key: str, problem: str, *, model: str, prompt: str, attempts: Attempts | None = None
    ) -> None:
        """Record that a call has finally failed; the last record stays. Replay reads it, a live run asks again."""
        call = {"key": key, "model": model, "prompt": prompt, "problem": problem}
        await self._do(_Job("add_failure", (call, attempts or Attempts(made=1))))

    async def read_usage(self) -> UsageTable:
        """Return (model, prompt) → what all processes on this store have used by now."""
        self.usage = await self._do(_Job("read_usage", None))
        return self.usage

    def close(self) -> None:
        """Finish what is queued and close the database; may be called again.

        Raises
        ------
        OSError
            If its file is no longer the one that was opened, and nobody was told yet.
        """
        gone = self.gone
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        _closed_here.add(self.holder)
        self._marks.close()
        if self.gone is not gone and self.gone is not None:
            raise self.gone

    async def _do(self, job: "_Job") -> Any:
        """Hand a job to the thread and return its result."""
        if self._closed:
            raise ValueError(f"the call store {self.name} is closed; open the study anew to go on.")
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        self._jobs.put(job)
        return await job.future

    def _serve(self, opened: Future[None]) -> None:
        """Open the database, then do jobs until the store is closed; the body of the thread."""
        try:
            connection = self._open()
        except Exception as problem:
            # raised in whoever opens it, who would wait for ever else
            opened.set_exception(problem)
            return
        opened.set_result(None)
        stopping, busy = False, False
        while not stopping:
            jobs = [self._jobs.get()]
            if busy:
                time.sleep(_GATHERED_S)
            with contextlib.suppress(Empty):
                while len(jobs) < _JOBS_A_COMMIT:
                    jobs.append(self._jobs.get_nowait())
            stopping, busy = None in jobs, len(jobs) >= _MANY_JOBS
            waiting, until = [job for job in jobs if job is not None], time.monotonic() + _AWAY_SECONDS
            # before what is written makes it as long again
            cut_off = self._is_cut_off()
            results = self._results(connection, waiting)
            # a reply that has been paid for is worth a wait
            while any(isinstance(result, _ServerAway) for _, result in results) and time.monotonic() < until:
                time.sleep(_LONGEST_LOOK_S)
                done = [(job, result) for job, result in results if not isinstance(result, _ServerAway)]
                again = [job for job, result in results if isinstance(result, _ServerAway)]
                results = done + self._results(connection, again)
            size = self._size_in_place()
            if size is None:
                connection = self._save_beside(connection)
            elif (cut_off or self._is_cut_off()) and self.gone is None:
                self.gone = OSError(
                    f"the call store {self.name} was cut off or written over while it was in use. {_DAMAGED}the same "
                    "command again."
                )
            self._size = max(self._size, size or 0)
            if self.gone is not None:
                results = [(job, result if isinstance(result, Exception) else self.gone) for job, result in results]
            _answer(results)
        connection.close()
        self._engine.dispose()

    def _is_cut_off(self) -> bool:
        """Return whether the file is shorter than it was: as long as it is open, SQLite makes it and its log longer."""
        size = self._size_in_place()
        return size is not None and size < self._size

    def _size_in_place(self) -> int | None:
        """Return the size of the file that was opened, and its log; None if it is no longer what its path names."""
        if self._file is None or self._identity is None:
            return self._size
        try:
            there = os.stat(self._file)
        except OSError:
            return None
        return _size_of(self._file) if (there.st_dev, there.st_ino) == self._identity else None

    def _save_beside(self, connection: sa.Connection) -> sa.Connection:
        """Copy what the open file holds, which has no name any more, to one beside it; return a connection to that."""
        assert self._file is not None
        names = (self._file.with_name(f"{self._file.stem}.saved{nth or ''}{self._file.suffix}") for nth in range(1000))
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            saved = next(name for name in names if not name.exists())
            copy = sqlite3.connect(saved)
            connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]
            copy.close()
            connection.close()
            self._engine.dispose()
            self._engine = sa.create_engine(store_url(saved), connect_args=_connect_args(store_url(saved)))
            connection = self._engine.connect()
            _set_up_sqlite(connection)
            self._file, self._identity, self._size = saved, _identify(saved), 0
        except (OSError, sqlite3.Error, DBAPIError) as problem:
            self._identity = None
            self.gone = OSError(
                f"the call store {self.name} was removed or replaced while it was in use, and what it held could not "
                f"be saved beside it ({problem}). Put a copy of it in its place if you have one, and run the same "
                "command again."
            )
            return connection
        self.gone = OSError(
            f"the call store {self.name} was removed or replaced while it was in use. All that it held, and what was "
            f"answered since, is in {saved}: move that file to the place of the call store and run the same command "
            "again; nothing is asked twice."
        )
        return connection

    def _results(self, connection: sa.Connection, jobs: "list[_Job]") -> "list[tuple[_Job, Any]]":
        """Return each job with its result, or with the exception that its caller is to get."""
        results: list[tuple[_Job, Any]] = []
        try:
            results += self._write(connection, [job for job in jobs if job.kind in _NEWS])
            lookups: dict[str, Callable[[sa.Connection, Any], Any]] = {
                "apply": _apply,
                "discard": delete_replies,
                "find": find_replies,
                "find_answers": lambda connection, about: find_answers(connection, *about),
                "find_failures": find_failures,
                "find_unanswered": find_unanswered,
                "look_elsewhere": _look_elsewhere,
            }
            with connection.begin():
                if any(job.kind == "apply" for job in jobs):
                    keep_others_out(connection)
                results += [(job, lookups[job.kind](connection, job.payload)) for job in jobs if job.kind in lookups]
                if any(job.kind == "read_usage" for job in jobs):
                    self.others = read_others(connection, self.holder, is_gone)
                    results += [(job, read_usage(connection)) for job in jobs if job.kind == "read_usage"]
        except Exception as problem:
            # raised in the callers: in this thread it would leave them waiting for ever. What is wrong with the
            # database is wrong for all that were waiting for it.
            unanswered = self._unusable(problem) if isinstance(problem, (DBAPIError, *_REFUSED)) else problem
            results = [(job, unanswered) for job in jobs]
        return results

    def _write(self, connection: sa.Connection, jobs: "list[_Job]") -> "list[tuple[_Job, Any]]":
        """Store what is new, in one transaction if the database takes it all, and return what is held."""
        if not jobs:
            return []
        news = _gather(jobs)
        try:
            written = write_news(connection, news, self.holder, is_gone)
        except _REFUSED:
            if len(jobs) > 1:
                # one row that is refused takes no others with it
                return [result for job in jobs for result in self._results(connection, [job])]
            if not news.replies:
                raise
            if (half := len(news.replies) // 2) > 0:
                halves = (_Job("add", news.replies[:half]), _Job("add", news.replies[half:]))
                return [(jobs[0], [held for job in halves for held in self._write(connection, [job])[0][1]])]
            # what is paid for is kept, without what endpoints say of themselves
            call, reply, attempts = news.replies[0]
            reply = reply._replace(**_UNSAID)
            news = replace(news, replies=[(call, reply, attempts)])
            written = write_news(connection, news, self.holder, is_gone)
        self.usage = written.usage
        if written.others is not None:
            self.others = written.others
        results: dict[str, Callable[[Any], Any]] = {
            "add": lambda answered: [written.held.get(call["key"]) for call, _, _ in answered],
            "begin": lambda row: written.elsewhere.get(row["number"]),
        }
        return [(job, results[job.kind](job.payload) if job.kind in results else None) for job in jobs]

    def _unusable(self, problem: Exception) -> OSError:
        """Return what to raise if the database does not do what it should."""
        away = self._engine.dialect.name != "sqlite" and isinstance(problem, OperationalError)
        return (_ServerAway if away else OSError)(
            f"the call store {self.name} cannot be used: {getattr(problem, 'orig', problem)}. "
            + ("If the disk is full, free disk space and run the same command again. " if _FULL in str(problem) else "")
            + (
                _DAMAGED
                if _is_damage(problem)
                else "What it holds stays; free disk space or mend the database, then run "
            )
            + "the same command again."
        )

    def _open(self) -> sa.Connection:
        """Connect, make the tables if there are none, and bring older ones up to date."""
        for attempt in range(TRIES):
            try:
                connection = self._engine.connect()
                if self._engine.dialect.name == "sqlite":
                    if (tables := sa.inspect(connection).get_table_names()) and not set(tables) & set(METADATA.tables):
                        raise ValueError(f"{self.name} is a database of something else, with the tables {tables[:5]}.")
                    _set_up_sqlite(connection)
                version = bring_up_to_date(connection)
                if version == str(SCHEMA_VERSION):
                    with connection.begin():
                        keep_others_out(connection)
                        charge_abandoned(connection, is_gone)
                        self.usage = read_usage(connection)
                if self._file is not None:
                    self._identity, self._size = _identify(self._file), _size_of(self._file)
                break
            except (IntegrityError, OperationalError) as problem:
                # another process may be making the same tables at this moment
                if attempt == TRIES - 1 or "unable to open" in str(problem):
                    raise self._unusable(problem) from None
            except DatabaseError as problem:
                advice = f"{_DAMAGED}it again." if _is_damage(problem) else "Name another file, or move this one away."
                raise ValueError(f"{self.name} is not a call store ({problem.orig}). {advice}") from None
        if version != str(SCHEMA_VERSION):
            raise ValueError(
                f"the call store {self.name} has schema version {version}; this version of conflictscope reads "
                f"1 to {SCHEMA_VERSION}. Use the conflictscope that wrote it, or start a new store in another folder."
            )
        return connection


# what SQLite says of a disk that is full, and of a file that ends before its end
_FULL = "disk I/O error"
_DAMAGED = (
    "If it is a damaged call store, `conflictscope rescue RUN_FOLDER` saves what can be read of it; put that, or a "
    "copy that you have, in its place and run "
)


def _is_damage(problem: Exception) -> bool:
    """Return whether SQLite says that a file is no database, or not whole."""
    return any(words in str(problem) for words in ("malformed", "not a database", _FULL))


def _apply(connection: sa.Connection, work: Callable[[sa.Connection], T]) -> T:
    """Return what work with the database gives."""
    return work(connection)


def _look_elsewhere(connection: sa.Connection, key: str) -> Elsewhere | None:
    """Return the reply under a key, or that somebody waits for it; None if neither is so."""
    if reply := find_replies(connection, [key]).get(key):
        return Elsewhere(reply)
    if find_on_wire(connection, [key], is_gone):
        return Elsewhere(None)
    return None


_NEWS = ("begin", "end", "add", "add_failure", "settle")


class _Job:
    """One thing for the thread to do, the attempt that is over with it, and the future that waits, if anybody does."""

    __slots__ = ("future", "kind", "loop", "number", "payload")

    def __init__(self, kind: str, payload: Any, number: int | None = None):
        self.kind, self.payload, self.number = kind, payload, number
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None


def _gather(jobs: Iterable[_Job]) -> News:
    """Return what is new in jobs."""
    news = News()
    for job in jobs:
        if job.number is not None:
            news.over.append(job.number)
        if job.kind == "begin":
            news.sent.append(job.payload)
        elif job.kind == "add":
            news.replies += job.payload
        elif job.kind == "add_failure":
            news.failures.append(job.payload)
        elif job.kind == "settle":
            news.settled += job.payload
        elif job.payload[1] is not None:
            news.lost.append(job.payload)
    return news


def _end_job(number: int, key: str, model: str, prompt: str, used: Usage | None) -> _Job:
    """Return the job that ends an attempt."""
    return _Job("end", ({"key": key, "model": model, "prompt": prompt}, used), number)


def _answer(results: Iterable[tuple[_Job, Any]]) -> None:
    """Give the callers their results, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
    for job, result in results:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append((job, result))
    for loop, answered in by_loop.items():
        # in a loop that has been closed meanwhile nobody waits; what was to be stored is stored
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, iter(answered))


def _resolve(results: Iterator[tuple[_Job, Any]]) -> None:
    """Resolve the futures that are still waited for, in their loop, one a turn: what is sent and read goes between."""
    for job, result in results:
        if job.loop is None or job.future is None or job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
        job.loop.call_soon(_resolve, results)
        return


def _file_of(url: sa.URL) -> Path | None:
    """Return the file of a SQLite database, None if it is none or has no file."""
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file and not str(url.database).startswith("file:") else None


def _identify(file: Path) -> tuple[int, int]:
    """Return what tells a file from another one of the same name."""
    there = os.stat(file)
    return there.st_dev, there.st_ino


def _size_of(file: Path) -> int:
    """Return the size of a SQLite file and of the log that is not yet brought into it."""
    log = file.with_name(f"{file.name}-wal")
    return file.stat().st_size + (log.stat().st_size if log.exists() else 0)


# of stores that this process had open; what a full disk has left of their attempts nobody waits for
_closed_here: set[str] = set()


def is_gone(holder: str) -> bool:
    """Return whether a store that was open is known to be so no more."""
    if holder in _closed_here:
        return True
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    if host != platform.node() or os.name != "posix":
        return False  # nobody here can tell
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return False


def _as_url(place: Path | sa.URL | str) -> sa.URL:
    """Return the database URL of a file or of a URL's text."""
    if isinstance(place, Path):
        return store_url(place)
    try:
        return sa.make_url(place)
    except ValueError:
        # its message quotes what it took for a port, which may be a password
        raise ValueError(
            "call store: found a database URL whose port is no number; expected one like sqlite:///runs/hhh/calls.sqlite."
        ) from None


def _shown(url: sa.URL) -> str:
    """Return a database's URL as messages name it: without a password, and without a query, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def _connect_args(url: sa.URL) -> dict[str, Any]:
    """Return what the driver needs besides the URL."""
    if url.get_backend_name() != "sqlite":
        return {}
    # IMMEDIATE: a write transaction takes its lock when it begins, and then waits for others rather than failing
    return {"timeout": _BUSY_SECONDS, "isolation_level": "IMMEDIATE"}


def _set_up_sqlite(connection: sa.Connection) -> None:
    """Let readers and a writer work at once, and have every commit on the disk before its caller goes on."""
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    # FULL survives a loss of power, which NORMAL need not; commits are shared, so it costs little
    connection.exec_driver_sql("PRAGMA synchronous=FULL")
    # keys are in no order, so that many calls at a time touch pages all over an index; these stay in memory
    connection.exec_driver_sql(f"PRAGMA cache_size=-{_PAGES_KIB}")
    connection.rollback()


def allow_again(place: Path | sa.URL | str) -> int:
    """Let calls be sent as often again of which so many answers were lost that they are not sent by themselves.

    Returns
    -------
    int
        Of how many calls lost answers were counted; 0 if there is no store.
    """
    with _reading(place) as connection:
        if connection is None or not sa.inspect(connection).has_table(UNANSWERED.name):
            return 0
    engine = sa.create_engine(_as_url(place), connect_args=_connect_args(_as_url(place)))
    try:
        with engine.begin() as connection:
            lost = UNANSWERED.c.lost
            return connection.execute(UNANSWERED.update().where(lost > 0).values(lost=0)).rowcount
    except DBAPIError as problem:
        name = _shown(engine.url)
        raise OSError(f"the call store {name} cannot be written to: {problem.orig}") from None
    finally:
        engine.dispose()


_ROWS_AT_ONCE = 1000


def summarise_store(place: Path | sa.URL | str) -> pd.DataFrame:
    """Sum up what a call store holds.

    Parameters
    ----------
    place : Path, URL or str
        As for ``CallStore``.

    Returns
    -------
    DataFrame
        One row a model, prompt, model id and prompt text, sorted: ``model``, ``prompt``, ``model_id`` (what the
        endpoint said has answered; empty for failures), ``prompt_hash`` (of the prompt's text; empty for failures),
        ``replies``, ``failures`` (calls that never got one), ``prompt_tokens``,
        ``completion_tokens``, ``cached_tokens`` (as far as the endpoint counted them), ``seconds`` (that the replies
        took, added up), ``first`` and ``last`` (when the first and the last reply came, ISO 8601, UTC). Empty if there
        is no store.
    """
    with _reading(place) as connection:
        if connection is None:
            return pd.DataFrame(columns=list(_SUMMARY))
        rows = [
            tuple(row)
            for query in _summary_queries("cached_tokens" in columns_there(connection, REPLIES))
            for row in connection.execute(query)
        ]
    return pd.DataFrame(rows, columns=list(_SUMMARY)).sort_values(list(_SUMMARY[:4]), ignore_index=True)


_SUMMARY = (
    *("model", "prompt", "model_id", "prompt_hash", "replies", "failures"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "seconds", "first", "last"),
)


def _summary_queries(cached: bool) -> tuple[sa.Select, sa.Select]:
    """Return the queries that sum up replies and failures; `cached` says whether the store tells cached tokens."""
    reply = REPLIES.c
    group = (reply.model, reply.prompt, reply.model_id, reply.prompt_hash)
    replies = sa.select(
        *group,
        sa.func.count().label("replies"),
        sa.literal(0).label("failures"),
        sa.func.coalesce(sa.func.sum(reply.prompt_tokens), 0).label("prompt_tokens"),
        sa.func.coalesce(sa.func.sum(reply.completion_tokens), 0).label("completion_tokens"),
        (sa.func.coalesce(sa.func.sum(reply.cached_tokens), 0) if cached else sa.literal(0)).label("cached_tokens"),
        sa.func.sum(reply.seconds).label("seconds"),
        sa.func.min(reply.created).label("first"),
        sa.func.max(reply.created).label("last"),
    ).group_by(*group)
    failure = FAILURES.c
    nothing = [*[sa.literal(0)] * 4, sa.null(), sa.null()]
    # a call that failed once and was answered later is no failure
    unanswered = ~failure.key.in_(sa.select(reply.key))
    failures = sa.select(failure.model, failure.prompt, *[sa.null()] * 2, sa.literal(0), sa.func.count(), *nothing)
    return replies, failures.where(unanswered).group_by(failure.model, failure.prompt)


@dataclass(frozen=True)
class OpenBatches:
    """How many batches of a model are open, the calls in them, what they may use, and when the oldest was made."""

    batches: int
    calls: int
    expected: Usage
    oldest: float


def count_open_batches(place: Path | sa.URL | str) -> dict[str, OpenBatches]:
    """Return model → what open batches it has."""
    row = BATCHES.c
    tokens = (sa.func.sum(row.input_tokens), sa.func.sum(row.output_tokens))
    query = sa.select(row.model, sa.func.count(), sa.func.sum(row.calls), sa.func.min(row.created), *tokens)
    query = query.where(row.open).group_by(row.model)
    with _reading(place) as connection:
        if connection is None or not sa.inspect(connection).has_table(BATCHES.name):
            return {}
        return {
            model: OpenBatches(count, int(calls), Usage(input_tokens=int(sent), output_tokens=int(received)), oldest)
            for model, count, calls, oldest, sent, received in connection.execute(query)
        }


def read_batched(place: Path | sa.URL | str) -> dict[str, Usage]:
    """Return model → the tokens that batches have used."""
    with _reading(place) as connection:
        if connection is None or "batch_input_tokens" not in columns_there(connection, USAGE):
            return {}
        row = USAGE.c
        query = sa.select(row.model, sa.func.sum(row.batch_input_tokens), sa.func.sum(row.batch_output_tokens))
        return {
            model: Usage(input_tokens=int(sent), output_tokens=int(received))
            for model, sent, received in connection.execute(query.group_by(row.model))
        }


def read_rows(place: Path | sa.URL | str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every row of a call store with its table's name, as one transaction sees them, sorted by key."""
    with _reading(place) as connection:
        if connection is None:
            return
        there = sa.inspect(connection).get_table_names()
        # what is on the wire, or in batches, is no longer when the rows are read elsewhere
        for table in (table for table in METADATA.sorted_tables if table.name in there and table not in PASSING):
            columns = columns_there(connection, table)
            query = sa.select(*(column for column in table.columns if column.name in columns))
            query = query.order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS_AT_ONCE)
            for row in connection.execute(query).mappings():
                yield table.name, dict(row)


def write_rows_anew(path: Path, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Make a new call store, a SQLite file, of rows as from `read_rows`.

    Raises
    ------
    ValueError
        If a row is none of this version's tables nor an older version's, or its key is there already.
    OSError
        If the disk does not take them.
    """
    with made_anew(path) as connection:
        for name, row in rows:
            table = METADATA.tables.get(name)
            if table is None or not required_columns(table) <= set(row) <= set(table.columns.keys()):
                raise ValueError(f"a row of the table {name[:80]!r} is none of a call store's.")
            if misfits := misfits_of(row, table):
                raise ValueError(f"a row of the table {name!r}: {misfits} are not of their columns' types.")
            try:
                connection.execute(table.insert(), row)
            except IntegrityError:
                raise ValueError(f"two rows of the table {name!r} have one key.") from None


@contextmanager
def made_anew(path: Path) -> Iterator[sa.Connection]:
    """Make a call store, a SQLite file, that is filled in one transaction; OSError if the disk does not take it."""
    engine = sa.create_engine(store_url(path))
    try:
        with engine.begin() as connection:
            METADATA.create_all(connection)
            yield connection
    except OperationalError as problem:
        path.unlink(missing_ok=True)
        raise unwritten(path, OSError(str(problem.orig))) from None
    finally:
        engine.dispose()


def misfits_of(row: Mapping[str, Any], table: sa.Table) -> list[str]:
    """Return the columns of a table that cannot hold what a row has for them."""
    return [name for name, value in row.items() if not _fits(value, table.columns[name])]


def _fits(value: object, column: sa.Column) -> bool:
    """Return whether a column can hold a value and gives it back as it was: SQLite itself takes anything."""
    if value is None:
        return bool(column.nullable)
    if isinstance(value, str):
        if column is REPLIES.c.top_logprobs:
            return _is_list(value)
        return column.type.python_type is str and not re.search("[\ud800-\udfff]", value)
    if column.type.python_type is bool:
        # SQLite has 0 and 1
        return type(value) in (bool, int) and value in (0, 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return False
    return column.type.python_type is float or (column.type.python_type is int and isinstance(value, int))


def _is_list(text: str) -> bool:
    """Return whether a text is JSON of a list."""
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _for_reading(path: Path) -> sa.URL:
    """Return the database URL by which a SQLite file is read and nothing is written, also where nothing may be."""
    waiting = path.with_name(f"{path.name}-wal")
    if waiting.exists() and waiting.stat().st_size:
        # replies that a run has not yet brought into the file, or one that was killed never did
        how = {"mode": "ro"}
    elif os.access(path.parent, os.W_OK):
        # whatever SQLite puts beside the file it takes away at the end, which with mode=ro it does not
        how = {"mode": "rw"}
    else:
        how = {"immutable": "1"}
    return sa.URL.create("sqlite", database=path.absolute().as_uri(), query=how | {"uri": "true"})


@contextmanager
def _reading(place: Path | sa.URL | str) -> Iterator[sa.Connection | None]:
    """Open a call store that is there, else give None."""
    address = _as_url(place)
    file = Path(address.database or "") if address.get_backend_name() == "sqlite" else None
    if file and not file.exists():
        yield None
        return
    engine = sa.create_engine(_for_reading(file) if file else address)
    try:
        with engine.connect() as connection:
            yield connection if sa.inspect(connection).has_table(REPLIES.name) else None
    except DBAPIError as problem:
        name = _shown(address)
        advice = f". {_DAMAGED}it again" if _is_damage(problem) else ""
        raise OSError(f"the call store {name} cannot be read: {problem.orig}{advice}") from None
    finally:
        engine.dispose()
