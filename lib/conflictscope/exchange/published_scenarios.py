"""The published ConflictScope release (Liu et al., arXiv 2509.25369): its scenarios and what its checks said of them.

In: the release's scenario CSV. Out: scenarios with profile and template, and rows for the table of checks.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from conflictscope.exchange.gathering import Record, as_value_name, by_source, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.literals import read_literal
from conflictscope.exchange.published_ids import read_id
from conflictscope.exchange.rows import Form, Row, read_rows
from conflictscope.scenarios import Value, ValueSet
from conflictscope.tables import TABLES

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
