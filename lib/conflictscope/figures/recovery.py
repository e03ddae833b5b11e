"""Recovery: how well known preferences are found again, and how often the intervals hold the truth.

In: the tables of `calibration.recovery`. Out: axes with Kendall's τ against the number of scenarios, or with
the coverage of the intervals against it; or a small figure of either. No section of the paper (arXiv 2509.25369), which
has no such check.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.calibration.replications import ALL_VALUES
from conflictscope.figures.panels import GREY, require, set_title
from conflictscope.figures.style import COLUMN_WIDTH, use_style

_HEIGHT = 2.5  # inches
_APART = 0.05  # distance between marks of one size, as a share of it
_ERRORS = 2  # Monte Carlo errors to either side of a coverage


@dataclass(frozen=True)
class _Line:
    """How a line looks: its place in the style's colour cycle, its marker and dashes."""

    place: int
    marker: str
    dashes: str | tuple

    @property
    def color(self) -> str:
        """The colour, from the style in force."""
        return mpl.rcParams["axes.prop_cycle"].by_key()["color"][self.place]


_LINES = (_Line(0, "o", "-"), _Line(1, "D", (0, (4, 1.5))), _Line(2, "^", (0, (1.5, 1.2))), _Line(3, "s", "-."))


def draw_recovery(recovery: pd.DataFrame, ax: Axes) -> Axes:
    """Draw Kendall's τ with the true order against the number of scenarios, a line a noise.

    Parameters
    ----------
    recovery : DataFrame
        Columns of `conflictscope.calibration.recovery.rank_recovery`, of at most four noises.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes. Points are means over the studies, bars the middle 90 % of studies.

    Raises
    ------
    ValueError
        Where a column is missing, a row occurs twice or there are more noises than ways to draw them.
    """
    require(recovery, "recovery", columns=["tau", "tau_low", "tau_high"], key=["noise", "scenarios_per_pair"])
    noises = sorted(recovery["noise"].unique())
    for line, shift, noise in zip(_lines("noises", noises), _shifts(len(noises)), noises, strict=True):
        part = recovery[recovery["noise"].eq(noise)].sort_values("scenarios_per_pair")
        ends = part[["tau_low", "tau_high"]]
        _draw_line(ax, part["scenarios_per_pair"] * shift, part["tau"], ends, line, f"noise {noise:g}")
    _set_sizes(ax, recovery["scenarios_per_pair"])
    ax.set_ylim(min(-0.02, recovery["tau_low"].min() - 0.02), 1.04)
    ax.set_ylabel("Kendall's τ with the true order")
    return ax


def draw_coverage(coverage: pd.DataFrame, ax: Axes, *, level: float = 0.95) -> Axes:
    """Draw how often intervals hold the truth against the number of scenarios, a line a quantity.

    Parameters
    ----------
    coverage : DataFrame
        Columns of `conflictscope.calibration.recovery.strength_coverage`; its rows over all values are drawn.
    ax : Axes
        Where to draw.
    level : float
        The coverage that the intervals are meant to have.

    Returns
    -------
    Axes
        The same axes. Bars are two Monte Carlo errors to either side; the line across is `level`.

    Raises
    ------
    ValueError
        Where a column is missing, a row occurs twice or there are more quantities than ways to draw them.
    """
    key = ["quantity", "scenarios_per_pair"]
    require(coverage, "coverage", columns=["coverage", "coverage_error"], key=[*key, "what"])
    pooled = coverage[coverage["what"].eq(ALL_VALUES)]
    require(pooled, f"coverage of {ALL_VALUES!r}", columns=["coverage"], key=key)
    quantities = list(pooled["quantity"].unique())
    ax.axhline(level, color=GREY, linewidth=0.8, zorder=0.8)
    for line, shift, quantity in zip(
        _lines("quantities", quantities), _shifts(len(quantities)), quantities, strict=True
    ):
        part = pooled[pooled["quantity"].eq(quantity)].sort_values("scenarios_per_pair")
        room = _ERRORS * part["coverage_error"]
        ends = pd.DataFrame({"low": part["coverage"] - room, "high": (part["coverage"] + room).clip(upper=1)})
        _draw_line(ax, part["scenarios_per_pair"] * shift, part["coverage"], ends, line, quantity)
    _set_sizes(ax, pooled["scenarios_per_pair"])
    ax.set_ylim(min(0.8, (pooled["coverage"] - _ERRORS * pooled["coverage_error"]).min() - 0.02), 1.01)
    ax.set_ylabel(f"intervals that hold the truth\n(meant to: {level:g})")
    return ax


def plot_recovery(recovery: pd.DataFrame, *, source: str = "", width: float = COLUMN_WIDTH) -> Figure:
    """Plot `draw_recovery` as a figure of its own; `source` goes into the title."""
    with use_style():
        figure, ax = plt.subplots(figsize=(width, _HEIGHT))
        draw_recovery(recovery, ax)
        set_title(figure, "Is the order found again?", source)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def plot_coverage(
    coverage: pd.DataFrame, *, level: float = 0.95, source: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Plot `draw_coverage` as a figure of its own; `source` goes into the title."""
    with use_style():
        figure, ax = plt.subplots(figsize=(width, _HEIGHT))
        draw_coverage(coverage, ax, level=level)
        set_title(figure, "Do the intervals hold the truth?", source)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _draw_line(ax: Axes, sizes: pd.Series, numbers: pd.Series, ends: pd.DataFrame, line: _Line, label: str) -> None:
    """Draw points joined by a line, each with its bar."""
    ax.vlines(sizes, ends.iloc[:, 0], ends.iloc[:, 1], color=line.color, linewidth=1.0)
    ax.plot(
        sizes,
        numbers,
        color=line.color,
        marker=line.marker,
        markersize=4,
        linestyle=line.dashes,
        linewidth=1,
        label=label,
    )


def _set_sizes(ax: Axes, sizes: pd.Series) -> None:
    """Give the x axis the sizes that occur, evenly spaced where each is twice the one before."""
    ticks = sorted(sizes.unique())
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{n:g}" for n in ticks])
    ax.minorticks_off()
    ax.grid(visible=True, axis="y")
    ax.set_xlabel("scenarios per pair")


def _shifts(count: int) -> np.ndarray:
    """Return factors that set the marks of one size side by side on a log axis."""
    return (1 + _APART) ** (np.arange(count) - (count - 1) / 2)


def _lines(name: str, found: Sequence) -> tuple[_Line, ...]:
    """Return as many ways to draw a line as are needed, or raise."""
    if len(found) > len(_LINES):
        raise ValueError(f"{name}: found {list(found)}; expected at most {len(_LINES)}. Filter the table first.")
    return _LINES[: len(found)]
