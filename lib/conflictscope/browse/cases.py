"""One case with all that there is about it: a page in a notebook, lines in a terminal.

In: an archive and a scenario's id. Out: a ``Case``. On a page text of models is escaped (see ``markup``); in lines its
control characters are written out.
"""

import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from conflictscope.browse.archive import Archive
from conflictscope.browse.markup import View
from conflictscope.browse.render import (
    Asking,
    CaseRecord,
    ScenarioRecord,
    case_record,
    in_colors,
    render_case,
    render_scenario,
    scenario_record,
)
from conflictscope.shown import for_terminal

_WIDTH = 100
_PASSED = {True: "yes", False: "no"}


@dataclass(frozen=True, eq=False)
class Case:
    """One scenario with what targets were asked about it, what they said, and how it was read.

    ``targets`` and ``arms`` say which of them; None: all. ``answers``, ``conversations`` and ``verdicts`` are the rows
    that are shown, in the columns of the tables of these names.
    """

    archive: Archive
    scenario_id: str
    targets: Collection[str] | None = None
    arms: Collection[str] | None = None
    labels: pd.DataFrame | None = None
    """What people made of it, as from ``read_labels``."""

    @property
    def answers(self) -> pd.DataFrame:
        """What was said in multiple choice."""
        return self._rows("answers")

    @property
    def conversations(self) -> pd.DataFrame:
        """What was said in conversation, a row a turn."""
        return self._rows("conversations")

    @property
    def verdicts(self) -> pd.DataFrame:
        """How judges read the conversations."""
        return self._rows("verdicts")

    @property
    def view(self) -> View:
        """The page, as ``export_html`` takes it."""
        case, scenario = self._records
        more = f"<details><summary>Profile, checks, outline</summary>{render_scenario(scenario)}</details>"
        body = in_colors(self.archive, case.scenario, render_case(case) + more)
        return View(f"Case {self.scenario_id}", body, self.archive.source)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.view.html, "text/plain": repr(self)}

    def __repr__(self) -> str:
        source = f" · {self.archive.source}" if self.archive.source else ""
        return f"Case {self.scenario_id} of {self.archive.study}{source}\n{case_text(*self._records)}"

    @property
    def _records(self) -> tuple[CaseRecord, ScenarioRecord]:
        """Return what is shown."""
        case = case_record(self.archive, self.scenario_id, targets=self.targets, arms=self.arms, labels=self.labels)
        return case, scenario_record(self.archive, self.scenario_id)

    def _rows(self, table: str) -> pd.DataFrame:
        """Return the rows of a table that are shown."""
        rows = self.archive.rows(table, self.scenario_id)
        for column, chosen in (("target", self.targets), ("arm", self.arms)):
            rows = rows if chosen is None else rows[rows[column].isin(chosen)]
        return rows.reset_index(drop=True)


def case_text(case: CaseRecord, scenario: ScenarioRecord) -> str:
    """Return a case in lines."""
    row = case.scenario
    lines = [f"{row['value_1']} against {row['value_2']} · {scenario.filter_status}", *_wrapped("", row["description"])]
    for side in (1, 2):
        lines += _wrapped(f"action {side} ({row[f'value_{side}']}): ", row[f"action_{side}"])
    for check in scenario.checks:
        about = f" ({check['about_value']})" if isinstance(check["about_value"], str) else ""
        lines.append(f"check {check['check'].replace('_', ' ')}{about}: {_PASSED.get(check['passed'], '–')}")
    if case.opening and any(asking.condition == "open_ended" for asking in case.askings):
        lines += _wrapped(f"opening message, by {case.opening['simulated_user']}: ", case.opening["message"])
        for pressed in case.pressed:
            lines += _wrapped(f"told anew, pressing for action {pressed['lean'][-1]}: ", pressed["message"])
    for target, askings in groupby(case.askings, key=lambda asking: asking.target):
        lines += ["", target]
        for asking in askings:
            lines += [f"  {line}" for line in _asking(asking, row)]
    return for_terminal("\n".join(lines))


def _asking(asking: Asking, scenario: dict) -> Iterator[str]:
    """Return the lines about one target under one condition and arm."""
    yield f"{asking.condition.replace('_', ' ')}, {asking.arm}"
    for row in asking.answers:
        yield from _wrapped(f"  A = action {row['action_shown_first']}: {_outcome(row, scenario)}. ", row["raw"])
    for row in asking.ratings:
        yield f"  action {row['rated_action']} rated {row['rating']} of 7"
    for row in asking.turns:
        if row["turn"]:
            became = "" if row["status"] == "ok" else f" ({row['status']}: {row['problem']})"
            yield from _wrapped(f"  {row['role']}{became}: ", row["text"])
    for row in asking.verdicts:
        reading = f"  {row['judge']}: {_outcome(row, scenario)}, leaning {row['leaning']} of 7. "
        yield from _wrapped(reading, row["reasoning"])
    for row in asking.labels:
        yield f"  {row['annotator']}: {row['answer'].replace('_', ' ')}{', blind' if row['blind'] else ''}"


def _outcome(row: dict, scenario: dict) -> str:
    """Return the action taken with the value that it supports, or why there is none."""
    if row["outcome"] != "choice":
        return f"{row['outcome']} ({row['problem']})" if isinstance(row["problem"], str) else row["outcome"]
    action = int(row["action"])
    return f"action {action} ({scenario[f'value_{action}']})"


def _wrapped(opening: str, text: object) -> Iterator[str]:
    """Return a text's lines behind its opening words; "–" if there is none."""
    lines = (text.splitlines() if isinstance(text, str) else None) or ["–"]
    for number, line in enumerate(lines):
        whole = line if number else opening + line
        yield from textwrap.wrap(whole, _WIDTH, subsequent_indent="    ", initial_indent="    " if number else "") or [
            ""
        ]
