"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``rows``: rows of a file, checked and within bounds; Python literals in a cell
- ``gathering``: from rows to scenarios between two values, the steps that all formats share
- ``dilemma_sets``: MoralChoice, DailyDilemmas, AIRiskDilemmas, CLASH
- ``reply_sets``: HH-RLHF, PKU-SafeRLHF
- ``published``, ``published_tables``: the ConflictScope release: its scenarios; its checks, messages and results
- ``formats``: one way in for all data sets; each question of a set once, so that sets can be compared
- ``exports``: a study's tables as CSV or Parquet, data dictionary, data-set card, scenarios as a task for Inspect
- ``eval_records``: a study's results as records of the schema of Every Eval Ever
- ``inspect_task``, ``inspect_log``: that task, and its logs as our tables; a study as a log. Not imported here, since
  they need an extra
"""

from conflictscope.exchange.dilemma_sets import read_value_map
from conflictscope.exchange.eval_records import SCHEMA_VERSION, About, eval_records, write_eval_records
from conflictscope.exchange.exports import (
    EXPORTED,
    FILE_FORMATS,
    dataset_card,
    export_inspect_task,
    export_tables,
    models_in,
    name_of_study,
)
from conflictscope.exchange.formats import FORMATS, import_scenarios
from conflictscope.exchange.gathering import Imported
from conflictscope.exchange.published import import_published_scenarios
from conflictscope.exchange.published_tables import PublishedTables, read_published_tables

__all__ = [
    "EXPORTED",
    "FILE_FORMATS",
    "FORMATS",
    "SCHEMA_VERSION",
    "About",
    "Imported",
    "PublishedTables",
    "dataset_card",
    "eval_records",
    "export_inspect_task",
    "export_tables",
    "import_published_scenarios",
    "import_scenarios",
    "models_in",
    "name_of_study",
    "read_published_tables",
    "read_value_map",
    "write_eval_records",
]
