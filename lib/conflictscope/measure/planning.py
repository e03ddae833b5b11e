"""Planning: how many scenarios a pair a study needs for a wanted precision.

In: a planned study and the precision that is wanted. Out: the least number of scenarios a pair that gives it, found by
trying numbers in simulated studies. Section 4 of the paper (arXiv 2509.25369) has 1,200 outlines a pair for three
values and 240 for others, without saying why.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from conflictscope.measure.expected_precision import (
    PlannedStudy,
    expected_precision,
    neighbours_apart,
    rate_half_width,
)

LARGEST = 20_000  # scenarios a pair; beyond it a goal is out of reach
_TOLERANCE = 1.02  # the search ends where the number is known to 2 %


def precision_plan(
    study: PlannedStudy, *, precision: float = 0.05, power: float = 0.8, studies: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Find how many scenarios a pair a study needs.

    Two goals, each by itself: the interval of a pair's preference rate is at most 2 × `precision` wide on average, at
    even odds, where it is widest; and two values of neighbouring rank are told apart with probability `power`.

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
        One row a goal: ``goal`` (in words), ``scenarios_per_pair`` (kept scenarios; known to 2 %; empty where 20,000 do
        not do), ``outlines_per_pair`` (that many / ``kept_share``), ``scenarios`` (over all pairs), and what
        `expected_precision` gives for it: ``rate_half_width``, ``strength_half_width``, ``told_apart``.

    Raises
    ------
    ValueError
        Where `precision`, `power` or `studies` is out of its range.
    """
    if not (0 < precision < 0.5 and 0 < power < 1):
        raise ValueError(
            f"precision {precision}, power {power}; expected 0 < precision < 0.5 and 0 < power < 1, "
            "such as 0.05 and 0.8."
        )
    wanted: dict[str, Callable[[int], bool]] = {
        f"preference rate known to ± {precision:g}": (lambda n: rate_half_width(study, n, seed) <= precision),
        f"strengths {study.difference:g} apart told apart, power {power:g}": (
            lambda n: neighbours_apart(study, n, studies, seed)[1] >= power
        ),
    }
    rows = []
    for goal, reached in wanted.items():
        needed = _least(reached)
        found = {} if needed is None else expected_precision(study, needed, studies=studies, seed=seed)
        rows.append({"goal": goal, "scenarios_per_pair": needed, **found})
    table = pd.DataFrame(rows).astype({"goal": "str", "scenarios_per_pair": "Int64"})
    # a whole quotient stays whole: 0.1 × 3 style rounding must not add an outline
    outlines = np.ceil((table["scenarios_per_pair"].astype("Float64") / study.kept_share).round(9)).astype("Int64")
    table.insert(2, "outlines_per_pair", outlines)
    table.insert(3, "scenarios", table["scenarios_per_pair"] * len(study.pairs))
    measures = ["rate_half_width", "strength_half_width", "told_apart"]
    return table.reindex(columns=[*table.columns[:4], *measures]).astype(dict.fromkeys(measures, "float64"))


def _least(reached: Callable[[int], bool]) -> int | None:
    """Return the least number, to 2 %, that reaches a goal; None where `LARGEST` does not."""
    high = 4
    while not reached(high):
        if high >= LARGEST:
            return None
        high = min(2 * high, LARGEST)
    low = high // 2 if high > 4 else 0
    while high > low + 1 and high > low * _TOLERANCE:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
