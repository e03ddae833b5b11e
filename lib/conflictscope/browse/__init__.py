"""Browse: the scenario, what each model said, how the judge read it, and one's own label, in one view.

In: a study's folder. Out: HTML and widgets for JupyterLab, and labels. Nothing here asks a model.

- ``archive``: a study's tables, read once and indexed
- ``selection``: which scenarios; which cases behind a cell; the cases worth reading first
- ``markup``: text as safe HTML; pages that stand alone
- ``render``: one scenario or one case by its id, and all that is shown of it
- ``cases``: all about one case, in a notebook and in a terminal
- ``labels``: what people answered, on disk at once, blind or beside the judge's; the samples put to them; simulated
  labels for the demo
- ``controls``: what the browsers are clicked by, one click after the other
- ``annotator``: the widget that asks, without what a judge said
- ``browsers``: the browsers of scenarios and of responses
"""

from conflictscope.browse.annotator import Annotator
from conflictscope.browse.archive import Archive, open_archive
from conflictscope.browse.browsers import ResponseBrowser, ScenarioBrowser
from conflictscope.browse.labels import Labelling, read_labels, sample_checks, sample_conversations, simulate_labels
from conflictscope.browse.markup import View, export_html
from conflictscope.browse.render import show, show_scenario
from conflictscope.browse.selection import PRESETS

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
