"""Resampling: how often each value beat each other, in bootstrap resamples of the scenarios.

In: the choices table. Out: win counts, observed and resampled, for each target, condition and system prompt. Scenarios
are drawn whole, because the answers to one scenario move together, and within their value pair, because the number of
scenarios a pair is the study's design. All groups share the draws, so differences between them are paired.
Section 4 of the paper (arXiv 2509.25369) bootstraps likewise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.choices import GROUP, check_choices

_DRAWS_AT_ONCE = 4_000_000  # bounds the memory of a study of 100,000 scenarios to some 100 MB


@dataclass(frozen=True)
class _PairCounts:
    """One value pair: its two places, and for each of its scenarios and each group how often either value won."""

    first: int
    second: int
    counts: NDArray[np.float64]  # (scenarios of the pair, 2 × groups): wins of the first, then of the second


def count_wins(choices: pd.DataFrame, values: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Count how often each value beat each other.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    values : sequence of str
        The values, in the order of the axes.

    Returns
    -------
    groups : DataFrame
        ``target``, ``condition``, ``system_prompt``, sorted: one row a group, those without a single choice too.
    wins : ndarray, shape (groups, k, k)
        ``wins[g, i, j]`` = times value i beat value j.

    Raises
    ------
    ValueError
        Where a value is not in `values`, a scenario has two pairs, or a group has more than one judge.
    """
    groups, pairs = _counts_by_pair(choices, values)
    wins = np.zeros((len(groups), len(values), len(values)))
    for pair in pairs:
        _add_wins(wins, pair, pair.counts.sum(axis=0))
    return groups, wins


def resample_wins(
    choices: pd.DataFrame, values: Sequence[str], *, resamples: int, seed: int
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Count wins in bootstrap resamples: scenarios drawn with replacement within each value pair.

    A pair's scenarios are all that occur in `choices`, also those where a group has no choice. The draws depend on the
    seed, the pairs and their scenarios, not on the order of rows or on which targets are in the table.

    Parameters
    ----------
    choices, values
        As for `count_wins`.
    resamples : int
        Number of resamples, at least 1.
    seed : int
        Seed of the draws.

    Returns
    -------
    groups : DataFrame
        As from `count_wins`.
    wins : ndarray, shape (groups, resamples, k, k)
        ``wins[g, r, i, j]`` = times value i beat value j in resample r, which is the same draw for every group.

    Raises
    ------
    ValueError
        As for `count_wins`, or where `resamples` is below 1.
    """
    if resamples < 1:
        raise ValueError(f"resamples: found {resamples}; expected at least 1.")
    groups, pairs = _counts_by_pair(choices, values)
    wins = np.zeros((len(groups), resamples, len(values), len(values)))
    for pair in pairs:
        rng = np.random.default_rng([seed, pair.first, pair.second])
        size = len(pair.counts)
        batch = max(1, _DRAWS_AT_ONCE // size)
        for start in range(0, resamples, batch):
            rows = np.arange(min(batch, resamples - start))
            drawn = rng.integers(size, size=(len(rows), size)) + size * rows[:, None]
            weights = np.bincount(drawn.ravel(), minlength=size * len(rows)).reshape(len(rows), size)
            _add_wins(wins[:, start : start + len(rows)], pair, weights.astype(float) @ pair.counts)
    return groups, wins


def _add_wins(wins: NDArray, pair: _PairCounts, totals: NDArray) -> None:
    """Put one pair's totals, shape (..., 2 × groups), into its two cells of the win counts."""
    first_won, second_won = np.split(totals.T, 2)
    wins[..., pair.first, pair.second] = first_won
    wins[..., pair.second, pair.first] = second_won


def _counts_by_pair(choices: pd.DataFrame, values: Sequence[str]) -> tuple[pd.DataFrame, list[_PairCounts]]:
    """Return the groups, and the counts of each pair with its scenarios sorted by id."""
    check_choices(choices)
    place = pd.Index(values)
    if place.has_duplicates:
        raise ValueError(f"values: found {list(values)}; expected each value once.")
    one, two = place.get_indexer(choices["value_1"]), place.get_indexer(choices["value_2"])
    if (np.minimum(one, two) < 0).any():
        unknown = sorted({*choices["value_1"], *choices["value_2"]} - {*values})
        raise ValueError(
            f"choices: unknown values {unknown}; expected some of {list(values)}. Pass the study's values."
        )
    if (one == two).any():
        scenario = choices["scenario_id"].iloc[int((one == two).argmax())]
        raise ValueError(f"choices: scenario {scenario!r} sets a value against itself; expected two different values.")
    first, second = np.minimum(one, two), np.maximum(one, two)
    group = choices.groupby(GROUP).ngroup().to_numpy()
    names = choices[GROUP].iloc[np.unique(group, return_index=True)[1]].reset_index(drop=True)
    scenario, ids = choices["scenario_id"].factorize(sort=True)
    pair_of = np.full(len(ids), -1)
    pair_code = first * len(place) + second
    pair_of[scenario] = pair_code
    if (pair_of[scenario] != pair_code).any():
        twice = ids[scenario[(pair_of[scenario] != pair_code).argmax()]]
        raise ValueError(
            f"choices: scenario {twice!r} occurs with two value pairs; expected one. Gather the choices again."
        )
    chosen = choices["outcome"].eq("choice").to_numpy()
    first_won = place.get_indexer(choices["winner"]) == first
    column = np.where(first_won, group, group + len(names))
    pairs = []
    for code in np.unique(pair_of):
        in_pair = np.flatnonzero(pair_of == code)
        rows = np.flatnonzero(chosen & (pair_code == code))
        cell = np.searchsorted(in_pair, scenario[rows]) * 2 * len(names) + column[rows]
        counts = np.bincount(cell, minlength=len(in_pair) * 2 * len(names)).reshape(len(in_pair), -1)
        pairs.append(_PairCounts(*divmod(int(code), len(place)), counts.astype(float)))
    return names, pairs
