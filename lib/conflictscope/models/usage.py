"""What calls have used: attempts and tokens, as the endpoint counted them or by a stated rule.

In: a reply as received and what it took to get it. Out: a ``Usage``, which the call store adds up by model and prompt.
The rule, for a reply that comes without its number of tokens, and for an answer that could not be read: a token for
every four characters of the request's JSON text and of what came back. Both are counted as estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from conflictscope.models.replies import RawReply

CHARACTERS_PER_TOKEN = 4
EMBEDDING = "embedding"
"""The prompt's name under which embeddings are kept; what comes back are numbers, not tokens."""


@dataclass(slots=True, eq=False)
class Attempts:
    """What has been tried for one call so far, noted while it is under way."""

    made: int = 0
    """Attempts, the one under way included."""
    counted: int = 0
    """Of these, the ones that failed and count against the call's number of attempts."""
    unreadable: int = 0
    """Of these, the ones that were answered with something that is no answer, and may have been charged for."""
    characters_in: int = 0
    characters_out: int = 0
    """Characters sent for, and received in, unreadable answers."""
    on_wire: bool = False
    """Whether a request is being answered, or its answer being stored."""
    called_off: bool = False
    """Whether no further attempt is to be made."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts for one model and prompt.

    Parameters
    ----------
    calls : int
        Replies that were got, each of them paid for; one that another process had stored first included.
    failed : int
        Calls that finally failed.
    attempts : int
        Requests that were sent, those that brought nothing included.
    estimated : int
        Replies and unreadable answers whose tokens are estimated.
    input_tokens, output_tokens : int
        Tokens sent and received.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))


UsageTable = Mapping[tuple[str, str], Usage]
"""(model, prompt) → what it has used."""


def estimate_tokens(characters: int) -> int:
    """Return the tokens of so many characters by the stated rule, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def usage_of_reply(raw: RawReply, request: str, prompt: str, attempts: Attempts) -> Usage:
    """Return what a call used that was answered.

    Parameters
    ----------
    request : str
        The canonical JSON text of the call.
    """
    sent, received = raw.prompt_tokens, raw.completion_tokens
    if sent is None:
        sent = estimate_tokens(len(request))
    if received is None:
        received = 0 if prompt == EMBEDDING else estimate_tokens(len(raw.text or raw.refusal or ""))
    missing = raw.prompt_tokens is None or (raw.completion_tokens is None and prompt != EMBEDDING)
    return Usage(1, 0, 0, int(missing), sent, received) + _tried(attempts)


def usage_of_failure(attempts: Attempts) -> Usage:
    """Return what a call used that finally failed."""
    return Usage(failed=1) + _tried(attempts)


def _tried(attempts: Attempts) -> Usage:
    """Return what the attempts themselves used: those that were answered with something unreadable cost as well."""
    return Usage(
        attempts=attempts.made,
        estimated=attempts.unreadable,
        input_tokens=estimate_tokens(attempts.characters_in),
        output_tokens=estimate_tokens(attempts.characters_out),
    )
