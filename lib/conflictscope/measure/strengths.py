"""Strengths with closed-form errors: Firth's penalty against small-sample bias, errors clustered by scenario.

In: for each group and value pair how many scenarios have a choice, the sum of their shares and of their squares. Out:
Bradley–Terry strengths and their covariance. A scenario counts once, whatever the number of its answers: both orders
of a question enter as their mean, so that a position bias cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from conflictscope.measure.bootstrap import places_of, preferences
from conflictscope.measure.choices import check_choices, expit, number_groups

_STEPS = 400
_FULL_STEPS = 12
_LAST_STEP = 1e-10
_LONGEST_STEP = 2.0  # log-odds: Newton's step may overshoot where a value nearly always wins
_LEAST_DISPERSION = 0.05
DRAWS = 10_000  # of correlated t statistics, behind comparisons that hold together
_PRIOR_INFORMATION = 4.0  # weight of the pooled dispersion against a pair's own, in units of n p (1 − p)


@dataclass(frozen=True)
class GradedShares:
    """What each group chose in each scenario, as one number.

    Attributes
    ----------
    groups : DataFrame
        ``target``, ``condition``, ``arm``: one row a group, sorted.
    scenario_ids : list of str
        Sorted by pair, then by name.
    pair : ndarray of int, shape (scenarios,)
    first, second : ndarray of int, shape (pairs,)
        Places of the pair's values in the value set, first < second.
    share : ndarray, shape (groups, scenarios)
        Mean over the orders shown of the mean over repetitions: 1 = the first value always won; nan without a choice.
    turned : ndarray, shape (groups, scenarios)
        How far the two orders of showing differ, 0–1: 1 = whatever stood first (or last) won; nan without both.
    asked : ndarray of bool, shape (groups, scenarios)
        Whether the group was asked, with a choice or without.
    weight : ndarray, shape (groups, scenarios), optional
        Mean weight of the group's choices in each scenario, against the group's largest; default: all weigh the same.
    """

    values: list[str]
    groups: pd.DataFrame
    scenario_ids: list[str]
    pair: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float64]
    turned: NDArray[np.float64]
    asked: NDArray[np.bool_]
    weight: NDArray[np.float64] | None = None

    def rows(self, groups: Sequence[tuple[str, str, str]]) -> NDArray[np.int64]:
        """Return the row of each group (target, condition, arm), −1 for one that is not there."""
        wanted = pd.MultiIndex.from_tuples(groups, names=list(self.groups))
        return pd.MultiIndex.from_frame(self.groups).get_indexer(wanted)

    def sums(self, share: NDArray | None = None) -> "PairSums":
        """Return the sums by pair of `share`, shape (groups, scenarios); default: every group's own."""
        return sum_by_pair(self.share if share is None else share, self.pair, self.first, self.second, len(self.values))

    def weighted_sums(self) -> "PairSums":
        """Return the sums by pair, each scenario by its weight, scaled to the evenly drawn scenarios they are worth.

        Those of `sums` if all scenarios weigh the same.
        """
        if self.weight is None:
            return self.sums()
        weight = np.where(np.isnan(self.share), 0.0, self.weight)
        square = (weight**2).sum(axis=1, keepdims=True)
        worth = weight * np.divide(
            weight.sum(axis=1, keepdims=True), square, out=np.ones_like(square), where=square > 0
        )
        return sum_by_pair(self.share, self.pair, self.first, self.second, len(self.values), worth)

    @property
    def missing(self) -> NDArray[np.float64]:
        """Scenarios that were asked and have no choice, shape (groups, pairs)."""
        lost = np.where(self.asked & np.isnan(self.share), 1.0, np.nan)
        return self.sums(lost).n


@dataclass(frozen=True)
class PairSums:
    """Sums by group and pair, each of shape (groups, pairs): scenarios, shares, squared shares."""

    n: NDArray[np.float64]
    y: NDArray[np.float64]
    yy: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    k: int


@dataclass(frozen=True)
class Strengths:
    """Fits of groups.

    Attributes
    ----------
    strengths : ndarray, shape (groups, k)
        Log-odds, mean 0, larger = preferred; nan where the pairs that were asked do not link all values.
    covariance : ndarray, shape (groups, k, k)
        Of the strengths, clustered by scenario.
    influence : ndarray, shape (groups, k, pairs)
        Strength moved by one unit of residual in a pair: a scenario with share s in pair p has moved the strengths by
        ``influence[..., p] · (s − fitted[p])``.
    fitted : ndarray, shape (groups, pairs)
        Chance that the first value of the pair wins.
    freedom : ndarray, shape (groups,)
        Scenarios − values + 1: degrees of freedom of the t quantiles.
    undecided : ndarray of bool, shape (groups,)
        Whether every scenario's share is ½ (the target took what was listed first): nothing is known of its values.
    """

    strengths: NDArray[np.float64]
    covariance: NDArray[np.float64]
    influence: NDArray[np.float64]
    fitted: NDArray[np.float64]
    freedom: NDArray[np.float64]
    undecided: NDArray[np.bool_]


def grade_choices(choices: pd.DataFrame, values: Sequence[str]) -> GradedShares:
    """Average each group's choices in each scenario, orders weighing the same.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``; ``preference``, if they are graded (`grade_preferences`); and ``weight``, if
        some count for more than others, as after `choices_as_read`: a scenario's share is then a weighted mean.
    values : sequence of str
        The value set.

    Raises
    ------
    ValueError
        If the choices do not fit `values`, a scenario has two pairs, or a group has more than one judge.
    """
    check_choices(choices)
    place = pd.Index(values)
    one, two, won = (places_of(choices[column], place) for column in ("value_1", "value_2", "winner"))
    if len(values) < 2 or place.has_duplicates:
        raise ValueError(f"values: found {list(values)}; expected at least two, each once. Pass the study's values.")
    if unknown := sorted({*choices["value_1"].unique(), *choices["value_2"].unique()} - {*values}):
        raise ValueError(
            f"choices: unknown values {unknown}; expected some of {list(values)}. Pass the study's values."
        )
    if (one == two).any():
        scenario = choices["scenario_id"].iloc[int((one == two).argmax())]
        raise ValueError(f"choices: scenario {scenario!r} sets a value against itself; expected two different values.")
    low, high = np.minimum(one, two), np.maximum(one, two)
    codes, pair_of_row = np.unique(low * len(place) + high, return_inverse=True)
    row_scenario, ids = choices["scenario_id"].factorize()
    pair_of = np.zeros(len(ids), dtype=int)
    pair_of[row_scenario] = pair_of_row
    if (pair_of[row_scenario] != pair_of_row).any():
        twice = ids[row_scenario[(pair_of[row_scenario] != pair_of_row).argmax()]]
        raise ValueError(
            f"choices: scenario {twice!r} occurs with two value pairs; expected one. Gather the choices again."
        )
    order = np.lexsort((np.asarray(ids), pair_of))
    rank = np.empty(len(ids), dtype=int)
    rank[order] = np.arange(len(ids))
    groups, group = number_groups(choices)
    chosen = choices["outcome"].eq("choice").to_numpy()
    first_won = preferences(choices, one == low, won == low)
    # a judge's label order is no part of what the target was asked
    in_order = choices["condition"].eq("multiple_choice").to_numpy()
    shown = np.where(in_order, choices["action_shown_first"].to_numpy() - 1, 0) if in_order.any() else in_order
    shape = (len(groups), len(ids), 2)
    cell = np.ravel_multi_index((group, rank[row_scenario], shown.astype(int)), shape)[chosen]
    count = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
    each_counts = relative_weights(choices, group)[chosen]
    amount, wins = (
        np.bincount(cell, each_counts * of, minlength=int(np.prod(shape))).reshape(shape)
        for of in (1, first_won[chosen])
    )
    each = np.divide(wins, amount, out=np.zeros(shape), where=count > 0)
    orders = (count > 0).sum(axis=2)
    share = np.divide(each.sum(axis=2), orders, out=np.full(shape[:2], np.nan), where=orders > 0)
    turned = np.where(orders == 2, np.abs(each[:, :, 0] - each[:, :, 1]), np.nan)
    asked = np.zeros(shape[:2], dtype=bool)
    asked[group, rank[row_scenario]] = True
    first, second = np.divmod(codes, len(place))
    pair, ids = pair_of[order], [str(name) for name in ids[order]]
    weight = amount.sum(axis=2) / np.maximum(count.sum(axis=2), 1) if "weight" in choices.columns else None
    return GradedShares(list(values), groups, ids, pair, first, second, share, turned, asked, weight)


def relative_weights(choices: pd.DataFrame, group: NDArray) -> NDArray[np.float64]:
    """Return what each choice counts for against the heaviest of its group: 1 without a column ``weight``."""
    if "weight" not in choices.columns:
        return np.ones(len(choices))
    weight = choices["weight"].astype(float)
    return (weight / weight.groupby(group).transform("max")).to_numpy()


def sum_by_pair(
    share: NDArray, pair: NDArray, first: NDArray, second: NDArray, k: int, weight: NDArray | None = None
) -> PairSums:
    """Return the sums of shares, shape (groups, scenarios), over the scenarios of each pair, by weight if given."""
    member = csr_array((np.ones(len(pair)), (np.arange(len(pair)), pair)), shape=(len(pair), len(first)))
    present = ~np.isnan(share)
    n = present if weight is None else np.where(present, weight, 0.0)
    y = np.where(present, share, 0.0)
    return PairSums(n @ member, (n * y) @ member, (n * y * y) @ member, first, second, k)


def fit_strengths(sums: PairSums) -> Strengths:
    """Fit Bradley–Terry strengths with Firth's penalty, and their covariance clustered by scenario.

    Notes
    -----
    Firth (1993, *Biometrika* 80): each pair is given h_p / 2 wins on either side, h_p its leverage, which takes the
    first-order bias off and keeps the fit finite where a value always wins. Graded shares vary less than yes or no, and
    their bias is as much smaller: h_p is multiplied by the dispersion of the shares. The covariance is the sandwich
    (Huber 1967) with each scenario's residual divided by √(1 − leverage) (MacKinnon and White 1985, HC2). A pair's
    residual variance is drawn toward that of the model, the more so the less information it has: where
    nearly all scenarios of a pair went one way, its own variance is near 0 and says nothing.
    """
    groups, pairs = sums.n.shape
    k = sums.k
    design = pair_design(sums.first, sums.second, k)
    linked = _linked(sums)
    strengths = np.full((groups, k), np.nan)
    covariance = np.full((groups, k, k), np.nan)
    influence = np.full((groups, k, pairs), np.nan)
    fitted = np.full((groups, pairs), np.nan)
    freedom = np.maximum(sums.n.sum(axis=1) - k + 1, 1.0)
    spread = (sums.yy - sums.y**2 / np.maximum(sums.n, 1)).clip(min=0)
    undecided = linked & (np.abs(spread).sum(axis=1) < 1e-12) & (np.abs(sums.y * 2 - sums.n) < 1e-9).all(axis=1)
    if linked.any():
        n, y, yy = sums.n[linked], sums.y[linked], sums.yy[linked]
        theta = _firth(n, y, dispersion(n, y, yy), design)
        p = expit(theta @ design.T)
        weight = n * p * (1 - p)
        squares = _squares(design)
        bread = np.linalg.inv(_information(weight, squares))
        leverage = weight * (bread.reshape(len(bread), -1) @ squares.T) / np.maximum(n, 1)
        push = bread @ design.T  # what a unit of residual adds to the parameters
        sound = 1 - np.minimum(leverage, 0.99)
        meat = np.maximum(yy - 2 * p * y + n * p * p, 0) / sound
        trust = weight / (weight + _PRIOR_INFORMATION)
        meat = trust * meat + (1 - trust) * dispersion(n, y, yy)[:, None] * weight
        centre = _centre(k)
        strengths[linked] = theta @ centre.T
        influence[linked] = centre @ push
        covariance[linked] = (influence[linked] * meat[:, None, :]) @ np.swapaxes(influence[linked], 1, 2)
        fitted[linked] = p
    return Strengths(strengths, covariance, influence, fitted, freedom, undecided)


def cross_covariance(one: Strengths, two: Strengths, sums_1: PairSums, sums_2: PairSums, yy_12: NDArray) -> NDArray:
    """Return the covariance, shape (groups, k, k), of the strengths of groups that share their scenarios.

    Parameters
    ----------
    one, two : Strengths
        Fits of the same scenarios: the two have the same ``n``.
    sums_1, sums_2 : PairSums
        What they were fitted to.
    yy_12 : ndarray, shape (groups, pairs)
        Sums of the products of the two shares.
    """
    p, q = one.fitted, two.fitted
    trust = [sums_1.n * share * (1 - share) for share in (p, q)]
    trust = [weight / (weight + _PRIOR_INFORMATION) for weight in trust]
    meat = np.sqrt(trust[0] * trust[1]) * (yy_12 - q * sums_1.y - p * sums_2.y + sums_1.n * p * q)
    return (one.influence * meat[:, None, :]) @ np.swapaxes(two.influence, 1, 2)


def pair_design(first: NDArray, second: NDArray, k: int) -> NDArray[np.float64]:
    """Return, shape (pairs, k − 1), what each pair's log-odds take of the strengths; the last value is held at 0."""
    design = np.zeros((len(first), k))
    design[np.arange(len(first)), first] += 1
    design[np.arange(len(first)), second] -= 1
    return design[:, :-1]


def dispersion(n: NDArray, y: NDArray, yy: NDArray) -> NDArray[np.float64]:
    """Return the variance of the shares within pairs against that of yes or no, shape (groups,): 1 for yes or no."""
    safe = np.maximum(n, 1)
    binary = (y * (1 - y / safe)).sum(axis=-1)
    within = (yy - y**2 / safe).sum(axis=-1)
    ratio = np.divide(within, binary, out=np.ones_like(binary), where=binary > 1e-9)
    return np.clip(ratio, _LEAST_DISPERSION, 1.0)


def largest_of_t(correlation: NDArray, freedom: NDArray, *, draws: int, seed: int) -> NDArray[np.float64]:
    """Return draws, shape (groups, draws), of the largest |t| of correlated t statistics.

    Parameters
    ----------
    correlation : ndarray, shape (groups, m, m)
        Positive semidefinite.
    freedom : ndarray, shape (groups,)
        Degrees of freedom, shared by the m statistics of a group.
    """
    rng = np.random.default_rng(seed)
    m = correlation.shape[-1]
    normal = rng.standard_normal((m, draws))
    uniform = rng.standard_normal(draws)  # one draw of the scale for each draw of the statistics
    spread, axes = np.linalg.eigh(correlation)
    root = axes * np.sqrt(np.clip(spread, 0, None))[:, None, :]
    largest = np.empty((len(correlation), draws))
    for g, matrix in enumerate(root):
        d = max(float(freedom[g]), 1.0)
        # Wilson and Hilferty's cube: χ²/d from a normal draw, so that all groups share their draws
        chi2 = np.maximum(1 - 2 / (9 * d) + uniform * np.sqrt(2 / (9 * d)), 0.05) ** 3
        largest[g] = np.abs(matrix @ normal).max(axis=0) / np.sqrt(chi2)
    return largest


def fit_points(sums: PairSums, start: NDArray | None = None) -> NDArray[np.float64]:
    """Give the strengths of `fit_strengths` alone, for groups whose pairs link all values; `start` is a near guess."""
    design = pair_design(sums.first, sums.second, sums.k)
    near = None if start is None else start[:, :-1] - start[:, -1:]
    theta = _firth(sums.n, sums.y, dispersion(sums.n, sums.y, sums.yy), design, near)
    return theta @ _centre(sums.k).T


def _firth(n: NDArray, y: NDArray, phi: NDArray, design: NDArray, start: NDArray | None = None) -> NDArray[np.float64]:
    """Return the parameters, shape (groups, k − 1), that solve Firth's adjusted score."""
    theta = np.zeros((len(n), design.shape[1])) if start is None else start.copy()
    squares = _squares(design)
    active = np.arange(len(n))
    for number in range(_STEPS):
        p = expit(theta[active] @ design.T)
        weight = n[active] * p * (1 - p)
        inverse = np.linalg.inv(_information(weight, squares))
        leverage = phi[active, None] * weight * (inverse.reshape(len(active), -1) @ squares.T)
        score = (y[active] - n[active] * p + leverage * (0.5 - p)) @ design
        step = (inverse @ score[:, :, None])[..., 0]
        size = np.abs(step).max(axis=1, keepdims=True)
        # of one or two scenarios a pair full steps may go to and fro for ever
        full = 1.0 if number < _FULL_STEPS else 0.5
        theta[active] += full * step * np.minimum(1, _LONGEST_STEP / np.maximum(size, 1e-300))
        active = active[size[:, 0] > _LAST_STEP]
        if not active.size:
            return theta
    if start is not None:  # from a guess where hardly any information is left; from the middle there is some
        theta[active] = _firth(n[active], y[active], phi[active], design)
        return theta
    raise ArithmeticError(f"{active.size} of {len(n)} fits did not converge in {_STEPS} steps.")


def _squares(design: NDArray) -> csr_array:
    """Return each pair's design times itself, shape (pairs, (k − 1)²): at most four numbers of a row are not 0."""
    pair, one = np.nonzero(design)
    places = [(p, i, j) for p, i in zip(pair, one, strict=True) for j in np.flatnonzero(design[p])]
    row, i, j = np.array(places, dtype=int).reshape(-1, 3).T
    size = design.shape[1]
    return csr_array((design[row, i] * design[row, j], (row, i * size + j)), shape=(len(design), size * size))


def _information(weight: NDArray, squares: csr_array) -> NDArray[np.float64]:
    """Return the Fisher information, shape (groups, k − 1, k − 1), of pairs' weights, shape (groups, pairs)."""
    size = round(squares.shape[1] ** 0.5)
    return (weight @ squares).reshape(-1, size, size)


def _centre(k: int) -> NDArray[np.float64]:
    """Return, shape (k, k − 1), the map from parameters with the last value at 0 to strengths of mean 0."""
    return np.eye(k)[:, :-1] - 1 / k


def _linked(sums: PairSums) -> NDArray[np.bool_]:
    """Return whether the pairs with a choice link all values, shape (groups,)."""
    reached = np.zeros((len(sums.n), sums.k, sums.k), dtype=bool)
    reached[:, np.arange(sums.k), np.arange(sums.k)] = True
    asked = sums.n > 0
    reached[:, sums.first, sums.second] |= asked
    reached[:, sums.second, sums.first] |= asked
    for _ in range(max(1, int(np.ceil(np.log2(sums.k))))):
        reached = (reached.astype(np.float32) @ reached.astype(np.float32)) > 0
    return np.asarray(reached.all(axis=(1, 2)))
