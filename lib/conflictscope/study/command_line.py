"""The command line: ``conflictscope run | plan | check | status | import | export | bundle | replay``."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from conflictscope.exchange import FORMATS, import_scenarios
from conflictscope.exchange.exports import EXPORTED, FILE_FORMATS, Format
from conflictscope.exchange.formats import recognise
from conflictscope.exchange.gathering import SEVERAL
from conflictscope.models import BudgetReached, load_registry
from conflictscope.scenarios import load_value_set
from conflictscope.study.bundle import Replay, pack_bundle, replay_bundle
from conflictscope.study.parameters import (
    StudyParameters,
    account_of,
    draw_per_pair,
    find_project,
    lint_study,
    load_parameters,
    read_labels,
    restore_parameters,
    start_study,
)
from conflictscope.study.plan import asked_models, by_step, open_tokenisers, plan_precision, plan_study
from conflictscope.study.provenance import describe_status, read_manifest, stale_tables
from conflictscope.study.runner import NotebookFailed, StudyStopped, run_study
from conflictscope.study.transfer import export_study, import_tables

BUDGET_EXIT_CODE = 3
_PARAMETER_FILE = click.argument("parameter_file", type=click.Path(path_type=Path))
_SETTINGS = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one parameter.")
_PLACES = ("run_folder", "figures_folder", "models_file", "value_set")
_EXPORTED = "default: " + ", ".join(EXPORTED)
_OUT = click.option("--out", type=click.Path(path_type=Path), help="Put tables, notebooks and figures here.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="conflictscope")
def _commands() -> None:
    """Find out which value a language model acts on when two of them collide."""


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
@_OUT
@click.option("--only", multiple=True, metavar="NOTEBOOK", help="Run this notebook only (may be given again).")
def run(parameter_file: Path, settings: tuple[str, ...], out: Path | None, only: tuple[str, ...]) -> None:
    """Run a study's notebooks in order; go on where an earlier run stopped.

    Exit code 0: done; 1: something is wrong, and said; 2: the command line itself; 3: the budget is reached.
    """
    parameters = _checked(parameter_file, settings, out)
    estimate, notes = _plan(parameters)
    click.echo(
        f"{parameters.study}: {_sum_up(estimate)} (calls already in the call store are not made again)", err=True
    )
    for note in notes:
        click.echo(note, err=True)
    executed = run_study(parameters, only=only)
    click.echo(f"{parameters.study}: {len(executed)} notebooks ran")
    click.echo(f"  tables, executed notebooks, call store: {os.path.relpath(parameters.path('run_folder'))}{os.sep}")
    click.echo(f"  figures: {os.path.relpath(parameters.path('figures_folder'))}{os.sep}")
    if len(stale := stale_tables(parameters)):
        click.echo(f"  stale now: {', '.join(stale['table'])}; conflictscope status says why", err=True)


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
@click.option(
    "--precision",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Say how many scenarios a pair give preference rates to within plus or minus this, and tell values apart.",
)
@click.option(
    "--difference",
    type=click.FloatRange(0, min_open=True),
    default=0.5,
    show_default=True,
    help="With --precision: strength (log-odds) between values of neighbouring rank that are to be told apart.",
)
def plan(parameter_file: Path, settings: tuple[str, ...], precision: float | None, difference: float) -> None:
    """Say what a study will ask of which model, and what it costs, without calling anything."""
    parameters = load_parameters(parameter_file, settings=settings)
    if precision is not None:
        assumed, needed = plan_precision(parameters, precision, difference)
        click.echo(f"{needed.to_string(index=False, float_format='{:.3f}'.format)}\n\nAssumed: {assumed}.")
        return
    estimate, notes = _plan(parameters)
    steps = by_step(estimate)
    shown = steps.assign(dollars=[_dollars(cost) for cost in steps["dollars"]])
    click.echo(
        shown.to_string(
            index=False, formatters={name: "{:,}".format for name in ("calls", "input_tokens", "output_tokens")}
        )
    )
    click.echo(f"\nAt most {_sum_up(estimate)}.")
    click.echo("Counted as if nothing were dropped or filtered out; repairs and retries come on top.")
    budget = parameters.values["budget_usd"]
    if isinstance(budget, int | float):
        click.echo(f"The budget is {_dollars(budget)} dollars{_compare(budget, estimate)}.")
    for note in notes:
        click.echo(note)


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
def check(parameter_file: Path, settings: tuple[str, ...]) -> None:
    """Look over parameters, value set and models, and say what is wrong."""
    _checked(parameter_file, settings, None)
    click.echo(f"{parameter_file}: nothing wrong with parameters, value set and models.")


@_commands.command()
@_PARAMETER_FILE
@_SETTINGS
@_OUT
def status(parameter_file: Path, settings: tuple[str, ...], out: Path | None) -> None:
    """Say which tables are there, which of them are stale and why, and how many calls are stored."""
    click.echo("\n".join(describe_status(load_parameters(parameter_file, settings=settings, out=out))))


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file to make; default: beside the folder.")
def bundle(run_folder: Path, out: Path | None) -> None:
    """Pack a study that has run (its folder, or its parameter file) into one file that can be replayed."""
    folder = run_folder if run_folder.is_dir() else load_parameters(run_folder).path("run_folder")
    manifest = read_manifest(folder)
    root = find_project(Path.cwd())
    told = {name: root / "notebooks" / str(manifest["parameters"][name]) for name in _PLACES}
    places = told | {"run_folder": folder.resolve()}
    parameters = restore_parameters(
        manifest["study"], manifest["parameters"], root, places, source=str(folder / "manifest.json")
    )
    file = pack_bundle(parameters, manifest, out or folder.parent / f"{parameters.study}.bundle.zip")
    click.echo(f"{os.path.relpath(file)}: {file.stat().st_size:,} bytes. Rebuild it with: conflictscope replay FILE")


@_commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Leave what is rebuilt in this new folder.")
def replay(file: Path, out: Path | None) -> None:
    """Rebuild every table and figure of a bundle without asking any model; exit code 1 where one differs."""
    found = replay_bundle(file, find_project(Path.cwd()), out)
    for words, names in (("differs", found.differing), ("was not rebuilt", found.missing)):
        for name in names:
            click.echo(f"{name} {words}")
    if found.problem:
        click.echo(f"The replay stopped: {found.problem}")
    click.echo(
        f"{found.study}: {len(found.same)} of {_number(found)} tables and figures are the same as in the bundle."
    )
    if not found.reproduced:
        for note in found.notes:
            click.echo(f"Not as when it was made: {note}.")
        sys.exit(1)


def _number(found: Replay) -> int:
    """Return how many tables and figures a bundle has."""
    return len(found.same) + len(found.differing) + len(found.missing)


@_commands.command("import")
@click.argument("data_file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="Default: what the file's columns say.")
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
    if tables:
        click.echo("\n".join(import_tables(data_file, tables, scenarios)))
        return
    found = format_ or recognise(data_file)
    values = load_value_set(value_set) if value_set else None
    given: dict[str, object] = {"labels": read_labels(labels, values) if labels else None, "several": several}
    if values and not labels:
        given["values"] = values
    imported = import_scenarios(data_file, found, **{key: value for key, value in given.items() if value is not None})
    click.echo(account_of(imported))
    if per_pair:
        drawn = draw_per_pair(imported.scenarios, per_pair, seed)
        click.echo(f"Drawn: {len(drawn)} scenarios, at most {per_pair} of a pair.")
        imported = replace(imported, scenarios=drawn)
    files = start_study(imported, out or Path("params") / f"{found}.yaml", source=data_file.name)
    click.echo(f"Written: {', '.join(map(str, files))}\nNext: conflictscope plan {files[0]}")


@_commands.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), help="Folder for what is written.")
@click.option("--format", type=click.Choice(FILE_FORMATS), default="parquet", show_default=True, help="Of the tables.")
@click.option("--table", "names", multiple=True, metavar="NAME", help=f"This table (may be given again) [{_EXPORTED}].")
@click.option("--inspect", is_flag=True, help="Write a task for Inspect too.")
@click.option("--licence", metavar="NAME", help="Licence that you have chosen, as the Hugging Face Hub names it.")
@click.option("--language", default="en", show_default=True, help="Language of the scenarios, ISO 639-1.")
@click.option(
    "--models", type=click.Path(path_type=Path), default=Path("params/models.yaml"), help="The file of models."
)
def export(
    run_folder: Path,
    to: Path,
    format: Format,
    names: tuple[str, ...],
    inspect: bool,
    licence: str | None,
    language: str,
    models: Path,
) -> None:
    """Write a study's tables, data dictionary and data-set card for others to use."""
    said = export_study(
        run_folder,
        to,
        models_file=models,
        format=format,
        names=names or EXPORTED,
        inspect=inspect,
        licence=licence,
        language=language,
    )
    click.echo("\n".join(said))


def _checked(file: Path, settings: tuple[str, ...], out: Path | None) -> StudyParameters:
    """Return the parameters of a study that nothing seems wrong with."""
    parameters = load_parameters(file, settings=settings, out=out)
    if problems := lint_study(parameters, load_registry(parameters.path("models_file"))):
        raise ValueError("\n".join(problems))
    return parameters


def _plan(parameters: StudyParameters) -> tuple[pd.DataFrame, list[str]]:
    """Return a study's estimate, and what has to be said about how its tokens are counted."""
    registry = load_registry(parameters.path("models_file"))
    tokenisers, notes = open_tokenisers(asked_models(parameters, registry))
    return plan_study(parameters, registry, tokenisers), notes


def _compare(budget: float, estimate: pd.DataFrame) -> str:
    """Say how a budget compares with an estimate, where they are not at ease with each other."""
    if estimate["dollars"].isna().any():
        return ": it cannot be kept while prices are unknown, so the study would not start"
    return ": the study may stop before its end" if estimate["dollars"].sum() > budget else ""


def _dollars(cost: float | None) -> str:
    """Return a cost as shown."""
    return "unknown" if cost is None or pd.isna(cost) else f"{cost:,.2f}"


def _sum_up(estimate: pd.DataFrame) -> str:
    """Return a plan's totals in a phrase."""
    calls, tokens = estimate["calls"].sum(), estimate[["input_tokens", "output_tokens"]].to_numpy().sum()
    unknown = sorted(set(estimate.loc[estimate["dollars"].isna(), "model"]))
    dollars = f"{estimate['dollars'].sum():,.2f} dollars"
    if unknown:
        dollars += f" plus what {', '.join(unknown)} cost (no prices in params/models.yaml)"
    return f"{calls:,} calls, about {tokens:,} tokens, {dollars}"


def main() -> None:
    """Run the command line; what the user can mend is said in a line, with exit code 1.

    A study that stopped because its budget is reached ends with ``BUDGET_EXIT_CODE``; one that a signal stopped ends
    with 128 and the signal's number, as shells count: 130 for Ctrl-C, 143 for `kill`.
    """
    try:
        _commands()
    except BudgetReached as reached:
        click.echo(f"conflictscope: {reached}", err=True)
        sys.exit(BUDGET_EXIT_CODE)
    except StudyStopped as stop:
        click.echo(f"\nconflictscope: {stop}", err=True)
        sys.exit(128 + stop.signal)
    except (ValueError, OSError, NotebookFailed) as problem:
        click.echo(f"conflictscope: {problem}", err=True)
        sys.exit(1)
