"""One study's folder, as its notebooks see it: value set, models, call store, tables.

In: the parameters that every notebook declares. Out: a ``Run`` that reads the tables of earlier stages, writes this
stage's, each with what it was made from, and asks models. The figures folder is the notebook's own parameter.

How notebooks show tables: with a title that says what they rest on, and with model text as text.

In: a frame and a title. Out: an object that Jupyter shows as a captioned HTML table, and as plain text elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd

from conflictscope.models import CallStore, Models, Registry, load_registry
from conflictscope.models.spending import read_planned
from conflictscope.scenarios import ValueSet, load_value_set
from conflictscope.study.provenance import LINEAGE, check_descent, notebook_parameters, origin_of
from conflictscope.table_files import read_table, write_table

LEDGER = "ledger.json"
SIMULATED_LABEL = "simulated models"


@dataclass(frozen=True)
class Run:
    """A study that is open: what its notebooks read, write and ask."""

    study: str
    folder: Path
    value_set: ValueSet
    models: Models
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        """The models that the study may ask."""
        return self.models.registry

    def read(self, name: str) -> pd.DataFrame:
        """Read a table that an earlier notebook of this study wrote; see ``table_files.read_table``.

        Raises
        ------
        ValueError
            Where it was made from a table that has been replaced since, or from other definitions of the values.
        """
        frame = read_table(name, self.folder, study=self.study)
        check_descent(name, self.folder, self.value_set)
        return frame

    def write(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """Write one of this notebook's tables, with what it was made from; see ``table_files.write_table``."""
        origin = origin_of(LINEAGE[name], self.folder, self.parameters, self.value_set, self.registry)
        return write_table(frame, name, self.folder, study=self.study, origin=origin)

    async def close(self) -> None:
        """Close the connections to models and the call store."""
        await self.models.close()

    def source(self, names: list[str]) -> str:
        """Say what the results rest on: ``simulated models`` where any of the named models is simulated, else ""."""
        return SIMULATED_LABEL if any(self.registry[name].simulated for name in names) else ""


def open_run(
    study: str,
    run_folder: Path | str,
    value_set: Path | str,
    models_file: Path | str,
    *,
    call_store: str | None = None,
    replay: bool = False,
    budget_usd: float | None = None,
) -> Run:
    """Open a study's folder, making it where it is not there.

    Parameters
    ----------
    study : str
        Name of the study; written into every table and asked for again when one is read.
    run_folder, value_set, models_file : Path or str
        The study's folder, its value set, and the file of models, relative to the working folder.
    call_store : str, optional
        Database URL of the call store; default: ``calls.sqlite`` in the study's folder.
    replay : bool
        Answer from the call store alone, and fail on a reply that it does not hold.
    budget_usd : float, optional
        Dollars that all calls in the call store may cost, whoever made them; None: no limit. A notebook that reaches it
        stops with ``BudgetReached``. What is spent and left is kept in ``ledger.json`` in the study's folder.

    Raises
    ------
    ValueError, FileNotFoundError
        Where the value set or the file of models is missing or does not fit, or the budget cannot be kept.
    """
    folder = Path(run_folder)
    values = load_value_set(value_set)
    registry = load_registry(models_file)
    folder.mkdir(parents=True, exist_ok=True)
    store = CallStore(call_store or f"sqlite:///{folder / 'calls.sqlite'}")
    planned = read_planned(folder)
    try:
        models = Models(registry, store, replay=replay, budget_usd=budget_usd, ledger=folder / LEDGER, planned=planned)
    except ValueError:
        store.close()
        raise
    return Run(study, folder, values, models, notebook_parameters())


_STYLES = [
    {"selector": "caption", "props": "caption-side: top; text-align: left; font-weight: 600; padding: 0.4em 0;"},
    {"selector": "td, th", "props": "text-align: left; vertical-align: top; max-width: 44em; white-space: pre-line;"},
]


class TitledTable:
    """A table under its title; what it says and holds is escaped, never rendered."""

    def __init__(self, frame: pd.DataFrame, title: str, digits: int):
        self.frame, self.title, self.digits = frame, title, digits

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        styled = (
            # a fixed id, so that the same table is the same output
            self.frame.style.set_uuid("table")
            .set_caption(escape(self.title))
            .format(precision=self.digits, na_rep="–", escape="html")
            .format_index(escape="html")
            .format_index(escape="html", axis="columns")
            .set_table_styles(_STYLES)
        )
        if isinstance(self.frame.index, pd.RangeIndex):
            styled = styled.hide()
        plain = self.frame.round(self.digits).to_string(index=not isinstance(self.frame.index, pd.RangeIndex))
        return {"text/html": styled.to_html(), "text/plain": f"{self.title}\n{plain}"}


def show_table(frame: pd.DataFrame, title: str, source: str, *, digits: int = 2) -> TitledTable:
    """Show a table under a title.

    Parameters
    ----------
    title : str
        What the table shows.
    source : str
        What it rests on, as ``Run.source`` says it; put behind the title where there is something to say.
    digits : int
        Digits after the decimal point.
    """
    return TitledTable(frame, f"{title} · {source}" if source else title, digits)
