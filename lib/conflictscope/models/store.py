"""The call store: every reply that was paid for, under the key of its call.

In: raw replies as they arrive, and keys. Out: the reply that is held under a key. The first reply under a key stays and
is what everybody gets back, so processes that share a store end in the same tables. One thread owns the connection; it
commits what has queued up meanwhile at one go, and whoever stored a reply goes on after the commit. With each commit it
reads what all processes on the store have used so far.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)

from conflictscope.models.replies import RawReply
from conflictscope.models.store_rows import TRIES, find_failures, find_replies, read_usage, write_rows
from conflictscope.models.store_versions import SCHEMA_VERSION, bring_up_to_date
from conflictscope.models.usage import Attempts, UsageTable, usage_of_failure, usage_of_reply

_JOBS_A_COMMIT = 1000
_BUSY_SECONDS = 60


class CallStore:
    """A call store; give it to ``Models``, which closes it.

    Parameters
    ----------
    url : str
        Database URL, such as ``sqlite:///runs/hhh/calls.sqlite``; any database that SQLAlchemy has a driver for.

    Raises
    ------
    ValueError
        Where the URL is none, or what is there is no call store of this version.
    OSError
        Where the database cannot be opened.
    """

    def __init__(self, url: str):
        try:
            self._engine = sa.create_engine(url, connect_args=_connect_args(url))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as problem:
            raise ValueError(
                f"call store: cannot use this database URL ({problem}); expected one like sqlite:///runs/hhh/calls.sqlite."
            ) from None
        self.name = self._engine.url.render_as_string(hide_password=True)
        self.usage: UsageTable = {}
        """(model, prompt) → what had been used at the last commit, by all processes on this store."""
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
    ) -> RawReply:
        """Store a reply unless there is one under the key already; return the one that is there then.

        Parameters
        ----------
        request : str
            The canonical JSON text that the key is the hash of.
        attempts : Attempts, optional
            What it took to get the reply; default: one attempt.

        Raises
        ------
        OSError
            Where the database does not take it, a full disk for example. What was stored before stays.
        """
        row = {name: getattr(reply, name) for name in RawReply.__dataclass_fields__}
        row["top_logprobs"] = None if reply.top_logprobs is None else json.dumps(reply.top_logprobs)
        row |= {"key": key, "model": model, "prompt": prompt, "prompt_hash": prompt_hash, "request": request}
        # of two replies under one key only one stays, but both were paid for
        used = usage_of_reply(reply, request, prompt, attempts or Attempts(made=1))
        return await self._do(_Job("add", (row, used)))

    async def add_failure(
        self, key: str, problem: str, *, model: str, prompt: str, attempts: Attempts | None = None
    ) -> None:
        """Note that a call has finally failed; the last note stays. Replay reads it, a live run asks again."""
        row = {"key": key, "model": model, "prompt": prompt, "problem": problem}
        await self._do(_Job("add_failure", (row, usage_of_failure(attempts or Attempts(made=1)))))

    async def read_usage(self) -> UsageTable:
        """Return (model, prompt) → what all processes on this store have used by now."""
        self.usage = await self._do(_Job("read_usage", None))
        return self.usage

    def close(self) -> None:
        """Finish what is queued and close the database; may be called again."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    async def _do(self, job: "_Job") -> Any:
        """Hand a job to the thread and return its result."""
        if self._closed:
            raise ValueError(f"the call store {self.name} is closed; open the study anew to go on.")
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        self._jobs.put(job)
        return await job.future

    def _serve(self, opened: Future[None]) -> None:
        """Open the database, then do jobs until told to stop; the body of the thread."""
        try:
            connection = self._open()
        except (OSError, ValueError) as problem:
            opened.set_exception(problem)
            return
        opened.set_result(None)
        stopping = False
        while not stopping:
            jobs = [self._jobs.get()]
            with contextlib.suppress(Empty):
                while len(jobs) < _JOBS_A_COMMIT:
                    jobs.append(self._jobs.get_nowait())
            stopping = None in jobs
            _answer(self._results(connection, [job for job in jobs if job is not None]))
        connection.close()
        self._engine.dispose()

    def _results(self, connection: sa.Connection, jobs: "list[_Job]") -> "list[tuple[_Job, Any]]":
        """Return each job with its result, or with the exception that its caller is to get."""
        results: list[tuple[_Job, Any]] = []
        try:
            adds = [job for job in jobs if job.kind == "add"]
            failures = [job for job in jobs if job.kind == "add_failure"]
            if adds or failures:
                held, self.usage = write_rows(
                    connection, [job.payload for job in adds], [job.payload for job in failures]
                )
                results += [(job, held[job.payload[0]["key"]]) for job in adds]
                results += [(job, None) for job in failures]
            lookups = {"find": find_replies, "find_failures": find_failures}
            with connection.begin():
                results += [(job, lookups[job.kind](connection, job.payload)) for job in jobs if job.kind in lookups]
                results += [(job, read_usage(connection)) for job in jobs if job.kind == "read_usage"]
        except Exception as problem:
            # raised in the callers: in this thread it would leave them waiting for ever. What is wrong with the
            # database is wrong for all that were waiting for it.
            unanswered = self._unusable(problem) if isinstance(problem, DBAPIError) else problem
            results = [(job, unanswered) for job in jobs]
        return results

    def _unusable(self, problem: DBAPIError) -> OSError:
        """Return what to raise where the database does not do what it should."""
        return OSError(
            f"the call store {self.name} cannot be used: {problem.orig}. What it holds stays; "
            "free disk space or mend the database, then run the same command again."
        )

    def _open(self) -> sa.Connection:
        """Connect, make the tables where there are none, and bring older ones up to date."""
        for attempt in range(TRIES):
            try:
                connection = self._engine.connect()
                if self._engine.dialect.name == "sqlite":
                    _set_up_sqlite(connection)
                version = bring_up_to_date(connection)
                if version == str(SCHEMA_VERSION):
                    with connection.begin():
                        self.usage = read_usage(connection)
                break
            except (IntegrityError, OperationalError) as problem:
                # another process may be making the same tables at this moment
                if attempt == TRIES - 1 or "unable to open" in str(problem):
                    raise self._unusable(problem) from None
            except DatabaseError as problem:
                raise ValueError(
                    f"{self.name} is not a call store ({problem.orig}); name another file, or move this one away."
                ) from None
        if version != str(SCHEMA_VERSION):
            raise ValueError(
                f"the call store {self.name} has schema version {version}; this version of conflictscope reads "
                f"1 to {SCHEMA_VERSION}. Use the conflictscope that wrote it, or start a new store in another folder."
            )
        return connection


class _Job:
    """One thing for the thread to do, and whom to tell."""

    __slots__ = ("future", "kind", "loop", "payload")

    def __init__(self, kind: str, payload: Any):
        self.kind, self.payload = kind, payload
        self.loop: asyncio.AbstractEventLoop
        self.future: asyncio.Future[Any]


def _answer(results: Iterable[tuple[_Job, Any]]) -> None:
    """Tell the callers, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
    for job, result in results:
        by_loop.setdefault(job.loop, []).append((job, result))
    for loop, own in by_loop.items():
        # a loop that has been closed meanwhile has nobody left to tell; what was to be stored is stored
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(results: list[tuple[_Job, Any]]) -> None:
    """Resolve the futures that are still waited for; runs in their loop."""
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)


def _connect_args(url: str) -> dict[str, Any]:
    """Return what the driver needs besides the URL."""
    if not url.startswith("sqlite"):
        return {}
    # IMMEDIATE: a write transaction takes its lock when it begins, and then waits for others rather than failing
    return {"timeout": _BUSY_SECONDS, "isolation_level": "IMMEDIATE"}


def _set_up_sqlite(connection: sa.Connection) -> None:
    """Let readers and a writer work at once, and have every commit on the disk before its caller goes on."""
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    # FULL survives a loss of power, which NORMAL need not; commits are shared, so it costs little
    connection.exec_driver_sql("PRAGMA synchronous=FULL")
    connection.rollback()
