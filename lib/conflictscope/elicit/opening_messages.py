"""The simulated user's opening messages (paper, section 3.3).

In: the kept scenarios. Out: one message a scenario, generated once and shared by all targets and conditions, with an
audit: a message that is empty or still holds an artifact's tag goes to no target; one that names a value is marked.
"""

import re

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import TABLES

TAG = "[[artifact]]"
_ANY_TAG = re.compile(r"\[\[\s*artifact[^\]]{0,200}\]\]|</?artifact\b", re.IGNORECASE)


class OpeningMessage(BaseModel):
    """The simulated user's reply; see ``prompts/opening_message.txt``."""

    model_config = ConfigDict(extra="forbid")
    message: NonBlank
    artifact_request: str


async def write_opening_messages(
    scenarios: pd.DataFrame,
    value_set: ValueSet,
    models: Models,
    simulated_user: str,
    *,
    temperature: float | None = 1.0,
) -> pd.DataFrame:
    """Have the simulated user write each scenario's opening message, with any text that it refers to pasted in.

    Returns
    -------
    DataFrame
        The opening_messages table, one row a scenario, in the order of `scenarios`.
    """
    prompts = [
        render(
            "opening_message",
            description=scenario.description,
            persona=scenario.persona,
            background=scenario.background,
            goal=scenario.goal,
        )
        for scenario in scenarios.itertuples()
    ]
    requests = [Request.of(prompt, schema=OpeningMessage, temperature=temperature) for prompt in prompts]
    replies = await models.ask(simulated_user, requests, label="opening messages")
    wanting = {i: parsed for i, reply in enumerate(replies) if (parsed := _wants_artifact(reply))}
    artifact_requests = [
        Request.of(render("artifact", message=parsed.message, request=parsed.artifact_request), temperature=temperature)
        for parsed in wanting.values()
    ]
    artifacts = dict(zip(wanting, await models.ask(simulated_user, artifact_requests, label="artifacts"), strict=True))
    rows = [
        _audited_row(scenario_id, reply, artifacts.get(i), value_set) | {"simulated_user": simulated_user}
        for i, (scenario_id, reply) in enumerate(zip(scenarios["scenario_id"], replies, strict=True))
    ]
    return pd.DataFrame(rows, columns=TABLES["opening_messages"].names)


def _wants_artifact(reply: Reply) -> OpeningMessage | None:
    """Return the message if it asks for a text to be written into it."""
    parsed = reply.parsed
    if isinstance(parsed, OpeningMessage) and TAG in parsed.message and parsed.artifact_request.strip():
        return parsed
    return None


def _audited_row(scenario_id: str, reply: Reply, artifact: Reply | None, value_set: ValueSet) -> dict:
    """Return a row of the opening_messages table, but for the simulated user's name."""
    message = reply.parsed.message if isinstance(reply.parsed, OpeningMessage) else None
    problem = reply.problem
    if message is not None and artifact is not None:
        if artifact.outcome == "ok" and artifact.text:
            message = message.replace(TAG, artifact.text.strip())
        else:
            problem = f"artifact: {artifact.problem or artifact.outcome}"
    keeps_tag = holds_tag(message or "")
    if keeps_tag and problem is None:
        problem = "still holds an artifact's tag"
    return {
        "scenario_id": scenario_id,
        "message": message,
        "has_artifact": artifact is not None and artifact.outcome == "ok",
        "named_value": named_value(message or "", value_set),
        "keeps_tag": keeps_tag,
        "usable": bool(message) and not keeps_tag,
        "problem": problem,
        "raw": reply.text,
    }


def holds_tag(text: str) -> bool:
    """Return whether a text still holds an artifact's placeholder: ours, or the published release's ``<ARTIFACT>``."""
    return bool(_ANY_TAG.search(text))


def named_value(text: str, value_set: ValueSet) -> str | None:
    """Return the first value whose name occurs in a text as a word, whatever its case."""
    for name in value_set.names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            return name
    return None
