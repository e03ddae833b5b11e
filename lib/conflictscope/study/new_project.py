"""A project's folder of one's own: the notebooks that a study runs, and parameters to begin with.

In: the folder's name. Out: ``notebooks`` and ``params`` in it, as they are shipped: in an installed package they lie
beside its modules, in a checkout at its top.
"""

import shutil
from pathlib import Path

import conflictscope

PARTS = ("notebooks", "params")
# in a checkout, what its owner has put beside: replies, what endpoints were found to take
_NOT_OURS = shutil.ignore_patterns(".*", "__pycache__", "*.sqlite*", "probes.json")


def shipped_project() -> Path:
    """Return the folder that holds the shipped notebooks and parameters."""
    package = Path(conflictscope.__file__).parent
    installed = package / "project"
    return installed if installed.is_dir() else package.parents[1]


def make_project(folder: Path) -> Path:
    """Make a project's folder, ready for ``conflictscope run params/hhh.yaml``.

    Raises
    ------
    FileExistsError
        If there is something in it already: nothing is written over.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there, and not empty; expected a new folder. Choose another name.")
    for part in PARTS:
        # files of one's own, whoever owns the package
        shutil.copytree(shipped_project() / part, folder / part, ignore=_NOT_OURS, copy_function=shutil.copyfile)
    return folder
