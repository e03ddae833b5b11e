"""What a study will ask of which model and what of that is still to be asked, with tokens and dollars.

In: a study's parameters, its tables and its call store as far as they are there. Out: calls by step of the pipeline
(``stages``), counted as if nothing were dropped that is not known to be: the most that a study asks, but for repairs
and retries. A token is counted by the model's own tokeniser, or is four characters. And: how many scenarios a wanted
precision takes, from simulation with the study's settings.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from conflictscope.elicit import choose_target_rankings
from conflictscope.measure import count_outcomes, flip_rate, outlines_by_pair, precision_plan
from conflictscope.measure.planning import PlannedStudy, widening
from conflictscope.models import Model, Registry
from conflictscope.models.records import CHARACTERS_PER_TOKEN, EMBEDDING, estimate_tokens
from conflictscope.models.registry import BATCH_PRICE, LOCAL_EMBEDDERS, ROLES, date_snapshot, name_snapshot
from conflictscope.models.store import summarise_store
from conflictscope.prompts import prompt_hashes, prompt_texts
from conflictscope.scenarios import load_value_set, missing_fields, plan_outlines, plan_single_stage, read_scenario_file
from conflictscope.study.parameters import StudyParameters
from conflictscope.study.provenance import UP_TO_DATE, prompts_folder, study_status, study_store
from conflictscope.study.stages import STAGES, Counts
from conflictscope.table_files import read_table, table_path

RULE = f"{CHARACTERS_PER_TOKEN} characters a token"
SECONDS_TO_FIRST_TOKEN, TOKENS_PER_SECOND = 1.0, 50.0
MEASURED, SCALED, ASSUMED = "measured", "scaled", "assumed"
T = TypeVar("T", float, pd.Series)


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
        If the extra ``tokens`` is not installed.
    OSError
        If the files cannot be fetched.
    ValueError
        If ``tiktoken`` knows no such encoding.
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
        If a model names an encoding that ``tiktoken`` does not know.
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


@dataclass(frozen=True)
class Done:
    """What there is of a study: its tables that are up to date, and what its call store holds."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Fields of ``Counts`` that tables tell."""
    tables: frozenset[str] = frozenset()
    replies: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(model, prompt) → replies to the prompt's text as it is now; repairs are among them."""
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(model, prompt) → calls that finally failed, which are asked again."""
    seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(model, prompt) → seconds that a stored reply took on average, whichever text the prompt had."""
    slowness: Mapping[str, float] = field(default_factory=dict)
    """Model → how many times as long as by `assumed_seconds` its stored replies took, all prompts together."""


def read_done(parameters: StudyParameters) -> Done:
    """Return what there is of a study."""
    status, folder = study_status(parameters), parameters.path("run_folder")
    tables = frozenset(status.loc[status["state"].eq(UP_TO_DATE), "table"])

    def rows(name: str) -> pd.DataFrame:
        return read_table(name, folder, study=parameters.study)

    counts: dict[str, int] = {}
    if "outlines" in tables and not parameters.values["scenarios"]:
        # of single-stage scenarios it is the outlines' places that are there
        counts["from_outline"] = int(rows("outlines")["kept"].sum())
    counts |= {field: len(rows(name)) for field, name in _COUNTED.items() if name in tables}
    calls, hashes = summarise_store(study_store(parameters)), prompt_hashes(prompts_folder(parameters))
    # a conversation and an embedding have no prompt text of ours
    as_now = calls["prompt_hash"].eq(calls["prompt"].map(hashes).fillna(""))
    about = ["model", "prompt"]
    measured = calls[calls["replies"].gt(0)]
    by_prompt = measured.groupby(about)[["seconds", "replies"]].sum()
    texts = measured[measured["prompt"].ne(EMBEDDING)]
    by_model = texts.groupby("model")[["seconds", "replies", "completion_tokens"]].sum()
    return Done(
        counts,
        tables,
        calls[as_now].groupby(about)["replies"].sum().to_dict(),
        calls.groupby(about)["failures"].sum().to_dict(),
        (by_prompt["seconds"] / by_prompt["replies"]).to_dict(),
        (by_model["seconds"] / assumed_seconds(by_model["replies"], by_model["completion_tokens"])).to_dict(),
    )


def assumed_seconds(calls: T, output_tokens: T) -> T:
    """Return the seconds that so many calls take one after the other, as long as none has been measured."""
    return calls * SECONDS_TO_FIRST_TOKEN + output_tokens / TOKENS_PER_SECOND


# what is counted → the table whose rows it is
_COUNTED = {"scenarios": "scenarios", "kept": "kept_scenarios"}


def count_study(parameters: StudyParameters, known: Mapping[str, int] | None = None) -> Counts:
    """Return how much of everything a study has; `known` says what tables tell, else nothing is lost on the way."""
    values, known = parameters.values, known or {}
    value_set = load_value_set(parameters.path("value_set"))
    batches, incomplete = [], 0
    if values["scenarios"]:
        from_file = read_scenario_file(parameters.path("scenarios"), value_set)
        written, incomplete = len(from_file), int((missing_fields(from_file).map(len) > 0).sum())
    else:
        per_pair, generation = values["outlines_per_pair"], values["generation"]
        two_stage = generation == "two_stage"
        batches = (
            plan_outlines(value_set, per_pair, values["outlines_per_call"])
            if two_stage
            else plan_single_stage(value_set, per_pair, generation)
        )
        written = sum(batch.count for batch in batches)
    in_two_stages = bool(batches) and values["generation"] == "two_stage"
    scenarios = known.get("scenarios", written)
    return Counts(
        batches=len(batches) if in_two_stages else 0,
        outlines=written,
        from_outline=known.get("from_outline", written) if in_two_stages else 0,
        single_stage=0 if in_two_stages else sum(batch.count for batch in batches),
        incomplete=incomplete,
        compared_over_all=written if values["overall_threshold"] else 0,
        scenarios=scenarios,
        kept=known.get("kept", scenarios),
        repetitions=values["repetitions"],
        turns=values["max_turns"],
        targets=len(values["targets"]),
        arms=_arms_of_steering(value_set.names, values["target_rankings"]),
        abstain=values["abstain"],
        leans=len(values["pressure"]) - 1,
        reads_refusals=values["refusals_as_actions"],
        by_choice="multiple_choice" in values["steered_conditions"],
        by_talk="open_ended" in values["steered_conditions"],
    )


def asked_models(parameters: StudyParameters, registry: Registry) -> list[Model]:
    """Return the models that the study asks, each once."""
    names = [name for role in (*ROLES, "further_judges") for name in playing(parameters, role)]
    return [registry[name] for name in dict.fromkeys(names)]


def plan_study(
    parameters: StudyParameters,
    registry: Registry,
    tokenisers: Mapping[str, Tokeniser] | None = None,
    *,
    done: Done | None = None,
) -> pd.DataFrame:
    """Estimate a study.

    Parameters
    ----------
    tokenisers : mapping, optional
        Model → its tokeniser; the stated rule for a model that is not in it.
    done : Done, optional
        What there is of it, from ``read_done``; default: nothing.

    Returns
    -------
    DataFrame
        One row a stage, step, prompt and model: ``stage``, ``step``, ``prompt``, ``model``, ``calls``,
        ``input_tokens``, ``output_tokens`` (whole numbers), ``dollars`` (empty if the model's prices are not in
        ``params/models.yaml``), ``still`` (calls still to be made: none for a table that is up to date, but for those
        that failed; else those for which the call store holds no reply), ``dollars_still``, ``minutes`` and
        ``minutes_still`` (that the calls take at the model's concurrency and limits; 0 if it is simulated),
        ``seconds_by`` (how long a call takes: ``measured`` on the study's own replies to this prompt, ``scaled`` by how
        the model's other replies compare with `assumed_seconds`, or ``assumed``; empty if the model is simulated) and
        ``tokens_by`` (the tokeniser, or the stated rule).
    """
    done = done or Done()
    texts, counts = prompt_texts(prompts_folder(parameters)), count_study(parameters, done.counts)
    # one reply answers one call, of the first stage that asks it
    replies, failures = dict(done.replies), dict(done.failures)
    rows = []
    for stage, step in [(known, step) for known in STAGES.values() for step in known.steps]:
        calls = step.calls(counts)
        for name in playing(parameters, step.role) if calls else []:
            model, tokeniser, about = registry[name], (tokenisers or {}).get(name, BY_RULE), (name, step.prompt)
            filled_in, out = (
                size if isinstance(size, int) else size(counts) for size in (step.filled_in, step.characters_out)
            )
            # the system prompts are of about one length
            system_prompt = texts[step.system[parameters.values["steering_prompt"]][0]] if step.system else ""
            known = texts.get(step.prompt, "") + system_prompt
            each = tokeniser.count(known) + filled_in / tokeniser.characters_per_token
            tokens_in, tokens_out = int(calls * each), int(calls * out / tokeniser.characters_per_token)
            answered = min(calls, replies.get(about, 0))
            replies[about] = replies.get(about, 0) - answered
            finished = step.table in done.tables or (not step.table and done.tables.issuperset(stage.writes))
            still = min(calls, failures.get(about, 0)) if finished else calls - answered
            if finished:
                failures[about] = failures.get(about, 0) - still
            dollars = model.cost(tokens_in, tokens_out)
            if dollars is not None and model.in_batches:
                dollars *= BATCH_PRICE
            minutes, seconds_by = _minutes(model, step.prompt, calls, tokens_in, tokens_out, done)
            rows.append(
                {
                    "stage": stage.notebook[:2],
                    "step": step.label,
                    "prompt": step.prompt,
                    "model": name,
                    "calls": calls,
                    "input_tokens": tokens_in,
                    "output_tokens": tokens_out,
                    "dollars": dollars,
                    "still": still,
                    "dollars_still": None if dollars is None else dollars * still / calls,
                    "minutes": minutes,
                    "minutes_still": minutes * still / calls,
                    "seconds_by": seconds_by,
                    "tokens_by": tokeniser.name,
                }
            )
    return pd.DataFrame(rows).astype({"dollars": float, "dollars_still": float})


def _minutes(model: Model, prompt: str, calls: int, tokens_in: int, tokens_out: int, done: Done) -> tuple[float, str]:
    """Return the minutes that so many calls of one kind take, and how long one takes is known by what."""
    if model.simulated:
        return 0.0, ""
    seconds, known_by = assumed_seconds(1.0, tokens_out / calls), ASSUMED
    if (model.name, prompt) in done.seconds:
        seconds, known_by = done.seconds[model.name, prompt], MEASURED
    elif prompt != EMBEDDING and model.name in done.slowness:
        seconds, known_by = seconds * done.slowness[model.name], SCALED
    minutes = [calls * seconds / 60 / min(model.concurrency, calls)]
    # no faster than the account's limits let it
    minutes += [calls / model.requests_per_minute] if model.requests_per_minute else []
    minutes += [(tokens_in + tokens_out) / model.tokens_per_minute] if model.tokens_per_minute else []
    return max(minutes), known_by


def sum_minutes(estimate: pd.DataFrame, column: str = "minutes") -> float:
    """Return the minutes that a study takes: its steps one after the other, and in each step all models at once."""
    by_model = estimate.groupby(["stage", "step", "model"])[column].sum()
    return float(by_model.groupby(["stage", "step"]).max().sum())


def describe_minutes(estimate: pd.DataFrame) -> str:
    """Return in a sentence how long a study will take, and what that rests on."""
    asked = estimate[estimate["seconds_by"].ne("")]
    if asked.empty:
        return "Simulated models answer at once; the notebooks themselves take a minute or two."
    rules = {
        MEASURED: "take as long as those in the call store",
        SCALED: "are scaled to the model's other calls in the call store",
        ASSUMED: f"are assumed to take {SECONDS_TO_FIRST_TOKEN:g} s and 1 s for every {TOKENS_PER_SECOND:g} tokens out",
    }
    known = [
        f"calls of {', '.join(dict.fromkeys(asked.loc[asked['seconds_by'].eq(how), 'model']))} {rule}"
        for how, rule in rules.items()
        if asked["seconds_by"].eq(how).any()
    ]
    whole, still = (_duration(sum_minutes(asked, column)) for column in ("minutes", "minutes_still"))
    return (
        f"Asking takes about {whole}, of which {still} are still to come, with each model's calls at its concurrency: "
        f"{'; '.join(known)}."
    )


def _duration(minutes: float) -> str:
    """Return a duration as shown."""
    return f"{minutes / 60:,.1f} hours" if minutes >= 90 else f"{math.ceil(minutes):,} minutes"


def describe_prices(models: Iterable[Model]) -> list[str]:
    """Return the sentence that says which price list prices are from; [] if models give all of theirs themselves."""
    listed = [model.name for model in models if model.prices_now.listed]
    if not listed:
        return []
    return [
        f"Prices of {', '.join(listed)} are those of {name_snapshot()}, whose last change of a price is of "
        f"{date_snapshot()}; input_price and output_price in the file of models go before them."
    ]


def by_step(estimate: pd.DataFrame) -> pd.DataFrame:
    """Return an estimate with one row a stage, step and model, whichever prompts the step has."""
    about = ["stage", "step", "model", "tokens_by"]
    counts = ["calls", "input_tokens", "output_tokens", "dollars", "minutes", "still", "dollars_still"]
    summed = estimate.groupby(about, sort=False)[counts].sum(min_count=1).reset_index()
    return summed[[*about[:3], *counts, "tokens_by"]]


# how long a call takes of which none was made yet
LONG_MINUTES = 10
"""From which a stage is said to take long."""


def notes_on_time(estimate: pd.DataFrame) -> list[str]:
    """Return a sentence for each stage whose calls still to be made will take long; see ``describe_minutes``."""
    return [
        f"Notebook {stage} will take about {_duration(minutes)}: {rows['still'].sum():,} calls."
        for stage, rows in estimate[estimate["still"].gt(0)].groupby("stage", sort=False)
        if (minutes := sum_minutes(rows, "minutes_still")) >= LONG_MINUTES
    ]


def playing(parameters: StudyParameters, role: str) -> list[str]:
    """Return the models that play a role; an embedder that runs on this machine is none."""
    named = parameters.values[role]
    names = named if isinstance(named, list) else [named]
    return [name for name in names if role != "embedder" or name not in LOCAL_EMBEDDERS]


def _arms_of_steering(names: list[str], wanted: list[str]) -> int:
    """Return under how many system prompts a target is asked again: its target rankings and the placebo."""
    # what is known before anything is asked is how many orders there are, not a model's own default order
    stand_in = {"target": "any", "condition": "open_ended", "arm": "default", "choices": 1}
    rankings = pd.DataFrame({"value": names, "strength": range(len(names))}).assign(**stand_in)
    return len(choose_target_rankings(names, rankings, wanted, seed=0)["any"]) + 1


def plan_precision(
    parameters: StudyParameters,
    precision: float,
    difference: float,
    kept_shares: Mapping[frozenset[str], float] | None = None,
) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    """Return how many scenarios per pair give a wanted precision, and how many outlines each pair needs for it.

    Parameters
    ----------
    precision : float
        Half-width wanted of the interval of a pair's preference rate, 0–0.5.
    difference : float
        Strength between values of neighbouring rank that are to be told apart, log-odds.
    kept_shares : mapping, optional
        Pair of values → share of its outlines that become kept scenarios, 0–1, where it is stated; what the study's
        tables show of the others.

    Returns
    -------
    assumed : str
        The settings that the simulation used, and where they come from.
    needed : DataFrame
        As from ``precision_plan``: one row a goal.
    by_pair : DataFrame
        As from ``outlines_by_pair``, for the first goal; empty if nothing is known or stated of any pair.

    Raises
    ------
    ValueError
        If a share is stated of what is no pair of the study, or is not above 0 and at most 1.
    """
    values = parameters.values
    shown, source = _shown_by_run(parameters)
    study = PlannedStudy(
        pairs=load_value_set(parameters.path("value_set")).pairs,
        difference=difference,
        penalty=values["penalty"],
        level=values["level"],
        **shown,
    )
    assumed = (
        f"neighbouring values {difference:g} apart; both orders asked, disagreeing in {study.flip_rate:.0%} of even "
        f"scenarios; {study.without_choice:.0%} of answers without a choice; {study.kept_share:.0%} of outlines become "
        f"kept scenarios ({source})"
    )
    size = len(study.values)
    if len(study.pairs) < (every := size * (size - 1) // 2):
        a_pair, in_all = widening(study.pairs)
        assumed += (
            f". {len(study.pairs):,} of {every:,} pairs: intervals of differences are {a_pair:.2f} times as wide as "
            f"with all pairs and as many scenarios a pair, {in_all:.2f} times with as many scenarios in all"
        )
    needed = precision_plan(study, precision=precision, seed=values["seed"])
    by_pair, scenarios = _kept_by_pair(parameters, study.pairs, kept_shares or {}), needed["scenarios_per_pair"].iloc[0]
    if by_pair.empty or pd.isna(scenarios):
        return assumed, needed, by_pair.head(0)
    planned = {"scenarios_per_pair": int(scenarios), "outlines_per_pair": values["outlines_per_pair"]}
    return assumed, needed, outlines_by_pair(study, by_pair, **planned, seed=values["seed"])


def _kept_by_pair(
    parameters: StudyParameters, pairs: Sequence[tuple[str, str]], stated: Mapping[frozenset[str], float]
) -> pd.DataFrame:
    """Return outlines, kept scenarios and stated share of each pair of which anything is known."""
    known = {frozenset(pair) for pair in pairs}
    for one, share in stated.items():
        if one not in known or not 0 < share <= 1:
            raise ValueError(
                f"kept share of {' and '.join(sorted(one))}: found {share:g}; expected a pair of the study's values "
                "and a number above 0 and at most 1."
            )
    folder, names = parameters.path("run_folder"), ("outlines", "kept_scenarios")
    counts: list[Counter[frozenset[str]]] = [Counter(), Counter()]
    if all(table_path(folder, name).exists() for name in names):
        tables = [read_table(name, folder, study=parameters.study) for name in names]
        counts = [Counter(map(frozenset, zip(t["value_1"], t["value_2"], strict=True))) for t in tables]
    rows = []
    for pair in pairs:
        outlines, kept = (count[frozenset(pair)] for count in counts)
        rows.append((*pair, outlines, min(kept, outlines), stated.get(frozenset(pair), float("nan"))))
    table = pd.DataFrame(rows, columns=["value_1", "value_2", "outlines", "kept", "stated"])
    return table[table["outlines"].gt(0) | table["stated"].notna()].reset_index(drop=True)


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
