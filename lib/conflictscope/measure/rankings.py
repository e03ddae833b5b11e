"""Rankings: the strength and rank of each value, with intervals, for each target, condition and arm.

In: choices. Out: strengths with closed-form intervals, open at an end that the data do not bound; the ranks that
comparisons of all values, holding together, leave open; letters for values that cannot be told apart; and beside them
the paper's penalised fit.
"""

import functools
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import studentized_range
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings, count_wins, places_of
from conflictscope.measure.bradley_terry import DIGITS, fit_some, win_graph_connected
from conflictscope.measure.choices import check_choices, number_groups
from conflictscope.measure.strengths import (
    DRAWS,
    PairSums,
    Strengths,
    fit_strengths,
    grade_choices,
    largest_of_t,
    relative_weights,
)
from conflictscope.table_files import check_table


def rank_values(
    choices: pd.DataFrame, values: Sequence[str] | None = None, settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Rank the values by Bradley–Terry strength, for each group.

    Parameters
    ----------
    choices, settings
        As everywhere; ``count_outcomes`` shows the rows that do not count. The penalty is that of `paper_strength`, the
        seed that of the draws behind ranks and letters; there are no resamples. Where choices have a ``weight``
        (`choices_as_read`), each counts by it and intervals are as wide as those of as many evenly drawn scenarios as
        the weights leave (Kish 1965, *Survey Sampling*); equal weights change nothing.
    values : sequence of str, optional
        The value set, in the order wanted; default: the values that occur, sorted by name.

    Returns
    -------
    DataFrame
        Columns of the table ``rankings``, one row for each group and value, groups sorted, values in their order.
        ``strength`` is that of `fit_strengths`, its ends those of `strength_intervals`: infinite where the data set no
        bound. Ranks are those of `order_values`. ``tie_group`` is a compact letter display: two values share a letter
        unless one surely stands above the other, in comparisons of all values that hold together at the level; ``a``
        goes to the strongest; beyond ``MOST_DRAWN`` values it numbers the runs of ranks in which all are tied.
        ``paper_strength`` is the fit of `fit_bradley_terry` to single answers, finite by its
        penalty alone if the win graph is not strongly connected; empty then if the penalty is 0. A group whose choices
        order nothing has ``identified`` False and neither strengths nor ranks: pairs with a choice do not link all
        values, or every choice took the place in the list and not the value.

    Raises
    ------
    ValueError
        If the choices do not fit `values`.
    """
    if values is None:
        check_choices(choices)
        values = sorted({*choices["value_1"], *choices["value_2"]})
    graded = grade_choices(choices, values)
    sums = graded.weighted_sums()
    fit = fit_strengths(sums)
    known = ~np.isnan(fit.strengths[:, 0]) & ~fit.undecided
    low, high = strength_intervals(fit, sums, level=settings.level)
    orders = order_values(fit, level=settings.level, seed=settings.seed)
    letters = [
        _tie_letters(s, ~(sure | sure.T)) if ranked else [None] * len(values)
        for s, sure, ranked in zip(fit.strengths, orders.surely_above, known, strict=True)
    ]
    _, wins = count_wins(choices, values)
    has_fit = np.asarray(win_graph_connected(wins)) | (settings.penalty > 0) & wins.any(axis=(1, 2))
    per_value = graded.groups.loc[graded.groups.index.repeat(len(values))].reset_index(drop=True)
    shown = np.repeat(known, len(values))
    table = per_value.assign(
        value=np.tile(np.asarray(values, dtype=object), len(known)),
        strength=np.where(shown, fit.strengths.ravel().round(DIGITS) + 0.0, np.nan),
        strength_low=np.where(shown, low.ravel(), np.nan),
        strength_high=np.where(shown, high.ravel(), np.nan),
        rank=_where(shown, orders.rank),
        rank_low=_where(shown, orders.rank_low),
        rank_high=_where(shown, orders.rank_high),
        tie_group=[letter for group in letters for letter in group],
        paper_strength=fit_some(_weigh_wins(wins, choices, values), has_fit, settings.penalty).ravel(),
        choices=(wins + np.swapaxes(wins, 1, 2)).sum(axis=2).ravel().round().astype(int),
        scenarios=np.repeat(graded.sums().n.sum(axis=1).astype(int), len(values)),
        identified=shown,
    )
    return check_table(table, "rankings")


def _weigh_wins(wins: NDArray, choices: pd.DataFrame, values: Sequence[str]) -> NDArray[np.float64]:
    """Return the wins of each group by the weights of its choices, their sum that of the evenly drawn ones."""
    if "weight" not in choices.columns:
        return wins
    chosen = choices["outcome"].eq("choice").to_numpy(bool)
    _, group = number_groups(choices)
    weight = pd.Series(relative_weights(choices, group)[chosen])
    of_group = weight.groupby(group[chosen])
    weight = weight * of_group.transform("sum") / (weight**2).groupby(group[chosen]).transform("sum")
    winner, loser = (places_of(choices[side], pd.Index(values))[chosen] for side in ("winner", "loser"))
    weighed = np.zeros_like(wins)
    np.add.at(weighed, (group[chosen], winner, loser), weight.to_numpy())
    return weighed


MOST_DRAWN = 40
"""Values of a set up to which all comparisons are drawn jointly; beyond it the bar is Tukey's, which is wider."""


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
    bar : ndarray, shape (groups,)
        The standard errors that such a comparison asks for.
    rank, rank_low, rank_high : ndarray, shape (groups, k)
        1 = most preferred; the ranks that those comparisons leave open (Mogstad, Romano, Shaikh and Wilhelm 2024,
        *Review of Economic Studies* 91).
    """

    above: NDArray[np.float64]
    surely_above: NDArray[np.bool_]
    bar: NDArray[np.float64]
    rank: NDArray[np.float64]
    rank_low: NDArray[np.float64]
    rank_high: NDArray[np.float64]


def order_values(fit: Strengths, *, level: float = 0.95, seed: int = 0, draws: int = DRAWS) -> Orders:
    """Compare every value with every other, jointly at `level`.

    Up to ``MOST_DRAWN`` values by the largest of correlated t statistics, beyond by the studentised range (Tukey and
    Kramer), which holds whatever the correlations.
    """
    groups, k = fit.strengths.shape
    i, j = np.triu_indices(k, 1)
    known = ~np.isnan(fit.strengths[:, 0]) & ~fit.undecided
    above = np.full((groups, k, k), np.nan)
    sure = np.zeros((groups, k, k), dtype=bool)
    rank, bars = np.full((groups, k), np.nan), np.full(groups, np.nan)
    if known.any():
        theta, covariance, freedom = fit.strengths[known], fit.covariance[known], fit.freedom[known]
        if k <= MOST_DRAWN:
            contrast = np.zeros((len(i), k))
            contrast[np.arange(len(i)), i], contrast[np.arange(len(i)), j] = 1, -1
            inner = contrast @ covariance @ contrast.T
            error = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
            largest = largest_of_t(inner / error[:, :, None] / error[:, None, :], freedom, draws=draws, seed=seed)
            bar = np.quantile(largest, level, axis=1)[:, None]
        else:  # the correlations of all comparisons would not fit into memory
            variance = np.diagonal(covariance, axis1=1, axis2=2)
            error = np.sqrt(np.maximum(variance[:, i] + variance[:, j] - 2 * covariance[:, i, j], 1e-300))
            bar = bar_of_many(k, freedom, level)[:, None]
        t = (theta[:, i] - theta[:, j]) / error
        chance, apart = np.full((len(theta), k, k), 0.5), np.zeros((len(theta), k, k), dtype=bool)
        chance[:, i, j] = t_distribution.cdf(t, freedom[:, None])
        chance[:, j, i] = 1 - chance[:, i, j]
        apart[:, i, j], apart[:, j, i] = t > bar, t < -bar
        above[known], sure[known], bars[known] = chance, apart, bar[:, 0]
        # strengths that differ by rounding alone are tied
        rounded = theta.round(8)
        rank[known] = (rounded[:, None, :] > rounded[:, :, None]).sum(axis=2) + 1
    return Orders(above, sure, bars, rank, 1 + sure.sum(axis=1), k - sure.sum(axis=2))


def bar_of_many(k: int, freedom: NDArray, level: float) -> NDArray[np.float64]:
    """Return, shape (groups,), the standard errors by which any two of `k` values have to differ (Tukey and Kramer)."""
    return np.full(len(freedom), _tukey(1 - level, k, float(freedom.min())) / np.sqrt(2))


@functools.cache
def _tukey(tail: float, k: int, freedom: float) -> float:
    """Return a quantile of the studentised range, which takes seconds to find."""
    return float(studentized_range.isf(tail, k, freedom))


def compare_values(choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give, for any two values of each group, which stands above and how sure that is; also of hundreds of values.

    Returns
    -------
    DataFrame
        One row for each group whose choices order the values, and two values: ``target``, ``condition``, ``arm``,
        ``above``, ``below``, ``probability`` (that the order is so, ½ to 1) and ``sure`` (in comparisons of all values
        that hold together at the level; `order_values`).
    """
    graded = grade_choices(choices, values)
    orders = order_values(fit_strengths(graded.sums()), level=settings.level, seed=settings.seed)
    group, i, j = np.nonzero(
        (orders.above > 0.5) | ((orders.above == 0.5) & np.triu(np.ones(orders.above.shape[1:], dtype=bool), 1))
    )
    named = np.asarray(values, dtype=object)
    return (
        graded.groups.iloc[group]
        .assign(
            above=pd.array(named[i], dtype="str"),
            below=pd.array(named[j], dtype="str"),
            probability=orders.above[group, i, j],
            sure=orders.surely_above[group, i, j],
        )
        .reset_index(drop=True)
    )


def compare_orders(
    before: tuple[pd.DataFrame, Sequence[tuple[str, str, str]]],
    after: tuple[pd.DataFrame, Sequence[tuple[str, str, str]]],
    values: Sequence[str],
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Give what becomes of the sure orders of groups if other choices are counted.

    Parameters
    ----------
    before, after : choices, and the groups (target, condition, arm) of them to compare
        The first group of either with the first of the other, and so on.

    Returns
    -------
    DataFrame
        One row for each two groups: ``sure`` (orders of two values that are sure before, in comparisons that hold
        together), ``kept``, ``unsure``, ``turned`` (what became of these: sure still, no longer, or sure the other way
        round), ``gained`` (sure only after), ``tau`` (Kendall's τ-a between the two orders; empty if either is
        unknown).
    """
    first, second = np.triu_indices(len(values), 1)
    sure, sign = [], []
    for choices, groups in (before, after):
        graded = grade_choices(choices, values)
        orders = order_values(fit_strengths(graded.sums()), level=settings.level, seed=settings.seed)
        rows = graded.rows(groups)
        sure.append(orders.surely_above[rows])
        sign.append(np.sign(orders.rank[rows][:, second] - orders.rank[rows][:, first]))
    one, two = sure
    turned = np.swapaxes(two, 1, 2)
    return pd.DataFrame(
        {
            "sure": one.sum(axis=(1, 2)),
            "kept": (one & two).sum(axis=(1, 2)),
            "unsure": (one & ~two & ~turned).sum(axis=(1, 2)),
            "turned": (one & turned).sum(axis=(1, 2)),
            "gained": (two & ~one & ~np.swapaxes(one, 1, 2)).sum(axis=(1, 2)),
            "tau": (sign[0] * sign[1]).mean(axis=1),
        }
    )


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


def _where(shown: NDArray, numbers: NDArray) -> pd.Series:
    """Return the numbers as integers, empty if they are not to be shown."""
    return pd.Series(np.where(shown, numbers.ravel(), 0).astype(int), dtype="Int64").where(shown)


def _tie_letters(strengths: NDArray, tied: NDArray[np.bool_]) -> list[str]:
    """Return each value's letters: one letter for each largest set of values that are all tied with one another."""
    order = np.argsort(-strengths, kind="stable")
    place = np.argsort(order)
    if len(tied) > MOST_DRAWN:
        return _tie_bands(order, tied)
    neighbours = [set(np.flatnonzero(row)) - {i} for i, row in enumerate(tied)]
    groups = sorted(
        _largest_groups(set(), set(range(len(tied))), set(), neighbours), key=lambda g: sorted(place[list(g)])
    )
    names = [*string.ascii_letters, *(f"({n})" for n in range(len(string.ascii_letters), len(groups)))]
    return ["".join(names[n] for n, group in enumerate(groups) if value in group) for value in range(len(tied))]


def _tie_bands(order: NDArray[np.int64], tied: NDArray[np.bool_]) -> list[str]:
    """Return each value's bands, numbered from the strongest: the longest runs of ranks in which all are tied."""
    ranked = tied[np.ix_(order, order)] | np.eye(len(order), dtype=bool)
    ends, end = [], 0
    for start in range(len(order)):
        end = max(end, start)
        while end + 1 < len(order) and ranked[start : end + 1, end + 1].all():
            end += 1
        ends.append(end)
    runs = [(a, b) for a, b in enumerate(ends) if a == 0 or b > ends[a - 1]]
    names = [""] * len(order)
    for number, (start, end) in enumerate(runs, 1):
        for value in order[start : end + 1]:
            names[value] += f"({number})"
    return names


def _largest_groups(group: set, candidates: set, done: set, neighbours: list[set]) -> list[set]:
    """Return the maximal cliques that hold `group` (Bron and Kerbosch 1973, with Tomita's pivot)."""
    if not candidates and not done:
        return [group]
    groups = []
    # a clique without the pivot holds one that is not tied with it
    pivot = max(sorted(candidates | done), key=lambda value: len(candidates & neighbours[value]))
    for value in sorted(candidates - neighbours[pivot]):
        groups += _largest_groups(group | {value}, candidates & neighbours[value], done & neighbours[value], neighbours)
        candidates, done = candidates - {value}, done | {value}
    return groups
