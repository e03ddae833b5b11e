"""What a simulated target says: a letter, a rating, or a reply in a conversation (paper, section 3.3).

In: a ``Task`` as read and the ``Respondent`` that reads it. Out: an ``Answer``: the text, or a refusal, and the
preference behind it. The respondent recognises the scenario and the two values from the words alone: by heart where the
library has it, by the angles' wording where it was composed, by a few words or a hash where it is unfamiliar.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from conflictscope.simulated import library, unfamiliar
from conflictscope.simulated.composing import balanced_reply_of, read_case, reply_of, stands_kept
from conflictscope.simulated.parts import SURELY, Case, likeness, load_phrases, logistic, pick, uniform
from conflictscope.simulated.respondents import MULTIPLE_CHOICE, OPEN_ENDED, Respondent, choice_latent, scenario_effect
from conflictscope.simulated.tasks import Task

_SAY = load_phrases("answering")
_LEANING = load_phrases("user")["leaning"]
REPAIRED_RATE = 0.95  # share of malformed answers that come out well-formed when asked for again
_RATING_SLOPE = 1.1  # steps on the scale of 1 to 7 for each log-odd
_PRIORITY = re.compile(r"^\s*(\d+)[.)] ([^:\n]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What is said: ``text``; whether it is a refusal; and for a letter the latent preference for A, in log-odds."""

    text: str
    refused: bool = False
    toward_a: float | None = None
    readable: bool = True


@dataclass(frozen=True)
class _Conflict:
    """Two values in conflict, as a respondent sees them: the scenario's identity, and the value of each side."""

    identity: str
    value: str
    other: str

    def latent(
        self,
        respondent: Respondent,
        condition: str,
        system: str,
        listed_first: str | None = None,
        leans_to: str | None = None,
    ) -> float:
        """Return the latent preference for `value`, under a system prompt."""
        about = (respondent, self.value, self.other, self.identity, condition, listed_first)
        return choice_latent(*about, _read_priorities(system, self), leans_to)


def choose(task: Task, respondent: Respondent) -> Answer:
    """Return the answer to the multiple-choice prompts: a letter, a refusal, or something unreadable.

    ``C``, which is neither action, is taken if it is on offer and the preference is weaker than ``abstention``.
    """
    description, action_a, action_b = task.texts("description", "action a", "action b")
    if off := _off_answer(task, respondent, description, action_a, action_b):
        return off
    conflict = _read_conflict(description, action_a, action_b)
    toward_a = conflict.latent(respondent, MULTIPLE_CHOICE, task.system, listed_first=conflict.value)
    if task.name == "choose_or_abstain" and abs(toward_a) < respondent.abstention:
        return Answer("C")
    return Answer("A" if toward_a > 0 else "B", toward_a=toward_a)


def rate(task: Task, respondent: Respondent) -> Answer:
    """Return the answer to the rating prompt: a digit from 1 to 7, or something unreadable.

    The rating is 4 + 1.1 (u + e/2 + noise), rounded and cut to the scale: u the utility of the action's value, e the
    scenario's effect toward it.
    """
    description, action = task.texts("description", "action")
    about = (respondent.name, description, action)
    if off := _off_answer(task, respondent, description, action):
        return off
    conflict = _read_conflict(description, action)
    toward = 1.0 if conflict.value <= conflict.other else -1.0
    level = (
        respondent.utility(conflict.value, MULTIPLE_CHOICE, _read_priorities(task.system, conflict))
        + toward * respondent.scenario_weight * scenario_effect(conflict.identity) / 2
        + 0.5 * respondent.noise * logistic("rating", *about)
    )
    return Answer(str(min(7, max(1, round(4 + _RATING_SLOPE * level)))))


def converse(task: Task, respondent: Respondent) -> Answer:
    """Return the target's next turn in a conversation that sets no task of ours: its reply to a person."""
    opening, _, wanted = task.opening.partition(f"\n\n{_LEANING}")
    last_message = task.turns[-1][1] if task.turns else ""
    about = (respondent.name, task.system, opening)
    seen = library.by_text("user_message", opening) or read_case(opening) or unfamiliar.read_plea(opening)
    if seen is None:
        return Answer(pick(_SAY["generic"], "generic", respondent.name, last_message))
    draw = uniform("outcome", *about)
    refusing, wavering = respondent.refusal.get(OPEN_ENDED, 0.0), respondent.neither.get(OPEN_ENDED, 0.0)
    if draw < refusing:
        return Answer(pick(_SAY["declined"], "declining", *about, last_message), refused=True)
    leans_to = _wanted_value(seen, wanted) if wanted else None
    wins = _Conflict(seen.identity, *seen.values).latent(respondent, OPEN_ENDED, task.system, leans_to=leans_to) > 0
    balanced = draw < refusing + wavering
    if isinstance(seen, Case):
        text = balanced_reply_of(seen, respondent.name) if balanced else reply_of(seen, wins, respondent.name)
    elif balanced:
        text = pick(_SAY["balanced"], "balanced", *about)
    elif isinstance(seen, library.LibraryScenario):
        text = seen.reply(1 if wins else 2)
    else:
        text = unfamiliar.reply_of(seen, wins, respondent.name)
    if task.attempt:
        text = f"{pick(_SAY['again'], 'again', *about, last_message)}\n\n{text}"
    return Answer(text)


def _wanted_value(seen: library.LibraryScenario | Case | unfamiliar.Plea, wanted: str) -> str:
    """Return which of a conflict's two values stands behind the action that a message presses for."""
    if isinstance(seen, unfamiliar.Plea):
        return seen.values[0 if unfamiliar.quotes(seen.goal, wanted) else 1]
    if known := library.by_action(wanted):
        return known[0].values[known[1] - 1]
    kept = [stand.value for stand in stands_kept(wanted)]
    return next((value for value in seen.values if value in kept), "")


def _read_conflict(description: str, action: str, other: str | None = None) -> _Conflict:
    """Return the conflict that an action is of, its value first; `other` is the other action, if it is shown."""
    if known := library.by_action(action):
        scenario, number = known
        return _Conflict(scenario.identity, scenario.values[number - 1], scenario.values[2 - number])
    case = read_case(description)
    identity = case.identity if case else description
    stands = [stands_kept(text) for text in (action, other or "")]
    first, second = (kept[0].value if kept else "" for kept in stands)
    if stands[0] and other is None:
        second = next((value for value in case.values if value != first), "") if case else ""
    elif not all(stands) or first == second:
        read = None if case else unfamiliar.read_values(description, action, other or "")
        first, second = read or (action, other or "")
    return _Conflict(identity, first, second)


def _read_priorities(system: str, conflict: _Conflict) -> Mapping[str, float]:
    """Return the values of a conflict → their place in a numbered list of values, from 1 (top) to −1 (bottom).

    Empty where the system prompt has no such list: values in no particular order move nothing.
    """
    listed = _PRIORITY.findall(system)
    if len(listed) < 2:
        return {}
    places = {}
    for value in (conflict.value, conflict.other):
        scores = [likeness(value, name, definition) for _, name, definition in listed]
        best = max(range(len(scores)), key=scores.__getitem__)
        if scores[best] >= SURELY:
            places[value] = 1 - 2 * best / (len(listed) - 1)
    return places


def _off_answer(task: Task, respondent: Respondent, *sections: str) -> Answer | None:
    """Return a refusal or an unreadable answer where one is drawn."""
    about = (respondent.name, *sections)
    refusing = respondent.refusal.get(MULTIPLE_CHOICE, 0.0)
    garbling = respondent.malformed.get(MULTIPLE_CHOICE, 0.0)
    # whoever declines to choose does so whatever is on offer
    asked = "rate" if task.name == "rate" else "choose"
    draw = uniform("outcome", asked, task.system, *about)
    if asked == "choose" and draw < refusing:
        return Answer(pick(_SAY["no_choice"], "declining", *about), refused=True)
    again = task.attempt > 0 and uniform("repaired", task.attempt, *about) < REPAIRED_RATE
    if refusing <= draw < refusing + garbling and not again:
        return Answer(pick(_SAY["unreadable"][asked], "unreadable", task.attempt, *about), readable=False)
    return None
