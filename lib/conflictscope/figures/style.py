"""Style: the one style file, the widths of a page, and how each condition is marked.

In: nothing. Out: a context in which figures are drawn and saved. Conditions differ by colour, lightness and shape, so
that they can be told apart without colour. No section of the paper.

Saving: a figure as PDF and PNG, with the table that it shows beside it as CSV.

In: a figure and its table. Out: three files of one name. The same table gives the same bytes on one set of package
versions: no dates and no program versions are written into the files. Files appear whole or not at all. No section of
the paper.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.figure import Figure

from conflictscope.files import write_atomically

STYLE_FILE = Path(__file__).with_name("conflictscope.mplstyle")
COLUMN_WIDTH = 3.4  # inches: one of two columns
FULL_WIDTH = 7.0  # inches: across the page


@dataclass(frozen=True)
class ConditionMark:
    """How a condition looks: its label, its place in the style's colour cycle, its marker and size in points."""

    label: str
    place: int
    marker: str
    size: float

    @property
    def color(self) -> str:
        """The colour, from the style in force."""
        return mpl.rcParams["axes.prop_cycle"].by_key()["color"][self.place]


CONDITION_MARKS = {
    "multiple_choice": ConditionMark("multiple choice", 0, "o", 4.2),
    "open_ended": ConditionMark("open-ended", 1, "D", 3.8),
}


def use_style() -> AbstractContextManager:
    """Return a context in which the style file is in force: ``with use_style(): ...``."""
    return matplotlib.style.context([STYLE_FILE])


def save_figure(figure: Figure, folder: Path | str, name: str, *, table: pd.DataFrame) -> list[Path]:
    """Save a figure and the table behind it.

    Parameters
    ----------
    figure : Figure
        What to save; its title, if any, becomes the PDF's title.
    folder : Path or str
        Where to; made where it is not there.
    name : str
        Name of the files, without an ending.
    table : DataFrame
        What the figure shows; numbers are written with six digits.

    Returns
    -------
    list of Path
        The files: ``<name>.pdf``, ``<name>.png``, ``<name>.csv``.

    Raises
    ------
    OSError
        Where the disk does not take a file; an earlier file of that name is then untouched.
    """
    title = figure.get_suptitle() or name
    metadata: dict[str, dict] = {
        "pdf": {"Title": title, "Creator": "conflictscope", "Producer": None, "CreationDate": None},
        "png": {"Title": title, "Software": None},
    }
    files = []
    with use_style():
        for ending, said in metadata.items():
            files.append(Path(folder) / f"{name}.{ending}")
            write_atomically(files[-1], partial(figure.savefig, format=ending, metadata=said))
    files.append(Path(folder) / f"{name}.csv")
    write_atomically(
        files[-1], lambda temporary: table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    )
    return files
