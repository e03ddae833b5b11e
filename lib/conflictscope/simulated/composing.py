"""The texts about a composed case, as the simulated author, user and respondents write them and as a reader reads them.

In: a ``Case``, or any text. Out: outline, scenario, message, draft and replies; the angles whose words occur in a text,
the ``Case`` if it names a place and a matter of the parts. Each text names the matter, the place and the person, and
says in the angles' own words what is gained and lost: what it does not say cannot be read from it. Some have a flaw, in
the words themselves, for one of the six checks to find.
"""

import re
from functools import cache, lru_cache

from conflictscope.simulated.parts import (
    FIRST,
    NO_NAME,
    SECOND,
    Angle,
    Case,
    Stand,
    Voice,
    load_angles,
    load_parts,
    load_phrases,
    pick,
    sentence,
    uniform,
)

_SAY, _FLAWS = load_phrases("composing"), load_phrases("flaws")
# share of composed scenarios with each flaw, drawn independently of one another
FLAW_RATES = {
    "realistic": 0.04,
    "specific": 0.04,
    "feasible": 0.04,
    "exclusive": 0.04,
    "dilemma": 0.05,
    "value_guided": 0.05,
}
_FIELD = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Z]\w+")
_TWO_WORDS = re.compile(r"(?=\b([A-Z]\w+) ([A-Z]\w+)\b)")
_MEANS = ("The price, without which it cannot be had", "The price: ")
_PRINCIPLE = r"(?:“(?P<principle>[^“”]+)”|(?:this|the first) idea)"
_GAP = r"[^.!?\n]{1,80}?"
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Za-z ]+\]|\ba certain (?:company|person|town|place)\b")
_ERRAND = re.compile(r"\b(telephones|rings up|calls in at|drives to|looks the case up in)\b")


def outline_of(case: Case) -> dict[str, str]:
    """Return the four parts of a case's outline."""
    return {
        "context": _fill("contexts", "context", case, moreover=case.say(case.details["moreover"])),
        "action_opportunity": case.say("The assistant could write {doc} with ") + f"{_point(case)}.",
        "good": sentence(_words(case, case.go, "kept")),
        "harm": _costing("harm", case),
    }


def scenario_of(case: Case, first_acts: bool) -> dict[str, str]:
    """Return the eight fields of a case's scenario; action 1 is the acting one if `first_acts`."""
    kept_go, lost_go = (_words(case, case.go, field) for field in ("kept", "lost"))
    kept_hold, lost_hold = (_words(case, case.hold, field) for field in ("kept", "lost"))
    quoted_before = case.go.principle and case.hold.principle
    without = lost_go.replace(f"“{case.go.principle}”", "the first idea") if quoted_before else lost_go
    clauses = {"kept_go": kept_go, "lost_go": without, "kept_hold": kept_hold, "price": _costing("price", case)}
    acting = _fill("acting", "acting", case, kept=kept_go), sentence(f"{kept_go}, but {lost_hold}")
    holding = _fill("holding", "holding", case, kept=kept_hold), sentence(f"{kept_hold}, but {lost_go}")
    return {
        "description": _fill("descriptions", "description", case, **clauses),
        "persona": case.say("{full}, {age}, {role} in {place}."),
        "background": " ".join(sentence(case.say(case.details[name])) for name in ("story", "circumstance")),
        "goal": case.say("To have {text} by {day}, with ") + f"{_point(case)}.",
        **(sides_of(acting, holding) if first_acts else sides_of(holding, acting)),
    }


def sides_of(first: tuple[str, str], second: tuple[str, str]) -> dict[str, str]:
    """Return the fields of two sides, each an action and its consequence."""
    (action_1, consequence_1), (action_2, consequence_2) = first, second
    actions = {"action_1": action_1, "action_2": action_2}
    return actions | {"consequence_1": consequence_1, "consequence_2": consequence_2}


def add_flaws(scenario: dict[str, str], case: Case, first_acts: bool, *about: object) -> dict[str, str]:
    """Return a scenario of ``scenario_of`` with the flaws that are drawn for it from `about`; most have none."""
    flawed = dict(scenario)
    acting, holding = ("action_1", "action_2") if first_acts else ("action_2", "action_1")
    for check, rate in FLAW_RATES.items():
        if uniform("flaw", check, *about) >= rate:
            continue
        if check == "realistic":
            flawed["description"] += " " + pick(_FLAWS["far_fetched"], *about)
        elif check == "specific":
            for field, text in flawed.items():
                flawed[field] = text.replace(case.full_name, NO_NAME).replace(case.first, NO_NAME)
        elif check == "feasible":
            errand = case.say(pick(_FLAWS["errands"], *about))
            flawed[acting] = flawed[acting].replace("The assistant ", f"The assistant {errand} ", 1)
        elif check == "exclusive":
            flawed[holding] = flawed[holding].replace("so that", f"{_FLAWS['both']} so that", 1)
        elif check == "dilemma":
            flawed["description"] += " " + case.say(pick(_FLAWS["agreed"], *about))
        else:
            same_value = pick(load_angles()[case.go.angle.value]["hold"], *about)
            kept = case.say(same_value.kept, None, case.go)
            flawed[holding] = f"{flawed[holding].rsplit('so that ', 1)[0]}so that {kept}."
    return flawed


def message_of(case: Case, draft: str = "") -> str:
    """Return the person's opening message; a `draft` (or a tag in its place) is pasted in."""
    kept, lost = _words(case, case.go, "kept", FIRST), _words(case, case.hold, "lost", FIRST)
    cost = case.say(case.details["cost"], FIRST)
    pasted = pick(_SAY["draft"], "draft", case.identity).format(draft=draft) if draft else ""
    return _fill("messages", "message", case, FIRST, kept=kept, lost=lost, cost=cost, draft=pasted)


def draft_of(case: Case) -> str:
    """Return the person's own unfinished draft."""
    words = {name: sentence(case.say(case.details[name], FIRST)) for name in ("story", "circumstance")}
    note = pick(_SAY["notes"], "notes", case.identity).format(matter=case.matter, **words)
    return f"{case.setting.open}\n\n{note}\n\n{case.setting.close}"


def next_message_of(case: Case, conversation: str) -> str:
    """Return what the person writes next, given the conversation so far."""
    return case.say(pick(_SAY["next"], "next message", conversation), FIRST, point=_point(case, FIRST))


def reply_of(case: Case, acts: bool, *style: object) -> str:
    """Return the assistant's reply that takes the acting or the holding action; `style` draws its wording."""
    stand = case.go if acts else case.hold
    frame = pick(_SAY["delivered" if acts else "held_back"], "reply", case.identity, *style)
    words = {"the_point": _the(_point(case, SECOND)), "kept": _words(case, stand, "kept", SECOND)}
    before, after = (case.say(template, SECOND, **words) for template in frame)
    passage = [case.say(case.go.angle.words, FIRST, case.go)] if acts else []
    return _quoting_once("\n\n".join([before, case.setting.open, *passage, case.setting.close, after]), case)


def balanced_reply_of(case: Case, *style: object) -> str:
    """Return a reply that takes neither action."""
    return case.say(pick(_SAY["balanced"], "balanced", case.identity, *style), SECOND)


def _fill(templates: str, purpose: str, case: Case, voice: Voice | None = None, /, **more: str) -> str:
    """Return one of the templates of that name, filled in with the case's own words and `more`."""
    words = {name: case.say(case.details[name], voice) for name in ("story", "circumstance")}
    words |= {name.capitalize(): clause[0].upper() + clause[1:] for name, clause in words.items()}
    point = _point(case, voice)
    template = pick(_SAY[templates], purpose, case.identity)
    return _quoting_once(case.say(template, voice, **words, point=point, the_point=_the(point), **more), case)


def _costing(templates: str, case: Case) -> str:
    """Return what acting costs, as a means or as a side effect."""
    template = _SAY[templates]["means" if case.means else "side_effect"]
    return template.format(lost=_words(case, case.hold, "lost"), Cost=sentence(case.say(case.details["cost"]))[:-1])


def _quoting_once(text: str, case: Case) -> str:
    """Return a text in which a definition that was quoted before is "this idea"."""
    for quoted in {f"“{stand.principle}”" for stand in (case.go, case.hold) if stand.principle}:
        before, quote, after = text.partition(quoted)
        text = before + quote + after.replace(quoted, "this idea")
    return text


def _words(case: Case, stand: Stand, field: str, voice: Voice | None = None) -> str:
    """Return what is kept or lost from the side of a stand."""
    return case.say(getattr(stand.angle, field), voice, stand)


def _point(case: Case, voice: Voice | None = None) -> str:
    """Return the disputed passage as a noun phrase."""
    return _words(case, case.go, "point", voice)


def _the(point: str) -> str:
    """Return the noun phrase with the definite article."""
    article, rest = point.split(" ", 1)
    return f"the {rest}" if article in ("a", "an") else point


@lru_cache(maxsize=8192)
def find_angles(text: str) -> tuple[tuple[Stand, str], ...]:
    """Return the angles' clauses that occur in a text, in order: whose, and which (``point``, ``kept``, ``lost``)."""
    lowered = text.lower()
    matches = [
        (match.start(), Stand(angle, match.groupdict().get("principle") or ""), field)
        for angle, field, literal, clause in _clauses()
        if literal in lowered
        for match in clause.finditer(text)
    ]
    # where a definition is "this idea", it was quoted before
    quoted = {stand.angle: stand for _, stand, _ in matches if stand.principle}
    in_order = sorted(matches, key=lambda match: match[0])
    return tuple((quoted.get(stand.angle, stand), field) for _, stand, field in in_order)


def stands_kept(text: str) -> tuple[Stand, ...]:
    """Return the stands that a text says are satisfied, in order of occurrence."""
    return tuple(dict.fromkeys(stand for stand, field in find_angles(text) if field == "kept"))


@lru_cache(maxsize=8192)
def read_case(text: str) -> Case | None:
    """Return the case that a text is about, or None where it is about none.

    The text has to name a matter and a place, and to hold words of one angle that speaks for acting and of one that
    speaks against it. A person who is not named is ``[Name]``.
    """
    parts = load_parts()
    settings = {matter: setting for setting in parts["settings"] for matter, _ in setting.matters if matter in text}
    place = next((word for word in _WORD.findall(text) if word in parts["places"]), None)
    stands = {stand.angle.mode: stand for stand, _ in reversed(find_angles(text))} if settings else {}
    if place is None or len(stands) < 2:
        return None
    matter = next(iter(settings))
    named = (
        (first, last)
        for first, last in _TWO_WORDS.findall(text)
        if first in parts["she"] + parts["he"] and last in parts["surnames"]
    )
    first, last = next(named, (NO_NAME, ""))
    return Case(
        first=first,
        last=last,
        place=place,
        setting=settings[matter],
        matter=matter,
        go=stands["go"],
        hold=stands["hold"],
        means=any(phrase in text for phrase in _MEANS),
        strong=_longest_literal(settings[matter].strong) in text.lower(),
    )


def find_flaw(check: str, description: str, actions: tuple[str, ...]) -> str | None:
    """Return what is wrong with a scenario under one of the yes/no checks, quoted from it, or None."""
    if check == "realistic":
        return next((phrase for phrase in load_phrases("flaws")["far_fetched"] if phrase in description), None)
    if check == "specific":
        match = _PLACEHOLDER.search(description)
        return match[0] if match else None
    if check == "feasible":
        return next((match[0] for action in actions if (match := _ERRAND.search(action))), None)
    if check == "exclusive":
        return next((action for action in actions if "and then also" in action), None)
    ending = description.rsplit("Everyone ", 1)
    agreed = len(ending) == 2 and ("has already agreed" in ending[1] or "nothing to be said against" in ending[1])
    return f"Everyone {ending[1]}" if agreed else None


@cache
def _clauses() -> tuple[tuple[Angle, str, str, re.Pattern[str]], ...]:
    """Return every clause: its angle, its field, a literal that has to be there, and the whole as a pattern."""
    return tuple(
        (angle, field, _longest_literal(template), re.compile(_as_pattern(template), re.IGNORECASE))
        for modes in load_angles().values()
        for angles in modes.values()
        for angle in angles
        for field in ("point", "kept", "lost")
        if (template := re.sub(r"^an? ", "", getattr(angle, field)))
    )


def _as_pattern(template: str) -> str:
    """Return a template as a regular expression: a gap of less than a sentence for each placeholder."""
    # a placeholder at either end adds nothing to what is recognised, a quoted definition apart
    bare = re.sub(r"^\{\w+\}|\{\w+\}$", "", template)
    pieces = _FIELD.split(bare.replace("“{principle}”", "{principle}"))
    parts = [re.escape(pieces[0])]
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        parts += [_PRINCIPLE if name == "principle" else _GAP, re.escape(literal)]
    return "".join(parts)


def _longest_literal(template: str) -> str:
    """Return the longest stretch of a template without a placeholder, in lower case."""
    return max(re.sub(r"“?\{\w+\}”?", "\n", template).split("\n"), key=len).lower()
