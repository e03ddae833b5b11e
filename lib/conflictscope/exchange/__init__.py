"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``imported``: what every importer returns
- ``rows``, ``literals``: rows of a file, checked and within bounds; Python literals in a cell
- ``gathering``: from records with labels to scenarios between two values
- ``moralchoice``, ``daily_dilemmas``, ``ai_risk_dilemmas``, ``clash``, ``hh_rlhf``, ``pku_saferlhf``: a data set each
- ``published_ids``, ``published_scenarios``, ``published_messages``, ``published_results``: the ConflictScope release
- ``formats``: one way in for all data sets
"""

from conflictscope.exchange.formats import FORMATS, import_scenarios
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.published_messages import ImportedMessages, import_opening_messages
from conflictscope.exchange.published_results import ImportedResults, import_published_results
from conflictscope.exchange.published_scenarios import read_published_checks

__all__ = [
    "FORMATS",
    "Imported",
    "ImportedMessages",
    "ImportedResults",
    "import_opening_messages",
    "import_published_results",
    "import_scenarios",
    "read_published_checks",
]
