"""Figure 4: what a system prompt that spells out a target ranking gains, beside what a placebo gains.

In: either table of `conflictscope.measure.steering.steering_effects`. Out: axes with a row a target (or a target
ranking), filled marks for steering and hollow ones for the placebo, a mark a condition; or a figure with a panel for
each target ranking. Section 5 of the paper (arXiv 2509.25369), its figure of steering effects.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conflictscope.figures.panels import (
    GREY,
    PALE,
    bottom_panels,
    draw_points,
    is_narrow,
    panel_grid,
    panel_titles,
    require,
    set_rows,
    set_title,
    spread_rows,
)
from conflictscope.figures.style import CONDITION_MARKS, FULL_WIDTH, use_style
from conflictscope.measure.published import PUBLISHED_SOURCE, PUBLISHED_STEERING_EFFECT

_MEASURES = ("effect", "placebo")
_COLUMNS = [name + end for name in _MEASURES for end in ("", "_low", "_high")]
_PER_MARK = 0.07  # inches a mark of a row
_PER_ROW = 0.06  # inches between rows
_LABELS = 1.2  # inches that the rows' names take at the left
_MEAN = "mean of rankings"
_LEAST, _MOST = -1.0, 1.0  # ends of the axis at most: a smaller effect is an arrow; 1 is all of the headroom


def draw_steering(
    effects: pd.DataFrame,
    ax: Axes,
    *,
    rows: str = "target",
    order: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    published: bool = False,
) -> Axes:
    """Draw steering and placebo effects with their intervals.

    Parameters
    ----------
    effects : DataFrame
        Columns of ``by_ranking`` or ``averages`` of `steering_effects`: ``condition``, the column named by `rows`,
        ``effect``, ``placebo`` and their ``_low`` and ``_high``.
    ax : Axes
        Where to draw.
    rows : str
        ``target`` or ``target_ranking``: what the rows are; each occurs once a condition.
    order : sequence of str, optional
        The rows from top to bottom; default: as they come in the table.
    limits : (float, float), optional
        Ends of the axis; default: `steering_limits` of this table.
    published : bool
        Whether the paper's mean effect is drawn as a dotted line.

    Returns
    -------
    Axes
        The same axes. 0 is no movement, 1 all of the headroom. Filled with a solid line: steering; hollow with a dashed
        line: placebo. An effect beyond the axis is an arrow at its edge, an interval is cut there; a row with none says
        so in words.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, a row occurs twice in a condition, or `order` does not hold the
        table's rows.
    """
    require(effects, "effects", columns=_COLUMNS, key=[rows, "condition"])
    order = list(effects[rows].unique()) if order is None else list(order)
    unknown = sorted(set(effects[rows]) - set(order))
    if unknown:
        raise ValueError(f"order: found {order}; expected all rows of the table, {unknown} too.")
    conditions = [condition for condition in CONDITION_MARKS if effects["condition"].eq(condition).any()]
    ax.set_xlim(*(limits or steering_limits(effects)))
    set_rows(ax, order)
    ax.axvline(0, color=PALE, linewidth=0.8, zorder=0.8)
    if published:
        ax.axvline(PUBLISHED_STEERING_EFFECT, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=0.9)
    places = spread_rows(len(conditions) * len(_MEASURES), 0.72)
    for n, condition in enumerate(conditions):
        mark, part = CONDITION_MARKS[condition], effects[effects["condition"] == condition]
        middles = part[rows].map(order.index).to_numpy(float)
        for m, measure in enumerate(_MEASURES):
            heights = middles + places[len(_MEASURES) * n + m]
            numbers, low, high = (part[measure + end] for end in ("", "_low", "_high"))
            draw_points(
                ax,
                heights,
                numbers,
                low,
                high,
                color=mark.color,
                marker=mark.marker,
                size=mark.size - 0.6,
                hollow=measure == "placebo",
            )
            for height in heights[numbers.isna().to_numpy()]:
                said = {"effect": "steering", "placebo": "placebo"}[measure]
                ax.text(
                    0.99,
                    height,
                    f"{said}: none",
                    transform=ax.get_yaxis_transform(),
                    ha="right",
                    va="center",
                    fontsize=4.5,
                    style="italic",
                    color=GREY,
                )
    return ax


def plot_steering(
    effects: pd.DataFrame,
    *,
    averages: pd.DataFrame | None = None,
    published: bool = False,
    source: str = "",
    width: float = FULL_WIDTH,
    columns: int | None = None,
) -> Figure:
    """Plot steering effects with the placebo beside them, a panel a target ranking.

    Parameters
    ----------
    effects : DataFrame
        Columns of ``by_ranking`` of `steering_effects`. With one target, the panel's rows are its target rankings.
    averages : DataFrame, optional
        ``averages`` of `steering_effects`: a first panel with the mean over the target rankings.
    published : bool
        Whether the paper's mean effect is drawn as a dotted line in the panel of the means.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``.
    columns : int, optional
        Panels side by side; default: 1 in a column, 3 across the page.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        Where a table is empty, lacks a column or repeats a row, or `published` is asked for without `averages`.
    """
    require(effects, "effects", columns=_COLUMNS, key=["target", "condition", "target_ranking"])
    if averages is not None:
        require(averages, "averages", columns=_COLUMNS, key=["target", "condition"])
    if published and averages is None:
        raise ValueError("published: found no averages; the paper's number is a mean. Pass averages too.")
    rows = "target" if effects["target"].nunique() > 1 else "target_ranking"
    other = "target_ranking" if rows == "target" else "target"
    order = list(effects[rows].unique())
    panels_of = [(str(name), part) for name, part in effects.groupby(other, sort=False)]
    if averages is not None and rows == "target_ranking":
        panels_of = [(panels_of[0][0], pd.concat([averages.assign(target_ranking=_MEAN), effects]))]
        order = [_MEAN, *order]
    elif averages is not None:
        panels_of = [(_MEAN, averages), *panels_of]
    every = effects if averages is None else pd.concat([averages, effects])
    if columns is None:
        columns = 1 if is_narrow(width) else 3
    columns = min(columns, len(panels_of))
    names = [name.replace("_", " ") for name, _ in panels_of]
    titles, lines = panel_titles(names, (width - _LABELS) / columns)
    marks = len(_MEASURES) * effects["condition"].nunique()
    with use_style():
        figure, panels = panel_grid(
            len(panels_of),
            columns=columns,
            width=width,
            panel_height=0.4 + lines + len(order) * (_PER_ROW + _PER_MARK * marks),
            margins=0.95,
        )
        limits = steering_limits(every)
        for ax, title, (_, part) in zip(panels, titles, panels_of, strict=True):
            of_means = rows == "target_ranking" or part is averages
            draw_steering(part, ax, rows=rows, order=order, limits=limits, published=published and of_means)
            ax.set_title(title, loc="left")
        for ax in bottom_panels(panels):
            ax.set_xlabel("effect (share of headroom)")
        set_title(figure, "What steering gains", source)
        figure.legend(
            handles=_legend_handles(every, published=published, narrow=is_narrow(width)),
            loc="outside lower center",
            ncols=2 if is_narrow(width) else 3,
        )
    return figure


def steering_limits(effects: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis: room for all intervals, within −1 and 1, and always for 0 to 0.5."""
    ends = effects[_COLUMNS].to_numpy(float).ravel()
    ends = ends[~np.isnan(ends)]
    low, high = max(min([*ends, -0.05]), _LEAST), min(max([*ends, 0.5]), _MOST)
    room = 0.03 * (high - low)
    return low - room, high + room


def _legend_handles(effects: pd.DataFrame, *, published: bool, narrow: bool) -> list[Line2D]:
    """Return what the legend explains: steering and placebo in each condition, and the paper's mean."""
    handles = []
    for condition, mark in CONDITION_MARKS.items():
        if effects["condition"].eq(condition).any():
            common: dict = {"color": mark.color, "marker": mark.marker, "markersize": mark.size - 0.6}
            handles.append(Line2D([], [], **common, label=f"steered, {mark.label}"))
            hollow: dict = {"markerfacecolor": "white", "linestyle": (0, (2, 1.2)), "linewidth": 0.9}
            handles.append(Line2D([], [], **common, **hollow, label=f"placebo, {mark.label}"))
    if published:
        said = f"paper's mean: {PUBLISHED_STEERING_EFFECT}\n({PUBLISHED_SOURCE})"
        paper = Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), label=said)
        # legends fill by column: a condition a column, this one in the third or, in two columns, below the first
        handles.insert(len(_MEASURES) if narrow else len(handles), paper)
    return handles
