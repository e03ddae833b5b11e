"""Bounds: how far the answers without a choice could move a ranking.

In: the choices table. Out: for each value, strength and rank if all answers without a choice in its pairs had gone to
it, and if all had gone against it. Such answers are counted and shown, never guessed; section 3.4 of the paper
(arXiv 2509.25369) leaves them out.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bradley_terry import fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import GROUP
from conflictscope.measure.resampling import count_wins

_DIGITS = 8  # strengths that differ by less differ by rounding alone


def outcome_bounds(choices: pd.DataFrame, values: Sequence[str], *, penalty: float = 0.01) -> pd.DataFrame:
    """Give each value's strength and rank if all answers without a choice had gone to it, and if all against it.

    For each value, only the answers in its own pairs are moved; the others stay out, as in the ranking.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    values : sequence of str
        The value set, at least two, in the order wanted.
    penalty : float
        α of `fit_bradley_terry`; 0 is maximum likelihood.

    Returns
    -------
    DataFrame
        One row for each group and value: ``target``, ``condition``, ``system_prompt``, ``value``, ``choices`` and
        ``without_choice`` (answers in the value's pairs), ``strength``, ``strength_against``, ``strength_for``
        (log-odds, mean 0), ``rank``, ``rank_against``, ``rank_for`` (1 = most preferred; empty where that win graph is
        not strongly connected, strengths then held in place by the penalty, empty where it is 0) and ``rank_holds``
        (the rank is the same both ways; empty where a rank is).

    Raises
    ------
    ValueError
        Where the choices do not fit `values` or a group has more than one judge.
    """
    if len(values) < 2:
        raise ValueError(f"values: found {list(values)}; expected at least two. Pass the study's values.")
    groups, wins = count_wins(choices, values)
    missing = _count_without_choice(choices, groups, values)
    k = len(values)
    own = np.arange(k)
    against, for_it = (np.repeat(wins[:, None], k, axis=1) for _ in range(2))  # (groups, k moved, k, k)
    against[:, own, :, own] += np.moveaxis(missing, 1, 0)
    for_it[:, own, own, :] += missing
    columns: dict[str, NDArray | pd.Series] = {}
    for name, tables in (("", np.repeat(wins[:, None], k, axis=1)), ("_against", against), ("_for", for_it)):
        known = np.asarray(win_graph_connected(tables))
        strengths = np.full(tables.shape[:-1], np.nan)
        fitted = known | (penalty > 0)
        strengths[fitted] = fit_bradley_terry(tables[fitted], penalty).round(_DIGITS) + 0.0
        mine = strengths[:, own, own]
        rank = (strengths > mine[..., None]).sum(axis=2) + 1
        columns[f"strength{name}"] = mine.ravel()
        columns[f"rank{name}"] = pd.Series(rank.ravel(), dtype="Int64").where(known.ravel())
    table = groups.loc[groups.index.repeat(k)].reset_index(drop=True)
    table["value"] = pd.Series(np.tile(np.asarray(values, dtype=object), len(groups)), dtype="str")
    table["choices"] = (wins + np.swapaxes(wins, 1, 2)).sum(axis=2).ravel().astype(int)
    table["without_choice"] = missing.sum(axis=2).ravel().astype(int)
    for part in ("strength", "rank"):
        for bound in ("", "_against", "_for"):
            table[part + bound] = columns[part + bound]
    table["rank_holds"] = (table["rank_against"] == table["rank_for"]).where(table["rank"].notna())
    return table


def _count_without_choice(choices: pd.DataFrame, groups: pd.DataFrame, values: Sequence[str]) -> NDArray:
    """Return, shape (groups, k, k) and symmetric, the answers without a choice in each pair."""
    rest = choices[choices["outcome"].ne("choice")]
    place = pd.Index(values)
    group = pd.MultiIndex.from_frame(groups).get_indexer(pd.MultiIndex.from_frame(rest[GROUP]))
    counts = np.zeros((len(groups), len(place), len(place)))
    np.add.at(counts, (group, place.get_indexer(rest["value_1"]), place.get_indexer(rest["value_2"])), 1)
    return counts + np.swapaxes(counts, 1, 2)
