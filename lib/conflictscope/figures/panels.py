"""Panels: a page of small panels under one title, and rows of numbers with their intervals.

In: how many panels, and numbers with the ends of their intervals. Out: a figure with axes, and marks on the axes. What
lies beyond the ends of an axis is drawn as an arrow at its edge, never left out in silence. No section of the paper.
"""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from conflictscope.figures.style import FULL_WIDTH

GREY = "#444444"
PALE = "#999999"
_TITLE_LETTER = 0.073  # inches a letter of the figure's title
_PANEL_LETTER = 0.066  # inches a letter of a panel's title
_LABEL_LETTERS = 22  # letters a line of a row's label
_LINE = 0.125  # inches a further line of a panel's title


def require(table: pd.DataFrame, name: str, *, columns: Sequence[str], key: Sequence[str], one: Sequence[str] = ()):
    """Raise unless the table has rows and the columns, each key once, and a single value in each column of `one`.

    Raises
    ------
    ValueError
        Naming what is missing or repeated and what to do.
    """
    missing = [column for column in [*columns, *key, *one] if column not in table.columns]
    if missing:
        raise ValueError(f"{name}: columns {missing} are missing; found {list(table.columns)}. Pass {name} whole.")
    if table.empty:
        raise ValueError(f"{name}: found no rows; expected at least one. Check the filter and the stage before.")
    for column in one:
        found = table[column].unique().tolist()
        if len(found) != 1:
            raise ValueError(f"{name}: found {column}s {found}; expected exactly one. Filter the table first.")
    repeated = table.duplicated(list(key))
    if repeated.any():
        row = table.loc[repeated, list(key)].iloc[0].to_dict()
        raise ValueError(f"{name}: found {row} more than once; expected each once. Filter the table first.")


def is_narrow(width: float) -> bool:
    """Say whether a figure is as narrow as a column of the page."""
    return width <= FULL_WIDTH / 2


def panel_grid(
    count: int, *, columns: int, width: float, panel_height: float, margins: float
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` inches and its `count` axes of common scales, in `columns` columns.

    `panel_height` and `margins` (for title, axis labels and legend) are in inches; what is over stays blank.
    """
    columns = max(1, min(columns, count))
    lines = -(-count // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(width, margins + lines * panel_height), squeeze=False, sharex=True, sharey=True
    )
    panels = list(grid.ravel())
    for ax in panels[count:]:
        ax.set_axis_off()
    for ax in panels[max(0, count - columns) : count]:
        ax.tick_params(labelbottom=True)
    return figure, panels[:count]


def bottom_panels(panels: Sequence[Axes]) -> list[Axes]:
    """Return the panels with none below them."""
    lowest = {}
    for ax in panels:
        place = ax.get_subplotspec()
        lowest[place.colspan.start if place else 0] = ax
    return list(lowest.values())


def set_title(figure: Figure, title: str, source: str) -> None:
    """Put the title and, where given, what the results rest on at the top of the figure, on two lines if need be."""
    if source:
        fits = (len(title) + len(source) + 3) * _TITLE_LETTER < figure.get_figwidth()
        title = f"{title} · {source}" if fits else f"{title}\n{source}"
    figure.suptitle(title, x=0.01, ha="left", weight="bold")


def draw_points(
    ax: Axes,
    heights: ArrayLike,
    numbers: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    color: str,
    marker: str,
    size: float,
    hollow: bool = False,
) -> None:
    """Draw numbers and intervals on rows; the ends of the x axis must be set.

    A number beyond the ends is an arrow at the edge, an interval is cut there; a number that is nan is not drawn.
    """
    left, right = ax.get_xlim()
    x, y = np.asarray(numbers, dtype=float), np.asarray(heights, dtype=float)
    known = ~np.isnan(x)
    ax.hlines(
        y[known],
        np.asarray(low, dtype=float)[known],
        np.asarray(high, dtype=float)[known],
        color=color,
        linewidth=0.9 if hollow else 1.3,
        linestyle=(0, (2, 1.2)) if hollow else "solid",
    )
    inset = 0.02 * (right - left)
    for shape, here in (("<", x < left), (marker, (x >= left) & (x <= right)), (">", x > right)):
        if here.any():
            ax.plot(
                np.clip(x[here], left + inset, right - inset) if shape in "<>" and shape != marker else x[here],
                y[here],
                linestyle="none",
                marker=shape,
                markersize=size,
                color=color,
                markerfacecolor="white" if hollow else color,
                markeredgewidth=0.9,
                clip_on=False,
                zorder=3,
            )


def spread_rows(places: int, height: float = 0.64) -> np.ndarray:
    """Return how far each of `places` marks of a row stands from its middle, in rows, spread over `height`."""
    return (np.arange(places) - (places - 1) / 2) * (height / max(places, 2))


def break_name(name: str, letters: float) -> str:
    """Return a name on as few lines of at most `letters` as its parts allow; breaks are after ``/ > - _``, blank."""
    lines = [""]
    for part in re.findall(r"[^/>\-_ ]+[/>\-_ ]*|[/>\-_ ]+", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > letters:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def panel_titles(names: Sequence[str], room: float) -> tuple[list[str], float]:
    """Return the titles of panels that are `room` inches wide, and the height in inches of their further lines."""
    titles = [break_name(name, room / _PANEL_LETTER) for name in names]
    return titles, _LINE * max(title.count("\n") for title in titles)


def set_rows(ax: Axes, labels: Sequence[str]) -> None:
    """Label the rows of an axis, the first on top."""
    ax.set_yticks(range(len(labels)), [break_name(label, _LABEL_LETTERS) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
