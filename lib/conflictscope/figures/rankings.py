"""Rankings: how strongly each target prefers each value, in what it says and in what it does.

In: the table ``rankings``, of one arm; that of `value_orders`. Out: axes with a mark a value and condition, a panel a
target; all targets in one panel with their mean; many values in bands; choices beside graded preferences; how many of
the lost answers would have to have gone one way until an order turns. Section 4 of the paper (arXiv 2509.25369), its
figure of rankings.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Unpack

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, CONDITION_MARKS, GREY, PALE, Mark, cycle_colors, use_style
from conflictscope.shown import value_colors

_PER_ROW = 0.22  # inches a value
_COLUMNS = ["strength", "strength_low", "strength_high", "tie_group", "identified"]
_KEY = ["target", "condition", "arm", "value"]
_CURVE = ["missing", "missing_unsure", "missing_tips"]


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
    for mark, number, part, heights in panels.condition_rows(rankings, "value", order, numbers=["strength"]):
        panels.draw_points(ax, heights, part, number, mark)
        for height, letters in zip(heights, part["tie_group"], strict=True):
            if isinstance(letters, str):
                at_edge: dict = {"transform": ax.get_yaxis_transform(), "va": "center"}
                ax.text(1.015, height, letters, fontsize="x-small", color=GREY, **at_edge)
    panels.set_panel_title(ax, rankings["target"].iloc[0])
    unclear = panels.conditions_of(rankings[~rankings["identified"]])
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
    handles = panels.condition_handles(rankings)
    if panels.cut_off(rankings, ["strength"], limits):
        handles.append(panels.arrow_handle())
    if rankings["tie_group"].notna().any():
        break_ = "\n" if panels.is_narrow(page) else " "
        words = f"a, b: same letter within a{break_}condition: not told apart"
        handles.append(panels.legend_mark(words, linestyle="none"))
    return panels.plot_panels(
        panels.panels_by(rankings, "target", draw_rankings, order=order, limits=limits),
        height=_PER_ROW * len(order),
        handles=handles,
        xlabel="strength (log-odds)",
        caption=captions.rankings(rankings),
        at_least=2,
        **page,
    )


_ROWS, _THIN, _SHADE = 75, 0.105, "#EAEAEA"  # values in a panel, inches of one, every other band


def draw_ranked(
    rankings: pd.DataFrame, ax: Axes, *, ranks: tuple[int, int] | None = None, limits: tuple[float, float] | None = None
) -> Axes:
    """Draw many values of one ranking from the strongest down, in bands of values not told from the band's first.

    Parameters
    ----------
    rankings : DataFrame
        Columns of the table ``rankings``, of one target, condition and arm.
    ax : Axes
        Where to draw.
    ranks : (int, int), optional
        First and last place drawn, from 1; default: all.
    limits : (float, float), optional
        Ends of the strength axis; default: wide enough for the whole table.

    Raises
    ------
    ValueError
        If a column is missing, there is more than one ranking, or it is not identified.
    """
    panels.require(rankings, "rankings", columns=_COLUMNS, key=["value"], one=["target", "condition", "arm"])
    panels.require(rankings[rankings["identified"]], "identified rankings", columns=[], key=["value"])
    ranked = rankings.sort_values(["strength", "value"], ascending=[False, True], ignore_index=True)
    first, last = ranks or (1, len(ranked))
    shown = ranked.iloc[first - 1 : last].reset_index(drop=True)
    mark = CONDITION_MARKS[ranked["condition"].iloc[0]]
    ax.set_xlim(*(limits or _limits(ranked)))
    ax.set_yticks(range(len(shown)), shown["value"], fontsize=4.5, parse_math=False)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, pad=1)
    panels.draw_zero(ax)
    panels.draw_points(ax, range(len(shown)), shown, "strength", mark, smaller=mark.size - 1.8)
    for number, (start, end) in enumerate(_bands(ranked["tie_group"])):
        if number % 2 == 0:
            top, bottom = max(start - first + 1, 0), min(end - first + 1, len(shown) - 1)
            if top <= bottom:
                ax.axhspan(top - 0.5, bottom + 0.5, color=_SHADE, linewidth=0, zorder=0.3)
    return ax


def _bands(letters: pd.Series) -> list[tuple[int, int]]:
    """Return the first and last place of each band: a value, and those below it that share a letter with it."""
    held = [set(re.findall(r"\(\d+\)|[a-zA-Z]", text)) for text in letters]
    bands, start = [], 0
    while start < len(held):
        end = max(place for place in range(start, len(held)) if held[place] & held[start])
        bands.append((start, end))
        start = end + 1
    return bands


@use_style()
def plot_ranked(rankings: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_ranked`, up to 75 values a column; ``**page`` as for `plot_panels`."""
    size, limits = len(rankings), _limits(rankings)
    columns = -(-size // _ROWS)
    each = -(-size // columns)
    parts = [(start, min(start + each - 1, size)) for start in range(1, size + 1, each)]
    target, condition = rankings["target"].iloc[0], CONDITION_MARKS[rankings["condition"].iloc[0]].label
    return panels.plot_panels(
        {f"{a}–{b}": partial(draw_ranked, rankings, ranks=(a, b), limits=limits) for a, b in parts},
        height=_THIN * each,
        handles=[Patch(color=_SHADE, label="band (grey or white): not told from its first value")],
        xlabel="strength (log-odds)",
        caption=captions.ranked(rankings),
        share=False,
        **(Page(title=f"{target}, {condition}", columns=columns) | page),
    )


_GRADED = {"choices": "", "leaning": "", "ratings": "s", "log-odds": "^"}  # by what → marker; empty: the condition's


def draw_graded(
    rankings: pd.DataFrame,
    ax: Axes,
    *,
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw one target's strengths by choices, filled, and by graded preferences, hollow.

    Parameters
    ----------
    rankings : DataFrame
        Columns of the table ``rankings`` and ``by``: ``choices``, ``leaning``, ``ratings`` or ``log-odds``.
    ax, order, limits
        As for `draw_rankings`.
    """
    panels.require(rankings, "rankings", columns=_COLUMNS, key=[*_KEY, "by"], one=["target", "arm"])
    order = panels.order_rows(rankings["value"], order)
    ax.set_xlim(*(limits or _limits(rankings)))
    panels.set_rows(ax, order, value_colors(order))
    panels.draw_zero(ax)
    kinds = _kinds(rankings)
    for (condition, by), place in zip(kinds, panels.spread_rows(len(kinds)), strict=True):
        part = rankings[rankings["condition"].eq(condition) & rankings["by"].eq(by)]
        mark, heights = _graded_mark(condition, by), part["value"].map(order.index) + place
        panels.draw_points(ax, heights, part, "strength", mark, smaller=0.8, hollow=by != "choices")
    return ax


def _graded_mark(condition: str, by: str) -> Mark:
    """Return the mark of a condition, of another shape if it is graded by something that both may have."""
    mark = CONDITION_MARKS[condition]
    return replace(mark, marker=_GRADED[by] or mark.marker)


def _kinds(rankings: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the conditions, and by what they are graded, that occur."""
    there = set(zip(rankings["condition"], rankings["by"], strict=True))
    return [(condition, by) for condition in CONDITION_MARKS for by in _GRADED if (condition, by) in there]


@use_style()
def plot_graded(rankings: pd.DataFrame, *, values: Sequence[str] | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_graded`, a panel a target; `values` as for `plot_rankings`, ``**page`` as for `plot_panels`."""
    order, kinds = panels.order_rows(rankings["value"], values), _kinds(rankings)
    handles = []
    for condition, by in kinds:
        mark = _graded_mark(condition, by)
        look: dict = {"color": mark.color, "marker": mark.marker, "markersize": mark.size - 0.8}
        handles.append(panels.legend_mark(f"{mark.label}: {by}", hollow=by != "choices", **look))
    return panels.plot_panels(
        panels.panels_by(rankings, "target", draw_graded, order=order, limits=_limits(rankings)),
        height=(0.1 + 0.08 * len(kinds)) * len(order),
        handles=handles,
        xlabel="strength (log-odds)",
        caption=captions.graded(rankings),
        at_least=2,
        **(Page(title="How strongly: choices and graded preferences") | page),
    )


def draw_mean_rankings(rankings: pd.DataFrame, ax: Axes, *, order: Sequence[str] | None = None) -> Axes:
    """Draw the strengths of the values over all targets: a pale mark a target, a full one their mean.

    Rankings that are not identified are left out, ValueError if none is; each target counts the same. `order` as for
    `draw_rankings`.
    """
    panels.require(rankings, "rankings", columns=_COLUMNS, key=_KEY, one=["arm"])
    known = rankings[rankings["identified"]]
    panels.require(known, "identified rankings", columns=[], key=_KEY)
    order, conditions = panels.order_rows(rankings["value"], order), panels.conditions_of(known)
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
    known = rankings[rankings["identified"]]
    handles = [
        handle
        for condition, targets in known.groupby("condition")["target"].nunique().items()
        for handle in panels.condition_handles(known[known["condition"].eq(condition)], f"mean of {targets}, {{}}")
    ]
    pale = panels.legend_mark("pale: a target each", linestyle="none")
    return panels.plot_panels(
        {"": partial(draw_mean_rankings, rankings, order=order)},
        height=1.2 * _PER_ROW * len(order),
        handles=[*handles, pale],
        xlabel="strength (log-odds)",
        caption=captions.mean_rankings(rankings),
        **(Page(title="Which values come first, over all targets", width=COLUMN_WIDTH) | page),
    )


# times one unit more than the largest strength
_NEXT_TO_NOTHING = 3


def _limits(rankings: pd.DataFrame) -> tuple[float, float]:
    """Return ends of the strength axis: room for what is bounded, and for 0 with one unit to either side.

    Ends that say next to nothing, far beyond every strength, do not set the scale: the marks show that they go on.
    """
    ends = rankings[["strength", "strength_low", "strength_high"]].to_numpy(float)
    most = _NEXT_TO_NOTHING * (1 + np.abs(ends[:, 0][np.isfinite(ends[:, 0])]).max(initial=0.0))
    ends = ends[np.isfinite(ends)].clip(-most, most)
    low, high = min([*ends, -1.0]), max([*ends, 1.0])
    room = 0.04 * (high - low)
    return low - room, high + room


def draw_tipping(orders: pd.DataFrame, ax: Axes) -> Axes:
    """Draw for each two values how the order stands by the share of the lost answers that went against it.

    Filled: the order is sure; pale: it stands and is not sure; hatched: it has turned. At the right is how many answers
    are lost in the pairs of the two.
    """
    panels.require(orders, "orders", columns=_CURVE, key=["above", "below"])
    panels.set_rows(ax, (orders["above"] + " > " + orders["below"]).tolist())
    sure, stands = (orders[name].clip(upper=1).tolist() for name in _CURVE[1:])
    rows = range(len(orders))
    ends = pairwise([[0.0] * len(orders), sure, stands, [1.0] * len(orders)])
    for (begin, end), bar in zip(ends, _tipping_looks(), strict=True):
        ax.barh(rows, [b - a for a, b in zip(begin, end, strict=True)], left=begin, height=0.62, **bar)
    ax.set_xlim(0, 1)
    look: dict = {"va": "center", "ha": "right", "fontsize": "small", "color": GREY}
    for row, lost in enumerate(orders["missing"]):
        ax.text(1, row, f"{lost}", transform=panels.beside(ax, 0.2), **look)
    return ax


@use_style()
def plot_tipping(orders: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_tipping` of neighbours in rank, a panel for each target and condition with a lost answer."""
    panels.require(orders, "orders", columns=[*_CURVE, "neighbours"], key=["target", "condition", "above", "below"])
    lost = orders.groupby(["target", "condition", "arm"])["missing"].transform("sum") > 0
    shown = orders[orders["neighbours"] & lost]
    panel = shown["target"] + ", " + shown["condition"].str.replace("_", " ")
    shown = shown.assign(panel=panel)
    labels = ("sure", "stands, not sure", "turned")
    handles = [Patch(**look, label=label) for look, label in zip(_tipping_looks(), labels, strict=True)]
    names = (shown["above"] + " > " + shown["below"]).tolist()
    page = Page(title="Until the order of two values turns") | page
    return panels.plot_panels(
        panels.panels_by(shown, "panel", draw_tipping),
        height=(0.2 + 0.1 * (panels.row_lines(names) - 1)) * shown.groupby("panel").size().max(),
        handles=handles,
        xlabel="share of the lost answers against the order",
        at_least=2,
        at_most=2,
        labels=1.5,
        share=False,
        caption=captions.tipping(shown),
        **page,
    )


def _tipping_looks() -> tuple[dict, dict, dict]:
    """Return how a bar looks where the order is sure, stands, and has turned."""
    color = cycle_colors()[0]
    turned = {"facecolor": "white", "edgecolor": PALE, "hatch": "//////", "linewidth": 0.5}
    return {"facecolor": color}, {"facecolor": color, "alpha": 0.35}, turned
