"""HH-RLHF (Bai et al., arXiv 2204.05862): two endings of a conversation, of which people preferred one.

In: ``harmless-base/train.jsonl.gz`` and its like. Out: scenarios in which the assistant gives the one reply or the
other.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from conflictscope.exchange.gathering import Record, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.rows import Form, Row, read_rows
from conflictscope.scenarios import Value

CHOSEN, REJECTED = "chosen", "rejected"
FORM = Form("HH-RLHF JSON lines", (CHOSEN, REJECTED))
PAIR: Mapping[str, Value] = {
    CHOSEN: Value("the preferred reply", "giving the reply that raters liked better of two"),
    REJECTED: Value("the other reply", "giving the reply that raters passed over"),
}
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def import_hh_rlhf(path: Path | str, *, labels: Mapping[str, Value] = PAIR, name: str = "HH-RLHF") -> Imported:
    """Read an HH-RLHF file, packed or not.

    The file names no values, and which of the two replies is the more helpful or the more harmless is not in it: it
    says only which one was preferred. **The mapping:** action 1 is the chosen reply, action 2 the rejected one,
    standing for what raters preferred and what they did not.

    Parameters
    ----------
    labels : mapping
        ``chosen`` and ``rejected`` → the values that the two replies stand for.

    Returns
    -------
    Imported
        The description is the conversation up to the last reply. Records are dropped whose two conversations differ
        before it, or that do not end with the assistant.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), FORM)
    return gather(name, [_record(row) for row in read], labels=labels, rows=len(read))


def _record(row: Row) -> Record:
    """Return the two endings that a row holds."""
    if row.problem:
        return Record((row.number,), problem=row.problem)
    texts = [row.fields[key] for key in (CHOSEN, REJECTED)]
    if not all(isinstance(text, str) for text in texts):
        return Record((row.number,), problem="chosen, rejected: expected texts")
    endings = [_split(text) for text in texts]
    if not all(endings):
        return Record((row.number,), problem="a conversation does not begin with Human and end with Assistant")
    (before, chosen), (other, rejected) = endings  # type: ignore[misc]
    if before != other:
        return Record((row.number,), problem="the two conversations differ before the last reply")
    if not (chosen and rejected):
        return Record((row.number,), problem="a reply is empty")
    return Record(
        rows=(row.number,),
        source=f"record {row.number}",
        description=f"A person talks with the assistant. The conversation so far:\n\n{before}",
        actions=(f"The assistant replies: {chosen}", f"The assistant replies: {rejected}"),
        labels=((CHOSEN,), (REJECTED,)),
    )


def _split(conversation: str) -> tuple[str, str] | None:
    """Return what comes before the last reply, and the reply; None where no reply ends the conversation."""
    turns = list(_SPEAKER.finditer(conversation))
    if len(turns) < 2 or turns[0].start() > 0 or turns[0][1] != "Human" or turns[-1][1] != "Assistant":
        return None
    return conversation[: turns[-1].start()].strip(), conversation[turns[-1].end() :].strip()
