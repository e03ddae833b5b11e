"""Figures: tidy tables in, axes and figures out, and from there PDF, PNG and the table as CSV.

In: the tables that ``measure`` makes. Out: figures in one style, which ``conflictscope.mplstyle`` holds (colours,
sizes, fonts). Functions that draw take a table and axes, and neither load nor save. The figures of section 4 of the
paper (arXiv 2509.25369).

- ``style``: the style file, the widths of a page, and how each condition is marked
- ``panels``: pages of small panels, rows of numbers with intervals
- ``rankings``: strengths of the values with intervals, a panel for each target
- ``shift``: expressed against revealed rank of each value
- ``preference_heatmap``: how often each value wins against each other
- ``steering``: steering effects with the placebo beside them
- ``agreement``: observed agreement against Likert difference rate, with the published points
- ``funnel``: how many scenarios each check leaves, pass rates by template
- ``effects``: position, acting, template and domain as small multiples
- ``recovery``: rank recovery and coverage, simulated studies against the truth
- ``judge``: what one reader took for what, against another
- ``saving``: a figure as PDF and PNG with its table beside it, the same bytes for the same table
"""

from conflictscope.figures.agreement import agreement_point, draw_agreement, plot_agreement
from conflictscope.figures.effects import draw_effect, gather_effects, plot_effects
from conflictscope.figures.funnel import draw_funnel, draw_pass_rates, plot_funnel
from conflictscope.figures.judge import draw_confusion, plot_confusion
from conflictscope.figures.preference_heatmap import draw_preference_heatmap, plot_preference_heatmaps
from conflictscope.figures.rankings import draw_rankings, plot_rankings
from conflictscope.figures.shift import draw_shift, plot_shift
from conflictscope.figures.steering import draw_steering, plot_steering
from conflictscope.figures.style import COLUMN_WIDTH, FULL_WIDTH, STYLE_FILE, save_figure, use_style

__all__ = [
    "COLUMN_WIDTH",
    "FULL_WIDTH",
    "STYLE_FILE",
    "agreement_point",
    "draw_agreement",
    "draw_confusion",
    "draw_effect",
    "draw_funnel",
    "draw_pass_rates",
    "draw_preference_heatmap",
    "draw_rankings",
    "draw_shift",
    "draw_steering",
    "gather_effects",
    "plot_agreement",
    "plot_confusion",
    "plot_effects",
    "plot_funnel",
    "plot_preference_heatmaps",
    "plot_rankings",
    "plot_shift",
    "plot_steering",
    "save_figure",
    "use_style",
]
