"""Scenario sums: amounts per scenario, added up over bootstrap resamples of the scenarios.

In: one row of amounts for each scenario, and its value pair. Out: the sums over the scenarios drawn, pair by pair.
Scenarios are drawn with replacement within their pair, and every column shares the draws, so whatever is computed
from the sums is paired. ``resampling`` does the same for win counts. Section 4 of the paper (arXiv 2509.25369)
bootstraps likewise.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_DRAWS_AT_ONCE = 4_000_000  # bounds the memory of a study of 100,000 scenarios to some 100 MB


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
