"""Filter errors: how many scenarios a filter keeps or drops that people would not.

In: readings of checks by the filter judge and by people. Out: for each check, and for all six together, how often the
filter is right where it passes and where it fails something, and what that does to the numbers kept.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.judge_errors import labels_worth
from conflictscope.measure.raters import CHECK
from conflictscope.measure.rates import wilson_interval
from conflictscope.tables import CHECKS

ALL_CHECKS = "all six"


def filter_errors(readings: pd.DataFrame, judge: str, people: list[str], level: float = 0.95) -> pd.DataFrame:
    """Give what a filter's errors do to its counts.

    Parameters
    ----------
    readings : DataFrame
        From `read_checks`, of all scenarios, and `read_check_labels`, put together. Scenarios are labelled whatever the
        filter said of them, or in shares that hang on that alone; or labels have a ``weight``, and count by it.
    judge : str
        The filter judge's name.
    people : list of str
        Those who are taken to be right; what several have read counts once, divided among them.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        One row a check, and one for passing all of them (``all six``: failed by whoever fails one, whatever is known of
        the others): ``check``; ``read``, ``passed`` (scenarios that the filter has read and passed); ``labelled``;
        ``wrongly_passed`` and ``wrongly_failed`` (scenarios, of all read, that it passes and people would not, and the
        other way round) and ``pass_rate_corrected`` (share of these that people would pass, 0–1), each with
        ``_low`` and ``_high``. Empty where nothing of the kind is labelled.

    Notes
    -----
    Of what the filter passes, and of what it fails, the labels estimate the share that people pass, with Wilson's
    intervals; all scenarios are weighted by them (post-stratification), and the interval of the sum is put together
    from theirs (Newcombe 1998, *Statistics in Medicine* 17). Labels of different weights make a weighted share (Hájek
    1971), and its interval that of as many evenly drawn labels as they are worth (`count_judge_errors`), at
    most their number.
    """
    item = [name for name in CHECK if name != "check"]
    wanted = readings[readings["rater"].isin([judge, *people])]
    weight = wanted["weight"].fillna(1.0) if "weight" in wanted.columns else 1.0
    wanted = wanted.assign(weight=weight)
    passes = wanted.assign(passes=wanted["reading"].eq("yes"))
    by_rater = passes.groupby([*item, "rater"])
    whole = by_rater.agg(lowest=("passes", "min"), checks=("passes", "size"), weight=("weight", "mean")).reset_index()
    whole = whole[~whole["lowest"] | whole["checks"].eq(len(CHECKS))].rename(columns={"lowest": "passes"})
    every = pd.concat([passes, whole.assign(check=ALL_CHECKS)], ignore_index=True)
    rows = [
        _errors_of(every[every["check"].eq(check)], judge, level) | {"check": check} for check in (*CHECKS, ALL_CHECKS)
    ]
    numbers = [name + end for name in ("wrongly_passed", "wrongly_failed", "pass_rate_corrected") for end in _ENDS]
    return pd.DataFrame(rows)[["check", "read", "passed", "labelled", *numbers]]


_ENDS = ("", "_low", "_high")


def _errors_of(passes: pd.DataFrame, judge: str, level: float) -> dict[str, float]:
    """Return the numbers of one check."""
    of_judge = passes["rater"].eq(judge)
    judged = passes[of_judge].set_index("scenario_id")["passes"].astype(bool)
    people = passes[~of_judge].groupby("scenario_id")[["passes", "weight"]].mean()
    people = people[people.index.isin(judged.index)]
    kept = judged.reindex(people.index)
    parts = []  # scenarios, and the share of them that people pass with its ends: of what is passed, and of what fails
    for side in (True, False):
        labelled = people[kept.eq(side)]
        share, number = _weighted_share(labelled["passes"].to_numpy(float), labelled["weight"].to_numpy(float))
        low, high = wilson_interval(share * number if number else 0, number, level)
        parts.append((int(judged.eq(side).sum()), np.array([share, float(low), float(high)])))
    (passed, right), (failed, missed) = parts
    read = max(passed + failed, 1)
    # nothing to weigh where the filter passes everything, or nothing
    shares = [np.where(np.isnan(share) & (count == 0), 0.0, share) for count, share in parts]
    weights = np.array([passed, failed]) / read
    estimate = weights[0] * shares[0][0] + weights[1] * shares[1][0]
    below, above = (
        np.sqrt(sum((weight * (share[0] - share[end])) ** 2 for weight, share in zip(weights, shares, strict=True)))
        for end in (1, 2)
    )
    wrongly = {
        "wrongly_passed": passed * (1 - right[[0, 2, 1]]),
        "wrongly_failed": failed * missed,
        "pass_rate_corrected": np.array([estimate, estimate - below, estimate + above]),
    }
    named = {
        name + end: float(number) for name, three in wrongly.items() for end, number in zip(_ENDS, three, strict=True)
    }
    return {"read": passed + failed, "passed": passed, "labelled": len(people)} | named


def _weighted_share(passes: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted share of what is passed, and how many evenly drawn labels would say as much."""
    if not len(passes):
        return float("nan"), 0
    if len(np.unique(weight.round(9))) == 1:
        return float(passes.mean()), len(passes)
    worth = labels_worth(weight, np.ones(len(weight)), passes) * weight.sum()
    # of few labels that nearly all agree worth is guesswork, and more than their number too good to be true
    return float(np.average(passes, weights=weight)), float(min(worth, len(passes)))
