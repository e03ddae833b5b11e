"""Files: read a mapping or a list as plain data, write whole or not at all.

In: a YAML or JSON file that a person wrote; or what a stage has made. Out: text, numbers, true/false, null, lists and
mappings with text as keys, each key once; or a file that no reader ever sees half of. A file may come from anybody.
"""

import codecs
import difflib
import errno
import io
import json
import math
import os
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

_MOST_BYTES = 4 * 1024**2
# entries once every alias is written out; the file of models, most of whose entries share an anchor, has some 400
_MOST_ENTRIES = 200_000
_MOST_BRACKETS = 100
# accents on one letter: composing them takes time that grows with the square of their number
_MOST_ACCENTS = 30
# letters and marks that show nothing: with them two names could look the same
_JOINER, _VIRAMA = re.compile("[\u200c\u200d]"), 9
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")

_MARKUP = re.compile(r"[<>$\\`\[\]*|]")


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file that holds one mapping.

    Raises
    ------
    ValueError
        Naming file and line, if it cannot be read, is too large, holds something else, gives a key twice (plain YAML
        silently keeps the last), or holds anything but JSON's types: ``!!binary``, ``!!set``, ``!!python/…``. A date is
        text.
    FileNotFoundError
        If it is not there, or no file.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: {_kind(content)}; expected a mapping of keys to values.")
    return content


def read_list(path: Path) -> list[Any]:
    """Read a YAML or JSON file that holds one list.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``read_mapping``.
    """
    content = _read(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: {_kind(content)}; expected a list, each entry beginning with '- '.")
    return content


def _kind(content: object) -> str:
    """Return in words what a file holds that should hold something else."""
    return "the file is empty" if content is None else f"found {type(content).__name__}"


def parse_yaml(text: str, source: str) -> Any:
    """Return what a YAML text holds, in JSON's types; composed accents (NFC) throughout.

    Parameters
    ----------
    source : str
        Where the text is from, for messages.

    Raises
    ------
    ValueError
        As ``read_mapping``.
    """
    try:
        return yaml.load(_composed(text), Loader=_SafePlainLoader)
    except RecursionError:
        raise ValueError(f"{source} cannot be read: nested too deeply.") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        line = text.split("\n")[mark.line] if mark and mark.line < text.count("\n") + 1 else ""
        tab = "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(problem.problem)
        reason = "a tab indents the line; YAML takes spaces" if tab else f"{problem.problem or problem.context}"
        if problem.problem == "mapping values are not allowed here":
            reason += "; a text that holds ': ' stands in quotes"
        raise ValueError(f"{source} cannot be read: {place}{reason}.") from None
    except yaml.reader.ReaderError as problem:
        line_number = text.count("\n", 0, problem.position) + 1
        raise ValueError(
            f"{source} cannot be read: line {line_number}: it holds the control character {problem.character!r}."
        ) from None
    except (ValueError, OverflowError) as problem:
        # the second for a character with a number that no character has
        raise ValueError(f"{source} cannot be read: {problem}") from None


def csv_delimiter(header: str) -> str:
    """Return what stands between the fields of a CSV file by its first line: a comma, or what spreadsheets write."""
    return next((mark for mark in ";\t" if mark in header and "," not in header), ",")


def name_problem(name: object, *, marks: str = "", most: int = 80) -> str | None:
    """Return what is expected of a name that it does not fit, else None.

    Names of values, models and variants come from files and go into titles, figures, Markdown, prompts and tables. They
    begin with a letter or digit of any script and hold letters, digits, accents, single spaces and
    ``. & ' ’ - – _``, so that everywhere they mean nothing but themselves. Joiners stand where Persian and the scripts
    of India need them.

    Parameters
    ----------
    marks : str
        Further marks that may occur.
    most : int
        Characters at most.
    """
    if isinstance(name, str) and 0 < len(name) <= most and name == " ".join(name.split()) and is_shown(name):
        letters = without_joiners(name)
        kinds = [unicodedata.category(letter)[0] for letter in letters]
        shown = all(
            kind in "LMN" or letter in f" .&'’–-_{marks}" for kind, letter in zip(kinds, letters, strict=True)
        ) and not _INVISIBLE.search(name)
        if shown and kinds[0] in "LN":
            return None
    return f"up to {most} letters, digits, single spaces and . & ' - _" + "".join(f" {mark}" for mark in marks)


PLAIN_NAME = "a name without < > $ \\ ` [ ] * | and control characters"


def means_more(name: str) -> bool:
    """Return whether a name of a stranger's is no ``PLAIN_NAME``: somewhere it would be markup, or a formula."""
    return bool(_MARKUP.search(name)) or not is_shown(name)


def is_shown(text: str) -> bool:
    """Return whether a text has no characters that cannot be seen, but for joiners where the scripts need them."""
    return without_joiners(text).isprintable()


def without_joiners(text: str) -> str:
    """Return a text without the joiners that stand where internet names may have them (RFC 5892, A.1 and A.2)."""
    if not _JOINER.search(text):
        return text
    return "".join(
        letter
        for before, letter, after in zip(f" {text}", text, f"{text[1:]} ", strict=False)
        if not _JOINER.match(letter) or not _is_needed(before, letter, after)
    )


def _is_needed(before: str, joiner: str, after: str) -> bool:
    """Return whether a joiner changes how its neighbours are written: after a virama, or apart in Arabic script."""
    apart = joiner == "\u200c" and {unicodedata.bidirectional(before), unicodedata.bidirectional(after)} == {"AL"}
    return apart or unicodedata.combining(before) == _VIRAMA


def did_you_mean(given: object, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'open_ended'?`` if one of the names is near to what was found, else ""."""
    known = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(str(given)[:200].casefold(), known, n=1, cutoff=cutoff)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def near_file(path: Path) -> str:
    """Return ``; did you mean 'params/hhh.yaml'?`` if there is a file like one that is not there beside it, else ""."""
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    # without what all files there end in, which would make any two of them alike
    shown = {Path(name).stem: str(path.parent / name) for name in sorted(names) if not name.startswith(".")}
    near = difflib.get_close_matches(path.stem[:200], shown, n=1, cutoff=0.75)
    return f"; did you mean {shown[near[0]]!r}?" if near else ""


def places_in(path: Path) -> Callable[..., str]:
    """Return a function that says where an entry of a YAML file stands, to be put before what is wrong with it.

    Returns
    -------
    callable
        ``place("values", "tact")``, given keys of mappings and numbers of lists' entries (from 0) from the outermost
        in: ``line 3, column 5: `` of the innermost that is in the file's own text; "" if none is, or if the file is no
        YAML. The file is read when it is first asked.
    """

    @cache
    def root() -> yaml.Node | None:
        if path.suffix.lower() not in (".yaml", ".yml"):
            return None
        return yaml.compose(_composed(path.read_text(encoding="utf-8-sig")), Loader=_SafePlainLoader)

    @cache
    def entries(node: yaml.Node | None) -> dict[Any, tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            return {key.value: (key, held) for key, held in node.value if isinstance(key, yaml.ScalarNode)}
        return dict(enumerate((entry, entry) for entry in node.value)) if isinstance(node, yaml.SequenceNode) else {}

    def place(*keys: str | int) -> str:
        node, mark = root(), None
        for key in keys:
            if key not in entries(node):
                break
            begin, node = entries(node)[key]
            mark = begin.start_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""

    return place


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Let ``write(temporary_path)`` write a file, then rename it to `path`; nothing is left behind on failure.

    A link of that name is replaced, and not followed.

    Raises
    ------
    OSError
        If the disk does not take the file, saying which and what to do; an earlier file of that name is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        os.close(handle)
        try:
            write(temporary)
            umask = os.umask(0)
            os.umask(umask)
            # mkstemp makes files that only their owner can read
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as problem:
        raise unwritten(path, problem) from problem


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 as ``write_atomically`` does."""
    write_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def unwritten(path: Path, problem: OSError) -> OSError:
    """Return the error for a file that the disk does not take: which, why and what to do; files before it stay."""
    return OSError(f"{path} was not written: {problem.strerror or problem}. {_advice(problem)}")


def in_words(problem: OSError) -> str:
    """Return what the system says of a file, with its name and what to do, or what was said of it already."""
    if problem.errno is None or problem.filename is None:
        return str(problem)
    return f"{problem.filename}: {problem.strerror}. {_advice(problem)}"


def _advice(problem: OSError) -> str:
    """Return what to do if a file cannot be read or written."""
    return _ADVICE.get(problem.errno or 0, "Once this is mended, do the same again.")


_FREE_SPACE = "Free some space, then do the same again: what was stored and written before is as it was."
_ELSEWHERE = "Choose a place that you may read and write."
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FREE_SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _ELSEWHERE),
}


def refuse_link(path: Path) -> Path:
    """Return a path that is to be opened for writing; ValueError if it is a link, which might lead anywhere."""
    if path.is_symlink():
        raise ValueError(f"{path} is a link; delete it, and give the same command again.")
    return path


def read_text(path: Path, *, most: int = _MOST_BYTES) -> str:
    """Return the text of a file that a person wrote: UTF-8, or UTF-16 if its first mark says so.

    Parameters
    ----------
    most : int
        Bytes at most.

    Raises
    ------
    ValueError, FileNotFoundError
        If it is too large or in another encoding; if it is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there, or is no file{near_file(path) or '.'}")
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path} has {size:,} bytes; expected a file that a person wrote, {most:,} at most.")
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return io.StringIO(content.decode("utf-16" if marked else "utf-8-sig"), newline=None).read()
    except UnicodeDecodeError as problem:
        raise ValueError(
            f"{path} cannot be read: it is not UTF-8 ({problem.reason}). Save it as UTF-8; a spreadsheet calls that "
            "'CSV UTF-8'."
        ) from None


def read_lines(path: Path) -> list[Any]:
    """Read a file of JSON, an entry a line; empty lines are none.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``read_mapping``.
    """
    # a text may hold other characters that end a line
    lines = read_text(path).split("\n")
    return [_parse_json(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _read(path: Path) -> Any:
    """Return what a YAML or JSON file holds."""
    text = read_text(path)
    return _parse_json(text, str(path)) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))


def _composed(text: str) -> str:
    """Return a text with composed accents (NFC)."""
    accents = 0
    for mark in "" if text.isascii() else text:
        accents = accents + 1 if unicodedata.combining(mark) else 0
        if accents > _MOST_ACCENTS:
            raise ValueError(f"a letter has more than {_MOST_ACCENTS} accents")
    return unicodedata.normalize("NFC", text)


def _parse_json(text: str, source: str) -> Any:
    """Return what a JSON text holds; unlike YAML it may be indented by tabs."""
    try:
        return json.loads(
            _composed(text),
            object_pairs_hook=_each_key_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        raise ValueError(f"{source} cannot be read: nested too deeply.") from None
    except ValueError as problem:
        raise ValueError(f"{source} cannot be read: {problem}") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a mapping."""
    if repeated := _repeated(key for key, _ in pairs):
        raise ValueError(f"repeated keys {repeated}")
    return dict(pairs)


def _repeated(keys: Iterable[str]) -> list[str]:
    """Return the keys that occur more than once, sorted; ten at most."""
    return sorted(key for key, times in Counter(keys).items() if times > 1)[:10]


def _finite(text: str) -> float:
    """Return a number; JSON has none beyond a float's, and no NaN."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number that JSON has")
    return number


class _SafePlainLoader(yaml.SafeLoader):
    """YAML by its core schema (version 1.2) in JSON's types alone, with anchors and merge keys, each key once."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _entries(node, {}) > _MOST_ENTRIES:
            raise yaml.constructor.ConstructorError(None, None, "its aliases stand for too much", node.start_mark)
        return node

    def fetch_flow_collection_start(self, TokenClass: type) -> None:
        # the scanner looks at each open bracket again for every token
        if self.flow_level >= _MOST_BRACKETS:
            raise yaml.scanner.ScannerError(None, None, "nested too deeply", self.get_mark())
        super().fetch_flow_collection_start(TokenClass)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            own_keys = [key for key, _ in node.value if key.tag != _TAG + "merge"]
            keys = [self.construct_object(key, deep=True) for key in own_keys]
            for key, key_node in zip(keys, own_keys, strict=True):
                if not isinstance(key, str):
                    problem = f"found the key {str(key)[:80]!r}, which is no text; expected text, in quotes"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if repeated := _repeated(keys):
                raise yaml.constructor.ConstructorError(None, None, f"repeated keys {repeated}", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_core(self, node: yaml.ScalarNode) -> Any:
        pattern, _, read = _CORE[str(node.tag).removeprefix(_TAG)]
        text = str(self.construct_scalar(node))
        try:
            if re.fullmatch(pattern, text):
                return read(text)
            problem = f"found {text[:80]!r}; expected the type that stands before it"
        except ValueError as reason:
            problem = str(reason)[:200]
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def refuse(self, node: yaml.Node) -> NoReturn:
        tag = str(node.tag).replace(_TAG, "!!")[:80]
        problem = f"found the type {tag!r}; expected text, numbers, true, false, null, lists and mappings"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_TAG = "tag:yaml.org,2002:"
# type → what it looks like, what it begins with, how it is read
_CORE: dict[str, tuple[str, Iterable[str], Callable[[str], Any]]] = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "null": (r"~|null|Null|NULL|", ("~", "n", "N", ""), lambda text: None),
    "int": (r"[-+]?[0-9]+", "-+0123456789", int),
    "float": (r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789", _finite),
}
_SafePlainLoader.add_implicit_resolver(_TAG + "merge", re.compile(r"<<\Z"), ["<"])
for _type, (_pattern, _first, _) in _CORE.items():
    _SafePlainLoader.add_implicit_resolver(_TAG + _type, re.compile(rf"(?:{_pattern})\Z"), list(_first))
    _SafePlainLoader.add_constructor(_TAG + _type, _SafePlainLoader.construct_core)
_SafePlainLoader.add_constructor(_TAG + "str", _SafePlainLoader.construct_yaml_str)
_SafePlainLoader.add_constructor(_TAG + "seq", _SafePlainLoader.construct_yaml_seq)
_SafePlainLoader.add_constructor(_TAG + "map", _SafePlainLoader.construct_yaml_map)
_SafePlainLoader.add_constructor(None, _SafePlainLoader.refuse)


def _entries(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many entries a node has with every alias written out; infinite if it holds itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [part for entry in parts for part in (entry if isinstance(entry, tuple) else (entry,))]
        known[id(node)] = 1 + sum(_entries(part, known) for part in inner)
    return known[id(node)]
