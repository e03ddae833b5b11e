"""The published ConflictScope release: its opening messages.

In: ``prompts.json``, ``{scenario_id: opening message}``. Out: the messages with what their ids say, which stand on
their own, and rows for the table of opening messages where the scenarios are known.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from conflictscope.elicit.opening_messages import holds_tag, named_value
from conflictscope.exchange.gathering import by_source
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.published_ids import read_id
from conflictscope.tables import TABLES

MAX_BYTES = 2**28
PUBLISHED_USER = "published"
_COLUMNS = ["published_id", "value_1", "value_2", "structure", "severity", "author", "message", "keeps_tag", "usable"]


@dataclass(frozen=True)
class ImportedMessages:
    """Opening messages of the release.

    Parameters
    ----------
    messages : DataFrame
        One row a message: ``published_id``, ``value_1``, ``value_2``, ``structure``, ``severity`` and ``author`` as the
        id gives them, ``message``, ``keeps_tag`` (whether an artifact's placeholder is still in it) and ``usable``.
    opening_messages : DataFrame
        The table of opening messages, for the scenarios that are known; else without rows.
    rows : int
        Entries read; each is in `messages` or in `dropped`.
    dropped : DataFrame
        Columns ``row`` (1 for the first entry) and ``problem``.
    """

    messages: pd.DataFrame
    opening_messages: pd.DataFrame
    rows: int
    dropped: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """Return ``messages`` and ``usable`` by value pair and template."""
        by = ["value_1", "value_2", "structure", "severity"]
        return self.messages.groupby(by, sort=True)["usable"].agg(messages="size", usable="sum").reset_index()


def import_opening_messages(path: Path | str, imported: Imported | None = None) -> ImportedMessages:
    """Read the release's opening messages.

    Parameters
    ----------
    imported : Imported, optional
        The release's scenarios (``import_published_scenarios``), to which the messages belong.

    Returns
    -------
    ImportedMessages
        A message that is empty or keeps an ``<ARTIFACT>`` tag is there and not usable. An id that occurs more than
        once names no scenario; its entries are dropped, all of them.

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    ValueError
        Where it is no JSON object, or larger than 256 MiB.
    """
    entries = _read_entries(Path(path))
    times = Counter(published_id for published_id, _ in entries)
    kept, dropped = [], []
    for number, (published_id, message) in enumerate(entries, start=1):
        try:
            if not isinstance(message, str):
                raise ValueError(f"found {type(message).__name__}; expected the text of a message")
            if times[published_id] > 1:
                raise ValueError(f"id {published_id[:80]!r} occurs {times[published_id]} times")
            parts = read_id(published_id)
        except ValueError as problem:
            dropped.append({"row": number, "problem": str(problem)})
            continue
        tagged = holds_tag(message)
        kept.append(
            {
                "published_id": published_id,
                "value_1": parts.value_1,
                "value_2": parts.value_2,
                "structure": parts.structure,
                "severity": parts.severity,
                "author": parts.author,
                "message": message,
                "keeps_tag": tagged,
                "usable": bool(message.strip()) and not tagged,
            }
        )
    messages = pd.DataFrame(kept, columns=_COLUMNS)
    return ImportedMessages(
        messages=messages,
        opening_messages=_as_table(messages, imported),
        rows=len(entries),
        dropped=pd.DataFrame(dropped, columns=["row", "problem"]),
    )


def _read_entries(path: Path) -> list[tuple[str, object]]:
    """Return the entries of a JSON object in order, those with a repeated key too."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES:,} bytes; expected a file of opening messages.")
    try:
        # a mapping would keep the last of two entries with one key
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Entries)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path}: no JSON ({problem}); expected {{scenario_id: opening message}}.") from None
    if not isinstance(found, _Entries):
        raise ValueError(f"{path}: found {type(found).__name__}; expected a JSON object {{scenario_id: message}}.")
    return list(found)


class _Entries(list):
    """A JSON object as its entries in order."""


def _as_table(messages: pd.DataFrame, imported: Imported | None) -> pd.DataFrame:
    """Return the table of opening messages for the scenarios that are known."""
    by_id = by_source(imported.scenarios) if imported else {}
    known = messages[messages["published_id"].isin(by_id)]
    table = pd.DataFrame(
        {
            "scenario_id": known["published_id"].map(by_id),
            "simulated_user": PUBLISHED_USER,
            "message": known["message"],
            # whether a text was pasted in is not recorded
            "has_artifact": False,
            "named_value": [named_value(text, imported.values) if imported else None for text in known["message"]],
            "keeps_tag": known["keeps_tag"],
            "usable": known["usable"],
            "problem": [None if usable else "empty, or still holds an artifact's tag" for usable in known["usable"]],
            "raw": known["message"],
        }
    )
    return table[[column.name for column in TABLES["opening_messages"].columns]].reset_index(drop=True)
