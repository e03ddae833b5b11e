"""Share of headroom gained: the steering effect without the bias of a ratio over little headroom.

In: for each scenario the share of choices against the target order, before and after. Out: the share of the headroom
gained, with an interval, for one order and pooled over several.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution


@dataclass(frozen=True)
class Effect:
    """Effects; ``low`` is −inf where the headroom itself may be nothing."""

    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def headroom_gained(
    before: NDArray,
    after: NDArray,
    *,
    cluster: NDArray | None = None,
    strata: NDArray | None = None,
    level: float = 0.95,
) -> Effect:
    """Give 1 − (choices against the order after) / (choices against it before).

    Parameters
    ----------
    before, after : ndarray, shape (..., n)
        Share of choices against the order, 0–1, in each scenario with a choice under both; nan rows are left out.
    cluster : ndarray of int, shape (n,), optional
        Scenario of each entry, if several orders are pooled: the entries of a scenario move together.
    strata : ndarray of int, shape (n,), optional
        Value pair of each entry (of each cluster's entries alike): spread between pairs is design, not chance.
    level : float
        Coverage of the interval.

    Notes
    -----
    The plain ratio a/b is off by its headroom's sampling error: E[1/b] > 1/E[b], and choices drawn anew regress to the
    mean. As for capture–recapture (Chapman 1951), (n + 1)/(n₁ + 1) has no such bias; here the part of `after` that goes
    with headroom is divided by b, the rest by b + φ, φ the variance of a share against that of yes or no.
    The interval is Fieller's (1954) of the ratio with its covariance by scenario: ends where after − ratio · before
    differs from 0 by t standard errors.
    """
    ok = ~np.isnan(before + after)
    x, y = np.where(ok, before, 0.0), np.where(ok, after, 0.0)
    n = ok.sum(axis=-1)
    total_x, total_y = x.sum(axis=-1), y.sum(axis=-1)
    cluster = np.arange(x.shape[-1]) if cluster is None else cluster
    sxx, syy, sxy, clusters = _spread(x, y, ok, cluster, strata)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = total_x / n
        phi = sxx / np.maximum(total_x * (1 - rate), 1e-9)
        together = (x * y).sum(axis=-1)
        ratio = together / total_x + (total_y - together) / (total_x + phi)
    quantile = t_distribution.isf((1 - level) / 2, np.maximum(clusters - 1, 1))
    smallest, largest = _fieller(total_y, total_x, syy, sxx, sxy, quantile)
    return Effect(1 - ratio, 1 - largest, 1 - smallest)


def _spread(x: NDArray, y: NDArray, ok: NDArray, cluster: NDArray, strata: NDArray | None) -> tuple:
    """Return variances and covariance of the two sums, clustered and stratified, and the number of clusters."""
    number = int(cluster.max()) + 1
    member = np.zeros((len(cluster), number))
    member[np.arange(len(cluster)), cluster] = 1
    cx, cy, present = x @ member, y @ member, (ok @ member) > 0
    of_cluster = np.zeros(number, dtype=int)
    if strata is not None:
        of_cluster[cluster] = strata
    sums = [0.0, 0.0, 0.0]
    for stratum in np.unique(of_cluster):
        inside = present & (of_cluster == stratum)
        m = inside.sum(axis=-1, keepdims=True)
        means = [(c * inside).sum(axis=-1, keepdims=True) / np.maximum(m, 1) for c in (cx, cy)]
        dx, dy = (np.where(inside, c - mean, 0) for c, mean in zip((cx, cy), means, strict=True))
        factor = (m / np.maximum(m - 1, 1))[..., 0]
        for i, product in enumerate((dx * dx, dy * dy, dx * dy)):
            sums[i] = sums[i] + factor * product.sum(axis=-1)
    return sums[0], sums[1], sums[2], present.sum(axis=-1)


def _fieller(top: NDArray, bottom: NDArray, vtt: NDArray, vbb: NDArray, vtb: NDArray, q: NDArray) -> tuple:
    """Return the ends of Fieller's interval of top/bottom ≥ 0, infinite above where bottom may be 0."""
    a, b, c = bottom**2 - q**2 * vbb, top * bottom - q**2 * vtb, top**2 - q**2 * vtt
    root = np.sqrt(np.maximum(b * b - a * c, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # c / (b + root) is the smaller root, whichever sign a has
        low = np.where((c > 0) & (b > 0), c / (b + root), 0.0)
        return low, np.where(a > 0, (b + root) / a, np.inf)
