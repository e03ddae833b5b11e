"""Figure 5: how hard the data set is: observed agreement against Likert difference rate, beside the published points.

In: a table with a row for each variant of the data set, which `agreement_point` makes from the tables of
``measure.agreement`` and ``measure.scenario_quality``. Out: axes with a mark a variant, and the paper's four. Section
3.2 of the paper (arXiv 2509.25369), its ablations.
"""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from conflictscope.figures.panels import GREY, require, set_title
from conflictscope.figures.style import COLUMN_WIDTH, use_style
from conflictscope.measure.difficulty import BEHIND, ON_FRONT
from conflictscope.measure.published import PUBLISHED_SOURCE, published_ablations

_COLUMNS = ["agreement", "agreement_low", "agreement_high", "likert", "likert_low", "likert_high"]
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")
_FAINT = 0.35  # of sets behind the front


def agreement_point(
    variant: str,
    agreement: pd.DataFrame,
    likert: pd.DataFrame,
    *,
    condition: str = "multiple_choice",
    arm: str = "default",
) -> pd.DataFrame:
    """Join the two measures of one variant of the data set into a row of the figure's table.

    Parameters
    ----------
    variant : str
        ``full``, ``unfiltered``, ``single-stage``, ``direct``, or any other name.
    agreement : DataFrame
        Columns of `observed_agreement`.
    likert : DataFrame
        Columns of `likert_difference_rate`.
    condition, arm : str
        Which rows to take.

    Returns
    -------
    DataFrame
        One row: ``variant``, ``agreement``, ``agreement_low``, ``agreement_high``, ``likert``, ``likert_low``,
        ``likert_high`` (all 0–1), ``scenarios`` and ``targets`` (behind the agreement).

    Raises
    ------
    ValueError
        Where a column is missing or there is no such row.
    """
    require(agreement, "agreement", columns=_COLUMNS[:3], key=["condition", "arm"])
    require(likert, "likert", columns=["rate", "rate_low", "rate_high"], key=["arm"])
    one = agreement.query("condition == @condition and arm == @arm")
    other = likert.query("arm == @arm")
    if one.empty or other.empty:
        raise ValueError(
            f"agreement and likert: found {len(one)} and {len(other)} rows for {condition!r}, {arm!r}; "
            "expected one each. Run notebook 03 with that system prompt, or name another."
        )
    rated = other.rename(columns={"rate": "likert", "rate_low": "likert_low", "rate_high": "likert_high"})
    joined = one.merge(rated[["arm", *_COLUMNS[3:]]], on="arm")
    return joined.assign(variant=variant)[["variant", *_COLUMNS, "scenarios", "targets"]]


def draw_agreement(points: pd.DataFrame, ax: Axes, *, published: bool = True) -> Axes:
    """Draw observed agreement against Likert difference rate.

    Parameters
    ----------
    points : DataFrame
        One row a variant: ``variant`` and the numbers with their ends as `agreement_point` gives them. Where it has a
        column ``front``, as `measure.mark_front` makes it, the front is drawn as a line through the variants on it, and
        variants behind it are faint.
    ax : Axes
        Where to draw.
    published : bool
        Whether the paper's four variants are drawn too, hollow and grey, the same shape for the same variant.

    Returns
    -------
    Axes
        The same axes. Error bars are the table's intervals, and for the paper its published ±. A variant without one
        of its numbers is not drawn but named below the axes' title.

    Raises
    ------
    ValueError
        Where a column is missing, the table is empty, a variant occurs twice or there are more than ten
        besides the paper's.
    """
    _require(points)
    shapes = _shapes(points)
    if published:
        for row in published_ablations().to_dict("records"):
            _draw_point(ax, row, shapes[row["variant"]], color=GREY, hollow=True)
    colors = _colors(points)
    known = points[["agreement", "likert"]].notna().all(axis=1)
    for row in points[known].to_dict("records"):
        alpha = _FAINT if row.get("front") == BEHIND else 1
        _draw_point(ax, row, shapes[row["variant"]], color=colors[row["variant"]], hollow=False, alpha=alpha)
    if "front" in points:
        hardest = points[points["front"].eq(ON_FRONT)].sort_values("agreement")
        ax.step(hardest["agreement"], hardest["likert"], where="post", color="black", linestyle="--", linewidth=0.8)
    if not known.all():
        said = "no number for " + ", ".join(points.loc[~known, "variant"])
        ax.set_title(said, loc="right", fontsize="x-small", style="italic", color=GREY)
    ax.grid(True, axis="both")
    ax.margins(0.08)
    ax.set_xlabel("observed agreement (lower = harder)")
    ax.set_ylabel("Likert difference rate")
    return ax


def plot_agreement(
    points: pd.DataFrame,
    *,
    published: bool = True,
    source: str = "",
    width: float = COLUMN_WIDTH,
    asked: str = "this study",
) -> Figure:
    """Plot how hard the data set is, or several are, with the published points.

    Parameters
    ----------
    points : DataFrame
        As for `draw_agreement`.
    published : bool
        Whether the paper's variants are drawn too.
    source : str
        What the results rest on, ``simulated models`` for instance; put into the title.
    width : float
        Width in inches.
    asked : str
        What the legend calls the points of the table.

    Returns
    -------
    Figure
        Not saved; `save_figure` does that.

    Raises
    ------
    ValueError
        As for `draw_agreement`.
    """
    _require(points)
    with use_style():
        several = "front" in points
        figure, ax = plt.subplots(figsize=(width, 3.6 if several else 2.9))
        draw_agreement(points, ax, published=published)
        set_title(figure, "How hard the data sets are" if several else "How hard the data set is", source)
        colors = _colors(points)
        color = next(iter(colors.values()))
        handles = [Line2D([], [], color=color, marker="|", markersize=5, linewidth=1.3, label=f"{asked} (filled)")]
        if several:
            handles.append(
                Line2D(
                    [], [], color="black", linestyle="--", linewidth=0.8, label="Pareto front (sets behind it faint)"
                )
            )
        if published:
            handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=f"paper (hollow): {PUBLISHED_SOURCE}, HHH"))
        drawn = set(points["variant"]) | (set(published_ablations()["variant"]) if published else set())
        for variant, marker in _shapes(points).items():
            if variant in drawn:
                shape = Line2D([], [], linestyle="none", marker=marker, markersize=4.5, color=GREY, label=variant)
                shape.set_markerfacecolor("white")
                if several and variant in colors:
                    shape.set_color(colors[variant])
                handles.append(shape)
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if width <= COLUMN_WIDTH else 4)
    return figure


def _require(points: pd.DataFrame) -> None:
    """Raise unless the table can be drawn."""
    require(points, "points", columns=_COLUMNS, key=["variant"])
    if len(_shapes(points)) > len(_MARKERS):
        raise ValueError(
            f"points: found {len(_shapes(points))} variants, the paper's four among them; expected at most "
            f"{len(_MARKERS)}, a shape each. Draw fewer at a time."
        )


def _shapes(points: pd.DataFrame) -> dict[str, str]:
    """Return variant → marker: the paper's four first, then the table's others."""
    names: Sequence[str] = list(dict.fromkeys([*published_ablations()["variant"], *points["variant"]]))
    return dict(zip(names, [*_MARKERS, *[""] * len(names)], strict=False))


def _colors(points: pd.DataFrame) -> dict[str, str]:
    """Return variant → colour: one for all variants of a study, one each where data sets are compared."""
    cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    turn = len(cycle) if "front" in points else 1
    return {variant: cycle[place % turn] for place, variant in enumerate(points["variant"])}


def _draw_point(ax: Axes, row: dict, marker: str, *, color: str, hollow: bool, alpha: float = 1) -> None:
    """Draw one variant with its error bars."""
    x, y, width = row["agreement"], row["likert"], 0.8 if hollow else 1.3
    ax.hlines(y, row["agreement_low"], row["agreement_high"], color=color, linewidth=width, alpha=alpha)
    ax.vlines(x, row["likert_low"], row["likert_high"], color=color, linewidth=width, alpha=alpha)
    ax.plot(
        x,
        y,
        linestyle="none",
        marker=marker,
        markersize=5,
        color=color,
        alpha=alpha,
        markerfacecolor="white" if hollow else color,
        zorder=3 if hollow else 4,
    )
