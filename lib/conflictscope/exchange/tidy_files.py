"""Tables of a study as files for others: CSV or Parquet, one file a table, with the data dictionary beside them.

In: a study's folder. Out: files that read back as the same tables, to the last missing value. In CSV an empty text is
``""`` and a missing one is nothing between two commas; line breaks stay inside quotes. Text is never changed, so a cell
that a spreadsheet would take for a formula stays as it is, and is counted. No section of the paper (arXiv 2509.25369).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from conflictscope.columns import DTYPES
from conflictscope.exchange.data_dictionary import data_dictionary
from conflictscope.files import write_atomically
from conflictscope.table_files import arrow_table, check_table, read_table, table_path
from conflictscope.tables import TABLES

Format = Literal["csv", "parquet"]
FILE_FORMATS: tuple[Format, ...] = ("csv", "parquet")
EXPORTED = ("scenarios", "kept_scenarios", "choices", "verdicts", "rankings")
DICTIONARY = "data_dictionary.csv"
# what spreadsheets take for the beginning of a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_tables(
    folder: Path | str, to: Path | str, *, names: Sequence[str] = EXPORTED, format: Format = "parquet"
) -> dict[str, pd.DataFrame]:
    """Write tables of a study, and their data dictionary, for others to read.

    Parameters
    ----------
    folder : Path or str
        The study's folder.
    to : Path or str
        Where to; made where it is not there.
    names : sequence of str
        Which tables.
    format : str
        ``csv`` (UTF-8) or ``parquet``.

    Returns
    -------
    dict
        Name → the table as written.

    Raises
    ------
    FileNotFoundError
        Where a table is not there, saying which stage has not run.
    ValueError
        Where a table or the format is not known, or a table does not fit the contract.
    """
    if format not in FILE_FORMATS:
        raise ValueError(f"format: found {format!r}; expected one of {list(FILE_FORMATS)}.")
    dictionary = data_dictionary(names)
    study = name_of_study(folder)
    tables = {name: read_table(name, folder, study=study) for name in names}
    write = pcsv.write_csv if format == "csv" else pq.write_table
    for name, table in tables.items():
        write_atomically(_path(to, name, format), partial(write, arrow_table(table, name)))
    described = pa.Table.from_pandas(dictionary, preserve_index=False)
    write_atomically(Path(to) / DICTIONARY, partial(pcsv.write_csv, described))
    return tables


def read_exported(folder: Path | str, name: str) -> pd.DataFrame:
    """Read an exported table back, with the contract's columns and dtypes.

    Raises
    ------
    FileNotFoundError
        Where the folder holds no file of that table.
    ValueError
        Where the file does not fit the contract: columns, types, values.
    """
    found = [path for path in (_path(folder, name, format) for format in FILE_FORMATS) if path.exists()]
    if not found:
        raise FileNotFoundError(f"{Path(folder) / name}.csv or .parquet is not there; expected an exported table.")
    path = found[0]
    try:
        arrow = _read_csv(path, name) if path.suffix == ".csv" else pq.read_table(path)
    except pa.ArrowInvalid as problem:
        raise ValueError(f"{path} cannot be read as the table {name!r} ({problem}). Export it again.") from problem
    return check_table(arrow.to_pandas(), name, source=str(path))


def count_formula_cells(table: pd.DataFrame) -> int:
    """Count the texts that a spreadsheet would take for a formula: those that begin with = + - @, a tab or a return."""
    texts = table.select_dtypes(include=["str", "object"])
    return int(sum(texts[name].dropna().str.startswith(_FORMULA).sum() for name in texts))


def name_of_study(folder: Path | str) -> str:
    """Return the name of the study whose tables a folder holds.

    Raises
    ------
    FileNotFoundError
        Where it holds none.
    """
    paths = [path for path in (table_path(folder, name) for name in TABLES) if path.exists()]
    if not paths:
        raise FileNotFoundError(f"{folder} holds no tables; expected the folder of a study that has run.")
    return (pq.read_schema(paths[0]).metadata or {}).get(b"conflictscope.study", b"").decode()


def _read_csv(path: Path, name: str) -> pa.Table:
    """Read a CSV file in which an empty text and a missing one differ."""
    types = {column.name: DTYPES[column.kind][2] for column in TABLES[name].columns}
    return pcsv.read_csv(
        path,
        # a row has to fit into a block, and nothing bounds the length of a reply
        read_options=pcsv.ReadOptions(block_size=min(max(path.stat().st_size, 2**20), 2**31 - 1)),
        parse_options=pcsv.ParseOptions(newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _path(folder: Path | str, name: str, format: Format) -> Path:
    """Return where a table is exported to."""
    return Path(folder) / f"{name}.{format}"
