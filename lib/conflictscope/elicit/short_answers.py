"""Read a letter or a number out of a short answer, strictly.

In: the text of a reply that was asked for one letter, or for one number from 1 to 7. Out: the answer, or None. The
whole reply (or its first line, where reasons follow below) has to be an answer; a letter or digit inside a sentence is
not one.
``tests/elicit/test_short_answers.py`` holds the truth table.
"""

import re

# marks that models put around an answer: **A**, "A", (A), [A], `A`
_OPEN, _CLOSE = r"[\s*_\"'“‘(\[`]*", r"[\s*_\"'”’)\]`]*"
_LEAD = r"(?:(?:my |the )?(?:final )?(?:answer|choice)(?: is)?\s*:?\s*)?"
_LETTER = re.compile(
    rf"{_OPEN}(?i:{_LEAD})(?i:{_OPEN}(?:action|option)\s+)?{_OPEN}(?P<answer>[AB]){_CLOSE}[.:]?{_CLOSE}"
    r"(?:\n.*)?",
    re.DOTALL,
)
# "A: Tell her the truth", "B) …", "A. …": the letter as the label of what follows
_LABELLED = re.compile(rf"{_OPEN}(?P<answer>[AB])[*_]*[.:)][*_]*\s+\S.*", re.DOTALL)
_NUMBER = re.compile(
    rf"{_OPEN}(?i:on a scale (?:of|from) 1 to 7,?\s*(?:I(?:'d| would) (?:rate|give|say) (?:this|it)?\s*(?:a |an )?)?"
    rf"|(?:my |the )?(?:final )?(?:rating|answer|score)(?: is)?\s*:?\s*)?{_OPEN}(?P<answer>[1-7]){_CLOSE}"
    rf"(?i:\s*(?:/|out of)\s*7)?{_CLOSE}\.?{_CLOSE}(?:\s*[(:–—-]\s*[^\d\n]+\.?)?(?:\n.*)?",
    re.DOTALL,
)
_REFUSAL = re.compile(
    r"\s*(?:I(?:'m|’m| am) (?:very )?sorry\b|I (?:can't|can’t|cannot|can not|won't|won’t|will not)\b"
    r"|I(?:'m|’m| am) (?:unable|not able|not comfortable)\b|As an AI\b)",
    re.IGNORECASE,
)


def read_letter(text: str) -> str | None:
    """Return ``"A"`` or ``"B"`` where the reply is that answer, else None."""
    match = _LETTER.fullmatch(text.strip()) or _LABELLED.fullmatch(text.strip())
    return match["answer"] if match else None


def read_rating(text: str) -> int | None:
    """Return a whole number from 1 to 7 where the reply is that rating, else None."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match["answer"]) if match else None


def reads_as_refusal(text: str) -> bool:
    """Say whether a reply that gave no answer opens by declining to give one."""
    return bool(_REFUSAL.match(text))
