"""Filters: which scenarios, and which of the cases behind a cell of the heatmap.

In: an archive and what is wanted. Out: rows in the order of the study. Every filter is a mask over columns that the
archive holds ready, so a study of 5,000 scenarios is filtered between two keystrokes.
"""

from collections.abc import Mapping

import pandas as pd

from conflictscope.browse.archive import Archive


def filter_scenarios(
    archive: Archive,
    *,
    pair: tuple[str, str] | None = None,
    structure: str | None = None,
    severity: str | None = None,
    acting_value: str | None = None,
    filter_status: str | None = None,
    failed_check: str | None = None,
    domain: str | None = None,
    text: str = "",
) -> pd.DataFrame:
    """Return the rows of ``Archive.entries`` that fit everything that is asked.

    Parameters
    ----------
    pair : tuple of two values, optional
        In either order.
    structure, severity, acting_value, filter_status, domain : str, optional
        What the column of that name has to hold; only kept scenarios have a domain.
    failed_check : str, optional
        A check that was failed; other checks may be failed too.
    text : str
        Words that must all occur somewhere in the scenario or its id, in any order, whatever the case.
    """
    entries = archive.entries
    fits = pd.Series(True, index=entries.index)
    if pair is not None:
        fits &= _in_pair(entries, pair)
    wanted = {"structure": structure, "severity": severity, "acting_value": acting_value}
    wanted |= {"filter_status": filter_status, "domain": domain}
    for column, value in wanted.items():
        if value is not None:
            fits &= entries[column] == value
    if failed_check is not None:
        fits &= entries[failed_check].astype("boolean").eq(False).fillna(False).astype(bool)
    for word in text.lower().split():
        fits &= entries["searched"].str.contains(word, regex=False)
    return entries[fits]


def choices_of(archive: Archive, *, target: str, condition: str, arm: str, judge: str | None) -> pd.DataFrame:
    """Return one target's choices under a condition and arm; in ``open_ended`` by the verdicts of `judge`."""
    choices = archive.choices
    chosen = choices["target"].eq(target) & choices["condition"].eq(condition) & choices["arm"].eq(arm)
    return choices[chosen & choices["judge"].eq(judge)] if condition == "open_ended" else choices[chosen]


def cases_of_cell(
    archive: Archive, winner: str, loser: str, *, target: str, condition: str, arm: str, judge: str | None
) -> pd.DataFrame:
    """Return the scenarios behind one cell of a target's preference heatmap, those that `winner` won first.

    The cell's row and column are `winner` and `loser`; in ``open_ended`` the verdicts of `judge` count. One row a
    scenario of the pair that was put to the target: ``scenario_id``, ``won`` and ``lost`` (answers in which `winner`
    won or lost), ``other`` (answers that are no choice).
    """
    choices = choices_of(archive, target=target, condition=condition, arm=arm, judge=judge)
    rows = choices[_in_pair(choices, (winner, loser))]
    counts = (
        rows.assign(won=rows["winner"].eq(winner), lost=rows["winner"].eq(loser), other=rows["winner"].isna())
        .groupby("scenario_id", sort=False)[["won", "lost", "other"]]
        .sum()
        .reset_index()
    )
    return counts.sort_values("won", ascending=False, kind="stable").reset_index(drop=True)


def narrow_cases(
    archive: Archive,
    cases: pd.DataFrame,
    *,
    starts: Mapping[str, str] | None = None,
    pair: tuple[str, str] | None = None,
    **about: str,
) -> pd.DataFrame:
    """Return those cases of a preset that are about one target, condition and arm, and about one pair of values.

    Parameters
    ----------
    starts : mapping of str to str, optional
        Column → where the preset's changes begin (``disagreements.STARTS``): asked about that, none is left out.
    pair : tuple of two values, optional
        In either order; default: all pairs.
    about : str
        ``target``, ``condition``, ``arm``; a case that names none of that kind is about all.
    """
    fits = pd.Series(True, index=cases.index)
    for column, wanted in about.items():
        if (starts or {}).get(column) != wanted:
            fits &= cases[column].isna() | cases[column].eq(wanted)
    if pair is not None:
        fits &= _in_pair(archive.entries.loc[cases["scenario_id"]], pair).to_numpy()
    return cases[fits]


def _in_pair(frame: pd.DataFrame, pair: tuple[str, str]) -> pd.Series:
    """Return which rows are about a pair of values, in either order."""
    one, two = frame["value_1"], frame["value_2"]
    return (one.eq(pair[0]) & two.eq(pair[1])) | (one.eq(pair[1]) & two.eq(pair[0]))
