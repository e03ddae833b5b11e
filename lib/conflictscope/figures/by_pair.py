"""By pair: one number of each value pair with its interval, such as how often a target abstains or follows a lean.

In: tables of `compare_with_forced` and `compliance`, or of `compare_languages`: how much more often a value wins in the
second language. Out: axes with a row a pair, or a figure with a panel a target (and condition).
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, Mark, use_style
from conflictscope.measure.rates import ALL

_ALL_PAIRS = "all pairs"
MOST_PAIRS = 40
"""Rows of a panel; of more pairs those are shown whose number is largest on average."""
_DIFFERENCE = ["difference", "difference_low", "difference_high"]
_PER_ROW = 0.24  # inches a pair
_MARK = Mark("", 6, "o", 4.0)  # black in the style's cycle, whose first two colours are the conditions


def draw_by_pair(
    table: pd.DataFrame,
    ax: Axes,
    *,
    number: str,
    condition: str,
    limits: tuple[float, float] = (0.0, 1.0),
    order: Sequence[str] | None = None,
) -> Axes:
    """Draw a number of each pair of one target with its interval.

    Parameters
    ----------
    table : DataFrame
        ``value_1``, ``value_2``, `number`, and its ``_low`` and ``_high``.
    condition : str
        Whose mark is drawn.
    limits : (float, float)
        Ends of the axis; a line stands at 0 if that lies between them.
    order : sequence of str, optional
        Pairs, as ``value_1 – value_2``, from top to bottom; default: as they come.
    """
    ends = [f"{number}{end}" for end in ("", "_low", "_high")]
    panels.require(table, "table", columns=ends, key=["value_1", "value_2"])
    rows = list(order or _names(table))
    shown = table[_names(table).isin(rows)]
    panels.set_rows(ax, rows)
    ax.set_xlim(*limits)
    if limits[0] < 0 < limits[1]:
        panels.draw_zero(ax)
    panels.draw_points(ax, _names(shown).map(rows.index), shown, number, CONDITION_MARKS[condition], smaller=0.8)
    return ax


@use_style()
def plot_by_pair(
    table: pd.DataFrame,
    *,
    number: str,
    condition: str,
    xlabel: str,
    limits: tuple[float, float] = (0.0, 1.0),
    **page: Unpack[Page],
) -> Figure:
    """Plot `draw_by_pair`, a panel a target; pairs stand in the order of their means, all of them together on top."""
    panels.require(table, "table", columns=[number], key=["target", "value_1", "value_2"])
    mean = table[number].astype(float).groupby(_names(table)).mean().sort_values(ascending=False)
    order = sorted((str(name) for name in mean.index[:MOST_PAIRS]), key=_ALL_PAIRS.__ne__)  # sorting is stable
    options = {"number": number, "condition": condition, "limits": limits, "order": order}
    return panels.plot_panels(
        panels.panels_by(table, "target", draw_by_pair, **options),
        height=(0.16 + 0.1 * (panels.row_lines(order) - 1)) * len(order),
        xlabel=xlabel,
        caption=captions.by_pair(table, number=number, signed=limits[0] < 0 < limits[1]),
        at_least=2,
        labels=1.3,
        **page,
    )


def _names(table: pd.DataFrame) -> pd.Series:
    """Return each row's pair as it is shown."""
    return (table["value_1"] + " – " + table["value_2"]).replace(f"{ALL} – {ALL}", _ALL_PAIRS)


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
        panels.draw_points(ax, part["row"], part, "difference", _MARK, hollow=not otherwise)
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
            panels.legend_mark(label, color="black", marker="o", markersize=_MARK.size, hollow=hollow)
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
