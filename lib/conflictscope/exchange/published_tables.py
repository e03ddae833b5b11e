"""The published ConflictScope release: its checks, opening messages and results as our tables.

In: the release's scenario CSV, ``prompts.json`` (``{scenario_id: opening message}``), multiple-choice CSV or open-ended
CSV. Out: rows of the tables of checks, opening messages, choices, ratings and verdicts. ``INVALID`` and ``ERROR`` are
outcomes, not choices.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from conflictscope.elicit.message_faults import FAULT_WORDS, find_message_fault, holds_tag
from conflictscope.elicit.opening_messages import named_value
from conflictscope.exchange.gathering import Imported, ids_by_source
from conflictscope.exchange.published import SCENARIOS, read_check_results, read_id, readable_ids
from conflictscope.exchange.rows import Form, Row, read_header, read_rows
from conflictscope.files import near_file
from conflictscope.scenarios import Value, ValueSet
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

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
