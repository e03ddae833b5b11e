"""Labels: what people answered, each written to disk the moment it is given.

In: one label at a time. Out: a table of labels. Each annotator has a file of their own in the study's folder
``labels/``, one JSON line a label, which is only ever appended to: two people never write to the same file, whatever
file system it lies on, and a label that was changed is still there, above the one that replaced it. Section 4 of the
paper (arXiv 2509.25369) compares its judges with people.
"""

import fcntl
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from conflictscope.tables import CHECKS

ANSWERS = ("action_1", "action_2", "neither", "cannot_tell", "yes", "no")
KINDS = ("conversation", "check")
QUESTION = ("scenario_id", "kind", "target", "system_prompt", "repetition", "check", "about_value")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True)
class Label:
    """One answer of one person to one question.

    Attributes
    ----------
    scenario_id : str
        The scenario.
    kind : str
        ``conversation`` (which action did the reply take?) or ``check`` (one of the six checks).
    target, system_prompt, repetition : optional
        Which conversation; empty for a check.
    check, about_value : str, optional
        Which check, and in ``value_guided`` about which value; empty for a conversation.
    annotator : str
        Who answered; letters, digits, ``_``, ``.`` and ``-``.
    first_action : int, optional
        The action that was shown as A; empty where no actions were named A and B.
    answer : str
        ``action_1`` or ``action_2`` (turned back from the labels shown), ``neither``, ``cannot_tell``, ``yes``, ``no``.
    labelled_at : str
        UTC, ISO 8601.
    blind : bool
        Whether it was given without sight of the judge's verdict, the target's name and the values. Other labels say
        where somebody disagrees with a judge, and are no measure of it.
    """

    scenario_id: str
    kind: str
    annotator: str
    answer: str
    labelled_at: str
    target: str | None = None
    system_prompt: str | None = None
    repetition: int | None = None
    check: str | None = None
    about_value: str | None = None
    first_action: int | None = None
    blind: bool = True

    def __post_init__(self):
        check_annotator(self.annotator)
        allowed = {
            "kind": KINDS,
            "answer": ANSWERS,
            "first_action": (None, 1, 2),
            "check": (None, *CHECKS),
            "blind": (True, False),
        }
        for name, expected in allowed.items():
            if getattr(self, name) not in expected:
                raise ValueError(f"label: {name} is {getattr(self, name)!r}; expected one of {list(expected)}.")
        if (self.check is None) == (self.kind == "check"):
            raise ValueError(
                f"label: kind {self.kind!r} with check {self.check!r}; expected a check just for a 'check'."
            )


def check_annotator(name: str) -> str:
    """Return an annotator's name if it can name a file.

    Raises
    ------
    ValueError
        Where it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"annotator: found {name!r}; expected 1 to 40 letters, digits, '_', '.' or '-', such as 'ana'. "
            "Set the parameter `annotator`."
        )
    return name


def write_label(label: Label, folder: Path | str) -> None:
    """Append a label to its annotator's file; it is on disk when this returns.

    Parameters
    ----------
    label : Label
        The label.
    folder : Path or str
        The study's folder.

    Raises
    ------
    OSError
        Where the disk does not take it; the file is then as it was before.
    """
    path = labels_path(folder, label.annotator)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(asdict(label), ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        # two tabs of one person: neither may see the other's line half written
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = os.fstat(handle).st_size
        # a line that a power cut left unfinished must not swallow this one
        if before and os.pread(handle, 1, before - 1) != b"\n":
            line = b"\n" + line
        if os.write(handle, line) < len(line):
            os.ftruncate(handle, before)
            raise OSError(f"{path}: the disk took only part of a label; it was taken back. Free some space.")
        os.fsync(handle)
    finally:
        os.close(handle)


def read_labels(folder: Path | str) -> pd.DataFrame:
    """Read the labels of everyone, the last one where somebody answered a question more than once.

    A blind label and one that was not blind stand side by side: neither replaces the other.

    Returns
    -------
    DataFrame
        The fields of ``Label`` as columns, in the order in which they were given, by annotator. No row where nobody
        has labelled yet.

    Raises
    ------
    ValueError
        Naming file and line, where a line is no label.
    """
    labels = [label for path in sorted(Path(folder).glob("labels/*.jsonl")) for label in _read(path)]
    return labels_table(labels).drop_duplicates([*QUESTION, "annotator", "blind"], keep="last").reset_index(drop=True)


def labels_table(labels: list[Label]) -> pd.DataFrame:
    """Return labels as a table, with the fields of ``Label`` as columns."""
    names = [field.name for field in fields(Label)]
    table = pd.DataFrame([asdict(label) for label in labels], columns=names)
    others = {"repetition": "Int64", "first_action": "Int64", "blind": "bool"}
    return table.astype(others | {name: "str" for name in names if name not in others})


def labels_path(folder: Path | str, annotator: str) -> Path:
    """Return the path of an annotator's file in a study's folder."""
    return Path(folder) / "labels" / f"{check_annotator(annotator)}.jsonl"


def _read(path: Path) -> list[Label]:
    """Return the labels of one file."""
    with path.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        lines = file.read().split("\n")
    labels = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            labels.append(Label(**json.loads(line)))
        except (TypeError, ValueError) as problem:
            raise ValueError(
                f"{path}, line {number}: no label ({problem}); found {line[:80]!r}. Delete the line: what it held was "
                "never shown as saved, and will be asked again."
            ) from problem
    return labels
