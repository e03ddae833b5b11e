"""Study: a parameter file becomes executed notebooks, tables and figures.

- ``stages``: the pipeline, told once: what each notebook reads, asks, writes and draws
- ``parameters``: the typed model of the parameters; a parameter file becomes what each notebook takes
- ``validation``: what is wrong, before anything is asked
- ``plan``: what will be asked of which model, what still, its cost; how many scenarios a wanted precision takes
- ``notebook``: what a notebook reads, writes and asks, and how it shows tables
- ``provenance``: what each table is made from, which are stale, the manifest
- ``running``: one run at a time; whether one is going on, and how far it is
- ``runner``: the notebooks in order, to an orderly end
- ``several``: several studies at once, on this machine or on a Dask cluster
- ``bundle``: a study in one file, which becomes tables and figures again
- ``comparing``: what other studies left; data sets of others and studies of ours, asked of the same models
- ``findings``: what a study has found, in three lines
- ``exploring``: a study in one's hands: its tables, a case, what is asked by hand, two studies
- ``starting``: a specification's way into a study, as a value set to be read; a study's into a second language
- ``transfer``: a study starts from an imported data set, and leaves what others can use
- ``new_project``: a project's folder outside a checkout
- ``command_line``: ``conflictscope new | tenets | run | plan | validate | status | import | export | bundle | replay``
"""

import lazy_loader

# modules are imported when one of their names is first used: the command line answers sooner so
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
