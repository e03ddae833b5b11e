"""Funnel: how many scenarios are left after each check, and how often each check is passed by template.

In: the tables of `conflictscope.scenarios.filter_funnel` and of `conflictscope.measure.difficulty.pass_rates`. Out:
axes with a bar a check, axes with a mark a template; or both as a figure. Section 3.2 of the paper (arXiv 2509.25369).
"""

from functools import partial
from itertools import pairwise
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, GREY, PALE, cycle_colors, styled
from conflictscope.tables import SEVERITIES, STRUCTURES

_COLUMNS = ["passed", "failed", "undecided", "pass_rate", "left"]
_LOST: dict = {"facecolor": "white", "edgecolor": PALE, "hatch": "//////", "linewidth": 0.5}
_START = "written"
_ALL_CHECKS = "all"
_TEMPLATE_MARKERS = ("o", "s", "^", "D", "v")
_PER_ROW = 0.3  # inches a check


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
        If a column is missing, the table is empty, a check occurs twice, or the numbers left grow.
    """
    panels.require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    written = int(funnel.iloc[0][["passed", "failed", "undecided"]].sum())
    left = [written, *funnel["left"].astype(int)]
    if any(after > before for before, after in pairwise(left)):
        raise ValueError(f"funnel: found {left} scenarios left from check to check; expected no growth. Sort by check.")
    panels.set_rows(ax, [_START, *funnel["check"].str.replace("_", " ")])
    ax.barh(range(len(left)), left, height=0.62, color=cycle_colors()[0])
    lost = [before - after for before, after in pairwise(left)]
    ax.barh(range(1, len(left)), lost, left=left[1:], height=0.62, **_LOST)
    ax.set_xlim(0, max(written, 1))
    look: dict = {"va": "center", "ha": "right", "fontsize": "small", "color": GREY}
    count, share = ({"transform": panels.beside(ax, inches)} | look for inches in (0.3, 0.85))
    ax.text(1, -0.55, "left", **count | {"va": "bottom"})
    ax.text(1, -0.55, "passes\nalone", **share | {"va": "bottom"})
    for row, number in enumerate(left):
        ax.text(1, row, f"{number}", **count)
    for row, check in enumerate(funnel.itertuples(), start=1):
        rate = "–" if pd.isna(check.pass_rate) else f"{100 * check.pass_rate:.0f} %"
        ax.text(1, row, rate + (f" ({check.undecided}?)" if check.undecided else ""), **share)
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
        The same axes, a row a check and a mark a template; nothing if nothing was decided.

    Raises
    ------
    ValueError
        If a column is missing, the table is empty, or a template and check occur twice.
    """
    panels.require(rates, "rates", columns=["rate", "rate_low", "rate_high"], key=["structure", "severity", "check"])
    checks = list(rates["check"].unique())
    panels.set_rows(ax, ["all six" if check == _ALL_CHECKS else check.replace("_", " ") for check in checks])
    ax.set_xlim(0, 1)
    looks = template_marks(rates)
    for place, ((structure, severity), look) in zip(marks.spread_rows(len(looks), 0.75), looks.items(), strict=True):
        part = rates[rates["structure"].eq(structure) & rates["severity"].eq(severity)]
        heights = part["check"].map(checks.index) + place
        marks.draw_points(ax, heights, part, "rate", size=3.2, hollow=severity == SEVERITIES[0], **look)
    ax.set_xlabel("share passed")
    return ax


@styled
def plot_funnel(funnel: pd.DataFrame, *, rates: pd.DataFrame | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_funnel`, and `draw_pass_rates` below it in a column, beside it across the page.

    Parameters
    ----------
    funnel : DataFrame
        Columns of `filter_funnel`.
    rates : DataFrame, optional
        Columns of `pass_rates`: the second panel.
    **page
        ``title``, ``source``, ``width``, ``columns``, as for `plot_panels`.
    """
    page = Page(title="What the checks leave", width=COLUMN_WIDTH) | page
    panels.require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    handles: list = [Patch(facecolor=cycle_colors()[0], label="left"), Patch(**_LOST, label="taken by this check")]
    if funnel["undecided"].any():
        handles.append(marks.legend_mark("(2?): undecided", linestyle="none"))
    drawn = {"after each check": partial(draw_funnel, funnel)}
    if rates is not None:
        drawn["by template"] = partial(draw_pass_rates, rates)
        for (structure, severity), look in template_marks(rates).items():
            label = f"{structure.replace('_', ' ')}, {severity}" if structure != "none" else "no template"
            handles.append(marks.legend_mark(label, markersize=3.4, hollow=severity == SEVERITIES[0], **look))
    height = 0.35 + _PER_ROW * (len(funnel) + 1)
    return panels.plot_panels(drawn, height=height, handles=handles, share=False, at_least=2, at_most=2, **page)


def template_marks(rates: pd.DataFrame) -> dict[tuple[str, str], dict[str, str]]:
    """Return (structure, severity) → colour and marker, for the templates that occur; colour is the structure."""
    structures = (*STRUCTURES, "none")
    templates = [*((structure, severity) for structure in STRUCTURES for severity in SEVERITIES), ("none", "none")]
    occurring = set(zip(rates["structure"], rates["severity"], strict=True))
    return {
        template: {"color": cycle_colors()[structures.index(template[0])], "marker": marker}
        for template, marker in zip(templates, _TEMPLATE_MARKERS, strict=True)
        if template in occurring
    }
