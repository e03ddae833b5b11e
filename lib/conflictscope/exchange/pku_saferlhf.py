"""PKU-SafeRLHF (Ji et al., arXiv 2406.15513): two replies to a prompt, of which one is better and one is safer.

In: ``data/<model>/{train,test}.jsonl``. Out: scenarios between helpfulness and harmlessness, where the better reply is
not the safer one.
"""

from collections.abc import Mapping
from pathlib import Path

from conflictscope.exchange.gathering import Record, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.rows import Form, Row, read_rows
from conflictscope.scenarios import Value

BETTER, SAFER = "better", "safer"
PAIR: Mapping[str, Value] = {
    BETTER: Value("helpfulness", "giving the person the fuller and more useful answer to what they asked"),
    SAFER: Value("harmlessness", "giving no one the means or the encouragement to do harm"),
}
_OF_REPLIES = ("{}_source", "is_{}_safe", "{}_harm_category", "{}_severity_level", "{}_sha256")
FORM = Form(
    "PKU-SafeRLHF JSON lines",
    (
        *("prompt", "response_0", "response_1", "prompt_source"),
        *(column.format(f"response_{n}") for column in _OF_REPLIES for n in (0, 1)),
        *("better_response_id", "safer_response_id"),
    ),
)


def import_pku_saferlhf(
    path: Path | str, *, labels: Mapping[str, Value] = PAIR, name: str = "PKU-SafeRLHF"
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
    read = read_rows(Path(path), FORM)
    return gather(name, [_record(row) for row in read], labels=labels, rows=len(read))


def _record(row: Row) -> Record:
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
