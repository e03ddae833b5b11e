"""Steering: what a system prompt that spells out a target ranking gains, beside what a placebo gains.

In: either table of `conflictscope.measure.steering.steering_effects`. Out: axes with a row a target (or a target
ranking), filled marks for steering and hollow ones for the placebo; or a figure with a panel a target ranking.
Section 5 of the paper (arXiv 2509.25369), its figure of steering effects.
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import captions, marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import GREY, use_style
from conflictscope.measure.published import PUBLISHED_SOURCE, PUBLISHED_STEERING_EFFECT

_MEASURES = {"effect": "steering", "placebo": "placebo"}
_COLUMNS = [name + end for name in _MEASURES for end in ("", "_low", "_high")]
_PER_MARK = 0.07  # inches a mark of a row
_PER_ROW = 0.06  # inches between rows
_MEAN = "all rankings"
_LEAST, _MOST = -1.0, 1.0  # ends of the axis at most: a smaller effect is an arrow; 1 is all of the headroom
_SMALLER = 0.6  # points by which marks are smaller than in the rankings
_PAPER: dict = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (1, 1.5))}


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
    for mark, number, part, heights in marks.condition_rows(effects, rows, order, numbers=list(_MEASURES), height=0.72):
        look: dict = {"smaller": _SMALLER, "hollow": number == "placebo", "missing": f"{_MEASURES[number]}: none"}
        marks.draw_points(ax, heights, part, number, mark, **look)
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
    handles = marks.condition_handles(every, "steered, {}", _SMALLER)
    handles += marks.condition_handles(every, "placebo, {}", _SMALLER, hollow=True)
    if published:
        first = every[every[other].eq(every[other].iloc[0])]
        drawn |= panels.panels_by(first, other, draw_steering, published=True, **options)
        handles.append(marks.legend_mark(f"paper's mean: {PUBLISHED_STEERING_EFFECT} ({PUBLISHED_SOURCE})", **_PAPER))
    if marks.cut_off(every, list(_MEASURES), options["limits"]):
        handles.append(marks.arrow_handle())
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
