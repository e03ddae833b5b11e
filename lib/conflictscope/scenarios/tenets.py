"""Tenets: a specification in Markdown or plain text becomes a value set, each value with the sentence it rests on.

In: the text, and the author model that reads it a passage at a time. Out: tenets, what was refused and why, pairs that
are too much alike to collide, and a value set file, which a person reads before anything else is asked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict

from conflictscope.files import name_problem
from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.dedupe import embed_texts
from conflictscope.scenarios.value_sets import VALUE_MARKS, Value, ValueSet, in_one_line, nearly_the_same, unshown

PASSAGE = 4000
"""Characters of a passage at most, unless a single paragraph is longer."""
MOST_TENETS = 300
ALIKE = {"minilm": 0.5}
"""Embedder → cosine of definitions from which the method's authors drop a pair."""


class Tenet(BaseModel):
    """One tenet as the author gives it; see ``prompts/tenets.txt``."""

    model_config = ConfigDict(extra="forbid")
    name: NonBlank
    definition: NonBlank
    sentence: NonBlank


class Tenets(BaseModel):
    """The author's reply for one passage."""

    model_config = ConfigDict(extra="forbid")
    tenets: list[Tenet]


@dataclass(frozen=True)
class Reading:
    """What an author made of a specification.

    ``values`` have a ``sentence`` each; ``refused`` has a row for each tenet that was not taken: ``name``,
    ``definition``, ``sentence``, ``problem``.
    """

    values: tuple[Value, ...]
    refused: pd.DataFrame


def split_passages(text: str, most: int = PASSAGE) -> list[str]:
    """Return a text in passages of whole paragraphs, of at most `most` characters if its paragraphs allow."""
    passages: list[str] = []
    for paragraph in filter(str.strip, re.split(r"\n[ \t]*\n", text)):
        if passages and len(passages[-1]) + len(paragraph) + 2 <= most:
            passages[-1] += f"\n\n{paragraph.strip()}"
        else:
            passages.append(paragraph.strip())
    return passages


async def read_tenets(text: str, models: Models, author: str) -> Reading:
    """Have the author read a specification.

    A tenet is refused if its sentence does not occur in the text letter by letter (line breaks and blanks apart), its
    name cannot be a value's or is taken, its definition nearly repeats an earlier one, or there are ``MOST_TENETS``.

    Raises
    ------
    ValueError
        If the text is empty, or a passage got no reply that could be read.
    """
    passages = split_passages(text)
    if not passages:
        raise ValueError("the specification is empty; expected a text.")
    requests = [Request.of(render("tenets", passage=p), schema=Tenets, temperature=0.0) for p in passages]
    replies = await models.ask(author, requests, label="tenets")
    taken: list[Tenet] = []
    refused: list[dict] = []
    source = in_one_line(text)
    for number, reply in enumerate(replies, 1):
        if not isinstance(reply.parsed, Tenets):
            raise ValueError(
                f"passage {number} of {len(passages)} got no reply that could be read: "
                f"{reply.problem or reply.outcome}. Give the command again: what was answered is not asked again."
            )
        for tenet in reply.parsed.tenets:
            if problem := _problem(tenet, taken, source):
                refused.append(tenet.model_dump() | {"problem": problem})
            else:
                taken.append(tenet)
    repeated = {b: a for a, b in reversed(nearly_the_same([tenet.definition for tenet in taken]))}
    for b, a in sorted(repeated.items()):
        refused.append(taken[b].model_dump() | {"problem": f"its definition nearly repeats that of {taken[a].name!r}"})
    kept = [tenet for n, tenet in enumerate(taken) if n not in repeated]
    for tenet in kept[MOST_TENETS:]:
        refused.append(tenet.model_dump() | {"problem": f"there are {MOST_TENETS} already"})
    values = tuple(
        Value(_name(tenet), in_one_line(tenet.definition), sentence=in_one_line(tenet.sentence))
        for tenet in kept[:MOST_TENETS]
    )
    return Reading(values, pd.DataFrame(refused, columns=[*Tenet.model_fields, "problem"]))


async def alike_pairs(
    values: Sequence[Value], models: Models, embedder: str, threshold: float | None = None
) -> pd.DataFrame:
    """Find pairs of values whose definitions are too much alike to collide.

    Parameters
    ----------
    embedder : str
        As for `embed_texts`.
    threshold : float, optional
        Cosine from which a pair counts; default: that of ``ALIKE``.

    Returns
    -------
    DataFrame
        ``value_1``, ``value_2``, ``similarity`` (cosine), the most alike first.

    Raises
    ------
    ValueError
        If there is no threshold for the embedder.
    """
    least = ALIKE.get(embedder) if threshold is None else threshold
    if least is None:
        raise ValueError(f"embedder {embedder!r}: expected a threshold, as none is known for it.")
    vectors = await embed_texts([value.definition for value in values], embedder, models)
    cosines = vectors @ vectors.T
    first, second = np.nonzero(np.triu(cosines >= least, k=1))
    table = pd.DataFrame(
        {
            "value_1": pd.array([values[int(i)].name for i in first], dtype="str"),
            "value_2": pd.array([values[int(i)].name for i in second], dtype="str"),
            "similarity": cosines[first, second],
        }
    )
    return table.sort_values("similarity", ascending=False, kind="stable", ignore_index=True)


def value_set_text(
    name: str,
    values: Sequence[Value],
    *,
    without: Sequence[tuple[str, str]] = (),
    each: int | None = None,
    seed: int = 0,
) -> str:
    """Return a value set file, as `load_value_set` reads it.

    Parameters
    ----------
    without : sequence of two names
        Pairs that are not asked.
    each : int, optional
        In how many pairs a value is, drawn with `seed`; default: all pairs.
    """
    pairs: str | Mapping = "all"
    if without or each:
        pairs = ({"each": each, "seed": seed} if each else {}) | (
            {"without": [list(p) for p in without]} if without else {}
        )
    content = ValueSet(name, tuple(values), ()).content | {"pairs": pairs}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=116)


def _problem(tenet: Tenet, taken: Sequence[Tenet], source: str) -> str | None:
    """Return why a tenet is not taken, None if it is."""
    if in_one_line(tenet.sentence) not in source:
        return "its sentence does not occur in the text"
    if expected := name_problem(_name(tenet), marks=VALUE_MARKS, most=60):
        return f"its name cannot be a value's; expected {expected}"
    if _name(tenet).casefold() in {_name(other).casefold() for other in taken}:
        return "its name is taken"
    return "its definition cannot be shown" if unshown(in_one_line(tenet.definition)) else None


def _name(tenet: Tenet) -> str:
    """Return a tenet's name in one line."""
    return in_one_line(tenet.name)
