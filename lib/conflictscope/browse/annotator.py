"""The annotator: one blind question at a time, answered by a key, written at once.

In: an archive, a sample, and who answers. Out: a widget, and labels on disk. It starts at the first question that this
person has not answered, so a closed tab costs nothing. Section 4 of the paper (arXiv 2509.25369).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import anywidget
import pandas as pd
import traitlets

from conflictscope.browse.archive import Archive
from conflictscope.browse.in_turn import InTurn
from conflictscope.browse.labels import QUESTION, Label, check_annotator, read_labels, write_label
from conflictscope.browse.layout import shown_as
from conflictscope.browse.markup import ASSETS, View
from conflictscope.browse.questions import Question, pose

_BACK = {"key": "z", "label": "back to the one before", "answer": "back"}


class AnswerPad(InTurn, anywidget.AnyWidget):
    """A question with its answers and their keys; an answer arrives as a message with the question's serial."""

    _esm = ASSETS / "answer_pad.js"
    _css = ASSETS / "picking.css"
    html = traitlets.Unicode("").tag(sync=True)
    answers: traitlets.List = traitlets.List().tag(sync=True)
    serial = traitlets.Int(0).tag(sync=True)
    done = traitlets.Int(0).tag(sync=True)
    total = traitlets.Int(1).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    failed = traitlets.Bool(False).tag(sync=True)


class Annotator:
    """A widget that puts a sample to one person and writes down each answer as it is given.

    Parameters
    ----------
    archive : Archive
        The study.
    sample : DataFrame
        From ``sample_conversations`` or ``sample_checks``.
    folder : Path or str
        The study's folder; labels go to ``labels/<annotator>.jsonl`` in it.
    annotator : str
        Who answers.
    definitions : mapping, optional
        Value → definition; needed where the sample asks about ``value_guided``.
    seed : int
        Seed of the order in which the two actions are shown.

    Raises
    ------
    ValueError
        Where the annotator's name cannot name a file, or a file of labels holds a line that is none.
    """

    def __init__(
        self,
        archive: Archive,
        sample: pd.DataFrame,
        folder: Path | str,
        annotator: str,
        *,
        definitions: Mapping[str, str] | None = None,
        seed: int,
    ):
        self._archive, self._folder, self._annotator = archive, folder, check_annotator(annotator)
        self._definitions, self._seed = definitions or {}, seed
        labels = read_labels(folder)
        own = labels[labels["annotator"].eq(annotator)]
        given, seen = _questions(own[own["blind"]]), _questions(own[~own["blind"]])
        questions = sample.astype(object).where(sample.notna(), None).to_dict("records")
        # whoever has labelled a conversation beside its verdict cannot be asked about it blind any more
        self._rows = [row for row in questions if _question(row) in given or _question(row) not in seen]
        self._left_out = len(questions) - len(self._rows)
        self._done = [_question(row) in given for row in self._rows]
        self.widget = AnswerPad(total=len(self._rows))
        self.widget.on_msg(self._receive)
        self._place = self._next_open(0)
        self._pose(failed="")

    @property
    def labelled(self) -> int:
        """How many questions of the sample this person has answered."""
        return sum(self._done)

    def answer(self, answer: str) -> None:
        """Answer the question that is shown, write it down, and go on; ``back`` goes back one instead.

        Raises
        ------
        ValueError
            Where the question does not offer that answer.
        OSError
            Where it could not be written; the question stays.
        """
        if answer == _BACK["answer"]:
            self._place = max(0, self._place - 1)
            self._pose(failed="")
            return
        if self._question is None or answer not in [choice.answer for choice in self._question.choices]:
            raise ValueError(f"answer {answer!r} is not offered by the question shown.")
        label = Label(
            **self._rows[self._place],
            annotator=self._annotator,
            first_action=self._question.first_action,
            answer=answer,
            labelled_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_label(label, self._folder)
        self._done[self._place] = True
        self._place = self._next_open(self._place + 1)
        self._pose(failed="")

    def _receive(self, widget, content: dict, buffers) -> None:
        if content.get("serial") != self.widget.serial:
            return
        try:
            self.answer(str(content.get("answer")))
        except OSError as problem:
            # the question stays on the screen, with the reason above it
            self._pose(failed=f"Not saved: {problem}")

    def _next_open(self, start: int) -> int:
        """Return the first question without an answer from `start` on, else the first of all, else the end."""
        n = len(self._rows)
        order = [*range(start, n), *range(min(start, n))]
        return next((place for place in order if not self._done[place]), n)

    def _pose(self, failed: str) -> None:
        pad, done, total = self.widget, self.labelled, len(self._rows)
        self._question: Question | None = None
        offered = []
        if self._place < total:
            row = self._rows[self._place]
            self._question = pose(row, self._archive, self._annotator, self._definitions, seed=self._seed)
            view = View(self._question.asked, self._question.body, self._archive.source)
            offered = [{"key": c.key, "label": c.label, "answer": c.answer} for c in self._question.choices]
        else:
            view = View("All questions are answered", "<p>Thank you. Every label is on disk.</p>", self._archive.source)
        here = f"; this is question {self._place + 1}" if self._question else ""
        here += f"; {self._left_out} left out: labelled with the verdict in sight" if self._left_out else ""
        with pad.hold_sync():
            pad.html, pad.answers = view.html, [*offered, _BACK]
            pad.done, pad.failed = done, bool(failed)
            pad.message = failed or f"{done} of {total} answered by {self._annotator}{here}"
            pad.serial += 1

    def _repr_mimebundle_(self, include=None, exclude=None):
        return shown_as(self.widget, f"{len(self._rows)} questions for {self._annotator}; run the cell.")


def _questions(labels: pd.DataFrame) -> set[tuple]:
    """Return the questions that labels answer."""
    rows = labels.astype(object).where(labels.notna(), None).to_dict("records")
    return {_question(row) for row in rows}


def _question(row: Mapping) -> tuple:
    """Return what tells one question from all others."""
    return tuple(row[name] for name in QUESTION)
