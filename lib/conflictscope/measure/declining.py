"""Declining: what becomes of a ranking if a model may take neither action, or refuses to help.

In: choices with a third answer and without; what a judge says that refusing amounts to. Out: how often and in which
pairs each target declines, refusals counted as actions, and whether the order of the values holds either way.
"""

from collections.abc import Sequence

import pandas as pd

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP, check_choices, in_name_order
from conflictscope.measure.rankings import compare_orders
from conflictscope.measure.rates import rates_by_pair
from conflictscope.tables import MAY_ABSTAIN

FORCED, FREE = "default", MAY_ABSTAIN
_QUESTION = ["target", "scenario_id", "repetition", "action_shown_first"]
_PAIR = ["value_1", "value_2"]
_ABOUT = ["target", "scenario_id", *_PAIR]


def compare_with_forced(
    choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the question with a third answer to the forced one.

    Parameters
    ----------
    choices, values, settings
        As everywhere; with the arms ``default`` and ``may_abstain`` in multiple choice, in which the outcome
        ``neither`` is the third answer. The level and the seed are used.

    Returns
    -------
    by_target : DataFrame
        One row a target: ``target``, ``asked``, ``abstained`` (answers), ``rate``, ``rate_low``, ``rate_high`` (share
        abstained, 0–1: mean over scenarios), ``same`` (share of questions with a choice in both forms that were chosen
        alike); ``sure`` (orders of two values that are sure if forced), ``kept``, ``unsure``, ``turned``, ``gained``,
        ``tau``: what becomes of these if it may abstain, as in `compare_orders`.
    by_pair : DataFrame
        One row for each target and pair of values that was asked: ``target``, ``value_1``, ``value_2`` (sorted by
        name), ``scenarios``, ``rate``, ``rate_low``, ``rate_high`` (abstained); ``forced`` (share of choices that
        ``value_1`` won if forced, of questions in which the target would have abstained; 0–1, empty if there is none)
        and ``chosen`` (the same of questions in which it chose in the free form, as it chose there).

    Raises
    ------
    ValueError
        If nothing was asked in one of the forms, or the choices do not fit `values`.
    """
    asked = choices[choices["condition"].eq("multiple_choice")]
    if missing := sorted({FORCED, FREE} - {*asked["arm"]}):
        raise ValueError(f"choices: no answers under {missing}; expected both forms. Run notebook 03 with abstain.")
    named = in_name_order(asked)
    free, forced = (named[named["arm"].eq(arm)] for arm in (FREE, FORCED))
    abstained = free["outcome"].eq("neither")
    shares = abstained.astype(float).groupby([free[name] for name in _ABOUT]).mean().rename("share").reset_index()
    rates = rates_by_pair(shares, settings.level)
    won = forced.assign(forced=_won(forced)).set_index(_QUESTION)["forced"]
    both = free.assign(abstained=abstained, chosen=_won(free)).join(won, on=_QUESTION)
    by_pair = rates[rates["value_1"].ne("all")].merge(_means(both, abstained), how="left").reset_index(drop=True)

    each = free.assign(abstained=abstained).groupby("target")["abstained"].agg(asked="size", abstained="sum")
    overall = rates[rates["value_1"].eq("all")].set_index("target")[["rate", "rate_low", "rate_high"]]
    chose_twice = both.dropna(subset=["chosen", "forced"])
    same = chose_twice["chosen"].eq(chose_twice["forced"]).groupby(chose_twice["target"]).mean().rename("same")
    by_target = each.join([overall, same]).reset_index()
    keys = [[(target, "multiple_choice", arm) for target in by_target["target"]] for arm in (FORCED, FREE)]
    return by_target.join(compare_orders((asked, keys[0]), (asked, keys[1]), values, settings)), by_pair


def _won(choices: pd.DataFrame) -> pd.Series:
    """Return 1 where the first value won, 0 where the second did, empty where there is no choice."""
    return choices["winner"].eq(choices["value_1"]).astype(float).where(choices["outcome"].eq("choice"))


def _means(both: pd.DataFrame, abstained: pd.Series) -> pd.DataFrame:
    """Return, for each target and pair, what was chosen if forced and where nothing forced it."""
    by = ["target", *_PAIR]
    forced = both[abstained].groupby(by)["forced"].mean()
    return pd.concat([forced, both.groupby(by)["chosen"].mean()], axis=1).reset_index()


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
