"""Funnel: how many scenarios are left after each check, and how often each check is passed by template.

In: the tables of `conflictscope.scenarios.filter_funnel` and of `conflictscope.measure.difficulty.pass_rates`. Out:
axes with a bar a check, axes with a mark a template; or both as a figure. Section 3.2 of the paper (arXiv 2509.25369).
"""

from functools import partial
from itertools import pairwise, product
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, GREY, PALE, Mark, cycle_colors, use_style
from conflictscope.tables import SEVERITIES, STRUCTURES

_COLUMNS = ["passed", "failed", "undecided", "pass_rate", "left"]
_LOST: dict = {"facecolor": "white", "edgecolor": PALE, "hatch": "//////", "linewidth": 0.5}
_PER_ROW = 0.3  # inches a check
_SIZE = 3.2  # points of a template's mark


def draw_funnel(funnel: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many scenarios are left after each check of `filter_funnel` and those before it.

    The first bar is all scenarios written; then, for each check, a filled bar is those left, the hatched end those that
    this check took (undecided ones among them). At the right: how many are left, and what share of all decided
    scenarios the check passes by itself, with the number undecided as ``(2?)``. ValueError if the numbers left grow.
    """
    panels.require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    written = int(funnel.iloc[0][["passed", "failed", "undecided"]].sum())
    left = [written, *funnel["left"].astype(int)]
    lost = [before - after for before, after in pairwise(left)]
    if min(lost) < 0:
        raise ValueError(f"funnel: found {left} scenarios left from check to check; expected no growth. Sort by check.")
    panels.set_rows(ax, ["written", *funnel["check"].str.replace("_", " ")])
    ax.barh(range(len(left)), left, height=0.62, color=cycle_colors()[0])
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
    """Draw how often each check is passed (`pass_rates`), with intervals: a row a check and a mark a template.

    A template and check of which nothing was decided has no mark.
    """
    panels.require(rates, "rates", columns=["rate", "rate_low", "rate_high"], key=["structure", "severity", "check"])
    checks = list(rates["check"].unique())
    panels.set_rows(ax, ["all six" if check == "all" else check.replace("_", " ") for check in checks])
    ax.set_xlim(0, 1)
    looks = template_marks(rates)
    for place, ((structure, severity), mark) in zip(marks.spread_rows(len(looks), 0.75), looks.items(), strict=True):
        part = rates[rates["structure"].eq(structure) & rates["severity"].eq(severity)]
        heights = part["check"].map(checks.index) + place
        marks.draw_points(ax, heights, part, "rate", mark, hollow=severity == SEVERITIES[0])
    ax.set_xlabel("share passed")
    return ax


@use_style()
def plot_funnel(funnel: pd.DataFrame, *, rates: pd.DataFrame | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_funnel`; with `rates`, `draw_pass_rates` too, below it in a column, beside it across the page."""
    page = Page(title="What the checks leave", width=COLUMN_WIDTH) | page
    panels.require(funnel, "funnel", columns=_COLUMNS, key=["check"])
    handles: list = [Patch(facecolor=cycle_colors()[0], label="left"), Patch(**_LOST, label="taken by this check")]
    if funnel["undecided"].any():
        handles.append(marks.legend_mark("(2?): undecided", linestyle="none"))
    drawn = {"after each check": partial(draw_funnel, funnel)}
    if rates is not None:
        drawn["by template"] = partial(draw_pass_rates, rates)
        for (_, severity), mark in template_marks(rates).items():
            look: dict = {"color": mark.color, "marker": mark.marker, "markersize": _SIZE + 0.2}
            handles.append(marks.legend_mark(mark.label, hollow=severity == SEVERITIES[0], **look))
    height = 0.35 + _PER_ROW * (len(funnel) + 1)
    options: dict = {"share": False, "at_least": 2, "at_most": 2}
    return panels.plot_panels(drawn, height=height, handles=handles, caption=captions.funnel(funnel), **options, **page)


def template_marks(rates: pd.DataFrame) -> dict[tuple[str, str], Mark]:
    """Return (structure, severity) → mark, for the templates that occur; its colour is the structure."""
    templates = {
        (structure, severity): (f"{structure.replace('_', ' ')}, {severity}", place)
        for (place, structure), severity in product(enumerate(STRUCTURES), SEVERITIES)
    }
    templates["none", "none"] = "no template", len(STRUCTURES)
    occurring = set(zip(rates["structure"], rates["severity"], strict=True))
    return {
        template: Mark(label, place, marker, _SIZE)
        for (template, (label, place)), marker in zip(templates.items(), "os^Dv", strict=True)
        if template in occurring
    }
