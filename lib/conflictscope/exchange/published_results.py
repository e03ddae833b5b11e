"""The published ConflictScope release: what its targets chose.

In: its multiple-choice CSV or its open-ended CSV. Out: rows for the tables of choices, ratings and verdicts.
``INVALID`` and ``ERROR`` are outcomes, not choices. The release turned its labels back before it wrote these files, so
A is action 1 throughout: ``first_action`` is 1 in every row and says nothing about what was shown first; no position
effect can be computed from these rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from conflictscope.exchange.gathering import by_source
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.published_ids import read_id
from conflictscope.exchange.rows import Form, Row, read_header, read_rows
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

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
        "system_prompt": "default",
        "repetition": 0,
        "first_action": 1,
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
                "system_prompt": "default",
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
