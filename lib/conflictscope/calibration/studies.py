"""Studies: what respondents whose preferences are known would choose, without a prompt or a reply, and the truth of it.

Choices come by the hundred thousand rows in a second; verdicts get a self-preference put in, choices a change. The
truth is what a study of endlessly many scenarios would report: chances that one value wins against another, strengths
and steering effects, by quadrature over the latent model. All of it puts the measures to the test.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bradley_terry import fit_bradley_terry
from conflictscope.measure.steering import STEERED
from conflictscope.simulated import Respondent
from conflictscope.tables import CONDITIONS, LEANS, MAY_ABSTAIN, TABLES

_NOT_CHOICES = {"refusal": "refusal", "neither": "neither", "invalid": "malformed"}  # outcome → field of a respondent
_OUTCOMES = ["choice", *reversed(_NOT_CHOICES)]
_JUDGE = "known"  # nobody misreads a simulated reply here
ORDERS = (1, 2)  # the action that is shown first
# sums over an even grid converge at once for integrands that are smooth and vanish at both ends
_NORMAL = np.linspace(-9, 9, 181)
_NORMAL_WEIGHT = np.exp(-(_NORMAL**2) / 2) / np.exp(-(_NORMAL**2) / 2).sum()
_LOGISTIC = np.linspace(-40, 40, 321)
_LOGISTIC_WEIGHT = 1 / np.cosh(_LOGISTIC / 2) ** 2 / (1 / np.cosh(_LOGISTIC / 2) ** 2).sum()


@dataclass(frozen=True)
class _Design:
    """What every respondent is asked."""

    pairs: list[tuple[str, str]]
    scenarios_per_pair: int
    prompts: dict[str, Mapping[str, float]]  # arm → value → place in its list, from 1 to −1
    orders: tuple[int, ...]

    @property
    def leans(self) -> NDArray[np.float64]:
        """1 if the message leans to value 1, −1 to value 2, 0 to neither: by arm, along the second of five axes."""
        side = dict(zip(LEANS, (1.0, -1.0), strict=True))
        return np.array([side.get(arm, 0.0) for arm in self.prompts])[:, None, None, None]

    @property
    def may_abstain(self) -> NDArray[np.bool_]:
        """Whether neither action may be taken, by arm, along the second of five axes."""
        return np.array([arm == MAY_ABSTAIN for arm in self.prompts])[:, None, None, None]


def simulate_choices(
    respondents: Mapping[str, Respondent],
    pairs: Sequence[tuple[str, str]],
    *,
    scenarios_per_pair: int,
    seed: int,
    conditions: Sequence[str] = CONDITIONS,
    target_rankings: Mapping[str, Sequence[str]] | None = None,
    may_abstain: bool = False,
    pressed: bool = False,
    shared_scenarios: bool = True,
) -> pd.DataFrame:
    """Draw the choices of respondents with known preferences.

    The latent preference for value 1 is that of `choice_latent`: the difference of utilities, the scenario's effect,
    the noise of the answer and, in multiple choice, the noise and the bias of the order shown. Its draws are made here
    by numpy, and anew for each arm, so that a prompt that moves no preference still changes some answers.

    Parameters
    ----------
    respondents : mapping of str to Respondent
        Name of the target → respondent, whose utilities list all values.
    pairs, scenarios_per_pair, seed
        Value 1 and value 2 of each pair; scenarios in each, at least 1; seed of all draws.
    conditions : sequence of str
        ``multiple_choice`` (each scenario in both orders) and ``open_ended`` (once, read by a judge without error).
    target_rankings : mapping of str to sequence of str, optional
        Name → values, best first. Given, ``placebo`` and ``steered:<name>`` are asked too.
    may_abstain : bool
        Whether multiple choice is asked under the arm ``may_abstain`` too, in which a preference weaker than the
        respondent's ``abstention`` is ``neither``.
    pressed : bool
        Whether conversations are held under the arms ``for_1`` and ``for_2`` too, in which the respondent's
        ``compliance`` is added to the action that the message leans to.
    shared_scenarios : bool
        Whether a scenario's effect is the same for all respondents. False: each respondent meets scenarios of its own
        under the same ids, so that copies of one respondent are independent replications of a study.

    Returns
    -------
    DataFrame
        Columns of the table ``choices``, without templates. An answer is lost to ``refusal``, ``neither`` and
        ``invalid`` with the respondent's chances, whatever it would have chosen.

    Raises
    ------
    ValueError
        If there is no respondent, pair or scenario, a condition is unknown, or a utility is not listed.
    """
    unknown = sorted(set(conditions) - set(CONDITIONS))
    if unknown or not conditions:
        raise ValueError(f"conditions: found {list(conditions)}; expected some of {list(CONDITIONS)}.")
    if not (respondents and pairs and scenarios_per_pair >= 1):
        raise ValueError(
            f"found {len(respondents)} respondents, {len(pairs)} pairs, {scenarios_per_pair} scenarios per pair; "
            "expected at least one of each."
        )
    for respondent in respondents.values():
        require_listed(respondent, itertools.chain.from_iterable(pairs))
    prompts: dict[str, Mapping[str, float]] = {"default": {}}
    if target_rankings is not None:
        prompts |= {"placebo": {}} | {STEERED + name: places(order) for name, order in target_rankings.items()}
    rng = np.random.default_rng(seed)
    shape = (len(respondents) if not shared_scenarios else 1, 1, 1, len(pairs), scenarios_per_pair)
    effects = rng.standard_normal(shape)
    noise = None
    parts = []
    for condition in [name for name in CONDITIONS if name in conditions]:
        orders = ORDERS if condition == "multiple_choice" else (1,)
        asked = {"multiple_choice": (MAY_ABSTAIN,) if may_abstain else (), "open_ended": LEANS if pressed else ()}
        more: dict[str, Mapping[str, float]] = {arm: {} for arm in asked[condition]}
        design = _Design(list(pairs), scenarios_per_pair, prompts | more, orders)
        drawn = rng.logistic(size=(len(respondents), len(design.prompts), 1, len(pairs), scenarios_per_pair))
        same = np.array([r.same_draws for r in respondents.values()])[:, None, None, None, None]
        if noise is None:
            noise = drawn[:, : len(prompts)]
        else:
            drawn[:, : len(prompts)] = np.where(same, noise, drawn[:, : len(prompts)])
        parts.append(_answers(respondents, condition, design, effects, drawn, rng))
    return pd.concat(parts, ignore_index=True)


def _answers(
    respondents: Mapping[str, Respondent],
    condition: str,
    design: _Design,
    effects: NDArray,
    noise: NDArray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return one condition's choices; arrays have the axes (target, prompt, order, pair, scenario)."""
    shape = (len(respondents), len(design.prompts), len(design.orders), len(design.pairs), design.scenarios_per_pair)
    asked = list(respondents.values())
    gap = np.array(
        [
            [
                [r.utility(one, condition, prompt) - r.utility(two, condition, prompt) for one, two in design.pairs]
                for prompt in design.prompts.values()
            ]
            for r in asked
        ]
    )
    latent = design.leans * _each(asked, "compliance")
    latent = (
        latent + gap[:, :, None, :, None] + _each(asked, "scenario_weight") * effects + _each(asked, "noise") * noise
    )
    if condition == "multiple_choice":
        toward = np.array([1.0 if order == 1 else -1.0 for order in design.orders])[:, None, None]
        latent = latent + toward * _each(asked, "position_bias")
        latent = latent + _each(asked, "order_noise") * rng.logistic(size=shape)
    took_first = np.broadcast_to(latent > 0, shape).ravel()
    lost = np.array([[getattr(r, field).get(condition, 0.0) for field in _NOT_CHOICES.values()] for r in asked])
    draw = rng.random(shape)
    # a draw that is below none of the bounds is a choice
    outcome = sum((draw < bound[:, None, None, None, None]).astype(int) for bound in np.cumsum(lost, axis=1).T).ravel()
    abstains = np.broadcast_to(design.may_abstain & (np.abs(latent) < _each(asked, "abstention")), shape).ravel()
    outcome = np.where(abstains & (outcome == 0), _OUTCOMES.index("neither"), outcome)
    chose = outcome == 0
    target, prompt, order, pair, scenario = (axis.ravel() for axis in np.indices(shape))
    ids = [f"{one}-{two}-{n:05d}" for one, two in design.pairs for n in range(design.scenarios_per_pair)]
    one = _named([pair[0] for pair in design.pairs], pair)
    two = _named([pair[1] for pair in design.pairs], pair)
    columns = {
        "scenario_id": _named(ids, pair * design.scenarios_per_pair + scenario),
        "value_1": one,
        "value_2": two,
        "structure": "none",
        "severity": "none",
        "acting_value": None,
        "target": _named(list(respondents), target),
        "condition": condition,
        "arm": _named(list(design.prompts), prompt),
        "repetition": 0,
        "judge": _JUDGE if condition == "open_ended" else None,
        "action_shown_first": np.array(design.orders)[order],
        "outcome": _named(_OUTCOMES, outcome),
        "action": pd.Series(np.where(took_first, 1, 2), dtype="Int64").where(chose),
        "winner": one.where(took_first, two).where(chose),
        "loser": two.where(took_first, one).where(chose),
        "model_id": None,
        "by_refusing": None,
    }
    dtypes = {column.name: column.dtype for column in TABLES["choices"].columns}
    return pd.DataFrame(columns).astype(dtypes)


def _named(names: list[str], code: NDArray) -> pd.Series:
    """Return the names at the codes, as text."""
    return pd.Series(pd.array(names, dtype="str").take(code))


def _each(respondents: Sequence[Respondent], field: str) -> NDArray[np.float64]:
    """Return a field of each respondent, along the first of five axes."""
    return np.array([getattr(r, field) for r in respondents], dtype=float)[:, None, None, None, None]


def plant_one_sided(choices: pd.DataFrame, *, share: float, seed: int) -> pd.DataFrame:
    """Make a share of the scenarios no dilemma: every choice in them falls on the same value, whoever chooses.

    Agreement of the targets (`measure.observed_agreement`) is then expected at share + (1 − share) × what it was.

    Parameters
    ----------
    share : float
        From 0 to 1; each scenario is drawn with this chance, and so is the value that wins it, with the chance 1/2.
    seed : int
        Of these draws.

    Raises
    ------
    ValueError
        If `share` is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share {share}: expected a number from 0 to 1.")
    rng = np.random.default_rng(seed)
    ids = pd.Index(choices["scenario_id"].unique())
    one_sided, first_wins = rng.random(len(ids)) < share, rng.random(len(ids)) < 0.5
    at = ids.get_indexer(choices["scenario_id"])
    for_first, for_second = one_sided[at] & first_wins[at], one_sided[at] & ~first_wins[at]
    turned = (
        choices["winner"].eq(choices["value_2"]) & for_first | choices["winner"].eq(choices["value_1"]) & for_second
    )
    return _turn(choices, turned)


def plant_self_preference(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    family: str,
    *,
    share: float,
    seed: int,
) -> pd.DataFrame:
    """Make a family's judges read their own family's targets as having done what was asked of them.

    Parameters
    ----------
    verdicts, scenarios, families
        As for `measure.rates_by_family`; scenarios without an acting side are left alone.
    family : str
        The family whose judges favour its targets.
    share : float
        Share of their readable verdicts on those targets that become the acting side, whatever was read, 0–1; `seed`
        draws which.

    Returns
    -------
    DataFrame
        The same rows. If every verdict is a choice and a judge saw the acting side taken at a rate r, its rate on its
        own family's targets becomes r + share × (1 − r).

    Raises
    ------
    ValueError
        If `share` is not from 0 to 1, or the family has no judge or no target.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}; expected a number from 0 to 1.")
    of_family = {role: verdicts[role].map(lambda name: families.get(name)).eq(family) for role in ("judge", "target")}
    if lacking := [role for role, is_of in of_family.items() if not is_of.any()]:
        raise ValueError(f"family: {family!r} has no {lacking[0]} among the verdicts; expected one.")
    known = scenarios.set_index("scenario_id")
    sides = verdicts[["scenario_id"]].join(known[["value_1", "acting_value"]], on="scenario_id")
    readable = verdicts["outcome"].isin(("choice", "refusal", "neither"))
    drawn = np.random.default_rng(seed).random(len(verdicts)) < share
    turned = of_family["judge"] & of_family["target"] & readable & sides["acting_value"].notna() & drawn
    acting = pd.Series(np.where(sides["acting_value"].eq(sides["value_1"]), 1, 2), index=verdicts.index)
    return verdicts.assign(
        outcome=verdicts["outcome"].mask(turned, "choice"),
        action=verdicts["action"].astype("Int64").mask(turned, acting),
        leaning=verdicts["leaning"].astype("Int64").mask(turned, acting.map({1: 1, 2: 7})),
    )


def plant_change(choices: pd.DataFrame, value: str, *, share: float, seed: int) -> pd.DataFrame:
    """Turn a share of the choices that a value lost into wins; whole scenarios, drawn by `seed`.

    Raises
    ------
    ValueError
        If `share` is not from 0 to 1, or the value never lost.
    """
    if not 0 <= share <= 1 or not (lost := choices["loser"].eq(value)).any():
        raise ValueError(f"share {share}, value {value!r}: expected a share from 0 to 1, and a value that has lost.")
    ids = pd.Series(choices["scenario_id"].unique())
    turned = lost & choices["scenario_id"].isin(ids[np.random.default_rng(seed).random(len(ids)) < share])
    return _turn(choices, turned)


def _turn(choices: pd.DataFrame, turned: pd.Series) -> pd.DataFrame:
    """Return choices of which some fell on the other action."""
    return choices.assign(
        winner=choices["winner"].mask(turned, choices["loser"]),
        loser=choices["loser"].mask(turned, choices["winner"]),
        action=choices["action"].mask(turned, 3 - choices["action"]),
    )


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
