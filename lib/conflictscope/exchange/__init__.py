"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``gathering``: from rows of a file, checked and within bounds, to scenarios between two values, the steps that all
  formats share
- ``data_sets``: MoralChoice, DailyDilemmas, AIRiskDilemmas, CLASH, HH-RLHF, PKU-SafeRLHF; one way in for all data sets;
  each question of a set once, so that sets can be compared
- ``published``: the ConflictScope release: its scenarios, checks, messages and results
- ``exports``: a study's tables as CSV or Parquet, data dictionary, data-set card, scenarios as a task for Inspect;
  results as records of the schema of Every Eval Ever
- ``inspect_task``: that task, and its logs as our tables; a study as a log. Not imported here, since it needs an extra
"""

from conflictscope.exchange.data_sets import FORMATS, import_scenarios, read_value_map
from conflictscope.exchange.exports import (
    EXPORTED,
    FILE_FORMATS,
    SCHEMA_VERSION,
    About,
    dataset_card,
    eval_records,
    export_inspect_task,
    export_tables,
    models_in,
    name_of_study,
    write_eval_records,
)
from conflictscope.exchange.gathering import Imported
from conflictscope.exchange.published import PublishedTables, import_published_scenarios, read_published_tables

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
