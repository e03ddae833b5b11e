"""Records: all that one view shows, gathered from the tables, and nothing about how it is shown.

In: an archive and an id. Out: frozen records, which ``render`` turns into HTML. Sections 3.1 to 3.3 of the paper
(arXiv 2509.25369) say what each part is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from conflictscope.browse.archive import Archive


@dataclass(frozen=True)
class Neighbour:
    """An outline that is like another one of its pair.

    Attributes
    ----------
    outline_id : str
        Its id.
    similarity : float
        Cosine, up to 1.
    standing : str
        What it is to the other one, in words.
    outline : dict or None
        Its row; None where an earlier study holds it.
    fate : str
        One of ``archive.FATES``; empty where an earlier study holds it.
    """

    outline_id: str
    similarity: float
    standing: str
    outline: dict | None
    fate: str


@dataclass(frozen=True)
class ScenarioRecord:
    """One scenario, or an outline that became none: rows of the tables as dicts.

    Attributes
    ----------
    id : str
        The scenario's id, else the outline's.
    fate : str
        One of ``archive.FATES``.
    scenario, outline : dict or None
        The scenario; the outline behind it.
    checks : tuple of dict
        Rows of the table ``checks``.
    neighbours : tuple of Neighbour
        The outlines most like this one, the most similar first.
    """

    id: str
    fate: str
    scenario: dict | None
    outline: dict | None
    checks: tuple[dict, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Asking:
    """What one target was asked under one condition and system prompt, and what came of it.

    Attributes
    ----------
    answers, ratings, turns, verdicts : tuple of dict
        Rows of the tables; empty under the other condition.
    labels : tuple of dict
        Fields of people's labels of the conversation.
    """

    target: str
    condition: str
    system_prompt: str
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
    askings: tuple[Asking, ...]


def scenario_record(archive: Archive, identifier: str) -> ScenarioRecord:
    """Gather one scenario by its id or its outline's, or one outline that became none.

    Raises
    ------
    ValueError
        Where the study has neither under this id.
    """
    identifier = archive.written.get(identifier, identifier)
    scenario: dict | None = None
    outline = archive.outlines.get(identifier)
    checks: list[dict] = []
    if outline is None:
        scenario = archive.scenario(identifier)
        outline = archive.outlines.get(scenario["outline_id"])
        checks = archive.rows("checks", identifier).to_dict("records")
    neighbours = _neighbours(archive, outline) if outline else ()
    return ScenarioRecord(
        identifier, archive.entries.at[identifier, "fate"], scenario, outline, tuple(checks), neighbours
    )


def case_record(
    archive: Archive,
    scenario_id: str,
    *,
    targets: Collection[str] | None = None,
    conditions: Collection[str] | None = None,
    system_prompts: Collection[str] | None = None,
    labels: pd.DataFrame | None = None,
) -> CaseRecord:
    """Gather what targets were asked about one scenario and what they answered.

    Parameters
    ----------
    archive : Archive
        The study.
    scenario_id : str
        The scenario.
    targets, conditions, system_prompts : collection of str, optional
        Which of them; default: all there are.
    labels : DataFrame, optional
        Labels to show beside the verdicts, as ``read_labels`` gives them.

    Returns
    -------
    CaseRecord
        ``askings`` by target, multiple choice first, ``default`` first.

    Raises
    ------
    ValueError
        Where the study has no such scenario.
    """
    scenario = archive.scenario(scenario_id)
    asked = {name: archive.rows(name, scenario_id) for name in ("answers", "ratings", "conversations", "verdicts")}
    asked["labels"] = _of_conversations(labels, scenario_id)
    openings = archive.rows("opening_messages", scenario_id).to_dict("records")
    found: dict[tuple[str, str, str], Asking] = {}
    for table, condition, part in _PARTS:
        for row in asked[table].to_dict("records"):
            place = (row["target"], condition, row["system_prompt"])
            wanted = zip(place, (targets, conditions, system_prompts), strict=True)
            if all(chosen is None or name in chosen for name, chosen in wanted):
                asking = found.get(place, Asking(*place))
                longer: dict[str, Any] = {part: (*getattr(asking, part), row)}
                found[place] = replace(asking, **longer)
    order = sorted(found, key=lambda place: (place[0], place[1], place[2] != "default", place[2]))
    return CaseRecord(scenario, openings[0] if openings else None, tuple(found[place] for place in order))


def _of_conversations(labels: pd.DataFrame | None, scenario_id: str) -> pd.DataFrame:
    """Return the labels of a scenario's conversations."""
    if labels is None:
        return pd.DataFrame()
    return labels[labels["kind"].eq("conversation") & labels["scenario_id"].eq(scenario_id)]


def _neighbours(archive: Archive, outline: dict) -> tuple[Neighbour, ...]:
    """Return the outlines most like one, with what each is to it."""
    found = []
    for name, similarity in archive.neighbours(outline["outline_id"]).items():
        other = None if name == outline["outline_id"] else archive.outlines.get(name)
        fate = archive.entries.at[archive.written.get(name, name), "fate"] if other else ""
        if name == outline["nearest"]:
            standing = "the nearest earlier outline that was kept" if outline["kept"] else "what it was dropped for"
        elif other and not other["kept"] and other["nearest"] == outline["outline_id"]:
            standing = "dropped as a repeat of this one"
        else:
            standing = "of the same pair"
        found.append(Neighbour(name, similarity, standing, other, fate))
    return tuple(found)


_PARTS: Sequence[tuple[str, str, str]] = (
    ("answers", "multiple_choice", "answers"),
    ("ratings", "multiple_choice", "ratings"),
    ("conversations", "open_ended", "turns"),
    ("verdicts", "open_ended", "verdicts"),
    ("labels", "open_ended", "labels"),
)
