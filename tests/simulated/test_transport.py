import asyncio
import json
import os
import random
import subprocess
import sys

import httpx2
import openai
import pytest

from conflictscope.prompts import render
from conflictscope.simulated import SimulatedTransport
from conflictscope.simulated.transport import complete

CHOOSE = {"description": "Rain falls.", "action_a": "The assistant sings.", "action_b": "The assistant hums."}


def _client(max_retries: int = 5) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://simulated.invalid/v1",
        max_retries=max_retries,
        http_client=httpx2.AsyncClient(transport=SimulatedTransport()),
    )


def _questions(n: int) -> list[list[dict]]:
    return [list(render("choose", **{**CHOOSE, "description": f"Rain falls for {k} days."}).messages) for k in range(n)]


async def _ask_all(questions, order, **more):
    replies = {}
    async with _client() as client:
        for k in order:
            got = await client.chat.completions.create(model="cautious", messages=questions[k], **more)
            replies[k] = got.choices[0].message.content
    return [replies[k] for k in range(len(questions))]


def test_a_chat_completion_has_what_the_client_expects():
    async def ask():
        async with _client() as client:
            return await client.chat.completions.create(
                model="steady", messages=_questions(2)[1], temperature=0, logprobs=True, top_logprobs=5
            )

    reply = asyncio.run(ask())
    assert reply.choices[0].message.content in ("A", "B")
    assert reply.choices[0].logprobs.content[0].token in ("A", "B")
    assert reply.system_fingerprint == "simulated"
    assert reply.created == 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 50


def test_a_reply_does_not_depend_on_the_order_of_requests():
    questions = _questions(60)
    order = list(range(60))
    straight = asyncio.run(_ask_all(questions, order))
    random.Random(0).shuffle(order)
    assert asyncio.run(_ask_all(questions, order)) == straight
    assert len(set(straight)) > 1


def test_about_one_request_in_a_hundred_is_turned_away_once():
    async def turned_away():
        transport = SimulatedTransport()
        statuses = []
        async with httpx2.AsyncClient(transport=transport) as client:
            for messages in _questions(1500):
                body = {"model": "steady", "messages": messages}
                got = await client.post("http://simulated.invalid/v1/chat/completions", json=body)
                if got.status_code != 200:
                    statuses.append((got.status_code, got.headers["retry-after"]))
                    again = await client.post("http://simulated.invalid/v1/chat/completions", json=body)
                    assert again.status_code == 200
        return statuses

    statuses = asyncio.run(turned_away())
    assert 3 < len(statuses) < 35
    assert set(statuses) == {(429, "0.01")}


def test_an_unknown_model_is_an_error_that_names_it():
    async def ask():
        async with _client(max_retries=2) as client:
            await client.chat.completions.create(model="gpt-nothing", messages=_questions(1)[0])

    with pytest.raises(openai.NotFoundError, match="gpt-nothing") as error:
        asyncio.run(ask())
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", b"[]", 400),
        ("/v1/chat/completions", b'{"model": "steady", "messages": []}', 400),
        ("/v1/embeddings", b"{}", 404),
    ],
)
def test_bad_requests_are_errors_in_the_usual_format(path, content, status):
    async def post():
        async with httpx2.AsyncClient(transport=SimulatedTransport()) as client:
            return await client.post(f"http://simulated.invalid{path}", content=content)

    got = asyncio.run(post())
    assert got.status_code == status
    assert got.json()["error"]["message"]


@pytest.mark.parametrize("model", ["author", "filter_judge", "user", "judge", "cautious"])
def test_whatever_is_said_to_any_model_gets_a_reply(model):
    for messages in (
        [{"role": "user", "content": ""}],
        [{"role": "system", "content": "1. x: y\n2. z: w"}],
        [{"role": "assistant", "content": None}],
        [{"role": "user", "content": "Write the scenario:"}],
        [{"role": "user", "content": "Which action did the assistant take? \ud800"}],
    ):
        assert complete({"model": model, "messages": messages})["choices"][0]["message"]["content"] is not None


def test_json_is_given_where_the_prompt_asks_for_it():
    question, instruction = (
        prompt.messages[0]["content"] for prompt in (render("choose", **CHOOSE), render("json_only", schema="{}"))
    )
    messages = [{"role": "user", "content": f"{question}\n\n{instruction}"}]
    said = complete({"model": "obliging", "messages": messages})["choices"][0]["message"]["content"]
    assert json.loads(said)["answer"] in ("A", "B")


OUTLINES = {
    "value_1": "thrift",
    "definition_1": "using little",
    "value_2": "joy",
    "definition_2": "being glad",
    "structure": "means",
    "severity": "mild",
    "acting_value": "joy",
    "other_value": "thrift",
    "count": 5,
    "batch": 1,
}
ELSEWHERE = """
import json, sys
from conflictscope.simulated.transport import complete
print(json.dumps(complete(json.loads(sys.argv[1]))))
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_gives_the_same_replies(seed, form):
    asked = {"messages": list(render("outlines", **OUTLINES).messages), "response_format": form("outlines", OUTLINES)}
    command = [sys.executable, "-c", ELSEWHERE, json.dumps({"model": "author"} | asked)]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    here = complete({"model": "author"} | asked)
    assert json.loads(said) == here and len(json.loads(here["choices"][0]["message"]["content"])["outlines"]) == 5
