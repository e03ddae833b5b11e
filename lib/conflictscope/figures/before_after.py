"""Before and after: the change of each value with what is excluded, and what being told to put one first did to all.

In: the tables of `conflictscope.measure.comparisons`. Out: axes with a row a value, or a cell for each two; figures
with a panel a pair of groups, or a panel a target and condition.
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, marks, panels
from conflictscope.figures.heatmaps import draw_cells
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, GREY, Mark, use_style
from conflictscope.value_colors import value_colors

_CHANGE = ["change", "change_low", "change_high"]
_PER_ROW = 0.2  # inches a value
_BAND: dict = {"color": "#DDDDDD", "linewidth": 0}
_SIZE = 4.0  # points of a mark
_COLOR = 6  # black in the style's cycle, whose first two colours are the conditions
_CELL = 0.3  # inches


def draw_changes(
    changes: pd.DataFrame,
    ax: Axes,
    *,
    margin: float,
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    alpha: float = 0.05,
) -> Axes:
    """Draw the change of each value between the groups of one pair.

    Parameters
    ----------
    changes : DataFrame
        Columns of ``by_value`` of `compare_groups`, of one pair.
    ax : Axes
        Where to draw.
    margin : float
        Change from which it would matter, log-odds: the grey band.
    order : sequence of str, optional
        The values from top to bottom; default: as they come.
    limits : (float, float), optional
        Ends of the axis; default: room for these intervals and the band.
    alpha : float
        A change whose p-value is below it is filled.

    Returns
    -------
    Axes
        The same axes. A diamond is equivalent (all but changes within the band are excluded), a circle is not; filled:
        changed. Without numbers the reason stands in the axes.
    """
    panels.require(changes, "changes", columns=[*_CHANGE, "p_value", "equivalent", "problem"], key=["value"])
    order = panels.order_rows(changes["value"], order)
    ax.set_xlim(*(limits or _limits(changes, margin)))
    panels.set_rows(ax, order, value_colors(order))
    ax.axvspan(-margin, margin, zorder=0.5, **_BAND)
    panels.draw_zero(ax)
    known = changes.dropna(subset="change")
    for (same, moved), part in known.groupby([known["equivalent"].astype(bool), known["p_value"] < alpha]):
        mark = Mark("", _COLOR, "D" if same else "o", _SIZE)
        marks.draw_points(ax, part["value"].map(order.index), part, "change", mark, hollow=not moved)
    if known.empty:
        words = panels.break_name(f"cannot be compared: {changes['problem'].iloc[0]}", 30)
        ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", fontsize="x-small", color=GREY)
    return ax


@use_style()
def plot_changes(
    changes: pd.DataFrame,
    *,
    margin: float,
    values: Sequence[str] | None = None,
    **page: Unpack[Page],
) -> Figure:
    """Plot `draw_changes`, a panel a pair of groups, in one order of values; ``**page`` as for `plot_panels`.

    A change is told from none at the page's `level`, or at 0.95.
    """
    level = page.setdefault("level", 0.95) or 0.95
    panels.require(changes, "changes", columns=_CHANGE, key=["pair", "value"])
    options: dict = {"order": panels.order_rows(changes["value"], values), "limits": _limits(changes, margin)}
    known = changes.dropna(subset="change")
    same, moved = known["equivalent"].astype(bool), known["p_value"] < 1 - level
    looks = {
        "changed": ("o", False, (moved & ~same).any()),
        "not told from none": ("o", True, (~moved & ~same).any()),
        "within the band: equivalent": ("D", True, (~moved & same).any()),
        "changed, but equivalent": ("D", False, (moved & same).any()),
    }
    handles: list = [
        marks.legend_mark(label, color="black", marker=marker, markersize=_SIZE, hollow=hollow)
        for label, (marker, hollow, drawn) in looks.items()
        if drawn
    ]
    handles.append(Patch(**_BAND, label=f"± {margin:g}, too little to matter"))
    return panels.plot_panels(
        panels.panels_by(changes, "pair", draw_changes, margin=margin, alpha=1 - level, **options),
        height=_PER_ROW * len(options["order"]),
        handles=handles,
        xlabel="change of strength (log-odds)",
        caption=captions.changes(changes, margin=margin, alpha=1 - level),
        at_least=2,
        at_most=3,
        **(Page(title="What changed") | page),
    )


def draw_told_first(
    changes: pd.DataFrame, ax: Axes, *, values: Sequence[str] | None = None, largest: float | None = None
) -> Axes:
    """Draw what being told to put one value first did to all values.

    Parameters
    ----------
    changes : DataFrame
        Columns of `told_first`, of one target and condition.
    ax : Axes
        Where to draw.
    values : sequence of str, optional
        The values in the study's order; default: as they come.
    largest : float, optional
        Change at which the colour is full; default: the largest of this table.

    Returns
    -------
    Axes
        The same axes: the value told first down, ``placebo`` below, the value that changed across. Bold: the interval
        leaves out 0. Empty: nothing is known.
    """
    panels.require(changes, "changes", columns=_CHANGE, key=["told_first", "value"])
    order = panels.order_rows(changes["value"], values)
    rows = [name for name in (*order, "placebo") if changes["told_first"].eq(name).any()]
    wide = changes.pivot(index="told_first", columns="value", values=_CHANGE)
    shown, low, high = (wide[name].reindex(index=rows, columns=order).astype(float) for name in _CHANGE)
    full = largest or float(np.nanmax([*np.abs(shown.to_numpy()).ravel(), 1.0]))
    texts = draw_cells(ax, shown.round(1) + 0.0, ends=(-full, full), form="{:+.1f}", fontsize=6)
    sure = ((low > 0) | (high < 0)).to_numpy()
    for cell, text in texts.items():
        text.set_fontweight("bold" if sure[cell] else "normal")
    ax.set_xticks(np.arange(len(order)) + 0.5, order, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=0, parse_math=False)
    ax.set(xlabel="", ylabel="")
    ax.grid(False)
    ax.tick_params(length=0, labelbottom=True)
    return ax


@use_style()
def plot_told_first(changes: pd.DataFrame, *, values: Sequence[str] | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_told_first`, a panel a target and condition on one scale of colours; ``**page`` as elsewhere."""
    order = panels.order_rows(changes["value"], values)
    label = changes["condition"].map({name: mark.label for name, mark in CONDITION_MARKS.items()})
    named = changes.assign(panel=changes["target"] + ", " + label)
    largest = float(np.nanmax([*changes["change"].abs(), 1.0]))
    rows = changes["told_first"].nunique()
    return panels.plot_panels(
        panels.panels_by(named, "panel", draw_told_first, values=order, largest=largest),
        height=_CELL * rows + 0.055 * max(map(len, order)),
        handles=[
            marks.legend_mark("row: told to come first; column: what it did to that value", linestyle="none"),
            marks.legend_mark("bold: interval leaves out 0", linestyle="none"),
        ],
        caption=captions.told_first(changes),
        at_least=2,
        at_most=max(1, min(4, int(6 / (_CELL * len(order) + 0.2)))),
        **(Page(title="Told to put one value first") | page),
    )


def _limits(changes: pd.DataFrame, margin: float) -> tuple[float, float]:
    """Return ends of the axis: room for what is bounded, and for the band."""
    ends = changes[_CHANGE].to_numpy(float).ravel()
    ends = ends[np.isfinite(ends)]
    low, high = min([*ends, -1.2 * margin]), max([*ends, 1.2 * margin])
    return low - 0.04 * (high - low), high + 0.04 * (high - low)
