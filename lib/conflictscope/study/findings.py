"""What a study has found, in three lines: rankings, shifts, steering; each says how many of how many could be tested.

In: the tables ``choices`` and ``steered_choices``. Out: lines for a terminal, counted by ``measure`` with the study's
own settings, as notebooks 05 and 06 count.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from conflictscope import measure
from conflictscope.measure import Settings
from conflictscope.measure.steering import STEERED
from conflictscope.models import load_registry
from conflictscope.scenarios import load_value_set
from conflictscope.study.notebook import SIMULATED_LABEL
from conflictscope.study.parameters import StudyParameters
from conflictscope.study.plan import asked_models
from conflictscope.study.provenance import INCOMPLETE, UP_TO_DATE, study_status
from conflictscope.table_files import read_table
from conflictscope.tables import CONDITIONS

_SHOWN = 3


def read_findings(parameters: StudyParameters) -> list[str]:
    """Return what a study has found, as `sum_up`; nothing if its choices are not there yet, or are stale."""
    states = study_status(parameters).set_index("table")["state"]
    if states["choices"] not in (UP_TO_DATE, INCOMPLETE):
        return []
    values = parameters.values
    choices, steered = (
        read_table(name, parameters.path("run_folder"), study=parameters.study)
        if states[name] in (UP_TO_DATE, INCOMPLETE)
        else None
        for name in ("choices", "steered_choices")
    )
    simulated = any(
        model.simulated for model in asked_models(parameters, load_registry(parameters.path("models_file")))
    )
    return sum_up(
        choices,
        steered,
        load_value_set(parameters.path("value_set")).names,
        Settings(**{name: values[name] for name in ("penalty", "resamples", "seed", "level")}),
        source=SIMULATED_LABEL if simulated else "",
    )


def sum_up(
    choices: pd.DataFrame,
    steered: pd.DataFrame | None,
    values: Sequence[str],
    settings: Settings,
    *,
    source: str = "",
) -> list[str]:
    """Return what a study has found.

    Parameters
    ----------
    choices : DataFrame
        The table of that name.
    steered : DataFrame, optional
        The table ``steered_choices``; None if the study has not steered.
    values : sequence of str
        The value set.
    settings : Settings
        The study's.
    source : str
        What the study rests on, such as ``simulated models``: every line says it.

    Returns
    -------
    list of str
        Three lines.
    """
    lines = []
    for name, tell in (
        ("rankings", partial(_rankings, choices, values)),
        ("shifts", partial(_shifts, choices, values)),
        ("steering", partial(_steering, choices, steered)),
    ):
        try:
            found = tell(settings)
        except ValueError as problem:
            # a study that ran to its end has run, whatever its numbers allow
            found = f"cannot be told ({problem})"
        lines.append(f"{name}: {found} · {source}" if source else f"{name}: {found}")
    return lines


def _rankings(choices: pd.DataFrame, values: Sequence[str], settings: Settings) -> str:
    """Return how many rankings are supported, and which value is first in deed; in word, if nobody was asked to act."""
    diagnosis = measure.diagnose(choices, values, level=settings.level)
    supported = diagnosis[diagnosis["supported"].astype(bool)]
    counted = f"{len(supported)} of {len(diagnosis)} are supported by the data"
    condition = "open_ended" if choices["condition"].eq("open_ended").any() else "multiple_choice"
    rankings = measure.rank_values(choices, values, settings)
    known = rankings.merge(supported[["target", "condition", "arm"]])
    top = known[known["condition"].eq(condition) & known["rank"].eq(1)]
    if top.empty:
        return counted
    # the letter a is that of the strongest; whoever has it too cannot be told apart from it
    strongest = known[known["tie_group"].str.contains("a", regex=False)].groupby(["target", "condition"]).size()
    tied = [strongest[row.target, row.condition] > 1 for row in top.itertuples()]
    firsts = top.assign(tied=tied).groupby("value")["tied"].agg(["size", "sum"]).sort_values("size", ascending=False)
    told = [f"{value} for {size}{f' ({shared} tied)' if shared else ''}" for value, size, shared in firsts.itertuples()]
    where = "conversation" if condition == "open_ended" else "multiple choice"
    return f"{counted}; first in {where}, of {len(top)} targets: {', '.join(told)}"


def _shifts(choices: pd.DataFrame, values: Sequence[str], settings: Settings) -> str:
    """Return how many shifts between word and deed are beyond noise, of those that could be tested."""
    if not set(CONDITIONS) <= set(choices["condition"]):
        return "not measured: the targets were not asked both ways"
    shifts = tested_shifts(measure.value_shifts(choices, values, settings))
    beyond = shifts[shifts["beyond"].eq(True)].sort_values("size", key=abs, ascending=False)
    tested = shifts["beyond"].notna().sum()
    largest = [f"{row.target}: {row.value} {row.size:+.2f}" for row in beyond[:_SHOWN].itertuples(index=False)]
    untested = f" ({len(shifts) - tested} more could not be tested)" if tested < len(shifts) else ""
    more = f"; the largest: {', '.join(largest)}" if largest else ""
    return f"{len(beyond)} of {tested} beyond noise{untested}{more}"


def tested_shifts(shifts: pd.DataFrame) -> pd.DataFrame:
    """Return of ``measure.value_shifts`` what is summed up: everything that reads that table's columns is here.

    Columns: ``target``, ``value``, ``size`` (log-odds, above 0: acted on more than said) and ``beyond`` (whether it is
    beyond noise; empty if that could not be tested).
    """
    names = {"target": "target", "value": "value", "strength_shift": "size", "beyond_noise": "beyond"}
    return shifts[list(names)].rename(columns=names).astype({"beyond": "boolean"})


def _steering(choices: pd.DataFrame, steered: pd.DataFrame | None, settings: Settings) -> str:
    """Return the range of the mean effects, and how many are above that of the placebo."""
    if steered is None or steered.empty:
        return "none was asked for"
    everything = pd.concat([choices, steered], ignore_index=True)
    arms = everything["arm"].unique()
    # an arm's name spells its order
    orders = {
        arm.removeprefix(STEERED): arm.removeprefix(STEERED).split(">") for arm in arms if arm.startswith(STEERED)
    }
    averages = measure.steering_effects(everything, orders, settings)[1]
    known = averages.dropna(subset="effect").sort_values("effect")
    if known.empty:
        return f"no effect can be told: {'; '.join(sorted(set(averages['effect_problem'].dropna())))}"
    least, most = (
        f"{row.effect:.2f} ({row.target}, {_way(row.condition)})" for row in known.iloc[[0, -1]].itertuples()
    )
    over = averages.dropna(subset="over_placebo_low")
    above = over["over_placebo_low"].gt(0).sum()
    return f"prompts gain {least} to {most} of the headroom; {above} of {len(over)} gain more than the placebo does"


def _way(condition: str) -> str:
    """Return a condition in words."""
    return "conversation" if condition == "open_ended" else condition.replace("_", " ")
