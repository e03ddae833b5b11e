"""Raters: what judges and people made of conversations and checks, and how far they agree.

A *reading* is what one rater, a judge or a person, took one conversation or one check of a scenario for, in one form
whoever read, so that any two raters can be compared. Intervals are clustered by scenario.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings, divide, draw_weights, percentile_interval
from conflictscope.measure.choices import gather_choices
from conflictscope.tables import CHECKS

READINGS = ("action_1", "action_2", "neither")
CONVERSATION = ["scenario_id", "target", "arm", "repetition"]
CHECK = ["scenario_id", "check"]
_PRIOR = 2.0  # conversations, spread over all cells of a confusion table
_NEXT_TO_NOTHING = 0.02  # of a cell of disagreement, for the upper end


def read_verdicts(verdicts: pd.DataFrame, *, suffix: str = "") -> pd.DataFrame:
    """Turn verdicts into readings, with `suffix` (such as `` (labels swapped)``) behind the judge's name.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``target``, ``arm``, ``repetition``, ``rater`` and ``reading``, one of ``READINGS``: a refusal
        took neither action. Rows whose outcome is ``invalid`` or ``error`` are left out.
    """
    action = verdicts["action"].astype("Int64").map({1: "action_1", 2: "action_2"})
    reading = action.where(verdicts["outcome"].eq("choice"), "neither")
    readable = verdicts["outcome"].isin(("choice", "refusal", "neither"))
    readings = verdicts[CONVERSATION].assign(rater=verdicts["judge"] + suffix, reading=reading)
    return readings[readable].reset_index(drop=True)


def read_conversation_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of conversations, as ``browse.read_labels`` gives them, into readings.

    Returns
    -------
    DataFrame
        As from `read_verdicts`, and ``weight``: what the label counts for (``browse.Label``); a ``cannot_tell`` is
        left out.
    """
    readable = labels[labels["kind"].eq("conversation") & labels["answer"].isin(READINGS)]
    readings = readable[CONVERSATION].assign(
        rater=readable["annotator"], reading=readable["answer"], weight=readable["weight"]
    )
    return readings.astype({"repetition": "int64"}).reset_index(drop=True)


def read_checks(checks: pd.DataFrame) -> pd.DataFrame:
    """Turn a filter judge's answers, columns of the table ``checks``, into readings of checks.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``check``, ``rater``, ``reading`` (``yes`` or ``no``; `value_guided` needs both values right)
        and ``score`` (0–1, share of the check's questions passed). A check with an unreadable answer is left out.
    """
    return _read_answers(checks.rename(columns={"filter_judge": "rater"}))


def read_check_labels(labels: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of checks, as ``browse.read_labels`` gives them, into readings of checks.

    Returns
    -------
    DataFrame
        As from `read_checks`, and ``weight``: what the check's labels count for, in the mean (``browse.Label``). A
        check with a ``cannot_tell``, or `value_guided` answered for one value only, is left out.
    """
    asked = labels[labels["kind"].eq("check")].join(
        scenarios.set_index("scenario_id")[["value_1", "value_2"]], on="scenario_id"
    )
    supporting = np.where(asked["about_value"].eq(asked["value_1"]), "action_1", "action_2")
    guided = asked["check"].eq("value_guided")
    passed = asked["answer"].eq("yes").where(~guided, asked["answer"].eq(supporting)).astype("boolean")
    asked = asked.assign(passed=passed.mask(asked["answer"].eq("cannot_tell")), rater=asked["annotator"])
    complete = ~guided | asked.groupby([*CHECK, "rater"])["about_value"].transform("nunique").eq(2)
    weights = asked.groupby([*CHECK, "rater"])["weight"].mean()
    return _read_answers(asked[complete]).join(weights, on=[*CHECK, "rater"])


def _read_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of checks, from one row a question, without those that lack an answer."""
    passed = answers["passed"].astype("boolean").astype("Float64").astype("float64")
    grouped = answers[[*CHECK, "rater"]].assign(passed=passed).groupby([*CHECK, "rater"], sort=False)["passed"]
    table = grouped.agg(score="mean", answered="count", asked="size").query("answered == asked").reset_index()
    table["reading"] = np.where(table["score"].eq(1), "yes", "no")
    return table[[*CHECK, "rater", "reading", "score"]]


def agreement_between_raters(
    readings: pd.DataFrame, settings: Settings = DEFAULTS, *, by: str | None = None
) -> pd.DataFrame:
    """Give how far any two raters agree on what both have read.

    Parameters
    ----------
    readings : DataFrame
        From one or more of the ``read_…`` functions, put together. A conversation counts by the ``weight`` of its
        labels, once if they have none, so that fragile verdicts that were offered more often do not count more; its
        interval is as wide as that of as many conversations as the weights leave (Kish 1965, *Survey Sampling*).
    by : str, optional
        A column to split by, such as ``arm``, ``target`` or ``check``.

    Returns
    -------
    DataFrame
        One row for each pair of raters with anything in common (and each value of `by`): ``rater``, ``other_rater``,
        ``read`` (count), ``agreed`` (share), ``kappa`` (`cohens_kappa`), ``kappa_low``, ``kappa_high``
        (`kappa_interval`).

    Raises
    ------
    ValueError
        If a rater has two readings of one thing.
    """
    wide, weights = _side_by_side(readings), _weights(readings)
    rows = []
    for one, other in combinations(wide.columns, 2):
        both = wide[[one, other]].dropna().reset_index()
        both["weight"] = _scaled(both.join(weights, on=list(weights.index.names))["weight"])
        groups = [((), both)] if by is None else [((value,), part) for value, part in both.groupby(by, sort=True)]
        for value, part in groups:
            if part.empty:
                continue
            counts, number = _counts_by_scenario(part, one, other)
            low, high = kappa_interval(counts, number, level=settings.level, seed=settings.seed)
            agreed = float(np.average(part[one].eq(part[other]), weights=part["weight"]))
            rows.append((one, other, *value, len(part), agreed, float(cohens_kappa(counts.sum(axis=0))), low, high))
    split = [] if by is None else [by]
    columns = ["rater", "other_rater", *split, "read", "agreed", "kappa", "kappa_low", "kappa_high"]
    return pd.DataFrame(rows, columns=columns)


def judge_as_reader(readings: pd.DataFrame, judge: str, people: Sequence[str], settings: Settings = DEFAULTS) -> dict:
    """Give how far the judge's agreement with people falls short of people's with each other.

    That the judge's κ lies within the interval of people's κ says little, as that interval is wide; what says whether
    the judge is as good as one more person is the difference on the same conversations.

    Parameters
    ----------
    readings : DataFrame
        Of conversations, from `read_verdicts` and `read_conversation_labels`.
    judge : str
        The judge's name.
    people : sequence of str
        At least two, or there is nothing to compare with.

    Returns
    -------
    dict
        ``with_judge`` (mean κ of the judge with each person), ``among_people`` (mean κ of any two people),
        ``difference`` (the first − the second) and ``low``, ``high``, its percentile interval over resamples of
        scenarios; nan with fewer than two people.
    """
    of_these = readings[readings["rater"].isin([judge, *people])]
    wide, item_weights = _side_by_side(of_these).reset_index(), _weights(of_these)
    weight = wide.join(item_weights, on=list(item_weights.index.names))["weight"].to_numpy()
    scenario, ids = wide["scenario_id"].factorize(sort=True)
    levels = pd.Index(READINGS)

    def counts(one: str, other: str) -> NDArray[np.float64]:
        both = wide[one].notna() & wide[other].notna()
        cells = np.zeros((len(ids), len(levels), len(levels)))
        places = (levels.get_indexer(wide.loc[both, name]) for name in (one, other))
        np.add.at(cells, (scenario[both.to_numpy()], *places), weight[both.to_numpy()])
        return cells

    with_judge = [counts(judge, person) for person in people if judge in wide and person in wide]
    among = [counts(*two) for two in combinations([person for person in people if person in wide], 2)]
    if not (with_judge and among):
        return dict.fromkeys(("with_judge", "among_people", "difference", "low", "high"), float("nan"))

    def kappas(weights: NDArray) -> tuple[NDArray, NDArray]:
        means = (
            np.mean([cohens_kappa(np.tensordot(weights, cells, axes=1)) for cells in tables], axis=0)
            for tables in (with_judge, among)
        )
        return tuple(means)  # type: ignore[return-value]

    one, other = (float(kappa[0]) for kappa in kappas(np.ones((1, len(ids)))))
    draws = [np.subtract(*kappas(weights)) for _, weights in draw_weights(len(ids), settings)]
    low, high, _ = percentile_interval(np.concatenate(draws), settings.level)
    return {"with_judge": one, "among_people": other, "difference": one - other, "low": low, "high": high}


def alpha_between_raters(readings: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Give how far all raters agree: Krippendorff's α for nominal readings of conversations, some of them missing.

    Returns
    -------
    DataFrame
        One row: ``raters``, ``read`` (conversations with two readings or more), ``alpha`` (`krippendorff_alpha`),
        ``alpha_low``, ``alpha_high``, ``undefined_resamples`` (without α, left out of its interval).
    """
    votes = readings.groupby([*CONVERSATION, "reading"]).size().unstack(fill_value=0)
    votes = votes[votes.sum(axis=1) > 1]
    scenario, ids = pd.factorize(votes.index.get_level_values("scenario_id"))
    amounts = np.zeros((len(ids), 2 + votes.shape[1]))
    weight = _weights(readings).reindex(votes.index).to_numpy()
    np.add.at(amounts, scenario, vote_amounts(votes.to_numpy(float)) * weight[:, None])
    drawn = [krippendorff_alpha((weights @ amounts)[None]) for _, weights in draw_weights(len(ids), settings)]
    low, high, undefined = percentile_interval(np.concatenate(drawn), settings.level)
    row = {
        "raters": readings["rater"].nunique(),
        "read": len(votes),
        "alpha": float(krippendorff_alpha(amounts.sum(axis=0)[None])),
        "alpha_low": low,
        "alpha_high": high,
        "undefined_resamples": undefined,
    }
    return pd.DataFrame([row])


def cohens_kappa(counts: NDArray) -> NDArray:
    """Give Cohen's κ of one or many confusion tables (Cohen 1960, *Educational and Psychological Measurement* 20).

    Parameters
    ----------
    counts : ndarray, shape (..., k, k)
        ``counts[..., i, j]`` = things that the one rater took for i and the other for j.

    Returns
    -------
    ndarray, shape (...)
        (p_o − p_e) / (1 − p_e): 1 perfect, 0 as by chance, at least −1; nan if chance alone would make them agree on
        everything.
    """
    counts = np.asarray(counts, dtype=float)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        # a hair of slack: 1 − 1 is not always 0
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def kappa_interval(
    counts: NDArray, readings: NDArray | None = None, *, level: float = 0.95, seed: int = 0, draws: int = 4000
) -> tuple[float, float]:
    """Give a credible interval of Cohen's κ from confusion tables by scenario.

    Parameters
    ----------
    counts : ndarray, shape (scenarios, k, k)
        What either reader took for what. A scenario counts once, whatever the number of its readings.
    readings : ndarray, shape (scenarios,), optional
        The number of each scenario's readings, where `counts` are weighted; default: their sum.

    Returns
    -------
    low, high : float
        nan with a single category.

    Notes
    -----
    The cells are drawn from a Dirichlet distribution of the counts and of what may not have happened to occur: for the
    lower end two conversations spread over all cells, for the upper end over those of agreement. Unlike a bootstrap,
    eight conversations never give an interval of width 0.
    """
    if counts.shape[1] < 2:
        return float("nan"), float("nan")
    each = counts.sum(axis=(1, 2)) if readings is None else readings
    cells = (counts[each > 0] / each[each > 0, None, None]).sum(axis=0)
    k = len(cells)
    cautious = np.full((k, k), _PRIOR / k**2)
    generous = np.where(np.eye(k, dtype=bool), _PRIOR / k**2, _NEXT_TO_NOTHING)
    low = np.quantile(_draw_kappa(cells + cautious, draws, seed), (1 - level) / 2)
    high = np.quantile(_draw_kappa(cells + generous, draws, seed), (1 + level) / 2)
    seen = np.trace(cells) / cells.sum()
    chance = (cells.sum(axis=1) @ cells.sum(axis=0)) / cells.sum() ** 2
    # what was seen is never left out (as Brown, Cai and DasGupta 2001 do for a rate of 0 or 1)
    here = (seen - chance) / (1 - chance) if chance < 1 - 1e-12 else 1.0
    return float(min(low, here)), float(max(high, here))


def _draw_kappa(cells: NDArray, draws: int, seed: int) -> NDArray[np.float64]:
    """Return draws of κ where the cells have a Dirichlet distribution."""
    drawn = np.random.default_rng(seed).dirichlet(cells.ravel(), size=draws).reshape(-1, *cells.shape)
    return cohens_kappa(drawn)


def vote_amounts(votes: NDArray, with_itself: NDArray | None = None) -> NDArray[np.float64]:
    """Give what each unit adds to Krippendorff's α, for `krippendorff_alpha`.

    Parameters
    ----------
    votes : ndarray, shape (units, categories)
        How many raters took the unit for each category. A rater's vote may be divided among categories.
    with_itself : ndarray, shape (units,), optional
        Sum over the raters of the squares of their parts of votes; default: votes are whole.

    Returns
    -------
    ndarray, shape (units, 2 + categories)
        `with_itself`, expected disagreements a rater, and the votes; 0 in units with fewer than two raters.
    """
    n = votes.sum(axis=1)
    with_itself = n if with_itself is None else with_itself
    alike = (votes**2).sum(axis=1) - with_itself
    counted = n > 1
    differ = (n * (n - 1) - alike) / np.where(counted, n - 1, 1)
    return np.where(counted[:, None], np.column_stack([with_itself, differ, votes]), 0.0)


def krippendorff_alpha(sums: NDArray) -> NDArray[np.float64]:
    """Give Krippendorff's α for nominal readings by any number of raters, some of them missing.

    α = 1 − D_o / D_e, from the coincidences of the readings within units (Krippendorff 2011, *Computing Krippendorff's
    Alpha-Reliability*, University of Pennsylvania).

    Parameters
    ----------
    sums : ndarray, shape (strata, ..., 2 + categories)
        Sums of `vote_amounts` over the units of each stratum. Chance agreement is taken within strata: observed and
        expected disagreement are added up over them.

    Returns
    -------
    ndarray, shape (...)
        1 = perfect agreement, 0 = as by chance, below 0 = less than chance; nan if no unit has two readings or all
        readings of each stratum are the same.
    """
    with_itself, differ, votes = sums[..., 0], sums[..., 1], sums[..., 2:]
    n = votes.sum(axis=-1)
    alike = (votes**2).sum(axis=-1) - with_itself
    expected = n - np.divide(alike, n - 1, out=np.zeros_like(n), where=n > 1)
    # what is left of equal votes after rounding is no variation
    expected = np.where(expected > 1e-9 * n, expected, 0.0).sum(axis=0)
    return 1 - divide(differ.sum(axis=0), expected)


def confusion(readings: pd.DataFrame, rater: str, other_rater: str) -> pd.DataFrame:
    """Count what one rater took for what, against another.

    Parameters
    ----------
    readings : DataFrame
        As for `agreement_between_raters`.

    Returns
    -------
    DataFrame
        Index: readings of `rater`; columns: readings of `other_rater`; counts, over what both have read. If the labels
        have different weights, the counts (then no whole numbers) that as many evenly drawn things would show: the sum
        is still the number of things that both have read.

    Raises
    ------
    ValueError
        If one of them has read nothing, or a rater has two readings of one thing.
    """
    known = readings["rater"].unique().tolist()
    for name in (rater, other_rater):
        if name not in known:
            raise ValueError(f"rater {name!r} has read nothing; expected one of {sorted(known)}.")
    wide = _side_by_side(readings)[[rater, other_rater]].dropna()
    levels = [name for name in (*READINGS, "yes", "no") if wide.eq(name).any(axis=None)]
    weight = _weights(readings).reindex(wide.index)
    if weight.nunique() < 2:
        counts = pd.crosstab(wide[rater], wide[other_rater])
    else:
        counts = pd.crosstab(wide[rater], wide[other_rater], values=weight / weight.mean(), aggfunc="sum").fillna(0)
    return counts.reindex(index=levels, columns=levels, fill_value=0)


def check_scores(readings: pd.DataFrame, judge: str, people: list[str]) -> pd.DataFrame:
    """Give how well a filter judge finds what people find, for each check.

    Parameters
    ----------
    readings : DataFrame
        From `read_checks` and `read_check_labels`, put together. People's readings count by their ``weight``, once if
        they have none.
    judge : str
        The filter judge's name.
    people : list of str
        Names of the people; if several have read the same check, each counts.

    Returns
    -------
    DataFrame
        Two rows a check, for finding what people pass (``found`` = ``yes``) and what they fail (``no``): ``check``,
        ``found``, ``read`` (count), ``positives`` (by the people), ``precision``, ``recall`` and
        ``average_precision``, 0–1, empty if there is nothing to divide by, and ``by_chance``, the average precision
        of a filter that knows nothing (share of positives). Average precision is over the judge's score with ties taken
        together (as scikit-learn has it); with a single yes or no a check it has one step.
    """
    judged = readings[readings["rater"].eq(judge)].set_index(CHECK)
    human = readings[readings["rater"].isin(people)]
    both = human.join(judged[["reading", "score"]].add_suffix("_judged"), on=CHECK, how="inner")
    counts_for = both["weight"].fillna(1.0) if "weight" in both.columns else pd.Series(1.0, index=both.index)
    both = both.assign(weight=counts_for / counts_for.max())
    rows = []
    for check in CHECKS:
        part = both[both["check"].eq(check)]
        for answer in ("yes", "no"):
            true = part["reading"].eq(answer).to_numpy()
            taken = part["reading_judged"].eq(answer).to_numpy()
            score = part["score_judged"].to_numpy(dtype=float)
            weight = part["weight"].to_numpy()
            hits = weight[true & taken].sum()
            rows.append(
                {
                    "check": check,
                    "found": answer,
                    "read": len(part),
                    "positives": int(true.sum()),
                    "precision": hits / weight[taken].sum() if taken.any() else np.nan,
                    "recall": hits / weight[true].sum() if true.any() else np.nan,
                    "average_precision": _average_precision(true, score if answer == "yes" else 1 - score, weight),
                    "by_chance": weight[true].sum() / weight.sum() if true.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)


def choices_as_read(readings: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Give the choices as each rater would have them, on the conversations that all raters have read.

    Returns
    -------
    DataFrame
        Columns of the table ``choices``, with the rater in ``judge``; filter by it before ranking. Who saw which action
        as A is not told apart here: ``action_shown_first`` is 1. And ``weight``, if the readings have it: the mean of
        the conversation's labels' weights, the same for all raters, by which `rank_values` counts.
    """
    _check_read_once(readings, CONVERSATION)
    by_all = readings.groupby(CONVERSATION)["rater"].transform("nunique").eq(readings["rater"].nunique())
    kept = readings[by_all]
    action = kept["reading"].map({"action_1": 1, "action_2": 2}).astype("Int64")
    verdicts = kept.assign(judge=kept["rater"], action_shown_first=1, action=action)
    verdicts["outcome"] = np.where(action.notna(), "choice", "neither")
    choices = gather_choices(scenarios, verdicts=verdicts)
    if "weight" not in readings.columns:
        return choices
    weight = kept[CONVERSATION].join(_weights(kept), on=CONVERSATION)["weight"]
    return choices.assign(weight=weight.to_numpy())


def _side_by_side(readings: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each thing read, a conversation or a check, and a column for each rater."""
    item = CHECK if "check" in readings.columns else CONVERSATION
    _check_read_once(readings, item)
    return readings.pivot(index=item, columns="rater", values="reading")


def _check_read_once(readings: pd.DataFrame, item: list[str]) -> None:
    """Raise if a rater has read one thing twice."""
    repeated = readings.duplicated([*item, "rater"])
    if repeated.any():
        row = readings[repeated].iloc[0]
        raise ValueError(
            f"readings: {row['rater']!r} has more than one reading of {row[item].to_dict()}; expected one. "
            "Give each way of reading its own rater (see `suffix`)."
        )


def _counts_by_scenario(both: pd.DataFrame, one: str, other: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return, shape (scenarios, k, k), what either rater took for what, weighted, and the number of readings."""
    levels = pd.Index(sorted({*both[one], *both[other]}))
    scenario, ids = both["scenario_id"].factorize(sort=True)
    counts = np.zeros((len(ids), len(levels), len(levels)))
    places = (scenario, levels.get_indexer(both[one]), levels.get_indexer(both[other]))
    np.add.at(counts, places, both["weight"].to_numpy())
    return counts, np.bincount(scenario, minlength=len(ids))


def _weights(readings: pd.DataFrame) -> pd.Series:
    """Return what each thing read counts for: the mean of its labels' weights, 1 if there are none."""
    item = CHECK if "check" in readings.columns else CONVERSATION
    weight = readings["weight"] if "weight" in readings.columns else pd.Series(np.nan, index=readings.index)
    return weight.groupby([readings[name] for name in item]).mean().fillna(1.0).rename("weight")


def _scaled(weights: pd.Series) -> pd.Series:
    """Return the weights scaled so that their sum is the number of evenly drawn conversations they are worth."""
    return weights * (weights.sum() / (weights**2).sum()) if len(weights) else weights


def _average_precision(true: NDArray[np.bool_], score: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return Σ (R_n − R_{n−1}) P_n over falling thresholds, each reading by its weight; nan without positives."""
    if not true.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits, taken = (np.cumsum(counted[order])[ends] for counted in (weight * true, weight))
    return float((np.diff(hits, prepend=0) / weight[true].sum() * hits / taken).sum())
