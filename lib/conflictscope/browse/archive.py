"""One study's tables, read once and indexed, so that any scenario and any case is at hand at once.

In: a study's folder. Out: an ``Archive``. Answers under steering prompts stand with the others, and verdicts with
labels swapped stand as a judge of their own. Stages that have not run yet are empty tables, named in ``absent``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from conflictscope.measure import gather_choices
from conflictscope.scenarios import apply_filter
from conflictscope.shown import value_colors
from conflictscope.table_files import read_table, table_path
from conflictscope.tables import CHECKS, TABLES

SHOWN_TABLES = (
    *("outlines", "neighbours", "scenarios", "checks", "domains"),
    *("answers", "ratings", "opening_messages", "pressed_messages", "conversations", "verdicts"),
)
SWAPPED = ", labels swapped"
_MORE_ROWS = {
    "answers": ("abstaining_answers", "steered_answers"),
    "conversations": ("pressed_conversations", "steered_conversations"),
    "verdicts": ("pressed_verdicts", "steered_verdicts", "swapped_verdicts", "further_verdicts"),
}
FILTER_STATUSES = ("kept", "dropped", "undecided", "unchecked", "duplicate", "unwritten")


@dataclass(frozen=True)
class Archive:
    """The tables of one study (name → DataFrame, for each of ``SHOWN_TABLES``), indexed.

    ``answers``, ``conversations`` and ``verdicts`` hold the steered ones too; a judge that read with labels swapped has
    ``SWAPPED`` behind its name. ``absent`` names the tables whose file is not there, which are empty. ``source`` is
    what the study rests on, such as ``simulated models``; it stands under the title of every view.
    """

    study: str
    tables: Mapping[str, pd.DataFrame]
    absent: tuple[str, ...] = ()
    source: str = ""
    values: tuple[str, ...] = ()
    """The study's values, in their order."""

    @cached_property
    def colors(self) -> dict[str, str]:
        """Value → its colour, as the study's figures have it, for a style sheet."""
        rgb = value_colors(self.values)
        return {value: f"#{''.join(f'{round(255 * part):02x}' for part in color)}" for value, color in rgb.items()}

    @cached_property
    def entries(self) -> pd.DataFrame:
        """Everything that was thought of, one row for each scenario and each outline that became none.

        Index ``id`` (the scenario's, else the outline's). Columns: ``scenario_id`` and ``outline_id`` (empty if
        there is none), ``value_1``, ``value_2``, ``structure``, ``severity``, ``acting_value``, ``text`` (description,
        or the outline's context), ``filter_status`` (one of ``FILTER_STATUSES``), a column for each check (True, False,
        empty if undecided), ``domain`` (empty if none was assigned) and ``searched`` (its words in lower case).
        """
        scenarios, outlines = self.tables["scenarios"], self.tables["outlines"]
        unwritten = outlines[~outlines["outline_id"].isin(scenarios["outline_id"])]
        common = ["outline_id", "value_1", "value_2", "structure", "severity", "acting_value"]
        written = scenarios[["scenario_id", *common]].assign(
            text=scenarios["description"],
            searched=_joined(scenarios, "description action_1 action_2 persona background goal scenario_id outline_id"),
        )
        rest = unwritten[common].assign(
            scenario_id=None,
            text=unwritten["context"],
            searched=_joined(unwritten, "context action_opportunity good harm outline_id"),
            filter_status=unwritten["kept"].map({True: "unwritten", False: "duplicate"}),
        )
        decisions = self.decisions.rename_axis("scenario_id")
        entries = pd.concat([written.join(decisions, on="scenario_id"), rest], ignore_index=True)
        domains = self.tables["domains"].set_index("scenario_id")["domain"]
        entries["domain"] = entries["scenario_id"].map(domains)
        entries.index = pd.Index(entries["scenario_id"].fillna(entries["outline_id"]), name="id")
        return entries

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """What the checks made of each scenario: as ``scenarios.apply_filter``, or ``unchecked``."""
        scenarios, checks = self.tables["scenarios"], self.tables["checks"]
        if checks.empty:
            blank = {check: pd.Series(pd.NA, index=scenarios["scenario_id"], dtype="boolean") for check in CHECKS}
            return pd.DataFrame(blank, index=scenarios["scenario_id"]).assign(filter_status="unchecked")
        decisions = apply_filter(scenarios, checks)
        decisions.loc[~decisions.index.isin(checks["scenario_id"]), "filter_status"] = "unchecked"
        return decisions

    @cached_property
    def choices(self) -> pd.DataFrame:
        """Every answer and verdict with the value that won: the columns of the table ``choices``."""
        return gather_choices(self.tables["scenarios"], self.tables["answers"], self.tables["verdicts"])

    @cached_property
    def targets(self) -> list[str]:
        """Names of the target models, sorted."""
        return sorted(self.choices["target"].unique())

    @cached_property
    def judges(self) -> list[str]:
        """Names of the judges, the study's own first."""
        return self.tables["verdicts"]["judge"].unique().tolist()

    @cached_property
    def arms(self) -> list[str]:
        """Names of the arms, ``default`` first."""
        return sorted(self.choices["arm"].unique(), key=lambda name: (name != "default", name))

    def rows(self, table: str, scenario_id: str) -> pd.DataFrame:
        """Return a table's rows about one scenario."""
        return self.tables[table].take(self._places[table].get(scenario_id, []))

    def scenario(self, scenario_id: str) -> dict:
        """Return a scenario's row as a dict; ValueError if the study has no such scenario."""
        row = self.rows("scenarios", scenario_id)
        if row.empty:
            raise ValueError(
                f"scenario {scenario_id!r} is not among the {len(self.tables['scenarios'])} scenarios of study "
                f"{self.study!r}; expected the id of one of them. Copy it from a table of this study."
            )
        return row.iloc[0].to_dict()

    @cached_property
    def outlines(self) -> dict[str, dict]:
        """Outline id → its row."""
        return {row["outline_id"]: row for row in self.tables["outlines"].to_dict("records")}

    @cached_property
    def written(self) -> dict[str, str]:
        """Outline id → id of the scenario that was written from it."""
        scenarios = self.tables["scenarios"]
        return dict(zip(scenarios["outline_id"], scenarios["scenario_id"], strict=True))

    def neighbours(self, outline_id: str) -> dict[str, float]:
        """Return the outlines most like one → their cosines, the most similar first.

        They are its nearest neighbours, the earlier outline that it was measured against, and those that were dropped
        because they repeat it. An earlier study's outline is there by its id alone.
        """
        outline = self.outlines[outline_id]
        # what it was measured against first, among equals too
        cosines = {outline["nearest"]: outline["similarity"]} if isinstance(outline["nearest"], str) else {}
        for row in self._near.get(outline_id, []):
            cosines[row.neighbour_id] = row.similarity
        return dict(sorted(cosines.items(), key=lambda one: -one[1]))

    @cached_property
    def _near(self) -> dict[str, list]:
        """Outline id → its nearest neighbours, and the outlines that were dropped because they repeat it."""
        outlines = self.tables["outlines"]
        repeats = outlines.loc[~outlines["kept"].astype(bool) & outlines["nearest"].notna()]
        turned = repeats.rename(columns={"nearest": "outline_id", "outline_id": "neighbour_id"})
        columns = ["outline_id", "neighbour_id", "similarity"]
        near: dict[str, list] = {}
        for row in (*self.tables["neighbours"][columns].itertuples(), *turned[columns].itertuples()):
            near.setdefault(row.outline_id, []).append(row)
        return near

    @cached_property
    def _places(self) -> dict[str, Mapping[str, object]]:
        """Table → scenario id → places of its rows."""
        return {
            name: frame.groupby("scenario_id", sort=False).indices
            for name, frame in self.tables.items()
            if "scenario_id" in frame
        }


def open_archive(folder: Path | str, *, study: str, source: str = "", values: Sequence[str] = ()) -> Archive:
    """Read and index the tables of a study; folder, name and source as a ``Run`` has them.

    `values` are those of its value set, in their order; default: in the order in which scenarios have them.

    Raises FileNotFoundError if the scenarios are not there yet, ValueError if a table belongs to another study or does
    not fit its contract.
    """
    absent = tuple(name for name in SHOWN_TABLES if name != "scenarios" and not table_path(folder, name).exists())
    tables = {}
    for name in SHOWN_TABLES:
        frames = [_empty(name) if name in absent else read_table(name, folder, study=study)]
        for more in _MORE_ROWS.get(name, ()):
            if table_path(folder, more).exists():
                rows = read_table(more, folder, study=study)
                frames.append(rows.assign(judge=rows["judge"] + SWAPPED) if more == "swapped_verdicts" else rows)
        tables[name] = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    scenarios = tables["scenarios"]
    occurring = dict.fromkeys([*scenarios["value_1"].unique(), *scenarios["value_2"].unique()])
    return Archive(study, tables, absent, source, tuple(dict.fromkeys([*values, *occurring])))


def _empty(name: str) -> pd.DataFrame:
    """Return a table without rows."""
    return pd.DataFrame({column.name: pd.Series(dtype=column.dtype) for column in TABLES[name].columns})


def _joined(frame: pd.DataFrame, columns: str) -> pd.Series:
    """Return the texts of some columns as one, in lower case."""
    first, *others = columns.split()
    return frame[first].str.cat([frame[other] for other in others], sep="\n").str.lower()
