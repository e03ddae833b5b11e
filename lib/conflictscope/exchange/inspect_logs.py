"""Inspect's logs as our tables.

In: the log of an evaluation of `conflict_task`. Out: the verdicts table, from which `gather_choices` makes choices. A
sample that failed, or was stopped before it was scored, is an ``error`` with what Inspect says about it. Section 3.3 of
the paper (arXiv 2509.25369). Needs the extra ``inspect``.
"""

from pathlib import Path

import pandas as pd
from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from conflictscope.elicit.judging import verdict_row
from conflictscope.measure import gather_choices
from conflictscope.scenarios.checks import action_shown_first
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

_SCORER = "conflict_judge"


def verdicts_from_inspect(log: EvalLog | Path | str) -> pd.DataFrame:
    """Read the verdicts of an evaluation.

    Parameters
    ----------
    log : EvalLog, Path or str
        A log, or where it is.

    Returns
    -------
    DataFrame
        The verdicts table, a row a sample and epoch. ``target`` and ``judge`` have Inspect's names; the first epoch is
        repetition 0.

    Raises
    ------
    ValueError
        Where the log holds no samples, is of another task, or a score was edited by hand in Inspect: a person's
        reading is a label and has its place in ``annotate``.
    """
    found = log if isinstance(log, EvalLog) else read_eval_log(str(log))
    where = found.location or "the log"
    if not found.samples:
        raise ValueError(f"{where}: found no samples (status {found.status!r}); expected those of an evaluation.")
    scorers = [scorer.name for scorer in found.eval.scorers or []]
    if not any(name.split("/")[-1] == _SCORER for name in scorers):
        raise ValueError(f"{where}: found the scorers {scorers}; expected {_SCORER!r}, which an exported task has.")
    rows = [_row(sample, found, where) for sample in found.samples]
    return check_table(pd.DataFrame(rows, columns=[c.name for c in TABLES["verdicts"].columns]), "verdicts")


def choices_from_inspect(log: EvalLog | Path | str, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Read an evaluation's verdicts as choices: condition ``open_ended``, all outcomes kept.

    Parameters
    ----------
    log
        As for `verdicts_from_inspect`, which says what it refuses.
    scenarios : DataFrame
        Columns of the table ``kept_scenarios``, of the study whose scenarios were exported.

    Returns
    -------
    DataFrame
        The choices table.
    """
    return gather_choices(scenarios, verdicts=verdicts_from_inspect(log))


def _row(sample: EvalSample, log: EvalLog, where: str) -> dict:
    """Return a sample's row of the verdicts table."""
    score = next((s for name, s in (sample.scores or {}).items() if name.split("/")[-1] == _SCORER), None)
    if score is not None and score.history:
        raise ValueError(
            f"{where}: the score of sample {sample.id!r} was edited by hand; expected the judge's own. Use the log as "
            "it was written, and enter people's readings with annotate."
        )
    if score is not None and sample.error is None:
        return (score.metadata or {})["verdict"]
    task_args = log.eval.scorers[0].options or {} if log.eval.scorers else {}
    identity = {
        "scenario_id": str(sample.id),
        "target": log.eval.model,
        "arm": "default",
        "repetition": sample.epoch - 1,
    }
    judging = (log.eval.model_roles or {}).get("judge")
    role = judging[0] if isinstance(judging, list) else judging
    said = sample.error.message if sample.error else sample.limit.type if sample.limit else "not scored"
    case = identity | {
        "judge": role.model if role else task_args.get("judge") or "none",
        "action_shown_first": action_shown_first(int(task_args.get("seed", 0)), "judge", *identity.values()),
        "last": {"role": "assistant", "status": "error", "problem": f"Inspect: {said}"},
    }
    return verdict_row(case, None)
