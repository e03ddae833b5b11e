"""Validation: whether a judge reads conversations and scenarios as people do, and as it does itself.

In: readings of judges and people. Out: how far any two readers agree (share, Cohen's κ with an interval), who took
what for what, how well a judge finds what people find, and choices as each reader would have them, to rank by.
Section 4 of the paper (arXiv 2509.25369): κ 0.62 between judge and people, mean average precision 0.853 over the six
checks.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.choices import gather_choices
from conflictscope.measure.readings import CHECK, CONVERSATION, READINGS
from conflictscope.tables import CHECKS


def agreement_between_readers(
    readings: pd.DataFrame, *, by: str | None = None, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Say how far any two readers agree on what both have read.

    Parameters
    ----------
    readings : DataFrame
        From one or more of the ``read_…`` functions, put together.
    by : str, optional
        A column to split by, such as ``system_prompt``, ``target`` or ``check``.
    resamples, seed, level
        Of the percentile bootstrap over scenarios, because the readings of one scenario move together.

    Returns
    -------
    DataFrame
        One row for each pair of readers with anything in common (and each value of `by`): ``reader``,
        ``other_reader``, ``read`` (count), ``agreed`` (share), ``kappa`` (Cohen 1960; 1 perfect, 0 as chance would have
        it, empty where both always give one and the same reading), ``kappa_low``, ``kappa_high``.

    Raises
    ------
    ValueError
        Where a reader has two readings of one thing.
    """
    item = _item_columns(readings)
    _check_read_once(readings, item)
    wide = readings.pivot(index=item, columns="reader", values="reading")
    rows = []
    for one, other in combinations(wide.columns, 2):
        both = wide[[one, other]].dropna().reset_index()
        groups = [((), both)] if by is None else [((value,), part) for value, part in both.groupby(by, sort=True)]
        for value, part in groups:
            if part.empty:
                continue
            counts = _counts_by_scenario(part, one, other)
            kappa = cohens_kappa(counts.sum(axis=0))
            low, high = _kappa_interval(counts, resamples=resamples, seed=seed, level=level)
            agreed = float(part[one].eq(part[other]).mean())
            rows.append((one, other, *value, len(part), agreed, float(kappa), low, high))
    split = [] if by is None else [by]
    columns = ["reader", "other_reader", *split, "read", "agreed", "kappa", "kappa_low", "kappa_high"]
    return pd.DataFrame(rows, columns=columns)


def cohens_kappa(counts: NDArray) -> NDArray:
    """Give Cohen's κ of one or many confusion tables (Cohen 1960, *Educational and Psychological Measurement* 20).

    Parameters
    ----------
    counts : ndarray, shape (..., k, k)
        ``counts[..., i, j]`` = things that the one reader took for i and the other for j.

    Returns
    -------
    ndarray, shape (...)
        (p_o − p_e) / (1 − p_e): −1 to 1; nan where chance alone would make them agree on everything.
    """
    counts = np.asarray(counts, dtype=float)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        # a hair of slack: 1 − 1 is not always 0
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def confusion(readings: pd.DataFrame, reader: str, other_reader: str) -> pd.DataFrame:
    """Count what one reader took for what, against another.

    Returns
    -------
    DataFrame
        Index: readings of `reader`; columns: readings of `other_reader`; counts, over what both have read.

    Raises
    ------
    ValueError
        Where one of them has read nothing.
    """
    known = readings["reader"].unique().tolist()
    for name in (reader, other_reader):
        if name not in known:
            raise ValueError(f"reader {name!r} has read nothing; expected one of {sorted(known)}.")
    item = _item_columns(readings)
    _check_read_once(readings, item)
    wide = readings.pivot(index=item, columns="reader", values="reading")[[reader, other_reader]].dropna()
    levels = [name for name in (*READINGS, "yes", "no") if wide.eq(name).any(axis=None)]
    return pd.crosstab(wide[reader], wide[other_reader]).reindex(index=levels, columns=levels, fill_value=0)


def check_scores(readings: pd.DataFrame, judge: str, people: list[str]) -> pd.DataFrame:
    """Say how well a filter judge finds what people find, for each check.

    Parameters
    ----------
    readings : DataFrame
        From `read_checks` and `read_check_labels`, put together.
    judge : str
        The filter judge's name.
    people : list of str
        Names of the people; where several have read the same check, each counts.

    Returns
    -------
    DataFrame
        Two rows a check, for finding what people pass (``found`` = ``yes``) and what they fail (``no``): ``check``,
        ``found``, ``read`` (count), ``positives`` (by the people), ``precision``, ``recall`` and
        ``average_precision``, 0–1, empty where there is nothing to divide by. Average precision is over the judge's
        score with ties taken together (as scikit-learn has it); with a single yes or no a check it has one step.
    """
    judged = readings[readings["reader"].eq(judge)].set_index(CHECK)
    human = readings[readings["reader"].isin(people)]
    both = human.join(judged[["reading", "score"]].add_suffix("_judged"), on=CHECK, how="inner")
    rows = []
    for check in CHECKS:
        part = both[both["check"].eq(check)]
        for found in ("yes", "no"):
            true = part["reading"].eq(found).to_numpy()
            taken = part["reading_judged"].eq(found).to_numpy()
            score = part["score_judged"].to_numpy(dtype=float)
            hits = int((true & taken).sum())
            rows.append(
                {
                    "check": check,
                    "found": found,
                    "read": len(part),
                    "positives": int(true.sum()),
                    "precision": hits / taken.sum() if taken.any() else np.nan,
                    "recall": hits / true.sum() if true.any() else np.nan,
                    "average_precision": _average_precision(true, score if found == "yes" else 1 - score),
                }
            )
    return pd.DataFrame(rows)


def choices_as_read(readings: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Give the choices as each reader would have them, on the conversations that all readers have read.

    Parameters
    ----------
    readings : DataFrame
        From `read_verdicts` and `read_conversation_labels`, put together.
    scenarios : DataFrame
        Columns of the table ``scenarios``.

    Returns
    -------
    DataFrame
        Columns of the table ``choices``, with the reader in ``judge``; filter by it before ranking. Who saw which
        action as A is not told apart here: ``first_action`` is 1.
    """
    _check_read_once(readings, CONVERSATION)
    by_all = readings.groupby(CONVERSATION)["reader"].transform("nunique").eq(readings["reader"].nunique())
    kept = readings[by_all]
    action = kept["reading"].map({"action_1": 1, "action_2": 2}).astype("Int64")
    verdicts = kept.assign(judge=kept["reader"], first_action=1, action=action)
    verdicts["outcome"] = np.where(action.notna(), "choice", "neither")
    return gather_choices(scenarios, verdicts=verdicts)


def _item_columns(readings: pd.DataFrame) -> list[str]:
    """Return the columns that say what was read."""
    return CHECK if "check" in readings.columns else CONVERSATION


def _check_read_once(readings: pd.DataFrame, item: list[str]) -> None:
    """Raise where a reader has read one thing twice."""
    repeated = readings.duplicated([*item, "reader"])
    if repeated.any():
        row = readings[repeated].iloc[0]
        raise ValueError(
            f"readings: {row['reader']!r} has more than one reading of {row[item].to_dict()}; expected one. "
            "Give each way of reading its own reader (see `suffix`)."
        )


def _counts_by_scenario(both: pd.DataFrame, one: str, other: str) -> NDArray[np.float64]:
    """Return, shape (scenarios, k, k), what either reader took for what."""
    levels = pd.Index(sorted({*both[one], *both[other]}))
    scenario, ids = both["scenario_id"].factorize(sort=True)
    counts = np.zeros((len(ids), len(levels), len(levels)))
    np.add.at(counts, (scenario, levels.get_indexer(both[one]), levels.get_indexer(both[other])), 1)
    return counts


def _kappa_interval(counts: NDArray, *, resamples: int, seed: int, level: float) -> tuple[float, float]:
    """Return the percentile interval of κ over resamples of scenarios; nan where no resample has a κ."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    draws = cohens_kappa(np.tensordot(weights, counts, axes=1))
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _average_precision(true: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return Σ (R_n − R_{n−1}) P_n over falling thresholds; nan where there are no positives."""
    if not true.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum(true[order])[ends]
    return float((np.diff(hits, prepend=0) / true.sum() * hits / (ends + 1)).sum())
