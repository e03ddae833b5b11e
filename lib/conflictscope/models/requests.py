"""What is asked of a model and what comes back.

In: a filled-in prompt and how it is to be answered (schema, sampling, repetition). Out: a ``Reply`` with exactly one
outcome. An unusable reply keeps its text and says why it could not be used; it is never a default and never a vote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel

from conflictscope.prompts import Prompt

Message = Mapping[str, str]
"""``role`` (``system``, ``user`` or ``assistant``) and ``content``."""

Outcome = Literal["ok", "refusal", "invalid", "error"]


def _not_blank(text: str) -> str:
    """Return the text unless there is nothing in it to read."""
    if not text.strip():
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
        Sampling; not sent where None or where the model refuses the option.
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
    ) -> "Request":
        """Return the request that sends a filled-in prompt, after the messages in `before`."""
        return cls(
            (*before, *prompt.messages), prompt.name, prompt.hash, schema, temperature, max_tokens, repetition, logprobs
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Parameters
    ----------
    outcome : str
        ``ok``; ``refusal`` (the endpoint says that the model declined); ``invalid`` (empty, cut off, or not of the form
        that was asked for); ``error`` (no reply was got).
    text : str or None
        The reply as received; None where none was.
    parsed : BaseModel or None
        The structured reply, where one was asked for and the outcome is ``ok``.
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
        For each token of the reply: token → natural log-probability of the likeliest alternatives.
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
