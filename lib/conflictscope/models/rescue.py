"""Rescue: what can still be read of a call store whose file is damaged.

In: a SQLite file of which pages are missing or hold something else. Out: a new call store beside it with every row that
reads as one of a call store's; a reply counts only if its key is the hash of its request. The damaged file is left as
it is.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conflictscope.files import refuse_link
from conflictscope.models.records import (
    BATCH_CALLS_IN_5,
    BATCH_KEYS,
    BATCH_LINES,
    META,
    METADATA,
    ON_WIRE,
    RATES,
    REPLIES,
    SCHEMA_VERSION,
    USAGE,
    BatchedCall,
    calls_in,
    record_batch_calls,
    required_columns,
)
from conflictscope.models.requests import key_of
from conflictscope.models.store import made_anew, misfits_of

# no row of a call store is shorter, with its entry in the index of its key
_SHORTEST_ROW = 100


def rescue_store(damaged: Path, saved: Path) -> Counter[str]:
    """Make a new call store of the rows that can be read of a damaged one.

    Parameters
    ----------
    damaged, saved : Path
        SQLite files; the second is made.

    Returns
    -------
    Counter
        Table → number of rows that were read. If what was used cannot be read, it is counted anew from the replies
        when the new store is opened.

    Raises
    ------
    FileNotFoundError
        If there is no damaged file.
    FileExistsError
        If the new one is there already.
    ValueError
        If nothing at all can be read as a call store's.
    OSError
        If the disk does not take the new one.
    """
    if not damaged.is_file():
        raise FileNotFoundError(f"{damaged} is not there, or is no file; nothing can be saved of it.")
    if refuse_link(saved).exists():
        raise FileExistsError(f"{saved} is there already; move it away, and give the same command again.")
    most = damaged.stat().st_size // _SHORTEST_ROW + 1
    try:
        source = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.OperationalError as problem:
        raise OSError(f"{damaged} cannot be read: {problem}.") from None
    # else a file that is shorter than it says is not looked into; nothing is written all the same
    source.execute("PRAGMA writable_schema=ON")
    rows: Counter[str] = Counter()
    try:
        with made_anew(saved) as target:
            for table in METADATA.sorted_tables:
                # what was on the wire then is no longer
                if table not in (META, ON_WIRE, RATES, BATCH_LINES, BATCH_KEYS):
                    rows[table.name] = _copy_rows(source, target, table, most)
            rows[BATCH_LINES.name] = _copy_batch_calls(source, target, most)
            # a store of version 1 has what was used counted when it is opened
            version = str(SCHEMA_VERSION) if rows[USAGE.name] else "1"
            target.execute(META.insert().values(name="schema_version", value=version))
    finally:
        source.close()
    if not rows.total():
        saved.unlink()
        raise ValueError(
            f"{damaged}: nothing in it can be read as a call store's. Put a copy of it back if you have one."
        )
    return rows


def _copy_rows(source: sqlite3.Connection, target: sa.Connection, table: sa.Table, most: int) -> int:
    """Copy the rows of one table that can be read and are such rows; return their number."""
    copied = 0
    for row in _fitting_rows(source, table, most):
        if table is REPLIES and key_of(row["request"]) != row["key"]:
            continue
        try:
            with target.begin_nested():
                target.execute(table.insert(), row)
        except IntegrityError:
            # a page that stands in the file twice
            continue
        copied += 1
    return copied


def _copy_batch_calls(source: sqlite3.Connection, target: sa.Connection, most: int) -> int:
    """Copy the calls of open batches that can be read, each of them once; return of how many batches."""
    batches: defaultdict[str, dict[str, BatchedCall]] = defaultdict(dict)
    for row in _fitting_rows(source, BATCH_CALLS_IN_5, most):
        call = BatchedCall(*(row[name] for name in BatchedCall._fields))
        batches[row["number"]][call.key] = call
    for row in _fitting_rows(source, BATCH_LINES, most):
        # a page in the middle of the text may hold something else
        with suppress(ValueError, TypeError):
            batches[row["number"]] |= {call.key: call for call in calls_in(row["lines"])}
    copied: dict[str, str] = {}
    for number, calls in batches.items():
        kept = [call for key, call in calls.items() if key == key_of(call.request) and key not in copied]
        copied |= {call.key: number for call in kept}
        if kept:
            record_batch_calls(target, number, kept)
    return len(set(copied.values()))


def _fitting_rows(source: sqlite3.Connection, table: sa.Table, most: int) -> Iterator[dict[str, Any]]:
    """Return the rows that can be read and are such as the table holds."""
    return (row for row in _readable_rows(source, table, most) if not misfits_of(row, table))


def _readable_rows(source: sqlite3.Connection, table: sa.Table, most: int) -> Iterator[dict[str, Any]]:
    """Return the rows of a table that can be read, in order; none has a number above `most`."""
    try:
        there = {name for _, name, *_ in source.execute(f"PRAGMA table_info({table.name})")}
    except sqlite3.DatabaseError:
        return
    # an older version's lacks some
    names = [column.name for column in table.columns if column.name in there]
    if not required_columns(table) <= there:
        return
    query = f"SELECT rowid, {', '.join(names)} FROM {table.name} WHERE rowid "
    number = 0
    while number <= most:
        try:
            for read, *values in source.execute(f"{query} > ? ORDER BY rowid", (number,)):
                number = read
                yield dict(zip(names, values, strict=True))
            return
        except sqlite3.OperationalError as problem:
            if "no such" in str(problem):
                return
            number += 1
        except sqlite3.DatabaseError as problem:
            if "not a database" in str(problem):
                return
            # what is on this page is lost; the row after may be on another one
            number += 1
