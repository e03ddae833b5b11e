"""Marks: numbers with their intervals on rows, a mark for each condition, and what the legend says of them.

In: columns of numbers and of the ends of their intervals. Out: marks on axes, entries of a legend. What lies beyond the
ends of an axis is marked by an arrow at its edge, never left out in silence.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from conflictscope.figures.style import CONDITION_MARKS, GREY, PLACEBO_DASHES, Mark


def spread_rows(places: int, height: float = 0.64) -> np.ndarray:
    """Return how far each of `places` marks of a row stands from its middle, in rows, spread over `height`."""
    return (np.arange(places) - (places - 1) / 2) * (height / max(places, 2))


def conditions_of(table: pd.DataFrame) -> list[str]:
    """Return the conditions that occur, in the order of their marks."""
    return [condition for condition in CONDITION_MARKS if table["condition"].eq(condition).any()]


def condition_rows(
    table: pd.DataFrame, column: str, order: Sequence[str], *, numbers: Sequence[str], height: float = 0.64
) -> Iterator[tuple[Mark, str, pd.DataFrame, np.ndarray]]:
    """Yield, for each condition and number, its mark, the number's column, the rows, and where they stand."""
    conditions = conditions_of(table)
    places = iter(spread_rows(len(conditions) * len(numbers), height))
    for condition in conditions:
        part = table[table["condition"] == condition]
        for number in numbers:
            middles = part[column].map(list(order).index).to_numpy(float)
            yield CONDITION_MARKS[condition], number, part, middles + next(places)


def draw_points(
    ax: Axes,
    heights: ArrayLike,
    table: pd.DataFrame,
    number: str,
    mark: Mark,
    *,
    smaller: float = 0.0,
    hollow: bool = False,
    missing: str = "",
) -> None:
    """Draw the column `number` of a table with its ``_low`` and ``_high`` on rows; the ends of the x axis must be set.

    A number beyond the ends is an arrow at the edge, an interval is cut there and ends in an arrowhead; a number that
    is nan is not drawn, the words `missing` stand at the right edge of its row. `smaller`: points off the mark's size.
    """
    left, right = ax.get_xlim()
    x, low, high = (table[number + end].to_numpy(float) for end in ("", "_low", "_high"))
    y, inset, size = np.asarray(heights, dtype=float), 0.02 * (right - left), mark.size - smaller
    known, inside = ~np.isnan(x), (x >= left) & (x <= right)
    bar: dict = {"linewidth": 0.9, "linestyle": PLACEBO_DASHES} if hollow else {"linewidth": 1.3}
    ax.hlines(y[known], np.clip(low, left, right)[known], np.clip(high, left, right)[known], color=mark.color, **bar)
    look: dict = {"linestyle": "none", "color": mark.color, "markerfacecolor": "white" if hollow else mark.color}
    shapes = [
        (mark.marker, inside, x, size),
        ("<", x < left, left + inset, size),
        (">", x > right, right - inset, size),
        ("<", inside & (low < left), left, 0.7 * size),
        (">", inside & (high > right), right, 0.7 * size),
    ]
    for shape, here, places, points in shapes:
        if here.any():  # an empty line that is not clipped has no extent, and the layout fails on it
            at = np.broadcast_to(places, x.shape)[here], y[here]
            ax.plot(*at, marker=shape, markersize=points, markeredgewidth=0.9, clip_on=False, zorder=3, **look)
    for height in y[~known] if missing else ():
        at_edge: dict = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center"}
        ax.text(0.99, height, missing, fontsize=4.5, style="italic", color=GREY, **at_edge)


def cut_off(table: pd.DataFrame, numbers: Sequence[str], limits: tuple[float, float]) -> bool:
    """Return whether a number or an end of its interval lies beyond the limits."""
    ends = table[[number + end for number in numbers for end in ("", "_low", "_high")]].to_numpy(float)
    return bool((ends < limits[0]).any() or (ends > limits[1]).any())


def legend_mark(label: str, *, hollow: bool = False, **look) -> Line2D:
    """Return a legend's entry: a line with a marker, or what `look` changes of it."""
    dashes: dict = {"markerfacecolor": "white", "linestyle": PLACEBO_DASHES, "linewidth": 0.9} if hollow else {}
    return Line2D([], [], label=label, **({"color": GREY} | dashes | look))


def condition_handles(table: pd.DataFrame, label: str = "{}", smaller: float = 0.0, *, hollow: bool = False) -> list:
    """Return a legend's entries for the conditions of a table."""
    looks = [CONDITION_MARKS[condition] for condition in conditions_of(table)]
    return [
        legend_mark(label.format(m.label), hollow=hollow, color=m.color, marker=m.marker, markersize=m.size - smaller)
        for m in looks
    ]


def arrow_handle() -> Line2D:
    """Return a legend's entry for what is cut off at an edge."""
    return legend_mark("arrow: goes on beyond the axis", linestyle="none", marker="<", markersize=3)
