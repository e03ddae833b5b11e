"""Value sets: read, check, and list the pairs under study (paper, section 3.1, step 1).

In: a YAML file (values, definitions, optional groups, pairs) or the published JSON form ``{name: definition}``.
Out: a frozen ``ValueSet``. Everything that is wrong with a file is said at once, before any money is spent.
"""

import hashlib
import itertools
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from conflictscope.files import did_you_mean, name_problem, near_file, places_in, read_mapping

# cosine of counts of three letters in a row from which two definitions count as the same: a word or two changed in ten
NEARLY_THE_SAME = 0.85
_COLUMNS = 4096  # into which these are counted
# group names as near as that, where one group has a single value, are taken for a slip of the pen
_NEAR_GROUP = 0.85
_RINGS = 10_000  # draws of an order in which no neighbours are barred
_KEYS = {"name", "values", "pairs"}


@dataclass(frozen=True)
class Value:
    """A named principle with its definition.

    `group` is empty where the set has no groups, `sentence` where no specification is known that it rests on.
    """

    name: str
    definition: str
    group: str = ""
    sentence: str = ""


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
    def content(self) -> dict[str, Any]:
        """Return it in the form that `load_value_set` reads, each pair listed."""
        entries = {
            value.name: {"definition": value.definition}
            | ({"group": value.group} if value.group else {})
            | ({"sentence": value.sentence} if value.sentence else {})
            for value in self.values
        }
        return {"name": self.name, "values": entries, "pairs": [list(pair) for pair in self.pairs]}

    @property
    def hash(self) -> str:
        """Hash of names, definitions, groups and pairs."""
        content = json.dumps([[(v.name, v.definition, v.group) for v in self.values], self.pairs])
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def __getitem__(self, name: str) -> Value:
        for value in self.values:
            if value.name == name:
                return value
        near = did_you_mean(name, self.names) or "."
        raise KeyError(f"Unknown value {name!r} in value set {self.name!r}; expected one of {self.names}{near}")


def load_value_set(path: Path | str) -> ValueSet:
    """Read a value set.

    Parameters
    ----------
    path : Path or str
        ``.yaml``/``.yml`` with the keys ``values`` (name → definition, or name → {definition, group, sentence}),
        ``pairs`` (``all``, ``between_groups``, ``{each: 6, seed: 0}`` for `balanced_pairs`, ``{without: [[a, b]]}`` for
        all but some, or both, or a list of two names each; default ``all``) and ``name``; or ``.json`` in the
        published form ``{name: definition}``, of which all pairs are taken.

    Raises
    ------
    FileNotFoundError
        Naming the value sets that are in the same folder.
    ValueError
        Listing every problem: unknown keys, repeated names, names that differ in case only, empty or near-identical
        definitions, misspelt groups or values, repeated pairs, a pair graph that is not connected.
    """
    path = Path(path)
    if not path.exists():
        names = sorted(p.name for p in path.parent.glob("*") if p.suffix in (".yaml", ".yml", ".json"))
        near = near_file(path) or "."
        raise FileNotFoundError(f"value set {path} is not there; {path.parent} has {names or 'no value sets'}{near}")
    content, place = read_mapping(path), places_in(path)
    if path.suffix.lower() == ".json":
        content = {"values": content}
    if unknown := sorted(set(content) - _KEYS):
        near = did_you_mean(unknown[0], _KEYS)
        raise ValueError(
            f"{path}: {place(unknown[0])}unknown keys {_shown(unknown)}; expected name, values, pairs{near or '.'}"
        )
    values, problems = _read_values(content.get("values"), place)
    pairs, more = _read_pairs(content.get("pairs", "all"), values, place)
    problems += more or _lint(values, pairs, place)
    name = content.get("name", path.stem)
    if expected := name_problem(name, marks="(),/:+"):
        problems.append(f"{place('name')}name: found {_shown(name)}; expected a name of {expected}.")
    if problems:
        raise ValueError(f"{path}: " + " ".join(problems))
    return ValueSet(name, tuple(values), tuple(pairs))


def _shown(given: object) -> str:
    """Return what is in a file, cut if it is long."""
    return repr(given) if len(repr(given)) <= 90 else f"{repr(given)[:80]}…"


def _read_values(given: object, place: Callable[..., str]) -> tuple[list[Value], list[str]]:
    """Return the values and what is wrong with them."""
    if not isinstance(given, dict) or len(given) < 2:
        return [], [
            f"{place('values')}values: found {_shown(given)}; expected a mapping of at least two names to definitions."
        ]
    values, problems = [], []
    for name, entry in given.items():
        entry = entry if isinstance(entry, dict) else {"definition": entry}
        definition: Any = entry.get("definition")
        group: Any = entry.get("group")
        sentence: Any = entry.get("sentence") or ""
        unknown = sorted(set(entry) - {"definition", "group", "sentence"})
        if problem := _problem_of_value(name, definition, group, sentence, unknown):
            problems.append(f"{place('values', name)}value {_shown(name)}: {problem}")
        else:
            values.append(
                Value(
                    unicodedata.normalize("NFC", name),
                    in_one_line(definition),
                    group or "",
                    in_one_line(sentence),
                )
            )
    return values, problems


VALUE_MARKS = "/(),+"
"""What names of values may hold beside letters, digits and the marks of all names."""
_SOFT_HYPHEN = "\xad"
# line ends, spaces of word processors, and joiners of scripts and emoji
_PASSED = f"\n\xa0\u2009\u202f\u3000\u200c\u200d{_SOFT_HYPHEN}"


def in_one_line(text: str) -> str:
    """Return a text with single spaces, and without hyphens that only say where a line may end."""
    return " ".join(text.replace(_SOFT_HYPHEN, "").split())


def unshown(text: str) -> list[str]:
    """Return the characters of a definition that nobody sees and no script needs, sorted."""
    return sorted({letter for letter in text if letter not in _PASSED and not letter.isprintable()})


def _problem_of_value(
    name: str, definition: Any, group: object, sentence: object, unknown: Sequence[str]
) -> str | None:
    """Return what is wrong with one entry."""
    if expected := name_problem(name, marks=VALUE_MARKS, most=60):
        return f"expected a name of {expected}."
    if unknown:
        near = did_you_mean(unknown[0], ("definition", "group", "sentence")) or "."
        return f"found {_shown(unknown)}; expected a definition, or definition, group and sentence{near}"
    if group not in (None, "") and (expected := name_problem(group, most=60)):
        return f"group: found {_shown(group)}; expected a name of {expected}."
    if definition is None or (isinstance(definition, str) and not definition.strip()):
        return "the definition is empty; expected what an assistant that holds it does."
    if not isinstance(definition, str):
        return f"definition: found {_shown(definition)}; expected text."
    if not isinstance(sentence, str):
        return f"sentence: found {_shown(sentence)}; expected text."
    for what, text in (("definition", definition), ("sentence", sentence)):
        if strange := unshown(text):
            return (
                f"the {what} holds characters that cannot be shown, {_shown(strange)}; expected text without tabs and "
                "control characters."
            )
    return None


def _read_pairs(
    given: object, values: Sequence[Value], place: Callable[..., str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pairs, each in the order of the values, and what is wrong with them."""
    order = {value.name: number for number, value in enumerate(values)}
    everything = list(itertools.combinations(order, 2))
    if given == "all":
        return everything, []
    if given == "between_groups":
        group = {value.name: value.group for value in values}
        if without := [name for name in order if not group[name]]:
            return [], [
                f"{place('pairs')}pairs: between_groups needs a group for every value; {_shown(without)} have none. "
                f"Write {without[0]}: {{group: …, definition: …}}."
            ]
        return [(a, b) for a, b in everything if group[a] != group[b]], []
    if isinstance(given, dict):
        each, seed, listed = given.get("each"), given.get("seed", 0), given.get("without", [])
        barred, wrong = _read_listed(listed, order, place) if isinstance(listed, list) else ([], [])
        if wrong:
            return [], wrong
        fits = each is None or (type(each) is int and type(seed) is int and 2 <= each < len(order))
        if set(given) <= {"each", "seed", "without"} and fits and (barred or each is not None):
            if each is None:
                left_out = set(barred)
                return [pair for pair in everything if pair not in left_out], []
            try:
                return balanced_pairs(list(order), each, seed, barred), []
            except ValueError as problem:
                return [], [f"{place('pairs')}pairs: {problem}"]
        return [], [
            f"{place('pairs')}pairs: found {_shown(given)}; expected each, in how many pairs a value is, from 2 to "
            f"{len(order) - 1}, and perhaps seed, a whole number; or without, a list of pairs of names; or both."
        ]
    if not isinstance(given, list):
        near = did_you_mean(given, ["all", "between_groups"]) if isinstance(given, str) else ""
        return [], [
            f"{place('pairs')}pairs: found {_shown(given)}; expected 'all', 'between_groups', each: a number, or a "
            f"list of pairs of names{near or '.'}"
        ]
    return _read_listed(given, order, place)


def _read_listed(
    given: list, order: dict[str, int], place: Callable[..., str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pairs of a list, each in the order of the values, and what is wrong with them."""
    pairs: dict[tuple[str, str], None] = {}
    problems = []
    for number, pair in enumerate(given):
        names = (
            [unicodedata.normalize("NFC", n) if isinstance(n, str) else n for n in pair]
            if isinstance(pair, list)
            else []
        )
        texts = len(names) == 2 and all(isinstance(name, str) for name in names)
        unknown = [name for name in names if name not in order] if texts else []
        if not texts or unknown or names[0] == names[1]:
            near = did_you_mean(unknown[0], order) if unknown else ""
            problems.append(
                f"{place('pairs', number)}pairs: found {_shown(pair)}; expected two different names out of "
                f"{_shown(list(order))}{near or '.'}"
            )
            continue
        first, second = sorted(names, key=order.__getitem__)
        if (first, second) in pairs:
            problems.append(
                f"{place('pairs', number)}pairs: {pair!r} is listed twice; expected each pair once, in whichever order."
            )
        pairs[first, second] = None
    return list(pairs), problems


def balanced_pairs(
    names: Sequence[str], each: int, seed: int = 0, without: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Draw some of all pairs so that they link all values, and each value is in `each` pairs, one of them in one more.

    A ring in drawn order links them; then the value with the fewest pairs meets one that it has not met, of those with
    the fewest, until all have enough. One more only if `each` and the number of values are both odd, or if none is left
    that has too few and was not met.

    Parameters
    ----------
    names : sequence of str
        At least three values.
    each : int
        From 2 to the number of values less one.
    seed : int
        Of the draws.
    without : sequence of two names
        Pairs that are not to be drawn. A value that has too few others left gets all of them.

    Raises
    ------
    ValueError
        If no ring was found that has none of these pairs.
    """
    rng, size = np.random.default_rng(seed), len(names)
    barred = np.eye(size, dtype=bool)
    place = {name: n for n, name in enumerate(names)}
    for one, two in without:
        barred[place[one], place[two]] = barred[place[two], place[one]] = True
    ring = rng.permutation(size)
    tries = _RINGS
    while barred[ring, np.roll(ring, 1)].any():
        if not (tries := tries - 1):
            raise ValueError(f"found no order in which neighbours may meet, in {_RINGS} draws; list fewer in without.")
        # of neighbours that may not meet, one changes places with anybody
        at, other = np.flatnonzero(barred[ring, np.roll(ring, 1)])[0], rng.integers(size)
        ring[at], ring[other] = ring[other], ring[at]
    met = np.zeros_like(barred)
    met[ring, np.roll(ring, 1)] = met[np.roll(ring, 1), ring] = True
    while True:
        count, closed = met.sum(axis=1), met | barred
        if not (lacking := (count < each) & ~closed.all(axis=1)).any():
            break
        tie = rng.random(size)
        one = np.lexsort((tie, count, ~lacking))[0]
        two = np.lexsort((tie, count, closed[one]))[0]
        met[one, two] = met[two, one] = True
    return [(names[i], names[j]) for i, j in zip(*np.nonzero(np.triu(met, 1)), strict=True)]


def _lint(values: Sequence[Value], pairs: Sequence[tuple[str, str]], place: Callable[..., str]) -> list[str]:
    """Return what is wrong with values and pairs that could be read."""
    problems = []
    spellings: dict[str, str] = {}
    for value in values:
        same = spellings.setdefault(_normalised(value.name), value.name)
        if same != value.name:
            problems.append(
                f"{place('values', value.name)}values: found {same!r} and {value.name!r}; expected names that "
                "differ in more than upper and lower case and forms of letters."
            )
    for a, b in nearly_the_same([value.definition for value in values]):
        problems.append(
            f"{place('values', values[b].name)}values {values[a].name!r} and "
            f"{values[b].name!r} have (nearly) the same definition; expected two that tell them apart."
        )
    problems += _strange_groups(Counter(value.group for value in values if value.group))
    if len(parts := _connected_parts([value.name for value in values], pairs)) > 1:
        problems.append(
            f"{place('pairs')}pairs: they do not connect the values, so no common ranking exists; found the parts "
            f"{_shown(parts)}, expected one. Add pairs."
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


def nearly_the_same(definitions: Sequence[str]) -> list[tuple[int, int]]:
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


def _strange_groups(sizes: Counter[str]) -> list[str]:
    """Return which groups of a single value seem to be another group, misspelt."""
    problems = []
    groups = list(sizes)
    for group, size in sizes.items():
        # of two that are alike, the larger is taken for the right one, else the first
        others = [o for o in groups if sizes[o] > size or (sizes[o] == size and groups.index(o) < groups.index(group))]
        same = [other for other in others if _normalised(other) == _normalised(group)]
        near = f"; did you mean {same[0]!r}?" if same else did_you_mean(group, others, cutoff=_NEAR_GROUP)
        if same or (size == 1 and near):
            problems.append(f"group: found {group!r}, of {size} value; expected a group of the set's own{near}")
    return problems
