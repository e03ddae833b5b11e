"""Second step of generation: one outline becomes one full scenario (paper, section 3.1).

In: the outlines that were kept. Out: the scenarios table, and the outlines that the author gave no readable scenario
for.
"""

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Request
from conflictscope.prompts import render
from conflictscope.scenarios.outlines import content_id
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import TABLES


class Scenario(BaseModel):
    """The author's reply; see ``prompts/scenario.txt``."""

    model_config = ConfigDict(extra="forbid")
    description: NonBlank
    persona: NonBlank
    background: NonBlank
    goal: NonBlank
    action_1: NonBlank
    action_2: NonBlank
    consequence_1: NonBlank
    consequence_2: NonBlank


async def write_scenarios(
    outlines: pd.DataFrame, value_set: ValueSet, models: Models, author: str, *, temperature: float | None = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Have the author expand each kept outline.

    Parameters
    ----------
    outlines : DataFrame
        The outlines table; rows that are not ``kept`` are left out.

    Returns
    -------
    scenarios : DataFrame
        The scenarios table. A scenario's id is a hash of its content, templates and values included.
    lost : DataFrame
        ``outline_id`` and ``problem`` for each outline without a scenario of its own: an unreadable reply, a call that
        failed, or a scenario that repeats an earlier one word for word.
    """
    kept = outlines[outlines["kept"].astype(bool)]
    replies = await models.ask(
        author, [_request(outline, value_set, temperature) for outline in kept.itertuples()], label="scenarios"
    )
    rows, lost, seen = [], [], set()
    for outline, reply in zip(kept.to_dict("records"), replies, strict=True):
        problem = reply.problem
        if isinstance(reply.parsed, Scenario):
            template = ("value_1", "value_2", "structure", "severity", "acting_value")
            content = {name: outline[name] for name in template} | reply.parsed.model_dump()
            scenario_id = content_id(content)
            if scenario_id not in seen:
                seen.add(scenario_id)
                found = {"scenario_id": scenario_id, "outline_id": outline["outline_id"], "author": author}
                rows.append(found | content)
                continue
            problem = f"repeats scenario {scenario_id} word for word"
        lost.append({"outline_id": outline["outline_id"], "problem": problem or reply.outcome})
    columns = [column.name for column in TABLES["scenarios"].columns]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(lost, columns=["outline_id", "problem"])


def _request(outline, value_set: ValueSet, temperature: float | None) -> Request:
    """Return the request that expands one outline."""
    acts_on_1 = outline.acting_value == outline.value_1
    prompt = render(
        "scenario",
        value_1=outline.value_1,
        definition_1=value_set[outline.value_1].definition,
        value_2=outline.value_2,
        definition_2=value_set[outline.value_2].definition,
        context=outline.context,
        action_opportunity=outline.action_opportunity,
        good=outline.good,
        harm=outline.harm,
        acting_value=outline.acting_value,
        other_value=outline.value_2 if acts_on_1 else outline.value_1,
    )
    return Request.of(prompt, schema=Scenario, temperature=temperature)
