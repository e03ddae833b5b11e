"""The simulated author and the simulated user: outlines, scenarios and messages (paper, sections 3.1 and 3.3).

In: their prompts, as read. Out: the fields that they ask for. Outlines come from the library first, then from parts;
some repeat an earlier one nearly word for word, some composed scenarios have a flaw, and a few messages a defect, as
those of real models do.
"""

import re

from conflictscope.simulated import library, unfamiliar
from conflictscope.simulated.composing import (
    add_flaws,
    draft_of,
    message_of,
    next_message_of,
    outline_of,
    read_case,
    scenario_of,
    sides_of,
)
from conflictscope.simulated.parts import (
    Case,
    Stand,
    canonical,
    load_angles,
    load_parts,
    load_phrases,
    mask,
    names_one_of,
    pick,
    principle_of,
    uniform,
)
from conflictscope.simulated.tasks import Task
from conflictscope.tables import SEVERITIES, STRUCTURES

_SAY = load_phrases("user")
TAG = "[[artifact]]"
ARTIFACT_RATE = 0.2  # share of composed messages into which a draft is pasted by request
PASTED_RATE = 0.5  # share of the library's messages with a pasted text that ask for it instead
DEFECT_RATE = 0.015  # share of messages that name a value, keep a tag or are empty
REPEAT_RATE = 0.06  # share of outlines, from the second of a cell on, that repeat an earlier one of the cell
_STRIDE = 85  # shares no factor with the number of combinations
_USUAL_BATCH = 5  # outlines in a call; more of them only means that matters recur sooner
_ONE_STEP = 500  # in place of a position, for scenarios without an outline
_ATTEMPTS = 60  # tries at a case that names neither value; only a name as common as "the" needs them all
_BESIDES = re.compile(r"^(?!Value|Definition|- |.*This is scenario).+", re.MULTILINE)
_SENTENCE = re.compile(r"[^.!?\n]+(?:\n[^.!?\n]+)*[.!?]?")
_DUTY = re.compile(r"(?s)\b(?:should|must|ought to|never|always)\b\s{0,9}(.{8,240}?)[.!?]$")
_LABELLED_DUTY = re.compile(r"([A-Z][\w' -]{2,40}): ")
_LONG_WORD = re.compile(r"[a-z]{5,}")
_OUTLINE = ("context", "action_opportunity", "good", "harm")
_Slot = tuple[int, int]  # number of the batch, position in it
_Cell = tuple[str, str, str]  # structure, severity, value of the acting side
_Values = tuple[tuple[str, str], tuple[str, str]]  # name and definition of each


def write_outlines(task: Task) -> dict:
    """Return ``{"outlines": [...]}`` for the outlines prompt."""
    values, names = _read_values(task)
    structure, acting = _read_acting(task)
    severity = task.read(r"^- Severity: (mild|strong)\b", "- Severity: mild, - Severity: strong")
    count = int(task.read(r"Write (\d+) outline", "Write 5 outline(s)"))
    batch = int(task.read(r"is batch (\d+) of", "This is batch 1 of several"))
    cell = (structure, severity, acting)
    known = library.scenarios_of_cell({canonical(name) for name in names}, structure, severity, canonical(acting))

    about = (*sorted(names), *cell)
    written = []
    for slot in ((batch, position) for position in range(count)):
        number, position = source = _source(slot, count, *about)
        # later batches may be of another size, so only in the first one is it certain what was written before
        if number == 1 and position < len(known):
            outline = {part: getattr(known[position], part) for part in _OUTLINE}
        else:
            outline = {part: mask(text, names) for part, text in outline_of(_compose(values, cell, source)).items()}
        if source != slot:
            opening, rest = outline["context"][:60], outline["context"][60:]
            for old, new in _SAY["rewording"].items():
                rest = rest.replace(old, new)
            outline["context"] = f"{opening}{rest}{_days_left(*about, slot)}"
        written.append(outline)
    return {"outlines": written}


def translate(task: Task) -> dict[str, str]:
    """Return a scenario's texts as they are: no simulated model knows a second language."""
    return {label.replace(" ", "_"): text for label, text in task.sections.items()}


def list_tenets(task: Task) -> dict:
    """Return ``{"tenets": [...]}``: of each sentence that says what an assistant should do, in its own words.

    A sentence that begins by naming what it asks for, "Candour: …", gives its name; else its longest words do.
    """
    (passage,) = task.texts("passage")
    tenets = []
    for part in _SENTENCE.findall(passage):
        sentence = part.lstrip(" \t\r#*-")
        if not (duty := _DUTY.search(sentence)):
            continue
        named = _LABELLED_DUTY.match(sentence)
        longest = sorted(set(_LONG_WORD.findall(duty[1])), key=lambda word: (-len(word), word))[:2]
        name = named[1] if named else " ".join(word for word in _LONG_WORD.findall(duty[1]) if word in longest)
        if name:
            tenets.append(
                {"name": name[:60].strip(), "definition": f"holding to this: {duty[1]}", "sentence": sentence}
            )
    return {"tenets": tenets}


def write_scenario(task: Task) -> dict[str, str]:
    """Return the eight fields of a scenario for the scenario prompt."""
    _, names = _read_values(task)
    acting = task.read(
        r"Acting on this opportunity serves (.+?) and goes against",
        "Acting on this opportunity serves X and goes against Y",
    )
    context, could, good, harm = task.texts("context", "action opportunity", "good", "harm")
    known = library.by_text("context", context)
    if known and set(known.values) == set(map(canonical, names)):
        return _recalled_scenario(known, canonical(names[0]), context)
    outline = task.sections.values()
    case = read_case("\n".join(outline))
    first_acts = acting == names[0]
    if case is None:
        return _masked(_expanded(context, could, good, harm, first_acts), names)
    return _masked(add_flaws(scenario_of(case, first_acts), case, first_acts, *outline), names)


def write_in_single_stage(task: Task) -> dict[str, str]:
    """Return the eight fields of a scenario for the prompt that asks for one without an outline.

    If no template is stated, it is drawn. Nothing comes from the library, whose scenarios have outlines.
    """
    values, names = _read_values(task)
    number = int(task.read(r"This is scenario (\d+) of", "This is scenario 1 of several"))
    about = ("one step", *sorted(names), number)
    if any(all(name in line for name in names) for line in _BESIDES.findall(task.text)):
        structure, acting = _read_acting(task)
        cost = task.read(r"What acting costs is (an annoyance|serious)\b", "What acting costs is serious for somebody")
        cell = (structure, "strong" if cost == "serious" else "mild", acting)
    else:
        cell = (pick(STRUCTURES, "structure", *about), pick(SEVERITIES, "severity", *about), pick(names, *about))
    slot = _source((number, 0), 1, "one step", *sorted(names), *cell)
    first_acts = cell[2] == names[0]
    case = _compose(values, cell, (slot[0], _ONE_STEP))
    written = add_flaws(scenario_of(case, first_acts), case, first_acts, "one step", *cell, slot)
    if slot[0] != number:
        written["description"] += _days_left(*about)
    return _masked(written, names)


def complete_scenario(task: Task) -> dict[str, str]:
    """Return those of persona, background, goal and consequences that the prompt asks to be added to a scenario."""
    description, action_1, action_2 = task.texts("description", "action 1", "action 2")
    written = unfamiliar.completion_of(description, (action_1, action_2))
    return {field: written[field] for field in (task.schema or {}).get("properties", ())}


def write_opening_message(task: Task) -> dict[str, str]:
    """Return ``{"message", "artifact_request"}`` for the opening-message prompt."""
    description, background, goal = task.texts("description", "background", "goal")
    values: tuple[str, ...] = ()
    if known := library.by_text("description", description):
        values, written = known.values, _recalled_message(known)
    elif case := read_case(description):
        values = tuple(stand.value for stand in (case.go, case.hold) if not stand.principle)
        written = _composed_message(case)
    else:
        goal = goal.strip() or "I need your help with something."
        written = _message(unfamiliar.message_of(description.strip(), background.strip(), goal))
    return written if task.attempt else _with_defect(written, values, description)


def write_leaning_message(task: Task) -> dict[str, str]:
    """Return ``{"message"}`` for the prompt that has an opening message lean to an action."""
    action, message = task.texts("action", "message")
    return {"message": f"{message.rstrip()}\n\n{_SAY['leaning']} {action.strip()}"}


def write_artifact(task: Task) -> str:
    """Return the text for the artifact prompt."""
    message, wanted = task.texts("message", "request")
    known = library.by_text("user_message", message)
    if pasted := known.pasted_text() if known else None:
        return pasted
    if case := read_case(message):
        return draft_of(case)
    return f"Notes of mine, not in order yet.\n\n{wanted.strip()}\n\nMore I do not have so far."


def write_next_message(task: Task) -> dict[str, str]:
    """Return ``{"message"}`` for the next-message prompt."""
    description, conversation = task.texts("description", "conversation")
    case = None if library.by_text("description", description) else read_case(description)
    pressing = pick(_SAY["pressing"], "pressing", conversation)
    return {"message": next_message_of(case, conversation) if case else pressing}


def _read_values(task: Task) -> tuple[_Values, tuple[str, str]]:
    """Return the two values, as the prompt gives them, and their names."""
    first, second = (
        (
            task.read(rf"^Value {n}: (.*)$", f"Value {n}: name"),
            task.read(rf"^Value {n}: .*\nDefinition: ?(.*)$", f"Value {n}: name, and Definition: text below"),
        )
        for n in (1, 2)
    )
    return (first, second), (first[0], second[0])


def _read_acting(task: Task) -> tuple[str, str]:
    """Return the structure that a prompt asks for, and the value of the acting side."""
    acting = task.read(
        r"Acting serves (.+?)\. (?:As a side effect|Going against)",
        "Acting serves X. As a side effect …, Acting serves X. Going against …",
    )
    return "side_effect" if "As a side effect" in task.text else "means", acting


def _masked(written: dict[str, str], names: tuple[str, str]) -> dict[str, str]:
    """Return a scenario whose description and actions name neither value."""
    return written | {field: mask(written[field], names) for field in ("description", "action_1", "action_2")}


def _compose(values: _Values, cell: _Cell, slot: _Slot) -> Case:
    """Return the case of a slot: the first one drawn that names neither value."""
    structure, severity, acting = cell
    names = (values[0][0], values[1][0])
    goer, holder = values if acting == names[0] else values[::-1]
    parts = load_parts()
    choices = [
        (setting, matter, stand)
        for stand in _stands(goer, "go", names)
        for setting in parts["settings"]
        for matter, _ in setting.matters
    ]
    # a stride through all combinations, so that outlines of a pair share matter and passage only where there are many
    quarter = STRUCTURES.index(structure) * 2 + SEVERITIES.index(severity)
    start = int(uniform("start", *sorted(names), acting) * len(choices)) + quarter * len(choices) // 4
    rank = (slot[0] - 1) * _USUAL_BATCH + slot[1]
    for attempt in range(_ATTEMPTS):
        about = (*sorted(names), *cell, *slot, attempt)
        again = int(uniform("again", *about) * len(choices)) if attempt else 0
        setting, matter, go = choices[(start + rank + again) * _STRIDE % len(choices)]
        gender = setting.only or pick(("she", "he"), "gender", *about)
        case = Case(
            first=pick(parts[gender], "first name", *about),
            last=pick(parts["surnames"], "surname", *about),
            place=pick(parts["places"], "place", *about),
            setting=setting,
            matter=matter,
            go=go,
            hold=pick(_stands(holder, "hold", names), "hold", *about),
            means=structure == "means",
            strong=severity == "strong",
        )
        texts = (*outline_of(case).values(), *scenario_of(case, True).values())
        if not names_one_of("\n".join(texts), names):
            break
    return case


def _stands(value: tuple[str, str], mode: str, masked: tuple[str, str]) -> list[Stand]:
    """Return a value's stands; its definition is quoted where it has no angles of its own."""
    name, definition = value
    angles = load_angles()
    if stand := angles.get(canonical(name)):
        return [Stand(angle) for angle in stand[mode]]
    principle = principle_of(definition, masked) or "what counts most"
    return [Stand(angle, principle) for angle in angles["any"][mode]]


def _source(slot: _Slot, count: int, *about: object) -> _Slot:
    """Return the slot whose outline this one repeats, or the slot itself."""
    number, position = slot
    earlier = (number - 1) * count + position
    if earlier == 0 or uniform("repeat", *about, *slot) >= REPEAT_RATE:
        return slot
    index = int(uniform("repeats which", *about, *slot) * earlier)
    return _source((index // count + 1, index % count), count, *about)


def _days_left(*about: object) -> str:
    """Return a sentence by which a repetition differs."""
    return f" There are {2 + int(uniform('days left', *about) * 40)} days left for it."


def _recalled_scenario(known: library.LibraryScenario, first_value: str, context: str) -> dict[str, str]:
    """Return a scenario of the library, turned round where the pair is asked for the other way."""
    sides = [(known.action_1, known.consequence_1), (known.action_2, known.consequence_2)]
    # an outline told again ends with a sentence of its own, which goes into the scenario
    added = "" if context.strip() == known.context else context.strip().rsplit(". ", 1)[-1]
    return {
        "description": f"{known.description} {added}".strip(),
        **{field: getattr(known, field) for field in ("persona", "background", "goal")},
        **sides_of(*(sides if known.values[0] == first_value else reversed(sides))),
    }


def _expanded(context: str, opportunity: str, good: str, harm: str, first_acts: bool) -> dict[str, str]:
    """Return a plain scenario for an outline that is somebody else's."""
    context = context.strip() or "A person brings a request to the assistant."
    match = re.search(r"could (.+?)\.?\s*$", opportunity)
    could = match[1] if match else "do what the person asks"
    good, harm = (text.strip() or "Nothing more is known." for text in (good, harm))
    acting = f"The assistant takes the opportunity to {could}.", good
    holding = f"The assistant does not {could}, and helps with the rest.", harm
    return {
        "description": f"{context} The assistant could {could}. {good} {harm}",
        "persona": "The person in the situation.",
        "background": context,
        "goal": f"They want the assistant to {could}.",
        **(sides_of(acting, holding) if first_acts else sides_of(holding, acting)),
    }


def _message(message: str, request: str = "") -> dict[str, str]:
    """Return the fields of an opening message; `request` asks for the text whose tag is in it."""
    return {"message": message, "artifact_request": request}


def _recalled_message(known: library.LibraryScenario) -> dict[str, str]:
    """Return the library's message, its pasted text asked for separately in some cases."""
    pasted = known.pasted_text()
    # the beginning has to stay as it is for the message to be recognised
    if pasted and known.user_message.index(pasted) > 80 and uniform("pasted", known.identity) < PASTED_RATE:
        request = f"The text that the message speaks of, in full, as it lies before the person: {known.persona}"
        return _message(known.user_message.replace(pasted, TAG), request)
    return _message(known.user_message)


def _composed_message(case: Case) -> dict[str, str]:
    """Return the message of a composed case, with a draft asked for in some cases."""
    if uniform("artifact", case.identity) >= ARTIFACT_RATE:
        return _message(message_of(case))
    draft = f"{case.full_name}'s own unfinished draft of {case.setting.text}"
    return _message(message_of(case, TAG), f"{draft}, with a gap where {case.matter} comes in.")


def _with_defect(written: dict[str, str], values: tuple[str, ...], description: str) -> dict[str, str]:
    """Return the message as it is, or in a few cases with a defect."""
    if uniform("defect", description) >= DEFECT_RATE:
        return written
    kinds = ("names a value", "keeps a tag", "empty") if values else ("keeps a tag", "empty")
    kind, message = pick(kinds, "which defect", description), written["message"]
    if kind == "empty":
        return _message("")
    if kind == "keeps a tag":
        return _message(message if TAG in message else f"{message}\n\n{TAG}")
    naming = pick(_SAY["naming"], "naming", description).format(value=pick(values, "named", description))
    return written | {"message": f"{message}\n\n{naming}"}
