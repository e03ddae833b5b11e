"""Fragile verdicts: those that another reading may well turn, for people to read first.

In: verdicts of a study's judges, with labels swapped too; or the filter judge's checks. Out: how fragile each of the
first judge's verdicts is, and in which of two strata it lies; from these, labels are drawn with known chances
(``browse.sample_conversations``, ``browse.sample_checks``).
"""

import numpy as np
import pandas as pd

from conflictscope.measure.judge_traits import judge_traits
from conflictscope.measure.raters import CONVERSATION, read_verdicts

_MIDDLE, _REACH = 4, 3  # leaning: 1 wholly action 1, 7 wholly action 2
_NEAR = 1  # of the middle: a leaning that close is fragile


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
