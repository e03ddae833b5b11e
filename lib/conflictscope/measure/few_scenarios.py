"""Intervals from few scenarios: rates and Cohen's κ whose answers move together, never of width 0.

In: rates by scenario, or confusion tables by scenario. Out: intervals clustered by scenario.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

_PRIOR = 2.0  # conversations, spread over all cells of a confusion table
_NEXT_TO_NOTHING = 0.02  # of a cell of disagreement, for the upper end


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


def kappa_interval(counts: NDArray, *, level: float = 0.95, seed: int = 0, draws: int = 4000) -> tuple[float, float]:
    """Give a credible interval of Cohen's κ from confusion tables by scenario.

    Parameters
    ----------
    counts : ndarray, shape (scenarios, k, k)
        What either reader took for what. A scenario counts once, whatever the number of its readings.

    Notes
    -----
    The cells are drawn from a Dirichlet distribution of the counts and of what may not have happened to occur: for the
    lower end two conversations spread over all cells, for the upper end over those of agreement. Unlike a bootstrap,
    eight conversations never give an interval of width 0.
    """
    each = counts.sum(axis=(1, 2))
    cells = (counts[each > 0] / each[each > 0, None, None]).sum(axis=0)
    k = len(cells)
    cautious = np.full((k, k), _PRIOR / k**2)
    generous = np.where(np.eye(k, dtype=bool), _PRIOR / k**2, _NEXT_TO_NOTHING)
    low = np.quantile(_draw_kappa(cells + cautious, draws, seed), (1 - level) / 2)
    high = np.quantile(_draw_kappa(cells + generous, draws, seed), (1 + level) / 2)
    seen = np.trace(cells) / cells.sum()
    chance = (cells.sum(axis=1) @ cells.sum(axis=0)) / cells.sum() ** 2
    # what was seen is never left out (as Brown, Cai and DasGupta 2001 do for a rate of 0 or 1)
    here = (seen - chance) / (1 - chance) if chance < 1 - 1e-12 else 1.0
    return float(min(low, here)), float(max(high, here))


def _draw_kappa(cells: NDArray, draws: int, seed: int) -> NDArray[np.float64]:
    """Return draws of κ where the cells have a Dirichlet distribution."""
    drawn = np.random.default_rng(seed).dirichlet(cells.ravel(), size=draws).reshape(-1, *cells.shape)
    observed = np.trace(drawn, axis1=1, axis2=2)
    expected = (drawn.sum(axis=2) * drawn.sum(axis=1)).sum(axis=1)
    return (observed - expected) / (1 - expected)
