"""The parts that scenarios are composed from, how a part is put into words, and the draws that choose among them.

In: ``parts.yaml`` (people, places, settings), ``angles.yaml`` (what each value asks for), ``phrases.yaml``. Out: frozen
records, and ``Case``: one person, place, matter and pair of angles. What a case does not hold (age, day …) follows from
its place and matter. A draw depends on the texts that it is about and on nothing else: they are the seed.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeVar

import yaml

Item = TypeVar("Item")
Voice = tuple[str, str]  # how a text speaks of the person, and of what is theirs
FIRST, SECOND = ("I", "my"), ("you", "your")
NO_NAME = "[Name]"
SURELY = 0.6  # likeness from which two values are taken for one
_WORD = re.compile(r"[a-zà-ÿ'’-]{4,}")
_NOT_LATIN = re.compile(r"[^\W\d_\u0000-\u024f]")
_ALIASES = {"nonhate": "non-hatefulness", "nonhatefulness": "non-hatefulness", "noncondescension": "non-condescension"}


def uniform(*about: object) -> float:
    """Return a number strictly between 0 and 1, uniform over what it is about."""
    digest = hashlib.blake2b("\x1f".join(map(str, about)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52


def normal(*about: object) -> float:
    """Return a draw from the standard normal distribution (mean 0, sd 1)."""
    return NormalDist().inv_cdf(uniform(*about))


def logistic(*about: object) -> float:
    """Return a draw from the standard logistic distribution (mean 0, scale 1, sd 1.81)."""
    u = uniform(*about)
    return log(u / (1 - u))


def pick(items: Sequence[Item], *about: object) -> Item:
    """Return one of the items, each equally likely."""
    return items[int(uniform(*about) * len(items))]


@dataclass(frozen=True)
class Setting:
    """Who writes what for whom: one setting of ``parts.yaml``."""

    domain: str
    role: str
    text: str
    doc: str
    readers: str
    open: str
    close: str
    mild: str
    strong: str
    matters: tuple[tuple[str, str], ...]
    only: str | None = None


@dataclass(frozen=True)
class Angle:
    """What one value asks for: putting a passage in (``go``) or leaving it out (``hold``)."""

    value: str  # a name in angles.yaml; "any" for the angles that quote a definition
    mode: str
    number: int
    kept: str
    lost: str
    point: str = ""
    words: str = ""


@dataclass(frozen=True)
class Stand:
    """An angle as taken in a case: with the researcher's definition where the angle quotes one."""

    angle: Angle
    principle: str = ""

    @property
    def value(self) -> str:
        """What tells the value apart: its name, or its definition in lower case where the name is unknown."""
        return self.principle.lower() if self.angle.value == "any" else self.angle.value


@dataclass(frozen=True)
class Case:
    """One composed conflict: who, where, what about, and what speaks for and against a passage in a text."""

    first: str
    last: str
    place: str
    setting: Setting
    matter: str
    go: Stand
    hold: Stand
    means: bool
    strong: bool

    @property
    def full_name(self) -> str:
        """First name and surname."""
        return f"{self.first} {self.last}".strip()

    @property
    def identity(self) -> str:
        """What tells this case from others, whoever reads of it and wherever."""
        return f"{self.full_name}|{self.place}|{self.matter}"

    @property
    def values(self) -> tuple[str, str]:
        """The values of acting and of holding back."""
        return self.go.value, self.hold.value

    @property
    def domain(self) -> str:
        """Which part of life it is from."""
        return self.setting.domain

    @cached_property
    def details(self) -> dict[str, str]:
        """Templates of what lies behind the matter and how bad it would be; the rest is drawn from place and matter."""
        parts, about = load_parts(), (self.place, self.matter)
        circumstance = pick(parts["circumstances"], "circumstance", *about)
        others = [entry for entry in parts["circumstances"] if entry != circumstance]
        return {
            "story": dict(self.setting.matters)[self.matter],
            "cost": self.setting.strong if self.strong else self.setting.mild,
            "other": pick(parts["others"], "other", *about),
            "day": pick(parts["days"], "day", *about),
            "age": str(24 + int(uniform("age", *about) * 46)),
            "circumstance": circumstance,
            "moreover": pick(others, "moreover", *about),
        }

    def say(self, template: str, voice: Voice | None = None, stand: Stand | None = None, /, **more: str) -> str:
        """Fill in a template of this case, which speaks of the person by name unless a voice is given.

        `stand` is the one whose angle the template belongs to.
        """
        name, names = voice or (self.first, f"{self.first}'s")
        person = {"name": name, "names": names, "full": self.full_name, "place": self.place}
        matter = {"matter": self.matter, "principle": stand.principle if stand else ""}
        return template.format(**vars(self.setting) | self.details | person | matter | more)


def sentence(clause: str) -> str:
    """Return a clause as a sentence: capital first, full stop last."""
    return clause[0].upper() + clause[1:] + ("" if clause[-1] in ".!?" else ".")


def canonical(value: str) -> str:
    """Return the name that the library and the angles use for a value, or the name itself in lower case."""
    name = value.strip().lower()
    return _ALIASES.get(re.sub(r"[^a-z]", "", name), name)


def principle_of(definition: str, masked: tuple[str, ...]) -> str:
    """Return a definition as a phrase to be quoted: its first sentence, the `masked` names as "this"."""
    phrase = re.split(r"(?<=\w)[.!?](?:\s|$)", definition.strip(), maxsplit=1)[0]
    phrase = re.sub(r"[“”\"\[\]]", "", mask(phrase, masked)).strip(" .;:,")
    return phrase[:1].lower() + phrase[1:]


def likeness(value: str, name: str, definition: str) -> float:
    """Return from 0 to 1 how much a value of a stand is the one of that name and definition."""
    if value == canonical(name):
        return 1.0
    ours, theirs = words_of(value), words_of(principle_of(definition, (name,)).lower())
    return len(ours & theirs) / max(1, len(ours | theirs))


def words_of(text: str) -> set[str]:
    """Return the words of a text in lower case that have four letters or more; of other scripts letters two by two."""
    # Chinese and Thai have no blanks between words
    return {*_WORD.findall(text), *map("".join, pairwise(_NOT_LATIN.findall(text)))}


def names_one_of(text: str, names: tuple[str, ...]) -> bool:
    """Return whether one of the names occurs in a text as a word, whatever its case."""
    return bool(_pattern(names).search(text))


def mask(text: str, names: tuple[str, ...]) -> str:
    """Return the text with "this" wherever one of the names occurs as a word."""
    return _pattern(names).sub("this", text)


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern that finds any of the names as a word."""
    longest_first = sorted((name for name in names if name), key=len, reverse=True)
    return re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?!\w)")


@cache
def load_parts() -> dict[str, list]:
    """Return the lists of ``parts.yaml``; ``settings`` holds records."""
    parts = read_yaml("parts.yaml")
    parts["settings"] = [Setting(**e | {"matters": tuple(map(tuple, e["matters"]))}) for e in parts["settings"]]
    return parts


@cache
def load_angles() -> dict[str, dict[str, tuple[Angle, ...]]]:
    """Return value → mode (``go``, ``hold``) → its angles."""
    return {
        value: {
            mode: tuple(Angle(value, mode, number, **entry) for number, entry in enumerate(entries))
            for mode, entries in modes.items()
        }
        for value, modes in read_yaml("angles.yaml").items()
    }


@cache
def load_phrases(module: str) -> dict[str, Any]:
    """Return name → what the simulated models say, of one section of ``phrases.yaml``."""
    return read_yaml("phrases.yaml")[module]


def read_yaml(name: str | Path) -> Any:
    """Return the content of a YAML file beside this module, or of one at a path of its own."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
