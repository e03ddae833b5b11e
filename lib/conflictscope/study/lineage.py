"""What each table is made from: by which notebook, of which other tables, with which prompts.

In: a study's folder, parameters, value set and models. Out: the origin that is written into each table's file, and what
has changed since it was written. A table's rows are hashed, so a table that was written anew with the same rows makes
nothing stale. ``LINEAGE`` is the one place to enter a new table.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from conflictscope.models import Model, Registry
from conflictscope.prompts import prompt_hashes
from conflictscope.scenarios import ValueSet
from conflictscope.table_files import read_notes, table_path

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
_WRITING = {"outlines", "scenario", "one_step", "complete"}
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
    "outlines": Step("01_generate_scenarios", (), ("outlines", "one_step", "complete", *_JSON)),
    "neighbours": Step("01_generate_scenarios", ("outlines",)),
    "scenarios": Step("01_generate_scenarios", ("outlines",), ("scenario", "one_step", "complete", *_JSON)),
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
    used = {"complete"} if parameters.get("scenarios") else {"outlines", "scenario"} if two_stage else {"one_step"}
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
