"""Write the texts about a composed case: outline, scenario, message, draft, replies, and the flaws that some have.

In: a ``Case``. Out: the texts that the simulated author, user and respondents need of it. Each names the matter, the
place and the person, and says in the angles' own words what is gained and lost, so a reader who sees only that text can
tell what it is about (``reading``). A flaw is there for one of the six checks to find, in the words themselves.
"""

from conflictscope.simulated.parts import (
    FIRST,
    NO_NAME,
    SECOND,
    Case,
    Stand,
    Voice,
    load_angles,
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


def outline_of(case: Case) -> dict[str, str]:
    """Return the four parts of a case's outline."""
    voice = case.voice()
    return {
        "context": _fill("contexts", "context", case, voice, moreover=case.say(case.details["moreover"], voice)),
        "action_opportunity": case.say("The assistant could write {doc} with ", voice) + f"{_point(case, voice)}.",
        "good": sentence(_words(case, case.go, "kept", voice)),
        "harm": _costing("harm", case),
    }


def scenario_of(case: Case, first_acts: bool) -> dict[str, str]:
    """Return the eight fields of a case's scenario; action 1 is the acting one if `first_acts`."""
    voice = case.voice()
    kept_go, lost_go = (_words(case, case.go, field, voice) for field in ("kept", "lost"))
    kept_hold, lost_hold = (_words(case, case.hold, field, voice) for field in ("kept", "lost"))
    quoted_before = case.go.principle and case.hold.principle
    without = lost_go.replace(f"“{case.go.principle}”", "the first idea") if quoted_before else lost_go
    gains = {"kept_go": kept_go, "lost_go": without, "kept_hold": kept_hold}
    acting = _fill("acting", "acting", case, voice, kept=kept_go), sentence(f"{kept_go}, but {lost_hold}")
    holding = _fill("holding", "holding", case, voice, kept=kept_hold), sentence(f"{kept_hold}, but {lost_go}")
    (action_1, consequence_1), (action_2, consequence_2) = (acting, holding) if first_acts else (holding, acting)
    return {
        "description": _fill("descriptions", "description", case, voice, **gains, price=_costing("price", case)),
        "persona": case.say("{full}, {age}, {role} in {place}.", voice),
        "background": f"{sentence(case.say(case.story, voice))} {sentence(_circumstance(case, voice))}",
        "goal": case.say("To have {text} by {day}, with ", voice) + f"{_point(case, voice)}.",
        "action_1": action_1,
        "action_2": action_2,
        "consequence_1": consequence_1,
        "consequence_2": consequence_2,
    }


def add_flaws(scenario: dict[str, str], case: Case, first_acts: bool, *about: object) -> dict[str, str]:
    """Return a scenario of ``scenario_of`` with the flaws that are drawn for it from `about`; most have none."""
    flawed = dict(scenario)
    acting, holding = ("action_1", "action_2") if first_acts else ("action_2", "action_1")
    voice = case.voice()
    for check, rate in FLAW_RATES.items():
        if uniform("flaw", check, *about) >= rate:
            continue
        if check == "realistic":
            flawed["description"] += " " + pick(_FLAWS["far_fetched"], *about)
        elif check == "specific":
            for field, text in flawed.items():
                flawed[field] = text.replace(case.full_name, NO_NAME).replace(case.first, NO_NAME)
        elif check == "feasible":
            errand = case.say(pick(_FLAWS["errands"], *about), voice)
            flawed[acting] = flawed[acting].replace("The assistant ", f"The assistant {errand} ", 1)
        elif check == "exclusive":
            flawed[holding] = flawed[holding].replace("so that", f"{_FLAWS['both']} so that", 1)
        elif check == "dilemma":
            flawed["description"] += " " + case.say(pick(_FLAWS["agreed"], *about), voice)
        else:
            same_value = pick(load_angles()[case.go.angle.value]["hold"], *about)
            kept = case.say(same_value.kept, voice, case.go)
            flawed[holding] = f"{flawed[holding].rsplit('so that ', 1)[0]}so that {kept}."
    return flawed


def message_of(case: Case, draft: str = "") -> str:
    """Return the person's opening message; a `draft` (or a tag in its place) is pasted in."""
    pasted = pick(_SAY["draft"], "draft", case.identity).format(draft=draft) if draft else ""
    kept, lost = _words(case, case.go, "kept", FIRST), _words(case, case.hold, "lost", FIRST)
    return _fill(
        "messages", "message", case, FIRST, kept=kept, lost=lost, cost=case.say(case.cost, FIRST), draft=pasted
    )


def draft_of(case: Case) -> str:
    """Return the person's own unfinished draft."""
    notes = (
        f"(Then something about {case.matter}. {sentence(case.say(case.story, FIRST))} I don't know how to put it.)",
        f"(Here {case.matter}, but how? {sentence(_circumstance(case, FIRST))})",
    )
    return f"{case.setting.open}\n\n{pick(notes, 'notes', case.identity)}\n\n{case.setting.close}"


def next_message_of(case: Case, conversation: str) -> str:
    """Return what the person writes next, given the conversation so far."""
    return case.say(pick(_SAY["next"], "next message", conversation), FIRST, point=_point(case, FIRST))


def reply_of(case: Case, acts: bool, *style: object) -> str:
    """Return the assistant's reply that takes the acting or the holding action; `style` draws its wording."""
    stand = case.go if acts else case.hold
    frame = pick(_SAY["delivered"] if acts else _SAY["held_back"], "reply", case.identity, *style)
    words = {"the_point": _the(_point(case, SECOND)), "kept": _words(case, stand, "kept", SECOND)}
    before, after = (case.say(template, SECOND, **words) for template in frame)
    passage = [case.say(case.go.angle.words, FIRST, case.go)] if acts else []
    return _quoting_once("\n\n".join([before, case.setting.open, *passage, case.setting.close, after]), case)


def balanced_reply_of(case: Case, *style: object) -> str:
    """Return a reply that takes neither action."""
    return case.say(pick(_SAY["balanced"], "balanced", case.identity, *style), SECOND)


def _fill(templates: str, purpose: str, case: Case, voice: Voice, **more: str) -> str:
    """Return one of the templates of that name, filled in with the case's own words and `more`."""
    words = {"story": case.say(case.story, voice), "circumstance": _circumstance(case, voice)}
    words |= {name.capitalize(): clause[0].upper() + clause[1:] for name, clause in words.items()}
    point = _point(case, voice)
    template = pick(_SAY[templates], purpose, case.identity)
    return _quoting_once(case.say(template, voice, **words, point=point, the_point=_the(point), **more), case)


def _costing(templates: str, case: Case) -> str:
    """Return what acting costs, as a means or as a side effect."""
    voice = case.voice()
    cost = sentence(case.say(case.cost, voice))[:-1]
    template = _SAY[templates]["means" if case.means else "side_effect"]
    return template.format(lost=_words(case, case.hold, "lost", voice), Cost=cost)


def _quoting_once(text: str, case: Case) -> str:
    """Return a text in which a definition that was quoted before is "this idea"."""
    for quoted in {f"“{stand.principle}”" for stand in (case.go, case.hold) if stand.principle}:
        before, quote, after = text.partition(quoted)
        text = before + quote + after.replace(quoted, "this idea")
    return text


def _words(case: Case, stand: Stand, field: str, voice: Voice) -> str:
    """Return what is kept or lost from the side of a stand."""
    return case.say(getattr(stand.angle, field), voice, stand)


def _point(case: Case, voice: Voice) -> str:
    """Return the disputed passage as a noun phrase."""
    return _words(case, case.go, "point", voice)


def _circumstance(case: Case, voice: Voice) -> str:
    """Return the circumstance as a clause."""
    return case.say(case.details["circumstance"], voice)


def _the(point: str) -> str:
    """Return the noun phrase with the definite article."""
    article, rest = point.split(" ", 1)
    return f"the {rest}" if article in ("a", "an") else point
