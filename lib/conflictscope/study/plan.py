"""How a plan counts tokens: with the model's own tokeniser, or by a stated rule.

In: models, whose entries may name an encoding of ``tiktoken``. Out: a counter for each, and a sentence for each
encoding that could not be had, so that nobody takes the rule for the tokeniser.

What a study will ask of which model, before anything is asked.

In: a study's parameters. Out: a table of calls, tokens and dollars by stage. Calls are counted as if nothing were
dropped as a duplicate or filtered out, unless it is known how many scenarios were kept, so they are the most that a
study makes without repairs and retries. Tokens are those of the prompts' own text, counted with the model's tokeniser
where it has one, plus typical lengths of what is filled in; without one, a token is four characters.

How many scenarios a study needs, from simulation with its own settings.

In: a study's parameters, and its tables where it has run. Out: the scenarios per pair for a wanted precision. What a
run has shown about this author, filter and these targets takes the place of what is assumed otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from conflictscope.elicit import choose_target_rankings
from conflictscope.measure import count_outcomes, flip_rate, precision_plan
from conflictscope.measure.planning import PlannedStudy
from conflictscope.models import Model, Registry
from conflictscope.models.records import CHARACTERS_PER_TOKEN, EMBEDDING, estimate_tokens
from conflictscope.models.registry import LOCAL_EMBEDDERS, ROLES
from conflictscope.prompts import prompt_texts
from conflictscope.scenarios import load_value_set, missing_fields, plan_outlines, plan_single_stage, read_scenario_file
from conflictscope.scenarios.outlines import Batch
from conflictscope.study.parameters import StudyParameters
from conflictscope.table_files import read_table, table_path
from conflictscope.tables import CHECKS

RULE = f"{CHARACTERS_PER_TOKEN} characters a token"


@dataclass(frozen=True)
class Tokeniser:
    """Counts tokens: of a text that is known, and of so many characters of one that is not."""

    name: str
    count: Callable[[str], int]
    characters_per_token: float


BY_RULE = Tokeniser(RULE, lambda text: estimate_tokens(len(text)), CHARACTERS_PER_TOKEN)


def load_encoding(name: str) -> Any:
    """Return an encoding of ``tiktoken``, which fetches its files when it is first used.

    Raises
    ------
    ModuleNotFoundError
        Where the extra ``tokens`` is not installed.
    OSError
        Where the files cannot be fetched.
    ValueError
        Where ``tiktoken`` knows no such encoding.
    """
    import tiktoken

    return tiktoken.get_encoding(name)


def open_tokenisers(
    models: Iterable[Model], load: Callable[[str], Any] = load_encoding
) -> tuple[dict[str, Tokeniser], list[str]]:
    """Open the models' tokenisers.

    Parameters
    ----------
    load : callable
        ``load(name)`` returns an encoding with ``encode_ordinary(text)``, or raises as ``load_encoding`` does.

    Returns
    -------
    tokenisers : dict
        Model → its tokeniser; the stated rule for a model that names none, or one that cannot be had.
    notes : list of str
        A sentence for each tokeniser that was asked for and cannot be had: which, for which models, why.

    Raises
    ------
    ValueError
        Where a model names an encoding that ``tiktoken`` does not know.
    """
    named: dict[str, list[str]] = {}
    tokenisers = {}
    for model in models:
        tokenisers[model.name] = BY_RULE
        if model.tokeniser is not None and model.name not in named.setdefault(model.tokeniser, []):
            named[model.tokeniser].append(model.name)
    notes = []
    for name, asking in named.items():
        try:
            encoding = load(name)
        except ModuleNotFoundError as problem:
            notes.append(_note(name, asking, f"{problem.name} is not installed; install the extra 'tokens'"))
        except OSError as problem:
            notes.append(_note(name, asking, f"its files cannot be fetched: {type(problem).__name__}"))
        except ValueError as problem:
            first = str(problem).splitlines()[0]
            raise ValueError(f"model {asking[0]!r}: tokeniser: found {name!r}; tiktoken says: {first}") from None
        else:
            tokenisers |= dict.fromkeys(asking, _tokeniser(name, encoding))
    return tokenisers, notes


def _tokeniser(name: str, encoding: Any) -> Tokeniser:
    """Return the tokeniser of an encoding; what a token is worth in characters is measured on the project's prompts."""
    known = "\n".join(prompt_texts().values())
    return Tokeniser(
        name, lambda text: len(encoding.encode_ordinary(text)), len(known) / len(encoding.encode_ordinary(known))
    )


def _note(name: str, models: list[str], why: str) -> str:
    """Return the sentence that says where the rule stands in for a tokeniser."""
    return f"Tokeniser {name} could not be used ({why}): tokens of {', '.join(models)} are counted at {RULE} instead."


# typical lengths in characters, measured on the scenarios that the project ships with
TYPICAL = {
    "definition": 90,
    "outline": 620,
    "description": 620,
    "profile": 330,
    "action": 170,
    "scenario": 1900,
    "message": 850,
    "artifact": 700,
    "reply": 900,
    "reason": 160,
    "reasoning": 350,
}
# how many opening messages have a text of their own written for them, of 100
ARTIFACTS_PER_100 = 25


@dataclass(frozen=True)
class _Step:
    """One step of a stage: which role answers which prompt, how often, and characters in and out of each call."""

    stage: str
    step: str
    role: str
    prompt: str
    calls: int
    filled_in: int
    """Characters that the prompt's own text does not have yet."""
    characters_out: int
    system: str = ""
    """The prompt of the system message, where there is one."""


def asked_models(parameters: StudyParameters, registry: Registry) -> list[Model]:
    """Return the models that the study asks, each once."""
    names = [name for role in (*ROLES, "further_judges") for name in _playing(parameters, role)]
    return [registry[name] for name in dict.fromkeys(names)]


def plan_study(
    parameters: StudyParameters,
    registry: Registry,
    tokenisers: Mapping[str, Tokeniser] | None = None,
    *,
    kept: int | None = None,
) -> pd.DataFrame:
    """Estimate a study.

    Parameters
    ----------
    tokenisers : mapping, optional
        Model → its tokeniser; the stated rule for a model that is not in it.
    kept : int, optional
        Scenarios that passed the checks, once that is known; default: all that are asked for.

    Returns
    -------
    DataFrame
        One row a stage, step, prompt and model: ``stage``, ``step``, ``prompt``, ``model``, ``calls``,
        ``input_tokens``, ``output_tokens`` (whole numbers), ``dollars`` (empty where the model's prices are not in
        ``params/models.yaml``) and ``tokens_by`` (the tokeniser, or the stated rule).
    """
    texts, rows = prompt_texts(), []
    for step in _writing_steps(parameters) + _asking_steps(parameters, kept):
        for name in _playing(parameters, step.role) if step.calls else []:
            model, tokeniser = registry[name], (tokenisers or {}).get(name, BY_RULE)
            known = texts.get(step.prompt, "") + texts.get(step.system, "")
            each = tokeniser.count(known) + step.filled_in / tokeniser.characters_per_token
            tokens_in = int(step.calls * each)
            tokens_out = int(step.calls * step.characters_out / tokeniser.characters_per_token)
            rows.append(
                {
                    "stage": step.stage,
                    "step": step.step,
                    "prompt": step.prompt,
                    "model": name,
                    "calls": step.calls,
                    "input_tokens": tokens_in,
                    "output_tokens": tokens_out,
                    "dollars": model.cost(tokens_in, tokens_out),
                    "tokens_by": tokeniser.name,
                }
            )
    return pd.DataFrame(rows).astype({"dollars": float})


def by_step(estimate: pd.DataFrame) -> pd.DataFrame:
    """Return an estimate with one row a stage, step and model, whichever prompts the step has."""
    about = ["stage", "step", "model", "tokens_by"]
    counts = ["calls", "input_tokens", "output_tokens", "dollars"]
    summed = estimate.groupby(about, sort=False)[counts].sum(min_count=1).reset_index()
    return summed[[*about[:3], *counts, "tokens_by"]]


def _playing(parameters: StudyParameters, role: str) -> list[str]:
    """Return the models that play a role; an embedder that runs on this machine is none."""
    found = parameters.values[role]
    names = list(map(str, found)) if isinstance(found, list) else [str(found)]
    return [name for name in names if role != "embedder" or name not in LOCAL_EMBEDDERS]


def _number(parameters: StudyParameters, name: str) -> int:
    """Return a parameter that is a whole number; its type has been checked when the file was read."""
    return int(str(parameters.values[name]))


def _batches(parameters: StudyParameters) -> list[Batch]:
    """Return the author's calls of the first step."""
    value_set = load_value_set(parameters.path("value_set"))
    per_pair, generation = _number(parameters, "outlines_per_pair"), str(parameters.values["generation"])
    if generation == "two_stage":
        return plan_outlines(value_set, per_pair, _number(parameters, "outlines_per_call"))
    return plan_single_stage(value_set, per_pair, generation)


def _scenarios(parameters: StudyParameters) -> int:
    """Return how many scenarios there are where none is lost: those given, or those asked for."""
    if parameters.values["scenarios"]:
        return len(read_scenario_file(parameters.path("scenarios"), load_value_set(parameters.path("value_set"))))
    return sum(batch.count for batch in _batches(parameters))


def _writing_steps(parameters: StudyParameters) -> list[_Step]:
    """Return the steps of notebooks 01 and 02."""
    t, pair = TYPICAL, 2 * TYPICAL["definition"]
    scenarios = _scenarios(parameters)
    batches = [] if parameters.values["scenarios"] else _batches(parameters)
    if parameters.values["scenarios"]:
        given = read_scenario_file(parameters.path("scenarios"), load_value_set(parameters.path("value_set")))
        incomplete = int((missing_fields(given).map(len) > 0).sum())
        shown = pair + t["description"] + 2 * t["action"]
        steps = [
            _Step("01", "completing scenarios", "author", "complete", incomplete, shown, t["profile"] + 2 * t["action"])
        ]
    elif parameters.values["generation"] == "two_stage":
        outline = int(t["outline"] * scenarios / len(batches))
        steps = [
            _Step("01", "outlines", "author", "outlines", len(batches), pair, outline),
            _Step("01", "embeddings", "embedder", EMBEDDING, scenarios, t["outline"], 0),
            _Step("01", "scenarios", "author", "scenario", scenarios, pair + t["outline"], t["scenario"]),
        ]
    else:
        steps = [_Step("01", "scenarios", "author", "single_stage", scenarios, pair, t["scenario"])]
    # value_guided is asked once per value
    asked = {check: scenarios * (1 + (check == "value_guided")) for check in CHECKS}
    examined = t["description"] + 2 * t["action"]
    return [
        *steps,
        *(
            _Step("02", "checks", "filter_judge", f"check_{check}", calls, examined, t["reason"])
            for check, calls in asked.items()
        ),
        _Step("02", "domains", "filter_judge", "domain", scenarios, t["description"], 20),
        _Step("02", "embeddings", "embedder", EMBEDDING, scenarios, t["description"], 0),
    ]


def _asking_steps(parameters: StudyParameters, kept: int | None) -> list[_Step]:
    """Return the steps of notebooks 03, 04 and 06."""
    t = TYPICAL
    scenarios = _scenarios(parameters) if kept is None else kept
    asked = scenarios * _number(parameters, "repetitions")
    turns = _number(parameters, "max_turns")
    targets = len(_playing(parameters, "targets"))
    steered = asked * _prompts_of_steering(parameters)
    by_choice = "multiple_choice" in list(parameters.values["steered_conditions"])  # type: ignore[call-overload]
    by_talk = "open_ended" in list(parameters.values["steered_conditions"])  # type: ignore[call-overload]
    actions, conversation = 2 * t["action"], t["message"] + t["reply"]
    # with every turn the conversation that is sent grows by a reply and a message
    heard = t["message"] + conversation * (turns - 1) // 2
    told = t["definition"] * 6
    choose = t["description"] + actions
    opening = t["description"] + t["profile"]
    artifacts = scenarios * ARTIFACTS_PER_100 // 100

    def talk(stage: str, held: int, system: str) -> list[_Step]:
        """Return the steps of so many conversations with each target."""
        judged, following = actions + conversation * turns, t["description"] + conversation * turns // 2
        told_before = told if system else 0
        replies = _Step(
            stage, "conversations", "targets", "conversation", held * turns, told_before + heard, t["reply"], system
        )
        messages = held * (turns - 1) * targets
        return [
            replies,
            _Step(stage, "next messages", "simulated_user", "next_message", messages, following, t["message"]),
            _Step(stage, "verdicts", "judge", "judge", held * targets, judged, t["reasoning"]),
        ]

    in_default = talk("04", asked, "")
    return [
        _Step("03", "choices", "targets", "choose", 2 * asked, choose, 8),
        _Step("03", "ratings", "targets", "rate", 2 * asked, t["description"] + t["action"], 8),
        _Step("04", "opening messages", "simulated_user", "opening_message", scenarios, opening, t["message"]),
        _Step("04", "artifacts", "simulated_user", "artifact", artifacts, t["message"], t["artifact"]),
        *in_default,
        replace(in_default[-1], step="verdicts, swapped"),
        replace(in_default[-1], step="verdicts, further judges", role="further_judges"),
        _Step("06", "choices", "targets", "choose", 2 * steered * by_choice, told + choose, 8, "system_steered"),
        *talk("06", steered * by_talk, "system_steered"),
    ]


def _prompts_of_steering(parameters: StudyParameters) -> int:
    """Return under how many system prompts a target is asked again: its target rankings and the placebo."""
    wanted = list(parameters.values["target_rankings"])  # type: ignore[call-overload]
    names = load_value_set(parameters.path("value_set")).names
    # what is known before anything is asked is how many orders there are, not a model's own default order
    stand_in = pd.DataFrame(
        {
            "target": "any",
            "condition": "open_ended",
            "arm": "default",
            "value": names,
            "strength": range(len(names)),
        }
    )
    return len(choose_target_rankings(names, stand_in, wanted, seed=0)["any"]) + 1


def plan_precision(parameters: StudyParameters, precision: float, difference: float) -> tuple[str, pd.DataFrame]:
    """Say how many scenarios per pair give a wanted precision.

    Parameters
    ----------
    precision : float
        Half-width wanted of the interval of a pair's preference rate, 0–0.5.
    difference : float
        Strength between values of neighbouring rank that are to be told apart, log-odds.

    Returns
    -------
    assumed : str
        The settings that the simulation used, and where they come from.
    needed : DataFrame
        As from ``precision_plan``: one row a goal.
    """
    values = parameters.values
    shown, source = _shown_by_run(parameters)
    study = PlannedStudy(
        pairs=load_value_set(parameters.path("value_set")).pairs,
        difference=difference,
        penalty=float(str(values["penalty"])),
        level=float(str(values["level"])),
        **shown,
    )
    assumed = (
        f"neighbouring values {difference:g} apart; both orders asked, disagreeing in {study.flip_rate:.0%} of even "
        f"scenarios; {study.without_choice:.0%} of answers without a choice; {study.kept_share:.0%} of outlines become "
        f"kept scenarios ({source})"
    )
    return assumed, precision_plan(study, precision=precision, seed=int(str(values["seed"])))


def _shown_by_run(parameters: StudyParameters) -> tuple[dict[str, Any], str]:
    """Return the settings that the study's own tables show, and what to say of their source."""
    folder = parameters.path("run_folder")
    if not all(table_path(folder, name).exists() for name in ("outlines", "kept_scenarios", "choices")):
        return {}, "defaults; once the study has run, its own tables say"
    outlines, kept, choices = (
        read_table(name, folder, study=parameters.study) for name in ("outlines", "kept_scenarios", "choices")
    )
    asked = choices[choices["condition"] == "multiple_choice"]
    outcomes = count_outcomes(asked)
    chosen = outcomes.loc[outcomes["outcome"] == "choice", "answers"].sum()
    flips = flip_rate(asked)
    compared = flips["compared"].sum()
    shown = {
        "kept_share": max(len(kept), 1) / len(outlines),
        "without_choice": min(1 - chosen / len(asked), 0.99),
        "flip_rate": min(flips["flipped"].sum() / compared, 0.5) if compared else 0.1,
    }
    return shown, "as in the study's tables so far"
