"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``imported``: what every importer returns
- ``rows``, ``literals``: rows of a file, checked and within bounds; Python literals in a cell
- ``gathering``: from records with labels to scenarios between two values
- ``moralchoice``, ``daily_dilemmas``, ``ai_risk_dilemmas``, ``clash``, ``hh_rlhf``, ``pku_saferlhf``: a data set each
- ``published_ids``, ``published_scenarios``, ``published_messages``, ``published_results``: the ConflictScope release
- ``formats``: one way in for all data sets
- ``questions``: each question of a data set once, so that sets can be compared
- ``data_dictionary``: what every column of an exported table means
- ``tidy_files``: a study's tables as CSV or Parquet
- ``dataset_card``: a README for them, as the Hugging Face Hub reads it
- ``inspect_files``: a study's scenarios as a task for Inspect
- ``inspect_task``, ``inspect_logs``: that task, and its logs as our tables; not imported here: they need an extra
"""

from conflictscope.exchange.exports import (
    EXPORTED,
    FILE_FORMATS,
    data_dictionary,
    dataset_card,
    export_tables,
    models_in,
    name_of_study,
    read_exported,
)
from conflictscope.exchange.formats import FORMATS, import_scenarios
from conflictscope.exchange.gathering import Imported
from conflictscope.exchange.inspect_files import export_inspect_task
from conflictscope.exchange.published import (
    ImportedMessages,
    ImportedResults,
    import_opening_messages,
    import_published_results,
    read_published_checks,
)
from conflictscope.exchange.questions import as_questions

__all__ = [
    "EXPORTED",
    "FILE_FORMATS",
    "FORMATS",
    "Imported",
    "ImportedMessages",
    "ImportedResults",
    "as_questions",
    "data_dictionary",
    "dataset_card",
    "export_inspect_task",
    "export_tables",
    "import_opening_messages",
    "import_published_results",
    "import_scenarios",
    "models_in",
    "name_of_study",
    "read_exported",
    "read_published_checks",
]
