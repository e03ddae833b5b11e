"""Figure 6: how many scenarios are left after each check, and how often each check is passed by template.

In: the tables of `conflictscope.scenarios.filter_funnel` and, beside it where wanted, of
`conflictscope.measure.difficulty.pass_rates`. Out: axes with a bar a check, and axes with a mark a template.
Section 3.2 of the paper (arXiv 2509.25369), its filter.
"""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from conflictscope.figures.panels import GREY, draw_points, is_narrow, require, set_rows, set_title, spread_rows
from conflictscope.figures.style import COLUMN_WIDTH, use_style
from conflictscope.tables import SEVERITIES, STRUCTURES

_COLUMNS = ["passed", "failed", "undecided", "pass_rate", "left"]
_LOST: dict = {"facecolor": "white", "edgecolor": "#999999", "hatch": "//////", "linewidth": 0.5}
_START = "written"
_ALL_CHECKS = "all"
_TEMPLATE_MARKERS = ("o", "s", "^", "D", "v")


def draw_funnel(funnel: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many scenarios are left after each check and those before it.

    Parameters
    ----------
    funnel : DataFrame
        Columns of `filter_funnel`, the checks in their order.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes. The first bar is all scenarios written; then, for each check, a filled bar is those left, the
        hatched end those that this check took (undecided ones among them). At the right: how many are left, and what
        share of all decided scenarios the check passes by itself, with the number undecided as ``(2?)``.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, a check occurs twice, or the numbers left grow.
    """
    require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    first = funnel.iloc[0]
    written = int(first["passed"] + first["failed"] + first["undecided"])
    left = [written, *funnel["left"].astype(int)]
    if any(after > before for before, after in pairwise(left)):
        raise ValueError(f"funnel: found {left} scenarios left from check to check; expected no growth. Sort by check.")
    color = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
    set_rows(ax, [_START, *[check.replace("_", " ") for check in funnel["check"]]])
    ax.barh(range(len(left)), left, height=0.62, color=color)
    lost = [before - after for before, after in pairwise(left)]
    ax.barh(range(1, len(left)), lost, left=left[1:], height=0.62, **_LOST)
    ax.set_xlim(0, max(written, 1))
    at_edge = ax.get_yaxis_transform()
    said: dict = {"transform": at_edge, "va": "center", "ha": "right", "fontsize": "small", "color": GREY}
    ax.text(1.16, -0.55, "left", **said | {"va": "bottom"})
    ax.text(1.42, -0.55, "passes\nalone", **said | {"va": "bottom"})
    for row, number in enumerate(left):
        ax.text(1.16, row, f"{number}", **said)
    for row, check in enumerate(funnel.itertuples(), start=1):
        rate = "–" if pd.isna(check.pass_rate) else f"{100 * check.pass_rate:.0f} %"
        ax.text(1.42, row, rate + (f" ({check.undecided}?)" if check.undecided else ""), **said)
    ax.set_xlabel("scenarios")
    return ax


def draw_pass_rates(rates: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how often each check is passed, by template, with intervals.

    Parameters
    ----------
    rates : DataFrame
        Columns of `pass_rates`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same axes, a row a check and a mark a template; nothing where nothing was decided.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, or a template and check occur twice.
    """
    require(rates, "rates", columns=["rate", "rate_low", "rate_high"], key=["structure", "severity", "check"])
    checks = list(rates["check"].unique())
    set_rows(ax, ["all six" if check == _ALL_CHECKS else check.replace("_", " ") for check in checks])
    ax.set_xlim(0, 1)
    marks = template_marks(rates)
    places = spread_rows(len(marks), 0.75)
    for place, ((structure, severity), (color, marker)) in zip(places, marks.items(), strict=True):
        part = rates[rates["structure"].eq(structure) & rates["severity"].eq(severity)]
        draw_points(
            ax,
            part["check"].map(checks.index) + place,
            part["rate"],
            part["rate_low"],
            part["rate_high"],
            color=color,
            marker=marker,
            size=3.2,
            hollow=severity == SEVERITIES[0],
        )
    ax.set_xlabel("share passed")
    return ax


def plot_funnel(
    funnel: pd.DataFrame, *, rates: pd.DataFrame | None = None, source: str = "", width: float = COLUMN_WIDTH
) -> Figure:
    """Plot the filter funnel, with the pass rates by template where given.

    Parameters
    ----------
    funnel : DataFrame
        Columns of `filter_funnel`.
    rates : DataFrame, optional
        Columns of `pass_rates`: a second panel, below in a column, beside it across the page.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        As for `draw_funnel` and `draw_pass_rates`.
    """
    require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    narrow = is_narrow(width)
    with use_style():
        lines = 2 if rates is not None and narrow else 1
        columns = 2 if rates is not None and not narrow else 1
        height = 0.95 + 0.2 * (len(funnel) + 1) * lines + (0.35 + 0.2 * len(funnel) if lines == 2 else 0.35)
        height += 0.9 if columns == 2 else 0
        figure, grid = plt.subplots(lines, columns, figsize=(width, height), squeeze=False)
        panels = grid.ravel()
        draw_funnel(funnel, panels[0])
        color = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
        handles: list = [Patch(facecolor=color, label="left"), Patch(**_LOST, label="taken by this check")]
        if funnel["undecided"].any():
            handles.append(Line2D([], [], linestyle="none", marker="$?$", color=GREY, markersize=4, label="undecided"))
        if rates is not None:
            draw_pass_rates(rates, panels[1])
            for (structure, severity), (shade, marker) in template_marks(rates).items():
                label = f"{structure.replace('_', ' ')}, {severity}" if structure != "none" else "no template"
                handle = Line2D([], [], color=shade, marker=marker, markersize=3.4, label=label)
                if severity == SEVERITIES[0]:
                    handle.set(markerfacecolor="white", linestyle=(0, (2, 1.2)), linewidth=0.9)
                handles.append(handle)
        set_title(figure, "What the checks leave", source)
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if narrow else len(handles))
    return figure


def template_marks(rates: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (structure, severity) → colour and marker, for the templates that occur; colour is the structure."""
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    structures = (*STRUCTURES, "none")
    templates = [*((structure, severity) for structure in STRUCTURES for severity in SEVERITIES), ("none", "none")]
    found = set(zip(rates["structure"], rates["severity"], strict=True))
    return {
        template: (colors[structures.index(template[0])], _TEMPLATE_MARKERS[n])
        for n, template in enumerate(templates)
        if template in found
    }
