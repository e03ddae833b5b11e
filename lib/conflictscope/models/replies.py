"""From an endpoint's answer to a reply with an outcome.

In: the JSON body of a chat completion. Out: a ``RawReply``, which is what the call store keeps, and from it a
``Reply``, read strictly. Reading is done anew each time, so a stored reply can be read by a stricter reader later.
"""

from dataclasses import dataclass

from conflictscope.models.calls import Call
from conflictscope.models.requests import Outcome, Reply
from conflictscope.models.structured import read_object


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as received: what there is to rebuild everything else from."""

    model_id: str | None
    text: str | None
    refusal: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    top_logprobs: list[dict[str, float]] | None
    seconds: float


def read_completion(payload: object, seconds: float) -> RawReply:
    """Read the body of a chat completion.

    Raises
    ------
    ValueError
        Where it is none: an error in place of choices, or something else altogether.
    """
    if not isinstance(payload, dict):
        raise ValueError(f"the endpoint's answer is {type(payload).__name__}, not a chat completion")
    choices = payload.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        said = payload.get("error")
        raise ValueError(f"the endpoint's answer holds no choice with a message{f': {said}' if said else ''}")
    usage = payload.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return RawReply(
        model_id=_text(payload.get("model")),
        text=_text(message.get("content")),
        refusal=_text(message.get("refusal")),
        finish_reason=_text(choice.get("finish_reason")),
        prompt_tokens=read_count(usage.get("prompt_tokens")),
        completion_tokens=read_count(usage.get("completion_tokens")),
        top_logprobs=_top_logprobs(choice.get("logprobs")),
        seconds=seconds,
    )


def read_reply(call: Call, raw: RawReply) -> Reply:
    """Read a raw reply as the reply to a call."""
    schema, text = call.request.schema, raw.text
    if raw.refusal or raw.finish_reason == "content_filter":
        problem = "the endpoint withheld the reply (content filter)" if not raw.refusal else "the model declined"
        return _reply(call, raw, "refusal", raw.refusal or text, problem)
    if raw.finish_reason == "length":
        return _reply(call, raw, "invalid", text, "cut off before its end, at the limit of its length")
    if not text or not text.strip():
        return _reply(call, raw, "invalid", text, "empty")
    if schema is None:
        return _reply(call, raw, "ok", text, None)
    try:
        parsed = read_object(text, schema)
    except ValueError as problem:
        return _reply(call, raw, "invalid", text, str(problem))
    return _reply(call, raw, "ok", text, None, parsed)


def failed_reply(call: Call, problem: str) -> Reply:
    """Return the reply to a call that finally failed."""
    return Reply("error", None, None, problem, None, None, None, None, None, call.key)


def _reply(call: Call, raw: RawReply, outcome: Outcome, text: str | None, problem: str | None, parsed=None) -> Reply:
    """Return a reply that was got."""
    return Reply(
        outcome,
        text,
        parsed,
        problem,
        raw.model_id,
        raw.finish_reason,
        raw.prompt_tokens,
        raw.completion_tokens,
        raw.seconds,
        call.key,
        raw.top_logprobs,
    )


def _text(found: object) -> str | None:
    """Return text that any database takes: no lone surrogates, no NUL."""
    if not isinstance(found, str):
        return None
    if found.isascii() and "\x00" not in found:
        return found
    whole = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def read_count(found: object) -> int | None:
    """Return a count of tokens, where it is one."""
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _top_logprobs(found: object) -> list[dict[str, float]] | None:
    """Return, for each token of the reply, token → log-probability; None where there are none."""
    tokens = found.get("content") if isinstance(found, dict) else None
    if not isinstance(tokens, list):
        return None
    return [
        {
            str(_text(alternative["token"])): float(alternative["logprob"])
            for alternative in (token.get("top_logprobs") or [token])
            if isinstance(alternative, dict)
            and isinstance(alternative.get("token"), str)
            and isinstance(alternative.get("logprob"), int | float)
        }
        for token in tokens
        if isinstance(token, dict)
    ]
