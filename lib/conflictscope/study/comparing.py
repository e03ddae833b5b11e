"""What stands beside a study: other studies' agreement and outlines, and data sets asked of the same models.

In: figures folders with ``agreement.csv`` of notebook 07, folders of runs, files that can be imported. Out: their rows;
a data set's questions with the targets' answers and ratings, a study's own if it has them. Section 3.2 of the paper
(arXiv 2509.25369).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from conflictscope import elicit
from conflictscope.exchange import import_scenarios, name_of_study
from conflictscope.exchange.data_sets import as_questions, by_action
from conflictscope.files import PLAIN_NAME, means_more
from conflictscope.models import Models
from conflictscope.table_files import read_table, table_path


def read_points(folders: Sequence[str | Path]) -> list[pd.DataFrame]:
    """Read ``agreement.csv`` of each folder: one row a variant, with agreement, Likert difference and the study's name.

    Raises
    ------
    FileNotFoundError
        Where a folder holds none, saying how it comes about.
    ValueError
        Where it is no table.
    """
    points = []
    for folder in folders:
        path = Path(folder) / "agreement.csv"
        if not path.exists():
            raise FileNotFoundError(
                f"compare_with: {path} is not there. Run that study first; its notebook 07 writes it."
            )
        # the first row is the study's own; those below it are what it was compared with
        try:
            points.append(pd.read_csv(path).head(1))
        except ValueError as problem:
            raise ValueError(f"compare_with: {path} is no table in CSV ({problem}).") from None
        for name in (cell for cell in points[-1].to_numpy().ravel() if isinstance(cell, str) and means_more(cell)):
            raise ValueError(f"compare_with: {path}: found {name[:80]!r}; expected {PLAIN_NAME}.")
    return points


def read_earlier_outlines(run_folders: Sequence[str | Path]) -> pd.DataFrame | None:
    """Read the outlines of earlier studies, whatever their names, for ``mark_duplicates``; None where none is given.

    Raises
    ------
    FileNotFoundError
        Where a folder holds no outlines.
    ValueError
        Where a table does not fit the contract.
    """
    tables = []
    for folder in run_folders:
        path = table_path(folder, "outlines")
        if not path.exists():
            raise FileNotFoundError(f"earlier_runs: {path} is not there; expected the folder of a study that has run.")
        tables.append(read_table("outlines", folder, study=None))
    return pd.concat(tables, ignore_index=True) if tables else None


@dataclass(frozen=True)
class DataSet:
    """A data set to be compared.

    ``questions`` has the columns of the table ``scenarios``; ``answers`` and ``ratings`` are None where they are still
    to be asked; ``read`` and ``dropped`` count the records of the file.
    """

    name: str
    questions: pd.DataFrame
    read: int
    dropped: int
    answers: pd.DataFrame | None = None
    ratings: pd.DataFrame | None = None


def read_data_sets(
    paths: Sequence[str | Path], targets: Sequence[str], *, most: int | None = None, seed: int = 0
) -> list[DataSet]:
    """Read data sets, files and studies alike.

    Parameters
    ----------
    paths : sequence
        Files that `exchange.import_scenarios` reads, and folders of studies whose notebook 03 has run.
    targets : sequence of str
        The models that are to answer all of them.
    most : int, optional
        Questions of a file at most, drawn at random. A study's answers are there already and all count.
    seed : int
        Draws them.

    Raises
    ------
    FileNotFoundError, ValueError
        Where a path cannot be read, a study was not asked of all targets, a file holds no usable record, or two sets
        have one name.
    """
    sets = [
        _read_study(Path(path), targets) if Path(path).is_dir() else _read_file(Path(path), most, seed)
        for path in paths
    ]
    names = [data_set.name for data_set in sets]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"datasets: found {repeated} more than once; expected each data set once. Leave one out.")
    return sets


async def answer(data_set: DataSet, models: Models, targets: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return answers and ratings of a data set: those it has, or asked now, in both orders, as notebook 03 does."""
    if data_set.answers is not None and data_set.ratings is not None:
        return data_set.answers, data_set.ratings
    return (
        await elicit.ask_multiple_choice(data_set.questions, models, targets),
        await elicit.ask_ratings(data_set.questions, models, targets),
    )


def _read_file(path: Path, most: int | None, seed: int) -> DataSet:
    """Return the data set of a file."""
    imported = import_scenarios(path)
    questions = as_questions(imported.scenarios, most=most, seed=seed)
    if questions.empty:
        raise ValueError(
            f"{path}: none of {imported.rows} records can be used; the first: {imported.dropped['problem'].iloc[0]}."
        )
    return DataSet(imported.name, questions, imported.rows, len(imported.dropped))


def _read_study(folder: Path, targets: Sequence[str]) -> DataSet:
    """Return the data set of a study, with what its targets said under no system prompt."""
    study = name_of_study(folder)
    scenarios, answers, ratings = (read_table(n, folder, study=study) for n in ("kept_scenarios", "answers", "ratings"))
    tables = [table[table["arm"].eq("default")] for table in (answers, ratings)]
    for table in tables:
        if missing := sorted(set(targets) - set(table["target"])):
            raise ValueError(
                f"{folder}: study {study!r} was not asked of {missing}; expected all of {list(targets)}, so that the "
                "same models answer every set. Run its notebook 03 with them, or leave them out of targets."
            )
    answers, ratings = (table[table["target"].isin(targets)].reset_index(drop=True) for table in tables)
    return DataSet(study, by_action(scenarios), len(scenarios), 0, answers, ratings)
