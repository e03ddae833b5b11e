"""Changes: of each value between two groups, of all after one was told to come first, and what steering gains.

In: the tables of `compare_groups`, `told_first` and `steering_effects`. Out: axes with a row a value, a target or a
target ranking, or a cell for each two values; filled marks for steering, hollow ones for the placebo. Figures have a
panel a pair of groups, a target and condition, or a target ranking. Section 5 of the paper (arXiv 2509.25369), its
figure of steering effects.
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, panels
from conflictscope.figures.heatmaps import draw_cells
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, GREY, Mark, use_style
from conflictscope.measure.published import PUBLISHED_SOURCE, PUBLISHED_STEERING_EFFECT
from conflictscope.shown import value_colors

_CHANGE = ["change", "change_low", "change_high"]
_PER_VALUE = 0.2  # inches
_BAND: dict = {"color": "#DDDDDD", "linewidth": 0}
_SIZE = 4.0  # points of a mark
_COLOR = 6  # black in the style's cycle, whose first two colours are the conditions
_CELL = 0.3  # inches
_MEASURES = {"effect": "steering", "placebo": "placebo"}
_COLUMNS = [name + end for name in _MEASURES for end in ("", "_low", "_high")]
_PER_MARK = 0.07  # inches a mark of a row
_PER_ROW = 0.06  # inches between rows
_MEAN = "all rankings"
_LEAST, _MOST = -1.0, 1.0  # ends of the axis at most: a smaller effect is an arrow; 1 is all of the headroom
_SMALLER = 0.6  # points by which marks are smaller than in the rankings
_PAPER: dict = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (1, 1.5))}


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
        panels.draw_points(ax, part["value"].map(order.index), part, "change", mark, hollow=not moved)
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
        panels.legend_mark(label, color="black", marker=marker, markersize=_SIZE, hollow=hollow)
        for label, (marker, hollow, drawn) in looks.items()
        if drawn
    ]
    handles.append(Patch(**_BAND, label=f"± {margin:g}, too little to matter"))
    return panels.plot_panels(
        panels.panels_by(changes, "pair", draw_changes, margin=margin, alpha=1 - level, **options),
        height=_PER_VALUE * len(options["order"]),
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
            panels.legend_mark("row: told to come first; column: what it did to that value", linestyle="none"),
            panels.legend_mark("bold: interval leaves out 0", linestyle="none"),
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


def draw_steering(
    effects: pd.DataFrame,
    ax: Axes,
    *,
    rows: str = "target",
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    published: bool = False,
) -> Axes:
    """Draw steering and placebo effects with their intervals, from ``by_ranking`` or ``averages``.

    0 is no movement, 1 all of the headroom. Filled with a solid line: steering; hollow with a dashed line: placebo.
    What lies beyond the axis is an arrow at its edge; a row without an effect says so.

    Parameters
    ----------
    rows : str
        ``target`` or ``target_ranking``: what the rows are; each occurs once a condition.
    order : sequence of str, optional
        The rows from top to bottom; default: as they come. One that the table lacks keeps an empty row.
    limits : (float, float), optional
        Ends of the axis; default: `steering_limits` of this table.
    published : bool
        Whether the paper's mean effect is drawn as a dotted line.
    """
    panels.require(effects, "effects", columns=_COLUMNS, key=[rows, "condition"])
    panels.order_rows(effects[rows], order)
    order = order or list(effects[rows].unique())
    ax.set_xlim(*(limits or steering_limits(effects)))
    panels.set_rows(ax, order)
    panels.draw_zero(ax)
    if published:
        ax.axvline(PUBLISHED_STEERING_EFFECT, zorder=0.9, **_PAPER)
    for mark, number, part, heights in panels.condition_rows(
        effects, rows, order, numbers=list(_MEASURES), height=0.72
    ):
        look: dict = {"smaller": _SMALLER, "hollow": number == "placebo", "missing": f"{_MEASURES[number]}: none"}
        panels.draw_points(ax, heights, part, number, mark, **look)
    return ax


@use_style()
def plot_steering(
    effects: pd.DataFrame, *, averages: pd.DataFrame | None = None, published: bool = False, **page: Unpack[Page]
) -> Figure:
    """Plot `draw_steering` of ``by_ranking``, a panel a target ranking; with one target, a row a target ranking.

    With `averages`, a first panel (or row) has the mean over the target rankings, and `published` draws the paper's
    mean effect in it as a dotted line.
    """
    panels.require(effects, "effects", columns=_COLUMNS, key=["target", "condition", "target_ranking"])
    if averages is not None:
        panels.require(averages, "averages", columns=_COLUMNS, key=["target", "condition"])
    elif published:
        raise ValueError("published: found no averages; the paper's number is a mean. Pass averages too.")
    means = [] if averages is None else [averages.assign(target_ranking=_MEAN)]
    every = pd.concat([*means, effects])
    rows, other = ("target", "target_ranking") if effects["target"].nunique() > 1 else ("target_ranking", "target")
    options: dict = {"rows": rows, "order": list(every[rows].unique()), "limits": steering_limits(every)}
    drawn = panels.panels_by(every, other, draw_steering, **options)
    handles = panels.condition_handles(every, "steered, {}", _SMALLER)
    handles += panels.condition_handles(every, "placebo, {}", _SMALLER, hollow=True)
    if published:
        first = every[every[other].eq(every[other].iloc[0])]
        drawn |= panels.panels_by(first, other, draw_steering, published=True, **options)
        handles.append(panels.legend_mark(f"paper's mean: {PUBLISHED_STEERING_EFFECT} ({PUBLISHED_SOURCE})", **_PAPER))
    if panels.cut_off(every, list(_MEASURES), options["limits"]):
        handles.append(panels.arrow_handle())
    return panels.plot_panels(
        {name.replace("_", " "): draw for name, draw in drawn.items()},
        height=len(options["order"]) * (_PER_ROW + _PER_MARK * len(_MEASURES) * effects["condition"].nunique()),
        handles=handles,
        xlabel="effect (share of headroom)",
        caption=captions.steering(effects),
        at_least=3,
        labels=1.2,
        **(Page(title="What steering gains") | page),
    )


def steering_limits(effects: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis: room for all intervals, within −1 and 1, and always for 0 to 0.5."""
    ends = effects[_COLUMNS].to_numpy(float).ravel()
    ends = ends[np.isfinite(ends)]
    low, high = max(min([*ends, -0.05]), _LEAST), min(max([*ends, 0.5]), _MOST)
    room = 0.03 * (high - low)
    return low - room, high + room
