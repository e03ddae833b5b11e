"""Columns: what a table's column may hold, and its type in pandas and in Arrow.

In: a name, a kind, a meaning. Out: a ``Column``, and from several of them a ``Table``.
"""

from dataclasses import dataclass

import pyarrow as pa

DTYPES = {
    # kind: (dtype where every row has a value, dtype where rows may lack one, Arrow type)
    "text": ("str", "str", pa.string()),
    "integer": ("int64", "Int64", pa.int64()),
    "number": ("float64", "float64", pa.float64()),
    "flag": ("bool", "boolean", pa.bool_()),
}


@dataclass(frozen=True)
class Column:
    """One column: its name, kind (``text``, ``integer``, ``number``, ``flag``), meaning and what it may hold."""

    name: str
    kind: str
    meaning: str
    optional: bool = False
    allowed: tuple = ()

    @property
    def dtype(self) -> str:
        """The pandas dtype that the column has once checked."""
        return DTYPES[self.kind][1 if self.optional else 0]


@dataclass(frozen=True)
class Table:
    """One table: its name (also its file's), its meaning, its columns in order and those that identify a row."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


def text(name: str, meaning: str, **more) -> Column:
    """Return a column of text."""
    return Column(name, "text", meaning, **more)


def integer(name: str, meaning: str, **more) -> Column:
    """Return a column of whole numbers."""
    return Column(name, "integer", meaning, **more)


def number(name: str, meaning: str, **more) -> Column:
    """Return a column of numbers."""
    return Column(name, "number", meaning, **more)


def flag(name: str, meaning: str, **more) -> Column:
    """Return a column of yes and no."""
    return Column(name, "flag", meaning, **more)
