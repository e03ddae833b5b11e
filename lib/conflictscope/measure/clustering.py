"""Clustering: how far the answers to one scenario move together.

In: choices, each a success or not. Out: successes and trials by group, with the spread between scenarios, from which
the design effect follows: 1 where answers are as good as independent, 2 where the two option orders always agree. An
interval or a test that takes answers as independent is put right by it. Section 3.4 of the paper (arXiv 2509.25369)
counts answers; scenarios are what is sampled.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm


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


def with_clustered_rate(counts: pd.DataFrame, successes: str, level: float) -> pd.DataFrame:
    """Add a rate with its Wilson interval on the effective number of answers, and the design effect.

    Parameters
    ----------
    counts : DataFrame
        `successes` and the other columns of `count_successes`; empty where nothing was counted.
    successes : str
        Name of the column that holds the successes.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        The counts, 0 where nothing was counted, trials as ``choices``; ``rate``, ``rate_low``, ``rate_high`` (0–1;
        empty where there is no choice) and ``design_effect``.
    """
    counts = counts.rename(columns={"trials": "choices"})
    numbers = [successes, "choices", "spread", "largest_spread"]
    counts[numbers] = counts[numbers].fillna(0)
    trials, won = counts["choices"].astype(float), counts[successes].astype(float)
    rate = won / trials.where(trials > 0)
    effect = design_effect(counts["spread"], (won * (1 - rate)).fillna(0), counts["largest_spread"], trials)
    low, high = wilson_interval(won / effect, trials / effect, level)
    table = counts.drop(columns=["spread", "largest_spread", "scenarios"])
    table = table.astype({successes: "int64", "choices": "int64"})
    return table.assign(rate=rate, rate_low=low, rate_high=high, design_effect=effect).reset_index(drop=True)


def wilson_interval(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[NDArray, NDArray]:
    """Give Wilson's score interval of a proportion (Wilson 1927, *JASA* 22).

    Parameters
    ----------
    successes, trials : array_like
        Counts, of one shape.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : ndarray
        Ends of the interval, 0–1; nan where there are no trials.

    Raises
    ------
    ValueError
        Where `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95.")
    n = np.asarray(trials, dtype=float)
    n = np.where(n > 0, n, np.nan)
    rate = np.asarray(successes, dtype=float) / n
    z = norm.isf((1 - level) / 2)
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
