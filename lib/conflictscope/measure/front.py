"""The front: which data sets are the hardest, as far as their intervals tell.

In: observed agreement and Likert difference rate of several data sets, with intervals. Out: which of them are on the
Pareto front, which cannot be told apart from it and which lie behind. A set is harder where models agree less and see
more of a difference between the two actions. Section 3.2 of the paper (arXiv 2509.25369) compares data sets so.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

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
