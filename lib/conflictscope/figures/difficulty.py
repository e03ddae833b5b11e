"""Difficulty: how hard the scenarios are, and how many of them each check leaves.

In: tables of ``measure.difficulty`` and `conflictscope.scenarios.filter_funnel`. Out: axes with observed agreement
against Likert difference rate, a mark a variant of the data set beside the published points; axes with a bar a check,
and with the pass rates by template. Section 3.2 of the paper (arXiv 2509.25369), its checks and ablations.
"""

from functools import partial
from itertools import pairwise, product
from operator import itemgetter
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import COLUMN_WIDTH, GREY, PALE, Mark, cycle_colors, use_style
from conflictscope.measure.difficulty import BEHIND, ON_FRONT
from conflictscope.measure.published import (
    PUBLISHED_AUTHORS_SOURCE,
    PUBLISHED_ERROR_TIMES,
    PUBLISHED_SOURCE,
    published_ablations,
    published_authors,
)
from conflictscope.tables import SEVERITIES, STRUCTURES

_COLUMNS = ["agreement", "agreement_low", "agreement_high", "likert", "likert_low", "likert_high"]
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")
_FAINT = 0.35  # of sets behind the front
_FRONT: dict = {"color": "black", "linestyle": "--", "linewidth": 0.8}
_FUNNEL = ["passed", "failed", "undecided", "pass_rate", "left"]
_LOST: dict = {"facecolor": "white", "edgecolor": PALE, "hatch": "//////", "linewidth": 0.5}
_PER_ROW = 0.3  # inches a check
_CLOSE = {"agreement": 0.02, "likert": 0.01}  # of two authors
_SIZE = 3.2  # points of a template's mark


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
    agreement, likert : DataFrame
        Columns of `observed_agreement` and of `likert_difference_rate`.
    condition, arm : str
        Which rows to take; ValueError if there is no such row.

    Returns
    -------
    DataFrame
        One row: ``variant``, ``agreement``, ``agreement_low``, ``agreement_high``, ``likert``, ``likert_low``,
        ``likert_high`` (all 0–1), ``scenarios`` and ``targets`` (behind the agreement).
    """
    panels.require(agreement, "agreement", columns=_COLUMNS[:3], key=["condition", "arm"])
    panels.require(likert, "likert", columns=["rate", "rate_low", "rate_high"], key=["arm"])
    agreed = agreement.query("condition == @condition and arm == @arm")
    rated = likert.query("arm == @arm")
    if agreed.empty or rated.empty:
        raise ValueError(
            f"agreement and likert: found {len(agreed)} and {len(rated)} rows for {condition!r}, {arm!r}; "
            "expected one each. Run notebook 03 with that system prompt, or name another."
        )
    rated = rated.rename(columns={"rate": "likert", "rate_low": "likert_low", "rate_high": "likert_high"})
    joined = agreed.merge(rated[["arm", *_COLUMNS[3:]]], on="arm")
    return joined.assign(variant=variant)[["variant", *_COLUMNS, "scenarios", "targets"]]


def draw_agreement(points: pd.DataFrame, ax: Axes, *, published: bool = True, authors: bool = False) -> Axes:
    """Draw observed agreement against Likert difference rate, with the table's intervals as error bars.

    Names stand beside the marks, unless data sets are compared (``front``). A variant without one of its numbers is not
    drawn but named above the axes. ValueError if there are more than ten variants besides the paper's.

    Parameters
    ----------
    points : DataFrame
        One row a variant: ``variant`` and the numbers with their ends as `agreement_point` gives them. If it has a
        column ``front``, as `measure.mark_front` makes it, the front is drawn as a line through the variants on it, and
        variants behind it are faint.
    published : bool
        Whether the paper's four variants are drawn too, with its published ±, hollow and grey, the same shape for the
        same variant.
    authors : bool
        Whether the eight authors of `published_authors` are drawn too, as small crosses with their names.
    """
    shapes, colors = _looks(points)
    known = points[["agreement", "likert"]].notna().all(axis=1)
    for row in published_ablations().to_dict("records") if published else ():
        _draw_point(ax, row, color=GREY, width=0.8, marker=shapes[row["variant"]], markerfacecolor="white", zorder=3)
    if authors:
        _draw_authors(ax)
    for row in points[known].to_dict("records"):
        alpha = _FAINT if row.get("front") == BEHIND else 1
        look = {"marker": shapes[row["variant"]], "markerfacecolor": colors[row["variant"]], "zorder": 4}
        _draw_point(ax, row, color=colors[row["variant"]], width=1.3, alpha=alpha, **look)
    for row in _named(points[known], published):
        # to the left, where less is: hard sets are agreed on less and rated apart less
        beside: dict = {"xytext": (-4, 3), "textcoords": "offset points", "ha": "right", "fontsize": "small"}
        ax.annotate(row["variant"], (row["agreement"], row["likert"]), color=GREY, parse_math=False, **beside)
    if "front" in points:
        hardest = points[points["front"].eq(ON_FRONT)].sort_values("agreement")
        ax.step(hardest["agreement"], hardest["likert"], where="post", **_FRONT)
    if not known.all():
        words = "no number for " + ", ".join(points.loc[~known, "variant"])
        ax.set_title(words, loc="right", fontsize="x-small", style="italic", color=GREY, parse_math=False)
    ax.grid(True, axis="both")
    ax.margins(0.08)
    ax.set_xlabel("observed agreement (lower = harder)")
    ax.set_ylabel("Likert difference rate")
    return ax


@use_style()
def plot_agreement(
    points: pd.DataFrame,
    *,
    published: bool = True,
    authors: bool = False,
    asked: str = "this study",
    **page: Unpack[Page],
) -> Figure:
    """Plot `draw_agreement` of one data set or of several; the legend calls the points of the table `asked`."""
    (shapes, colors), several = _looks(points), "front" in points
    handles = [panels.legend_mark(f"{asked} (filled)", color=next(iter(colors.values())), marker="|", markersize=5)]
    if several:
        handles.append(panels.legend_mark("Pareto front (sets behind it faint)", **_FRONT))
    if published:
        handles.append(panels.legend_mark(f"paper (hollow): {PUBLISHED_SOURCE}", linewidth=0.8))
        low, high = PUBLISHED_ERROR_TIMES
        handles.append(panels.legend_mark(f"its ± is binomial: true errors {low}–{high} × that", linestyle="none"))
    if authors:
        words = f"authors: {PUBLISHED_AUTHORS_SOURCE}, 320 scenarios, 10 targets"
        handles.append(panels.legend_mark(words, linestyle="none", marker="x", markersize=3, color=GREY))
    drawn = set(points["variant"]) | (set(published_ablations()["variant"]) if published else set())
    for variant in [variant for variant in shapes if several and variant in drawn]:
        look: dict = {"marker": shapes[variant], "markersize": 4.5, "markerfacecolor": "white"}
        handles.append(panels.legend_mark(variant, linestyle="none", color=colors.get(variant, GREY), **look))
    title = "How hard the data sets are" if several else "How hard the data set is"
    draw = {"": partial(draw_agreement, points, published=published, authors=authors)}
    page = Page(title=title, width=COLUMN_WIDTH) | page
    caption = captions.agreement(points, published=published)
    return panels.plot_panels(draw, height=2.6 if several else 2.0, handles=handles, caption=caption, **page)


def _draw_authors(ax: Axes) -> None:
    """Draw the published authors; the name of one that has another close at its right stands at its left."""
    known = published_authors().sort_values("agreement")
    gaps = known[["agreement", "likert"]].diff(-1).abs()
    at_left = False
    for author, is_close in zip(known.itertuples(), (gaps < pd.Series(_CLOSE)).all(axis=1), strict=True):
        at = author.agreement, author.likert
        ax.plot(*at, linestyle="none", marker="x", markersize=3, color=GREY)
        # of three in a row, the second has the first at its left
        at_left = is_close and not at_left
        look: dict = {"xytext": (-3, 2), "ha": "right"} if at_left else {"xytext": (3, 2)}
        look |= {"textcoords": "offset points", "fontsize": "small", "color": GREY, "parse_math": False}
        ax.annotate(author.variant.removeprefix("author "), at, **look)


def _looks(points: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Return variant → marker, the paper's four first, and variant → colour: one a data set if several are compared."""
    panels.require(points, "points", columns=_COLUMNS, key=["variant"])
    names = list(dict.fromkeys([*published_ablations()["variant"], *points["variant"]]))
    if len(names) > len(_MARKERS):
        raise ValueError(
            f"points: found {len(names)} variants, the paper's four among them; expected at most {len(_MARKERS)}, a "
            "shape each. Draw fewer at a time."
        )
    cycle = cycle_colors() if "front" in points else cycle_colors()[:1]
    colors = {variant: cycle[place % len(cycle)] for place, variant in enumerate(points["variant"])}
    return dict(zip(names, _MARKERS, strict=False)), colors


def _named(points: pd.DataFrame, published: bool) -> list[dict]:
    """Return the points whose names stand beside them, from left to right: none if data sets are compared."""
    if "front" in points:
        return []
    named = [*(published_ablations().to_dict("records") if published else ()), *points.to_dict("records")]
    return sorted(named, key=itemgetter("agreement"))


def _draw_point(ax: Axes, row: dict, *, color: str, width: float, alpha: float = 1, **look) -> None:
    """Draw one variant with its error bars."""
    x, y = row["agreement"], row["likert"]
    bar: dict = {"color": color, "linewidth": width, "alpha": alpha}
    ax.hlines(y, row["agreement_low"], row["agreement_high"], **bar)
    ax.vlines(x, row["likert_low"], row["likert_high"], **bar)
    ax.plot(x, y, linestyle="none", markersize=5, color=color, alpha=alpha, **look)


def draw_funnel(funnel: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many scenarios are left after each check of `filter_funnel` and those before it.

    The first bar is all scenarios written; then, for each check, a filled bar is those left, the hatched end those that
    this check took (undecided ones among them). At the right: how many are left, and what share of all decided
    scenarios the check passes by itself, with the number undecided as ``(2?)``. ValueError if the numbers left grow.
    """
    panels.require(funnel, "funnel", columns=_FUNNEL, key=["check"])
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
    for place, ((structure, severity), mark) in zip(panels.spread_rows(len(looks), 0.75), looks.items(), strict=True):
        part = rates[rates["structure"].eq(structure) & rates["severity"].eq(severity)]
        heights = part["check"].map(checks.index) + place
        panels.draw_points(ax, heights, part, "rate", mark, hollow=severity == SEVERITIES[0])
    ax.set_xlabel("share passed")
    return ax


@use_style()
def plot_funnel(funnel: pd.DataFrame, *, rates: pd.DataFrame | None = None, **page: Unpack[Page]) -> Figure:
    """Plot `draw_funnel`; with `rates`, `draw_pass_rates` too, below it in a column, beside it across the page."""
    page = Page(title="What the checks leave", width=COLUMN_WIDTH) | page
    panels.require(funnel, "funnel", columns=_FUNNEL, key=["check"])
    handles: list = [Patch(facecolor=cycle_colors()[0], label="left"), Patch(**_LOST, label="taken by this check")]
    if funnel["undecided"].any():
        handles.append(panels.legend_mark("(2?): undecided", linestyle="none"))
    drawn = {"after each check": partial(draw_funnel, funnel)}
    if rates is not None:
        drawn["by template"] = partial(draw_pass_rates, rates)
        for (_, severity), mark in template_marks(rates).items():
            look: dict = {"color": mark.color, "marker": mark.marker, "markersize": _SIZE + 0.2}
            handles.append(panels.legend_mark(mark.label, hollow=severity == SEVERITIES[0], **look))
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
