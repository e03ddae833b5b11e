"""The data dictionary: what every column of the exported tables means, made from the table contract.

In: names of tables. Out: one row a column. Nothing is described twice: ``tables`` is where a meaning is written. No
section of the paper (arXiv 2509.25369).

Tables of a study as files for others: CSV or Parquet, one file a table, with the data dictionary beside them.

In: a study's folder. Out: files that read back as the same tables, to the last missing value. In CSV an empty text is
``""`` and a missing one is nothing between two commas; line breaks stay inside quotes. Text is never changed, so a cell
that a spreadsheet would take for a formula stays as it is, and is counted. No section of the paper (arXiv 2509.25369).

The data-set card: what a study's exported tables are, for people and for the Hugging Face Hub.

In: the tables as exported. Out: the text of a ``README.md`` whose YAML header names one configuration a table. What
only the researcher can decide, the licence, is left open in so many words. No section of the paper (arXiv 2509.25369).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import yaml

from conflictscope.files import write_atomically
from conflictscope.table_files import arrow_table, check_table, read_table, table_path
from conflictscope.tables import DTYPES, TABLES


def data_dictionary(names: Sequence[str]) -> pd.DataFrame:
    """Describe the columns of tables.

    Parameters
    ----------
    names : sequence of str
        Names of tables in ``TABLES``.

    Returns
    -------
    DataFrame
        One row a column, tables and columns in order: ``table``, ``column``, ``type`` (``string``, ``int64``,
        ``double`` or ``bool``), ``may_be_empty``, ``key`` (whether it helps to identify a row), ``allowed`` (what it
        may hold, parted by ``|``; empty: anything) and ``meaning``.

    Raises
    ------
    ValueError
        Where a table is not known.
    """
    if unknown := sorted(set(names) - set(TABLES)):
        raise ValueError(f"tables: found {unknown}; expected some of {list(TABLES)}.")
    rows = [
        {
            "table": name,
            "column": column.name,
            "type": str(DTYPES[column.kind][2]),
            "may_be_empty": column.optional,
            "key": column.name in TABLES[name].key,
            "allowed": "|".join(map(str, column.allowed)),
            "meaning": column.meaning,
        }
        for name in names
        for column in TABLES[name].columns
    ]
    return pd.DataFrame(rows)


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


PAPER = "arXiv 2509.25369"
# the Hub's own names for sizes, in rows
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_HUB_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}
_ROLES = {"author": "author", "target": "targets", "judge": "judge"}


def dataset_card(
    study: str,
    tables: Mapping[str, pd.DataFrame],
    simulated: Mapping[str, bool],
    *,
    format: Format,
    licence: str | None = None,
    language: str = "en",
) -> str:
    """Write the card of a study's exported tables.

    Parameters
    ----------
    study : str
        Name of the study.
    tables : mapping
        Name → table, as `export_tables` gives them.
    simulated : mapping
        Model → whether it is one of the embedded simulated models; a model that is missing here is said to be unknown.
    format : str
        Of the files: ``csv`` or ``parquet``.
    licence : str, optional
        The Hub's name for the licence that the researcher has chosen; None: ``unknown``, and the card says that the
        choice is still to be made.
    language : str
        ISO 639-1 code of the scenarios' language.

    Returns
    -------
    str
        A YAML header between two lines ``---``, and Markdown.
    """
    models = models_in(tables)
    made_up = [name for name in models if simulated.get(name)]
    unknown = [name for name in models if name not in simulated]
    longest = max((len(table) for table in tables.values()), default=0)
    header = {
        "pretty_name": f"ConflictScope: {study}",
        "license": licence or "unknown",
        "language": [language],
        "size_categories": [next((name for rows, name in _SIZES if longest < rows), _LARGEST)],
        "tags": ["conflictscope", "value-conflicts", *(["simulated"] if made_up else []), "synthetic"],
        "configs": [
            {"config_name": name, "data_files": f"{name}.{format}"} | ({"default": True} if place == 0 else {})
            for place, name in enumerate(tables)
        ],
        "dataset_info": [{"config_name": name, "features": _features(name)} for name in tables],
    }
    counts = "\n".join(
        f"| `{name}` | {len(table):,} | {TABLES[name].meaning} | {count_formula_cells(table):,} |"
        for name, table in tables.items()
    )
    played = "\n".join(f"- {_ROLES[role]}: {', '.join(names)}" for role, names in _by_role(tables).items())
    return f"""---
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000)}---

# ConflictScope: {study}

Scenarios in which two values pull an assistant apart, and what language models chose in them, as multiple choice and in
conversation. Method: Liu, Ghate, Diab, Fried, Kasirzadeh and Kleiman-Weiner, *Generative Value Conflicts Reveal LLM
Priorities* ({PAPER}).

{_said_of_models(made_up, unknown)}

{_said_of_licence(licence)}

## Tables

| table | rows | what it holds | cells like a formula |
| --- | --- | --- | --- |
{counts}

Every column is described in `{DICTIONARY}`. A choice has one outcome: `choice`, `refusal`, `neither`, `invalid` (it
could not be read) or `error` (it never came); only `choice` has a winner. In CSV files an empty text is `""` and a
missing one is nothing between two commas. Texts are as the models wrote them: cells that begin with `=`, `+`, `-` or
`@` are counted above; a spreadsheet would take them for formulas, so import them as text.

## Models

{played}
"""


def models_in(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the models that wrote, answered or judged in these tables, each once."""
    return list(dict.fromkeys(name for names in _by_role(tables).values() for name in names))


def _by_role(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Return role → the models that the tables name in it."""
    found = {
        role: sorted({str(name) for table in tables.values() if role in table for name in table[role].dropna()})
        for role in _ROLES
    }
    return {role: names for role, names in found.items() if names}


def _features(name: str) -> list[dict[str, str]]:
    """Return the columns of a table with the Hub's types."""
    return [{"name": column.name, "dtype": _HUB_TYPES[str(DTYPES[column.kind][2])]} for column in TABLES[name].columns]


def _said_of_models(made_up: list[str], unknown: list[str]) -> str:
    """Return what the card says about where the text and the choices come from."""
    said = []
    if made_up:
        said.append(
            f"**Simulated.** {', '.join(made_up)} are simulated models: this is a demonstration and a test of the "
            "instrument, and no finding about any model."
        )
    if unknown:
        said.append(f"Whether {', '.join(unknown)} are simulated models is not known: the file of models lacks them.")
    return "\n\n".join(said) or "No simulated model took part."


def _said_of_licence(licence: str | None) -> str:
    """Return what the card says about its licence."""
    if licence:
        return f"Licence: {licence}."
    return (
        "**No licence has been chosen.** Whoever publishes this has to: set `license` in the header, after a look at "
        "what the makers of the models named below allow to be done with their output."
    )
