"""The simulated user: its opening messages, and whatever else it is asked to write (paper, section 3.3).

In: the kept scenarios; requests for messages or artifacts. Out: one opening message a scenario, generated once and
shared by all targets and conditions, with an audit. What it writes is looked at, and asked for once more if no user
would write it (``message_faults``): what is empty, or has a fault the second time, is kept and goes to no target. A
message that names a value is marked. If asked, each is told anew so that it leans to either action.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.elicit.message_faults import FAULT_WORDS, TAG, find_artifact_fault, find_message_fault, holds_tag
from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.models.requests import BLOCKED
from conflictscope.prompts import render
from conflictscope.scenarios.value_sets import ValueSet
from conflictscope.tables import FAULTS, LEANS, TABLES, NothingToCount

_EXCERPT = 200


@dataclass(frozen=True)
class Written:
    """What a simulated user wrote.

    Parameters
    ----------
    reply : Reply
        The reply to the last time of asking.
    text : str or None
        What was read in it; None if it could not be read.
    fault : str or None
        What makes it nothing that a user writes, a key of ``FAULT_WORDS``; None: nothing does, or it was not read.
    """

    reply: Reply
    text: str | None
    fault: str | None

    @property
    def usable(self) -> bool:
        """Whether it is there and has no fault."""
        return self.text is not None and self.fault is None

    @property
    def problem(self) -> str | None:
        """Why it cannot be used; None if it can."""
        return self.reply.problem or (FAULT_WORDS[self.fault] if self.fault else None)


async def ask_simulated_user(
    models: Models,
    simulated_user: str,
    requests: Sequence[Request],
    *,
    read: Callable[[Reply], str | None],
    find_fault: Callable[[str], str | None],
    label: str,
) -> list[Written]:
    """Ask a simulated user, and once more for what has a fault; return what was written, one a request.

    Parameters
    ----------
    read : callable
        Returns the text that a reply holds, None if it cannot be read.
    find_fault : callable
        Returns what is wrong with a text, as in ``message_faults``.
    """

    def look(reply: Reply) -> Written:
        text = read(reply)
        declined = reply.outcome == "refusal"
        return Written(reply, text, "refusal" if declined else find_fault(text) if text is not None else None)

    written = [look(reply) for reply in await models.ask(simulated_user, requests, label=label)]
    # what moderation blocks would be blocked again
    faulty = [i for i, one in enumerate(written) if one.fault and one.reply.finish_reason != BLOCKED]
    again = [_ask_again(requests[i], written[i]) for i in faulty]
    replies = await models.ask(simulated_user, again, label=f"{label}, again") if again else []
    for i, reply in zip(faulty, replies, strict=True):
        written[i] = look(reply)
    return written


def _ask_again(request: Request, written: Written) -> Request:
    """Return the request that shows the simulated user what it wrote and what is wrong with it."""
    prompt = render("write_again", problem=FAULT_WORDS[written.fault or ""])
    answered = {"role": "assistant", "content": written.reply.text or "(no reply)"}
    return replace(
        request, messages=(*request.messages, answered, *prompt.messages), prompt=prompt.name, prompt_hash=prompt.hash
    )


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
