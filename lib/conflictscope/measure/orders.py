"""Order of values: which stands above which, how surely, and what that leaves open of ranks and of Kendall's τ.

In: strengths with their covariance. Out: intervals of strengths, open at an end that the data do not bound; the
probability of each order of two values; ranks and tie groups from comparisons that hold together; an interval of τ
between two conditions that can hold 1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.sandwich import PairSums, Strengths, dispersion, expit
from conflictscope.measure.scale_shift import largest_of_t

_DRAWS = 10_000
_FAR = 40.0  # log-odds beyond which a bound is taken to be open
_RIDGE = 1e-7  # holds the directions that the data leave open, in a profile that does not depend on them


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

    Where some values only ever win against the rest, the data bound their strengths from below alone and, as strengths
    have mean 0, those of the rest from above alone: the other end is infinite, and the bounded one is that of the
    profile likelihood (Venzon and Moolgavkar 1988), which needs no penalty. Elsewhere it is strength ± t · error.
    A group whose every choice followed the order shown has no bound at all.
    """
    quantile = t_distribution.isf((1 - level) / 2, fit.freedom)[:, None]
    half = quantile * np.sqrt(np.diagonal(fit.covariance, axis1=1, axis2=2))
    low, high = fit.strengths - half, fit.strengths + half
    low[fit.undecided], high[fit.undecided] = -np.inf, np.inf
    known = ~np.isnan(fit.strengths[:, 0]) & ~fit.undecided
    for g in np.flatnonzero(known & ~strongly_connected(sums)):
        for v in range(sums.k):
            for ends, sign in ((low, -1.0), (high, 1.0)):
                ends[g, v] = _profile_bound(sums, int(g), v, sign, fit.strengths[g, v], float(quantile[g, 0]))
    return low, high


def strongly_connected(sums: PairSums) -> NDArray[np.bool_]:
    """Return whether each value can be reached from each other by a chain of wins, shape (groups,)."""
    reached = np.zeros((len(sums.n), sums.k, sums.k), dtype=bool)
    reached[:, np.arange(sums.k), np.arange(sums.k)] = True
    reached[:, sums.first, sums.second] |= sums.y > 1e-9
    reached[:, sums.second, sums.first] |= sums.n - sums.y > 1e-9
    for _ in range(max(1, int(np.ceil(np.log2(sums.k))))):
        reached = reached.astype(np.float32) @ reached.astype(np.float32) > 0
    return np.asarray(reached.all(axis=(1, 2)))


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


def _profile_bound(sums: PairSums, g: int, v: int, sign: float, start: float, quantile: float) -> float:
    """Return one end of the profile-likelihood interval of a strength: ±inf where it is open."""
    n, y = sums.n[g], sums.y[g]
    k = sums.k
    phi = float(dispersion(n[None], y[None], sums.yy[g][None])[0])
    design = np.zeros((len(n), k))
    design[np.arange(len(n)), sums.first], design[np.arange(len(n)), sums.second] = 1, -1
    # strengths of mean 0 with the own one held: own · direction + any vector of `free`
    direction = np.full(k, -1 / (k - 1))
    direction[v] = 1.0
    others = [w for w in range(k) if w != v]
    free = np.zeros((k, k - 2))
    for column, w in enumerate(others[:-1]):
        free[w, column], free[others[-1], column] = 1, -1
    top = _profile(n, y, design, np.zeros(k), np.eye(k)[:, :-1])
    bar = phi * quantile**2 / 2

    def within(own: float) -> bool:
        return top - _profile(n, y, design, own * direction, free) <= bar

    if within(sign * _FAR):
        return sign * np.inf
    inside, outside = _some_inside(within, start, sign), sign * _FAR
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if within(middle) else (inside, middle)
    return inside


def _some_inside(within: Callable[[float], bool], start: float, sign: float) -> float:
    """Return a strength inside the profile interval, from the penalised estimate against the direction of search."""
    own = start
    while not within(own) and abs(own) < _FAR:
        own += 0.5 * np.sign(own if own else -sign)
    return own


def _profile(n: NDArray, y: NDArray, design: NDArray, fixed: NDArray, free: NDArray) -> float:
    """Return the largest log-likelihood over strengths `fixed` + `free` · u."""
    u = np.zeros(free.shape[1])
    offset, slope = design @ fixed, design @ free

    def likelihood(u: NDArray) -> float:
        x = offset + slope @ u
        return float((y * x - n * np.logaddexp(0, x)).sum() - _RIDGE * u @ u / 2)

    value = likelihood(u)
    for _ in range(200):
        if not len(u):
            break
        p = expit(offset + slope @ u)
        gradient = slope.T @ (y - n * p) - _RIDGE * u
        curvature = (slope * (n * p * (1 - p))[:, None]).T @ slope + _RIDGE * np.eye(len(u))
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 4.0 / max(np.abs(step).max(), 1e-300))
        while likelihood(u + step) < value - 1e-12 and np.abs(step).max() > 1e-12:
            step /= 2
        u = u + step
        gained, value = likelihood(u) - value, likelihood(u)
        if gained < 1e-11:
            break
    return value
