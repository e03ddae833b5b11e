"""Abstention: what becomes of a ranking if a model may take neither action.

In: choices of both forms of the multiple-choice question, the forced one and the one with a third answer. Out: how
often and in which pairs each target abstains, what it chooses there if forced, and whether the order of its values
holds.
"""

from collections.abc import Sequence

import pandas as pd

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import in_name_order
from conflictscope.measure.rankings import compare_orders
from conflictscope.measure.rates import rates_by_pair
from conflictscope.tables import MAY_ABSTAIN

FORCED, FREE = "default", MAY_ABSTAIN
_QUESTION = ["target", "scenario_id", "repetition", "action_shown_first"]
_ABOUT = ["target", "scenario_id", "value_1", "value_2"]


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
    by = ["target", "value_1", "value_2"]
    forced = both[abstained].groupby(by)["forced"].mean()
    return pd.concat([forced, both.groupby(by)["chosen"].mean()], axis=1).reset_index()
