"""Tipping points: how many of the lost answers would have to have gone one way until an order of two values turns.

In: the table of `value_orders`. Out: axes with a row for each two values of neighbouring rank, a panel a target.
"""

from itertools import pairwise
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import GREY, PALE, cycle_colors, use_style

_COLUMNS = ["missing", "missing_unsure", "missing_tips"]


def draw_tipping(orders: pd.DataFrame, ax: Axes) -> Axes:
    """Draw for each two values how the order stands by the share of the lost answers that went against it.

    Filled: the order is sure; pale: it stands and is not sure; hatched: it has turned. At the right is how many answers
    are lost in the pairs of the two.
    """
    panels.require(orders, "orders", columns=_COLUMNS, key=["above", "below"])
    panels.set_rows(ax, (orders["above"] + " > " + orders["below"]).tolist())
    sure, stands = (orders[name].clip(upper=1).tolist() for name in _COLUMNS[1:])
    rows = range(len(orders))
    ends = pairwise([[0.0] * len(orders), sure, stands, [1.0] * len(orders)])
    for (begin, end), bar in zip(ends, _looks(), strict=True):
        ax.barh(rows, [b - a for a, b in zip(begin, end, strict=True)], left=begin, height=0.62, **bar)
    ax.set_xlim(0, 1)
    look: dict = {"va": "center", "ha": "right", "fontsize": "small", "color": GREY}
    for row, lost in enumerate(orders["missing"]):
        ax.text(1, row, f"{lost}", transform=panels.beside(ax, 0.2), **look)
    return ax


@use_style()
def plot_tipping(orders: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_tipping` of neighbours in rank, a panel for each target and condition with a lost answer."""
    panels.require(orders, "orders", columns=[*_COLUMNS, "neighbours"], key=["target", "condition", "above", "below"])
    lost = orders.groupby(["target", "condition", "arm"])["missing"].transform("sum") > 0
    shown = orders[orders["neighbours"] & lost]
    panel = shown["target"] + ", " + shown["condition"].str.replace("_", " ")
    shown = shown.assign(panel=panel)
    labels = ("sure", "stands, not sure", "turned")
    handles = [Patch(**look, label=label) for look, label in zip(_looks(), labels, strict=True)]
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


def _looks() -> tuple[dict, dict, dict]:
    """Return how a bar looks where the order is sure, stands, and has turned."""
    color = cycle_colors()[0]
    turned = {"facecolor": "white", "edgecolor": PALE, "hatch": "//////", "linewidth": 0.5}
    return {"facecolor": color}, {"facecolor": color, "alpha": 0.35}, turned
