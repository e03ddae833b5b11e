"""A study's tables as files for others: CSV or Parquet, data dictionary, data-set card, and a task for Inspect.

In: a study's folder. Out: files that read back as the same tables, to the last missing value: in CSV an empty text is
``""`` and a missing one is nothing between two commas. Text is never changed, so a cell that a spreadsheet would take
for a formula stays as it is, and is counted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import yaml

from conflictscope.files import did_you_mean, near_file, write_atomically
from conflictscope.table_files import arrow_table, read_notes, read_table, table_path
from conflictscope.tables import DTYPES, TABLES

Format = Literal["csv", "parquet"]
FILE_FORMATS: tuple[Format, ...] = ("csv", "parquet")
EXPORTED = ("scenarios", "kept_scenarios", "choices", "verdicts", "rankings")
DICTIONARY = "data_dictionary.csv"
PAPER = "arXiv 2509.25369"
# what spreadsheets take for the beginning of a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# the Hub's own names for sizes, in rows
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_HUB_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}
_ROLES = {"author": "author", "target": "targets", "judge": "judge"}


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
        If a table is not known.
    """
    if unknown := sorted(set(names) - set(TABLES)):
        near = did_you_mean(unknown[0], TABLES) or "."
        raise ValueError(f"tables: found {unknown}; expected some of {list(TABLES)}{near}")
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


def export_tables(
    folder: Path | str, to: Path | str, *, names: Sequence[str] = EXPORTED, format: Format = "parquet"
) -> dict[str, pd.DataFrame]:
    """Write tables of a study, and their data dictionary, for others to read.

    Parameters
    ----------
    folder : Path or str
        The study's folder.
    to : Path or str
        Where to; made if it is not there.
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
        If a table is not there, saying which stage has not run.
    ValueError
        If a table or the format is not known, or a table does not fit the contract.
    """
    if format not in FILE_FORMATS:
        raise ValueError(f"format: found {format!r}; expected one of {list(FILE_FORMATS)}.")
    dictionary = data_dictionary(names)
    study = name_of_study(folder)
    tables = {name: read_table(name, folder, study=study) for name in names}
    write = pcsv.write_csv if format == "csv" else pq.write_table
    for name, table in tables.items():
        write_atomically(Path(to) / f"{name}.{format}", partial(write, arrow_table(table, name)))
    described = pa.Table.from_pandas(dictionary, preserve_index=False)
    write_atomically(Path(to) / DICTIONARY, partial(pcsv.write_csv, described))
    return tables


def count_formula_cells(table: pd.DataFrame) -> int:
    """Count the texts that a spreadsheet would take for a formula: those that begin with = + - @, a tab or a return."""
    texts = table.select_dtypes(include=["str", "object"])
    return int(sum(texts[name].dropna().str.startswith(_FORMULA).sum() for name in texts))


def name_of_study(folder: Path | str) -> str:
    """Return the name of the study whose tables a folder holds.

    Raises
    ------
    FileNotFoundError
        If it holds none.
    ValueError
        If the first of them is no Parquet file.
    """
    there = [name for name in TABLES if table_path(folder, name).exists()]
    if not there:
        near = near_file(Path(folder)) if not Path(folder).exists() else ""
        raise FileNotFoundError(f"{folder} holds no tables; expected the folder of a study that has run{near or '.'}")
    return read_notes(there[0], folder).get("study", "")


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
        Model → whether it is one of the embedded simulated models; the card calls one that is missing here unknown.
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

{_models_note(made_up, unknown)}

{_licence_note(licence)}

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
    names = {
        role: sorted({str(name) for table in tables.values() if role in table for name in table[role].dropna()})
        for role in _ROLES
    }
    return {role: models for role, models in names.items() if models}


def _features(name: str) -> list[dict[str, str]]:
    """Return the columns of a table with the Hub's types."""
    return [{"name": column.name, "dtype": _HUB_TYPES[str(DTYPES[column.kind][2])]} for column in TABLES[name].columns]


def _models_note(made_up: list[str], unknown: list[str]) -> str:
    """Return the card's note on where the text and the choices come from."""
    notes = []
    if made_up:
        notes.append(
            f"**Simulated.** {', '.join(made_up)} are simulated models: this is a demonstration and a test of the "
            "instrument, and no finding about any model."
        )
    if unknown:
        notes.append(f"Whether {', '.join(unknown)} are simulated models is not known: the file of models lacks them.")
    return "\n\n".join(notes) or "No simulated model took part."


def _licence_note(licence: str | None) -> str:
    """Return the card's note on its licence."""
    if licence:
        return f"Licence: {licence}."
    return (
        "**No licence has been chosen.** Whoever publishes this has to: set `license` in the header, after a look at "
        "what the makers of the models named below allow to be done with their output."
    )


SAMPLES = "scenarios.jsonl"
_SHOWN_TO_JUDGE = ["value_1", "value_2", "structure", "severity", "acting_value", "description", "action_1", "action_2"]
_TASK_FILE = '''"""Scenarios of the study {study!r}: a model replies to each message, and a judge reads the reply.

    inspect eval {name}.py --model openai/gpt-4.1 --model-role judge=openai/gpt-4.1

Needs the package conflictscope with its extra ``inspect``. Read the log back with
conflictscope.exchange.inspect_task.choices_from_inspect.
"""

from pathlib import Path

from inspect_ai import Task, task

from conflictscope.exchange.inspect_task import conflict_task


@task
def {name}(judge: str | None = None, seed: int = 0) -> Task:
    """Put each opening message to the model; `judge` names the judge if no role does."""
    return conflict_task(Path(__file__).with_name({samples!r}), judge=judge, seed=seed)
'''


def export_inspect_task(
    scenarios: pd.DataFrame, opening_messages: pd.DataFrame, to: Path | str, *, study: str
) -> tuple[Path, int]:
    """Write a study's scenarios as a task for Inspect: ``scenarios.jsonl`` and ``<study>.py``, for ``inspect eval``.

    The target sees the opening message alone (paper, section 3.3); the actions are metadata, for the judge.

    Parameters
    ----------
    scenarios : DataFrame
        Columns of the table ``kept_scenarios``.
    opening_messages : DataFrame
        Columns of the table ``opening_messages``; only the usable ones become samples.
    to : Path or str
        The folder.
    study : str
        Name of the study.

    Returns
    -------
    path : Path
        The task's file.
    samples : int
        How many scenarios have a usable opening message.

    Raises
    ------
    ValueError
        If none has.
    """
    usable = opening_messages[opening_messages["usable"].astype(bool)]
    asked = scenarios.merge(usable[["scenario_id", "message"]], on="scenario_id")
    if asked.empty:
        raise ValueError(
            f"{study}: none of {len(scenarios)} scenarios has a usable opening message; expected at least one. "
            "Run notebook 04 first."
        )
    shown = asked[_SHOWN_TO_JUDGE].astype("object").where(asked[_SHOWN_TO_JUDGE].notna(), None).to_dict("records")
    samples = [
        {"id": row.scenario_id, "input": row.message, "target": "", "metadata": metadata}
        for row, metadata in zip(asked.itertuples(), shown, strict=True)
    ]
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    name = re.sub(r"\W", "_", study, flags=re.ASCII).lower()
    name = f"study_{name}" if not name.isidentifier() else name
    path = Path(to) / f"{name}.py"
    text = _TASK_FILE.format(study=study, name=name, samples=SAMPLES)
    write_atomically(Path(to) / SAMPLES, lambda temporary: Path(temporary).write_text(lines, encoding="utf-8"))
    write_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return path, len(samples)
