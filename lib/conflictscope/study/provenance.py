"""What each table is made from: by which notebook, of which other tables, with which prompts.

In: a study's folder, parameters, value set and models. Out: the origin that is written into each table's file, and what
has changed since it was written. A table's rows are hashed, so a table that was written anew with the same rows makes
nothing stale. ``LINEAGE`` is the one place to enter a new table.

The manifest: what a study's tables came from.

In: the study's parameters, its tables, figures and call store, and what happened. Out: ``manifest.json`` in the study's
folder, written at the end of every run. Notebooks that did not run this time keep the times of their last run.

How far a study is: which tables are there, which of them are stale and why, how many calls are in the store.

In: a study's parameters. Out: one row a table, and the calls in numbers. Nothing is asked and nothing is written.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pyarrow.parquet as pq

from conflictscope.files import write_atomically
from conflictscope.models import Model, Registry, load_registry
from conflictscope.models.store import summarise_store
from conflictscope.prompts import prompt_hashes
from conflictscope.scenarios import ValueSet, load_value_set
from conflictscope.study.parameters import StudyParameters
from conflictscope.table_files import read_notes, table_path
from conflictscope.tables import TABLES

Origin = Mapping[str, Mapping[str, object]]
"""``parameters``, ``values``, ``pairs``, ``prompts``, ``models``, ``inputs``, ``tables``: name → value or hash."""

# parameters that say where things are or how a study is run, not what comes of it
_ELSEWHERE = {
    *("study", "run_folder", "figures_folder", "models_file", "value_set", "call_store", "replay", "budget_usd"),
    # of these it is the content that counts
    *("scenarios", "earlier_runs", "compare_with"),
}
# what of a model's entry in the file of models makes no difference to its replies
_NOT_ASKED = {
    *("name", "key_variable", "concurrency", "requests_per_minute", "tokens_per_minute", "timeout_s", "max_attempts"),
    *("input_price", "output_price"),
}
_CHANGED = {
    "values": "value {} has another definition",
    "pairs": "the pairs of values changed",
    "prompts": "prompt {} changed",
    "models": "model {} has another entry in the file of models",
    "inputs": "what {} names holds something else",
    "tables": "table {} was written anew, with other rows",
}
# parameters that name a file, or folders of other studies, and what is read of each folder
INPUTS = {"scenarios": "", "earlier_runs": "outlines.parquet", "compare_with": "agreement.csv"}
_WRITING = {"outlines", "scenario", "single_stage", "complete"}
_JSON = ("json_only", "repair")
_SYSTEM = ("system_steered", "system_placebo")
_CHECKS = tuple(
    f"check_{name}" for name in ("realistic", "specific", "feasible", "exclusive", "dilemma", "value_guided")
)


@dataclass(frozen=True)
class Step:
    """How a table comes about: the notebook that writes it, the tables and the prompts that it is made from."""

    notebook: str
    tables: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


LINEAGE = {
    "outlines": Step("01_generate_scenarios", (), ("outlines", "single_stage", "complete", *_JSON)),
    "neighbours": Step("01_generate_scenarios", ("outlines",)),
    "scenarios": Step("01_generate_scenarios", ("outlines",), ("scenario", "single_stage", "complete", *_JSON)),
    "checks": Step("02_filter_scenarios", ("scenarios",), (*_CHECKS, *_JSON)),
    "kept_scenarios": Step("02_filter_scenarios", ("scenarios", "checks")),
    "domains": Step("02_filter_scenarios", ("kept_scenarios",), ("domain", *_JSON)),
    "answers": Step("03_multiple_choice", ("kept_scenarios",), ("choose", *_JSON)),
    "ratings": Step("03_multiple_choice", ("kept_scenarios",), ("rate", *_JSON)),
    "opening_messages": Step("04_open_ended", ("kept_scenarios",), ("opening_message", "artifact", *_JSON)),
    "conversations": Step("04_open_ended", ("kept_scenarios", "opening_messages"), ("next_message", *_JSON)),
    "verdicts": Step("04_open_ended", ("kept_scenarios", "conversations"), ("judge", *_JSON)),
    "swapped_verdicts": Step("04_open_ended", ("kept_scenarios", "conversations"), ("judge", *_JSON)),
    "further_verdicts": Step("04_open_ended", ("kept_scenarios", "conversations"), ("judge", *_JSON)),
    "choices": Step("05_rank_values", ("kept_scenarios", "answers", "verdicts")),
    "rankings": Step("05_rank_values", ("choices",)),
    "steered_answers": Step("06_steer", ("kept_scenarios", "rankings"), ("choose", *_SYSTEM, *_JSON)),
    "steered_conversations": Step(
        "06_steer", ("kept_scenarios", "opening_messages", "rankings"), ("next_message", *_SYSTEM, *_JSON)
    ),
    "steered_verdicts": Step("06_steer", ("kept_scenarios", "steered_conversations"), ("judge", *_JSON)),
    "steered_choices": Step("06_steer", ("kept_scenarios", "steered_answers", "steered_verdicts")),
}
# notebooks that leave figures and no table
FIGURES = {
    "07_figures": Step(
        "07_figures",
        ("scenarios", "kept_scenarios", "checks", "domains", "ratings", "verdicts", "swapped_verdicts", "choices"),
    )
}


def input_files(parameters: Mapping[str, object], seen_from: Path) -> dict[str, list[Path]]:
    """Return the files that a study reads beside its own: parameter → files, for those that name any.

    Parameters
    ----------
    seen_from : Path
        The folder that paths in parameters are relative to.
    """
    found = {}
    for name, file in INPUTS.items():
        told = parameters.get(name) or []
        paths = [seen_from / str(path) / file for path in (told if isinstance(told, list) else [told])]
        if paths:
            found[name] = paths
    return found


def notebook_parameters() -> dict[str, object]:
    """Return what the parameters cell of the notebook that runs in this process declares: the names with a type."""
    notebook = sys.modules["__main__"]
    return {
        name: getattr(notebook, name) for name in getattr(notebook, "__annotations__", {}) if hasattr(notebook, name)
    }


def origin_of(
    step: Step,
    folder: Path,
    parameters: Mapping[str, object],
    values: ValueSet,
    registry: Registry,
    *,
    seen_from: Path = Path(),
) -> dict[str, dict[str, object]]:
    """Return what a table is made from, as things stand.

    Parameters
    ----------
    step : Step
        How it comes about.
    folder : Path
        The study's folder, with the tables that it is made from.
    parameters : mapping
        Those of its notebook. Where things are, and how the study is run, is left out.
    values, registry
        The value set, and the models: those that a parameter names.
    seen_from : Path
        The folder that paths in parameters are relative to: that of the notebooks, in which they run.
    """
    told = {name: value for name, value in parameters.items() if name not in _ELSEWHERE}
    mentioned = [item for value in told.values() for item in (value if isinstance(value, list) else [value])]
    named = {item for item in mentioned if isinstance(item, str) and item in registry}
    hashes = prompt_hashes()
    contents = {name: read_notes(name, folder).get("content") for name in step.tables}
    return {
        "parameters": told,
        "values": _definitions(values),
        "pairs": {"all": _hash(values.pairs)},
        "prompts": {name: hashes[name] for name in _prompts_used(step, parameters)},
        "models": {name: _hash(_as_asked(registry[name])) for name in sorted(named)},
        "inputs": {name: _hash(found) for name, found in _inputs(parameters, seen_from).items()},
        "tables": {name: content for name, content in contents.items() if content},
    }


def changes(then: Origin, now: Origin) -> list[str]:
    """Return in a phrase each what differs between two origins of a table; an empty list where nothing does."""
    told = []
    before, after = then["parameters"], now["parameters"]
    for name in [name for name in after if name not in before or before[name] != after[name]]:
        was = f"was {before[name]!r}" if name in before else "was not there"
        told.append(f"parameter {name} {was}, is {after[name]!r}")
    told += [f"parameter {name} is no more" for name in before if name not in after]
    for part, said in _CHANGED.items():
        told += [said.format(name) for name in _differing(then[part], now[part])]
    return told


def check_descent(name: str, folder: Path, values: ValueSet) -> None:
    """Refuse a table that does not belong with the others in its folder.

    Raises
    ------
    ValueError
        Where it, or a table that it was made from, rests on a table that has been replaced since by one with other
        rows, or on other definitions of the values. What is made from it would mix old and new.
    """
    for table, origin in _ancestors(name, folder):
        for source, content in origin["tables"].items():
            there = read_notes(source, folder).get("content")
            if there and there != content:
                raise ValueError(
                    f"{table_path(folder, table)} was made from a table {source!r} that has been replaced since. Run "
                    f"notebook {LINEAGE[table].notebook} again (what was answered is not asked again), then this one."
                )
        if changed := _differing(origin["values"], _definitions(values)):
            raise ValueError(
                f"{table_path(folder, table)} was made with other definitions of {changed}. Run the study again from "
                "notebook 01, or give the changed value set a study of its own."
            )


def _ancestors(name: str, folder: Path) -> Iterator[tuple[str, Origin]]:
    """Return a table and those that it was made from, with their origins, as far as they are there and have one."""
    waiting, seen = [name], set()
    while waiting:
        table = waiting.pop()
        noted = read_notes(table, folder).get("origin")
        if table in seen or noted is None:
            continue
        seen.add(table)
        origin = json.loads(noted)
        yield table, origin
        waiting += origin["tables"]


def _prompts_used(step: Step, parameters: Mapping[str, object]) -> list[str]:
    """Return the step's prompts but for those of another way to come by scenarios."""
    two_stage = parameters.get("generation", "two_stage") == "two_stage"
    used = {"complete"} if parameters.get("scenarios") else {"outlines", "scenario"} if two_stage else {"single_stage"}
    return [name for name in step.prompts if name not in _WRITING - used]


def _inputs(parameters: Mapping[str, object], seen_from: Path) -> dict[str, list[str]]:
    """Return for each parameter that names files or folders of others the hashes of what a study takes from them."""
    return {
        name: [hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "" for path in paths]
        for name, paths in input_files(parameters, seen_from).items()
    }


def _definitions(values: ValueSet) -> dict[str, object]:
    """Return value → hash of its definition."""
    return {value.name: _hash(value.definition) for value in values.values}


def _as_asked(model: Model) -> list[object]:
    """Return what of a model's entry goes into its calls."""
    return [value for field, value in zip(fields(model), astuple(model), strict=True) if field.name not in _NOT_ASKED]


def _differing(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return the names that do not stand for the same on both sides."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _hash(content: object) -> str:
    """Return a hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


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
        name: origin_of(FIGURES[name], folder, parameters.of(name), values, registry, seen_from=parameters.root)
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
        "scenarios_hash": _hash_file(parameters.path("scenarios")) if parameters.values["scenarios"] else None,
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


def _hash_file(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


NOT_RUN, UP_TO_DATE, STALE = "not run", "up to date", "stale"
_UNSAID = "its file does not say what it was made from"


def study_status(parameters: StudyParameters) -> pd.DataFrame:
    """Say of each table whether it is what the study's parameters would give now.

    Returns
    -------
    DataFrame
        One row a table in the order in which they are made, then the figures of notebook 07: ``notebook``, ``table``,
        ``state`` (``not run``, ``up to date``, ``stale``) and ``why`` (what has changed since it was written).
    """
    folder = parameters.path("run_folder")
    values, registry = load_value_set(parameters.path("value_set")), load_registry(parameters.path("models_file"))
    rows: dict[str, dict[str, str]] = {}
    for name, step in (LINEAGE | FIGURES).items():
        told = parameters.of(step.notebook)
        now = origin_of(step, folder, told, values, registry, seen_from=parameters.root)
        if name in FIGURES:
            manifest = read_manifest(folder) if (folder / FILE).exists() else {}
            there, then = name in manifest.get("figures_from", {}), manifest.get("figures_from", {}).get(name)
        else:
            noted = read_notes(name, folder).get("origin")
            there, then = table_path(folder, name).exists(), json.loads(noted) if noted else None
        stale = [source for source in step.tables if source in rows and rows[source]["state"] == STALE]
        why = _why(then, now, stale) if there else []
        state = NOT_RUN if not there else STALE if why else UP_TO_DATE
        table = "figures" if name in FIGURES else name
        rows[name] = {"notebook": step.notebook, "table": table, "state": state, "why": "; ".join(why)}
    return pd.DataFrame(list(rows.values()))


def describe_status(parameters: StudyParameters) -> list[str]:
    """Return lines that say how far a study is, for the command line."""
    status = study_status(parameters)
    lines = []
    for notebook, own in status.groupby("notebook", sort=False):
        lines.append(str(notebook))
        for (state, why), same in own.groupby(["state", "why"], sort=False):
            lines.append(f"  {', '.join(same['table'])}: {state}{f' ({why})' if why else ''}")
    return [*lines, _describe_calls(parameters)]


def stale_tables(parameters: StudyParameters) -> pd.DataFrame:
    """Return the rows of `study_status` that are stale."""
    status = study_status(parameters)
    return status[status["state"].eq(STALE)].reset_index(drop=True)


def _why(then: Origin | None, now: Origin, stale: Sequence[str]) -> list[str]:
    """Return the reasons for which a table is stale."""
    if then is None:
        return [_UNSAID]
    return changes(then, now) + ([f"made from stale {', '.join(stale)}"] if stale else [])


def _describe_calls(parameters: StudyParameters) -> str:
    """Return a line on the calls in the store and what they cost at the prices that are known."""
    calls = summarise_store(store_url(parameters))
    registry = load_registry(parameters.path("models_file"))
    by_model = calls.groupby("model")[["replies", "failures", "prompt_tokens", "completion_tokens"]].sum()
    spent: float = 0.0
    unknown: list[str] = []
    for name, row in by_model.iterrows():
        cost = registry[name].cost(row["prompt_tokens"], row["completion_tokens"]) if name in registry else None
        spent, unknown = (spent, [*unknown, str(name)]) if cost is None else (spent + cost, unknown)
    failed = by_model["failures"].sum()
    line = f"{by_model['replies'].sum():,} replies in the call store"
    line += f", {failed:,} calls without an answer" if failed else ""
    line += f"; tokens counted by the endpoints cost {spent:,.2f} dollars"
    return line + (f", not counting {', '.join(unknown)} (price unknown)" if unknown else "")
