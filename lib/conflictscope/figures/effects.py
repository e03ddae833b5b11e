"""Effects: what else moves choices: position, acting against refraining, template, domain, as small multiples.

In: the tables of `position_effect`, `acting_effect` and `effects_by` of ``measure.rates``, put into one by
`gather_effects`. Out: axes with a row a target and a mark a condition, or a figure with a panel an effect.
"""

from collections.abc import Sequence
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conflictscope.figures import captions, panels
from conflictscope.figures.panels import Page
from conflictscope.figures.style import use_style
from conflictscope.measure.rates import ALL

_RATES = ["rate", "rate_low", "rate_high"]
_KEY = ["target", "condition", "arm"]
_PER_ROW, _PER_LINE = 0.19, 0.12  # inches a target, and each further line of its name
_FEWEST = 5  # choices of the row with most, below which a panel shows nothing but its interval
_SMALLER = 0.8  # points by which marks are smaller than in the rankings


def gather_effects(
    position: pd.DataFrame, acting: pd.DataFrame, by: pd.DataFrame | None = None, *, arm: str = "default"
) -> pd.DataFrame:
    """Put position, acting and, if given, another column's effects into the one table that the figure shows.

    Parameters
    ----------
    position, acting : DataFrame
        Columns of `position_effect` and `acting_effect`; no acting rows if no scenario states an acting side.
    by : DataFrame, optional
        Columns of `effects_by`; its rows with ``measure`` ``acting`` are taken, a panel a category.
    arm : str
        Which rows to take; ValueError if there are none.

    Returns
    -------
    DataFrame
        One row for each panel, target and condition: ``panel`` (its title), ``target``, ``condition``,
        ``arm``, ``choices``, ``rate``, ``rate_low``, ``rate_high`` (0–1; empty if there is no choice).
    """
    columns = [*_RATES, "choices"]
    panels.require(position, "position", columns=columns, key=_KEY)
    parts = [position.assign(panel="takes first-listed")]
    if not acting.empty or by is not None:
        panels.require(acting, "acting", columns=columns, key=[*_KEY, "structure", "severity"])
        template = (acting["structure"] + ", " + acting["severity"]).str.replace("_", " ")
        template = template.replace("none, none", "no template")
        overall = acting["structure"].eq(ALL) & acting["severity"].eq(ALL)
        parts.append(acting.assign(panel=("acts: " + template).where(~overall, "acts, all templates")))
    if by is not None:
        key = [*_KEY, "measure", "value_1", "value_2", "category"]
        panels.require(by, "by", columns=[*columns, "by"], key=key)
        other = by[by["measure"].eq("acting")]
        parts.append(other.assign(panel="acts: " + other["category"].str.replace("_", " ")))
    together = pd.concat([part[["panel", *_KEY, "choices", *_RATES]] for part in parts], ignore_index=True)
    taken = together[together["arm"].eq(arm)].reset_index(drop=True)
    if taken.empty:
        raise ValueError(f"arm: found {arm!r}; expected one of {sorted(together['arm'].unique())}.")
    return taken


def draw_effect(effects: pd.DataFrame, ax: Axes, *, order: Sequence[str] | None = None) -> Axes:
    """Draw one effect, one panel of `gather_effects`: a share for each target and condition, against one half.

    The line at 0.5 is no effect; a row says so if a target has no choice. `order` has the targets from top to bottom
    (default: as they come); one that the panel lacks keeps an empty row.
    """
    panels.require(effects, "effects", columns=_RATES, key=["target", "condition"])
    panels.order_rows(effects["target"], order)
    order = order or list(effects["target"].unique())
    panels.set_rows(ax, order)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    panels.draw_zero(ax, 0.5)
    for mark, number, part, heights in panels.condition_rows(effects, "target", order, numbers=["rate"], height=0.56):
        panels.draw_points(ax, heights, part, number, mark, smaller=_SMALLER, missing="no choice")
    return ax


@use_style()
def plot_effects(effects: pd.DataFrame, **page: Unpack[Page]) -> Figure:
    """Plot `draw_effect` of the table of `gather_effects`, a panel an effect.

    A panel's title says on how many choices a row rests, fewest to most (n). Panels in which no row has five choices
    are named in the legend instead, unless there are no others.
    """
    panels.require(effects, "effects", columns=[*_RATES, "choices"], key=["panel", "target", "condition"], one=["arm"])
    order = list(effects["target"].unique())
    most = effects.groupby("panel", sort=False)["choices"].max()
    thin = [name for name, choices in most.items() if choices < _FEWEST <= most.max()]
    effects = effects[~effects["panel"].isin(thin)]
    handles = panels.condition_handles(effects, smaller=_SMALLER)
    if thin:
        named = ", ".join(name.removeprefix("acts: ") for name in thin)
        handles.append(panels.legend_mark(f"fewer than {_FEWEST} choices, not drawn: {named}", linestyle="none"))
    rests_on = {}
    for name, choices in effects.groupby("panel", sort=False)["choices"]:
        least, most = int(choices.min()), int(choices.max())
        rests_on[name] = f"{name}, n={least}" + (f"–{most}" if most > least else "")
    return panels.plot_panels(
        panels.panels_by(effects.assign(panel=effects["panel"].map(rests_on)), "panel", draw_effect, order=order),
        height=(_PER_ROW + _PER_LINE * (panels.row_lines(order) - 1)) * len(order),
        handles=handles,
        xlabel="share of choices",
        caption=captions.effects(effects),
        at_least=3,
        labels=1.1,
        **(Page(title="What else moves choices") | page),
    )
