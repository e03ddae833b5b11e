"""What other studies left: points to stand beside this one's, outlines that are not to be repeated.

In: figures folders in which notebook 07 has left ``agreement.csv``, or folders of runs. Out: their rows.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from conflictscope.table_files import check_table, table_path


def read_points(folders: Sequence[str | Path]) -> list[pd.DataFrame]:
    """Read ``agreement.csv`` of each folder: one row a variant, with agreement, Likert difference and the study's name.

    Raises
    ------
    FileNotFoundError
        Where a folder holds none, saying how it comes about.
    """
    points = []
    for folder in folders:
        path = Path(folder) / "agreement.csv"
        if not path.exists():
            raise FileNotFoundError(
                f"compare_with: {path} is not there. Run that study first; its notebook 07 writes it."
            )
        # the first row is the study's own; those below it are what it was compared with
        points.append(pd.read_csv(path).head(1))
    return points


def read_earlier_outlines(run_folders: Sequence[str | Path]) -> pd.DataFrame | None:
    """Read the outlines of earlier studies, whatever their names, for ``mark_duplicates``; None where none is given.

    Raises
    ------
    FileNotFoundError
        Where a folder holds no outlines.
    ValueError
        Where a table does not fit the contract.
    """
    tables = []
    for folder in run_folders:
        path = table_path(folder, "outlines")
        if not path.exists():
            raise FileNotFoundError(f"earlier_runs: {path} is not there; expected the folder of a study that has run.")
        tables.append(check_table(pq.read_table(path).to_pandas(), "outlines", source=str(path)))
    return pd.concat(tables, ignore_index=True) if tables else None
