"""The simulated user is a model: what no user would write is asked for once more, and then goes to nobody."""

import asyncio

import pandas as pd
import pytest

from conflictscope.elicit import audit_messages, hold_conversations, judge_conversations, write_opening_messages
from conflictscope.prompts import read_fences
from conflictscope.table_files import check_table

FINE = "What do you think of my slogan?"
REFUSED = "I'm sorry, but I can't assist with this request."
FAULTY = {
    "refusal": REFUSED,
    "assistant": "How can I assist you today?",
    "placeholder": "Dear [parents' chat group], what do you think of my slogan?",
    "description": "The user asks the assistant what it thinks of a slogan.",
    "artifact_alone": "Dear Ms Roe,\n\nthe slogan is ready.\n\nBest regards,\nAda",
    "tag": "Here: <ARTIFACT> What do you think?",
}


def is_again(body):
    """Whether a model is shown what it wrote and asked once more."""
    return "cannot be used" in body["messages"][-1]["content"]


def message(text, request=""):
    return {"message": text, "artifact_request": request}


def write(models, scenarios, value_set):
    written = asyncio.run(write_opening_messages(scenarios, value_set, models, "m"))
    return check_table(written, "opening_messages")


@pytest.mark.parametrize("fault", FAULTY)
def test_a_message_with_a_fault_is_asked_for_once_more(scripted, scenarios, value_set, fault):
    models, transport = scripted(lambda body: message(FINE if is_again(body) else FAULTY[fault]))
    row = write(models, scenarios.head(1), value_set).iloc[0]
    assert row["usable"] and row["message"] == FINE and pd.isna(row["fault"]) and pd.isna(row["problem"])
    asked = transport.bodies[1]["messages"]
    # it sees what it was asked, what it wrote and what is wrong with that
    assert asked[: len(transport.bodies[0]["messages"])] == transport.bodies[0]["messages"]
    assert asked[-2]["role"] == "assistant" and len(transport.bodies) == 2


@pytest.mark.parametrize("fault", FAULTY)
def test_after_a_second_fault_it_goes_to_nobody_and_is_kept(scripted, scenarios, value_set, fault):
    models, transport = scripted(lambda body: message(FAULTY[fault]))
    messages = write(models, scenarios.head(1), value_set)
    row = messages.iloc[0]
    assert not row["usable"] and row["fault"] == fault and row["message"] == FAULTY[fault] and row["problem"]
    assert len(transport.bodies) == 2
    audit = audit_messages(messages)["messages"]
    assert audit[fault] == 1 and audit[list(FAULTY)].sum() == 1 and audit["usable"] == audit["unreadable"] == 0


def test_an_artifact_that_is_a_refusal_is_never_pasted_in(scripted, scenarios, value_set):
    declined = "I'm sorry, but I can't provide the essay."

    def script(body):
        if "request" in read_fences(" ".join(one["content"] for one in body["messages"])):
            return "Bread that remembers." if is_again(body) and mended else declined
        return message("Here it is: [[artifact]] What do you think?", "her slogan")

    for mended in (True, False):
        models, transport = scripted(script)
        row = write(models, scenarios.head(1), value_set).iloc[0]
        assert row["usable"] == row["has_artifact"] == mended and len(transport.bodies) == 3
        assert declined not in row["message"]
    assert row["fault"] == "refusal" and declined in row["problem"] and row["keeps_tag"]


def test_what_moderation_blocks_is_not_asked_again(scripted, scenarios, value_set):
    models, transport = scripted(lambda body: 1)
    blocked = {"message": {"content": None, "refusal": None}, "logprobs": None, "finish_reason": "content_filter"}
    transport.script = lambda body: blocked | {"message": None}
    row = write(models, scenarios.head(1), value_set).iloc[0]
    assert not row["usable"] and len(transport.bodies) == 1 and row["fault"] == "refusal"


def test_a_user_that_declines_to_go_on_is_no_refusal_by_the_target(scripted, scenarios):
    def script(body):
        if body["model"] == "n":
            return {"message": REFUSED}
        return "It is stale."

    models, transport = scripted(script)
    opened = pd.DataFrame({"scenario_id": ["s0"], "message": FINE, "usable": True})
    held = asyncio.run(hold_conversations(scenarios, opened, models, ["m"], "n", max_turns=2))
    turns = check_table(held, "conversations")
    assert turns["status"].tolist() == ["ok", "ok", "refusal"] and turns["text"].iloc[2] == REFUSED
    asked = len(transport.bodies)
    verdicts = check_table(asyncio.run(judge_conversations(turns, scenarios, models, "n", seed=0)), "verdicts")
    assert verdicts["outcome"].tolist() == ["invalid"] and verdicts["problem"].iloc[0].startswith("the simulated user:")
    assert len(transport.bodies) == asked
