"""The published ConflictScope release (Liu et al., arXiv 2509.25369), read as our scenarios and tables.

In: the release's scenario CSV, ``prompts.json`` (``{scenario_id: opening message}``), multiple-choice CSV or open-ended
CSV. Out: scenarios with profile and template; rows of the tables of checks, opening messages, choices, ratings and
verdicts. Its ids say where a scenario is from and are not unique: one that occurs twice names no scenario. ``INVALID``
and ``ERROR`` are outcomes, not choices.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from conflictscope.elicit.message_faults import FAULT_WORDS, find_message_fault, holds_tag
from conflictscope.elicit.simulated_user import named_value
from conflictscope.exchange.gathering import (
    Form,
    Imported,
    Record,
    Row,
    as_value_name,
    gather,
    ids_by_source,
    read_header,
    read_literal,
    read_rows,
    records_of,
)
from conflictscope.files import near_file
from conflictscope.scenarios import Value, ValueSet
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

# the release's templates → structure, severity
TEMPLATES = {
    "coc": ("side_effect", "strong"),
    "coc_mild": ("side_effect", "mild"),
    "cc": ("means", "strong"),
    "cc_mild": ("means", "mild"),
}
_ID = re.compile(
    r"(?P<author>.+)_(?P<value_1>.+)_(?P<value_2>.+)_(?P=value_1)-(?P=value_2)-"
    r"(?P<template>coc_mild|coc|cc_mild|cc)-(?P<number>[0-9]{1,9})"
)
_LONGEST_ID = 300
TELLING = frozenset({"check_results", "user_prompt"})
SCENARIOS = Form(
    "the scenario CSV of the ConflictScope release",
    (
        *("scenario_id", "context", "description", "user_prompt", "value1", "value2", "action1", "action2"),
        *("keep_scenario", "check_results", "generating_model"),
    ),
)
# the release's name of a check → ours; in all of them true means passed, the last two included
CHECK_NAMES = {
    "scenario_realism": "realistic",
    "scenario_groundedness": "specific",
    "action_feasibility": "feasible",
    "value_guidedness": "value_guided",
    "scenario_impossibility": "exclusive",
    "scenario_ambiguity": "dilemma",
}
_PROFILE = ("persona", "background", "goal")
MAX_BYTES = 2**28
PUBLISHED = "published"  # who wrote what the release does not name a model for
_SHARED = ("scenario_id", "generating_model", "value1", "value2", "choice", "likert")
MULTIPLE_CHOICE = Form(
    "the multiple-choice CSV of the ConflictScope release", (*_SHARED, "model", "likert_a", "likert_b")
)
OPEN_ENDED = Form(
    "the open-ended CSV of the ConflictScope release",
    (*_SHARED, "user_model", "assistant_model", "judge_model", "reasoning", "conversation"),
)
OUTCOMES = {"A": ("choice", 1), "B": ("choice", 2), "INVALID": ("invalid", None), "ERROR": ("error", None)}
_OF_SCENARIO = ("scenario_id", "value_1", "value_2", "structure", "severity", "acting_value")
_ROUNDED = 0.02  # how far a scale's step may be off, in steps of the scale: files are written with some digits


@dataclass(frozen=True)
class PublishedId:
    """An id's parts; acting serves either value: the release does not record which."""

    author: str
    value_1: str
    value_2: str
    structure: str
    severity: str
    number: int


def read_id(published_id: str) -> PublishedId:
    """Read an id of the release, or raise ValueError if it is none."""
    parts = _ID.fullmatch(published_id) if len(published_id) <= _LONGEST_ID else None
    if not parts:
        raise ValueError(
            f"id {published_id[:80]!r}; expected <author>_<value 1>_<value 2>_<value 1>-<value 2>-<template>-<n>, "
            f"template one of {list(TEMPLATES)}"
        )
    structure, severity = TEMPLATES[parts["template"]]
    return PublishedId(parts["author"], parts["value_1"], parts["value_2"], structure, severity, int(parts["number"]))


def readable_ids(rows: Iterable[Row]) -> Iterator[tuple[Row, PublishedId]]:
    """Yield each row that has an id of the release, with that."""
    for row in rows:
        with suppress(KeyError, ValueError):
            yield row, read_id(row.fields["scenario_id"])


def import_published_scenarios(
    path: Path | str,
    *,
    values: ValueSet | None = None,
    kept_only: bool = True,
    name: str = "ConflictScope release",
) -> Imported:
    """Read the release's scenario CSV; raises as ``read_rows``.

    ``value1`` and ``value2`` hold a value's name, or its definition if the release did not find the name; then the
    value set's or, without one, the id's name is taken. ``acting_value`` is empty, since the release does not record
    it, and so are the consequences.

    Parameters
    ----------
    values : ValueSet, optional
        The release's value set, for definitions (``load_value_set`` reads its JSON form). Without it a value's
        definition is the one met in the file, else its name.
    kept_only : bool
        Whether to drop the scenarios that the release itself filtered out (``keep_scenario`` is false).
    """
    rows = read_rows(Path(path), SCENARIOS)
    known = _known_values(rows, values)
    records = records_of(rows, partial(_record, known=known, kept_only=kept_only))
    return gather(name, records, labels={value.name: value for value in known.values()}, several="none")


def read_check_results(row: Row) -> dict[str, bool]:
    """Return our name of each check → whether a row's scenario passed it; raise ValueError if one is lacking."""
    try:
        results = json.loads(row.fields["check_results"])
    except (ValueError, RecursionError):
        results = None
    if not isinstance(results, dict) or not all(isinstance(results.get(name), bool) for name in CHECK_NAMES):
        raise ValueError(f"check_results: found {row.fields['check_results'][:60]!r}; expected {list(CHECK_NAMES)}")
    return {ours: results[theirs] for theirs, ours in CHECK_NAMES.items()}


def _known_values(rows: list[Row], values: ValueSet | None) -> dict[str, Value]:
    """Return what the value columns may hold, name or definition → value."""
    known = {text: value for value in values.values for text in (value.name, value.definition)} if values else {}
    names: dict[str, str] = {}
    for row, parts in readable_ids(rows):
        for text, name in ((row.fields["value1"], parts.value_1), (row.fields["value2"], parts.value_2)):
            if text not in known and as_value_name(name) == name:
                names[text.strip()] = name
    definitions = {name: text for text, name in names.items() if text != name}
    for text, name in names.items():
        known[text] = known.get(name) or Value(name, definitions.get(name, name))
    return known


def _record(row: Row, known: Mapping[str, Value], kept_only: bool) -> Record:
    """Return the scenario of a row."""
    fields = row.fields
    parts, checks, profile = (
        read_id(fields["scenario_id"]),
        read_check_results(row),
        read_literal(fields["user_prompt"]),
    )
    if not isinstance(profile, dict) or not all(isinstance(profile.get(part), str) for part in _PROFILE):
        raise ValueError(f"user_prompt: found {fields['user_prompt'][:60]!r}; expected {list(_PROFILE)}")
    one, two = (known.get(fields[column].strip()) for column in ("value1", "value2"))
    if one is None or two is None:
        texts = [fields[column][:60] for column in ("value1", "value2")]
        raise ValueError(f"value1, value2: found {texts}; expected names or definitions of values")
    if (kept := fields["keep_scenario"].strip().lower()) not in ("true", "false"):
        raise ValueError(f"keep_scenario: found {fields['keep_scenario']!r}; expected true or false")
    if kept_only and kept == "false":
        failed = ", ".join(check for check, passed in checks.items() if not passed) or "no check that it names"
        raise ValueError(f"filtered out by the release itself: {failed}")
    return Record(
        source=fields["scenario_id"],
        description=fields["description"],
        actions=(fields["action1"], fields["action2"]),
        labels=((one.name,), (two.name,)),
        more={"structure": parts.structure, "severity": parts.severity} | {part: profile[part] for part in _PROFILE},
    )


@dataclass(frozen=True)
class PublishedTables:
    """What a file of the release holds.

    Attributes
    ----------
    tables : mapping
        Name → table, as ``TABLES`` has it.
    rows : int
        Rows (or entries) read; each is in a table or in `dropped`.
    dropped : DataFrame
        Columns ``row`` (1 for the first) and ``problem``.
    """

    tables: Mapping[str, pd.DataFrame]
    rows: int
    dropped: pd.DataFrame


def read_published_tables(path: Path | str, imported: Imported | None = None) -> PublishedTables:
    """Read the checks, opening messages or results of the release, whichever the file holds.

    *Checks* (scenario CSV): ``value_guided`` is one row, since the release asked once about both values. *Opening
    messages* (``.json``): a message that is empty or has a fault (``elicit.message_faults``), such as an ``<ARTIFACT>``
    tag, is there and not usable; whether a text was pasted in is not recorded. In both, an id that occurs more than
    once names no scenario, and its entries are dropped. *Results*: both scales run from −1 to 1 in steps of a third:
    ``likert_a`` and ``likert_b`` are the ratings of the two actions, 1 + 3 (x + 1) on ours; ``likert`` of the
    open-ended file is −1 for action 1 and 1 for action 2, and becomes the leaning in the same way. A number that is on
    no step is left empty, with the problem and the text as found. The release turned its labels back before it wrote
    these files, so A is action 1 throughout: ``action_shown_first`` is 1 in every row and says nothing about what was
    shown first; no position effect can be computed from these rows.

    Parameters
    ----------
    imported : Imported, optional
        The release's scenarios (``import_published_scenarios``): values are in the order of its value set, actions are
        turned to match, and rows of other scenarios are dropped. Without it, the release's id stands for the scenario,
        and its two values keep the file's order.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``read_rows``; if it is none of these files or larger than 256 MiB (JSON); if a target answered a scenario
        twice.
    """
    path = Path(path)
    names, rows, make = _open(path, imported)
    times = Counter(row.fields["scenario_id"] for row in rows if not row.problem)
    ids = ids_by_source(imported.scenarios) if imported else {}
    scenarios = imported.scenarios.set_index("scenario_id", drop=False).to_dict("index") if imported else {}
    made: dict[str, list[dict]] = {name: [] for name in names}
    dropped = []
    for row in rows:
        try:
            if row.problem:
                raise ValueError(row.problem)
            published_id = row.fields["scenario_id"]
            if times[published_id] > 1 and "choices" not in names:
                raise ValueError(f"id {published_id[:80]!r} occurs {times[published_id]} times")
            scenario = asdict(read_id(published_id)) | {"scenario_id": published_id, "acting_value": None}
            if imported:
                if published_id not in ids:
                    raise ValueError(f"scenario {published_id[:80]!r} is not among those imported")
                scenario = scenarios[ids[published_id]]
            of_row = make(row, scenario)
        except ValueError as problem:
            dropped.append({"row": row.number, "problem": str(problem)})
            continue
        for name, more in of_row.items():
            made[name] += more
    frames = {name: pd.DataFrame(rows, columns=TABLES[name].names) for name, rows in made.items()}
    return PublishedTables(
        tables={name: check_table(frame, name, source=str(path)) for name, frame in frames.items()},
        rows=len(rows),
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]),
    )


# a row and its scenario → name of a table → the row's rows of it; raises ValueError if the row is none of these
_Make = Callable[[Row, dict], dict[str, list[dict]]]


def _open(path: Path, imported: Imported | None) -> tuple[tuple[str, ...], list[Row], _Make]:
    """Return the tables that a file holds, its rows, and what makes the one of the other."""
    if path.suffix.lower() == ".json":
        rows = _read_messages(path)
        names = {name: None for _, parts in readable_ids(rows) for name in (parts.value_1, parts.value_2)}
        values = ValueSet(PUBLISHED, tuple(Value(name, name) for name in names), ())
        return ("opening_messages",), rows, partial(_message, values=imported.values if imported else values)
    columns = read_header(path)
    if "check_results" in columns:
        return ("checks",), read_rows(path, SCENARIOS), _checks
    # the file gives a value by name or by definition
    known = {value.definition: value.name for value in imported.values.values} if imported else None
    if "judge_model" in columns:
        return ("choices", "verdicts"), read_rows(path, OPEN_ENDED), partial(_verdict, names=known)
    return ("choices", "ratings"), read_rows(path, MULTIPLE_CHOICE), partial(_ratings, names=known)


def _checks(row: Row, scenario: dict) -> dict[str, list[dict]]:
    """Return what the release's checks said of a scenario."""
    judged = {"scenario_id": scenario["scenario_id"], "filter_judge": PUBLISHED}
    return {"checks": [judged | {"check": name, "passed": passed} for name, passed in read_check_results(row).items()]}


def _read_messages(path: Path) -> list[Row]:
    """Return the entries of a JSON object in order, those with a repeated key too."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file{near_file(path) or '.'}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES:,} bytes; expected a file of opening messages.")
    try:
        # a mapping would keep the last of two entries with one key; a list is a JSON array
        entries = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path}: no JSON ({problem}); expected {{scenario_id: opening message}}.") from None
    if not isinstance(entries, tuple):
        raise ValueError(f"{path}: found {type(entries).__name__}; expected a JSON object {{scenario_id: message}}.")
    return [Row(n, {"scenario_id": key, "message": message}) for n, (key, message) in enumerate(entries, start=1)]


def _message(row: Row, scenario: dict, *, values: ValueSet) -> dict[str, list[dict]]:
    """Return a scenario's opening message."""
    message = row.fields["message"]
    if not isinstance(message, str):
        raise ValueError(f"found {type(message).__name__}; expected the text of a message")
    fault = find_message_fault(message) if message.strip() else None
    usable = bool(message.strip()) and fault is None
    opening = {
        "scenario_id": scenario["scenario_id"],
        "simulated_user": PUBLISHED,
        "message": message,
        "has_artifact": False,
        "named_value": named_value(message, values),
        "keeps_tag": holds_tag(message),
        "fault": fault,
        "usable": usable,
        "problem": FAULT_WORDS[fault] if fault else None if usable else "empty",
        "raw": message,
    }
    return {"opening_messages": [opening]}


def _answer(row: Row, scenario: dict, target: str, names: Mapping[str, str] | None) -> tuple[dict, bool]:
    """Return the columns that choices and verdicts share, and whether the scenario's actions were turned."""
    if row.fields["choice"] not in OUTCOMES:
        raise ValueError(f"choice: found {row.fields['choice']!r}; expected one of {list(OUTCOMES)}")
    if not target.strip():
        raise ValueError("the model's or the judge's name is empty")
    outcome, action = OUTCOMES[row.fields["choice"]]
    first = row.fields["value1"].strip()
    turned = names is not None and scenario["value_1"] != names.get(first, first)
    answer = {"scenario_id": scenario["scenario_id"], "target": target, "arm": "default", "repetition": 0}
    answer |= {"action_shown_first": 1, "outcome": outcome, "action": 3 - action if action and turned else action}
    return answer, turned


def _choice(scenario: dict, answer: dict, condition: str, judge: str | None = None) -> dict:
    """Return a row of the table of choices."""
    values = (scenario["value_1"], scenario["value_2"])
    winner, loser = {1: values, 2: values[::-1], None: (None, None)}[answer["action"]]
    chosen = {"condition": condition, "judge": judge, "winner": winner, "loser": loser}
    return {name: scenario[name] for name in _OF_SCENARIO} | answer | chosen


def _verdict(row: Row, scenario: dict, *, names: Mapping[str, str] | None) -> dict[str, list[dict]]:
    """Return a judge's reading of a conversation, and the choice that it is."""
    judge = row.fields["judge_model"]
    answer, turned = _answer(row, scenario, row.fields["assistant_model"] if judge.strip() else "", names)
    leaning, problem = _on_scale(row.fields["likert"])
    verdict = answer | {
        "judge": judge,
        "leaning": 8 - leaning if leaning and turned else leaning,
        "reasoning": row.fields["reasoning"] or None,
        "problem": problem,
        "raw": row.fields["choice"],
    }
    return {"choices": [_choice(scenario, answer, "open_ended", judge)], "verdicts": [verdict]}


def _ratings(row: Row, scenario: dict, *, names: Mapping[str, str] | None) -> dict[str, list[dict]]:
    """Return a target's choice in multiple choice, and its ratings of the two actions."""
    answer, turned = _answer(row, scenario, row.fields["model"], names)
    identity = {name: answer[name] for name in ("scenario_id", "target", "arm", "repetition")}
    ratings = []
    for action, column in ((1, "likert_a"), (2, "likert_b")):
        rating, problem = _on_scale(row.fields[column])
        rated = {"rated_action": 3 - action if turned else action, "rating": rating}
        ratings.append(identity | rated | {"problem": problem, "raw": row.fields[column] or None})
    return {"choices": [_choice(scenario, answer, "multiple_choice")], "ratings": ratings}


def _on_scale(text: str) -> tuple[int | None, str | None]:
    """Return the place of a number from −1 to 1 on the scale of 1 to 7, or why it has none."""
    try:
        place = 4 + 3 * float(text)
    except ValueError:
        return None, f"found {text!r}; expected a number from -1 to 1"
    if not (0.5 < place < 7.5) or abs(place - round(place)) > _ROUNDED:
        return None, f"found {text!r}; expected a number from -1 to 1 in steps of a third"
    return round(place), None
