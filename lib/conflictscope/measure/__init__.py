"""Measure: answers and verdicts become choices, and choices become rankings and rates, each with its interval.

Nothing here asks a model. Functions take tidy tables, whose columns ``conflictscope.tables`` describes, and return tidy
tables. What they have in common is said here once:

- ``choices`` is the table of that name, of which only rows with the outcome ``choice`` count; ``scenarios``,
  ``verdicts``, ``ratings``, ``checks`` likewise. ``values`` is the value set, at least two, in the order wanted.
  ``settings`` and ``level`` say how intervals are made.
- A *group* is a target, a condition and an arm (the system prompt), in the columns ``target``, ``condition``, ``arm``.
  Verdicts of several judges are filtered by judge first: a group with more than one raises ``ValueError``, and so does
  a table without the columns needed.
- ``x_low`` and ``x_high`` are the ends of the interval of ``x``, which covers ``level``, clustered by scenario: in
  closed form with quantiles of t, or percentiles of a bootstrap over scenarios, drawn whole and within their value
  pair, as the `Settings` say. An infinite end is one that the data do not bound. Each interval covers by itself: of
  many in one table some leave out the truth, unless the text says that they hold together.
- What the data cannot tell is empty, and ``problem`` says why.

The rooms, in the order in which they build on one another:

- ``choices``: answers and verdicts → one row each, with the value that won; how often each outcome occurred; a
  target's answers by the model that gave them
- ``rates``: preference, position, flips, acting, any other column, and how often a question asked again is answered
  otherwise; Wilson intervals on the effective number of answers
- ``bootstrap``: `Settings`; wins and other amounts of scenarios, added up over resamples
- ``bradley_terry``: the paper's fit, from win counts → penalised strengths; how well they fit
- ``strengths``: both orders of a question as one graded share → strengths and their covariance, clustered by scenario
- ``rankings``: strengths, ranks, intervals and tie groups of the values
- ``raters``: what judges and people made of conversations and checks, and how far they agree
- ``filter_errors``: how many scenarios a filter keeps or drops that people would not
- ``judge_errors``: how often a judge misreads each value, and strengths without these errors
- ``tipping``: what misread and missing answers could do to an order
- ``refusals``: refusals counted as the action that they amount to, and what hangs on them
- ``support``: which order a ranking can stand for, by named checks
- ``scale_shift``: two conditions compared up to a common scale
- ``shift``: what a model does against what it says
- ``between_studies``: the same values in two studies
- ``between_languages``: the same scenarios in two languages
- ``abstention``: what becomes of a ranking if a model may take neither action
- ``before_after``: two groups on the same scenarios: what changed, what change is excluded
- ``steering``: steering effect, placebo, leakage; which choices moved
- ``net_effects``: values net of position, acting and template
- ``graded``: leaning, ratings and log-probabilities as preferences from 0 to 1, counted like choices
- ``jury``: several judges' verdicts become one
- ``judge_traits``: severity and discrimination of each of several judges (item response)
- ``fragility``: which verdicts another reading may turn, for people to read first
- ``self_preference``: whether judges or authors treat their own family's models otherwise
- ``difficulty``: pass rates, diversity, Likert difference, agreement of the targets; which data sets are the hardest
- ``planning``: how many scenarios a pair a wanted precision needs
- ``pressure``: how far choices follow what the user presses for, and the values apart from that
- ``posterior``: one Bayesian model of all of it, with the optional extra ``posterior``
- ``published``: the paper's numbers, for overlays
"""

from conflictscope.measure.abstention import compare_with_forced
from conflictscope.measure.before_after import compare_groups, halves_agree, told_first
from conflictscope.measure.between_languages import compare_languages
from conflictscope.measure.between_studies import strength_differences
from conflictscope.measure.bootstrap import Settings, count_wins
from conflictscope.measure.bradley_terry import diagnose, fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import (
    count_choices,
    count_outcomes,
    gather_choices,
    groups_without_choice,
    split_by_model_id,
)
from conflictscope.measure.difficulty import (
    difference_interval,
    diversity,
    likert_difference_rate,
    mark_front,
    observed_agreement,
    pass_rates,
)
from conflictscope.measure.filter_errors import filter_errors
from conflictscope.measure.fragility import rank_fragile, rank_fragile_checks
from conflictscope.measure.graded import grade_preferences
from conflictscope.measure.judge_errors import JudgeErrors, correct_rankings, count_judge_errors
from conflictscope.measure.judge_traits import judge_traits
from conflictscope.measure.jury import jury_verdicts
from conflictscope.measure.net_effects import net_value_effects
from conflictscope.measure.planning import (
    PlannedStudy,
    expected_precision,
    outlines_by_pair,
    precision_plan,
    widening,
)
from conflictscope.measure.posterior import Posterior, fit_posterior
from conflictscope.measure.pressure import balance_leans, compliance
from conflictscope.measure.published import published_ablations, published_authors
from conflictscope.measure.rankings import compare_values, rank_values
from conflictscope.measure.raters import (
    agreement_between_raters,
    alpha_between_raters,
    check_scores,
    choices_as_read,
    confusion,
    judge_as_reader,
    read_check_labels,
    read_checks,
    read_conversation_labels,
    read_verdicts,
)
from conflictscope.measure.rates import (
    acting_effect,
    effects_by,
    flip_rate,
    position_effect,
    preference_rates,
    retest_reliability,
    wilson_interval,
)
from conflictscope.measure.refusals import compare_without_refusals, count_refusals, without_refusals
from conflictscope.measure.self_preference import (
    rates_by_family,
    self_preference_of_authors,
    self_preference_of_judges,
)
from conflictscope.measure.shift import compare_conditions, group_strengths
from conflictscope.measure.steering import correct_steering, moved_choices, steering_effects
from conflictscope.measure.support import check_support
from conflictscope.measure.tipping import missing_curve, value_orders

__all__ = [
    "JudgeErrors",
    "PlannedStudy",
    "Posterior",
    "Settings",
    "acting_effect",
    "agreement_between_raters",
    "alpha_between_raters",
    "balance_leans",
    "check_scores",
    "check_support",
    "choices_as_read",
    "compare_conditions",
    "compare_groups",
    "compare_languages",
    "compare_values",
    "compare_with_forced",
    "compare_without_refusals",
    "compliance",
    "confusion",
    "correct_rankings",
    "correct_steering",
    "count_choices",
    "count_judge_errors",
    "count_outcomes",
    "count_refusals",
    "count_wins",
    "diagnose",
    "difference_interval",
    "diversity",
    "effects_by",
    "expected_precision",
    "filter_errors",
    "fit_bradley_terry",
    "fit_posterior",
    "flip_rate",
    "gather_choices",
    "grade_preferences",
    "group_strengths",
    "groups_without_choice",
    "halves_agree",
    "judge_as_reader",
    "judge_traits",
    "jury_verdicts",
    "likert_difference_rate",
    "mark_front",
    "missing_curve",
    "moved_choices",
    "net_value_effects",
    "observed_agreement",
    "outlines_by_pair",
    "pass_rates",
    "position_effect",
    "precision_plan",
    "preference_rates",
    "published_ablations",
    "published_authors",
    "rank_fragile",
    "rank_fragile_checks",
    "rank_values",
    "rates_by_family",
    "read_check_labels",
    "read_checks",
    "read_conversation_labels",
    "read_verdicts",
    "retest_reliability",
    "self_preference_of_authors",
    "self_preference_of_judges",
    "split_by_model_id",
    "steering_effects",
    "strength_differences",
    "told_first",
    "value_orders",
    "widening",
    "wilson_interval",
    "win_graph_connected",
    "without_refusals",
]
