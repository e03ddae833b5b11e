"""A bundle: one file that holds what it takes to rebuild a study's tables and figures, and its replay.

In: the folder of a study that has run. Out: a zip file with parameters, value set, models (no keys), prompts, stored
replies, manifest, what was read of other studies, hashes of tables and figures; or, from such a file, what was rebuilt
and what differs. A bundle may come from anybody: it holds data and no code, is opened with bounds on names and sizes,
and is replayed by this project's notebooks without asking any model.
"""

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from conflictscope.files import near_file, unwritten, write_atomically
from conflictscope.models import Registry, load_registry
from conflictscope.models.registry import entry_of
from conflictscope.models.store import read_rows, summarise_store, write_rows_anew
from conflictscope.prompts.rendering import prompt_files
from conflictscope.scenarios import ValueSet, load_value_set
from conflictscope.study.parameters import StudyParameters, restore_parameters
from conflictscope.study.provenance import (
    FILE,
    INPUTS,
    STORE_FILE,
    figure_hashes,
    input_files,
    notebook_hashes,
    package_versions,
    prompts_folder,
    study_store,
    table_contents,
    unfinished_tables,
)
from conflictscope.study.runner import NotebookFailed, run_study

FORMAT = 1
_HEAD, _VALUE_SET, _MODELS, _CALLS = "bundle.json", "value_set.yaml", "models.yaml", "calls.jsonl"
# what a program that knows nothing of this project reads: https://www.researchobject.org/ro-crate
_CRATE = "ro-crate-metadata.json"
_MEMBER = re.compile(
    rf"(?:{'|'.join(map(re.escape, (_HEAD, FILE, _VALUE_SET, _MODELS, _CALLS, _CRATE)))})"
    r"|prompts/[a-z_]{1,40}\.txt"
    r"|inputs/(?:earlier_runs/[0-9]{1,4}/outlines\.parquet|compare_with/[0-9]{1,4}/agreement\.csv"
    r"|scenarios/0/given\.(?:csv|tsv|json|yaml))"
)
_SMALL_BYTES = 32 * 1024**2
_MOST_BYTES = 16 * 1024**3
# text shrinks to a tenth or a fiftieth; a thousandth is a trap
_MOST_SHRUNK = 300
# a date that a zip file can hold, the same in every bundle
_DATE = (1980, 1, 1, 0, 0, 0)
# what a replay has of its own, so that no bundle says where it reads and writes, or what it may spend
_OF_REPLAY = ("run_folder", "figures_folder", "models_file", "value_set", "call_store", "budget_usd")


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its head, and the folder that its files were put into."""

    study: str
    notebooks: list[str]
    parameters: dict[str, Any]
    tables: dict[str, str]
    figures: dict[str, str]
    packages: dict[str, str]
    notebook_hashes: dict[str, str]
    folder: Path

    @property
    def inputs(self) -> dict[str, Any]:
        """What the study reads beside its own: parameter → where that is now, as the parameter names it."""
        return {
            name: [str(self.folder / place) for place in places]
            if isinstance(places, list)
            else str(self.folder / places)
            for name, places in self.parameters.items()
            if name in (*INPUTS, "prompts_folder") and places
        }

    @property
    def places(self) -> dict[str, Path]:
        """Where a replay finds and puts things."""
        return {
            "run_folder": self.folder / "run",
            "figures_folder": self.folder / "figures",
            "models_file": self.folder / _MODELS,
            "value_set": self.folder / _VALUE_SET,
        }


def pack_bundle(parameters: StudyParameters, manifest: Mapping[str, Any], file: Path) -> Path:
    """Pack a study that has run into one file.

    Parameters
    ----------
    parameters : StudyParameters
        Those of the run, as ``restore_parameters`` makes them of its manifest.
    manifest : mapping
        The manifest.
    file : Path
        Where to; written whole or not at all.

    Raises
    ------
    ValueError
        If a table is stale, or the store holds fewer replies than when the study ran, so that a replay would not give
        the tables again.
    OSError
        If the disk does not take the file.
    """
    _check_store(parameters, manifest)
    stale = unfinished_tables(parameters)
    values = load_value_set(parameters.path("value_set"))
    if len(stale) or values.hash != manifest["value_set_hash"]:
        why = stale["table"].iloc[0] + ": " + stale["why"].iloc[0] if len(stale) else "the value set has changed"
        raise ValueError(
            f"{parameters.path('run_folder')} is not as its last run left it ({why}). Run the study again, which asks "
            "only what is new, then bundle it."
        )
    write_atomically(file, partial(_write, parameters, manifest, values))
    return file


def _check_store(parameters: StudyParameters, manifest: Mapping[str, Any]) -> None:
    """Refuse a call store that does not hold what the manifest counted in it."""
    held = summarise_store(study_store(parameters)).groupby(["model", "prompt"])["replies"].sum()
    counted = manifest.get("calls") or []
    if not isinstance(counted, list) or not all(isinstance(row, dict) for row in counted):
        raise ValueError(f"{parameters.file}: calls: expected a list of counts. Run the study again.")
    for row in counted:
        model, prompt, replies = (row.get(name) for name in ("model", "prompt", "replies"))
        there = int(held.get((model, prompt), 0))
        if not isinstance(replies, int) or there < replies:
            raise ValueError(
                f"{study_store(parameters).database}: holds {there:,} replies of model {model!r} to prompt {prompt!r}; "
                f"expected {replies}, as when the study ran. Put the call store back; a bundle without it is of no use."
            )


def open_bundle(file: Path, folder: Path) -> Bundle:
    """Open a bundle into an empty folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no bundle, one of another version, or holds anything that a bundle does not: a parameter that says
        where to read or write, or an input that is not in it.
    OSError
        If the disk does not take what is in it.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            _check_members(file, packed)
            head = _read_head(file, packed)
            _check_inputs(file, packed.namelist(), head["parameters"])
            for name in set(packed.namelist()) - {_HEAD, _CALLS, _CRATE}:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with packed.open(name) as source, target.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
                except OSError as problem:
                    raise unwritten(target, problem) from problem
            bundle = Bundle(**head, folder=folder)
            for place in (bundle.places["run_folder"], bundle.places["figures_folder"]):
                place.mkdir()
            with packed.open(_CALLS) as lines:
                write_rows_anew(bundle.places["run_folder"] / STORE_FILE, _parse_rows(lines))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{file} is not there; expected a file that `conflictscope bundle` has made{near_file(Path(file)) or '.'}"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError) as problem:
        raise ValueError(f"{file} is no bundle, or is damaged: {problem}") from None
    except ValueError as problem:
        message = str(problem)
        raise ValueError(
            message if str(file) in message else f"{file} is no bundle, or is damaged: {message}"
        ) from None
    return bundle


def _write(parameters: StudyParameters, manifest: Mapping[str, Any], values: ValueSet, file: str) -> None:
    """Write the bundle's members."""
    recorded = {name: value for name, value in parameters.values.items() if name not in _OF_REPLAY}
    inputs: dict[str, Path] = {}
    for name, paths in input_files(recorded, parameters.root).items():
        for number, path in enumerate(paths):
            # scenarios have a name of their owner's, which goes into no bundle
            member_name = f"given{_form_of(path)}" if name == "scenarios" else path.name
            inputs[f"inputs/{name}/{number}/{member_name}"] = path
        places = [member for member in inputs if member.startswith(f"inputs/{name}/")]
        recorded[name] = places[0] if name == "scenarios" else [str(PurePosixPath(place).parent) for place in places]
    # the shipped ones too: a sentence reworded since would ask what no reply answers
    inputs |= {f"prompts/{path.name}": path for path in prompt_files(prompts_folder(parameters)).values()}
    recorded["prompts_folder"] = "prompts"
    head = {
        "format": FORMAT,
        "study": parameters.study,
        "notebooks": [name for name in parameters.notebooks if name in manifest["notebooks"]],
        "parameters": recorded,
        "tables": table_contents(parameters.path("run_folder")),
        "figures": figure_hashes(parameters.path("figures_folder")),
        "packages": manifest["packages"],
        "notebook_hashes": manifest["notebook_hashes"],
    }
    registry = load_registry(parameters.path("models_file"))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        _add(packed, _HEAD, json.dumps(head, indent=1, ensure_ascii=False))
        _add(packed, FILE, json.dumps(manifest, indent=1, ensure_ascii=False))
        _add(packed, _VALUE_SET, _as_yaml(values.content))
        _add(packed, _MODELS, _as_yaml({"models": _of_models(registry, recorded)}))
        for name, path in inputs.items():
            _add(packed, name, path.read_bytes())
        members = [*packed.namelist(), _CALLS]
        _add(packed, _CRATE, json.dumps(describe_crate(parameters.study, manifest, members), indent=1))
        member = zipfile.ZipInfo(_CALLS, _DATE)
        member.compress_type = zipfile.ZIP_DEFLATED
        with packed.open(member, "w", force_zip64=True) as calls:
            for table, row in read_rows(study_store(parameters)):
                calls.write(json.dumps([table, row]).encode() + b"\n")


_MEANING = {
    _HEAD: "What the study is: parameters, and hashes of all tables and figures that a replay rebuilds",
    FILE: "Manifest of the run: models, calls, outcomes, packages, times",
    _VALUE_SET: "The values with their definitions, and the pairs in conflict",
    _MODELS: "The models that were asked, without keys",
    _CALLS: "Every call and every reply, a line each",
}


def describe_crate(study: str, manifest: Mapping[str, Any], members: Iterable[str]) -> dict[str, Any]:
    """Describe a bundle as an RO-Crate 1.1.

    Parameters
    ----------
    study : str
        The study's name.
    manifest : mapping
        Its manifest.
    members : iterable of str
        Names of the bundle's other files.

    Returns
    -------
    dict
        What ``ro-crate-metadata.json`` holds: the data set with its files, the run that made it, and its software. The
        licence is the researcher's to choose, and is said to be open.
    """
    version = manifest["packages"].get("conflictscope", "unknown")
    files = [
        {
            "@id": name,
            "@type": "File",
            "name": PurePosixPath(name).name,
            "encodingFormat": _FORMATS.get(PurePosixPath(name).suffix, "application/octet-stream"),
            "description": _MEANING.get(name) or ("A prompt" if name.startswith("prompts/") else "What the study read"),
        }
        for name in members
    ]
    times = [notebook["began"] for notebook in manifest["notebooks"].values()]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"ConflictScope: {study}",
        "description": (
            f"The study {study!r}: which value language models act on when two collide. With conflictscope {version}, "
            "`conflictscope replay FILE` rebuilds every table and figure from it without asking a model."
        ),
        "datePublished": manifest["written"],
        "license": "not chosen",
        "hasPart": [{"@id": file["@id"]} for file in files],
        "mentions": {"@id": "#run"},
    }
    about = {
        "@id": _CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    software = {"@id": "#conflictscope", "@type": "SoftwareApplication", "name": "conflictscope", "version": version}
    run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"conflictscope run: {', '.join(manifest['notebooks'])}",
        "instrument": {"@id": "#conflictscope"},
        **({"startTime": min(times)} if times else {}),
        "endTime": manifest["written"],
        "result": {"@id": "./"},
    }
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [about, root, *files, software, run]}


_FORMATS = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".yaml": "application/yaml",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
}


def _form_of(scenarios: Path) -> str:
    """Return the ending by which a file of scenarios is read."""
    return scenarios.suffix.lower() if scenarios.suffix.lower() in (".csv", ".tsv", ".json") else ".yaml"


def _add(packed: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    """Add a member with the bundle's date."""
    packed.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)


def _as_yaml(content: object) -> str:
    """Return a mapping as YAML, in its own order."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _of_models(registry: Registry, values: Mapping[str, object]) -> dict[str, Any]:
    """Return the entries of the models that a parameter names; a key is in none, only its variable's name."""
    mentioned = [item for value in values.values() for item in (value if isinstance(value, list) else [value])]
    names = sorted({name for name in mentioned if isinstance(name, str) and name in registry})
    return {name: entry_of(registry[name]) for name in names}


def _check_members(file: Path, packed: zipfile.ZipFile) -> None:
    """Refuse a bundle that holds anything but its own files, or more than fits."""
    names = [member.filename for member in packed.infolist()]
    strange = [name for name in names if not _MEMBER.fullmatch(name)]
    if strange or len(set(names)) < len(names) or not {_HEAD, _VALUE_SET, _MODELS, _CALLS} <= set(names):
        raise ValueError(f"{file} is no bundle: it holds {(strange or names)[:5]}.")
    for member in packed.infolist():
        most = _MOST_BYTES if member.filename == _CALLS or member.filename.startswith("inputs/") else _SMALL_BYTES
        shrunk = member.file_size > 1024**2 and member.file_size > _MOST_SHRUNK * max(1, member.compress_size)
        if member.file_size > most or shrunk:
            raise ValueError(f"{file}: {member.filename} would unpack to {member.file_size:,} bytes; refused.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{file}: {member.filename} is packed in a way that no bundle is; refused.")


def _check_inputs(file: Path, members: Iterable[str], parameters: Mapping[str, Any]) -> None:
    """Refuse parameters by which a replay would read or write anything but what is in the bundle."""
    if theirs := sorted(set(_OF_REPLAY) & set(parameters)):
        raise ValueError(f"{file}: {_HEAD} holds the parameters {theirs}, which are a replay's own.")
    folders = {"prompts_folder": sorted({"prompts" for member in members if member.startswith("prompts/")})}
    for name in INPUTS:
        within = {member for member in members if member.startswith(f"inputs/{name}/")}
        places = within if name == "scenarios" else {str(PurePosixPath(member).parent) for member in within}
        folders[name] = sorted(places, key=lambda place: int(place.split("/")[2]))
    for name, there in folders.items():
        many = name in INPUTS and name != "scenarios"
        expected: object = there if many else "".join(there[:1])
        if parameters.get(name, type(expected)()) != expected or (len(there) > 1 and not many):
            raise ValueError(
                f"{file}: {name}: found {str(parameters.get(name))[:80]!r}; expected what the bundle holds: {expected}."
            )


def _read_head(file: Path, packed: zipfile.ZipFile) -> dict[str, Any]:
    """Return the head's fields, checked."""
    try:
        head = json.loads(packed.read(_HEAD))
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{file}: {_HEAD} cannot be read: {problem}") from None
    version = head.pop("format", None) if isinstance(head, dict) else None
    if version != FORMAT:
        raise ValueError(
            f"{file} is a bundle of format {version!r}; this version of conflictscope reads {FORMAT}. Replay it "
            "with the version that made it."
        )
    expected = {field.name: field.type for field in fields(Bundle) if field.name != "folder"}
    if set(head) != set(expected):
        raise ValueError(f"{file}: {_HEAD} holds {sorted(head)}; expected {sorted(expected)}.")
    lists = isinstance(head["notebooks"], list) and all(isinstance(name, str) for name in head["notebooks"])
    mappings = all(isinstance(head[name], dict) for name in expected if name not in ("study", "notebooks"))
    texts = mappings and all(
        isinstance(text, str)
        for name in ("tables", "figures", "packages", "notebook_hashes")
        for text in head[name].values()
    )
    if not lists or not texts or not isinstance(head["study"], str):
        raise ValueError(f"{file}: {_HEAD} is not of the form that a bundle's has.")
    return head


def _parse_rows(lines: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the rows of the call store that are packed in lines of JSON."""
    while line := lines.readline(_SMALL_BYTES):
        try:
            table, row = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            raise ValueError("a line of calls.jsonl is no row of a call store.") from None
        if not isinstance(table, str) or not isinstance(row, dict):
            raise ValueError("a line of calls.jsonl is no row of a call store.")
        yield table, row


@dataclass(frozen=True)
class Replay:
    """What came of a replay: names of the tables and figures that are the same, differ, or were not rebuilt."""

    study: str
    same: list[str]
    differing: list[str]
    missing: list[str]
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def reproduced(self) -> bool:
        """Whether everything was rebuilt and is the same."""
        return not (self.differing or self.missing or self.problem)


def replay_bundle(file: Path, root: Path, out: Path | None = None) -> Replay:
    """Rebuild a study from its bundle.

    Parameters
    ----------
    file : Path
        The bundle.
    root : Path
        The project's folder, whose notebooks are run.
    out : Path, optional
        An empty or new folder in which everything is left; default: a temporary one that is removed.

    Raises
    ------
    FileNotFoundError, ValueError
        As for ``open_bundle``; where the notebooks of this version do not take the bundle's parameters; or where `out`
        holds something.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="conflictscope-replay-") as temporary:
            return _replay(file, root, Path(temporary))
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty; name a new folder for the replay.")
    return _replay(file, root, out.resolve())


def _replay(file: Path, root: Path, folder: Path) -> Replay:
    """Open the bundle in a folder, run its notebooks there and compare."""
    bundle = open_bundle(file, folder)
    values = bundle.parameters | {"replay": True} | bundle.inputs
    # no parameter of the bundle's own says where to read or write
    parameters = restore_parameters(bundle.study, values, root, bundle.places, source=str(file))
    if unknown := sorted(set(bundle.notebooks) - set(parameters.notebooks)):
        raise ValueError(f"{file} has run notebooks that this version does not have: {unknown}.")
    problem = ""
    try:
        run_study(parameters, only=bundle.notebooks)
    except NotebookFailed as failure:
        problem = str(failure)
    rebuilt_tables = table_contents(parameters.path("run_folder"))
    rebuilt_figures = figure_hashes(parameters.path("figures_folder"))
    packed, rebuilt = bundle.tables | bundle.figures, rebuilt_tables | rebuilt_figures
    return Replay(
        study=bundle.study,
        same=[name for name in packed if packed[name] == rebuilt.get(name)],
        differing=[name for name in packed if name in rebuilt and packed[name] != rebuilt[name]],
        missing=[name for name in packed if name not in rebuilt],
        problem=problem,
        notes=_other_than_then(bundle, parameters),
    )


def _other_than_then(bundle: Bundle, parameters: StudyParameters) -> list[str]:
    """Return what is not as it was where the bundle was made: packages, notebooks."""
    packages = _differences(bundle.packages, package_versions())
    code = _differences(bundle.notebook_hashes, notebook_hashes(parameters))
    return [f"{name} {then} then, {now} now" for name, (then, now) in packages.items()] + [
        f"the code of {name} has changed" for name in code
    ]


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return name → what it was and is, where that differs."""
    return {name: (was, now[name]) for name, was in then.items() if name in now and now[name] != was}
