"""The judge's figure: what one reader took for what, against another.

In: a table of confusion as `measure.confusion` makes it, and Cohen's κ. Out: axes with the counts. Figure 8 of the
project; the paper (arXiv 2509.25369) gives its judge's κ against people as a number.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures.panels import set_title
from conflictscope.figures.style import COLUMN_WIDTH, use_style

_LABELS = {"action_1": "action 1", "action_2": "action 2"}


def draw_confusion(counts: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a table of confusion: darker is more.

    Parameters
    ----------
    counts : DataFrame
        Readings of one reader down, of the other across; counts.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes. A number in each cell; cells of the diagonal, where the two agree, are framed.
    """
    numbers = counts.to_numpy(float)
    ax.imshow(np.sqrt(numbers), cmap="Greys", vmin=0, vmax=1.6 * np.sqrt(max(numbers.max(initial=0), 1)))
    for row, column in np.ndindex(*numbers.shape):
        heavy = "bold" if counts.index[row] == counts.columns[column] else "normal"
        shade = np.sqrt(numbers[row, column] / max(numbers.max(initial=0), 1))
        color = "white" if shade > 0.75 else "black"
        ax.text(column, row, f"{numbers[row, column]:.0f}", ha="center", va="center", weight=heavy, color=color)
        if counts.index[row] == counts.columns[column]:
            ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, linewidth=1.2))
    ax.set_xticks(range(counts.shape[1]), [_LABELS.get(name, name) for name in counts.columns], rotation=20)
    ax.set_yticks(range(counts.shape[0]), [_LABELS.get(name, name) for name in counts.index])
    ax.set_ylabel(counts.index.name or "first reader")
    ax.set_xlabel(counts.columns.name or "second reader")
    ax.grid(False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_confusion(
    counts: pd.DataFrame, agreement: pd.Series, *, source: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Plot a table of confusion under its κ.

    Parameters
    ----------
    counts : DataFrame
        As for `draw_confusion`.
    agreement : Series
        The row of `measure.agreement_between_readers` about the same two readers.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.
    """
    with use_style():
        figure, ax = plt.subplots(figsize=(width, 0.8 * width), layout="constrained")
        draw_confusion(counts, ax)
        if pd.isna(agreement["kappa"]):
            said = f"κ undefined, agreed {agreement['agreed']:.0%} of {agreement['read']:.0f}"
        else:
            ends = f"{agreement['kappa_low']:.2f} to {agreement['kappa_high']:.2f}"
            said = f"κ = {agreement['kappa']:.2f} ({ends}), {agreement['read']:.0f} read by both"
        ax.set_title(said)
        set_title(figure, "How far the judge agrees", source)
    return figure
