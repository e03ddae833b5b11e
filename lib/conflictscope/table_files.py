"""Tables on disk: checked against the contract, whole or not there, and of one study only.

In: a DataFrame, or the Parquet file that an earlier stage wrote. Out: the same table, checked. Files are written to a
temporary name and renamed, so a reader never sees half a table, and each file carries the name of its study, so tables
of two studies cannot be mixed, a hash of its rows, and what it was made from.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from conflictscope.files import PLAIN_NAME, means_more, write_atomically
from conflictscope.tables import DTYPES, TABLES, Column

_NOTE = "conflictscope."
# columns as tables of earlier versions call them
_RENAMED = {"system_prompt": "arm", "first_action": "action_shown_first", "reply": "status"}


def check_table(frame: pd.DataFrame, name: str, *, source: str = "") -> pd.DataFrame:
    """Check a frame against the contract of a table.

    Parameters
    ----------
    frame : DataFrame
        Columns as in ``TABLES[name]``, in any order; later ones may be left out, and are empty then.
    name : str
        Name of the table.
    source : str
        Where the frame came from, for messages: a file's path.

    Returns
    -------
    DataFrame
        The same rows with the contract's column order and dtypes, index 0 … n − 1.

    Raises
    ------
    ValueError
        Naming the column, the row and what was found, where the frame does not fit.
    """
    table = TABLES[name]
    where = f"{source or 'the table'} ({name})"
    expected = table.names
    frame = frame.assign(**{c.name: None for c in table.columns if c.later and c.name not in frame.columns})
    missing = [column for column in expected if column not in frame.columns]
    unknown = [str(column) for column in frame.columns if column not in expected]
    if missing or unknown:
        raise ValueError(
            f"{where}: columns do not fit: missing {missing or 'none'}, unknown {unknown or 'none'}; "
            f"expected {expected}. Run the stage that writes it again."
        )
    columns = {column.name: _checked_column(frame[column.name], column, where) for column in table.columns}
    checked = pd.DataFrame(columns).reset_index(drop=True)
    repeated = checked.duplicated(list(table.key))
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        key = checked.loc[row, list(table.key)].to_dict()
        raise ValueError(f"{where}: row {row} repeats the key {key}; expected each key once.")
    return checked


def _checked_column(values: pd.Series, column: Column, where: str) -> pd.Series:
    """Return the column with its dtype, or raise with the first row that does not fit."""
    values = values.reset_index(drop=True)
    absent = values.isna()
    if absent.any() and not column.optional:
        raise ValueError(
            f"{where}: column {column.name!r}, row {int(absent.to_numpy().argmax())}: empty; expected {column.kind}."
        )
    present = values[~absent]
    if column.kind == "text":
        misfit = present.map(lambda value: not isinstance(value, str))
    elif column.kind == "flag":
        misfit = present.map(lambda value: value not in (True, False))
    else:
        numbers = pd.to_numeric(present, errors="coerce")
        misfit = numbers.isna()
        if column.kind == "integer":
            misfit |= numbers % 1 != 0
    if column.allowed and not misfit.any():
        misfit = ~present.isin(column.allowed)
    if column.name in _NAMES and not misfit.any():
        for name in filter(means_more, present.unique()):
            raise ValueError(f"{where}: column {column.name!r}: found {name[:80]!r}; expected {PLAIN_NAME}.")
    if misfit.any():
        row = misfit.index[misfit.to_numpy().argmax()]
        expected = f"one of {list(column.allowed)}" if column.allowed else column.kind
        raise ValueError(f"{where}: column {column.name!r}, row {row}: found {values[row]!r}; expected {expected}.")
    if column.kind == "text":
        return values.astype("object").where(~absent, None).astype(column.dtype)
    return values.astype(column.dtype)


# these go into titles and Markdown, and whoever wrote a stranger's table was not held to our rules for names
_NAMES = (
    *("target", "judge", "author", "filter_judge", "simulated_user", "embedder", "domain"),
    *("value", "value_1", "value_2", "acting_value", "about_value", "named_value", "winner", "loser"),
)


def table_path(folder: Path | str, name: str) -> Path:
    """Return the path of a table's file in a study's folder."""
    return Path(folder) / f"{TABLES[name].name}.parquet"


def write_table(
    frame: pd.DataFrame, name: str, folder: Path | str, *, study: str, origin: Mapping[str, object] | None = None
) -> pd.DataFrame:
    """Check a table and write it as Parquet, whole or not at all.

    Parameters
    ----------
    origin : mapping, optional
        What the table was made from, as JSON; kept in the file beside the rows, for ``read_notes``.

    Returns
    -------
    DataFrame
        The checked frame, so that the rest of a notebook works on just what was written.

    Raises
    ------
    ValueError
        Where the frame does not fit the contract.
    OSError
        Where the disk does not take the file; the earlier file, if any, is untouched.
    """
    checked = check_table(frame, name)
    arrow = arrow_table(checked, name)
    notes = {"table": name, "study": study, "content": _hash_rows(arrow)}
    if origin is not None:
        notes["origin"] = json.dumps(origin, sort_keys=True)
    noted = arrow.replace_schema_metadata({_NOTE + key: note for key, note in notes.items()})
    write_atomically(table_path(folder, name), lambda temporary: pq.write_table(noted, temporary))
    return checked


def arrow_table(checked: pd.DataFrame, name: str) -> pa.Table:
    """Return a checked table with the contract's Arrow types, without metadata."""
    schema = pa.schema([pa.field(c.name, DTYPES[c.kind][2]) for c in TABLES[name].columns])
    return pa.Table.from_pandas(checked, schema=schema, preserve_index=False).replace_schema_metadata(None)


def read_notes(name: str, folder: Path | str) -> dict[str, str]:
    """Read what a table's file says of itself, without its rows.

    Returns
    -------
    dict
        ``table``, ``study``, ``content`` (hash of the rows) and ``origin`` (JSON), as far as they are noted; empty
        where the file is not there.

    Raises
    ------
    ValueError
        Where it is no Parquet file.
    """
    path = table_path(folder, name)
    if not path.exists():
        return {}
    with _reading(path):
        metadata = pq.read_schema(path).metadata or {}
    start = _NOTE.encode()
    return {
        key[len(start) :].decode(errors="replace"): note.decode(errors="replace")
        for key, note in metadata.items()
        if key.startswith(start)
    }


def _hash_rows(arrow: pa.Table) -> str:
    """Return a hash of a table's rows: of their values, not of how they lie in memory or on the disk."""
    digest = hashlib.sha256()
    for name, column in zip(arrow.column_names, arrow.columns, strict=True):
        digest.update(json.dumps([name, column.to_pylist()]).encode())
    return digest.hexdigest()[:16]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say of a file that is no table that it is none; what is damaged ends in several kinds of exception."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError:
        raise PermissionError(f"{path} is there, and you may not read it.") from None
    except (pa.ArrowException, OSError) as problem:
        reason = str(problem).partition("\n")[0][:200]
        raise ValueError(
            f"{path} is not a readable Parquet file ({reason}). Delete it and run its notebook again."
        ) from problem


def read_table(name: str, folder: Path | str, *, study: str | None) -> pd.DataFrame:
    """Read a table that an earlier stage of the same study wrote, or whatever study's if `study` is None.

    Raises
    ------
    FileNotFoundError
        Saying which notebook writes it, where the file is not there.
    ValueError
        Where it belongs to another study, is no Parquet file, or does not fit the contract.
    """
    path = table_path(folder, name)
    if not path.exists():
        whose = "" if study is None else f" for study {study!r}"
        raise FileNotFoundError(f"{path} is not there. Run the notebook that writes {name!r}{whose} first.")
    with _reading(path):
        # not as part of a data set, whose folders' names would become columns
        arrow = pq.ParquetFile(path).read()
        frame = arrow.to_pandas(ignore_metadata=True).rename(columns=_RENAMED)
    study_written = (arrow.schema.metadata or {}).get(b"conflictscope.study", b"").decode(errors="replace")
    if study is not None and study_written != study:
        raise ValueError(
            f"{path} belongs to study {study_written or 'unknown'!r}; expected {study!r}. "
            "Give each study its own folder, or delete the file and run its notebook again."
        )
    return check_table(frame, name, source=str(path))
