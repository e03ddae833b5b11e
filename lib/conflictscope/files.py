"""Files: read a mapping or a list strictly, write whole or not at all.

In: a YAML or JSON file that a person wrote; or what a stage has made. Out: what it holds, in which no key was given
twice; or a file that no reader ever sees half of.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml


def read_mapping(path: Path) -> dict:
    """Read a YAML or JSON file that holds one mapping.

    Raises
    ------
    ValueError
        Where it cannot be read, holds something else, or gives a key twice (plain YAML silently keeps the last).
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
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML (of which JSON is a part) that refuses repeated keys."""

    def construct_mapping(self, node, deep=False):
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"repeated keys {repeated}", node.start_mark)
        return super().construct_mapping(node, deep)
