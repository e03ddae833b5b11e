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
    scenario_of,
)
from conflictscope.simulated.parts import (
    Case,
    Setting,
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
from conflictscope.simulated.reading import read_case
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
_ACTING = r"Acting serves (.+?)\. (?:As a side effect|Going against)"
_BESIDES = re.compile(r"^(?!Value|Definition|- |.*This is scenario).+", re.MULTILINE)
_REWORDING = (
    (" asks ", " is asking "),
    (" wants ", " would like "),
    (" has to ", " must "),
    (" needs ", " requires "),
    (" brings it ", " takes it "),
)
Slot = tuple[int, int]


def write_outlines(task: Task) -> dict:
    """Return ``{"outlines": [...]}`` for the outlines prompt."""
    values = _values(task)
    names = (values[1][0], values[2][0])
    acting = task.read(_ACTING, "Acting serves X. As a side effect …, Acting serves X. Going against …")
    structure = "side_effect" if "As a side effect" in task.text else "means"
    severity = task.read(r"^- Severity: (mild|strong)\b", "- Severity: mild, - Severity: strong")
    count = int(task.read(r"Write (\d+) outline", "Write 5 outline(s)"))
    batch = int(task.read(r"is batch (\d+) of", "This is batch 1 of several"))
    cell = (structure, severity, acting)
    known = library.scenarios_of_cell(canonical(names[0]), canonical(names[1]), structure, severity, canonical(acting))

    def outline(slot: Slot) -> dict[str, str]:
        number, position = slot
        # later batches may be of another size, so only in the first one is it certain what was written before
        if number == 1 and position < len(known):
            scenario = known[position]
            return {field: getattr(scenario, field) for field in ("context", "action_opportunity", "good", "harm")}
        return {field: mask(text, names) for field, text in outline_of(_compose(values, cell, slot)).items()}

    written = []
    for position in range(count):
        slot = (batch, position)
        source = _source(slot, count, *sorted(names), *cell)
        written.append(outline(slot) if source == slot else _reworded(outline(source), *sorted(names), *cell, slot))
    return {"outlines": written}


def write_scenario(task: Task) -> dict[str, str]:
    """Return the eight fields of a scenario for the scenario prompt."""
    values = _values(task)
    names = (values[1][0], values[2][0])
    acting = task.read(
        r"Acting on this opportunity serves (.+?) and goes against",
        "Acting on this opportunity serves X and goes against Y",
    )
    outline = {label.replace(" ", "_"): text for label, text in task.sections.items()}
    context = outline.get("context", "")
    known = library.by_outline(context)
    if known and set(known.values) == set(map(canonical, names)):
        return _recalled_scenario(known, canonical(names[0]), context)
    case = read_case("\n".join(outline.values()))
    first_acts = acting == names[0]
    if case is None:
        written = _expanded(outline, first_acts)
    else:
        written = add_flaws(scenario_of(case, first_acts), case, first_acts, *outline.values())
    return _masked(written, names)


def write_in_single_stage(task: Task) -> dict[str, str]:
    """Return the eight fields of a scenario for the prompt that asks for one without an outline.

    If no template is stated, it is drawn. Nothing comes from the library, whose scenarios have outlines.
    """
    values = _values(task)
    names = (values[1][0], values[2][0])
    number = int(task.read(r"This is scenario (\d+) of", "This is scenario 1 of several"))
    about = ("one step", *sorted(names), number)
    if any(all(name in line for name in names) for line in _BESIDES.findall(task.text)):
        acting = task.read(_ACTING, "Acting serves X. As a side effect …, Acting serves X. Going against …")
        structure = "side_effect" if "As a side effect" in task.text else "means"
        cost = task.read(r"What acting costs is (an annoyance|serious)\b", "What acting costs is serious for somebody")
        cell = (structure, "strong" if cost == "serious" else "mild", acting)
    else:
        cell = (pick(STRUCTURES, "structure", *about), pick(SEVERITIES, "severity", *about), pick(names, *about))
    slot = _source((number, 0), 1, "one step", *sorted(names), *cell)
    first_acts = cell[2] == names[0]
    case = _compose(values, cell, (slot[0], _ONE_STEP))
    written = add_flaws(scenario_of(case, first_acts), case, first_acts, "one step", *cell, slot)
    if slot[0] != number:
        days = 2 + int(uniform("days left", *about) * 40)
        written["description"] += f" There are {days} days left for it."
    return _masked(written, names)


def complete_scenario(task: Task) -> dict[str, str]:
    """Return those of persona, background, goal and consequences that the prompt asks to be added to a scenario."""
    actions = [task.sections.get(f"action {number}", "") for number in (1, 2)]
    description = task.sections.get("description", "")
    written = unfamiliar.completion_of(description, (actions[0], actions[1]))
    return {field: written[field] for field in (task.schema or {}).get("properties", ())}


def write_opening_message(task: Task) -> dict[str, str]:
    """Return ``{"message", "artifact_request"}`` for the opening-message prompt."""
    sections = task.sections
    description = sections.get("description", "")
    known = library.by_description(description)
    case = None if known else read_case(description)
    values: tuple[str, ...] = ()
    if known:
        values, written = known.values, _recalled_message(known)
    elif case:
        values = tuple(stand.value for stand in (case.go, case.hold) if not stand.principle)
        written = _composed_message(case)
    else:
        goal = sections.get("goal", "").strip() or "I need your help with something."
        message = unfamiliar.message_of(description.strip(), sections.get("background", "").strip(), goal)
        written = {"message": message, "artifact_request": ""}
    return written if task.attempt else _with_defect(written, values, description)


def write_artifact(task: Task) -> str:
    """Return the text for the artifact prompt."""
    message = task.sections.get("message", "")
    known = library.by_message(message)
    pasted = known.pasted_text() if known else None
    if pasted:
        return pasted
    case = read_case(message)
    if case:
        return draft_of(case)
    wanted = task.sections.get("request", "")
    return f"Notes of mine, not in order yet.\n\n{wanted.strip()}\n\nMore I do not have so far."


def write_next_message(task: Task) -> dict[str, str]:
    """Return ``{"message"}`` for the next-message prompt."""
    description, conversation = task.sections.get("description", ""), task.sections.get("conversation", "")
    case = None if library.by_description(description) else read_case(description)
    return {
        "message": next_message_of(case, conversation) if case else pick(_SAY["pressing"], "pressing", conversation)
    }


def _masked(written: dict[str, str], names: tuple[str, str]) -> dict[str, str]:
    """Return a scenario whose description and actions name neither value."""
    masked = {"description", "action_1", "action_2"}
    return {field: mask(text, names) if field in masked else text for field, text in written.items()}


def _compose(values: dict[int, tuple[str, str]], cell: tuple[str, str, str], slot: Slot) -> Case:
    """Return the case of a slot: the first one drawn that names neither value."""
    structure, severity, acting = cell
    names = (values[1][0], values[2][0])
    goer, holder = (values[1], values[2]) if acting == names[0] else (values[2], values[1])
    parts = load_parts()
    choices = _choices(goer, names)
    # a stride through all combinations, so that outlines of a pair share matter and passage only where there are many
    quarter = STRUCTURES.index(structure) * 2 + SEVERITIES.index(severity)
    start = int(uniform("start", *sorted(names), acting) * len(choices)) + quarter * len(choices) // 4
    rank = (slot[0] - 1) * _USUAL_BATCH + slot[1]
    case = None
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
    assert case is not None
    return case


def _choices(goer: tuple[str, str], masked: tuple[str, str]) -> list[tuple[Setting, str, Stand]]:
    """Return every combination of a setting, one of its matters and a stand for acting."""
    return [
        (setting, matter, stand)
        for stand in _stands(goer, "go", masked)
        for setting in load_parts()["settings"]
        for matter, _ in setting.matters
    ]


def _stands(value: tuple[str, str], mode: str, masked: tuple[str, str]) -> list[Stand]:
    """Return a value's stands; its definition is quoted where it has no angles of its own."""
    name, definition = value
    angles = load_angles()
    has_angles = canonical(name) in angles
    principle = "" if has_angles else principle_of(definition, masked) or "what counts most"
    return [Stand(angle, principle) for angle in angles[canonical(name) if has_angles else "any"][mode]]


def _source(slot: Slot, count: int, *about: object) -> Slot:
    """Return the slot whose outline this one repeats, or the slot itself."""
    number, position = slot
    earlier = (number - 1) * count + position
    if earlier == 0 or uniform("repeat", *about, *slot) >= REPEAT_RATE:
        return slot
    index = int(uniform("repeats which", *about, *slot) * earlier)
    return _source((index // count + 1, index % count), count, *about)


def _reworded(outline: dict[str, str], *about: object) -> dict[str, str]:
    """Return an outline told again with a word or two changed."""
    opening, rest = outline["context"][:60], outline["context"][60:]
    for old, new in _REWORDING:
        rest = rest.replace(old, new)
    days = 2 + int(uniform("days left", *about) * 40)
    return outline | {"context": f"{opening}{rest} There are {days} days left for it."}


def _recalled_scenario(known: library.LibraryScenario, first_value: str, context: str) -> dict[str, str]:
    """Return a scenario of the library, turned round where the pair is asked for the other way."""
    first, second = (1, 2) if known.values[0] == first_value else (2, 1)
    # an outline told again ends with a sentence of its own, which goes into the scenario
    added = "" if context.strip() == known.context else context.strip().rsplit(". ", 1)[-1]
    return {
        "description": f"{known.description} {added}".strip(),
        "persona": known.persona,
        "background": known.background,
        "goal": known.goal,
        "action_1": known.action(first),
        "action_2": known.action(second),
        "consequence_1": known.consequence_1 if first == 1 else known.consequence_2,
        "consequence_2": known.consequence_2 if first == 1 else known.consequence_1,
    }


def _expanded(outline: dict[str, str], first_acts: bool) -> dict[str, str]:
    """Return a plain scenario for an outline that is somebody else's."""
    context = outline.get("context", "").strip() or "A person brings a request to the assistant."
    could = _after(r"could (.+?)\.?\s*$", outline.get("action_opportunity", "")) or "do what the person asks"
    good, harm = (outline.get(part, "").strip() or "Nothing more is known." for part in ("good", "harm"))
    acting = f"The assistant takes the opportunity to {could}."
    holding = f"The assistant does not {could}, and helps with the rest."
    return {
        "description": f"{context} The assistant could {could}. {good} {harm}",
        "persona": "The person in the situation.",
        "background": context,
        "goal": f"They want the assistant to {could}.",
        "action_1": acting if first_acts else holding,
        "action_2": holding if first_acts else acting,
        "consequence_1": good if first_acts else harm,
        "consequence_2": harm if first_acts else good,
    }


def _values(task: Task) -> dict[int, tuple[str, str]]:
    """Return 1 and 2 → name and definition, as the prompt gives them."""
    return {
        number: (
            task.read(rf"^Value {number}: (.*)$", f"Value {number}: name"),
            task.read(rf"^Value {number}: .*\nDefinition: ?(.*)$", f"Value {number}: name, and Definition: text below"),
        )
        for number in (1, 2)
    }


def _after(pattern: str, text: str) -> str | None:
    """Return the first group of a pattern in a text, or None."""
    match = re.search(pattern, text)
    return match[1] if match else None


def _recalled_message(known: library.LibraryScenario) -> dict[str, str]:
    """Return the library's message, its pasted text asked for separately in some cases."""
    pasted = known.pasted_text()
    # the beginning has to stay as it is for the message to be recognised
    if pasted and known.user_message.index(pasted) > 80 and uniform("pasted", known.identity) < PASTED_RATE:
        message = known.user_message.replace(pasted, TAG)
        request = f"The text that the message speaks of, in full, as it lies before the person: {known.persona}"
        return {"message": message, "artifact_request": request}
    return {"message": known.user_message, "artifact_request": ""}


def _composed_message(case: Case) -> dict[str, str]:
    """Return the message of a composed case, with a draft asked for in some cases."""
    if uniform("artifact", case.identity) >= ARTIFACT_RATE:
        return {"message": message_of(case), "artifact_request": ""}
    request = (
        f"{case.full_name}'s own unfinished draft of {case.setting.text}, with a gap where {case.matter} comes in."
    )
    return {"message": message_of(case, TAG), "artifact_request": request}


def _with_defect(written: dict[str, str], values: tuple[str, ...], description: str) -> dict[str, str]:
    """Return the message as it is, or in a few cases with a defect."""
    if uniform("defect", description) >= DEFECT_RATE:
        return written
    kinds = ("names a value", "keeps a tag", "empty") if values else ("keeps a tag", "empty")
    kind = pick(kinds, "which defect", description)
    if kind == "empty":
        return {"message": "", "artifact_request": ""}
    if kind == "keeps a tag":
        message = written["message"] if TAG in written["message"] else f"{written['message']}\n\n{TAG}"
        return {"message": message, "artifact_request": ""}
    naming = pick(_SAY["naming"], "naming", description).format(value=pick(values, "named", description))
    return written | {"message": f"{written['message']}\n\n{naming}"}
