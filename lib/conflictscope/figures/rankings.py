"""Rankings: how strongly each target prefers each value, in what it says and in what it does.

In: the table ``rankings``, of one arm. Out: axes with a mark a value and condition, a panel a target; or all targets in
one panel with their mean. Section 4 of the paper (arXiv 2509.25369), its figure of rankings.
"""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, CONDITION_MARKS, GREY, use_style, value_colors

_PER_ROW = 0.22  # inches a value
_COLUMNS = ["strength", "strength_low", "strength_high", "tie_group", "identified"]
_KEY = ["target", "condition", "arm", "value"]


def draw_rankings(
    rankings: pd.DataFrame,
    ax: Axes,
    *,
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw the strengths of one target's values, a row a value and a mark a condition.

    Lines are the intervals of the table, with an arrow at an end that the data do not bound; letters at the right are
    its tie groups. A ranking that is not identified has no marks, and is named as such.

    Parameters
    ----------
    order : sequence of str, optional
        The study's values from top to bottom; default: as they come in the table.
    limits : (float, float), optional
        Ends of the strength axis; default: wide enough for the identified rankings of this table.
    """
    panels.require(rankings, "rankings", columns=_COLUMNS, key=_KEY, one=["target", "arm"])
    order = panels.order_rows(rankings["value"], order)
    ax.set_xlim(*(limits or _limits(rankings)))
    panels.set_rows(ax, order, value_colors(order))
    panels.draw_zero(ax)
    for mark, number, part, heights in marks.condition_rows(rankings, "value", order, numbers=["strength"]):
        marks.draw_points(ax, heights, part, number, mark)
        for height, letters in zip(heights, part["tie_group"], strict=True):
            if isinstance(letters, str):
                at_edge: dict = {"transform": ax.get_yaxis_transform(), "va": "center"}
                ax.text(1.015, height, letters, fontsize="x-small", color=GREY, **at_edge)
    panels.set_panel_title(ax, rankings["target"].iloc[0])
    unclear = marks.conditions_of(rankings[~rankings["identified"]])
    if unclear:
        names = " and ".join(CONDITION_MARKS[name].label for name in unclear)
        ax.set_title(f"{names}:\norder unknown", loc="right", fontsize="x-small", style="italic", color=GREY)
    return ax


@use_style()
def plot_rankings(rankings: pd.DataFrame, *, values: Sequence[str] | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_rankings`, a panel a target, in one order of values (default: as they come) and on one scale."""
    page = Page(title="Which values come first") | page
    panels.require(rankings, "rankings", columns=_COLUMNS, key=_KEY, one=["arm"])
    order, limits = panels.order_rows(rankings["value"], values), _limits(rankings)
    handles = marks.condition_handles(rankings)
    if marks.cut_off(rankings, ["strength"], limits):
        handles.append(marks.arrow_handle())
    if rankings["tie_group"].notna().any():
        break_ = "\n" if panels.is_narrow(page) else " "
        words = f"a, b: same letter within a{break_}condition: not told apart"
        handles.append(marks.legend_mark(words, linestyle="none"))
    return panels.plot_panels(
        panels.panels_by(rankings, "target", draw_rankings, order=order, limits=limits),
        height=_PER_ROW * len(order),
        handles=handles,
        xlabel="strength (log-odds)",
        at_least=2,
        **page,
    )


def draw_mean_rankings(rankings: pd.DataFrame, ax: Axes, *, order: Sequence[str] | None = None) -> Axes:
    """Draw the strengths of the values over all targets: a pale mark a target, a full one their mean.

    Rankings that are not identified are left out, ValueError if none is; each target counts the same. `order` as for
    `draw_rankings`.
    """
    panels.require(rankings, "rankings", columns=_COLUMNS, key=_KEY, one=["arm"])
    known = rankings[rankings["identified"]]
    panels.require(known, "identified rankings", columns=[], key=_KEY)
    order, conditions = panels.order_rows(rankings["value"], order), marks.conditions_of(known)
    looks = [CONDITION_MARKS[condition] for condition in conditions]
    common: dict = {"x": "strength", "y": "value", "order": order, "hue": "condition", "hue_order": conditions}
    common |= {"palette": [mark.color for mark in looks], "legend": False, "ax": ax}
    dodge = 0.4 * (len(conditions) - 1)
    # no jitter: it is drawn at random
    sns.stripplot(known, **common, dodge=bool(dodge), jitter=False, alpha=0.35, size=3, linewidth=0)
    look: dict = {"linestyles": "none", "markers": [mark.marker for mark in looks], "markersize": 5}
    sns.pointplot(known, **common, dodge=dodge or False, errorbar=None, **look)
    panels.set_rows(ax, order, value_colors(order))
    panels.draw_zero(ax)
    ax.set(xlabel="", ylabel="")
    return ax


@use_style()
def plot_mean_rankings(rankings: pd.DataFrame, *, values: Sequence[str] | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_mean_rankings`; `values` as for `plot_rankings`."""
    order = panels.order_rows(rankings["value"], values)
    targets = rankings.loc[rankings["identified"], "target"].nunique()
    pale = marks.legend_mark("pale: a target each", linestyle="none")
    return panels.plot_panels(
        {f"{targets} target{'s' * (targets != 1)}": partial(draw_mean_rankings, rankings, order=order)},
        height=1.2 * _PER_ROW * len(order),
        handles=[*marks.condition_handles(rankings, "mean, {}"), pale],
        xlabel="strength (log-odds)",
        **(Page(title="Which values come first, over all targets", width=COLUMN_WIDTH) | page),
    )


def _limits(rankings: pd.DataFrame) -> tuple[float, float]:
    """Return ends of the strength axis: room for what is bounded, and for 0 with one unit to either side."""
    ends = rankings[["strength", "strength_low", "strength_high"]].to_numpy(float).ravel()
    ends = ends[np.isfinite(ends)]
    low, high = min([*ends, -1.0]), max([*ends, 1.0])
    room = 0.04 * (high - low)
    return low - room, high + room
