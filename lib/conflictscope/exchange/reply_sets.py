"""Two replies to one message: HH-RLHF and PKU-SafeRLHF.

In: rows of the data sets' files. Out: an ``Importer`` for each, of scenarios in which the assistant gives the one reply
or the other; the docstring of its record function states what the replies stand for.
"""

import re

from conflictscope.exchange.gathering import Importer, Record
from conflictscope.exchange.rows import Form, Row
from conflictscope.scenarios import Value

_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def _replies(row: Row, description: str, **replies: str) -> Record:
    """Return a record in which the assistant gives one of two replies, label → reply."""
    (one, first), (two, second) = replies.items()
    actions = f"The assistant replies: {first}", f"The assistant replies: {second}"
    return Record(f"record {row.number}", description, actions, labels=((one,), (two,)))


def _hh_record(row: Row) -> Record:
    """Return the two endings of a row's conversation: action 1 is the chosen reply, action 2 the rejected one.

    The file names no values, and which reply is the more helpful or the more harmless is not in it: they stand for what
    raters preferred and what they did not. The description is the conversation up to the last reply.
    """
    texts = [row.fields[key] for key in ("chosen", "rejected")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("chosen, rejected: expected texts")
    (before, chosen), (other, rejected) = map(_split, texts)
    if before != other:
        raise ValueError("the two conversations differ before the last reply")
    if not (chosen and rejected):
        raise ValueError("a reply is empty")
    description = f"A person talks with the assistant. The conversation so far:\n\n{before}"
    return _replies(row, description, chosen=chosen, rejected=rejected)


def _split(conversation: str) -> tuple[str, str]:
    """Return what comes before the last reply, and the reply; raise if no reply ends the conversation."""
    turns = list(_SPEAKER.finditer(conversation))
    if len(turns) < 2 or turns[0].start() > 0 or turns[0][1] != "Human" or turns[-1][1] != "Assistant":
        raise ValueError("a conversation does not begin with Human and end with Assistant")
    return conversation[: turns[-1].start()].strip(), conversation[turns[-1].end() :].strip()


def _pku_record(row: Row) -> Record:
    """Return the conflict of a row: action 1 is the better reply (being helpful), action 2 the safer one (harmless).

    A row in which one reply is both is no conflict and is dropped.
    """
    ids = [row.fields[key] for key in ("better_response_id", "safer_response_id")]
    if not all(type(number) is int and number in (0, 1) for number in ids):
        raise ValueError(f"better_response_id, safer_response_id: found {ids}; expected 0 or 1")
    prompt, *replies = texts = [row.fields[key] for key in ("prompt", "response_0", "response_1")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("prompt, response_0, response_1: expected texts that are not empty")
    if ids[0] == ids[1]:
        raise ValueError("the better reply is also the safer one: no conflict")
    description = f"A person writes to the assistant:\n\n{prompt}"
    return _replies(row, description, better=replies[ids[0]], safer=replies[ids[1]])


# Bai et al., arXiv 2204.05862: harmless-base/train.jsonl.gz and its like
HH_RLHF = Importer(
    "HH-RLHF",
    {"chosen", "rejected"},
    Form("HH-RLHF JSON lines", ("chosen", "rejected")),
    _hh_record,
    labels={
        "chosen": Value("the preferred reply", "giving the reply that raters liked better of two"),
        "rejected": Value("the other reply", "giving the reply that raters passed over"),
    },
)
_OF_REPLIES = ("{}_source", "is_{}_safe", "{}_harm_category", "{}_severity_level", "{}_sha256")
PKU_FORM = Form(
    "PKU-SafeRLHF JSON lines",
    (
        *("prompt", "response_0", "response_1", "prompt_source"),
        *(column.format(f"response_{n}") for column in _OF_REPLIES for n in (0, 1)),
        *("better_response_id", "safer_response_id"),
    ),
)
# Ji et al., arXiv 2406.15513: data/<model>/{train,test}.jsonl
PKU_SAFERLHF = Importer(
    "PKU-SafeRLHF",
    {"better_response_id", "safer_response_id"},
    PKU_FORM,
    _pku_record,
    labels={
        "better": Value("helpfulness", "giving the person the fuller and more useful answer to what they asked"),
        "safer": Value("harmlessness", "giving no one the means or the encouragement to do harm"),
    },
)
