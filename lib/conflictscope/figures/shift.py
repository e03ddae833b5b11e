"""Figure 2: expressed against revealed rank of each value: where a value stands in what models say and in what they do.

In: the table of `conflictscope.measure.shift.value_shifts`. Out: axes with a row a value and a line from its expressed
to its revealed rank; or a figure with a panel for each target. A shift within the noise is dotted. Section 4 of the
paper (arXiv 2509.25369), its figure of expressed and revealed rankings.
"""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conflictscope.figures.panels import (
    GREY,
    bottom_panels,
    is_narrow,
    panel_grid,
    panel_titles,
    require,
    set_rows,
    set_title,
)
from conflictscope.figures.style import CONDITION_MARKS, FULL_WIDTH, use_style

_COLUMNS = ["rank_expressed", "rank_revealed", "rank_shift_low", "rank_shift_high", "beyond_noise", "problem"]
_GROUP_MARKERS = ("D", "s", "^", "v", "P", "X")
_PER_ROW = 0.17  # inches a value
_NO_GROUP = ""
_LABELS = 1.0  # inches that the values' names take at the left


def draw_shift(
    shifts: pd.DataFrame, ax: Axes, *, groups: Mapping[str, str] | None = None, order: Sequence[str] | None = None
) -> Axes:
    """Draw where each value of one target moves from what it says to what it does.

    Parameters
    ----------
    shifts : DataFrame
        Columns of `value_shifts`, of one target.
    ax : Axes
        Where to draw.
    groups : mapping of str to str, optional
        Value → group, as ``ValueSet.groups`` has it: colour and mark tell groups apart.
    order : sequence of str, optional
        The values from top to bottom; default: `shift_order`.

    Returns
    -------
    Axes
        The same axes. Ranks run from 1, most preferred, at the left. A hollow circle is the expressed rank, a filled
        mark the revealed rank, the pale bar the interval of the paired difference, laid from the expressed rank and cut
        at the ends of the axis. Solid lines are shifts of strength beyond the noise (``beyond_noise``). Where an order
        is not identified nothing is drawn but the reason.

    Raises
    ------
    ValueError
        Where a column is missing, there is not exactly one target, a value occurs twice, or `order` or `groups` do not
        fit the table's values.
    """
    require(shifts, "shifts", columns=_COLUMNS, key=["value"], one=["target"])
    order = shift_order(shifts, groups) if order is None else list(order)
    if set(order) != set(shifts["value"]):
        raise ValueError(f"order: found {order}; expected the table's values {sorted(set(shifts['value']))}.")
    marks = _group_marks(groups, order)
    ax.set_xlim(0.5, len(order) + 0.5)
    ax.set_xticks(range(1, len(order) + 1))
    set_rows(ax, order)
    of = [_group_of(groups, value) for value in order]
    for row in range(1, len(of)):
        if of[row] != of[row - 1]:
            ax.axhline(row - 0.5, color="#BBBBBB", linewidth=0.6, zorder=0.8)
    for shift in shifts.itertuples():
        if pd.isna(shift.rank_expressed) or pd.isna(shift.rank_revealed):
            continue
        row, (color, marker) = order.index(shift.value), marks[_group_of(groups, shift.value)]
        start, end = shift.rank_expressed, shift.rank_revealed
        ax.hlines(
            row, start + shift.rank_shift_low, start + shift.rank_shift_high, color=color, alpha=0.28, linewidth=5
        )
        beyond = not pd.isna(shift.beyond_noise) and bool(shift.beyond_noise)
        ax.plot([start, end], [row, row], color=color, linestyle="solid" if beyond else (0, (1, 1.3)))
        ax.plot(start, row, marker="o", markersize=6.2, color=color, markerfacecolor="white", zorder=3)
        ax.plot(end, row, marker=marker, markersize=2.8, color=color, zorder=4)
    ax.set_title(shifts["target"].iloc[0], loc="left")
    problems = shifts["problem"].dropna().unique()
    if len(problems):
        said = "; ".join(problems)
        for condition, mark in CONDITION_MARKS.items():
            said = said.replace(condition, mark.label)
        said = textwrap.fill(f"cannot be compared: {said}", 30, break_on_hyphens=False)
        box: dict = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        place: dict = {"transform": ax.transAxes, "ha": "center", "va": "center", "bbox": box}
        ax.text(0.5, 0.5, said, fontsize="x-small", color=GREY, **place)
    return ax


def plot_shift(
    shifts: pd.DataFrame,
    *,
    groups: Mapping[str, str] | None = None,
    source: str = "",
    width: float = FULL_WIDTH,
    columns: int | None = None,
) -> Figure:
    """Plot expressed against revealed ranks, a panel a target, in one order of values.

    Parameters
    ----------
    shifts : DataFrame
        Columns of `value_shifts`.
    groups : mapping of str to str, optional
        Value → group.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``.
    columns : int, optional
        Panels side by side; default: 4 across the page from eight targets on, else 2; 2 in a column, from three on.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        Where the table is empty, a column is missing, a target and value occur twice, or `groups` does not fit.
    """
    require(shifts, "shifts", columns=_COLUMNS, key=["target", "value"])
    targets = shifts["target"].unique()
    order = shift_order(shifts, groups)
    if columns is None:
        columns = (1 if len(targets) < 3 else 2) if is_narrow(width) else (4 if len(targets) > 7 else 2)
    columns = min(columns, len(targets))
    titles, lines = panel_titles(targets, (width - _LABELS) / columns)
    with use_style():
        figure, panels = panel_grid(
            len(targets),
            columns=columns,
            width=width,
            panel_height=0.4 + lines + _PER_ROW * len(order),
            margins=0.95,
        )
        for ax, target, title in zip(panels, targets, titles, strict=True):
            draw_shift(shifts[shifts["target"] == target], ax, groups=groups, order=order)
            ax.set_title(title, loc="left")
        for ax in bottom_panels(panels):
            ax.set_xlabel("rank (1 = first)")
        set_title(figure, "Expressed against revealed", source)
        figure.legend(
            handles=_legend_handles(shifts, groups, order),
            loc="outside lower center",
            ncols=2 if is_narrow(width) else 3,
        )
    return figure


def shift_order(shifts: pd.DataFrame, groups: Mapping[str, str] | None = None) -> list[str]:
    """Return the values group by group, in each by mean expressed rank over the targets, most preferred first."""
    means = shifts.groupby("value", sort=False)["rank_expressed"].mean()
    values = means.sort_values(kind="stable").index.tolist()
    places = list(_group_marks(groups, values))
    return sorted(values, key=lambda value: places.index(_group_of(groups, value)))


def _group_of(groups: Mapping[str, str] | None, value: str) -> str:
    """Return the group of a value, or the name of no group."""
    return (groups or {}).get(value, _NO_GROUP)


def _group_marks(groups: Mapping[str, str] | None, values: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return group → colour and marker, in the order of `groups`; values without a group last."""
    names = list(dict.fromkeys((groups or {}).values()))
    stray = sorted(set(groups or {}) - set(values))
    if stray or len(names) > len(_GROUP_MARKERS) - 1:
        raise ValueError(
            f"groups: found {len(names)} groups, and values {stray} that the table does not have; expected at most "
            f"{len(_GROUP_MARKERS) - 1} groups of {sorted(values)}."
        )
    if any(value not in (groups or {}) for value in values):
        names.append(_NO_GROUP)
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return {name: (colors[n], _GROUP_MARKERS[n]) for n, name in enumerate(names)}


def _legend_handles(shifts: pd.DataFrame, groups: Mapping[str, str] | None, order: Sequence[str]) -> list[Line2D]:
    """Return what the legend explains: the two ends, the groups, the interval, and what is within the noise."""
    grey: dict = {"color": GREY, "linestyle": "none"}
    handles = [Line2D([], [], **grey, marker="o", markersize=6.2, markerfacecolor="white", label="multiple choice")]
    marks = _group_marks(groups, order)
    for name, (color, marker) in marks.items():
        label = f"open-ended: {name}" if name else ("open-ended: no group" if len(marks) > 1 else "open-ended")
        handles.append(Line2D([], [], linestyle="none", color=color, marker=marker, markersize=2.8, label=label))
    handles.append(
        Line2D([], [], color=GREY, alpha=0.28, linewidth=5, solid_capstyle="butt", label="interval of shift")
    )
    moved = shifts["beyond_noise"].dropna().astype(bool)
    if moved.any():
        handles.append(Line2D([], [], color=GREY, label="strength: beyond noise"))
    if (~moved).any():
        handles.append(Line2D([], [], color=GREY, linestyle=(0, (1, 1.3)), label="strength: within noise"))
    return handles
