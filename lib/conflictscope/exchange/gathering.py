"""What every importer returns: scenarios in our terms, the values behind them, and an account of every row.

In: rows read from somebody else's file. Out: an ``Imported``, whose ``scenarios`` go wherever scenarios go.

From records with labels to scenarios between two values: the step that all formats share.

In: for each record the situation, two actions and the labels that speak for each; what the labels stand for. Out: an
``Imported``. A label that speaks for both actions, or that stands for no value, decides nothing. Where more than one
value is left on a side, `several` says what becomes of the record.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import pandas as pd

from conflictscope.scenarios import Value, ValueSet
from conflictscope.scenarios.from_file import as_scenario, as_table


@dataclass(frozen=True)
class Imported:
    """What was found in somebody else's file.

    Parameters
    ----------
    name : str
        What the data set is called, as shown in tables and figures.
    scenarios : DataFrame
        The columns of ``TABLES["scenarios"]``, one row a scenario; empty (missing) where the format has no such thing:
        profile and consequences in most. ``author`` says where the text is from.
    values : ValueSet
        The values that the scenarios put in conflict, with every pair that occurs.
    rows : int
        Rows (or records) read; each is kept as a scenario, or part of one, or is in `dropped`.
    dropped : DataFrame
        Columns ``row`` (1 for the first record) and ``problem``: what was left out and why.
    notes : tuple of str
        What else a reader should know of how the file was read, a sentence each: how often a choice had to be made.
    """

    name: str
    scenarios: pd.DataFrame
    values: ValueSet
    rows: int
    dropped: pd.DataFrame
    notes: tuple[str, ...] = ()


SEVERAL = ("all", "first", "none")
_NUMBERED = " #"
_NO_NAME = re.compile(r"[^\w .&'’-]+|_")


@dataclass(frozen=True)
class Record:
    """What was read of one dilemma: the rows that it is from, its own name, its texts, and the labels of each action.

    ``problem`` says why it is no dilemma, where it is none; ``more`` holds further fields of the scenario.
    """

    rows: tuple[int, ...]
    source: str = ""
    description: str = ""
    actions: tuple[str, str] = ("", "")
    labels: tuple[Sequence[str], Sequence[str]] = ((), ())
    more: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def gather(
    name: str,
    records: Iterable[Record],
    *,
    labels: Mapping[str, Value] | None,
    several: str = "all",
    rows: int,
    notes: Sequence[str] = (),
) -> Imported:
    """Make scenarios of records.

    Parameters
    ----------
    name : str
        What the data set is called; also the scenarios' author.
    labels : mapping, optional
        Label → the value that it stands for; several labels may stand for one value. Labels that are not in it decide
        nothing. None: each label is a value of its own, with its name for a definition.
    several : str
        What becomes of a record with more than one value on a side: ``all`` makes a scenario of each pair (they share
        their texts, so their answers are one piece of evidence and not several), ``first`` takes the first value of
        each side, ``none`` drops the record.
    rows : int
        Rows read.

    Raises
    ------
    ValueError
        Where `several` is none of these.
    """
    if several not in SEVERAL:
        raise ValueError(f"several: found {several!r}; expected one of {list(SEVERAL)}.")
    records = list(records)
    known = dict(labels) if labels is not None else _own_values(records)
    order = list(dict.fromkeys(value.name for value in known.values()))
    found: list[dict] = []
    dropped: list[dict] = []
    first_of: dict[str | None, int] = {}
    ambiguous = 0
    for record in records:
        pairs, problem = _pairs_of(record, known, several)
        ambiguous += len(pairs) > 1
        pairs = pairs[:1] if several == "first" else pairs
        fresh = []
        for one, two in pairs:
            own = f"{record.source}: {one} / {two}" if len(pairs) > 1 else record.source
            fields = {"value_1": one, "value_2": two, "author": name, "source": own, "description": record.description}
            texts = dict(zip(("action_1", "action_2"), record.actions, strict=True))
            row = as_scenario({**record.more, **fields, **texts}, order)
            if first_of.setdefault(row["scenario_id"], record.rows[0]) == record.rows[0]:
                fresh.append(row)
        if pairs and not fresh:
            problem = f"repeats row {first_of[row['scenario_id']]} word for word"
        found += fresh
        dropped += [{"row": number, "problem": problem} for number in record.rows if problem]
    told = list(notes)
    if ambiguous:
        what = {"all": "each pair is a scenario", "first": "the first value of each side was taken"}[several]
        told.append(f"{ambiguous} records have more than one value on a side: {what}.")
    return Imported(
        name=name,
        scenarios=_distinct_sources(as_table(found)),
        values=_value_set(name, found, known, order),
        rows=rows,
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]).sort_values("row", ignore_index=True),
        notes=tuple(told),
    )


def as_value_name(label: str) -> str:
    """Return a label as the name of a value: signs that a name cannot hold become blanks."""
    return " ".join(_NO_NAME.sub(" ", label).split()).lstrip(".&'’- ")[:60].strip()


def by_source(scenarios: pd.DataFrame) -> dict[str, str]:
    """Return the file's own name → scenario_id, for the names that stand for one scenario."""
    ids = dict(zip(scenarios["outline_id"], scenarios["scenario_id"], strict=True))
    shared = {source.rpartition(_NUMBERED)[0] for source in ids}
    return {source: own for source, own in ids.items() if source not in shared and _NUMBERED not in source}


def _own_values(records: Sequence[Record]) -> dict[str, Value]:
    """Return label → a value of the same name, in the order in which labels occur."""
    labels = dict.fromkeys(label for record in records for side in record.labels for label in side)
    return {label: Value(name, name) for label in labels if (name := as_value_name(label))}


def _pairs_of(record: Record, known: Mapping[str, Value], several: str) -> tuple[list[tuple[str, str]], str]:
    """Return the value pairs of a record, or why it has none."""
    if record.problem:
        return [], record.problem
    texts = {"description": record.description, "action 1": record.actions[0], "action 2": record.actions[1]}
    if empty := [name for name, text in texts.items() if not text.strip()]:
        return [], f"{', '.join(empty)}: empty"
    if record.actions[0].strip() == record.actions[1].strip():
        return [], "the two actions are the same"
    named = [list(dict.fromkeys(known[label].name for label in side if label in known)) for side in record.labels]
    own = [[name for name in named[side] if name not in named[1 - side]] for side in (0, 1)]
    if lacking := [str(side + 1) for side in (0, 1) if not own[side]]:
        return [], f"no value speaks for action {' or '.join(lacking)} alone"
    pairs = list(product(own[0], own[1]))
    if several == "none" and len(pairs) > 1:
        return [], f"more than one value on a side ({len(pairs)} pairs)"
    return pairs, ""


def _distinct_sources(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios, numbered where one name in the file stands for several of them."""
    count = scenarios.groupby("outline_id").cumcount()
    numbered = scenarios["outline_id"] + _NUMBERED + (count + 1).astype("str")
    return scenarios.assign(outline_id=scenarios["outline_id"].where(count.eq(0), numbered))


def _value_set(name: str, found: Sequence[dict], known: Mapping[str, Value], order: Sequence[str]) -> ValueSet:
    """Return the values that occur, in order, with the pairs that occur."""
    pairs = sorted(
        {(row["value_1"], row["value_2"]) for row in found}, key=lambda pair: tuple(order.index(end) for end in pair)
    )
    by_name = {value.name: value for value in known.values()}
    used = {end for pair in pairs for end in pair}
    return ValueSet(name, tuple(by_name[value] for value in order if value in used), tuple(pairs))
