"""Files: read a mapping or a list strictly, write whole or not at all.

In: a YAML or JSON file that a person wrote; or what a stage has made. Out: what it holds, in which no key was given
twice; or a file that no reader ever sees half of. A file may come from anybody: it is read as data, within bounds.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

_MOST_BYTES = 4 * 1024**2
# entries once every alias is written out; the file of models, most of whose entries share an anchor, has some 400
_MOST_ENTRIES = 200_000


def read_mapping(path: Path) -> dict:
    """Read a YAML or JSON file that holds one mapping.

    Raises
    ------
    ValueError
        Where it cannot be read, is too large, asks for anything but plain data (``!!python/…``), holds something else,
        or gives a key twice (plain YAML silently keeps the last).
    """
    content = _read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: found {type(content).__name__}; expected a mapping of keys to values.")
    return content


def read_list(path: Path) -> list:
    """Read a YAML or JSON file that holds one list.

    Raises
    ------
    ValueError
        As ``read_mapping``.
    """
    content = _read_yaml(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: found {type(content).__name__}; expected a list, each entry beginning with '- '.")
    return content


def name_problem(name: object, *, marks: str = "", most: int = 80) -> str | None:
    """Return what is expected of a name that it does not fit, else None.

    Names of values, models and variants come from files and go into titles, figures, Markdown, prompts and tables. They
    begin with a letter or digit and hold letters, digits, single spaces and ``. & ' ’ - – _``, so that everywhere they
    mean nothing but themselves.

    Parameters
    ----------
    marks : str
        Further marks that may occur.
    most : int
        Characters at most.
    """
    fits = isinstance(name, str) and len(name) <= most and name == " ".join(name.split()) and name.isprintable()
    if fits and re.fullmatch(rf"[^\W_][\w .&'’–{re.escape(marks)}-]*", str(name)):
        return None
    return f"up to {most} letters, digits, single spaces and . & ' - _" + "".join(f" {mark}" for mark in marks)


def write_atomically(path: Path, write: Callable[[str], object]) -> None:
    """Let ``write(temporary_path)`` write a file, then rename it to `path`; nothing is left behind on failure.

    Raises
    ------
    OSError
        Where the disk does not take the file; an earlier file of that name is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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


def _read_yaml(path: Path) -> object:
    """Return what a YAML or JSON file holds."""
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; expected a file that a person wrote, {_MOST_BYTES:,} at most.")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except RecursionError:
        raise ValueError(f"{path} cannot be read: nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML (of which JSON is a part) that refuses repeated keys, and aliases that stand for too much."""

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None and _entries(node, {}) > _MOST_ENTRIES:
            raise yaml.constructor.ConstructorError(None, None, "its aliases stand for too much", node.start_mark)
        return node

    def construct_mapping(self, node, deep=False):
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"repeated keys {repeated}", node.start_mark)
        return super().construct_mapping(node, deep)


def _entries(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many entries a node has with every alias written out; without end where it holds itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [part for entry in parts for part in (entry if isinstance(entry, tuple) else (entry,))]
        known[id(node)] = 1 + sum(_entries(part, known) for part in inner)
    return known[id(node)]
