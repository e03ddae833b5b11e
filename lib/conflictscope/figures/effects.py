"""Figure 7: what else moves choices: position, acting against refraining, template, domain, as small multiples.

In: the tables of `conflictscope.measure.rates.position_effect` and of ``measure.effects``, put into one table by
`gather_effects`. Out: axes with a row a target and a mark a condition; or a figure with a panel for each effect, all
on one scale. Section 4 of the paper (arXiv 2509.25369) looks at values alone.
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
from conflictscope.measure.rates import ALL

_RATES = ["rate", "rate_low", "rate_high"]
_KEY = ["target", "condition", "arm"]
_POSITION = "takes first-listed"
_ACTING = "acts"
_PER_ROW = 0.2  # inches a target
_LABELS = 1.1  # inches that the targets' names take at the left


def gather_effects(
    position: pd.DataFrame, acting: pd.DataFrame, by: pd.DataFrame | None = None, *, arm: str = "default"
) -> pd.DataFrame:
    """Put position, acting and, where given, another column's effects into the one table that the figure shows.

    Parameters
    ----------
    position : DataFrame
        Columns of `position_effect`.
    acting : DataFrame
        Columns of `acting_effect`; without rows where no scenario states an acting side.
    by : DataFrame, optional
        Columns of `effects_by`; its rows with ``measure`` ``acting`` are taken, a panel a category.
    arm : str
        Which rows to take.

    Returns
    -------
    DataFrame
        One row for each panel, target and condition: ``panel`` (its title), ``target``, ``condition``,
        ``arm``, ``choices``, ``rate``, ``rate_low``, ``rate_high`` (0–1; empty where there is no choice).

    Raises
    ------
    ValueError
        Where a column is missing or nothing has that system prompt.
    """
    require(position, "position", columns=[*_RATES, "choices"], key=_KEY)
    parts = [position.assign(panel=_POSITION)]
    if acting.empty and by is None:
        return _of_prompt(parts, arm)
    require(acting, "acting", columns=[*_RATES, "choices"], key=[*_KEY, "structure", "severity"])
    template = (acting["structure"] + ", " + acting["severity"]).str.replace("_", " ")
    template = template.replace("none, none", "no template")
    overall = acting["structure"].eq(ALL) & acting["severity"].eq(ALL)
    acting = acting.assign(panel=(f"{_ACTING}: " + template).where(~overall, f"{_ACTING}, all templates"))
    parts.append(acting)
    if by is not None:
        require(by, "by", columns=[*_RATES, "choices", "by"], key=[*_KEY, "measure", "value_1", "value_2", "category"])
        other = by[by["measure"].eq("acting")]
        parts.append(other.assign(panel=f"{_ACTING}: " + other["category"].str.replace("_", " ")))
    return _of_prompt(parts, arm)


def _of_prompt(parts: list[pd.DataFrame], arm: str) -> pd.DataFrame:
    """Return the panels' rows of one system prompt."""
    together = pd.concat([part[["panel", *_KEY, "choices", *_RATES]] for part in parts], ignore_index=True)
    taken = together[together["arm"].eq(arm)].reset_index(drop=True)
    if taken.empty:
        found = sorted(together["arm"].unique())
        raise ValueError(f"arm: found {arm!r}; expected one of {found}.")
    return taken


def draw_effect(effects: pd.DataFrame, ax: Axes, *, order: Sequence[str] | None = None) -> Axes:
    """Draw one effect: a share for each target and condition, against one half.

    Parameters
    ----------
    effects : DataFrame
        ``target``, ``condition``, ``rate``, ``rate_low``, ``rate_high`` (0–1): one panel of `gather_effects`.
    ax : Axes
        Where to draw.
    order : sequence of str, optional
        The targets from top to bottom; default: as they come.

    Returns
    -------
    Axes
        The same axes. The line at 0.5 is no effect. A target without a choice says so.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, a target occurs twice in a condition, or `order` lacks a target.
    """
    require(effects, "effects", columns=_RATES, key=["target", "condition"])
    order = list(effects["target"].unique()) if order is None else list(order)
    unknown = sorted(set(effects["target"]) - set(order))
    if unknown:
        raise ValueError(f"order: found {order}; expected all targets of the table, {unknown} too.")
    conditions = [condition for condition in CONDITION_MARKS if effects["condition"].eq(condition).any()]
    set_rows(ax, order)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.axvline(0.5, color=PALE, linewidth=0.8, zorder=0.8)
    for place, condition in zip(spread_rows(len(conditions), 0.56), conditions, strict=True):
        mark, part = CONDITION_MARKS[condition], effects[effects["condition"] == condition]
        heights = part["target"].map(order.index).to_numpy(float) + place
        draw_points(
            ax, heights, *[part[name] for name in _RATES], color=mark.color, marker=mark.marker, size=mark.size - 0.8
        )
        for height in heights[np.isnan(part["rate"].to_numpy(float))]:
            ax.text(0.5, height, " no choice", va="center", fontsize=4.5, style="italic", color=GREY)
    return ax


def plot_effects(
    effects: pd.DataFrame, *, source: str = "", width: float = FULL_WIDTH, columns: int | None = None
) -> Figure:
    """Plot what else moves choices, a panel an effect.

    Parameters
    ----------
    effects : DataFrame
        Columns of `gather_effects`, of one system prompt.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches: ``COLUMN_WIDTH`` or ``FULL_WIDTH``.
    columns : int, optional
        Panels side by side; default: 3 across the page, 2 in a column.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, there is more than one system prompt, or a row occurs twice.
    """
    require(effects, "effects", columns=_RATES, key=["panel", "target", "condition"], one=["arm"])
    names, order = list(effects["panel"].unique()), list(effects["target"].unique())
    columns = min(columns or (2 if is_narrow(width) else 3), len(names))
    titles, lines = panel_titles(names, (width - _LABELS) / columns)
    with use_style():
        figure, panels = panel_grid(
            len(names),
            columns=columns,
            width=width,
            panel_height=0.4 + lines + _PER_ROW * len(order),
            margins=0.85,
        )
        for ax, name, title in zip(panels, names, titles, strict=True):
            draw_effect(effects[effects["panel"] == name], ax, order=order)
            ax.set_title(title, loc="left", fontsize="medium")
        for ax in bottom_panels(panels):
            ax.set_xlabel("share of choices")
        set_title(figure, "What else moves choices", source)
        handles = [
            Line2D([], [], color=mark.color, marker=mark.marker, markersize=mark.size - 0.8, label=mark.label)
            for condition, mark in CONDITION_MARKS.items()
            if effects["condition"].eq(condition).any()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
