"""How many scenarios a study needs, from simulation with its own settings.

In: a study's parameters, and its tables where it has run. Out: the scenarios per pair for a wanted precision. What a
run has shown about this author, filter and these targets takes the place of what is assumed otherwise.
"""

from typing import Any

import pandas as pd

from conflictscope.measure import count_outcomes, flip_rate, precision_plan
from conflictscope.measure.expected_precision import PlannedStudy
from conflictscope.scenarios import load_value_set
from conflictscope.study.parameters import StudyParameters
from conflictscope.table_files import read_table, table_path


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
