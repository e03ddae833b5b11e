"""From a request to the call that is made, and its key.

In: a model and a request. Out: the body that is sent and a key: a hash of everything that determines the reply. The
same key is never paid for twice; a change of anything that is sent, of the model or of the repetition gives another.
"""

import hashlib
import json
from dataclasses import dataclass

from conflictscope.models.registry import Model
from conflictscope.models.requests import Request
from conflictscope.models.structured import json_instruction, response_format
from conflictscope.prompts import render

TOP_LOGPROBS = 10
# an endpoint may refuse an empty assistant message, so an empty reply is shown to the model by name
_NO_TEXT = "(empty reply)"
# what is wrong may quote the reply, as long as that is
_PROBLEM_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its key, the JSON text that was hashed, where in that text the body begins, and what it is for."""

    key: str
    canonical: str
    body_at: int
    messages: tuple[dict[str, str], ...]
    request: Request

    @property
    def body(self) -> bytes:
        """The body to send."""
        return self.canonical[self.body_at : -1].encode()


def make_call(model: Model, request: Request) -> Call:
    """Return the call that puts a request to a model.

    The key is the SHA-256 of JSON text made of the model's name, its endpoint, the repetition and the body: id,
    messages, the sampling options that are sent, and the response format. Fields keep their order, because a model
    fills in a schema's fields in that order.

    Raises
    ------
    ValueError
        Where the model is for embeddings, or log-probabilities are asked of one that gives none.
    """
    if model.kind != "chat":
        raise ValueError(f"model {model.name!r} has kind {model.kind!r}; expected one of kind 'chat'.")
    if request.logprobs and not model.logprobs:
        raise ValueError(f"model {model.name!r} gives no log-probabilities; ask without, or set logprobs: true for it.")
    messages = [{"role": message["role"], "content": message["content"]} for message in request.messages]
    if request.schema is not None and not model.json_schema:
        instruction = json_instruction(request.schema)
        if messages and messages[-1]["role"] == "user":
            messages[-1]["content"] += f"\n\n{instruction}"
        else:
            messages.append({"role": "user", "content": instruction})
    return _call(model, request, tuple(messages))


def make_repair(model: Model, call: Call, text: str | None, problem: str) -> Call:
    """Return the call that shows the model its unusable reply and what is wrong with it, and asks again."""
    said = {"role": "assistant", "content": text if text and text.strip() else _NO_TEXT}
    return _call(
        model, call.request, (*call.messages, said, *render("repair", problem=problem[:_PROBLEM_SHOWN]).messages)
    )


def _call(model: Model, request: Request, messages: tuple[dict[str, str], ...]) -> Call:
    """Return the call that sends these messages."""
    body: dict[str, object] = {"model": model.id, "messages": messages}
    for option, value in (("temperature", request.temperature), ("max_tokens", request.max_tokens)):
        if value is not None and option not in model.refused_options:
            body[option] = value
    if request.schema is not None and model.json_schema:
        body["response_format"] = response_format(request.schema)
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    opening = canonical_opening(model, request.repetition)
    # json.dumps writes ASCII only: text that is no valid Unicode can then be hashed and sent like any other
    canonical = f"{opening}{json.dumps(body)}}}"
    return Call(key_of(canonical), canonical, len(opening), messages, request)


def canonical_opening(model: Model, repetition: int) -> str:
    """Return the canonical JSON text up to the body."""
    name, url = json.dumps(model.name), json.dumps(model.base_url)
    return f'{{"model":{name},"base_url":{url},"repetition":{repetition},"body":'


def key_of(canonical: str) -> str:
    """Return the key that belongs to canonical JSON text."""
    return hashlib.sha256(canonical.encode()).hexdigest()
