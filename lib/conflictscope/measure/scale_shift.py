"""Shift apart from scale: whether values moved between two conditions, or answers only became more decisive.

In: strengths of the same scenarios in two conditions with their joint covariance. Out: the relative scale λ with its
interval, one test that nothing but the scale differs, and each value's shift with a family-wise p-value. Noise, judge
error and temperature pull all strengths of a condition toward 0 alike: that is scale, not shift.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.stats import f as f_distribution

from conflictscope.measure.rankings import MOST_DRAWN
from conflictscope.measure.strengths import DRAWS, largest_of_t

_GRID = 61  # angles that are tried first, over a quarter turn
_GRID_OF_MANY, _ENDS_OF_MANY = 21, 121  # the same with many values; angles between which a spline is put
_LARGEST_SCALE = 20.0  # beyond which the rest are taken to fit no scale
_REFINEMENTS = 4  # each narrows the angle fivefold


@dataclass(frozen=True)
class ScaleAndShift:
    """Two conditions compared, one row a group: strengths in the second = scale · those in the first + shift.

    Attributes
    ----------
    scale, scale_low, scale_high : ndarray, shape (groups,)
        λ ≥ 0: above 1, the second condition is more decisive. ``scale_high`` is infinite where the first condition
        may show no preference at all.
    scale_p : ndarray, shape (groups,)
        Of λ = 1.
    omnibus_p : ndarray, shape (groups,)
        Of no shift of any value, whatever the scale; nan with two values, which scale alone can explain.
    shift, shift_low, shift_high : ndarray, shape (groups, k)
        Log-odds of the second condition by which a value moved against where all other values and the scale put it;
        the intervals hold together for all values; nan where no scale puts the others in place. With three values which
        of them moved cannot be told, as any one of them could have: the three have one p-value.
    t, p_value : ndarray, shape (groups, k)
        Signed root of what the value's own shift takes off the distance, and its p-value, family-wise over the values.
        A value has shifted where both it and ``omnibus_p`` are below 1 − level.
    scale_of_the_rest : ndarray, shape (groups,)
        λ once the values that have shifted are free.
    """

    scale: NDArray[np.float64]
    scale_low: NDArray[np.float64]
    scale_high: NDArray[np.float64]
    scale_p: NDArray[np.float64]
    omnibus_p: NDArray[np.float64]
    shift: NDArray[np.float64]
    shift_low: NDArray[np.float64]
    shift_high: NDArray[np.float64]
    t: NDArray[np.float64]
    p_value: NDArray[np.float64]
    scale_of_the_rest: NDArray[np.float64]


def shift_apart_from_scale(
    strengths: tuple[NDArray, NDArray],
    covariances: tuple[NDArray, NDArray, NDArray],
    freedom: NDArray,
    *,
    level: float = 0.95,
    seed: int = 0,
    draws: int = DRAWS,
) -> ScaleAndShift:
    """Compare the strengths of two conditions up to a common scale.

    Parameters
    ----------
    strengths : pair of ndarray, shape (groups, k)
        First and second condition, mean 0, fitted to the same scenarios.
    covariances : three ndarrays, shape (groups, k, k)
        Of the first, of the second, and of the first with the second.
    freedom : ndarray, shape (groups,)
        Degrees of freedom of the covariances.
    level : float
        Coverage of the intervals, between 0 and 1.
    seed, draws : int
        Of the multivariate t draws behind the family-wise p-values.

    Notes
    -----
    With the true strengths profiled out, the distance of the estimates from θ₂ = λ θ₁ is
    (θ₂ − λθ₁)′ S(λ)⁻¹ (θ₂ − λθ₁), S(λ) = V₂₂ + λ²V₁₁ − λ(V₁₂ + V₂₁): errors in both conditions count, so that neither
    draws λ toward 0. λ = tan φ, and φ is searched over the quarter turn where the order is kept; a reversal of the
    order is a shift. The smallest distance is Hotelling's T² with k − 2 degrees of freedom; what one value's own shift
    takes off it has one. Family-wise p-values are of the largest of k such roots (max-|t|; Westfall and Young 1993).
    Where the largest is beyond doubt its value is set free, and the rest are compared again without it (step-down), so
    that one value's shift is not read as that of all others. Beyond ``MOST_DRAWN`` values none of them can draw the
    scale by itself: λ is then that of all values, and a root is the value's efficient score (Rao 1948) at it.
    """
    groups, k = strengths[0].shape
    problem = _problem(strengths, covariances)
    start = _nearest_angle(problem, ())
    nothing_moved = _distance(problem, (), start[:, None])[:, 0]
    omnibus = _no_shift_p(nothing_moved, freedom, k)
    even = _distance(problem, (), np.full((groups, 1), np.pi / 4))[:, 0] - nothing_moved
    low, high = _scale_interval(problem, nothing_moved, f_distribution.isf(1 - level, 1, freedom))
    values = {name: np.full((groups, k), np.nan) for name in ("shift", "shift_low", "shift_high", "t", "p_value")}
    scale_angle = start.copy()
    if k > 2:
        gate = omnibus < 1 - level
        _step_down(problem, freedom, np.arange(groups), (), gate, values, scale_angle, (level, seed, draws))
    return ScaleAndShift(
        scale=np.where(start >= np.pi / 2 - 1e-9, np.inf, np.tan(start)),
        scale_low=low,
        scale_high=high,
        scale_p=f_distribution.sf(np.maximum(even, 0), 1, freedom),
        omnibus_p=omnibus,
        scale_of_the_rest=np.tan(scale_angle),
        **values,
    )


def no_shift_p(
    strengths: tuple[NDArray, NDArray], covariances: tuple[NDArray, NDArray, NDArray], freedom: NDArray
) -> NDArray[np.float64]:
    """Give ``omnibus_p`` of `shift_apart_from_scale` alone, shape (groups,)."""
    problem = _problem(strengths, covariances)
    least = _distance(problem, (), _nearest_angle(problem, ())[:, None])[:, 0]
    return _no_shift_p(least, freedom, strengths[0].shape[1])


def _problem(strengths: tuple[NDArray, NDArray], covariances: tuple[NDArray, NDArray, NDArray]) -> tuple:
    """Return strengths and covariances in an orthonormal basis, and the basis."""
    basis = _basis(strengths[0].shape[1])
    one, two = (theta @ basis for theta in strengths)
    v11, v22, v12 = (basis.T @ v @ basis for v in covariances)
    return one, two, v11, v22, v12 + np.swapaxes(v12, 1, 2), basis


def _no_shift_p(least: NDArray, freedom: NDArray, k: int) -> NDArray[np.float64]:
    """Return Hotelling's p-value of the least distance, nan with two values."""
    test_freedom = k - 2
    if not test_freedom:
        return np.full(len(least), np.nan)
    below = np.maximum(freedom - test_freedom + 1, 1)
    return f_distribution.sf(least * below / (freedom * test_freedom), test_freedom, below)


def _step_down(
    problem: tuple,
    freedom: NDArray,
    rows: NDArray,
    moved: tuple[int, ...],
    gate: NDArray,
    values: dict[str, NDArray],
    scale_angle: NDArray,
    how: tuple[float, int, int],
) -> None:
    """Fill in the values' shifts, given that those in `moved` have; recur where one more has beyond doubt."""
    level, seed, draws = how
    *parts, basis = problem
    with_basis = (*(part[rows] for part in parts), basis)
    k = len(basis)
    base = _nearest_angle(with_basis, moved)
    least = _distance(with_basis, moved, base[:, None])[:, 0]
    scale_angle[rows] = base
    rest = [v for v in range(k) if v not in moved]
    t = np.empty((len(rows), len(rest)))
    if k > MOST_DRAWN:
        at = (rows[:, None], np.array(rest)[None])
        values["shift"][at], values["shift_low"][at], t = _shifts_of_many(with_basis, moved, base, rest)
    for column, v in enumerate(rest if k <= MOST_DRAWN else []):
        angle = _nearest_angle(with_basis, (*moved, v))
        shift, error = _last_shift(with_basis, (*moved, v), angle)
        no_scale = np.tan(angle) > _LARGEST_SCALE
        gained = least - _distance(with_basis, (*moved, v), angle[:, None])[:, 0]
        t[:, column] = np.sign(shift) * np.sqrt(np.maximum(gained, 0))
        values["shift"][rows, v] = np.where(no_scale, np.nan, shift)
        values["shift_low"][rows, v] = np.where(no_scale, np.nan, error)  # the error, until the bar is known
    largest = largest_of_t(_correlation(with_basis, moved, base, rest), freedom[rows], draws=draws, seed=seed)
    p_value = (1 + (largest[:, None, :] >= np.abs(t)[:, :, None] - 1e-9).sum(axis=2)) / (1 + draws)
    bar = np.quantile(largest, level, axis=1)[:, None]
    error = values["shift_low"][rows][:, rest].copy()
    shift = values["shift"][rows][:, rest]
    at = (rows[:, None], np.array(rest)[None])
    values["t"][at], values["p_value"][at] = t, p_value
    values["shift_low"][at], values["shift_high"][at] = shift - bar * error, shift + bar * error
    best = np.abs(t).argmax(axis=1)
    go_on = gate[rows] & (p_value.min(axis=1) < 1 - level)
    if len(moved) + 1 > k - 3:
        return
    for column, v in enumerate(rest):
        chosen = go_on & (best == column)
        if not chosen.any():
            continue
        kept = {name: array[rows[chosen], v].copy() for name, array in values.items()}
        _step_down(problem, freedom, rows[chosen], (*moved, v), gate, values, scale_angle, how)
        for name, array in values.items():
            array[rows[chosen], v] = kept[name]


def _basis(k: int) -> NDArray[np.float64]:
    """Return an orthonormal basis, shape (k, k − 1), of the vectors with sum 0."""
    return np.linalg.qr(np.eye(k) - 1 / k)[0][:, : k - 1]


def _parts(problem: tuple, angle: NDArray) -> tuple[NDArray, NDArray]:
    """Return D and S⁻¹ at angles of shape (groups, m)."""
    one, two, v11, v22, v12, _ = problem
    c, s = np.cos(angle), np.sin(angle)
    d = c[..., None] * two[:, None] - s[..., None] * one[:, None]
    c, s = c[..., None, None], s[..., None, None]
    return d, np.linalg.inv(c * c * v22[:, None] + s * s * v11[:, None] - c * s * v12[:, None])


def _distance(problem: tuple, moved: tuple[int, ...], angle: NDArray) -> NDArray[np.float64]:
    """Return the distance, shape (groups, m), at angles (groups, m), with the values in `moved` free."""
    if len(problem[-1]) > MOST_DRAWN:
        return _distance_of_many(problem, moved, angle)
    d, inverse = _parts(problem, angle)
    toward = np.einsum("gmij,gmj->gmi", inverse, d)
    distance = np.einsum("gmi,gmi->gm", d, toward)
    if not moved:
        return distance
    moved_basis = problem[-1][list(moved)]
    pull = toward @ moved_basis.T
    inner = moved_basis @ inverse @ moved_basis.T
    return distance - np.einsum("gmi,gmi->gm", pull, np.linalg.solve(inner, pull[..., None])[..., 0])


def _distance_of_many(problem: tuple, moved: tuple[int, ...], angle: NDArray) -> NDArray[np.float64]:
    """Return the distance as `_distance` does, an angle at a time: all matrices at once would not fit into memory."""
    one, two, v11, v22, v12, basis = problem
    moved_basis = basis[list(moved)].T
    distance = np.empty(angle.shape)
    for g, m in np.ndindex(angle.shape):
        c, s = np.cos(angle[g, m]), np.sin(angle[g, m])
        d = c * two[g] - s * one[g]
        solved = np.linalg.solve(c * c * v22[g] + s * s * v11[g] - c * s * v12[g], np.column_stack([d, moved_basis]))
        pull = moved_basis.T @ solved[:, 0]
        distance[g, m] = d @ solved[:, 0] - pull @ np.linalg.solve(moved_basis.T @ solved[:, 1:], pull)
    return distance


def _nearest_angle(problem: tuple, moved: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the angle in [0, π/2] of the smallest distance, shape (groups,)."""
    groups = len(problem[0])
    centre, half = np.full(groups, np.pi / 4), np.pi / 4
    for step in range(_REFINEMENTS + 1):
        size = 11 if step else _GRID_OF_MANY if len(problem[-1]) > MOST_DRAWN else _GRID
        tried = np.clip(centre[:, None] + np.linspace(-half, half, size), 0, np.pi / 2)
        centre = tried[np.arange(groups), _distance(problem, moved, tried).argmin(axis=1)]
        half = 2 * half / (size - 1)
    return centre


def _scale_interval(problem: tuple, least: NDArray, bar: NDArray) -> tuple[NDArray, NDArray]:
    """Return the ends of the scales whose distance is within `bar` of the least."""
    angle = np.broadcast_to(np.linspace(0, np.pi / 2, 721), (len(least), 721))
    if len(problem[-1]) > MOST_DRAWN:
        some_angles = np.linspace(0, np.pi / 2, _ENDS_OF_MANY)
        known = _distance(problem, (), np.broadcast_to(some_angles, (len(least), _ENDS_OF_MANY)))
        distance = CubicSpline(some_angles, known, axis=1)(angle[0])
    else:
        distance = _distance(problem, (), angle)
    inside = distance <= (least + bar)[:, None]
    some = inside.any(axis=1)
    low = np.where(some, angle[0][inside.argmax(axis=1)], np.nan)
    high = np.where(some, angle[0][720 - inside[:, ::-1].argmax(axis=1)], np.nan)
    with np.errstate(invalid="ignore"):
        return np.tan(low), np.where(high >= np.pi / 2 - 1e-9, np.inf, np.tan(high))


def _last_shift(problem: tuple, moved: tuple[int, ...], angle: NDArray) -> tuple[NDArray, NDArray]:
    """Return the shift of the last of the values that are free to move, and its standard error."""
    one, two, *_, basis = problem
    angle = angle[:, None]
    d, inverse = (part[:, 0] for part in _parts(problem, angle))
    turn = -np.sin(angle) * two - np.cos(angle) * one
    derivative = np.maximum(np.cos(angle), 1e-6)[:, :, None] * basis[list(moved)].T  # (groups, k − 1, moved)
    pull = np.swapaxes(derivative, 1, 2) @ inverse
    shift = np.linalg.solve(pull @ derivative, pull @ d[:, :, None])[:, -1, 0]
    jacobian = np.concatenate([derivative, turn[:, :, None]], axis=2)
    information = np.swapaxes(jacobian, 1, 2) @ inverse @ jacobian
    error = np.sqrt(np.maximum(np.linalg.pinv(information)[:, len(moved) - 1, len(moved) - 1], 0))
    return shift, error


def _shifts_of_many(
    problem: tuple, moved: tuple[int, ...], angle: NDArray, rest: list[int]
) -> tuple[NDArray, NDArray, NDArray]:
    """Return shift, standard error and efficient score of each value in `rest`, the scale being that of all values."""
    d, left = _left(problem, moved, angle)
    derivative = np.maximum(np.cos(angle), 1e-6)[:, None, None] * problem[-1][rest]
    pulled = derivative @ left
    information = np.maximum((pulled * derivative).sum(axis=2), 1e-300)
    shift = (pulled @ d[:, :, None])[..., 0] / information
    estimates = np.where(np.tan(angle)[:, None] > _LARGEST_SCALE, np.nan, shift)
    return estimates, 1 / np.sqrt(information), shift * np.sqrt(information)


def _left(problem: tuple, moved: tuple[int, ...], angle: NDArray) -> tuple[NDArray, NDArray]:
    """Return D, and S⁻¹ with the scale and the values in `moved` taken out."""
    one, two, *_, basis = problem
    angle = angle[:, None]
    d, inverse = (part[:, 0] for part in _parts(problem, angle))
    turn = -np.sin(angle) * two - np.cos(angle) * one
    fixed = np.broadcast_to(basis[list(moved)].T, (len(one), basis.shape[1], len(moved)))
    out = np.concatenate([turn[:, :, None], fixed], axis=2)
    pulled = inverse @ out
    return d, inverse - pulled @ np.linalg.pinv(np.swapaxes(out, 1, 2) @ pulled) @ np.swapaxes(pulled, 1, 2)


def _correlation(problem: tuple, moved: tuple[int, ...], angle: NDArray, rest: list[int]) -> NDArray[np.float64]:
    """Return the correlation of the statistics of the values in `rest`, scale and values in `moved` taken out."""
    rest_basis = problem[-1][rest]
    inner = rest_basis @ _left(problem, moved, angle)[1] @ rest_basis.T
    scale = np.sqrt(np.maximum(np.diagonal(inner, axis1=1, axis2=2), 1e-300))
    return inner / scale[:, :, None] / scale[:, None, :]
