"""Paired fits: both conditions of each target, fitted on the same resamples of scenarios.

In: the choices table. Out: strengths and ranks, observed and resampled, expressed (multiple choice) and revealed
(open-ended), under the default system prompt; and the strengths from either option order alone. All share the
resamples, so every difference between them is paired. Sections 3.4 and 4 of the paper (arXiv 2509.25369).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bradley_terry import fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.resampling import count_wins, resample_wins
from conflictscope.tables import CONDITIONS

_DIGITS = 8  # strengths that differ by less differ by rounding alone
_ORDERS = (1, 2)  # the action that is shown first
_USED = [*GROUP, "scenario_id", "value_1", "value_2", "judge", "outcome", "winner", "loser"]


@dataclass(frozen=True)
class PairedFits:
    """Fits by target; the second axis is the condition (expressed, revealed) or the option order (1 first, 2 first).

    Strengths are log-odds with mean 0; empty (nan) where a condition has no choice, or where the penalty is 0 and the
    win graph is not strongly connected.
    """

    targets: list[str]
    strengths: NDArray[np.float64]  # (targets, 2, k)
    draws: NDArray[np.float64]  # (targets, 2, resamples, k)
    identified: NDArray[np.bool_]  # (targets, 2): whether the win graph is strongly connected
    order_strengths: NDArray[np.float64]  # (targets, 2, k), multiple choice
    order_draws: NDArray[np.float64]  # (targets, 2, resamples, k)
    problems: list[str | None]  # by target: why ranks cannot be compared; None where they can


def fit_both_conditions(
    choices: pd.DataFrame, values: Sequence[str], *, penalty: float, resamples: int, seed: int
) -> PairedFits:
    """Fit every target's expressed and revealed strengths on the same resamples of scenarios.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``; only the system prompt ``default`` counts.
    values : sequence of str
        The value set, at least two, in the order of the axes.
    penalty, resamples, seed
        As for `rank_values`, whose draws these are.

    Raises
    ------
    ValueError
        Where a condition does not occur under the default system prompt, the choices do not fit `values`, or `penalty`
        is 0 and a resample has no maximum of the likelihood.
    """
    if len(values) < 2:
        raise ValueError(f"values: found {list(values)}; expected at least two. Pass the study's values.")
    check_choices(choices)
    default = choices[choices["system_prompt"].eq("default")]
    for condition in CONDITIONS:
        if not default["condition"].eq(condition).any():
            raise ValueError(
                f"choices: none with condition {condition!r} and system_prompt 'default'; expected both conditions. "
                "Run notebooks 03 and 04 for the same targets, and gather their choices."
            )
    order = "order " + default["first_action"].astype("str")
    by_order = default[_USED].assign(
        system_prompt=default["system_prompt"].where(default["condition"].ne("multiple_choice"), order)
    )
    groups, observed = count_wins(by_order, values)
    _, resampled = resample_wins(by_order, values, resamples=resamples, seed=seed)
    targets = sorted(default["target"].unique())
    wanted = [("multiple_choice", f"order {n}") for n in _ORDERS] + [("open_ended", "default")]
    keys = pd.MultiIndex.from_tuples([(t, *rest) for t in targets for rest in wanted], names=GROUP)
    place = pd.MultiIndex.from_frame(groups).get_indexer(keys).reshape(len(targets), len(wanted))
    tables, resampled_tables = _by_condition(observed, place), _by_condition(resampled, place)
    connected, asked = np.asarray(win_graph_connected(tables)), np.asarray(tables.any(axis=(2, 3)))
    fitted = connected | (penalty > 0) & asked
    if penalty == 0:
        # one order alone is a side show: where it has no maximum it is left out rather than refused
        fitted[:, 2:] &= np.asarray(win_graph_connected(resampled_tables[:, 2:])).all(axis=2)
    strengths = np.full((*fitted.shape, len(values)), np.nan)
    draws = np.full((*fitted.shape, resamples, len(values)), np.nan)
    strengths[fitted] = fit_bradley_terry(tables[fitted], penalty).round(_DIGITS) + 0.0
    draws[fitted] = fit_bradley_terry(resampled_tables[fitted], penalty).round(_DIGITS) + 0.0
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
