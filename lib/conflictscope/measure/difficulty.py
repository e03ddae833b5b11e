"""Scenario quality: do the actions weigh differently, are the scenarios unlike, do they pass the checks.

In: the ratings, embeddings of the scenarios, the checks. Out: Likert difference rate and diversity, with intervals from
a bootstrap over scenarios within value pairs, and pass rates by check and template, with Wilson intervals. Section 3.2
of the paper (arXiv 2509.25369) compares ablations by the first.

Agreement: do the targets choose alike? Scenarios on which they part are the ones that tell them apart.

In: the choices table, or ratings by any number of raters. Out: observed agreement with Krippendorff's α beside it, by
condition and system prompt, with intervals from a bootstrap over scenarios; the targets are taken as given. The lower
the agreement, the harder the data set. Section 3.2 of the paper (arXiv 2509.25369) compares ablations by it.

The front: which data sets are the hardest, as far as their intervals tell.

In: observed agreement and Likert difference rate of several data sets, with intervals. Out: which of them are on the
Pareto front, which cannot be told apart from it and which lie behind. A set is harder where models agree less and see
more of a difference between the two actions. Section 3.2 of the paper (arXiv 2509.25369) compares data sets so.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from conflictscope.measure.bootstrap import (
    add_up,
    divide,
    draw_weights,
    percentile_interval,
    resample_sums,
    share_choices,
    wilson_interval,
)
from conflictscope.scenarios import apply_filter
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
        One row a system prompt: ``arm``, ``rate``, ``rate_low``, ``rate_high`` (0–1), ``targets`` and
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
    asked = ["arm", "scenario_id", "target"]
    both = (
        ratings.set_index([*asked, "repetition", "rated_action"])["rating"]
        .astype("float64")
        .unstack("rated_action")
        .reindex(columns=[1, 2])
    )
    differs = both[1].ne(both[2]).astype("float64").where(both.notna().all(axis=1)).groupby(asked).mean()
    rows = []
    for arm, own in differs.groupby("arm"):
        counted = own.dropna()
        per_scenario = counted.groupby("scenario_id").agg(["sum", "size"]).reindex(about.index, fill_value=0.0)
        amounts = per_scenario.to_numpy(float)
        differ, compared = add_up(amounts, pair).sum(axis=0)
        drawn = resample_sums(amounts, pair, resamples=resamples, seed=seed).sum(axis=0)
        low, high, undefined = percentile_interval(divide(drawn[:, 0], drawn[:, 1]), level)
        rows.append(
            {
                "arm": arm,
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
    columns = ["arm", "rate", "rate_low", "rate_high", "targets", "compared", "left_out"]
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
    filter_statuses = apply_filter(scenarios, checks)
    verdicts = filter_statuses[list(CHECKS)].assign(
        all=filter_statuses["filter_status"].map({"kept": True, "dropped": False}).astype("boolean")
    )
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


def observed_agreement(
    choices: pd.DataFrame, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Give the chance that two random targets choose the same value on a random scenario.

    Only scenarios where at least two targets have a choice count; every one of them weighs the same. Where a target
    chose several times in a scenario (both option orders, repetitions), the chance is that of one of its choices at
    random: a target that chose either value half of the time agrees with anyone at 0.5.

    Krippendorff's α takes the targets as raters and the value that won as the nominal rating. Chance agreement is taken
    within each value pair, because no other value can win a scenario: α = 1 − Σ n_p D_o,p / Σ n_p D_e,p over the pairs
    p. With one pair and one choice a target and scenario it is `krippendorff_alpha`.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``. Rows whose outcome is not ``choice`` do not count.
    resamples : int
        Bootstrap resamples of scenarios, drawn within each value pair.
    seed : int
        Seed of the resamples.
    level : float
        Coverage of the percentile intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row for each condition and system prompt: ``condition``, ``arm``, ``agreement``,
        ``agreement_low``, ``agreement_high`` (0–1), ``alpha``, ``alpha_low``, ``alpha_high`` (1 = perfect, 0 = chance,
        below 0 = less than chance), ``targets`` (with a choice), ``scenarios`` (counted), ``left_out`` (fewer than two
        targets with a choice), ``undefined_resamples`` (those without α, which its interval leaves out),
        ``agreement_problem`` and ``alpha_problem`` (why the number is empty; empty where it is not).

    Raises
    ------
    ValueError
        Where the choices do not fit their table, `resamples` is below 1, or `level` is not between 0 and 1.
    """
    shares = share_choices(choices)
    pair = shares.scenarios["pair"].to_numpy()
    keys = shares.groups[["condition", "arm"]]
    rows = []
    for (condition, arm), own in keys.groupby(list(keys)).groups.items():
        share = shares.share[:, own]
        asked = shares.asked[:, own].any(axis=1)
        amounts = _scenario_amounts(share)
        observed = _measures(add_up(amounts, pair))
        draws = _measures(resample_sums(amounts, pair, resamples=resamples, seed=seed))
        scenarios = int(amounts[:, 0].sum())
        no_agreement = None if scenarios else "no scenario with choices of two targets"
        no_alpha = no_agreement or ("the same value won throughout each pair" if np.isnan(observed[1]) else None)
        low, high, _ = percentile_interval(draws[0], level)
        alpha_low, alpha_high, undefined = percentile_interval(draws[1], level)
        rows.append(
            {
                "condition": condition,
                "arm": arm,
                "agreement": float(observed[0]),
                "agreement_low": low,
                "agreement_high": high,
                "alpha": float(observed[1]),
                "alpha_low": alpha_low,
                "alpha_high": alpha_high,
                "targets": int((~np.isnan(share)).any(axis=0).sum()),
                "scenarios": scenarios,
                "left_out": int(asked.sum()) - scenarios,
                "undefined_resamples": undefined,
                "agreement_problem": no_agreement,
                "alpha_problem": no_alpha,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"agreement_problem": "str", "alpha_problem": "str"})


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Give Krippendorff's α for nominal ratings by any number of raters, some of them missing.

    α = 1 − D_o / D_e, from the coincidences of the ratings within units (Krippendorff 2011, *Computing Krippendorff's
    Alpha-Reliability*, University of Pennsylvania; nominal metric).

    Parameters
    ----------
    ratings : array_like, shape (units, raters)
        Category codes or labels; missing ratings are None or nan. Units with fewer than two ratings do not count.

    Returns
    -------
    float
        1 = perfect agreement, 0 = as by chance, below 0 = less than chance; nan where α is not defined: no unit has
        two ratings, or all ratings are the same.

    Raises
    ------
    ValueError
        Where `ratings` is not two-dimensional.
    """
    table = np.asarray(ratings, dtype=object)
    if table.ndim != 2:
        raise ValueError(f"ratings: found {table.ndim} dimension(s); expected two, units × raters.")
    codes, _ = pd.factorize(table.ravel())  # −1 where missing
    codes = codes.reshape(table.shape)
    votes = np.stack([(codes == category).sum(axis=1) for category in range(max(codes.max(initial=-1) + 1, 1))], axis=1)
    votes = votes[votes.sum(axis=1) > 1]
    raters = votes.sum(axis=1)
    totals, n = votes.sum(axis=0), votes.sum()
    alike = totals @ (totals - 1)
    if n == 0 or alike == n * (n - 1):
        return float("nan")
    differ = ((raters**2 - (votes**2).sum(axis=1)) / (raters - 1)).sum()
    return float(1 - differ * (n - 1) / (n * (n - 1) - alike))


_COLUMNS = [
    "condition",
    "arm",
    "agreement",
    "agreement_low",
    "agreement_high",
    "alpha",
    "alpha_low",
    "alpha_high",
    "targets",
    "scenarios",
    "left_out",
    "undefined_resamples",
    "agreement_problem",
    "alpha_problem",
]


def _scenario_amounts(share: NDArray) -> NDArray[np.float64]:
    """Return, by scenario, what agreement and α are made of; share has the shape (scenarios, targets).

    The columns: 1 where the scenario counts; chance that two targets agree; targets with a choice; expected
    disagreements a target; votes for the first value; and Σ p² + Σ (1 − p)², the part of the squared votes that are of
    a target with itself.
    """
    present = ~np.isnan(share)
    p = np.where(present, share, 0.0)
    n = present.sum(axis=1).astype(float)
    counts = n > 1
    first = p.sum(axis=1)
    with_itself = (p**2).sum(axis=1) + ((1 - p) ** 2 * present).sum(axis=1)
    alike = first**2 + (n - first) ** 2 - with_itself
    others = np.where(counts, n - 1, 1)
    agreement = alike / (np.where(counts, n, 1) * others)
    disagreements = (n * (n - 1) - alike) / others
    columns = np.stack([np.ones_like(n), agreement, n, disagreements, first, with_itself], axis=1)
    return np.where(counts[:, None], columns, 0.0)


def _measures(sums: NDArray) -> tuple[NDArray, NDArray]:
    """Return agreement and α from sums of the scenarios' amounts, shape (pairs, ..., amounts)."""
    scenarios, agreement, n, differ, first, with_itself = np.moveaxis(sums, -1, 0)
    alike = first**2 + (n - first) ** 2 - with_itself
    expected = n - np.divide(alike, n - 1, out=np.zeros_like(n), where=n > 1)
    # what is left of equal votes after rounding is no variation
    expected = np.where(expected > 1e-9 * n, expected, 0.0).sum(axis=0)
    return divide(agreement.sum(axis=0), scenarios.sum(axis=0)), 1 - divide(differ.sum(axis=0), expected)


ON_FRONT, NOT_TOLD_APART, BEHIND = "on the front", "not told apart from it", "behind it"


def mark_front(points: pd.DataFrame) -> pd.DataFrame:
    """Say which data sets are on the Pareto front of low agreement and high Likert difference.

    One set *dominates* another where its agreement is not higher and its Likert difference rate not lower, and one of
    the two is better. It does so *clearly* where both differences are better and the intervals of both leave out 0
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
        none clearly; ``behind it``: some set does clearly; empty where a number is missing) and ``behind`` (the
        sets that clearly dominate it).
    """
    known = points[["agreement", "likert"]].notna().all(axis=1).to_numpy()
    agreement, likert = (points[name].to_numpy(float) for name in ("agreement", "likert"))
    fewer = agreement[:, None] - agreement[None, :]  # of row over column: above 0 where the column's is lower
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
    told = pd.Series(front, index=points.index).where(known)
    return points.assign(front=told.astype("str"), behind=pd.Series(behind, index=points.index, dtype="str"))


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
