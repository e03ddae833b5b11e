"""What is recorded of calls: attempts, what they have used, and the call store's tables.

In: replies as received, what it took to get them, keys, on an open connection. Out: the replies under those keys, and
what all calls have used, added up in the transaction that stores the reply. What comes without its number of tokens, or
with one that cannot be, is estimated by a stated rule: a token for every four characters of the request's JSON text and
of what came back. An attempt is recorded before it is sent; one whose answer was lost is charged by estimate.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from operator import add, itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from conflictscope.models.requests import RawReply
from conflictscope.models.sent_marks import forget_marks, was_sent

CHARACTERS_PER_TOKEN = 4
# A count of tokens is believed within these bounds. No tokeniser has a token for fewer than a byte, and what a template
# or a provider puts before a prompt is short; a token for more than so many characters of a text is rare, and none for
# a text impossible; no model writes more at a time, thoughts included.
# A reply without thoughts is charged for as many tokens as the limit that was sent allows at most, or as its bytes can
# be if an endpoint has not kept to it; some endpoints do not count thoughts against it, and show them or say how many.
MOST_CHARACTERS_PER_TOKEN = 32
_MOST_PUT_BEFORE = 4096
_MOST_WRITTEN = 2**18
_BYTES_PER_CHARACTER = 4
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
    lost: "Lost | None" = None
    """What may have been charged for the last one, if it brought no reply and there is more to tell than that."""
    characters: int | None = None
    """Characters of the texts that were sent, if that is known."""
    received: int = 0
    """Characters of the reply, if it was longer than what is stored of it."""
    limit: int | None = None
    """Tokens that the reply may have by what was sent; None: nothing was said of it."""
    failed_before: str | None = None
    """Why the call finally failed in an earlier list that came to its end; None if it did not."""
    as_before: bool = False
    """Whether it fails in the same way again."""
    on_wire: bool = False
    """Whether a request is being answered, or its answer being stored."""
    batched: bool = False
    """Whether it was answered in a batch, at the price of those."""
    called_off: bool = False
    """Whether no further attempt is to be made."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt that was sent and brought no reply.

    Parameters
    ----------
    received : int
        Characters of what came in place of a reply.
    whole : bool
        Whether that is all that was sent back; else there may have been more, or nobody knows what.
    input_tokens, output_tokens : int
        What it counted itself, 0 if it did not.
    """

    received: int = 0
    whole: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A call that was sent and has no reply.

    Parameters
    ----------
    lost : int
        Attempts whose answer was lost, in all runs.
    settled : bool
        Whether a list came to its end although the call failed.
    problem : str or None
        Why it finally failed, if it has.
    """

    lost: int
    settled: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A call that somebody else on the store has asked or asks now, so that it is not sent again.

    Parameters
    ----------
    reply : RawReply or None
        None: it is on the wire, and its reply is to be waited for.
    """

    reply: RawReply | None


class Usage(NamedTuple):
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
        Replies and lost answers whose tokens are estimated.
    input_tokens, output_tokens : int
        Tokens sent and received.
    cached_tokens, reasoning_tokens : int
        Those of them that the endpoint says it had cached, and that were thoughts.
    batch_input_tokens, batch_output_tokens : int
        Those of them that were sent and received in batches, at the price of those.
    lost_output_tokens : int
        Those of them that answers which were lost may have had, by estimate.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    batch_input_tokens: int = 0
    batch_output_tokens: int = 0
    lost_output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":  # type: ignore[override]
        return Usage._make(map(add, self, other))


NOTHING = Usage()
UsageTable = Mapping[tuple[str, str], Usage]
"""(model, prompt) → what it has used."""


def estimate_tokens(characters: int) -> int:
    """Return the tokens of so many characters by the stated rule, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def usage_of_reply(raw: RawReply, call: Mapping[str, str], attempts: Attempts) -> Usage:
    """Return what a call used that was answered, of which ``prompt`` and ``request`` are looked at."""
    request, is_text = call["request"], call["prompt"] != EMBEDDING
    came = (raw.reasoning or "") + (raw.text or raw.refusal or "")
    most, least = len(request) + _MOST_PUT_BEFORE, -(-(attempts.characters or 0) // MOST_CHARACTERS_PER_TOKEN)
    sent = _believe(raw.prompt_tokens, least, most)
    received: int | None = 0
    if is_text:
        length = max(len(came), attempts.received)
        most, least = max(length, _MOST_WRITTEN), -(-len(came.strip()) // MOST_CHARACTERS_PER_TOKEN)
        received = _believe(raw.completion_tokens, least, most)
    input_tokens = estimate_tokens(len(request)) if sent is None else sent
    output_tokens = estimate_tokens(length) if received is None else received
    if is_text and attempts.limit is not None and not (raw.reasoning or raw.reasoning_tokens):
        most = max(attempts.limit, _BYTES_PER_CHARACTER * length)
        if output_tokens > most:
            # no less than it may have been
            output_tokens, received = most, None
    return Usage(
        calls=1,
        attempts=attempts.made,
        estimated=int(sent is None or received is None),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=0 if sent is None else raw.cached_tokens or 0,
        reasoning_tokens=0 if received is None else raw.reasoning_tokens or 0,
        batch_input_tokens=input_tokens if attempts.batched else 0,
        batch_output_tokens=output_tokens if attempts.batched else 0,
    )


def _believe(count: int | None, least: int, most: int) -> int | None:
    """Return a number of tokens if it can be."""
    return count if count is not None and least <= count <= most else None


def usage_of_lost(lost: Lost, expected: Usage) -> Usage:
    """Return what an attempt used by estimate that was sent and brought no reply.

    Parameters
    ----------
    expected : Usage
        What such a call may be expected to use.
    """
    written = max(estimate_tokens(lost.received), 0 if lost.whole else expected.output_tokens)
    output_tokens = max(written, min(lost.output_tokens, _MOST_WRITTEN))
    return Usage(
        estimated=1,
        input_tokens=max(expected.input_tokens, min(lost.input_tokens, expected.input_tokens + _MOST_PUT_BEFORE)),
        output_tokens=output_tokens,
        lost_output_tokens=output_tokens,
    )


def within_limit(raw: RawReply, max_tokens: int | None, attempts: Attempts) -> RawReply:
    """Return a reply, cut off if it is longer than any of so many tokens can be; limit and length go to `attempts`."""
    attempts.limit = max_tokens
    if max_tokens is None or raw.text is None or len(raw.text) <= max_tokens * MOST_CHARACTERS_PER_TOKEN:
        return raw
    attempts.received = len(raw.text)
    return raw._replace(text=raw.text[: max_tokens * MOST_CHARACTERS_PER_TOKEN], finish_reason="length")


SCHEMA_VERSION = 6
# of columns that stores of an earlier version do not have
_SINCE_3, _SINCE_4, _SINCE_5 = ({"since": version} for version in (3, 4, 5))
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
    sa.Column("reasoning", sa.Text, info=_SINCE_3),
    sa.Column("cached_tokens", sa.Integer, info=_SINCE_3),
    sa.Column("reasoning_tokens", sa.Integer, info=_SINCE_3),
    sa.Column("answer", sa.String(64), info=_SINCE_4),
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
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in Usage._fields[:-5]),
    *(
        sa.Column(name, sa.BigInteger, nullable=False, server_default="0", info=_SINCE_3)
        for name in Usage._fields[-5:-1]
    ),
    sa.Column("lost_output_tokens", sa.BigInteger, nullable=False, server_default="0", info=_SINCE_5),
)
ON_WIRE = sa.Table(
    "on_wire",
    METADATA,
    # a store that is open in a process, and the number of one of its attempts
    sa.Column("holder", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    # seconds since 1970 at which nobody waits for its answer any more
    sa.Column("until", sa.Float, nullable=False),
)
UNANSWERED = sa.Table(
    "unanswered",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("lost", sa.Integer, nullable=False),
    sa.Column("settled", sa.Boolean, nullable=False),
)
BATCHES = sa.Table(
    "batches",
    METADATA,
    # ours, which the endpoint keeps beside the batch
    sa.Column("number", sa.String(64), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    # the endpoint's, once it is known
    sa.Column("batch_id", sa.Text),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    # what they may use
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    # a store that is open in a process, which hands it over or collects it, and until when it may take
    sa.Column("holder", sa.String(200)),
    sa.Column("until", sa.Float),
)
BATCH_LINES = sa.Table(
    "batch_lines",
    METADATA,
    # of an open batch
    sa.Column("number", sa.String(64), primary_key=True),
    # a line for each call, in the order in which they are handed over, as `record_batch_calls` writes it
    sa.Column("lines", sa.Text, nullable=False),
)
BATCH_KEYS = sa.Table(
    "batch_keys",
    METADATA,
    # of a call, and the number of the open batch that it is in
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("number", sa.String(64), nullable=False),
    sqlite_with_rowid=False,
)
RATES = sa.Table(
    "rates",
    METADATA,
    # a model's calls or tokens, and the seconds since 1970 until when the rate of them is used up
    sa.Column("name", sa.String(250), primary_key=True),
    sa.Column("free_at", sa.Float, nullable=False),
)
PASSING = (ON_WIRE, BATCHES, BATCH_LINES, BATCH_KEYS, RATES)
"""Tables of what is under way, which belongs to this store alone."""
_LOGPROBS_AT = RawReply._fields.index("top_logprobs")
_ABOUT = itemgetter("key", "model", "prompt", "prompt_hash", "request")
_RAW = [REPLIES.c[name] for name in RawReply._fields]
TRIES = 10


class _Listed(FunctionElement):
    """The texts of a JSON array, one a row: keys of any number are one parameter, and their query is the same."""

    name, inherit_cache = "listed", True


@compiles(_Listed)
def _by_standard(element: _Listed, compiler: Any, **how: Any) -> str:
    """Return the SQL for it by the standard (SQL:2016)."""
    return f"JSON_TABLE({compiler.process(element.clauses, **how)}, '$[*]' COLUMNS (value VARCHAR(64) PATH '$'))"


@compiles(_Listed, "sqlite")
def _by_sqlite(element: _Listed, compiler: Any, **how: Any) -> str:
    """Return the SQL for it in SQLite."""
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(_Listed, "postgresql")
def _by_postgresql(element: _Listed, compiler: Any, **how: Any) -> str:
    """Return the SQL for it in PostgreSQL."""
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS JSON))"


_KEYS = _Listed(sa.bindparam("keys", type_=sa.Text)).table_valued("value")


def select_by_key(table: sa.Table, *columns: sa.ColumnElement) -> sa.Select:
    """Return the query for columns of the rows under keys, given as ``as_parameter``, no key twice."""
    return sa.select(*columns).select_from(_KEYS.join(table, table.c.key == _KEYS.c.value))


def _among_keys(column: sa.Column) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of the keys that are given as ``as_parameter``."""
    return column.in_(sa.select(_KEYS.c.value))


def as_parameter(keys: Iterable[str]) -> dict[str, str]:
    """Return keys as the one parameter that they are in a query."""
    return {"keys": to_json(list(keys)).decode()}


Answered = tuple[dict[str, str], RawReply, Attempts]
"""A call (``key``, ``model``, ``prompt``, ``prompt_hash``, ``request``), its reply, and what it took to get it."""


@dataclass(slots=True)
class News:
    """What is new, to be stored in one transaction.

    Parameters
    ----------
    sent : list of dict
        Attempts that are about to be sent: rows of ``ON_WIRE``.
    replies : list of Answered
    failures : list of (call, attempts)
        Of the call: ``key``, ``model``, ``prompt``, ``problem``.
    lost : list of (call, usage)
        Of the call: ``key``, ``model``, ``prompt``; what the attempt has used by estimate.
    settled : list of call
        Calls that have failed, of a list that came to its end.
    over : list of int
        Numbers of the holder's attempts that are over.
    """

    sent: list[dict[str, Any]] = field(default_factory=list)
    replies: list[Answered] = field(default_factory=list)
    failures: list[tuple[dict[str, str], Attempts]] = field(default_factory=list)
    lost: list[tuple[dict[str, str], Usage]] = field(default_factory=list)
    settled: list[dict[str, str]] = field(default_factory=list)
    over: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the store once news is written.

    Parameters
    ----------
    held : dict of str to RawReply
        Key → the reply that is there.
    elsewhere : dict of int to Elsewhere
        Number of an attempt that is not to be sent → why.
    usage : mapping of (str, str) to Usage
        (model, prompt) → what all processes have used.
    others : dict of str to Usage or None
        Model → what may be used by attempts that other stores open on it have on the wire; None: not looked at.
    """

    held: dict[str, RawReply]
    elsewhere: dict[int, Elsewhere]
    usage: UsageTable
    others: dict[str, Usage] | None


def write_news(connection: sa.Connection, news: News, holder: str, is_gone: Callable[[str], bool]) -> Written:
    """Store what is new in one transaction, but for attempts at calls that are asked elsewhere or answered already.

    Parameters
    ----------
    is_gone : callable
        Whether a holder is known to be there no more.
    """
    created = datetime.now(UTC).isoformat(timespec="milliseconds")
    last = {call["key"]: call | {"created": created} for call, _ in news.failures}
    used = _add_up(
        # of two replies under one key only one stays, but both were paid for
        [(call, usage_of_reply(reply, call, attempts)) for call, reply, attempts in news.replies]
        + [(call, Usage(failed=1, attempts=attempts.made)) for call, attempts in news.failures]
        + news.lost
    )
    for attempt in range(TRIES):
        try:
            with connection.begin():
                keep_others_out(connection)
                if news.over:
                    connection.execute(_IS_OVER, [{"of_holder": holder, "of_number": number} for number in news.over])
                held = find_replies(connection, {call["key"] for call, _, _ in news.replies})
                # of two replies under one key, the one that came first
                new = {
                    call["key"]: (call, reply) for call, reply, _ in reversed(news.replies) if call["key"] not in held
                }
                if new:
                    insert_rows(connection, REPLIES, [_row(call, reply, created) for call, reply in new.values()])
                # behind the replies: of a call that is over by one of these, no other attempt is sent
                elsewhere: dict[int, Elsewhere] = {}
                others = None
                if sent := [row for row in news.sent if row["number"] not in news.over]:
                    elsewhere, others = _look_elsewhere(connection, sent, holder, is_gone)
                    if free := [row for row in sent if row["number"] not in elsewhere]:
                        connection.execute(ON_WIRE.insert(), free)
                if last:
                    connection.execute(_FORGET_FAILURES, as_parameter(last))
                    connection.execute(FAILURES.insert(), list(last.values()))
                for call, _ in news.lost:
                    _count_unanswered(connection, call, lost=1)
                for call in news.settled:
                    _count_unanswered(connection, call, settled=True)
                _add_usage(connection, used)
                total = read_usage(connection)
            return Written(held | {key: reply for key, (_, reply) in new.items()}, elsewhere, total, others)
        except IntegrityError:
            # another process has stored one of them between our look and our insert; the next look finds it
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


_LOCK = 0x5C09E


def keep_others_out(connection: sa.Connection) -> None:
    """Begin to write, so that nobody changes what is looked up before this is committed.

    Without it SQLite's driver begins with the first change, and of two processes that look at once both are first.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


# what every commit asks is put together once
_ANSWERED = select_by_key(REPLIES, REPLIES.c.key)
_REPLIES_UNDER = select_by_key(REPLIES, REPLIES.c.key, *_RAW)
_FORGET_REPLIES = REPLIES.delete().where(_among_keys(REPLIES.c.key))
_FAILED = select_by_key(FAILURES, FAILURES.c.key, FAILURES.c.problem)
_FORGET_FAILURES = FAILURES.delete().where(_among_keys(FAILURES.c.key))
_LEFT = select_by_key(
    UNANSWERED, UNANSWERED.c.key, UNANSWERED.c.lost, UNANSWERED.c.settled, FAILURES.c.problem
).outerjoin(FAILURES, FAILURES.c.key == UNANSWERED.c.key)
_IS_OVER = ON_WIRE.delete().where(
    ON_WIRE.c.holder == sa.bindparam("of_holder"), ON_WIRE.c.number == sa.bindparam("of_number")
)
_ON_WIRE_NOW = sa.select(ON_WIRE.c.key, ON_WIRE.c.holder).where(
    _among_keys(ON_WIRE.c.key), ON_WIRE.c.until >= sa.bindparam("now")
)
_HELD_BY_OTHERS = (
    sa.select(
        ON_WIRE.c.holder, ON_WIRE.c.model, sa.func.sum(ON_WIRE.c.input_tokens), sa.func.sum(ON_WIRE.c.output_tokens)
    )
    .where(ON_WIRE.c.holder != sa.bindparam("holder"), ON_WIRE.c.until >= sa.bindparam("now"))
    .group_by(ON_WIRE.c.holder, ON_WIRE.c.model)
)
_ALL_USAGE = USAGE.select()
_MORE_USED = (
    USAGE.update()
    .where(USAGE.c.model == sa.bindparam("of_model"), USAGE.c.prompt == sa.bindparam("of_prompt"))
    .values({name: USAGE.c[name] + sa.bindparam(f"more_{name}") for name in Usage._fields})
)


def _look_elsewhere(
    connection: sa.Connection, sent: Sequence[Mapping[str, Any]], holder: str, is_gone: Callable[[str], bool]
) -> tuple[dict[int, Elsewhere], dict[str, Usage]]:
    """Return which attempts are not to be sent, and what others on the store have on the wire, by model."""
    keys = [row["key"] for row in sent]
    replies = find_replies(connection, find_answered(connection, keys))
    on_wire = set(find_on_wire(connection, keys, is_gone))
    elsewhere = {}
    for row in sent:
        if row["key"] in replies or row["key"] in on_wire:
            elsewhere[row["number"]] = Elsewhere(replies.get(row["key"]))
        on_wire.add(row["key"])
    return elsewhere, read_others(connection, holder, is_gone)


def find_on_wire(connection: sa.Connection, keys: Collection[str], is_gone: Callable[[str], bool]) -> list[str]:
    """Return those of the keys whose answer somebody waits for."""
    now = time.time()
    on_wire = connection.execute(_ON_WIRE_NOW, as_parameter(keys) | {"now": now})
    return [key for key, holder in on_wire.all() if not is_gone(holder)]


def read_others(connection: sa.Connection, holder: str, is_gone: Callable[[str], bool]) -> dict[str, Usage]:
    """Return model → what may be used by attempts that other stores than the holder's have on the wire."""
    sums: dict[str, Usage] = {}
    now = time.time()
    for other, model, sent, received in connection.execute(_HELD_BY_OTHERS, {"holder": holder, "now": now}):
        if not is_gone(other):
            more = Usage(input_tokens=int(sent), output_tokens=int(received))
            sums[model] = sums.get(model, NOTHING) + more
    return sums


def charge_abandoned(connection: sa.Connection, is_gone: Callable[[str], bool]) -> None:
    """Charge attempts that nobody waits for any more, by estimate: whoever sent them was killed. The caller commits.

    Those that were ready and not sent are not charged.

    Parameters
    ----------
    is_gone : callable
        Whether a holder is known to be there no more.
    """
    used, gone = [], set()
    for row in map(dict, connection.execute(ON_WIRE.select()).mappings().all()):
        if row["until"] >= time.time() and not is_gone(row["holder"]):
            continue
        gone.add(row["holder"])
        same = (ON_WIRE.c.holder == row["holder"]) & (ON_WIRE.c.number == row["number"])
        # of two processes that see it at once, one deletes it
        if connection.execute(ON_WIRE.delete().where(same)).rowcount and was_sent(row["holder"], row["number"]):
            expected = Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"])
            used.append((row, usage_of_lost(Lost(), expected) + Usage(attempts=1)))
            _count_unanswered(connection, row, lost=1)
    _add_usage(connection, _add_up(used))
    for holder in gone:
        if is_gone(holder):
            forget_marks(holder)


def find_unanswered(connection: sa.Connection, keys: Collection[str]) -> dict[str, Unanswered]:
    """Return key → what is known of the call, for those that were sent and have no reply."""
    rows = connection.execute(_LEFT, as_parameter(keys)).all()
    return {key: Unanswered(lost, bool(settled), problem) for key, lost, settled, problem in rows}


def _count_unanswered(
    connection: sa.Connection, call: Mapping[str, Any], *, lost: int = 0, settled: bool = False
) -> None:
    """Count an answer of a call as lost, or a call as settled."""
    more: dict[str, Any] = {"settled": True} if settled else {"lost": UNANSWERED.c.lost + lost}
    if not connection.execute(UNANSWERED.update().where(UNANSWERED.c.key == call["key"]).values(more)).rowcount:
        about = {name: call[name] for name in ("key", "model", "prompt")}
        connection.execute(UNANSWERED.insert().values(lost=lost, settled=settled, **about))


def _add_up(used: Sequence[tuple[Mapping[str, Any], Usage]]) -> dict[tuple[str, str], Usage]:
    """Return (model, prompt) → what calls used together."""
    parts: defaultdict[tuple[str, str], list[Usage]] = defaultdict(list)
    for call, usage in used:
        parts[call["model"], call["prompt"]].append(usage)
    return {about: Usage._make(map(sum, zip(*usages, strict=True))) for about, usages in parts.items()}


def find_replies(connection: sa.Connection, keys: Collection[str]) -> dict[str, RawReply]:
    """Return key → reply."""
    rows = connection.execute(_REPLIES_UNDER, as_parameter(keys)).all() if keys else ()
    return {key: _raw(values) for key, *values in rows}


def find_answers(connection: sa.Connection, model: str, most: int) -> list[str]:
    """Return the ``answer`` of a model's last replies, latest last."""
    row = REPLIES.c
    query = sa.select(row.answer).where(row.model == model, row.answer.is_not(None)).order_by(row.created.desc())
    return list(connection.scalars(query.limit(most)))[::-1]


def find_answered(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """Return those of the keys under which there is a reply."""
    return set(connection.scalars(_ANSWERED, as_parameter(keys)).all())


def delete_replies(connection: sa.Connection, keys: Collection[str]) -> None:
    """Delete the replies under keys; what they used stays counted."""
    connection.execute(_FORGET_REPLIES, as_parameter(keys))


def find_failures(connection: sa.Connection, keys: Collection[str]) -> dict[str, str]:
    """Return key → problem."""
    return {key: problem for key, problem in connection.execute(_FAILED, as_parameter(keys)).all()}


class BatchedCall(NamedTuple):
    """What is recorded of a call in a batch: ``request`` is the text that the key is the hash of."""

    key: str
    prompt: str
    prompt_hash: str
    body_at: int
    """Where in the request's text the body begins."""
    request: str


def record_batch_calls(connection: sa.Connection, number: str, calls: Sequence[BatchedCall]) -> None:
    """Record the calls of a batch: their keys to be looked up, and the whole in one text, written and read at once."""
    # JSON holds neither line breaks nor tabs
    lines = "\n".join(
        f"{call.key}\t{_as_json(call.prompt, call.prompt_hash)}\t{call.body_at}\t{call.request}" for call in calls
    )
    connection.execute(BATCH_LINES.insert(), {"number": number, "lines": lines})
    insert_rows(connection, BATCH_KEYS, sorted((call.key, number) for call in calls))


def read_batch_calls(connection: sa.Connection, number: str) -> list[BatchedCall]:
    """Return the calls of an open batch, in the order of its lines; none if it is closed."""
    lines = connection.scalar(sa.select(BATCH_LINES.c.lines).where(BATCH_LINES.c.number == number))
    return [] if lines is None else calls_in(lines)


def calls_in(lines: str) -> list[BatchedCall]:
    """Return the calls in the text of a batch's calls; ValueError or TypeError if it is none."""
    calls = []
    for line in lines.split("\n"):
        key, prompt, body_at, request = line.split("\t")
        calls.append(BatchedCall(key, *_read_pair(prompt), int(body_at), request))
    return calls


# most calls of a batch have the same
@cache
def _as_json(*texts: str) -> str:
    """Return texts as a JSON array."""
    return json.dumps(texts)


@cache
def _read_pair(text: str) -> tuple[str, str]:
    """Return the two texts of a JSON array."""
    first, second = json.loads(text)
    return str(first), str(second)


def read_usage(connection: sa.Connection) -> dict[tuple[str, str], Usage]:
    """Return (model, prompt) → what has been used so far."""
    return {(model, prompt): Usage(*map(int, counts)) for model, prompt, *counts in connection.execute(_ALL_USAGE)}


def _add_usage(connection: sa.Connection, used: UsageTable) -> None:
    """Add what calls used to the table of what was used."""
    for (model, prompt), usage in used.items():
        about = {"of_model": model, "of_prompt": prompt}
        if not connection.execute(
            _MORE_USED, about | {f"more_{name}": n for name, n in usage._asdict().items()}
        ).rowcount:
            connection.execute(USAGE.insert().values(model=model, prompt=prompt, **usage._asdict()))


def _row(call: Mapping[str, str], reply: RawReply, created: str) -> tuple[Any, ...]:
    """Return the row of the table of replies that keeps one."""
    logprobs = None if reply.top_logprobs is None else json.dumps(reply.top_logprobs)
    return (*_ABOUT(call), *reply[:_LOGPROBS_AT], logprobs, *reply[_LOGPROBS_AT + 1 :], created)


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that have all of a table's columns in their order."""
    if connection.dialect.positional:
        # as the driver takes them: to make a dictionary of each costs as much as the insert itself
        dialect = f"{connection.dialect.name}.{connection.dialect.driver}"
        connection.exec_driver_sql(_insert_by_place(table, dialect), list(rows))
    else:
        names = table.columns.keys()
        connection.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])


@cache
def _insert_by_place(table: sa.Table, dialect: str) -> str:
    """Return the SQL that inserts a row whose values are in the order of the table's columns."""
    return str(table.insert().compile(dialect=sa.dialects.registry.load(dialect)()))


def _raw(values: list[Any]) -> RawReply:
    """Return the raw reply in a row."""
    if values[_LOGPROBS_AT] is not None:
        values[_LOGPROBS_AT] = json.loads(values[_LOGPROBS_AT])
    return RawReply(*values)


_VERSION = META.c.name == "schema_version"
# 1 kept no usage; 2 told no cached tokens and no thoughts; 3 did not tell answers apart; 4 counted lost ones as
# replies; 5 had a row for each call of an open batch
_OLDER = ("1", "2", "3", "4", "5")


def bring_up_to_date(connection: sa.Connection) -> str:
    """Make the tables if there are none, or migrate those of an older version, in one transaction.

    Returns
    -------
    str
        The version that is there then: ``SCHEMA_VERSION``, or another that this module does not know.
    """
    with connection.begin():
        keep_others_out(connection)
        there = sa.inspect(connection).has_table(META.name)
        version = connection.scalar(sa.select(META.c.value).where(_VERSION)) if there else None
        if version not in (None, str(SCHEMA_VERSION), *_OLDER):
            # nothing is added to a store of a later program
            return version
        for table in METADATA.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        if version is None:
            connection.execute(META.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))
        elif version in _OLDER:
            _add_new_columns(connection)
            if sa.inspect(connection).has_table(BATCH_CALLS_IN_5.name):
                _move_batch_calls(connection)
            if version == "1":
                names = [column.name for column in USAGE.c]
                connection.execute(USAGE.insert().from_select(names, _used_in_version_1()))
            connection.execute(META.update().where(_VERSION).values(value=str(SCHEMA_VERSION)))
        return str(SCHEMA_VERSION)


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


BATCH_CALLS_IN_5 = sa.Table(
    "batch_calls",
    sa.MetaData(),
    sa.Column("number", sa.String(64), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Integer if name == "body_at" else sa.Text, nullable=False) for name in BatchedCall._fields),
)
"""The calls of open batches up to version 5."""


def _move_batch_calls(connection: sa.Connection) -> None:
    """Keep the calls of open batches as this version does."""
    table = BATCH_CALLS_IN_5
    columns = [table.c[name] for name in BatchedCall._fields]
    rows = connection.execute(sa.select(table.c.number, *columns).order_by(table.c.number, table.c.line)).all()
    for number, some in groupby(rows, itemgetter(0)):
        record_batch_calls(connection, number, [BatchedCall(*call) for _, *call in some])
    connection.execute(sa.schema.DropTable(table))
    # a program of version 5 that has the store open fails on this; an empty table, as another of that version would
    # make if nothing had its name, would tell it that its open batches hold no calls
    connection.exec_driver_sql(f"CREATE VIEW {table.name} AS SELECT number AS moved FROM {BATCH_LINES.name}")


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
        zero.label("batch_input_tokens"),
        zero.label("batch_output_tokens"),
        zero.label("lost_output_tokens"),
    ]
    failure, none = FAILURES.c, [zero] * 8
    answered = sa.select(failure.model, failure.prompt, zero, sa.literal(1), sa.literal(1), *none)
    both = sa.union_all(sa.select(reply.model, reply.prompt, *counts), answered).subquery()
    sums = [sa.func.sum(both.c[column.name]) for column in USAGE.c if column.name not in ("model", "prompt")]
    return sa.select(both.c.model, both.c.prompt, *sums).group_by(both.c.model, both.c.prompt)


def _tokens(text: sa.ColumnElement) -> sa.ColumnElement:
    """Return the tokens of a text by the stated rule, rounded up."""
    return (sa.func.length(text) + CHARACTERS_PER_TOKEN - 1) // CHARACTERS_PER_TOKEN
