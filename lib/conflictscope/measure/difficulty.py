"""Difficulty: do the scenarios pass the checks, differ from one another, and divide the targets.

A data set is harder the less the targets agree on it and the more they see of a difference between the two actions;
which of several sets are the hardest is told as far as their intervals tell.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from conflictscope.measure.bootstrap import (
    DEFAULTS,
    Settings,
    add_up,
    count_by_scenario,
    divide,
    draw_weights,
    percentile_interval,
    resample_sums,
)
from conflictscope.measure.raters import krippendorff_alpha, vote_amounts
from conflictscope.measure.rates import rate_table
from conflictscope.scenarios import apply_filter
from conflictscope.tables import CHECKS, SEVERITIES, STRUCTURES

ON_FRONT, NOT_TOLD_APART, BEHIND = "on the front", "not told apart from it", "behind it"
_TEMPLATE = ["structure", "severity"]


def likert_difference_rate(
    ratings: pd.DataFrame, scenarios: pd.DataFrame, settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give the share of (scenario, target) whose two actions were rated differently.

    Both ratings are needed; (scenario, target) without them do not count, and are counted. If a target rated a scenario
    several times, the repetitions with both ratings are averaged, so that each (scenario, target) weighs the same.

    Returns
    -------
    DataFrame
        One row an arm: ``arm``, ``rate``, ``rate_low``, ``rate_high`` (0–1), ``targets`` and ``compared`` ((scenario,
        target) with both ratings; targets among them), ``left_out`` ((scenario, target) asked but without both),
        ``undefined_resamples`` (those that drew nothing to compare, left out of the interval) and ``problem`` (why the
        rate is empty; empty if it is not).

    Raises
    ------
    ValueError
        If a scenario is not known.
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
    asked = ["arm", "scenario_id", "target"]
    both = (
        ratings.set_index([*asked, "repetition", "rated_action"])["rating"]
        .astype("float64")
        .unstack("rated_action")
        .reindex(columns=[1, 2])
    )
    differs = both[1].ne(both[2]).astype("float64").where(both.notna().all(axis=1)).groupby(asked).mean()
    rows = []
    for arm, of_arm in differs.groupby("arm"):
        counted = of_arm.dropna()
        per_scenario = counted.groupby("scenario_id").agg(["sum", "size"]).reindex(about.index, fill_value=0.0)
        amounts = per_scenario.to_numpy(float)
        differ, compared = add_up(amounts, pair).sum(axis=0)
        drawn = resample_sums(amounts, pair, settings).sum(axis=0)
        low, high, undefined = percentile_interval(divide(drawn[:, 0], drawn[:, 1]), settings.level)
        rows.append(
            {
                "arm": arm,
                "rate": differ / compared if compared else float("nan"),
                "rate_low": low,
                "rate_high": high,
                "targets": counted.index.get_level_values("target").nunique(),
                "compared": len(counted),
                "left_out": len(of_arm) - len(counted),
                "undefined_resamples": undefined,
                "problem": None if compared else "no scenario with both ratings readable",
            }
        )
    columns = ["arm", "rate", "rate_low", "rate_high", "targets", "compared", "left_out"]
    return pd.DataFrame(rows, columns=[*columns, "undefined_resamples", "problem"]).astype({"problem": "str"})


def diversity(embeddings: ArrayLike, pairs: Sequence, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give 1 − the mean cosine between two scenarios of a value pair, averaged over the pairs.

    Every pair with at least two scenarios weighs the same. In a resample, a scenario drawn twice is not compared with
    itself, or the resamples would be less diverse than the scenarios are.

    Parameters
    ----------
    embeddings : array_like, shape (scenarios, dimensions)
        One vector a scenario, of any length but 0.
    pairs : sequence, length scenarios
        The value pair of each scenario: any label, such as ``(value_1, value_2)``; order within a tuple counts.

    Returns
    -------
    DataFrame
        One row: ``diversity``, ``diversity_low``, ``diversity_high`` (0 = all alike, 1 = nothing in common, up to 2),
        ``pairs`` and ``scenarios`` (counted), ``left_out`` (scenarios alone in their pair), ``undefined_resamples``
        (those in which a pair's draws were all one scenario, left out of the interval) and ``problem`` (why the number
        is empty; empty if it is not).

    Raises
    ------
    ValueError
        If the shapes do not fit, or a vector has length 0.
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
    observed, drawn = [], np.zeros(settings.resamples)
    for p in np.flatnonzero(sizes > 1):
        # the same cosines in as few dimensions as there are scenarios
        of_pair = np.asarray(np.linalg.qr(unit[pair == p].T, mode="r")).T
        observed.append(_spread(np.ones((1, len(of_pair))), of_pair)[0])
        for rows, weights in draw_weights(len(of_pair), settings, [int(p)]):
            drawn[rows] += _spread(weights, of_pair)
    n = len(observed)
    low, high, undefined = percentile_interval(drawn / n if n else np.full_like(drawn, np.nan), settings.level)
    numbers = {
        "diversity": float(np.mean(observed)) if n else float("nan"),
        "diversity_low": low,
        "diversity_high": high,
        "pairs": n,
        "scenarios": int(sizes[sizes > 1].sum()),
        "left_out": int((sizes == 1).sum()),
        "undefined_resamples": undefined,
        "problem": None if n else "no value pair with two scenarios",
    }
    return pd.DataFrame([numbers]).astype({"problem": "str"})


def pass_rates(scenarios: pd.DataFrame, checks: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the share of all scenarios that were written, not only those kept, that passed each check, by template.

    Returns
    -------
    DataFrame
        One row for each template that occurs and each check, then ``all`` (passed all six): ``structure``,
        ``severity``, ``check``, ``passed``, ``failed``, ``undecided`` (the judge gave no readable answer), ``rate``
        (passed among passed and failed, 0–1), ``rate_low``, ``rate_high``; empty if nothing was decided.
    """
    statuses = apply_filter(scenarios, checks)
    verdicts = statuses[list(CHECKS)].assign(
        all=statuses["filter_status"].map({"kept": True, "dropped": False}).astype("boolean")
    )
    tidy = (
        verdicts.reset_index()
        .merge(scenarios[["scenario_id", *_TEMPLATE]], on="scenario_id")
        .melt([*_TEMPLATE, "scenario_id"], list(verdicts), var_name="check", value_name="verdict")
    )
    occurs = {*tidy[_TEMPLATE].itertuples(index=False, name=None)}
    templates = [template for template in (*product(STRUCTURES, SEVERITIES), ("none", "none")) if template in occurs]
    cells = pd.DataFrame([(*t, check) for t in templates for check in verdicts], columns=[*_TEMPLATE, "check"])
    decided = tidy[tidy["verdict"].notna()]
    rates = rate_table(cells, decided, decided["verdict"].astype(bool), level, successes="passed", trials="failed")
    rates = rates.drop(columns="design_effect")
    asked = cells.join(tidy.groupby([*_TEMPLATE, "check"]).size().rename("asked"), on=list(cells))["asked"]
    rates.insert(5, "undecided", asked - rates["failed"])
    return rates.assign(failed=rates["failed"] - rates["passed"])


def _pair_codes(pairs: Sequence) -> np.ndarray:
    """Return 0, 1, … for each different pair, in order of appearance."""
    codes: dict = {}
    return np.array([codes.setdefault(pair, len(codes)) for pair in pairs], dtype=int)


def _spread(weights: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return 1 − the mean cosine between two different vectors, for each row of weights; nan if there is one."""
    squares = weights**2
    together = weights @ unit
    cosines = (together**2).sum(axis=1) - squares @ (unit**2).sum(axis=1)
    compared = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
    return 1 - divide(cosines, compared)


def observed_agreement(choices: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give the chance that two random targets choose the same value on a random scenario.

    Only scenarios in which at least two targets have a choice count; every one of them weighs the same. If a target
    chose several times in a scenario (both option orders, repetitions), the chance is that of one of its choices at
    random: a target that chose either value half of the time agrees with anyone at 0.5. The targets are taken as given.

    `krippendorff_alpha` beside it takes the targets as raters and the value that won as the nominal reading. Chance
    agreement is taken within each value pair, because no other value can win a scenario.

    Returns
    -------
    DataFrame
        One row for each condition and arm: ``condition``, ``arm``, ``agreement``, ``agreement_low``,
        ``agreement_high`` (0–1), ``alpha``, ``alpha_low``, ``alpha_high``, ``targets`` (with a choice), ``scenarios``
        (counted), ``left_out`` (fewer than two targets with a choice), ``undefined_resamples`` (those without α, which
        its interval leaves out), ``agreement_problem`` and ``alpha_problem`` (why the number is empty; empty if it is
        not).
    """
    counts = count_by_scenario(choices)
    keys = counts.groups[["condition", "arm"]]
    rows = []
    for (condition, arm), columns in keys.groupby(list(keys)).groups.items():
        share, asked = counts.share[:, columns], counts.answers[:, columns].any(axis=1)
        amounts = _scenario_amounts(share)
        observed = _agreement_and_alpha(add_up(amounts, counts.pair))
        draws = _agreement_and_alpha(resample_sums(amounts, counts.pair, settings))
        scenarios = int(amounts[:, 0].sum())
        no_agreement = None if scenarios else "no scenario with choices of two targets"
        no_alpha = no_agreement or ("the same value won throughout each pair" if np.isnan(observed[1]) else None)
        low, high, _ = percentile_interval(draws[0], settings.level)
        alpha_low, alpha_high, undefined = percentile_interval(draws[1], settings.level)
        numbers = (float(observed[0]), low, high, float(observed[1]), alpha_low, alpha_high)
        choosing = int((~np.isnan(share)).any(axis=0).sum())
        how_many = (choosing, scenarios, int(asked.sum()) - scenarios, undefined)
        rows.append((condition, arm, *numbers, *how_many, no_agreement, no_alpha))
    columns = [
        "condition", "arm", "agreement", "agreement_low", "agreement_high", "alpha", "alpha_low", "alpha_high",
        "targets", "scenarios", "left_out", "undefined_resamples", "agreement_problem", "alpha_problem",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"agreement_problem": "str", "alpha_problem": "str"})


def _scenario_amounts(share: NDArray) -> NDArray[np.float64]:
    """Return, by scenario, whether it counts, the chance that two targets agree, and what it adds to α.

    `share` has the shape (scenarios, targets). A target's vote is divided between the two values by its share.
    """
    present = ~np.isnan(share)
    p = np.where(present, share, 0.0)
    n, first = present.sum(axis=1).astype(float), p.sum(axis=1)
    with_itself = (p**2).sum(axis=1) + ((1 - p) ** 2 * present).sum(axis=1)
    counts = n > 1
    alike = first**2 + (n - first) ** 2 - with_itself
    agreement = np.where(counts, alike / np.where(counts, n * (n - 1), 1), 0.0)
    return np.column_stack([counts, agreement, vote_amounts(np.stack([first, n - first], axis=1), with_itself)])


def _agreement_and_alpha(sums: NDArray) -> tuple[NDArray, NDArray]:
    """Return both from sums of the scenarios' amounts, shape (pairs, ..., amounts)."""
    scenarios, agreement = sums[..., 0].sum(axis=0), sums[..., 1].sum(axis=0)
    return divide(agreement, scenarios), krippendorff_alpha(sums[..., 2:])


def mark_front(points: pd.DataFrame) -> pd.DataFrame:
    """Mark which data sets are on the Pareto front of low agreement and high Likert difference.

    One set *dominates* another if its agreement is not higher and its Likert difference rate not lower, and one of
    the two is better. It does so *clearly* if both differences are better and the intervals of both leave out 0
    (`difference_interval`; both have to, so the chance to be wrong is no larger than that of one).

    Parameters
    ----------
    points : DataFrame
        One row a data set: ``variant`` and the numbers with their ends, as ``figures.agreement_point`` gives them; all
        intervals of one level, all sets answered by the same targets.

    Returns
    -------
    DataFrame
        The same rows with ``front`` (``on the front``: no set dominates it; ``not told apart from it``: some set does,
        none clearly; ``behind it``: some set does clearly; empty if a number is missing) and ``behind`` (the
        sets that clearly dominate it).
    """
    known = points[["agreement", "likert"]].notna().all(axis=1).to_numpy()
    agreement, likert = (points[name].to_numpy(float) for name in ("agreement", "likert"))
    fewer = agreement[:, None] - agreement[None, :]  # of row over column: above 0 if the column's is lower
    more = likert[None, :] - likert[:, None]
    dominated = (fewer >= 0) & (more >= 0) & ((fewer > 0) | (more > 0))
    ends = {name: points[[name, f"{name}_low", f"{name}_high"]].to_numpy(float).T for name in ("agreement", "likert")}
    rows, columns = ({name: end[i] for name, end in ends.items()} for i in (np.s_[:, :, None], np.s_[:, None, :]))
    fewer_low, _ = difference_interval(rows["agreement"], columns["agreement"])
    more_low, _ = difference_interval(columns["likert"], rows["likert"])
    clearly = (fewer_low > 0) & (more_low > 0)
    front = np.where(clearly.any(axis=1), BEHIND, np.where(dominated.any(axis=1), NOT_TOLD_APART, ON_FRONT))
    names = points["variant"].to_numpy(object)
    behind = [", ".join(names[row]) or None for row in clearly]
    marks = pd.Series(front, index=points.index).where(known)
    return points.assign(front=marks.astype("str"), behind=pd.Series(behind, index=points.index, dtype="str"))


def difference_interval(one: ArrayLike, other: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the interval of a difference of two independent estimates from the interval of each.

    MOVER (Zou and Donner 2008, *Statistics in Medicine* 27); with Wilson intervals of two proportions it is method 10
    of Newcombe (1998, *Statistics in Medicine* 17).

    Parameters
    ----------
    one, other : array_like, shape (3, ...)
        Estimate, lower and upper end of its interval; all intervals of one level.

    Returns
    -------
    low, high : ndarray, shape (...)
        Ends of the interval of one − other, at the same level.
    """
    (a, a_low, a_high), (b, b_low, b_high) = (np.asarray(ends, dtype=float) for ends in (one, other))
    return a - b - np.hypot(a - a_low, b_high - b), a - b + np.hypot(a_high - a, b - b_low)
