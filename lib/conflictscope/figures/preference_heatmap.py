"""Figure 3: how often each value wins against each other, model by model.

In: the table of `conflictscope.measure.rates.preference_rates`. Out: axes with a cell for each ordered pair: the share
that the row's value won against the column's, with its Wilson interval as a bar across the cell; or a figure with a
panel for each target. Section 4 of the paper (arXiv 2509.25369), its pairwise preferences.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from conflictscope.figures.panels import GREY, panel_grid, panel_titles, require, set_rows, set_title
from conflictscope.figures.style import CONDITION_MARKS, FULL_WIDTH, use_style

COLORS = "PuOr"  # diverging, safe for the colour-blind; the bars say the direction where colours are gone
_SCALE = Normalize(0, 1)  # so that 0.5 is the middle of the colours
_COLUMNS = ["choices", "rate", "rate_low", "rate_high"]
_NOT_STUDIED = "#EFEFEF"
_NO_CHOICE: dict = {"facecolor": "white", "edgecolor": "#888888", "hatch": "//////", "linewidth": 0}
_PAGE = 9.0  # inches: what a page holds
_LABELS = 0.95  # inches that the values' names take at the left
_SMALLEST_CELL = 0.16  # inches
_SMALLEST_PANEL = 1.05  # inches: room for a target's name
_BAR = 0.88  # length of the bar from 0 to 1, in cells
_LARGEST_CELL = 0.5  # inches
_ROOMY_CELL = 0.3  # inches
_MARGINS = 1.75  # inches for title, columns' names, colour bar and legend


def draw_preference_heatmap(
    rates: pd.DataFrame,
    ax: Axes,
    *,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    fontsize: float = 6.0,
) -> Axes:
    """Draw how often each value of `rows` won against each value of `columns`, for one target.

    Parameters
    ----------
    rates : DataFrame
        Columns of `preference_rates`, of one target, condition and system prompt.
    ax : Axes
        Where to draw.
    rows, columns : sequence of str, optional
        Values from top to bottom and from left to right; default: all of the table's, sorted by name.
    fontsize : float
        Size of the numbers in points.

    Returns
    -------
    Axes
        The same axes. The number in a cell is the rate in percent, bold where the interval leaves out 50; the bar below
        it is the interval, from 0 near the cell's left edge to 1 near its right, the tick in its middle 0.5. Hatched:
        asked, but no choice. Pale grey: a pair that was not studied. The diagonal is left blank.

    Raises
    ------
    ValueError
        Where a column is missing, there is more than one target, condition or system prompt, a pair occurs twice, or a
        studied pair is in no cell.
    """
    _require(rates, ["target", "condition", "arm"])
    values = sorted({*rates["value_1"], *rates["value_2"]})
    rows, columns = list(rows or values), list(columns or values)
    cells = _cells(rates)
    shown = {(one, two) for one in rows for two in columns}
    studied = zip(rates["value_1"], rates["value_2"], strict=True)
    unseen = [pair for pair in studied if pair not in shown and pair[::-1] not in shown]
    if unseen:
        raise ValueError(f"rows and columns: no cell for the pairs {unseen}; expected one for each pair of the table.")
    colors = mpl.colormaps[COLORS]
    ax.set_xlim(-0.5, len(columns) - 0.5)
    set_rows(ax, rows)
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for y, one in enumerate(rows):
        for x, two in enumerate(columns):
            if one == two:
                continue
            box: dict = {"facecolor": _NOT_STUDIED, "edgecolor": "white"}
            if (one, two) in cells:
                rate, low, high = cells[one, two]
                box = _NO_CHOICE if np.isnan(rate) else {"facecolor": colors(_SCALE(rate)), "edgecolor": "white"}
                if not np.isnan(rate):
                    _annotate(ax, x, y, rate, low, high, fontsize=fontsize, ink=_ink(colors(_SCALE(rate))))
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **box))
    ax.set_title(rates["target"].iloc[0], loc="left")
    return ax


def plot_preference_heatmaps(
    rates: pd.DataFrame,
    *,
    groups: Mapping[str, str] | None = None,
    source: str = "",
    width: float = FULL_WIDTH,
    columns: int | None = None,
) -> Figure:
    """Plot the pairwise preferences, a panel a target.

    Parameters
    ----------
    rates : DataFrame
        Columns of `preference_rates`, of one condition and system prompt.
    groups : mapping of str to str, optional
        Value → group. Where every pair studied is between the same two groups, the first is in the rows and the second
        in the columns, so that no half of the cells is empty.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``. Eight values and many targets need the full width.
    columns : int, optional
        Panels side by side; default: the fewest with which the figure fits a page.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        Where the table is empty, a column is missing, or there is more than one condition or system prompt.
    """
    _require(rates, ["condition", "arm"])
    targets = rates["target"].unique()
    across, down = _sides(rates, groups)
    columns, cell = _layout(len(targets), len(down), len(across), width, columns)
    titles, lines = panel_titles(targets, (width - _LABELS) / columns)
    panel_height = 0.28 + lines + len(down) * cell
    with use_style():
        figure, panels = panel_grid(
            len(targets),
            columns=columns,
            width=width,
            panel_height=panel_height,
            margins=_MARGINS,
        )
        fontsize = float(np.clip(72 * cell * 0.36, 4.5, 7))
        for n, (ax, target, title) in enumerate(zip(panels, targets, titles, strict=True)):
            part = rates[rates["target"] == target]
            draw_preference_heatmap(part, ax, rows=down, columns=across, fontsize=fontsize)
            ax.set_title(title, loc="left")
            # names only below the last line of panels: above a blank place they would tear the lines apart
            ax.tick_params(labelbottom=n // columns == (len(targets) - 1) // columns)
        condition = rates["condition"].iloc[0]
        label = CONDITION_MARKS[condition].label
        set_title(figure, f"How often the row's value wins: {label}", source)
        bar = figure.colorbar(
            ScalarMappable(_SCALE, COLORS), ax=panels, location="bottom", aspect=35, shrink=0.75, pad=0.02
        )
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
        bar.set_label("row's value won against column's, % of choices")
        bar.outline.set_visible(False)
        handles = _legend_handles(rates, down, across)
        figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="x-small")
    return figure


def _require(rates: pd.DataFrame, one: Sequence[str]) -> None:
    """Raise unless the table can be drawn."""
    key = ["target", "condition", "arm", "value_1", "value_2"]
    require(rates, "rates", columns=_COLUMNS, key=key, one=one)


def _cells(rates: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return (row's value, column's value) → rate and interval, both ways round; nan where there was no choice."""
    cells = {}
    for pair in rates.itertuples():
        rate, low, high = float(pair.rate), float(pair.rate_low), float(pair.rate_high)
        cells[pair.value_1, pair.value_2] = (rate, low, high)
        cells[pair.value_2, pair.value_1] = (1 - rate, 1 - high, 1 - low)
    return cells


def _annotate(ax: Axes, x: int, y: int, rate: float, low: float, high: float, *, fontsize: float, ink: str) -> None:
    """Write the rate into a cell and draw its interval below, with a tick at one half."""
    clear = low > 0.5 or high < 0.5
    ax.text(
        x,
        y - 0.1,
        f"{100 * rate:.0f}",
        ha="center",
        va="center",
        color=ink,
        fontsize=fontsize,
        weight="bold" if clear else "normal",
    )
    ax.vlines(x, y + 0.19, y + 0.41, color=ink, linewidth=0.5)
    ax.hlines(
        y + 0.3,
        x + _BAR * (low - 0.5),
        x + _BAR * (high - 0.5),
        color=ink,
        linewidth=max(0.9, fontsize / 4.5),
        capstyle="butt",
    )


def _ink(color: tuple[float, ...]) -> str:
    """Return black or white, whichever reads on the colour."""
    return "white" if np.dot(color[:3], (0.299, 0.587, 0.114)) < 0.5 else "black"


def _sides(rates: pd.DataFrame, groups: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
    """Return the values of the columns and of the rows."""
    values = sorted({*rates["value_1"], *rates["value_2"]})
    sides = {frozenset((groups or {}).get(value) for value in pair) for pair in _cells(rates)}
    if len(sides) != 1 or len(next(iter(sides))) != 2 or None in next(iter(sides)):
        return values, values
    first, second = [group for group in dict.fromkeys((groups or {}).values()) if group in next(iter(sides))]
    placed = [value for value in groups or {} if value in values]
    return [v for v in placed if (groups or {})[v] == second], [v for v in placed if (groups or {})[v] == first]


def _layout(targets: int, down: int, across: int, width: float, columns: int | None) -> tuple[int, float]:
    """Return how many panels stand side by side, and the width of a cell in inches."""
    room = width - _LABELS
    most = max(1, min(targets, int(room / max(_SMALLEST_PANEL, _SMALLEST_CELL * (across + 0.3)))))
    for tried in [columns] if columns else range(1, most + 1):
        cell = min(room / tried / (across + 0.3), _LARGEST_CELL)
        fits = _MARGINS + -(-targets // tried) * (0.28 + down * cell) <= _PAGE
        # few values leave room: then panels stand side by side rather than one below the other
        next_cell = room / (tried + 1) / (across + 0.3)
        if tried == (columns or most) or (fits and next_cell < _ROOMY_CELL):
            break
    return tried, cell


def _legend_handles(rates: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> list:
    """Return what the legend explains: the bar, bold numbers, and the two kinds of empty cells where they occur."""
    handles: list = [
        Line2D([], [], color=GREY, marker="|", markersize=4, linewidth=1.6, label="interval, 0–100; tick: 50"),
        Line2D(
            [],
            [],
            linestyle="none",
            marker="$\\mathbf{72}$",
            markersize=7,
            markeredgewidth=0,
            color=GREY,
            label="bold: leaves out 50",
        ),
    ]
    if rates["choices"].eq(0).any():
        handles.append(Patch(**_NO_CHOICE, label="asked, no choice"))
    studied = set(_cells(rates))
    if any(one != two and (one, two) not in studied for one in rows for two in columns):
        handles.append(Patch(facecolor=_NOT_STUDIED, label="pair not studied"))
    return handles
