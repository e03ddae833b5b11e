"""By pair: one number of each value pair with its interval, such as how often a target abstains or follows a lean.

In: tables of `compare_with_forced` and `compliance`. Out: axes with a row a pair, or a figure with a panel a target.
"""

from collections.abc import Sequence
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import captions, marks, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import CONDITION_MARKS, use_style
from conflictscope.measure.rates import ALL

_ALL_PAIRS = "all pairs"
MOST_PAIRS = 40
"""Rows of a panel; of more pairs those are shown whose number is largest on average."""


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
    marks.draw_points(ax, _names(shown).map(rows.index), shown, number, CONDITION_MARKS[condition], smaller=0.8)
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
