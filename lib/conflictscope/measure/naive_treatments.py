"""Naive treatments: what goes wrong with ways of counting that come first to mind.

In: respondents to whom it matters. Out: bias and coverage of the strengths as this library measures them, beside those
under each treatment: unreadable replies counted as a choice for value 2, one fixed order of the options, rows instead
of scenarios resampled. The code of the paper (arXiv 2509.25369) does the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from conflictscope.measure.recovery import strength_coverage
from conflictscope.measure.replications import ALL_VALUES, Replications
from conflictscope.simulated import Respondent


@dataclass(frozen=True)
class NaiveTreatment:
    """A wrong way to treat choices, what of the respondent makes it matter, and the treatment itself."""

    name: str
    respondent: dict  # fields of Respondent that differ
    treat: Callable[[pd.DataFrame], pd.DataFrame]


def count_unreadable_for_value_2(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices with every unreadable reply as a choice of action 2."""
    unreadable = choices["outcome"].eq("invalid")
    return choices.assign(
        outcome=choices["outcome"].mask(unreadable, "choice"),
        action=choices["action"].mask(unreadable, 2),
        winner=choices["winner"].mask(unreadable, choices["value_2"]),
        loser=choices["loser"].mask(unreadable, choices["value_1"]),
    )


def keep_one_order(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices that were made with action 1 shown first."""
    return choices[choices["first_action"].eq(1)].reset_index(drop=True)


def split_scenarios(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices with every answer as a scenario of its own, so that rows are resampled."""
    return choices.assign(scenario_id=choices["scenario_id"] + " " + choices["first_action"].astype(str))


NAIVE = (
    NaiveTreatment(
        "unreadable replies count for value 2", {"malformed": {"multiple_choice": 0.1}}, count_unreadable_for_value_2
    ),
    NaiveTreatment("one fixed option order", {"position_bias": 0.5}, keep_one_order),
    NaiveTreatment("rows resampled, not scenarios", {}, split_scenarios),
)


def naive_treatments(respondent: Respondent, replications: Replications, *, scenarios_per_pair: int) -> pd.DataFrame:
    """Set each naive treatment beside the right one, on the same choices.

    Parameters
    ----------
    respondent : Respondent
        Who chooses; for each treatment it gets what makes the treatment matter: a tenth of replies unreadable, or a
        position bias of 0.5.
    replications, scenarios_per_pair
        As for `strength_coverage`.

    Returns
    -------
    DataFrame
        Two rows for each treatment: ``treatment``, ``way`` (``right`` or ``naive``), ``value`` (where the naive bias is
        largest), ``true``, ``mean``, ``bias``, ``bias_error`` (of that value's strength), ``coverage``,
        ``coverage_error``, ``width`` (of the intervals of all strengths).
    """
    rows = []
    for naive in NAIVE:
        affected = replace(respondent, **naive.respondent)
        found = {}
        for way, treatment in (("right", None), ("naive", naive.treat)):
            table = strength_coverage(
                affected, replications, scenarios_per_pair=[scenarios_per_pair], treatment=treatment
            )
            found[way] = table[table["quantity"].eq("strength")].set_index("what")
        worst = found["naive"].drop(ALL_VALUES)["bias"].abs().idxmax()
        for way, table in found.items():
            of_value = table.loc[worst, ["true", "mean", "bias", "bias_error"]].to_dict()
            of_all = table.loc[ALL_VALUES, ["coverage", "coverage_error", "width"]].to_dict()
            rows.append({"treatment": naive.name, "way": way, "value": worst} | of_value | of_all)
    return pd.DataFrame(rows)
