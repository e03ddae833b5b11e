"""The manifest: what a study's tables came from.

In: the study's parameters, its tables, figures and call store, and what happened. Out: ``manifest.json`` in the study's
folder, written at the end of every run. Notebooks that did not run this time keep the times of their last run.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pyarrow.parquet as pq

from conflictscope.files import write_atomically
from conflictscope.models import load_registry
from conflictscope.models.store_reading import summarise_store
from conflictscope.prompts import prompt_hashes
from conflictscope.scenarios import load_value_set
from conflictscope.study.lineage import FIGURES, origin_of
from conflictscope.study.parameters import StudyParameters
from conflictscope.table_files import read_notes, table_path
from conflictscope.tables import TABLES

FILE = "manifest.json"
_PACKAGES = (
    *("conflictscope", "openai", "pydantic", "jinja2", "sqlalchemy", "papermill"),
    *("pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "seaborn"),
)


def write_manifest(parameters: StudyParameters, times: Mapping[str, tuple[datetime, float]], *, finished: bool) -> Path:
    """Write down what the study's tables and figures came from.

    Parameters
    ----------
    times : mapping
        Notebook → when it began, and the seconds that it took, for those that ran to their end.
    finished : bool
        Whether all that was to run did.
    """
    folder = parameters.path("run_folder")
    earlier = read_manifest(folder) if (folder / FILE).exists() else {}
    values, registry = load_value_set(parameters.path("value_set")), load_registry(parameters.path("models_file"))
    notebooks = earlier.get("notebooks", {}) | {
        name: {"began": began.isoformat(timespec="seconds"), "seconds": round(seconds, 1)}
        for name, (began, seconds) in times.items()
    }
    drawn = earlier.get("figures_from", {}) | {
        name: origin_of(
            FIGURES[name], folder, parameters.of(name), values, registry, seen_from=parameters.notebooks_folder
        )
        for name in FIGURES
        if name in times
    }
    calls = summarise_store(store_url(parameters))
    content = {
        "study": parameters.study,
        "finished": finished,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters.values,
        "seeds": {name: value for name, value in parameters.values.items() if "seed" in name},
        "value_set_hash": values.hash,
        "scenarios_hash": _hash(parameters.path("scenarios")) if parameters.values["scenarios"] else None,
        "prompt_hashes": prompt_hashes(),
        "notebook_hashes": notebook_hashes(parameters),
        "python": platform.python_version(),
        "packages": package_versions(),
        "notebooks": notebooks,
        "figures_from": drawn,
        "models": _by_model(calls),
        "calls": _by_prompt(calls),
        "outcomes": _outcomes(folder),
        "tables": table_contents(folder),
        "figures": figure_hashes(parameters.path("figures_folder")),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / FILE, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return folder / FILE


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a study's folder.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    ValueError
        Where it is no manifest.
    """
    path = folder / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; expected the folder of a study that `conflictscope run` has run."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"{path} cannot be read: {problem}. Run the study again; nothing is asked twice.") from None
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise ValueError(f"{path} is no manifest. Run the study again; nothing is asked twice.")
    return content


def store_url(parameters: StudyParameters) -> str:
    """Return the database URL of the study's call store, as seen from anywhere."""
    return str(parameters.values.get("call_store") or f"sqlite:///{parameters.path('run_folder') / 'calls.sqlite'}")


def package_versions() -> dict[str, str]:
    """Return package → version, of those that tables and figures come from."""
    return {name: version(name) for name in _PACKAGES}


def notebook_hashes(parameters: StudyParameters) -> dict[str, str]:
    """Return notebook → hash of its code."""
    hashes = {}
    for name in parameters.notebooks:
        cells = nbformat.read(parameters.notebooks_folder / f"{name}.ipynb", as_version=4).cells
        code = json.dumps([cell.source for cell in cells if cell.cell_type == "code"])
        hashes[name] = hashlib.sha256(code.encode()).hexdigest()[:12]
    return hashes


def table_contents(folder: Path) -> dict[str, str]:
    """Return table → hash of its rows, of the tables that are there."""
    return {name: read_notes(name, folder).get("content", "") for name in TABLES if table_path(folder, name).exists()}


def figure_hashes(folder: Path) -> dict[str, str]:
    """Return file → SHA-256 of the figures and the tables behind them."""
    files = sorted(path for path in folder.glob("*") if path.suffix in (".pdf", ".png", ".csv"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _by_model(calls: pd.DataFrame) -> dict[str, Any]:
    """Return for each model what it was called by its endpoint, when, and whether that changed on the way."""
    models = {}
    for name, own in calls.groupby("model"):
        ids = own[own["replies"] > 0].groupby("model_id", dropna=False)
        seen = ids.agg(replies=("replies", "sum"), first=("first", "min"), last=("last", "max")).sort_values("first")
        entries = [
            {"id": _or_none(row["model_id"])} | row.drop("model_id").to_dict()
            for _, row in seen.reset_index().iterrows()
        ]
        models[str(name)] = {"ids": entries, "changed": len(entries) > 1}
    return models


def _by_prompt(calls: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what was asked of each model with each prompt, in numbers."""
    counts = ["replies", "failures", "prompt_tokens", "completion_tokens"]
    return calls.groupby(["model", "prompt"])[counts].sum().reset_index().to_dict("records")


def _outcomes(folder: Path) -> dict[str, Any]:
    """Return table → target → outcome → number of rows, of the tables that have outcomes."""
    found: dict[str, Any] = {}
    for name in ("answers", "verdicts", "steered_answers", "steered_verdicts"):
        path = table_path(folder, name)
        if path.exists():
            rows = pq.read_table(path, columns=["target", "outcome"]).to_pandas().value_counts().sort_index()
            for (target, outcome), count in rows.items():
                found.setdefault(name, {}).setdefault(target, {})[outcome] = int(count)
    return found


def _or_none(value: Any) -> str | None:
    """Return text, or None where there is none."""
    return None if pd.isna(value) else str(value)


def _hash(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
