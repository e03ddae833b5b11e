"""Measure: answers and verdicts become choices, and choices become rankings and rates, each with its interval.

In: the tables that the stages of asking wrote. Out: tidy tables. Nothing here asks a model. Sections 3.3 and 3.4 of
the paper (arXiv 2509.25369).

- ``choices``: answers and verdicts → one row each, with the value that won; how often each outcome occurred
- ``bradley_terry``: win counts → strengths, many fits at once; whether the counts identify an order
- ``resampling``: choices → win counts of bootstrap resamples of scenarios
- ``rankings``: choices → strengths, ranks, intervals and tie groups of the values
- ``rates``: choices → preference, position and flip rates, with Wilson intervals
"""

from conflictscope.measure.bradley_terry import fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import count_outcomes, gather_choices
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.rates import flip_rate, position_effect, preference_rates, wilson_interval
from conflictscope.measure.resampling import count_wins, resample_wins

__all__ = [
    "count_outcomes",
    "count_wins",
    "fit_bradley_terry",
    "flip_rate",
    "gather_choices",
    "position_effect",
    "preference_rates",
    "rank_values",
    "resample_wins",
    "wilson_interval",
    "win_graph_connected",
]
