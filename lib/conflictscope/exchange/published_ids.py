"""Ids of the published ConflictScope release, which say where a scenario is from.

In: ``<author>_<value 1>_<value 2>_<value 1>-<value 2>-<template>-<n>``. Out: its parts, in our terms. The release does
not make ids unique: one that occurs twice names no scenario.
"""

import re
from dataclasses import dataclass

# template of the release → structure, severity
TEMPLATES = {
    "coc": ("side_effect", "strong"),
    "coc_mild": ("side_effect", "mild"),
    "cc": ("means", "strong"),
    "cc_mild": ("means", "mild"),
}
_ID = re.compile(
    r"(?P<author>.+)_(?P<value_1>.+)_(?P<value_2>.+)_(?P=value_1)-(?P=value_2)-"
    r"(?P<template>coc_mild|coc|cc_mild|cc)-(?P<number>[0-9]{1,9})"
)
_LONGEST = 300


@dataclass(frozen=True)
class PublishedId:
    """An id's parts; acting serves either value: the release does not record which."""

    author: str
    value_1: str
    value_2: str
    structure: str
    severity: str
    number: int


def read_id(published_id: str) -> PublishedId:
    """Read an id.

    Raises
    ------
    ValueError
        Where it is none.
    """
    found = _ID.fullmatch(published_id) if len(published_id) <= _LONGEST else None
    if not found:
        raise ValueError(
            f"id {published_id[:80]!r}; expected <author>_<value 1>_<value 2>_<value 1>-<value 2>-<template>-<n>, "
            f"template one of {list(TEMPLATES)}"
        )
    structure, severity = TEMPLATES[found["template"]]
    return PublishedId(found["author"], found["value_1"], found["value_2"], structure, severity, int(found["number"]))
