"""Open-ended conversations between the simulated user and a target (paper, section 3.3: revealed preference).

In: the kept scenarios and their opening messages. Out: the conversations table, one row a turn. A target sees its
system prompt and the user's messages, never the scenario; nobody sees another's thoughts. All first replies are asked
for, then all second messages, and so on.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from conflictscope.elicit.message_faults import find_message_fault
from conflictscope.elicit.simulated_user import Written, ask_simulated_user
from conflictscope.elicit.system_prompts import Arms, default_arm, system_message
from conflictscope.models import Models, NonBlank, Reply, Request
from conflictscope.prompts import Prompt, render
from conflictscope.tables import TABLES, NothingToCount

_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
# also with marks and spaces around it that a reader would overlook
_ROLE = re.compile(r"(?:user|assistant)[^\w\n]*:", re.IGNORECASE)

CONVERSATION = ["scenario_id", "target", "arm", "repetition"]


class NextMessage(BaseModel):
    """The simulated user's reply; see ``prompts/next_message.txt``."""

    model_config = ConfigDict(extra="forbid")
    message: NonBlank


async def hold_conversations(
    scenarios: pd.DataFrame,
    opening_messages: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    simulated_user: str,
    *,
    arms: Mapping[str, Arms] | None = None,
    default_system_prompt: str = "",
    max_turns: int = 1,
    repetitions: int = 1,
    temperature: float | None = 1.0,
    max_tokens: int = 1024,
) -> pd.DataFrame:
    """Let each target answer each usable opening message; all targets side by side.

    Parameters
    ----------
    arms : mapping, optional
        Target → its arms, as from `steered_prompts`; a target that is not in it is asked under ``default`` alone.
    default_system_prompt : str
        System prompt of the arm ``default``; "": none.
    max_turns : int
        How many replies a target gives in one conversation; between them the simulated user answers.
    max_tokens : int
        The longest reply a target may give. A reply cut off there is ``invalid``, with what there is of it kept. A
        model's ``reasoning_room`` comes on top.

    Returns
    -------
    DataFrame
        The conversations table. A conversation ends early at a turn whose ``status`` is not ``ok``.

    Raises
    ------
    NothingToCount
        If there are targets and no opening message can be used.
    """
    by_id = scenarios.set_index("scenario_id")
    usable = opening_messages[opening_messages["usable"].astype(bool)]
    if targets and usable.empty:
        raise NothingToCount(
            f"none of the {len(opening_messages)} opening messages can be used, so that no conversation can be held. "
            "The column problem of the table opening_messages says why; another simulated_user may write better ones."
        )
    conversations = [
        {
            "scenario_id": opening.scenario_id,
            "target": target,
            "arm": name,
            "repetition": repetition,
            "system": system_message(text(opening.scenario_id)),
            "turns": [_turn("user", opening.message)],
        }
        for target in targets
        for name, text in (arms or {}).get(target, default_arm(default_system_prompt)).items()
        for opening in usable.itertuples()
        if opening.scenario_id in by_id.index
        for repetition in range(repetitions)
    ]
    for turn in range(max_turns):
        if turn:
            await _speak_as_user(_still_open(conversations), by_id, models, simulated_user, temperature)
        await asyncio.gather(
            *(
                _speak_as_target(
                    [c for c in _still_open(conversations) if c["target"] == target],
                    models,
                    target,
                    temperature,
                    max_tokens,
                )
                for target in targets
            )
        )
    rows = [
        {name: conversation[name] for name in CONVERSATION} | {"turn": number} | turn
        for conversation in conversations
        for number, turn in enumerate(conversation["turns"])
    ]
    return pd.DataFrame(rows, columns=TABLES["conversations"].names)


async def hold_pressed_conversations(
    scenarios: pd.DataFrame,
    pressed_messages: pd.DataFrame,
    models: Models,
    targets: Sequence[str],
    simulated_user: str,
    *,
    default_system_prompt: str = "",
    **settings: Any,
) -> pd.DataFrame:
    """Let each target answer the messages that lean to either action; ``**settings`` as for `hold_conversations`.

    Returns
    -------
    DataFrame
        The pressed_conversations table, whose arms are ``for_1`` and ``for_2``; empty if there are no such messages.
    """
    arm = default_arm(default_system_prompt)["default"]
    held = [pd.DataFrame(columns=TABLES["pressed_conversations"].names)]
    for lean, messages in pressed_messages.groupby("lean"):
        arms: dict[str, Arms] = {target: {str(lean): arm} for target in targets}
        who = (models, targets, simulated_user)
        held.append(await hold_conversations(scenarios, messages, *who, arms=arms, **settings))
    return pd.concat(held[1:] or held, ignore_index=True)


def transcribe(turns: Iterable[tuple[str, str]]) -> str:
    """Return a conversation as text: ``USER: …`` and ``ASSISTANT: …``, turns parted by an empty line.

    A line within a turn that begins like a turn gets ``> `` before it, so that nobody can put words into the other's
    mouth: a line that begins with a role is where a turn begins.
    """
    return "\n\n".join(f"{role.upper()}: {_mark_turns(text)}" for role, text in turns)


def _mark_turns(text: str) -> str:
    """Return a text with ``> `` before what begins like a turn, after whatever kind of line break; in linear time."""
    begins = set()
    for match in _ROLE.finditer(text):
        # back over marks, spaces and breaks that are no ends of a line for everybody
        for place in range(match.start(), -1, -1):
            before = text[place - 1 : place]
            if before in _BREAKS or not before:
                begins.add(place)
            if not before or before == "\n" or before.isalnum() or before == "_":
                break
    ends = sorted({0, len(text)} | begins)
    pieces = (("> " if start in begins else "") + text[start:end] for start, end in pairwise(ends))
    return "".join(pieces)


def _turn(role: str, text: str | None, status: str = "ok", problem: str | None = None, of: Reply | None = None) -> dict:
    """Return one turn; `of` is the reply that it was read in."""
    provenance = {"reasoning": of.reasoning if of else None, "model_id": of.model_id if of else None}
    return {"role": role, "text": text, "status": status, "problem": problem} | provenance


def _still_open(conversations: list[dict]) -> list[dict]:
    """Return the conversations whose last turn can be answered."""
    return [conversation for conversation in conversations if conversation["turns"][-1]["status"] == "ok"]


async def _speak_as_target(
    conversations: list[dict], models: Models, target: str, temperature: float | None, max_tokens: int
) -> None:
    """Add the target's reply to each conversation."""
    requests = [
        Request.of(
            # what the target reads is the conversation itself: there is no prompt text of ours
            Prompt("conversation", "", tuple({"role": t["role"], "content": t["text"]} for t in c["turns"])),
            before=c["system"],
            temperature=temperature,
            max_tokens=max_tokens,
            limit_name="target_max_tokens",
            repetition=c["repetition"],
        )
        for c in conversations
    ]
    replies = await models.ask(target, requests, label=f"conversations: {target}")
    for conversation, reply in zip(conversations, replies, strict=True):
        conversation["turns"].append(_turn("assistant", reply.text, reply.outcome, reply.problem, reply))


async def _speak_as_user(
    conversations: list[dict], by_id: pd.DataFrame, models: Models, simulated_user: str, temperature: float | None
) -> None:
    """Add the simulated user's next message to each conversation."""
    requests = []
    for conversation in conversations:
        scenario = by_id.loc[conversation["scenario_id"]]
        so_far = transcribe((turn["role"], turn["text"]) for turn in conversation["turns"])
        prompt = render("next_message", description=scenario["description"], goal=scenario["goal"], conversation=so_far)
        requests.append(
            Request.of(prompt, schema=NextMessage, temperature=temperature, repetition=conversation["repetition"])
        )
    messages = await ask_simulated_user(
        models, simulated_user, requests, read=_read_message, find_fault=_find_fault, label="next messages"
    )
    for conversation, written in zip(conversations, messages, strict=True):
        conversation["turns"].append(
            _turn("user", written.text or written.reply.text, _status(written), written.problem, written.reply)
        )


def _read_message(reply: Reply) -> str | None:
    """Return the message in a reply."""
    return reply.parsed.message if isinstance(reply.parsed, NextMessage) else None


def _find_fault(message: str) -> str | None:
    """Return what makes a text no message with which a user goes on."""
    return find_message_fault(message, opens=False)


def _status(written: Written) -> str:
    """Return what became of a message of the simulated user: one with a fault cannot be answered."""
    if written.fault and written.reply.outcome == "ok":
        return "refusal" if written.fault == "refusal" else "invalid"
    return written.reply.outcome
