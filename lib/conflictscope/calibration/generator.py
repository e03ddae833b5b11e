"""Studies with known truth and known nuisances, drawn without any of the code that is put to the test.

In: a truth (strengths, shifts, scenario effects), nuisances (position bias, noise, misread or missing answers) and a
size. Out: who won in each scenario, as arrays or as a choices table, and what a study without end would report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


@dataclass(frozen=True)
class Truth:
    """What a population of targets prefers.

    Parameters
    ----------
    strengths : mapping of str to float
        Value → log-odds in multiple choice.
    pairs : sequence of (str, str)
        The value pairs that are set against each other.
    shift : mapping of str to float
        Value → what is added to its strength in open-ended answers.
    pair_preference : mapping of (str, str) to float
        Pair → what is added to the log-odds of its first value: a preference that no strengths express.
    scenario_sd : float
        Standard deviation of the scenario effects, in log-odds; shared by conditions and targets.
    target_sd : float
        Standard deviation of each target's own strengths about `strengths`.
    """

    strengths: Mapping[str, float]
    pairs: Sequence[tuple[str, str]]
    shift: Mapping[str, float] = field(default_factory=dict)
    pair_preference: Mapping[tuple[str, str], float] = field(default_factory=dict)
    scenario_sd: float = 0.0
    target_sd: float = 0.0

    @property
    def values(self) -> list[str]:
        """The values, in the order of `strengths`."""
        return list(self.strengths)


@dataclass(frozen=True)
class Nuisance:
    """What stands between a preference and the table of choices.

    Parameters
    ----------
    position_bias : float
        Added to the log-odds of the action shown first, multiple choice.
    order_noise : float
        Standard deviation of what each showing adds to the log-odds, multiple choice.
    scale : float
        Factor on all log-odds in open-ended answers.
    judge_error : float
        Share of verdicts that name the other action, 0–1.
    misread : mapping of str to float
        Value → share of its wins that the judge reads as a win of the other value, on top.
    refusal : mapping of str to float
        Value → share of its wins that come as a refusal, open-ended: refusing is the act.
    lost_lopsided : float
        Share of scenarios, the most lopsided, whose conversations are lost.
    always_first : bool
        Whether multiple choice takes whatever is shown first.
    repetitions : int
        Times that each question is asked.
    """

    position_bias: float = 0.0
    order_noise: float = 0.0
    scale: float = 1.0
    judge_error: float = 0.0
    misread: Mapping[str, float] = field(default_factory=dict)
    refusal: Mapping[str, float] = field(default_factory=dict)
    lost_lopsided: float = 0.0
    always_first: bool = False
    repetitions: int = 1


@dataclass(frozen=True)
class Studies:
    """Drawn studies: 1 where the first value of the pair won, 0 where the second did, nan where no choice was made.

    Attributes
    ----------
    expressed : ndarray, shape (studies, targets, pairs, scenarios, 2, repetitions)
        Multiple choice; the fifth axis is the order: first value's action shown first, then second.
    revealed : ndarray, shape (studies, targets, pairs, scenarios, repetitions)
        Open-ended, as the judge read it.
    acted : ndarray, shape of `revealed`
        Open-ended, as it was, before misreading and refusals.
    strengths : ndarray, shape (studies, targets, values)
        Each target's own strengths in multiple choice.
    """

    truth: Truth
    nuisance: Nuisance
    expressed: NDArray[np.float32]
    revealed: NDArray[np.float32]
    acted: NDArray[np.float32]
    strengths: NDArray[np.float64]


def draw_studies(
    truth: Truth, nuisance: Nuisance, *, scenarios: int, studies: int, seed: int, targets: int = 1
) -> Studies:
    """Draw many studies of one truth.

    Parameters
    ----------
    truth, nuisance
        What is true and what hides it.
    scenarios : int
        Scenarios in each pair.
    studies, targets : int
        Studies, each with scenarios of its own, and targets in each, which share its scenarios.
    seed : int
        Seed of all draws.
    """
    rng = np.random.default_rng(seed)
    first, second = _places(truth)
    n_pairs, reps = len(first), nuisance.repetitions
    strengths_by_value = np.array([*truth.strengths.values()], dtype=float)
    strengths = strengths_by_value + truth.target_sd * rng.standard_normal((studies, targets, len(strengths_by_value)))
    shift = np.array([truth.shift.get(value, 0.0) for value in truth.values])
    preference = np.array([truth.pair_preference.get(pair, 0.0) for pair in truth.pairs])
    effects = truth.scenario_sd * rng.standard_normal((studies, 1, n_pairs, scenarios))
    log_odds = (strengths[..., first] - strengths[..., second] + preference)[..., None] + effects
    moved = strengths + shift
    done = (moved[..., first] - moved[..., second] + preference)[..., None] + effects
    bias = nuisance.position_bias * np.array([1.0, -1.0])[:, None]
    shape = (studies, targets, n_pairs, scenarios)
    showing = nuisance.order_noise * rng.standard_normal((*shape, 2, 1))
    latent = log_odds[..., None, None] + bias + showing
    expressed = (rng.random((*shape, 2, reps)) < _logistic(latent)).astype(np.float32)
    if nuisance.always_first:
        expressed[:] = np.array([1.0, 0.0], dtype=np.float32)[:, None]
    latent = nuisance.scale * done[..., None]
    acted = (rng.random((*shape, reps)) < _logistic(latent)).astype(np.float32)
    revealed = _misread(truth, nuisance, acted, rng)
    for place, sides in ((first, 1.0), (second, 0.0)):
        share = np.array([nuisance.refusal.get(truth.values[v], 0.0) for v in place])[:, None, None]
        revealed[(acted == sides) & (rng.random(acted.shape) < share)] = np.nan
    if nuisance.lost_lopsided:
        lopsided = np.abs(done)
        bar = np.quantile(lopsided, 1 - nuisance.lost_lopsided, axis=(2, 3), keepdims=True)
        revealed[lopsided > bar] = np.nan
    return Studies(truth, nuisance, expressed, revealed, acted, strengths)


def expected_shares(truth: Truth, nuisance: Nuisance, condition: str) -> NDArray[np.float64]:
    """Give the chance that the first value of each pair wins, over scenarios, orders and their noise.

    Misreading and refusals are left out: they are no part of what a target prefers.

    Returns
    -------
    ndarray, shape (pairs,)
    """
    first, second = _places(truth)
    strengths = np.array([*truth.strengths.values()], dtype=float)
    if condition == "open_ended":
        strengths = strengths + np.array([truth.shift.get(value, 0.0) for value in truth.values])
    preference = np.array([truth.pair_preference.get(pair, 0.0) for pair in truth.pairs])
    gap = strengths[first] - strengths[second] + preference
    spread, bias = truth.scenario_sd, np.zeros(1)
    if condition == "multiple_choice":
        spread = float(np.hypot(truth.scenario_sd, nuisance.order_noise))
        bias = nuisance.position_bias * np.array([1.0, -1.0])
    else:
        gap, spread = gap * nuisance.scale, spread * nuisance.scale
    latent = gap[:, None, None] + spread * _NODES[:, None] + bias
    return _logistic(latent).mean(axis=2) @ _NODE_WEIGHTS


def strengths_of_shares(truth: Truth, shares: NDArray) -> NDArray[np.float64]:
    """Give the strengths (log-odds, mean 0) that fit expected shares best, equally many scenarios in each pair.

    By gradient ascent on the expected log-likelihood.
    """
    first, second = _places(truth)
    k = len(truth.values)
    theta = np.zeros(k)
    degree = np.bincount(np.r_[first, second], minlength=k).max()
    for _ in range(200_000):
        surplus = shares - _logistic(theta[first] - theta[second])
        gradient = np.bincount(first, surplus, k) - np.bincount(second, surplus, k)
        theta += 2 * gradient / degree
        if np.abs(gradient).max() < 1e-12:
            break
    return theta - theta.mean()


def true_strengths(truth: Truth, nuisance: Nuisance, condition: str) -> NDArray[np.float64]:
    """Give the strengths that a study without end would report if every answer were read right and none were lost."""
    return strengths_of_shares(truth, expected_shares(truth, nuisance, condition))


def choices_table(drawn: Studies, *, one_target_a_study: bool = False) -> pd.DataFrame:
    """Give drawn studies as a choices table.

    Parameters
    ----------
    drawn : Studies
        From `draw_studies`.
    one_target_a_study : bool
        Whether to put all studies, of one target each, into one table, as targets ``study 00000`` … . Otherwise there
        must be one study.

    Returns
    -------
    DataFrame
        Columns of the table ``choices``, without templates; a lost answer has the outcome ``refusal``.
    """
    studies, targets = drawn.revealed.shape[:2]
    if (not one_target_a_study and studies != 1) or (one_target_a_study and targets != 1):
        raise ValueError(f"found {studies} studies of {targets} targets; expected one study, or one target in each.")
    won = [np.moveaxis(drawn.expressed, 4, 1), drawn.revealed[:, None]]
    targets_named = (
        [f"study {n:05d}" for n in range(studies)] if one_target_a_study else [f"m{t}" for t in range(targets)]
    )
    pairs, scenarios = drawn.revealed.shape[2:4]
    ids = [f"p{pair}s{scenario:05d}" for pair in range(pairs) for scenario in range(scenarios)]
    firsts, seconds = ([pair[side] for pair in drawn.truth.pairs] for side in (0, 1))
    parts = []
    for condition, array in zip(("multiple_choice", "open_ended"), won, strict=True):
        study, order, target, pair, scenario, repetition = np.indices(array.shape).reshape(array.ndim, -1)
        y = array.ravel()
        lost = np.isnan(y)
        first, second = _named(firsts, pair), _named(seconds, pair)
        talked = condition == "open_ended"
        part = pd.DataFrame(
            {
                "scenario_id": _named(ids, pair * scenarios + scenario),
                "value_1": first,
                "value_2": second,
                "structure": _named(["none"], np.zeros_like(pair)),
                "severity": _named(["none"], np.zeros_like(pair)),
                "acting_value": pd.Series(None, index=first.index, dtype="str"),
                "target": _named(targets_named, study if one_target_a_study else target),
                "condition": _named([condition], np.zeros_like(pair)),
                "arm": _named(["default"], np.zeros_like(pair)),
                "repetition": repetition,
                "judge": _named(["judge"], np.zeros_like(pair)).where(np.full(len(y), talked)),
                "action_shown_first": order + 1,
                "outcome": _named(["choice", "refusal"], lost.astype(int)),
                "action": pd.Series(np.where(lost, 0, 2 - np.nan_to_num(y)).astype(int), dtype="Int64").mask(lost),
                "winner": first.where(y == 1, second).mask(lost),
                "loser": second.where(y == 1, first).mask(lost),
            }
        )
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _named(names: list[str], code: NDArray) -> pd.Series:
    """Return the names at the codes, as text."""
    return pd.Series(pd.array(names, dtype="str").take(code))


def _misread(truth: Truth, nuisance: Nuisance, acted: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what the judge makes of the answers."""
    first, second = _places(truth)
    wrong = [
        np.array([nuisance.judge_error + nuisance.misread.get(truth.values[v], 0.0) for v in place])[:, None, None]
        for place in (first, second)
    ]
    chance = np.where(acted == 1, wrong[0], wrong[1])
    return np.where(rng.random(acted.shape) < chance, 1 - acted, acted).astype(np.float32)


def _places(truth: Truth) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the first and of the second value of each pair."""
    place = {value: n for n, value in enumerate(truth.values)}
    pairs = np.array([(place[one], place[two]) for one, two in truth.pairs])
    return pairs[:, 0], pairs[:, 1]


def _logistic(x: NDArray) -> NDArray[np.float64]:
    """Return 1 / (1 + e^−x)."""
    return 0.5 + 0.5 * np.tanh(np.asarray(x) / 2)
