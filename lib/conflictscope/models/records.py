"""What is recorded of calls: attempts, what they have used, and the call store's tables.

In: replies as received, what it took to get them, keys, on an open connection. Out: the replies under those keys, and
what all calls have used, added up in the transaction that stores the reply. What comes without its number of tokens is
estimated by a stated rule: a token for every four characters of the request's JSON text and of what came back.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conflictscope.models.requests import RawReply

CHARACTERS_PER_TOKEN = 4
EMBEDDING = "embedding"
"""The prompt's name under which embeddings are kept; what comes back are numbers, not tokens."""


@dataclass(slots=True, eq=False)
class Attempts:
    """What has been tried for one call so far, recorded while it is in flight."""

    made: int = 0
    """Attempts that were sent, the one under way included."""
    counted: int = 0
    """Of these, the ones that failed and count against the call's number of attempts."""
    failing_since: float | None = None
    """When the first of them failed, in seconds of ``time.monotonic``."""
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
    cached_tokens, reasoning_tokens : int
        Those of them that the endpoint says it had cached, and that were thoughts.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))


NOTHING = Usage()
UsageTable = Mapping[tuple[str, str], Usage]
"""(model, prompt) → what it has used."""


def estimate_tokens(characters: int) -> int:
    """Return the tokens of so many characters by the stated rule, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def usage_of_reply(raw: RawReply, call: Mapping[str, str], attempts: Attempts) -> Usage:
    """Return what a call used that was answered, of which ``prompt`` and ``request`` are looked at."""
    request, prompt = call["request"], call["prompt"]
    sent, received = raw.prompt_tokens, raw.completion_tokens
    if sent is None:
        sent = estimate_tokens(len(request))
    if received is None:
        came = (raw.reasoning or "") + (raw.text or raw.refusal or "")
        received = 0 if prompt == EMBEDDING else estimate_tokens(len(came))
    missing = raw.prompt_tokens is None or (raw.completion_tokens is None and prompt != EMBEDDING)
    parts = (raw.cached_tokens or 0, raw.reasoning_tokens or 0)
    return Usage(1, 0, 0, int(missing), sent, received, *parts) + _tried(attempts)


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


SCHEMA_VERSION = 3
# of columns that stores of version 2 do not have
_NEW = {"since": 3}
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
    sa.Column("reasoning", sa.Text, info=_NEW),
    sa.Column("cached_tokens", sa.Integer, info=_NEW),
    sa.Column("reasoning_tokens", sa.Integer, info=_NEW),
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
    *(sa.Column(field.name, sa.BigInteger, nullable=False) for field in fields(Usage)[:-2]),
    *(
        sa.Column(field.name, sa.BigInteger, nullable=False, server_default="0", info=_NEW)
        for field in fields(Usage)[-2:]
    ),
)
_RAW = [REPLIES.c[name] for name in RawReply.__dataclass_fields__]
_KEYS_A_QUERY = 500
TRIES = 10


def write_rows(
    connection: sa.Connection,
    replies: Sequence[tuple[dict[str, str], RawReply, Attempts]],
    failures: Sequence[tuple[dict[str, str], Attempts]],
) -> tuple[dict[str, RawReply], UsageTable]:
    """Store what is new in one transaction.

    Parameters
    ----------
    replies : sequence of (call, reply, attempts)
        Of the call: ``key``, ``model``, ``prompt``, ``prompt_hash``, ``request``.
    failures : sequence of (call, attempts)
        Of the call: ``key``, ``model``, ``prompt``, ``problem``.

    Returns
    -------
    held : dict of str to RawReply
        Key → the reply that is there then.
    usage : mapping of (str, str) to Usage
        (model, prompt) → what all processes have used.
    """
    created = {"created": datetime.now(UTC).isoformat(timespec="milliseconds")}
    last = {call["key"]: call | created for call, _ in failures}
    used: dict[tuple[str, str], Usage] = {}
    # of two replies under one key only one stays, but both were paid for
    for call, usage in [(call, usage_of_reply(reply, call, attempts)) for call, reply, attempts in replies] + [
        (call, usage_of_failure(attempts)) for call, attempts in failures
    ]:
        about = (call["model"], call["prompt"])
        used[about] = used.get(about, NOTHING) + usage
    for attempt in range(TRIES):
        try:
            with connection.begin():
                held = find_replies(connection, {call["key"] for call, _, _ in replies})
                # of two replies under one key, the one that came first
                new = {call["key"]: (call, reply) for call, reply, _ in reversed(replies) if call["key"] not in held}
                if new:
                    rows = [call | _columns(reply) | created for call, reply in new.values()]
                    connection.execute(REPLIES.insert(), rows)
                if last:
                    connection.execute(FAILURES.delete().where(FAILURES.c.key.in_(list(last))))
                    connection.execute(FAILURES.insert(), list(last.values()))
                _add_usage(connection, used)
                total = read_usage(connection)
            return held | {key: reply for key, (_, reply) in new.items()}, total
        except IntegrityError:
            # another process has stored one of them between our look and our insert; the next look finds it
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def find_replies(connection: sa.Connection, keys: Collection[str]) -> dict[str, RawReply]:
    """Return key → reply."""
    replies = {}
    for some in _some_at_a_time(keys):
        for key, *values in connection.execute(sa.select(REPLIES.c.key, *_RAW).where(REPLIES.c.key.in_(some))):
            replies[key] = _raw(dict(zip(RawReply.__dataclass_fields__, values, strict=True)))
    return replies


def delete_replies(connection: sa.Connection, keys: Collection[str]) -> None:
    """Delete the replies under keys; what they used stays counted."""
    for some in _some_at_a_time(keys):
        connection.execute(REPLIES.delete().where(REPLIES.c.key.in_(some)))


def find_failures(connection: sa.Connection, keys: Collection[str]) -> dict[str, str]:
    """Return key → problem."""
    problems = {}
    for some in _some_at_a_time(keys):
        query = sa.select(FAILURES.c.key, FAILURES.c.problem).where(FAILURES.c.key.in_(some))
        problems.update({key: problem for key, problem in connection.execute(query)})
    return problems


def read_usage(connection: sa.Connection) -> dict[tuple[str, str], Usage]:
    """Return (model, prompt) → what has been used so far."""
    return {(model, prompt): Usage(*map(int, counts)) for model, prompt, *counts in connection.execute(USAGE.select())}


def _add_usage(connection: sa.Connection, used: UsageTable) -> None:
    """Add what calls used to the table of what was used."""
    for (model, prompt), usage in used.items():
        more = {name: USAGE.c[name] + count for name, count in asdict(usage).items()}
        same = (USAGE.c.model == model) & (USAGE.c.prompt == prompt)
        if not connection.execute(USAGE.update().where(same).values(more)).rowcount:
            connection.execute(USAGE.insert().values(model=model, prompt=prompt, **asdict(usage)))


def _some_at_a_time(keys: Collection[str]) -> list[list[str]]:
    """Return the keys in lists that fit into a query."""
    listed = list(keys)
    return [listed[start : start + _KEYS_A_QUERY] for start in range(0, len(listed), _KEYS_A_QUERY)]


def _columns(reply: RawReply) -> dict[str, Any]:
    """Return what the table of replies keeps of one."""
    columns = {name: getattr(reply, name) for name in RawReply.__dataclass_fields__}
    columns["top_logprobs"] = None if reply.top_logprobs is None else json.dumps(reply.top_logprobs)
    return columns


def _raw(columns: dict[str, Any]) -> RawReply:
    """Return the raw reply in a row."""
    if columns["top_logprobs"] is not None:
        columns["top_logprobs"] = json.loads(columns["top_logprobs"])
    return RawReply(**columns)


_VERSION = META.c.name == "schema_version"
# 1 kept no usage; 2 told no cached tokens and no thoughts
_OLDER = ("1", "2")


def bring_up_to_date(connection: sa.Connection) -> str:
    """Make the tables if there are none, or migrate those of an older version, in one transaction.

    Returns
    -------
    str
        The version that is there then: ``SCHEMA_VERSION``, or another that this module does not know.
    """
    with connection.begin():
        for table in METADATA.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        version = connection.scalar(sa.select(META.c.value).where(_VERSION))
        if version is None:
            connection.execute(META.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))
        elif version in _OLDER:
            _add_new_columns(connection)
            if version == "1":
                # if another process does the same at this moment, one of the two finds rows there and looks again
                names = [column.name for column in USAGE.c]
                connection.execute(USAGE.insert().from_select(names, _used_in_version_1()))
            connection.execute(META.update().where(_VERSION).values(value=str(SCHEMA_VERSION)))
        return str(SCHEMA_VERSION) if version in (None, *_OLDER) else version


def columns_there(connection: sa.Connection, table: sa.Table) -> set[str]:
    """Return the columns that a table of a store has, of which an older version may lack some."""
    return {column["name"] for column in sa.inspect(connection).get_columns(table.name)}


def required_columns(table: sa.Table) -> set[str]:
    """Return the columns that a table has in every version."""
    return {column.name for column in table.columns if not column.info}


def _add_new_columns(connection: sa.Connection) -> None:
    """Add the columns that tables of an older version lack; each may be empty or has a default."""
    for table in METADATA.sorted_tables:
        there = columns_there(connection, table)
        for column in (column for column in table.columns if column.name not in there):
            described = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {described}")


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
        zero.label("cached_tokens"),
        zero.label("reasoning_tokens"),
    ]
    failure, none = FAILURES.c, [zero] * 5
    answered = sa.select(failure.model, failure.prompt, zero, sa.literal(1), sa.literal(1), *none)
    both = sa.union_all(sa.select(reply.model, reply.prompt, *counts), answered).subquery()
    sums = [sa.func.sum(both.c[column.name]) for column in USAGE.c if column.name not in ("model", "prompt")]
    return sa.select(both.c.model, both.c.prompt, *sums).group_by(both.c.model, both.c.prompt)


def _tokens(text: sa.ColumnElement) -> sa.ColumnElement:
    """Return the tokens of a text by the stated rule, rounded up."""
    return (sa.func.length(text) + CHARACTERS_PER_TOKEN - 1) // CHARACTERS_PER_TOKEN
