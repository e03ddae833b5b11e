"""What is asked by hand, as the rows that a study's notebooks would make of it.

In: a scenario of the study or of one's own, an opening message, a reply in one's own words. Out: tables of one
scenario, and the ``Case`` that they are.
"""

from collections.abc import Collection, Mapping
from typing import TypeAlias

import pandas as pd

from conflictscope import elicit
from conflictscope.browse.archive import SHOWN_TABLES, Archive
from conflictscope.browse.cases import Case
from conflictscope.scenarios import ValueSet, read_scenario
from conflictscope.study.notebook import Run
from conflictscope.study.parameters import Parameters
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

BY_HAND = "by hand"
Given: TypeAlias = str | Mapping[str, object] | pd.Series
"""A scenario: its id, or its fields, as in a row of the table ``scenarios``."""
_IDS = ("scenario_id", "outline_id")
_PROFILE = ("persona", "background", "goal")


def find_scenario(given: Given, archive: Archive, value_set: ValueSet) -> pd.DataFrame:
    """Return a scenario as a table of one row.

    Raises
    ------
    ValueError
        If the study has no scenario of that id, or the fields are no scenario.
    """
    if isinstance(given, str):
        archive.scenario(given)
        return archive.rows("scenarios", given)
    entry = {str(key): value for key, value in dict(given).items() if not pd.isna(value)}
    same = archive.rows("scenarios", str(entry.get("scenario_id")))
    if len(same) and {key: value for key, value in same.iloc[0].items() if not pd.isna(value)} == entry:
        return same
    # what was changed is another scenario, whose id says so
    return read_scenario({key: value for key, value in entry.items() if key not in _IDS}, value_set)


async def open_with(
    message: str | None, scenario: pd.DataFrame, archive: Archive, run: Run, settings: Parameters
) -> pd.DataFrame:
    """Return the opening message of a scenario as a table of one row: given, the study's, or written now.

    Raises
    ------
    ValueError
        If the simulated user is to speak and the scenario has no profile.
    """
    row = scenario.iloc[0]
    lacking = [name for name in _PROFILE if pd.isna(row[name])]
    if lacking and (message is None or settings.max_turns > 1):
        raise ValueError(f"scenario: found no {lacking}; expected the user's profile, by which the user speaks.")
    if message is not None:
        given = {"scenario_id": row["scenario_id"], "simulated_user": BY_HAND, "message": message, "usable": True}
        return pd.DataFrame([given], columns=TABLES["opening_messages"].names)
    known = archive.rows("opening_messages", row["scenario_id"])
    if len(known):
        return known
    return await elicit.write_opening_messages(
        *(scenario, run.value_set, run.models, settings.simulated_user), temperature=settings.user_temperature
    )


def in_own_words(messages: pd.DataFrame, reply: str) -> pd.DataFrame:
    """Return a conversation of an opening message and a reply, as rows of the table ``conversations``."""
    about = {"scenario_id": messages["scenario_id"].iloc[0], "target": BY_HAND, "arm": "default", "repetition": 0}
    turns = (("user", messages["message"].iloc[0]), ("assistant", reply))
    rows = [about | {"turn": n, "role": role, "text": text, "status": "ok"} for n, (role, text) in enumerate(turns)]
    return pd.DataFrame(rows, columns=TABLES["conversations"].names)


def as_case(tables: Mapping[str, pd.DataFrame], archive: Archive, run: Run, asked: Collection[str]) -> Case:
    """Return rows about one scenario as a case; `asked` names the models behind them."""
    scenario_id = tables["scenarios"]["scenario_id"].iloc[0]
    there = {"checks": archive.rows("checks", scenario_id), **tables}
    there |= {
        name: check_table(there[name], name) for name in ("answers", "conversations", "verdicts") if name in there
    }
    shown = {name: there.get(name, archive.tables[name].head(0)) for name in SHOWN_TABLES}
    source = run.source([name for name in asked if name in run.registry])
    return Case(Archive(run.study, shown, (), source, tuple(run.value_set.names)), scenario_id)
