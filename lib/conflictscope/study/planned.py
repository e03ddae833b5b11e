"""The plan of a study on disk, so that its ledger can say where the study is heading.

In: the estimate of ``plan``. Out: ``plan.csv`` in the study's folder, and what its notebooks read of it.
"""

from pathlib import Path

import pandas as pd

from conflictscope.files import write_atomically
from conflictscope.models.ledger import Planned

_FILE = "plan.csv"


def write_planned(estimate: pd.DataFrame, folder: Path) -> None:
    """Write an estimate of ``plan.plan_study`` into a study's folder."""
    write_atomically(folder / _FILE, lambda temporary: estimate.to_csv(temporary, index=False))


def read_planned(folder: Path) -> Planned:
    """Return (model, prompt) → calls and dollars of the plan; empty where ``conflictscope run`` has written none."""
    path = folder / _FILE
    if not path.exists():
        return {}
    sums = pd.read_csv(path).groupby(["model", "prompt"])[["calls", "dollars"]].sum(min_count=1)
    return {
        about: (int(calls), None if pd.isna(dollars) else float(dollars)) for about, calls, dollars in sums.itertuples()
    }
