"""The library of complete scenarios that the simulated models know by heart.

In: the YAML files under ``library/<set>/<value_1>--<value_2>.yaml``, written for this project. Out: each scenario as a
frozen record, found again by what somebody would recognise it by: its pair and cell, its outline, its description, one
of its actions, the user's message or a reply. A text counts as recognised where it opens like the one in the library.
"""

import re
from dataclasses import dataclass, fields
from functools import cache
from os.path import commonprefix
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "library"
_OPENING = 48  # characters, blanks and case aside: enough to tell any two texts of one kind apart
_BLANKS = re.compile(r"\s+")
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


@cache
def load_library() -> tuple[LibraryScenario, ...]:
    """Read the whole library; raises ValueError naming file, entry and field if one is lacking or unknown."""
    scenarios = []
    expected = {field.name for field in fields(LibraryScenario)} - {"identity", "values"}
    safe_loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(FOLDER.glob("*/*--*.yaml")):
        value_1, value_2 = path.stem.split("--")
        for number, entry in enumerate(yaml.load(path.read_text(encoding="utf-8"), safe_loader), start=1):
            if set(entry) != expected:
                wrong = sorted(set(entry) ^ expected)
                raise ValueError(f"{path.name}, entry {number}: fields missing or unknown: {wrong}.")
            texts = {name: text.strip() for name, text in entry.items()}
            scenarios.append(LibraryScenario(f"{path.stem}#{number}", (value_1, value_2), **texts))
    return tuple(scenarios)


def scenarios_of_cell(values: set[str], structure: str, severity: str, acting_value: str) -> list[LibraryScenario]:
    """Return the library's scenarios of a pair and cell, in the order of the file."""
    return [
        scenario
        for scenario in load_library()
        if set(scenario.values) == values
        and (scenario.structure, scenario.severity, scenario.acting_value) == (structure, severity, acting_value)
    ]


def by_outline(context: str) -> LibraryScenario | None:
    """Return the scenario whose outline has a context that opens like this one."""
    return _index("context").get(_opening(context))


def by_description(description: str) -> LibraryScenario | None:
    """Return the scenario with a description that opens like this one."""
    return _index("description").get(_opening(description))


def by_message(message: str) -> LibraryScenario | None:
    """Return the scenario whose user opens the conversation like this."""
    return _index("user_message").get(_opening(message))


def by_action(action: str) -> tuple[LibraryScenario, int] | None:
    """Return the scenario and the number of the action with this text."""
    return _action_index().get(_flat(action))


def by_reply(reply: str) -> tuple[LibraryScenario, int] | None:
    """Return the scenario and the number of the action that a reply takes, if it holds a reply of the library.

    The reply may have something before it: every paragraph is tried as its beginning. Where the two replies of a
    scenario begin alike, it is the one that agrees for longer.
    """
    for start in (0, *(blank.end() for blank in re.finditer("\n\n", reply))):
        if candidates := _reply_index().get(_opening(reply[start:])):
            flat = _flat(reply[start:])
            # a longest common beginning of two texts, not of paths
            agreeing = {entry: len(commonprefix([flat, _flat(entry[0].reply(entry[1]))])) for entry in candidates}  # noqa: RUF071
            return max(agreeing, key=agreeing.__getitem__)
    return None


@cache
def _index(field: str) -> dict[str, LibraryScenario]:
    """Return opening → scenario for one field."""
    return {_opening(getattr(scenario, field)): scenario for scenario in load_library()}


@cache
def _action_index() -> dict[str, tuple[LibraryScenario, int]]:
    """Return text of an action → its scenario and number."""
    return {_flat(scenario.action(number)): (scenario, number) for scenario in load_library() for number in (1, 2)}


@cache
def _reply_index() -> dict[str, list[tuple[LibraryScenario, int]]]:
    """Return opening of a reply → the scenarios and numbers whose reply begins so."""
    index: dict[str, list[tuple[LibraryScenario, int]]] = {}
    for scenario in load_library():
        for number in (1, 2):
            index.setdefault(_opening(scenario.reply(number)), []).append((scenario, number))
    return index


def _flat(text: str) -> str:
    """Return a text in lower case with single blanks."""
    return _BLANKS.sub(" ", text).strip().lower()


def _opening(text: str) -> str:
    """Return the first characters of a text, flattened."""
    return _flat(text[: 4 * _OPENING])[:_OPENING]
