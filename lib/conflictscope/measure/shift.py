"""Shift: how what a model does (open-ended, revealed) differs from what it says (multiple choice, expressed).

In: choices of both conditions. Out: for each target one relative scale, one test that nothing else differs, then the
values that have shifted; how far the two orders agree; mean strengths of groups of values over targets. Conditions
are compared on the scenarios with a choice in both, under the default arm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.judge_errors import JudgeErrors, correct_fit
from conflictscope.measure.rankings import MOST_DRAWN, bar_of_many
from conflictscope.measure.scale_shift import shift_apart_from_scale
from conflictscope.measure.strengths import (
    GradedShares,
    PairSums,
    Strengths,
    cross_covariance,
    fit_strengths,
    grade_choices,
    largest_of_t,
)
from conflictscope.tables import CONDITIONS

Group = tuple[str, str, str]
"""Target, condition, arm."""
_DRAWS_OF_MANY = 1000  # of two rankings of many values


@dataclass(frozen=True)
class PairedFits:
    """Fits of two groups to the same scenarios, one row a pair of groups.

    Attributes
    ----------
    names : list of str
        Of the pairs of groups.
    fits : (Strengths, Strengths)
        Of the first group (expressed) and of the second (revealed).
    sums : (PairSums, PairSums)
        What they were fitted to.
    shares : (ndarray, ndarray), shape (names, scenarios)
        Share of the pair's first value in each scenario; nan without a choice in both.
    cross : ndarray, shape (names, k, k)
        Covariance of the first strengths with the second.
    left_out : ndarray of int, shape (names,)
        Scenarios that were asked, without a choice in both groups.
    problems : list of str or None
        By name: why the two cannot be compared.
    """

    names: list[str]
    fits: tuple[Strengths, Strengths]
    sums: tuple[PairSums, PairSums]
    shares: tuple[NDArray[np.float64], NDArray[np.float64]]
    cross: NDArray[np.float64]
    left_out: NDArray[np.int64]
    problems: list[str | None]

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Whether the two groups of each pair can be compared."""
        return np.array([problem is None for problem in self.problems], dtype=bool)


def fit_both_conditions(graded: GradedShares, errors: JudgeErrors | None = None) -> PairedFits:
    """Fit every target's expressed and revealed strengths, under the default arm, as `fit_pairs` does.

    Raises
    ------
    ValueError
        If a condition does not occur under the default arm.
    """
    default = graded.groups["arm"].eq("default")
    for condition in CONDITIONS:
        if not (default & graded.groups["condition"].eq(condition)).any():
            raise ValueError(
                f"choices: none with condition {condition!r} and arm 'default'; expected both conditions. "
                "Run notebooks 03 and 04 for the same targets, and gather their choices."
            )
    targets = sorted(graded.groups.loc[default, "target"].unique())
    expressed, revealed = ([(target, condition, "default") for target in targets] for condition in CONDITIONS)
    return fit_pairs(graded, dict(zip(targets, zip(expressed, revealed, strict=True), strict=True)), CONDITIONS, errors)


def fit_pairs(
    graded: GradedShares,
    pairs: Mapping[str, tuple[Group, Group]],
    sides: tuple[str, ...] = ("before", "after"),
    errors: JudgeErrors | None = None,
) -> PairedFits:
    """Fit the strengths of two groups, for each pair of them, to the scenarios with a choice in both.

    Parameters
    ----------
    graded : GradedShares
        Of choices of all these groups; one that is not there has no choices.
    pairs : mapping of str to two groups
        Name of the pair → first and second group.
    sides : two str
        What the first and the second are called where there is a problem.
    errors : JudgeErrors, optional
        How the judge errs; given, the second strengths are corrected for it.
    """
    rows = [graded.rows([pair[side] for pair in pairs.values()]) for side in (0, 1)]
    nothing = np.full((1, graded.share.shape[1]), np.nan)
    with_none = np.concatenate([graded.share, nothing])  # row −1: a group that was not asked
    each = [with_none[of] for of in rows]
    asked = np.concatenate([graded.asked, np.zeros(nothing.shape, dtype=bool)])
    asked = asked[rows[0]] | asked[rows[1]]
    missing = np.isnan(each[0] + each[1])
    one, two = (np.where(missing, np.nan, share) for share in each)
    sums = (graded.sums(one), graded.sums(two))
    products = graded.sums(one * two).y
    first = fit_strengths(sums[0])
    if errors is None:
        second = fit_strengths(sums[1])
    else:
        second, corrected = correct_fit(sums[1], errors)
        products = corrected.products(products, sums[0])
        sums = (sums[0], corrected.sums)
    return PairedFits(
        names=list(pairs),
        fits=(first, second),
        sums=sums,
        shares=(one, two),
        cross=cross_covariance(first, second, *sums, products),
        left_out=(asked & missing).sum(axis=1),
        problems=[_problem(row, each, first, second, sides) for row in range(len(pairs))],
    )


def _problem(row: int, each: list, first: Strengths, second: Strengths, sides: tuple[str, ...]) -> str | None:
    """Return why the two groups of one pair cannot be compared, or None."""
    without = [side for side, share in zip(sides, each, strict=True) if np.isnan(share[row]).all()]
    if without:
        return "; ".join(f"{side}: no choices" for side in without)
    if np.isnan(first.strengths[row, 0]):
        return "the scenarios with a choice in both do not link all values"
    if first.undecided[row] or second.undecided[row]:
        return f"{sides[int(second.undecided[row])]}: every choice followed the order shown"
    if np.isnan(second.strengths[row, 0]):
        return f"{sides[1]}: the judge's readings hardly depend on what was done"
    return None


def compare_conditions(
    choices: pd.DataFrame,
    values: Sequence[str],
    settings: Settings = DEFAULTS,
    *,
    errors: JudgeErrors | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare what each target says with what it does: first the scale, then whether anything shifted, then what.

    Strengths are log-odds, so whatever adds noise in one condition (flips with the order shown, misread replies,
    temperature) pulls all strengths of that condition toward 0. That is ``scale``. A shift is what remains.

    Parameters
    ----------
    choices, values, settings
        As everywhere; the level and the seed are used.
    errors : JudgeErrors, optional
        From `count_judge_errors`; given, the revealed strengths are corrected for the judge's errors.

    Returns
    -------
    by_target : DataFrame
        One row a target: ``target``, ``scenarios`` (with a choice in both), ``left_out`` (asked, without);
        ``scale``, ``scale_low``, ``scale_high`` (revealed strengths = scale · expressed strengths: above 1, the target
        is more decisive in deed; infinite above if it may have no preference in word); ``omnibus_p`` (of no shift
        of any value, whatever the scale; empty with two values, which scale alone explains), ``p_value`` (the same,
        Holm's over the targets), ``shifted`` (the values that have, by name; empty if none); ``tau``, ``tau_low``,
        ``tau_high`` (`kendall_interval` between the two orders), ``same_order`` (probability that they are alike,
        0–1); ``problem`` (why they cannot be compared; empty if they can).
    by_value : DataFrame
        One row for each target and value: ``target``, ``value``, ``expressed``, ``revealed`` (strengths, log-odds with
        mean 0, on the scenarios with a choice in both), ``shift`` (above 0, the target acts on the value more than the
        scale and all other values lead to expect; empty if no scale puts these in place), ``shift_low``,
        ``shift_high`` (hold together for a target's values; infinite where the scale is not bounded), ``p_within``
        (family-wise over the target's values, and not below ``omnibus_p``), ``p_value`` (family-wise over all targets
        too: Holm's multiples), ``shifted`` (``p_value`` below 1 − level), ``problem``. Of three values, the one that
        moved can only be told where another would have to have gone with a scale below 0; else any one of them could
        have, and their p-values are alike.

    Raises
    ------
    ValueError
        If a condition does not occur under the default arm, or the choices do not fit `values`.
    """
    return compare_fits(fit_both_conditions(grade_choices(choices, values), errors), values, settings)


def compare_fits(
    fits: PairedFits, values: Sequence[str], settings: Settings = DEFAULTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare pairs of groups as `compare_conditions` does, whose tables it gives: ``target`` is the pair's name."""
    targets, k = len(fits.names), len(values)
    known = fits.comparable
    table = pd.DataFrame({"target": fits.names}, dtype="str")
    table["scenarios"], table["left_out"] = fits.sums[0].n.sum(axis=1).astype(int), fits.left_out
    numbers = {
        name: np.full(targets, np.nan)
        for name in ("scale", "scale_low", "scale_high", "omnibus_p", "tau", "tau_low", "tau_high", "same_order")
    }
    of_values = {name: np.full((targets, k), np.nan) for name in ("shift", "shift_low", "shift_high", "p_within")}
    if known.any():
        strengths = (fits.fits[0].strengths[known], fits.fits[1].strengths[known])
        covariances = (fits.fits[0].covariance[known], fits.fits[1].covariance[known], fits.cross[known])
        freedom = fits.fits[0].freedom[known]
        compared = shift_apart_from_scale(strengths, covariances, freedom, level=settings.level, seed=settings.seed)
        for name in ("scale", "scale_low", "scale_high", "omnibus_p"):
            numbers[name][known] = getattr(compared, name)
        for name in ("shift", "shift_low", "shift_high"):
            of_values[name][known] = getattr(compared, name)
        of_values["p_within"][known] = np.fmax(compared.p_value, compared.omnibus_p[:, None])
        for name, column in zip(
            ("tau", "tau_low", "tau_high", "same_order"),
            kendall_interval(strengths, covariances, freedom, level=settings.level, seed=settings.seed),
            strict=True,
        ):
            numbers[name][known] = column
    multiple = holm_multiples(numbers["omnibus_p"])
    p_value = np.minimum(of_values["p_within"] * multiple[:, None], 1)
    shifted = p_value < 1 - settings.level
    table = table.assign(**{name: numbers[name] for name in ("scale", "scale_low", "scale_high", "omnibus_p")})
    table["p_value"] = np.minimum(numbers["omnibus_p"] * multiple, 1)
    words = [", ".join(v for v, moved in zip(values, row, strict=True) if moved) or None for row in shifted]
    table["shifted"] = pd.Series(words, dtype="str")
    table = table.assign(**{name: numbers[name] for name in ("tau", "tau_low", "tau_high", "same_order")})
    table["problem"] = pd.Series(fits.problems, dtype="str")
    by_value = pd.DataFrame(
        {
            "target": np.repeat(np.asarray(fits.names, dtype=object), k),
            "value": np.tile(np.asarray(values, dtype=object), targets),
            "expressed": _without_noise(_shown(fits.fits[0]).ravel()),
            "revealed": _without_noise(_shown(fits.fits[1]).ravel()),
            **{name: _without_noise(column.ravel()) for name, column in of_values.items()},
            "p_value": p_value.ravel(),
            "shifted": pd.Series(shifted.ravel(), dtype="boolean").where(~np.isnan(p_value.ravel())),
            "problem": pd.Series(np.repeat(np.asarray(fits.problems, dtype=object), k), dtype="str"),
        }
    ).astype({"target": "str", "value": "str"})
    return table, by_value


def _shown(fit: Strengths) -> NDArray[np.float64]:
    """Return the strengths, nan if every choice followed the order shown."""
    return np.where(fit.undecided[:, None], np.nan, fit.strengths)


def _without_noise(numbers: NDArray) -> NDArray[np.float64]:
    """Return numbers without the digits in which processors differ, and without the sign of 0."""
    return np.round(numbers, 9) + 0.0


def holm_multiples(p_values: NDArray) -> NDArray[np.float64]:
    """Return what each p-value is to be multiplied by (Holm 1979, *Scandinavian J. of Statistics* 6)."""
    tested = ~np.isnan(p_values)
    multiple = np.full(len(p_values), np.nan)
    order = np.argsort(p_values[tested])
    p, number = p_values[tested][order], len(order)
    adjusted = np.maximum.accumulate((number - np.arange(number)) * p)
    back = np.empty(number)
    back[order] = np.divide(adjusted, p, out=number - np.arange(number, dtype=float), where=p > 0)
    multiple[tested] = back
    return multiple


def kendall_interval(
    strengths: tuple[NDArray, NDArray],
    covariances: tuple[NDArray, NDArray, NDArray],
    freedom: NDArray,
    *,
    level: float = 0.95,
    seed: int = 0,
    draws: int = 4000,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Give Kendall's τ-b between the orders of two conditions, with an interval that can hold 1, and P(τ = 1).

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
    together; the bound toward 0 is the percentile of draws, which noise draws the same way. Beyond ``MOST_DRAWN``
    values comparisons hold together by Tukey's bar, as in `order_values`.
    """
    one, two = strengths
    groups, k = one.shape
    if k > MOST_DRAWN:
        return _kendall_of_many(strengths, covariances, freedom, level, seed)
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
    untied = [(part != 0).sum(axis=1) for part in np.split(sign, 2, axis=1)]
    tau = (sign[:, : len(i)] * sign[:, len(i) :]).sum(axis=1) / np.sqrt(np.maximum(untied[0] * untied[1], 1))
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


def _kendall_of_many(
    strengths: tuple[NDArray, NDArray],
    covariances: tuple[NDArray, NDArray, NDArray],
    freedom: NDArray,
    level: float,
    seed: int,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return what `kendall_interval` does, a group and a draw at a time: all comparisons would not fit into memory."""
    groups, k = strengths[0].shape
    i, j = np.triu_indices(k, 1)
    bar = bar_of_many(2 * k, freedom, level)
    normal = np.random.default_rng(seed).standard_normal((_DRAWS_OF_MANY, 2 * k))
    table = np.empty((4, groups))
    for g in range(groups):
        sure, sign = [], []
        for theta, v in zip(strengths, covariances, strict=False):
            gap = theta[g, i] - theta[g, j]
            variance = np.diagonal(v[g])
            error = np.sqrt(np.maximum(variance[i] + variance[j] - 2 * v[g][i, j], 1e-300))
            sure.append(np.where(np.abs(gap) > bar[g] * error, np.sign(gap), 0))
            sign.append(np.sign(gap.round(8)))
        apart = sure[0] * sure[1]
        untied = [(part != 0).sum() for part in sign]
        tau = (sign[0] * sign[1]).sum() / np.sqrt(max(untied[0] * untied[1], 1))
        v11, v22, v12 = (v[g] for v in covariances)
        spread, axes = np.linalg.eigh(np.block([[v11, v12], [v12.T, v22]]))
        both = np.concatenate([part[g] for part in strengths])
        drawn = both + normal @ (axes * np.sqrt(np.clip(spread, 0, None))).T
        # without ties, as draws are; the diagonal agrees by itself
        alike = [((a[:, None] > a) == (b[:, None] > b)).sum() for a, b in zip(drawn[:, :k], drawn[:, k:], strict=True)]
        drawn_tau = 2 * (np.array(alike) - k) / (k * (k - 1)) - 1
        low, high = np.quantile(drawn_tau, [(1 - level) / 2, (1 + level) / 2])
        most, least = 1 - 2 * (apart < 0).mean(), 2 * (apart > 0).mean() - 1
        ends = (low, max(high, most)) if tau >= 0 else (min(low, least), high)
        table[:, g] = tau, *ends, (drawn_tau > 1 - 1e-9).mean()
    return tuple(table)  # type: ignore[return-value]


def group_strengths(
    choices: pd.DataFrame, values: Sequence[str], groups: Mapping[str, str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give how far each group of values stands above the rest, expressed and revealed, over the targets.

    Parameters
    ----------
    choices, values, settings
        As everywhere; the level is used.
    groups : mapping of str to str
        Value → group, as ``ValueSet.groups`` has it; values without a group are part of the rest.

    Returns
    -------
    DataFrame
        One row for each group of values: ``group``, ``targets`` (with both conditions); ``expressed``, ``revealed``
        (mean strength of the group less that of the rest, log-odds, mean over targets) and ``shift`` (revealed −
        expressed: below 0, the group falls), each with ``_low`` and ``_high``: `crossed_interval`, for targets and
        scenarios of the kind; ``rank_expressed``, ``rank_revealed`` (mean rank, 1 = most preferred, as in the paper but
        that it counts from 0; without interval, as resampled ranks only ever move toward the middle).

    Raises
    ------
    ValueError
        As for `compare_conditions`, or if `groups` is empty, names a value that is not in `values`, or leaves no rest.
    """
    unknown = sorted(set(groups) - set(values))
    if unknown or not groups:
        raise ValueError(f"groups: found {dict(groups)}; expected some of {list(values)}, each with its group.")
    graded = grade_choices(choices, values)
    fits = fit_both_conditions(graded)
    known = fits.comparable
    rows = []
    for group in dict.fromkeys(groups.values()):
        member = np.array([groups.get(value) == group for value in values])
        if member.all():
            raise ValueError(f"groups: all values are in {group!r}; expected some outside it to compare with.")
        contrast = member / member.sum() - ~member / (~member).sum()
        row: dict[str, object] = {"group": group, "targets": int(known.sum())}
        of_condition = [
            (fit.strengths[known] @ contrast, _errors(fit, share, graded.pair, contrast)[known])
            for fit, share in zip(fits.fits, fits.shares, strict=True)
        ]
        of_condition.append(tuple(two - one for one, two in zip(*of_condition, strict=True)))  # type: ignore[arg-type]
        for name, (numbers, errors) in zip(("expressed", "revealed", "shift"), of_condition, strict=True):
            ends = crossed_interval(numbers, errors, level=settings.level)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        for name, fit in zip(("expressed", "revealed"), fits.fits, strict=True):
            ranks = middle_ranks(fit.strengths[known].round(8))[:, member]
            row[f"rank_{name}"] = float(ranks.mean()) if ranks.size else np.nan
        rows.append(row)
    return pd.DataFrame(rows).astype({"group": "str"})


def _errors(fit: Strengths, share: NDArray, pair: NDArray, contrast: NDArray) -> NDArray[np.float64]:
    """Return, shape (targets, scenarios), what each scenario adds to the error of a contrast; 0 without a choice."""
    residual = np.nan_to_num(share - fit.fitted[:, pair])
    return np.nan_to_num(np.einsum("gkp,k->gp", fit.influence, contrast))[:, pair] * residual


def middle_ranks(strengths: NDArray) -> NDArray[np.float64]:
    """Return ranks over the last axis, 1 = strongest; tied values share the mean of their places."""
    above = (strengths[..., None, :] > strengths[..., :, None]).sum(axis=-1)
    level = (strengths[..., None, :] == strengths[..., :, None]).sum(axis=-1)
    return above + (level + 1) / 2


def crossed_interval(contrasts: NDArray, errors: NDArray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Give the mean of a contrast over targets that share their scenarios: targets and scenarios are both samples.

    Parameters
    ----------
    contrasts : ndarray, shape (targets,)
        Such as the mean strength of a group of values minus that of the rest.
    errors : ndarray, shape (targets, scenarios)
        What each scenario adds to each target's contrast: contrast · influence · residual; 0 where it has no choice.

    Returns
    -------
    mean, low, high : float
        The interval holds for other targets and scenarios of the kind; nan with fewer than two targets.

    Notes
    -----
    Two-way clustered variance (Cameron, Gelbach and Miller 2011, *J. Business and Economic Statistics* 29): between
    targets, plus between scenarios, minus what both count, and no less than between scenarios; t quantiles with
    Satterthwaite's degrees of freedom, at least targets − 1.
    """
    targets = len(contrasts)
    if not targets:
        return float("nan"), float("nan"), float("nan")
    mean = float(contrasts.mean())
    if targets < 2:
        return mean, float("nan"), float("nan")
    by_scenario = float((errors.mean(axis=0) ** 2).sum())
    both = float((errors**2).sum()) / targets**2
    by_target = float(contrasts.var(ddof=1)) / targets
    variance = max(by_target + by_scenario - both, by_scenario)
    scenarios = int((errors != 0).any(axis=0).sum())
    freedom = variance**2 / (by_target**2 / (targets - 1) + by_scenario**2 / max(scenarios - 1, 1))
    half = t_distribution.isf((1 - level) / 2, max(freedom, targets - 1, 1)) * np.sqrt(variance)
    return mean, mean - half, mean + half
