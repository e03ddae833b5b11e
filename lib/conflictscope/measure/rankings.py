"""Rankings: the strength and rank of each value, with intervals, for each target, condition and arm.

Strengths are Bradley–Terry fits, and tie groups gather the values that the data cannot tell apart. If the data
identify no order, no rank is given.
"""

import string
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings, resample_wins
from conflictscope.measure.bradley_terry import fit_some, win_graph_connected
from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.table_files import check_table


def rank_values(
    choices: pd.DataFrame, values: Sequence[str] | None = None, settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Rank the values by Bradley–Terry strength, for each group.

    Parameters
    ----------
    choices, settings
        As everywhere; ``count_outcomes`` shows the rows that do not count.
    values : sequence of str, optional
        The value set, in the order wanted; default: the values that occur, sorted by name.

    Returns
    -------
    DataFrame
        Columns of the table ``rankings``, one row for each group and value, groups sorted, values in their order.
        ``tie_group`` is a compact letter display: two values share a letter just if the interval of the difference of
        their strengths covers 0; ``a`` goes to the strongest. Each difference is judged by itself, without a correction
        for how many there are. If the win graph is not strongly connected, ``identified`` is False, and ranks, tie
        groups and intervals are empty: the strengths are then held in place by the penalty, which no resampling
        varies, and are empty too if it is 0.

    Raises
    ------
    ValueError
        If the choices do not fit `values`, or the penalty is 0 and a resample has no maximum of the likelihood.
    """
    if values is None:
        check_choices(choices)
        values = sorted({*choices["value_1"], *choices["value_2"]})
    groups, wins, resampled = resample_wins(choices, values, settings)
    identified = np.asarray(win_graph_connected(wins))
    fitted = identified | (settings.penalty > 0)
    strengths, draws = (fit_some(tables, fitted, settings.penalty) for tables in (wins, resampled))
    low, high = np.where(identified[:, None], np.quantile(draws, settings.tails, axis=1), np.nan)
    # a tie within a resample stretches from the best to the worst place that the tied values share
    best = _places(draws, np.greater) + 1
    worst = _places(draws, np.greater_equal)
    rank_low = np.quantile(best, settings.tails[0], axis=1, method="lower")
    rank_high = np.quantile(worst, settings.tails[1], axis=1, method="higher")
    letters = [
        _tie_letters(s, _cannot_tell_apart(d, settings.tails)) if known else [None] * len(values)
        for s, d, known in zip(strengths, draws, identified, strict=True)
    ]
    per_value = groups.loc[groups.index.repeat(len(values))].reset_index(drop=True)
    ranked = np.repeat(identified, len(values))
    table = per_value.assign(
        value=np.tile(np.asarray(values, dtype=object), len(groups)),
        strength=strengths.ravel(),
        strength_low=low.ravel(),
        strength_high=high.ravel(),
        rank=_where(ranked, _places(strengths, np.greater).ravel() + 1),
        rank_low=_where(ranked, rank_low.ravel()),
        rank_high=_where(ranked, rank_high.ravel()),
        tie_group=[letter for group in letters for letter in group],
        choices=(wins + np.swapaxes(wins, 1, 2)).sum(axis=2).ravel().astype(int),
        scenarios=np.repeat(_scenarios_with_choice(choices, groups), len(values)),
        identified=ranked,
    )
    return check_table(table, "rankings")


def _places(strengths: NDArray, compare: np.ufunc) -> NDArray[np.int64]:
    """Return how many values of the set compare so to each value, over the last axis."""
    return compare(strengths[..., None, :], strengths[..., :, None]).sum(axis=-1)


def _where(shown: NDArray, numbers: NDArray) -> pd.Series:
    """Return the numbers as integers, empty if they are not to be shown."""
    return pd.Series(numbers.astype(int), dtype="Int64").where(shown)


def _scenarios_with_choice(choices: pd.DataFrame, groups: pd.DataFrame) -> NDArray[np.int64]:
    """Return for each group the number of scenarios with at least one choice."""
    counts = choices[choices["outcome"].eq("choice")].groupby(GROUP)["scenario_id"].nunique()
    return counts.reindex(pd.MultiIndex.from_frame(groups), fill_value=0).to_numpy()


def _cannot_tell_apart(draws: NDArray, tails: list[float]) -> NDArray[np.bool_]:
    """Return, shape (k, k), where the interval of a difference covers 0; draws have the shape (resamples, k)."""
    low, high = np.quantile(draws[:, :, None] - draws[:, None, :], tails, axis=0)
    return (low <= 0) & (high >= 0)


def _tie_letters(strengths: NDArray, tied: NDArray[np.bool_]) -> list[str]:
    """Return each value's letters: one letter for each largest set of values that are all tied with one another."""
    order = np.argsort(-strengths, kind="stable")
    place = np.argsort(order)
    neighbours = [set(np.flatnonzero(row)) - {i} for i, row in enumerate(tied)]
    groups = sorted(
        _largest_groups(set(), set(range(len(tied))), set(), neighbours), key=lambda g: sorted(place[list(g)])
    )
    names = [*string.ascii_letters, *(f"({n})" for n in range(len(string.ascii_letters), len(groups)))]
    return ["".join(names[n] for n, group in enumerate(groups) if value in group) for value in range(len(tied))]


def _largest_groups(group: set, candidates: set, done: set, neighbours: list[set]) -> list[set]:
    """Return the maximal cliques that hold `group` (Bron and Kerbosch 1973, without pivoting: sets are small)."""
    if not candidates and not done:
        return [group]
    groups = []
    for value in sorted(candidates):
        groups += _largest_groups(group | {value}, candidates & neighbours[value], done & neighbours[value], neighbours)
        candidates, done = candidates - {value}, done | {value}
    return groups
