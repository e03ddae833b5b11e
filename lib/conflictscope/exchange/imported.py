"""What every importer returns: scenarios in our terms, the values behind them, and an account of every row.

In: rows read from somebody else's file. Out: an ``Imported``, whose ``scenarios`` go wherever scenarios go.
"""

from dataclasses import dataclass

import pandas as pd

from conflictscope.scenarios import ValueSet


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
