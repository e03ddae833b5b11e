"""How far a study is: which tables are there, which of them are stale and why, how many calls are in the store.

In: a study's parameters. Out: one row a table, and the calls in numbers. Nothing is asked and nothing is written.
"""

import json
from collections.abc import Sequence

import pandas as pd

from conflictscope.models import load_registry
from conflictscope.models.store_reading import summarise_store
from conflictscope.scenarios import load_value_set
from conflictscope.study.lineage import FIGURES, LINEAGE, Origin, changes, origin_of
from conflictscope.study.manifest import FILE, read_manifest, store_url
from conflictscope.study.parameters import StudyParameters
from conflictscope.table_files import read_notes, table_path

NOT_RUN, UP_TO_DATE, STALE = "not run", "up to date", "stale"
_UNSAID = "its file does not say what it was made from"


def study_status(parameters: StudyParameters) -> pd.DataFrame:
    """Say of each table whether it is what the study's parameters would give now.

    Returns
    -------
    DataFrame
        One row a table in the order in which they are made, then the figures of notebook 07: ``notebook``, ``table``,
        ``state`` (``not run``, ``up to date``, ``stale``) and ``why`` (what has changed since it was written).
    """
    folder = parameters.path("run_folder")
    values, registry = load_value_set(parameters.path("value_set")), load_registry(parameters.path("models_file"))
    rows: dict[str, dict[str, str]] = {}
    for name, step in (LINEAGE | FIGURES).items():
        told = parameters.of(step.notebook)
        now = origin_of(step, folder, told, values, registry, seen_from=parameters.notebooks_folder)
        if name in FIGURES:
            manifest = read_manifest(folder) if (folder / FILE).exists() else {}
            there, then = name in manifest.get("figures_from", {}), manifest.get("figures_from", {}).get(name)
        else:
            noted = read_notes(name, folder).get("origin")
            there, then = table_path(folder, name).exists(), json.loads(noted) if noted else None
        stale = [source for source in step.tables if source in rows and rows[source]["state"] == STALE]
        why = _why(then, now, stale) if there else []
        state = NOT_RUN if not there else STALE if why else UP_TO_DATE
        table = "figures" if name in FIGURES else name
        rows[name] = {"notebook": step.notebook, "table": table, "state": state, "why": "; ".join(why)}
    return pd.DataFrame(list(rows.values()))


def describe_status(parameters: StudyParameters) -> list[str]:
    """Return lines that say how far a study is, for the command line."""
    status = study_status(parameters)
    lines = []
    for notebook, own in status.groupby("notebook", sort=False):
        lines.append(str(notebook))
        for (state, why), same in own.groupby(["state", "why"], sort=False):
            lines.append(f"  {', '.join(same['table'])}: {state}{f' ({why})' if why else ''}")
    return [*lines, _describe_calls(parameters)]


def stale_tables(parameters: StudyParameters) -> pd.DataFrame:
    """Return the rows of `study_status` that are stale."""
    status = study_status(parameters)
    return status[status["state"].eq(STALE)].reset_index(drop=True)


def _why(then: Origin | None, now: Origin, stale: Sequence[str]) -> list[str]:
    """Return the reasons for which a table is stale."""
    if then is None:
        return [_UNSAID]
    return changes(then, now) + ([f"made from stale {', '.join(stale)}"] if stale else [])


def _describe_calls(parameters: StudyParameters) -> str:
    """Return a line on the calls in the store and what they cost at the prices that are known."""
    calls = summarise_store(store_url(parameters))
    registry = load_registry(parameters.path("models_file"))
    by_model = calls.groupby("model")[["replies", "failures", "prompt_tokens", "completion_tokens"]].sum()
    spent: float = 0.0
    unknown: list[str] = []
    for name, row in by_model.iterrows():
        cost = registry[name].cost(row["prompt_tokens"], row["completion_tokens"]) if name in registry else None
        spent, unknown = (spent, [*unknown, str(name)]) if cost is None else (spent + cost, unknown)
    failed = by_model["failures"].sum()
    line = f"{by_model['replies'].sum():,} replies in the call store"
    line += f", {failed:,} calls without an answer" if failed else ""
    line += f"; tokens counted by the endpoints cost {spent:,.2f} dollars"
    return line + (f", not counting {', '.join(unknown)} (price unknown)" if unknown else "")
