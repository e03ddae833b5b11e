"""Labelling beside the verdict: one person's reading of a conversation, given with all that is known of it in sight.

In: an archive, a study's folder, who labels, and one answer at a time. Out: labels on disk, marked as not blind. They
say where somebody disagrees with a judge; how good a judge is, blind labels say (see ``annotator``).
"""

import json
from pathlib import Path

from conflictscope.browse.archive import Archive
from conflictscope.browse.labels import Label, check_annotator, now, read_labels, write_label
from conflictscope.browse.render import LABEL_KEYS, conversation_key


class Labelling:
    """What one annotator says about conversations beside the judge, written to the study's folder as it is said.

    ``labels`` are this annotator's labels so far, blind ones too. Raises as ``read_labels`` and ``check_annotator``.
    """

    def __init__(self, archive: Archive, folder: Path | str, annotator: str):
        self._archive, self._folder, self._annotator = archive, folder, check_annotator(annotator)
        self._read()

    def label(self, conversation: str, answer: str) -> None:
        """Record an answer about a conversation (``conversation_key``), in place of an earlier one given here.

        Raises ValueError if the study has no such conversation, or the answer is none of ``LABEL_KEYS``; OSError if it
        could not be written.
        """
        scenario_id, target, arm, repetition = json.loads(conversation)
        turns = self._archive.rows("conversations", scenario_id).to_dict("records")
        if conversation not in map(conversation_key, turns) or answer not in LABEL_KEYS.values():
            raise ValueError(f"answer {answer!r} about conversation {conversation}: the study offers no such thing.")
        where = {"target": target, "arm": arm, "repetition": repetition}
        label = Label(scenario_id, "conversation", self._annotator, answer, now(), **where, blind=False)
        write_label(label, self._folder)
        self._read()

    def _read(self) -> None:
        labels = read_labels(self._folder)
        self.labels = labels[labels["annotator"].eq(self._annotator)]
