"""A study's conversations in Inspect: the task that an exported file names, its logs as our tables, a study as logs.

In: scenarios as `export_inspect_task` writes them, or the log of their evaluation; a finished study's tables. Out: a
task whose scorer puts ``prompts/judge.txt`` to the judge and reads its answer as strictly as a study does (paper,
section 3.3); verdicts and choices; a log a target, which ``inspect view`` shows and from which `verdicts_from_inspect`
reads the same verdicts. Needs the extra ``inspect``, so nothing imports it but who uses it.
"""

import hashlib
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from inspect_ai import Task
from inspect_ai.dataset import json_dataset
from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    read_eval_log,
    write_eval_log,
)
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelOutput,
    get_model,
)
from inspect_ai.scorer import Score, Scorer, Target, categorical, scorer
from inspect_ai.solver import TaskState, generate

from conflictscope.elicit.judging import judge_request, verdict_row
from conflictscope.exchange.exports import shown_to_judge
from conflictscope.measure import gather_choices
from conflictscope.models import Model as Endpoint
from conflictscope.models import Reply, Request
from conflictscope.models.requests import Call, RawReply, failed_reply, make_call, make_repair, read_reply
from conflictscope.prompts import Prompt
from conflictscope.scenarios.checks import action_shown_first
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

SCORER = "conflict_judge"
_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
# Inspect's words for why a model stopped, if ours differ
_STOPPED = {"max_tokens": "length", "model_length": "length"}


def conflict_task(
    dataset: Path | str, *, judge: str | None = None, seed: int = 0, max_tokens: int = 1024, temperature: float = 1.0
) -> Task:
    """Return the task that puts a study's opening messages to the model under evaluation.

    Parameters
    ----------
    dataset : Path or str
        The ``.jsonl`` file of `export_inspect_task`.
    judge : str, optional
        Inspect's name of the judge, used if the role ``judge`` is not given (``--model-role judge=…``); one of the
        two is needed.
    seed : int
        Draws which action the judge sees as A, as in a study.
    max_tokens, temperature
        Of the target's replies, as in notebook 04.
    """
    return Task(
        dataset=json_dataset(str(dataset)),
        solver=generate(),
        scorer=conflict_judge(judge=judge, seed=seed),
        config=GenerateConfig(temperature=temperature, max_tokens=max_tokens),
    )


@scorer(metrics=categorical(("action_1", "action_2", "refusal", "neither")))
def conflict_judge(judge: str | None = None, seed: int = 0, max_repairs: int = 2) -> Scorer:
    """Score a reply by the action that our judge sees in it: ``action_1``, ``action_2``, ``refusal``, ``neither``.

    A score's metadata holds the row of the verdicts table. Replies and verdicts that are not there or cannot be read
    are unscored: ``grader_failed`` is the judge's doing, any other reason the target's.
    """

    async def score(state: TaskState, target: Target) -> Score:
        judging = get_model(role="judge", default=judge, required=judge is None)
        reply = _read(make_call(_endpoint("target"), Request.of(Prompt("conversation", "", ()))), state.output)
        last = {"role": "assistant", "status": reply.outcome, "problem": reply.problem}
        case = _case(state.sample_id, str(state.model), state.epoch, seed) | {"judge": str(judging), "last": last}
        case["model_id"] = reply.model_id
        verdict = None
        if reply.outcome == "ok":
            turns = [("user", state.input_text), ("assistant", reply.text or "")]
            verdict = await _ask(judging, judge_request(turns, state.metadata, case["action_shown_first"]), max_repairs)
        row = verdict_row(case, verdict)
        answer, metadata = row["raw"], {"verdict": row}
        if row["outcome"] in ("invalid", "error"):
            reason = "grader_failed" if verdict else "invalid_response_format"
            return Score.unscored(reason=reason, answer=answer, explanation=row["problem"], metadata=metadata)
        reading = f"action_{row['action']}" if row["outcome"] == "choice" else row["outcome"]
        explanation = row.get("reasoning") or row["problem"]
        return Score(value=reading, answer=answer, explanation=explanation, metadata=metadata)

    return score


async def _ask(model: Model, request: Request, max_repairs: int) -> Reply:
    """Ask an Inspect model, and again if its reply cannot be read, as ``models.asking`` does."""
    endpoint = _endpoint(str(model))
    call = make_call(endpoint, request)
    for repair in range(max_repairs + 1):
        messages: list[ChatMessage] = [_MESSAGES[m["role"]](content=m["content"]) for m in call.messages]
        output = await model.generate(messages, config=GenerateConfig(temperature=request.temperature))
        reply = _read(call, output)
        if reply.outcome != "invalid" or repair == max_repairs:
            break
        call = make_repair(endpoint, call, reply.text, reply.problem or "")
    return reply


def _read(call: Call, output: ModelOutput) -> Reply:
    """Return Inspect's output as a reply of ours."""
    if output.error:
        return failed_reply(call, output.error)
    stopped = str(output.stop_reason) if output.choices else None
    raw = RawReply(
        model_id=output.model,
        text=output.completion,
        refusal=None,
        finish_reason=_STOPPED.get(stopped or "", stopped),
        prompt_tokens=None,
        completion_tokens=None,
        top_logprobs=None,
        seconds=output.time or 0.0,
    )
    return read_reply(call, raw)


def _case(scenario_id: object, target: str, epoch: int, seed: int) -> dict:
    """Return what identifies a sample's conversation, as in a study, and the action shown first in judging it."""
    # the first epoch is repetition 0
    identity = {"scenario_id": str(scenario_id), "target": target, "arm": "default", "repetition": epoch - 1}
    return identity | {"action_shown_first": action_shown_first(seed, "judge", *identity.values())}


def _endpoint(name: str) -> Endpoint:
    """Return a model of ours that stands for Inspect's: one that is told to reply in JSON, which all can be."""
    return Endpoint(name, "http://inspect.invalid/v1", name)


def verdicts_from_inspect(log: EvalLog | Path | str) -> pd.DataFrame:
    """Read the verdicts of an evaluation from its log, or from where that is.

    Returns
    -------
    DataFrame
        The verdicts table, a row a sample and epoch. ``target`` and ``judge`` have Inspect's names; the first epoch is
        repetition 0. A sample that failed, or was stopped before it was scored, is an ``error``.

    Raises
    ------
    ValueError
        If the log holds no samples, is of another task, or a score was edited by hand in Inspect: a person's
        reading is a label and has its place in ``annotate``.
    """
    log = log if isinstance(log, EvalLog) else read_eval_log(str(log))
    where = log.location or "the log"
    if not log.samples:
        raise ValueError(f"{where}: found no samples (status {log.status!r}); expected those of an evaluation.")
    scorers = [scorer.name for scorer in log.eval.scorers or []]
    if not any(name.split("/")[-1] == SCORER for name in scorers):
        raise ValueError(f"{where}: found the scorers {scorers}; expected {SCORER!r}, which an exported task has.")
    rows = [_row_of_sample(sample, log, where) for sample in log.samples]
    return check_table(pd.DataFrame(rows, columns=TABLES["verdicts"].names), "verdicts")


def choices_from_inspect(log: EvalLog | Path | str, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Return the choices table of an evaluation: condition ``open_ended``, all outcomes kept; raises as the verdicts.

    Parameters
    ----------
    log
        As for `verdicts_from_inspect`.
    scenarios : DataFrame
        The table ``kept_scenarios`` of the study whose scenarios were exported.
    """
    return gather_choices(scenarios, verdicts=verdicts_from_inspect(log))


def _row_of_sample(sample: EvalSample, log: EvalLog, where: str) -> dict:
    """Return a sample's row of the verdicts table."""
    score = next((s for name, s in (sample.scores or {}).items() if name.split("/")[-1] == SCORER), None)
    if score is not None and score.history:
        raise ValueError(
            f"{where}: the score of sample {sample.id!r} was edited by hand; expected the judge's own. Use the log as "
            "it was written, and enter people's readings with annotate."
        )
    if score is not None and sample.error is None:
        return (score.metadata or {})["verdict"]
    options = log.eval.scorers[0].options or {} if log.eval.scorers else {}
    judging = (log.eval.model_roles or {}).get("judge")
    role = judging[0] if isinstance(judging, list) else judging
    reason = sample.error.message if sample.error else sample.limit.type if sample.limit else "not scored"
    case = _case(sample.id, log.eval.model, sample.epoch, int(options.get("seed", 0)))
    last = {"role": "assistant", "status": "error", "problem": f"Inspect: {reason}"}
    judge = role.model if role else options.get("judge") or "none"
    return verdict_row(case | {"judge": judge, "last": last}, None)


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
