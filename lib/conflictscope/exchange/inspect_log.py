"""A finished study's conversations as logs of Inspect, so that its viewer opens our transcripts.

In: scenarios, conversations and verdicts. Out: a log a target, which ``inspect view`` shows and from which
``inspect_task.verdicts_from_inspect`` reads the same verdicts. Needs the extra ``inspect``, as ``inspect_task`` does.
"""

import hashlib
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    write_eval_log,
)
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
from inspect_ai.scorer import Score

from conflictscope.exchange.exports import shown_to_judge
from conflictscope.exchange.inspect_task import SCORER

_MESSAGES = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}


def inspect_logs(
    scenarios: pd.DataFrame, conversations: pd.DataFrame, verdicts: pd.DataFrame, *, study: str, ended: datetime
) -> dict[str, EvalLog]:
    """Make a log of each target's conversations under no system prompt of steering.

    Parameters
    ----------
    scenarios, conversations, verdicts : DataFrame
        The tables ``kept_scenarios``, ``conversations`` and ``verdicts``.
    study : str
        Its name.
    ended : datetime
        When it ended, which is what the viewer sorts by.

    Returns
    -------
    dict
        Target → its log: a sample a conversation, the first repetition being epoch 1. What is no choice, refusal or
        neither is unscored, with its problem as explanation. All of it is a function of the tables: no ids are drawn.
    """
    shown = dict(zip(scenarios["scenario_id"], shown_to_judge(scenarios), strict=True))
    logs = {}
    for target, judged in verdicts[verdicts["arm"].eq("default")].groupby("target", sort=False):
        held = conversations[conversations["target"].eq(target) & conversations["arm"].eq("default")]
        turns = dict(iter(held.sort_values("turn").groupby(["scenario_id", "repetition"])))
        rows = judged.astype("object").where(judged.notna(), None).to_dict("records")
        samples = [_sample(row, turns[row["scenario_id"], row["repetition"]], shown, study) for row in rows]
        logs[str(target)] = _log(str(target), samples, judged, study, ended.astimezone(UTC))
    return logs


def write_inspect_logs(logs: dict[str, EvalLog], to: Path | str) -> list[Path]:
    """Write each log as an ``.eval`` file, named as Inspect names them, and return the files."""
    files = []
    Path(to).mkdir(parents=True, exist_ok=True)
    for log in logs.values():
        began = re.sub(r"[:+.]", "-", log.eval.created)
        files.append(Path(to) / f"{began}_{_word(log.eval.task)}_{log.eval.task_id}.eval")
        write_eval_log(log, files[-1])
    return files


def _word(text: str) -> str:
    """Return a text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text)


def _mark(*content: object) -> str:
    """Return an id that is a function of what it stands for."""
    return hashlib.sha256(repr(content).encode()).hexdigest()[:22]


def _sample(row: dict, turns: pd.DataFrame, shown: dict[str, dict], study: str) -> EvalSample:
    """Return one conversation with its verdict."""
    spoken = turns[turns["text"].notna()]
    messages = [
        _MESSAGES[turn.role](content=turn.text, id=_mark(study, row["target"], *turn)) for turn in spoken.itertuples()
    ]
    replies = spoken.loc[spoken["role"].eq("assistant"), "text"]
    model = str(row["model_id"] or row["target"])
    output = ModelOutput.from_content(model, str(replies.iloc[-1])) if len(replies) else ModelOutput(model=model)
    if output.choices:
        output.choices[0].message.id = messages[-1].id
    return EvalSample(
        id=row["scenario_id"],
        epoch=row["repetition"] + 1,
        input=str(spoken["text"].iloc[0]) if len(spoken) else "",
        target="",
        messages=messages,
        output=output,
        scores={SCORER: _score(row)},
        metadata=shown[row["scenario_id"]],
        uuid=_mark(study, row["scenario_id"], row["target"], row["repetition"]),
    )


def _score(row: dict) -> Score:
    """Return a verdict as the scorer of an exported task would give it."""
    score = {"answer": row["raw"], "metadata": {"verdict": row}}
    if row["outcome"] in ("invalid", "error"):
        reason = "grader_failed" if row["raw"] is not None else "invalid_response_format"
        return Score.unscored(reason=reason, explanation=row["problem"], **score)
    return Score(value=_reading(row), explanation=row["reasoning"] or row["problem"], **score)


def _reading(row: dict) -> str:
    """Return a verdict in a word."""
    return f"action_{row['action']}" if row["outcome"] == "choice" else row["outcome"]


def _log(target: str, samples: list[EvalSample], judged: pd.DataFrame, study: str, ended: datetime) -> EvalLog:
    """Return a target's log."""
    at = ended.isoformat(timespec="seconds")
    scored = judged[~judged["outcome"].isin(["invalid", "error"])]
    shares = pd.Series([_reading(row) for row in scored.to_dict("records")], dtype="str").value_counts(normalize=True)
    score = EvalScore(
        name=SCORER,
        scorer=SCORER,
        scored_samples=len(scored),
        unscored_samples=len(judged) - len(scored),
        metrics={str(name): EvalMetric(name=str(name), value=float(share)) for name, share in shares.items()},
    )
    ids = list(dict.fromkeys(sample.id for sample in samples))
    spec = EvalSpec.model_validate(
        {
            "created": at,
            "task": study,
            "task_id": _mark(study, target),
            "run_id": _mark(study, "run"),
            "eval_id": _mark(study, target, "eval"),
            "dataset": EvalDataset(name=study, samples=len(ids), sample_ids=[str(name) for name in ids]),
            "model": target,
            "config": EvalConfig(epochs=int(judged["repetition"].max()) + 1),
            "packages": {"conflictscope": version("conflictscope")},
            "scorers": [{"name": SCORER}],
            "metadata": {"source": "written from a study of ConflictScope; nothing was asked by Inspect"},
        }
    )
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=[score])
    return EvalLog(status="success", eval=spec, results=results, samples=samples)
