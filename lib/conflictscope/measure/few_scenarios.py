"""Intervals from few scenarios: rates and Cohen's κ whose answers move together, never of width 0.

In: rates by scenario, or confusion tables by scenario. Out: intervals clustered by scenario.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

_PRIOR = 0.25  # of each cell of a confusion table


def rate_interval(rates: NDArray, *, level: float = 0.95) -> tuple[NDArray, NDArray, NDArray]:
    """Give the mean of rates by scenario with Wilson's interval on the effective number of scenarios.

    Parameters
    ----------
    rates : ndarray, shape (..., scenarios)
        Share of successes in each scenario, 0–1 (over orders and repetitions); nan where nothing was counted.

    Returns
    -------
    rate, low, high : ndarray, shape (...)

    Notes
    -----
    The effective number is p (1 − p) over the squared standard error of the mean. One more scenario of yes-or-no
    spread is added to the sum of squares, so that rates which happen to be all alike are not known exactly; quantiles
    are of t.
    """
    ok = ~np.isnan(rates)
    n = ok.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(ok, rates, 0).sum(axis=-1) / n
        binary = rate * (1 - rate)
        squares = np.where(ok, (rates - rate[..., None]) ** 2, 0).sum(axis=-1)
        variance = (squares + binary / n) / np.maximum(n - 1, 1) / n
        effective = np.where(binary > 1e-12, binary / np.where(variance > 0, variance, 1), n)
        q = t_distribution.isf((1 - level) / 2, np.maximum(n - 1, 1))
        centre = (rate + q**2 / (2 * effective)) / (1 + q**2 / effective)
        half = q / (1 + q**2 / effective) * np.sqrt(binary / effective + q**2 / (4 * effective**2))
    return rate, np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def kappa_interval(
    counts: NDArray, *, level: float = 0.95, seed: int = 0, draws: int = 4000, prior: float = _PRIOR
) -> tuple[float, float]:
    """Give a credible interval of Cohen's κ from confusion tables by scenario.

    Parameters
    ----------
    counts : ndarray, shape (scenarios, k, k)
        What either reader took for what. A scenario counts once, whatever the number of its readings.

    Notes
    -----
    The cells are drawn from a Dirichlet distribution of the counts and ¼ a cell: unlike a bootstrap, it leaves open
    what did not happen to occur, so that eight conversations never give an interval of width 0.
    """
    each = counts.sum(axis=(1, 2))
    cells = (counts[each > 0] / each[each > 0, None, None]).sum(axis=0)
    k = len(cells)
    drawn = np.random.default_rng(seed).dirichlet(cells.ravel() + prior, size=draws).reshape(-1, k, k)
    observed = np.trace(drawn, axis1=1, axis2=2)
    expected = (drawn.sum(axis=2) * drawn.sum(axis=1)).sum(axis=1)
    low, high = np.quantile((observed - expected) / (1 - expected), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
