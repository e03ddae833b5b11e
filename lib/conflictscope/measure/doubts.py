"""Doubts: what misread and missing answers could do to an order of values.

In: sums by pair, with a judge's labelled verdicts or the number of missing answers. Out: strengths corrected for the
judge's errors, and tipping points: how often the judge would have to err, or how the missing answers would have to have
gone, for one value not to stand above another.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conflictscope.measure.sandwich import PairSums, Strengths, fit_strengths

_HALVINGS = 12
_PRIOR = 2.0  # labels of the true value's other pairs that count in each pair, so that a rare reading is not 0
_LEAST_USE = 0.05  # of a judge: P(read 1 | 1) − P(read 1 | 2)

Assignment = Callable[[NDArray, NDArray, NDArray, NDArray], PairSums]


def correct_for_judge(sums: PairSums, labels: NDArray) -> Strengths:
    """Fit strengths to what the judge's verdicts stand for, the uncertainty of the labels carried through.

    Parameters
    ----------
    sums : PairSums
        As the judge read the answers.
    labels : ndarray, shape (pairs, 2, 2) or (groups, pairs, 2, 2)
        Counts of labelled verdicts: ``[..., t, r]`` truly for the pair's first (0) or second value (1), read as for
        the first (0) or second (1). Without a group axis, one judge whose errors are the same in all groups.

    Returns
    -------
    Strengths
        nan for groups in which, in some pair, the judge's readings hardly depend on what is true.

    Notes
    -----
    Shares are (ȳ − a) / (s − a), s and a the chances that the judge reads the first value where the first or the second
    is true (Rogan and Gladen 1978, *Am. J. Epidemiology* 107), drawn a little toward the chances that hold for the true
    value in all its pairs. The labels' binomial variance is added by the delta method to that of each pair's share.
    """
    right, wrong, trials = _reading_chances(np.asarray(labels, dtype=float), sums)
    use = right - wrong
    useless = np.broadcast_to((use < _LEAST_USE).any(axis=-1), (len(sums.n),))
    use = np.maximum(use, _LEAST_USE)
    n = np.maximum(sums.n, 1)
    read = sums.y / n
    share = np.clip((read - wrong) / use, 0, 1)
    variance = np.maximum(sums.yy / n - read**2, 0) / use**2
    y = sums.n * share
    fit = fit_strengths(replace(sums, y=y, yy=sums.n * (variance + share**2)))
    of_labels = (
        share**2 * right * (1 - right) / trials[..., 0] + (1 - share) ** 2 * wrong * (1 - wrong) / trials[..., 1]
    ) / use**2
    added = np.einsum("gip,gp,gjp->gij", fit.influence, sums.n**2 * of_labels, fit.influence)
    return replace(
        fit,
        strengths=np.where(useless[:, None], np.nan, fit.strengths),
        covariance=fit.covariance + added,
    )


def judge_tipping_points(sums: PairSums) -> NDArray[np.float64]:
    """Give how large a share of verdicts would have to be wrong, all in favour of one order, for it to fall.

    Returns
    -------
    ndarray, shape (groups, k, k)
        ``[g, i, j]``: "i stands above j unless the judge errs in more than this share of verdicts". 0 where i does not
        stand above j. The errors are of the worst kind: verdicts for i and against j.
    """

    def wrong(g: NDArray, i: NDArray, j: NDArray, share: NDArray) -> PairSums:
        n = sums.n[g]
        too_high = (sums.first == i[:, None]) | (sums.second == j[:, None])
        too_low = (sums.second == i[:, None]) | (sums.first == j[:, None])
        y = np.clip(sums.y[g] + share[:, None] * n * (too_low * 1.0 - too_high), 0, n)
        return replace(sums, n=n, y=y, yy=np.minimum(np.maximum(sums.yy[g], y**2 / np.maximum(n, 1)), y))

    return _tipping(sums, wrong)


def missing_tipping_points(sums: PairSums, missing: NDArray) -> NDArray[np.float64]:
    """Give how large a share of the missing answers would have to have gone against an order for it to fall.

    Parameters
    ----------
    missing : ndarray, shape (groups, pairs)
        Scenarios without a choice.

    Returns
    -------
    ndarray, shape (groups, k, k)
        ``[g, i, j]``: "i stands above j unless more than this share of the answers missing in the pairs of i and of j
        went against i and for j", 0–1; infinite where it stands even so, 0 where i does not stand above j to begin
        with. Answers missing in other pairs are as those given.
    """

    def against(g: NDArray, i: NDArray, j: NDArray, share: NDArray) -> PairSums:
        n, y, yy = sums.n[g], sums.y[g], sums.yy[g]
        one_sided = np.zeros_like(n)  # share of the missing that goes to the pair's first value
        touched = np.zeros(n.shape, dtype=bool)
        for value, won in ((i, 1 - share), (j, share)):
            for side, flipped in ((sums.first, False), (sums.second, True)):
                mine = side == value[:, None]
                one_sided = np.where(mine, (1 - won if flipped else won)[:, None], one_sided)
                touched |= mine
        lost = np.where(touched, missing[g], 0)
        return replace(sums, n=n + lost, y=y + lost * one_sided, yy=yy + lost * one_sided)

    return _tipping(sums, against)


def orders_that_hold(sums: PairSums, missing: NDArray) -> NDArray[np.bool_]:
    """Return, shape (groups, k, k), whether i stands above j however the missing answers went, all pairs at once.

    The worst assignment gives all that is missing to whatever lowers i against j: in the pairs of i and of j that is
    plain; in each other pair it is the side that the strengths' network says (the sign of the difference's derivative),
    taken anew until it no longer changes.
    """
    before = fit_strengths(sums).strengths
    g, i, j = _ordered(sums)
    stands = before[g, i] > before[g, j]
    g, i, j = g[stands], i[stands], j[stands]
    holds = np.zeros((len(sums.n), sums.k, sums.k), dtype=bool)
    to_first = np.full((len(g), len(sums.first)), 0.5)
    open_rows = np.arange(len(g))
    for _ in range(len(sums.first) + 1):
        if not open_rows.size:
            break
        at, one, other = g[open_rows], i[open_rows], j[open_rows]
        gained = missing[at] * to_first[open_rows]
        y, yy = sums.y[at] + gained, sums.yy[at] + gained
        fit = fit_strengths(replace(sums, n=sums.n[at] + missing[at], y=y, yy=yy))
        rows = np.arange(len(at))
        holds[at, one, other] = fit.strengths[rows, one] > fit.strengths[rows, other] + 1e-9
        worst = (fit.influence[rows, one] < fit.influence[rows, other]).astype(float)
        changed = ((worst != to_first[open_rows]) & (missing[at] > 0)).any(axis=1)
        to_first[open_rows] = worst
        # an order that has fallen once has fallen
        open_rows = open_rows[changed & holds[at, one, other]]
    return holds


def _reading_chances(labels: NDArray, sums: PairSums) -> tuple[NDArray, NDArray, NDArray]:
    """Return P(read first | first), P(read first | second) and the labels behind each, by pair."""
    correct = np.stack([labels[..., 0, 0], labels[..., 1, 1]], axis=-1)
    trials = labels.sum(axis=-1)
    value = np.stack([sums.first, sums.second], axis=-1)
    pooled = np.empty(correct.shape)
    everywhere = (correct.sum(axis=(-1, -2)) + 0.5) / (trials.sum(axis=(-1, -2)) + 1)
    for v in range(sums.k):
        of_value = value == v
        mean = ((correct * of_value).sum(axis=(-1, -2)) + everywhere) / ((trials * of_value).sum(axis=(-1, -2)) + 1)
        pooled = np.where(of_value, mean[..., None, None], pooled)
    accuracy = (correct + _PRIOR * pooled) / (trials + _PRIOR)
    return accuracy[..., 0], 1 - accuracy[..., 1], trials + _PRIOR


def _ordered(sums: PairSums) -> tuple[NDArray, NDArray, NDArray]:
    """Return groups and all ordered pairs of values, flat."""
    pairs = np.array([(i, j) for i in range(sums.k) for j in range(sums.k) if i != j])
    g = np.repeat(np.arange(len(sums.n)), len(pairs))
    i, j = np.tile(pairs.T, len(sums.n))
    return g, i, j


def _tipping(sums: PairSums, assign: Assignment) -> NDArray[np.float64]:
    """Return the smallest share at which θ_i ≤ θ_j, by halving; inf where even 1 does not do it."""
    fit = fit_strengths(sums)
    g, i, j = _ordered(sums)
    stands = fit.strengths[g, i] > fit.strengths[g, j]
    g, i, j = g[stands], i[stands], j[stands]
    tips = np.zeros((len(sums.n), sums.k, sums.k))
    if not len(g):
        return tips
    rows = np.arange(len(g))

    def holds(share: NDArray) -> NDArray[np.bool_]:
        theta = fit_strengths(assign(g, i, j, share)).strengths
        return theta[rows, i] > theta[rows, j] + 1e-9

    low, high = np.zeros(len(g)), np.ones(len(g))
    always = holds(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        still = holds(middle)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    tips[g, i, j] = np.where(always, np.inf, (low + high) / 2)
    return tips
