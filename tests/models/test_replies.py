from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from conflictscope.models import Model
from conflictscope.models.requests import make_call, read_completion, read_reply


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


def payload(content, *, finish="stop", **message):
    return {"model": "x", "choices": [{"message": {"content": content} | message, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("found", "free", "structured"),
    [
        (payload('{"answer": "A"}'), "ok", "ok"),
        (payload("A"), "ok", "invalid"),
        (payload(None), "invalid", "invalid"),
        (payload(" \n"), "invalid", "invalid"),
        (payload('{"answer": "A"}', finish="length"), "invalid", "invalid"),
        (payload(None, refusal="I cannot help with that."), "refusal", "refusal"),
        (payload('{"answer": "A"}', finish="content_filter"), "refusal", "refusal"),
        (payload('{"answer": "A"}', refusal=None), "ok", "ok"),
        (payload('{"answer": "A"}', finish=None), "ok", "ok"),
    ],
)
def test_every_reply_has_one_outcome(make_request, found, free, structured):
    model = Model("m", "http://x/v1", "m", json_schema=True)
    for schema, outcome in ((None, free), (Answer, structured)):
        raw = read_completion(found, 0.1)
        reply = read_reply(make_call(model, make_request("?", schema=schema)), raw)
        assert reply.outcome == outcome
        assert (reply.parsed is not None) == (outcome == "ok" and schema is not None)
        assert (reply.problem is None) == (outcome == "ok")
        # what there is of it is kept
        assert reply.text == (raw.refusal or raw.text)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        "A",
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [{}]},
        {"choices": [None]},
        {"choices": [{"message": "A"}]},
        {"error": {"message": "overloaded"}},
    ],
)
def test_what_is_no_completion_is_no_reply(found):
    with pytest.raises(ValueError, match="the endpoint's answer"):
        read_completion(found, 0.1)


def test_odd_fields_are_left_out_and_odd_text_is_made_storable():
    found = payload("fine \ud83d and \x00, \N{GRINNING FACE}")
    found |= {"usage": {"prompt_tokens": "many", "completion_tokens": True}, "model": 5}
    found["choices"][0]["logprobs"] = {"content": [None, {"token": "A", "logprob": -1, "top_logprobs": [3]}]}
    raw = read_completion(found, 0.1)
    assert raw.text == "fine \ufffd and \ufffd, \N{GRINNING FACE}"
    assert raw.prompt_tokens is None and raw.completion_tokens is None and raw.model_id is None
    assert raw.top_logprobs == [{}]


def test_reads_log_probabilities():
    found = payload("A")
    both = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.5}]
    found["choices"][0]["logprobs"] = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": both}]}
    assert read_completion(found, 0.1).top_logprobs == [{"A": -0.1, "B": -2.5}]
