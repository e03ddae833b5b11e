"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``imported``: what every importer returns
- ``data_dictionary``: what every column of an exported table means
- ``tidy_files``: a study's tables as CSV or Parquet
- ``dataset_card``: a README for them, as the Hugging Face Hub reads it
- ``inspect_files``: a study's scenarios as a task for Inspect
- ``inspect_task``, ``inspect_logs``: that task, and its logs as our tables; not imported here: they need an extra
"""

from conflictscope.exchange.data_dictionary import data_dictionary
from conflictscope.exchange.dataset_card import dataset_card, models_in
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.inspect_files import export_inspect_task
from conflictscope.exchange.tidy_files import EXPORTED, FILE_FORMATS, export_tables, name_of_study, read_exported

__all__ = [
    "EXPORTED",
    "FILE_FORMATS",
    "Imported",
    "data_dictionary",
    "dataset_card",
    "export_inspect_task",
    "export_tables",
    "models_in",
    "name_of_study",
    "read_exported",
]
