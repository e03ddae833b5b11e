"""Parameter files: read one, fill in the cast of models, and give each notebook what it declares.

In: ``params/<study>.yaml`` and ``--set key=value``. Out: for each notebook, the values for its ``parameters`` cell. A
key that no notebook declares, or a value of the wrong type, is an error: papermill itself would only warn.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import papermill
import yaml

from conflictscope.files import read_mapping
from conflictscope.models import load_registry

# what the runner itself sets, from the study's name and --out
_SET_BY_RUNNER = ("run_folder", "figures_folder", "models_file")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}
_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Declared:
    """One parameter as a notebook's ``parameters`` cell declares it."""

    type: str
    default: object
    help: str


@dataclass(frozen=True)
class StudyParameters:
    """A parameter file, resolved: its study, where things go, and the value of each parameter by name."""

    file: Path
    root: Path
    study: str
    values: dict[str, object]
    notebooks: dict[str, dict[str, Declared]]

    @property
    def notebooks_folder(self) -> Path:
        """The folder that holds the notebooks, in which they run."""
        return self.root / "notebooks"

    def path(self, name: str) -> Path:
        """Return a parameter that is a path (relative to the notebooks) as seen from anywhere."""
        return (self.notebooks_folder / str(self.values[name])).resolve()

    def of(self, notebook: str) -> dict[str, object]:
        """Return what one notebook is given: those of the parameters that it declares."""
        return {name: value for name, value in self.values.items() if name in self.notebooks[notebook]}


def load_parameters(
    file: Path | str, *, settings: Sequence[str] = (), out: Path | str | None = None
) -> StudyParameters:
    """Read and check a parameter file.

    Parameters
    ----------
    file : Path or str
        YAML: ``study`` (default: the file's name), ``value_set`` (a name in ``params/value_sets``, or a path beside the
        parameter file), ``scenarios`` (a path beside the parameter file, where a study starts from scenarios that
        exist), ``cast`` (a cast of ``params/models.yaml``, which names a model for each role; default
        ``simulated``) and any parameter that a notebook declares. A role named in the file overrides the cast.
    settings : sequence of str
        ``key=value``, read as YAML, over the file's own.
    out : Path or str, optional
        Folder for the study's tables and notebooks, with ``figures`` inside; default: ``runs/<study>`` and
        ``figures/<study>`` of the project.

    Raises
    ------
    FileNotFoundError
        Where the file, its value set, its scenarios or the project's folders are not there.
    ValueError
        Listing every key that is unknown or has a value of the wrong type.
    """
    file = Path(file)
    if not file.exists():
        found = sorted(
            str(p) for p in Path("params").rglob("*.yaml") if p.parent.name != "value_sets" and p.name != "models.yaml"
        )
        raise FileNotFoundError(f"parameter file {file} is not there; expected one like {found or 'params/hhh.yaml'}.")
    root = project_root(file)
    given = read_mapping(file) | dict(_read_setting(setting) for setting in settings)
    study = given.pop("study", file.stem)
    if not isinstance(study, str) or not _STUDY_NAME.fullmatch(study):
        raise ValueError(
            f"{file}: study: found {study!r}; expected letters, digits, '.', '_' and '-', to name a folder."
        )
    notebooks = {path.stem: declared_parameters(path) for path in numbered_notebooks(root)}
    known = {name: declared for cell in notebooks.values() for name, declared in cell.items()}
    models_file = root / "params" / "models.yaml"
    roles = load_registry(models_file).cast(given.pop("cast", "simulated"))
    # a cast may hold roles that only some notebooks ask; it is the file's own keys that have to be known
    values = {role: model for role, model in roles.items() if role in known} | given
    values["value_set"] = _find_value_set(values.get("value_set", study), file, root)
    folders = {
        "run_folder": Path(out) if out else root / "runs" / study,
        "figures_folder": Path(out) / "figures" if out else root / "figures" / study,
        "models_file": models_file,
        "value_set": values["value_set"],
    }
    problems = _misfits(given, known)
    if problems:
        raise ValueError(f"{file}: " + " ".join(problems))
    if values.get("scenarios"):
        folders["scenarios"] = _find_scenarios(str(values["scenarios"]), file)
    values |= {name: os.path.relpath(path, root / "notebooks") for name, path in folders.items()}
    defaults = {name: declared.default for name, declared in known.items()}
    return StudyParameters(file, root, study, defaults | values | {"study": study}, notebooks)


def numbered_notebooks(root: Path) -> list[Path]:
    """Return the notebooks that a study runs, in order: those whose names begin with two digits."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def declared_parameters(notebook: Path) -> dict[str, Declared]:
    """Return what a notebook's ``parameters`` cell declares.

    Raises
    ------
    ValueError
        Where it has none, or a default that is no literal.
    """
    found = papermill.inspect_notebook(str(notebook))
    if not found:
        raise ValueError(f"{notebook} declares no parameters; tag its parameters cell 'parameters'.")
    return {
        name: Declared(entry["inferred_type_name"], yaml.safe_load(_as_yaml(entry["default"])), entry["help"])
        for name, entry in found.items()
    }


def _as_yaml(literal: str) -> str:
    """Return a Python literal of the kinds that a parameters cell may hold, as YAML."""
    return {"None": "null", "True": "true", "False": "false"}.get(literal, literal)


def project_root(file: Path) -> Path:
    """Return the folder that holds ``notebooks`` and the parameter file.

    Raises
    ------
    FileNotFoundError
        Where no folder above the file does.
    """
    for folder in file.resolve().parents:
        if numbered_notebooks(folder):
            return folder
    raise FileNotFoundError(
        f"{file}: no folder above it holds notebooks/01_….ipynb; keep parameter files in the project's params folder."
    )


def _read_setting(setting: str) -> tuple[str, object]:
    """Return key and value of ``key=value``."""
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise ValueError(f"--set {setting}: expected key=value, for example --set scenarios_per_pair=2.")
    return key.strip(), yaml.safe_load(value)


def _find_value_set(named: object, file: Path, root: Path) -> Path:
    """Return the path of a value set, given by name or by path."""
    if not isinstance(named, str):
        raise ValueError(f"{file}: value_set: found {named!r}; expected a name or a path.")
    shelf = root / "params" / "value_sets"
    path = file.resolve().parent / named if Path(named).suffix else shelf / f"{named}.yaml"
    if not path.exists():
        names = sorted(p.stem for p in shelf.glob("*.yaml"))
        raise FileNotFoundError(
            f"{file}: value_set: found {named!r}, but {path} is not there; expected one of {names}, or a path."
        )
    return path


def _find_scenarios(named: str, file: Path) -> Path:
    """Return the path of a file of scenarios, given by a path beside the parameter file."""
    path = file.resolve().parent / named
    if not path.is_file():
        raise FileNotFoundError(f"{file}: scenarios: found {named!r}, but {path} is not there; expected a file.")
    return path


def _misfits(given: dict[str, object], known: dict[str, Declared]) -> list[str]:
    """Return what is wrong with the keys and values of a parameter file."""
    problems = []
    for key, value in given.items():
        if key in _SET_BY_RUNNER:
            problems.append(f"{key} is set by the runner; use --out to choose the folder.")
        elif key not in known:
            expected = ["cast", *sorted(set(known) - set(_SET_BY_RUNNER))]
            problems.append(f"unknown key {key!r}; expected one of {expected}.")
        else:
            declared = known[key]
            wanted = _TYPES.get(declared.type.split("[")[0])
            fits = wanted is None or (
                isinstance(value, wanted) and (declared.type == "bool") == isinstance(value, bool)
            )
            if not fits and not (value is None and declared.default is None):
                problems.append(f"{key}: found {value!r}; expected {declared.type} ({declared.help}).")
    return problems
