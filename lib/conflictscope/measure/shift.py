"""Shift: how what a model does (open-ended, revealed) differs from what it says (multiple choice, expressed).

Both conditions of a target are fitted on the same resamples of scenarios, under the default arm, so every difference is
paired; beside it stands the noise that would be there without a real shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings, resample_wins
from conflictscope.measure.bradley_terry import fit_some, win_graph_connected
from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.tables import CONDITIONS

ALL_TARGETS = "all targets"
_ORDERS = (1, 2)  # the action that is shown first
_USED = [*GROUP, "scenario_id", "value_1", "value_2", "judge", "outcome", "winner", "loser"]


@dataclass(frozen=True)
class PairedFits:
    """Fits by target; the second axis is the condition (expressed, revealed) or the option order (1 first, 2 first).

    Strengths are log-odds with mean 0; nan if a condition has no choice, or the penalty is 0 and the win graph is not
    strongly connected.
    """

    targets: list[str]
    strengths: NDArray[np.float64]  # (targets, 2, k)
    draws: NDArray[np.float64]  # (targets, 2, resamples, k)
    identified: NDArray[np.bool_]  # (targets, 2): whether the win graph is strongly connected
    order_strengths: NDArray[np.float64]  # (targets, 2, k), multiple choice
    order_draws: NDArray[np.float64]  # (targets, 2, resamples, k)
    problems: list[str | None]  # by target: why ranks cannot be compared; None if they can


def fit_both_conditions(choices: pd.DataFrame, values: Sequence[str], settings: Settings) -> PairedFits:
    """Fit every target's expressed and revealed strengths on the same resamples of scenarios, those of `rank_values`.

    Raises
    ------
    ValueError
        As for `value_shifts`.
    """
    check_choices(choices)
    default = choices[choices["arm"].eq("default")]
    for condition in CONDITIONS:
        if not default["condition"].eq(condition).any():
            raise ValueError(
                f"choices: none with condition {condition!r} and arm 'default'; expected both conditions. "
                "Run notebooks 03 and 04 for the same targets, and gather their choices."
            )
    order = "order " + default["action_shown_first"].astype("str")
    by_order = default[_USED].assign(arm=default["arm"].where(default["condition"].ne("multiple_choice"), order))
    groups, observed, resampled = resample_wins(by_order, values, settings)
    targets = sorted(default["target"].unique())
    wanted = [("multiple_choice", f"order {n}") for n in _ORDERS] + [("open_ended", "default")]
    keys = pd.MultiIndex.from_tuples([(t, *rest) for t in targets for rest in wanted], names=GROUP)
    place = pd.MultiIndex.from_frame(groups).get_indexer(keys).reshape(len(targets), len(wanted))
    tables, resampled_tables = _by_condition(observed, place), _by_condition(resampled, place)
    connected, asked = np.asarray(win_graph_connected(tables)), np.asarray(tables.any(axis=(2, 3)))
    fitted = connected | (settings.penalty > 0) & asked
    if settings.penalty == 0:
        # one order alone is a side show: if it has no maximum it is left out rather than refused
        fitted[:, 2:] &= np.asarray(win_graph_connected(resampled_tables[:, 2:])).all(axis=2)
    strengths, draws = (fit_some(wins, fitted, settings.penalty) for wins in (tables, resampled_tables))
    return PairedFits(
        targets=targets,
        strengths=strengths[:, :2],
        draws=draws[:, :2],
        identified=connected[:, :2],
        order_strengths=strengths[:, 2:],
        order_draws=draws[:, 2:],
        problems=[_problem(known, some) for known, some in zip(connected, asked, strict=True)],
    )


def middle_ranks(strengths: NDArray) -> NDArray[np.float64]:
    """Return ranks over the last axis, 1 = strongest; tied values share the mean of their places; nan stays nan."""
    above = (strengths[..., None, :] > strengths[..., :, None]).sum(axis=-1)
    level = (strengths[..., None, :] == strengths[..., :, None]).sum(axis=-1)
    return np.where(np.isnan(strengths), np.nan, above + (level + 1) / 2)


def _by_condition(wins: NDArray, place: NDArray) -> NDArray:
    """Return each target's wins: expressed (both orders), revealed, order 1 alone, order 2 alone, on axis 1."""
    with_none = np.concatenate([wins, np.zeros_like(wins[:1])])  # place -1: not asked
    orders, revealed = with_none[place[:, :2]], with_none[place[:, 2:]]
    return np.concatenate([orders.sum(axis=1, keepdims=True), revealed, orders], axis=1)


def _problem(identified: NDArray, some: NDArray) -> str | None:
    """Return why one target's two rankings cannot be compared, or None."""
    reasons = [
        f"{condition}: {'win graph not connected' if any_choice else 'no choices'}"
        for condition, known, any_choice in zip(CONDITIONS, identified[:2], some[:2], strict=True)
        if not known
    ]
    return "; ".join(reasons) or None


def value_shifts(choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give the shift of each value from multiple choice to open-ended, for each target, under the default arm.

    Returns
    -------
    DataFrame
        One row for each target and value: ``target``, ``value``; ``strength_expressed``, ``strength_revealed``
        (log-odds, mean 0, larger = preferred); ``strength_shift`` (revealed − expressed: above 0, the model acts on the
        value more than it says), ``strength_shift_low``, ``strength_shift_high``; ``rank_expressed``,
        ``rank_revealed`` (1 = most preferred; tied values share the mean of their places), ``rank_shift`` (revealed −
        expressed: above 0, it falls), ``rank_shift_low``, ``rank_shift_high``; ``bootstrap_error`` (the size that the
        shift would stay below with probability `level` if there were none: quantile of the resamples' distance from
        the observed shift); ``order_shift`` (strength from the answers with action 1 shown first − from those with
        action 2 first, multiple choice), ``order_shift_low``, ``order_shift_high``, empty unless both orders have a
        fit; ``beyond_noise`` (``strength_shift`` larger in size than ``bootstrap_error`` and than ``order_shift``);
        ``problem``.
        If a win graph is not strongly connected, ``problem`` says which, ranks and ``beyond_noise`` are empty, and
        strengths are held in place by the penalty; if a target has no choice in a condition, its strengths there are
        empty too.

    Raises
    ------
    ValueError
        If a condition does not occur under the default arm, the choices do not fit `values`, or the penalty is 0 and a
        resample has no maximum of the likelihood.
    """
    fits = fit_both_conditions(choices, values, settings)
    comparable = np.array([problem is None for problem in fits.problems])
    strength_draws = fits.draws[:, 1] - fits.draws[:, 0]
    shift = fits.strengths[:, 1] - fits.strengths[:, 0]
    ranks, rank_draws = _ranks(fits)
    order_shift = fits.order_strengths[:, 0] - fits.order_strengths[:, 1]
    noise = np.quantile(np.abs(strength_draws - shift[:, None]), settings.level, axis=1)
    # an order that was not asked sets no bar
    beyond = np.abs(shift) > np.fmax(noise, np.abs(order_shift))
    columns = {
        "strength_expressed": fits.strengths[:, 0],
        "strength_revealed": fits.strengths[:, 1],
        **_with_interval("strength_shift", shift, strength_draws, settings.tails),
        "rank_expressed": ranks[:, 0],
        "rank_revealed": ranks[:, 1],
        **_with_interval("rank_shift", ranks[:, 1] - ranks[:, 0], rank_draws[:, 1] - rank_draws[:, 0], settings.tails),
        "bootstrap_error": noise,
        **_with_interval("order_shift", order_shift, fits.order_draws[:, 0] - fits.order_draws[:, 1], settings.tails),
    }
    table = pd.DataFrame(
        {
            "target": np.repeat(fits.targets, len(values)),
            "value": np.tile(np.asarray(values, dtype=object), len(fits.targets)),
            **{name: numbers.ravel() for name, numbers in columns.items()},
        }
    )
    table["beyond_noise"] = pd.Series(beyond.ravel(), dtype="boolean").where(np.repeat(comparable, len(values)))
    table["problem"] = pd.Series(np.repeat(np.asarray(fits.problems, dtype=object), len(values)), dtype="str")
    return table.astype({"target": "str", "value": "str"})


def ranking_agreement(choices: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give Kendall's τ-b between each target's expressed and revealed ranking, under the default arm.

    Returns
    -------
    DataFrame
        One row for each target, then one for ``all targets``, the mean over those that have a τ: ``target``, ``tau``
        (−1 reversed, 1 the same order), ``tau_low``, ``tau_high`` (over scenarios, the targets taken as given),
        ``targets`` (how many are behind the row), ``problem`` (why there is no τ). A ranking that ties all values has
        no τ; in a resample it counts as 0.
    """
    fits = fit_both_conditions(choices, values, settings)
    tau = _kendall(fits.strengths[:, 0], fits.strengths[:, 1])
    draws = np.nan_to_num(_kendall(fits.draws[:, 0], fits.draws[:, 1]))
    comparable = np.array([problem is None for problem in fits.problems])
    problems = [
        problem or ("all values tied" if np.isnan(t) else None) for problem, t in zip(fits.problems, tau, strict=True)
    ]
    tau[~comparable] = np.nan
    draws[np.isnan(tau)] = np.nan
    return _with_mean(fits.targets, problems, {"tau": (tau, draws)}, settings.tails)


def group_ranks(
    choices: pd.DataFrame, values: Sequence[str], groups: Mapping[str, str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give the mean rank of each group of values, expressed and revealed.

    Parameters
    ----------
    choices, values, settings
        As everywhere.
    groups : mapping of str to str
        Value → group, as ``ValueSet.groups`` has it; values without a group take part in the ranking alone.

    Returns
    -------
    DataFrame
        One row for each group of values and target, and for ``all targets``, the mean over those that have ranks:
        ``group``, ``target``, ``expressed``, ``revealed``, ``shift`` (revealed − expressed: above 0, the group falls),
        each with ``_low`` and ``_high`` (ranks count from 1 = most preferred; intervals over scenarios, the targets
        taken as given), ``targets``, ``problem``.

    Raises
    ------
    ValueError
        As for `value_shifts`, or if `groups` is empty or names a value that is not in `values`.
    """
    unknown = sorted(set(groups) - set(values))
    if unknown or not groups:
        raise ValueError(f"groups: found {dict(groups)}; expected some of {list(values)}, each with its group.")
    fits = fit_both_conditions(choices, values, settings)
    ranks, draws = _ranks(fits)
    tables = []
    for group in dict.fromkeys(groups.values()):
        members = [n for n, value in enumerate(values) if groups.get(value) == group]
        mean, mean_draws = ranks[..., members].mean(axis=-1), draws[..., members].mean(axis=-1)
        columns = {
            "expressed": (mean[:, 0], mean_draws[:, 0]),
            "revealed": (mean[:, 1], mean_draws[:, 1]),
            "shift": (mean[:, 1] - mean[:, 0], mean_draws[:, 1] - mean_draws[:, 0]),
        }
        tables.append(_with_mean(fits.targets, fits.problems, columns, settings.tails).assign(group=group))
    table = pd.concat(tables, ignore_index=True)
    return table[["group", *[name for name in table.columns if name != "group"]]].astype({"group": "str"})


def _ranks(fits: PairedFits) -> tuple[NDArray, NDArray]:
    """Return ranks and their draws, nan if a condition does not identify an order."""
    ranks = np.where(fits.identified[..., None], middle_ranks(fits.strengths), np.nan)
    return ranks, np.where(fits.identified[..., None, None], middle_ranks(fits.draws), np.nan)


def _kendall(one: NDArray, other: NDArray) -> NDArray:
    """Return Kendall's τ-b over the last axis (Kendall 1945), nan if either ties all."""
    first, second = np.triu_indices(one.shape[-1], 1)
    one_sign, other_sign = np.sign(one[..., first] - one[..., second]), np.sign(other[..., first] - other[..., second])
    untied = np.sqrt((one_sign != 0).sum(axis=-1) * (other_sign != 0).sum(axis=-1))
    return np.where(untied > 0, (one_sign * other_sign).sum(axis=-1) / np.where(untied > 0, untied, 1), np.nan)


def _with_interval(name: str, numbers: NDArray, draws: NDArray, tails: list[float]) -> dict[str, NDArray]:
    """Return three columns: the numbers and their percentile interval; draws have the resamples on axis 1."""
    low, high = np.quantile(draws, tails, axis=1)
    return {name: numbers, f"{name}_low": low, f"{name}_high": high}


def _with_mean(
    targets: list[str],
    problems: list[str | None],
    columns: dict[str, tuple[NDArray, NDArray]],
    tails: list[float],
) -> pd.DataFrame:
    """Return a row a target and one for their mean; columns hold numbers (targets,) and draws (targets, resamples)."""
    table = pd.DataFrame({"target": [*targets, ALL_TARGETS]}, dtype="str")
    # the mean is over the same targets in every column
    shown = ~np.any([np.isnan(numbers) for numbers, _ in columns.values()], axis=0)
    for name, (numbers, draws) in columns.items():
        mean = numbers[shown].mean() if shown.any() else np.nan
        mean_draws = draws[shown].mean(axis=0) if shown.any() else np.full(draws.shape[1], np.nan)
        for column, content in _with_interval(
            name, np.append(numbers, mean), np.vstack([draws, mean_draws]), tails
        ).items():
            table[column] = content
    table["targets"] = [*shown.astype(int), int(shown.sum())]
    nothing = None if shown.any() else "no target can be compared"
    table["problem"] = pd.Series([*problems, nothing], dtype="str")
    return table
