"""Read a text about a composed case: what it is about, which angles it takes, and what is wrong with it.

In: any text. Out: the angles whose words occur in it, the ``Case`` if the text names a place and a matter of the parts,
and the flaw that a check asks about. It knows the parts by heart: what a text does not say cannot be read from it.
"""

import re
from functools import cache, lru_cache

from conflictscope.simulated.parts import NO_NAME, Angle, Case, Stand, load_angles, load_parts, load_phrases

_FIELD = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Z]\w+")
_TWO_WORDS = re.compile(r"(?=\b([A-Z]\w+) ([A-Z]\w+)\b)")
_MEANS = ("The price, without which it cannot be had", "The price: ")
_PRINCIPLE = r"(?:“(?P<principle>[^“”]+)”|(?:this|the first) idea)"
_GAP = r"[^.!?\n]{1,80}?"
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Za-z ]+\]|\ba certain (?:company|person|town|place)\b")
_ERRAND = re.compile(r"\b(telephones|rings up|calls in at|drives to|looks the case up in)\b")


@lru_cache(maxsize=8192)
def find_angles(text: str) -> tuple[tuple[Stand, str], ...]:
    """Return the angles' clauses that occur in a text, in order: whose, and which (``point``, ``kept``, ``lost``)."""
    lowered = text.lower()
    matches = [
        (match.start(), Stand(angle, match.groupdict().get("principle") or ""), field)
        for angle, field, literal, clause in _clauses()
        if literal in lowered
        for match in clause.finditer(text)
    ]
    # where a definition is "this idea", it was quoted before
    quoted = {stand.angle: stand for _, stand, _ in matches if stand.principle}
    in_order = sorted(matches, key=lambda match: match[0])
    return tuple((quoted.get(stand.angle, stand), field) for _, stand, field in in_order)


def stands_kept(text: str) -> tuple[Stand, ...]:
    """Return the stands that a text says are satisfied, in order of occurrence."""
    return tuple(dict.fromkeys(stand for stand, field in find_angles(text) if field == "kept"))


@lru_cache(maxsize=8192)
def read_case(text: str) -> Case | None:
    """Return the case that a text is about, or None where it is about none.

    The text has to name a matter and a place, and to hold words of one angle that speaks for acting and of one that
    speaks against it. A person who is not named is ``[Name]``.
    """
    parts = load_parts()
    settings = {matter: setting for setting in parts["settings"] for matter, _ in setting.matters if matter in text}
    place = next((word for word in _WORD.findall(text) if word in parts["places"]), None)
    stands = {stand.angle.mode: stand for stand, _ in reversed(find_angles(text))} if settings else {}
    if place is None or len(stands) < 2:
        return None
    matter = next(iter(settings))
    named = (
        (first, last)
        for first, last in _TWO_WORDS.findall(text)
        if first in parts["she"] + parts["he"] and last in parts["surnames"]
    )
    first, last = next(named, (NO_NAME, ""))
    return Case(
        first=first,
        last=last,
        place=place,
        setting=settings[matter],
        matter=matter,
        go=stands["go"],
        hold=stands["hold"],
        means=any(phrase in text for phrase in _MEANS),
        strong=_longest_literal(settings[matter].strong) in text.lower(),
    )


def find_flaw(check: str, description: str, actions: tuple[str, ...]) -> str | None:
    """Return what is wrong with a scenario under one of the yes/no checks, quoted from it, or None."""
    if check == "realistic":
        return next((phrase for phrase in load_phrases("flaws")["far_fetched"] if phrase in description), None)
    if check == "specific":
        match = _PLACEHOLDER.search(description)
        return match[0] if match else None
    if check == "feasible":
        return next((match[0] for action in actions if (match := _ERRAND.search(action))), None)
    if check == "exclusive":
        return next((action for action in actions if "and then also" in action), None)
    ending = description.rsplit("Everyone ", 1)
    agreed = len(ending) == 2 and ("has already agreed" in ending[1] or "nothing to be said against" in ending[1])
    return f"Everyone {ending[1]}" if agreed else None


@cache
def _clauses() -> tuple[tuple[Angle, str, str, re.Pattern[str]], ...]:
    """Return every clause: its angle, its field, a literal that has to be there, and the whole as a pattern."""
    return tuple(
        (angle, field, _longest_literal(template), re.compile(_as_pattern(template), re.IGNORECASE))
        for modes in load_angles().values()
        for angles in modes.values()
        for angle in angles
        for field in ("point", "kept", "lost")
        if (template := re.sub(r"^an? ", "", getattr(angle, field)))
    )


def _as_pattern(template: str) -> str:
    """Return a template as a regular expression: a gap of less than a sentence for each placeholder."""
    # a placeholder at either end adds nothing to what is recognised, a quoted definition apart
    bare = re.sub(r"^\{\w+\}|\{\w+\}$", "", template)
    pieces = _FIELD.split(bare.replace("“{principle}”", "{principle}"))
    parts = [re.escape(pieces[0])]
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        parts += [_PRINCIPLE if name == "principle" else _GAP, re.escape(literal)]
    return "".join(parts)


def _longest_literal(template: str) -> str:
    """Return the longest stretch of a template without a placeholder, in lower case."""
    return max(re.sub(r"“?\{\w+\}”?", "\n", template).split("\n"), key=len).lower()
