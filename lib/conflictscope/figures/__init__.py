"""Figures: tidy tables in, axes and figures out, and from there PDF, PNG and the table as CSV.

In: the tables that ``measure`` makes. Out: figures in one style, those of section 4 of the paper (arXiv 2509.25369).

Functions that draw take a table and axes, and return these axes; functions that plot make a figure, with ``title``,
``source``, ``width`` and ``columns`` as for `plot_panels`; neither loads nor saves. All of them raise ValueError, in
words, if the table lacks a column, has no rows, has a row twice, or has several of what they draw one of (a target, an
arm), or if an order that is given lacks a row.

- ``style``: the style file, the marks of conditions and values, saving
- ``captions``: the sentences below a figure in a paper
- ``panels``: the one page of panels that every figure is, which tables can be drawn, numbers with intervals on rows
- ``rankings``: strengths of the values with intervals, a panel for each target, or over all targets; tipping points
- ``shift``: expressed against revealed rank of each value
- ``heatmaps``: how often each value wins against each other; what one rater took for what, against another
- ``by_pair``: one number of each value pair, such as how often a target abstains; the difference of a second language
- ``changes``: of each value between two groups; of all when told to put one first; steering with the placebo beside it
- ``difficulty``: agreement against Likert difference rate; how many scenarios each check leaves, pass rates by template
- ``effects``: position, acting, template and domain as small multiples
- ``recovery``: rank recovery and coverage, simulated studies against the truth
"""

from conflictscope.figures.by_pair import draw_by_pair, draw_languages, plot_by_pair, plot_languages
from conflictscope.figures.changes import (
    draw_changes,
    draw_steering,
    draw_told_first,
    plot_changes,
    plot_steering,
    plot_told_first,
)
from conflictscope.figures.difficulty import (
    agreement_point,
    draw_agreement,
    draw_funnel,
    draw_pass_rates,
    plot_agreement,
    plot_funnel,
)
from conflictscope.figures.effects import draw_effect, gather_effects, plot_effects
from conflictscope.figures.heatmaps import (
    draw_confusion,
    draw_preference_heatmap,
    draw_who_beats_whom,
    plot_confusion,
    plot_preference_heatmaps,
    plot_who_beats_whom,
)
from conflictscope.figures.rankings import (
    draw_graded,
    draw_mean_rankings,
    draw_ranked,
    draw_rankings,
    draw_tipping,
    plot_graded,
    plot_mean_rankings,
    plot_ranked,
    plot_rankings,
    plot_tipping,
)
from conflictscope.figures.shift import draw_shift, plot_shift
from conflictscope.figures.style import COLUMN_WIDTH, FULL_WIDTH, STYLE_FILE, save_figure, use_style
from conflictscope.shown import value_colors

__all__ = [
    "COLUMN_WIDTH",
    "FULL_WIDTH",
    "STYLE_FILE",
    "agreement_point",
    "draw_agreement",
    "draw_by_pair",
    "draw_changes",
    "draw_confusion",
    "draw_effect",
    "draw_funnel",
    "draw_graded",
    "draw_languages",
    "draw_mean_rankings",
    "draw_pass_rates",
    "draw_preference_heatmap",
    "draw_ranked",
    "draw_rankings",
    "draw_shift",
    "draw_steering",
    "draw_tipping",
    "draw_told_first",
    "draw_who_beats_whom",
    "gather_effects",
    "plot_agreement",
    "plot_by_pair",
    "plot_changes",
    "plot_confusion",
    "plot_effects",
    "plot_funnel",
    "plot_graded",
    "plot_languages",
    "plot_mean_rankings",
    "plot_preference_heatmaps",
    "plot_ranked",
    "plot_rankings",
    "plot_shift",
    "plot_steering",
    "plot_tipping",
    "plot_told_first",
    "plot_who_beats_whom",
    "save_figure",
    "use_style",
    "value_colors",
]
