"""Parameters of a study: one typed model, and what a parameter file makes of it.

In: ``params/<study>.yaml`` and ``--set key=value``, or what a manifest or bundle holds. Out: the value of each
parameter, checked. Type, default, range and meaning of a parameter stand in ``Parameters`` alone: messages come from
it, and the notebooks' ``parameters`` cells repeat it (a test holds them together).
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import unquote_plus

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from conflictscope.files import did_you_mean, name_problem, near_file, parse_yaml, places_in, read_mapping
from conflictscope.models.registry import load_registry
from conflictscope.tables import LEANS

_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
# a ranking to steer to: one of these words, balanced:<n>, or an order of the values, best first
_RANKING_WORDS = ("reverse_of_default", "selection", "all_orders")
# set from the study's name and --out
_SET_BY_RUNNER = ("run_folder", "figures_folder", "models_file")
# parameters that are paths, or lists of paths
PATHS = (
    *("run_folder", "figures_folder", "value_set", "models_file", "prompts_folder", "scenarios"),
    *("earlier_runs", "compare_with"),
)
# how drivers of databases call a password; `passfile` and `sslkey` are paths
_SECRET = re.compile(r"(?:pass|passw(?:or)?d|passphrase|pwd|secret|token|credentials?|(?<!ssl)(?<!ssl_)key) ?=")
# accepted for one release, with a message
RENAMED = {"scenarios_per_pair": "outlines_per_pair"}


def _check_text(text: str) -> str:
    """Refuse text that is no line that can be shown."""
    if not text.isprintable():
        raise ValueError("text without line ends, tabs, control characters and half characters")
    return text


def _check_filled(text: str) -> str:
    if not text.strip():
        raise ValueError("text that is not empty")
    return text


def _check_name(name: str) -> str:
    if expected := name_problem(name):
        raise ValueError(expected)
    return name


def _check_study(study: str) -> str:
    if not _STUDY_NAME.fullmatch(study):
        raise ValueError("letters, digits, '.', '_' and '-', to name a folder")
    return study


def check_address(url: str) -> str:
    """Return a database's address; ValueError if it holds a password, beside the user's name or in its query."""
    if _holds_password(url):
        raise ValueError(
            "an address without a password: it holds a password, which would be written into files; leave it to the "
            "database's own means"
        )
    return url


def _holds_password(text: str) -> bool:
    """Return whether a text looks like a database's address with a password in it."""
    return ":" in text.partition("//")[2].rpartition("@")[0] or bool(_SECRET.search(unquote_plus(text).lower()))


def _check_ranking(item: str) -> str:
    """Refuse a target ranking that has none of the forms; whether it fits the values is seen when these are known."""
    kind, _, count = item.partition(":")
    balanced = kind == "balanced" and count.strip().isdecimal() and int(count) > 0
    if not balanced and ">" not in item and item not in _RANKING_WORDS:
        raise ValueError(f"{', '.join(_RANKING_WORDS)}, balanced:<n>, or an order such as 'honesty > tact'")
    return item


def _check_each_once(items: list[str]) -> list[str]:
    if repeated := sorted({item for item in items if items.count(item) > 1}):
        raise ValueError(f"each once; {repeated} are there again")
    return items


def _check_pressure(levels: list[str]) -> list[str]:
    # one lean alone would be mixed up with the value that it leans to
    if sorted(levels) not in (["neutral"], sorted(["neutral", *LEANS])):
        raise ValueError("[neutral] or [neutral, for_1, for_2]")
    return levels


Text = Annotated[str, AfterValidator(_check_text)]
Filled = Annotated[Text, AfterValidator(_check_filled)]
Name = Annotated[str, AfterValidator(_check_name)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Limit = Count | None
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Temperature = Annotated[float, Field(ge=0, le=2)]
Once = AfterValidator(_check_each_once)


class Parameters(BaseModel):
    """Every parameter of the numbered notebooks: type, default, range, meaning; paths are from the project's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    study: Annotated[str, AfterValidator(_check_study)] = Field(
        "hhh", description="name of the study, written into every table"
    )
    run_folder: Filled = Field("runs/hhh", description="folder for tables and call store")
    figures_folder: Filled = Field("figures/hhh", description="folder for figures and the tables behind them")
    value_set: Filled = Field("params/value_sets/hhh.yaml", description="values, definitions, pairs")
    models_file: Filled = Field("params/models.yaml", description="what each model name stands for")
    prompts_folder: Text = Field(
        "", description="folder of prompts that take the place of shipped ones of the same names; empty: none"
    )
    language: Text = Field(
        "", description="language that scenarios and messages are written in, a BCP-47 tag or a name; empty: English"
    )
    call_store: Annotated[Filled, AfterValidator(check_address)] | None = Field(
        None, description="database URL of the call store; empty: calls.sqlite in run_folder"
    )
    replay: bool = Field(False, description="answer from the call store alone")
    budget_usd: Annotated[float, Field(gt=0)] | None = Field(
        None, description="dollars that the whole study may cost; empty: no limit"
    )
    author: Filled = Field("simulated/author", description="model that writes outlines and scenarios")
    outlines_per_pair: Count = Field(24, description="outlines asked for per value pair, before dedupe and filtering")
    outlines_per_call: Count = Field(5, description="outlines asked for in one call")
    scenarios: Text = Field(
        "", description="file of scenarios to start from, YAML or CSV; empty: the author writes them"
    )
    generation: Literal["two_stage", "single_stage", "direct"] = Field(
        "two_stage",
        description="two_stage; for ablations: single_stage (no outlines) or direct (no templates either)",
    )
    author_max_tokens: Limit = Field(None, description="longest reply of the author; empty: no limit is sent")
    author_temperature: Temperature = Field(1.0, description="sampling temperature of the author")
    embedder: Filled = Field("tfidf", description="measures similarity: tfidf, minilm, or an embeddings model")
    similarity_threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="cosine from which an outline counts as a repeat; empty: the embedder's own"
    )
    overall_threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="cosine from which a scenario repeats one of any pair (authors: 0.9); empty: not compared"
    )
    earlier_runs: Annotated[list[Filled], Once] = Field(
        [], description="folders of earlier studies, from the project's folder; their outlines are not repeated"
    )
    filter_judge: Filled = Field("simulated/filter_judge", description="model that answers the six checks")
    filter_max_tokens: Limit = Field(None, description="longest reply of the filter judge; empty: no limit is sent")
    filtered: bool = Field(
        True, description="False: every scenario goes on, whatever the checks say (the paper's ablation)"
    )
    domains: Annotated[list[Name], Field(min_length=2), Once] = Field(
        [
            *("work", "health", "family", "education", "money", "housing"),
            *("law", "friendship", "community", "media", "travel", "technology"),
        ],
        description="parts of life to sort the kept scenarios by",
    )
    targets: Annotated[list[Filled], Field(min_length=1), Once] = Field(
        ["simulated/cautious", "simulated/obliging", "simulated/steady", "simulated/pliable"],
        description="models under study",
    )
    default_system_prompt: Text = Field(
        "",
        description="system prompt of targets that are not steered; empty: none",
    )
    repetitions: Count = Field(1, description="times that each question is asked")
    choice_temperature: Temperature = Field(
        0.0, description="sampling temperature of multiple choice and ratings; above 0, ask repeatedly"
    )
    abstain: bool = Field(
        False, description="True: multiple choice is asked once more with a third answer, neither action"
    )
    simulated_user: Filled = Field("simulated/user", description="model that plays the user")
    judge: Filled = Field("simulated/judge", description="model that says which action a reply took")
    further_judges: Annotated[list[Filled], Once] = Field(
        [], description="models that read the same conversations too, for compare_judges"
    )
    pressure: Annotated[list[Literal["neutral", "for_1", "for_2"]], AfterValidator(_check_pressure)] = Field(
        ["neutral"], description="[neutral], or [neutral, for_1, for_2]: messages that lean to either action too"
    )
    refusals_as_actions: bool = Field(
        False, description="True: a refusal counts as the action that it amounts to, where the judge can tell"
    )
    user_max_tokens: Limit = Field(None, description="longest reply of the simulated user; empty: no limit is sent")
    judge_max_tokens: Limit = Field(None, description="longest reply of a judge; empty: no limit is sent")
    max_turns: Count = Field(1, description="replies that a target gives in one conversation")
    user_temperature: Temperature = Field(1.0, description="sampling temperature of the simulated user")
    target_temperature: Temperature = Field(1.0, description="sampling temperature of the targets in conversation")
    target_max_tokens: Count = Field(1024, description="longest reply of a target; one cut off there counts as invalid")
    target_rankings: Annotated[list[Annotated[Text, AfterValidator(_check_ranking)]], Field(min_length=1), Once] = (
        Field(
            ["selection"],
            description="orders to steer to: explicit ones, reverse_of_default, selection, balanced:<n>",
        )
    )
    steering_prompt: Literal["ours", "paper"] = Field(
        "ours",
        description="form of the steering prompts: ours, or the paper's numbered list of definitions without names",
    )
    steered_conditions: Annotated[list[Literal["multiple_choice", "open_ended"]], Field(min_length=1), Once] = Field(
        ["multiple_choice", "open_ended"], description="ways of asking under steering: either or both"
    )
    penalty: Annotated[float, Field(ge=0)] = Field(
        0.01, description="regularisation of the Bradley-Terry fit (the paper's); 0: maximum likelihood"
    )
    resamples: Count = Field(1000, description="bootstrap resamples of scenarios")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="coverage of the intervals")
    seed: Seed = Field(0, description="draws orders of actions and resamples")
    variant: Name = Field(
        "full", description="what this study is in the comparison: full, unfiltered, single-stage, direct"
    )
    compare_with: Annotated[list[Filled], Once] = Field(
        [], description="figures folders of studies to compare with, from the project's folder"
    )

    @model_validator(mode="after")
    def _check_together(self) -> "Parameters":
        """Refuse parameters that fit singly but not together."""
        if self.judge in self.further_judges:
            raise ValueError(f"judge and further_judges: found {self.judge!r} in both; expected each judge once.")
        if self.scenarios and self.generation != "two_stage":
            raise ValueError(
                f"generation: found {self.generation!r}, but scenarios are given and none is generated; expected one "
                "of the two."
            )
        return self


_FIELDS = Parameters.model_fields
# pydantic's error types, in words
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list, such as [a, b]",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "at most {le:,}",
    "too_short": "a list of at least {min_length}",
    "value_error": "{error}",
}


def check_parameters(
    given: Mapping[str, object], source: str, places: Mapping[str, str] = MappingProxyType({})
) -> Parameters:
    """Return parameters, the defaults for those not given, or refuse them.

    Parameters
    ----------
    source : str
        Where they are from, for messages.
    places : mapping
        Where in it, for those of which that is known: ``line 3, column 1: ``.

    Raises
    ------
    ValueError
        A line for each that is unknown or does not fit: source, key, what was found, what is expected.
    """
    if "values" in given:
        raise ValueError(
            f"{source}: {places.get('values', '')}values: this is a value set; expected parameters, among them "
            "value_set, which names such a file."
        )
    try:
        return Parameters.model_validate(dict(given))
    except ValidationError as problems:
        lines = (
            f"{places.get(str(problem['loc'][0]), '') if problem['loc'] else ''}{_in_words(problem)}"
            for problem in problems.errors(include_url=False)
        )
        raise ValueError("\n".join(f"{source}: {line}" for line in dict.fromkeys(lines))) from None


def _in_words(problem: ErrorDetails) -> str:
    """Return what is wrong: key, found, expected, what the parameter is for, and the nearest name."""
    if not problem["loc"]:
        return str(problem["ctx"]["error"])
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        known = ["cast", *(name for name in _FIELDS if name not in _SET_BY_RUNNER)]
        return f"unknown key {key[:80]!r}; expected one of {sorted(known)}{did_you_mean(key, known) or '.'}"
    limits = problem.get("ctx", {})
    expected = _EXPECTED.get(problem["type"], problem["msg"]).format_map(limits)
    alternatives = get_args(_item_type(_FIELDS[key].annotation)) if problem["type"] == "literal_error" else ()
    near = did_you_mean(problem["input"], _RANKING_WORDS if key == "target_rankings" else alternatives)
    # an address may hold a password
    given = "" if key == "call_store" else f"found {repr(problem['input'])[:80]}; "
    return f"{key}: {given}expected {expected} ({_FIELDS[key].description}){near or '.'}"


def _item_type(annotation: Any) -> Any:
    """Return a type, or a list's items'."""
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation


@dataclass(frozen=True)
class StudyParameters:
    """A parameter file, resolved: its study, where things go, and the value of each parameter by name.

    ``values`` holds JSON's types alone, paths from the project's folder (absolute if outside it). ``notebooks`` maps
    each numbered notebook to the parameters that it takes; ``notes`` are to be told to whoever wrote the file.
    ``places`` says where a parameter was given: ``line 3, column 1: ``, or ``--set level=95: ``.
    """

    file: Path
    root: Path
    study: str
    values: dict[str, Any]
    notebooks: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def notebooks_folder(self) -> Path:
        """The folder that holds the notebooks."""
        return self.root / "notebooks"

    def path(self, name: str) -> Path:
        """Return a parameter that is a path as an absolute one."""
        return (self.root / str(self.values[name])).resolve()

    def of(self, notebook: str) -> dict[str, Any]:
        """Return what one notebook is given: those of the parameters that its cell declares."""
        return {name: self.values[name] for name in self.notebooks[notebook]}


def load_parameters(
    file: Path | str, *, settings: Sequence[str] = (), out: Path | str | None = None
) -> StudyParameters:
    """Read and check a parameter file.

    Parameters
    ----------
    file : Path or str
        YAML: ``study`` (default: the file's name), ``value_set`` (a name in ``params/value_sets``, or a path beside the
        parameter file), ``scenarios`` (a path beside the parameter file, if a study starts from scenarios that
        exist), ``cast`` (a cast of ``params/models.yaml``, which names a model for each role; default
        ``simulated``) and any other field of ``Parameters``. A role named in the file overrides the cast.
    settings : sequence of str
        ``key=value``, read as YAML, over the file's own.
    out : Path or str, optional
        Folder for the study's tables and notebooks, with ``figures`` inside; default: ``runs/<study>`` and
        ``figures/<study>`` of the project.

    Raises
    ------
    FileNotFoundError
        If the file, its value set, its scenarios or the project's folders are not there.
    ValueError
        As ``check_parameters``; or if the file cannot be read.
    """
    file = Path(file)
    if file.is_dir():
        raise ValueError(f"{file} is a folder; expected a study's parameter file, such as params/hhh.yaml.")
    if not file.exists():
        known = sorted(
            str(p) for p in Path("params").rglob("*.yaml") if p.parent.name != "value_sets" and p.name != "models.yaml"
        )
        near = near_file(file) or did_you_mean(file, known)
        raise FileNotFoundError(
            f"parameter file {file} is not there; expected one like {known or 'params/hhh.yaml'}{near or '.'}"
            + ("" if known else " Where there is no project yet, `conflictscope new FOLDER` makes one.")
        )
    root = find_project(file.parent)
    written, place = read_mapping(file), places_in(file)
    given, notes = _with_new_names(written, str(file))
    # an old name stands in the file as it was
    places = {RENAMED.get(name, name): place(name) for name in written}
    for setting in settings:
        more, also = _with_new_names(read_setting(setting, "--set"), show_setting(setting, "--set"))
        given, notes = given | more, notes + also
        places |= dict.fromkeys(more, f"{show_setting(setting, '--set')}: ")
    if theirs := [name for name in _SET_BY_RUNNER if name in given]:
        raise ValueError(
            f"{file}: {places[theirs[0]]}{theirs[0]} is set by the runner; use --out to choose the folder."
        )
    study = check_parameters({"study": given.pop("study", file.stem)}, str(file), places).study
    models_file = root / "params" / "models.yaml"
    registry = load_registry(models_file)
    try:
        given = registry.cast(given.pop("cast", "simulated")) | given
    except ValueError as problem:
        raise ValueError(f"{file}: {places.get('cast', '')}cast: {problem}") from None
    source = f"{file}: {places.get('value_set', '')}value_set"
    given["value_set"] = path_from_root(_find_value_set(given.get("value_set", study), file, root, source), root)
    folders = {
        "run_folder": Path(out) if out else root / "runs" / study,
        "figures_folder": Path(out) / "figures" if out else root / "figures" / study,
        "models_file": models_file,
    }
    placed = {name: path_from_root(path, root) for name, path in folders.items()}
    values = check_parameters(given | placed | {"study": study}, str(file), places).model_dump()
    if values["scenarios"]:
        source = f"{file}: {places.get('scenarios', '')}scenarios"
        values["scenarios"] = path_from_root(_find_scenarios(values["scenarios"], file, source), root)
    if Path(values["run_folder"]).is_absolute():
        # what is executed there has no project at or above it
        values |= {name: _absolute(values[name], root) for name in PATHS}
    return StudyParameters(file, root, study, values, _notebook_parameters(root), tuple(notes), places)


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
        If the name is none, or a parameter is unknown to this version or does not fit.
    """
    given, _ = _with_new_names(dict(values), source)
    placed = {name: path_from_root(path, root) for name, path in folders.items()}
    checked = check_parameters(given | placed | {"study": study}, source)
    return StudyParameters(Path(source), root, study, checked.model_dump(), _notebook_parameters(root))


def find_project(start: Path) -> Path:
    """Return the project's folder: the first at or above `start` that holds ``notebooks/01_….ipynb``.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if numbered_notebooks(folder):
            return folder
    raise FileNotFoundError(
        f"no folder at or above {start} holds notebooks/01_….ipynb; go into the project's folder, name the study's "
        "folder in full, or make a project: conflictscope new FOLDER."
    )


def project_path(path: Path | str, beside: Path | None = None) -> Path:
    """Return a path that a parameter names as an absolute one: relative ones are seen from the project's folder.

    Parameters
    ----------
    beside : Path, optional
        A folder whose project counts, if it is in one; default: the working folder.

    Raises
    ------
    FileNotFoundError
        As ``find_project``.
    """
    if (path := Path(path)).is_absolute():
        return path
    if beside is not None:
        with suppress(FileNotFoundError):
            return find_project(beside) / path
    return find_project(Path.cwd()) / path


def numbered_notebooks(root: Path) -> list[Path]:
    """Return the notebooks that a study runs, in order: those whose names begin with two digits."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def declared_parameters(notebook: Path) -> tuple[str, ...]:
    """Return the names that a notebook's ``parameters`` cell assigns.

    Raises
    ------
    ValueError
        If it has no such cell, or one that is no Python.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
        lines = ast.parse("".join(tagged[0]["source"])).body if tagged else []
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as problem:
        raise ValueError(f"{notebook}: its parameters cell cannot be read: {problem!r}.") from None
    ends = [end for line in lines for end in (line.targets if isinstance(line, ast.Assign) else [_target(line)])]
    names = tuple(end.id for end in ends if isinstance(end, ast.Name))
    if not names:
        raise ValueError(f"{notebook} declares no parameters; tag its parameters cell 'parameters'.")
    return names


def _target(line: ast.stmt) -> ast.expr | None:
    """Return what an annotated line assigns."""
    return line.target if isinstance(line, ast.AnnAssign) else None


def _notebook_parameters(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the parameters that each numbered notebook takes."""
    taken = {path.stem: declared_parameters(path) for path in numbered_notebooks(root)}
    for notebook, names in taken.items():
        if unknown := [name for name in names if name not in _FIELDS]:
            raise ValueError(
                f"notebooks/{notebook}.ipynb: its parameters cell declares {unknown}; expected fields of Parameters "
                f"in lib/conflictscope/study/parameters.py{did_you_mean(unknown[0], _FIELDS) or '. Describe it there.'}"
            )
    return taken


def _with_new_names(given: dict[str, Any], source: str) -> tuple[dict[str, Any], list[str]]:
    """Return parameters under the names that they have now, and a sentence for each old one."""
    notes = []
    for old, new in RENAMED.items():
        if old in given:
            if new in given:
                raise ValueError(f"{source}: {old}: found beside {new}, which it is called now; expected {new} alone.")
            given = {new if name == old else name: value for name, value in given.items()}
            notes.append(f"{source}: {old} is now called {new}")
    return given, notes


def read_setting(setting: str, option: str) -> dict[str, Any]:
    """Return the parameter that ``key=value``, given to an option of the command line, sets."""
    key, equals, value = setting.partition("=")
    shown = show_setting(setting, option)
    if not equals or not key.strip():
        raise ValueError(f"{shown}: expected key=value, for example --set outlines_per_pair=2.")
    return {key.strip(): parse_yaml(value, shown)}


def show_setting(setting: str, option: str) -> str:
    """Return what was given to an option as messages name it: without an address, which may hold a password."""
    key, _, value = setting.partition("=")
    hidden = key.strip() == "call_store" or "//" in value or _holds_password(value)
    return f"{option} {key}=…" if hidden else f"{option} {setting}"


def _absolute(paths: Any, root: Path) -> Any:
    """Return a path, or each of a list, as an absolute one; "" stays."""
    if isinstance(paths, list):
        return [_absolute(path, root) for path in paths]
    return paths and str((root / paths).resolve())


def path_from_root(path: Path, root: Path) -> str:
    """Return a path as seen from the project's folder, absolute if it is outside."""
    path, root = path.resolve(), root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _find_value_set(named: object, file: Path, root: Path, source: str) -> Path:
    """Return the path of a value set, given by name or by path."""
    if not isinstance(named, str):
        raise ValueError(f"{source}: found {named!r}; expected a name or a path.")
    shelf = root / "params" / "value_sets"
    path = file.resolve().parent / named if Path(named).suffix else shelf / f"{named}.yaml"
    if not path.is_file():
        names = sorted(p.stem for p in shelf.glob("*.yaml"))
        near = near_file(path) if Path(named).suffix else did_you_mean(named, names)
        raise FileNotFoundError(
            f"{source}: found {named!r}, but {path} is not there; expected one of {names}, or a path{near or '.'}"
        )
    return path


def _find_scenarios(named: str, file: Path, source: str) -> Path:
    """Return the path of a file of scenarios, given by a path beside the parameter file."""
    path = file.resolve().parent / named
    if not path.is_file():
        near = near_file(path) or "."
        raise FileNotFoundError(f"{source}: found {named!r}, but {path} is not there; expected a file{near}")
    return path
