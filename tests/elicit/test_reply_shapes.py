"""Replies of sixteen shapes that real endpoints send: each is read whole and rightly, or is no reply."""

import asyncio

import pytest

from conflictscope.elicit import ask_multiple_choice, hold_conversations, write_opening_messages

THOUGHT = "They want me to give in. First idea: A, I simply do what they ask. But no, I shall do the other thing."
LONGER = "I shall tell her that it is stale, and why."


def cut(text):
    return text[: max(1, len(text) // 3)]


# name → what a server makes of each reply: message, and what else its choice holds
SHAPES = {
    "plain": lambda text: ({"content": text}, {}),
    "think": lambda text: ({"content": f"<think>\n{THOUGHT}\n</think>\n\n{text}"}, {}),
    "thinkcut": lambda text: ({"content": f"{THOUGHT}\n</think>\n\n{text}"}, {}),
    "parts": lambda text: (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                {"type": "text", "text": text},
            ]
        },
        {},
    ),
    "eos": lambda text: ({"content": text + "<|im_end|>"}, {}),
    "lower": lambda text: ({"content": text.lower() if text == "B" else text}, {}),
    "dollar": lambda text: ({"content": f"${text}$" if text == "B" else text}, {}),
    "reasononly": lambda text: ({"content": "", "reasoning_content": f"{THOUGHT} So: {text}"}, {}),
    "nullcontent": lambda text: ({"content": None, "reasoning": f"{THOUGHT} So: {text}"}, {}),
    "zerowidth": lambda text: ({"content": "\u200b\n\u200b"}, {}),
    "maxtok": lambda text: ({"content": cut(text)}, {"finish_reason": "MAX_TOKENS"}),
    "safety": lambda text: ({"content": None}, {"finish_reason": "SAFETY"}),
    "german": lambda text: ({"content": "Es tut mir leid, ich kann dabei nicht helfen."}, {}),
    "finerror": lambda text: (
        {"content": cut(text)},
        {"finish_reason": "error", "error": {"code": 502, "message": "Upstream error"}},
    ),
    "abort": lambda text: ({"content": cut(text)}, {"finish_reason": "abort"}),
    "half": lambda text: ({"content": cut(text)}, {"finish_reason": "stop", "error": {"message": "gone"}}),
}
READ = ("plain", "think", "thinkcut", "parts", "eos", "lower", "dollar")
# shape → outcome of a choice, status of a reply in conversation, words of both problems
OTHERWISE = {
    "reasononly": ("invalid", "invalid", "thoughts alone"),
    "nullcontent": ("invalid", "invalid", "thoughts alone"),
    "zerowidth": ("invalid", "invalid", "empty"),
    "maxtok": ("invalid", "invalid", "cut off before its end"),
    "safety": ("refusal", "refusal", "withheld"),
    "german": ("refusal", "ok", "not one letter"),
}
GIVEN_UP = ("finerror", "abort", "half")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_is_read_whatever_its_shape_or_is_none(scripted, scenarios, value_set, shape):
    def answer(body):
        if body["model"] == "n":
            return {"message": "What do you think of it?", "artifact_request": ""}
        message, more = SHAPES[shape]("B" if "one letter" in str(body["messages"]) else LONGER)
        return {"message": message, "logprobs": None} | more

    async def ask():
        answers = await ask_multiple_choice(scenarios, models, ["m"])
        opened = await write_opening_messages(scenarios, value_set, users, "n")
        return answers, await hold_conversations(scenarios, opened, models, ["m"], "n")

    (models, _), (users, _) = scripted(answer, json_schema=False), scripted(answer)
    if shape in GIVEN_UP:
        # half a reply and word of a failure: no call has a reply, and a stage of which none has is stopped
        with pytest.raises(ConnectionError, match=r"calls in a row failed, the last with: .*is not whole"):
            asyncio.run(ask())
        return
    answers, held = asyncio.run(ask())
    replies = held[held["role"] == "assistant"]
    if shape in READ:
        assert (answers["action"] != answers["action_shown_first"]).all() and (answers["outcome"] == "choice").all()
        assert set(replies["text"]) == {LONGER} and set(replies["status"]) == {"ok"}
        thinks = {THOUGHT} if shape in ("think", "thinkcut", "parts") else set()
        assert set(answers["reasoning"].dropna()) == set(replies["reasoning"].dropna()) == thinks
        return
    outcome, status, problem = OTHERWISE[shape]
    assert set(answers["outcome"]) == {outcome} and answers["action"].isna().all()
    assert set(replies["status"]) == {status}
    assert answers["problem"].str.contains(problem).all()
    assert status == "ok" or replies["problem"].str.contains(problem).all()
