"""Fragile verdicts: those that another reading may well turn, for people to read first.

In: verdicts of a study's judges, with labels swapped too. Out: how fragile each of the first judge's verdicts is, and
in which of two strata it lies; from these, labels are drawn with known chances (``browse.sample_conversations``).
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
