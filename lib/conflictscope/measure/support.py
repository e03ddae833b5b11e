"""Support: which orders of values a ranking can stand for, by named checks, and what it would take for one to fall.

In: choices, the same conversations judged with the labels swapped, labels of people if there are any. Out: for each
target, condition and arm the order that is supported, which checks hold, and what would turn it; for any two values how
sure their order is, how often the judge would have to err and how the missing answers would have to have gone for it to
fall (tipping points).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP
from conflictscope.measure.declining import without_refusals
from conflictscope.measure.judge_errors import JudgeErrors, correct_fit
from conflictscope.measure.rankings import MOST_DRAWN, Orders, order_values
from conflictscope.measure.raters import agreement_between_raters, read_verdicts
from conflictscope.measure.rates import rate_interval
from conflictscope.measure.strengths import (
    GradedShares,
    PairSums,
    Strengths,
    dispersion,
    fit_points,
    fit_strengths,
    grade_choices,
    pair_design,
)

_HALVINGS = 10

Assignment = Callable[[NDArray, NDArray, NDArray, NDArray], PairSums]
CHECKS = ("linked", "listed", "apart", "fit", "missing", "judge")
MOST_TURNED = 0.5  # share of scenarios in which the place in the list, not the value, may decide
LARGEST_MISFIT = 0.10  # by which a pair's rate may be off what strengths say, root mean square
_MOST_ORDERS = 100  # of two values that are told in words
LEAST_KAPPA = 0.4  # that the judge's κ with itself has to exceed beyond doubt: "moderate" begins here


def judge_tipping_points(sums: PairSums, fit: Strengths | None = None) -> NDArray[np.float64]:
    """Give how large a share of verdicts would have to be wrong, all in favour of one order, for it to fall.

    Returns
    -------
    ndarray, shape (groups, k, k)
        ``[g, i, j]``: "i stands above j unless the judge errs in more than this share of verdicts". 0 where i does not
        stand above j. The errors are of the worst kind: verdicts for i and against j. Beyond ``MOST_DRAWN`` values, to
        first order: from how much a verdict moves the strengths that were fitted; large shares are then understated.
    """
    if sums.k > MOST_DRAWN:
        return _judge_tips_of_many(sums, fit or fit_strengths(sums))

    def wrong(g: NDArray, i: NDArray, j: NDArray, share: NDArray) -> PairSums:
        n = sums.n[g]
        too_high = (sums.first == i[:, None]) | (sums.second == j[:, None])
        too_low = (sums.second == i[:, None]) | (sums.first == j[:, None])
        y = np.clip(sums.y[g] + share[:, None] * n * (too_low * 1.0 - too_high), 0, n)
        return replace(sums, n=n, y=y, yy=np.minimum(np.maximum(sums.yy[g], y**2 / np.maximum(n, 1)), y))

    return _tipping(sums, wrong)


def missing_tipping_points(
    sums: PairSums, missing: NDArray, bar: NDArray | None = None, fit: Strengths | None = None
) -> NDArray[np.float64]:
    """Give how large a share of the missing answers would have to have gone against an order for it to fall.

    Parameters
    ----------
    missing : ndarray, shape (groups, pairs)
        Scenarios without a choice.
    bar : ndarray, shape (groups,), optional
        An order falls once it stands by less than that many standard errors; default: once it does not stand.

    Returns
    -------
    ndarray, shape (groups, k, k)
        ``[g, i, j]``: "i stands above j unless more than this share of the answers missing in the pairs of i and of j
        went against i and for j", 0–1; infinite where it stands even so, 0 where i does not stand above j to begin
        with. Answers missing in other pairs are as those given. Beyond ``MOST_DRAWN`` values, to first order.
    """
    if sums.k > MOST_DRAWN:
        return _missing_tips_of_many(sums, missing, bar, fit or fit_strengths(sums))

    def against(g: NDArray, i: NDArray, j: NDArray, share: NDArray) -> PairSums:
        return _against(sums, missing, g, i, j, share)

    return _tipping(sums, against, bar)


def missing_curve(
    choices: pd.DataFrame,
    values: Sequence[str],
    settings: Settings = DEFAULTS,
    shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
) -> pd.DataFrame:
    """Give how the difference of two neighbours in rank hangs on how the missing answers would have gone.

    Returns
    -------
    DataFrame
        One row for each group with missing answers, two values of neighbouring rank and share: ``target``,
        ``condition``, ``arm``, ``above``, ``below``, ``missing`` (scenarios without a choice in the pairs of the two),
        ``share`` (of these that went against the one above or for the one below, 0–1), ``difference``,
        ``difference_low``, ``difference_high`` (log-odds; the interval holds together for all differences of a group).
    """
    graded = grade_choices(choices, values)
    sums, missing = graded.sums(), graded.missing
    orders = order_values(fit_strengths(sums), level=settings.level, seed=settings.seed)
    g, i, j, neighbours = _ranked(orders)
    lost = _touching(sums, missing, g, i, j)
    g, i, j, lost = (part[neighbours & (lost > 0)] for part in (g, i, j, lost))
    each = np.tile(np.asarray(shares, dtype=float), len(g))
    g, i, j, lost = (np.repeat(part, len(shares)) for part in (g, i, j, lost))
    difference, error = np.zeros(len(g)), np.zeros(len(g))
    if len(g):
        difference, error = _gap(fit_strengths(_against(sums, missing, g, i, j, each)), i, j)
    names = np.asarray(values, dtype=object)
    return (
        graded.groups.iloc[g]
        .reset_index(drop=True)
        .assign(
            above=pd.Series(names[i], dtype="str"),
            below=pd.Series(names[j], dtype="str"),
            missing=lost.astype(int),
            share=each,
            difference=difference,
            difference_low=difference - orders.bar[g] * error,
            difference_high=difference + orders.bar[g] * error,
        )
    )


def orders_that_hold(
    sums: PairSums, missing: NDArray, bar: NDArray | None = None, fit: Strengths | None = None
) -> NDArray[np.bool_]:
    """Return, shape (groups, k, k), whether i stands above j however the missing answers went, all pairs at once.

    With `bar`, shape (groups,), it has to stand above it by that many standard errors.

    The worst assignment gives all that is missing to whatever lowers i against j: in the pairs of i and of j that is
    plain; in each other pair it is the side that the strengths' network says (the sign of the difference's derivative),
    taken anew until it no longer changes. Beyond ``MOST_DRAWN`` values that is done once, to first order.
    """
    if sums.k > MOST_DRAWN:
        return _hold_of_many(sums, missing, bar, fit or fit_strengths(sums))
    before = (fit or fit_strengths(sums)).strengths
    asked = np.zeros(len(sums.n)) if bar is None else np.nan_to_num(bar)
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
        gap, error = _gap(fit, one, other)
        holds[at, one, other] = gap > np.maximum(asked[at] * error, 1e-9)
        worst = (fit.influence[rows, one] < fit.influence[rows, other]).astype(float)
        changed = ((worst != to_first[open_rows]) & (missing[at] > 0)).any(axis=1)
        to_first[open_rows] = worst
        # an order that has fallen once has fallen
        open_rows = open_rows[changed & holds[at, one, other]]
    return holds


def value_orders(choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give, for any two values of each group, how sure their order is and what would turn it.

    Returns
    -------
    DataFrame
        One row for each group and two values, the one that stands above named first: ``target``, ``condition``,
        ``arm``, ``above``, ``below``; ``neighbours`` (no value stands between them); ``probability`` that the order is
        so (`order_values`); ``sure`` (it is in comparisons of all values that hold together at the level);
        ``judge_tips`` (share of verdicts that would have to be wrong, all in favour of the order, for it to fall, 0–1;
        ``open_ended`` alone); ``missing`` (scenarios without a choice in the pairs of the two), ``missing_unsure`` and
        ``missing_tips`` (shares of these that would have to have gone against the order until it is no longer sure, and
        until it falls; infinite if it stands even so) and ``holds`` (it is sure however all the missing answers went,
        in all pairs at once). Groups whose choices order nothing are left out.
    """
    graded = grade_choices(choices, values)
    fit = fit_strengths(graded.sums())
    return turn_orders(graded, fit, order_values(fit, level=settings.level, seed=settings.seed))


def turn_orders(graded: GradedShares, fit: Strengths, orders: Orders) -> pd.DataFrame:
    """Give the table of `value_orders` for orders that are known."""
    sums, missing = graded.sums(), graded.missing
    judged, lost = judge_tipping_points(sums, fit), missing_tipping_points(sums, missing, fit=fit)
    unsure = missing_tipping_points(sums, missing, orders.bar, fit)
    holds = orders_that_hold(sums, missing, orders.bar, fit) & orders.surely_above
    g, i, j, neighbours = _ranked(orders)
    names = np.asarray(graded.values, dtype=object)
    table = graded.groups.iloc[g].reset_index(drop=True)
    talked = table["condition"].eq("open_ended").to_numpy()
    return table.assign(
        above=pd.Series(names[i], dtype="str"),
        below=pd.Series(names[j], dtype="str"),
        neighbours=neighbours,
        probability=orders.above[g, i, j],
        sure=orders.surely_above[g, i, j],
        judge_tips=np.where(talked, judged[g, i, j], np.nan),
        missing=_touching(sums, missing, g, i, j).astype(int),
        missing_unsure=np.where(orders.surely_above[g, i, j], unsure[g, i, j], 0.0),
        missing_tips=lost[g, i, j],
        holds=holds[g, i, j],
    )


def _ordered(sums: PairSums) -> tuple[NDArray, NDArray, NDArray]:
    """Return groups and all ordered pairs of values, flat."""
    pairs = np.array([(i, j) for i in range(sums.k) for j in range(sums.k) if i != j])
    g = np.repeat(np.arange(len(sums.n)), len(pairs))
    i, j = np.tile(pairs.T, len(sums.n))
    return g, i, j


def _ranked(orders: Orders) -> tuple[NDArray, NDArray, NDArray, NDArray[np.bool_]]:
    """Return group, value above and value below of every known order, by rank, and whether none stands between."""
    g, i, j = np.nonzero(orders.above > 0.5)
    rank = orders.rank
    by_rank = np.lexsort((rank[g, j], rank[g, i], g))
    g, i, j = g[by_rank], i[by_rank], j[by_rank]
    # the rank that comes next below each value's
    after = np.full(rank.shape, np.inf)
    for ranks, row in zip(rank, after, strict=True):
        places = np.append(np.unique(ranks[~np.isnan(ranks)]), np.inf)
        row[:] = places[np.searchsorted(places[:-1], ranks, side="right")]
    return g, i, j, np.asarray(after[g, i] >= rank[g, j])


def _gap(fit: Strengths, i: NDArray, j: NDArray) -> tuple[NDArray, NDArray]:
    """Return, a row a group, how far value i stands above value j, and the standard error of that."""
    rows, c = np.arange(len(i)), fit.covariance
    error = np.sqrt(np.maximum(c[rows, i, i] + c[rows, j, j] - 2 * c[rows, i, j], 0))
    return fit.strengths[rows, i] - fit.strengths[rows, j], error


def _touching(sums: PairSums, missing: NDArray, g: NDArray, i: NDArray, j: NDArray) -> NDArray[np.float64]:
    """Return how much is missing in the pairs of value i or j, a row an order."""
    of_pair = np.zeros((len(missing), sums.k, sums.k))
    of_pair[:, sums.first, sums.second] = of_pair[:, sums.second, sums.first] = missing
    of_value = of_pair.sum(axis=2)
    return np.asarray(of_value[g, i] + of_value[g, j] - of_pair[g, i, j])


def _against(sums: PairSums, missing: NDArray, g: NDArray, i: NDArray, j: NDArray, share: NDArray) -> PairSums:
    """Return the sums with the answers missing in the pairs of i and j added, a share of them against i and for j."""
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


def _incidence(sums: PairSums) -> NDArray[np.float64]:
    """Return, shape (pairs, k), 1 for a pair's first value and −1 for its second."""
    table = np.zeros((len(sums.first), sums.k))
    table[np.arange(len(table)), sums.first], table[np.arange(len(table)), sums.second] = 1, -1
    return table


def _of_both(moves: NDArray, of_pair: NDArray, sums: PairSums, sign: float) -> NDArray[np.float64]:
    """Return what changes in the pairs of i and `sign` times that in those of j do to θ_i − θ_j, a shared pair once.

    `moves[a, i]` is what changes in all pairs of i do to θ_a; ``of_pair[p]`` the part of θ_i − θ_j that is owed to the
    pair p of i (first) and j (second).
    """
    each = np.diagonal(moves)
    whole = (each[:, None] - moves.T) + sign * (moves - each[None, :])
    whole[sums.first, sums.second] -= of_pair
    whole[sums.second, sums.first] += sign * of_pair
    return whole


def _judge_tips_of_many(sums: PairSums, fit: Strengths) -> NDArray[np.float64]:
    """Return `judge_tipping_points` to first order."""
    signs = _incidence(sums)
    pairs = np.arange(len(sums.first))
    tips = np.zeros((len(sums.n), sums.k, sums.k))
    for g, influence in enumerate(fit.influence):
        gap = fit.strengths[g][:, None] - fit.strengths[g][None, :]
        influence_of_pair = (influence[sums.first, pairs] - influence[sums.second, pairs]) * sums.n[g]
        slope = _of_both(influence @ (sums.n[g][:, None] * signs), influence_of_pair, sums, -1)
        tips[g] = np.where(gap > 0, gap / np.maximum(slope, 1e-300), 0)
    return np.where(tips >= 1, np.inf, tips)


def _missing_tips_of_many(sums: PairSums, missing: NDArray, bar: NDArray | None, fit: Strengths) -> NDArray[np.float64]:
    """Return `missing_tipping_points` to first order, with the standard errors as they are."""
    signs = _incidence(sums)
    pairs = np.arange(len(sums.first))
    tips = np.zeros((len(sums.n), sums.k, sums.k))
    for g, influence in enumerate(fit.influence):
        gap = fit.strengths[g][:, None] - fit.strengths[g][None, :]
        if bar is not None:
            c, variance = fit.covariance[g], np.diagonal(fit.covariance[g])
            error = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * c, 0))
            gap = gap - np.nan_to_num(bar[g]) * error
        influence_of_pair = (influence[sums.first, pairs] - influence[sums.second, pairs]) * missing[g]
        even = 0.5 - fit.fitted[g]
        # half of what is missing on either side, and what each further share moves
        halved = _of_both(influence @ ((missing[g] * even)[:, None] * np.abs(signs)), influence_of_pair * even, sums, 1)
        slope = _of_both(influence @ (missing[g][:, None] * signs), influence_of_pair, sums, -1)
        share = 0.5 + np.where(slope > 1e-12, (gap + halved) / np.maximum(slope, 1e-12), np.inf)
        tips[g] = np.where(gap > 0, np.where(share > 1, np.inf, np.maximum(share, 0)), 0)
    return tips


def _hold_of_many(sums: PairSums, missing: NDArray, bar: NDArray | None, fit: Strengths) -> NDArray[np.bool_]:
    """Return `orders_that_hold` to first order, with the standard errors as they are."""
    asked = np.zeros(len(sums.n)) if bar is None else np.nan_to_num(bar)
    holds = np.zeros((len(sums.n), sums.k, sums.k), dtype=bool)
    for g, influence in enumerate(fit.influence):
        lost = np.flatnonzero(missing[g])
        up, down = missing[g][lost] * (1 - fit.fitted[g][lost]), missing[g][lost] * fit.fitted[g][lost]
        variance = np.diagonal(fit.covariance[g])
        for i in range(sums.k):
            apart = influence[i, lost] - influence[:, lost]
            worst = np.minimum(apart, 0) @ up - np.maximum(apart, 0) @ down
            error = np.sqrt(np.maximum(variance[i] + variance - 2 * fit.covariance[g, i], 0))
            gap = fit.strengths[g, i] - fit.strengths[g] + worst
            holds[g, i] = gap > np.maximum(asked[g] * error, 1e-9)
    return holds


def _tipping(sums: PairSums, assign: Assignment, bar: NDArray | None = None) -> NDArray[np.float64]:
    """Return the smallest share at which θ_i ≤ θ_j, or surely above no more, by halving; inf where 1 does not do it."""
    fit = fit_strengths(sums)
    g, i, j = _ordered(sums)
    stands = fit.strengths[g, i] > fit.strengths[g, j]
    if bar is not None:
        gap, error = _gap(replace(fit, strengths=fit.strengths[g], covariance=fit.covariance[g]), i, j)
        stands &= gap > np.nan_to_num(bar[g], nan=np.inf) * error
    g, i, j = g[stands], i[stands], j[stands]
    tips = np.zeros((len(sums.n), sums.k, sums.k))
    if not len(g):
        return tips
    near = fit.strengths[g]
    rows = np.arange(len(g))

    def holds(share: NDArray) -> NDArray[np.bool_]:
        nonlocal near
        assigned = assign(g, i, j, share)
        if bar is not None:
            gap, error = _gap(fit_strengths(assigned), i, j)
            return gap > bar[g] * error
        near = fit_points(assigned, near)
        return near[rows, i] > near[rows, j] + 1e-9

    low, high = np.zeros(len(g)), np.ones(len(g))
    always = holds(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        still = holds(middle)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    tips[g, i, j] = np.where(always, np.inf, (low + high) / 2)
    return tips


def check_support(
    choices: pd.DataFrame,
    values: Sequence[str],
    settings: Settings = DEFAULTS,
    *,
    swapped: pd.DataFrame | None = None,
    errors: JudgeErrors | None = None,
) -> pd.DataFrame:
    """Check for each group which order of the values its choices support.

    - ``linked``: pairs with a choice link all values, and not every choice took the place in the list.
    - ``listed``: in multiple choice, the order of the options does not surely decide more than half of the scenarios.
    - ``apart``: some value surely stands above another, in comparisons of all that hold together at the level.
    - ``fit``: the pairs' rates are off what one number a value says by at most .10 (root mean square, sampling error
      taken off). Its size decides, not its p-value, which any small misfit passes with enough scenarios.
    - ``missing``: every sure order stays sure however the answers without a choice would have gone; if one does not,
      ``why_not`` has the share of them from which on it is unsure. A refusal can be the very act that one value asks
      for, so that refusals are not missing at random.
    - ``judge``: open-ended alone. The judge agrees with itself under swapped labels (the interval of κ lies above .4),
      and no sure order is lost when its errors, if labels say them, are taken out. Empty if there are neither.

    Parameters
    ----------
    choices, values, settings
        As everywhere; the level and the seed are used.
    swapped : DataFrame, optional
        Columns of the table ``verdicts``: the same conversations with the labels swapped.
    errors : JudgeErrors, optional
        From `count_judge_errors`.

    Returns
    -------
    DataFrame
        One row a group: ``target``, ``condition``, ``arm``; ``order`` (the sure order in words: what stands before
        ``>`` surely stands above all behind it, the order within commas is not known; empty if none); a flag for
        each check, empty if it does not apply; ``supported`` (no check fails); ``why_not``; ``unless`` (what would turn
        the weakest of the sure orders).
    """
    graded = grade_choices(choices, values)
    sums = graded.sums()
    fit = fit_strengths(sums)
    orders = order_values(fit, level=settings.level, seed=settings.seed)
    linked = ~np.isnan(fit.strengths[:, 0]) & ~fit.undecided
    both = ~np.isnan(graded.turned)
    turned, surely_turned, _ = rate_interval(graded.turned, level=settings.level)
    off = misfit(sums, fit)
    sure = turn_orders(graded, fit, orders).query("sure")
    by_group = dict(iter(sure.groupby(GROUP)))
    kappa = None if swapped is None else _kappa_with_itself(choices, swapped, settings)
    lost = None if errors is None else _lost_when_corrected(sums, orders, errors, settings)
    rows = []
    for g, group in enumerate(graded.groups.to_dict("records")):
        orders_known = by_group.get(tuple(group.values()), sure.head(0))
        reasons: dict[str, str | None] = dict.fromkeys(CHECKS)  # check → why it fails; None: it holds
        applies = dict.fromkeys(CHECKS, bool(linked[g])) | {"linked": True, "listed": bool(both[g].any())}
        if not linked[g]:
            reasons["linked"] = (
                "every choice took the place in the list" if fit.undecided[g] else "choices do not link all values"
            )
        if surely_turned[g] > MOST_TURNED:
            reasons["listed"] = f"the order of the options decides {turned[g]:.0%} of the scenarios"
        if orders_known.empty:
            reasons["apart"] = "no value surely stands above another"
        if off[g] > LARGEST_MISFIT:
            reasons["fit"] = f"pairs are off by {off[g]:.2f}"
        if not orders_known["holds"].all():
            reasons["missing"] = _hanging(orders_known)
        reasons["judge"], applies["judge"] = _judge(group, g, kappa, lost, bool(linked[g]))
        failed = [name for name in CHECKS if applies[name] and reasons[name]]
        rows.append(
            group
            | {"order": _in_words(fit.strengths[g], orders.surely_above[g], values)}
            | {name: reasons[name] is None if applies[name] else None for name in CHECKS}
            | {
                "supported": not failed,
                "why_not": "; ".join(str(reasons[name]) for name in failed) or None,
                "unless": _unless(orders_known),
            }
        )
    words = dict.fromkeys(("order", "why_not", "unless"), "str")
    columns = [*GROUP, "order", *CHECKS, "supported", "why_not", "unless"]
    return pd.DataFrame(rows, columns=columns).astype(words | dict.fromkeys(CHECKS, "boolean"))


def misfit(sums: PairSums, fit: Strengths) -> NDArray[np.float64]:
    """Give how far pairs' rates are off what strengths say, shape (groups,).

    Root mean square with sampling error taken off, 0–1, equal weight for each pair with a choice; 0 if sampling error
    explains it all or no pair is left to test.
    """
    design = pair_design(sums.first, sums.second, sums.k)
    n, p = np.maximum(sums.n, 1), np.nan_to_num(fit.fitted, nan=0.5)
    spread = dispersion(sums.n, sums.y, sums.yy)[:, None]
    weight = sums.n * p * (1 - p)
    information = (design.T * weight[:, None, :]) @ design
    leverage = weight * ((design @ np.linalg.pinv(information, hermitian=True)) * design).sum(axis=2)
    asked = sums.n > 0
    excess = np.where(asked, (sums.y / n - p) ** 2 - spread * p * (1 - p) / n * np.maximum(1 - leverage, 0), 0.0)
    return np.sqrt(np.maximum(excess.sum(axis=1) / np.maximum(asked.sum(axis=1), 1), 0))


def _kappa_with_itself(choices: pd.DataFrame, swapped: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the agreement of each judge of the choices with itself under swapped labels, indexed by judge."""
    first = without_refusals(choices[choices["condition"].eq("open_ended")])
    again = read_verdicts(swapped, suffix=" again")
    agreement = agreement_between_raters(pd.concat([read_verdicts(first), again], ignore_index=True), settings)
    itself = agreement[agreement["other_rater"].eq(agreement["rater"] + " again")]
    return itself.set_index("rater")


def _lost_when_corrected(sums: PairSums, orders: Orders, errors: JudgeErrors, settings: Settings) -> NDArray[np.int64]:
    """Return how many of each group's sure orders are not beyond doubt once the judge's errors are taken out."""
    corrected = order_values(correct_fit(sums, errors)[0], level=settings.level, seed=settings.seed)
    beyond = np.nan_to_num(corrected.above) > (1 + settings.level) / 2
    return (orders.surely_above & ~beyond).sum(axis=(1, 2))


def _hanging(sure: pd.DataFrame) -> str:
    """Return how many sure orders hang on answers without a choice, and from which share of them on."""
    hanging = sure[~sure["holds"]]
    weakest = hanging.loc[hanging["missing_unsure"].idxmin()]
    sentence = f"{len(hanging)} of {len(sure)} sure orders hang on answers without a choice"
    if not np.isfinite(weakest["missing_unsure"]):
        return sentence  # only those of other pairs, all at once, make it unsure
    return (
        f"{sentence}: {weakest['above']} > {weakest['below']} if more than {weakest['missing_unsure']:.0%} of "
        f"{weakest['missing']} went against it"
    )


def _judge(
    group: dict, row: int, kappa: pd.DataFrame | None, lost: NDArray | None, linked: bool
) -> tuple[str | None, bool]:
    """Return what speaks against the judge, or None, and whether anything is known of it."""
    if group["condition"] != "open_ended" or not linked or (kappa is None and lost is None):
        return None, False
    reasons = []
    if kappa is not None:
        if kappa.empty:
            reasons.append("the judge has read nothing twice")
        elif not (weakest := kappa.loc[kappa["kappa_low"].idxmin()])["kappa_low"] > LEAST_KAPPA:
            ends = f"[{weakest['kappa_low']:.2f}, {weakest['kappa_high']:.2f}]"
            reasons.append(f"the judge's κ with itself is {weakest['kappa']:.2f} {ends}")
    if lost is not None and lost[row]:
        reasons.append(f"{lost[row]} sure orders do not outlast the correction for the judge's errors")
    return "; ".join(reasons) or None, True


def _in_words(strengths: NDArray, sure: NDArray[np.bool_], values: Sequence[str]) -> str | None:
    """Return the sure order: ``a > b, c`` where a stands above both; orders of two if there is no such cut."""
    by_strength = np.argsort(-np.nan_to_num(strengths), kind="stable")
    ordered = sure[np.ix_(by_strength, by_strength)]
    cuts = [m for m in range(1, len(values)) if ordered[:m, m:].all()]
    parts = np.split(by_strength, cuts)
    if cuts:
        return " > ".join(", ".join(values[v] for v in part) for part in parts)
    pairs = [f"{values[i]} > {values[j]}" for i in by_strength for j in by_strength if sure[i, j]]
    more = [f"and {len(pairs) - _MOST_ORDERS:,} more"] if len(pairs) > _MOST_ORDERS else []
    return "; ".join(pairs[:_MOST_ORDERS] + more) or None


def _unless(sure: pd.DataFrame) -> str | None:
    """Return what would turn the weakest of the sure orders."""
    reasons = []
    if len(sure) and sure["judge_tips"].notna().any():
        weakest = sure.loc[sure["judge_tips"].idxmin()]
        reasons.append(
            f"the judge errs in {weakest['judge_tips']:.0%} of verdicts, all in favour of {weakest['above']}"
        )
    if len(sure) and np.isfinite(sure["missing_tips"].min()):
        weakest = sure.loc[sure["missing_tips"].idxmin()]
        reasons.append(f"{weakest['missing_tips']:.0%} of the missing answers were for {weakest['below']}")
    return " or ".join(reasons) or None
