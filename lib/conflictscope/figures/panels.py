"""Panels: the one page of panels that every figure is, with its title, its named rows and its legend.

In: tables, which are checked here, and functions that draw on axes. Out: a figure with a panel for each of them; marks
for numbers with their intervals on rows. What lies beyond the ends of an axis is marked by an arrow at its edge, never
left out in silence.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TypedDict

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform
from numpy.typing import ArrayLike

from conflictscope.figures import captions
from conflictscope.figures.style import (
    CONDITION_MARKS,
    FULL_WIDTH,
    GREY,
    PALE,
    PLACEBO_DASHES,
    Mark,
    use_style,
    warn_of_missing_letters,
)

_PAGE = 9.0  # inches: what a page holds
_LEAST = 0.8  # share of its height that a figure is drawn at, at least, to fit a page
_TITLE_LETTER = 0.073  # inches a letter of the figure's title
_PANEL_LETTER = 0.066  # inches a letter of a panel's title
_LEGEND_LETTER = 0.053  # inches a letter of the legend
_LEGEND_MARK = 0.47  # inches of a legend's entry without its letters
_LABEL_LETTERS = 22  # letters a line of a row's label
_LINE = 0.125  # inches a line of text
_AROUND = 0.3  # inches of a panel's title and ticks
_ON_FOREIGN_AXES: dict = {"parse_math": False}  # a `$` of a name is a letter, also if the style is not in force


class Page(TypedDict, total=False):
    """What every figure can be told about its page, as `plot_panels` takes it."""

    title: str | None
    source: str
    level: float | None
    width: float
    columns: int | None


def require(table: pd.DataFrame, name: str, *, columns: Sequence[str], key: Sequence[str], one: Sequence[str] = ()):
    """Raise ValueError unless a table has rows and the columns, each key once and one value in each column of `one`."""
    missing = [column for column in [*columns, *key, *one] if column not in table.columns]
    if missing:
        raise ValueError(f"{name}: columns {missing} are missing; found {list(table.columns)}. Pass {name} whole.")
    if table.empty:
        raise ValueError(f"{name}: found no rows; expected at least one. Check the filter and the stage before.")
    for column in one:
        values = table[column].unique().tolist()
        if len(values) != 1:
            raise ValueError(f"{name}: found {column}s {values}; expected exactly one. Filter the table first.")
    repeated = table.duplicated(list(key))
    if repeated.any():
        row = table.loc[repeated, list(key)].iloc[0].to_dict()
        raise ValueError(f"{name}: found {row} more than once; expected each once. Filter the table first.")


def order_rows(names: Collection[str], order: Sequence[str] | None) -> list[str]:
    """Return the names in the order given (default: as they come), each once; raise if `order` lacks one."""
    occurring = list(dict.fromkeys(names))
    unknown = [name for name in occurring if order is not None and name not in order]
    if unknown:
        raise ValueError(f"order: found {list(order or ())}; expected all rows of the table, {unknown} too.")
    return occurring if order is None else [name for name in order if name in occurring]


@use_style()
def plot_panels(
    panels: Mapping[str, Callable[[Axes], object]],
    *,
    height: float | Callable[[int], float],
    handles: Sequence[Artist] = (),
    xlabel: str = "",
    title: str | None = None,
    source: str = "",
    level: float | None = None,
    caption: Sequence[str] = (),
    width: float = FULL_WIDTH,
    columns: int | None = None,
    at_least: int = 1,
    at_most: int = 4,
    labels: float = 1.0,
    share: bool = True,
) -> Figure:
    """Plot a page of panels (title → what draws on its axes) under one title and above one legend.

    Parameters
    ----------
    height : float or function
        Inches of a panel without its title and ticks, or number of columns → such inches.
    handles : sequence of Artist
        What the legend explains; it takes as many columns as fit.
    xlabel : str
        Label of the x axes, below the last line of panels.
    title, source : str, optional
        The figure's title, and beside it what the results rest on (``simulated models``); empty: none.
    level : float, optional
        Coverage of the intervals (0–1), for the caption, which does not say it if it is not given.
    caption : sequence of str
        Sentences of the caption: with title, `level` and `source` they become the figure's label (``get_label``).
    width : float
        ``COLUMN_WIDTH`` or ``FULL_WIDTH``, in inches.
    columns : int, optional
        Panels side by side; default: the fewest from `at_least` to `at_most` with which the figure fits a page. The two
        are for the full width; a column takes half as many.
    labels : float
        Inches that the rows' names take at the left.
    share : bool
        Whether the panels have common scales.
    """
    parts = [part for part in (title, source) if part]
    heading = (" · " if len(" · ".join(parts)) * _TITLE_LETTER < width else "\n").join(parts)
    entries = _legend_columns([str(handle.get_label()) for handle in handles], width)
    legend_lines = _LINE * 1.25 * -(-sum(1 + str(h.get_label()).count("\n") for h in handles) // entries)
    margins = 0.22 + _LINE * (len(heading.splitlines()) + 1.2 * bool(xlabel)) + legend_lines

    def size(across: int) -> tuple[float, list[str]]:
        """Return the figure's height with so many panels side by side, and the panels' titles."""
        titles = [break_name(name, (width - labels) / across / _PANEL_LETTER) for name in panels]
        inside = height(across) if callable(height) else height
        extra = _LINE * max(text.count("\n") for text in titles)
        return margins + -(-len(panels) // across) * (_AROUND + extra + inside), titles

    if columns is None:
        scale = 2 if is_narrow({"width": width}) else 1
        most = max(1, min(at_most // scale, len(panels)))
        tried = range(min(max(1, at_least // scale), most), most + 1)
        columns = next((across for across in tried if size(across)[0] <= _PAGE), most)
    columns = min(columns, len(panels))
    total, titles = size(columns)
    # rows move a little closer if that puts the figure on one page
    total = max(min(total, _PAGE), _LEAST * total)
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(width, total), squeeze=False, sharex=share, sharey=share)
    for ax, draw, text in zip(grid.flat, panels.values(), titles, strict=False):
        draw(ax)
        set_panel_title(ax, text)
    for n, ax in enumerate(grid.flat):
        if n >= len(panels):
            ax.set_axis_off()
        elif n + columns >= len(panels):
            ax.tick_params(labelbottom=True)
    if xlabel:
        for ax in grid[-1, : len(panels) - (lines - 1) * columns]:
            ax.set_xlabel(xlabel)
    if heading:
        figure.suptitle(heading, x=0.01, ha="left", weight="bold")
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=entries)
    figure.set_label(captions.write(title, caption, level=level, source=source))
    warn_of_missing_letters(figure)
    return figure


def panels_by(table: pd.DataFrame, column: str, draw: Callable, **options) -> dict[str, Callable[[Axes], object]]:
    """Return a panel for each name in a column, in which `draw` draws that part of the table."""
    return {str(name): partial(draw, part, **options) for name, part in table.groupby(column, sort=False)}


def is_narrow(page: Page) -> bool:
    """Return whether a figure is as narrow as a column of the page."""
    return page.get("width", FULL_WIDTH) <= FULL_WIDTH / 2


def _legend_columns(entries: Sequence[str], width: float) -> int:
    """Return how many columns of a legend fit into `width` inches; legends fill column by column."""
    inches = [_LEGEND_MARK + _LEGEND_LETTER * max(map(len, entry.split("\n"))) for entry in entries]
    for columns in range(len(entries), 1, -1):
        lines, longer = divmod(len(entries), columns)
        ends = np.cumsum([0, *[lines + (n < longer) for n in range(columns)]])
        if sum(max(inches[a:b]) for a, b in pairwise(ends)) <= width:
            return columns
    return 1


def break_name(name: str, letters: float) -> str:
    """Return a name on as few lines of at most `letters` as its parts allow; breaks are after ``/ > - _``, blank."""
    lines = [""]
    for part in re.findall(r"[^/>\-_ ]+[/>\-_ ]*|[/>\-_ ]+", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > letters:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def set_panel_title(ax: Axes, title: str) -> None:
    """Put a panel's title at its left."""
    ax.set_title(title, loc="left", **_ON_FOREIGN_AXES)


def set_rows(ax: Axes, names: Sequence[str], colors: Mapping[str, tuple] | None = None) -> None:
    """Label the rows of an axis, the first on top; with `colors`, a square of its colour stands before each row."""
    ax.set_yticks(range(len(names)), [break_name(name, _LABEL_LETTERS) for name in names], **_ON_FOREIGN_AXES)
    ax.set_ylim(len(names) - 0.5, -0.5)
    if colors is not None:
        mark_values(ax, names, colors, offset=0.0)


def row_lines(names: Sequence[str]) -> int:
    """Return how many lines the longest label of `set_rows` takes."""
    return max(break_name(name, _LABEL_LETTERS).count("\n") + 1 for name in names)


def draw_zero(ax: Axes, x: float = 0) -> None:
    """Draw the line across all rows that no effect is on."""
    ax.axvline(x, color=PALE, linewidth=0.8, zorder=0.8)


def beside(ax: Axes, inches: float, *, below: bool = False) -> Transform:
    """Return where x is so many inches right of an axes fraction and y a row; below: x a column, y an axes fraction."""
    across, along = (0.0, inches) if below else (inches, 0.0)
    edge = ax.get_xaxis_transform() if below else ax.get_yaxis_transform()
    return edge + ScaledTranslation(across, along, ax.figure.dpi_scale_trans)


def mark_values(ax: Axes, names: Sequence[str], colors: Mapping[str, tuple], *, offset: float, below: bool = False):
    """Draw a square of its value's colour before each row, or below each column; `offset` is the first's place."""
    places, edge = np.arange(len(names)) + offset, np.zeros(len(names))
    x, y = (places, edge) if below else (edge, places)
    shades, place = [colors[name] for name in names], beside(ax, -0.05, below=below)
    ax.scatter(x, y, s=11, marker="s", c=shades, transform=place, clip_on=False, linewidths=0, zorder=3)
    ax.tick_params(axis="x" if below else "y", pad=7)


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
