"""A model that thinks answers as its plain twin does: wherever its endpoint puts the thoughts, nothing else differs."""

import asyncio

import pytest

from conflictscope.elicit import (
    ask_multiple_choice,
    ask_ratings,
    hold_conversations,
    judge_conversations,
    steered_prompts,
    write_opening_messages,
)
from conflictscope.simulated.transport import complete

THOUGHT = "First I do the one thing, A. No, the other one, B. 7? I'm sorry, I can't."


def in_content(message):
    return message | {"content": f"<think>\n{THOUGHT}\n</think>\n\n{message['content']}"}


def without_opening_mark(message):
    return message | {"content": f"{THOUGHT}\n</think>\n\n{message['content']}"}


def in_a_channel(message):
    parts = f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>"
    return message | {"content": parts + message["content"]}


def beside(message):
    return message | {"reasoning_content": THOUGHT}


@pytest.fixture
def study(scripted, scenarios, value_set):
    """Return what a study gets of the target ``m`` if each of its replies is changed by a function."""

    def run(change):
        def script(body):
            assert THOUGHT not in str(body["messages"]), "somebody reads thoughts"
            role = "steady" if body["model"] == "m" else "judge" if "leaning" in str(body) else "user"
            choice = complete(body | {"model": role})["choices"][0]
            message = {key: value for key, value in choice["message"].items() if value is not None}
            message.setdefault("content", "")
            return choice | {"message": change(message) if body["model"] == "m" else message, "logprobs": None}

        async def ask():
            opened = await write_opening_messages(scenarios, value_set, models, "n")
            orders = {"tact>candour": ("tact", "candour")}
            arms = {"m": {"default": lambda scenario_id: None} | steered_prompts(value_set, orders, 0)}
            answers = await ask_multiple_choice(scenarios, models, ["m"], arms=arms)
            ratings = await ask_ratings(scenarios, models, ["m"])
            held = await hold_conversations(scenarios, opened, models, ["m"], "n", arms=arms, max_turns=2)
            verdicts = await judge_conversations(held, scenarios, models, "n", seed=0)
            return answers, ratings, held, verdicts

        models, _ = scripted(script, json_schema=False)
        return asyncio.run(ask())

    return run


def test_a_thinking_model_answers_as_its_plain_twin(study):
    plain = study(lambda message: message)
    assert (plain[0]["outcome"] == "choice").all() and plain[3]["outcome"].isin(("choice", "neither")).all()
    assert all(table["reasoning"].isna().all() for table in plain[:3])
    for change in (in_content, without_opening_mark, in_a_channel, beside):
        thinking = study(change)
        for with_thoughts, without in zip(thinking, plain, strict=True):
            apart = ["raw", "reasoning"] if with_thoughts is not thinking[3] else []
            assert with_thoughts.drop(columns=apart, errors="ignore").equals(
                without.drop(columns=apart, errors="ignore")
            ), change.__name__
        replies = thinking[2][thinking[2]["role"] == "assistant"]
        assert set(replies["reasoning"]) == set(thinking[0]["reasoning"]) == {THOUGHT}
