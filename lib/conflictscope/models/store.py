"""The call store, a cache on disk: every reply that was paid for, under the key of its call.

In: raw replies as they arrive, and keys. Out: the reply that is held under a key. The first reply under a key stays and
is what everybody gets back, so processes that share a store end in the same tables. One thread owns the connection; it
commits what has queued up meanwhile at one go, and whoever stored a reply goes on after the commit.
"""

import asyncio
import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

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

from conflictscope.models.records import (
    FAILURES,
    METADATA,
    REPLIES,
    SCHEMA_VERSION,
    TRIES,
    Attempts,
    UsageTable,
    bring_up_to_date,
    columns_there,
    delete_replies,
    find_failures,
    find_replies,
    read_usage,
    required_columns,
    write_rows,
)
from conflictscope.models.requests import RawReply

_JOBS_A_COMMIT = 1000
# what is the matter with a row, and not with the database: a number or a text that its columns do not take
_REFUSED = (DataError, OverflowError, UnicodeError)
_BUSY_SECONDS = 60


def store_url(path: Path | str) -> sa.URL:
    """Return the database URL of a call store that is a SQLite file, whatever marks its path holds."""
    return sa.URL.create("sqlite", database=str(path))


class CallStore:
    """A call store; give it to ``Models``, which closes it.

    Parameters
    ----------
    place : Path, URL or str
        A SQLite file, or a database URL such as ``sqlite:///runs/hhh/calls.sqlite``; any database that SQLAlchemy has a
        driver for.

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
            If the database does not take it, a full disk for example. What was stored before stays.
        """
        call = {"key": key, "model": model, "prompt": prompt, "prompt_hash": prompt_hash, "request": request}
        return await self._do(_Job("add", (call, reply, attempts or Attempts(made=1))))

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
        """Open the database, then do jobs until the store is closed; the body of the thread."""
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
            results += self._write(connection, [job for job in jobs if job.kind in ("add", "add_failure")])
            lookups = {"discard": delete_replies, "find": find_replies, "find_failures": find_failures}
            with connection.begin():
                results += [(job, lookups[job.kind](connection, job.payload)) for job in jobs if job.kind in lookups]
                results += [(job, read_usage(connection)) for job in jobs if job.kind == "read_usage"]
        except Exception as problem:
            # raised in the callers: in this thread it would leave them waiting for ever. What is wrong with the
            # database is wrong for all that were waiting for it.
            unanswered = self._unusable(problem) if isinstance(problem, (DBAPIError, *_REFUSED)) else problem
            results = [(job, unanswered) for job in jobs]
        return results

    def _write(self, connection: sa.Connection, jobs: "list[_Job]") -> "list[tuple[_Job, Any]]":
        """Store replies and failures, in one transaction if the database takes them all, and return what is held."""
        if not jobs:
            return []
        adds = [job.payload for job in jobs if job.kind == "add"]
        failures = [job.payload for job in jobs if job.kind == "add_failure"]
        try:
            held, self.usage = write_rows(connection, adds, failures)
        except _REFUSED:
            if len(jobs) > 1:
                # one row that is refused takes no others with it
                return [result for job in jobs for result in self._results(connection, [job])]
            if not adds:
                raise
            # what is paid for is kept, without what endpoints say of themselves
            call, reply, attempts = adds[0]
            reply = replace(reply, model_id=None, prompt_tokens=None, completion_tokens=None, top_logprobs=None)
            held, self.usage = write_rows(connection, [(call, reply, attempts)], [])
        return [(job, held.get(job.payload[0]["key"]) if job.kind == "add" else None) for job in jobs]

    def _unusable(self, problem: Exception) -> OSError:
        """Return what to raise if the database does not do what it should."""
        return OSError(
            f"the call store {self.name} cannot be used: {getattr(problem, 'orig', problem)}. What it holds stays; "
            "free disk space or mend the database, then run the same command again."
        )

    def _open(self) -> sa.Connection:
        """Connect, make the tables if there are none, and bring older ones up to date."""
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
    """One thing for the thread to do, and the future that waits for it."""

    __slots__ = ("future", "kind", "loop", "payload")

    def __init__(self, kind: str, payload: Any):
        self.kind, self.payload = kind, payload
        self.loop: asyncio.AbstractEventLoop
        self.future: asyncio.Future[Any]


def _answer(results: Iterable[tuple[_Job, Any]]) -> None:
    """Give the callers their results, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
    for job, result in results:
        by_loop.setdefault(job.loop, []).append((job, result))
    for loop, answered in by_loop.items():
        # in a loop that has been closed meanwhile nobody waits; what was to be stored is stored
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, answered)


def _resolve(results: list[tuple[_Job, Any]]) -> None:
    """Resolve the futures that are still waited for; runs in their loop."""
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)


def _as_url(place: Path | sa.URL | str) -> sa.URL:
    """Return the database URL of a file or of a URL's text."""
    return store_url(place) if isinstance(place, Path) else sa.make_url(place)


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
    connection.rollback()


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


def read_rows(place: Path | sa.URL | str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every row of a call store with its table's name, as one transaction sees them, sorted by key."""
    with _reading(place) as connection:
        if connection is None:
            return
        there = sa.inspect(connection).get_table_names()
        for table in (table for table in METADATA.sorted_tables if table.name in there):
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
        If a row is none of this version's tables, nor an older version's.
    """
    engine = sa.create_engine(store_url(path))
    try:
        with engine.begin() as connection:
            METADATA.create_all(connection)
            for name, row in rows:
                table = METADATA.tables.get(name)
                if table is None or not required_columns(table) <= set(row) <= set(table.columns.keys()):
                    raise ValueError(f"a row of the table {name!r} with {sorted(row)} is none of a call store's.")
                connection.execute(table.insert(), row)
    finally:
        engine.dispose()


@contextmanager
def _reading(place: Path | sa.URL | str) -> Iterator[sa.Connection | None]:
    """Open a call store that is there, else give None."""
    address = _as_url(place)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        yield None
        return
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            yield connection if sa.inspect(connection).has_table(REPLIES.name) else None
    except DBAPIError as problem:
        name = address.render_as_string(hide_password=True)
        raise OSError(f"the call store {name} cannot be read: {problem.orig}") from None
    finally:
        engine.dispose()
