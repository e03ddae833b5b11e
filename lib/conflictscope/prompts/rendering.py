"""Fill in a prompt and fence the untrusted text in it.

In: the prompt's name and its fields. Out: messages with role and content, the name, and a hash of the prompt's text.
A field that is missing or that the prompt does not use is an error. Text that a model wrote goes through the
``fence`` filter: its section ends only at a mark derived from the text itself, so nothing in the text can close it.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, meta

FOLDER = Path(__file__).parent
_ROLE = re.compile(r"^--- (system|user)\n", re.MULTILINE)
_FENCE = re.compile(r"\[begin ([a-z0-9 ]+) ([0-9a-f]{8})\]\n(.*?)\n\[end \1 \2\]", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """A filled-in prompt: its name, the hash of its text before filling in, and messages of (role, content)."""

    name: str
    hash: str
    messages: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class _Parts:
    """A prompt's text, split by role before anything is filled in."""

    hash: str
    fields: frozenset[str]
    templates: tuple[tuple[str, Template], ...]


def fence(text: str, label: str) -> str:
    """Put text between two marks that cannot occur in it.

    Parameters
    ----------
    text : str
        Anything; typically what a model wrote.
    label : str
        What the section holds: lower-case letters, digits and spaces.

    Returns
    -------
    str
        ``[begin label mark]``, the text, ``[end label mark]``, a line each; the mark is eight hexadecimal digits
        of a hash of the text, taken again in the freak case that the text contains it.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    while (mark := digest.hexdigest()[:8]) in text:
        digest.update(b".")
    return f"[begin {label} {mark}]\n{text}\n[end {label} {mark}]"


def read_fences(text: str) -> dict[str, str]:
    """Return label → text for each fenced section, the way a careful reader would take them; the first one wins."""
    found: dict[str, str] = {}
    for label, _, content in _FENCE.findall(text):
        found.setdefault(label, content)
    return found


def render(name: str, **fields: object) -> Prompt:
    """Fill in the prompt ``<name>.txt``.

    Raises
    ------
    ValueError
        Where the prompt does not exist, lacks a field or is given one that it does not use.
    """
    parts = _load(name)
    missing, unused = sorted(parts.fields - fields.keys()), sorted(fields.keys() - parts.fields)
    if missing or unused:
        raise ValueError(f"prompt {name!r}: missing fields {missing or 'none'}, unused fields {unused or 'none'}.")
    messages = tuple({"role": role, "content": template.render(fields).strip()} for role, template in parts.templates)
    return Prompt(name, parts.hash, messages)


def prompt_hashes() -> dict[str, str]:
    """Return name → hash of every prompt, for a study's manifest."""
    return {path.stem: _load(path.stem).hash for path in sorted(FOLDER.glob("*.txt"))}


def prompt_texts() -> dict[str, str]:
    """Return name → text of every prompt before it is filled in, for estimates."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.txt"))}


@cache
def _environment() -> Environment:
    """Return the Jinja environment: strict about missing fields, plain text (nothing is escaped)."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["fence"] = fence
    return environment


@cache
def _load(name: str) -> _Parts:
    """Return a prompt's parts, read once."""
    path = FOLDER / f"{name}.txt"
    if not path.exists():
        known = sorted(p.stem for p in FOLDER.glob("*.txt"))
        raise ValueError(f"unknown prompt {name!r}; expected one of {known}.")
    source = path.read_text(encoding="utf-8")
    pieces = _ROLE.split(source)[1:]
    environment = _environment()
    return _Parts(
        hash=hashlib.sha256(source.encode()).hexdigest()[:12],
        fields=frozenset(meta.find_undeclared_variables(environment.parse(source))),
        templates=tuple(
            (role, environment.from_string(text)) for role, text in zip(pieces[::2], pieces[1::2], strict=True)
        ),
    )
