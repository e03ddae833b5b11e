"""Fill in a prompt and fence the untrusted text in it.

In: the prompt's name and its fields. Out: messages with role and content, the name, and a hash of the prompt's text.
A field that is missing or that the prompt does not use is an error. Text that a model wrote goes through the
``fence`` filter: its section ends only at a mark derived from the text itself, so nothing in the text can close it.
A study's own prompts, in a folder, take the place of the shipped ones of the same names; they run in a sandbox.
"""

import hashlib
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from conflictscope.files import did_you_mean, near_file

FOLDER = Path(__file__).parent
_overlay: Path | None = None
_language = ""
# prompts whose replies targets see, or are made from
WRITING = (
    *("outlines", "scenario", "single_stage", "complete"),
    *("opening_message", "leaning_message", "artifact", "next_message"),
)
_WRITE_IN = (
    "Language: whatever language this is written in, every text of your answer is in {language}, as somebody writes "
    "who grew up with it. Names of fields, and tags in double brackets, stay as they are."
)
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_ROLE = re.compile(r"^--- (system|user)\n", re.MULTILINE)
_BEGIN = re.compile(r"\[begin ([a-z0-9 ]+ [0-9a-f]{8})\]\n")
_END = re.compile(r"\n\[end ([a-z0-9 ]+ [0-9a-f]{8})\]")


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
    """Put any text, typically what a model wrote, between two marks that cannot occur in it.

    Returns
    -------
    str
        ``[begin label mark]``, the text, ``[end label mark]``, a line each; `label` is lower-case letters, digits and
        spaces, the mark eight hexadecimal digits of a hash of the text, taken again if the text contains it.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    while (mark := digest.hexdigest()[:8]) in text:
        digest.update(b".")
    return f"[begin {label} {mark}]\n{text}\n[end {label} {mark}]"


_ENVIRONMENT.filters["fence"] = fence


def read_fences(text: str) -> dict[str, str]:
    """Return label → text for each fenced section, the way a careful reader would take them; the first one wins."""
    sections: dict[str, str] = {}
    for label, begin, end in _find_fences(text):
        sections.setdefault(label, text[text.index("\n", begin) + 1 : text.rindex("\n", begin, end)])
    return sections


def without_fences(text: str) -> str:
    """Return a text without its fenced sections: what the prompt itself says."""
    rest, at = [], 0
    for _, begin, end in _find_fences(text):
        rest.append(text[at:begin])
        at = end
    return "".join(rest) + text[at:]


def _find_fences(text: str) -> Iterator[tuple[str, int, int]]:
    """Return label, beginning and end of each fenced section, marks included, in time linear in the text's length."""
    ends: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for mark in _END.finditer(text):
        ends[mark[1]].append(mark.span())
    at = 0
    for mark in _BEGIN.finditer(text):
        there = ends[mark[1]]
        nth = bisect_left(there, (mark.end(), 0))
        if mark.start() >= at and nth < len(there):
            at = there[nth][1]
            yield mark[1][:-9], mark.start(), at


def render(name: str, **fields: object) -> Prompt:
    """Fill in the prompt ``<name>.txt``; raises ValueError if it does not exist or has other fields."""
    parts = _load(name)
    missing, unused = sorted(parts.fields - fields.keys()), sorted(fields.keys() - parts.fields)
    if missing or unused:
        raise ValueError(f"prompt {name!r}: missing fields {missing or 'none'}, unused fields {unused or 'none'}.")
    messages = tuple({"role": role, "content": template.render(fields).strip()} for role, template in parts.templates)
    if _language and name in WRITING:
        messages[-1]["content"] += f"\n\n{_WRITE_IN.format(language=_language)}"
    return Prompt(name, parts.hash, messages)


def use_prompts(folder: Path | None, language: str = "") -> None:
    """Render from now on, in this process, with the prompts in a folder, and with the shipped ones for all others.

    Parameters
    ----------
    folder : Path, optional
        Checked as by ``prompt_files``; None: the shipped ones alone.
    language : str
        A BCP-47 tag or a name, which prompts that have something written (``WRITING``) end with; empty: none.
    """
    global _overlay, _language
    # a prompt may have been edited since an earlier cell used it
    _read.cache_clear()
    prompt_files(folder)
    _overlay, _language = folder, language


def prompts_in_use() -> tuple[Path | None, str]:
    """Return the folder and the language that ``use_prompts`` has set."""
    return _overlay, _language


def prompt_files(folder: Path | None = None) -> dict[str, Path]:
    """Return name → file of every prompt, from a study's own folder if it is there.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder is not there; if a file in it is not named like a shipped prompt, ``<name>.txt``, cannot be read,
        or has other fields or roles than that.
    """
    shipped = {path.stem: path for path in sorted(FOLDER.glob("*.txt"))}
    if folder is None:
        return shipped
    if not folder.is_dir():
        near = near_file(folder) or "."
        raise FileNotFoundError(f"prompts_folder: {folder} is not there; expected a folder of prompts{near}")
    names = {path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
    for name, path in names.items():
        if path.suffix != ".txt" or path.stem not in shipped:
            known = [f"{prompt}.txt" for prompt in shipped]
            raise ValueError(
                f"prompts_folder: {path}: no prompt has this name; expected some of {known}"
                f"{did_you_mean(name, known) or '.'}"
            )
        form, expected = (
            {"fields": sorted(parts.fields), "roles": [role for role, _ in parts.templates]}
            for parts in (_read(path), _read(shipped[path.stem]))
        )
        for what, named in form.items():
            if named != expected[what]:
                raise ValueError(
                    f"prompts_folder: {path}: found {what} {named}; expected {expected[what]}, as in the shipped one."
                )
    return shipped | {path.stem: path for path in names.values()}


def prompt_hash(name: str) -> str:
    """Return the hash of a prompt's text as it is in use."""
    return _load(name).hash


def prompt_hashes(folder: Path | None = None) -> dict[str, str]:
    """Return name → hash of every prompt; those of a study's own folder as for ``prompt_files``."""
    return {name: _read(path).hash for name, path in prompt_files(folder).items()}


def prompt_texts(folder: Path | None = None) -> dict[str, str]:
    """Return name → text of every prompt before it is filled in, for estimates."""
    return {name: path.read_text(encoding="utf-8") for name, path in prompt_files(folder).items()}


def _load(name: str) -> _Parts:
    """Return a prompt's parts."""
    shipped = FOLDER / f"{name}.txt"
    if not shipped.exists():
        known = sorted(prompt_files())
        raise ValueError(f"unknown prompt {name!r}; expected one of {known}{did_you_mean(name, known) or '.'}")
    file = _overlay / shipped.name if _overlay else shipped
    return _read(file if file.exists() else shipped)


@cache
def _read(path: Path) -> _Parts:
    """Return the parts of a prompt's file, read once."""
    source = path.read_text(encoding="utf-8")
    pieces = _ROLE.split(source)[1:]
    try:
        return _Parts(
            hash=hashlib.sha256(source.encode()).hexdigest()[:12],
            fields=frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(source))),
            templates=tuple(
                (role, _ENVIRONMENT.from_string(text)) for role, text in zip(pieces[::2], pieces[1::2], strict=True)
            ),
        )
    except TemplateError as problem:
        raise ValueError(f"{path}: no prompt that can be filled in: {problem}.") from None
