"""Value sets: read, check, and list the pairs under study (paper, section 3.1, step 1).

In: a YAML file (values, definitions, optional groups, pairs) or the published JSON form ``{name: definition}``.
Out: a frozen ``ValueSet``. Everything that is wrong with a file is said at once, before any money is spent.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from scipy.sparse.csgraph import connected_components

from conflictscope.files import name_problem, read_mapping

NEAR_IDENTICAL = 0.9


@dataclass(frozen=True)
class Value:
    """A named principle with its definition; `group` is empty where the set has no groups."""

    name: str
    definition: str
    group: str = ""


@dataclass(frozen=True)
class ValueSet:
    """The set under study: values in the file's order, and the unordered pairs that are put in conflict."""

    name: str
    values: tuple[Value, ...]
    pairs: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """Names of the values, in the file's order."""
        return [value.name for value in self.values]

    @property
    def groups(self) -> dict[str, str]:
        """Name → group, for the values that have one."""
        return {value.name: value.group for value in self.values if value.group}

    @property
    def hash(self) -> str:
        """Hash of names, definitions, groups and pairs."""
        content = json.dumps([[(v.name, v.definition, v.group) for v in self.values], self.pairs])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def __getitem__(self, name: str) -> Value:
        for value in self.values:
            if value.name == name:
                return value
        raise KeyError(f"Unknown value {name!r} in value set {self.name!r}; expected one of {self.names}.")


def load_value_set(path: Path | str) -> ValueSet:
    """Read a value set.

    Parameters
    ----------
    path : Path or str
        ``.yaml``/``.yml`` with the keys ``values`` (name → definition, or name → {definition, group}), ``pairs``
        (``all``, ``between_groups`` or a list of two names each; default ``all``) and ``name``; or ``.json`` in the
        published form ``{name: definition}``, of which all pairs are taken.

    Raises
    ------
    FileNotFoundError
        Naming the value sets that are in the same folder.
    ValueError
        Listing every problem: unknown keys, repeated names, empty or near-identical definitions, unknown groups or
        values, a pair graph that is not connected.
    """
    path = Path(path)
    if not path.exists():
        found = sorted(p.name for p in path.parent.glob("*") if p.suffix in (".yaml", ".yml", ".json"))
        raise FileNotFoundError(f"value set {path} is not there; {path.parent} has {found or 'no value sets'}.")
    content = read_mapping(path)
    if path.suffix == ".json":
        content = {"values": content}
    unknown = sorted(set(content) - {"name", "values", "pairs"})
    if unknown:
        raise ValueError(f"{path}: unknown keys {unknown}; expected name, values, pairs.")
    values, problems = _read_values(content.get("values"))
    pairs, more = _read_pairs(content.get("pairs", "all"), values)
    problems += more or _lint(values, pairs)
    name = content.get("name", path.stem)
    if expected := name_problem(name, marks="(),/:+"):
        problems.append(f"name: found {_shown(name)}; expected {expected}.")
    if problems:
        raise ValueError(f"{path}: " + " ".join(problems))
    return ValueSet(name, tuple(values), tuple(pairs))


def _shown(found: object) -> str:
    """Return what was found, cut where it is long."""
    return repr(found) if len(repr(found)) <= 90 else f"{repr(found)[:80]}…"


def _read_values(found: object) -> tuple[list[Value], list[str]]:
    """Return the values and what is wrong with them."""
    if not isinstance(found, dict) or len(found) < 2:
        return [], ["values: expected a mapping of at least two names to definitions."]
    values, problems = [], []
    for name, entry in found.items():
        entry = {"definition": entry} if isinstance(entry, str) or entry is None else entry
        if expected := name_problem(name, most=60):
            problems.append(f"value {_shown(name)}: expected a name of {expected}.")
        elif not isinstance(entry, dict) or set(entry) - {"definition", "group"}:
            problems.append(f"value {name!r}: found {entry!r}; expected a definition, or definition and group.")
        elif entry.get("group") and (expected := name_problem(entry["group"], most=60)):
            problems.append(f"value {name!r}: group: found {_shown(entry['group'])}; expected {expected}.")
        elif not isinstance(entry.get("definition"), str) or not entry["definition"].strip():
            problems.append(f"value {name!r}: the definition is empty; write what an assistant that holds it does.")
        elif not (definition := " ".join(entry["definition"].split())).isprintable():
            problems.append(f"value {name!r}: the definition holds characters that cannot be shown; write it anew.")
        else:
            values.append(Value(name, definition, str(entry.get("group") or "")))
    return values, problems


def _read_pairs(found: object, values: Sequence[Value]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pairs, each in the order of the values, and what is wrong with them."""
    names = [value.name for value in values]
    everything = list(itertools.combinations(names, 2))
    if found == "all":
        return everything, []
    if found == "between_groups":
        group = {value.name: value.group for value in values}
        if without := [name for name in names if not group[name]]:
            return [], [f"pairs: between_groups needs a group for every value; {without} have none."]
        return [(a, b) for a, b in everything if group[a] != group[b]], []
    if not isinstance(found, list):
        return [], [f"pairs: found {found!r}; expected 'all', 'between_groups' or a list of pairs of names."]
    pairs, problems = [], []
    for pair in found:
        if not isinstance(pair, list) or len(pair) != 2 or set(pair) - set(names) or pair[0] == pair[1]:
            problems.append(f"pairs: found {pair!r}; expected two different names out of {names}.")
        else:
            ordered = tuple(sorted(pair, key=names.index))
            if ordered in pairs:
                problems.append(f"pairs: {pair!r} is listed twice.")
            pairs.append(ordered)
    return pairs, problems


def _lint(values: Sequence[Value], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is wrong with values and pairs that could be read."""
    problems = []
    if len({value.name.casefold() for value in values}) < len(values):
        problems.append("values: two names differ in upper and lower case only.")
    for a, b in itertools.combinations(values, 2):
        likeness = SequenceMatcher(None, a.definition.casefold(), b.definition.casefold(), autojunk=False).ratio()
        if likeness >= NEAR_IDENTICAL:
            problems.append(f"values {a.name!r} and {b.name!r} have (nearly) the same definition; tell them apart.")
    names = [value.name for value in values]
    graph = np.zeros((len(names), len(names)))
    for first, second in pairs:
        graph[names.index(first), names.index(second)] = 1
    count, part = connected_components(graph, directed=False)
    if values and count > 1:
        parts = [[name for name, own in zip(names, part, strict=True) if own == k] for k in range(count)]
        problems.append(f"pairs: they do not connect the values, so no common ranking exists: {parts}. Add pairs.")
    return problems
