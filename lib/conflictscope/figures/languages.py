"""Two languages: how much more often a value wins in the second, pair by pair.

In: the table of `conflictscope.measure.compare_languages`. Out: axes with a row a pair, and a figure with a panel a
target and condition.
"""

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import captions, marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, Mark, use_style

_DIFFERENCE = ["difference", "difference_low", "difference_high"]
_PER_ROW = 0.24  # inches a pair
_MARK = Mark("", 6, "o", 4.0)  # black in the style's cycle, whose first two colours are the conditions


def draw_languages(differences: pd.DataFrame, ax: Axes, *, reach: float | None = None) -> Axes:
    """Draw the difference of each pair between two languages.

    Parameters
    ----------
    differences : DataFrame
        Rows of `compare_languages` of one target, condition and arm; the row ``all`` is left out.
    ax : Axes
        Where to draw.
    reach : float, optional
        Difference at either end of the axis; default: room for these intervals.

    Returns
    -------
    Axes
        The same axes: how much more often (−1 to 1) the first value of a row wins in the second language. Filled: the
        pair functions otherwise.
    """
    panels.require(
        differences, "differences", columns=[*_DIFFERENCE, "functions_otherwise"], key=["value_1", "value_2"]
    )
    pairs = differences[differences["value_1"].ne("all")]
    names = (pairs["value_1"] + " over " + pairs["value_2"]).tolist()
    reach = reach or _reach(pairs)
    ax.set_xlim(-reach, reach)
    panels.set_rows(ax, names)
    panels.draw_zero(ax)
    for otherwise, part in pairs.assign(row=range(len(pairs))).groupby("functions_otherwise"):
        marks.draw_points(ax, part["row"], part, "difference", _MARK, hollow=not otherwise)
    return ax


@use_style()
def plot_languages(differences: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_languages`, a panel a target, condition and arm; ``**page`` as for `plot_panels`."""
    conditions = differences["condition"].map({name: mark.label for name, mark in CONDITION_MARKS.items()})
    arms = differences["arm"].map(lambda arm: "" if arm == "default" else f", {arm}")
    named = differences.assign(panel=differences["target"] + ", " + conditions + arms)
    pairs = differences[differences["value_1"].ne("all")]
    names = (pairs["value_1"] + " over " + pairs["value_2"]).drop_duplicates()
    otherwise = pairs["functions_otherwise"].astype(bool)
    looks = {"functions otherwise": (False, otherwise.any()), "not told from alike": (True, (~otherwise).any())}
    return panels.plot_panels(
        panels.panels_by(named, "panel", draw_languages, reach=_reach(pairs)),
        height=_PER_ROW * len(names) * panels.row_lines(names.tolist()) ** 0.5,
        handles=[
            marks.legend_mark(label, color="black", marker="o", markersize=_MARK.size, hollow=hollow)
            for label, (hollow, drawn) in looks.items()
            if drawn
        ],
        xlabel="share won in the second language − in the first",
        caption=captions.languages(differences),
        at_least=2,
        at_most=3,
        **(Page(title="The same scenarios in two languages") | page),
    )


def _reach(pairs: pd.DataFrame) -> float:
    """Return where the axis ends, either way."""
    return 1.05 * max(0.25, float(np.nanmax(pairs[_DIFFERENCE].abs().to_numpy())))
