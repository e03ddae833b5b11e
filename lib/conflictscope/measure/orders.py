"""Order of values: which stands above which, how surely, and what that leaves open of ranks and of Kendall's τ.

In: strengths with their covariance. Out: intervals of strengths, open at an end that the data do not bound; the
probability of each order of two values; ranks and tie groups from comparisons that hold together; an interval of τ
between two conditions that can hold 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.sandwich import PairSums, Strengths
from conflictscope.measure.scale_shift import largest_of_t

_DRAWS = 10_000


@dataclass(frozen=True)
class Orders:
    """Comparisons of values, one row a group.

    Attributes
    ----------
    above : ndarray, shape (groups, k, k)
        ``above[g, i, j]`` = probability that value i stands above value j, 0–1: the confidence distribution of the
        difference, as under a flat prior. ½ on the diagonal; nan where nothing is known.
    surely_above : ndarray of bool, shape (groups, k, k)
        Whether i stands above j in comparisons that hold together for all pairs of values.
    rank, rank_low, rank_high : ndarray, shape (groups, k)
        1 = most preferred; the ranks that those comparisons leave open (Mogstad, Romano, Shaikh and Wilhelm 2024,
        *Review of Economic Studies* 91).
    """

    above: NDArray[np.float64]
    surely_above: NDArray[np.bool_]
    rank: NDArray[np.float64]
    rank_low: NDArray[np.float64]
    rank_high: NDArray[np.float64]


def order_values(fit: Strengths, *, level: float = 0.95, seed: int = 0, draws: int = _DRAWS) -> Orders:
    """Compare every value with every other, jointly at `level`."""
    groups, k = fit.strengths.shape
    i, j = np.triu_indices(k, 1)
    known = ~np.isnan(fit.strengths[:, 0]) & ~fit.undecided
    above = np.full((groups, k, k), np.nan)
    sure = np.zeros((groups, k, k), dtype=bool)
    rank = np.full((groups, k), np.nan)
    if known.any():
        theta, covariance, freedom = fit.strengths[known], fit.covariance[known], fit.freedom[known]
        contrast = np.zeros((len(i), k))
        contrast[np.arange(len(i)), i], contrast[np.arange(len(i)), j] = 1, -1
        inner = contrast @ covariance @ contrast.T
        error = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
        t = (theta[:, i] - theta[:, j]) / error
        largest = largest_of_t(inner / error[:, :, None] / error[:, None, :], freedom, draws=draws, seed=seed)
        bar = np.quantile(largest, level, axis=1)[:, None]
        chance, apart = np.full((len(theta), k, k), 0.5), np.zeros((len(theta), k, k), dtype=bool)
        chance[:, i, j] = t_distribution.cdf(t, freedom[:, None])
        chance[:, j, i] = 1 - chance[:, i, j]
        apart[:, i, j], apart[:, j, i] = t > bar, t < -bar
        above[known], sure[known] = chance, apart
        # strengths that differ by rounding alone are tied
        rounded = theta.round(8)
        rank[known] = (rounded[:, None, :] > rounded[:, :, None]).sum(axis=2) + 1
    return Orders(above, sure, rank, 1 + sure.sum(axis=1), k - sure.sum(axis=2))


def strength_intervals(fit: Strengths, sums: PairSums, *, level: float = 0.95) -> tuple[NDArray, NDArray]:
    """Give the interval of each strength, shape (groups, k) each end.

    strength ± t · error. Where some values only ever win against the rest, the data bound their strengths from below
    alone and, as strengths have mean 0, those of the rest from above alone: the other end is infinite. Neither end
    hangs on a penalty that could be chosen. A group whose every choice followed the order shown has no bound at all.
    """
    quantile = t_distribution.isf((1 - level) / 2, fit.freedom)[:, None]
    half = quantile * np.sqrt(np.diagonal(fit.covariance, axis1=1, axis2=2))
    reached = _win_chains(sums)
    open_below = fit.undecided[:, None] | ~reached.all(axis=2)  # some value is never beaten, even by a chain
    open_above = fit.undecided[:, None] | ~reached.all(axis=1)
    low, high = np.where(open_below, -np.inf, fit.strengths - half), np.where(open_above, np.inf, fit.strengths + half)
    unknown = np.isnan(fit.strengths)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def _win_chains(sums: PairSums) -> NDArray[np.bool_]:
    """Return whether value i has beaten value j, itself or by a chain of wins, shape (groups, k, k)."""
    reached = np.zeros((len(sums.n), sums.k, sums.k), dtype=bool)
    reached[:, np.arange(sums.k), np.arange(sums.k)] = True
    reached[:, sums.first, sums.second] |= sums.y > 1e-9
    reached[:, sums.second, sums.first] |= sums.n - sums.y > 1e-9
    for _ in range(max(1, int(np.ceil(np.log2(sums.k))))):
        reached = reached.astype(np.float32) @ reached.astype(np.float32) > 0
    return reached


def kendall_interval(
    strengths: tuple[NDArray, NDArray],
    covariances: tuple[NDArray, NDArray, NDArray],
    freedom: NDArray,
    *,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Give Kendall's τ between the orders of two conditions, with an interval that can hold 1, and P(τ = 1).

    Parameters
    ----------
    strengths, covariances, freedom
        As for `shift_apart_from_scale`.

    Returns
    -------
    tau, low, high, same : ndarray, shape (groups,)
        ``same`` is the share of draws in which both orders are alike.

    Notes
    -----
    Noise can only take agreement away from two like orders, so percentiles of resampled τ never hold 1. The bound away
    from 0 counts the pairs of values whose orders differ (or agree, below 0) beyond doubt, in comparisons that hold
    together; the bound toward 0 is the percentile of draws, which noise draws the same way.
    """
    one, two = strengths
    groups, k = one.shape
    i, j = np.triu_indices(k, 1)
    contrast = np.zeros((len(i), k))
    contrast[np.arange(len(i)), i], contrast[np.arange(len(i)), j] = 1, -1
    v11, v22, v12 = covariances
    joint = np.block([[v11, v12], [np.swapaxes(v12, 1, 2), v22]])
    both = np.concatenate([one, two], axis=1)
    wide = np.block([[contrast, np.zeros_like(contrast)], [np.zeros_like(contrast), contrast]])
    inner = wide @ joint @ wide.T
    error = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
    t = both @ wide.T / error
    largest = largest_of_t(inner / error[:, :, None] / error[:, None, :], freedom, draws=draws, seed=seed)
    bar = np.quantile(largest, level, axis=1)[:, None]
    sure = np.where(np.abs(t) > bar, np.sign(t), 0)
    apart = sure[:, : len(i)] * sure[:, len(i) :]
    most = 1 - 2 * (apart < 0).mean(axis=1)
    least = 2 * (apart > 0).mean(axis=1) - 1
    sign = np.sign((both @ wide.T).round(8))
    tau = (sign[:, : len(i)] * sign[:, len(i) :]).mean(axis=1)
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((draws, 2 * k))
    spread, axes = np.linalg.eigh(joint)
    low, high, same = np.empty(groups), np.empty(groups), np.empty(groups)
    for g in range(groups):
        drawn = both[g] + normal @ (axes[g] * np.sqrt(np.clip(spread[g], 0, None))).T
        drawn_sign = np.sign(drawn @ wide.T)
        drawn_tau = (drawn_sign[:, : len(i)] * drawn_sign[:, len(i) :]).mean(axis=1)
        low[g], high[g] = np.quantile(drawn_tau, [(1 - level) / 2, (1 + level) / 2])
        same[g] = (drawn_tau > 1 - 1e-9).mean()
    return tau, np.where(tau >= 0, low, np.minimum(low, least)), np.where(tau >= 0, np.maximum(high, most), high), same
