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
  target's answers by the model that gave them; leaning, ratings and log-probabilities counted like choices
- ``rates``: preference, position, flips, acting, any other column, and how often a question asked again is answered
  otherwise; Wilson intervals on the effective number of answers; values net of position, acting and template
- ``bootstrap``: `Settings`; wins and other amounts of scenarios, added up over resamples
- ``bradley_terry``: the paper's fit, from win counts → penalised strengths; how well they fit
- ``strengths``: both orders of a question as one graded share → strengths and their covariance, clustered by scenario
- ``rankings``: strengths, ranks, intervals and tie groups of the values
- ``declining``: what becomes of a ranking if a model may take neither action, or refuses
- ``pressure``: how far choices follow what the user presses for, and the values apart from that
- ``raters``: what judges and people made of conversations and checks, and how far they agree
- ``several_judges``: one verdict of several judges, traits of each (item response), favour for their own family
- ``judge_errors``: which readings of judges and filters are likely wrong, how many are, strengths without these errors
- ``support``: which order a ranking can stand for, by named checks; what misread and missing answers could do to it
- ``scale_shift``: two conditions compared up to a common scale
- ``shift``: what a model does against what it says
- ``steering``: steering effect, placebo, leakage; which choices moved
- ``comparisons``: two groups on the same scenarios, two studies, two languages: what changed, what change is excluded
- ``difficulty``: pass rates, diversity, Likert difference, agreement of the targets; which data sets are the hardest
- ``planning``: how many scenarios a pair a wanted precision needs
- ``posterior``: one Bayesian model of all of it, with the optional extra ``posterior``
- ``published``: the paper's numbers, for overlays
"""

from conflictscope.measure.bootstrap import Settings, count_wins
from conflictscope.measure.bradley_terry import diagnose, fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import (
    count_choices,
    count_outcomes,
    gather_choices,
    grade_preferences,
    groups_without_choice,
    split_by_model_id,
)
from conflictscope.measure.comparisons import (
    compare_groups,
    compare_languages,
    halves_agree,
    strength_differences,
    told_first,
)
from conflictscope.measure.declining import (
    compare_with_forced,
    compare_without_refusals,
    count_refusals,
    without_refusals,
)
from conflictscope.measure.difficulty import (
    difference_interval,
    diversity,
    likert_difference_rate,
    mark_front,
    observed_agreement,
    pass_rates,
)
from conflictscope.measure.judge_errors import (
    JudgeErrors,
    correct_rankings,
    count_judge_errors,
    filter_errors,
    rank_fragile,
    rank_fragile_checks,
)
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
    net_value_effects,
    position_effect,
    preference_rates,
    retest_reliability,
    wilson_interval,
)
from conflictscope.measure.several_judges import (
    judge_traits,
    jury_verdicts,
    rates_by_family,
    self_preference_of_authors,
    self_preference_of_judges,
)
from conflictscope.measure.shift import compare_conditions, group_strengths
from conflictscope.measure.steering import correct_steering, moved_choices, steering_effects
from conflictscope.measure.support import check_support, missing_curve, value_orders

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
