"""Transfer: a study starts from somebody else's scenarios, and leaves tables for others.

In: an ``Imported``, or a study's folder. Out: a parameter file, a value set and a file of scenarios, all of which a
person can read and change before anything is asked; or a folder of tables with data dictionary and data-set card. The
published release's checks, messages and results become tables of a folder.
"""

import itertools
import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from conflictscope import exchange
from conflictscope.exchange import Imported
from conflictscope.exchange.exports import Format, count_formula_cells
from conflictscope.files import did_you_mean, read_mapping, write_text
from conflictscope.models import load_registry
from conflictscope.prompts import prompt_texts
from conflictscope.scenarios import Value, ValueSet, load_value_set, read_scenario_file, write_scenario_file
from conflictscope.study.parameters import find_project
from conflictscope.study.provenance import FILE, read_manifest, read_places
from conflictscope.table_files import read_table, table_path, write_table

_PAIR = ["value_1", "value_2"]
_PARAMETERS = """\
# Scenarios that exist already: {name}, {count} of them, imported from {source}.
value_set: value_sets/{study}.yaml
scenarios: scenarios/{study}.csv
cast: simulated
# the set is taken as it is: what the six checks say is recorded, and every scenario goes on
filtered: false
"""


def start_study(imported: Imported, file: Path | str, *, source: str) -> list[Path]:
    """Write the three files of a study.

    Parameters
    ----------
    imported : Imported
        As from ``import_scenarios``.
    file : Path or str
        The parameter file to write, in the project's ``params``. The value set goes to ``value_sets`` and the
        scenarios to ``scenarios``, both beside it and of the same name.
    source : str
        Name of the file that was imported, for the parameter file.

    Returns
    -------
    list of Path
        Parameter file, value set, scenarios.

    Raises
    ------
    FileExistsError
        If one of them is there already; nothing is written then.
    ValueError
        If nothing was kept, or the values do not make a value set: see ``load_value_set``.
    """
    file = Path(file)
    find_project(file.parent)
    study = file.stem
    files = [file, file.parent / "value_sets" / f"{study}.yaml", file.parent / "scenarios" / f"{study}.csv"]
    if there := [str(path) for path in files if path.exists()]:
        raise FileExistsError(f"{', '.join(there)}: there already; remove it, or choose another name with --out.")
    if imported.scenarios.empty:
        raise ValueError(f"{source}: none of {imported.rows} rows became a scenario; there is nothing to start from.")
    parameters = _PARAMETERS.format(
        name=imported.name, count=len(imported.scenarios), source=" ".join(source.split()), study=study
    )
    texts = [parameters, _value_set_yaml(imported.values)]
    with tempfile.TemporaryDirectory() as folder:
        # read back before anything is written, so that what is written can be run
        trial = Path(folder) / "values.yaml"
        trial.write_text(texts[1], encoding="utf-8")
        try:
            read = load_value_set(trial)
        except ValueError as problem:
            what = str(problem).removeprefix(f"{trial}: ")
            raise ValueError(
                f"{source}: its values do not make a study: {what} Say with --labels which value each label stands for."
            ) from None
        write_scenario_file(imported.scenarios, Path(folder) / "scenarios.csv")
        read_scenario_file(Path(folder) / "scenarios.csv", read)
    for path, text in zip(files, texts, strict=False):
        write_text(path, text)
    write_scenario_file(imported.scenarios, files[2])
    return files


def draw_per_pair(scenarios: pd.DataFrame, per_pair: int, seed: int) -> pd.DataFrame:
    """Draw up to so many scenarios of each pair, each equally likely; the file's order is kept."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for _, rows in scenarios.groupby(_PAIR, sort=True):
        drawn += list(rng.permutation(rows.index)[:per_pair])
    return scenarios.loc[sorted(drawn)].reset_index(drop=True)


def read_labels(path: Path | str, value_set: ValueSet | None = None) -> dict[str, Value]:
    """Read which value each label of a data set stands for.

    Parameters
    ----------
    path : Path or str
        YAML or JSON: label → name of a value; or the value map of AIRiskDilemmas (``.csv``).
    value_set : ValueSet, optional
        Where the values are defined; without it, a value's definition is its name.

    Raises
    ------
    ValueError
        If it is no such file, or names a value that the value set does not have.
    """
    mapping = exchange.read_value_map(path) if Path(path).suffix.lower() == ".csv" else read_mapping(Path(path))
    labels = {}
    for label, name in mapping.items():
        if not isinstance(name, str):
            raise ValueError(f"{path}: {label!r}: found {name!r}; expected the name of a value.")
        if value_set is not None and name not in value_set.names:
            near = did_you_mean(name, value_set.names)
            raise ValueError(f"{path}: {label!r}: found {name!r}; expected one of {value_set.names}{near or '.'}")
        labels[label] = value_set[name] if value_set is not None else Value(name, name)
    if value_set is None:
        return labels
    return dict(sorted(labels.items(), key=lambda entry: value_set.names.index(entry[1].name)))


def account_of(imported: Imported) -> str:
    """Say in a few lines what was kept of a file and what was not, and why."""
    lines = [
        f"{imported.name}: {len(imported.scenarios)} scenarios from {imported.rows} rows, "
        f"{len(imported.values.pairs)} pairs of {len(imported.values.values)} values; {len(imported.dropped)} rows "
        "were left out",
        *(f"  {count:>6}  {problem}" for problem, count in _reasons(imported.dropped["problem"])),
        *imported.notes,
    ]
    return "\n".join(lines)


def _reasons(problems: Sequence[str] | pd.Series) -> list[tuple[str, int]]:
    """Return the most frequent reasons, those that differ in what they quote taken together under the first ten."""
    counts = pd.Series(problems, dtype="str").value_counts()
    shown = [(str(problem), int(count)) for problem, count in counts.head(10).items()]
    rest = int(counts.iloc[10:].sum())
    return shown + ([("other reasons", rest)] if rest else [])


def _value_set_yaml(values: ValueSet) -> str:
    """Return a value set as the text of its file."""
    entries = {
        value.name: {"definition": value.definition, "group": value.group} if value.group else value.definition
        for value in values.values
    }
    dump = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True, width=1000)
    text = dump({"name": values.name, "values": entries}, default_flow_style=False)
    if len(values.pairs) == len(list(itertools.combinations(values.names, 2))):
        return f"{text}pairs: all\n"
    return text + dump({"pairs": [list(pair) for pair in values.pairs]}, default_flow_style=None)


def export_study(
    folder: Path,
    to: Path,
    *,
    models_file: Path,
    format: Format = "parquet",
    names: Sequence[str] = exchange.EXPORTED,
    inspect: bool = False,
    inspect_logs: bool = False,
    every_eval_ever: bool = False,
    organisation: str = "unknown",
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
    inspect_logs : bool
        Whether each target's conversations are written as a log of Inspect, in ``inspect_logs/``; needs the extra.
    every_eval_ever : bool
        Whether each target's results are written as a record of `exchange.eval_records`, in ``every_eval_ever/``.
    organisation : str
        Who ran the study, for these records.
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
    write_text(to / "README.md", card)
    lines = [f"{to / name}.{format}: {len(table):,} rows" for name, table in tables.items()]
    lines.append(f"{to / 'README.md'}: data-set card" + ("" if licence else "; its licence is yours to choose"))
    risky = sum(count_formula_cells(table) for table in tables.values())
    if format == "csv" and risky:
        lines.append(f"{risky:,} texts begin like a formula: in a spreadsheet, import the columns as text.")
    if inspect:
        kept, messages = (read_table(name, folder, study=study) for name in ("kept_scenarios", "opening_messages"))
        path, samples = exchange.export_inspect_task(kept, messages, to / "inspect", study=study)
        lines.append(f"{path}: kept {samples} of {len(kept)} scenarios, those with a usable opening message")
    if inspect_logs or every_eval_ever:
        manifest = _finished(folder)
    if inspect_logs:
        from conflictscope.exchange import inspect_task

        read = (read_table(name, folder, study=study) for name in ("kept_scenarios", "conversations", "verdicts"))
        logs = inspect_task.inspect_logs(*read, study=study, ended=datetime.fromisoformat(manifest["written"]))
        files = inspect_task.write_inspect_logs(logs, to / "inspect_logs")
        lines.append(
            f"{to / 'inspect_logs'}: {len(files)} logs; see them with: inspect view --log-dir {to / 'inspect_logs'}"
        )
    if every_eval_ever:
        ranked, choices = (read_table(name, folder, study=study) for name in ("rankings", "choices"))
        about = exchange.About(
            study=study,
            ids={name: registry[name].id for name in exchange.models_in({"choices": choices}) if name in registry},
            simulated={name: model.simulated for name, model in registry.models.items()},
            judge_prompt=prompt_texts(read_places(folder).prompts_folder)["judge"],
            settings=manifest["parameters"],
            seconds=int(datetime.fromisoformat(manifest["written"]).timestamp()),
            organisation=organisation,
        )
        files = exchange.write_eval_records(exchange.eval_records(ranked, choices, about), to / "every_eval_ever")
        lines.append(f"{to / 'every_eval_ever'}: {len(files)} records, schema {exchange.SCHEMA_VERSION}")
    return lines


def _finished(folder: Path) -> dict[str, Any]:
    """Return the manifest of a study that has run to its end."""
    manifest = read_manifest(folder)
    if not manifest.get("finished") or "written" not in manifest:
        raise ValueError(f"{folder / FILE}: the study has not run to its end; expected one that has. Run it first.")
    return manifest


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
