"""The panel: what several judges, taken together, made of each conversation.

In: verdicts of several judges on the same conversations. Out: verdicts again, one a conversation, by majority or where
all judges agree; and how far the judges agree at all. Section 4 of the paper (arXiv 2509.25369) relies on one judge.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import draw_weights, percentile_interval
from conflictscope.measure.raters import CONVERSATION
from conflictscope.tables import TABLES

Rule = Literal["majority", "unanimous"]
RULES: tuple[Rule, ...] = ("majority", "unanimous")
_VOTES = ("action_1", "action_2", "refusal", "neither")
_READINGS = (*_VOTES, "invalid", "error")


def jury_verdicts(verdicts: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """Let the judges decide together what each conversation shows.

    A vote is a reading: action 1, action 2, refusal or neither. By ``majority`` a reading counts that more than half
    of the panel gave; by ``unanimous`` one that all of them gave. A judge that could not be read has a seat but no
    vote. Where no reading has the votes, the outcome is ``invalid``: the panel could not read the conversation. It is
    not ``neither``, which would say that the target took a third way, and never a choice by the casting vote of one.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``, of all judges: one row a conversation and judge, labels shown alike.
    rule : str
        ``majority`` or ``unanimous``.

    Returns
    -------
    DataFrame
        Columns of the table ``verdicts``, one row a conversation, with the rule as ``judge``. ``reasoning`` holds the
        count of votes, ``problem`` why there is no verdict; ``leaning`` and ``raw`` are empty. Where all judges
        have the same ``invalid`` or ``error``, as when the target gave no reply, it stays that.

    Raises
    ------
    ValueError
        Where the rule is unknown, a conversation lacks a judge or has one twice, or labels differ between judges.
    """
    if rule not in RULES:
        raise ValueError(f"rule: found {rule!r}; expected one of {list(RULES)}.")
    seats = sorted(verdicts["judge"].unique())
    _check_complete(verdicts, seats)
    reading = verdicts["outcome"].where(
        verdicts["outcome"].ne("choice"), "action_" + verdicts["action"].astype("Int64").astype("str")
    )
    order = pd.MultiIndex.from_frame(verdicts[CONVERSATION].drop_duplicates())
    votes = (
        verdicts.assign(reading=reading)
        .groupby([*CONVERSATION, "reading"])
        .size()
        .unstack(fill_value=0)
        .reindex(index=order, columns=list(_READINGS), fill_value=0)
    )
    counts = votes.to_numpy()
    won = counts == len(seats)
    if rule == "majority":
        won[:, : len(_VOTES)] = 2 * counts[:, : len(_VOTES)] > len(seats)
    decided = won.any(axis=1)
    found = pd.Series(np.where(decided, np.asarray(_READINGS, dtype=object)[won.argmax(axis=1)], "invalid"))
    action = found.map({"action_1": 1, "action_2": 2}).astype("Int64")
    told = pd.Series([_count(row) for row in counts], dtype="str")
    shown = verdicts.groupby(CONVERSATION)["action_shown_first"].first().reindex(order)
    problem = pd.Series(f"no {'majority' if rule == 'majority' else 'unanimity'}: " + told).where(~decided)
    unread = decided & found.isin(("invalid", "error")).to_numpy()
    together = order.to_frame(index=False).assign(
        judge=rule,
        action_shown_first=shown.to_numpy(),
        outcome=found.where(action.isna(), "choice"),
        action=action,
        leaning=None,
        reasoning=told,
        problem=problem.mask(unread, "every judge: " + found),
        raw=None,
    )
    return together[[column.name for column in TABLES["verdicts"].columns]]


def alpha_between_readers(
    readings: pd.DataFrame, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Say how far all readers agree: Krippendorff's α for nominal readings, some of them missing.

    Parameters
    ----------
    readings : DataFrame
        Of conversations, as the ``read_…`` functions give them.
    resamples, seed, level
        Of the percentile bootstrap over scenarios, because the readings of one scenario move together.

    Returns
    -------
    DataFrame
        One row: ``readers``, ``read`` (conversations with two readings or more), ``alpha`` (1 perfect, 0 as by chance,
        below 0 less than chance; empty where all readings are the same), ``alpha_low``, ``alpha_high``,
        ``undefined_resamples`` (without α, left out of its interval).
    """
    votes = readings.groupby([*CONVERSATION, "reading"]).size().unstack(fill_value=0)
    votes = votes[votes.sum(axis=1) > 1]
    table = votes.to_numpy(float)
    n = table.sum(axis=1)
    differ = (n**2 - (table**2).sum(axis=1)) / np.maximum(n - 1, 1)
    scenario, ids = pd.factorize(votes.index.get_level_values("scenario_id"))
    amounts = np.zeros((len(ids), 1 + table.shape[1]))
    np.add.at(amounts, scenario, np.column_stack([differ, table]))
    drawn = [
        _alpha(weights @ amounts) for _, weights in draw_weights(len(ids), resamples=resamples, seed=seed, stratum=0)
    ]
    low, high, undefined = percentile_interval(np.concatenate(drawn), level)
    found = {
        "readers": readings["reader"].nunique(),
        "read": len(votes),
        "alpha": float(_alpha(amounts.sum(axis=0))),
        "alpha_low": low,
        "alpha_high": high,
        "undefined_resamples": undefined,
    }
    return pd.DataFrame([found])


def _alpha(sums: NDArray) -> NDArray[np.float64]:
    """Return α from disagreements and readings of each kind, shape (..., 1 + kinds); nan where it is not defined."""
    differ, totals = sums[..., 0], sums[..., 1:]
    n = totals.sum(axis=-1)
    expected = n * (n - 1) - (totals * (totals - 1)).sum(axis=-1)
    varied = expected > 0
    return np.where(varied, 1 - differ * (n - 1) / np.where(varied, expected, 1), np.nan)


def _count(counts: NDArray) -> str:
    """Return the votes in words: ``2 action_1, 1 neither``."""
    return ", ".join(f"{count} {reading}" for count, reading in zip(counts, _READINGS, strict=True) if count)


def _check_complete(verdicts: pd.DataFrame, seats: list[str]) -> None:
    """Raise unless each judge has read each conversation once, with the same labels."""
    read = verdicts.groupby(CONVERSATION).agg(
        rows=("judge", "size"), judges=("judge", "nunique"), labels=("action_shown_first", "nunique")
    )
    odd = read[(read["rows"] != len(seats)) | (read["judges"] != len(seats))]
    if len(odd):
        raise ValueError(
            f"verdicts: {dict(zip(CONVERSATION, odd.index[0], strict=True))} has {odd['rows'].iloc[0]} verdicts of "
            f"{odd['judges'].iloc[0]} judges; expected one of each of {seats}. Have each judge read each conversation."
        )
    if (read["labels"] > 1).any():
        key = read.index[int(read["labels"].gt(1).to_numpy().argmax())]
        raise ValueError(
            f"verdicts: {dict(zip(CONVERSATION, key, strict=True))} was shown to the judges with different labels; "
            "expected the same. Ask all of them with one seed, and leave the swapped verdicts out."
        )
