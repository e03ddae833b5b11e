"""Labelling beside the verdict: one person's reading of a conversation, given with all that is known of it in sight.

In: an archive, a study's folder, who labels, and one answer at a time. Out: labels on disk that are marked as not
blind. They say where somebody disagrees with a judge; how good a judge is, blind labels say (see ``annotator``).
Section 4 of the paper (arXiv 2509.25369).
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from conflictscope.browse.archive import Archive
from conflictscope.browse.labels import Label, check_annotator, read_labels, write_label
from conflictscope.browse.render import LABEL_KEYS, conversation_key


class Labelling:
    """What one person says about conversations beside the judge, written down as it is said.

    Parameters
    ----------
    archive : Archive
        The study.
    folder : Path or str
        The study's folder; labels go to ``labels/<annotator>.jsonl`` in it.
    annotator : str
        Who labels.

    Attributes
    ----------
    labels : DataFrame
        This person's labels so far, blind ones too.

    Raises
    ------
    ValueError
        Where the annotator's name cannot name a file, or a file of labels holds a line that is none.
    """

    def __init__(self, archive: Archive, folder: Path | str, annotator: str):
        self._archive, self._folder, self._annotator = archive, folder, check_annotator(annotator)
        self._read()

    def label(self, conversation: str, answer: str) -> None:
        """Write down an answer about a conversation, in place of an earlier one that was given here.

        Parameters
        ----------
        conversation : str
            From ``render.conversation_key``.
        answer : str
            One of ``render.LABEL_KEYS``' answers.

        Raises
        ------
        ValueError
            Where the study has no such conversation, or the answer is none that is offered.
        OSError
            Where it could not be written.
        """
        scenario_id, target, arm, repetition = json.loads(conversation)
        turns = self._archive.rows("conversations", scenario_id).to_dict("records")
        if conversation not in map(conversation_key, turns) or answer not in LABEL_KEYS.values():
            raise ValueError(f"answer {answer!r} about conversation {conversation}: the study offers no such thing.")
        label = Label(
            scenario_id=scenario_id,
            kind="conversation",
            annotator=self._annotator,
            answer=answer,
            labelled_at=datetime.now(UTC).isoformat(timespec="seconds"),
            target=target,
            arm=arm,
            repetition=repetition,
            blind=False,
        )
        write_label(label, self._folder)
        self._read()

    def _read(self) -> None:
        labels = read_labels(self._folder)
        self.labels = labels[labels["annotator"].eq(self._annotator)]
