"""Shift: expressed against revealed strength of each value, once answers that are only more decisive are set apart.

In: the table by value of `conflictscope.measure.shift.compare_conditions`. Out: axes with a row a value and a line from
where its multiple choice and the scale put it to where its deeds do, or a figure with a panel a target. Section 4 of
the paper (arXiv 2509.25369), which draws ranks.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, GREY, use_style
from conflictscope.shown import value_colors

_COLUMNS = ["expressed", "revealed", "shift", "shift_low", "shift_high", "shifted", "problem"]
_ROOM = 0.35  # log-odds beyond the marks at either end of the axis
_GROUP_MARKERS = ("D", "s", "^", "v", "P", "X")
_DOTS = (0, (1, 1.3))
_PER_ROW = 0.17  # inches a value
_NO_GROUP = ""
_EXPRESSED: dict = {"marker": "o", "markersize": 6.2, "markerfacecolor": "white"}
_REVEALED_SIZE = 2.8
_ARROW, _INSET = 2.6, 0.012  # of an arrow where a band is cut: points, and the axis's share between it and the end
_BAND: dict = {"alpha": 0.28, "linewidth": 5}


def draw_shift(
    shifts: pd.DataFrame,
    ax: Axes,
    *,
    groups: Mapping[str, str] | None = None,
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw where each value of one target moves from what it says to what it does.

    Strengths are log-odds, more preferred to the right. A hollow circle stands where multiple choice and the scale put
    the value (its multiple choice alone if there are two values), a filled mark where conversation does; the pale bar
    is the interval of the shift, laid from the circle, with an arrow where the axis ends before it. Solid lines are
    shifts that stand after all comparisons are counted (``shifted``). If the conditions cannot be compared nothing is
    drawn but the reason.

    Parameters
    ----------
    groups : mapping of str to str, optional
        Value → group, as ``ValueSet.groups`` has it: marks tell groups apart, a line stands between two of them.
        ValueError if they do not fit the table's values.
    order : sequence of str, optional
        The study's values from top to bottom; default: as they come in the table.
    limits : (float, float), optional
        Ends of the axis; default: wide enough for the marks of this table.
    """
    panels.require(shifts, "shifts", columns=_COLUMNS, key=["value"], one=["target"])
    order = panels.order_rows(shifts["value"], order)
    colors, shapes = value_colors(order), _group_marks(groups, order)
    drawn = _drawn(shifts)
    left, right = limits or _limits(drawn)
    ax.set_xlim(left, right)
    panels.set_rows(ax, order, colors)
    panels.draw_zero(ax)
    group_of = [(groups or {}).get(value, _NO_GROUP) for value in order]
    for row in range(1, len(order)):
        if group_of[row] != group_of[row - 1]:
            ax.axhline(row - 0.5, color="#BBBBBB", linewidth=0.6, zorder=0.8)
    for shift in drawn.itertuples():
        row, color = order.index(shift.value), colors[shift.value]
        start, end = shift.start, shift.revealed
        if shift.band_low < shift.band_high:
            ax.hlines(row, max(shift.band_low, left), min(shift.band_high, right), color=color, **_BAND)
            inset = _INSET * (right - left)
            ends = ("<", left + inset, shift.band_low < left), (">", right - inset, shift.band_high > right)
            for shape, edge, beyond in ends:
                if beyond:
                    ax.plot(edge, row, marker=shape, markersize=_ARROW, color=color, zorder=3)
        ax.plot([start, end], [row, row], color=color, linestyle="solid" if shift.sure else _DOTS)
        ax.plot(start, row, color=color, zorder=3, **_EXPRESSED)
        ax.plot(end, row, marker=shapes[group_of[row]], markersize=_REVEALED_SIZE, color=color, zorder=4)
    panels.set_panel_title(ax, shifts["target"].iloc[0])
    if reason := "; ".join(shifts["problem"].dropna().unique()):
        for condition, mark in CONDITION_MARKS.items():
            reason = reason.replace(condition, mark.label)
        words = textwrap.fill(f"cannot be compared: {reason}", 30, break_on_hyphens=False)
        box: dict = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        place: dict = {"transform": ax.transAxes, "ha": "center", "va": "center", "bbox": box, "parse_math": False}
        ax.text(0.5, 0.5, words, fontsize="x-small", color=GREY, **place)
    return ax


@use_style()
def plot_shift(
    shifts: pd.DataFrame,
    *,
    values: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    **page: Unpack[Page],
) -> Figure:
    """Plot `draw_shift`, a panel a target, in one order of values (default: as they come); `groups` as there."""
    panels.require(shifts, "shifts", columns=_COLUMNS, key=["target", "value"])
    order, drawn = panels.order_rows(shifts["value"], values), _drawn(shifts)
    return panels.plot_panels(
        panels.panels_by(shifts, "target", draw_shift, groups=groups, order=order, limits=_limits(drawn)),
        height=_PER_ROW * len(order),
        handles=_legend_handles(drawn, groups, order, _limits(drawn)),
        xlabel="strength (log-odds)",
        caption=captions.shifts(shifts),
        at_least=2,
        **(Page(title="Expressed against revealed") | page),
    )


def _drawn(shifts: pd.DataFrame) -> pd.DataFrame:
    """Return the shifts whose conditions can be compared, with where they start, their band and whether they stand."""
    known = shifts[shifts["problem"].isna()].dropna(subset=["expressed", "revealed"])
    start = (known["revealed"] - known["shift"]).fillna(known["expressed"])
    return known.assign(
        start=start,
        band_low=start + known["shift_low"],
        band_high=start + known["shift_high"],
        sure=known["shifted"].fillna(False).astype(bool),
    )


def _limits(drawn: pd.DataFrame) -> tuple[float, float]:
    """Return ends of the axis: room for the marks, and for 0 with one unit to either side."""
    ends = drawn[["start", "revealed"]].to_numpy(float).ravel()
    return min([*ends, -1.0]) - _ROOM, max([*ends, 1.0]) + _ROOM


def _group_marks(groups: Mapping[str, str] | None, values: Sequence[str]) -> dict[str, str]:
    """Return group → marker, in the order of `groups`; values without a group last."""
    groups, most = groups or {}, len(_GROUP_MARKERS) - 1
    names, stray = list(dict.fromkeys(groups.values())), sorted(set(groups) - set(values))
    if stray or len(names) > most:
        raise ValueError(
            f"groups: found {len(names)} groups, and values {stray} that the table does not have; expected at most "
            f"{most} groups of {sorted(values)}."
        )
    if not set(values) <= set(groups):
        names.append(_NO_GROUP)
    return dict(zip(names, _GROUP_MARKERS, strict=False))


def _legend_handles(
    drawn: pd.DataFrame,
    groups: Mapping[str, str] | None,
    order: Sequence[str],
    limits: tuple[float, float],
) -> list[Line2D]:
    """Return what the legend explains, and nothing that is not drawn: ends, groups, band, shifted or not."""
    shapes = _group_marks(groups, order)
    if drawn.empty:
        return []
    handles = [panels.legend_mark("multiple choice, to scale", linestyle="none", **_EXPRESSED)]
    occurring = {(groups or {}).get(value, _NO_GROUP) for value in drawn["value"]}
    for name, marker in shapes.items():
        if name in occurring:
            label = f"open-ended: {name or 'no group'}" if len(shapes) > 1 or name else "open-ended"
            handles.append(panels.legend_mark(label, linestyle="none", marker=marker, markersize=_REVEALED_SIZE))
    if (drawn["band_low"] < drawn["band_high"]).any():
        handles.append(panels.legend_mark("interval of shift", solid_capstyle="butt", **_BAND))
    if drawn["band_low"].lt(limits[0]).any() or drawn["band_high"].gt(limits[1]).any():
        handles.append(panels.arrow_handle())
    if drawn["sure"].any():
        handles.append(panels.legend_mark("shifted"))
    if not drawn["sure"].all():
        handles.append(panels.legend_mark("not told from none", linestyle=_DOTS))
    return handles
