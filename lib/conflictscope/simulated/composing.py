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
        "context": _fill(_SAY["contexts"], "context", case, voice, moreover=case.say(case.details["moreover"], voice)),
        "action_opportunity": case.say("The assistant could write {doc} with ", voice) + f"{_point(case, voice)}.",
        "good": sentence(_words(case, case.go, "kept", voice)),
        "harm": _costing(_SAY["harm"], case),
    }


def scenario_of(case: Case, first_acts: bool) -> dict[str, str]:
    """Return the eight fields of a case's scenario; action 1 is the acting one if `first_acts`."""
    voice = case.voice()
    kept_go, lost_go = (_words(case, case.go, field, voice) for field in ("kept", "lost"))
    kept_hold, lost_hold = (_words(case, case.hold, field, voice) for field in ("kept", "lost"))
    if case.go.principle and case.hold.principle:
        lost_go = lost_go.replace(f"“{case.go.principle}”", "the first idea")
    price = _costing(_SAY["price"], case)
    description = _fill(
        _SAY["descriptions"],
        "description",
        case,
        voice,
        kept_go=kept_go,
        lost_go=lost_go,
        kept_hold=kept_hold,
        price=price,
    )
    acting = _fill(_SAY["acting"], "acting", case, voice, kept=kept_go), sentence(f"{kept_go}, but {lost_hold}")
    lost_go = _words(case, case.go, "lost", voice)
    holding = _fill(_SAY["holding"], "holding", case, voice, kept=kept_hold), sentence(f"{kept_hold}, but {lost_go}")
    (action_1, consequence_1), (action_2, consequence_2) = (acting, holding) if first_acts else (holding, acting)
    return {
        "description": description,
        "persona": f"{case.full_name}, {case.details['age']}, {case.setting.role} in {case.place}.",
        "background": sentence(case.say(case.story, voice)) + " " + sentence(_circumstance(case, voice)),
        "goal": f"To have {case.setting.text} by {case.details['day']}, with {_point(case, voice)}.",
        "action_1": action_1,
        "action_2": action_2,
        "consequence_1": consequence_1,
        "consequence_2": consequence_2,
    }


def add_flaws(scenario: dict[str, str], case: Case, first_acts: bool, *about: object) -> dict[str, str]:
    """Return the scenario with the flaws drawn for it; most have none.

    Parameters
    ----------
    scenario : dict
        The eight fields of a scenario, as ``scenario_of`` gives them.
    first_acts : bool
        Whether action 1 is the acting one.
    about : object
        What the draws depend on.
    """
    flawed = dict(scenario)
    acting, holding = ("action_1", "action_2") if first_acts else ("action_2", "action_1")
    voice = case.voice()
    for check, rate in FLAW_RATES.items():
        if uniform("flaw", check, *about) >= rate:
            continue
        if check == "realistic":
            flawed["description"] += " " + pick(_FLAWS["far_fetched"], *about)
        elif check == "specific":
            flawed = {
                field: text.replace(case.full_name, NO_NAME).replace(case.first, NO_NAME)
                for field, text in flawed.items()
            }
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
    return _fill(
        _SAY["messages"],
        "message",
        case,
        FIRST,
        kept=_words(case, case.go, "kept", FIRST),
        lost=_words(case, case.hold, "lost", FIRST),
        cost=case.say(case.cost, FIRST),
        draft=pasted,
    )


def draft_of(case: Case) -> str:
    """Return the person's own unfinished draft."""
    circumstance = sentence(_circumstance(case, FIRST))
    notes = (
        f"(Then something about {case.matter}. {sentence(case.say(case.story, FIRST))} I don't know how to put it.)",
        f"(Here {case.matter}, but how? {circumstance})",
    )
    return f"{case.setting.open}\n\n{pick(notes, 'notes', case.identity)}\n\n{case.setting.close}"


def next_message_of(case: Case, conversation: str) -> str:
    """Return what the person writes next, given the conversation so far."""
    template = pick(_SAY["next"], "next message", conversation)
    return template.format(doc=case.setting.doc, point=_point(case, FIRST))


def reply_of(case: Case, acts: bool, *style: object) -> str:
    """Return the assistant's reply that takes the acting or the holding action; `style` draws its wording."""
    stand = case.go if acts else case.hold
    before, after = pick(_SAY["delivered"] if acts else _SAY["held_back"], "reply", case.identity, *style)
    words = {
        "doc": case.setting.doc,
        "the_point": _the(_point(case, SECOND)),
        "kept": _words(case, stand, "kept", SECOND),
    }
    passage = [case.say(case.go.angle.words, FIRST, case.go)] if acts else []
    body = "\n\n".join([case.setting.open, *passage, case.setting.close])
    return _quoting_once(f"{before.format(**words)}\n\n{body}\n\n{after.format(**words)}", case)


def balanced_reply_of(case: Case, *style: object) -> str:
    """Return a reply that takes neither action."""
    return pick(_SAY["balanced"], "balanced", case.identity, *style).format(
        doc=case.setting.doc, day=case.details["day"]
    )


def _fill(templates: list[str], purpose: str, case: Case, voice: Voice, **more: str) -> str:
    """Return one of the templates, filled in with the case's own words and `more`."""
    story, circumstance = case.say(case.story, voice), _circumstance(case, voice)
    point = _point(case, voice)
    text = pick(templates, purpose, case.identity).format(
        full=case.full_name,
        name=voice.name,
        age=case.details["age"],
        day=case.details["day"],
        place=case.place,
        role=case.setting.role,
        text=case.setting.text,
        doc=case.setting.doc,
        readers=case.setting.readers,
        matter=case.matter,
        story=story,
        Story=story[0].upper() + story[1:],
        circumstance=circumstance,
        Circumstance=circumstance[0].upper() + circumstance[1:],
        point=point,
        the_point=_the(point),
        **more,
    )
    return _quoting_once(text, case)


def _costing(templates: dict[str, str], case: Case) -> str:
    """Return what acting costs, as a means or as a side effect."""
    voice = case.voice()
    lost = _words(case, case.hold, "lost", voice)
    return templates["means" if case.means else "side_effect"].format(
        lost=lost, Cost=sentence(case.say(case.cost, voice))[:-1]
    )


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
    return case.say(case.go.angle.point, voice, case.go)


def _circumstance(case: Case, voice: Voice) -> str:
    """Return the circumstance as a clause."""
    return case.say(case.details["circumstance"], voice)


def _the(point: str) -> str:
    """Return the noun phrase with the definite article."""
    article, rest = point.split(" ", 1)
    return f"the {rest}" if article in ("a", "an") else point
