"""Anthropic's message batches: asked in its form, read like any other reply, and paid once."""

import json
import urllib.request
from functools import partial

import pytest
from pydantic import BaseModel, ConfigDict
from tests.models.test_batches import ask, requests, texts

from conflictscope.models import BatchesPending, Request
from conflictscope.prompts import Prompt

pytestmark = pytest.mark.usefixtures("hurry_batches")


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    letter: str


@pytest.fixture
def start(start_server):
    """Start an endpoint with message batches."""
    return partial(start_server, "message_batches.py")


def ask_them(tmp_path, server, asked, **described):
    return ask(tmp_path / "calls.sqlite", server.url, asked, batch_form="anthropic", **described)


def test_requests_and_replies_have_the_form_of_the_package(start, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_KEY", "key-of-a-test-0123456789")
    server = start("--seconds", "0.1", "--key", "key-of-a-test-0123456789")
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "A letter?"})
    prompt = Prompt("greeting", "abc", messages)
    asked = [
        Request.of(prompt, temperature=0.5, max_tokens=77),
        Request.of(prompt, schema=Letter),
    ]
    described = {"key_variable": "ANTHROPIC_KEY", "json_schema": True, "options": {"top_k": 3, "stop": "END"}}
    replies, used, spent = ask_them(tmp_path, server, asked, **described)
    assert [reply.outcome for reply in replies] == ["ok", "ok"]
    assert isinstance(replies[1].parsed, Letter)
    free, structured = server.get("books")["bodies"]
    user = [{"role": "user", "content": "A letter?"}]
    common = {"model": "m-1", "system": "Be brief.", "messages": user, "top_k": 3, "stop_sequences": ["END"]}
    assert free == common | {"max_tokens": 77, "temperature": 0.5}
    assert structured.pop("output_config")["format"]["type"] == "json_schema"
    assert structured == common | {"max_tokens": 4096}
    # 25 of input each, 5 of them cached, at a dollar a million and half of that
    written = sum(reply.completion_tokens for reply in replies)
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (50, written, 10)
    assert spent == pytest.approx((50 + written) * 1e-6 / 2)


def test_the_server_speaks_as_the_package_expects(start, tmp_path):
    types = pytest.importorskip("anthropic.types.messages", reason="the package anthropic is not installed")
    params = pytest.importorskip("anthropic.types.message_create_params")
    server = start("--bad-word", "marmalade", "--expire-share", "0.2")
    ask_them(tmp_path, server, [*requests(4), *requests(1, "marmalade")])
    headers = {"anthropic-version": "2023-06-01"}
    get = partial(urllib.request.Request, headers=headers)
    listed = json.load(urllib.request.urlopen(get(f"{server.url}/messages/batches")))
    for batch in listed["data"]:
        types.MessageBatch.model_validate(batch)
    with urllib.request.urlopen(get(f"{server.url}/messages/batches/{listed['data'][-1]['id']}/results")) as lines:
        kinds = [types.MessageBatchIndividualResponse.model_validate_json(line).result.type for line in lines]
    assert {"succeeded", "expired"} <= set(kinds) <= {"succeeded", "errored", "expired"}
    known = params.MessageCreateParamsNonStreaming.__annotations__ | params.MessageCreateParamsBase.__annotations__
    assert all(set(body) <= set(known) for body in server.get("books")["bodies"])


def test_a_stage_that_waits_is_left_and_gone_on_with(start, tmp_path):
    server = start("--seconds", "1")
    with pytest.raises(BatchesPending):
        ask_them(tmp_path, server, requests(10), batch_wait_minutes=0)
    replies, _, _ = ask_them(tmp_path, server, requests(10))
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["batches"]) == ({1}, 10, 1)


def test_a_lost_answer_is_looked_for_and_a_stranger_let_go_of(start, tmp_path):
    server = start("--seconds", "0.2", "--lose-created", "2", "--page", "1", "--stranger", "4")
    replies, _, _ = ask_them(tmp_path, server, requests(12), batch_size=4)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["batches"]) == ({1}, 12 + 4, 3 + 1)


def test_what_expires_is_handed_over_again_and_an_error_is_told(start, tmp_path):
    server = start("--expire-share", "0.2", "--bad-word", "marmalade")
    replies, _, _ = ask_them(tmp_path, server, [*requests(1, "marmalade"), *requests(9)])
    assert replies[0].problem == "Error code: 400 - the body holds what is not taken here"
    assert set(server.get("books")["billed"].values()) == {1}
    assert [outcome for outcome, _, _ in texts(replies)].count("ok") >= 8


def test_a_full_queue_is_waited_for(start, tmp_path):
    server = start("--queue", "10", "--seconds", "0.2")
    replies, _, _ = ask_them(tmp_path, server, requests(25), batch_size=10)
    assert {reply.outcome for reply in replies} == {"ok"}
    assert set(server.get("books")["billed"].values()) == {1}


def test_an_option_without_a_place_there_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match=r"options \['seed'\] have no place in Anthropic's batches"):
        ask_them(tmp_path, start(), requests(1), options={"seed": 3})
