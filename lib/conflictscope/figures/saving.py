"""Saving: a figure as PDF and PNG, with the table that it shows beside it as CSV.

In: a figure and its table. Out: three files of one name. The same table gives the same bytes on one set of package
versions: no dates and no program versions are written into the files. Files appear whole or not at all. No section of
the paper.
"""

from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from conflictscope.figures.style import use_style
from conflictscope.files import write_atomically


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
