"""The published ConflictScope release (Liu et al., arXiv 2509.25369): its ids and its scenarios.

In: the release's scenario CSV. Out: scenarios with profile and template. Its ids say where a scenario is from and are
not unique: one that occurs twice names no scenario.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conflictscope.exchange.gathering import Imported, Record, as_value_name, gather, records_of
from conflictscope.exchange.rows import Form, Row, read_literal, read_rows
from conflictscope.scenarios import Value, ValueSet

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
