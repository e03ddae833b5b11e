"""Study: a parameter file becomes executed notebooks, tables and figures.

- ``parameters``: read a parameter file; give each notebook what it declares
- ``planned``: the plan on disk, for the ledger
- ``lineage``: what each table is made from
- ``starting``: an imported data set becomes a parameter file, a value set and a file of scenarios
- ``run_folder``: what a notebook reads, writes and asks
- ``comparison``: what other studies left
- ``display``: how notebooks show tables
- ``lint``: what is wrong, before anything is asked
- ``tokenising``: how a plan counts tokens
- ``plan``: what will be asked of which model, and its cost
- ``precision``: how many scenarios a wanted precision takes
- ``manifest``: what a study's tables came from
- ``status``: which tables are stale, and why
- ``interrupts``: one run at a time, and an orderly end
- ``runner``: the notebooks in order
- ``bundle``: a study in one file
- ``replaying``: a bundle becomes tables and figures again
- ``datasets``: data sets of others and studies of ours, asked of the same models
- ``exporting``: what others can use of it
- ``command_line``: ``conflictscope run | plan | check | status | import | export | bundle | replay``
"""

from conflictscope.study.comparing import answer, read_data_sets, read_earlier_outlines, read_points
from conflictscope.study.notebook import Run, open_run, show_table

__all__ = ["Run", "answer", "open_run", "read_data_sets", "read_earlier_outlines", "read_points", "show_table"]
