"""The manifest: what a study's tables came from.

In: the study's parameters and what happened. Out: ``manifest.json`` in the study's folder.
"""

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from conflictscope.files import write_atomically
from conflictscope.prompts import prompt_hashes
from conflictscope.scenarios import load_value_set
from conflictscope.study.parameters import StudyParameters

_PACKAGES = (
    "conflictscope",
    "openai",
    "pandas",
    "numpy",
    "scipy",
    "scikit-learn",
    "papermill",
    "matplotlib",
    "seaborn",
)


def write_manifest(parameters: StudyParameters, notebook_seconds: dict[str, float], *, finished: bool) -> Path:
    """Write down parameters, hashes of value set, given scenarios and prompts, package versions and times.

    Parameters
    ----------
    notebook_seconds : dict
        Notebook → seconds that it took, for those that ran to their end.
    finished : bool
        Whether all that was to run did.
    """
    path = parameters.path("run_folder") / "manifest.json"
    content = {
        "study": parameters.study,
        "finished": finished,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters.values,
        "value_set_hash": load_value_set(parameters.path("value_set")).hash,
        "scenarios_hash": _hash(parameters.path("scenarios")) if parameters.values["scenarios"] else None,
        "prompt_hashes": prompt_hashes(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "notebook_seconds": {name: round(seconds, 1) for name, seconds in notebook_seconds.items()},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return path


def _hash(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
