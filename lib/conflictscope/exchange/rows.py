"""Rows of somebody else's file, read within bounds and checked against the columns of a form.

In: a CSV file, or one with a JSON object a line (``.jsonl``), plain or packed by gzip. Out: numbered rows, each with
its fields or with what is wrong with it. Python literals in a cell are parsed as data, never evaluated, and only here.
"""

import ast
import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from conflictscope.files import csv_delimiter, near_file

MAX_FILE_CHARACTERS = 2**30
MAX_LINE_CHARACTERS = 2**22
MAX_LITERAL_CHARACTERS = 200_000
MAX_LITERAL_DEPTH = 10


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
