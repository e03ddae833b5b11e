"""Clustering: how far the answers to one scenario move together.

In: choices, each a success or not. Out: successes and trials by group, with the spread between scenarios, from which
the design effect follows: 1 where answers are as good as independent, 2 where the two option orders always agree. An
interval or a test that takes answers as independent is put right by it. Section 3.4 of the paper (arXiv 2509.25369)
counts answers; scenarios are what is sampled.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def count_successes(choices: pd.DataFrame, success: pd.Series, by: list[str]) -> pd.DataFrame:
    """Count successes by group, with what the design effect needs.

    Parameters
    ----------
    choices : DataFrame
        ``scenario_id`` and the columns `by`; every row counts.
    success : Series of bool
        Whether each row is a success; the index of `choices`.
    by : list of str
        Columns that make up a group.

    Returns
    -------
    DataFrame
        Indexed by `by`: ``successes``, ``trials`` (counts), ``scenarios`` (count), ``spread`` (Σ (y − n p)² over the
        scenarios, of y successes in n trials, p the group's rate) and ``largest_spread`` (what ``spread`` / p(1 − p)
        would be if each scenario's answers were all alike: Σ n²).
    """
    each = choices[[*by, "scenario_id"]].assign(success=success.astype(float))
    each = each.groupby([*by, "scenario_id"], observed=True)["success"].agg(y="sum", n="size").reset_index()
    n = each["n"].astype(float)
    sums = (
        each.assign(yy=each["y"] ** 2, yn=each["y"] * n, nn=n**2)
        .groupby(by, observed=True)
        .agg(
            successes=("y", "sum"),
            trials=("n", "sum"),
            scenarios=("n", "size"),
            yy=("yy", "sum"),
            yn=("yn", "sum"),
            largest_spread=("nn", "sum"),
        )
    )
    rate = sums["successes"] / sums["trials"]
    sums["spread"] = (sums["yy"] - 2 * rate * sums["yn"] + rate**2 * sums["largest_spread"]).clip(lower=0)
    return sums.drop(columns=["yy", "yn"]).astype({"successes": "int64", "trials": "int64"})


def design_effect(
    spread: ArrayLike, independent: ArrayLike, largest_spread: ArrayLike, trials: ArrayLike
) -> NDArray[np.float64]:
    """Give the design effect: the variance of a rate against that of as many independent answers.

    Parameters
    ----------
    spread, largest_spread, trials : array_like
        From `count_successes`, or sums of them over the groups that are to share a design effect.
    independent : array_like
        What ``spread`` would be on average if answers were independent: trials × p (1 − p), or sums of it.

    Returns
    -------
    ndarray
        At least 1, so that answers that cancel out make no interval narrower. Where all answers are alike and the data
        say nothing about it, the most that it can be: Σ n² / Σ n. 1 where there are no trials.
    """
    spread, independent = np.asarray(spread, dtype=float), np.asarray(independent, dtype=float)
    varied = independent > 0
    trials = np.maximum(np.asarray(trials, dtype=float), 1)
    most = np.asarray(largest_spread, dtype=float) / trials
    return np.maximum(np.where(varied, spread / np.where(varied, independent, 1), most), 1)
