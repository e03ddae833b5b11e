"""The call store's tables, and how rows get in and out of them.

In: rows and keys, on an open connection. Out: the replies under those keys, and what they have used. A reply that is
there is never overwritten; what was used is added up in the transaction that stores the reply, so that processes which
share a store share its total.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conflictscope.models.replies import RawReply
from conflictscope.models.usage import Usage

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
