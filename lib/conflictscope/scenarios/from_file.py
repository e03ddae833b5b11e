"""Scenarios from a file that a person or an importer wrote, made whole by the author if they lack something.

In: YAML (a list of mappings) or CSV, a scenario each, and the value set. Out: what the two steps of generation give
otherwise. Everything that is wrong with a file is said at once, before anything is asked; only what a scenario lacks is
asked for, and what the file says stays as it is, as does the id.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import ConfigDict, create_model

from conflictscope.files import read_list, write_atomically
from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.outlines import CELL, SHORTFALL, WRITTEN, content_id
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import SEVERITIES, STRUCTURES, TABLES

REQUIRED = ("description", "action_1", "action_2", "value_1", "value_2")
COMPLETED = ("persona", "background", "goal", "consequence_1", "consequence_2")
COLUMNS = (*REQUIRED, *COMPLETED, "structure", "severity", "acting_value", "author", "source")
_ALLOWED = {"structure": (*STRUCTURES, "none"), "severity": (*SEVERITIES, "none")}
_MOST_PROBLEMS = 10


def read_scenario_file(path: Path | str, value_set: ValueSet) -> pd.DataFrame:
    """Read a file of scenarios.

    Parameters
    ----------
    path : Path or str
        ``.yaml``/``.yml``: a list of mappings; ``.csv``: a row each. ``description``, ``action_1``, ``action_2``,
        ``value_1`` and ``value_2`` (the value that each action supports) are needed. What else there may be:
        ``persona``, ``background``, ``goal``, ``consequence_1``, ``consequence_2``, ``structure``, ``severity``,
        ``acting_value``, ``author`` (who wrote it; default ``hand-written``) and ``source`` (a name of its own for
        each, kept as the outline's id; default: the scenario's id).
    value_set : ValueSet
        The study's values; a scenario's two values are a pair of it.

    Returns
    -------
    DataFrame
        The scenarios table, in the file's order; fields that the file leaves out are missing, and a template that it
        does not name is ``none``. A scenario written the other way round than the value set lists its pair is turned,
        actions and consequences together. The id is a hash of what the file says.

    Raises
    ------
    FileNotFoundError, ValueError
        Naming the file and, for up to ten problems, scenario, key, what was found and what is expected.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"scenarios: {path} is not there; expected a YAML or CSV file of scenarios.")
    entries = _read_csv(path) if path.suffix == ".csv" else read_list(path)
    if not entries:
        raise ValueError(f"{path}: no scenarios in it; expected at least one, with the keys {list(REQUIRED)}.")
    problems, rows = [], []
    seen: dict[tuple[str, str | None], int] = {}
    for number, entry in enumerate(entries, start=1):
        wrong = _problems_of(entry, value_set)
        if not wrong:
            row = as_scenario({key: _text(value) for key, value in entry.items()}, value_set.names)
            rows.append(row)
            for key in ("scenario_id", "outline_id"):
                first = seen.setdefault((key, row[key]), number)
                if first != number:
                    what = "all that it says" if key == "scenario_id" else f"source {row[key]!r}"
                    wrong = [f"{what} is the same as in scenario {first}; expected each once."]
                    break
        problems += [f"scenario {number}: {problem}" for problem in wrong]
    if problems:
        more = f" … and {len(problems) - _MOST_PROBLEMS} more." if len(problems) > _MOST_PROBLEMS else ""
        raise ValueError(f"{path}: " + " ".join(problems[:_MOST_PROBLEMS]) + more)
    return as_table(rows)


def as_scenario(fields: dict[str, str | None], names: Sequence[str]) -> dict[str, str | None]:
    """Return a row of the scenarios table, its two values in the order of `names`, from some of ``COLUMNS``.

    Those of ``REQUIRED`` are needed; an absent key and an empty text are the same.
    """
    known = {key: (fields.get(key) or "").strip() or None for key in COLUMNS}
    if names.index(known["value_1"] or "") > names.index(known["value_2"] or ""):
        for one, two in (("value_1", "value_2"), ("action_1", "action_2"), ("consequence_1", "consequence_2")):
            known[one], known[two] = known[two], known[one]
    author, source = known.pop("author"), known.pop("source")
    known |= {key: known[key] or "none" for key in _ALLOWED}
    scenario_id = content_id(known)
    identity = {"scenario_id": scenario_id, "outline_id": source or scenario_id, "author": author or "hand-written"}
    return identity | known


def as_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return rows as ``as_scenario`` makes them in the columns of the scenarios table."""
    return pd.DataFrame(rows, columns=TABLES["scenarios"].names, dtype="str")


def write_scenario_file(scenarios: pd.DataFrame, path: Path | str) -> None:
    """Write scenarios as a CSV file that ``read_scenario_file`` reads back to the same rows."""
    frame = scenarios.rename(columns={"outline_id": "source"})[list(COLUMNS)]
    write_atomically(Path(path), lambda temporary: frame.to_csv(temporary, index=False, lineterminator="\n"))


def missing_fields(from_file: pd.DataFrame) -> pd.Series:
    """Return what each scenario from a file lacks: a tuple of some of persona, background, goal, consequences."""
    lacking = from_file[list(COMPLETED)].isna()
    return lacking.apply(lambda row: tuple(row.index[row]), axis=1, result_type="reduce").astype(object)


async def complete_scenarios(
    from_file: pd.DataFrame, value_set: ValueSet, models: Models, author: str, *, temperature: float | None = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the author add the profile and the consequences that scenarios of ``read_scenario_file`` lack.

    Returns
    -------
    outlines, scenarios, shortfalls : DataFrame
        The scenarios table; outlines and shortfalls as from ``write_outlines``: an outline's ``context`` is the
        description and its ``action_opportunity`` the acting side's action (action 1 if none is named), ``good`` and
        ``harm`` are empty; a shortfall is a scenario that the author gave no readable reply about.
    """
    lacking = missing_fields(from_file)
    to_ask = from_file[lacking.map(len) > 0]
    requests = []
    for index, scenario in zip(to_ask.index, to_ask.to_dict("records"), strict=True):
        prompt = render(
            "complete",
            **value_set.pair_fields(scenario["value_1"], scenario["value_2"]),
            **{name: scenario[name] for name in ("description", "action_1", "action_2")},
            known={name: scenario[name] for name in COMPLETED if name not in lacking[index]},
            lacking=list(lacking[index]),
        )
        fields: dict = {name: (NonBlank, ...) for name in lacking[index]}
        schema = create_model("Completion", __config__=ConfigDict(extra="forbid"), **fields)
        requests.append(Request.of(prompt, schema=schema, temperature=temperature))
    replies = await models.ask(author, requests, label="completing scenarios") if requests else []
    whole = from_file.astype(object)
    lost: dict[int, str] = {}
    for index, reply in zip(to_ask.index, replies, strict=True):
        if reply.parsed is None:
            lost[index] = reply.problem or reply.outcome
            continue
        for name in lacking[index]:
            whole.loc[index, name] = getattr(reply.parsed, name)
    shortfalls = from_file.loc[list(lost)].assign(asked=1, got=0, problem=list(lost.values()))[SHORTFALL]
    scenarios = whole.drop(index=list(lost)).reset_index(drop=True)
    acting = scenarios["action_1"].where(~scenarios["acting_value"].eq(scenarios["value_2"]), scenarios["action_2"])
    outlines = scenarios[["outline_id", *CELL, "author"]].assign(
        context=scenarios["description"], action_opportunity=acting, good=None, harm=None
    )
    return outlines[WRITTEN], scenarios, shortfalls.reset_index(drop=True)


def _read_csv(path: Path) -> list[dict]:
    """Return the rows of a CSV file as mappings; empty cells are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} cannot be read as CSV in UTF-8: {problem}") from problem
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path}: columns {repeated} occur more than once.")
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            raise ValueError(f"{path}: scenario {number}: found {len(cells)} fields; expected {len(header)}.")
    return [{key: cell for key, cell in zip(header, cells, strict=True) if cell.strip()} for cells in rows]


def _problems_of(entry: object, value_set: ValueSet) -> list[str]:
    """Return what is wrong with one entry of a file."""
    if not isinstance(entry, dict):
        return [f"found {type(entry).__name__}; expected a mapping with the keys {list(REQUIRED)}."]
    problems = [f"unknown key {key!r}; expected some of {list(COLUMNS)}." for key in entry if key not in COLUMNS]
    for key in COLUMNS:
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            problems.append(f"{key}: found {value!r}; expected text.")
        elif key in REQUIRED and not _text(value):
            problems.append(f"{key}: it is missing or empty; expected text.")
        elif key in _ALLOWED and _text(value) and _text(value) not in _ALLOWED[key]:
            problems.append(f"{key}: found {value!r}; expected one of {list(_ALLOWED[key])}.")
    templated = [key for key in _ALLOWED if (_text(entry.get(key)) or "none") != "none"]
    if len(templated) == 1:
        problems.append(f"{templated[0]}: found without the other; expected structure and severity, or neither.")
    if problems:
        return problems
    pair = {_text(entry["value_1"]), _text(entry["value_2"])}
    if unknown := sorted(name for name in pair if name not in value_set.names):
        return [f"value_1, value_2: found {unknown}; expected values of {value_set.name!r}: {value_set.names}."]
    if not any(pair == set(known) for known in value_set.pairs):
        problems.append(f"value_1, value_2: found {sorted(pair)}; expected one of the pairs {list(value_set.pairs)}.")
    if _text(entry.get("acting_value")) and _text(entry["acting_value"]) not in pair:
        problems.append(f"acting_value: found {entry['acting_value']!r}; expected one of {sorted(pair)}.")
    if _text(entry["action_1"]) == _text(entry["action_2"]):
        problems.append("action_1 and action_2 are the same; expected two that exclude each other.")
    return problems


def _text(value: object) -> str:
    """Return a text without blanks around it; "" for none."""
    return value.strip() if isinstance(value, str) else ""
