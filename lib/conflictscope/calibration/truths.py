"""Truths: what a study of endlessly many scenarios would report of a respondent whose preferences are known.

Chances that one value wins against another, strengths and steering effects, by quadrature over the latent model.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bradley_terry import fit_bradley_terry
from conflictscope.simulated import Respondent

ORDERS = (1, 2)  # the action that is shown first
# sums over an even grid converge at once for integrands that are smooth and vanish at both ends
_NORMAL = np.linspace(-9, 9, 181)
_NORMAL_WEIGHT = np.exp(-(_NORMAL**2) / 2) / np.exp(-(_NORMAL**2) / 2).sum()
_LOGISTIC = np.linspace(-40, 40, 321)
_LOGISTIC_WEIGHT = 1 / np.cosh(_LOGISTIC / 2) ** 2 / (1 / np.cosh(_LOGISTIC / 2) ** 2).sum()


def win_chance(
    respondent: Respondent,
    value: str,
    other: str,
    condition: str,
    *,
    priorities: Mapping[str, float] | None = None,
    orders: Sequence[int] = ORDERS,
    push: float = 0.0,
) -> float:
    """Give the chance that `value` wins against `other`, over scenarios, noise and, in multiple choice, option orders.

    Parameters
    ----------
    respondent : Respondent
        Who chooses; its ``noise`` must be above 0.
    value, other : str
        Two values whose utilities are listed.
    condition : str
        ``multiple_choice`` or ``open_ended``.
    priorities : mapping, optional
        As in ``Respondent.utility``.
    orders : sequence of int
        1: the action of `value` is shown first; 2: second. Both by default, equally often.
    push : float
        Added to the log-odds of `value`, such as the respondent's compliance if it is pressed for `value`.

    Returns
    -------
    float
        0–1: E σ((d + s Z + o L ± b) / n), Z standard normal, L standard logistic, by a sum over a grid; d the
        difference of utilities, s the weight of the scenario, o the noise and b the bias of the order, n the noise.

    Raises
    ------
    ValueError
        If the noise is not above 0 or a utility is not listed.
    """
    require_listed(respondent, (value, other))
    if not respondent.noise > 0:
        raise ValueError(f"respondent {respondent.name!r}: found noise {respondent.noise}; expected a number above 0.")
    given = priorities or {}
    gap = respondent.utility(value, condition, given) - respondent.utility(other, condition, given)
    latent = gap + push + respondent.scenario_weight * _NORMAL[:, None]
    if condition == "multiple_choice":
        bias = np.array([respondent.position_bias * (1 if order == 1 else -1) for order in orders])
        latent = latent[..., None] + respondent.order_noise * _LOGISTIC[:, None] + bias
        chance = (_sigmoid(latent / respondent.noise).mean(axis=-1) * _LOGISTIC_WEIGHT).sum(axis=1)
    else:
        chance = _sigmoid(latent / respondent.noise)[:, 0]
    return float(chance @ _NORMAL_WEIGHT)


def abstention_chance(respondent: Respondent, value: str, other: str) -> float:
    """Give the chance that a respondent takes neither action in multiple choice, over scenarios, noise and orders."""
    # P(latent > −w) − P(latent > w)
    more, less = (
        win_chance(respondent, value, other, "multiple_choice", push=sign * respondent.abstention) for sign in (1, -1)
    )
    return more - less


def true_strengths(respondent: Respondent, pairs: Sequence[tuple[str, str]], condition: str) -> pd.Series:
    """Give the strengths that a study with endlessly many scenarios in each pair would report.

    With scenario effects or noise of the order, choices do not follow a Bradley–Terry model with the utilities as
    strengths; what a study estimates is then the fit to the expected win rates, given here. Both option orders are
    asked, as `win_chance` has it, each pair has the same number of scenarios, and the penalty counts for nothing.

    Returns
    -------
    Series
        Indexed by value, in order of appearance: log-odds, mean 0, larger = preferred.

    Raises
    ------
    ValueError
        As for `win_chance`, and if the pairs do not link all values.
    """
    values = list(dict.fromkeys(itertools.chain.from_iterable(pairs)))
    wins = np.zeros((len(values), len(values)))
    for one, two in pairs:
        i, j = values.index(one), values.index(two)
        wins[i, j] = win_chance(respondent, one, two, condition)
        wins[j, i] = 1 - wins[i, j]
    return pd.Series(fit_bradley_terry(wins, penalty=0), index=values, name="strength")


def true_steering(
    respondent: Respondent, pairs: Sequence[tuple[str, str]], condition: str, target_ranking: Sequence[str]
) -> dict[str, float]:
    """Give alignment before and after steering, and the effect, with endlessly many scenarios in each pair.

    Returns
    -------
    dict
        ``before``, ``after`` (0–1) and ``effect``, as `steering_effects` defines them.
    """
    rank = {value: n for n, value in enumerate(target_ranking)}
    higher = [pair if rank[pair[0]] < rank[pair[1]] else pair[::-1] for pair in pairs]
    place = places(target_ranking)
    before = float(np.mean([win_chance(respondent, *pair, condition) for pair in higher]))
    after = float(np.mean([win_chance(respondent, *pair, condition, priorities=place) for pair in higher]))
    return {"before": before, "after": after, "effect": (after - before) / (1 - before)}


def places(target_ranking: Sequence[str]) -> dict[str, float]:
    """Return value → its place in a list of priorities, from 1 (top) to −1 (bottom), as respondents read it."""
    return {value: 1 - 2 * n / (len(target_ranking) - 1) for n, value in enumerate(target_ranking)}


def _sigmoid(x: NDArray) -> NDArray[np.float64]:
    """Return 1 / (1 + e^−x) without overflow."""
    return (1 + np.tanh(x / 2)) / 2


def require_listed(respondent: Respondent, values: Iterable[str]) -> None:
    """Raise unless the respondent's utilities list all values."""
    missing = sorted({*values} - {*respondent.utilities})
    if missing:
        raise ValueError(
            f"respondent {respondent.name!r}: no utility for {missing}; expected one for each value. List them."
        )
