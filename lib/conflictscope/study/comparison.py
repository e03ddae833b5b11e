"""Points of other studies, to stand beside this one's in a table or figure.

In: figures folders in which notebook 07 has left ``agreement.csv``. Out: their rows.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


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
