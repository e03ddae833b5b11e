"""Figures: tidy tables in, axes and figures out, and from there PDF, PNG and the table as CSV.

In: the tables that ``measure`` makes. Out: figures in one style, which ``conflictscope.mplstyle`` holds (colours,
sizes, fonts). Functions that draw take a table and axes, and neither load nor save. The figures of section 4 of the
paper (arXiv 2509.25369).

- ``style``: the style file, the widths of a page, and how each condition is marked
- ``rankings``: strengths of the values with intervals, a panel for each target
- ``saving``: a figure as PDF and PNG with its table beside it, the same bytes for the same table
"""

from conflictscope.figures.rankings import draw_rankings, plot_rankings
from conflictscope.figures.saving import save_figure
from conflictscope.figures.style import COLUMN_WIDTH, FULL_WIDTH, STYLE_FILE, use_style

__all__ = ["COLUMN_WIDTH", "FULL_WIDTH", "STYLE_FILE", "draw_rankings", "plot_rankings", "save_figure", "use_style"]
