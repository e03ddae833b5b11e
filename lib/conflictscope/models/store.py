"""What calls have used: attempts and tokens, as the endpoint counted them or by a stated rule.

In: a reply as received and what it took to get it. Out: a ``Usage``, which the call store adds up by model and prompt.
The rule, for a reply that comes without its number of tokens, and for an answer that could not be read: a token for
every four characters of the request's JSON text and of what came back. Both are counted as estimated.

The call store's tables, and how rows get in and out of them.

In: rows and keys, on an open connection. Out: the replies under those keys, and what they have used. A reply that is
there is never overwritten; what was used is added up in the transaction that stores the reply, so that processes which
share a store share its total.

The version of a call store's tables: make them, or bring an older store up to date.

In: a connection to a database. Out: the tables of this version in it. Version 1 had no table of what was used; what it
says of its replies is counted once, by the same rule, and its keys and replies stay as they are.

The call store: every reply that was paid for, under the key of its call.

In: raw replies as they arrive, and keys. Out: the reply that is held under a key. The first reply under a key stays and
is what everybody gets back, so processes that share a store end in the same tables. One thread owns the connection; it
commits what has queued up meanwhile at one go, and whoever stored a reply goes on after the commit. With each commit it
reads what all processes on the store have used so far.

What a call store holds, read without changing it: totals for a manifest, rows for a copy.

In: a database URL. Out: one row a model and prompt; all rows, table by table; or a new store with such rows in it.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError

from conflictscope.models.requests import RawReply

CHARACTERS_PER_TOKEN = 4
EMBEDDING = "embedding"
"""The prompt's name under which embeddings are kept; what comes back are numbers, not tokens."""


@dataclass(slots=True, eq=False)
class Attempts:
    """What has been tried for one call so far, noted while it is under way."""

    made: int = 0
    """Attempts, the one under way included."""
    counted: int = 0
    """Of these, the ones that failed and count against the call's number of attempts."""
    unreadable: int = 0
    """Of these, the ones that were answered with something that is no answer, and may have been charged for."""
    characters_in: int = 0
    characters_out: int = 0
    """Characters sent for, and received in, unreadable answers."""
    on_wire: bool = False
    """Whether a request is being answered, or its answer being stored."""
    called_off: bool = False
    """Whether no further attempt is to be made."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts for one model and prompt.

    Parameters
    ----------
    calls : int
        Replies that were got, each of them paid for; one that another process had stored first included.
    failed : int
        Calls that finally failed.
    attempts : int
        Requests that were sent, those that brought nothing included.
    estimated : int
        Replies and unreadable answers whose tokens are estimated.
    input_tokens, output_tokens : int
        Tokens sent and received.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))


UsageTable = Mapping[tuple[str, str], Usage]
"""(model, prompt) → what it has used."""


def estimate_tokens(characters: int) -> int:
    """Return the tokens of so many characters by the stated rule, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def usage_of_reply(raw: RawReply, request: str, prompt: str, attempts: Attempts) -> Usage:
    """Return what a call used that was answered.

    Parameters
    ----------
    request : str
        The canonical JSON text of the call.
    """
    sent, received = raw.prompt_tokens, raw.completion_tokens
    if sent is None:
        sent = estimate_tokens(len(request))
    if received is None:
        received = 0 if prompt == EMBEDDING else estimate_tokens(len(raw.text or raw.refusal or ""))
    missing = raw.prompt_tokens is None or (raw.completion_tokens is None and prompt != EMBEDDING)
    return Usage(1, 0, 0, int(missing), sent, received) + _tried(attempts)


def usage_of_failure(attempts: Attempts) -> Usage:
    """Return what a call used that finally failed."""
    return Usage(failed=1) + _tried(attempts)


def _tried(attempts: Attempts) -> Usage:
    """Return what the attempts themselves used: those that were answered with something unreadable cost as well."""
    return Usage(
        attempts=attempts.made,
        estimated=attempts.unreadable,
        input_tokens=estimate_tokens(attempts.characters_in),
        output_tokens=estimate_tokens(attempts.characters_out),
    )


METADATA = sa.MetaData()
META = sa.Table("meta", METADATA, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.String(64)))
REPLIES = sa.Table(
    "replies",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("prompt_hash", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("model_id", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("refusal", sa.Text),
    sa.Column("finish_reason", sa.Text),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("top_logprobs", sa.Text),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)
FAILURES = sa.Table(
    "failures",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)
USAGE = sa.Table(
    "usage",
    METADATA,
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("prompt", sa.String(200), primary_key=True),
    *(sa.Column(field.name, sa.BigInteger, nullable=False) for field in fields(Usage)),
)
_RAW = [REPLIES.c[name] for name in RawReply.__dataclass_fields__]
_KEYS_A_QUERY = 500
TRIES = 10


def write_rows(
    connection: sa.Connection,
    replies: Iterable[tuple[dict[str, Any], Usage]],
    failures: Iterable[tuple[dict[str, Any], Usage]],
) -> tuple[Mapping[str, RawReply], Mapping[tuple[str, str], Usage]]:
    """Store what is new in one transaction.

    Parameters
    ----------
    replies, failures : iterable of (row, Usage)
        Rows of the two tables, each with what its call used.

    Returns
    -------
    held : mapping of str to RawReply
        Key → the reply that is there then.
    usage : mapping of (str, str) to Usage
        (model, prompt) → what all processes have used.
    """
    replies, failures = list(replies), list(failures)
    created = datetime.now(UTC).isoformat(timespec="milliseconds")
    last = {row["key"]: row | {"created": created} for row, _ in failures}
    for attempt in range(TRIES):
        try:
            with connection.begin():
                held = find_replies(connection, {row["key"] for row, _ in replies})
                # of two replies under one key, the one that came first
                new = {row["key"]: row | {"created": created} for row, _ in reversed(replies) if row["key"] not in held}
                if new:
                    connection.execute(REPLIES.insert(), list(new.values()))
                if last:
                    connection.execute(FAILURES.delete().where(FAILURES.c.key.in_(list(last))))
                    connection.execute(FAILURES.insert(), list(last.values()))
                _add_usage(connection, [*replies, *failures])
                usage = read_usage(connection)
            return held | {key: _raw(row) for key, row in new.items()}, usage
        except IntegrityError:
            # another process has stored one of them between our look and our insert; the next look finds it
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def find_replies(connection: sa.Connection, keys: Collection[str]) -> dict[str, RawReply]:
    """Return key → reply."""
    found = {}
    for some in _some_at_a_time(keys):
        for key, *values in connection.execute(sa.select(REPLIES.c.key, *_RAW).where(REPLIES.c.key.in_(some))):
            found[key] = _raw(dict(zip(RawReply.__dataclass_fields__, values, strict=True)))
    return found


def find_failures(connection: sa.Connection, keys: Collection[str]) -> dict[str, str]:
    """Return key → problem."""
    found = {}
    for some in _some_at_a_time(keys):
        query = sa.select(FAILURES.c.key, FAILURES.c.problem).where(FAILURES.c.key.in_(some))
        found.update({key: problem for key, problem in connection.execute(query)})
    return found


def read_usage(connection: sa.Connection) -> dict[tuple[str, str], Usage]:
    """Return (model, prompt) → what has been used so far."""
    return {(model, prompt): Usage(*map(int, counts)) for model, prompt, *counts in connection.execute(USAGE.select())}


def _add_usage(connection: sa.Connection, rows: list[tuple[dict[str, Any], Usage]]) -> None:
    """Add what these calls used to what is noted."""
    used: dict[tuple[str, str], Usage] = {}
    for row, usage in rows:
        about = (row["model"], row["prompt"])
        used[about] = used.get(about, Usage()) + usage
    for (model, prompt), usage in used.items():
        more = {name: USAGE.c[name] + count for name, count in asdict(usage).items()}
        same = (USAGE.c.model == model) & (USAGE.c.prompt == prompt)
        if not connection.execute(USAGE.update().where(same).values(more)).rowcount:
            connection.execute(USAGE.insert().values(model=model, prompt=prompt, **asdict(usage)))


def _some_at_a_time(keys: Collection[str]) -> list[list[str]]:
    """Return the keys in lists that fit into a query."""
    listed = list(keys)
    return [listed[start : start + _KEYS_A_QUERY] for start in range(0, len(listed), _KEYS_A_QUERY)]


def _raw(row: Mapping[str, Any]) -> RawReply:
    """Return the raw reply in a row."""
    values = {name: row[name] for name in RawReply.__dataclass_fields__}
    if values["top_logprobs"] is not None:
        values["top_logprobs"] = json.loads(values["top_logprobs"])
    return RawReply(**values)


SCHEMA_VERSION = 2
_VERSION = META.c.name == "schema_version"


def bring_up_to_date(connection: sa.Connection) -> str:
    """Make the tables where there are none, or migrate those of an older version, in one transaction.

    Returns
    -------
    str
        The version that is there then: ``SCHEMA_VERSION``, or another that this module knows nothing of.
    """
    with connection.begin():
        for table in METADATA.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        version = connection.scalar(sa.select(META.c.value).where(_VERSION))
        if version is None:
            connection.execute(META.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))
        elif version == "1":
            # where another process does the same at this moment, one of the two finds rows there and looks again
            connection.execute(USAGE.insert().from_select([column.name for column in USAGE.c], _used_in_version_1()))
            connection.execute(META.update().where(_VERSION).values(value=str(SCHEMA_VERSION)))
        return str(SCHEMA_VERSION) if version in (None, "1") else version


def _used_in_version_1() -> sa.Select:
    """Return the query that counts what the replies and failures of version 1 used."""
    reply, zero = REPLIES.c, sa.literal(0)
    is_text = reply.prompt != EMBEDDING
    counts = [
        sa.literal(1).label("calls"),
        zero.label("failed"),
        # how often a call was tried was not kept; once at least
        sa.literal(1).label("attempts"),
        sa.case((reply.prompt_tokens.is_(None) | (reply.completion_tokens.is_(None) & is_text), 1), else_=0).label(
            "estimated"
        ),
        sa.func.coalesce(reply.prompt_tokens, _tokens(reply.request)).label("input_tokens"),
        sa.func.coalesce(
            reply.completion_tokens,
            sa.case((is_text, _tokens(sa.func.coalesce(reply.text, reply.refusal, ""))), else_=0),
        ).label("output_tokens"),
    ]
    failure = FAILURES.c
    answered = sa.select(failure.model, failure.prompt, zero, sa.literal(1), sa.literal(1), zero, zero, zero)
    both = sa.union_all(sa.select(reply.model, reply.prompt, *counts), answered).subquery()
    sums = [sa.func.sum(both.c[column.name]) for column in USAGE.c if column.name not in ("model", "prompt")]
    return sa.select(both.c.model, both.c.prompt, *sums).group_by(both.c.model, both.c.prompt)


def _tokens(text: sa.ColumnElement) -> sa.ColumnElement:
    """Return the tokens of a text by the rule of ``usage``, rounded up."""
    return (sa.func.length(text) + CHARACTERS_PER_TOKEN - 1) // CHARACTERS_PER_TOKEN


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


_ROWS_AT_ONCE = 1000
_REPLIES, _FAILURES = METADATA.tables["replies"], METADATA.tables["failures"]


def summarise_store(url: str) -> pd.DataFrame:
    """Sum up what a call store holds.

    Parameters
    ----------
    url : str
        Database URL, as for ``CallStore``.

    Returns
    -------
    DataFrame
        One row a model, prompt, model id and prompt text, sorted: ``model``, ``prompt``, ``model_id`` (what the
        endpoint said has answered; empty for failures), ``prompt_hash`` (of the prompt's text; empty for failures),
        ``replies``, ``failures`` (calls that never got one), ``prompt_tokens``,
        ``completion_tokens`` (as far as the endpoint counted them), ``first`` and ``last`` (when the first and the last
        reply came, ISO 8601, UTC). Empty where there is no store.
    """
    reply = _REPLIES.c
    group = (reply.model, reply.prompt, reply.model_id, reply.prompt_hash)
    replies = sa.select(
        *group,
        sa.func.count().label("replies"),
        sa.literal(0).label("failures"),
        sa.func.coalesce(sa.func.sum(reply.prompt_tokens), 0).label("prompt_tokens"),
        sa.func.coalesce(sa.func.sum(reply.completion_tokens), 0).label("completion_tokens"),
        sa.func.min(reply.created).label("first"),
        sa.func.max(reply.created).label("last"),
    ).group_by(*group)
    failure = _FAILURES.c
    nothing = [sa.literal(0), sa.literal(0), sa.null(), sa.null()]
    # a call that failed once and was answered later is no failure
    unanswered = ~failure.key.in_(sa.select(reply.key))
    failures = sa.select(failure.model, failure.prompt, *[sa.null()] * 2, sa.literal(0), sa.func.count(), *nothing)
    failures = failures.where(unanswered).group_by(failure.model, failure.prompt)
    columns = [column.name for column in replies.selected_columns]
    with _reading(url) as connection:
        rows = [] if connection is None else [*connection.execute(replies), *connection.execute(failures)]
    return pd.DataFrame([tuple(row) for row in rows], columns=columns).sort_values(columns[:4], ignore_index=True)


def read_rows(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every row of a call store with its table's name, as one transaction sees them, sorted by key."""
    with _reading(url) as connection:
        if connection is None:
            return
        there = sa.inspect(connection).get_table_names()
        for table in (table for table in METADATA.sorted_tables if table.name in there):
            query = table.select().order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS_AT_ONCE)
            for row in connection.execute(query).mappings():
                yield table.name, dict(row)


def write_rows_anew(path: Path, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Make a new call store, a SQLite file, of rows as from `read_rows`.

    Raises
    ------
    ValueError
        Where a row is none of this version's tables.
    """
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            made: set[str] = set()
            for name, row in rows:
                table = METADATA.tables.get(name)
                if table is None or set(row) != set(table.columns.keys()):
                    raise ValueError(f"a row of the table {name!r} with {sorted(row)} is none of a call store's.")
                if name not in made:
                    table.create(connection)
                    made.add(name)
                connection.execute(table.insert(), row)
    finally:
        engine.dispose()


@contextmanager
def _reading(url: str) -> Iterator[sa.Connection | None]:
    """Open a call store that is there, else give None."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        yield None
        return
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            yield connection if sa.inspect(connection).has_table(_REPLIES.name) else None
    except DBAPIError as problem:
        name = address.render_as_string(hide_password=True)
        raise OSError(f"the call store {name} cannot be read: {problem.orig}") from None
    finally:
        engine.dispose()
