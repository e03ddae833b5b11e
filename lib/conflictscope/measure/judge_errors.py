"""A judge's errors: how often it reads one value's action as the other's, and strengths without these errors.

In: choices, and labels of a judge's verdicts by people or a second judge. Out: counts of what was read as what, pair by
pair, and strengths corrected for them, the uncertainty of the labels in their intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.raters import CONVERSATION
from conflictscope.measure.strengths import PairSums, Strengths, fit_strengths, grade_choices

_PRIOR = 2.0  # labels of the true value's other pairs that count in each pair, so that a rare reading is not 0
_JEFFREYS = 0.5
LEAST_USE = 0.05  # of a judge: P(read 1 | 1) − P(read 1 | 2)


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
