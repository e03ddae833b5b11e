"""The library of complete scenarios that the simulated models know by heart.

In: ``library/<set>/<value_1>--<value_2>.yaml``, written for this project. Out: scenarios as frozen records, recognised
by how one of their texts opens (outline, description, action, user's message, reply), or by their pair and cell.
"""

import re
from dataclasses import dataclass, fields
from functools import cache
from os.path import commonprefix
from pathlib import Path

from conflictscope.simulated.parts import read_yaml

FOLDER = Path(__file__).parent / "library"
_OPENING = 48  # characters, blanks and case aside: enough to tell any two texts of one kind apart
_PASTED = re.compile(r"(?s):\n\n(?P<text>.{60,}?)(?P<after>(?:\n\n[^\n]{1,40})?)\Z")


@dataclass(frozen=True)
class LibraryScenario:
    """One scenario of the library: its identity, its pair and its texts (fields as in the YAML file)."""

    identity: str
    values: tuple[str, str]
    structure: str
    severity: str
    acting_value: str
    domain: str
    context: str
    action_opportunity: str
    good: str
    harm: str
    description: str
    persona: str
    background: str
    goal: str
    action_1: str
    action_2: str
    consequence_1: str
    consequence_2: str
    user_message: str
    reply_1: str
    reply_2: str

    def action(self, number: int) -> str:
        """Return the text of action 1 or 2."""
        return self.action_1 if number == 1 else self.action_2

    def reply(self, number: int) -> str:
        """Return the assistant's reply that takes action 1 or 2."""
        return self.reply_1 if number == 1 else self.reply_2

    def pasted_text(self) -> str | None:
        """Return the text that the user pasted into the message, or None where there is none to be told apart."""
        match = _PASTED.search(self.user_message)
        return match["text"] if match else None


_Side = tuple[LibraryScenario, int]  # a scenario, and the number of one of its actions


@cache
def load_library() -> tuple[LibraryScenario, ...]:
    """Read the whole library; raises ValueError naming file, entry and field if one is lacking or unknown."""
    scenarios = []
    expected = {field.name for field in fields(LibraryScenario)} - {"identity", "values"}
    for path in sorted(FOLDER.glob("*/*--*.yaml")):
        value_1, value_2 = path.stem.split("--")
        for number, entry in enumerate(read_yaml(path), start=1):
            if wrong := sorted(set(entry) ^ expected):
                raise ValueError(f"{path.name}, entry {number}: fields missing or unknown: {wrong}.")
            texts = {name: text.strip() for name, text in entry.items()}
            scenarios.append(LibraryScenario(f"{path.stem}#{number}", (value_1, value_2), **texts))
    return tuple(scenarios)


def scenarios_of_cell(values: set[str], structure: str, severity: str, acting_value: str) -> list[LibraryScenario]:
    """Return the library's scenarios of a pair and cell, in the order of the file."""
    cell = (structure, severity, acting_value)
    of_pair = [scenario for scenario in load_library() if set(scenario.values) == values]
    return [known for known in of_pair if (known.structure, known.severity, known.acting_value) == cell]


def by_text(field: str, text: str) -> LibraryScenario | None:
    """Return the scenario whose `field` (``context``, ``description``, ``user_message``) opens like a text."""
    return _openings(field).get(_opening(text))


def by_action(action: str) -> _Side | None:
    """Return the scenario and the number of the action with this text."""
    return _actions().get(_flat(action))


def by_reply(reply: str) -> _Side | None:
    """Return the scenario and the number of the action that a reply takes, if it holds a reply of the library.

    The reply may have something before it: every paragraph is tried as its beginning. If the two replies of a
    scenario begin alike, it is the one that agrees for longer.
    """
    for start in (0, *(blank.end() for blank in re.finditer("\n\n", reply))):
        if sides := _replies().get(_opening(reply[start:])):
            flat = _flat(reply[start:])
            agreeing = {side: commonprefix([flat, _flat(side[0].reply(side[1]))]) for side in sides}  # noqa: RUF071
            return max(sides, key=lambda side: len(agreeing[side]))
    return None


@cache
def _openings(field: str) -> dict[str, LibraryScenario]:
    """Return opening → scenario for one field."""
    return {_opening(getattr(scenario, field)): scenario for scenario in load_library()}


@cache
def _actions() -> dict[str, _Side]:
    """Return text of an action → its scenario and number."""
    return {_flat(scenario.action(number)): (scenario, number) for scenario in load_library() for number in (1, 2)}


@cache
def _replies() -> dict[str, list[_Side]]:
    """Return opening of a reply → the scenarios and numbers whose reply begins so."""
    replies: dict[str, list[_Side]] = {}
    for scenario in load_library():
        for number in (1, 2):
            replies.setdefault(_opening(scenario.reply(number)), []).append((scenario, number))
    return replies


def _flat(text: str) -> str:
    """Return a text in lower case with single blanks."""
    return re.sub(r"\s+", " ", text).strip().lower()


def _opening(text: str) -> str:
    """Return the first characters of a text, flattened."""
    return _flat(text[: 4 * _OPENING])[:_OPENING]
