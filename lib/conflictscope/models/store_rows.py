"""The call store's tables, and how rows get in and out of them.

In: rows and keys, on an open connection. Out: the replies under those keys. A reply that is there is never overwritten.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conflictscope.models.replies import RawReply

SCHEMA_VERSION = 1

METADATA = sa.MetaData()
META = sa.Table("meta", METADATA, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.String(64)))
_REPLIES = sa.Table(
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
_FAILURES = sa.Table(
    "failures",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)
_RAW = [_REPLIES.c[name] for name in RawReply.__dataclass_fields__]
_KEYS_A_QUERY = 500
TRIES = 10


def write_rows(
    connection: sa.Connection, rows: list[dict[str, Any]], failures: list[dict[str, Any]]
) -> Mapping[str, RawReply]:
    """Store what is new in one transaction and return key → the reply that is there then."""
    created = datetime.now(UTC).isoformat(timespec="milliseconds")
    last = {failure["key"]: failure | {"created": created} for failure in failures}
    for attempt in range(TRIES):
        try:
            with connection.begin():
                held = find_replies(connection, {row["key"] for row in rows})
                # of two replies under one key, the one that came first
                new = {row["key"]: row | {"created": created} for row in reversed(rows) if row["key"] not in held}
                if new:
                    connection.execute(_REPLIES.insert(), list(new.values()))
                if last:
                    connection.execute(_FAILURES.delete().where(_FAILURES.c.key.in_(list(last))))
                    connection.execute(_FAILURES.insert(), list(last.values()))
            return held | {key: _raw(row) for key, row in new.items()}
        except IntegrityError:
            # another process has stored one of them between our look and our insert; the next look finds it
            if attempt == TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def find_replies(connection: sa.Connection, keys: Collection[str]) -> dict[str, RawReply]:
    """Return key → reply."""
    found = {}
    for some in _some_at_a_time(keys):
        for key, *values in connection.execute(sa.select(_REPLIES.c.key, *_RAW).where(_REPLIES.c.key.in_(some))):
            found[key] = _raw(dict(zip(RawReply.__dataclass_fields__, values, strict=True)))
    return found


def find_failures(connection: sa.Connection, keys: Collection[str]) -> dict[str, str]:
    """Return key → problem."""
    found = {}
    for some in _some_at_a_time(keys):
        query = sa.select(_FAILURES.c.key, _FAILURES.c.problem).where(_FAILURES.c.key.in_(some))
        found.update({key: problem for key, problem in connection.execute(query)})
    return found


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
