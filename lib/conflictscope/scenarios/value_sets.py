"""Value sets: read, check, and list the pairs under study (paper, section 3.1, step 1).

In: a YAML file (values, definitions, optional groups, pairs) or the published JSON form ``{name: definition}``.
Out: a frozen ``ValueSet``. Everything that is wrong with a file is said at once, before any money is spent.
"""

import hashlib
import itertools
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from conflictscope.files import did_you_mean, name_problem, read_mapping

# cosine of counts of three letters in a row from which two definitions count as the same: a word or two changed in ten
NEARLY_THE_SAME = 0.85
_COLUMNS = 4096  # into which these are counted
# group names as near as that, where one group has a single value, are taken for a slip of the pen
_NEAR_GROUP = 0.85
_KEYS = {"name", "values", "pairs"}


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
        if name not in self.names:
            raise KeyError(f"Unknown value {name!r} in value set {self.name!r}; expected one of {self.names}.")
        return self.values[self.names.index(name)]

    def pair_fields(self, value_1: str, value_2: str) -> dict[str, str]:
        """Return what the prompts say of a pair: both names and definitions."""
        pair = {"value_1": value_1, "value_2": value_2}
        return pair | {"definition_1": self[value_1].definition, "definition_2": self[value_2].definition}


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
    FileNotFoundError, ValueError
        Naming the value sets in the same folder; listing every problem: unknown keys, repeated names, names that
        differ in case only, empty or near-identical definitions, misspelt groups or values, repeated pairs, a pair
        graph that is not connected.
    """
    path = Path(path)
    if not path.exists():
        found = sorted(p.name for p in path.parent.glob("*") if p.suffix in (".yaml", ".yml", ".json"))
        raise FileNotFoundError(f"value set {path} is not there; {path.parent} has {found or 'no value sets'}.")
    content = read_mapping(path)
    if path.suffix == ".json":
        content = {"values": content}
    if unknown := sorted(set(content) - _KEYS):
        near = did_you_mean(unknown[0], _KEYS)
        raise ValueError(f"{path}: unknown keys {_shown(unknown)}; expected name, values, pairs{near or '.'}")
    values, problems = _read_values(content.get("values"))
    pairs, more = _read_pairs(content.get("pairs", "all"), values)
    problems += more or _lint(values, pairs)
    name = content.get("name", path.stem)
    if expected := name_problem(name, marks="(),/:+"):
        problems.append(f"name: found {_shown(name)}; expected a name of {expected}.")
    if problems:
        raise ValueError(f"{path}: " + " ".join(problems))
    return ValueSet(name, tuple(values), tuple(pairs))


def _shown(found: object) -> str:
    """Return what is in a file, cut if it is long."""
    return repr(found) if len(repr(found)) <= 90 else f"{repr(found)[:80]}…"


def _read_values(found: object) -> tuple[list[Value], list[str]]:
    """Return the values and what is wrong with them."""
    if not isinstance(found, dict) or len(found) < 2:
        return [], [f"values: found {_shown(found)}; expected a mapping of at least two names to definitions."]
    values, problems = [], []
    for name, entry in found.items():
        entry = entry if isinstance(entry, dict) else {"definition": entry}
        definition, group = entry.get("definition"), entry.get("group")
        if expected := name_problem(name, most=60):
            problems.append(f"value {_shown(name)}: expected a name of {expected}.")
        elif unknown := sorted(set(entry) - {"definition", "group"}):
            problems.append(f"value {name!r}: found {_shown(unknown)}; expected a definition, or definition and group.")
        elif group not in (None, "") and (expected := name_problem(group, most=60)):
            problems.append(f"value {name!r}: group: found {_shown(group)}; expected a name of {expected}.")
        elif definition is None or (isinstance(definition, str) and not definition.strip()):
            problems.append(f"value {name!r}: the definition is empty; expected what an assistant that holds it does.")
        elif not isinstance(definition, str):
            problems.append(f"value {name!r}: definition: found {_shown(definition)}; expected text.")
        elif strange := sorted({c for c in definition if c != "\n" and not c.isprintable()}):
            problems.append(
                f"value {name!r}: the definition holds characters that cannot be shown, {_shown(strange)}; expected "
                "text without tabs and control characters."
            )
        else:
            values.append(Value(unicodedata.normalize("NFC", name), " ".join(definition.split()), group or ""))
    return values, problems


def _read_pairs(found: object, values: Sequence[Value]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pairs, each in the order of the values, and what is wrong with them."""
    place = {value.name: number for number, value in enumerate(values)}
    everything = list(itertools.combinations(place, 2))
    if found == "all":
        return everything, []
    if found == "between_groups":
        group = {value.name: value.group for value in values}
        if without := [name for name in place if not group[name]]:
            return [], [f"pairs: between_groups needs a group for every value; {_shown(without)} have none."]
        return [(a, b) for a, b in everything if group[a] != group[b]], []
    if not isinstance(found, list):
        near = did_you_mean(found, ["all", "between_groups"]) if isinstance(found, str) else ""
        return [], [
            f"pairs: found {_shown(found)}; expected 'all', 'between_groups' or a list of pairs of names{near or '.'}"
        ]
    pairs: dict[tuple[str, str], None] = {}
    problems = []
    for pair in found:
        two = isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
        names = [unicodedata.normalize("NFC", name) for name in pair] if two else []
        unknown = [name for name in names if name not in place]
        if not names or unknown or names[0] == names[1]:
            near = did_you_mean(unknown[0], place) if unknown else ""
            problems.append(
                f"pairs: found {_shown(pair)}; expected two different names out of {_shown(list(place))}{near or '.'}"
            )
            continue
        first, second = sorted(names, key=place.__getitem__)
        if (first, second) in pairs:
            problems.append(f"pairs: {pair!r} is listed twice; expected each pair once, in whichever order.")
        pairs[first, second] = None
    return list(pairs), problems


def _lint(values: Sequence[Value], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is wrong with values and pairs that could be read."""
    problems = []
    spellings: dict[str, str] = {}
    for value in values:
        same = spellings.setdefault(_normalised(value.name), value.name)
        if same != value.name:
            problems.append(
                f"values: found {same!r} and {value.name!r}; expected names that differ in more than upper and lower "
                "case and forms of letters."
            )
    for a, b in _nearly_the_same([value.definition for value in values]):
        problems.append(
            f"values {values[a].name!r} and {values[b].name!r} have (nearly) the same definition; expected two that "
            "tell them apart."
        )
    sizes = Counter(value.group for value in values if value.group)
    groups = list(sizes)
    for group, size in sizes.items():
        # of two that are alike, the larger is taken for the right one, else the first
        others = [o for o in groups if sizes[o] > size or (sizes[o] == size and groups.index(o) < groups.index(group))]
        alike = [other for other in others if _normalised(other) == _normalised(group)]
        near = f"; did you mean {alike[0]!r}?" if alike else did_you_mean(group, others, cutoff=_NEAR_GROUP)
        if alike or (size == 1 and near):
            problems.append(f"group: found {group!r}, of {size} value; expected a group of the set's own{near}")
    if len(parts := _connected_parts([value.name for value in values], pairs)) > 1:
        problems.append(
            f"pairs: they do not connect the values, so no common ranking exists; found the parts {_shown(parts)}, "
            "expected one. Add pairs."
        )
    return problems


def _connected_parts(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the names in parts that pairs connect, in the order of the set."""
    part = {name: [name] for name in names}
    for first, second in pairs:
        if part[first] is not part[second]:
            joined = part[first] + part[second]
            part |= dict.fromkeys(joined, joined)
    return [sorted(held, key=names.index) for held in {id(held): held for held in part.values()}.values()]


def _normalised(text: str) -> str:
    """Return a text's letters, marks and numbers in one form and case, other characters as single spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split())


def _nearly_the_same(definitions: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of definitions whose counts of three letters in a row have a cosine of ``NEARLY_THE_SAME``."""
    counts = np.zeros((len(definitions), _COLUMNS))
    for row, definition in enumerate(definitions):
        # one without letters is compared as it is
        text = f" {_normalised(definition) or definition} "
        for start in range(len(text) - 2):
            counts[row, crc32(text[start : start + 3].encode()) % _COLUMNS] += 1
    products = counts @ counts.T
    length = np.sqrt(np.diag(products))
    alike = np.triu(products >= NEARLY_THE_SAME * np.outer(length, length), k=1)
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(alike), strict=True)]
