"""Unfamiliar scenarios, in other people's words: what simulated readers make of them, and what they write about them.

In: descriptions, actions, messages and replies in anybody's words. Out: which of two actions holds back, which value
speaks for each, what a person asks for, whether a reply goes along with it. A reader goes by a few words
(``cues.yaml``) and by what the message quotes; where neither tells, it does not know.
"""

import re
from dataclasses import dataclass
from functools import cache

from conflictscope.simulated.parts import load_phrases, pick, read_yaml

OTHER = "other reasons"
_SAY = load_phrases("unfamiliar")
_HOLDING = re.compile(
    r"(?i)\b(?:do(?:es)? not|don['’]t|doesn['’]t|will not|won['’]t|cannot|can['’]t|refus\w+|refrain\w*|declin\w+|"
    r"leaves? out|holds? back|stays? away|keeps? away|not|never)\b"
)
_QUOTE, _AIMED, _HELP = "as somebody put it to me: “", "”\n\nMy aim: ", " Please help"
_AIM = "To have this done: "


@dataclass(frozen=True)
class Plea:
    """What a person asks for in a message: the situation as it was put to them, and their aim."""

    description: str
    goal: str

    @property
    def identity(self) -> str:
        """What tells the scenario from others."""
        return self.description

    @property
    def values(self) -> tuple[str, str]:
        """The value of what the person aims at, and the one against it."""
        return read_values(self.description, self.goal, "") or (self.goal, f"not: {self.goal}")


def read_values(description: str, action: str, other: str) -> tuple[str, str] | None:
    """Return the values that speak for an action and for the other one, or None where no word tells.

    An action goes against the values whose words occur in it, unless it is one of holding back; where no action has
    such a word, the acting one goes against the value whose words the description has.
    """
    against = [[] if _HOLDING.search(text) else _cued(text) for text in (action, other)]
    speaking = [[value for value in against[1 - side] if value not in against[side]] for side in (0, 1)]
    if not any(speaking):
        acting = acting_of(action, other)
        cued = _cued(description)
        if acting is None or not cued:
            return None
        speaking[1 - acting] = cued
    first, second = ([*values, OTHER][0] for values in speaking)
    return first, second


def acting_of(action: str, other: str) -> int | None:
    """Return which of two actions, 0 or 1, does something where the other holds back; None where that is not told."""
    holding = [bool(_HOLDING.search(text)) for text in (action, other)]
    return holding.index(False) if holding.count(False) == 1 else None


def completion_of(description: str, actions: tuple[str, str]) -> dict[str, str]:
    """Return a profile and consequences for a scenario; the person aims at the acting action."""
    acting = acting_of(*actions)
    wanted = actions[acting] if acting is not None else pick(actions, "aim", description)
    consequence = pick(_SAY["consequences"], "consequence", description)
    others = [entry for entry in _SAY["consequences"] if entry != consequence]
    return {
        "persona": pick(_SAY["persons"], "persona", description),
        "background": pick(_SAY["backgrounds"], "background", description),
        "goal": f"{_AIM}{wanted}",
        "consequence_1": consequence,
        "consequence_2": pick(others, "consequence of the other", description),
    }


def message_of(description: str, background: str, goal: str) -> str:
    """Return the message in which a person tells the situation and what they aim at."""
    return f"Hello. {background}\n\nThis is what it is about, {_QUOTE}{description}{_AIMED}{goal}{_HELP} me with that."


def read_plea(message: str) -> Plea | None:
    """Return what a message as ``message_of`` writes it asks for, or None."""
    situation, aimed, rest = message.partition(_QUOTE)[2].rpartition(_AIMED)
    goal, helped, _ = rest.rpartition(_HELP)
    return Plea(situation, goal.strip()) if situation and aimed and helped else None


def reply_of(plea: Plea, along: bool, *style: object) -> str:
    """Return a reply that goes along with what the person aims at, or advises against it."""
    template = pick(_SAY["along" if along else "against"], "reply", plea.description, *style)
    return template.format(goal=plea.goal.removeprefix(_AIM))


def read_reply(reply: str) -> tuple[str, bool] | None:
    """Return the aim that a reply of ``reply_of`` quotes, and whether it goes along; None for other replies."""
    for along, template in ((side == "along", text) for side in ("along", "against") for text in _SAY[side]):
        before, after = template.split("{goal}")
        if match := re.search(rf"(?s){re.escape(before)}(.+){re.escape(after)}", reply):
            return match[1], along
    return None


def meant_by(goal: str, actions: dict[str, str]) -> str | None:
    """Return the label of the action that an aim is about: the one it quotes, else the acting one; None if neither."""
    quoted = [label for label, action in actions.items() if quotes(goal, action)]
    if quoted:
        # the longer one, where one action is part of the other
        return max(quoted, key=lambda label: len(actions[label]))
    acting = acting_of(*actions.values())
    return None if acting is None else list(actions)[acting]


def quotes(goal: str, action: str) -> bool:
    """Return whether an aim quotes an action."""
    return _flat(action) in _flat(goal)


def _cued(text: str) -> list[str]:
    """Return the values whose words occur in a text, in the order of the file."""
    return [value for value, words in _cues().items() if words.search(text)]


def _flat(text: str) -> str:
    """Return a text in lower case with single blanks, without the stop at its end."""
    return " ".join(text.lower().split()).rstrip(".!? ")


@cache
def _cues() -> dict[str, re.Pattern[str]]:
    """Return value → pattern of its words."""
    cues = read_yaml("cues.yaml").items()
    return {value: re.compile(rf"(?i)\b(?:{'|'.join(map(re.escape, words))})\w*") for value, words in cues}
