"""Recovery: how well known preferences are found again, and how often the intervals hold the truth.

In: the tables of `calibration.recovery`. Out: axes with Kendall's τ against the number of scenarios, or with
the coverage of the intervals against it; or a small figure of either.
"""

from functools import partial
from typing import Unpack

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.calibration.recovery import ALL_VALUES
from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, GREY, cycle_colors, use_style

_HEIGHT = 1.6  # inches
_APART = 0.05  # distance between marks of one size, as a share of it
_ERRORS = 2  # Monte Carlo errors to either side of a coverage
_SIZE = "scenarios_per_pair"
_MARKERS = ("o", "D", "^", "s")
_DASHES: tuple = ("", (4, 1.5), (1.5, 1.2), (4, 1, 1, 1))


def draw_recovery(recovery: pd.DataFrame, ax: Axes) -> Axes:
    """Draw Kendall's τ with the true order against the number of scenarios, a line a noise (at most four).

    From the columns of `rank_recovery`: points are means over the studies, bars the middle 90 % of studies.
    """
    panels.require(recovery, "recovery", columns=["tau", "tau_low", "tau_high"], key=["noise", _SIZE])
    labelled = recovery.sort_values("noise").assign(line=lambda table: "noise " + table["noise"].map("{:g}".format))
    _draw_lines(ax, labelled, "tau")
    ax.set_ylim(min(-0.02, recovery["tau_low"].min() - 0.02), 1.04)
    ax.set_ylabel("Kendall's τ with the true order")
    return ax


def draw_coverage(coverage: pd.DataFrame, ax: Axes, *, level: float = 0.95) -> Axes:
    """Draw how often intervals hold the truth against the number of scenarios, a line a quantity (at most four).

    From the columns of `strength_coverage`, its rows over all values. Bars are two Monte Carlo errors to either side;
    the line across is `level`, the coverage that the intervals are meant to have (0–1).
    """
    panels.require(coverage, "coverage", columns=["coverage", "coverage_error"], key=["quantity", _SIZE, "what"])
    pooled = coverage[coverage["what"].eq(ALL_VALUES)]
    panels.require(pooled, f"coverage of {ALL_VALUES!r}", columns=["coverage"], key=["quantity", _SIZE])
    room = _ERRORS * pooled["coverage_error"]
    ends = {"coverage_low": pooled["coverage"] - room, "coverage_high": (pooled["coverage"] + room).clip(upper=1)}
    ax.axhline(level, color=GREY, linewidth=0.8, zorder=0.8)
    _draw_lines(ax, pooled.assign(line=pooled["quantity"], **ends), "coverage")
    ax.set_ylim(min(0.8, ends["coverage_low"].min() - 0.02), 1.01)
    ax.set_ylabel(f"intervals that hold the truth\n(meant to: {level:g})")
    return ax


@use_style()
def plot_recovery(recovery: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_recovery` as a figure of its own."""
    page = Page(title="Is the order found again?", width=COLUMN_WIDTH) | page
    handles = _handles([f"noise {noise:g}" for noise in sorted(recovery["noise"].unique())])
    panel, caption = {"": partial(draw_recovery, recovery)}, captions.recovery(recovery)
    return panels.plot_panels(panel, height=_HEIGHT, handles=handles, caption=caption, **page)


@use_style()
def plot_coverage(coverage: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_coverage` as a figure of its own; the intervals are meant to have the page's `level`, else 0.95."""
    level = page.pop("level", None) or 0.95
    page = Page(title="Do the intervals hold the truth?", width=COLUMN_WIDTH) | page
    handles = _handles(list(coverage.loc[coverage["what"].eq(ALL_VALUES), "quantity"].unique()))
    panel = {"": partial(draw_coverage, coverage, level=level)}
    pooled = coverage[coverage["what"].eq(ALL_VALUES)]
    caption = captions.coverage(pooled, level=level)
    return panels.plot_panels(panel, height=_HEIGHT, handles=handles, caption=caption, **page)


def _draw_lines(ax: Axes, table: pd.DataFrame, number: str) -> None:
    """Draw `number` against the sizes, a line for each name in ``line``, with bars from ``_low`` to ``_high``."""
    names = list(table["line"].unique())
    if len(names) > len(_MARKERS):
        raise ValueError(f"lines: found {names}; expected at most {len(_MARKERS)}. Filter the table first.")
    # the marks of one size stand side by side on the log axis
    shifts = dict(zip(names, (1 + _APART) ** (np.arange(len(names)) - (len(names) - 1) / 2), strict=True))
    colors, markers, dashes = (dict(zip(names, look, strict=False)) for look in (cycle_colors(), _MARKERS, _DASHES))
    table = table.assign(place=table[_SIZE] * table["line"].map(shifts).astype(float))
    ends = table[f"{number}_low"], table[f"{number}_high"]
    ax.vlines(table["place"], *ends, colors=list(table["line"].map(colors)), lw=1)
    look: dict = {"palette": colors, "markers": markers, "dashes": dashes, "markersize": 4, "markeredgewidth": 0}
    look |= {"linewidth": 1, "errorbar": None, "legend": False}
    sns.lineplot(table, x="place", y=number, hue="line", style="line", ax=ax, **look)
    for line, name in zip(ax.lines[-len(names) :], names, strict=True):
        line.set_label(name)
    ticks = sorted(table[_SIZE].unique())
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{n:g}" for n in ticks])
    ax.minorticks_off()
    ax.grid(visible=True, axis="y")
    ax.set_xlabel("scenarios per pair")


def _handles(names: list[str]) -> list:
    """Return a legend's entry for each line."""
    looks = zip(names, cycle_colors(), _MARKERS, _DASHES, strict=False)
    return [
        panels.legend_mark(name, color=color, marker=marker, markersize=4, linewidth=1, linestyle=(0, dashes or None))
        for name, color, marker, dashes in looks
    ]
