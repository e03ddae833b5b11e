"""A simulated annotator, so that the demo has labels: it repeats a judge, with slips at a rate that is known.

In: a judge's answers about a sample. Out: labels under a name that begins with ``simulated-``. Agreement with it shows
that the instrument works and what a given slip rate does to κ; it says nothing about any judge. Never written to disk.
"""

import numpy as np
import pandas as pd

from conflictscope.browse.archive import Archive
from conflictscope.browse.labels import Label, labels_table

SIMULATED_PREFIX = "simulated-"
_CONVERSATION = ["scenario_id", "target", "system_prompt", "repetition"]
_WHEN = "1970-01-01T00:00:00+00:00"


def simulate_labels(archive: Archive, sample: pd.DataFrame, *, name: str, slips: float, seed: int) -> pd.DataFrame:
    """Label a sample as the study's first judge did, except for slips.

    Parameters
    ----------
    archive : Archive
        The study.
    sample : DataFrame
        From ``sample_conversations`` or ``sample_checks``.
    name : str
        The annotator's name, without the prefix ``simulated-``.
    slips : float
        Share of questions, 0–1, answered by another answer than the judge's, drawn evenly.
    seed : int
        Seed of the slips; another name slips elsewhere.

    Returns
    -------
    DataFrame
        As from ``read_labels``; no row for a question that the judge has no readable answer to.

    Raises
    ------
    ValueError
        Where `slips` is not between 0 and 1.
    """
    if not 0 <= slips <= 1:
        raise ValueError(f"slips: found {slips}; expected a share between 0 and 1.")
    rng = np.random.default_rng([seed, *name.encode()])
    judged = {**_conversations_judged(archive), **_checks_judged(archive)}
    labels = []
    for row in sample.astype(object).where(sample.notna(), None).to_dict("records"):
        key = tuple(row[part] for part in (*_CONVERSATION, "check", "about_value"))
        slipped, other = rng.random() < slips, rng.integers(2)
        if key not in judged:
            continue
        among = ("yes", "no") if judged[key] in ("yes", "no") else ("action_1", "action_2", "neither")
        others = [answer for answer in among if answer != judged[key]]
        answer = others[other % len(others)] if slipped else judged[key]
        labels.append(Label(**row, annotator=SIMULATED_PREFIX + name, answer=answer, labelled_at=_WHEN))
    return labels_table(labels)


def _conversations_judged(archive: Archive) -> dict[tuple, str]:
    """Return conversation → the first judge's reading."""
    verdicts = archive.tables["verdicts"]
    verdicts = verdicts[verdicts["judge"].isin(archive.judges[:1])].drop_duplicates(_CONVERSATION)
    read = verdicts[verdicts["outcome"].isin(("choice", "refusal", "neither"))]
    return {
        (r.scenario_id, r.target, r.system_prompt, r.repetition, None, None): (
            f"action_{r.action}" if r.outcome == "choice" else "neither"
        )
        for r in read.itertuples()
    }


def _checks_judged(archive: Archive) -> dict[tuple, str]:
    """Return question of a check → the filter judge's answer; in ``value_guided`` an action, as annotators give it."""
    checks = archive.tables["checks"].drop_duplicates(["scenario_id", "check", "about_value"])
    sides = archive.tables["scenarios"].set_index("scenario_id")["value_1"].to_dict()
    judged = {}
    for row in checks[checks["passed"].notna()].itertuples():
        about = row.about_value if isinstance(row.about_value, str) else None
        answer = "yes" if row.passed else "no"
        if about is not None:
            own = 1 if sides[row.scenario_id] == about else 2
            answer = f"action_{own if row.passed else 3 - own}"
        judged[row.scenario_id, None, None, None, row.check, about] = answer
    return judged
