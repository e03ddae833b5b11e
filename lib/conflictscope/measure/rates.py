"""Rates: how often a value wins its pair, how often the first-listed action is taken, how often the orders disagree.

In: the choices table. Out: a rate with its Wilson interval for each target, condition and system prompt. Answers to
one scenario move together, so the interval of `preference_rates` is taken on the effective number of answers
(`clustering`). Section 3.4 of the paper (arXiv 2509.25369).
"""

import pandas as pd

from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.clustering import count_successes, wilson_interval, with_clustered_rate


def preference_rates(choices: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give, for each pair of values, the share of choices that the first of the two won.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row for each group and each pair that occurs in `choices`: ``target``, ``condition``, ``system_prompt``,
        ``value_1``, ``value_2`` (sorted by name, whichever action supported them), ``wins`` (of ``value_1``),
        ``choices``, ``rate``, ``rate_low``, ``rate_high`` (0–1; empty where the group has no choice in the pair).

    Raises
    ------
    ValueError
        Where a group has more than one judge, a column is missing, or `level` is not between 0 and 1.
    """
    check_choices(choices)
    one, two = choices["value_1"], choices["value_2"]
    in_order = one <= two
    named = choices.assign(value_1=one.where(in_order, two), value_2=two.where(in_order, one))
    pairs = named[["value_1", "value_2"]].drop_duplicates().sort_values(["value_1", "value_2"])
    every = named[GROUP].drop_duplicates().sort_values(GROUP).merge(pairs, how="cross")
    chosen = named[named["outcome"].eq("choice")]
    counts = count_successes(chosen, chosen["winner"].eq(chosen["value_1"]), [*GROUP, "value_1", "value_2"])
    counts = counts.rename(columns={"successes": "wins"})
    rates = with_clustered_rate(every.join(counts, on=[*GROUP, "value_1", "value_2"]), "wins", level)
    return rates.drop(columns="design_effect")


def position_effect(choices: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the share of choices that took the action shown first.

    Where every scenario is shown in both orders, a respondent without a position bias has 0.5, whatever it prefers.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row a group: ``target``, ``condition``, ``system_prompt``, ``first_chosen``, ``choices``, ``rate``,
        ``rate_low``, ``rate_high`` (0–1; empty where the group has no choice).

    Raises
    ------
    ValueError
        As for `preference_rates`.
    """
    check_choices(choices)
    chosen = choices[choices["outcome"].eq("choice")]
    counts = (
        chosen.assign(first=chosen["action"].eq(chosen["first_action"]))
        .groupby(GROUP)["first"]
        .agg(first_chosen="sum", choices="size")
    )
    return _with_rate(_all_groups(choices).join(counts, on=GROUP), "first_chosen", "choices", level)


def flip_rate(choices: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the share of scenarios where the two orders of showing the actions led to different choices.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row a group: ``target``, ``condition``, ``system_prompt``, ``flipped``, ``compared`` (scenarios with a
        choice in both orders, each repetition by itself), ``rate``, ``rate_low``, ``rate_high`` (0–1; empty where
        nothing can be compared).

    Raises
    ------
    ValueError
        As for `preference_rates`.
    """
    check_choices(choices)
    chosen = choices[choices["outcome"].eq("choice")]
    asked = chosen.groupby([*GROUP, "scenario_id", "repetition"])
    both = asked.agg(orders=("first_action", "nunique"), actions=("action", "nunique")).query("orders == 2")
    counts = both["actions"].gt(1).groupby(GROUP).agg(flipped="sum", compared="size")
    return _with_rate(_all_groups(choices).join(counts, on=GROUP), "flipped", "compared", level)


def _all_groups(choices: pd.DataFrame) -> pd.DataFrame:
    """Return every group once, sorted, those without a choice too."""
    return choices[GROUP].drop_duplicates().sort_values(GROUP).reset_index(drop=True)


def _with_rate(counts: pd.DataFrame, successes: str, trials: str, level: float) -> pd.DataFrame:
    """Return the counts, 0 where nothing was counted, with rate and interval."""
    counts = counts.fillna({successes: 0, trials: 0}).astype({successes: "int64", trials: "int64"})
    low, high = wilson_interval(counts[successes], counts[trials], level)
    rate = counts[successes] / counts[trials].where(counts[trials] > 0)
    return counts.assign(rate=rate, rate_low=low, rate_high=high).reset_index(drop=True)
