"""Export a study: tables, data dictionary, data-set card and, where wanted, a task for Inspect.

In: a study's folder. Out: a folder that others can read, and what was put there, in words.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from conflictscope import exchange
from conflictscope.exchange.exports import Format, count_formula_cells
from conflictscope.files import write_atomically
from conflictscope.models import load_registry
from conflictscope.table_files import read_table, table_path, write_table


def export_study(
    folder: Path,
    to: Path,
    *,
    models_file: Path,
    format: Format = "parquet",
    names: Sequence[str] = exchange.EXPORTED,
    inspect: bool = False,
    licence: str | None = None,
    language: str = "en",
) -> list[str]:
    """Export a study for others.

    Parameters
    ----------
    folder, to : Path
        The study's folder, and where to.
    models_file : Path
        The file of models, which says which of them are simulated.
    format, names
        As for `exchange.export_tables`.
    inspect : bool
        Whether a task for Inspect is written too, in ``inspect/``.
    licence, language
        As for `exchange.dataset_card`.

    Returns
    -------
    list of str
        A line for each thing written.

    Raises
    ------
    FileNotFoundError, ValueError
        Where a table or the file of models is missing or does not fit.
    """
    study, registry = exchange.name_of_study(folder), load_registry(models_file)
    tables = exchange.export_tables(folder, to, names=names, format=format)
    simulated = {name: registry[name].simulated for name in exchange.models_in(tables) if name in registry}
    card = exchange.dataset_card(study, tables, simulated, format=format, licence=licence, language=language)
    write_atomically(to / "README.md", lambda temporary: Path(temporary).write_text(card, encoding="utf-8"))
    said = [f"{to / name}.{format}: {len(table):,} rows" for name, table in tables.items()]
    said.append(f"{to / 'README.md'}: data-set card" + ("" if licence else "; its licence is yours to choose"))
    risky = sum(count_formula_cells(table) for table in tables.values())
    if format == "csv" and risky:
        said.append(f"{risky:,} texts begin like a formula: in a spreadsheet, import the columns as text.")
    if inspect:
        kept, messages = (read_table(name, folder, study=study) for name in ("kept_scenarios", "opening_messages"))
        path, samples = exchange.export_inspect_task(kept, messages, to / "inspect", study=study)
        said.append(f"{path}: kept {samples} of {len(kept)} scenarios, those with a usable opening message")
    return said


def import_tables(file: Path, folder: Path, scenario_file: Path | None = None) -> list[str]:
    """Write what a file of the published ConflictScope release holds into the tables of a folder.

    Parameters
    ----------
    file : Path
        As for `exchange.read_published_tables`.
    folder : Path
        Where to; rows are added to a table that an earlier call has written there.
    scenario_file : Path, optional
        The release's scenario CSV, whose scenarios the rows belong to, those that it filtered out included. Without
        it, the release's ids stand for them.

    Returns
    -------
    list of str
        A line for each table written, and one for the rows left out.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file cannot be read, or its rows are in the folder already.
    """
    scenarios = exchange.import_published_scenarios(scenario_file, kept_only=False) if scenario_file else None
    published, study = exchange.read_published_tables(file, scenarios), folder.name
    lines = []
    for name, table in published.tables.items():
        if table_path(folder, name).exists():
            table = pd.concat([read_table(name, folder, study=study), table], ignore_index=True)
        write_table(table, name, folder, study=study)
        lines.append(f"{table_path(folder, name)}: {len(table):,} rows")
    problems = published.dropped["problem"]
    first = f"; the first: {problems.iloc[0]}" if len(problems) else ""
    return [*lines, f"{len(problems):,} of {published.rows:,} rows were left out{first}"]
