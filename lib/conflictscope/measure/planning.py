"""Planning: what a planned study is expected to tell, and how many scenarios and labels a precision needs.

Studies are simulated and measured as real ones are: rates over resamples of scenarios, Bradley–Terry fits, shifts apart
from scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import betabinom, binom, norm, studentized_range

from conflictscope.measure.bradley_terry import fit_bradley_terry, win_graph_connected
from conflictscope.measure.rates import wilson_interval
from conflictscope.measure.scale_shift import no_shift_p
from conflictscope.measure.strengths import PairSums, fit_strengths

_ARRANGEMENTS = 20  # which value has which strength
_RATE_STUDIES, _RESAMPLES = 150, 1000  # the mean width is then known to 0.5 %
_SHIFT_STUDIES = 20  # in each arrangement: the power is then known to 2 %
_LARGEST = 20_000  # scenarios a pair; beyond it a goal is out of reach
_MOST_OUTLINES = 100_000  # of one pair
_TOLERANCE = 1.02  # the search ends when the number is known to 2 %


@dataclass(frozen=True)
class PlannedStudy:
    """What a study will be, and what is assumed of the model that it asks.

    Parameters
    ----------
    pairs : sequence of pairs of str
        The value pairs, as ``ValueSet.pairs`` has them.
    difference : float
        Strength between values of neighbouring rank, log-odds > 0; the values are this far apart from one to the next.
    answers : int
        Answers a scenario: 2 in multiple choice with both orders, 1 in an open-ended conversation.
    flip_rate : float
        How often two answers to one scenario disagree if the values are equally strong, 0–0.5.
    without_choice : float
        Share of scenarios lost to refusals and unreadable answers, 0 ≤ share < 1.
    kept_share : float
        Share of outlines that become kept scenarios, 0 < share ≤ 1.
    penalty : float
        α > 0 of `fit_bradley_terry`.
    level : float
        Coverage of the intervals, between 0 and 1.
    shift : float
        Log-odds by which one value's strength differs between word and deed, > 0.
    judge_error : float
        Share of verdicts that name the wrong action, 0–0.5.
    """

    pairs: Sequence[tuple[str, str]]
    difference: float = 0.5
    answers: int = 2
    flip_rate: float = 0.1
    without_choice: float = 0.05
    kept_share: float = 1.0
    penalty: float = 0.01
    level: float = 0.95
    shift: float = 0.8
    judge_error: float = 0.1

    def __post_init__(self) -> None:
        """Raise if a setting is out of its range."""
        fits = {
            "pairs (at least one, of two different values, each once)": len(self.pairs) > 0
            and len({frozenset(pair) for pair in self.pairs}) == len(self.pairs)
            and all(a != b for a, b in self.pairs),
            "difference (> 0)": self.difference > 0,
            "answers (≥ 1)": self.answers >= 1,
            "flip_rate (0–0.5)": 0 <= self.flip_rate <= 0.5,
            "without_choice (0 ≤ share < 1)": 0 <= self.without_choice < 1,
            "kept_share (0 < share ≤ 1)": 0 < self.kept_share <= 1,
            "penalty (> 0)": self.penalty > 0,
            "level (between 0 and 1)": 0 < self.level < 1,
            "shift (> 0)": self.shift > 0,
            "judge_error (0 ≤ share < 0.5)": 0 <= self.judge_error < 0.5,
        }
        if wrong := [name for name, fit in fits.items() if not fit]:
            raise ValueError(f"planned study: {', '.join(wrong)}: found {self}; expected values in these ranges.")

    @property
    def values(self) -> list[str]:
        """The values of the pairs, in order of appearance."""
        return list(dict.fromkeys(value for pair in self.pairs for value in pair))


def expected_precision(
    study: PlannedStudy, scenarios_per_pair: int, *, studies: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Give what a number of scenarios a pair is expected to give.

    Parameters
    ----------
    study : PlannedStudy
        The design and the assumptions.
    scenarios_per_pair : int
        Kept scenarios, at least 1.
    studies : int
        Simulated studies, at least 100.
    seed : int
        Seed of the simulation.

    Returns
    -------
    dict
        ``rate_half_width``: mean half-width of the percentile interval of a pair's preference rate at even odds, over
        resamples of scenarios (0–1). ``strength_half_width``: half-width of the interval of the difference of two
        strengths of neighbouring rank (log-odds): the normal quantile times the standard deviation over the studies.
        ``told_apart``: share of neighbours that a ranking tells apart, in the right direction: by intervals of all
        comparisons together (Tukey's range), in a study whose win graph is strongly connected (0–1). These two are
        means over the neighbours and over random
        arrangements of the strengths among the values. ``shift_found``: chance that the test of no shift is rejected
        if one value shifts by ``shift`` (nan with two values, which scale alone explains). ``labels_per_pair``: how
        many blind labels a pair add no more to the error of its rate than its verdicts do.

    Notes
    -----
    A scenario's answers are all alike with probability 1 − 2 × ``flip_rate`` and drawn independently otherwise, each
    with the Bradley–Terry chance of its pair; a share ``without_choice`` of scenarios has none.

    Raises
    ------
    ValueError
        If `scenarios_per_pair` or `studies` is too small.
    """
    if studies < 100:
        raise ValueError(f"studies: found {studies}; expected at least 100.")
    if scenarios_per_pair < 1:
        raise ValueError(f"scenarios_per_pair: found {scenarios_per_pair}; expected at least 1.")
    half_width, told_apart = _neighbours_apart(study, scenarios_per_pair, studies, seed)
    return {
        "rate_half_width": _rate_half_width(study, scenarios_per_pair, seed),
        "strength_half_width": half_width,
        "told_apart": told_apart,
        "shift_found": _shift_found(study, scenarios_per_pair, seed),
        "labels_per_pair": np.ceil(4 * study.judge_error * (1 - study.judge_error) * scenarios_per_pair),
    }


def _outcome_chances(study: PlannedStudy, chance: NDArray) -> NDArray[np.float64]:
    """Return, shape (..., answers + 2), the chance of 0, 1, … wins of the first value in a scenario, or no choice."""
    wins = np.arange(study.answers + 1)
    apart = 2 * study.flip_rate
    ways = np.array([1.0])
    for _ in range(study.answers):
        ways = np.convolve(ways, [1, 1])
    chance = np.asarray(chance)[..., None]
    each = apart * ways * chance**wins * (1 - chance) ** (study.answers - wins)
    each[..., -1:] += (1 - apart) * chance
    each[..., :1] += (1 - apart) * (1 - chance)
    lost = np.full((*each.shape[:-1], 1), study.without_choice)
    return np.concatenate([each * (1 - study.without_choice), lost], axis=-1)


def _rate_half_width(study: PlannedStudy, scenarios: int, seed: int) -> float:
    """Return the mean half-width of the bootstrap interval of a pair's preference rate at even odds."""
    rng = np.random.default_rng([seed, scenarios, 0])
    counts = rng.multinomial(scenarios, _outcome_chances(study, np.array(0.5)), size=_RATE_STUDIES)
    counts = counts[counts[:, :-1].any(axis=1)]  # a study without a choice in the pair has no interval
    if not len(counts):
        return 0.5
    drawn = rng.multinomial(scenarios, counts / scenarios, size=(_RESAMPLES, len(counts)))[..., :-1]
    answers = drawn.sum(axis=2) * study.answers
    # a resample without a choice knows nothing
    rates = np.where(answers > 0, drawn @ np.arange(study.answers + 1) / np.maximum(answers, 1), 0.5)
    low, high = np.quantile(rates, [(1 - study.level) / 2, (1 + study.level) / 2], axis=0)
    return float((high - low).mean() / 2)


def _neighbours_apart(study: PlannedStudy, scenarios: int, studies: int, seed: int) -> tuple[float, float]:
    """Return half-width of the interval of neighbours' difference, and how often they are told apart."""
    rng = np.random.default_rng([seed, scenarios, 1])
    place = {value: n for n, value in enumerate(study.values)}
    first, second = np.array([(place[a], place[b]) for a, b in study.pairs]).T
    steps = np.arange(len(place))
    normal = norm.isf((1 - study.level) / 2)
    # rankings tell apart by intervals of all comparisons together
    bar = studentized_range.isf(1 - study.level, len(place), np.inf) / np.sqrt(2)
    half_widths, apart = [], []
    for _ in range(_ARRANGEMENTS):
        value_at = rng.permutation(len(place))  # weakest first
        strengths = np.empty(len(place))
        strengths[value_at] = study.difference * steps
        chance = 1 / (1 + np.exp(strengths[second] - strengths[first]))
        size = (-(-studies // _ARRANGEMENTS), len(first))
        counts = rng.multinomial(scenarios, _outcome_chances(study, chance), size=size)
        won = counts[..., :-1] @ np.arange(study.answers + 1)
        wins = np.zeros((len(counts), len(place), len(place)))
        wins[:, first, second] = won
        wins[:, second, first] = counts[..., :-1].sum(axis=2) * study.answers - won
        gaps = np.diff(fit_bradley_terry(wins, study.penalty)[:, value_at], axis=1)
        error = gaps.std(axis=0, ddof=1)
        half_widths.append(normal * error)
        apart.append((gaps > bar * error) & np.asarray(win_graph_connected(wins))[:, None])
    return float(np.mean(half_widths)), float(np.mean(apart))


def _shift_found(study: PlannedStudy, scenarios: int, seed: int) -> float:
    """Return how often the test of no shift is rejected where a value, another one in each arrangement, has shifted."""
    k = len(study.values)
    if k < 3:
        return float("nan")
    rng = np.random.default_rng([seed, scenarios, 2])
    place = {value: n for n, value in enumerate(study.values)}
    first, second = np.sort(np.array([(place[a], place[b]) for a, b in study.pairs]), axis=1).T
    drawn = []
    for _ in range(_ARRANGEMENTS):
        expressed = study.difference * rng.permutation(k)
        revealed = expressed + study.shift * (np.arange(k) == rng.integers(k))
        drawn += [
            _graded_sums(study, strengths, (first, second), scenarios, answers, rng)
            for strengths, answers in ((expressed, study.answers), (revealed, 1))
        ]
    fits = []
    for condition in (drawn[::2], drawn[1::2]):
        n, y, yy = (np.concatenate([getattr(sums, name) for sums in condition]) for name in ("n", "y", "yy"))
        fits.append(fit_strengths(PairSums(n, y, yy, first, second, k)))
    known = ~np.isnan(fits[0].strengths[:, 0] + fits[1].strengths[:, 0])
    if not known.any():
        return 0.0
    one, two = (fit.covariance[known] for fit in fits)
    # the two are drawn independently: what conditions share in their scenarios only helps
    p = no_shift_p(
        (fits[0].strengths[known], fits[1].strengths[known]), (one, two, np.zeros_like(one)), fits[0].freedom[known]
    )
    return float((p < 1 - study.level).sum() / len(known))


def _graded_sums(
    study: PlannedStudy, strengths: NDArray, pairs: tuple, scenarios: int, answers: int, rng: np.random.Generator
) -> PairSums:
    """Return sums of drawn shares of `_SHIFT_STUDIES` studies, each scenario with so many answers."""
    first, second = pairs
    chance = 1 / (1 + np.exp(strengths[second] - strengths[first]))
    counts = rng.multinomial(
        scenarios, _outcome_chances(replace(study, answers=answers), chance), size=(_SHIFT_STUDIES, len(first))
    )[..., :-1]
    share = np.arange(answers + 1) / answers
    return PairSums(
        counts.sum(axis=2).astype(float), counts @ share, counts @ share**2, first, second, len(study.values)
    )


def widening(pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Give how many times as wide the interval of a difference of strengths is as if all pairs were asked.

    Returns
    -------
    at_as_many_a_pair, at_as_many_in_all : float
        With the same number of scenarios a pair, and with the same number over all pairs; root mean square over all
        differences, at even odds. 1 for all pairs; infinite if the pairs do not link the values.

    Notes
    -----
    The variance of a difference is the resistance between two nodes of the graph of pairs, whose mean is that of the
    inverse eigenvalues of its Laplacian; k for all of k values if every pair is asked.
    """
    names = list(dict.fromkeys(value for pair in pairs for value in pair))
    k, place = len(names), {name: n for n, name in enumerate(names)}
    laplacian = np.zeros((k, k))
    for one, two in pairs:
        i, j = place[one], place[two]
        laplacian[[i, j], [i, j]] += 1
        laplacian[[i, j], [j, i]] -= 1
    rest = np.linalg.eigvalsh(laplacian)[1:]
    if rest[0] < 1e-9:
        return float("inf"), float("inf")
    wider = float(np.sqrt((k / rest).mean()))
    return wider, wider * float(np.sqrt(len(pairs) / (k * (k - 1) / 2)))


def precision_plan(
    study: PlannedStudy, *, precision: float = 0.05, power: float = 0.8, studies: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Find how many scenarios a pair a study needs.

    Three goals, each by itself: the interval of a pair's preference rate is at most 2 × `precision` wide on average, at
    even odds, at which it is widest; two values of neighbouring rank are told apart with probability `power`; and a
    shift of one value between word and deed is found with probability `power`.

    Parameters
    ----------
    study : PlannedStudy
        The design and the assumptions.
    precision : float
        Wanted half-width, between 0 and 0.5.
    power : float
        Wanted chance of telling apart, between 0 and 1.
    studies : int
        Simulated studies for each number of scenarios that is tried, at least 100; for the rate, 150 do.
    seed : int
        Seed of the simulation.

    Returns
    -------
    DataFrame
        One row a goal: ``goal`` (in words), ``scenarios_per_pair`` (kept scenarios; known to 2 %; empty if 20,000 do
        not do), ``outlines_per_pair`` (that many / ``kept_share``), ``scenarios`` (over all pairs), and what
        `expected_precision` gives for it: ``rate_half_width``, ``strength_half_width``, ``told_apart``,
        ``shift_found``, ``labels_per_pair``.

    Raises
    ------
    ValueError
        If `precision`, `power` or `studies` is out of its range.
    """
    if not (0 < precision < 0.5 and 0 < power < 1):
        raise ValueError(
            f"precision {precision}, power {power}; expected 0 < precision < 0.5 and 0 < power < 1, "
            "such as 0.05 and 0.8."
        )
    wanted: dict[str, Callable[[int], bool]] = {
        f"preference rate known to ± {precision:g}": (lambda n: _rate_half_width(study, n, seed) <= precision),
        f"strengths {study.difference:g} apart told apart, power {power:g}": (
            lambda n: _neighbours_apart(study, n, studies, seed)[1] >= power
        ),
        f"a shift of {study.shift:g} found, power {power:g}": (lambda n: _shift_found(study, n, seed) >= power),
    }
    rows = []
    for goal, reached in wanted.items():
        needed = _least(reached)
        expected = {} if needed is None else expected_precision(study, needed, studies=studies, seed=seed)
        rows.append({"goal": goal, "scenarios_per_pair": needed, **expected})
    table = pd.DataFrame(rows).astype({"goal": "str", "scenarios_per_pair": "Int64"})
    # a whole quotient stays whole: 0.1 × 3 style rounding must not add an outline
    outlines = np.ceil((table["scenarios_per_pair"].astype("Float64") / study.kept_share).round(9)).astype("Int64")
    table.insert(2, "outlines_per_pair", outlines)
    table.insert(3, "scenarios", table["scenarios_per_pair"] * len(study.pairs))
    measures = ["rate_half_width", "strength_half_width", "told_apart", "shift_found", "labels_per_pair"]
    return table.reindex(columns=[*table.columns[:4], *measures]).astype(dict.fromkeys(measures, "float64"))


def outlines_by_pair(
    study: PlannedStudy,
    shown: pd.DataFrame,
    *,
    scenarios_per_pair: int,
    outlines_per_pair: int,
    power: float = 0.8,
    seed: int = 0,
) -> pd.DataFrame:
    """Give how many outlines each pair needs, as pairs differ in how many of theirs are kept.

    Parameters
    ----------
    study : PlannedStudy
        The design and the assumptions; its ``kept_share`` is not used.
    shown : DataFrame
        One row a pair: ``value_1``, ``value_2``, ``outlines``, ``kept`` (counts so far) and ``stated`` (share kept,
        above 0 and at most 1, taken as known; if empty, the counts speak).
    scenarios_per_pair : int
        Kept scenarios wanted in each pair.
    outlines_per_pair : int
        Outlines that the study plans for each pair.
    power : float
        Wanted chance that a pair comes to so many.

    Returns
    -------
    DataFrame
        One row a pair, the rarest first: ``value_1``, ``value_2``, ``outlines``, ``kept``, ``kept_share``,
        ``kept_share_low``, ``kept_share_high`` (0–1, Wilson's interval at the study's level; without one if it is
        stated), ``outlines_needed`` (with which the pair has `scenarios_per_pair` kept with chance `power`; empty if
        100,000 do not do), ``kept_planned`` (kept of `outlines_per_pair`, expected) and ``rate_half_width`` (of the
        pair's preference rate with that many, as from `expected_precision`).

    Notes
    -----
    Of m further outlines a beta-binomial number is kept, with Jeffreys' prior for the share: few outlines so far make
    for many more to be sure.
    """
    rows = []
    for pair in shown.itertuples(index=False):
        stated = not pd.isna(pair.stated)
        one, other = pair.kept + 0.5, pair.outlines - pair.kept + 0.5
        low, high = wilson_interval(pair.kept, pair.outlines, study.level)
        if stated:
            share, low, high = pair.stated, pair.stated, pair.stated
        else:
            share = pair.kept / pair.outlines if pair.outlines else np.nan

        def reached(m: int, pair=pair, stated=stated, one=one, other=other) -> bool:
            enough = scenarios_per_pair - 1
            left = binom.sf(enough, m, pair.stated) if stated else betabinom.sf(enough, m, one, other)
            return bool(left >= power)

        kept = share * outlines_per_pair
        width = _rate_half_width(study, round(kept), seed) if kept >= 0.5 else 0.5
        rows.append(
            {"value_1": pair.value_1, "value_2": pair.value_2, "outlines": pair.outlines, "kept": pair.kept}
            | {"kept_share": share, "kept_share_low": float(low), "kept_share_high": float(high)}
            | {"outlines_needed": _least(reached, largest=_MOST_OUTLINES), "kept_planned": kept}
            | {"rate_half_width": width}
        )
    table = pd.DataFrame(rows).astype({"outlines_needed": "Int64"})
    return table.sort_values("kept_share", kind="stable", ignore_index=True)


def _least(reached: Callable[[int], bool], *, largest: int = _LARGEST) -> int | None:
    """Return the least number, to 2 %, that reaches a goal; None if `largest` does not."""
    high = 4
    while not reached(high):
        if high >= largest:
            return None
        high = min(2 * high, largest)
    low = high // 2 if high > 4 else 0
    while high > low + 1 and high > low * _TOLERANCE:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
