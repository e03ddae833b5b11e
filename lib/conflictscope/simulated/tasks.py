"""See which task a request sets by its form: the fields of the reply, the fenced sections, the labelled lines.

In: the messages of a request and its ``response_format``. Out: a ``Task``, or ``UnknownForm``, which names the prompt
file that is no longer recognised. How a prompt's sentences are worded makes no difference, except that a yes/no check
has to name what it asks about. Nothing inside a fence can set a task; what has no form of ours is a ``chat``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conflictscope.prompts import fence, read_fences, without_fences

CHAT = "chat"
_SCENARIO = "description persona background goal action_1 action_2 consequence_1 consequence_2"
_COMPLETED = frozenset({"persona", "background", "goal", "consequence_1", "consequence_2"})
_EITHER, _LABELLED = ("description", "action 1", "action 2"), ("description", "action a", "action b")
# prompt → the fields of its reply and its fenced sections
_FORMS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    name: (frozenset(fields.split()), frozenset(sections))
    for name, fields, sections in (
        ("outlines", "outlines", ()),
        ("tenets", "tenets", ("passage",)),
        ("translate", _SCENARIO, tuple(name.replace("_", " ") for name in _SCENARIO.split())),
        ("translate_prompt", "", ("prompt",)),
        ("check_translation", "reason same", ("original", "back")),
        ("scenario", _SCENARIO, ("context", "action opportunity", "good", "harm")),
        ("single_stage", _SCENARIO, ()),
        ("check_realistic", "reason passes", ("description",)),
        ("check_specific", "reason passes", ("description",)),
        ("check_feasible", "reason passes", _EITHER),
        ("check_exclusive", "reason passes", _EITHER),
        ("check_dilemma", "reason passes", _EITHER),
        ("check_value_guided", "reason action", _LABELLED),
        ("domain", "domain", ("description",)),
        ("choose", "answer", _LABELLED),
        ("choose_or_abstain", "answer", (*_LABELLED, "action c")),
        ("rate", "rating", ("description", "action")),
        ("opening_message", "message artifact_request", ("description", "persona", "background", "goal")),
        ("leaning_message", "message", ("description", "action", "message")),
        ("artifact", "", ("message", "request")),
        ("next_message", "message", ("description", "goal", "conversation")),
        ("declining", "reasoning amounts_to", _LABELLED),
        ("judge", "reasoning action leaning", ("conversation", "action a", "action b")),
        ("complete", " ".join(sorted(_COMPLETED)), _EITHER),
    )
}
_STEMS = ("realis", "specific", "feasib", "exclu", "dilemma")  # checks of one form are told apart by what they name


class UnknownForm(ValueError):
    """A request that looks like one of ours and is none that the simulated models can answer."""


@dataclass(frozen=True)
class Task:
    """What a request asks for.

    ``name`` is the prompt's, or ``chat``; ``text`` the prompt without its fenced sections; ``sections`` those, by
    label; ``schema`` the JSON schema of the reply, None for plain text; ``system`` the system messages; ``turns`` the
    user's and the assistant's turns, ``opening`` the user's first one; ``attempt`` the number of replies so far.
    """

    name: str
    text: str
    sections: Mapping[str, str]
    system: str
    turns: tuple[tuple[str, str], ...]
    opening: str
    attempt: int
    schema: Mapping | None = field(default=None, hash=False)

    def texts(self, *labels: str) -> list[str]:
        """Return the sections of these labels, "" for one that is not there."""
        return [self.sections.get(label, "") for label in labels]

    def read(self, pattern: str, expected: str) -> str:
        """Return the first group of a pattern in the prompt; UnknownForm if no line is like `expected`."""
        match = re.search(pattern, self.text, re.MULTILINE)
        if match is None:
            raise _unknown([self.name], f"it has no line like {expected!r}")
        return match[1].strip()


def read_task(messages: Sequence[Mapping], response_format: object = None) -> Task:
    """Return the task that a request sets, or raise UnknownForm if it looks like ours and no prompt has its form.

    Parameters
    ----------
    messages : sequence of {"role", "content"}
        As sent to an OpenAI-compatible endpoint; content is text or a list of text parts.
    response_format : mapping, optional
        The endpoint's; a JSON schema on a line of the prompt (``prompts/json_only.txt``) counts alike.
    """
    spoken = [(str(message.get("role", "user")), _text(message.get("content"))) for message in messages]
    turns = tuple((role, text) for role, text in spoken if role in ("user", "assistant"))
    opening = next((text for role, text in turns if role == "user"), "")
    outside = without_fences(opening)
    schema = _schema(response_format, outside)
    fields = frozenset((schema or {}).get("properties", ()))
    # a section whose mark is not of our making is something that somebody wrote
    sections = {label: text for label, text in read_fences(opening).items() if fence(text, label) in opening}
    ours = bool(fields or (sections and outside.strip()))
    return Task(
        name=_name(fields, frozenset(sections), outside) if ours else CHAT,
        text=outside,
        sections=sections if ours else {},
        system="\n\n".join(text for role, text in spoken if role in ("system", "developer")),
        turns=turns,
        opening=opening,
        attempt=sum(role == "assistant" for role, _ in turns),
        schema=schema,
    )


def _name(fields: frozenset[str], sections: frozenset[str], outside: str) -> str:
    """Return the prompt that has this form."""
    if fields and fields <= _COMPLETED and sections >= _FORMS["complete"][1]:
        return "complete"
    # a reply of one letter, one number or a text may be asked for without a schema
    plain = () if fields else ("choose", "choose_or_abstain", "rate", "artifact", "translate_prompt")
    fitting = [n for n, form in _FORMS.items() if sections == form[1] and (fields == form[0] or n in plain)]
    if not fitting:
        shared = {
            name: sum(len(a & b) / max(1, len(a | b)) for a, b in zip((fields, sections), form, strict=True))
            for name, form in _FORMS.items()
        }
        nearest = max(shared, key=shared.__getitem__)
        wanted, fenced = map(sorted, _FORMS[nearest])
        seen = f"found sections {sorted(sections)} and reply fields {sorted(fields)}"
        raise _unknown([nearest], f"{seen}; expected {fenced} and {wanted}")
    if len(fitting) == 1:
        return fitting[0]
    stems = {name: next(stem for stem in _STEMS if stem in name) for name in fitting}
    named = [name for name, stem in stems.items() if stem in outside.lower()]
    if len(named) != 1:
        raise _unknown(fitting, f"expected one of the words {[stem + '…' for stem in stems.values()]}")
    return named[0]


def _unknown(names: Sequence[str], why: str) -> UnknownForm:
    """Return the error that names the prompt files that are no longer recognised."""
    files = " or ".join(f"prompts/{name}.txt" for name in names)
    return UnknownForm(
        f"The simulated models do not recognise {files}: {why}. They go by a prompt's sections, reply fields and "
        "labelled lines: keep these as shipped, or put the study to other models."
    )


def _schema(response_format: object, outside: str) -> Mapping | None:
    """Return the JSON schema of the reply, or None where plain text is asked for."""
    if isinstance(response_format, Mapping):
        return (response_format.get("json_schema") or {}).get("schema") or {}
    for line in reversed(outside.splitlines()):
        if line.startswith("{"):
            try:
                schema = json.loads(line)
            except ValueError:
                continue
            if isinstance(schema, dict) and (not schema or "properties" in schema):
                return schema
    return None


def _text(content: object) -> str:
    """Return the text of a message's content."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)
