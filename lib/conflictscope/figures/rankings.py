"""Figure 1: how strongly each target prefers each value, in what it says and in what it does, with intervals.

In: the rankings table. Out: axes with one mark a value and condition; or a figure with a panel for each target, all
in one order of values. A ranking that the data do not identify is drawn hollow and said so. Section 4 of the paper
(arXiv 2509.25369), its figure of rankings.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conflictscope.figures.style import CONDITION_MARKS, FULL_WIDTH, ConditionMark, use_style

_APART = 0.32  # distance between the two marks of a value, in rows
_PER_ROW = 0.24  # inches a value
_AROUND = 0.42  # inches for a panel's title and ticks
_GREY = "#444444"


def draw_rankings(
    rankings: pd.DataFrame,
    ax: Axes,
    *,
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw the strengths of one target's values, a row a value and a mark a condition.

    Parameters
    ----------
    rankings : DataFrame
        Columns of the table ``rankings``, of one target and one system prompt.
    ax : Axes
        Where to draw.
    order : sequence of str, optional
        The values from top to bottom; default: by mean strength over the identified rankings.
    limits : (float, float), optional
        Ends of the strength axis; default: wide enough for the identified rankings of this table.

    Returns
    -------
    Axes
        The same axes. Lines are the intervals of the table; letters at the right are its tie groups. Where a ranking is
        not identified its marks are hollow, and arrows at the edge where they lie beyond it: such strengths are the
        penalty's, so they do not set the scale.

    Raises
    ------
    ValueError
        Where there is more than one target or system prompt, or `order` does not hold the table's values.
    """
    _require_one(rankings, "target")
    _require_one(rankings, "arm")
    order = value_order(rankings) if order is None else list(order)
    if set(order) != set(rankings["value"]):
        raise ValueError(f"order: found {order}; expected the table's values {sorted(set(rankings['value']))}.")
    rows = {value: row for row, value in enumerate(order)}
    conditions = _conditions(rankings)
    left, right = limits or _limits(rankings)
    ax.set_xlim(left, right)
    ax.axvline(0, color="#999999", linewidth=0.8, zorder=0.8)
    for condition, part in rankings.groupby("condition", sort=False):
        mark = CONDITION_MARKS[condition]
        shift = (conditions.index(condition) - (len(conditions) - 1) / 2) * _APART
        _draw_condition(part, ax, part["value"].map(rows).to_numpy(float) + shift, mark)
    ax.set_yticks(range(len(order)), order)
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_title(rankings["target"].iloc[0], loc="left")
    unclear = [CONDITION_MARKS[name].label for name in conditions if name in _unidentified(rankings)]
    if unclear:
        said = f"{' and '.join(unclear)}:\norder not identified"
        ax.set_title(said, loc="right", fontsize="x-small", style="italic", color=_GREY)
    return ax


def plot_rankings(
    rankings: pd.DataFrame, *, source: str = "", width: float = FULL_WIDTH, columns: int | None = None
) -> Figure:
    """Plot the strengths of the values, a panel a target, in one order of values and on one scale.

    Parameters
    ----------
    rankings : DataFrame
        Columns of the table ``rankings``, of one system prompt.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``.
    columns : int, optional
        Panels side by side; default: 2 on a full page's width, 1 on a column's.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        Where the table is empty or has more than one system prompt.
    """
    _require_one(rankings, "arm")
    targets = rankings["target"].unique()
    columns = min(columns or (1 if width <= FULL_WIDTH / 2 else 2), len(targets))
    lines = int(np.ceil(len(targets) / columns))
    order = value_order(rankings)
    with use_style():
        height = 0.75 + lines * (_AROUND + _PER_ROW * len(order))
        figure, grid = plt.subplots(lines, columns, figsize=(width, height), sharex=True, sharey=True, squeeze=False)
        panels = grid.ravel()
        for ax, target in zip(panels, targets, strict=False):
            draw_rankings(rankings[rankings["target"] == target], ax, order=order, limits=_limits(rankings))
        for ax in panels[len(targets) :]:
            ax.set_axis_off()
        for ax in panels[max(0, len(targets) - columns) : len(targets)]:
            ax.tick_params(labelbottom=True)
            ax.set_xlabel("strength (log-odds)")
        title = "Which values come first"
        figure.suptitle(f"{title} · {source}" if source else title, x=0.01, ha="left", weight="bold")
        narrow = width <= FULL_WIDTH / 2
        handles = _legend_handles(rankings, break_lines=narrow)
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if narrow else len(handles))
    return figure


def value_order(rankings: pd.DataFrame) -> list[str]:
    """Return the values by mean strength over the identified rankings (over all where none is), strongest first."""
    known = rankings[rankings["identified"]] if rankings["identified"].any() else rankings
    means = known.groupby("value", sort=False)["strength"].mean().reindex(rankings["value"].unique())
    return means.sort_values(ascending=False, kind="stable").index.tolist()


def _draw_condition(part: pd.DataFrame, ax: Axes, heights: np.ndarray, mark: ConditionMark) -> None:
    """Draw one condition's marks, intervals and tie letters."""
    ax.hlines(heights, part["strength_low"], part["strength_high"], color=mark.color)
    left, right = ax.get_xlim()
    inset = 0.02 * (right - left)
    strengths = part["strength"].to_numpy()
    places = {
        "<": strengths < left,
        mark.marker: (strengths >= left) & (strengths <= right),
        ">": strengths > right,
    }
    for shape, here in places.items():
        if not here.any():
            continue  # an empty line that is not clipped has no extent, and the layout fails on it
        ax.plot(
            np.clip(strengths[here], left + inset, right - inset),
            heights[here],
            linestyle="none",
            marker=shape,
            markersize=mark.size,
            color=mark.color,
            markerfacecolor=mark.color if part["identified"].all() else "white",
            clip_on=False,
        )
    at_edge = ax.get_yaxis_transform()
    for height, letters in zip(heights, part["tie_group"], strict=True):
        if isinstance(letters, str):
            ax.text(1.015, height, letters, transform=at_edge, va="center", fontsize="x-small", color=_GREY)


def _legend_handles(rankings: pd.DataFrame, *, break_lines: bool) -> list[Line2D]:
    """Return what the legend explains: each condition, and hollow marks where there are any."""
    handles = []
    for condition in _conditions(rankings):
        mark = CONDITION_MARKS[condition]
        handles.append(
            Line2D([], [], color=mark.color, marker=mark.marker, markersize=mark.size, linewidth=1.3, label=mark.label)
        )
    if _unidentified(rankings):
        hollow = Line2D([], [], linestyle="none", marker="o", markersize=4.2, color=_GREY, markerfacecolor="white")
        hollow.set_label("order not identified")
        handles.append(hollow)
    if rankings["tie_group"].notna().any():
        letter = Line2D([], [], linestyle="none", marker="$a$", markersize=3.6, color=_GREY, markeredgewidth=0)
        letter.set_label("same letter within a" + ("\n" if break_lines else " ") + "condition: not told apart")
        handles.append(letter)
    return handles


def _conditions(rankings: pd.DataFrame) -> list[str]:
    """Return the conditions that occur, in the order of the marks."""
    return [condition for condition in CONDITION_MARKS if rankings["condition"].eq(condition).any()]


def _limits(rankings: pd.DataFrame) -> tuple[float, float]:
    """Return ends of the strength axis: room for the identified rankings, and for 0 with one unit to either side."""
    ends = rankings.loc[rankings["identified"], ["strength", "strength_low", "strength_high"]].to_numpy().ravel()
    low, high = min([*ends, -1.0]), max([*ends, 1.0])
    room = 0.04 * (high - low)
    return low - room, high + room


def _unidentified(rankings: pd.DataFrame) -> set[str]:
    """Return the conditions whose ranking is not identified."""
    return set(rankings.loc[~rankings["identified"], "condition"])


def _require_one(rankings: pd.DataFrame, column: str) -> None:
    """Raise unless the column holds exactly one value."""
    found = rankings[column].unique().tolist()
    if len(found) != 1:
        raise ValueError(f"rankings: found {column}s {found}; expected exactly one. Filter the table first.")
