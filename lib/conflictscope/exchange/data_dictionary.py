"""The data dictionary: what every column of the exported tables means, made from the table contract.

In: names of tables. Out: one row a column. Nothing is described twice: ``tables`` is where a meaning is written. No
section of the paper (arXiv 2509.25369).
"""

from collections.abc import Sequence

import pandas as pd

from conflictscope.columns import DTYPES
from conflictscope.tables import TABLES


def data_dictionary(names: Sequence[str]) -> pd.DataFrame:
    """Describe the columns of tables.

    Parameters
    ----------
    names : sequence of str
        Names of tables in ``TABLES``.

    Returns
    -------
    DataFrame
        One row a column, tables and columns in order: ``table``, ``column``, ``type`` (``string``, ``int64``,
        ``double`` or ``bool``), ``may_be_empty``, ``key`` (whether it helps to identify a row), ``allowed`` (what it
        may hold, parted by ``|``; empty: anything) and ``meaning``.

    Raises
    ------
    ValueError
        Where a table is not known.
    """
    if unknown := sorted(set(names) - set(TABLES)):
        raise ValueError(f"tables: found {unknown}; expected some of {list(TABLES)}.")
    rows = [
        {
            "table": name,
            "column": column.name,
            "type": str(DTYPES[column.kind][2]),
            "may_be_empty": column.optional,
            "key": column.name in TABLES[name].key,
            "allowed": "|".join(map(str, column.allowed)),
            "meaning": column.meaning,
        }
        for name in names
        for column in TABLES[name].columns
    ]
    return pd.DataFrame(rows)
