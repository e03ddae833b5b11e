"""When an endpoint is given up, against a server that fails on purpose; waits are twenty times as short as they are."""

import asyncio
import re

import httpx2
import openai
import pytest

from conflictscope.models import CallStore, Model, Models, Registry, patience
from conflictscope.models.patience import FEW, MANY

pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("status_429", "lower its concurrency"),
        ("status_429_retry_after", "lower its concurrency"),
        ("status_500", "wait until the endpoint works again"),
        ("hang", "if it is slow, raise its timeout_s, 0.3 now"),
        ("dropped_before", "start the endpoint, or check base_url"),
        ("truncated_body", "what came back is no answer of a model"),
        ("html", "what came back is no answer of a model"),
        ("lasting_400", "see what the endpoint finds wrong"),
        ("lasting_401", "set key_variable for it"),
        ("lasting_403", "see whether the account may use this model"),
        ("lasting_404", "check base_url and id"),
    ],
)
def test_an_endpoint_that_answers_nothing_stops_the_stage(ask, make_request, start_faulty, kind, advice):
    server = start_faulty("--always", kind)
    with pytest.raises(ConnectionError, match=re.escape(advice)) as raised:
        ask([make_request(str(i)) for i in range(1000)], base_url=server.url, concurrency=8, timeout_s=0.3)
    said = str(raised.value)
    assert "run the same command again; what was answered is in the call store" in said and "<html" not in said
    # a few rounds of what is in flight at once, not a thousand calls
    assert server.get("counts")["distinct"] <= 150


# a call that is asked to slow down goes on trying, so that no others fail beside those few that are under way
@pytest.mark.parametrize(("status", "concurrency"), [(500, 4), (429, 1)])
def test_the_stated_time_is_said(ask, script, make_request, status, concurrency):
    scripted = script(lambda body, nth: httpx2.Response(status, json={"error": {"message": "told to fail"}}))
    with pytest.raises(ConnectionError, match=r"no call was answered for \d s \(it is given up after 1\.5 s\)"):
        ask([make_request(str(i)) for i in range(40)], scripted, concurrency=concurrency, timeout_s=0.1)
    with pytest.raises(ConnectionError, match=r"given up after 2 s"):
        ask([make_request(str(i)) for i in range(40)], scripted, concurrency=concurrency, timeout_s=1)


# what hangs is waited for; what does not has all the time that a busy machine needs
@pytest.mark.parametrize(
    ("kinds", "timeout_s"),
    [("status_500,hang,dropped_before,html", 0.5), ("lasting_404,lasting_401,lasting_400", 30)],
)
def test_one_that_fails_a_share_does_not(ask, make_request, start_faulty, kinds, timeout_s):
    server = start_faulty("--share", "0.3", "--kinds", kinds, "--seed", "1")
    replies = ask([make_request(str(i)) for i in range(300)], base_url=server.url, timeout_s=timeout_s)
    injected = server.get("counts")["kinds"]
    lasting = sum(count for kind, count in injected.items() if kind.startswith("lasting"))
    assert sum(reply.outcome == "error" for reply in replies) == lasting
    assert sum(injected.values()) - injected["none"] > 60


@pytest.mark.parametrize("kind", ["status_500", "status_503", "status_429", "status_429_retry_after"])
def test_after_a_storm_of_37_seconds_nothing_is_lost(ask, make_request, start_faulty, monkeypatch, kind):
    # 37 s with waits that are as they are, 1.85 s with these; the endpoint is given up after 300 s, or 15
    monkeypatch.setattr("conflictscope.models.patience.DOWN_S", 15)
    server = start_faulty("--storm", "1.85", "--storm-kind", kind)
    replies = ask([make_request(str(i)) for i in range(100)], base_url=server.url, concurrency=8)
    assert [reply.outcome for reply in replies] == ["ok"] * 100
    assert server.get("counts")["kinds"] == {"none": 100, kind: server.get("counts")["kinds"][kind]}


def test_the_attempts_of_a_call_outlast_such_a_storm(monkeypatch):
    monkeypatch.setattr(patience, "_FIRST_WAIT_S", 1.0)
    monkeypatch.setattr(patience.random, "random", lambda: 0.0)
    request = httpx2.Request("POST", "http://x.invalid")
    response = httpx2.Response(503, headers={"retry-after": "0"}, request=request)
    problem = openai.InternalServerError("down", response=response, body=None)
    shortest = [patience.seconds_to_wait(problem, nth) for nth in range(1, 8)]
    assert sum(shortest) > 37 and max(shortest) <= 30


def test_a_few_calls_that_fail_for_ever_do_not_stop_it(ask, script, make_request):
    """Not even at the end of the list, where nothing else is answered."""

    def answer(body, nth):
        return httpx2.Response(500) if "bad" in body["messages"][0]["content"] else "well"

    requests = [make_request(str(i)) for i in range(50)] + [make_request(f"bad {i}") for i in range(FEW - 1)]
    # given up after 1.5 s of silence; each of these fails for longer
    replies = ask(requests, script(answer), timeout_s=0.5)
    assert [reply.outcome for reply in replies].count("error") == FEW - 1
    # nor when they are all that is left
    assert ask(requests, script(answer), timeout_s=0.5) == replies


def test_what_is_found_fault_with_again_does_not_stop_a_list_that_was_answered_before(ask, script, make_request):
    def answer(body, nth):
        return httpx2.Response(400) if "bad" in body["messages"][0]["content"] else "well"

    requests = [make_request("good")] + [make_request(f"bad {i}") for i in range(2 * MANY)]
    for _ in range(2):
        assert [reply.outcome for reply in ask(requests, script(answer))].count("error") == 2 * MANY


def test_an_account_without_credit_stops_it_at_once(ask, script, make_request):
    empty = {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}
    scripted = script(lambda body, nth: httpx2.Response(429, json=empty))
    with pytest.raises(ConnectionError, match="add credit to the account"):
        ask([make_request(str(i)) for i in range(100)], scripted, concurrency=4, timeout_s=0.5)
    assert len(scripted.bodies) <= 2 * FEW


def test_a_wait_that_is_too_long_stops_it(ask, script, make_request):
    busy = httpx2.Response(503, headers={"retry-after": "86400"}, json={"error": {"message": "maintenance"}})
    scripted = script(lambda body, nth: busy)
    with pytest.raises(ConnectionError, match="maintenance"):
        ask([make_request(str(i)) for i in range(1000)], scripted, concurrency=4)
    assert len(scripted.bodies) < 50


def test_where_one_endpoint_is_down_what_is_on_the_wire_to_another_is_stored(make_request, store_url, start_faulty):
    """Stored first: a notebook that stops takes its kernel with it, and what was paid for would be paid for twice."""
    slow, down = start_faulty("--latency", "1.5"), start_faulty("--always", "lasting_401")
    registry = Registry(
        {name: Model(name, server.url, name, concurrency=6) for name, server in (("slow", slow), ("down", down))}
    )
    requests = [make_request(str(i)) for i in range(200)]

    async def go():
        models = Models(registry, CallStore(store_url))
        with pytest.raises(ConnectionError, match="'down'"):
            await asyncio.gather(*(models.ask(name, requests, label=name) for name in ("slow", "down")))
        # at this moment, not after closing
        stored = models.store.usage["slow", "greeting"].calls
        asked = slow.get("counts")["total"]
        again = await models.ask("slow", requests[:3], label="slow")
        await models.close()
        return stored, asked, again

    stored, asked, again = asyncio.run(go())
    assert stored == asked == 6
    # a list that is asked by itself afterwards is not stopped
    assert [reply.outcome for reply in again] == ["ok"] * 3


def test_what_is_ready_when_an_endpoint_is_given_up_is_not_sent(scripted, make_request):
    gate = asyncio.Event()

    async def turn_away(_):
        if len(transport.bodies) == FEW:
            # until others wait for their turn
            await asyncio.sleep(0.3)
            gate.set()
        await gate.wait()
        return 401

    models, transport = scripted(turn_away, concurrency=FEW)
    with pytest.raises(ConnectionError, match="calls in a row failed"):
        asyncio.run(models.ask("m", [make_request(str(i)) for i in range(40)], label="x"))
    assert len(transport.bodies) == FEW
