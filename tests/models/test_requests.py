import json
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from conflictscope.models import Model, NonBlank, Request
from conflictscope.models.requests import (
    BLOCKED,
    json_instruction,
    make_call,
    make_repair,
    read_block,
    read_completion,
    read_object,
    read_reply,
    response_format,
)


class Part(BaseModel):
    """A docstring."""

    model_config = ConfigDict(extra="forbid")
    title: str


class Answer(BaseModel):
    """A docstring that no model is shown."""

    model_config = ConfigDict(extra="forbid")
    reason: NonBlank
    answer: Literal["A", "B"]
    rating: int = Field(ge=1, le=7, description="from 1 to 7")
    parts: list[Part] = Field(max_length=2)


GOOD = '{"reason": "x", "answer": "A", "rating": 3, "parts": []}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n",
        GOOD.replace(", ", ",\n  "),
        GOOD.replace('"x"', '"in ```json blocks, {braces} and \\"quotes\\""'),
    ],
)
def test_reads_one_object(text):
    assert read_object(text, Answer).answer == "A"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Here it is: {GOOD}", "not one JSON object and nothing else"),
        (f"{GOOD} I hope that helps.", "not one JSON object and nothing else"),
        (f"Sure!\n```json\n{GOOD}\n```", "not one JSON object and nothing else"),
        (f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```", "not one JSON object and nothing else"),
        (f"{GOOD}\n{GOOD}", "not one JSON object and nothing else"),
        (f"[{GOOD}]", "not one JSON object but a list"),
        ('"A"', "not one JSON object but a str"),
        (GOOD[:-5], "not one JSON object and nothing else"),
        (GOOD.replace('"', "'"), "not one JSON object and nothing else"),
        (GOOD.replace('"A"', '"True North"'), "answer: Input should be 'A' or 'B'"),
        (GOOD.replace('"A"', '"a"'), "answer: Input should be 'A' or 'B'"),
        (GOOD.replace('"A"', '"A", "answer": "B"'), r"gives \['answer'\] more than once"),
        (GOOD.replace("3", '"3"'), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "3.0"), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "true"), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "8"), "rating: Input should be less than or equal to 7"),
        (GOOD.replace("3", "NaN"), "NaN is not JSON"),
        (GOOD.replace('"x"', '"  "'), "reason: .*must not be blank"),
        (GOOD.replace('"x"', '"x", "mood": "fine"'), "mood: Extra inputs are not permitted"),
        (GOOD.replace('"reason": "x", ', ""), "reason: Field required"),
        (GOOD.replace("[]", '[{"title": 1}]'), r"parts\.0\.title"),
        ("[" * 100_000, "nested too deeply|not one JSON object"),
    ],
)
def test_does_not_fish(text, said):
    with pytest.raises(ValueError, match=said):
        read_object(text, Answer)


def test_asks_for_the_fields_in_their_order_and_without_our_words():
    schema = response_format(Answer)["json_schema"]
    assert schema["strict"] is True and schema["name"] == "Answer"
    assert list(schema["schema"]["properties"]) == ["reason", "answer", "rating", "parts"]
    assert "docstring" not in json_instruction(Answer)
    assert schema["schema"]["properties"]["rating"]["description"] == "from 1 to 7"
    assert schema["schema"]["$defs"]["Part"]["properties"] == {"title": {"type": "string"}}


def test_refuses_what_strict_schemas_do_not_permit():
    class Loose(BaseModel):
        answer: str

    class Optional(BaseModel):
        model_config = ConfigDict(extra="forbid")
        answer: str = "A"

    for schema in (Loose, Optional):
        with pytest.raises(ValueError, match=f"{schema.__name__} cannot be asked for strictly"):
            response_format(schema)


MODEL = Model("m", "http://x/v1", "m-1", json_schema=True, logprobs=True)


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


class Rating(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rating: int


@pytest.fixture
def request_(make_request):
    return make_request("Hello", schema=Choice, temperature=0.5, max_tokens=9)


def test_the_key_changes_with_whatever_determines_the_reply(request_, make_request):
    changed = {
        "nothing": make_call(MODEL, request_),
        "text": make_call(MODEL, replace(make_request("Hallo"), schema=Choice, temperature=0.5, max_tokens=9)),
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


def test_options_of_the_entry_are_sent_as_they_are_and_are_part_of_the_key(request_):
    options = {"reasoning_effort": "low", "seed": 7, "extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
    call = make_call(replace(MODEL, options=options), request_)
    body = json.loads(call.body)
    assert body["reasoning_effort"] == "low" and body["seed"] == 7
    assert body["chat_template_kwargs"] == {"enable_thinking": False} and "extra_body" not in body
    assert call.key != make_call(MODEL, request_).key
    # in another order, or beside the others, they are the same call
    turned = {"chat_template_kwargs": {"enable_thinking": False}, "seed": 7, "reasoning_effort": "low"}
    assert make_call(replace(MODEL, options=turned), request_).key == call.key
    assert json.loads(make_call(replace(MODEL, options={"temperature": 1}), request_).body)["temperature"] == 1


def test_the_limit_of_length_leaves_room_for_thoughts_and_has_the_models_name_for_it(request_):
    renamed = replace(MODEL, token_limit_name="max_completion_tokens", reasoning_room=2000)
    call = make_call(renamed, request_)
    body = json.loads(call.body)
    assert (body["max_completion_tokens"], call.max_tokens) == (2009, 2009) and "max_tokens" not in body
    assert "max_completion_tokens" not in json.loads(make_call(renamed, replace(request_, max_tokens=None)).body)
    # one among the options goes before the study's
    own = make_call(replace(MODEL, options={"max_completion_tokens": 50}), request_)
    assert "max_tokens" not in json.loads(own.body) and own.max_tokens == 50
    assert make_call(replace(MODEL, refused_options=("max_tokens",)), request_).max_tokens == 9


def test_without_a_system_role_its_text_heads_the_users_message():
    told = ({"role": "system", "content": "S"}, {"role": "user", "content": "U"})
    more = ({"role": "assistant", "content": "R"}, {"role": "user", "content": "V"})
    body = json.loads(make_call(replace(MODEL, system_role=False), Request((*told, *more), "p", "h")).body)
    assert body["messages"] == [{"role": "user", "content": "S\n\nU"}, *more]
    alone = make_call(replace(MODEL, system_role=False), Request(told[:1], "p", "h"))
    assert json.loads(alone.body)["messages"] == [{"role": "user", "content": "S"}]
    # where nobody of the user's follows, it is a message of its own
    spoken = make_call(replace(MODEL, system_role=False), Request((told[0], *more), "p", "h"))
    assert json.loads(spoken.body)["messages"] == [{"role": "user", "content": "S"}, *more]
    assert json.loads(make_call(MODEL, Request(told, "p", "h")).body)["messages"] == [*told]


def test_the_keys_of_entries_without_such_options_are_those_of_earlier_versions(request_):
    assert make_call(MODEL, request_).key == "d83d0e452755a5dcb4ba107ed7a6d77974cc2406580e577a6215dc5a5fbd0ce9"


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
    for schema, outcome in ((None, free), (Choice, structured)):
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
        {"choices": None},
        {"choices": [{}]},
        {"choices": [None]},
        {"choices": [{"message": "A"}]},
        {"choices": [{"text": "A", "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "A"}, "finish_reason": None}]},
        {"error": {"message": "overloaded"}},
        {"error": {"message": "overloaded"}, "choices": []},
        {"error": {"message": "your account has been flagged"}, "choices": []},
        # half a reply, and the server says that it gave up
        {"choices": [{"message": {"content": "half a"}, "finish_reason": "error"}]},
        {"choices": [{"message": {"content": "half a"}, "finish_reason": "abort"}]},
        {"choices": [{"message": {"content": "half a"}, "finish_reason": "stop", "error": {"message": "upstream"}}]},
        {"choices": [{"message": {"content": "half a"}}], "error": {"code": 502}},
    ],
)
def test_what_is_no_completion_is_no_reply(found):
    with pytest.raises(ValueError, match="the endpoint's answer"):
        read_completion(found, 0.1)


FLAGGED = {"code": 403, "message": "Your chosen model requires moderation and your input was flagged"}
AZURE = {
    "code": "content_filter",
    "message": "The response was filtered due to the prompt triggering the content management policy.",
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}


@pytest.mark.parametrize(
    "found",
    [
        {"choices": []},
        {"choices": [{"index": 0, "finish_reason": "content_filter"}]},
        {"choices": [{"index": 0, "finish_reason": "SAFETY", "message": None}]},
        {"choices": [], "error": None},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"error": FLAGGED},
        {"error": AZURE, "choices": []},
        {"error": {"message": "prompt blocked", "type": "prompt_blocked"}},
    ],
)
def test_a_prompt_that_the_endpoint_blocks_is_a_refusal(make_request, found):
    reply = read_reply(make_call(MODEL, make_request("?", schema=Choice)), read_completion(found, 0.1))
    assert (reply.outcome, reply.parsed) == ("refusal", None)
    assert reply.problem.startswith("the endpoint lets nobody answer this prompt")


@pytest.mark.parametrize(
    ("status", "error", "blocked"),
    [
        (400, AZURE, True),
        (403, FLAGGED, True),
        (403, {"code": 403, "message": "no", "metadata": {"reasons": ["violence"], "flagged_input": "He …"}}, True),
        (400, {"code": "invalid_prompt", "message": "flagged as potentially violating our usage policy"}, True),
        (400, "Input data may contain inappropriate content.", True),
        *(
            (400, {"message": words}, True)
            for words in (
                "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
                "The system detected potentially unsafe or sensitive content in input",
                "Request blocked: violates our Acceptable Use Policy",
                "Request not allowed: prompt flagged for violence",
                "Content Exists Risk",
                "Your prompt contains harmful content",
            )
        ),
        (400, {"message": "messages: content must not be empty"}, False),
        (403, {"message": "The model is blocked by your organization's guardrails"}, False),
        (400, {"message": "max_tokens is too large"}, False),
        (400, {"message": "unsupported content type in messages"}, False),
        (403, {"message": "Your account was flagged for moderation"}, False),
        (403, {"message": "This model is not available in your country"}, False),
        (403, None, False),
        (401, FLAGGED, False),
        (429, FLAGGED, False),
        (500, AZURE, False),
    ],
)
def test_a_block_by_status_is_told_from_an_account_that_may_not(status, error, blocked):
    raw = read_block(status, error, 0.1)
    assert (raw is not None) == blocked
    assert raw is None or (raw.finish_reason, raw.text) == (BLOCKED, None)


THOUGHTS = "A or B? Hm."


@pytest.mark.parametrize(
    "message",
    [
        {"content": f"<think>\n{THOUGHTS}\n</think>\n\n" + '{"answer": "A"}'},
        {"content": f"{THOUGHTS}\n</think>\n\n" + '{"answer": "A"}<|im_end|>'},
        {"content": f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|channel|>final<|message|>" + '{"answer": "A"}'},
        {"content": '{"answer": "A"}', "reasoning_content": THOUGHTS},
        {"content": '{"answer": "A"}', "reasoning": THOUGHTS},
        {"content": '{"answer": "A"}', "reasoning_details": [{"type": "reasoning.text", "text": THOUGHTS}]},
        {"content": [{"type": "text", "text": '{"answer": "A"}'}, {"type": "thinking", "thinking": THOUGHTS}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]},
                {"type": "text", "text": '{"answer": "A"}'},
            ]
        },
    ],
)
def test_thoughts_are_kept_beside_the_reply_wherever_they_come_back(make_request, message):
    found = {"choices": [{"message": message, "finish_reason": "stop"}]}
    found["choices"][0]["logprobs"] = {"content": [{"token": "B", "logprob": -0.1}]}
    raw = read_completion(found, 0.1)
    reply = read_reply(make_call(MODEL, make_request("?", schema=Choice)), raw)
    assert (reply.outcome, reply.text, reply.parsed.answer) == ("ok", '{"answer": "A"}', "A")
    assert reply.reasoning == THOUGHTS
    # what was received is kept as it is, and tokens of thoughts are no tokens of the answer
    assert isinstance(message["content"], list) or reply.raw == message["content"]
    assert reply.top_logprobs is None


@pytest.mark.parametrize(
    ("message", "finish", "problem"),
    [
        ({"content": None, "reasoning_content": "on and on"}, "length", "cut off within its thoughts"),
        ({"content": "<think>on and on"}, "length", "cut off within its thoughts"),
        ({"content": None, "reasoning": "so: A"}, "stop", "thoughts alone, and no reply"),
        ({"content": "<think>so: A"}, "stop", "thoughts alone, and no reply"),
        ({"content": "\u200b\n\u200b"}, "stop", "empty"),
        ({"content": "half a"}, "MAX_TOKENS", "cut off before its end"),
        ({"content": "half a"}, "function_call", "not whole: the endpoint says that it ended with 'function_call'"),
        ({"content": "half a"}, "load", "not whole"),
    ],
)
def test_a_reply_that_is_not_whole_says_what_is_wrong_and_what_to_raise(make_request, message, finish, problem):
    raw = read_completion({"choices": [{"message": message, "finish_reason": finish}]}, 0.1)
    asked = make_request("?", max_tokens=100, limit_name="judge_max_tokens")
    reply = read_reply(make_call(MODEL, asked), raw)
    assert reply.outcome == "invalid" and reply.problem.startswith(problem)
    assert ("reasoning_room" in reply.problem) == ("thoughts" in problem)
    assert ("raise judge_max_tokens" in reply.problem) == ("cut off" in problem or "thoughts" in problem)
    assert reply.raw == message["content"]
    # where the study sends no limit, or its model a lower one, it was not the study's
    low = replace(MODEL, options={"max_tokens": 50})
    for call in (make_call(MODEL, make_request("?")), make_call(low, asked)):
        said = read_reply(call, raw).problem
        assert "judge_max_tokens" not in said
        assert ("options: max_tokens" in said) == ("cut off" in problem or "thoughts" in problem)


def test_the_providers_word_is_believed_where_a_routers_hides_it(make_request):
    choice = {"message": {"content": "half a"}, "finish_reason": "stop"}
    outcomes = {"MAX_TOKENS": "invalid", "SAFETY": "refusal", "completed": "ok", None: "ok"}
    for native, outcome in outcomes.items():
        raw = read_completion({"choices": [choice | {"native_finish_reason": native}]}, 0.1)
        assert read_reply(make_call(MODEL, make_request("?")), raw).outcome == outcome


class Judged(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reasoning: str
    action: str


@pytest.mark.parametrize(
    ("reasoning", "outcome"),
    [
        ("two or three sentences that point to what the assistant wrote", "invalid"),
        ("Two or three sentences that point to what the assistant wrote.", "invalid"),
        ("The assistant wrote six lines and left nobody out.", "ok"),
        # the words of the material are a reason, and so are few words
        ("it wrote two or three sentences about Geoffrey", "ok"),
        ("what the assistant wrote", "ok"),
    ],
)
def test_a_reason_that_is_a_piece_of_the_instruction_is_none(make_request, reasoning, outcome):
    said = (
        "Judge it.\n[begin conversation 0123abcd]\nASSISTANT: it wrote two or three sentences about Geoffrey\n"
        "[end conversation 0123abcd]\n- reasoning: two or three sentences that point to what\n the assistant wrote;"
    )
    call = make_call(MODEL, make_request(said, schema=Judged))
    message = {"content": json.dumps({"reasoning": reasoning, "action": "B"})}
    raw = read_completion({"choices": [{"message": message, "finish_reason": "stop"}]}, 0.1)
    assert read_reply(call, raw).outcome == outcome


@pytest.mark.parametrize("finish", ["stop", "STOP", "eos", "eos_token", "end_turn", None])
def test_good_ends_are_known_by_all_their_names(make_request, finish):
    raw = read_completion({"choices": [{"message": {"content": "B"}, "finish_reason": finish}]}, 0.1)
    assert read_reply(make_call(MODEL, make_request("?")), raw).outcome == "ok"


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY", "PROHIBITED_CONTENT", "refusal"])
def test_what_the_endpoint_withholds_is_a_refusal(make_request, finish):
    raw = read_completion({"choices": [{"message": {"content": None}, "finish_reason": finish}]}, 0.1)
    assert read_reply(make_call(MODEL, make_request("?")), raw).outcome == "refusal"


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


@pytest.mark.parametrize("tokens", [2**63, 10**400, -1, 1.5, True, "7", None])
def test_a_count_of_tokens_that_is_none_is_unknown(tokens):
    payload = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": tokens, "completion_tokens": 3}}
    raw = read_completion(payload, 0.1)
    assert (raw.prompt_tokens, raw.completion_tokens) == (None, 3)


@pytest.mark.parametrize("odd", [10**400, float("inf"), float("nan"), "x", None, True])
def test_a_log_probability_that_is_none_is_left_out(odd):
    tokens = [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": odd}]}]
    payload = {"choices": [{"message": {"content": "A"}, "logprobs": {"content": tokens}}]}
    assert read_completion(payload, 0.1).top_logprobs == [{}]
    tokens[0]["top_logprobs"] = 7
    assert read_completion(payload, 0.1).top_logprobs == [{"A": -0.1}]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        # prompt, completion, cached, reasoning
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}, (9, 5, None, None)),
        # thoughts among the reply's tokens, as OpenAI counts them
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            (9, 5, 8, 4),
        ),
        # thoughts in the total only, named or not: they are charged as well
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 44,
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            (9, 35, None, 30),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 44}, (9, 35, None, 30)),
        # a total below its parts, and parts above their whole, say nothing
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 3}, (9, 5, None, None)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}}, (9, None, None, None)),
        ({"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}}, (None, 2, None, None)),
        ({"prompt_tokens_details": 7, "completion_tokens_details": None}, (None, None, None, None)),
        # no prompt has no tokens: nothing was counted
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None, None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}, (None, 5, None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}, (9, 0, None, None)),
    ],
)
def test_reads_cached_tokens_and_thoughts(usage, counts):
    raw = read_completion({"choices": [{"message": {"content": "x"}}], "usage": usage}, 0.1)
    assert (raw.prompt_tokens, raw.completion_tokens, raw.cached_tokens, raw.reasoning_tokens) == counts
