import asyncio
import json
import socket
from typing import Literal

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict

from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.tables import NothingToCount


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Literal["A", "B"]


A = '{"answer": "A"}'


def failing(status):
    return httpx2.Response(status, json={"error": {"message": "told to fail"}})


def last(body):
    return body["messages"][-1]["content"]


def test_replies_come_in_order_and_equal_requests_are_asked_once(ask, script, make_request):
    scripted = script(lambda body, nth: f"re: {last(body)}")
    replies = ask([make_request(text) for text in ("x", "y", "x", "z")], scripted)
    assert [reply.text for reply in replies] == ["re: x", "re: y", "re: x", "re: z"]
    assert len(scripted.bodies) == 3
    assert (replies[0].model_id, replies[0].prompt_tokens, replies[0].completion_tokens) == ("scripted-1", 7, 3)


def test_what_is_stored_is_not_asked_again(ask, script, make_request):
    first = ask([make_request("x"), make_request("y")], script(lambda body, nth: "first"))
    scripted = script(lambda body, nth: "second")
    replies = ask([make_request("y"), make_request("z"), make_request("x", repetition=1)], scripted)
    assert [reply.text for reply in replies] == ["first", "second", "second"]
    assert replies[0] == first[1]
    assert len(scripted.bodies) == 2


@pytest.mark.parametrize("json_schema", [True, False])
def test_a_structured_reply_is_parsed(ask, script, make_request, json_schema):
    scripted = script(lambda body, nth: A)
    (reply,) = ask([make_request("?", schema=Answer)], scripted, json_schema=json_schema)
    assert (reply.outcome, reply.parsed, reply.text) == ("ok", Answer(answer="A"), A)
    assert ("response_format" in scripted.bodies[0]) == json_schema


def test_an_unreadable_reply_is_asked_for_again_with_the_error(ask, script, make_request):
    scripted = script(lambda body, nth: ["A!", '{"answer": "C"}', A][nth - 1])
    (reply,) = ask([make_request("?", schema=Answer)], scripted)
    assert (reply.outcome, reply.parsed) == ("ok", Answer(answer="A"))
    assert "not one JSON object" in last(scripted.bodies[1])
    assert "answer: Input should be 'A' or 'B'" in last(scripted.bodies[2])
    assert [message["content"] for message in scripted.bodies[2]["messages"][1::2]] == ["A!", '{"answer": "C"}']
    # each is in the store under a key of its own: nothing is asked again
    assert ask([make_request("?", schema=Answer)], script(lambda body, nth: 1 / 0)) == [reply]


@pytest.mark.parametrize("max_repairs", [0, 1, 2])
def test_after_so_many_repairs_it_is_invalid_and_its_text_is_kept(ask, script, make_request, max_repairs):
    scripted = script(lambda body, nth: f"A or B, {nth}")
    (reply,) = ask([make_request("?", schema=Answer)], scripted, max_repairs=max_repairs)
    assert (reply.outcome, reply.parsed) == ("invalid", None)
    assert reply.text == f"A or B, {max_repairs + 1}" and "not one JSON object" in reply.problem
    assert len(scripted.bodies) == max_repairs + 1


@pytest.mark.parametrize("json_schema", [True, False])
def test_a_structured_reply_that_was_cut_off_is_not_asked_for_again(ask, script, make_request, json_schema):
    """The longer conversation would be cut at the same limit; the reply says which limit to raise."""

    def cut(body, nth):
        choice = {"finish_reason": "length", "message": {"content": '{"answer": '}}
        return httpx2.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})

    scripted = script(cut)
    asked = [make_request("?", schema=Answer)]
    limits = {"greeting": ("judge_max_tokens", 3)}
    (reply,) = ask(asked, scripted, json_schema=json_schema, limits=limits)
    assert (reply.outcome, reply.text, len(scripted.bodies)) == ("invalid", '{"answer": ', 1)
    assert scripted.bodies[0]["max_tokens"] == 3 and "raise judge_max_tokens" in reply.problem
    # nothing is asked twice, and a replay finds it; once the limit is raised it is another call
    assert ask(asked, json_schema=json_schema, limits=limits, replay=True) == [reply]
    raised = script(lambda body, nth: A)
    limits = {"greeting": ("judge_max_tokens", 30)}
    (reply,) = ask(asked, raised, json_schema=json_schema, limits=limits, reasoning_room=1000)
    assert reply.outcome == "ok" and [body["max_tokens"] for body in raised.bodies] == [1030]


def test_free_text_is_not_repaired(ask, script, make_request):
    scripted = script(lambda body, nth: " ")
    (reply,) = ask([make_request("?")], scripted)
    assert (reply.outcome, reply.problem, len(scripted.bodies)) == ("invalid", "empty", 1)


def test_a_call_that_fails_is_an_error_and_the_others_go_on(ask, script, make_request):
    requests = [make_request(text) for text in ("x", "bad", "y")]
    replies = ask(requests, script(lambda body, nth: failing(400) if last(body) == "bad" else "well"))
    assert [reply.outcome for reply in replies] == ["ok", "error", "ok"]
    assert "400" in replies[1].problem and "told to fail" in replies[1].problem and replies[1].text is None
    # a replay gives the same; a live run asks again what failed, and only that
    assert ask(requests, replay=True) == replies
    scripted = script(lambda body, nth: "well now")
    assert [reply.text for reply in ask(requests, scripted)] == ["well", "well now", "well"]
    assert len(scripted.bodies) == 1
    assert ask(requests, replay=True)[1].text == "well now"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_in_words_that_no_database_takes_ends_no_study(ask, script, make_request, status, hurry):
    """Half a character and a NUL in what an endpoint says of a failure; the replies beside it are stored."""
    odd = httpx2.Response(status, text='{"error": {"message": "told \\ud800 \\u0000 to fail"}}')
    scripted = script(lambda body, nth: odd if body["messages"][0]["content"] == "odd" else "well")
    requests = [make_request(text) for text in ("1", "2", "odd", "3")]
    replies = ask(requests, scripted, max_attempts=1)
    assert [reply.outcome for reply in replies] == ["ok", "ok", "error", "ok"]
    assert "told" in replies[2].problem and replies[2].problem.encode() and "\x00" not in replies[2].problem
    assert ask(requests, replay=True) == replies


def test_a_replay_that_lacks_a_reply_says_which(ask, script, make_request):
    ask([make_request("x")], script(lambda body, nth: "well"))
    assert ask([make_request("x")], replay=True, key_variable="NO_SUCH_KEY")[0].text == "well"
    with pytest.raises(LookupError, match=r"no reply of model 'm' to prompt 'greeting' \(key [0-9a-f]{64}\)"):
        ask([make_request("x"), make_request("y")], replay=True)


def test_a_missing_key_is_said_before_any_call(ask, script, make_request, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    scripted = script(lambda body, nth: "well")
    with pytest.raises(ValueError, match=r"environment variable NO_SUCH_KEY, which is not set"):
        ask([make_request("x")], scripted, key_variable="NO_SUCH_KEY")
    assert scripted.bodies == []


def test_an_endpoint_that_is_down_stops_the_stage(ask, make_request):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ConnectionError, match=rf"model 'm' at {url}: .*To do: start the endpoint"):
            ask([make_request(str(i)) for i in range(40)], base_url=url, max_attempts=2)


def test_an_endpoint_that_does_not_know_the_model_stops_the_stage(ask, script, make_request):
    scripted = script(lambda body, nth: failing(404))
    with pytest.raises(ConnectionError, match="check base_url and id"):
        ask([make_request(str(i)) for i in range(500)], scripted, concurrency=2)
    assert len(scripted.bodies) < 20


def test_some_that_are_turned_away_do_not_stop_the_stage(ask, script, make_request):
    scripted = script(lambda body, nth: failing(404) if nth % 3 else "well")
    replies = ask([make_request(str(i)) for i in range(60)], scripted, concurrency=1)
    assert sum(reply.outcome == "ok" for reply in replies) == 20


def test_no_more_calls_are_in_flight_than_allowed(ask, make_request, start_loopback):
    server = start_loopback("--latency", "0.05")
    replies = ask([make_request(str(i)) for i in range(60)], base_url=server.url, concurrency=7)
    assert all(reply.outcome == "ok" for reply in replies)
    assert server.requests() == {"total": 60, "distinct": 60, "most_in_flight": 7}


def test_goes_on_after_a_storm_of_429(ask, make_request, start_loopback):
    server = start_loopback("--fail-first", "25", "--retry-after", "0.1")
    replies = ask([make_request(str(i)) for i in range(20)], base_url=server.url)
    assert [reply.outcome for reply in replies] == ["ok"] * 20
    assert server.requests()["total"] == 45


def test_another_process_shares_what_is_stored(make_request, store_url, script):
    """Two sets of models on one store, each with its own connection: both end with the same replies."""

    async def go():
        both = [
            Models(
                Registry({"m": Model("m", "http://x.invalid/v1", "m")}),
                CallStore(store_url),
                transport=script(lambda body, nth, name=name: name),
            )
            for name in ("one", "two")
        ]
        requests = [make_request(str(i)) for i in range(50)]
        replies = await asyncio.gather(*(models.ask("m", requests, label="x") for models in both))
        for models in both:
            await models.close()
        return [[reply.text for reply in own] for own in replies]

    one, two = asyncio.run(go())
    assert one == two


def test_log_probabilities_are_asked_for_and_kept(ask, make_request, start_loopback):
    server = start_loopback()
    request = make_request("Answer with one letter.", logprobs=True)
    (reply,) = ask([request], base_url=server.url, logprobs=True)
    assert reply.top_logprobs == [{"A": -0.3, "B": -1.4}]
    assert ask([request], base_url=server.url, logprobs=True)[0] == reply


def test_an_unknown_model_is_named(make_request, store_url):
    async def go():
        models = Models(Registry({}), CallStore(store_url))
        try:
            await models.ask("m", [make_request("x")], label="x")
        finally:
            await models.close()

    with pytest.raises(ValueError, match="unknown model 'm'"):
        asyncio.run(go())


def test_a_store_that_takes_nothing_stops_the_stage(make_request, store_url, script):
    """One clear message, and the call that was under way is not counted as the model's failure."""

    class Full(CallStore):
        async def add(self, *args, **about):
            raise OSError("the call store is full")

    async def go():
        models = Models(
            Registry({"m": Model("m", "http://x.invalid/v1", "m")}),
            Full(store_url),
            transport=script(lambda body, nth: "well"),
        )
        try:
            await models.ask("m", [make_request(str(i)) for i in range(30)], label="x")
        finally:
            await models.close()

    with pytest.raises(OSError, match="the call store is full"):
        asyncio.run(go())


def test_a_list_that_is_cancelled_stores_what_is_on_the_wire_and_asks_no_more(make_request, store_url):
    """As an interrupted cell cancels it: what was sent is paid for, what waits for its turn is not sent."""

    class Held(httpx2.AsyncBaseTransport):
        sent, gate = 0, asyncio.Event()

        async def handle_async_request(self, request):
            self.sent += 1
            await self.gate.wait()
            message = {"role": "assistant", "content": "well"}
            return httpx2.Response(200, json={"choices": [{"finish_reason": "stop", "message": message}]})

    async def go():
        transport = Held()
        registry = Registry({"m": Model("m", "http://x.invalid/v1", "m", concurrency=3)})
        models = Models(registry, CallStore(store_url), transport=transport)
        asking = asyncio.ensure_future(models.ask("m", [make_request(str(i)) for i in range(40)], label="x"))
        while transport.sent < 3:
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        transport.gate.set()
        # nobody waits for these any more; the store is told all the same
        while not models.store.usage or models.store.usage["m", "greeting"].calls < 3:
            await asyncio.sleep(0.001)
        stored, sent = models.store.usage["m", "greeting"].calls, transport.sent
        again = await models.ask("m", [make_request(str(i)) for i in range(40)], label="x")
        await models.close()
        return stored, sent, transport.sent, [reply.text for reply in again]

    assert asyncio.run(go()) == (3, 3, 40, ["well"] * 40)


def test_of_two_lists_of_the_same_calls_at_once_each_call_is_sent_once(make_request, store_url, script):
    """Also of one whose reply is stored in the commit that the other list's attempt would be recorded in."""
    scripted = script(lambda body, nth: last(body))

    async def go():
        registry = Registry({"m": Model("m", "http://x.invalid/v1", "m", concurrency=64)})
        models = Models(registry, CallStore(store_url), transport=scripted)
        asked = [make_request(str(i)) for i in range(1500)]
        try:
            return await asyncio.gather(*(models.ask("m", asked, label="x") for _ in range(2)))
        finally:
            await models.close()

    one, other = asyncio.run(go())
    assert [reply.text for reply in one] == [reply.text for reply in other] == [str(i) for i in range(1500)]
    assert len(scripted.bodies) == 1500


def test_a_reply_that_nobody_waits_for_any_more_is_not_counted_as_lost_too(make_request, store_url, script):
    """As if a process is told to end at the moment in which its replies are stored."""

    class Left(CallStore):
        async def add(self, key, reply, **about):
            await super().add(key, reply, **about)
            raise asyncio.CancelledError

    async def go():
        models = Models(
            Registry({"m": Model("m", "http://x.invalid/v1", "m")}),
            Left(store_url),
            transport=script(lambda body, nth: "well"),
        )
        with pytest.raises(asyncio.CancelledError):
            await models.ask("m", [make_request(str(i)) for i in range(5)], label="x")
        usage = (await models.store.read_usage())["m", "greeting"]
        await models.close()
        return usage

    usage = asyncio.run(go())
    assert 1 <= usage.calls <= 5 and (usage.attempts, usage.estimated, usage.lost_output_tokens) == (usage.calls, 0, 0)


def test_the_loopback_server_fills_schemas(ask, make_request, start_loopback):
    server = start_loopback()
    for json_schema in (True, False):
        (reply,) = ask([make_request("?", schema=Answer)], base_url=server.url, json_schema=json_schema)
        assert reply.outcome == "ok" and json.loads(reply.text) == reply.parsed.model_dump()


def test_a_list_is_worked_off_a_few_calls_at_a_time(ask, script, make_request):
    """As many again wait, ready to be sent, as may be in flight."""

    class Counting(httpx2.AsyncBaseTransport):
        under_way = most = 0

        async def handle_async_request(self, request):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0.001)
            self.under_way -= 1
            message = {"role": "assistant", "content": last(json.loads(request.content))}
            return httpx2.Response(200, json={"choices": [{"finish_reason": "stop", "message": message}]})

    transport = Counting()
    replies = ask([make_request(str(i)) for i in range(50)], transport, concurrency=4)
    assert [reply.text for reply in replies] == [str(i) for i in range(50)] and transport.most == 4


def test_the_first_exception_stops_the_rest_of_the_list(make_request, store_url, script):
    class Broken(CallStore):
        async def add(self, key, reply, **about):
            if reply.text == "5":
                raise RuntimeError("five")
            return await super().add(key, reply, **about)

    scripted = script(lambda body, nth: last(body))

    async def go():
        registry = Registry({"m": Model("m", "http://x.invalid/v1", "m", concurrency=2)})
        models = Models(registry, Broken(store_url), transport=scripted)
        try:
            await models.ask("m", [make_request(str(i)) for i in range(1000)], label="x")
        finally:
            await models.close()

    with pytest.raises(RuntimeError, match="five"):
        asyncio.run(go())
    assert len(scripted.bodies) < 30


FLAGGED = {"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged"}}


@pytest.mark.parametrize("status", [200, 400, 403])
def test_a_prompt_that_moderation_blocks_is_asked_once_and_settled(ask, script, make_request, status):
    def answer(body, nth):
        return httpx2.Response(status, json=FLAGGED) if int(last(body)) % 10 else "fine"

    # far more in a row than failures of an account may be
    requests = [make_request(str(n)) for n in range(60)]
    scripted = script(answer)
    replies = ask(requests, scripted, concurrency=1)
    assert [reply.outcome for reply in replies] == ["refusal" if n % 10 else "ok" for n in range(60)]
    assert "input was flagged" in replies[1].problem and len(scripted.bodies) == 60
    # run again, nothing is asked; and the next list still may
    assert ask(requests, script(lambda body, nth: 1 / 0)) == replies


def counting(body, nth):
    """A reply of a server that sees the last 2,048 tokens."""
    characters = sum(len(message["content"]) for message in body["messages"])
    usage = {"prompt_tokens": min(2048, characters // 4), "completion_tokens": 3}
    choice = {"finish_reason": "stop", "message": {"content": f"{characters}"}}
    return httpx2.Response(200, json={"model": "m", "choices": [choice], "usage": usage})


def test_a_server_that_cuts_prompts_stops_the_stage_and_its_replies_do_not_count(ask, script, make_request):
    short, long = (
        [make_request("x" * (4000 + n)) for n in range(8)],
        [make_request("x" * 18_000 + str(n)) for n in range(8)],
    )
    scripted = script(counting)
    with pytest.raises(ConnectionError, match=r"counted 2,048 tokens.*OLLAMA_CONTEXT_LENGTH") as raised:
        ask(short + long, scripted, concurrency=1)
    assert "sent 18,001 characters of prompt 'greeting'" in str(raised.value)
    asked = len(scripted.bodies)
    assert asked < 16

    def whole(body, nth):
        reply = counting(body, nth)
        return httpx2.Response(200, json=json.loads(reply.content) | {"usage": {"prompt_tokens": 4500}})

    # once it is mended, the same command goes on: what was whole is kept, the rest is asked anew
    scripted = script(whole)
    replies = ask(short + long, scripted, concurrency=1)
    assert {reply.outcome for reply in replies} == {"ok"}
    assert not {last(body) for body in scripted.bodies} & {request.messages[0]["content"] for request in short}
    assert {len(last(body)) for body in scripted.bodies} == {18_001} and len(scripted.bodies) == 8


def test_replies_stored_before_cuts_were_looked_for_are_asked_anew(ask, script, make_request):
    requests = [make_request("x" * 18_000)]
    ask(requests, script(counting), counts_prompts=False)
    with pytest.raises(ConnectionError, match="reads prompts that are cut"):
        ask(requests, script(counting))
    # a bundle gives what it holds
    ask(requests, script(counting), counts_prompts=False)
    assert ask(requests, script(lambda body, nth: 1 / 0), replay=True)[0].text == "18000"


def test_a_model_none_of_whose_replies_can_be_used_stops_its_list(ask, script, make_request):
    requests = [make_request(str(n)) for n in range(100)]
    scripted = script(lambda body, nth: "\u200b")
    with pytest.raises(NothingToCount, match=r"model 'm': none of its first 20 replies can be used. The last: empty"):
        ask(requests, scripted, concurrency=2)
    assert 20 <= len(scripted.bodies) <= 24
    # mended, it is asked anew; one that can be used is enough
    scripted = script(lambda body, nth: "fine" if nth == 15 else "\u200b")
    replies = ask(requests, scripted, concurrency=2)
    assert len(scripted.bodies) == 100 and [reply.outcome for reply in replies].count("invalid") == 99


def test_what_can_be_used_is_for_the_caller_to_say(store_url, script, make_request):
    async def go():
        models = Models(
            Registry({"m": Model("m", "http://model.invalid/v1", "m-1")}),
            CallStore(store_url),
            transport=script(answer),
        )
        try:
            requests = [make_request(str(n)) for n in range(30)]
            await models.ask("m", requests, label="test", is_usable=lambda reply: reply.text == "A")
        finally:
            await models.close()

    def answer(body, nth):
        return "It depends."

    with pytest.raises(NothingToCount, match=r"not of the form that was asked for\. It sent: 'It depends\.'"):
        asyncio.run(go())


def test_fewer_unusable_replies_and_errors_stop_nothing(ask, script, make_request):
    replies = ask([make_request(str(n)) for n in range(19)], script(lambda body, nth: ""))
    assert {reply.outcome for reply in replies} == {"invalid"}
    replies = ask([make_request(f"e {n}") for n in range(24)], script(lambda body, nth: failing(400)), max_attempts=1)
    assert {reply.outcome for reply in replies} == {"error"}
