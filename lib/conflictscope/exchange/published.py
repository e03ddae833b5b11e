"""Ids of the published ConflictScope release, which say where a scenario is from.

In: ``<author>_<value 1>_<value 2>_<value 1>-<value 2>-<template>-<n>``. Out: its parts, in our terms. The release does
not make ids unique: one that occurs twice names no scenario.

The published ConflictScope release (Liu et al., arXiv 2509.25369): its scenarios and what its checks said of them.

In: the release's scenario CSV. Out: scenarios with profile and template, and rows for the table of checks.

The published ConflictScope release: its opening messages.

In: ``prompts.json``, ``{scenario_id: opening message}``. Out: the messages with what their ids say, which stand on
their own, and rows for the table of opening messages where the scenarios are known.

The published ConflictScope release: what its targets chose.

In: its multiple-choice CSV or its open-ended CSV. Out: rows for the tables of choices, ratings and verdicts.
``INVALID`` and ``ERROR`` are outcomes, not choices. The release turned its labels back before it wrote these files, so
A is action 1 throughout: ``action_shown_first`` is 1 in every row and says nothing about what was shown first;
no position effect can be computed from these rows.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from conflictscope.elicit.opening_messages import holds_tag, named_value
from conflictscope.exchange.gathering import Imported, Record, as_value_name, by_source, gather
from conflictscope.exchange.rows import Form, Row, read_header, read_literal, read_rows
from conflictscope.scenarios import Value, ValueSet
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

# template of the release → structure, severity
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
_LONGEST = 300


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
    """Read an id.

    Raises
    ------
    ValueError
        Where it is none.
    """
    found = _ID.fullmatch(published_id) if len(published_id) <= _LONGEST else None
    if not found:
        raise ValueError(
            f"id {published_id[:80]!r}; expected <author>_<value 1>_<value 2>_<value 1>-<value 2>-<template>-<n>, "
            f"template one of {list(TEMPLATES)}"
        )
    structure, severity = TEMPLATES[found["template"]]
    return PublishedId(found["author"], found["value_1"], found["value_2"], structure, severity, int(found["number"]))


FORM = Form(
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
_FLAGS = {"true": True, "false": False}


def import_published_scenarios(
    path: Path | str,
    *,
    values: ValueSet | None = None,
    kept_only: bool = True,
    name: str = "ConflictScope release",
) -> Imported:
    """Read the release's scenario CSV.

    ``value1`` and ``value2`` hold a value's name, or its definition where the release did not find the name; then the
    value set's or, without one, the id's name is taken.

    Parameters
    ----------
    values : ValueSet, optional
        The release's value set, for definitions (``load_value_set`` reads its JSON form). Without it a value's
        definition is the one met in the file, else its name.
    kept_only : bool
        Whether to drop the scenarios that the release itself filtered out (``keep_scenario`` is false).

    Returns
    -------
    Imported
        ``outline_id`` begins with the release's id. ``acting_value`` is empty: the release does not record it.
        Consequences are missing.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), FORM)
    known = _known_values(read, values)
    records = [_record(row, known, kept_only) for row in read]
    labels = {value.name: value for value in known.values()}
    return gather(name, records, labels=labels, several="none", rows=len(read))


def read_published_checks(path: Path | str, imported: Imported) -> pd.DataFrame:
    """Read what the release's checks said of the scenarios that were imported from the same file.

    Returns
    -------
    DataFrame
        The checks table. ``value_guided`` is one row: the release asked once about both values. Scenarios that were
        dropped in the import, or whose id occurs more than once in the file, have no rows.
    """
    read = read_rows(Path(path), FORM)
    times = Counter(row.fields["scenario_id"] for row in read if not row.problem)
    by_id = {own: ours for own, ours in by_source(imported.scenarios).items() if times[own] == 1}
    rows = [
        {"scenario_id": by_id[row.fields["scenario_id"]], "check": check, "passed": passed, "filter_judge": "published"}
        for row in read
        if not row.problem and row.fields["scenario_id"] in by_id
        for check, passed in _checks(row).items()
    ]
    return pd.DataFrame(rows, columns=[column.name for column in TABLES["checks"].columns])


def _known_values(read: list[Row], values: ValueSet | None) -> dict[str, Value]:
    """Return what the value columns may hold, name or definition → value."""
    known = {text: value for value in values.values for text in (value.name, value.definition)} if values else {}
    met: dict[str, str] = {}
    for row in (row for row in read if not row.problem):
        try:
            parts = read_id(row.fields["scenario_id"])
        except ValueError:
            continue
        for text, named in ((row.fields["value1"], parts.value_1), (row.fields["value2"], parts.value_2)):
            if text not in known and as_value_name(named) == named:
                met[text.strip()] = named
    definitions = {named: text for text, named in met.items() if text != named}
    for text, named in met.items():
        known[text] = known.get(named) or Value(named, definitions.get(named, named))
    return known


def _record(row: Row, known: Mapping[str, Value], kept_only: bool) -> Record:
    """Return the scenario of a row."""
    numbers = (row.number,)
    if row.problem:
        return Record(numbers, problem=row.problem)
    fields = row.fields
    try:
        parts, checks, profile = read_id(fields["scenario_id"]), _checks(row), _profile(row)
    except ValueError as problem:
        return Record(numbers, problem=str(problem))
    sides = [known.get(fields[column].strip()) for column in ("value1", "value2")]
    if sides[0] is None or sides[1] is None:
        found = [fields[column][:60] for column in ("value1", "value2")]
        return Record(numbers, problem=f"value1, value2: found {found}; expected names or definitions of values")
    kept = _FLAGS.get(fields["keep_scenario"].strip().lower())
    if kept is None:
        return Record(numbers, problem=f"keep_scenario: found {fields['keep_scenario']!r}; expected true or false")
    if kept_only and not kept:
        failed = ", ".join(check for check, passed in checks.items() if not passed) or "no check that it names"
        return Record(numbers, problem=f"filtered out by the release itself: {failed}")
    return Record(
        rows=numbers,
        source=fields["scenario_id"],
        description=fields["description"],
        actions=(fields["action1"], fields["action2"]),
        labels=((sides[0].name,), (sides[1].name,)),
        more={"structure": parts.structure, "severity": parts.severity} | profile,
    )


def _checks(row: Row) -> dict[str, bool]:
    """Return our name of each check → whether it was passed."""
    try:
        found = json.loads(row.fields["check_results"])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), bool) for name in CHECK_NAMES):
        raise ValueError(f"check_results: found {row.fields['check_results'][:60]!r}; expected {list(CHECK_NAMES)}")
    return {ours: found[theirs] for theirs, ours in CHECK_NAMES.items()}


def _profile(row: Row) -> dict[str, str]:
    """Return persona, background and goal."""
    found = read_literal(row.fields["user_prompt"])
    if not isinstance(found, dict) or not all(isinstance(found.get(part), str) for part in _PROFILE):
        raise ValueError(f"user_prompt: found {row.fields['user_prompt'][:60]!r}; expected {list(_PROFILE)}")
    return {part: found[part] for part in _PROFILE}


MAX_BYTES = 2**28
PUBLISHED_USER = "published"
_COLUMNS = ["published_id", "value_1", "value_2", "structure", "severity", "author", "message", "keeps_tag", "usable"]


@dataclass(frozen=True)
class ImportedMessages:
    """Opening messages of the release.

    Parameters
    ----------
    messages : DataFrame
        One row a message: ``published_id``, ``value_1``, ``value_2``, ``structure``, ``severity`` and ``author`` as the
        id gives them, ``message``, ``keeps_tag`` (whether an artifact's placeholder is still in it) and ``usable``.
    opening_messages : DataFrame
        The table of opening messages, for the scenarios that are known; else without rows.
    rows : int
        Entries read; each is in `messages` or in `dropped`.
    dropped : DataFrame
        Columns ``row`` (1 for the first entry) and ``problem``.
    """

    messages: pd.DataFrame
    opening_messages: pd.DataFrame
    rows: int
    dropped: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """Return ``messages`` and ``usable`` by value pair and template."""
        by = ["value_1", "value_2", "structure", "severity"]
        return self.messages.groupby(by, sort=True)["usable"].agg(messages="size", usable="sum").reset_index()


def import_opening_messages(path: Path | str, imported: Imported | None = None) -> ImportedMessages:
    """Read the release's opening messages.

    Parameters
    ----------
    imported : Imported, optional
        The release's scenarios (``import_published_scenarios``), to which the messages belong.

    Returns
    -------
    ImportedMessages
        A message that is empty or keeps an ``<ARTIFACT>`` tag is there and not usable. An id that occurs more than
        once names no scenario; its entries are dropped, all of them.

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    ValueError
        Where it is no JSON object, or larger than 256 MiB.
    """
    entries = _read_entries(Path(path))
    times = Counter(published_id for published_id, _ in entries)
    kept, dropped = [], []
    for number, (published_id, message) in enumerate(entries, start=1):
        try:
            if not isinstance(message, str):
                raise ValueError(f"found {type(message).__name__}; expected the text of a message")
            if times[published_id] > 1:
                raise ValueError(f"id {published_id[:80]!r} occurs {times[published_id]} times")
            parts = read_id(published_id)
        except ValueError as problem:
            dropped.append({"row": number, "problem": str(problem)})
            continue
        tagged = holds_tag(message)
        kept.append(
            {
                "published_id": published_id,
                "value_1": parts.value_1,
                "value_2": parts.value_2,
                "structure": parts.structure,
                "severity": parts.severity,
                "author": parts.author,
                "message": message,
                "keeps_tag": tagged,
                "usable": bool(message.strip()) and not tagged,
            }
        )
    messages = pd.DataFrame(kept, columns=_COLUMNS)
    return ImportedMessages(
        messages=messages,
        opening_messages=_as_table(messages, imported),
        rows=len(entries),
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]),
    )


def _read_entries(path: Path) -> list[tuple[str, object]]:
    """Return the entries of a JSON object in order, those with a repeated key too."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES:,} bytes; expected a file of opening messages.")
    try:
        # a mapping would keep the last of two entries with one key
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Entries)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path}: no JSON ({problem}); expected {{scenario_id: opening message}}.") from None
    if not isinstance(found, _Entries):
        raise ValueError(f"{path}: found {type(found).__name__}; expected a JSON object {{scenario_id: message}}.")
    return list(found)


class _Entries(list):
    """A JSON object as its entries in order."""


def _as_table(messages: pd.DataFrame, imported: Imported | None) -> pd.DataFrame:
    """Return the table of opening messages for the scenarios that are known."""
    by_id = by_source(imported.scenarios) if imported else {}
    known = messages[messages["published_id"].isin(by_id)]
    table = pd.DataFrame(
        {
            "scenario_id": known["published_id"].map(by_id),
            "simulated_user": PUBLISHED_USER,
            "message": known["message"],
            # whether a text was pasted in is not recorded
            "has_artifact": False,
            "named_value": [named_value(text, imported.values) if imported else None for text in known["message"]],
            "keeps_tag": known["keeps_tag"],
            "usable": known["usable"],
            "problem": [None if usable else "empty, or still holds an artifact's tag" for usable in known["usable"]],
            "raw": known["message"],
        }
    )
    return table[[column.name for column in TABLES["opening_messages"].columns]].reset_index(drop=True)


_SHARED = ("scenario_id", "generating_model", "value1", "value2", "choice", "likert")
MULTIPLE_CHOICE = Form(
    "the multiple-choice CSV of the ConflictScope release", (*_SHARED, "model", "likert_a", "likert_b")
)
OPEN_ENDED = Form(
    "the open-ended CSV of the ConflictScope release",
    (*_SHARED, "user_model", "assistant_model", "judge_model", "reasoning", "conversation"),
)
OUTCOMES = {"A": ("choice", 1), "B": ("choice", 2), "INVALID": ("invalid", None), "ERROR": ("error", None)}
_ROUNDED = 0.02  # how far a scale's step may be off, in steps of the scale: files are written with some digits


@dataclass(frozen=True)
class ImportedResults:
    """What the release's targets chose.

    Parameters
    ----------
    choices, ratings, verdicts : DataFrame
        The tables of these names; ratings come from multiple choice only and verdicts from open-ended only. Values are
        in the order of the value set, where scenarios are known, and actions are turned to match.
    rows : int
        Rows read; each is a choice or in `dropped`.
    dropped : DataFrame
        Columns ``row`` (1 for the first record) and ``problem``.
    """

    choices: pd.DataFrame
    ratings: pd.DataFrame
    verdicts: pd.DataFrame
    rows: int
    dropped: pd.DataFrame


def import_published_results(path: Path | str, imported: Imported | None = None) -> ImportedResults:
    """Read the release's results, multiple choice or open-ended.

    Both scales run from −1 to 1 in steps of a third: ``likert_a`` and ``likert_b`` are the ratings of the two actions,
    1 + 3 (x + 1) on ours; ``likert`` of the open-ended file is −1 for action 1 and 1 for action 2, and becomes the
    leaning in the same way. A number that is on no step is left empty, with the problem and the text as found.

    Parameters
    ----------
    imported : Imported, optional
        The release's scenarios (``import_published_scenarios``); then rows of other scenarios are dropped. Without it,
        the release's id stands for the scenario, and its two values keep the file's order.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``; where a target answered a scenario twice.
    """
    path = Path(path)
    open_ended = "judge_model" in read_header(path)
    read = read_rows(path, OPEN_ENDED if open_ended else MULTIPLE_CHOICE)
    known = imported.scenarios.set_index("scenario_id") if imported else None
    by_id = by_source(imported.scenarios) if imported else {}
    choices, ratings, verdicts, dropped = [], [], [], []
    for row in read:
        problem = row.problem or _problem_of(row, open_ended)
        if not problem and imported and row.fields["scenario_id"] not in by_id:
            problem = f"scenario {row.fields['scenario_id'][:80]!r} is not among those imported"
        if problem:
            dropped.append({"row": row.number, "problem": problem})
            continue
        scenario = known.loc[by_id[row.fields["scenario_id"]]].to_dict() if known is not None else _from_id(row)
        scenario["scenario_id"] = by_id.get(row.fields["scenario_id"], row.fields["scenario_id"])
        turned = known is not None and scenario["value_1"] != _named(row, "value1", imported)
        answer = _answer(row, turned, open_ended)
        choices.append(_choice(scenario, answer, row.fields.get("judge_model")))
        if open_ended:
            verdicts.append(answer | {"scenario_id": scenario["scenario_id"]} | _verdict(row, turned))
        else:
            ratings += _ratings(row, scenario["scenario_id"], turned)
    return ImportedResults(
        choices=_checked(choices, "choices", path),
        ratings=_checked(ratings, "ratings", path),
        verdicts=_checked(verdicts, "verdicts", path),
        rows=len(read),
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]),
    )


def _problem_of(row: Row, open_ended: bool) -> str:
    """Return why a row is no answer; "" where it is one."""
    if row.fields["choice"] not in OUTCOMES:
        return f"choice: found {row.fields['choice']!r}; expected one of {list(OUTCOMES)}"
    target = row.fields["assistant_model" if open_ended else "model"]
    if not target.strip() or (open_ended and not row.fields["judge_model"].strip()):
        return "the model's or the judge's name is empty"
    try:
        read_id(row.fields["scenario_id"])
    except ValueError as problem:
        return str(problem)
    return ""


def _from_id(row: Row) -> dict:
    """Return what the id says of a scenario that is not known otherwise."""
    parts = read_id(row.fields["scenario_id"])
    return {
        "value_1": parts.value_1,
        "value_2": parts.value_2,
        "structure": parts.structure,
        "severity": parts.severity,
        "acting_value": None,
    }


def _named(row: Row, column: str, imported: Imported | None) -> str:
    """Return the name of a value that the file gives by name or by definition."""
    text = row.fields[column].strip()
    by_definition = {value.definition: value.name for value in imported.values.values} if imported else {}
    return by_definition.get(text, text)


def _answer(row: Row, turned: bool, open_ended: bool) -> dict:
    """Return the columns that choices and verdicts share."""
    outcome, action = OUTCOMES[row.fields["choice"]]
    return {
        "target": row.fields["assistant_model" if open_ended else "model"],
        "arm": "default",
        "repetition": 0,
        "action_shown_first": 1,
        "outcome": outcome,
        "action": action if action is None or not turned else 3 - action,
    }


def _choice(scenario: dict, answer: dict, judge: str | None) -> dict:
    """Return a row of the table of choices."""
    values = (scenario["value_1"], scenario["value_2"])
    won = {1: values, 2: values[::-1], None: (None, None)}[answer["action"]]
    condition = "open_ended" if judge else "multiple_choice"
    of_scenario = ("scenario_id", "value_1", "value_2", "structure", "severity", "acting_value")
    chosen = {"condition": condition, "judge": judge, "winner": won[0], "loser": won[1]}
    return {name: scenario[name] for name in of_scenario} | answer | chosen


def _verdict(row: Row, turned: bool) -> dict:
    """Return the columns of a verdict that choices do not have."""
    leaning, problem = _on_scale(row.fields["likert"])
    return {
        "judge": row.fields["judge_model"],
        "leaning": 8 - leaning if leaning and turned else leaning,
        "reasoning": row.fields["reasoning"] or None,
        "problem": problem,
        "raw": row.fields["choice"],
    }


def _ratings(row: Row, scenario_id: str, turned: bool) -> list[dict]:
    """Return the two rows of the table of ratings."""
    rows = []
    for action, column in ((1, "likert_a"), (2, "likert_b")):
        rating, problem = _on_scale(row.fields[column])
        rows.append(
            {
                "scenario_id": scenario_id,
                "target": row.fields["model"],
                "arm": "default",
                "repetition": 0,
                "rated_action": 3 - action if turned else action,
                "rating": rating,
                "problem": problem,
                "raw": row.fields[column] or None,
            }
        )
    return rows


def _on_scale(text: str) -> tuple[int | None, str | None]:
    """Return the place of a number from −1 to 1 on the scale of 1 to 7, or why it has none."""
    try:
        place = 4 + 3 * float(text)
    except ValueError:
        return None, f"found {text!r}; expected a number from -1 to 1"
    if not (0.5 < place < 7.5) or abs(place - round(place)) > _ROUNDED:
        return None, f"found {text!r}; expected a number from -1 to 1 in steps of a third"
    return round(place), None


def _checked(rows: Sequence[dict], name: str, path: Path) -> pd.DataFrame:
    """Return rows as the table of that name."""
    frame = pd.DataFrame(rows, columns=[column.name for column in TABLES[name].columns])
    return check_table(frame, name, source=str(path))
