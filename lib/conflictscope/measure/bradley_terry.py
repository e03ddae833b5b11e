"""Bradley–Terry: from counts of who beat whom to strengths, many tables of counts at once.

In: win counts, ``wins[..., i, j]`` = times i beat j. Out: strengths, log-odds with mean 0, and whether the counts
identify an order at all (Ford's condition). Section 3.4 of the paper (arXiv 2509.25369); the penalty is that of the
``choix`` library, which the paper's code calls, so that the same choices give the same numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
        Where the counts do not fit the above, or where α = 0 and a win graph is not strongly connected, so that the
        likelihood has no maximum (Ford 1957).
    ArithmeticError
        Where Newton's method does not converge.

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
    """Say whether the win graph is strongly connected (Ford's condition), so that the counts identify an order.

    Parameters
    ----------
    wins : array_like, shape (..., k, k)
        As for `fit_bradley_terry`.

    Returns
    -------
    bool or ndarray of bool, shape (...)
        True where every value can be reached from every other by a chain of "has beaten at least once".

    Raises
    ------
    ValueError
        Where the counts do not fit.
    """
    counts = _checked_wins(wins)
    k = counts.shape[-1]
    reached = ((counts > 0) | np.eye(k, dtype=bool)).astype(np.float32)
    # each squaring doubles the length of the chains that are covered
    for _ in range(int(np.ceil(np.log2(k)))):
        reached = (reached @ reached > 0).astype(np.float32)
    connected = np.asarray(reached.all(axis=(-2, -1)))
    return connected if connected.ndim else bool(connected)


def _newton_step(strengths: NDArray, wins: NDArray, penalty: float) -> NDArray:
    """Return the full Newton step of each fit, shape (n, k), with the last value held fixed."""
    k = wins.shape[-1]
    gap = strengths[:, :, None] - strengths[:, None, :]
    tail = np.exp(-np.abs(gap))
    win_chance = np.where(gap >= 0, 1, tail) / (1 + tail)
    # n_ij (1 − P_ij) − n_ji P_ij: no difference of two large numbers where P is near 0 or 1
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
