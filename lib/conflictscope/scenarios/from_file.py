"""Scenarios from a file that a person or an importer wrote, made whole by the author if they lack something.

In: YAML (a list of mappings) or CSV, a scenario each, and the value set. Out: what the two steps of generation give
otherwise. Everything that is wrong with a file is said at once, before anything is asked; only what a scenario lacks is
asked for, and what the file says stays as it is, as does the id.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd
from pydantic import ConfigDict, create_model

from conflictscope.files import (
    csv_delimiter,
    did_you_mean,
    near_file,
    places_in,
    read_lines,
    read_list,
    read_text,
    write_atomically,
)
from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.generation import CELL, SHORTFALL, WRITTEN, content_id
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import SEVERITIES, STRUCTURES, TABLES

REQUIRED = ("description", "action_1", "action_2", "value_1", "value_2")
COMPLETED = ("persona", "background", "goal", "consequence_1", "consequence_2")
TEMPLATE = ("structure", "severity", "acting_value")
COLUMNS = (*REQUIRED, *COMPLETED, *TEMPLATE, "author", "source")
HAND_WRITTEN = "hand-written"
_ALLOWED = {"structure": (*STRUCTURES, "none"), "severity": (*SEVERITIES, "none")}
_MOST_PROBLEMS = 10
_MOST_CSV_BYTES = 100 * 1024**2


def read_scenario_file(path: Path | str, value_set: ValueSet) -> pd.DataFrame:
    """Read a file of scenarios.

    Parameters
    ----------
    path : Path or str
        ``.yaml``/``.yml``/``.json``: a list of mappings; ``.jsonl``: a mapping a line; ``.csv``/``.tsv``: a row each
        (UTF-8, or UTF-16 with its mark; capitals in column names and empty rows do not matter). ``description``,
        ``action_1``, ``action_2``, ``value_1`` and ``value_2`` (the value that each action supports) are needed. What
        else there may be: ``persona``, ``background``, ``goal``, ``consequence_1``, ``consequence_2``, ``structure``,
        ``severity``, ``acting_value``, ``author`` (who wrote it; default ``hand-written``) and ``source`` (a name of
        its own for each, kept as the outline's id; default: the scenario's id).
    value_set : ValueSet
        The study's values; a scenario's two values are a pair of it.

    Returns
    -------
    DataFrame
        The columns of the scenarios table, in the file's order; fields that the file leaves out are missing, and a
        template that it does not name is ``none``. A scenario written the other way round than the value set lists
        its pair is turned, actions and consequences together. The id is a hash of what the file says.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        Naming the file and, for up to ten problems, scenario, key, what was found and what is expected.
    """
    path = Path(path)
    if not path.is_file():
        near = near_file(path) or "."
        raise FileNotFoundError(f"scenarios: {path} is not there; expected a YAML, JSON or CSV file of scenarios{near}")
    entries = _READERS.get(path.suffix.lower(), read_list)(path)
    if not entries:
        raise ValueError(f"{path}: no scenarios in it; expected at least one, with the keys {list(REQUIRED)}.")
    problems: list[tuple[int, str]] = []
    rows = []
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
        problems += [(number, problem) for problem in wrong]
    if problems:
        place = places_in(path)
        shown = [f"{place(number - 1)}scenario {number}: {problem}" for number, problem in problems[:_MOST_PROBLEMS]]
        more = f" … and {len(problems) - _MOST_PROBLEMS} more." if len(problems) > _MOST_PROBLEMS else ""
        raise ValueError(f"{path}: " + " ".join(shown) + more)
    return as_table(rows)


def read_scenario(entry: Mapping[str, object], value_set: ValueSet) -> pd.DataFrame:
    """Read one scenario that was written by hand, as a mapping with the keys of ``read_scenario_file``.

    Returns
    -------
    DataFrame
        As from ``read_scenario_file``, of one row.

    Raises
    ------
    ValueError
        Naming every key that does not fit, what was found and what is expected.
    """
    if wrong := _problems_of(dict(entry), value_set):
        raise ValueError(f"scenario: {' '.join(wrong)}")
    return as_table([as_scenario({key: _text(value) for key, value in entry.items()}, value_set.names)])


def as_scenario(fields: dict[str, str | None], names: Sequence[str]) -> dict[str, str | None]:
    """Make a row of the scenarios table from what is known of a scenario.

    Parameters
    ----------
    fields : dict
        Some of ``COLUMNS``, those of ``REQUIRED`` among them; an absent key and an empty text are the same.
    names : sequence of str
        The values in the value set's order, in which the row's two values will stand.
    """
    known = {key: (fields.get(key) or "").strip() or None for key in COLUMNS}
    if names.index(known["value_1"] or "") > names.index(known["value_2"] or ""):
        for one, two in (("value_1", "value_2"), ("action_1", "action_2"), ("consequence_1", "consequence_2")):
            known[one], known[two] = known[two], known[one]
    author, source = known.pop("author"), known.pop("source")
    known |= {key: known[key] or "none" for key in _ALLOWED}
    scenario_id = content_id(known)
    return {"scenario_id": scenario_id, "outline_id": source or scenario_id, "author": author or HAND_WRITTEN} | known


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
    """Have the author add the profile and the consequences that scenarios from a file lack.

    Parameters
    ----------
    from_file : DataFrame
        As ``read_scenario_file`` returns it.

    Returns
    -------
    outlines : DataFrame
        As from ``write_outlines``, one row a scenario: ``context`` is the description and ``action_opportunity`` the
        acting side's action (action 1 if none is named); ``good`` and ``harm`` are empty.
    scenarios : DataFrame
        The scenarios table.
    shortfalls : DataFrame
        As from ``write_outlines``: one row for each scenario that the author gave no readable reply about.
    """
    lacking = missing_fields(from_file)
    to_ask = from_file[lacking.map(len) > 0]
    requests = [
        _request(scenario, lacking[index], value_set, temperature)
        for index, scenario in zip(to_ask.index, to_ask.to_dict("records"), strict=True)
    ]
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
    """Return the rows of a CSV file as mappings; empty cells, and rows without any, are left out."""
    text = read_text(path, most=_MOST_CSV_BYTES)
    reader = csv.reader(io.StringIO(text), delimiter=csv_delimiter(text.partition("\n")[0]), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [cells for cells in reader if any(map(str.strip, cells))]
    except csv.Error as problem:
        raise ValueError(f"{path} cannot be read as CSV: {problem}.") from None
    header = [name.casefold() if name.casefold() in COLUMNS else name for name in header]
    if repeated := sorted({name for name in header if name and header.count(name) > 1}):
        raise ValueError(f"{path}: columns {repeated} occur more than once.")
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            raise ValueError(f"{path}: scenario {number}: found {len(cells)} fields; expected {len(header)}.")
        if nameless := [cell for key, cell in zip(header, cells, strict=True) if not key and cell.strip()]:
            raise ValueError(
                f"{path}: scenario {number}: found {nameless[0][:80]!r} in a column without a name; expected some of "
                f"{list(COLUMNS)}. If it numbers the rows, take the column out."
            )
    return [{key: cell for key, cell in zip(header, cells, strict=True) if cell.strip()} for cells in rows]


def _refuse_workbook(path: Path) -> NoReturn:
    """Raise ``ValueError`` for a spreadsheet's own format."""
    raise ValueError(f"{path} is a spreadsheet's own file; expected YAML, JSON or CSV. Save its sheet as 'CSV UTF-8'.")


_READERS: dict[str, Callable[[Path], list]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": read_lines,
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _refuse_workbook),
}


def _problems_of(entry: object, value_set: ValueSet) -> list[str]:
    """Return what is wrong with one entry of a file."""
    if not isinstance(entry, dict):
        return [f"found {type(entry).__name__}; expected a mapping with the keys {list(REQUIRED)}."]
    problems = [
        f"unknown key {key!r}; expected some of {list(COLUMNS)}{did_you_mean(key, COLUMNS) or '.'}"
        for key in entry
        if key not in COLUMNS
    ]
    for key in COLUMNS:
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            problems.append(f"{key}: found {value!r}; expected text.")
        elif value is not None and re.search("[\ud800-\udfff\0]", value):
            problems.append(f"{key}: found NUL, or half a character, in {value[:80]!r}; expected text.")
        elif key in REQUIRED and not _text(value):
            problems.append(f"{key}: it is missing or empty; expected text.")
        elif key in _ALLOWED and _text(value) and _text(value) not in _ALLOWED[key]:
            near = did_you_mean(value, _ALLOWED[key]) or "."
            problems.append(f"{key}: found {value!r}; expected one of {list(_ALLOWED[key])}{near}")
    templated = [key for key in _ALLOWED if (_text(entry.get(key)) or "none") != "none"]
    if len(templated) == 1:
        problems.append(f"{templated[0]}: found without the other; expected structure and severity, or neither.")
    if problems:
        return problems
    pair = {_text(entry["value_1"]), _text(entry["value_2"])}
    if unknown := sorted(name for name in pair if name not in value_set.names):
        near = did_you_mean(unknown[0], value_set.names) or "."
        return [f"value_1, value_2: found {unknown}; expected values of {value_set.name!r}: {value_set.names}{near}"]
    if not any(pair == set(known) for known in value_set.pairs):
        problems.append(f"value_1, value_2: found {sorted(pair)}; expected one of the pairs {list(value_set.pairs)}.")
    if _text(entry.get("acting_value")) and _text(entry["acting_value"]) not in pair:
        near = did_you_mean(entry["acting_value"], pair) or "."
        problems.append(f"acting_value: found {entry['acting_value']!r}; expected one of {sorted(pair)}{near}")
    if _text(entry["action_1"]) == _text(entry["action_2"]):
        problems.append("action_1 and action_2 are the same; expected two that exclude each other.")
    return problems


def _text(value: object) -> str:
    """Return a text without blanks around it; "" for none."""
    return value.strip() if isinstance(value, str) else ""


def _request(scenario: dict, lacking: tuple[str, ...], value_set: ValueSet, temperature: float | None) -> Request:
    """Return the request for what one scenario lacks."""
    known = {name: scenario[name] for name in COMPLETED if name not in lacking}
    prompt = render(
        "complete",
        description=scenario["description"],
        action_1=scenario["action_1"],
        action_2=scenario["action_2"],
        value_1=scenario["value_1"],
        value_2=scenario["value_2"],
        definition_1=value_set[scenario["value_1"]].definition,
        definition_2=value_set[scenario["value_2"]].definition,
        known=known,
        lacking=list(lacking),
    )
    fields: dict = {name: (NonBlank, ...) for name in lacking}
    schema = create_model("Completion", __config__=ConfigDict(extra="forbid"), **fields)
    return Request.of(prompt, schema=schema, temperature=temperature)
