"""From a file's rows to scenarios between two values: the steps that all formats share.

In: a text file, CSV or one with a JSON object a line (``.jsonl``), plain or packed by gzip, and how its data set is
read (an ``Importer``). Out: numbered rows, checked and within bounds; an ``Imported``, whose ``scenarios`` go wherever
scenarios go, with an account of every row. A label that speaks for both actions, or stands for no value, decides
nothing. Python literals in a cell are parsed as data, never evaluated, and only here.
"""

import ast
import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain, product
from pathlib import Path
from typing import Any

import pandas as pd

from conflictscope.files import csv_delimiter, near_file
from conflictscope.scenarios import Value, ValueSet
from conflictscope.scenarios.from_file import as_scenario, as_table

MAX_FILE_CHARACTERS = 2**30
MAX_LINE_CHARACTERS = 2**22
MAX_LITERAL_CHARACTERS = 200_000
MAX_LITERAL_DEPTH = 10
SEVERAL = ("all", "first", "none")
_NUMBERED = " #"
_NO_NAME = re.compile(r"[^\w .&'’-]+|_")


@dataclass(frozen=True)
class Form:
    """The form of a file: what it is called, its columns (or keys), and columns that it may have or not."""

    title: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def misfit(self, columns: Sequence[str]) -> str:
        """Return in words how columns differ from those expected; "" if they fit."""
        missing = [name for name in self.columns if name not in columns]
        unknown = [name for name in columns if name not in self.columns + self.optional]
        repeated = sorted(name for name, count in Counter(columns).items() if count > 1)
        if not (missing or unknown or repeated):
            return ""
        renamed = [f"{name!r} (now {near[0]!r}?)" for name in missing if (near := get_close_matches(name, unknown, 1))]
        return (
            f"columns do not fit {self.title}: missing {missing or 'none'}, unknown {unknown or 'none'}"
            + (f", repeated {repeated}" if repeated else "")
            + (f", perhaps renamed {', '.join(renamed)}" if renamed else "")
            + f"; expected {list(self.columns)}. Is this another file, or a newer one?"
        )


@dataclass(frozen=True)
class Row:
    """One row of a file: its number (1 for the first), its fields, and what is wrong with it ("" if nothing is)."""

    number: int
    fields: dict[str, Any]
    problem: str = ""


def read_header(path: Path) -> list[str]:
    """Return the columns of a CSV file, or the keys of the first JSON object; raises as ``read_rows``."""
    first = next(_lines(path), "")
    if not _is_json(path):
        return next(csv.reader([first], delimiter=csv_delimiter(first)), [])
    try:
        return list(_json_object(first))
    except ValueError as problem:
        raise ValueError(f"{path}, first line: {problem}") from None


def read_rows(path: Path, form: Form) -> list[Row]:
    """Read a file of a given form.

    Returns
    -------
    list of Row
        Every row of the file. One with too many or too few fields, or that is no JSON object with the keys expected,
        has a problem and no fields. Fields of a CSV file are texts.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the columns (in JSON: the keys of the first record) do not fit the form; if the file is no CSV, JSON, gzip
        or UTF-8; or if it, or one of its lines, is longer than the bounds.
    """
    if misfit := form.misfit(read_header(path)):
        raise ValueError(f"{path}: {misfit}")
    return list(_json_rows(path, form) if _is_json(path) else _csv_rows(path, form))


def _csv_rows(path: Path, form: Form) -> Iterator[Row]:
    """Yield the rows of a CSV file."""
    lines = _lines(path)
    first = next(lines, "")
    reader = csv.reader(chain([first], lines), delimiter=csv_delimiter(first), strict=True)
    try:
        header = next(reader)
        for number, cells in enumerate((cells for cells in reader if cells), start=1):
            fits = len(cells) == len(header)
            problem = "" if fits else f"found {len(cells)} fields; expected {len(header)}"
            yield Row(number, dict(zip(header, cells, strict=True)) if fits else {}, problem)
    except csv.Error as problem:
        raise ValueError(f"{path}, line {reader.line_num}: {problem}; expected {form.title}.") from problem


def _json_rows(path: Path, form: Form) -> Iterator[Row]:
    """Yield the rows of a file with a JSON object a line; empty lines are none."""
    for number, line in enumerate((line for line in _lines(path) if line.strip()), start=1):
        try:
            record = _json_object(line)
            if missing := [name for name in form.columns if name not in record]:
                raise ValueError(f"keys missing: {missing}")
            yield Row(number, record)
        except ValueError as problem:
            yield Row(number, {}, str(problem))


def _json_object(line: str) -> dict[str, Any]:
    """Return the JSON object of a line, or raise with what it is instead."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"no JSON ({problem})") from None
    if not isinstance(record, dict):
        raise ValueError(f"found {type(record).__name__}; expected a JSON object")
    return record


def _is_json(path: Path) -> bool:
    """Return whether a file has, by its name, a JSON object a line."""
    return ".jsonl" in path.name.lower()


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or packed, each and all of them within bounds."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file{near_file(path) or '.'}")
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    read = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            while line := file.readline(MAX_LINE_CHARACTERS + 1):
                read += len(line)
                if len(line) > MAX_LINE_CHARACTERS or read > MAX_FILE_CHARACTERS:
                    raise ValueError(
                        f"{path}: a line longer than {MAX_LINE_CHARACTERS:,} characters, or more than "
                        f"{MAX_FILE_CHARACTERS:,} in all; split the file."
                    )
                yield str(line)
    except UnicodeDecodeError as problem:
        raise ValueError(f"{path}: not UTF-8 text ({problem}).") from problem
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise ValueError(f"{path}: cannot be unpacked as gzip ({problem}).") from problem


def read_literal(text: str) -> object:
    """Read one Python literal, such as ``{'persona': 'a nurse'}`` or ``['honesty', nan]``.

    Parameters
    ----------
    text : str
        A text, number, ``True``, ``False``, ``None``, bare ``nan`` (which pandas writes for a missing entry), or a
        list, tuple or mapping of these; up to 200,000 characters and 10 levels. Tuples become lists.

    Raises
    ------
    ValueError
        If it is longer or deeper, or anything else than a literal: a name, a call, an operation, an f-string.
    """
    if len(text) > MAX_LITERAL_CHARACTERS:
        raise ValueError(f"a literal of {len(text):,} characters; expected up to {MAX_LITERAL_CHARACTERS:,}.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        # deep nesting ends in one of the last two, depending on the version of Python
        reason = getattr(problem, "msg", None) or str(problem) or "nested too deeply"
        raise ValueError(f"no Python literal ({reason}): {text[:60]!r}.") from None
    return _value(tree.body, 1)


def _value(node: ast.expr, depth: int) -> object:
    """Return the value of a node, or raise if it is no literal."""
    if depth > MAX_LITERAL_DEPTH:
        raise ValueError(f"a literal nested deeper than {MAX_LITERAL_DEPTH} levels.")
    match node:
        case ast.Constant(value=str() | int() | float() | None):
            return node.value
        case ast.Name(id="nan"):
            return float("nan")
        case ast.UnaryOp(op=ast.USub()):
            number = _value(node.operand, depth + 1)
            if isinstance(number, int | float) and not isinstance(number, bool):
                return -number
        case ast.List() | ast.Tuple():
            return [_value(element, depth + 1) for element in node.elts]
        case ast.Dict():
            keys = [_value(key, depth + 1) if key is not None else None for key in node.keys]
            if all(isinstance(key, str) for key in keys):
                return dict(zip(keys, (_value(value, depth + 1) for value in node.values), strict=True))
    raise ValueError(f"found {type(node).__name__}; expected texts, numbers, lists and mappings with text keys only.")


@dataclass(frozen=True)
class Imported:
    """What was read from somebody else's file.

    Attributes
    ----------
    name : str
        What the data set is called, as shown in tables and figures.
    scenarios : DataFrame
        The scenarios table; what the format does not have is missing: profile and consequences in most. ``author`` is
        the data set's name; ``outline_id`` begins with the file's own name for the record.
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


@dataclass(frozen=True)
class Record:
    """One dilemma of a file: its own name, its texts, the labels of each action, further fields, and its rows.

    ``acting`` is the place (0 or 1) of the action that is to act, if the file says so; ``problem`` says why the rows
    make no dilemma, if they make none.
    """

    source: str = ""
    description: str = ""
    actions: tuple[str, str] = ("", "")
    labels: tuple[Sequence[str], Sequence[str]] = ((), ())
    more: Mapping[str, str] = field(default_factory=dict)
    acting: int | None = None
    rows: tuple[int, ...] = ()
    problem: str = ""


_Group = Callable[[list[Row]], Iterable[Sequence[Row]]]


@dataclass(frozen=True)
class Importer:
    """How a data set is read.

    Attributes
    ----------
    name : str
        What the data set is called.
    telling : set of str
        Columns that no other data set has together.
    form : Form or function
        The form of the file, or the columns found → the form.
    record : function
        Rows of one dilemma → its record. Raises ValueError if they make none, saying why.
    group : function, optional
        Rows → the rows of each dilemma; None: each row is one.
    labels, several
        As in ``gather``, unless the caller says otherwise; `several` None: no record has several values on a side.
    """

    name: str
    telling: AbstractSet[str]
    form: Form | Callable[[Sequence[str]], Form]
    record: Callable[..., Record]
    group: _Group | None = None
    labels: Mapping[str, Value] | None = None
    several: str | None = None


def import_with(
    importer: Importer,
    path: Path,
    *,
    labels: Mapping[str, Value] | None = None,
    several: str | None = None,
    name: str | None = None,
) -> Imported:
    """Read a data set; `labels`, `several` and `name` take the place of the importer's own. Raises as ``read_rows``."""
    form = importer.form if isinstance(importer.form, Form) else importer.form(read_header(path))
    records = records_of(read_rows(path, form), importer.record, importer.group)
    labels = importer.labels if labels is None else labels
    return gather(name or importer.name, records, labels=labels, several=several or importer.several or "all")


def records_of(rows: Sequence[Row], record: Callable[..., Record], group: _Group | None = None) -> list[Record]:
    """Return what rows make, as `group` and `record` of an ``Importer`` say: each row is in one record."""
    records = [Record(rows=(row.number,), problem=row.problem) for row in rows if row.problem]
    readable = [row for row in rows if not row.problem]
    for together in group(readable) if group else ([row] for row in readable):
        try:
            made = record(*together)
        except ValueError as problem:
            made = Record(problem=str(problem))
        records.append(replace(made, rows=tuple(row.number for row in together)))
    return records


def gather(
    name: str, records: Sequence[Record], *, labels: Mapping[str, Value] | None = None, several: str = "all"
) -> Imported:
    """Make scenarios of records.

    Parameters
    ----------
    name : str
        What the data set is called; also the scenarios' author.
    records : sequence of Record
        As from ``records_of``.
    labels : mapping, optional
        Label → the value that it stands for; several labels may stand for one value. Labels that are not in it decide
        nothing. None: each label is a value of its own, with its name for a definition.
    several : str
        What becomes of a record with more than one value on a side: ``all`` makes a scenario of each pair (they share
        their texts, so their answers are one piece of evidence and not several), ``first`` takes the first value of
        each side, ``none`` drops the record.
    """
    if several not in SEVERAL:
        raise ValueError(f"several: found {several!r}; expected one of {list(SEVERAL)}.")
    if labels is None:
        every = dict.fromkeys(label for record in records for side in record.labels for label in side)
        labels = {label: Value(value_name, value_name) for label in every if (value_name := as_value_name(label))}
    values = {value.name: value for value in labels.values()}
    order = list(values)
    scenarios: list[dict] = []
    dropped: list[dict] = []
    first_of: dict[str | None, int] = {}
    ambiguous = 0
    for record in records:
        pairs, problem = _pairs_of(record, labels, several)
        ambiguous += len(pairs) > 1
        pairs = pairs[:1] if several == "first" else pairs
        fresh = []
        for one, two in pairs:
            source = f"{record.source}: {one} / {two}" if len(pairs) > 1 else record.source
            fields = {"value_1": one, "value_2": two, "author": name, "source": source}
            texts = {"action_1": record.actions[0], "action_2": record.actions[1], "description": record.description}
            acting = None if record.acting is None else (one, two)[record.acting]
            row = as_scenario({**record.more, **fields, **texts, "acting_value": acting}, order)
            if first_of.setdefault(row["scenario_id"], record.rows[0]) == record.rows[0]:
                fresh.append(row)
        if pairs and not fresh:
            problem = f"repeats row {first_of[row['scenario_id']]} word for word"
        scenarios += fresh
        dropped += [{"row": number, "problem": problem} for number in record.rows if problem]
    table = as_table(scenarios)
    # one name in the file may stand for several scenarios
    count = table.groupby("outline_id").cumcount()
    numbered = table["outline_id"] + _NUMBERED + (count + 1).astype("str")
    occurring = {(row["value_1"], row["value_2"]) for row in scenarios}
    used = {end for pair in occurring for end in pair}
    taken = {"all": "each pair is a scenario", "first": "the first value of each side was taken"}
    note = f"{ambiguous} records have more than one value on a side: {taken.get(several)}."
    return Imported(
        name=name,
        scenarios=table.assign(outline_id=table["outline_id"].where(count.eq(0), numbered)),
        values=ValueSet(
            name,
            tuple(value for value in values.values() if value.name in used),
            tuple(sorted(occurring, key=lambda pair: [order.index(end) for end in pair])),
        ),
        rows=sum(len(record.rows) for record in records),
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]).sort_values("row", ignore_index=True),
        notes=(note,) if ambiguous else (),
    )


def as_value_name(label: str) -> str:
    """Return a label as the name of a value: signs that a name cannot hold become blanks."""
    return " ".join(_NO_NAME.sub(" ", label).split()).lstrip(".&'’- ")[:60].strip()


def ids_by_source(scenarios: pd.DataFrame) -> dict[str, str]:
    """Return the file's own name → scenario_id, for the names that stand for one scenario."""
    ids = dict(zip(scenarios["outline_id"], scenarios["scenario_id"], strict=True))
    shared = {source.rpartition(_NUMBERED)[0] for source in ids}
    return {source: name for source, name in ids.items() if source not in shared and _NUMBERED not in source}


def _pairs_of(record: Record, labels: Mapping[str, Value], several: str) -> tuple[list[tuple[str, str]], str]:
    """Return the value pairs of a record, or why it has none."""
    if record.problem:
        return [], record.problem
    texts = {"description": record.description, "action 1": record.actions[0], "action 2": record.actions[1]}
    if empty := [name for name, text in texts.items() if not text.strip()]:
        return [], f"{', '.join(empty)}: empty"
    if record.actions[0].strip() == record.actions[1].strip():
        return [], "the two actions are the same"
    named = [list(dict.fromkeys(labels[label].name for label in side if label in labels)) for side in record.labels]
    alone = [[name for name in named[side] if name not in named[1 - side]] for side in (0, 1)]
    if lacking := [str(side + 1) for side in (0, 1) if not alone[side]]:
        return [], f"no value speaks for action {' or '.join(lacking)} alone"
    pairs = list(product(alone[0], alone[1]))
    if several == "none" and len(pairs) > 1:
        return [], f"more than one value on a side ({len(pairs)} pairs)"
    return pairs, ""
