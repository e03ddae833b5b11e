"""Support: which orders of values a ranking can stand for, by named checks.

In: choices, the same conversations judged with the labels swapped, labels of people if there are any. Out: for each
target, condition and arm the order that is supported, which checks hold, and what would turn it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP
from conflictscope.measure.declining import without_refusals
from conflictscope.measure.judge_errors import JudgeErrors, correct_fit
from conflictscope.measure.rankings import Orders, order_values
from conflictscope.measure.raters import agreement_between_raters, read_verdicts
from conflictscope.measure.rates import rate_interval
from conflictscope.measure.strengths import PairSums, Strengths, dispersion, fit_strengths, grade_choices, pair_design
from conflictscope.measure.tipping import turn_orders

CHECKS = ("linked", "listed", "apart", "fit", "missing", "judge")
MOST_TURNED = 0.5  # share of scenarios in which the place in the list, not the value, may decide
LARGEST_MISFIT = 0.10  # by which a pair's rate may be off what strengths say, root mean square
_MOST_ORDERS = 100  # of two values that are told in words
LEAST_KAPPA = 0.4  # that the judge's κ with itself has to exceed beyond doubt: "moderate" begins here


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
