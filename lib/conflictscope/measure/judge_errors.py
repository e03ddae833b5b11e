"""Errors of judges and filter judges: which verdicts are likely ones, how many there are, and numbers without them.

In: verdicts and checks, and labels of them by people or a second judge. Out: which of them another reading may well
turn, for people to label first (drawn with known chances by ``browse.sample_conversations`` and
``browse.sample_checks``); what a judge took for what, pair by pair, and strengths corrected for it, the uncertainty of
the labels in their intervals; how many scenarios a filter keeps or drops that people would not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.raters import CHECK, CONVERSATION, read_verdicts
from conflictscope.measure.rates import wilson_interval
from conflictscope.measure.several_judges import judge_traits
from conflictscope.measure.strengths import PairSums, Strengths, fit_strengths, grade_choices
from conflictscope.tables import CHECKS

_PRIOR = 2.0  # labels of the true value's other pairs that count in each pair, so that a rare reading is not 0
_JEFFREYS = 0.5
LEAST_USE = 0.05  # of a judge: P(read 1 | 1) − P(read 1 | 2)
ALL_CHECKS = "all six"
_ENDS = ("", "_low", "_high")
_MIDDLE, _REACH = 4, 3  # leaning: 1 wholly action 1, 7 wholly action 2
_NEAR = 1  # of the middle: a leaning that close is fragile


@dataclass(frozen=True)
class JudgeErrors:
    """What a judge's verdicts were truly for, as far as labels say.

    Attributes
    ----------
    counts : ndarray, shape (k, k, 2, 2)
        ``[i, j, t, r]``, i < j: verdicts labelled in the pair (i, j), truly for i (t = 0) or for j (1), read as for i
        (r = 0) or for j (1). Of labels that were drawn unevenly: the evenly drawn ones that would say as much.
    labelled : int, optional
        How many labels there are; default: the sum of the counts.
    """

    counts: NDArray[np.float64]
    labelled: int | None = None

    def reading_chances(self, first: NDArray, second: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return P(read first | first), P(read first | second) and the labels behind each, by pair of values.

        Shapes (pairs,), (pairs,), (pairs, 2). Each chance is drawn a little toward that of its true value in all pairs.
        """
        labels = self.counts[first, second]
        correct = np.stack([labels[..., 0, 0], labels[..., 1, 1]], axis=-1)
        trials = labels.sum(axis=-1)
        value = np.stack([first, second], axis=-1)
        pooled = np.empty(correct.shape)
        everywhere = (correct.sum(axis=(-1, -2)) + 0.5) / (trials.sum(axis=(-1, -2)) + 1)
        for v in range(len(self.counts)):
            of_value = value == v
            mean = ((correct * of_value).sum(axis=(-1, -2)) + everywhere) / ((trials * of_value).sum(axis=(-1, -2)) + 1)
            pooled = np.where(of_value, mean[..., None, None], pooled)
        accuracy = (correct + _PRIOR * pooled) / (trials + _PRIOR)
        return accuracy[..., 0], 1 - accuracy[..., 1], trials + _PRIOR

    @property
    def total(self) -> int:
        """The number of labelled verdicts."""
        return int(self.counts.sum()) if self.labelled is None else self.labelled


@dataclass(frozen=True)
class Corrected:
    """Sums as they would be without misreading, and what shares were taken for what."""

    sums: PairSums
    wrong: NDArray[np.float64]  # P(read first | second), by pair
    use: NDArray[np.float64]  # P(read first | first) − that

    def products(self, products: NDArray, other: PairSums) -> NDArray[np.float64]:
        """Return the sums of products of the corrected shares with the shares of another condition."""
        return (products - self.wrong * other.y) / self.use


def count_judge_errors(
    readings: pd.DataFrame, scenarios: pd.DataFrame, values: Sequence[str], judge: str, raters: Sequence[str]
) -> JudgeErrors:
    """Count what a judge's readings were for and what people, or a second judge, took the same conversations for.

    Parameters
    ----------
    readings : DataFrame
        From `read_verdicts` and `read_conversation_labels`, put together. Labels count by their ``weight``, once if
        they have none: 1 / the chance of having been drawn, against that of the mean conversation.
    scenarios : DataFrame
        ``scenario_id``, ``value_1``, ``value_2``.
    values : sequence of str
        The value set.
    judge : str
        The rater whose errors are counted.
    raters : sequence of str
        Those who are taken to be right; a conversation that several have read counts once, divided among them.

    Notes
    -----
    Where fragile verdicts were offered more often, errors are found more often than they occur: weights (Horvitz and
    Thompson 1952, *J. Am. Stat. Assoc.* 47) put that right. How many evenly drawn labels such labels are worth follows
    from the variance of the weighted error rate, linearised and with the error rates of each stratum (labels of one
    weight) drawn a little toward one half.

    Raises
    ------
    ValueError
        If the judge and the others have no conversation in common that both took for an action.
    """
    chosen = readings[readings["reading"].isin(["action_1", "action_2"])]
    mine = chosen[chosen["rater"].eq(judge)].set_index(CONVERSATION)["reading"].rename("read")
    labels = chosen[chosen["rater"].isin(raters)].join(mine, on=CONVERSATION, how="inner")
    if labels.empty:
        raise ValueError(
            f"readings: no conversation that both {judge!r} and one of {list(raters)} took for an action; expected "
            "some. Label more in annotate."
        )
    labels = labels.join(scenarios.set_index("scenario_id")[["value_1", "value_2"]], on="scenario_id")
    drawn = labels["weight"].fillna(1.0) if "weight" in labels.columns else pd.Series(1.0, index=labels.index)
    part = 1 / labels.groupby(CONVERSATION)["rater"].transform("size")
    place = pd.Index(values)
    one, two = place.get_indexer(labels["value_1"]), place.get_indexer(labels["value_2"])
    swapped = one > two
    true, read = (labels[column].eq("action_2").to_numpy() ^ swapped for column in ("reading", "read"))
    counts = np.zeros((len(values), len(values), 2, 2))
    np.add.at(
        counts,
        (np.minimum(one, two), np.maximum(one, two), true.astype(int), read.astype(int)),
        (drawn * part).to_numpy(),
    )
    worth = labels_worth(drawn.to_numpy(), part.to_numpy(), (true != read).astype(float))
    return JudgeErrors(counts * worth, labelled=round(part.sum()))


def labels_worth(drawn: NDArray, part: NDArray, wrong: NDArray) -> float:
    """Return how many evenly drawn labels one of these is worth, by the variance of the error rate.

    Parameters
    ----------
    drawn : ndarray, shape (labels,)
        Their weights.
    part : ndarray, shape (labels,)
        How much of a thing labelled each is; 1 if one person has labelled it.
    wrong : ndarray, shape (labels,)
        Share of it, 0–1, that says the judge was wrong.
    """
    strata, of = np.unique(drawn.round(9), return_inverse=True)
    if len(strata) == 1:
        return 1 / strata[0]
    number = np.bincount(of, part)
    prior = _JEFFREYS / len(strata)
    rate = (np.bincount(of, part * wrong) + prior) / (number + 2 * prior)
    mean = (number * strata * rate).sum() / (number * strata).sum()
    within = (number * strata**2 * rate * (1 - rate)).sum()
    return mean * (1 - mean) * (number * strata).sum() / within


def correct_fit(sums: PairSums, errors: JudgeErrors) -> tuple[Strengths, Corrected]:
    """Fit strengths to what the judge's verdicts stand for, the uncertainty of the labels carried through.

    Parameters
    ----------
    sums : PairSums
        As the judge read the answers.
    errors : JudgeErrors
        The same for all groups.

    Returns
    -------
    fit : Strengths
        nan if, in some pair, the judge's readings hardly depend on what is true.
    corrected : Corrected
        What it was fitted to.

    Notes
    -----
    Shares are (ȳ − a) / (s − a), s and a the chances that the judge reads the first value where the first or the second
    is true (Rogan and Gladen 1978, *Am. J. Epidemiology* 107), drawn a little toward the chances that hold for the true
    value in all its pairs. The labels' binomial variance is added by the delta method to that of each pair's share.
    """
    right, wrong, trials = errors.reading_chances(sums.first, sums.second)
    use = right - wrong
    useless = bool((use < LEAST_USE).any())
    use = np.maximum(use, LEAST_USE)
    n = np.maximum(sums.n, 1)
    read = sums.y / n
    share = np.clip((read - wrong) / use, 0, 1)
    variance = np.maximum(sums.yy / n - read**2, 0) / use**2
    corrected = replace(sums, y=sums.n * share, yy=sums.n * (variance + share**2))
    fit = fit_strengths(corrected)
    of_labels = (
        share**2 * right * (1 - right) / trials[..., 0] + (1 - share) ** 2 * wrong * (1 - wrong) / trials[..., 1]
    ) / use**2
    added = (fit.influence * (sums.n**2 * of_labels)[:, None, :]) @ np.swapaxes(fit.influence, 1, 2)
    strengths = np.full_like(fit.strengths, np.nan) if useless else fit.strengths
    return replace(fit, strengths=strengths, covariance=fit.covariance + added), Corrected(corrected, wrong, use)


def correct_rankings(
    choices: pd.DataFrame, values: Sequence[str], errors: JudgeErrors, settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give open-ended strengths as the judge has them and as they are once its errors are taken out.

    Returns
    -------
    DataFrame
        One row for each open-ended group and value: ``target``, ``condition``, ``arm``, ``value``; ``strength``,
        ``corrected``, each with ``_low`` and ``_high`` (log-odds, strength ± t · error, the labels' uncertainty in the
        second; empty if, in some pair, the judge's readings hardly depend on what is true).
    """
    graded = grade_choices(choices[choices["condition"].eq("open_ended")], values)
    sums = graded.sums()
    columns: dict[str, NDArray] = {}
    for name, fit in (("strength", fit_strengths(sums)), ("corrected", correct_fit(sums, errors)[0])):
        half = t_distribution.isf((1 - settings.level) / 2, fit.freedom)[:, None]
        half = half * np.sqrt(np.diagonal(fit.covariance, axis1=1, axis2=2))
        columns |= {name: fit.strengths, f"{name}_low": fit.strengths - half, f"{name}_high": fit.strengths + half}
    table = graded.groups.loc[graded.groups.index.repeat(len(values))].reset_index(drop=True)
    return table.assign(
        value=pd.Series(np.tile(np.asarray(values, dtype=object), len(graded.groups)), dtype="str"),
        **{name: column.ravel() for name, column in columns.items()},
    )


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


def rank_fragile(verdicts: pd.DataFrame, judge: str, swapped: str | None = None) -> pd.DataFrame:
    """Rank the conversations that a judge has read by how easily its verdict might have been another.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``, of all judges.
    judge : str
        Whose verdicts are ranked.
    swapped : str, optional
        Under which name the same judge's verdicts with labels swapped stand.

    Returns
    -------
    DataFrame
        One row a conversation, most fragile first: ``scenario_id``, ``target``, ``arm``, ``repetition``; ``reading``
        (the judge's, empty if it cannot be read); ``turned`` (1 if the verdict is another with labels swapped, or
        either cannot be read), ``dissent`` (share of the other judges that read otherwise, 0–1), ``middling``
        (closeness of the leaning to the middle, 0–1), each empty if not known; ``fragility`` (mean of those known,
        0–1) and ``fragile`` (turned, or any dissent, or a leaning of 3 to 5). Where at least three judges have read the
        same conversations, each counts in ``dissent`` by its discrimination (`judge_traits`).

    Raises
    ------
    ValueError
        If the judge has read nothing, or a judge has two verdicts on one conversation.
    """
    first = verdicts[verdicts["judge"].eq(judge)]
    if first.empty:
        raise ValueError(f"verdicts: none by {judge!r}; expected some of {sorted(verdicts['judge'].unique())}.")
    readings = read_verdicts(verdicts).pivot(index=CONVERSATION, columns="rater", values="reading")
    table = first.set_index(CONVERSATION)[["leaning"]]
    mine = readings[judge].reindex(table.index) if judge in readings else pd.Series(None, index=table.index)
    turned = pd.Series(np.nan, index=table.index)
    if swapped is not None and verdicts["judge"].eq(swapped).any():
        asked = pd.MultiIndex.from_frame(verdicts.loc[verdicts["judge"].eq(swapped), CONVERSATION])
        other = readings[swapped].reindex(table.index) if swapped in readings else mine.where(False)
        turned = (mine.isna() | other.ne(mine)).astype(float).where(table.index.isin(asked))
    turned = turned.mask(mine.isna(), 1.0)
    others = [name for name in readings if name not in (judge, swapped)]
    dissent = _dissent(readings, mine, others, judge)
    leaning = table["leaning"].astype("Float64").astype(float)
    middling = 1 - (leaning - _MIDDLE).abs() / _REACH
    table = pd.DataFrame({"reading": mine, "turned": turned, "dissent": dissent, "middling": middling})
    fragility = table[["turned", "dissent", "middling"]].mean(axis=1).fillna(0.0)
    fragile = turned.eq(1) | dissent.gt(0) | (leaning - _MIDDLE).abs().le(_NEAR)
    ranked = table.assign(fragility=fragility, fragile=fragile).reset_index()
    return ranked.sort_values(["fragility", *CONVERSATION], ascending=[False, *[True] * 4], ignore_index=True)


def rank_fragile_checks(checks: pd.DataFrame, filter_judge: str) -> pd.DataFrame:
    """Rank the scenarios that a filter judge has checked by how easily what became of them might be another.

    Parameters
    ----------
    checks : DataFrame
        Columns of the table ``checks``, of all filter judges.
    filter_judge : str
        Whose decisions are ranked.

    Returns
    -------
    DataFrame
        One row a scenario, most fragile first: ``scenario_id``; ``reading`` (``kept``, ``dropped``, or ``undecided``,
        by its answers alone), ``failed`` (how many of its questions failed), ``narrow`` (1 if undecided, 0 if kept,
        else 1 / failed: 1 = a single answer dropped it), ``halved`` (1 if `value_guided` was passed for one value and
        failed for the other), ``dissent`` (largest share, over the questions, of the other filter judges that answered
        otherwise, 0–1; empty if there are none); ``fragility`` (mean of the three that are known, 0–1) and ``fragile``
        (undecided, dropped by a single answer, halved, or any dissent).

    Raises
    ------
    ValueError
        If the filter judge has checked nothing.

    Notes
    -----
    Answers are yes or no, so that nothing but another filter judge says how near a pass was to failing: with one filter
    judge no kept scenario is fragile.
    """
    mine = checks[checks["filter_judge"].eq(filter_judge)]
    if mine.empty:
        known = sorted(checks["filter_judge"].unique())
        raise ValueError(f"checks: none by {filter_judge!r}; expected some of {known}.")
    passed = mine["passed"].astype("boolean")
    no, unread = passed.eq(False).fillna(False).astype(bool), passed.isna()
    answers = mine[["scenario_id"]].assign(failed=no, unread=unread, about_one=no & mine["check"].eq("value_guided"))
    table = answers.groupby("scenario_id").sum()
    table["reading"] = np.select([table["failed"].gt(0), table["unread"].gt(0)], ["dropped", "undecided"], "kept")
    narrow = (1 / table["failed"].clip(lower=1)).where(table["reading"].ne("kept"), 0.0)
    table = table.assign(narrow=narrow, halved=table["about_one"].eq(1).astype(float))
    question = ["scenario_id", "check", "about_value"]
    others = checks[~checks["filter_judge"].eq(filter_judge) & checks["passed"].notna()]
    both = others.merge(mine[[*question, "passed"]], on=question, suffixes=("", "_first")).dropna(subset="passed_first")
    otherwise = both["passed"].astype(bool).ne(both["passed_first"].astype(bool))
    shares = otherwise.groupby([both[name] for name in question], dropna=False).mean()
    table["dissent"] = shares.groupby("scenario_id").max().reindex(table.index).astype(float)
    hangs_on_one = table["reading"].eq("undecided") | table["failed"].eq(1)
    table["fragile"] = hangs_on_one | table["halved"].eq(1) | table["dissent"].gt(0)
    table["fragility"] = table[["narrow", "halved", "dissent"]].mean(axis=1)
    ranked = table.reset_index().sort_values(["fragility", "scenario_id"], ascending=[False, True], ignore_index=True)
    return ranked[["scenario_id", "reading", "failed", "narrow", "halved", "dissent", "fragility", "fragile"]]


def _dissent(readings: pd.DataFrame, mine: pd.Series, others: list[str], judge: str) -> pd.Series:
    """Return the share of the other judges, by discrimination, that read otherwise; nan where none has read."""
    if not others:
        return pd.Series(np.nan, index=mine.index)
    read = readings[others].reindex(mine.index)
    sharp = pd.Series(1.0, index=others)
    chose = readings[[judge, *others]].where(readings[[judge, *others]].ne("neither")).dropna()
    if len(others) > 1 and len(chose):
        long = chose.eq("action_1").stack().rename("yes").rename_axis([*CONVERSATION, "rater"]).reset_index()
        sharp = judge_traits(long).set_index("rater")["discrimination"].loc[others]
    known, otherwise = read.notna(), read.ne(mine, axis=0) & read.notna()
    return (otherwise * sharp).sum(axis=1) / (known * sharp).sum(axis=1).where(known.any(axis=1))
