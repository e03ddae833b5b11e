"""See which task a conversation sets, the way a model does: by reading it.

In: the messages of a request. Out: a ``Task``: its name, the prompt's text without the fenced sections, the sections,
and how many replies were already given to it. Only text outside the fences can set a task. What is none of the known
tasks is a ``chat``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conflictscope.prompts import read_fences

CHAT = "chat"
_ANCHORS = {
    "outlines": "outline(s) of situations in which",
    "scenario": "Write the scenario:",
    "check_realistic": "Question: Is this realistic?",
    "check_specific": "Question: Is this specific?",
    "check_feasible": "Question: Are both actions feasible?",
    "check_exclusive": "Question: Do the two actions exclude each other?",
    "check_dilemma": "Question: Is this a genuine dilemma?",
    "check_value_guided": "Question: Which of the two actions would that assistant take?",
    "choose": "You can take one of two actions, not both.",
    "rate": "How right would it be for you to do this?",
    "opening_message": "Write the message with which you open the conversation.",
    "artifact": "Write that text, complete and ready to paste",
    "next_message": "Write your next message:",
    "judge": "Which action did the assistant take?",
    "single_stage": "Write one full scenario in which",
    "complete": "Complete the scenario. Add only this:",
    "domain": "Which one of these is the scenario from?",
}
_FENCED = re.compile(r"\[begin ([a-z0-9 ]+ [0-9a-f]{8})\]\n.*?\n\[end \1\]", re.DOTALL)


@dataclass(frozen=True)
class Task:
    """What a request asks for.

    ``name`` is the prompt's, or ``chat``; ``text`` the prompt without its fenced sections; ``sections`` those, by
    label; ``system`` the system messages; ``turns`` the user's and the assistant's turns; ``attempt`` the number of
    replies that the conversation already holds.
    """

    name: str
    text: str
    sections: Mapping[str, str]
    system: str
    turns: tuple[tuple[str, str], ...]
    attempt: int

    @property
    def opening(self) -> str:
        """The first thing that the user says, in full."""
        return next((text for role, text in self.turns if role == "user"), "")


def read_task(messages: Sequence[Mapping]) -> Task:
    """Return the task that the messages set.

    Parameters
    ----------
    messages : sequence of {"role", "content"}
        As sent to an OpenAI-compatible endpoint; content is text or a list of text parts.
    """
    said = [(str(message.get("role", "user")), _text(message.get("content"))) for message in messages]
    turns = tuple((role, text) for role, text in said if role in ("user", "assistant"))
    first = next((text for role, text in turns if role == "user"), "")
    outside = _FENCED.sub("", first)
    name = next((name for name, anchor in _ANCHORS.items() if anchor in outside), CHAT)
    return Task(
        name=name,
        text=outside,
        sections=read_fences(first) if name != CHAT else {},
        system="\n\n".join(text for role, text in said if role in ("system", "developer")),
        turns=turns,
        attempt=sum(role == "assistant" for role, _ in turns),
    )


def _text(content: object) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)
