"""Browse: the scenario, what each model said, how the judge read it, and one's own label, in one view.

In: a study's folder. Out: HTML and widgets for JupyterLab, and labels. Nothing here asks a model.

- ``markup``: text as safe HTML; pages that stand alone
- ``archive``: a study's tables, read once and indexed
- ``records``: all that one view shows
- ``render``: a record becomes HTML
- ``views``: one scenario or one case by its id
- ``filters``: which scenarios; which cases behind a cell
- ``disagreements``: the cases worth reading first
- ``in_turn``: one click after the other, whichever thread of the kernel they come on
- ``picking``: a list and a heatmap to pick from
- ``layout``: how the parts of a browser stand
- ``labels``: what people answered, on disk at once
- ``labelling``: an answer given beside the judge's
- ``scenario_browser``, ``response_browser``: the browsers
- ``sample``: what is put to them
- ``questions``: what they see, without what a judge said
- ``annotator``: the widget that asks
- ``simulated_annotator``: labels for the demo
"""

from conflictscope.browse.annotator import Annotator
from conflictscope.browse.archive import Archive, open_archive
from conflictscope.browse.disagreements import PRESETS
from conflictscope.browse.labelling import Labelling
from conflictscope.browse.labels import read_labels, sample_checks, sample_conversations, simulate_labels
from conflictscope.browse.markup import View, export_html
from conflictscope.browse.response_browser import ResponseBrowser
from conflictscope.browse.scenario_browser import ScenarioBrowser
from conflictscope.browse.views import show, show_scenario

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
