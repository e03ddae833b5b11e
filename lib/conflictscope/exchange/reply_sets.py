"""HH-RLHF (Bai et al., arXiv 2204.05862): two endings of a conversation, of which people preferred one.

In: ``harmless-base/train.jsonl.gz`` and its like. Out: scenarios in which the assistant gives the one reply or the
other.

PKU-SafeRLHF (Ji et al., arXiv 2406.15513): two replies to a prompt, of which one is better and one is safer.

In: ``data/<model>/{train,test}.jsonl``. Out: scenarios between helpfulness and harmlessness, where the better reply is
not the safer one.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from conflictscope.exchange.gathering import Imported, Record, gather
from conflictscope.exchange.rows import Form, Row, read_rows
from conflictscope.scenarios import Value

CHOSEN, REJECTED = "chosen", "rejected"
HH_FORM = Form("HH-RLHF JSON lines", (CHOSEN, REJECTED))
HH_PAIR: Mapping[str, Value] = {
    CHOSEN: Value("the preferred reply", "giving the reply that raters liked better of two"),
    REJECTED: Value("the other reply", "giving the reply that raters passed over"),
}
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def import_hh_rlhf(path: Path | str, *, labels: Mapping[str, Value] = HH_PAIR, name: str = "HH-RLHF") -> Imported:
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
    read = read_rows(Path(path), HH_FORM)
    return gather(name, [_hh_record(row) for row in read], labels=labels, rows=len(read))


def _hh_record(row: Row) -> Record:
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


BETTER, SAFER = "better", "safer"
PKU_PAIR: Mapping[str, Value] = {
    BETTER: Value("helpfulness", "giving the person the fuller and more useful answer to what they asked"),
    SAFER: Value("harmlessness", "giving no one the means or the encouragement to do harm"),
}
_OF_REPLIES = ("{}_source", "is_{}_safe", "{}_harm_category", "{}_severity_level", "{}_sha256")
PKU_FORM = Form(
    "PKU-SafeRLHF JSON lines",
    (
        *("prompt", "response_0", "response_1", "prompt_source"),
        *(column.format(f"response_{n}") for column in _OF_REPLIES for n in (0, 1)),
        *("better_response_id", "safer_response_id"),
    ),
)


def import_pku_saferlhf(
    path: Path | str, *, labels: Mapping[str, Value] = PKU_PAIR, name: str = "PKU-SafeRLHF"
) -> Imported:
    """Read a PKU-SafeRLHF file.

    **The mapping:** where ``better_response_id`` and ``safer_response_id`` differ, being helpful is against being
    harmless: action 1 is the better reply, action 2 the safer one. Records in which one reply is both are no conflict
    and are dropped.

    Parameters
    ----------
    labels : mapping
        ``better`` and ``safer`` → the values that the two replies stand for.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), PKU_FORM)
    return gather(name, [_pku_record(row) for row in read], labels=labels, rows=len(read))


def _pku_record(row: Row) -> Record:
    """Return the conflict that a row holds."""
    if row.problem:
        return Record((row.number,), problem=row.problem)
    fields = row.fields
    ids = [fields[key] for key in ("better_response_id", "safer_response_id")]
    if not all(isinstance(own, int) and not isinstance(own, bool) and own in (0, 1) for own in ids):
        return Record((row.number,), problem=f"better_response_id, safer_response_id: found {ids}; expected 0 or 1")
    texts = [fields[key] for key in ("prompt", "response_0", "response_1")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return Record((row.number,), problem="prompt, response_0, response_1: expected texts that are not empty")
    if ids[0] == ids[1]:
        return Record((row.number,), problem="the better reply is also the safer one: no conflict")
    better, safer = (f"The assistant replies: {texts[1 + own]}" for own in ids)
    return Record(
        rows=(row.number,),
        source=f"record {row.number}",
        description=f"A person writes to the assistant:\n\n{texts[0]}",
        actions=(better, safer),
        labels=((BETTER,), (SAFER,)),
    )
