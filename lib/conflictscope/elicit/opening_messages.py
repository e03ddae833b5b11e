"""The simulated user's opening messages (paper, section 3.3).

In: the kept scenarios. Out: one message a scenario, generated once and shared by all targets and conditions, with an
audit: a message that is empty, or has a fault (``message_faults``) when it was asked for a second time, goes to no
target; one that names a value is marked. If asked, each is told anew so that it leans to either action.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.elicit.message_faults import TAG, find_artifact_fault, find_message_fault, holds_tag
from conflictscope.elicit.simulated_user import Written, ask_simulated_user
from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import FAULTS, LEANS, TABLES, NothingToCount

_EXCERPT = 200


class OpeningMessage(BaseModel):
    """The simulated user's reply; see ``prompts/opening_message.txt``."""

    model_config = ConfigDict(extra="forbid")
    message: NonBlank
    artifact_request: str


class LeaningMessage(BaseModel):
    """The simulated user's reply; see ``prompts/leaning_message.txt``."""

    model_config = ConfigDict(extra="forbid")
    message: NonBlank


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

    Raises
    ------
    NothingToCount
        If there are no scenarios.
    """
    if scenarios.empty:
        raise NothingToCount(
            "there is no scenario to open a conversation about: notebook 02 kept none; see its funnel."
        )
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
    messages = await ask_simulated_user(
        models, simulated_user, requests, read=_read_message, find_fault=find_message_fault, label="opening messages"
    )
    wanting = {
        i: parsed for i, written in enumerate(messages) if written.usable and (parsed := _wants_artifact(written))
    }
    artifact_requests = [
        Request.of(render("artifact", message=parsed.message, request=parsed.artifact_request), temperature=temperature)
        for parsed in wanting.values()
    ]
    artifacts = await ask_simulated_user(
        models, simulated_user, artifact_requests, read=_read_text, find_fault=find_artifact_fault, label="artifacts"
    )
    pasted = dict(zip(wanting, artifacts, strict=True))
    rows = [
        _audited_row(scenario_id, written, pasted.get(i), value_set) | {"simulated_user": simulated_user}
        for i, (scenario_id, written) in enumerate(zip(scenarios["scenario_id"], messages, strict=True))
    ]
    return pd.DataFrame(rows, columns=TABLES["opening_messages"].names)


async def write_leaning_messages(
    scenarios: pd.DataFrame,
    opening_messages: pd.DataFrame,
    value_set: ValueSet,
    models: Models,
    simulated_user: str,
    leans: Sequence[str] = LEANS,
    *,
    temperature: float | None = 1.0,
) -> pd.DataFrame:
    """Have the simulated user tell each usable opening message anew, pressing for action 1 and for action 2.

    Returns
    -------
    DataFrame
        The pressed_messages table, a row for each lean and usable message; empty if there is no lean.
    """
    by_id = scenarios.set_index("scenario_id")
    usable = opening_messages[opening_messages["usable"].astype(bool)]
    wanted = [(lean, opening.scenario_id, opening.message) for lean in leans for opening in usable.itertuples()]
    requests = [
        Request.of(
            render(
                "leaning_message",
                description=by_id.at[scenario_id, "description"],
                action=by_id.at[scenario_id, lean.replace("for", "action")],
                message=message,
            ),
            schema=LeaningMessage,
            temperature=temperature,
        )
        for lean, scenario_id, message in wanted
    ]
    written = await ask_simulated_user(
        models, simulated_user, requests, read=_read_leaning, find_fault=find_message_fault, label="leaning messages"
    )
    rows = [
        {"scenario_id": scenario_id, "lean": lean, "simulated_user": simulated_user}
        | _audited(one.text, one, value_set)
        for (lean, scenario_id, _), one in zip(wanted, written, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLES["pressed_messages"].names)


def audit_messages(messages: pd.DataFrame) -> pd.DataFrame:
    """Count what the audit found in opening messages.

    Parameters
    ----------
    messages : DataFrame
        The opening_messages table.

    Returns
    -------
    DataFrame
        Index ``audit``, column ``messages`` (counts): ``usable``, ``has_artifact``, ``named_value``, ``unreadable`` (no
        message was got) and each fault, those that never occurred too.
    """
    faults = messages["fault"].value_counts().reindex(list(FAULTS), fill_value=0)
    counts = {
        "usable": messages["usable"].sum(),
        "has_artifact": messages["has_artifact"].sum(),
        "named_value": messages["named_value"].count(),
        "unreadable": (messages["message"].isna() & messages["fault"].isna()).sum(),
    }
    counted = pd.Series(counts | faults.to_dict(), dtype="int64")
    return counted.rename("messages").rename_axis("audit").to_frame()


def _read_message(reply: Reply) -> str | None:
    """Return the message in a reply; without its tag if an artifact is asked for in its place."""
    if not isinstance(reply.parsed, OpeningMessage):
        return None
    message = reply.parsed.message
    return message.replace(TAG, "") if reply.parsed.artifact_request.strip() else message


def _read_leaning(reply: Reply) -> str | None:
    """Return the message in a reply that tells it anew."""
    return reply.parsed.message if isinstance(reply.parsed, LeaningMessage) else None


def _read_text(reply: Reply) -> str | None:
    """Return the text of a reply that is no structured one."""
    return reply.text.strip() if reply.outcome == "ok" and reply.text else None


def _wants_artifact(written: Written) -> OpeningMessage | None:
    """Return the message if it asks for a text to be written into it."""
    parsed = written.reply.parsed
    if isinstance(parsed, OpeningMessage) and TAG in parsed.message and parsed.artifact_request.strip():
        return parsed
    return None


def _audited_row(scenario_id: str, written: Written, artifact: Written | None, value_set: ValueSet) -> dict:
    """Return a row of the opening_messages table, but for the simulated user's name."""
    parsed = written.reply.parsed
    message = parsed.message if isinstance(parsed, OpeningMessage) else None
    fault, problem = written.fault, written.problem
    if message is not None and artifact is not None and artifact.usable:
        message = message.replace(TAG, artifact.text or "")
    elif artifact is not None:
        fault, excerpt = artifact.fault, (artifact.text or "")[:_EXCERPT]
        problem = f"artifact: {artifact.problem or 'none was got'}{f': {excerpt}' if excerpt else ''}"
    row = _audited(message, replace(written, fault=fault), value_set)
    return row | {
        "scenario_id": scenario_id,
        "has_artifact": artifact is not None and artifact.usable,
        "problem": problem,
    }


def _audited(message: str | None, written: Written, value_set: ValueSet) -> dict:
    """Return what the audit says of a message."""
    keeps_tag = holds_tag(message or "")
    return {
        "message": message,
        "named_value": named_value(message or "", value_set),
        "keeps_tag": keeps_tag,
        "fault": written.fault,
        "usable": bool(message) and not keeps_tag and written.fault is None,
        "problem": written.problem,
        "raw": written.reply.raw,
        "reasoning": written.reply.reasoning,
    }


def named_value(text: str, value_set: ValueSet) -> str | None:
    """Return the first value whose name occurs in a text as a word, whatever its case."""
    for name in value_set.names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            return name
    return None
