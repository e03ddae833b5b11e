"""What a study has found, in three lines: rankings, shifts, steering; each says how many of how many could be tested.

In: the tables ``choices``, ``swapped_verdicts`` and ``steered_choices``. Out: lines for a terminal, counted by
``measure`` with the study's own settings, as notebooks 05 and 06 count.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from conflictscope import measure
from conflictscope.measure import Settings
from conflictscope.measure.steering import STEERED
from conflictscope.models import load_registry
from conflictscope.models.registry import ROLES
from conflictscope.scenarios import load_value_set
from conflictscope.study.notebook import SIMULATED_LABEL
from conflictscope.study.parameters import StudyParameters
from conflictscope.study.plan import playing
from conflictscope.study.provenance import INCOMPLETE, UP_TO_DATE, study_status
from conflictscope.table_files import read_table
from conflictscope.tables import CONDITIONS

_SHOWN = 3
_PAIRS = 5
_NONE = 1e-9


def read_findings(parameters: StudyParameters) -> list[str]:
    """Return what a study has found, as `sum_up`; nothing if its choices are not there yet, or are stale."""
    states = study_status(parameters).set_index("table")["state"]
    if states["choices"] not in (UP_TO_DATE, INCOMPLETE):
        return []
    values = parameters.values
    choices, swapped, steered = (
        read_table(name, parameters.path("run_folder"), study=parameters.study)
        if states[name] in (UP_TO_DATE, INCOMPLETE)
        else None
        for name in ("choices", "swapped_verdicts", "steered_choices")
    )
    return sum_up(
        choices,
        swapped,
        steered,
        load_value_set(parameters.path("value_set")).names,
        Settings(**{name: values[name] for name in ("penalty", "resamples", "seed", "level")}),
        source=name_simulated(parameters),
    )


def name_simulated(parameters: StudyParameters) -> str:
    """Return ``simulated models`` if any target is one, else which other roles are played by one, "" if none is."""
    registry = load_registry(parameters.path("models_file"))
    roles = [role for role in ROLES if any(registry[name].simulated for name in playing(parameters, role))]
    if "targets" in roles or not roles:
        return SIMULATED_LABEL if roles else ""
    return f"simulated {' and '.join(role.removeprefix('simulated_').replace('_', ' ') for role in roles)}"


def sum_up(
    choices: pd.DataFrame,
    swapped: pd.DataFrame | None,
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
    swapped : DataFrame, optional
        The table ``swapped_verdicts``; None if there is none.
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
        ("rankings", lambda: sum_up_support(measure.check_support(choices, values, settings, swapped=swapped))),
        ("shifts", partial(_shifts, choices, values, settings)),
        ("steering", partial(_steering, choices, steered, settings)),
    ):
        try:
            finding = tell()
        except ValueError as problem:
            # a study that ran to its end has run, whatever its numbers allow
            finding = f"cannot be told ({problem})"
        lines.append(f"{name}: {finding} · {source}" if source else f"{name}: {finding}")
    return lines


def sum_up_support(support: pd.DataFrame) -> str:
    """Return how many orders pass all checks, and which value is first in deed; in word, if nobody was asked to act.

    `support` is the table of `check_support`.
    """
    counted = f"{support['supported'].sum()} of {len(support)} pass all checks that apply"
    condition = "open_ended" if support["condition"].eq("open_ended").any() else "multiple_choice"
    asked = support[support["supported"] & support["condition"].eq(condition) & support["order"].notna()]
    # the values before the first > surely stand above all others; several: which of them is first is not known
    firsts = asked["order"].str.split(" > ").str[0]
    clear = firsts[asked["order"].str.contains(" > ") & ~firsts.str.contains("[,;]")]
    if asked.empty:
        return counted
    sentences = [f"{value} for {size}" for value, size in clear.value_counts().items()]
    sentences += [f"not one value for {len(firsts) - len(clear)}"] if len(clear) < len(firsts) else []
    where = "conversation" if condition == "open_ended" else "multiple choice"
    return f"{counted}; first in {where}, of {len(asked)} such targets: {', '.join(sentences)}"


def _shifts(choices: pd.DataFrame, values: Sequence[str], settings: Settings) -> str:
    """Return what `sum_up_shifts` says of the two ways of asking."""
    if not set(CONDITIONS) <= set(choices["condition"]):
        return "not measured: the targets were not asked both ways"
    return sum_up_shifts(measure.compare_conditions(choices, values, settings)[0], settings.level)


def sum_up_shifts(compared: pd.DataFrame, level: float) -> str:
    """Return how many targets have shifted between word and deed, scale set apart, of those that could be tested.

    `compared` is the first table of `compare_conditions`.
    """
    tested = compared[compared["omnibus_p"].notna()]
    shifted = tested[tested["p_value"].lt(1 - level)]
    named = [f"{row.target} ({row.shifted})" if pd.notna(row.shifted) else row.target for row in shifted.itertuples()]
    untested = f" ({len(compared) - len(tested)} more could not be tested)" if len(tested) < len(compared) else ""
    more = f": {', '.join(named[:_SHOWN])}{' …' if len(named) > _SHOWN else ''}" if named else ""
    return f"{len(shifted)} of {len(tested)} targets act on other values than they name, beyond scale{untested}{more}"


def _steering(choices: pd.DataFrame, steered: pd.DataFrame | None, settings: Settings) -> str:
    """Return what `sum_up_steering` says of the steered choices."""
    if steered is None or steered.empty:
        return "none was asked for"
    everything = pd.concat([choices, steered], ignore_index=True)
    arms = everything["arm"].unique()
    # an arm's name spells its order
    orders = {
        arm.removeprefix(STEERED): arm.removeprefix(STEERED).split(">") for arm in arms if arm.startswith(STEERED)
    }
    return sum_up_steering(measure.steering_effects(everything, orders, settings)[1])


def sum_up_steering(averages: pd.DataFrame) -> str:
    """Return the range of the effects over all target rankings, and how many are surely above that of the placebo.

    `averages` is the second table of `steering_effects`. If a placebo's effects cancel over the target rankings, as
    they must if each order is steered to and its reverse too, it is 0 that an effect has to be above.
    """
    known = averages.dropna(subset="effect").sort_values("effect")
    if known.empty:
        return f"no effect can be told: {'; '.join(sorted(set(averages['effect_problem'].dropna())))}"
    least, most = (
        f"{row.effect:.2f} ({row.target}, {_way(row.condition)})" for row in known.iloc[[0, -1]].itertuples()
    )
    over = averages.dropna(subset="over_placebo_low")
    above = over["over_placebo_low"].gt(0).sum()
    nothing = "something (over all orders the placebo gains nothing)"
    bar = nothing if placebo_cancels(averages) else "more than the placebo"
    return f"prompts gain {least} to {most} of the headroom; {above} of {len(over)} surely gain {bar}"


def sum_up_pairs(rates: pd.DataFrame) -> str:
    """Return which values surely win over which, the widest margins first, and of how many pairs it is not known.

    `rates` are the rows of one target and condition in `preference_rates`.
    """
    sure = rates[rates["rate_low"].gt(0.5) | rates["rate_high"].lt(0.5)]
    sure = sure.sort_values("rate", key=lambda rate: -(rate - 0.5).abs(), kind="stable")
    won = [
        f"{r.value_1} over {r.value_2}" if r.rate > 0.5 else f"{r.value_2} over {r.value_1}" for r in sure.itertuples()
    ]
    more = f" and {len(won) - _PAIRS} more" if len(won) > _PAIRS else ""
    unknown = f"; not known for {len(rates) - len(won)} of {len(rates)} pairs" if len(won) < len(rates) else ""
    return (", ".join(won[:_PAIRS]) or "no value surely over another") + more + unknown


def sum_up_changes(by_pair: pd.DataFrame, changes: pd.DataFrame, level: float) -> list[str]:
    """Return of each comparison which values changed, which are equivalent, and for how many neither can be said.

    The two tables of `compare_groups`. A value that surely changed by less than the margin is named as both.
    """
    lines = []
    for row in by_pair.itertuples():
        values = changes[changes["pair"].eq(row.pair)]
        moved = values[values["p_value"].lt(1 - level)]
        same = values[values["equivalent"].fillna(False).astype(bool)]
        open_ = len(set(values["value"]) - {*moved["value"], *same["value"]})
        changed = [f"{value} {change:+.1f}" for value, change in zip(moved["value"], moved["change"], strict=True)]
        parts = [f"changed: {', '.join(changed) or 'none'}", f"equivalent: {', '.join(same['value']) or 'none'}"]
        parts.append(f"neither can be said of {open_} of {len(values)}")
        lines.append(f"{row.pair}: {row.problem}" if pd.notna(row.problem) else f"{row.pair}: {'; '.join(parts)}")
    return lines


def placebo_cancels(averages: pd.DataFrame) -> bool:
    """Return whether no placebo has an effect over all target rankings: what it gains for one it loses for another."""
    return bool(averages["placebo"].abs().fillna(0).lt(_NONE).all())


def _way(condition: str) -> str:
    """Return a condition in words."""
    return "conversation" if condition == "open_ended" else condition.replace("_", " ")
