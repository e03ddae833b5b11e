"""Bradley–Terry as in the paper: from counts of who beat whom to penalised strengths, and how well they fit.

Strengths are log-odds with mean 0, fitted for many tables of counts at once. The penalty is that of the ``choix``
library, so that the same choices give the same numbers. What the study prints is of ``strengths``.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from conflictscope.measure.bootstrap import count_wins
from conflictscope.measure.choices import GROUP, in_name_order
from conflictscope.measure.rates import count_successes, design_effect

DIGITS = 8  # strengths that differ by less differ by rounding alone
_LAST_STEP = 1e-9  # a Newton step this small leaves an error of its square
_MOST_STEPS = 500


def fit_bradley_terry(wins: ArrayLike, penalty: float = 0.01) -> NDArray[np.float64]:
    """Fit the Bradley–Terry model P(i beats j) = σ(β_i − β_j).

    Parameters
    ----------
    wins : array_like, shape (..., k, k)
        ``wins[..., i, j]`` = times i beat j; finite, not negative, diagonal 0. Leading axes are a batch: each (k, k)
        table is a fit of its own.
    penalty : float
        α ≥ 0 in the objective Σ n_ij log σ(θ_i − θ_j) + α k Σ(θ_i − exp θ_i), where β = θ − mean θ: choix's
        regularisation. 0 is maximum likelihood.

    Returns
    -------
    ndarray, shape (..., k)
        β: log-odds, mean 0 over the last axis, larger = preferred.

    Raises
    ------
    ValueError
        If the counts do not fit the above, or if α = 0 and a win graph is not strongly connected, so that the
        likelihood has no maximum (Ford 1957).
    ArithmeticError
        If Newton's method does not converge.

    Notes
    -----
    For given differences the objective is largest where Σ exp θ_i = k. Put in, the penalty is α k Σ log p_i plus a
    constant, with p = softmax(β): it depends on differences alone, like the likelihood, and one Newton iteration
    serves α > 0 and α = 0. Each step is shortened by log(1 + d)/d, d its range: every step then gains (Sun and
    Tran-Dinh 2019, *Math. Program.* 178, for generalised self-concordant functions with ν = 2).
    """
    counts = _checked_wins(wins)
    if not (np.isfinite(penalty) and penalty >= 0):
        raise ValueError(f"penalty: found {penalty}; expected a number ≥ 0.")
    connected = win_graph_connected(counts)
    if penalty == 0 and not np.all(connected):
        raise ValueError(
            f"wins: {np.size(connected) - np.count_nonzero(connected)} of {np.size(connected)} win graphs are not "
            "strongly connected, so the likelihood has no maximum; expected that no set of values only ever wins or "
            "only ever loses against the rest. Use penalty > 0, or gather more choices."
        )
    k = counts.shape[-1]
    strengths = np.zeros((counts[..., 0, 0].size, k))
    tables = counts.reshape(-1, k, k)
    open_fits = np.arange(len(tables))
    for _ in range(_MOST_STEPS):
        step = _newton_step(strengths[open_fits], tables[open_fits], penalty)
        span = np.ptp(step, axis=-1, keepdims=True)
        if not np.isfinite(span).all():
            break
        strengths[open_fits] += step * np.where(span > 0, np.log1p(span) / np.where(span > 0, span, 1), 1)
        open_fits = open_fits[span[:, 0] > _LAST_STEP]
        if not open_fits.size:
            return (strengths - strengths.mean(axis=-1, keepdims=True)).reshape(counts.shape[:-1])
    raise ArithmeticError(
        f"the Bradley-Terry fit of {open_fits.size} of {len(tables)} tables of counts did not converge with penalty "
        f"{penalty}; expected a step below {_LAST_STEP} within {_MOST_STEPS} steps. Use a larger penalty."
    )


def win_graph_connected(wins: ArrayLike) -> NDArray[np.bool_] | bool:
    """Return whether the win graph is strongly connected (Ford's condition), so that the counts identify an order.

    Parameters
    ----------
    wins : array_like, shape (..., k, k)
        As for `fit_bradley_terry`.

    Returns
    -------
    bool or ndarray of bool, shape (...)
        True if every value can be reached from every other by a chain of "has beaten at least once".
    """
    counts = _checked_wins(wins)
    k = counts.shape[-1]
    reached = ((counts > 0) | np.eye(k, dtype=bool)).astype(np.float32)
    # each squaring doubles the length of the chains that are covered
    for _ in range(int(np.ceil(np.log2(k)))):
        reached = (reached @ reached > 0).astype(np.float32)
    connected = np.asarray(reached.all(axis=(-2, -1)))
    return connected if connected.ndim else bool(connected)


def fit_some(wins: NDArray, fitted: NDArray[np.bool_], penalty: float) -> NDArray[np.float64]:
    """Return strengths rounded to `DIGITS`, so that equal ones are equal; nan for tables that are not `fitted`."""
    strengths = np.full(wins.shape[:-1], np.nan)
    strengths[fitted] = fit_bradley_terry(wins[fitted], penalty).round(DIGITS) + 0.0
    return strengths


def _newton_step(strengths: NDArray, wins: NDArray, penalty: float) -> NDArray:
    """Return the full Newton step of each fit, shape (n, k), with the last value held fixed."""
    k = wins.shape[-1]
    gap = strengths[:, :, None] - strengths[:, None, :]
    tail = np.exp(-np.abs(gap))
    win_chance = np.where(gap >= 0, 1, tail) / (1 + tail)
    # n_ij (1 − P_ij) − n_ji P_ij: no difference of two large numbers if P is near 0 or 1
    surplus = wins * np.swapaxes(win_chance, 1, 2) - np.swapaxes(wins, 1, 2) * win_chance
    information = (wins + np.swapaxes(wins, 1, 2)) * tail / (1 + tail) ** 2
    share = np.exp(strengths - strengths.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    gradient = surplus.sum(axis=2) + penalty * k * (1 - k * share)
    # minus the Hessian is the Laplacian of a graph with these weights, and p_i p_j is the Laplacian of the penalty
    weights = information + penalty * k**2 * share[:, :, None] * share[:, None, :]
    weights[:, np.arange(k), np.arange(k)] = 0
    curvature = -weights
    curvature[:, np.arange(k), np.arange(k)] = weights.sum(axis=2)
    step = np.zeros_like(strengths)
    try:
        step[:, :-1] = np.linalg.solve(curvature[:, :-1, :-1], gradient[:, :-1, None])[..., 0]
    except np.linalg.LinAlgError as problem:
        raise ArithmeticError(
            f"the Bradley-Terry fit did not converge with penalty {penalty}: the curvature vanished ({problem}). "
            "Use a larger penalty."
        ) from problem
    return step - step.mean(axis=1, keepdims=True)


def _checked_wins(wins: ArrayLike) -> NDArray[np.float64]:
    """Return the counts as floats, or raise with what does not fit."""
    counts = np.asarray(wins, dtype=float)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2] or counts.shape[-1] < 2:
        raise ValueError(f"wins: found shape {counts.shape}; expected (..., k, k) with k ≥ 2 values.")
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError("wins: found a count that is negative, infinite or not a number; expected counts ≥ 0.")
    if np.trace(counts, axis1=-2, axis2=-1).any():
        raise ValueError("wins: found a count other than 0 on the diagonal; expected that no value meets itself.")
    return counts


def diagnose(choices: pd.DataFrame, values: Sequence[str]) -> pd.DataFrame:
    """Test for each group how well one number a value tells who wins; `check_support` says what follows.

    Returns
    -------
    DataFrame
        One row a group: ``target``, ``condition``, ``arm``, ``choices``; ``connected`` (Ford's condition);
        ``deviance`` against the saturated pairwise model, 2 Σ n_ij log(n_ij / N_ij P_ij), ``degrees_of_freedom`` (pairs
        with a choice − values + 1), ``dispersion`` (the design effect of `design_effect`, pooled over pairs) and
        ``p_value`` (of deviance / dispersion as χ²: Rao and Scott 1981, first order); ``worst_winner``,
        ``worst_loser``, ``worst_observed``, ``worst_expected`` (rates, 0–1) and ``worst_residual`` of the pair with the
        largest standardised Pearson residual, named so that it is above 0: ``worst_winner`` wins more often than the
        model says, divided by √dispersion too; ``triads_decided`` (triples of values with all three majorities
        decided) and ``triads_cyclic`` (those in which i beats j, j beats k and k beats i); ``equal_p`` (p-value
        of all strengths being equal: likelihood ratio / dispersion as χ² with values − 1 degrees of freedom).
        Deviance and what follows from it are empty if the win graph is not connected, p-value and residual if no degree
        of freedom is left. With three values every residual has the same size, and the first pair is named.

    Notes
    -----
    Deviance, residuals and likelihood ratio are of maximum likelihood. Equality of strengths is tested by likelihood
    rather than by the bootstrap interval of the range: picking the strongest and the weakest value makes that interval
    exclude 0 too often, and resamples in which a value never loses make it too wide.
    """
    groups, wins = count_wins(choices, values)
    connected = np.asarray(win_graph_connected(wins))
    decided, cyclic = _count_triads(wins)
    table = groups.assign(choices=wins.sum(axis=(1, 2)).astype(int), connected=connected)
    dispersion = _dispersion(choices, groups)
    fits = [_fit(w, values, d) if known else {} for w, known, d in zip(wins, connected, dispersion, strict=True)]
    columns = [
        "deviance", "degrees_of_freedom", "dispersion", "p_value", "worst_winner", "worst_loser", "worst_observed",
        "worst_expected", "worst_residual",
    ]  # fmt: skip
    kinds = {"degrees_of_freedom": "Int64", "worst_winner": "str", "worst_loser": "str"}
    for name in columns:
        table[name] = pd.Series([fit.get(name) for fit in fits], dtype=kinds.get(name, "float64"))
    table["triads_decided"], table["triads_cyclic"] = decided, cyclic
    table["equal_p"] = pd.Series([fit.get("equal_p") for fit in fits], dtype="float64")
    return table


def _fit(wins: NDArray, values: Sequence[str], dispersion: float) -> dict:
    """Return deviance and worst-fitting pair of one connected table of counts."""
    first, second = np.triu_indices(len(wins), 1)
    asked = (wins + wins.T)[first, second] > 0
    first, second = first[asked], second[asked]
    won, lost = wins[first, second], wins[second, first]
    trials = won + lost
    strengths = fit_bradley_terry(wins, penalty=0)
    expected = 1 / (1 + np.exp(strengths[second] - strengths[first]))
    freedom = len(first) - len(wins) + 1
    deviance = _deviance(won, lost, expected)
    gain = _deviance(won, lost, np.full(len(trials), 0.5)) - deviance
    fit = {"degrees_of_freedom": freedom, "dispersion": dispersion, "deviance": deviance if freedom else 0.0}
    fit["equal_p"] = chi2.sf(gain / dispersion, len(wins) - 1)
    if not freedom:
        return fit
    design = np.zeros((len(first), len(wins)))
    design[np.arange(len(first)), first], design[np.arange(len(first)), second] = 1, -1
    information = trials * expected * (1 - expected)
    covariance = np.linalg.pinv(design.T @ (information[:, None] * design))
    # a pair that alone ties a value to the rest is fitted without error and has no residual
    left = 1 - information * np.einsum("pi,ij,pj->p", design, covariance, design)
    tested = left > 1e-9
    residual = np.zeros(len(first))
    residual[tested] = ((won - trials * expected)[tested]) / np.sqrt((information * left * dispersion)[tested])
    # residuals that differ by rounding alone are the same
    worst = int(np.abs(residual).round(DIGITS).argmax())
    winner, loser = (first, second) if residual[worst] >= 0 else (second, first)
    more = residual[worst] >= 0
    return fit | {
        "p_value": chi2.sf(deviance / dispersion, freedom),
        "worst_winner": values[winner[worst]],
        "worst_loser": values[loser[worst]],
        "worst_observed": (won if more else lost)[worst] / trials[worst],
        "worst_expected": expected[worst] if more else 1 - expected[worst],
        "worst_residual": abs(residual[worst]),
    }


def _deviance(won: NDArray, lost: NDArray, expected: NDArray) -> float:
    """Return the deviance of rates against the pairs' own."""
    trials = won + lost
    return 2 * (_log_ratio(won, trials * expected) + _log_ratio(lost, trials * (1 - expected))).sum()


def _log_ratio(observed: NDArray, expected: NDArray) -> NDArray:
    """Return n log(n / expected), 0 if n is 0."""
    return observed * np.log(np.where(observed > 0, observed, 1) / np.where(observed > 0, expected, 1))


def _dispersion(choices: pd.DataFrame, groups: pd.DataFrame) -> NDArray[np.float64]:
    """Return each group's design effect, pooled over its pairs."""
    chosen = in_name_order(choices[choices["outcome"].eq("choice")])
    counts = count_successes(chosen, chosen["winner"].eq(chosen["value_1"]), [*GROUP, "value_1", "value_2"])
    counts["independent"] = counts["successes"] * (1 - counts["successes"] / counts["trials"])
    pooled = counts.groupby(GROUP)[["spread", "independent", "largest_spread", "trials"]].sum()
    pooled = pooled.reindex(pd.MultiIndex.from_frame(groups), fill_value=0)
    return design_effect(pooled["spread"], pooled["independent"], pooled["largest_spread"], pooled["trials"])


def _count_triads(wins: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each group how many triads are decided, and how many of them are cyclic."""
    lead = (wins > np.swapaxes(wins, 1, 2)).astype(float)
    either = lead + np.swapaxes(lead, 1, 2)
    # closed walks of three steps: a triad is walked six times, one that goes round three times
    walks = [np.einsum("gij,gji->g", side @ side, side) for side in (either, lead)]
    return (walks[0] / 6).round().astype(int), (walks[1] / 3).round().astype(int)
