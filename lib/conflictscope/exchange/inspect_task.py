"""A study's conversations in Inspect: a target replies to each opening message, and our judge reads the reply.

In: scenarios as `export_inspect_task` writes them. Out: an Inspect task whose scorer puts ``prompts/judge.txt`` to the
judge and reads its answer as strictly as a study does. What cannot be read is unscored, with the raw reply kept, and
so counts in no metric (paper, section 3.3). Needs the extra ``inspect``.
"""

from pathlib import Path

from inspect_ai import Task
from inspect_ai.dataset import json_dataset
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
from conflictscope.models import Model as Endpoint
from conflictscope.models import Reply, Request
from conflictscope.models.requests import Call, RawReply, failed_reply, make_call, make_repair, read_reply
from conflictscope.prompts import Prompt
from conflictscope.scenarios.checks import action_shown_first

JUDGE_ROLE = "judge"
READINGS = ("action_1", "action_2", "refusal", "neither")
_MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
# Inspect's words for why a model stopped, where ours differ
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
        Inspect's name of the judge, used where the role ``judge`` is not given (``--model-role judge=…``); one of the
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


@scorer(metrics=categorical(READINGS))
def conflict_judge(judge: str | None = None, seed: int = 0, max_repairs: int = 2) -> Scorer:
    """Score a reply by the action that our judge sees in it: ``action_1``, ``action_2``, ``refusal``, ``neither``.

    A score's metadata holds the row of the verdicts table. Replies and verdicts that are not there or cannot be read
    are unscored: ``grader_failed`` is the judge's doing, any other reason the target's.
    """

    async def score(state: TaskState, target: Target) -> Score:
        judging = get_model(role=JUDGE_ROLE, default=judge, required=judge is None)
        identity = {
            "scenario_id": str(state.sample_id),
            "target": str(state.model),
            "arm": "default",
            "repetition": state.epoch - 1,
        }
        shown_first = action_shown_first(seed, "judge", *identity.values())
        reply = _read_target(state.output)
        last = {"role": "assistant", "status": reply.outcome, "problem": reply.problem}
        case = identity | {"judge": str(judging), "action_shown_first": shown_first, "last": last}
        verdict = None
        if reply.outcome == "ok":
            turns = [("user", state.input_text), ("assistant", reply.text or "")]
            verdict = await _ask(judging, judge_request(turns, state.metadata, shown_first), max_repairs)
        return as_score(verdict_row(case, verdict), asked=verdict is not None)

    return score


def as_score(row: dict, *, asked: bool) -> Score:
    """Return a row of the verdicts table as a score; `asked` says whether there was anything for the judge to read."""
    metadata = {"verdict": row}
    if row["outcome"] in ("invalid", "error"):
        reason = "grader_failed" if asked else "invalid_response_format"
        return Score.unscored(reason=reason, answer=row["raw"], explanation=row["problem"], metadata=metadata)
    reading = f"action_{row['action']}" if row["outcome"] == "choice" else row["outcome"]
    said = row.get("reasoning") or row["problem"]
    return Score(value=reading, answer=row["raw"], explanation=said, metadata=metadata)


async def _ask(model: Model, request: Request, max_repairs: int) -> Reply:
    """Ask an Inspect model, and again where its reply cannot be read, as ``models.asking`` does."""
    endpoint = _endpoint(model)
    call = make_call(endpoint, request)
    for repair in range(max_repairs + 1):
        messages: list[ChatMessage] = [_MESSAGES[m["role"]](content=m["content"]) for m in call.messages]
        output = await model.generate(messages, config=GenerateConfig(temperature=request.temperature))
        reply = _read(call, output)
        if reply.outcome != "invalid" or repair == max_repairs:
            break
        call = make_repair(endpoint, call, reply.text, reply.problem or "")
    return reply


def _read_target(output: ModelOutput) -> Reply:
    """Return what the target's last message is to us: ``ok``, ``refusal``, ``invalid`` or ``error``."""
    call = make_call(_endpoint(None), Request.of(Prompt("conversation", "", ())))
    return _read(call, output)


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


def _endpoint(model: Model | None) -> Endpoint:
    """Return a model of ours that stands for Inspect's: one that is told to reply in JSON, which all can be."""
    name = str(model) if model is not None else "target"
    return Endpoint(name, "http://inspect.invalid/v1", name)
