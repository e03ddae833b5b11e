"""A study's folder as its notebooks see it, and how they show tables.

In: the folder. Out: a ``Run`` that reads the tables of earlier notebooks, asks models, and writes this notebook's
tables, each with what was read and asked for it; captioned tables in which model text is text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import URL

from conflictscope.models import CallStore, Models, Registry, load_registry
from conflictscope.models.spending import read_planned
from conflictscope.prompts import prompt_hashes, prompts_in_use, use_prompts
from conflictscope.scenarios import ValueSet, load_value_set
from conflictscope.shown import NOT_TYPESET
from conflictscope.study.parameters import Parameters, find_project, path_from_root, project_path
from conflictscope.study.provenance import (
    FILE,
    PLACES,
    check_descent,
    origin_of,
    read_manifest,
    read_places,
    record_places,
)
from conflictscope.study.stages import WRITERS, Stage, reply_limits
from conflictscope.table_files import read_table, write_table
from conflictscope.tables import TABLES

LEDGER = "ledger.json"
SIMULATED_LABEL = "simulated models"
_ORDER = list(WRITERS)


@dataclass(frozen=True)
class Run:
    """A study that is open: what a notebook reads, asks and writes, and the record of it.

    The call store is opened, and made if it is not there, when `models` is first used: a notebook that asks nothing
    reads a study that it may not write to.
    """

    study: str
    folder: Path
    figures_folder: Path
    value_set: ValueSet
    registry: Registry
    call_store: URL
    parameters: Mapping[str, Any] = field(default_factory=dict)
    prompts_folder: Path | None = None
    language: str = ""
    _tables: set[str] = field(default_factory=set, repr=False)
    """Tables read or written so far."""
    _asked: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict, repr=False)
    """Table → what was asked of models for it, as in `Models.asked`."""

    @cached_property
    def models(self) -> Models:
        """The models that the study may ask, through its call store.

        Raises
        ------
        ValueError
            If the budget cannot be kept, or what is there is no call store.
        OSError
            If the call store cannot be opened.
        """
        store = CallStore(self.call_store)
        try:
            return Models(
                self.registry,
                store,
                replay=bool(self.parameters.get("replay")),
                budget_usd=self.parameters.get("budget_usd"),
                ledger=self.folder / LEDGER,
                planned=read_planned(self.folder),
                limits=reply_limits(self.parameters),
            )
        except ValueError:
            store.close()
            raise

    def path(self, path: Path | str) -> Path:
        """Return a path that a parameter names as an absolute one; see ``parameters.project_path``."""
        return project_path(path, self.folder)

    def read(self, name: str) -> pd.DataFrame:
        """Read a table that an earlier notebook of this study wrote; see ``table_files.read_table``.

        Raises
        ------
        ValueError
            If it was made from a table that has been replaced since, or from other definitions of the values.
        """
        frame = read_table(name, self.folder, study=self.study)
        check_descent(name, self.folder, self.value_set)
        self._tables.add(name)
        return frame

    def write(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """Write one of this notebook's tables with what it was made from; see ``table_files.write_table``.

        That is all that was asked since the last table was written, and all tables read or written before.

        Raises
        ------
        ValueError
            If another study's prompts are in use since this one was opened.
        """
        self.check_prompts()
        stage, asked = WRITERS[name], self._asked.setdefault(name, set())
        new = self.models.asked if self._is_asking else set[tuple[str, str, str]]()
        asked |= new
        origin = origin_of(
            *(stage, name, self.folder, self.parameters, self.value_set, self.registry),
            # a cell may be run a second time, when tables that were made from this one are there
            tables=sorted(table for table in self._tables if _ORDER.index(table) < _ORDER.index(name)),
            models={model for model, _, _ in asked},
            prompts=_prompts_asked(stage, name, asked, self.parameters.get("steering_prompt", "ours")),
        )
        written = write_table(frame, name, self.folder, study=self.study, origin=origin)
        new.clear()
        self._tables.add(name)
        return written

    def check_prompts(self) -> None:
        """Raise ``ValueError`` if another study's prompts are in use since this one was opened."""
        if prompts_in_use() != (self.prompts_folder, self.language):
            asked, expected = (
                f"{folder or 'the project'}{language and f', in {language}'}"
                for folder, language in (prompts_in_use(), (self.prompts_folder, self.language))
            )
            raise ValueError(
                f"{self.study}: the prompts in use are those of {asked}; expected those of {expected}. One kernel, one "
                "study: open it again, and ask again."
            )

    @property
    def _is_asking(self) -> bool:
        """Whether `models` has been used."""
        return "models" in vars(self)

    async def close(self) -> None:
        """Close the connections to models and the call store."""
        if self._is_asking:
            await self.models.close()

    def source(self, names: list[str]) -> str:
        """Return what results rest on: ``simulated models`` if any of the named models is simulated, else ""."""
        return SIMULATED_LABEL if any(self.registry[name].simulated for name in names) else ""


def _prompts_asked(
    stage: Stage, table: str, asked: set[tuple[str, str, str]], steering_prompt: str
) -> dict[str, str | None]:
    """Return prompt → hash, system prompts that went with them included."""
    hashes: dict[str, str | None] = {prompt: hash for _, prompt, hash in sorted(asked) if hash}
    names = {prompt for _, prompt, _ in asked}
    steps = [step for step in stage.steps if step.table == table and step.prompt in names]
    if systems := [system for step in steps for system in step.system.get(steering_prompt, ())]:
        known = prompt_hashes(prompts_in_use()[0])
        hashes |= {system: known[system] for system in systems}
    return hashes


def open_run(run_folder: Path | str, parameters: Mapping[str, Any] | None = None) -> Run:
    """Open the folder of a study that has begun: its manifest says value set, models, prompts and call store.

    Parameters
    ----------
    run_folder : Path or str
        The study's folder, from the project's folder if relative.
    parameters : mapping, optional
        A notebook's ``globals()``: fields of ``Parameters`` are picked from it. ``replay`` (answer from the call store
        alone) and ``budget_usd`` (dollars that all calls in the store may cost; a notebook that reaches it stops with
        ``BudgetReached``) hold for what is asked here; the others are recorded with the tables that they shape.

    Raises
    ------
    FileNotFoundError
        If the folder has no manifest, saying what makes one; or if a file that it names is not there.
    ValueError
        If the manifest, the value set or the file of models does not fit.
    """
    folder = project_path(run_folder).resolve()
    places = read_places(folder)
    for path in filter(None, (places.value_set, places.models_file, places.prompts_folder)):
        if not path.exists():
            raise FileNotFoundError(
                f"{folder / FILE} names {path}, which is not there. Put it there, or run the study's parameter file or "
                "notebook 01 again with the right path; nothing is asked twice."
            )
    values, registry = load_value_set(places.value_set), load_registry(places.models_file)
    use_prompts(places.prompts_folder, places.language)
    picked: dict[str, Any] = {
        name: value
        for name, value in (parameters or {}).items()
        if name in Parameters.model_fields and isinstance(value, str | int | float | bool | list | dict | None)
    }
    return Run(
        *(places.study, folder, places.figures_folder, values, registry, places.call_store),
        parameters=picked,
        prompts_folder=places.prompts_folder,
        language=places.language,
    )


def start_run(run_folder: Path | str, parameters: Mapping[str, Any]) -> Run:
    """Open a study's folder, made if it is not there, and record in it which study it is of.

    Parameters
    ----------
    parameters : mapping
        As for ``open_run``; ``study``, ``value_set`` and ``models_file`` have to be in it, and ``prompts_folder``,
        ``call_store`` and ``figures_folder`` may be. Figures go to ``figures/<study>`` of the project for a run in
        ``runs/<study>``, else into the run's folder, unless the manifest says where.

    Raises
    ------
    ValueError
        If the folder is another study's; and as for ``open_run``.
    """
    folder = project_path(run_folder).resolve()
    study = str(parameters["study"])
    places_given = {name: parameters[name] for name in PLACES if name in parameters}
    earlier = read_manifest(folder)["parameters"] if (folder / FILE).exists() else {}
    if "figures_folder" not in places_given | earlier:
        places_given["figures_folder"] = _default_figures(folder, study)
    record_places(folder, study, places_given)
    return open_run(folder, parameters)


def _default_figures(folder: Path, study: str) -> str:
    """Return where figures go if nobody has said."""
    try:
        root = find_project(folder)
    except FileNotFoundError:
        return str(folder / "figures")
    in_default_folder = folder == root / "runs" / study
    return path_from_root(root / "figures" / study if in_default_folder else folder / "figures", root)


_STYLES = [
    {"selector": "caption", "props": "caption-side: top; text-align: left; font-weight: 600; padding: 0.4em 0;"},
    {"selector": "td, th", "props": "text-align: left; vertical-align: top; max-width: 44em; white-space: pre-line;"},
]


class TitledTable:
    """A table under its title, or a sentence if it has no row; all text is escaped, never rendered or typeset."""

    def __init__(self, frame: pd.DataFrame, title: str, digits: int):
        self.frame, self.title, self.digits = frame, title, digits

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        if self.frame.empty:
            return {"text/html": f'<p class="{NOT_TYPESET}">{escape(repr(self))}</p>', "text/plain": repr(self)}
        styled = (
            # a fixed id, so that the same table is the same output
            self.frame.style.set_uuid("table")
            .set_caption(escape(self.title))
            .set_table_attributes(f'class="{NOT_TYPESET}"')
            .format(precision=self.digits, na_rep="–", escape="html")
            .format(
                lambda number: escape(_small(number)),
                subset=[name for name in self.frame if _last(name) in _PROBABILITIES],
                na_rep="–",
            )
            .format_index(escape="html")
            # long names of columns go on in the next line, so that the table fits the page
            .format_index(lambda name: str(name).replace("_", "_<wbr>"), escape="html", axis="columns")
            .format_index_names(escape="html")
            .format_index_names(escape="html", axis="columns")
            .set_table_styles(_STYLES)
        )
        if isinstance(self.frame.index, pd.RangeIndex):
            styled = styled.hide()
        # and so does an order of values, honesty>kindness
        html = re.sub(r"(?<=\w{3})&gt;(?=\w{3})", "&gt;<wbr>", styled.to_html())
        return {"text/html": html, "text/plain": repr(self)}

    def __repr__(self) -> str:
        if self.frame.empty:
            return f"{self.title}: none."
        formatters = {name: _small for name in self.frame if _last(name) in _PROBABILITIES}
        shown = self.frame.round({name: self.digits for name in self.frame if name not in formatters})
        plain = shown.to_string(index=not isinstance(self.frame.index, pd.RangeIndex), formatters=formatters)
        return f"{self.title}\n{plain}"


_PROBABILITIES = ("p", "p_value", "omnibus_p")


def _small(probability: float) -> str:
    """Return a p-value with two digits, and none as 0."""
    return "< 0.01" if probability < 0.005 else f"{probability:.2f}"


def _last(name: object) -> object:
    """Return a column's own name, the lowest where names stand in levels."""
    return name[-1] if isinstance(name, tuple) else name


def show_table(frame: pd.DataFrame, title: str, source: str, *, digits: int = 2) -> TitledTable:
    """Show a table under a title.

    Parameters
    ----------
    title : str
        What the table shows.
    source : str
        What it rests on, as from ``Run.source``; put behind the title unless it is empty.
    digits : int
        Digits after the decimal point.
    """
    return TitledTable(frame, f"{title} · {source}" if source else title, digits)


def show_columns(table: str) -> TitledTable:
    """Show what the columns of a table mean."""
    rows = [
        {
            "column": column.name,
            "kind": column.kind,
            "meaning": column.meaning,
            "holds": ", ".join(map(str, column.allowed)) or "–",
            "may be empty": column.optional,
            "tells rows apart": column.name in TABLES[table].key,
        }
        for column in TABLES[table].columns
    ]
    return show_table(pd.DataFrame(rows), f"{table}: {TABLES[table].meaning}", "")
