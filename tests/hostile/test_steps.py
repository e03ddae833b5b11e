"""Steps of a backtracking search: what ``re`` does in C, done over its own parse trees so that steps can be counted.

Searches for nothing but the number of characters looked at, and cases are kept; so a pattern that takes the square of
a text's length here takes it there. Texts to try come from the pattern itself: whatever it repeats, repeated.
"""

import contextlib
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

import pytest

import conflictscope

Match = Callable[[int, Callable[[int], bool]], bool]
LONG = 300  # of what is repeated no more often than this, no text makes much
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


class TooManyError(Exception):
    """More steps than are worth counting."""


class Search:
    """A pattern's search through a text.

    Parameters
    ----------
    pattern : re.Pattern
    text : str
    most : int
        Steps after which it is given up.
    """

    def __init__(self, pattern: re.Pattern, text: str, most: int):
        self.steps, self.most, self.text, self.groups = 0, most, text, {}
        self.flags = pattern.flags
        self.tree = _parser.parse(pattern.pattern, pattern.flags)

    def count(self, *, anywhere: bool) -> int:
        """Return the steps of ``finditer``, or of ``match``; ``most`` and one if they are more."""
        before = sys.getrecursionlimit()
        # Python's own calls take nothing of the stack that this limit guards
        sys.setrecursionlimit(100_000)
        try:
            with contextlib.suppress(TooManyError):
                self._search(anywhere)
        finally:
            sys.setrecursionlimit(before)
        return self.steps

    def _search(self, anywhere: bool) -> None:
        match, start = self._row(list(self.tree)), 0
        while start <= len(self.text):
            ends: list[int] = []
            found = match(start, lambda end, ends=ends: ends.append(end) is None)
            if not anywhere:
                break
            start = ends[-1] if found and ends[-1] > start else start + 1

    def _step(self, count: int = 1) -> None:
        self.steps += count
        if self.steps > self.most:
            raise TooManyError

    def _row(self, nodes: list) -> Match:
        matches = [self._one(code, given) for code, given in nodes]

        def match(at: int, go_on: Callable[[int], bool], nth: int = 0) -> bool:
            if nth == len(matches):
                return go_on(at)
            return matches[nth](at, lambda end: match(end, go_on, nth + 1))

        return match

    def _one(self, code, given) -> Match:
        if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            return self._character(code, given)
        if code in REPEATS:
            return self._repeat(code, *given)
        if code is codes.SUBPATTERN:
            number, _, _, inner = given
            row = self._row(list(inner))

            def group(at: int, go_on: Callable[[int], bool]) -> bool:
                def ended(end: int) -> bool:
                    self.groups[number] = (at, end)
                    return go_on(end)

                return row(at, ended)

            return group
        if code is codes.BRANCH:
            rows = [self._row(list(row)) for row in given[1]]

            def branch(at: int, go_on: Callable[[int], bool]) -> bool:
                found = False
                for row in rows:  # `any` of a generator would take of the stack of C
                    found = found or row(at, go_on)
                return found

            return branch
        if code is codes.ATOMIC_GROUP:
            return self._whole(self._row(list(given)))
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            direction, inner = given
            row, wanted = self._row(list(inner)), code is codes.ASSERT
            back = 0 if direction > 0 else inner.getwidth()[0]
            return lambda at, go_on: (at >= back and row(at - back, lambda end: True)) is wanted and go_on(at)
        if code is codes.AT:
            return lambda at, go_on: self._stands(given, at) and go_on(at)
        if code is codes.GROUPREF:
            return self._again(given)
        raise NotImplementedError(code)

    def _character(self, code, given) -> Match:
        one = _parser.SubPattern(self.tree.state, [(code, given)])
        fits = re._compiler.compile(one, self.flags).match  # type: ignore[attr-defined]

        def match(at: int, go_on: Callable[[int], bool]) -> bool:
            self._step()
            return at < len(self.text) and fits(self.text[at]) is not None and go_on(at + 1)

        return match

    def _repeat(self, code, least: int, most: int, inner) -> Match:
        row = self._row(list(inner))

        def match(at: int, go_on: Callable[[int], bool], times: int = 0) -> bool:
            def more(end: int) -> bool:
                return (end > at or times < least) and match(end, go_on, times + 1)

            if times < least:
                return row(at, more)
            if code is codes.MIN_REPEAT:
                return go_on(at) or (times < most and row(at, more))
            return (times < most and row(at, more)) or go_on(at)

        return self._whole(match) if code is codes.POSSESSIVE_REPEAT else match

    def _whole(self, row: Match) -> Match:
        def match(at: int, go_on: Callable[[int], bool]) -> bool:
            ends: list[int] = []
            return row(at, lambda end: ends.append(end) is None) and go_on(ends[0])

        return match

    def _stands(self, where, at: int) -> bool:
        self._step()
        begins = at == 0 or (self.flags & re.MULTILINE and self.text[at - 1] == "\n")
        word = [0 <= place < len(self.text) and bool(re.match(r"\w", self.text[place])) for place in (at - 1, at)]
        return {
            codes.AT_BEGINNING: bool(begins),
            codes.AT_BEGINNING_STRING: at == 0,
            codes.AT_BOUNDARY: word[0] != word[1],
            codes.AT_NON_BOUNDARY: word[0] == word[1],
            codes.AT_END: at == len(self.text) or self.text[at:] == "\n" or bool(self.flags & re.MULTILINE),
            codes.AT_END_STRING: at == len(self.text),
        }[where]

    def _again(self, number: int) -> Match:
        def match(at: int, go_on: Callable[[int], bool]) -> bool:
            start, end = self.groups[number]
            self._step(end - start)
            return self.text.startswith(self.text[start:end], at) and go_on(at + end - start)

        return match


def sample(nodes) -> str:
    """Return a text that matches nodes, as far as can be."""
    text = ""
    for code, given in nodes:
        if code is codes.LITERAL:
            text += chr(given)
        elif code in (codes.IN, codes.NOT_LITERAL, codes.ANY):
            row = _parser.SubPattern(_parser.State(), [(code, given)])
            fits = re._compiler.compile(row, re.ASCII * 0).match  # type: ignore[attr-defined]
            text += next((mark for mark in "a A1.-[]<>`:,\n'\u4e00é\x1b\u200e" if fits(mark)), "")
        elif code in REPEATS:
            text += sample(given[2]) * max(1, given[0])
        elif code is codes.SUBPATTERN:
            text += sample(given[3])
        elif code is codes.ATOMIC_GROUP:
            text += sample(given)
        elif code is codes.BRANCH:
            text += sample(given[1][0])
    return text


def pumps(nodes, before: str = "") -> Iterator[tuple[str, str]]:
    """Return (what stands before, what to repeat) for all that a pattern repeats without bound."""
    for code, given in nodes:
        rows = {
            codes.SUBPATTERN: lambda of: [of[3]],
            codes.BRANCH: lambda of: of[1],
            codes.ATOMIC_GROUP: lambda of: [of],
        }
        for row in [given[2]] if code in REPEATS else rows.get(code, lambda of: [])(given):
            yield from pumps(list(row), before)
            if code in REPEATS and given[1] > LONG:
                yield before, sample(list(row))
                yield "", before + sample(list(row))
                yield "", before
        before += sample([(code, given)])


def steps(pattern: re.Pattern, text: str, *, anywhere: bool, most: int) -> int:
    """Return how many steps a pattern takes; see ``Search``."""
    return Search(pattern, text, most).count(anywhere=anywhere)


def texts(pattern: re.Pattern, size: int) -> dict[tuple[str, str], str]:
    """Return the texts of a size that a pattern may take longest for, which do not match at their end."""
    tree = list(_parser.parse(pattern.pattern, pattern.flags))
    return {(before, pump): (before + pump * size)[:size] + "\x00" for before, pump in pumps(tree) if pump}


def all_patterns() -> dict[str, tuple[re.Pattern, bool]]:
    """Return module and name → every pattern in a module of the package, and whether it is looked for anywhere."""
    held = {}
    for found in pkgutil.walk_packages(conflictscope.__path__, "conflictscope."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for name, pattern in vars(module).items():
            if isinstance(pattern, re.Pattern):
                uses = re.findall(rf"\b{name}\.(\w+)\(", Path(module.__file__).read_text(encoding="utf-8"))
                anywhere = not uses or not {"match", "fullmatch"}.issuperset(uses)
                held[f"{found.name.removeprefix('conflictscope.')}.{name}"] = pattern, anywhere
    return held


PATTERNS = all_patterns()
# it is asked of nothing longer than an id
OF_SHORT_TEXTS = {"exchange.published._ID"}


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - OF_SHORT_TEXTS))
def test_a_pattern_takes_twice_the_steps_for_twice_the_text(name):
    pattern, anywhere = PATTERNS[name]
    short = texts(pattern, 200)
    for pump, text in texts(pattern, 400).items():
        few_steps = steps(pattern, short[pump], anywhere=anywhere, most=60_000)
        limit = 3 * few_steps + 200
        assert steps(pattern, text, anywhere=anywhere, most=limit) <= limit, pump


@pytest.mark.parametrize(
    ("pattern", "text", "square"),
    [
        (r"(?:a+)+b", "a" * 16, True),
        (r"\s*x", " " * 100, True),
        (r"^\s*x", " " * 100, False),
        (r"\[[^\]]*\]", "[" * 100, True),
        (r"\[[^\]]{0,9}\]", "[" * 100, False),
    ],
)
def test_steps_are_those_of_a_search_that_goes_back(pattern, text, square):
    taken = steps(re.compile(pattern), text, anywhere=True, most=100_000)
    assert (taken > len(text) ** 2 / 2) == square
