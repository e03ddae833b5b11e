"""Heat maps: how often each value wins against each other, and what one rater took for what, against another.

In: the tables of `measure.rates.preference_rates` and of `measure.confusion`. Out: axes with a number a cell, or a
figure (of preferences, with a panel a target). Section 4 of the paper (arXiv 2509.25369), its pairwise preferences.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from seaborn.utils import relative_luminance

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, CONDITION_MARKS, FULL_WIDTH, use_style
from conflictscope.shown import value_colors

COLORS = "PuOr"  # diverging, safe for the colour-blind; the bars say the direction if colours are gone
_COLUMNS = ["choices", "rate", "rate_low", "rate_high"]
_KEY = ["target", "condition", "arm", "value_1", "value_2"]
_NOT_STUDIED = "#EFEFEF"
_NO_CHOICE: dict = {"facecolor": "white", "edgecolor": "#888888", "hatch": "//////", "linewidth": 0}
_LABELS = 1.05  # inches that the values' names take at the left
_SMALLEST_CELL, _UPRIGHT_CELL, _LARGEST_CELL = 0.135, 0.25, 0.42  # inches; names stand upright below small cells
_SMALLEST_PANEL = 1.05  # inches: room for a target's name
_BAR = 0.88  # length of the bar from 0 to 1, in cells
_DARK = 0.408  # relative luminance below which a cell's number is white
_NAME_LETTER = 0.05  # inches of height that a letter of a column's name takes
_READINGS = {"action_1": "action 1", "action_2": "action 2"}


def draw_preference_heatmap(
    rates: pd.DataFrame,
    ax: Axes,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    colors: Mapping[str, tuple] | None = None,
) -> Axes:
    """Draw how often each value of `rows` won against each value of `columns`: `preference_rates` of one target.

    The number in a cell is the rate in percent, bold if the interval leaves out 50; the bar below it is the interval,
    from 0 near the cell's left edge to 1 near its right, the tick in its middle 0.5. Hatched: asked, but no choice.
    Pale grey: a pair that was not studied. The diagonal is left blank.

    Parameters
    ----------
    rows, columns : sequence of str, optional
        Values from top to bottom and from left to right; default: all of the table's, as they come. ValueError if a
        studied pair is in no cell.
    colors : mapping of str to RGB, optional
        Value → colour of the square at its row and column; default: `value_colors` of the table's values.
    """
    panels.require(rates, "rates", columns=_COLUMNS, key=_KEY, one=["target", "condition", "arm"])
    values = _values(rates, None)
    colors = colors or value_colors(values)
    rows, columns = list(rows or values), list(columns or values)
    cells = _cells(rates)
    unseen = [
        (one, two)
        for one, two in zip(rates["value_1"], rates["value_2"], strict=True)
        if not (one in rows and two in columns) and not (two in rows and one in columns)
    ]
    if unseen:
        raise ValueError(f"rows and columns: no cell for the pairs {unseen}; expected one for each pair of the table.")
    shown = cells.unstack()["rate"].reindex(index=rows, columns=columns)
    room = ax.get_window_extent().width / ax.figure.dpi / len(columns)  # inches a cell
    fontsize = float(np.clip(72 * room * 0.4, 4.5, 7))
    numbers = draw_cells(ax, 100 * shown, ends=(0, 100), form="{:.0f}", height=0.6, fontsize=fontsize, va="bottom")
    ends = cells[["rate_low", "rate_high"]].to_dict("index")
    for (row, one), (column, two) in ((r, c) for r in enumerate(rows) for c in enumerate(columns)):
        if (row, column) in numbers:
            _draw_interval(ax, numbers[row, column], *ends[one, two].values())
        elif one != two:
            box = _NO_CHOICE if (one, two) in cells.index else {"facecolor": _NOT_STUDIED, "edgecolor": "white"}
            ax.add_patch(Rectangle((column, row), 1, 1, **box))
    _name_cells(ax, rows, columns, slant=45 if room > _UPRIGHT_CELL else 90)
    panels.mark_values(ax, rows, colors, offset=0.5)
    panels.mark_values(ax, columns, colors, offset=0.5, below=True)
    panels.set_panel_title(ax, rates["target"].iloc[0])
    return ax


def draw_cells(
    ax: Axes, table: pd.DataFrame, *, ends: tuple[float, float], form: str, height: float = 0.5, **look: Any
) -> dict[tuple[int, int], plt.Text]:
    """Draw a table as coloured cells with a number in each, and return the numbers by row and column; nan is blank.

    `ends` are the numbers at the ends of the colours; a number stands `height` below the top of its cell.
    """
    # not seaborn's heat map: it draws the whole figure for each panel, so that 14 targets would take a minute
    known = np.ma.masked_invalid(table.to_numpy(float))
    mesh = ax.pcolormesh(known, cmap=COLORS, vmin=ends[0], vmax=ends[1], edgecolor="white", linewidth=0.5)
    ax.set(xlim=(0, known.shape[1]), ylim=(len(known), 0))
    sns.despine(ax=ax, left=True, bottom=True)
    look = {"ha": "center", "va": "center"} | look
    texts = {}
    for row, column in np.argwhere(~np.ma.getmaskarray(known)).tolist():
        ink = ".15" if relative_luminance(mesh.to_rgba(known[row, column])) > _DARK else "w"
        words = form.format(known[row, column]).replace("-", "−")
        texts[row, column] = ax.text(column + 0.5, row + height, words, color=ink, **look)
    return texts


def draw_who_beats_whom(orders: pd.DataFrame, ax: Axes) -> Axes:
    """Draw which value stands above which, values from the strongest down and to the right, a dot if it is sure.

    A cell's colour is the probability that the row's value stands above the column's.

    Parameters
    ----------
    orders : DataFrame
        Columns of `measure.compare_values`, of one target, condition and arm.
    """
    key = ["above", "below"]
    panels.require(orders, "orders", columns=["probability", "sure"], key=key, one=["target", "condition", "arm"])
    beaten = orders["above"].value_counts()
    names = sorted({*orders["above"], *orders["below"]}, key=lambda name: (-beaten.get(name, 0), name))
    place = {name: n for n, name in enumerate(names)}
    row, column = (orders[name].map(place).to_numpy() for name in key)
    chance = np.full((len(names), len(names)), np.nan)
    chance[row, column], chance[column, row] = orders["probability"], 1 - orders["probability"]
    ax.pcolormesh(np.ma.masked_invalid(chance), cmap=COLORS, vmin=0, vmax=1)
    ax.set(xlim=(0, len(names)), ylim=(len(names), 0))
    sure = orders["sure"].to_numpy(bool)
    size = 72 * ax.get_window_extent().width / ax.figure.dpi / len(names)  # points a cell
    ax.plot(column[sure] + 0.5, row[sure] + 0.5, ".", color="white", markersize=min(0.5 * size, 4), markeredgewidth=0)
    _name_cells(ax, names, names, slant=90)
    ax.tick_params(labelsize=float(np.clip(0.8 * size, 2.5, 7)))
    return ax


@use_style()
def plot_who_beats_whom(orders: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_who_beats_whom` of one ranking; ``**page`` as for `plot_panels`."""
    panels.require(orders, "orders", columns=["sure"], key=["above", "below"], one=["target", "condition"])
    page = Page(title="Which value stands above which", width=FULL_WIDTH) | page
    heading = f"{orders['target'].iloc[0]}, {CONDITION_MARKS[orders['condition'].iloc[0]].label}"
    handles = [
        Patch(facecolor=plt.get_cmap(COLORS)(0.95), label="row's value stands above"),
        Patch(facecolor=plt.get_cmap(COLORS)(0.05), label="column's value stands above"),
        panels.legend_mark("white dot: surely", linestyle="none", marker="o", markersize=3),
    ]
    panel = {heading: partial(draw_who_beats_whom, orders)}
    height, caption = page["width"] - 1.4, captions.who_beats_whom(orders)
    return panels.plot_panels(panel, height=height, handles=handles, caption=caption, **page)


@use_style()
def plot_preference_heatmaps(
    rates: pd.DataFrame,
    *,
    values: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    **page: Unpack[Page],
) -> Figure:
    """Plot `draw_preference_heatmap` of one condition and arm, a panel a target; the condition is added to a title.

    `values` is the study's values in their order (default: as they come), `groups` value → group: if every pair studied
    is between the same two groups, the first is in the rows and the second in the columns, so that no half of the cells
    is empty. Eight values and many targets need the full width.
    """
    page = Page(title="How often the row's value wins", width=FULL_WIDTH) | page
    panels.require(rates, "rates", columns=_COLUMNS, key=_KEY, one=["condition", "arm"])
    order = _values(rates, values)
    across, down = _sides(rates, order, groups)
    room, cells = page["width"] - _LABELS, len(across) + 0.5
    names = 0.1 + _NAME_LETTER * max(map(len, across))

    def cell(side_by_side: int) -> float:
        """Return the height of a cell in inches with so many panels side by side."""
        return min(room / side_by_side / cells, _LARGEST_CELL)

    most = max(1, min(rates["target"].nunique(), int(room / max(_SMALLEST_PANEL, _SMALLEST_CELL * cells))))
    handles: list = [panels.legend_mark("number: % won of the choices", linestyle="none")]
    handles.append(panels.legend_mark("bold: interval leaves out 50", linestyle="none"))
    handles.append(panels.legend_mark("interval, 0–100; tick: 50", marker="|", markersize=4, linewidth=1.6))
    if rates["choices"].eq(0).any():
        handles.append(Patch(**_NO_CHOICE, label="asked, no choice"))
    studied = set(map(frozenset, rates[["value_1", "value_2"]].to_numpy()))
    if any(one != two and frozenset((one, two)) not in studied for one in down for two in across):
        handles.append(Patch(facecolor=_NOT_STUDIED, label="pair not studied"))
    if page["title"]:
        page["title"] += f": {CONDITION_MARKS[rates['condition'].iloc[0]].label}"
    options: dict = {"rows": down, "columns": across, "colors": value_colors(order)}
    return panels.plot_panels(
        panels.panels_by(rates, "target", draw_preference_heatmap, **options),
        height=lambda across: names + len(down) * cell(across),
        handles=handles,
        caption=captions.preferences(rates),
        # few values leave room: then panels stand side by side rather than one below the other
        at_least=max(1, min(most, int(room / (_LARGEST_CELL * cells)))),
        at_most=most,
        labels=_LABELS,
        **page,
    )


def draw_confusion(counts: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a table of confusion: counts of readings of one rater down, of the other across; darker is more.

    Cells of the diagonal, where the two agree, are framed.
    """
    numbers = counts.astype(float)
    top = 1.3 * np.sqrt(max(numbers.to_numpy().max(initial=0), 1))
    sns.heatmap(np.sqrt(numbers), ax=ax, annot=numbers, fmt=".0f", cmap="Greys", vmin=0, vmax=top, cbar=False)
    for row, column in np.argwhere(counts.index.to_numpy()[:, None] == counts.columns.to_numpy()):
        ax.add_patch(Rectangle((column, row), 1, 1, fill=False, linewidth=1.2))
        ax.texts[row * counts.shape[1] + column].set_fontweight("bold")
    named = [[_READINGS.get(name, name) for name in names] for names in (counts.index, counts.columns)]
    _name_cells(ax, named[0], named[1], slant=20)
    ax.set_ylabel(counts.index.name or "first rater", parse_math=False)
    ax.set_xlabel(counts.columns.name or "second rater", parse_math=False)
    return ax


@use_style()
def plot_confusion(counts: pd.DataFrame, agreement: pd.Series, **page: Unpack[Page]) -> Figure:
    """Plot `draw_confusion` under its κ: the row of `measure.agreement_between_raters` about the same two raters."""
    page = Page(title="How far the judge agrees", width=COLUMN_WIDTH) | page
    if pd.isna(agreement["kappa"]):
        words = f"κ undefined, agreed {agreement['agreed']:.0%} of {agreement['read']:.0f}"
    else:
        ends = f"{agreement['kappa_low']:.2f} to {agreement['kappa_high']:.2f}"
        words = f"κ = {agreement['kappa']:.2f} ({ends}), {agreement['read']:.0f} read by both"
    height = 0.35 + 0.5 * page["width"]
    panel, caption = {words: partial(draw_confusion, counts)}, captions.confusion(counts, agreement)
    return panels.plot_panels(panel, height=height, caption=caption, labels=0.5, **page)


def _values(rates: pd.DataFrame, values: Sequence[str] | None) -> list[str]:
    """Return the values of the table in the order given, or as they come."""
    return panels.order_rows(rates[["value_1", "value_2"]].to_numpy().ravel().tolist(), values)


def _cells(rates: pd.DataFrame) -> pd.DataFrame:
    """Return one target's rates by (row's value, column's value), both ways round; nan if there was no choice."""
    turned = rates.assign(value_1=rates["value_2"], value_2=rates["value_1"], rate=1 - rates["rate"])
    turned = turned.assign(rate_low=1 - rates["rate_high"], rate_high=1 - rates["rate_low"])
    return pd.concat([rates, turned]).set_index(["value_1", "value_2"])[_COLUMNS[1:]].astype(float)


def _draw_interval(ax: Axes, number: plt.Text, low: float, high: float) -> None:
    """Draw the interval below a cell's number, with a tick at one half; bold if the interval leaves it out."""
    (x, y), ink = number.get_position(), number.get_color()
    number.set_fontweight("bold" if low > 0.5 or high < 0.5 else "normal")
    ends = x + _BAR * (low - 0.5), x + _BAR * (high - 0.5)
    bars = [[(x, y + 0.09), (x, y + 0.31)], [(ends[0], y + 0.2), (ends[1], y + 0.2)]]
    ax.add_collection(LineCollection(bars, colors=ink, linewidths=(0.5, 1.1), capstyle="butt"), autolim=False)


def _name_cells(ax: Axes, rows: Sequence[str], columns: Sequence[str], *, slant: float) -> None:
    """Name rows and columns, without ticks and grid."""
    middle: dict = {"va": "center"} if slant == 90 else {}
    slanted: dict = {"rotation": slant, "ha": "right", "rotation_mode": "anchor", **middle}
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, parse_math=False, **slanted)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, parse_math=False, rotation=0, va="center")
    ax.set(xlabel="", ylabel="")
    ax.grid(False)
    ax.tick_params(length=0, labelbottom=True)


def _sides(rates: pd.DataFrame, values: Sequence[str], groups: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
    """Return the values of the columns and of the rows."""
    group_of = {value: (groups or {}).get(value) for value in values}
    sides = {frozenset((group_of[one], group_of[two])) for one, two in rates[["value_1", "value_2"]].to_numpy()}
    side = next(iter(sides))
    if len(sides) != 1 or len(side) != 2 or None in side:
        return list(values), list(values)
    first, second = [group for group in dict.fromkeys((groups or {}).values()) if group in side]
    return [v for v in values if group_of[v] == second], [v for v in values if group_of[v] == first]
