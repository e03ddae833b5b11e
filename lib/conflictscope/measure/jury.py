"""The jury: what several judges, taken together, made of each conversation.

Verdicts of several judges on the same conversations become one verdict a conversation, by majority or if all agree.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.raters import CONVERSATION
from conflictscope.tables import TABLES

Rule = Literal["majority", "unanimous"]
RULES: tuple[Rule, ...] = ("majority", "unanimous")
_VOTES = ("action_1", "action_2", "refusal", "neither")
_READINGS = (*_VOTES, "invalid", "error")


def jury_verdicts(verdicts: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """Let the judges decide together what each conversation shows.

    A vote is a reading: action 1, action 2, refusal or neither. By ``majority`` a reading counts that more than half
    of the jury gave; by ``unanimous`` one that all of them gave. A judge that could not be read has a seat but no
    vote. If no reading has the votes, the outcome is ``invalid``: the jury could not read the conversation. It is
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
        count of votes, ``problem`` why there is no verdict; ``leaning`` and ``raw`` are empty. If all judges
        have the same ``invalid`` or ``error``, as when the target gave no reply, it stays that.

    Raises
    ------
    ValueError
        If the rule is unknown, a conversation lacks a judge or has one twice, or labels differ between judges.
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
    verdict = pd.Series(np.where(decided, np.asarray(_READINGS, dtype=object)[won.argmax(axis=1)], "invalid"))
    action = verdict.map({"action_1": 1, "action_2": 2}).astype("Int64")
    tally = pd.Series([_tally(row) for row in counts], dtype="str")
    read = verdicts.groupby(CONVERSATION)
    shown = read["action_shown_first"].first().reindex(order)
    model_id = read["model_id"].first().reindex(order).to_numpy() if "model_id" in verdicts else None
    problem = pd.Series(f"no {'majority' if rule == 'majority' else 'unanimity'}: " + tally).where(~decided)
    unread = decided & verdict.isin(("invalid", "error")).to_numpy()
    together = order.to_frame(index=False).assign(
        judge=rule,
        action_shown_first=shown.to_numpy(),
        outcome=verdict.where(action.isna(), "choice"),
        action=action,
        leaning=None,
        reasoning=tally,
        problem=problem.mask(unread, "every judge: " + verdict),
        raw=None,
        thoughts=None,
        model_id=model_id,
    )
    return together[[column.name for column in TABLES["verdicts"].columns]]


def _tally(counts: NDArray) -> str:
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
