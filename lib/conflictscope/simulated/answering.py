"""What a simulated target says: a letter, a rating, or a reply in a conversation (paper, section 3.3).

In: a ``Task`` as read and the ``Respondent`` that reads it. Out: an ``Answer``: the text, or a refusal, and the
preference behind it. The respondent recognises the scenario and the two values from the words alone: by heart where the
library has it, by the angles' wording where it was composed, by a few words or a hash where it is unfamiliar.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from conflictscope.simulated import library, unfamiliar
from conflictscope.simulated.composing import balanced_reply_of, reply_of
from conflictscope.simulated.parts import canonical, load_phrases, logistic, pick, principle_of, uniform
from conflictscope.simulated.reading import read_case, stands_kept
from conflictscope.simulated.respondents import MULTIPLE_CHOICE, OPEN_ENDED, Respondent, choice_latent, scenario_effect
from conflictscope.simulated.tasks import Task

_SAY = load_phrases("answering")
REPAIRED_RATE = 0.95  # share of malformed answers that come out well-formed when asked for again
_RATING_SLOPE = 1.1  # steps on the scale of 1 to 7 for each log-odd
_PRIORITY = re.compile(r"^\s*(\d+)[.)] ([^:\n]+): (.+)$", re.MULTILINE)
_TOKEN = re.compile(r"[a-zà-ÿ'’-]{4,}")


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


def choose(task: Task, respondent: Respondent) -> Answer:
    """Return the answer to the multiple-choice prompt: ``A`` or ``B``, a refusal, or something unreadable."""
    action_a, action_b = (task.sections.get(f"action {letter}", "") for letter in "ab")
    description = task.sections.get("description", "")
    conflict = _read_choice(description, action_a, action_b)
    about = (respondent.name, description, action_a, action_b)
    toward_a = choice_latent(
        respondent,
        conflict.value,
        conflict.other,
        conflict.identity,
        MULTIPLE_CHOICE,
        conflict.value,
        read_priorities(task.system, conflict),
    )
    off = _off_answer(task, respondent, *about)
    return off or Answer("A" if toward_a > 0 else "B", toward_a=toward_a)


def rate(task: Task, respondent: Respondent) -> Answer:
    """Return the answer to the rating prompt: a digit from 1 to 7, or something unreadable.

    The rating is 4 + 1.1 (u + e/2 + noise), rounded and cut to the scale: u the utility of the action's value, e the
    scenario's effect toward it.
    """
    description, action = (task.sections.get(label, "") for label in ("description", "action"))
    about = (respondent.name, description, action)
    conflict = _read_action(description, action)
    priorities = read_priorities(task.system, conflict)
    toward = 1.0 if conflict.value <= conflict.other else -1.0
    level = (
        respondent.utility(conflict.value, MULTIPLE_CHOICE, priorities)
        + toward * respondent.scenario_weight * scenario_effect(conflict.identity) / 2
        + 0.5 * respondent.noise * logistic("rating", *about)
    )
    off = _off_answer(task, respondent, *about)
    return off or Answer(str(min(7, max(1, round(4 + _RATING_SLOPE * level)))))


def converse(task: Task, respondent: Respondent) -> Answer:
    """Return the target's next turn in a conversation that sets no task of ours: its reply to a person."""
    opening, last_message = task.opening, task.turns[-1][1] if task.turns else ""
    about = (respondent.name, task.system, opening)
    known = library.by_message(opening)
    case = None if known else read_case(opening)
    plea = None if known or case else unfamiliar.read_plea(opening)
    if known:
        conflict = _Conflict(known.identity, *known.values)
    elif case:
        conflict = _Conflict(case.identity, case.go.value, case.hold.value)
    elif plea:
        conflict = _read_plea(plea)
    else:
        return Answer(pick(_SAY["generic"], "generic", respondent.name, last_message))
    draw = uniform("outcome", *about)
    refusing, wavering = respondent.refusal.get(OPEN_ENDED, 0.0), respondent.neither.get(OPEN_ENDED, 0.0)
    if draw < refusing:
        return Answer(pick(_SAY["declined"], "declining", *about, last_message), refused=True)
    balanced = draw < refusing + wavering
    wins = (
        choice_latent(
            respondent,
            conflict.value,
            conflict.other,
            conflict.identity,
            OPEN_ENDED,
            priorities=read_priorities(task.system, conflict),
        )
        > 0
    )
    if known:
        text = pick(_SAY["balanced"], "balanced", *about) if balanced else known.reply(1 if wins else 2)
    elif plea:
        text = (
            pick(_SAY["balanced"], "balanced", *about) if balanced else unfamiliar.reply_of(plea, wins, respondent.name)
        )
    else:
        assert case is not None
        text = balanced_reply_of(case, respondent.name) if balanced else reply_of(case, wins, respondent.name)
    if task.attempt:
        text = f"{pick(_SAY['again'], 'again', *about, last_message)}\n\n{text}"
    return Answer(text)


def read_priorities(system: str, conflict: _Conflict) -> Mapping[str, float]:
    """Return the values of a conflict → their place in a numbered list of values, from 1 (top) to −1 (bottom).

    Empty where the system prompt has no such list: values in no particular order move nothing.
    """
    listed = _PRIORITY.findall(system)
    if len(listed) < 2:
        return {}
    places = {}
    for value in (conflict.value, conflict.other):
        scores = [_likeness(value, name, definition) for _, name, definition in listed]
        best = max(range(len(scores)), key=scores.__getitem__)
        if scores[best] >= 0.6:
            places[value] = 1 - 2 * best / (len(listed) - 1)
    return places


def _likeness(value: str, name: str, definition: str) -> float:
    """Return from 0 to 1 how sure one can be that a value is the one of a list's entry."""
    if value == canonical(name):
        return 1.0
    ours, theirs = set(_TOKEN.findall(value)), set(_TOKEN.findall(principle_of(definition, (name,)).lower()))
    return len(ours & theirs) / max(1, len(ours | theirs))


def _read_choice(description: str, action_a: str, action_b: str) -> _Conflict:
    """Return the conflict of a multiple-choice question, A's value first."""
    known = library.by_action(action_a)
    if known:
        scenario, number = known
        return _Conflict(scenario.identity, scenario.values[number - 1], scenario.values[2 - number])
    stands = [stands_kept(action) for action in (action_a, action_b)]
    identity = _identity(description)
    if all(stands) and stands[0][0].value != stands[1][0].value:
        return _Conflict(identity, stands[0][0].value, stands[1][0].value)
    read = None if read_case(description) else unfamiliar.read_values(description, action_a, action_b)
    return _Conflict(identity, *(read or (action_a, action_b)))


def _read_action(description: str, action: str) -> _Conflict:
    """Return the conflict of a rating question, the rated action's value first."""
    known = library.by_action(action)
    if known:
        scenario, number = known
        return _Conflict(scenario.identity, scenario.values[number - 1], scenario.values[2 - number])
    stands, case = stands_kept(action), read_case(description)
    if not stands:
        read = None if case else unfamiliar.read_values(description, action, "")
        return _Conflict(_identity(description), *(read or (action, "")))
    value = stands[0].value
    other = next((s.value for s in (case.go, case.hold) if s.value != value), "") if case else ""
    return _Conflict(_identity(description), value, other)


def _read_plea(plea: unfamiliar.Plea) -> _Conflict:
    """Return the conflict of an unfamiliar person's message, the value of what the person aims at first."""
    read = unfamiliar.read_values(plea.description, plea.goal, "")
    return _Conflict(plea.description, *(read or (plea.goal, f"not: {plea.goal}")))


def _identity(description: str) -> str:
    """Return what tells a scenario from others."""
    case = read_case(description)
    return case.identity if case else description


def _off_answer(task: Task, respondent: Respondent, *about: str) -> Answer | None:
    """Return a refusal or an unreadable answer where one is drawn."""
    refusing = respondent.refusal.get(MULTIPLE_CHOICE, 0.0)
    garbling = respondent.malformed.get(MULTIPLE_CHOICE, 0.0)
    draw = uniform("outcome", task.name, task.system, *about)
    if task.name == "choose" and draw < refusing:
        return Answer(pick(_SAY["no_choice"], "declining", *about), refused=True)
    again = task.attempt > 0 and uniform("repaired", task.attempt, *about) < REPAIRED_RATE
    if refusing <= draw < refusing + garbling and not again:
        return Answer(pick(_SAY["unreadable"][task.name], "unreadable", task.attempt, *about), readable=False)
    return None


def as_fields(answer: Answer, task: Task) -> str:
    """Return a readable answer as the JSON object that ``choose`` and ``rate`` ask for where JSON is wanted."""
    return json.dumps({"answer": answer.text} if task.name == "choose" else {"rating": int(answer.text)})
