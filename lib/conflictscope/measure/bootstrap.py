"""Resampling: how often each value beat each other, in bootstrap resamples of the scenarios.

In: the choices table. Out: win counts, observed and resampled, for each target, condition and system prompt. Scenarios
are drawn whole, because the answers to one scenario move together, and within their value pair, because the number of
scenarios a pair is the study's design. All groups share the draws, so differences between them are paired.
Section 4 of the paper (arXiv 2509.25369) bootstraps likewise.

Scenario sums: amounts per scenario, added up over bootstrap resamples of the scenarios.

In: one row of amounts for each scenario, and its value pair. Out: the sums over the scenarios drawn, pair by pair.
Scenarios are drawn with replacement within their pair, and every column shares the draws, so whatever is computed
from the sums is paired. ``resampling`` does the same for win counts. Section 4 of the paper (arXiv 2509.25369)
bootstraps likewise.

Scenario shares: what each target chose in each scenario, as one number.

In: the choices table. Out: for each scenario and each target, condition and system prompt the share of its choices
that the first value of the pair won. Several answers to one scenario (both option orders, repetitions) are averaged,
so that every scenario weighs the same. Sections 4 and 5 of the paper (arXiv 2509.25369) compare such choices.

Clustering: how far the answers to one scenario move together.

In: choices, each a success or not. Out: successes and trials by group, with the spread between scenarios, from which
the design effect follows: 1 where answers are as good as independent, 2 where the two option orders always agree. An
interval or a test that takes answers as independent is put right by it. Section 3.4 of the paper (arXiv 2509.25369)
counts answers; scenarios are what is sampled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

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
        ``target``, ``condition``, ``arm``, sorted: one row a group, those without a single choice too.
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


def add_up(amounts: NDArray, pair: NDArray) -> NDArray[np.float64]:
    """Return the sums over the scenarios of each pair, shape (pairs, columns); see `resample_sums`."""
    sums = np.zeros((_count(pair), amounts.shape[1]))
    np.add.at(sums, pair, amounts)
    return sums


def resample_sums(amounts: NDArray, pair: NDArray, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Add up amounts over bootstrap resamples of the scenarios, drawn within each pair.

    Parameters
    ----------
    amounts : ndarray, shape (scenarios, columns)
        What each scenario adds.
    pair : ndarray of int, shape (scenarios,)
        The pair of each scenario, 0, 1, …, each number in use.
    resamples : int
        Number of resamples, at least 1.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray, shape (pairs, resamples, columns)
        Resample r is the same draw of scenarios for every column.

    Raises
    ------
    ValueError
        Where `resamples` is below 1.
    """
    sums = np.empty((_count(pair), resamples, amounts.shape[1]))
    for p, of_pair in enumerate(sums):
        own = amounts[pair == p]
        for rows, weights in draw_weights(len(own), resamples=resamples, seed=seed, stratum=p):
            of_pair[rows] = weights @ own
    return sums


def draw_weights(size: int, *, resamples: int, seed: int, stratum: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield how often each of `size` scenarios was drawn, shape (some resamples, size), a batch of resamples a time.

    The draws depend on the seed, the stratum and its size alone.

    Raises
    ------
    ValueError
        Where `resamples` is below 1.
    """
    if resamples < 1:
        raise ValueError(f"resamples: found {resamples}; expected at least 1.")
    rng = np.random.default_rng([seed, stratum])
    batch = max(1, _DRAWS_AT_ONCE // max(size, 1))
    for start in range(0, resamples, batch):
        n = min(batch, resamples - start)
        drawn = rng.integers(size, size=(n, size)) + size * np.arange(n)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(n, size)
        yield slice(start, start + n), counts.astype(float)


def percentile_interval(draws: NDArray, level: float) -> tuple[float, float, int]:
    """Give the percentile interval of a statistic from its resamples.

    Parameters
    ----------
    draws : ndarray, shape (resamples,)
        The statistic in each resample, nan where it is not defined there.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : float
        Ends of the interval; nan where the statistic is defined in no resample.
    undefined : int
        Resamples in which the statistic is not defined and which the interval leaves out.

    Raises
    ------
    ValueError
        Where `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95.")
    defined = draws[~np.isnan(draws)]
    undefined = len(draws) - len(defined)
    if not len(defined):
        return float("nan"), float("nan"), undefined
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), undefined


def divide(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    """Return the quotient, nan where the denominator is not above 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0)


def _count(pair: NDArray) -> int:
    """Return the number of pairs."""
    return int(pair.max()) + 1 if len(pair) else 0


@dataclass(frozen=True)
class Shares:
    """Shares of choices by scenario and group.

    Attributes
    ----------
    scenarios : DataFrame, index ``scenario_id``, sorted
        ``first``, ``second`` (the pair's two values, sorted by name, whichever action supports them) and ``pair``
        (0, 1, …, in the order of the names).
    groups : DataFrame
        ``target``, ``condition``, ``arm``, sorted: one row a group.
    share : ndarray, shape (scenarios, groups)
        Share of choices that ``first`` won, 0–1; nan where there is no choice.
    asked : ndarray of bool, shape (scenarios, groups)
        Whether there is an answer at all, whatever its outcome.
    """

    scenarios: pd.DataFrame
    groups: pd.DataFrame
    share: NDArray[np.float64]
    asked: NDArray[np.bool_]

    def of(self, target: str, condition: str, arm: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return one group's columns of `share` and `asked`: all nan, and all False, for a group that is not there."""
        column = self._columns.get((target, condition, arm))
        if column is None:
            return np.full(len(self.scenarios), np.nan), np.zeros(len(self.scenarios), dtype=bool)
        return self.share[:, column], self.asked[:, column]

    @cached_property
    def _columns(self) -> dict[tuple[str, str, str], int]:
        """Return group → column."""
        return {group: column for column, group in enumerate(self.groups.itertuples(index=False, name=None))}


def share_choices(choices: pd.DataFrame) -> Shares:
    """Average each group's choices in each scenario.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.

    Returns
    -------
    Shares
        All scenarios and groups that occur, those without a single choice too.

    Raises
    ------
    ValueError
        Where a column is missing, a group has more than one judge, a scenario sets a value against itself, or a
        scenario occurs with two pairs.
    """
    check_choices(choices)
    scenarios = _scenarios(choices)
    groups = choices[GROUP].drop_duplicates().sort_values(GROUP).reset_index(drop=True)
    group = choices.groupby(GROUP).ngroup().to_numpy()
    shape = (len(scenarios), len(groups))
    row = scenarios.index.get_indexer(choices["scenario_id"])
    cell = row * shape[1] + group
    chosen = choices["outcome"].eq("choice").to_numpy()
    first_won = chosen & choices["winner"].eq(scenarios["first"].iloc[row].set_axis(choices.index)).to_numpy(bool)
    count, wins, answers = (
        np.bincount(cell[rows], minlength=shape[0] * shape[1]).reshape(shape)
        for rows in (chosen, first_won, slice(None))
    )
    share = np.divide(wins, count, out=np.full(shape, np.nan), where=count > 0)
    return Shares(scenarios, groups, share, answers > 0)


def _scenarios(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios with their pairs, sorted by id."""
    one, two = choices["value_1"], choices["value_2"]
    if one.eq(two).any():
        scenario = choices.loc[one.eq(two), "scenario_id"].iloc[0]
        raise ValueError(f"choices: scenario {scenario!r} sets a value against itself; expected two different values.")
    in_order = one < two
    named = pd.DataFrame(
        {"scenario_id": choices["scenario_id"], "first": one.where(in_order, two), "second": two.where(in_order, one)}
    )
    scenarios = named.drop_duplicates().sort_values("scenario_id").set_index("scenario_id")
    if scenarios.index.has_duplicates:
        twice = scenarios.index[scenarios.index.duplicated()][0]
        raise ValueError(
            f"choices: scenario {twice!r} occurs with two value pairs; expected one. Gather the choices again."
        )
    return scenarios.assign(pair=scenarios.groupby(["first", "second"]).ngroup())


def count_successes(choices: pd.DataFrame, success: pd.Series, by: list[str]) -> pd.DataFrame:
    """Count successes by group, with what the design effect needs.

    Parameters
    ----------
    choices : DataFrame
        ``scenario_id`` and the columns `by`; every row counts.
    success : Series of bool
        Whether each row is a success; the index of `choices`.
    by : list of str
        Columns that make up a group.

    Returns
    -------
    DataFrame
        Indexed by `by`: ``successes``, ``trials`` (counts), ``scenarios`` (count), ``spread`` (Σ (y − n p)² over the
        scenarios, of y successes in n trials, p the group's rate) and ``largest_spread`` (what ``spread`` / p(1 − p)
        would be if each scenario's answers were all alike: Σ n²).
    """
    each = choices[[*by, "scenario_id"]].assign(success=success.astype(float))
    each = each.groupby([*by, "scenario_id"], observed=True)["success"].agg(y="sum", n="size").reset_index()
    n = each["n"].astype(float)
    sums = (
        each.assign(yy=each["y"] ** 2, yn=each["y"] * n, nn=n**2)
        .groupby(by, observed=True)
        .agg(
            successes=("y", "sum"),
            trials=("n", "sum"),
            scenarios=("n", "size"),
            yy=("yy", "sum"),
            yn=("yn", "sum"),
            largest_spread=("nn", "sum"),
        )
    )
    rate = sums["successes"] / sums["trials"]
    sums["spread"] = (sums["yy"] - 2 * rate * sums["yn"] + rate**2 * sums["largest_spread"]).clip(lower=0)
    return sums.drop(columns=["yy", "yn"]).astype({"successes": "int64", "trials": "int64"})


def design_effect(
    spread: ArrayLike, independent: ArrayLike, largest_spread: ArrayLike, trials: ArrayLike
) -> NDArray[np.float64]:
    """Give the design effect: the variance of a rate against that of as many independent answers.

    Parameters
    ----------
    spread, largest_spread, trials : array_like
        From `count_successes`, or sums of them over the groups that are to share a design effect.
    independent : array_like
        What ``spread`` would be on average if answers were independent: trials × p (1 − p), or sums of it.

    Returns
    -------
    ndarray
        At least 1, so that answers that cancel out make no interval narrower. Where all answers are alike and the data
        say nothing about it, the most that it can be: Σ n² / Σ n. 1 where there are no trials.
    """
    spread, independent = np.asarray(spread, dtype=float), np.asarray(independent, dtype=float)
    varied = independent > 0
    trials = np.maximum(np.asarray(trials, dtype=float), 1)
    most = np.asarray(largest_spread, dtype=float) / trials
    return np.maximum(np.where(varied, spread / np.where(varied, independent, 1), most), 1)


def with_clustered_rate(counts: pd.DataFrame, successes: str, level: float) -> pd.DataFrame:
    """Add a rate with its Wilson interval on the effective number of answers, and the design effect.

    Parameters
    ----------
    counts : DataFrame
        `successes` and the other columns of `count_successes`; empty where nothing was counted.
    successes : str
        Name of the column that holds the successes.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        The counts, 0 where nothing was counted, trials as ``choices``; ``rate``, ``rate_low``, ``rate_high`` (0–1;
        empty where there is no choice) and ``design_effect``.
    """
    counts = counts.rename(columns={"trials": "choices"})
    numbers = [successes, "choices", "spread", "largest_spread"]
    counts[numbers] = counts[numbers].fillna(0)
    trials, won = counts["choices"].astype(float), counts[successes].astype(float)
    rate = won / trials.where(trials > 0)
    effect = design_effect(counts["spread"], (won * (1 - rate)).fillna(0), counts["largest_spread"], trials)
    low, high = wilson_interval(won / effect, trials / effect, level)
    table = counts.drop(columns=["spread", "largest_spread", "scenarios"])
    table = table.astype({successes: "int64", "choices": "int64"})
    return table.assign(rate=rate, rate_low=low, rate_high=high, design_effect=effect).reset_index(drop=True)


def wilson_interval(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[NDArray, NDArray]:
    """Give Wilson's score interval of a proportion (Wilson 1927, *JASA* 22).

    Parameters
    ----------
    successes, trials : array_like
        Counts, of one shape.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        Ends of the interval, 0–1; nan where there are no trials.

    Raises
    ------
    ValueError
        Where `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95.")
    n = np.asarray(trials, dtype=float)
    n = np.where(n > 0, n, np.nan)
    rate = np.asarray(successes, dtype=float) / n
    z = norm.isf((1 - level) / 2)
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
