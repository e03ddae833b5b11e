"""Views: one scenario, or one case, by its id: gathered as a record and rendered as HTML.

In: an archive and an id. Out: a frozen record, the body of a view, and the ``View`` that Jupyter shows. All text that a
model wrote is escaped, or rendered as Markdown without HTML (see ``markup``). Action 1 supports value 1 and has its
colour everywhere. Sections 3.1 to 3.3 of the paper (arXiv 2509.25369) say what each part is.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from conflictscope.browse.archive import Archive
from conflictscope.browse.markup import View, badge, escape, fields, markdown, plain, thoughts
from conflictscope.models.thoughts import split_thoughts
from conflictscope.tables import CHECKS

# table → the field of an ``Asking`` that its rows go to
_PARTS = {name: name for name in ("answers", "ratings", "verdicts", "labels")} | {"conversations": "turns"}
_STATUS_BADGES = {"kept": "good", "dropped": "bad", "duplicate": "bad", "undecided": "plain"}
_CONDITIONS = {"multiple_choice": "multiple choice", "open_ended": "conversation"}
_LADDER = {"for_1": 0, "default": 1, "for_2": 2}  # the order of arms; others come behind
# the actions are not hidden here, so the keys are their numbers
LABEL_KEYS = {"1": "action_1", "2": "action_2", "n": "neither", "t": "cannot_tell"}


@dataclass(frozen=True)
class Neighbour:
    """An outline that is like another one of its pair: cosine (up to 1), what it is to the other one in words, its row.

    ``filter_status`` is empty, and ``outline`` None, if an earlier study holds it.
    """

    outline_id: str
    similarity: float
    standing: str
    outline: dict | None
    filter_status: str


@dataclass(frozen=True)
class ScenarioRecord:
    """One scenario, or an outline that became none, under the scenario's id, else the outline's; rows are dicts."""

    id: str
    filter_status: str
    scenario: dict | None
    outline: dict | None
    checks: tuple[dict, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Asking:
    """What one target was asked under one condition and arm, and what came of it: rows of the tables and labels."""

    target: str
    condition: str
    arm: str
    answers: tuple[dict, ...] = ()
    ratings: tuple[dict, ...] = ()
    turns: tuple[dict, ...] = ()
    verdicts: tuple[dict, ...] = ()
    labels: tuple[dict, ...] = ()


@dataclass(frozen=True)
class CaseRecord:
    """One scenario with what chosen targets said and did about it."""

    scenario: dict
    opening: dict | None
    pressed: tuple[dict, ...]
    """The opening messages told anew that lean to either action, of the arms that are shown."""
    askings: tuple[Asking, ...]


def show(
    scenario_id: str,
    archive: Archive,
    *,
    targets: Collection[str] | None = None,
    conditions: Collection[str] | None = None,
    arms: Collection[str] | None = None,
    labels: pd.DataFrame | None = None,
    labelling: bool = False,
) -> View:
    """Show a scenario with what targets were asked, what they answered, and how the judge read it.

    Parameters
    ----------
    scenario_id : str
        ValueError if the study has no such scenario.
    targets, conditions, arms : collection of str, optional
        Which of them; default: all there are.
    labels : DataFrame, optional
        Labels to show beside the verdicts, as ``read_labels`` gives them.
    labelling : bool
        Give each conversation buttons to label it with; they work in a ``ResponseBrowser`` only.
    """
    record = case_record(archive, scenario_id, targets=targets, conditions=conditions, arms=arms, labels=labels)
    body = render_case(record, labelling=labelling)
    return View(f"Case {scenario_id}", in_colors(archive, record.scenario, body), archive.source)


def show_scenario(identifier: str, archive: Archive) -> View:
    """Show a scenario in full, or an outline that became none: outline, profile, actions, checks, nearest neighbours.

    `identifier` is a scenario's id or an outline's; ValueError if it is neither.
    """
    record = scenario_record(archive, identifier)
    kind = "Scenario" if record.scenario else "Outline"
    about = record.scenario or record.outline or {}
    return View(f"{kind} {record.id}", in_colors(archive, about, render_scenario(record)), archive.source)


def in_colors(archive: Archive, about: Mapping, body: str) -> str:
    """Return HTML in which what serves either value of a scenario or outline has the value's colour."""
    colors = ";".join(f"--cs-value-{side}:{archive.colors[about[f'value_{side}']]}" for side in (1, 2))
    return f'<div class="cs-case" style="{colors}">{body}</div>'


def scenario_record(archive: Archive, identifier: str) -> ScenarioRecord:
    """Gather what ``show_scenario`` shows."""
    identifier = archive.written.get(identifier, identifier)
    scenario: dict | None = None
    outline = archive.outlines.get(identifier)
    checks: list[dict] = []
    if outline is None:
        scenario = archive.scenario(identifier)
        outline = archive.outlines.get(scenario["outline_id"])
        checks = archive.rows("checks", identifier).to_dict("records")
    status = archive.entries.at[identifier, "filter_status"]
    neighbours = _neighbours(archive, outline) if outline else ()
    return ScenarioRecord(identifier, status, scenario, outline, tuple(checks), neighbours)


def case_record(
    archive: Archive,
    scenario_id: str,
    *,
    targets: Collection[str] | None = None,
    conditions: Collection[str] | None = None,
    arms: Collection[str] | None = None,
    labels: pd.DataFrame | None = None,
) -> CaseRecord:
    """Gather what ``show`` shows; ``askings`` by target, multiple choice first, ``default`` first."""
    scenario = archive.scenario(scenario_id)
    asked = {name: archive.rows(name, scenario_id) for name in _PARTS if name != "labels"}
    if labels is not None:
        asked["labels"] = labels[labels["kind"].eq("conversation") & labels["scenario_id"].eq(scenario_id)]
    openings = archive.rows("opening_messages", scenario_id).to_dict("records")
    askings: dict[tuple[str, str, str], dict[str, list[dict]]] = {}
    for table, rows in asked.items():
        condition = "multiple_choice" if table in ("answers", "ratings") else "open_ended"
        for row in rows.to_dict("records"):
            place = (row["target"], condition, row["arm"])
            wanted = zip(place, (targets, conditions, arms), strict=True)
            if all(chosen is None or name in chosen for name, chosen in wanted):
                askings.setdefault(place, {}).setdefault(_PARTS[table], []).append(row)
    # a message that leans to neither stands between those that lean
    order = sorted(askings, key=lambda place: (*place[:2], _LADDER.get(place[2], 3), place[2]))
    made = []
    for target, condition, arm in order:
        parts = {part: tuple(rows) for part, rows in askings[target, condition, arm].items()}
        made.append(Asking(target, condition, arm, **parts))
    shown = {asking.arm for asking in made}
    pressed = [row for row in archive.rows("pressed_messages", scenario_id).to_dict("records") if row["lean"] in shown]
    return CaseRecord(scenario, openings[0] if openings else None, tuple(pressed), tuple(made))


def _neighbours(archive: Archive, outline: dict) -> tuple[Neighbour, ...]:
    """Return the outlines most like one, with what each is to it."""
    neighbours = []
    for name, similarity in archive.neighbours(outline["outline_id"]).items():
        other = None if name == outline["outline_id"] else archive.outlines.get(name)
        filter_status = archive.entries.at[archive.written.get(name, name), "filter_status"] if other else ""
        if name == outline["nearest"]:
            standing = "the nearest earlier outline that was kept" if outline["kept"] else "what it was dropped for"
        elif other and not other["kept"] and other["nearest"] == outline["outline_id"]:
            standing = "dropped as a repeat of this one"
        else:
            standing = "of the same pair"
        neighbours.append(Neighbour(name, similarity, standing, other, filter_status))
    return tuple(neighbours)


def render_scenario(record: ScenarioRecord) -> str:
    """Return what ``show_scenario`` shows, as HTML."""
    about = record.scenario or record.outline or {}
    parts = [f"<p>{_status(record.filter_status)} {_template(about)}</p>"]
    if record.scenario:
        parts += ["<h3>Description</h3>", plain(record.scenario["description"]), _actions(record.scenario)]
        profile = [(name, plain(record.scenario[name])) for name in ("persona", "background", "goal")]
        parts += ["<h3>User profile</h3>", fields(profile)]
    if record.checks:
        parts += ["<h3>Checks</h3>", _checks(record.checks)]
    if record.outline:
        names = ("context", "action_opportunity", "good", "harm", "author")
        outline = [(name.replace("_", " "), plain(record.outline[name])) for name in names]
        parts += ["<h3>Outline</h3>", fields(outline)]
        parts += ["<h3>Nearest neighbours</h3>", _neighbour_table(record.neighbours, record.outline["embedder"])]
    return "".join(parts)


def _actions(scenario: dict) -> str:
    """Return both actions, each with the value that it serves and what follows from it."""
    cards = [
        f'<div class="cs-card cs-{colour}"><h4>{badge(f"action {side}", colour)} supports '
        f"{escape(scenario[f'value_{side}'])}</h4>{plain(scenario[f'action_{side}'])}"
        f'<p class="cs-faint">{escape(scenario[f"consequence_{side}"])}</p></div>'
        for side, colour in ((1, "one"), (2, "two"))
    ]
    return f'<h3>Actions</h3><div class="cs-grid">{"".join(cards)}</div>'


def _checks(checks: Sequence[dict]) -> str:
    """Return the checks in their order, each with the filter judge's answer and reason."""
    judges = sorted({row["filter_judge"] for row in checks})
    rows = []
    for row in sorted(checks, key=lambda row: CHECKS.index(row["check"])):
        about = f" ({escape(row['about_value'])})" if isinstance(row["about_value"], str) else ""
        whose = f"<br>{_faint(escape(row['filter_judge']))}" if len(judges) > 1 else ""
        passed = badge("yes", "good") if row["passed"] is True else badge("no", "bad")
        reason = row["reason"] if isinstance(row["reason"], str) else row["problem"]
        rows.append(
            (
                f"{escape(row['check'].replace('_', ' '))}{about}{whose}",
                passed if isinstance(row["passed"], bool) else badge("none"),
                plain(reason),
            )
        )
    return _table(("check", "passed?", f"reason, by {escape(', '.join(judges))}"), rows)


def _neighbour_table(neighbours: Sequence[Neighbour], embedder: str) -> str:
    """Return the outlines most like one, each with its cosine, what it is to that one and what became of it."""
    if not neighbours:
        return '<p class="cs-faint">The pair has no other outline.</p>'
    rows = []
    for near in neighbours:
        if near.outline:
            status = _status(near.filter_status)
            text = plain(near.outline["context"]) + plain(near.outline["action_opportunity"])
        else:
            status = badge("earlier study")
            text = '<p class="cs-faint">An earlier study kept it; its text is there.</p>'
        which = f"{status}<br>{near.standing}<br>{_faint(escape(near.outline_id))}"
        rows.append((f"{near.similarity:.2f}", which, text))
    return _table((f"cosine ({escape(embedder)})", "which", "context and opportunity"), rows)


def render_case(record: CaseRecord, *, labelling: bool = False) -> str:
    """Return what ``show`` shows, as HTML."""
    scenario = record.scenario
    parts = [f"<p>{_template(scenario)}</p>", plain(scenario["description"]), _actions(scenario)]
    if record.opening and any(asking.condition == "open_ended" for asking in record.askings):
        parts.append(_openings(record))
    if not record.askings:
        parts.append('<p class="cs-faint">No answer of the chosen targets and conditions to this scenario.</p>')
    # conversations under pressure stand below their messages, in a row of their own
    for target, askings in groupby(record.askings, key=lambda asking: asking.target):
        parts.append(f"<h3>{escape(target)}</h3>")
        for _, row in groupby(askings, key=lambda asking: record.pressed and asking.condition):
            cards = "".join(_asking(asking, scenario, labelling) for asking in row)
            parts.append(f'<div class="cs-grid">{cards}</div>')
    return "".join(parts)


def _openings(record: CaseRecord) -> str:
    """Return the message that opens every conversation, between those told anew that press for action 1 and for 2."""
    assert record.opening is not None
    head = f"Opening message, by {escape(record.opening['simulated_user'])}, the same for every target"
    pressed = {row["lean"]: row for row in record.pressed}
    ladder = [("for_1", pressed.get("for_1")), ("default", record.opening), ("for_2", pressed.get("for_2"))]
    titles = {"for_1": badge("presses for action 1", "one"), "for_2": badge("presses for action 2", "two")}
    cards = [
        f'<div class="cs-said">{titles.get(lean, "") if pressed else ""}{markdown(_text(row["message"]))}</div>'
        for lean, row in ladder
        if row
    ]
    return f'<h3>{head}</h3><div class="cs-grid">{"".join(cards)}</div>'


def _asking(asking: Asking, scenario: dict, labelling: bool) -> str:
    """Return one card: what a target was asked under one condition and arm, and what came of it."""
    title = f"{_CONDITIONS[asking.condition]} · {asking.arm}"
    if asking.condition == "multiple_choice":
        body = "".join(_answer(row, scenario) for row in asking.answers) + _ratings(asking.ratings)
    else:
        body = ""
        for repetition, group in groupby(asking.turns, key=lambda row: row["repetition"]):
            turns = list(group)
            labels = [row for row in asking.labels if row["repetition"] == repetition]
            # the opening message stands above, once for all
            body += render_turns([row for row in turns if row["turn"] > 0], with_thoughts=True)
            body += "".join(_verdict(row, scenario) for row in asking.verdicts if row["repetition"] == repetition)
            body += "".join(_label(row, scenario) for row in labels if row["blind"] or not labelling)
            if labelling and turns[-1]["status"] == "ok":
                body += _label_buttons(turns[-1], labels, scenario)
    return f'<div class="cs-card"><h4>{escape(title)}</h4>{body}</div>'


def render_turns(turns: Sequence[dict], *, folds: bool = True, with_thoughts: bool = False) -> str:
    """Return the turns of one conversation, Markdown rendered safely; long ones fold if `folds`.

    Thoughts are left out unless `with_thoughts`: who labels reads what the judge read.
    """
    parts = []
    for row in turns:
        speaker = "user" if row["role"] == "user" else "assistant"
        text = markdown(_text(row["text"]), folds=folds)
        became = "" if row["status"] == "ok" else f" {badge(row['status'], 'bad')} {_problem(row)}"
        thought = thoughts(_text(row.get("reasoning"))) if with_thoughts else ""
        parts.append(f'<div class="cs-said"><p class="cs-faint">{speaker}{became}</p>{thought}{text}</div>')
    return "".join(parts)


def _answer(row: dict, scenario: dict) -> str:
    """Return one multiple-choice answer: the outcome, the order shown, thoughts and reply, why it was no use."""
    order = f"A = action {row['action_shown_first']}, B = action {3 - row['action_shown_first']}"
    again = f", repetition {row['repetition']}" if row["repetition"] else ""
    chance = row["probability_first"]
    sure = "" if pd.isna(chance) else f" · P(A) {chance:.2f}"
    thought, raw = _text(row.get("reasoning")), _text(row["raw"])
    if thought and raw:
        raw = split_thoughts(raw)[1]
    reply = f'<div class="cs-said">{thoughts(thought)}{plain(raw)}{_problem(row)}</div>'
    return f"<p>{_outcome(row, scenario)} {_faint(order + again + sure)}</p>{reply}"


def _ratings(ratings: Sequence[dict]) -> str:
    """Return the 1–7 ratings of the two actions."""
    lines = [
        (f"action {row['rated_action']}", _scale(row["rating"], f"rated {row['rating']} of 7") + _problem(row))
        for row in sorted(ratings, key=lambda row: (row["repetition"], row["rated_action"]))
    ]
    return f'<p class="cs-faint">Ratings, 1 unacceptable to 7 obligatory</p>{fields(lines)}' if lines else ""


def _verdict(row: dict, scenario: dict) -> str:
    """Return one verdict: outcome, leaning and reasoning, and who gave it."""
    seen = f"{escape(row['judge'])} read it with A = action {row['action_shown_first']}"
    leaning = _scale(row["leaning"], f"leaning {row['leaning']} of 7 (1 action 1, 7 action 2)")
    return (
        f"<p>{_outcome(row, scenario)} {_faint(seen)}</p><p>{leaning}</p>"
        f"{thoughts(_text(row.get('thoughts')))}{plain(_text(row['reasoning']))}{_problem(row)}"
    )


def _label(row: dict, scenario: dict) -> str:
    """Return one person's reading."""
    how = "blind" if row["blind"] else "with the verdict in sight"
    seen = f"{escape(row['annotator'])} read it so, {how}"
    colour = {"action_1": "one", "action_2": "two"}.get(row["answer"], "plain")
    return f"<p>{badge(_answer_words(row['answer'], scenario), colour)} {_faint(seen)}</p>"


def _label_buttons(row: dict, labels: Sequence[dict], scenario: dict) -> str:
    """Return the buttons with which a conversation is labelled, the answer pressed that was given with it in sight."""
    given = next((label["answer"] for label in labels if not label["blind"]), "")
    buttons = "".join(
        f'<button data-answer="{answer}" aria-pressed="{str(answer == given).lower()}"><kbd>{key}</kbd> '
        f"{escape(_answer_words(answer, scenario))}</button>"
        for key, answer in LABEL_KEYS.items()
    )
    status = "labelled" if given else "your reading?"
    return (
        f'<div class="cs-label" data-conversation="{escape(conversation_key(row))}">{buttons}'
        f'<span role="status" class="cs-faint">{status}</span></div>'
    )


def conversation_key(row: Mapping) -> str:
    """Return what tells one conversation of a study from all others, as text."""
    return json.dumps([row["scenario_id"], row["target"], row["arm"], int(row["repetition"])])


def _answer_words(answer: str, scenario: dict) -> str:
    """Return a person's answer in words, with the value that the action supports."""
    words = {"neither": "neither", "cannot_tell": "can't tell"}
    return words.get(answer) or f"action {answer[-1]} · {scenario[f'value_{answer[-1]}']}"


def _outcome(row: dict, scenario: dict) -> str:
    """Return the action taken with the value that it supports, or why there is none."""
    if row["outcome"] != "choice":
        return badge(row["outcome"], "bad")
    side = int(row["action"])
    return badge(f"action {side} · {scenario[f'value_{side}']}", "one" if side == 1 else "two")


def _scale(number: float | None, label: str) -> str:
    """Return a number from 1 to 7 as seven boxes, with its words beside it."""
    if pd.isna(number):
        return '<span class="cs-faint">no number given</span>'
    boxes = "".join(f'<i class="{"cs-here" if place == number else ""}"></i>' for place in range(1, 8))
    return f'<span class="cs-scale" aria-hidden="true">{boxes}</span> <span class="cs-faint">{escape(label)}</span>'


def _status(filter_status: str) -> str:
    """Return what became of a scenario or outline, in its colour."""
    return badge(filter_status, _STATUS_BADGES.get(filter_status, "plain"))


def _problem(row: dict) -> str:
    """Return why a reply could not be used, if it could not."""
    problem = _text(row["problem"])
    return f'<p class="cs-faint">{escape(problem)}</p>' if problem else ""


def _text(cell: object) -> str | None:
    """Return a cell's text, None if it is empty."""
    return cell if isinstance(cell, str) else None


def _template(row: dict) -> str:
    """Return the pair and how the conflict is built."""
    built = f"{row['structure'].replace('_', ' ')}, {row['severity']}; acting serves {row['acting_value']}"
    return f"{escape(row['value_1'])} against {escape(row['value_2'])} {_faint(f'· {escape(built)}')}"


def _faint(html: str) -> str:
    """Return HTML in small grey letters."""
    return f"<span class='cs-faint'>{html}</span>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already."""
    named = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{named}</tr></thead><tbody>{lines}</tbody></table>"
