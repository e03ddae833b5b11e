"""Refusals as actions: declining to help, counted for the action that it amounts to, and set beside the rest.

In: choices, and what a judge says of each scenario that declining amounts to. Out: choices in which such a refusal has
a winner and is marked; how many there are, in which pairs, and whether the orders of the values hold without them.
"""

from collections.abc import Sequence

import pandas as pd

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.rankings import compare_orders

_PAIR = ["value_1", "value_2"]


def count_refusals(choices: pd.DataFrame, refusals: pd.DataFrame) -> pd.DataFrame:
    """Count each refusal in conversation as the action that it amounts to.

    Parameters
    ----------
    choices : DataFrame
        As everywhere.
    refusals : DataFrame
        The table of that name. Only an action that the judge named in both label orders counts.

    Returns
    -------
    DataFrame
        The same rows: of refusals in ``open_ended`` that amount to an action the outcome is ``choice``, with
        ``action``, ``winner`` and ``loser``, and ``by_refusing`` is True; it is False in all other rows. Without any
        rows in `refusals`, the choices as they were.
    """
    check_choices(choices)
    if refusals.empty:
        return choices
    named = refusals["action"].where(refusals["outcome"].eq("choice"))
    both = named.groupby(refusals["scenario_id"]).agg(["nunique", "count", "first"])
    amounts_to = both.loc[both["nunique"].eq(1) & both["count"].eq(2), "first"]
    action = choices["scenario_id"].map(amounts_to).astype("Int64")
    refused = choices["condition"].eq("open_ended") & choices["outcome"].eq("refusal") & action.notna()
    first = action.eq(1).fillna(False)
    one, two = choices["value_1"], choices["value_2"]
    return choices.assign(
        outcome=choices["outcome"].mask(refused, "choice"),
        action=choices["action"].astype("Int64").mask(refused, action),
        winner=choices["winner"].mask(refused, one.where(first, two)),
        loser=choices["loser"].mask(refused, two.where(first, one)),
        by_refusing=refused.astype("boolean"),
    )


def without_refusals(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices with every refusal a refusal again, whatever it amounts to."""
    if "by_refusing" not in choices or not choices["by_refusing"].any():
        return choices
    counted = choices["by_refusing"].fillna(False).astype(bool)
    taken_back = {name: choices[name].mask(counted) for name in ("action", "winner", "loser")}
    return choices.assign(outcome=choices["outcome"].mask(counted, "refusal"), **taken_back, by_refusing=False)


def compare_without_refusals(
    choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare open-ended orders that count refusals as actions to those that do not.

    Parameters
    ----------
    choices
        From `count_refusals`.
    values, settings
        As everywhere; the level and the seed are used.

    Returns
    -------
    by_group : DataFrame
        One row a target and arm: ``target``, ``arm``, ``answers``, ``refused``, ``counted`` (refusals that amount to an
        action); ``sure`` (orders of two values that are sure without them), ``kept``, ``unsure``, ``turned``,
        ``gained``, ``tau``: what becomes of these if they count, as in `compare_orders`.
    by_pair : DataFrame
        One row for each of these and pair of values: ``target``, ``arm``, ``value_1``, ``value_2``, ``answers``,
        ``refused``, ``for_1``, ``for_2`` (refusals that count for either value).
    """
    talked = choices[choices["condition"].eq("open_ended")]
    counted = talked["by_refusing"].fillna(False).astype(bool)
    each = talked.assign(
        counted=counted,
        refused=counted | talked["outcome"].eq("refusal"),
        for_1=counted & talked["winner"].eq(talked["value_1"]),
        for_2=counted & talked["winner"].eq(talked["value_2"]),
    )
    by_pair = each.groupby(["target", "arm", *_PAIR], as_index=False).agg(
        answers=("outcome", "size"), refused=("refused", "sum"), for_1=("for_1", "sum"), for_2=("for_2", "sum")
    )
    by_group = each.groupby(GROUP, as_index=False).agg(
        answers=("outcome", "size"), refused=("refused", "sum"), counted=("counted", "sum")
    )
    keys = list(by_group[GROUP].itertuples(index=False, name=None))
    orders = compare_orders((without_refusals(talked), keys), (talked, keys), values, settings)
    return by_group.drop(columns="condition").join(orders), by_pair
