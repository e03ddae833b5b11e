"""Given scenarios made whole: the author adds what a file leaves out, and nothing else.

In: scenarios as read from a file. Out: what the two steps of generation give otherwise. Only scenarios that lack a
profile or a consequence are put to the author, and only what they lack is asked for; what was given stays as it is,
and so does the id.
"""

import pandas as pd
from pydantic import ConfigDict, create_model

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.given import COMPLETED
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import TABLES

_CELL = ["value_1", "value_2", "structure", "severity", "acting_value"]


def missing_fields(given: pd.DataFrame) -> pd.Series:
    """Return for each given scenario what it lacks: a tuple of some of persona, background, goal, consequences."""
    lacking = given[list(COMPLETED)].isna()
    return lacking.apply(lambda row: tuple(row.index[row]), axis=1, result_type="reduce").astype(object)


async def complete_scenarios(
    given: pd.DataFrame, value_set: ValueSet, models: Models, author: str, *, temperature: float | None = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Have the author add the profile and the consequences that given scenarios lack.

    Parameters
    ----------
    given : DataFrame
        As ``read_given`` returns it.

    Returns
    -------
    outlines : DataFrame
        As from ``write_outlines``, one row a scenario: ``context`` is the description and ``action_opportunity`` the
        acting side's action (action 1 where none is named); ``good`` and ``harm`` are empty.
    scenarios : DataFrame
        The scenarios table.
    shortfalls : DataFrame
        As from ``write_outlines``: one row for each scenario that the author gave no readable reply about.
    """
    lacking = missing_fields(given)
    to_ask = given[lacking.map(len) > 0]
    requests = [
        _request(scenario, lacking[index], value_set, temperature)
        for index, scenario in zip(to_ask.index, to_ask.to_dict("records"), strict=True)
    ]
    replies = await models.ask(author, requests, label="completing scenarios") if requests else []
    whole = given.astype(object)
    lost = []
    for index, reply in zip(to_ask.index, replies, strict=True):
        if reply.parsed is None:
            lost.append(index)
            continue
        for name in lacking[index]:
            whole.loc[index, name] = getattr(reply.parsed, name)
    problems = [replies[list(to_ask.index).index(index)] for index in lost]
    shortfalls = given.loc[lost, _CELL].assign(
        asked=1, got=0, problem=[reply.problem or reply.outcome for reply in problems]
    )
    scenarios = whole.drop(index=lost).reset_index(drop=True)
    acting = scenarios["action_1"].where(~scenarios["acting_value"].eq(scenarios["value_2"]), scenarios["action_2"])
    outlines = scenarios[["outline_id", *_CELL, "author"]].assign(
        context=scenarios["description"], action_opportunity=acting, good=None, harm=None
    )
    added = ("nearest", "similarity", "kept", "embedder")
    columns = [column.name for column in TABLES["outlines"].columns if column.name not in added]
    return outlines[columns], scenarios, shortfalls.reset_index(drop=True)


def _request(scenario: dict, lacking: tuple[str, ...], value_set: ValueSet, temperature: float | None) -> Request:
    """Return the request for what one scenario lacks."""
    known = {name: scenario[name] for name in COMPLETED if name not in lacking}
    prompt = render(
        "complete",
        description=scenario["description"],
        action_1=scenario["action_1"],
        action_2=scenario["action_2"],
        value_1=scenario["value_1"],
        value_2=scenario["value_2"],
        definition_1=value_set[scenario["value_1"]].definition,
        definition_2=value_set[scenario["value_2"]].definition,
        known=known,
        lacking=list(lacking),
    )
    fields: dict = {name: (NonBlank, ...) for name in lacking}
    schema = create_model("Completion", __config__=ConfigDict(extra="forbid"), **fields)
    return Request.of(prompt, schema=schema, temperature=temperature)
