"""The simulated user at its desk: what it writes is looked at, and asked for once more if no user would write it.

In: requests for messages or artifacts. Out: of each what was written, and what is wrong with it, if anything. A second
fault is kept with its text and goes to nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from conflictscope.elicit.message_faults import FAULT_WORDS
from conflictscope.models import Models, Reply, Request
from conflictscope.models.requests import BLOCKED
from conflictscope.prompts import render


@dataclass(frozen=True)
class Written:
    """What a simulated user wrote.

    Parameters
    ----------
    reply : Reply
        The reply to the last time of asking.
    text : str or None
        What was read in it; None if it could not be read.
    fault : str or None
        What makes it nothing that a user writes, a key of ``FAULT_WORDS``; None: nothing does, or it was not read.
    """

    reply: Reply
    text: str | None
    fault: str | None

    @property
    def usable(self) -> bool:
        """Whether it is there and has no fault."""
        return self.text is not None and self.fault is None

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; None if it can."""
        return self.reply.problem or (FAULT_WORDS[self.fault] if self.fault else None)


async def ask_simulated_user(
    models: Models,
    simulated_user: str,
    requests: Sequence[Request],
    *,
    read: Callable[[Reply], str | None],
    find_fault: Callable[[str], str | None],
    label: str,
) -> list[Written]:
    """Ask a simulated user, and once more for what has a fault; return what was written, one a request.

    Parameters
    ----------
    read : callable
        Returns the text that a reply holds, None if it cannot be read.
    find_fault : callable
        Returns what is wrong with a text, as in ``message_faults``.
    """

    def look(reply: Reply) -> Written:
        text = read(reply)
        declined = reply.outcome == "refusal"
        return Written(reply, text, "refusal" if declined else find_fault(text) if text is not None else None)

    written = [look(reply) for reply in await models.ask(simulated_user, requests, label=label)]
    # what moderation blocks would be blocked again
    faulty = [i for i, one in enumerate(written) if one.fault and one.reply.finish_reason != BLOCKED]
    again = [_ask_again(requests[i], written[i]) for i in faulty]
    replies = await models.ask(simulated_user, again, label=f"{label}, again") if again else []
    for i, reply in zip(faulty, replies, strict=True):
        written[i] = look(reply)
    return written


def _ask_again(request: Request, written: Written) -> Request:
    """Return the request that shows the simulated user what it wrote and what is wrong with it."""
    prompt = render("write_again", problem=FAULT_WORDS[written.fault or ""])
    answered = {"role": "assistant", "content": written.reply.text or "(no reply)"}
    return replace(
        request, messages=(*request.messages, answered, *prompt.messages), prompt=prompt.name, prompt_hash=prompt.hash
    )
