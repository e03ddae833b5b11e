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
_ENDS = 721  # angles among which the ends of intervals are looked for
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
        Of no shift of any value, whatever the scale: finds one large shift and many small ones; nan with two values,
        which scale alone can explain.
    shift, shift_low, shift_high : ndarray, shape (groups, k)
        Log-odds of the second condition by which a value moved against where all other values and the scale put it;
        the intervals hold together for all values, leave out 0 where ``p_value`` is below 1 − level (unless the shift
        may be large either way, and not small), and are open (infinite) where the scale is not bounded; nan where no
        scale puts the others in place. Of three values the one that moved cannot be told, as any one of them could
        have, and the three share one p-value, unless another would have to have gone with a scale below 0.
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
    takes off it has one. Family-wise p-values are of the largest of k such roots (max-|t|; Westfall and Young 1993),
    and intervals are those of the profile: the shifts whose distance is no further from the least than that bar.
    ``omnibus_p`` combines T², to which all values add, with the least of these, for which one is enough, by Cauchy's
    distribution (Liu and Xie 2020, *J. American Statistical Association* 115); of three values the two are the same.
    Where the largest is beyond doubt its value is set free, and the rest are compared again without it (step-down), so
    that one value's shift is not read as that of all others. Beyond ``MOST_DRAWN`` values none of them can draw the
    scale by itself: λ is then that of all values, and a root is the value's efficient score (Rao 1948) at it.
    """
    groups, k = strengths[0].shape
    problem = _problem(strengths, covariances)
    start = _nearest_angle(problem, ())
    nothing_moved = _distance(problem, (), start[:, None])[:, 0]
    of_all = _hotelling_p(nothing_moved, freedom, k)
    even = _distance(problem, (), np.full((groups, 1), np.pi / 4))[:, 0] - nothing_moved
    low, high = _scale_interval(problem, nothing_moved, f_distribution.isf(1 - level, 1, freedom))
    values = {name: np.full((groups, k), np.nan) for name in ("shift", "shift_low", "shift_high", "t", "p_value")}
    scale_angle = start.copy()
    omnibus = np.full(groups, np.nan)
    if k > 2:
        _step_down(problem, freedom, np.arange(groups), (), of_all, omnibus, values, scale_angle, (level, seed, draws))
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
    """Give the p-value of T² alone, the quick part of `shift_apart_from_scale`'s ``omnibus_p``, shape (groups,)."""
    problem = _problem(strengths, covariances)
    least = _distance(problem, (), _nearest_angle(problem, ())[:, None])[:, 0]
    return _hotelling_p(least, freedom, strengths[0].shape[1])


def _combine(*p_values: NDArray) -> NDArray[np.float64]:
    """Return one p-value of several tests of the same, however they hang together."""
    # at 1 the tangent has no end
    tangents = [np.tan((0.5 - np.clip(p, 1e-15, 0.999)) * np.pi) for p in p_values]
    return 0.5 - np.arctan(np.mean(tangents, axis=0)) / np.pi


def _p_of_largest(largest: NDArray, t: NDArray) -> NDArray[np.float64]:
    """Return the share of draws (groups, draws) of the largest |t| that are no less than each |t| (groups, values)."""
    return (1 + (largest[:, None, :] >= np.abs(t)[:, :, None] - 1e-9).sum(axis=2)) / (1 + largest.shape[1])


def _problem(strengths: tuple[NDArray, NDArray], covariances: tuple[NDArray, NDArray, NDArray]) -> tuple:
    """Return strengths and covariances in an orthonormal basis, and the basis."""
    basis = _basis(strengths[0].shape[1])
    one, two = (theta @ basis for theta in strengths)
    v11, v22, v12 = (basis.T @ v @ basis for v in covariances)
    return one, two, v11, v22, v12 + np.swapaxes(v12, 1, 2), basis


def _hotelling_p(least: NDArray, freedom: NDArray, k: int) -> NDArray[np.float64]:
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
    of_all: NDArray,
    omnibus: NDArray,
    values: dict[str, NDArray],
    scale_angle: NDArray,
    how: tuple[float, int, int],
) -> None:
    """Fill in the values' shifts, given that those in `moved` have; recur where one more has beyond doubt.

    The first time, with none in `moved`, `omnibus` is filled in as well, of which `of_all` is one part.
    """
    level, seed, draws = how
    *parts, basis = problem
    with_basis = (*(part[rows] for part in parts), basis)
    k = len(basis)
    base = _nearest_angle(with_basis, moved)
    scale_angle[rows] = base
    rest = [v for v in range(k) if v not in moved]
    largest = largest_of_t(_correlation(with_basis, moved, base, rest), freedom[rows], draws=draws, seed=seed)
    bar = np.quantile(largest, level, axis=1)[:, None]
    if k > MOST_DRAWN:
        shift, error, t = _shifts_of_many(with_basis, moved, base, rest)
        low, high = shift - bar * error, shift + bar * error
    else:
        shift, low, high, t = _shifts(with_basis, moved, base, rest, bar)
    p_value = _p_of_largest(largest, t)
    if not moved:
        omnibus[rows] = _combine(of_all[rows], p_value.min(axis=1))
    at = (rows[:, None], np.array(rest)[None])
    for name, columns in zip(
        ("shift", "shift_low", "shift_high", "t", "p_value"), (shift, low, high, t, p_value), strict=True
    ):
        values[name][at] = columns
    best = np.abs(t).argmax(axis=1)
    go_on = (omnibus[rows] < 1 - level) & (p_value.min(axis=1) < 1 - level)
    if len(moved) + 1 > k - 3:
        return
    for column, v in enumerate(rest):
        chosen = go_on & (best == column)
        if not chosen.any():
            continue
        kept = {name: array[rows[chosen], v].copy() for name, array in values.items()}
        _step_down(problem, freedom, rows[chosen], (*moved, v), of_all, omnibus, values, scale_angle, how)
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
    # where a parabola is lowest: between neighbours on the grid rounding would choose, otherwise on each processor
    tried = centre[:, None] + half * np.array([-1, 0, 1])
    left, middle, right = _distance(problem, moved, np.clip(tried, 0, np.pi / 2)).T
    bend = left - 2 * middle + right
    lowest = (bend > 0) & (tried[:, 0] >= 0) & (tried[:, 2] <= np.pi / 2)
    step = half * (left - right) / (2 * np.where(lowest, bend, 1))
    return np.where(lowest, centre + np.clip(step, -half, half), centre)


def _scale_interval(problem: tuple, least: NDArray, bar: NDArray) -> tuple[NDArray, NDArray]:
    """Return the ends of the scales whose distance is within `bar` of the least."""
    angle = np.broadcast_to(np.linspace(0, np.pi / 2, _ENDS), (len(least), _ENDS))
    if len(problem[-1]) > MOST_DRAWN:
        some_angles = np.linspace(0, np.pi / 2, _ENDS_OF_MANY)
        known = _distance(problem, (), np.broadcast_to(some_angles, (len(least), _ENDS_OF_MANY)))
        distance = CubicSpline(some_angles, known, axis=1)(angle[0])
    else:
        distance = _distance(problem, (), angle)
    inside = distance <= (least + bar)[:, None]
    some = inside.any(axis=1)
    low = np.where(some, angle[0][inside.argmax(axis=1)], np.nan)
    high = np.where(some, angle[0][_ENDS - 1 - inside[:, ::-1].argmax(axis=1)], np.nan)
    with np.errstate(invalid="ignore"):
        return np.tan(low), np.where(high >= np.pi / 2 - 1e-9, np.inf, np.tan(high))


def _estimates(
    problem: tuple, moved: tuple[int, ...], base: NDArray, rest: list[int]
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return, for each value in `rest` alone, angle of the scale, distance that is left, shift, and its signed root."""
    least = _distance(problem, moved, base[:, None])[:, 0]
    angle, left, shift = np.empty((3, len(base), len(rest)))
    for column, v in enumerate(rest):
        nearest = _nearest_angle(problem, (*moved, v))[:, None]
        _, slope, curvature = _quadratics(problem, moved, nearest, [v])
        angle[:, column], shift[:, column] = nearest[:, 0], (slope / curvature)[:, 0, 0]
        left[:, column] = _distance(problem, (*moved, v), nearest)[:, 0]
    return angle, left, shift, np.sign(shift) * np.sqrt(np.maximum(least[:, None] - left, 0))


def _shifts(
    problem: tuple, moved: tuple[int, ...], base: NDArray, rest: list[int], bar: NDArray
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return shift, its ends and its signed root of each value in `rest`, the scale being that of all others.

    At a given angle the distance is a quadratic of the shift, so the shifts within reach of the least distance are an
    interval; the ends are the outermost over all angles.
    """
    angle, left, shift, t = _estimates(problem, moved, base, rest)
    low, high = np.empty((2, *shift.shape))
    angles = np.broadcast_to(np.linspace(0, np.pi / 2, _ENDS)[:-1], (len(base), _ENDS - 1))
    distance, slopes, curvatures = _quadratics(problem, moved, angles, rest)
    for column in range(len(rest)):
        slope, curvature = slopes[..., column], curvatures[..., column]
        within = slope**2 - curvature * (distance - left[:, [column]] - bar**2)
        half = np.sqrt(np.maximum(within, 0))
        downward, upward = (
            np.where(within >= 0, (slope + sign * half) / curvature, -sign * np.inf) for sign in (-1, 1)
        )
        # what the steepest angle still allows goes on without bound, as the scale does
        endless = within[:, -1] >= 0
        downward[:, -1] = np.where(endless & (downward[:, -1] < 0), -np.inf, downward[:, -1])
        upward[:, -1] = np.where(endless & (upward[:, -1] > 0), np.inf, upward[:, -1])
        low[:, column], high[:, column] = downward.min(axis=1), upward.max(axis=1)
    no_scale = np.tan(angle) > _LARGEST_SCALE
    shift, low, high = (np.where(no_scale, np.nan, numbers) for numbers in (shift, low, high))
    return shift, low, high, t


def _quadratics(
    problem: tuple, moved: tuple[int, ...], angle: NDArray, rest: list[int]
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the distance at angles (groups, m) as quadratics of the shift x of each value in `rest`.

    a − 2bx + cx², with the values in `moved` free: a has the shape (groups, m), b and c (groups, m, rest).
    """
    d, inverse = _parts(problem, angle)
    if moved:
        fixed = problem[-1][list(moved)].T
        pulled = inverse @ fixed
        inverse = inverse - pulled @ np.linalg.solve(fixed.T @ pulled, np.swapaxes(pulled, 2, 3))
    toward = np.einsum("gmij,gmj->gmi", inverse, d)
    values = problem[-1][rest]
    cosine = np.maximum(np.cos(angle), 1e-9)[..., None]
    curvature = cosine**2 * np.einsum("vi,gmij,vj->gmv", values, inverse, values, optimize=True)
    return np.einsum("gmi,gmi->gm", d, toward), cosine * (toward @ values.T), curvature


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
