"""What a call store holds, read without changing it: totals for a manifest, rows for a copy.

In: a database URL. Out: one row a model and prompt; all rows, table by table; or a new store with such rows in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from conflictscope.models.store_rows import METADATA

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
        One row a model, prompt and model id, sorted: ``model``, ``prompt``, ``model_id`` (what the endpoint said has
        answered; empty for failures), ``replies``, ``failures`` (calls that never got one), ``prompt_tokens``,
        ``completion_tokens`` (as far as the endpoint counted them), ``first`` and ``last`` (when the first and the last
        reply came, ISO 8601, UTC). Empty where there is no store.
    """
    reply = _REPLIES.c
    group = (reply.model, reply.prompt, reply.model_id)
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
    failures = sa.select(failure.model, failure.prompt, sa.null(), sa.literal(0), sa.func.count(), *nothing)
    failures = failures.where(unanswered).group_by(failure.model, failure.prompt)
    columns = [column.name for column in replies.selected_columns]
    with _reading(url) as connection:
        rows = [] if connection is None else [*connection.execute(replies), *connection.execute(failures)]
    return pd.DataFrame([tuple(row) for row in rows], columns=columns).sort_values(columns[:3], ignore_index=True)


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
    finally:
        engine.dispose()
