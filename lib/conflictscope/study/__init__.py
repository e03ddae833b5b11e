"""Study: a parameter file becomes executed notebooks, tables and figures.

- ``stages``: the pipeline, told once: what each notebook reads, asks, writes and draws
- ``parameters``: the typed model of the parameters; a parameter file becomes what each notebook takes
- ``validation``: what is wrong, before anything is asked
- ``plan``: what will be asked of which model, what still, its cost; how many scenarios a wanted precision takes
- ``notebook``: what a notebook reads, writes and asks, and how it shows tables
- ``provenance``: what each table is made from, which are stale, the manifest
- ``running``: one run at a time; whether one is going on, and how far it is
- ``runner``: the notebooks in order, to an orderly end
- ``side_by_side``: several studies at once
- ``bundle``: a study in one file, which becomes tables and figures again
- ``comparing``: what other studies left; data sets of others and studies of ours, asked of the same models
- ``findings``: what a study has found, in three lines
- ``by_hand``, ``exploring``: a study in one's hands: its tables, a case, what is asked by hand, two studies
- ``specification``: a specification's way into a study, as a value set to be read
- ``transfer``: a study starts from an imported data set, and leaves what others can use
- ``new_project``: a project's folder outside a checkout
- ``command_line``: ``conflictscope new | tenets | run | plan | validate | status | import | export | bundle | replay``
"""

from typing import TYPE_CHECKING

from conflictscope.rooms import open_rooms

if TYPE_CHECKING:
    from conflictscope.study.comparing import answer, read_data_sets, read_earlier_outlines, read_points
    from conflictscope.study.findings import placebo_cancels, sum_up_shifts, sum_up_steering, sum_up_support
    from conflictscope.study.notebook import Run, open_run, show_table, start_run
    from conflictscope.study.parameters import project_path

__all__ = [
    "Run",
    "answer",
    "open_run",
    "placebo_cancels",
    "project_path",
    "read_data_sets",
    "read_earlier_outlines",
    "read_points",
    "show_table",
    "start_run",
    "sum_up_shifts",
    "sum_up_steering",
    "sum_up_support",
]
__getattr__ = open_rooms(
    __name__,
    {
        "comparing": ("answer", "read_data_sets", "read_earlier_outlines", "read_points"),
        "findings": ("placebo_cancels", "sum_up_shifts", "sum_up_steering", "sum_up_support"),
        "notebook": ("Run", "open_run", "show_table", "start_run"),
        "parameters": ("project_path",),
    },
)
