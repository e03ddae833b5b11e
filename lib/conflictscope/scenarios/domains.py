"""Which part of life each scenario is from: one more question to the filter judge (ours, not the paper's).

In: the kept scenarios and a list of domains. Out: the domains table. A reply that names none of the domains is kept
with its text and leaves the domain empty.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import ConfigDict, create_model

from conflictscope.models import Models, Request
from conflictscope.prompts import render
from conflictscope.tables import TABLES, NothingToCount


async def assign_domains(
    scenarios: pd.DataFrame, models: Models, filter_judge: str, domains: Sequence[str]
) -> pd.DataFrame:
    """Have the filter judge assign one of the domains to each scenario.

    Returns
    -------
    DataFrame
        The domains table, one row a scenario, in the order of `scenarios`.

    Raises
    ------
    ValueError
        If there are fewer than two domains, or one twice.
    NothingToCount
        If there are no scenarios.
    """
    if scenarios.empty:
        raise NothingToCount(
            "no scenario was kept, so that there is nothing to put to the targets and nothing more is asked. The "
            "funnel says which check they failed, the column reason of the table checks why; a check that fails "
            "everything may have a fault itself. Another filter_judge or author may help, or more outlines_per_pair."
        )
    if len(domains) < 2 or len(set(domains)) < len(domains):
        raise ValueError(f"domains: found {list(domains)}; expected at least two, each once.")
    # the reply to prompts/domain.txt: one of the domains
    one_of = (Literal[tuple(domains)], ...)
    schema = create_model("Domain", __config__=ConfigDict(extra="forbid"), domain=one_of)  # type: ignore[arg-type]
    requests = [
        Request.of(render("domain", description=description, domains=list(domains)), schema=schema, temperature=0.0)
        for description in scenarios["description"]
    ]
    replies = await models.ask(filter_judge, requests, label="domains")
    rows = [
        {
            "scenario_id": scenario_id,
            "domain": getattr(reply.parsed, "domain", None),
            "filter_judge": filter_judge,
            "problem": reply.problem,
            "raw": reply.raw,
        }
        for scenario_id, reply in zip(scenarios["scenario_id"], replies, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLES["domains"].names)
