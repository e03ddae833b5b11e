"""AIRiskDilemmas (Chiu et al., arXiv 2505.14633): dilemmas of AI systems, two adjacent rows each.

In: ``model_eval.jsonl`` or ``full.jsonl``. Out: scenarios between the values that speak for the one action and those
that speak for the other.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conflictscope.exchange.gathering import Record, as_value_name, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.literals import read_literal
from conflictscope.exchange.rows import Form, Row, read_rows
from conflictscope.scenarios import Value

FORM = Form(
    "AIRiskDilemmas JSON lines (model_eval or full)",
    ("dilemma", "action", "values", "targets"),
    optional=("risky_behaviors", "context"),
)
VALUE_MAP = Form("the AIRiskDilemmas value map", ("value", "value_class"))


def import_ai_risk_dilemmas(
    path: Path | str,
    *,
    labels: Mapping[str, Value] | None = None,
    several: str = "all",
    name: str = "AIRiskDilemmas",
) -> Imported:
    """Read an AIRiskDilemmas file.

    **The mapping:** an action is spoken for by the values that the file lists for it; values listed for both actions of
    a dilemma decide nothing. The file has no ids: two adjacent rows with the same dilemma are its two actions. A row
    without such a neighbour is dropped, and pairing starts afresh at the next one.

    Parameters
    ----------
    labels : mapping, optional
        Value as named in the file → value of the study, such as ``read_value_classes`` gives; default: each is a
        value of its own, without a definition.
    several : str
        As in ``gather``; with ``all`` a dilemma with 3 values against 2 is six scenarios of the same texts.

    Returns
    -------
    Imported
        ``outline_id`` begins with ``dilemma`` and the number of its first row, for want of an id.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), FORM)
    records, number = [], 0
    while number < len(read):
        pair = read[number : number + 2]
        if pair[0].problem:
            records.append(Record((pair[0].number,), problem=pair[0].problem))
            number += 1
        elif len(pair) < 2 or pair[1].problem or pair[0].fields["dilemma"] != pair[1].fields["dilemma"]:
            problem = "the next row does not tell the same dilemma; expected two adjacent rows each"
            records.append(Record((pair[0].number,), problem=problem))
            number += 1
        else:
            records.append(_record(*pair))
            number += 2
    return gather(name, records, labels=labels, several=several, rows=len(read))


def read_value_classes(path: Path | str) -> dict[str, Value]:
    """Read the data set's value map (``value``, ``value_class``) as labels: value → its class, without a definition.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``; where a row is empty.
    """
    labels = {}
    for row in read_rows(Path(path), VALUE_MAP):
        found = as_value_name(str(row.fields.get("value_class", "")))
        if row.problem or not found or not row.fields["value"]:
            raise ValueError(f"{path}: row {row.number}: {row.problem or 'empty'}; expected a value and its class.")
        labels[str(row.fields["value"])] = Value(found, found)
    return labels


def _record(one: Row, two: Row) -> Record:
    """Return the dilemma that two adjacent rows tell."""
    numbers = (one.number, two.number)
    texts = [one.fields["dilemma"], one.fields["action"], two.fields["action"]]
    if not all(isinstance(text, str) for text in texts):
        return Record(numbers, problem="dilemma, action: expected texts")
    try:
        labels = (_texts(one), _texts(two))
    except ValueError as problem:
        return Record(numbers, problem=str(problem))
    actions = tuple(text.partition(":")[2].strip() if text.startswith("Action ") else text for text in texts[1:])
    return Record(numbers, f"dilemma {one.number}", texts[0], (actions[0], actions[1]), labels)


def _texts(row: Row) -> list[str]:
    """Return the values of a row: a list, or one written as text in JSON or as a Python literal."""
    found: Any = row.fields["values"]
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            found = read_literal(found)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise ValueError(f"row {row.number}, values: found {str(found)[:60]!r}; expected a list of texts")
    return [entry.strip() for entry in found if entry.strip()]
