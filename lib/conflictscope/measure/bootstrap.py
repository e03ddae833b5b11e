"""Bootstrap: scenarios drawn with replacement, whole and within their value pair, and what adds up over the draws.

Whole, because the answers to one scenario move together; within their pair, because the number of scenarios a pair is
the study's design. All groups and columns share the draws, so differences between them are paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.choices import check_choices, number_groups
from conflictscope.measure.rates import check_level

_DRAWS_AT_ONCE = 4_000_000  # bounds the memory of a study of 100,000 scenarios to some 100 MB


@dataclass(frozen=True)
class Settings:
    """How numbers and their intervals are made; each function uses those fields that it needs.

    Parameters
    ----------
    penalty : float
        α ≥ 0 of `fit_bradley_terry`; 0 is maximum likelihood.
    resamples : int
        Bootstrap resamples of scenarios, at least 1.
    seed : int
        Seed of the resamples.
    level : float
        Coverage of the percentile intervals, between 0 and 1.

    Raises
    ------
    ValueError
        If `resamples` or `level` is out of its range.
    """

    penalty: float = 0.01
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        """Raise if a number is out of its range."""
        check_level(self.level)
        if self.resamples < 1:
            raise ValueError(f"resamples: found {self.resamples}; expected at least 1.")


DEFAULTS = Settings()


@dataclass(frozen=True)
class ScenarioCounts:
    """What each group chose in each scenario; all scenarios and groups that occur, those without a choice too.

    Attributes
    ----------
    scenarios : DataFrame, index ``scenario_id``, sorted
        ``first``, ``second`` (the pair's two values, sorted by name, whichever action supports them) and ``pair``
        (0, 1, …, in the order of the names).
    groups : DataFrame
        ``target``, ``condition``, ``arm``, sorted: one row a group.
    wins, choices, answers : ndarray, shape (scenarios, groups)
        Choices that ``first`` won (whole numbers unless choices are graded), all choices, and all answers whatever
        their outcome.
    """

    scenarios: pd.DataFrame
    groups: pd.DataFrame
    wins: NDArray[np.float64]
    choices: NDArray[np.int64]
    answers: NDArray[np.int64]

    @property
    def pair(self) -> NDArray[np.int64]:
        """The number of each scenario's pair."""
        return self.scenarios["pair"].to_numpy()

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """Share of choices that ``first`` won, 0–1, so that every scenario weighs the same; nan without a choice."""
        return divide(self.wins, self.choices)

    def of(self, target: str, condition: str, arm: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return one group's shares and whether it was asked: all nan, and all False, if the group is not there."""
        column = self._columns.get((target, condition, arm))
        if column is None:
            return np.full(len(self.scenarios), np.nan), np.zeros(len(self.scenarios), dtype=bool)
        return self.share[:, column], self.answers[:, column] > 0

    @cached_property
    def _columns(self) -> dict[tuple[str, str, str], int]:
        """Return group → column."""
        return {group: column for column, group in enumerate(self.groups.itertuples(index=False, name=None))}


def count_by_scenario(choices: pd.DataFrame) -> ScenarioCounts:
    """Count each group's choices in each scenario.

    Raises
    ------
    ValueError
        If a column is missing, a group has more than one judge, a scenario sets a value against itself, or a scenario
        occurs with two pairs.
    """
    check_choices(choices)
    names = pd.Index(sorted({*choices["value_1"].unique(), *choices["value_2"].unique()}), dtype=object)
    one, two, won = (places_of(choices[column], names) for column in ("value_1", "value_2", "winner"))
    if (one == two).any():
        scenario = choices["scenario_id"].iloc[int((one == two).argmax())]
        raise ValueError(f"choices: scenario {scenario!r} sets a value against itself; expected two different values.")
    first, second = np.minimum(one, two), np.maximum(one, two)
    scenario, ids = choices["scenario_id"].factorize(sort=True)
    row_of = np.zeros(len(ids), dtype=int)
    row_of[scenario] = np.arange(len(scenario))  # any of the scenario's rows
    other = (first != first[row_of][scenario]) | (second != second[row_of][scenario])
    if other.any():
        twice = ids[scenario[int(other.argmax())]]
        raise ValueError(
            f"choices: scenario {twice!r} occurs with two value pairs; expected one. Gather the choices again."
        )
    scenarios = pd.DataFrame(
        {"first": names.take(first[row_of]), "second": names.take(second[row_of])},
        index=pd.Index(ids, name="scenario_id"),
        dtype="str",
    )
    scenarios["pair"] = np.unique(first[row_of] * len(names) + second[row_of], return_inverse=True)[1]
    groups, group = number_groups(choices)
    chosen = choices["outcome"].eq("choice").to_numpy(bool)
    cell, shape = scenario * len(groups) + group, (len(ids), len(groups))
    n, answers = (
        np.bincount(cell[rows], minlength=len(ids) * len(groups)).reshape(shape) for rows in (chosen, slice(None))
    )
    won_by = preferences(choices, one == first, won == first)[chosen]
    wins = np.bincount(cell[chosen], won_by, minlength=len(ids) * len(groups)).reshape(shape).astype(float)
    return ScenarioCounts(scenarios, groups, wins, n, answers)


def preferences(choices: pd.DataFrame, is_first: NDArray, won: NDArray) -> NDArray[np.float64]:
    """Return how far each row prefers its first value, 0–1: by the column ``preference`` (of value 1) if there is one.

    Parameters
    ----------
    is_first, won : ndarray of bool, shape (rows,)
        Whether value 1 is the first; whether the first won.
    """
    if "preference" not in choices.columns:
        return won.astype(float)
    of_value_1 = choices["preference"].to_numpy(float)
    return np.where(is_first, of_value_1, 1 - of_value_1)


def places_of(names: pd.Series, place: pd.Index) -> NDArray[np.int64]:
    """Return the place of each name, −1 for those without."""
    code, different = names.factorize()
    return np.append(place.get_indexer(different), -1)[code]


def count_wins(choices: pd.DataFrame, values: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Count how often each value beat each other.

    Returns
    -------
    groups : DataFrame
        ``target``, ``condition``, ``arm``, sorted: one row a group, those without a single choice too.
    wins : ndarray, shape (groups, k, k)
        ``wins[g, i, j]`` = times value i beat value j.

    Raises
    ------
    ValueError
        As for `count_by_scenario`, or if `values` are fewer than two or lack one that occurs.
    """
    counts = count_by_scenario(choices)
    places = _places(counts, values)
    return counts.groups, _as_wins(add_up(_both_sides(counts), counts.pair), places, len(values))


def _places(counts: ScenarioCounts, values: Sequence[str]) -> NDArray[np.int64]:
    """Return, shape (pairs, 2), the places of each pair's values among `values`."""
    place = pd.Index(values, dtype=object)
    if len(values) < 2:
        raise ValueError(f"values: found {list(values)}; expected at least two. Pass the study's values.")
    if place.has_duplicates:
        raise ValueError(f"values: found {list(values)}; expected each value once.")
    pairs = counts.scenarios.drop_duplicates("pair").sort_values("pair")
    places = np.stack([place.get_indexer(pairs[side]) for side in ("first", "second")], axis=1)
    if (places < 0).any():
        unknown = sorted({*pairs["first"], *pairs["second"]} - {*values})
        raise ValueError(
            f"choices: unknown values {unknown}; expected some of {list(values)}. Pass the study's values."
        )
    return places


def _both_sides(counts: ScenarioCounts) -> NDArray[np.float64]:
    """Return, shape (scenarios, 2 × groups), the wins of the first value, then of the second."""
    return np.hstack([counts.wins, counts.choices - counts.wins]).astype(float)


def _as_wins(sums: NDArray, places: NDArray, k: int) -> NDArray[np.float64]:
    """Return sums of shape (pairs, ..., 2 × groups) as win counts, shape (groups, ..., k, k)."""
    first_won, second_won = np.split(np.moveaxis(sums, -1, 0), 2)
    wins = np.zeros((*np.delete(first_won.shape, 1), k, k))
    for n, (first, second) in enumerate(places):
        wins[..., first, second], wins[..., second, first] = first_won[:, n], second_won[:, n]
    return wins


def add_up(amounts: NDArray, pair: NDArray) -> NDArray[np.float64]:
    """Return the sums over the scenarios of each pair, shape (pairs, columns); see `resample_sums`."""
    sums = np.zeros((_count(pair), amounts.shape[1]))
    np.add.at(sums, pair, amounts)
    return sums


def resample_sums(amounts: NDArray, pair: NDArray, settings: Settings = DEFAULTS) -> NDArray[np.float64]:
    """Add up amounts over bootstrap resamples of the scenarios, drawn within each pair.

    Parameters
    ----------
    amounts : ndarray, shape (scenarios, columns)
        What each scenario adds.
    pair : ndarray of int, shape (scenarios,)
        The pair of each scenario, 0, 1, …, each number in use.
    settings : Settings
        How many resamples, and their seed.

    Returns
    -------
    ndarray, shape (pairs, resamples, columns)
        Resample r is the same draw of scenarios for every column. The draws depend on the seed, the pair's number and
        the number of its scenarios alone.
    """
    pairs = _count(pair)
    sums = np.empty((pairs, settings.resamples, amounts.shape[1]))
    for p in range(pairs):
        of_pair = amounts[pair == p]
        for rows, weights in draw_weights(len(of_pair), settings, [p]):
            sums[p, rows] = weights @ of_pair
    return sums


def draw_weights(
    size: int, settings: Settings, stratum: Sequence[int] | NDArray[np.int64] = (0,)
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield how often each of `size` scenarios was drawn, shape (some resamples, size), a batch of resamples a time.

    The draws depend on the seed, the numbers of the stratum and its size alone.
    """
    rng = np.random.default_rng([settings.seed, *stratum])
    batch = max(1, _DRAWS_AT_ONCE // max(size, 1))
    for start in range(0, settings.resamples, batch):
        n = min(batch, settings.resamples - start)
        drawn = rng.integers(size, size=(n, size)) + size * np.arange(n)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(n, size)
        yield slice(start, start + n), weights.astype(float)


def percentile_interval(draws: NDArray, level: float) -> tuple[float, float, int]:
    """Give the percentile interval of a statistic from its resamples.

    Parameters
    ----------
    draws : ndarray, shape (resamples,)
        The statistic in each resample, nan if it is not defined there.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : float
        Ends of the interval; nan if the statistic is defined in no resample.
    undefined : int
        Resamples in which the statistic is not defined and which the interval leaves out.
    """
    check_level(level)
    defined = draws[~np.isnan(draws)]
    undefined = len(draws) - len(defined)
    if not len(defined):
        return float("nan"), float("nan"), undefined
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), undefined


def divide(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    """Return the quotient, nan if the denominator is not above 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0)


def _count(pair: NDArray) -> int:
    """Return the number of pairs."""
    return int(pair.max()) + 1 if len(pair) else 0
