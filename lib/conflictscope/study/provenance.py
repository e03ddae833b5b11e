"""What a study's tables and figures were made from, and whether they would come out the same now.

In: what a notebook has read, asked and written; a study's parameters as they stand. Out: the origin that each table's
file carries, the study's ``manifest.json``, and for each table a state: not run, up to date, incomplete or stale.
Rows are hashed, so a table that was written anew with the same rows makes nothing stale.
"""

import hashlib
import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from conflictscope.files import near_file, refuse_link, write_text
from conflictscope.models import Model, Registry, load_registry
from conflictscope.models.registry import entry_of
from conflictscope.models.spending import batch_cost
from conflictscope.models.store import count_open_batches, read_batched, store_url, summarise_store
from conflictscope.prompts import prompt_hashes
from conflictscope.scenarios import ValueSet, load_value_set
from conflictscope.study.parameters import PATHS, StudyParameters, check_address, project_path, restore_parameters
from conflictscope.study.stages import STAGES, WRITERS, Stage
from conflictscope.table_files import read_notes, read_table, table_path

Origin = Mapping[str, Mapping[str, Any]]
"""``parameters``, ``values``, ``pairs``, ``prompts``, ``models``, ``inputs``, ``tables``: name → value or hash."""

FILE = "manifest.json"
# what a run's folder says of the study, so that notebooks need nothing but the folder
STORE_FILE = "calls.sqlite"
"""The call store in a study's folder, if its parameters name no other."""
PLACES = ("value_set", "models_file", "figures_folder", "prompts_folder", "call_store", "language")
# parameters that name a file, or folders of other studies, and what is read of each folder: its content counts
INPUTS = {"scenarios": "", "earlier_runs": "outlines.parquet", "compare_with": "agreement.csv"}
# lists of models: one more leaves what the others said as it is
_ONE_OF = {"targets": "target", "further_judges": "judge"}
# what of a model's entry in the file of models makes no difference to its replies
_NOT_ASKED = {
    *("name", "key_variable", "concurrency", "requests_per_minute", "tokens_per_minute", "timeout_s", "max_attempts"),
    *("max_reply_mb", "input_price", "output_price", "cached_price", "prices", "retired", "counts_prompts"),
    *("batch", "batch_form", "batch_folder", "batch_size", "batch_hours", "batch_wait_minutes"),
}
_CHANGED = {
    "values": "value {} has another definition",
    "pairs": "the pairs of values changed",
    "prompts": "prompt {} changed",
    "models": "model {} has another entry in the file of models",
    "inputs": "what {} names holds something else",
    "tables": "table {} was written anew, with other rows",
}
_PACKAGES = (
    *("conflictscope", "openai", "pydantic", "jinja2", "sqlalchemy", "papermill"),
    *("pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "statsmodels", "matplotlib", "seaborn"),
)
NOT_RUN, UP_TO_DATE, INCOMPLETE, STALE = "not run", "up to date", "incomplete", "stale"


@dataclass(frozen=True)
class Places:
    """What a run's folder says of its study; paths are absolute, ``prompts_folder`` None for the shipped prompts."""

    study: str
    value_set: Path
    models_file: Path
    figures_folder: Path
    prompts_folder: Path | None
    call_store: URL
    language: str


def record_places(folder: Path, study: str, parameters: Mapping[str, Any]) -> None:
    """Write into a run's manifest which study it is of, before anything is asked.

    Parameters
    ----------
    parameters : mapping
        Parameters of the study, of ``PLACES`` at least what is not in the manifest yet.

    Raises
    ------
    ValueError
        If the folder is another study's, or the call store's address is none or holds a password.
    """
    earlier: dict[str, Any] = {"finished": False, "parameters": {}}
    if (folder / FILE).exists():
        earlier = read_manifest(folder)
    if earlier.get("study", study) != study:
        raise ValueError(
            f"{folder} holds study {earlier['study']!r}; expected {study!r}. Give each study a run_folder of its own."
        )
    content = earlier | {"study": study, "parameters": earlier["parameters"] | dict(parameters)}
    if call_store := content["parameters"].get("call_store"):
        call_store_url(call_store, folder)
    if content != earlier:
        _write(folder, content)


def read_places(folder: Path) -> Places:
    """Read which study a run's folder is of.

    Raises
    ------
    FileNotFoundError
        If there is no manifest, saying what makes one.
    ValueError
        If it is no manifest of this version, or names a file of models inside the folder: whoever made the folder could
        have keys sent to an endpoint of theirs.
    """
    if not (folder / FILE).exists():
        raise FileNotFoundError(
            f"{folder / FILE} is not there, so that nothing says which study this folder is of. "
            "`conflictscope run params/<study>.yaml` makes it, and so does notebook 01_generate_scenarios"
            f"{'' if folder.exists() else near_file(folder)}."
        )
    manifest = read_manifest(folder)
    parameters = {name: manifest["parameters"].get(name) or "" for name in PLACES}
    missing = [name for name in PLACES[:3] if not isinstance(parameters[name], str) or not parameters[name]]
    if missing or not isinstance(manifest.get("study"), str):
        raise ValueError(
            f"{folder / FILE}: found no {missing or ['study']}. Run the study again; nothing is asked twice."
        )
    paths = {name: project_path(parameters[name], folder).resolve() for name in PLACES[:4] if parameters[name]}
    if paths["models_file"].is_relative_to(folder.resolve()):
        raise ValueError(
            f"{folder / FILE}: models_file: found {parameters['models_file']!r}, inside the run's own folder; expected "
            "a file elsewhere, of your own: it says which endpoint is sent which key."
        )
    return Places(
        manifest["study"],
        paths["value_set"],
        paths["models_file"],
        paths["figures_folder"],
        paths.get("prompts_folder"),
        call_store_url(parameters["call_store"], folder),
        str(parameters["language"]),
    )


def call_store_url(call_store: str | None, folder: Path) -> URL:
    """Return the database URL of a study's call store; a SQLite file is seen from the project's folder.

    Raises
    ------
    ValueError
        If the address is none, or holds a password; or if the file in the study's folder is a link, by which a database
        that belongs to something else would be written to.
    """
    if not call_store:
        for beside in ("", "-wal", "-shm", "-journal"):
            refuse_link(folder / f"{STORE_FILE}{beside}")
        return store_url(folder / STORE_FILE)
    try:
        check_address(str(call_store))
    except ValueError as problem:
        raise ValueError(f"call_store: expected {problem}.") from None
    try:
        url = make_url(call_store)
    except (ArgumentError, ValueError):
        raise ValueError(
            "call_store: found no address of a database; expected one like sqlite:///runs/hhh/calls.sqlite."
        ) from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return url
    return url.set(database=str(project_path(url.database, folder)))


def study_store(parameters: StudyParameters) -> URL:
    """Return the database URL of the study's call store."""
    return call_store_url(parameters.values["call_store"], parameters.path("run_folder"))


def prompts_folder(parameters: StudyParameters) -> Path | None:
    """Return the folder of the study's own prompts, None if it has none."""
    return parameters.path("prompts_folder") if parameters.values["prompts_folder"] else None


def input_files(parameters: Mapping[str, Any], beside: Path) -> dict[str, list[Path]]:
    """Return the files that a study reads beside its own: parameter → files, for those that name any.

    Parameters
    ----------
    beside : Path
        The study's folder, or the project's, from which relative paths are seen.
    """
    named = {name: parameters.get(name) or [] for name in INPUTS}
    return {
        name: [project_path(path, beside) / INPUTS[name] for path in (paths if isinstance(paths, list) else [paths])]
        for name, paths in named.items()
        if paths
    }


def origin_of(
    stage: Stage,
    table: str | None,
    folder: Path,
    parameters: Mapping[str, Any],
    values: ValueSet,
    registry: Registry,
    *,
    tables: Iterable[str],
    models: Iterable[str] = (),
    prompts: Mapping[str, str | None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return what a table, or a notebook's figures, is made from, as things stand.

    Parameters
    ----------
    table : str or None
        The table; None for the notebook's figures.
    folder : Path
        The study's folder.
    parameters : mapping
        The study's; only those count that shape the table.
    tables, models : iterable of str
        Tables that it was made from, models that were asked for it.
    prompts : mapping
        Prompt that was asked for it → hash of its text.
    """
    shaping = {
        name: parameters[name]
        for name, shaped in stage.parameters.items()
        if name in parameters and (table is None or table in shaped)
    }
    contents = {name: read_notes(name, folder).get("content") for name in tables}
    return {
        "parameters": {name: value for name, value in shaping.items() if name not in INPUTS},
        "values": _definitions(values),
        "pairs": {"all": _hash(values.pairs)},
        "prompts": dict(prompts or {}),
        "models": {name: _hash(_as_asked(registry[name])) if name in registry else None for name in sorted(models)},
        "inputs": {
            name: [hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "" for path in paths]
            for name, paths in input_files(shaping, folder).items()
        },
        "tables": {name: content for name, content in contents.items() if content},
    }


def check_descent(name: str, folder: Path, values: ValueSet) -> None:
    """Refuse a table that does not belong with the others in its folder.

    Raises
    ------
    ValueError
        If it, or a table that it was made from, rests on a table that has been replaced since by one with other rows,
        or on other definitions of the values. What is made from it would mix old and new.
    """
    for table, origin in _ancestors(name, folder):
        for source, content in origin["tables"].items():
            there = read_notes(source, folder).get("content")
            if there and there != content:
                raise ValueError(
                    f"{table_path(folder, table)} was made from a table {source!r} that has been replaced since. Run "
                    f"notebook {WRITERS[table].notebook} again (what was answered is not asked again), then this one."
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
        origin = read_origin(table, folder)
        if table in seen or origin is None:
            continue
        seen.add(table)
        yield table, origin
        waiting += origin["tables"]


def read_origin(table: str, folder: Path) -> Origin | None:
    """Return what a table's file says that it was made from."""
    noted = read_notes(table, folder).get("origin")
    if not noted:
        return None
    try:
        origin = json.loads(noted)
    except (ValueError, RecursionError):
        origin = None
    return _checked_origin(origin, table_path(folder, table))


def _checked_origin(origin: object, source: Path) -> Origin:
    """Return an origin that a file holds, if it is of the form that we write."""
    formed = isinstance(origin, dict) and all(isinstance(origin.get(part), dict) for part in ("parameters", *_CHANGED))
    if not isinstance(origin, dict) or not formed or not set(origin["tables"]) <= set(WRITERS):
        raise ValueError(f"{source} does not say what it was made from. {_RUN_AGAIN}")
    return origin


def _definitions(values: ValueSet) -> dict[str, Any]:
    """Return value → hash of its definition."""
    return {value.name: _hash(value.definition) for value in values.values}


def _as_asked(model: Model) -> list[tuple[str, object]]:
    """Return what of a model's entry goes into its calls, without what is as by default."""
    return sorted((name, value) for name, value in entry_of(model).items() if name not in _NOT_ASKED)


def _differing(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return the names that do not stand for the same on both sides."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _hash(content: object) -> str:
    """Return a hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def study_status(parameters: StudyParameters) -> pd.DataFrame:
    """Return of each table whether it is what the study's parameters would give now.

    Returns
    -------
    DataFrame
        One row a table in the order in which they are made, and one for the figures of each notebook that draws any:
        ``notebook``, ``table`` (or ``figures``), ``state`` (``not run``, ``up to date``, ``incomplete``: rows of a
        model that is new are missing, ``stale``) and ``why``.
    """
    folder = parameters.path("run_folder")
    values, registry = load_value_set(parameters.path("value_set")), load_registry(parameters.path("models_file"))
    hashes = prompt_hashes(prompts_folder(parameters))
    drawn = read_manifest(folder).get("figures_from", {}) if (folder / FILE).exists() else {}
    drawn = {name: _checked_origin(origin, folder / FILE) for name, origin in drawn.items()}
    states: dict[str, str] = {}
    rows = []
    for stage in STAGES.values():
        for table in [*stage.writes, *([None] if stage.figures else [])]:
            there = table_path(folder, table).exists() if table else stage.notebook in drawn
            then = read_origin(table, folder) if table else drawn.get(stage.notebook)
            unsaid = ["its file does not say what it was made from"] if there and not then else []
            outdated, lacking = unsaid, list[str]()
            if there and then:
                now = origin_of(
                    *(stage, table, folder, parameters.values, values, registry),
                    tables=then["tables"],
                    models=then["models"],
                    prompts={name: hashes.get(name) for name in then["prompts"]},
                )
                outdated, lacking = _changes(then, now)
                for state, reasons in ((STALE, outdated), (INCOMPLETE, lacking)):
                    # the first, in the order in which they are made, is why the others are
                    sources = [name for name in states if name in then["tables"] and states[name] == state]
                    reasons += [f"made from {state} {name}" for name in sources[:1]]
            state = STALE if outdated else INCOMPLETE if lacking else UP_TO_DATE if there else NOT_RUN
            if table:
                states[table] = state
            rows.append(
                {
                    "notebook": stage.notebook,
                    "table": table or "figures",
                    "state": state,
                    "why": "; ".join(outdated + lacking),
                }
            )
    return pd.DataFrame(rows)


def describe_status(parameters: StudyParameters) -> list[str]:
    """Return lines that say how far a study is: its tables, and the calls in the store at the prices that are known."""
    lines = []
    for notebook, rows in study_status(parameters).groupby("notebook", sort=False):
        lines.append(str(notebook))
        for (state, why), same in rows.groupby(["state", "why"], sort=False):
            lines.append(f"  {', '.join(same['table'])}: {state}{f' ({why})' if why else ''}")
    calls, registry = summarise_store(study_store(parameters)), load_registry(parameters.path("models_file"))
    counted = ["replies", "failures", "prompt_tokens", "completion_tokens", "cached_tokens"]
    by_model = calls.groupby("model")[counted].sum()
    costs = {
        str(name): registry[str(name)].cost(row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"])
        if name in registry
        else None
        for name, row in by_model.iterrows()
    }
    # in batches they cost half of that
    batched = {name: used for name, used in read_batched(study_store(parameters)).items() if costs.get(name)}
    costs |= {name: (costs[name] or 0.0) - batch_cost(registry[name], used) for name, used in batched.items()}
    unknown = [name for name, cost in costs.items() if cost is None]
    failed = by_model["failures"].sum()
    for name, open_ in count_open_batches(study_store(parameters)).items():
        hours = (time.time() - open_.oldest) / 3600
        priced = name in registry and registry[name].cost(1, 1) is not None
        cost = f"{batch_cost(registry[name], open_.expected):,.2f}" if priced else "an unknown sum of"
        lines.append(
            f"{name}: {open_.calls:,} calls in {open_.batches} open {'batch' if open_.batches == 1 else 'batches'}, "
            f"since {hours:.1f} h, which may cost {cost} dollars"
        )
    return [
        *lines,
        f"{by_model['replies'].sum():,} replies in the call store"
        + (
            f", {failed:,} calls without an answer (run --again sends those anew whose answers were lost)"
            if failed
            else ""
        )
        + f"; tokens counted by the endpoints cost {sum(filter(None, costs.values())):,.2f} dollars"
        + (f", not counting {', '.join(unknown)} (price unknown)" if unknown else ""),
        *_describe_changed(calls),
    ]


def describe_changed_models(parameters: StudyParameters) -> list[str]:
    """Return a sentence for each model of a study behind whose name its endpoint has put another one on the way."""
    return _describe_changed(summarise_store(study_store(parameters)))


def _describe_changed(calls: pd.DataFrame) -> list[str]:
    """Return these sentences by what a call store holds."""
    return [
        f"{name} changed behind its name: "
        + ", then ".join(f"{one['id']} ({one['replies']:,} replies from {one['first'][:16]})" for one in model["ids"])
        + ". Notebook 05 ranks each by itself; to have one only, name its dated id in the file of models and run again."
        for name, model in _by_model(calls).items()
        if model["changed"]
    ]


def unfinished_tables(parameters: StudyParameters) -> pd.DataFrame:
    """Return the rows of `study_status` that are stale or incomplete."""
    status = study_status(parameters)
    return status[status["state"].isin((STALE, INCOMPLETE))].reset_index(drop=True)


def _changes(then: Origin, now: Origin) -> tuple[list[str], list[str]]:
    """Return in a phrase each what makes a table stale, and what makes it incomplete."""
    outdated: list[str] = []
    lacking: list[str] = []
    before = then["parameters"]
    for name, value in now["parameters"].items():
        if name in _ONE_OF and isinstance(before.get(name), list):
            lacking += [f"{_ONE_OF[name]} {model} is new" for model in value if model not in before[name]]
            outdated += [f"{_ONE_OF[name]} {model} is no more" for model in before[name] if model not in value]
        elif name not in before or before[name] != value:
            was = f"was {before[name]!r}" if name in before else "was not there"
            outdated.append(f"parameter {name} {was}, is {value!r}")
    for part, phrase in _CHANGED.items():
        outdated += [phrase.format(name) for name in _differing(then[part], now[part])]
    return outdated, lacking


def write_manifest(parameters: StudyParameters, times: Mapping[str, tuple[datetime, float]], *, finished: bool) -> Path:
    """Write what the study's tables and figures came from; notebooks that did not run keep the times of their last run.

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
        stage.notebook: origin_of(
            stage, None, folder, parameters.values, values, registry, tables=stage.reads + stage.writes
        )
        for stage in STAGES.values()
        if stage.figures and stage.notebook in times
    }
    calls = summarise_store(study_store(parameters))
    content = {
        "study": parameters.study,
        "finished": finished,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters.values,
        "seeds": {name: value for name, value in parameters.values.items() if "seed" in name},
        "value_set_hash": values.hash,
        "scenarios_hash": _hash_file(parameters.path("scenarios")) if parameters.values["scenarios"] else None,
        "prompt_hashes": prompt_hashes(prompts_folder(parameters)),
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
    return _write(folder, content)


def _write(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write a manifest."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_text(folder / FILE, text)
    return folder / FILE


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a study's folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no manifest.
    """
    path = folder / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; expected the folder of a study that `conflictscope run` has run"
            f"{'.' if folder.exists() else near_file(folder) or '.'}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}. {_RUN_AGAIN}") from None
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise ValueError(f"{path} is no manifest. {_RUN_AGAIN}")
    return content


def restore_run(folder: Path, root: Path) -> tuple[StudyParameters, dict[str, Any]]:
    """Return the parameters of a study that `conflictscope run` has run, and its manifest.

    Parameters
    ----------
    folder, root : Path
        The study's folder and the project's.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``read_manifest`` and ``restore_parameters``; or if it was run by hand, or is of another form.
    """
    manifest, source = read_manifest(folder), folder / FILE
    if "notebooks" not in manifest:
        raise ValueError(
            f"{folder} was made by running notebooks by hand; expected a study that `conflictscope run` has run, whose "
            "manifest says which parameters all its tables share."
        )
    forms: dict[str, Any] = {"study": str, "value_set_hash": str, "packages": dict, "notebook_hashes": dict}
    if misfits := sorted(
        name for name, form in (forms | {"notebooks": dict}).items() if not isinstance(manifest.get(name), form)
    ):
        raise ValueError(f"{source}: found no {misfits} of this version's form. {_RUN_AGAIN}")
    parameters, named = manifest["parameters"], ("value_set", "models_file", "figures_folder")
    if lacking := [name for name in named if not isinstance(parameters.get(name), str)]:
        raise ValueError(f"{source}: found no {lacking}. {_RUN_AGAIN}")
    if parameters["models_file"].startswith("../"):
        # as earlier versions wrote it; now it is seen from the project's folder, or absolute outside it
        parameters = {name: _seen_from_root(value) if name in PATHS else value for name, value in parameters.items()}
    places = {name: root / parameters[name] for name in named} | {"run_folder": folder.resolve()}
    for name in named[:2]:
        if not places[name].is_file():
            raise FileNotFoundError(f"{source}: {name}: {places[name]} is not there. Put it there, or run again.")
    return restore_parameters(manifest["study"], parameters, root, places, source=str(source)), manifest


_RUN_AGAIN = "Run the study again; nothing is asked twice."


def _seen_from_root(paths: Any) -> Any:
    """Return a path, or each of a list, as seen from the project's folder and not from its ``notebooks``."""
    if isinstance(paths, list):
        return [_seen_from_root(path) for path in paths]
    return paths.removeprefix("../") if isinstance(paths, str) else paths


def package_versions() -> dict[str, str]:
    """Return package → version, of those that tables and figures come from."""
    return {name: version(name) for name in _PACKAGES}


def notebook_hashes(parameters: StudyParameters) -> dict[str, str]:
    """Return notebook → hash of its code."""
    hashes = {}
    for name in parameters.notebooks:
        # without nbformat, which takes a kernel seconds to import
        cells = json.loads((parameters.notebooks_folder / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = json.dumps(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"])
        hashes[name] = hashlib.sha256(code.encode()).hexdigest()[:12]
    return hashes


def table_contents(folder: Path) -> dict[str, str]:
    """Return table → hash of its rows, of the tables that are there."""
    return {name: read_notes(name, folder).get("content", "") for name in WRITERS if table_path(folder, name).exists()}


def figure_hashes(folder: Path) -> dict[str, str]:
    """Return file → SHA-256 of the figures, the tables behind them and their captions."""
    files = sorted(path for path in folder.glob("*") if path.suffix in (".pdf", ".png", ".csv", ".txt"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _by_model(calls: pd.DataFrame) -> dict[str, Any]:
    """Return for each model what it was called by its endpoint, when, and whether that changed on the way."""
    models = {}
    for name, of_model in calls.groupby("model"):
        ids = of_model[of_model["replies"] > 0].groupby("model_id", dropna=False)
        seen = ids.agg(replies=("replies", "sum"), first=("first", "min"), last=("last", "max")).sort_values("first")
        entries = [
            {"id": None if pd.isna(row["model_id"]) else str(row["model_id"])} | row.drop("model_id").to_dict()
            for _, row in seen.reset_index().iterrows()
        ]
        # a reply that says nothing of who gave it is no other model
        models[str(name)] = {"ids": entries, "changed": sum(entry["id"] is not None for entry in entries) > 1}
    return models


def _by_prompt(calls: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what was asked of each model with each prompt, in numbers."""
    counts = ["replies", "failures", "prompt_tokens", "completion_tokens"]
    return calls.groupby(["model", "prompt"])[counts].sum().reset_index().to_dict("records")


def _outcomes(folder: Path) -> dict[str, Any]:
    """Return table → target → outcome → number of rows, of the tables that have outcomes."""
    counted: dict[str, Any] = {}
    for name in ("answers", "verdicts", "steered_answers", "steered_verdicts"):
        if table_path(folder, name).exists():
            rows = read_table(name, folder, study=None)[["target", "outcome"]]
            for (target, outcome), count in rows.value_counts().sort_index().items():
                counted.setdefault(name, {}).setdefault(target, {})[outcome] = int(count)
    return counted


def _hash_file(path: Path) -> str:
    """Return the hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
