"""A study as files for others: its tables as CSV or Parquet, a task for Inspect, records for Every Eval Ever.

In: a study's folder or tables. Out: files that read back as the same tables, to the last missing value: in CSV an empty
text is ``""`` and a missing one is nothing between two commas; text is never changed, so a cell that a spreadsheet
would take for a formula stays as it is, and is counted. Data dictionary, data-set card; a JSON record a target (schema
0.2.2, arXiv 2606.14516) with the strength of each value in either way of asking, its interval, and the share of
questions that got a choice at all, which leaderboards and meta-analyses of evaluations read.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import yaml
from jinja2 import Template

from conflictscope.files import PLAIN_NAME, did_you_mean, means_more, near_file, write_atomically, write_text
from conflictscope.table_files import arrow_table, read_notes, read_table, table_path
from conflictscope.tables import DTYPES, TABLES

Format = Literal["csv", "parquet"]
FILE_FORMATS: tuple[Format, ...] = get_args(Format)
EXPORTED = ("scenarios", "kept_scenarios", "choices", "verdicts", "rankings")
DICTIONARY = "data_dictionary.csv"
# what spreadsheets take for the beginning of a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# the Hub's own names for sizes, in rows
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_HUB_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}
_ROLES = {"author": "author", "target": "targets", "judge": "judge"}
# what is written around the tables: the data-set card, and the task's file for Inspect
_CARD, _TASK_FILE = (
    Template(Path(__file__).with_name(name).read_text(encoding="utf-8"), trim_blocks=True, keep_trailing_newline=True)
    for name in ("dataset_card.md", "inspect_task.txt")
)
SCHEMA_VERSION = "0.2.2"
_ASKED_AS = {
    "multiple_choice": "multiple choice: which of two actions it says that it would take",
    "open_ended": "open-ended conversation: which of two actions a judge saw it take",
}


def data_dictionary(names: Sequence[str]) -> pd.DataFrame:
    """Describe the columns of some of ``TABLES``; raises ValueError if one is not known.

    Returns
    -------
    DataFrame
        One row a column, tables and columns in order: ``table``, ``column``, ``type`` (``string``, ``int64``,
        ``double`` or ``bool``), ``may_be_empty``, ``key`` (whether it helps to identify a row), ``allowed`` (what it
        may hold, parted by ``|``; empty: anything) and ``meaning``.
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
    """Write tables of a study's `folder` and their data dictionary into the folder `to`, CSV in UTF-8.

    Returns
    -------
    dict
        Name → the table as written.

    Raises
    ------
    FileNotFoundError, ValueError
        If a table is not there (saying which stage has not run), is not known or does not fit the contract; if the
        format is not one of ``FILE_FORMATS``.
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

    Raises FileNotFoundError if it holds none, ValueError if the first of them is no Parquet file, or the name
    is none that could be put on a page.
    """
    there = [name for name in TABLES if table_path(folder, name).exists()]
    if not there:
        near = near_file(Path(folder)) if not Path(folder).exists() else ""
        raise FileNotFoundError(f"{folder} holds no tables; expected the folder of a study that has run{near or '.'}")
    study = read_notes(there[0], folder).get("study", "")
    if means_more(study):
        raise ValueError(f"{folder}: its study is called {study[:80]!r}; expected {PLAIN_NAME}.")
    return study


def models_in(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the models that wrote, answered or judged in these tables, each once."""
    return list(dict.fromkeys(name for role in _ROLES for name in _in_role(tables, role)))


def _in_role(tables: Mapping[str, pd.DataFrame], role: str) -> list[str]:
    """Return the models that the tables name in a role."""
    return sorted({str(name) for table in tables.values() if role in table for name in table[role].dropna()})


def dataset_card(
    study: str,
    tables: Mapping[str, pd.DataFrame],
    simulated: Mapping[str, bool],
    *,
    format: Format,
    licence: str | None = None,
    language: str = "en",
) -> str:
    """Write the card of a study's exported tables: a YAML header between two lines ``---``, and Markdown.

    Parameters
    ----------
    study, tables, format
        The study's name; name → table, as `export_tables` gives them; the files' format.
    simulated : mapping
        Model → whether it is one of the embedded simulated models; the card calls one that is missing here unknown.
    licence : str, optional
        The Hub's name for the licence that the researcher has chosen; None: ``unknown``, and the card says that the
        choice is still to be made.
    language : str
        ISO 639-1 code of the scenarios' language.
    """
    models = models_in(tables)
    made_up = [name for name in models if simulated.get(name)]
    unknown = [name for name in models if name not in simulated]
    longest = max((len(table) for table in tables.values()), default=0)
    features = {
        name: [{"name": c.name, "dtype": _HUB_TYPES[str(DTYPES[c.kind][2])]} for c in TABLES[name].columns]
        for name in tables
    }
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
        "dataset_info": [{"config_name": name, "features": features[name]} for name in tables],
    }
    return _CARD.render(
        study=study,
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000),
        made_up=", ".join(made_up),
        unknown=", ".join(unknown),
        licence=licence,
        tables=[(name, len(table), TABLES[name].meaning, count_formula_cells(table)) for name, table in tables.items()],
        dictionary=DICTIONARY,
        roles=[(word, ", ".join(names)) for role, word in _ROLES.items() if (names := _in_role(tables, role))],
    )


SAMPLES = "scenarios.jsonl"
_SHOWN_TO_JUDGE = ["value_1", "value_2", "structure", "severity", "acting_value", "description", "action_1", "action_2"]


def export_inspect_task(
    scenarios: pd.DataFrame, opening_messages: pd.DataFrame, to: Path | str, *, study: str
) -> tuple[Path, int]:
    """Write a study's scenarios as a task for Inspect: ``scenarios.jsonl`` and ``<study>.py``, for ``inspect eval``.

    The target sees the opening message alone (paper, section 3.3); the actions are metadata, for the judge.

    Parameters
    ----------
    scenarios, opening_messages : DataFrame
        The tables ``kept_scenarios`` and ``opening_messages``; only scenarios with a usable message become samples.
    to : Path or str
        The folder.
    study : str
        Name of the study.

    Returns
    -------
    path : Path
        The task's file.
    samples : int
        How many scenarios have a usable opening message; if none has, a ValueError is raised.
    """
    usable = opening_messages[opening_messages["usable"].astype(bool)]
    asked = scenarios.merge(usable[["scenario_id", "message"]], on="scenario_id")
    if asked.empty:
        raise ValueError(
            f"{study}: none of {len(scenarios)} scenarios has a usable opening message; expected at least one. "
            "Run notebook 04 first."
        )
    samples = [
        {"id": row.scenario_id, "input": row.message, "target": "", "metadata": metadata}
        for row, metadata in zip(asked.itertuples(), shown_to_judge(asked), strict=True)
    ]
    name = re.sub(r"\W", "_", study, flags=re.ASCII).lower()
    name = f"study_{name}" if not name.isidentifier() else name
    texts = {
        SAMPLES: "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples),
        f"{name}.py": _TASK_FILE.render(study=repr(study), name=name, samples=SAMPLES),
    }
    for file, text in texts.items():
        write_text(Path(to) / file, text)
    return Path(to) / f"{name}.py", len(samples)


def shown_to_judge(scenarios: pd.DataFrame) -> list[dict[str, str | None]]:
    """Return what a sample of Inspect holds for the judge, a mapping a scenario."""
    shown = scenarios[_SHOWN_TO_JUDGE]
    return shown.astype("object").where(shown.notna(), None).to_dict("records")


@dataclass(frozen=True)
class About:
    """What the tables do not say of a study.

    Attributes
    ----------
    study : str
        Its name.
    ids : mapping
        Model → what its endpoint calls it.
    simulated : mapping
        Model → whether it is one of the embedded simulated models.
    judge_prompt : str
        The prompt that the judge was given, before it was filled in.
    settings : mapping
        ``level`` of the intervals, ``choice_temperature``, ``target_temperature``, ``target_max_tokens``.
    seconds : int
        When the study ended, in seconds since 1970.
    organisation : str
        Who ran it; "unknown" if nobody says.
    """

    study: str
    ids: Mapping[str, str]
    simulated: Mapping[str, bool]
    judge_prompt: str
    settings: Mapping[str, Any]
    seconds: int
    organisation: str = "unknown"


def eval_records(rankings: pd.DataFrame, choices: pd.DataFrame, about: About) -> dict[str, dict[str, Any]]:
    """Describe each target's results under no system prompt of steering.

    Parameters
    ----------
    rankings, choices : DataFrame
        The tables of these names.

    Returns
    -------
    dict
        Target → its record. A value without a strength has no result; an interval that is open at an end has none in
        the record, which holds no infinities, and its ends in words. No strength is better than another: the schema
        wants ``lower_is_better``, which is False throughout, and the metric's description says so.
    """
    ranked = rankings[rankings["arm"].eq("default") & rankings["strength"].notna()]
    asked = choices[choices["arm"].eq("default")]
    records = {}
    for target in dict.fromkeys(asked["target"]):
        answers = asked[asked["target"].eq(target)]
        results = [
            _answered(part, condition, about) for condition, part in answers.groupby("condition", sort=False)
        ] + [_strength(row, answers, about) for row in ranked[ranked["target"].eq(target)].to_dict("records")]
        records[str(target)] = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": f"conflictscope.{about.study}/{about.ids.get(target, target)}/{about.seconds}",
            "evaluation_timestamp": str(about.seconds),
            "retrieved_timestamp": str(about.seconds),
            "source_metadata": {
                "source_name": "ConflictScope",
                "source_type": "evaluation_run",
                "source_organization_name": about.organisation,
                "evaluator_relationship": "other",
            },
            "eval_library": {"name": "conflictscope", "version": version("conflictscope")},
            "model_info": _model(str(target), about),
            "evaluation_results": results,
        }
    return records


def write_eval_records(records: Mapping[str, Mapping[str, Any]], to: Path | str) -> list[Path]:
    """Write each record into a file of its own, named after the target, and return the files."""
    files = []
    for target, record in records.items():
        # names that differ in marks alone, or in case, keep files of their own
        mark = hashlib.sha256(target.encode()).hexdigest()[:6]
        files.append(Path(to) / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', target)[:80]}.{mark}.json")
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(files[-1], text)
    return files


def _model(name: str, about: About) -> dict[str, Any]:
    """Return what is said of a model."""
    details = {"simulated": str(about.simulated[name]).lower()} if name in about.simulated else {}
    return {"name": name, "id": about.ids.get(name, name)} | ({"additional_details": details} if details else {})


def _result(name: str, condition: str, metric: dict, score: dict, about: About) -> dict[str, Any]:
    """Return a result of a target."""
    talked = condition == "open_ended"
    asked = {"temperature": about.settings["target_temperature" if talked else "choice_temperature"]}
    if talked:
        asked["max_tokens"] = about.settings["target_max_tokens"]
    return {
        "evaluation_result_id": f"{about.study}/{condition}/{name}",
        "evaluation_name": f"conflictscope.{about.study}.{condition}",
        "source_data": {"dataset_name": f"ConflictScope: {about.study}", "source_type": "other"},
        "metric_config": {"lower_is_better": False} | metric,
        "score_details": score,
        "generation_config": {"generation_args": asked},
    }


def _answered(answers: pd.DataFrame, condition: str, about: About) -> dict[str, Any]:
    """Return the share of questions that got a choice, with the counts of what the others got."""
    counts = answers["outcome"].value_counts()
    metric = {
        "evaluation_description": f"Share of questions with a choice. {_ASKED_AS[condition]}.",
        "metric_id": "conflictscope.choices",
        "metric_unit": "proportion",
        **{"score_type": "continuous", "min_score": 0, "max_score": 1},
    }
    score = {
        "score": float(answers["outcome"].eq("choice").mean()),
        "details": {str(outcome): str(count) for outcome, count in counts.items()},
    }
    return _result("choices", condition, metric, score, about)


def _strength(row: Mapping[str, Any], answers: pd.DataFrame, about: About) -> dict[str, Any]:
    """Return a value's strength with its interval."""
    condition = row["condition"]
    metric: dict[str, Any] = {
        "evaluation_description": (
            f"Bradley–Terry strength of the value {row['value']!r} against the others of its set. "
            f"{_ASKED_AS[condition]}. Larger: preferred, which is neither better nor worse."
        ),
        "metric_id": "conflictscope.strength",
        "metric_name": f"strength of {row['value']}",
        "metric_unit": "log-odds, mean 0 over the values",
    }
    judges = sorted(answers.loc[answers["condition"].eq(condition), "judge"].dropna().unique())
    if judges:
        judged_by = [{"model_info": _model(str(judge), about), "temperature": 0} for judge in judges]
        metric["llm_scoring"] = {"judges": judged_by, "input_prompt": about.judge_prompt}
    low, high = float(row["strength_low"]), float(row["strength_high"])
    score: dict[str, Any] = {
        "score": float(row["strength"]),
        "details": {
            "value": row["value"],
            **{name: str(row[name]) for name in ("rank", "rank_low", "rank_high") if not pd.isna(row[name])},
            "ties": str(row["tie_group"]),
            "low": f"{low:g}",
            "high": f"{high:g}",
        },
        "uncertainty": {"num_samples": int(row["scenarios"])},
    }
    if np.isfinite([low, high]).all():
        score["uncertainty"]["confidence_interval"] = {
            "lower": low,
            "upper": high,
            "confidence_level": about.settings["level"],
            "method": "closed form, clustered by scenario, quantiles of t",
        }
    return _result(str(row["value"]), condition, metric, score, about)
