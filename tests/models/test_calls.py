import json
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Model
from conflictscope.models.requests import make_call, make_repair

MODEL = Model("m", "http://x/v1", "m-1", json_schema=True, logprobs=True)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


class Rating(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rating: int


@pytest.fixture
def request_(make_request):
    return make_request("Hello", schema=Answer, temperature=0.5, max_tokens=9)


def test_the_key_changes_with_whatever_determines_the_reply(request_, make_request):
    changed = {
        "nothing": make_call(MODEL, request_),
        "text": make_call(MODEL, replace(make_request("Hallo"), schema=Answer, temperature=0.5, max_tokens=9)),
        "role": make_call(MODEL, replace(request_, messages=({"role": "system", "content": "Hello"},))),
        "schema": make_call(MODEL, replace(request_, schema=Rating)),
        "no schema": make_call(MODEL, replace(request_, schema=None)),
        "temperature": make_call(MODEL, replace(request_, temperature=0.0)),
        "no temperature": make_call(MODEL, replace(request_, temperature=None)),
        "max_tokens": make_call(MODEL, replace(request_, max_tokens=10)),
        "repetition": make_call(MODEL, replace(request_, repetition=1)),
        "logprobs": make_call(MODEL, replace(request_, logprobs=True)),
        "name": make_call(replace(MODEL, name="n"), request_),
        "id": make_call(replace(MODEL, id="m-2"), request_),
        "base_url": make_call(replace(MODEL, base_url="http://y/v1"), request_),
        "way of asking": make_call(replace(MODEL, json_schema=False), request_),
    }
    assert len({call.key for call in changed.values()}) == len(changed)


def test_the_key_stays_with_whatever_does_not(request_):
    key = make_call(MODEL, request_).key
    assert make_call(MODEL, replace(request_, prompt="renamed", prompt_hash="other")).key == key
    assert make_call(replace(MODEL, concurrency=1, key_variable="K", timeout_s=1, max_attempts=1), request_).key == key
    reordered = replace(request_, messages=({"content": "Hello", "role": "user"},))
    assert make_call(MODEL, reordered).key == key


def test_options_that_a_model_refuses_are_not_sent(request_):
    body = json.loads(make_call(replace(MODEL, refused_options=("temperature", "max_tokens")), request_).body)
    assert set(body) == {"model", "messages", "response_format"}
    assert json.loads(make_call(MODEL, request_).body)["temperature"] == 0.5


def test_a_model_without_schemas_is_told_to_reply_in_json(request_):
    body = json.loads(make_call(replace(MODEL, json_schema=False), request_).body)
    assert "response_format" not in body
    (message,) = body["messages"]
    assert message["content"].startswith("Hello\n\n") and '"enum": ["A", "B"]' in message["content"]
    assert request_.messages[0]["content"] == "Hello"


def test_text_that_is_no_valid_unicode_can_be_sent(make_request):
    assert json.loads(make_call(MODEL, make_request("\ud83d")).body)["messages"][0]["content"] == "\ud83d"


def test_a_repair_shows_the_reply_and_the_problem(request_):
    first = make_call(MODEL, request_)
    repair = make_repair(MODEL, first, "C", "answer: no such letter")
    body = json.loads(repair.body)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "C" and "no such letter" in body["messages"][2]["content"]
    assert repair.key != first.key
    assert json.loads(make_repair(MODEL, first, "", "empty").body)["messages"][1]["content"].strip()


def test_refuses_what_the_model_cannot_do(request_):
    with pytest.raises(ValueError, match="gives no log-probabilities"):
        make_call(replace(MODEL, logprobs=False), replace(request_, logprobs=True))
    with pytest.raises(ValueError, match="kind 'embeddings'"):
        make_call(replace(MODEL, kind="embeddings"), request_)
