"""Scenario quality: do the actions weigh differently, are the scenarios unlike, do they pass the checks.

In: the ratings, embeddings of the scenarios, the checks. Out: Likert difference rate and diversity, with intervals from
a bootstrap over scenarios within value pairs, and pass rates by check and template, with Wilson intervals. Section 3.2
of the paper (arXiv 2509.25369) compares ablations by the first.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from conflictscope.measure.clustering import wilson_interval
from conflictscope.measure.scenario_sums import add_up, divide, draw_weights, percentile_interval, resample_sums
from conflictscope.scenarios import decide
from conflictscope.tables import CHECKS, SEVERITIES, STRUCTURES


def likert_difference_rate(
    ratings: pd.DataFrame, scenarios: pd.DataFrame, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Give the share of (scenario, target) whose two actions were rated differently.

    Both ratings are needed; (scenario, target) without them do not count, and are counted. Where a target rated a
    scenario several times, the repetitions with both ratings are averaged, so that each (scenario, target) weighs
    the same.

    Parameters
    ----------
    ratings : DataFrame
        Columns of the table ``ratings``.
    scenarios : DataFrame
        Columns of the table ``scenarios`` or ``kept_scenarios``; says which pair a scenario belongs to.
    resamples : int
        Bootstrap resamples of scenarios, drawn within each value pair.
    seed : int
        Seed of the resamples.
    level : float
        Coverage of the percentile interval, between 0 and 1.

    Returns
    -------
    DataFrame
        One row a system prompt: ``system_prompt``, ``rate``, ``rate_low``, ``rate_high`` (0–1), ``targets`` and
        ``compared`` ((scenario, target) with both ratings; targets among them), ``left_out`` ((scenario, target) asked
        but without both), ``undefined_resamples`` (those that drew nothing to compare, left out of the interval) and
        ``problem`` (why the rate is empty; empty where it is not).

    Raises
    ------
    ValueError
        Where a scenario is not known, `resamples` is below 1, or `level` is not between 0 and 1.
    """
    unknown = sorted({*ratings["scenario_id"]} - {*scenarios["scenario_id"]})
    if unknown:
        raise ValueError(
            f"ratings: {len(unknown)} scenario_id(s) are not among the {len(scenarios)} scenarios, {unknown[0]!r} for "
            "example; expected all of them there. Pass the scenarios that were rated."
        )
    about = scenarios[scenarios["scenario_id"].isin(ratings["scenario_id"])].sort_values("scenario_id")
    about = about.set_index("scenario_id")
    pair = _pair_codes([frozenset(names) for names in zip(about["value_1"], about["value_2"], strict=True)])
    asked = ["system_prompt", "scenario_id", "target"]
    both = (
        ratings.set_index([*asked, "repetition", "rated_action"])["rating"]
        .astype("float64")
        .unstack("rated_action")
        .reindex(columns=[1, 2])
    )
    differs = both[1].ne(both[2]).astype("float64").where(both.notna().all(axis=1)).groupby(asked).mean()
    rows = []
    for system_prompt, own in differs.groupby("system_prompt"):
        counted = own.dropna()
        per_scenario = counted.groupby("scenario_id").agg(["sum", "size"]).reindex(about.index, fill_value=0.0)
        amounts = per_scenario.to_numpy(float)
        differ, compared = add_up(amounts, pair).sum(axis=0)
        drawn = resample_sums(amounts, pair, resamples=resamples, seed=seed).sum(axis=0)
        low, high, undefined = percentile_interval(divide(drawn[:, 0], drawn[:, 1]), level)
        rows.append(
            {
                "system_prompt": system_prompt,
                "rate": differ / compared if compared else float("nan"),
                "rate_low": low,
                "rate_high": high,
                "targets": counted.index.get_level_values("target").nunique(),
                "compared": len(counted),
                "left_out": len(own) - len(counted),
                "undefined_resamples": undefined,
                "problem": None if compared else "no scenario with both ratings readable",
            }
        )
    columns = ["system_prompt", "rate", "rate_low", "rate_high", "targets", "compared", "left_out"]
    return pd.DataFrame(rows, columns=[*columns, "undefined_resamples", "problem"]).astype({"problem": "str"})


def diversity(
    embeddings: ArrayLike, pairs: Sequence, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Give 1 − the mean cosine between two scenarios of a value pair, averaged over the pairs.

    Every pair with at least two scenarios weighs the same. The interval is a percentile interval from scenarios drawn
    within their pair; a scenario drawn twice is not compared with itself, or the resamples would be less diverse than
    the scenarios are.

    Parameters
    ----------
    embeddings : array_like, shape (scenarios, dimensions)
        One vector a scenario, of any length but 0.
    pairs : sequence, length scenarios
        The value pair of each scenario: any label, such as ``(value_1, value_2)``; order within a tuple counts.
    resamples : int
        Bootstrap resamples of scenarios.
    seed : int
        Seed of the resamples.
    level : float
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    DataFrame
        One row: ``diversity``, ``diversity_low``, ``diversity_high`` (0 = all alike, 1 = nothing in common, up to 2),
        ``pairs`` and ``scenarios`` (counted), ``left_out`` (scenarios alone in their pair), ``undefined_resamples``
        (those where a pair's draws were all one scenario, left out of the interval) and ``problem`` (why the number is
        empty; empty where it is not).

    Raises
    ------
    ValueError
        Where the shapes do not fit, a vector has length 0, `resamples` is below 1, or `level` is not between 0 and 1.
    """
    vectors = np.asarray(embeddings, dtype=float)
    if vectors.ndim != 2 or len(vectors) != len(pairs):
        raise ValueError(
            f"embeddings: found shape {vectors.shape} for {len(pairs)} pairs; expected one row a scenario and its pair."
        )
    length = np.linalg.norm(vectors, axis=1)
    if not (length > 0).all():
        row = int((length > 0).argmin())
        raise ValueError(
            f"embeddings: row {row} has length {length[row]}; expected a vector that has a direction. "
            "Leave out the text that has no words."
        )
    unit, pair = vectors / length[:, None], _pair_codes(list(pairs))
    sizes = np.bincount(pair) if len(pair) else np.zeros(0, dtype=int)
    observed, drawn = [], np.zeros(resamples)
    for p in np.flatnonzero(sizes > 1):
        # the same cosines in as few dimensions as there are scenarios
        own = np.asarray(np.linalg.qr(unit[pair == p].T, mode="r")).T
        observed.append(_spread(np.ones((1, len(own))), own)[0])
        for rows, weights in draw_weights(len(own), resamples=resamples, seed=seed, stratum=int(p)):
            drawn[rows] += _spread(weights, own)
    n = len(observed)
    low, high, undefined = percentile_interval(drawn / n if n else np.full(resamples, np.nan), level)
    found = {
        "diversity": float(np.mean(observed)) if n else float("nan"),
        "diversity_low": low,
        "diversity_high": high,
        "pairs": n,
        "scenarios": int(sizes[sizes > 1].sum()),
        "left_out": int((sizes == 1).sum()),
        "undefined_resamples": undefined,
        "problem": None if n else "no value pair with two scenarios",
    }
    return pd.DataFrame([found]).astype({"problem": "str"})


def pass_rates(scenarios: pd.DataFrame, checks: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the share of scenarios that passed each check, by template.

    Parameters
    ----------
    scenarios : DataFrame
        Columns of the table ``scenarios``: all that were written, not only those kept.
    checks : DataFrame
        Columns of the table ``checks``.
    level : float
        Coverage of the Wilson intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row for each template that occurs and each check, then ``all`` (passed all six): ``structure``,
        ``severity``, ``check``, ``passed``, ``failed``, ``undecided`` (the judge gave no readable answer), ``rate``
        (passed among passed and failed, 0–1), ``rate_low``, ``rate_high``; empty where nothing was decided.

    Raises
    ------
    ValueError
        Where `level` is not between 0 and 1.
    """
    fates = decide(scenarios, checks)
    verdicts = fates[list(CHECKS)].assign(all=fates["fate"].map({"kept": True, "dropped": False}).astype("boolean"))
    template = ["structure", "severity"]
    tidy = (
        verdicts.reset_index()
        .merge(scenarios[["scenario_id", *template]], on="scenario_id")
        .melt([*template, "scenario_id"], list(verdicts), var_name="check", value_name="verdict")
    )
    tidy = tidy.assign(
        passed=tidy["verdict"].eq(True).fillna(False).astype(int),
        failed=tidy["verdict"].eq(False).fillna(False).astype(int),
        undecided=tidy["verdict"].isna().astype(int),
    )
    counts = tidy.groupby([*template, "check"])[["passed", "failed", "undecided"]].sum()
    templates = [*product(STRUCTURES, SEVERITIES), ("none", "none")]
    order = [(*template, check) for template in templates for check in verdicts if (*template, check) in counts.index]
    counts = counts.reindex(pd.MultiIndex.from_tuples(order, names=counts.index.names)).reset_index()
    decided = counts["passed"] + counts["failed"]
    low, high = wilson_interval(counts["passed"], decided, level)
    return counts.assign(rate=divide(counts["passed"], decided), rate_low=low, rate_high=high)


def _pair_codes(pairs: Sequence) -> np.ndarray:
    """Return 0, 1, … for each different pair, in order of appearance."""
    codes: dict = {}
    return np.array([codes.setdefault(pair, len(codes)) for pair in pairs], dtype=int)


def _spread(weights: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return 1 − the mean cosine between two different vectors, for each row of weights; nan where there is one."""
    squares = weights**2
    together = weights @ unit
    cosines = (together**2).sum(axis=1) - squares @ (unit**2).sum(axis=1)
    compared = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
    return 1 - divide(cosines, compared)
