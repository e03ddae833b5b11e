"""Calibration: the instrument, tried on respondents whose preferences are known.

- ``studies``: choices drawn from respondents; with a change, a self-preference or scenarios of one side put in; what a
  study of endlessly many scenarios would report of a respondent
- ``recovery``: many studies of one kind, how often their intervals hold the truth: bias and coverage of each measure,
  and of ways of counting that go wrong
- ``generator``: studies with known truth and known nuisances, which share no code with the estimators
- ``prior_studies``: studies drawn from the priors of the one model, and where its posteriors put their truths
- ``grid``: truths × nuisances: sizes, coverage and power, read from a table that ``make calibration`` writes
"""

from conflictscope.calibration.grid import read_grid, run_grid, write_grid
from conflictscope.calibration.recovery import (
    ALL_VALUES,
    Replications,
    abstention_and_compliance,
    naive_treatments,
    rank_recovery,
    strength_coverage,
)
from conflictscope.calibration.studies import (
    abstention_chance,
    plant_change,
    plant_one_sided,
    plant_self_preference,
    simulate_choices,
    true_steering,
    true_strengths,
    win_chance,
)

__all__ = [
    "ALL_VALUES",
    "Replications",
    "abstention_and_compliance",
    "abstention_chance",
    "naive_treatments",
    "plant_change",
    "plant_one_sided",
    "plant_self_preference",
    "rank_recovery",
    "read_grid",
    "run_grid",
    "simulate_choices",
    "strength_coverage",
    "true_steering",
    "true_strengths",
    "win_chance",
    "write_grid",
]
