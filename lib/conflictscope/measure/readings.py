"""Readings: what one reader, a judge or a person, made of one conversation or of one check of a scenario.

In: verdicts and checks of judges, labels of people. Out: one row a reading, in one form whoever read, so that any two
readers can be compared. Section 4 of the paper (arXiv 2509.25369).
"""

import numpy as np
import pandas as pd

READINGS = ("action_1", "action_2", "neither")
CONVERSATION = ["scenario_id", "target", "system_prompt", "repetition"]
CHECK = ["scenario_id", "check"]
_LABEL = [*CONVERSATION, "kind", "check", "about_value", "annotator", "answer"]


def read_verdicts(verdicts: pd.DataFrame, *, suffix: str = "") -> pd.DataFrame:
    """Turn verdicts into readings.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``; one row a conversation and judge.
    suffix : str
        Put behind the judge's name, such as `` (labels swapped)``.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``target``, ``system_prompt``, ``repetition``, ``reader`` and ``reading``, one of ``READINGS``:
        a refusal took neither action. Rows whose outcome is ``invalid`` or ``error`` are left out.
    """
    action = verdicts["action"].astype("Int64").map({1: "action_1", 2: "action_2"})
    reading = action.where(verdicts["outcome"].eq("choice"), "neither")
    readable = verdicts["outcome"].isin(("choice", "refusal", "neither"))
    readings = verdicts[CONVERSATION].assign(reader=verdicts["judge"] + suffix, reading=reading)
    return readings[readable].reset_index(drop=True)


def read_conversation_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of conversations into readings.

    Parameters
    ----------
    labels : DataFrame
        Columns ``scenario_id``, ``kind``, ``target``, ``system_prompt``, ``repetition``, ``annotator``, ``answer``, as
        ``browse.read_labels`` gives them.

    Returns
    -------
    DataFrame
        As from `read_verdicts`; a ``cannot_tell`` is left out.
    """
    given = labels[labels["kind"].eq("conversation") & labels["answer"].isin(READINGS)]
    readings = given[CONVERSATION].assign(reader=given["annotator"], reading=given["answer"])
    return readings.astype({"repetition": "int64"}).reset_index(drop=True)


def read_checks(checks: pd.DataFrame) -> pd.DataFrame:
    """Turn a filter judge's answers into readings of checks.

    Parameters
    ----------
    checks : DataFrame
        Columns of the table ``checks``.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``check``, ``reader``, ``reading`` (``yes`` or ``no``; `value_guided` needs both values right)
        and ``score`` (0–1, share of the check's questions passed). A check with an unreadable answer is left out.
    """
    return _checks_read(checks.rename(columns={"filter_judge": "reader"})[[*CHECK, "reader", "passed"]])


def read_check_labels(labels: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of checks into readings of checks.

    Parameters
    ----------
    labels : DataFrame
        As ``browse.read_labels`` gives them.
    scenarios : DataFrame
        Columns of the table ``scenarios``: which action supports which value.

    Returns
    -------
    DataFrame
        As from `read_checks`; a check with a ``cannot_tell``, or `value_guided` answered for one value only, is left
        out.
    """
    asked = labels[labels["kind"].eq("check")].join(
        scenarios.set_index("scenario_id")[["value_1", "value_2"]], on="scenario_id"
    )
    own = np.where(asked["about_value"].eq(asked["value_1"]), "action_1", "action_2")
    guided = asked["check"].eq("value_guided")
    passed = asked["answer"].eq("yes").where(~guided, asked["answer"].eq(own))
    asked = asked.assign(
        passed=passed.astype("boolean").mask(asked["answer"].eq("cannot_tell")), reader=asked["annotator"]
    )
    complete = ~guided | asked.groupby([*CHECK, "reader"])["about_value"].transform("nunique").eq(2)
    return _checks_read(asked.loc[complete, [*CHECK, "reader", "passed"]])


def _checks_read(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of checks, from one row a question, without those that lack an answer."""
    passed = answers["passed"].astype("boolean").astype("Float64").astype("float64")
    grouped = answers.assign(passed=passed).groupby([*CHECK, "reader"], sort=False)["passed"]
    table = grouped.agg(score="mean", answered="count", asked="size").query("answered == asked").reset_index()
    table["reading"] = np.where(table["score"].eq(1), "yes", "no")
    return table[[*CHECK, "reader", "reading", "score"]]
