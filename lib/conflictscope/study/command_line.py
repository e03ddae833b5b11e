"""The command line.

``conflictscope new | tenets | translate | run | plan | validate | status | probe | import | export | bundle | replay |
rescue``.

A command imports what it needs when it is called, so that ``--help`` and ``validate`` answer at once.
"""

import os
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conflictscope.files import in_words
from conflictscope.shown import for_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from conflictscope.exchange.exports import Format
    from conflictscope.study.bundle import Replay
    from conflictscope.study.parameters import StudyParameters
    from conflictscope.study.several import Job

BUDGET_EXIT_CODE, BATCHES_EXIT_CODE = 3, 4
# as in exchange (a test compares them): what can be read, what is exported, and how
FORMATS = (
    *("conflictscope", "moralchoice", "daily_dilemmas", "ai_risk_dilemmas", "clash"),
    *("hh_rlhf", "pku_saferlhf"),
)
SEVERAL = ("all", "first", "none")
EXPORTED = ("scenarios", "kept_scenarios", "choices", "verdicts", "rankings")
FILE_FORMATS = ("csv", "parquet")
_PARAMETER_FILE = click.argument("parameter_file", type=click.Path(path_type=Path))
_SETTINGS = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one parameter.")
_EXPORTED = "default: " + ", ".join(EXPORTED)
_BATCH = click.option(
    "--batch", is_flag=True, help="Ask all models in batches, at half the price, but those with batch: false."
)
_OUT = click.option("--out", type=click.Path(path_type=Path), help="Put tables, notebooks and figures here.")


def _say(text: str, *, err: bool = False) -> None:
    """Print a text, whoever its parts are from: nothing in it speaks to the terminal."""
    click.echo(for_terminal(text), err=err)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="conflictscope")
def _commands() -> None:
    """Find out which value a language model acts on when two of them collide."""


@_commands.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a project's folder: the notebooks, and parameters, value sets and models to begin with."""
    from conflictscope.study.new_project import make_project

    made = make_project(folder)
    _say(f"Written: {made / 'notebooks'}, {made / 'params'}\nNext: cd {made} && conflictscope run params/hhh.yaml")


@_commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--author", help="Model that reads the text; without one, nothing is asked: the calls are counted.")
@click.option("--price", "only_price", is_flag=True, help="Only tell calls and price; ask nothing.")
@click.option(
    "--models", type=click.Path(path_type=Path), default=Path("params/models.yaml"), help="The file of models."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Value set to write; default: params/value_sets/<name>.yaml."
)
@click.option("--embedder", default="tfidf", show_default=True, help="What measures how alike definitions are.")
@click.option(
    "--alike", type=click.FloatRange(0, 1, min_open=True), help="Cosine from which a pair is left out; minilm: 0.5."
)
@click.option("--each", type=click.IntRange(2), help="Draw so many pairs a value; default: all pairs.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --each: what is drawn.")
def tenets(
    file: Path,
    author: str | None,
    only_price: bool,
    models: Path,
    out: Path | None,
    embedder: str,
    alike: float | None,
    each: int | None,
    seed: int,
) -> None:
    """Turn a specification, in Markdown or plain text, into a value set: to be read before anything else is asked.

    Each value has the sentence that it rests on. What the author made up is refused, and printed.
    """
    import asyncio

    from conflictscope.study.starting import describe_calls, write_tenets

    place = out or Path("params/value_sets") / f"{file.stem}.yaml"
    _say(describe_calls(file, author, models))
    if author is None or only_price:
        return
    written = write_tenets(file, place, author, models, embedder=embedder, alike=alike, each=each, seed=seed)
    for line in asyncio.run(written):
        _say(line)


@_commands.command()
@click.argument("parameter_files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_SETTINGS
@_OUT
@_BATCH
@click.option("--only", multiple=True, metavar="NOTEBOOK", help="Run this notebook only (may be given again).")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Run so many studies at once.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=[VALUE, …]",
    help="Run a study of each value, on one call store (given again: of all combinations).",
)
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Run on this Dask cluster.")
@click.option("--wait", is_flag=True, help="If another process runs the study, wait for its end.")
@click.option(
    "--again", is_flag=True, help="Send calls as often again whose answers were all lost, and may have been paid for."
)
# by whoever started it, with a pipe that closes when that is gone
@click.option("--tied", is_flag=True, hidden=True)
def run(
    parameter_files: tuple[Path, ...],
    settings: tuple[str, ...],
    out: Path | None,
    batch: bool,
    only: tuple[str, ...],
    jobs: int,
    sweeps: tuple[str, ...],
    scheduler: str | None,
    wait: bool,
    again: bool,
    tied: bool,
) -> None:
    """Run a study's notebooks in order; go on where an earlier run stopped.

    Several studies are run one after the other, --jobs at once, or on a cluster, each to its end or its failure; the
    exit code is that of the first failure.

    Exit code 0: done; 1: something is wrong, and printed; 2: the command line itself; 3: the budget is reached; 4:
    batches are not done yet, and the same command goes on with them later.
    """
    from conflictscope.study.several import list_jobs, run_at_once

    if tied:
        from conflictscope.study.runner import stop_without_parent

        stop_without_parent()
    _ask_in_batches(batch)
    studies = list_jobs(parameter_files, settings, sweeps)
    if out and (len(studies) > 1 or scheduler):
        raise click.UsageError("--out takes a single study's tables, run here; leave it out.")
    if scheduler:
        sys.exit(_run_on_cluster(studies, only, scheduler, batch=batch, again=again))
    if jobs > 1 and len(studies) > 1:
        words = [*["--again"] * again, *["--wait"] * wait, *(f"--only={name}" for name in only)]
        sys.exit(run_at_once(studies, words, jobs, _say))
    codes = []
    for study in studies:
        try:
            if again:
                _send_again(study.file, study.settings, out)
            _run_study(study.file, study.settings, out, only, wait)
        except (ValueError, OSError, RuntimeError) as problem:
            if len(studies) == 1 or (code := _exit_code(problem)) is None or code > 128:
                raise
            message = _in_words(problem)
            _say(f"conflictscope: {'' if study.name in message else f'{study.name}: '}{message}", err=True)
            codes.append(code)
    if codes:
        sys.exit(codes[0])


def _run_on_cluster(
    studies: "Sequence[Job]", only: tuple[str, ...], scheduler: str, *, batch: bool, again: bool
) -> int:
    """Run studies on a Dask cluster, and print what was found by those that went well."""
    from conflictscope.study.runner import choose_notebooks
    from conflictscope.study.several import run_on_cluster

    parameters = [_validated(study.file, study.settings, None) for study in studies]
    notebooks = [choose_notebooks(one, only) for one in parameters]
    if again:
        # once a study, and not with each notebook
        for study in studies:
            _send_again(study.file, study.settings, None)
    jobs = dict(zip(studies, notebooks, strict=True))
    code = run_on_cluster(jobs, ["--batch"] * batch, scheduler, _say)
    if not code:
        for one, names in zip(parameters, notebooks, strict=True):
            _sum_up_run(one, len(names))
    return code


def _ask_in_batches(batch: bool) -> None:
    """Have this process, and the kernels that it starts, ask in batches."""
    from conflictscope.models.registry import BATCHED

    if batch:
        os.environ[BATCHED] = "1"


def _send_again(file: Path, settings: tuple[str, ...], out: Path | None) -> None:
    """Let calls of a study be sent again whose answers were lost as often as is allowed."""
    from conflictscope.models.store import allow_again
    from conflictscope.study.provenance import study_store

    parameters = _load(file, settings, out)
    _say(f"{parameters.study}: {allow_again(study_store(parameters)):,} calls may be sent as often again", err=True)


def _run_study(
    file: Path, settings: tuple[str, ...], out: Path | None, only: tuple[str, ...], wait: bool = False
) -> None:
    """Run one parameter file, and print what it will ask, where its results are and what was found."""
    from conflictscope.study.runner import run_study

    parameters = _validated(file, settings, out)
    estimate, notes = _plan(parameters)
    _say(f"{parameters.study}: {_sum_up(estimate)}; {_sum_up_still(estimate)}", err=True)
    for note in notes:
        _say(note, err=True)
    _sum_up_run(parameters, len(run_study(parameters, only=only, wait=wait)))


def _seen_from_here(path: Path) -> Path:
    """Return a path as one would type it: relative to the current folder if it is below that, else whole."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _sum_up_run(parameters: "StudyParameters", notebooks: int) -> None:
    """Print how many of a study's notebooks ran, where its results are and what was found."""
    from conflictscope.study.findings import read_findings
    from conflictscope.study.provenance import describe_changed_models, unfinished_tables

    _say(f"{parameters.study}: {notebooks} notebook{'s' * (notebooks != 1)} ran")
    _say(f"  tables, executed notebooks, call store: {_seen_from_here(parameters.path('run_folder'))}{os.sep}")
    _say(f"  figures: {_seen_from_here(parameters.path('figures_folder'))}{os.sep}")
    for line in read_findings(parameters):
        _say(f"  {line}")
    if len(unfinished := unfinished_tables(parameters)):
        for state, rows in unfinished.groupby("state"):
            _say(f"  {state} now: {', '.join(rows['table'])}; conflictscope status says why", err=True)
    for sentence in describe_changed_models(parameters):
        _say(f"  {sentence}", err=True)


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
@_BATCH
@click.option(
    "--precision",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Say how many kept scenarios a pair give preference rates to within plus or minus this, and tell values"
    " apart.",
)
@click.option(
    "--difference",
    type=click.FloatRange(0, min_open=True),
    default=0.5,
    show_default=True,
    help="With --precision: strength (log-odds) between values of neighbouring rank that are to be told apart.",
)
@click.option(
    "--kept-share",
    "kept_shares",
    multiple=True,
    metavar="VALUE,VALUE=SHARE",
    help="With --precision: share of a pair's outlines that become kept scenarios, if it is known from elsewhere.",
)
def plan(
    parameter_file: Path,
    settings: tuple[str, ...],
    batch: bool,
    precision: float | None,
    difference: float,
    kept_shares: tuple[str, ...],
) -> None:
    """Print what a study asks of which model, what of that is still to be asked, and what it costs; call nothing."""
    from conflictscope.study.plan import by_step, describe_minutes, plan_precision

    _ask_in_batches(batch)
    parameters = _load(parameter_file, settings)
    if precision is not None:
        assumed, needed, by_pair = plan_precision(parameters, precision, difference, _read_shares(kept_shares))
        kept = {"scenarios_per_pair": "kept_scenarios_per_pair", "scenarios": "kept_scenarios"}
        needed = needed.rename(columns=kept)
        looks: dict = {"float_format": "{:.3f}".format, "formatters": {"labels_per_pair": "{:.0f}".format}}
        _say(f"{needed.to_string(index=False, **looks)}\n\nAssumed: {assumed}.")
        if by_pair.empty:
            _say(
                "By pair nothing is known. Published pass rates run from 4 to 48 % of a pair's scenarios: run 01 and 02"
                " with few outlines first, or state shares with --kept-share."
            )
            return
        listed = by_pair.to_string(index=False, float_format="{:.3f}".format)
        _say(f"\nBy pair, for the first goal, the rarest first:\n{listed}")
        return
    estimate, notes = _plan(parameters)
    steps = by_step(estimate)
    shown = steps.assign(
        **{name: steps[name].map(_dollars) for name in ("dollars", "dollars_still")},
        minutes=steps["minutes"].map("{:,.1f}".format),
    )
    counts = ("calls", "input_tokens", "output_tokens", "still")
    _say(shown.to_string(index=False, formatters={name: "{:,}".format for name in counts}))
    total = f"{_sum_up(estimate)}; {_sum_up_still(estimate)}"
    _say(f"\nAt most {total}.")
    _say("Counted as if nothing more were dropped or filtered out; repairs and retries come on top.")
    _say(describe_minutes(estimate))
    budget = parameters.values["budget_usd"]
    if isinstance(budget, int | float):
        _say(f"The budget is {_dollars(budget)} dollars{_compare(budget, estimate)}.")
    for note in notes:
        _say(note)


def _read_shares(stated: tuple[str, ...]) -> dict[frozenset[str], float]:
    """Return pair → share of what was stated as ``one value,another=0.05``."""
    shares = {}
    for text in stated:
        pair, _, number = text.rpartition("=")
        values = frozenset(name.strip() for name in pair.split(","))
        try:
            shares[values] = float(number)
        except ValueError:
            values = frozenset()
        if len(values) != 2:
            raise click.UsageError(f"--kept-share: found {text!r}; expected two values and a number: one,another=0.05")
    return shares


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
def validate(parameter_file: Path, settings: tuple[str, ...]) -> None:
    """Refuse what is wrong with parameters, value set, models and scenarios, before anything is asked."""
    from conflictscope.study.validation import describe_study

    parameters = _validated(parameter_file, settings, None)
    _say(f"{parameter_file}: nothing wrong with parameters, value set and models.")
    for line in describe_study(parameters):
        _say(f"  {line}")


@_commands.command()
@click.argument("model")
@click.option(
    "--models", type=click.Path(path_type=Path), default=Path("params/models.yaml"), help="The file of models."
)
@click.option("--base-url", help="Address of the endpoint, for a model that the file does not have yet.")
@click.option("--id", "id_", help="What the endpoint calls the model.")
@click.option("--key-variable", help="Environment variable that holds the key.")
@click.option("--list", "only_list", is_flag=True, help="Only list the ids of the endpoint's models.")
def probe(
    model: str, models: Path, base_url: str | None, id_: str | None, key_variable: str | None, only_list: bool
) -> None:
    """Find out what a model's endpoint takes, in about a dozen small calls, and print its entry for the file of models.

    MODEL is a name in the file of models, or a new one with --base-url and --id. What was found is kept in probes.json
    beside the file; `validate` says where it and the entry disagree.
    """
    import asyncio

    import yaml

    from conflictscope.models import probing
    from conflictscope.models.registry import load_registry

    registry = load_registry(models)
    described = registry.describe(model, base_url=base_url, id=id_, key_variable=key_variable)
    if only_list:
        _say("\n".join(asyncio.run(probing.list_models(described))))
        return
    measured = asyncio.run(probing.probe_model(described))
    file = probing.store_probe(models, model, measured)
    _say("\n".join([f"{model}: {described.id} at {described.base_url}", *probing.describe_probe(measured)]))
    entry = yaml.safe_dump({model: probing.make_entry(described, measured)}, sort_keys=False, allow_unicode=True)
    _say(f"\nIts entry in {models}, under models:\n\n{textwrap.indent(entry, '  ')}")
    if model in registry:
        for sentence in probing.find_disagreements(registry[model], measured) or ["The entry that is there agrees."]:
            _say(sentence)
    given = "".join(
        f" {option} {value}"
        for option, value in (("--base-url", base_url), ("--key-variable", key_variable))
        if value is not None
    )
    _say(f"Kept in {_seen_from_here(file)}. The endpoint's models: conflictscope probe {model}{given} --list")


# its earlier name
_commands.add_command(
    click.Command("check", callback=validate.callback, params=validate.params, hidden=True, help="See validate.")
)


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
@_OUT
def status(parameter_file: Path, settings: tuple[str, ...], out: Path | None) -> None:
    """Print whether the study is running and how far, its tables (which are stale or incomplete, why), and calls.

    A study that runs in one terminal is seen from another. It may be named by its folder in place of its parameter
    file.
    """
    from conflictscope.study.parameters import find_project
    from conflictscope.study.provenance import describe_status, restore_run
    from conflictscope.study.running import describe_running

    if parameter_file.is_dir() and not settings and out is None:
        parameters, _ = restore_run(parameter_file, find_project(Path.cwd()))
    else:
        parameters = _load(parameter_file, settings, out)
    _say("\n".join([*describe_running(parameters.path("run_folder")), *describe_status(parameters)]))
    estimate, _ = _plan(parameters)
    _say(f"A{_sum_up_still(estimate)[1:]}")


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file to make; default: beside the folder.")
def bundle(run_folder: Path, out: Path | None) -> None:
    """Pack a study that has run (its folder, or its parameter file) into one file that can be replayed."""
    from conflictscope.study.bundle import pack_bundle
    from conflictscope.study.parameters import find_project
    from conflictscope.study.provenance import restore_run

    folder = run_folder if run_folder.is_dir() else _load(run_folder).path("run_folder")
    parameters, manifest = restore_run(folder, find_project(Path.cwd()))
    file = pack_bundle(parameters, manifest, out or folder.parent / f"{parameters.study}.bundle.zip")
    _say(f"{_seen_from_here(file)}: {file.stat().st_size:,} bytes. Rebuild it with: conflictscope replay FILE")


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--language", required=True, help="To translate into: a BCP-47 tag or a name.")
@click.option("--author", required=True, help="Model that translates.")
@click.option("--judge", required=True, help="Model that translates back and compares.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Parameter file to write, in params.")
@click.option("--price", "only_price", is_flag=True, help="Only tell calls and price; ask nothing.")
def translate(run_folder: Path, language: str, author: str, judge: str, out: Path, only_price: bool) -> None:
    """Make a study of another one's kept scenarios in a second language, audited by translating them back."""
    import asyncio

    from conflictscope.study.starting import describe_translation, translate_study

    _say(describe_translation(run_folder, author, judge))
    if only_price:
        return
    for line in asyncio.run(translate_study(run_folder, out, language, author, judge)):
        _say(line)


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
def rescue(run_folder: Path) -> None:
    """Save what can be read of a study's damaged call store into a new one beside it."""
    from conflictscope.models.rescue import rescue_store
    from conflictscope.study.provenance import STORE_FILE

    damaged = run_folder / STORE_FILE if run_folder.is_dir() else run_folder
    saved = damaged.with_name(f"{damaged.stem}.rescued{damaged.suffix}")
    rows = rescue_store(damaged, saved)
    _say(f"{saved}: {', '.join(f'{count:,} {table}' for table, count in rows.items())} of {damaged} could be read.")
    _say(f"Next: move {damaged} away, {saved.name} to its place, and run the study: only what was lost is asked again.")


@_commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Leave what is rebuilt in this new folder.")
def replay(file: Path, out: Path | None) -> None:
    """Rebuild every table and figure of a bundle without asking any model; exit code 1 where one differs."""
    from conflictscope.study.bundle import replay_bundle
    from conflictscope.study.parameters import find_project

    result = replay_bundle(file, find_project(Path.cwd()), out)
    for words, names in (("differs", result.differing), ("was not rebuilt", result.missing)):
        for name in names:
            _say(f"{name} {words}")
    if result.problem:
        _say(f"The replay stopped: {result.problem}")
    _say(f"{result.study}: {len(result.same)} of {_number(result)} tables and figures are the same as in the bundle.")
    if not result.reproduced:
        for note in result.notes:
            _say(f"Not as when it was made: {note}.")
        sys.exit(1)


def _number(result: "Replay") -> int:
    """Return how many tables and figures a bundle has."""
    return len(result.same) + len(result.differing) + len(result.missing)


@_commands.command("import")
@click.argument("data_file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Default: what the file's columns say.")
@click.option("--out", type=click.Path(path_type=Path), help="Parameter file to write; default: params/<format>.yaml.")
@click.option("--labels", type=click.Path(path_type=Path), help="YAML or value map (CSV): label → value of the study.")
@click.option("--value-set", type=click.Path(path_type=Path), help="Value set that defines these values.")
@click.option("--several", type=click.Choice(SEVERAL), help="Records with several value pairs; default: the format's.")
@click.option("--per-pair", type=click.IntRange(1), help="Draw at most so many scenarios of each value pair.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --per-pair: what is drawn.")
@click.option(
    "--tables", type=click.Path(path_type=Path), help="Folder for checks, messages or results of the release."
)
@click.option("--scenarios", type=click.Path(path_type=Path), help="With --tables: the release's scenario CSV.")
def import_(
    data_file: Path,
    format_: str | None,
    out: Path | None,
    labels: Path | None,
    value_set: Path | None,
    several: str | None,
    per_pair: int | None,
    seed: int,
    tables: Path | None,
    scenarios: Path | None,
) -> None:
    """Turn somebody else's data set into scenarios, a value set and a parameter file.

    With --tables: turn a file of the published ConflictScope release into tables, as a study has them.
    """
    from conflictscope.exchange import import_scenarios
    from conflictscope.exchange.data_sets import recognise
    from conflictscope.scenarios import load_value_set
    from conflictscope.study.transfer import account_of, draw_per_pair, import_tables, read_labels, start_study

    if tables:
        _say("\n".join(import_tables(data_file, tables, scenarios)))
        return
    data_format = format_ or recognise(data_file)
    values = load_value_set(value_set) if value_set else None
    given: dict[str, object] = {"labels": read_labels(labels, values) if labels else None, "several": several}
    if values and not labels:
        given["values"] = values
    imported = import_scenarios(
        data_file, data_format, **{key: value for key, value in given.items() if value is not None}
    )
    _say(account_of(imported))
    if per_pair:
        drawn = draw_per_pair(imported.scenarios, per_pair, seed)
        _say(f"Drawn: {len(drawn)} scenarios, at most {per_pair} of a pair.")
        imported = replace(imported, scenarios=drawn)
    files = start_study(imported, out or Path("params") / f"{data_format}.yaml", source=data_file.name)
    _say(f"Written: {', '.join(map(str, files))}\nNext: conflictscope plan {files[0]}")


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), help="Folder for what is written.")
@click.option("--format", type=click.Choice(FILE_FORMATS), default="parquet", show_default=True, help="Of the tables.")
@click.option("--table", "names", multiple=True, metavar="NAME", help=f"This table (may be given again) [{_EXPORTED}].")
@click.option("--inspect", is_flag=True, help="Write a task for Inspect too.")
@click.option("--inspect-logs", is_flag=True, help="Write the conversations as logs that Inspect's viewer opens.")
@click.option("--every-eval-ever", is_flag=True, help="Write results as records of the schema of that name.")
@click.option("--organisation", metavar="NAME", default="unknown", help="Who ran the study, for these records.")
@click.option("--licence", metavar="NAME", help="Licence that you have chosen, as the Hugging Face Hub names it.")
@click.option("--language", default="en", show_default=True, help="Language of the scenarios, ISO 639-1.")
@click.option(
    "--models", type=click.Path(path_type=Path), default=Path("params/models.yaml"), help="The file of models."
)
def export(
    run_folder: Path,
    to: Path,
    format: "Format",
    names: tuple[str, ...],
    inspect: bool,
    inspect_logs: bool,
    every_eval_ever: bool,
    organisation: str,
    licence: str | None,
    language: str,
    models: Path,
) -> None:
    """Write a study's tables, data dictionary and data-set card for others to use."""
    from conflictscope.study.transfer import export_study

    lines = export_study(
        run_folder,
        to,
        models_file=models,
        format=format,
        names=names or EXPORTED,
        inspect=inspect,
        inspect_logs=inspect_logs,
        every_eval_ever=every_eval_ever,
        organisation=organisation,
        licence=licence,
        language=language,
    )
    _say("\n".join(lines))


def _load(file: Path, settings: tuple[str, ...] = (), out: Path | None = None) -> "StudyParameters":
    """Return the parameters of a study; what is to be told of its file goes to stderr."""
    from conflictscope.study.parameters import load_parameters

    parameters = load_parameters(file, settings=settings, out=out)
    for note in parameters.notes:
        _say(note, err=True)
    return parameters


def _validated(file: Path, settings: tuple[str, ...], out: Path | None) -> "StudyParameters":
    """Return the parameters of a study that nothing seems wrong with."""
    from conflictscope.models.registry import load_registry
    from conflictscope.study.validation import notes_on_models, validate_study

    parameters = _load(file, settings, out)
    registry = load_registry(parameters.path("models_file"))
    if problems := validate_study(parameters, registry):
        raise ValueError("\n".join(problems))
    for note in notes_on_models(parameters, registry):
        _say(note, err=True)
    return parameters


def _plan(parameters: "StudyParameters") -> tuple["pd.DataFrame", list[str]]:
    """Return a study's estimate, and what has to be told: how its tokens are counted, which notebooks take long."""
    from conflictscope.models import load_registry
    from conflictscope.study.plan import (
        asked_models,
        describe_prices,
        notes_on_time,
        open_tokenisers,
        plan_study,
        read_done,
    )

    registry = load_registry(parameters.path("models_file"))
    models = asked_models(parameters, registry)
    tokenisers, notes = open_tokenisers(models)
    estimate = plan_study(parameters, registry, tokenisers, done=read_done(parameters))
    return estimate, [*notes, *describe_prices(models), *notes_on_time(estimate)]


def _compare(budget: float, estimate: "pd.DataFrame") -> str:
    """Say how a budget compares with an estimate, where they are not at ease with each other."""
    if estimate["dollars"].isna().any():
        return ": it cannot be kept while prices are unknown, so the study would not start"
    return ": the study may stop before its end" if estimate["dollars"].sum() > budget else ""


def _dollars(cost: float | None) -> str:
    """Return a cost as shown."""
    return "unknown" if cost is None or cost != cost else f"{cost:,.2f}"


def _sum_up(estimate: "pd.DataFrame") -> str:
    """Return a plan's totals in a phrase."""
    calls, tokens = estimate["calls"].sum(), estimate[["input_tokens", "output_tokens"]].to_numpy().sum()
    return f"{calls:,} calls, about {tokens:,} tokens, {_sum_of_dollars(estimate, 'dollars')}"


def _sum_up_still(estimate: "pd.DataFrame") -> str:
    """Return what is still to be asked in a phrase."""
    still = estimate[estimate["still"].gt(0)]
    return f"about {still['still'].sum():,} calls still to be asked, {_sum_of_dollars(still, 'dollars_still')}"


def _sum_of_dollars(estimate: "pd.DataFrame", column: str) -> str:
    """Return dollars in a phrase, with the models whose price is unknown."""
    unknown = sorted(set(estimate.loc[estimate[column].isna(), "model"]))
    more = (
        f" plus the cost of {', '.join(unknown)} (no prices in params/models.yaml, nor in the price list)"
        if unknown
        else ""
    )
    return f"{estimate[column].sum():,.2f} dollars{more}"


def _in_words(problem: Exception) -> str:
    """Return what stopped a command; of the system's own errors which file, and what to do."""
    return in_words(problem) if isinstance(problem, OSError) else str(problem)


def _exit_code(problem: Exception) -> int | None:
    """Return the exit code for what stopped a command; None for what is a defect of the program."""
    if isinstance(problem, ValueError | OSError):
        return 1
    from conflictscope.models import BatchesPending, BudgetReached
    from conflictscope.study.runner import NotebookFailed, StudyStopped

    if isinstance(problem, StudyStopped):
        return 128 + problem.signal
    codes: dict[type[Exception], int] = {
        BudgetReached: BUDGET_EXIT_CODE,
        BatchesPending: BATCHES_EXIT_CODE,
        NotebookFailed: 1,
    }
    return codes.get(type(problem))


def main() -> None:
    """Run the command line; what the user can mend is printed in a line, with exit code 1.

    A study that stopped because its budget is reached ends with ``BUDGET_EXIT_CODE``, one that is left until its
    batches are done with ``BATCHES_EXIT_CODE``, and one that a signal stopped with 128 and its number, as shells
    count: 130 for Ctrl-C, 143 for `kill`.
    """
    try:
        _commands()
    except (ValueError, OSError, RuntimeError) as problem:
        if (code := _exit_code(problem)) is None:
            raise
        # after a signal the cursor stands behind ^C
        _say(f"{chr(10) if code > 128 else ''}conflictscope: {_in_words(problem)}", err=True)
        sys.exit(code)
