"""A request to a model, the call that it becomes, and the reply.

In: a filled-in prompt and how it is to be answered (schema, sampling, repetition). Out: the body that is sent, under a
key that is a hash of everything that determines the reply, so that the same is never paid for twice; and a ``Reply``
with exactly one outcome. A reply is read strictly: an unusable one keeps its text and is never a default or a vote, and
thoughts are parted from it here, once for whoever reads it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ValidationError

from conflictscope.models.registry import Model
from conflictscope.models.thoughts import split_thoughts
from conflictscope.prompts import Prompt, render, without_fences

Message = Mapping[str, str]
"""``role`` (``system``, ``user`` or ``assistant``) and ``content``."""

Outcome = Literal["ok", "refusal", "invalid", "error"]


def _is_blank(text: str | None) -> bool:
    """Return whether a text has no visible character."""
    return not text or all(character.isspace() or not character.isprintable() for character in text)


def _not_blank(text: str) -> str:
    """Return the text unless it is blank."""
    if _is_blank(text):
        raise ValueError("must not be blank")
    return text


NonBlank = Annotated[str, AfterValidator(_not_blank)]
"""Text of at least one visible character, for the fields of a structured reply."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask.

    Parameters
    ----------
    messages : tuple of Message
        What the model reads.
    prompt, prompt_hash : str
        Name and hash of the prompt text behind them, kept with the reply.
    schema : type of BaseModel, optional
        The form of a structured reply; its class forbids extra fields and requires all of its own. None: free text.
    temperature, max_tokens : optional
        Sampling; not sent if None or if the model refuses the option.
    limit_name : str, optional
        The study's parameter that ``max_tokens`` is from, as whoever has to raise it is told.
    repetition : int
        0 for the first time of asking; another number asks the same again.
    logprobs : bool
        Whether to ask for the log-probabilities of the tokens.
    """

    messages: tuple[Message, ...]
    prompt: str
    prompt_hash: str
    schema: type[BaseModel] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    repetition: int = 0
    logprobs: bool = False
    limit_name: str | None = None

    @classmethod
    def of(
        cls,
        prompt: Prompt,
        *,
        before: Sequence[Message] = (),
        schema: type[BaseModel] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        repetition: int = 0,
        logprobs: bool = False,
        limit_name: str | None = None,
    ) -> "Request":
        """Return the request that sends a filled-in prompt, after the messages in `before`."""
        sampling = (schema, temperature, max_tokens, repetition, logprobs, limit_name)
        return cls((*before, *prompt.messages), prompt.name, prompt.hash, *sampling)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Parameters
    ----------
    outcome : str
        ``ok``; ``refusal`` (the endpoint says that the model declined, or takes the prompt for one that must not be
        answered); ``invalid`` (empty, not whole, nothing but thoughts, or not of the form that was asked for);
        ``error`` (no reply was got).
    text : str or None
        The reply without thoughts and end marks; None if none was got.
    parsed : BaseModel or None
        The structured reply, if one was asked for and the outcome is ``ok``.
    problem : str or None
        Why the outcome is not ``ok``.
    model_id : str or None
        What the endpoint says has answered.
    prompt_tokens, completion_tokens : int or None
        As counted by the endpoint, for the last time of asking (repairs are calls of their own).
    seconds : float or None
        How long that call took.
    key : str
        Under which it is in the call store.
    top_logprobs : list of dict, or None
        For each token of the reply: token → natural log-probability of the likeliest alternatives. None if there were
        thoughts: they may be counted among the tokens.
    raw : str or None
        The reply as received, with what thoughts stood in it.
    reasoning : str or None
        The thoughts, from wherever the endpoint put them; None if it gave none.
    """

    outcome: Outcome
    text: str | None
    parsed: BaseModel | None
    problem: str | None
    model_id: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float | None
    key: str
    top_logprobs: list[dict[str, float]] | None = None
    raw: str | None = None
    reasoning: str | None = None


_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
_PROBLEMS_SHOWN = 5


@cache
def response_format(schema: type[BaseModel]) -> dict:
    """Return the ``response_format`` that asks for a class, with its fields in the order in which they are declared.

    Raises
    ------
    ValueError
        If the class allows extra fields or has optional ones, which strict schemas do not permit.
    """
    asked = _without_docstrings(schema.model_json_schema())
    for part in (asked, *asked.get("$defs", {}).values()):
        if part.get("type") != "object":
            continue
        fields = list(part.get("properties", ()))
        if part.get("additionalProperties") is not False or part.get("required", []) != fields:
            raise ValueError(
                f"{schema.__name__} cannot be asked for strictly: every class in it needs extra='forbid', and "
                f"every field has to be required; found fields {fields}, required {part.get('required', [])}."
            )
    return {"type": "json_schema", "json_schema": {"name": schema.__name__, "strict": True, "schema": asked}}


def json_instruction(schema: type[BaseModel]) -> str:
    """Return the instruction to reply with one JSON object of the class."""
    text = json.dumps(response_format(schema)["json_schema"]["schema"], ensure_ascii=False)
    return render("json_only", schema=text).messages[0]["content"]


def read_object(text: str, schema: type[BaseModel]) -> BaseModel:
    """Read a reply that is one JSON object, bare or in one fenced block, and nothing else.

    Raises
    ------
    ValueError
        Saying what is wrong with it, in words that the model can be shown.
    """
    stripped = text.strip()
    fenced = _FENCED.fullmatch(stripped)
    content = fenced[1] if fenced else stripped
    try:
        value = json.loads(content, object_pairs_hook=_unrepeated, parse_constant=_no_number)
    except json.JSONDecodeError as problem:
        raise ValueError(f"not one JSON object and nothing else ({problem})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"not one JSON object but a {type(value).__name__}")
    try:
        return schema.model_validate_json(content, strict=True)
    except ValidationError as problem:
        raise ValueError("; ".join(_in_words(problem))) from None


def _in_words(problem: ValidationError) -> list[str]:
    """Return a phrase for each of the first problems: where, and what was expected."""
    errors = problem.errors(include_url=False, include_context=False, include_input=False)
    words = [f"{'.'.join(map(str, error['loc'])) or 'the object'}: {error['msg']}" for error in errors]
    more = len(words) - _PROBLEMS_SHOWN
    return words[:_PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object, unless it gives one key twice and so says two things."""
    unique = dict(pairs)
    if len(unique) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"gives {sorted({key for key in keys if keys.count(key) > 1})} more than once")
    return unique


def _no_number(name: str) -> float:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{name} is not JSON")


def _without_docstrings(schema: dict) -> dict:
    """Return a JSON schema without titles and docstrings: they are ours, and a change in them is no new request."""
    return {key: _untitled(value) for key, value in schema.items() if key not in ("title", "description", "$defs")} | (
        {"$defs": {name: _without_docstrings(part) for name, part in schema["$defs"].items()}}
        if "$defs" in schema
        else {}
    )


def _untitled(value):
    """Return part of a schema without the titles that pydantic makes of field names."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    # a title is text; a field that is called `title` has a schema
    return {key: _untitled(item) for key, item in value.items() if key != "title" or not isinstance(item, str)}


TOP_LOGPROBS = 10
# beyond these, numbers of an endpoint are none: what is stored has to fit into a database, and be added up exactly
_MOST_TOKENS = 2**40
_MOST_NATS = 1e6
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
    max_tokens: int | None
    """The longest reply to reckon with: the limit that is sent, under whatever name, or the request's; None: none."""
    sent_limit: int | None
    """The limit that is sent; None: none is."""

    @property
    def body(self) -> bytes:
        """The body to send."""
        return self.canonical[self.body_at : -1].encode()


def make_call(model: Model, request: Request) -> Call:
    """Return the call that puts a request to a model.

    The key is the SHA-256 of JSON text made of the model's name, its endpoint, the repetition and the body: id,
    messages, the options that are sent, and the response format. Fields keep their order, because a model fills in a
    schema's fields in that order.

    Raises
    ------
    ValueError
        If the model is for embeddings, or log-probabilities are asked of one that gives none.
    """
    if model.kind != "chat":
        raise ValueError(f"model {model.name!r} has kind {model.kind!r}; expected one of kind 'chat'.")
    if request.logprobs and not model.logprobs:
        raise ValueError(f"model {model.name!r} gives no log-probabilities; ask without, or set logprobs: true for it.")
    messages = [{"role": message["role"], "content": message["content"]} for message in request.messages]
    if not model.system_role:
        messages = _without_system_role(messages)
    if request.schema is not None and not model.json_schema:
        instruction = json_instruction(request.schema)
        if messages and messages[-1]["role"] == "user":
            messages[-1]["content"] += f"\n\n{instruction}"
        else:
            messages.append({"role": "user", "content": instruction})
    return _call(model, request, tuple(messages))


def make_repair(model: Model, call: Call, text: str | None, problem: str) -> Call:
    """Return the call that shows the model its unusable reply and what is wrong with it, and asks again."""
    unusable = {"role": "assistant", "content": _NO_TEXT if text is None or _is_blank(text) else text}
    repair = render("repair", problem=problem[:_PROBLEM_SHOWN]).messages
    return _call(model, call.request, (*call.messages, unusable, *repair))


def _without_system_role(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return messages in which what a system message says heads the user's message, or is one where none follows."""
    merged: list[dict[str, str]] = []
    for by_model, together in groupby(messages, lambda message: message["role"] == "assistant"):
        if by_model:
            merged += together
        else:
            merged.append({"role": "user", "content": "\n\n".join(message["content"] for message in together)})
    return merged


_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")


def _call(model: Model, request: Request, messages: tuple[dict[str, str], ...]) -> Call:
    """Return the call that sends these messages."""
    body: dict[str, object] = {"model": model.id, "messages": messages}
    options = model.options
    if request.temperature is not None and "temperature" not in model.refused_options:
        body["temperature"] = request.temperature
    # a limit among the options goes before the study's, whatever it is called
    own_limit = next((options[name] for name in (model.token_limit_name, *_LIMIT_NAMES) if name in options), None)
    if own_limit is None and request.max_tokens is not None and "max_tokens" not in model.refused_options:
        body[model.token_limit_name] = request.max_tokens + model.reasoning_room
    if request.schema is not None and model.json_schema:
        body["response_format"] = response_format(request.schema)
    if request.logprobs:
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    body |= options
    opening = canonical_opening(model, request.repetition)
    # json.dumps writes ASCII only: text that is no valid Unicode can then be hashed and sent like any other
    canonical = f"{opening}{json.dumps(body)}}}"
    sent_limit = read_limit(model, body)
    # what a model may write counts against budget and rate even if it refuses to be told
    limit = request.max_tokens if sent_limit is None else sent_limit
    return Call(key_of(canonical), canonical, len(opening), messages, request, limit, sent_limit)


def read_limit(model: Model, body: Mapping[str, object]) -> int | None:
    """Return how many tokens a reply may have by the body that asks for it; None if it does not say."""
    limit = next((body[name] for name in (model.token_limit_name, *_LIMIT_NAMES) if name in body), None)
    return limit if isinstance(limit, int) else None


def canonical_opening(model: Model, repetition: int) -> str:
    """Return the canonical JSON text up to the body."""
    return f'{{"model":{_quoted(model.name)},"base_url":{_quoted(model.base_url)},"repetition":{repetition},"body":'


_quoted = cache(json.dumps)


def key_of(canonical: str) -> str:
    """Return the key that belongs to canonical JSON text."""
    return hashlib.sha256(canonical.encode()).hexdigest()


class RawReply(NamedTuple):
    """A reply as received: what there is to rebuild everything else from.

    ``text`` is the message's content, with thoughts if the endpoint leaves them there; ``reasoning`` the thoughts that
    it gives beside it. ``refusal`` is what the model, or the endpoint, says why there is no reply; ``finish_reason`` is
    the endpoint's, or ``BLOCKED``.
    """

    model_id: str | None
    text: str | None
    refusal: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    top_logprobs: list[dict[str, float]] | None
    seconds: float
    reasoning: str | None = None
    cached_tokens: int | None = None
    """Of the prompt's tokens, those that the endpoint had cached."""
    reasoning_tokens: int | None = None
    """Of the reply's tokens, those that were thoughts."""
    answer: str | None = None
    """Hashes of the answer's id, of the answer as it came and of the body it was given to, one after the other in
    hexadecimal; None if the endpoint gives it no id."""


BLOCKED = "prompt_blocked"
"""Finish reason, ours, of a call whose prompt the endpoint's moderation lets nobody answer."""
# why a reply ended, as endpoints call it (in lower case); any other word means that it is not whole
_WHOLE = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "none", "null", ""})
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "max_length", "model_length"})
_WITHHELD = frozenset(
    {
        *("content_filter", "content-filter", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
        *("refusal", "sensitive", "moderation", "image_safety", "guardrail_intervened"),
    }
)
# the server's own failures: the same call may well succeed later
_BROKEN = frozenset(
    {"error", "abort", "aborted", "cancelled", "canceled", "network_error", "insufficient_system_resource"}
)
_NO_GOOD_END = _CUT | _WITHHELD | _BROKEN
# how moderation is told from other failures: by a code, or by words about what was sent and not about the account
_MODERATION_CODES = (
    *("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt", "moderation"),
    *("moderation_blocked", "data_inspection_failed", "prompt_blocked", "content_moderation", "safety"),
)
_MODERATION = re.compile(
    r"content (?:management|filter|polic|moderation)|content_filter|moderation|safety (?:system|filter|polic|setting)"
    r"|(?:input|prompt|request|message|content|text)s? (?:was|were|is|has been|have been) (?:flagged|blocked|rejected)"
    r"|(?:input|prompt|content)s? (?:flagged|blocked|rejected)|content exists risk|safety_check|acceptable use"
    r"|flagged (?:input|prompt|content|as )"
    r"|(?:inappropriate|prohibited|sensitive|harmful|unsafe) (?:words?|prompt|content)|usage (?:polic|guideline)",
    re.IGNORECASE,
)
_OF_THE_ACCOUNT = re.compile(
    r"\b(?:account|organi[sz]ation|project|api key|billing|suspended|deactivated|terminated|country|region)\b",
    re.IGNORECASE,
)
_MODERATED = (400, 403, 422, 451)
_RAISE_THEIRS = "raise its limit in its entry in the file of models (options: max_tokens)"
_REASONS = frozenset({"reason", "reasoning"})
_ECHOED_WORDS = 5
_GIVE_ROOM = "or reasoning_room in its entry in the file of models"
_THINK_LESS = "or have it think less there (options: reasoning_effort)"


def read_completion(payload: object, seconds: float) -> RawReply:
    """Read the body of a chat completion.

    Raises
    ------
    ValueError
        If it is none: an error in place of choices, a reply that the server gave up, or something else altogether.
    """
    if not isinstance(payload, dict):
        raise ValueError(f"the endpoint's answer is {type(payload).__name__}, not a chat completion")
    choices, error = payload.get("choices"), payload.get("error")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if error or not isinstance(choice, dict) or not isinstance(message, dict):
        return _without_message(payload, choices, choice, error, seconds)
    finish_reason = storable_text(choice.get("finish_reason"))
    # a router's own word may hide that of the provider behind it
    native = storable_text(choice.get("native_finish_reason"))
    if (native or "").lower() in _NO_GOOD_END:
        finish_reason = native
    if choice.get("error") or (finish_reason or "").lower() in _BROKEN:
        raise ValueError(
            f"the endpoint's answer is not whole: it ended with {finish_reason!r} ({_words(choice.get('error'))})"
        )
    text, thoughts, refusal = _read_content(message.get("content"))
    return RawReply(
        text=text,
        refusal=storable_text(message.get("refusal")) or refusal,
        finish_reason=finish_reason,
        top_logprobs=_top_logprobs(choice.get("logprobs")),
        seconds=seconds,
        reasoning=_read_reasoning(message) or thoughts,
        **_read_head(payload),
    )


def read_block(status: int, error: object, seconds: float) -> RawReply | None:
    """Return the refusal that a failure of HTTP is if the endpoint's moderation lets nobody answer the prompt.

    Parameters
    ----------
    status : int
        Of HTTP.
    error : object
        What the body says of it.

    Returns
    -------
    RawReply or None
        None: it is a failure. A block is settled: the same prompt would be blocked again.
    """
    if status not in _MODERATED or not _is_moderation(error):
        return None
    return RawReply(None, None, _words(error), BLOCKED, None, None, None, seconds)


def _without_message(payload: dict, choices: object, choice: object, error: object, seconds: float) -> RawReply:
    """Return the refusal that a completion without a message is, unless it is none."""
    reason = storable_text(choice.get("finish_reason")) if isinstance(choice, dict) else None
    if error:
        blocked = _is_moderation(error)
    elif isinstance(choice, dict):
        # what has a text or a part of one comes from another protocol
        nothing = all(choice.get(name) is None for name in ("message", "text", "delta", "error"))
        blocked = nothing and "finish_reason" in choice and (reason or "").lower() not in _BROKEN
    else:
        blocked = choices == [] or _names_block(payload)
    if not blocked:
        raise ValueError(f"the endpoint's answer holds no choice with a message{f': {error}' if error else ''}")
    words = _words(error) if error else f"no message in its answer ({reason or 'no choice'})"
    return RawReply(
        text=None,
        refusal=words,
        finish_reason=BLOCKED,
        top_logprobs=None,
        seconds=seconds,
        **_read_head(payload),
    )


def _names_block(payload: dict) -> bool:
    """Return whether an answer without choices says that the prompt is why, as Google's do."""
    feedback = payload.get("promptFeedback") or payload.get("prompt_feedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason") or feedback.get("block_reason"))


def _read_head(payload: dict) -> dict[str, Any]:
    """Return who answered, and the tokens counted."""
    return {"model_id": storable_text(payload.get("model")), **read_usage(payload.get("usage"))}


def _is_moderation(error: object) -> bool:
    """Return whether an error says that the prompt's content is why."""
    if isinstance(error, dict):
        inner = error.get("innererror")
        codes = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
        if any(isinstance(code, str) and code.lower() in _MODERATION_CODES for code in codes):
            return True
        metadata = error.get("metadata")
        if isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata):
            return True
    words = _words(error)
    return bool(_MODERATION.search(words)) and not _OF_THE_ACCOUNT.search(words)


def _words(error: object) -> str:
    """Return in a line what an error says."""
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(storable_text(message) or error or "no reason given").split())[:500]


def _read_content(content: object) -> tuple[str | None, str | None, str | None]:
    """Return text, thoughts and refusal of a message's content: text, or a list of parts."""
    if not isinstance(content, list):
        return storable_text(content), None, None
    parts = [part for part in content if isinstance(part, dict)]
    texts = [part.get("text") for part in parts if part.get("type", "text") in ("text", "output_text")]
    refusals = [part.get("refusal") for part in parts if part.get("type") == "refusal"]
    thoughts = [_texts(part) for part in parts if part.get("type") in ("thinking", "reasoning", "thought")]
    text, refusal = (
        "".join(filter(None, map(storable_text, texts))),
        "".join(filter(None, map(storable_text, refusals))),
    )
    return text or None, "\n\n".join(filter(None, thoughts)) or None, refusal or None


_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


def _read_reasoning(message: dict) -> str | None:
    """Return the thoughts in a field of their own, whatever the endpoint calls it."""
    for name in _THOUGHT_FIELDS:
        if (value := message.get(name)) and (text := _texts(value)):
            return text
    return None


def _texts(value: object) -> str:
    """Return the texts in a field of thoughts: text itself, or parts that hold it."""
    if isinstance(value, list):
        return "\n\n".join(filter(None, map(_texts, value)))
    if isinstance(value, dict):
        return next(filter(None, (_texts(value.get(name)) for name in ("text", "thinking", "summary", "content"))), "")
    return storable_text(value) or ""


def read_usage(usage: object) -> dict[str, int | None]:
    """Return the counts of tokens in a completion's ``usage``, by the names that a ``RawReply`` has for them.

    Some endpoints (Google's, xAI's) count thoughts in the total only: they are charged like the reply's other tokens,
    and so are put among them. A prompt of no tokens was not counted. More cached tokens than the prompt has, or
    thoughts than the reply, are not believed.
    """
    usage = usage if isinstance(usage, dict) else {}
    sent, received, total = (read_count(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    if not sent:
        sent, received = None, received or None
    apart = 0
    if sent is not None and received is not None and total is not None:
        apart = max(0, total - sent - received)
        received += apart
    thought = _count_within(usage.get("completion_tokens_details"), "reasoning_tokens", received)
    return {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "cached_tokens": _count_within(usage.get("prompt_tokens_details"), "cached_tokens", sent),
        "reasoning_tokens": thought if thought is not None else apart or None,
    }


def _count_within(details: object, name: str, most: int | None) -> int | None:
    """Return a count out of the details of usage, unless it exceeds what it is a part of."""
    count = read_count(details.get(name)) if isinstance(details, dict) else None
    return None if count is None or most is None or count > most else count


def read_reply(call: Call, raw: RawReply) -> Reply:
    """Read a raw reply as the reply to a call.

    ===================================================  ===========  ==========================
    what came                                            outcome      text
    ===================================================  ===========  ==========================
    a refusal; finish reason ``content_filter`` or alike ``refusal``  the refusal, or the text
    a prompt that was blocked                            ``refusal``  what the endpoint says
    finish reason ``length`` or alike                    ``invalid``  what there is, no thoughts
    a finish reason that is no good end                  ``invalid``  what there is, no thoughts
    nothing visible, or thoughts alone                   ``invalid``  what there is, no thoughts
    not of the form that was asked for                   ``invalid``  the reply, no thoughts
    anything else                                        ``ok``       the reply, no thoughts
    ===================================================  ===========  ==========================
    """
    thoughts, text = split_thoughts(raw.text) if raw.text else (None, raw.text)
    reasoning = "\n\n".join(filter(None, (raw.reasoning, thoughts))) or None
    finish = (raw.finish_reason or "").lower()

    def read(outcome: Outcome, problem: str | None = None, parsed: BaseModel | None = None) -> Reply:
        return Reply(
            outcome,
            raw.refusal or text if outcome == "refusal" else text,
            parsed,
            problem,
            raw.model_id,
            raw.finish_reason,
            raw.prompt_tokens,
            raw.completion_tokens,
            raw.seconds,
            call.key,
            raw.top_logprobs if reasoning is None else None,
            raw.refusal or raw.text if outcome == "refusal" else raw.text,
            reasoning,
        )

    if finish == BLOCKED:
        return read("refusal", f"the endpoint lets nobody answer this prompt: {raw.refusal}")
    if raw.refusal or finish in _WITHHELD:
        withheld = "the endpoint withheld the reply (content filter)"
        return read("refusal", "the model declined" if raw.refusal else withheld)
    if finish in _CUT:
        limit, room = _advice(call)
        if reasoning and _is_blank(text):
            return read("invalid", f"cut off within its thoughts, before any reply: {limit}, {room}")
        return read("invalid", f"cut off before its end, at the limit of its length: {limit}")
    if finish not in _WHOLE:
        return read("invalid", f"not whole: the endpoint says that it ended with {raw.finish_reason!r}")
    if _is_blank(text):
        return read("invalid", f"thoughts alone, and no reply: {', '.join(_advice(call))}" if reasoning else "empty")
    if call.request.schema is None:
        return read("ok")
    try:
        parsed = read_object(text or "", call.request.schema)
        _check_reasons(parsed, call.messages)
    except ValueError as problem:
        return read("invalid", str(problem))
    return read("ok", None, parsed)


def _advice(call: Call) -> tuple[str, str]:
    """Return what to do about a limit that was too low, and about thoughts that took it up."""
    # a lower limit among the model's options goes before the study's
    ours = call.request.max_tokens is not None and (call.max_tokens or 0) >= call.request.max_tokens
    limit = f"raise {call.request.limit_name or 'its limit'}" if ours else _RAISE_THEIRS
    return limit, f"{_GIVE_ROOM}, {_THINK_LESS}" if ours else _THINK_LESS


def _check_reasons(parsed: BaseModel, messages: Sequence[Mapping[str, str]]) -> None:
    """Refuse a reason that is a piece of the instruction: a small model fills in the form and judges nothing."""
    text = " ".join(without_fences(message["content"]) for message in messages if message["role"] != "assistant")
    for name in _REASONS & type(parsed).model_fields.keys():
        words = getattr(parsed, name).lower().strip(" .;:\"'").split()
        if len(words) >= _ECHOED_WORDS and " ".join(words) in " ".join(text.lower().split()):
            raise ValueError(f"{name}: repeats the instruction, and gives no reason")


def is_cut(reply: Reply) -> bool:
    """Return whether a reply ended at the limit of its length."""
    return (reply.finish_reason or "").lower() in _CUT


def failed_reply(call: Call, problem: str) -> Reply:
    """Return the reply to a call that finally failed."""
    return Reply("error", None, None, problem, None, None, None, None, None, call.key)


def storable_text(value: object) -> str | None:
    """Return text that any database takes: no lone surrogates, no NUL."""
    if not isinstance(value, str):
        return None
    if value.isascii() and "\x00" not in value:
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def read_count(value: object) -> int | None:
    """Return a count of tokens, if it is one that can be."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None


def _top_logprobs(logprobs: object) -> list[dict[str, float]] | None:
    """Return, for each token of the reply, token → log-probability; None if there are none."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return None
    return [
        {str(storable_text(one["token"])): float(one["logprob"]) for one in _alternatives(token) if _is_weighed(one)}
        for token in tokens
        if isinstance(token, dict)
    ]


def _alternatives(token: dict) -> list:
    """Return the likeliest tokens at the place of a token, or the token itself if none are given."""
    alternatives = token.get("top_logprobs")
    return alternatives if isinstance(alternatives, list) and alternatives else [token]


def _is_weighed(token: object) -> bool:
    """Return whether this is a token with a log-probability that is a finite number."""
    if not isinstance(token, dict) or not isinstance(token.get("token"), str):
        return False
    logprob = token.get("logprob")
    return isinstance(logprob, int | float) and not isinstance(logprob, bool) and abs(logprob) <= _MOST_NATS
