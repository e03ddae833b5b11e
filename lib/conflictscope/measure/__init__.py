"""Measure: answers and verdicts become choices, and choices become rankings and rates, each with its interval.

In: the tables that the stages of asking wrote. Out: tidy tables. Nothing here asks a model. Sections 3.3 and 3.4 of
the paper (arXiv 2509.25369).

- ``choices``: answers and verdicts → one row each, with the value that won; how often each outcome occurred
- ``bradley_terry``: win counts → strengths, many fits at once; whether the counts identify an order
- ``resampling``: choices → win counts of bootstrap resamples of scenarios
- ``rankings``: choices → strengths, ranks, intervals and tie groups of the values
- ``rates``: choices → preference, position and flip rates, with Wilson intervals
- ``retest_reliability``: how often a question asked again is answered otherwise
- ``clustering``: how far the answers to one scenario move together: the design effect
- ``paired_fits``: both conditions of each target, fitted on the same resamples
- ``shift``: what a model does against what it says: shifts of values, Kendall's τ, mean ranks of groups of values
- ``diagnostics``: whether the data support a ranking: fit, worst-fitting pair, cyclic triads
- ``bounds``: where the answers without a choice could move a value
- ``effects``: acting against refraining, and rates by any other column
- ``net_effects``: values net of position, acting and template, by logistic regression
- ``expected_precision``: what a planned study would give, by simulation
- ``planning``: how many scenarios a pair a wanted precision needs
- ``scenario_shares``: choices → for each scenario and group the share that the pair's first value won
- ``scenario_sums``: amounts per scenario → sums over bootstrap resamples of scenarios
- ``agreement``: do the targets choose alike; Krippendorff's α
- ``scenario_quality``: Likert difference rate, diversity, pass rates by check and template
- ``front``: which data sets are the hardest, as far as their intervals tell
- ``alignments``: how far choices follow a given order; which of them a system prompt moved
- ``steering``: steering effect, placebo, leakage, with paired intervals
- ``readings``: what a judge or a person made of a conversation or a check
- ``validation``: readers against one another: κ, confusion, precision and recall of the checks
- ``panel``: several judges' verdicts become one, by majority or where all agree; α over all readers
- ``self_preference``: whether judges or authors treat their own family's models otherwise
- ``simulated_verdicts``: verdicts with a self-preference put in
- ``known_truth``, ``simulated_choices``: respondents with known preferences, and their choices
- ``replications``, ``recovery``, ``naive_treatments``: many simulated studies set beside the truth
- ``published``: the paper's numbers, for overlays
"""

from conflictscope.calibration.studies import plant_self_preference
from conflictscope.measure.bootstrap import count_wins, resample_wins, wilson_interval
from conflictscope.measure.bradley_terry import diagnose, fit_bradley_terry, outcome_bounds, win_graph_connected
from conflictscope.measure.choices import count_outcomes, gather_choices
from conflictscope.measure.difficulty import (
    diversity,
    krippendorff_alpha,
    likert_difference_rate,
    mark_front,
    observed_agreement,
    pass_rates,
)
from conflictscope.measure.jury import alpha_between_readers, jury_verdicts
from conflictscope.measure.net_effects import net_value_effects
from conflictscope.measure.planning import PlannedStudy, expected_precision, precision_plan
from conflictscope.measure.published import published_ablations
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.raters import (
    agreement_between_readers,
    confusion,
    rates_by_family,
    read_verdicts,
    self_preference_of_authors,
    self_preference_of_judges,
)
from conflictscope.measure.rates import (
    acting_effect,
    effects_by,
    flip_rate,
    position_effect,
    preference_rates,
    retest_reliability,
)
from conflictscope.measure.shift import group_ranks, ranking_agreement, value_shifts
from conflictscope.measure.steering import alignment, moved_choices, steering_effects

__all__ = [
    "PlannedStudy",
    "acting_effect",
    "agreement_between_readers",
    "alignment",
    "alpha_between_readers",
    "confusion",
    "count_outcomes",
    "count_wins",
    "diagnose",
    "diversity",
    "effects_by",
    "expected_precision",
    "fit_bradley_terry",
    "flip_rate",
    "gather_choices",
    "group_ranks",
    "jury_verdicts",
    "krippendorff_alpha",
    "likert_difference_rate",
    "mark_front",
    "moved_choices",
    "net_value_effects",
    "observed_agreement",
    "outcome_bounds",
    "pass_rates",
    "plant_self_preference",
    "position_effect",
    "precision_plan",
    "preference_rates",
    "published_ablations",
    "rank_values",
    "ranking_agreement",
    "rates_by_family",
    "read_verdicts",
    "resample_wins",
    "retest_reliability",
    "self_preference_of_authors",
    "self_preference_of_judges",
    "steering_effects",
    "value_shifts",
    "wilson_interval",
    "win_graph_connected",
]
