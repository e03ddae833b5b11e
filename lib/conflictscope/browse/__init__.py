"""Browse: the scenario, what each model said, how the judge read it, and one's own label, in one view.

In: a study's folder. Out: HTML and widgets for JupyterLab, and labels. Nothing here asks a model.

- ``archive``: a study's tables, read once and indexed
- ``disagreements``: the cases worth reading first
- ``filters``: which scenarios; which cases behind a cell
- ``markup``: text as safe HTML; pages that stand alone
- ``render``: one scenario or one case by its id, and all that is shown of it
- ``cases``: all about one case, in a notebook and in a terminal
- ``labels``: what people answered, on disk at once; the samples put to them; simulated labels for the demo
- ``controls``: what the browsers are clicked by, one click after the other
- ``labelling``: an answer given beside the judge's
- ``annotator``: the widget that asks, without what a judge said
- ``scenario_browser``, ``response_browser``: the browsers
"""

from conflictscope.browse.annotator import Annotator
from conflictscope.browse.archive import Archive, open_archive
from conflictscope.browse.disagreements import PRESETS
from conflictscope.browse.labelling import Labelling
from conflictscope.browse.labels import read_labels, sample_checks, sample_conversations, simulate_labels
from conflictscope.browse.markup import View, export_html
from conflictscope.browse.render import show, show_scenario
from conflictscope.browse.response_browser import ResponseBrowser
from conflictscope.browse.scenario_browser import ScenarioBrowser

__all__ = [
    "PRESETS",
    "Annotator",
    "Archive",
    "Labelling",
    "ResponseBrowser",
    "ScenarioBrowser",
    "View",
    "export_html",
    "open_archive",
    "read_labels",
    "sample_checks",
    "sample_conversations",
    "show",
    "show_scenario",
    "simulate_labels",
]
