"""What an endpoint may charge for, by its own books, and what the ledger says: never less."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

import httpx2
import pytest

from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry, patience
from conflictscope.models.sent_marks import SentMarks, was_sent
from conflictscope.models.store import allow_again

PRICES = {"input_price": 1000, "output_price": 1000}
# begins four attempts, sends two of them and is gone
BEGINNING = """
import asyncio, os, sys
from conflictscope.models import CallStore
from conflictscope.models.records import Usage

async def begin():
    store = CallStore(sys.argv[1])
    for nth in range(4):
        number = store.next_number()
        expected = Usage(input_tokens=1, output_tokens=1)
        await store.begin(number, f"key {nth}", model="m", prompt="p", expected=expected, seconds=600)
        if nth in (0, 2):
            store.mark_sent(number)
    os._exit(7)

asyncio.run(begin())
"""
# asks forty questions of an endpoint, sixteen at once, until it is killed
ASKING = """
import asyncio, sys
from conflictscope.models import CallStore, Model, Models, Registry, Request
url, base = sys.argv[1:]

async def main():
    model = Model("m", base, "m-1", concurrency=16, max_attempts=2)
    models = Models(Registry({"m": model}), CallStore(url))
    requests = [Request(({"role": "user", "content": f"Case {i}"},), "p", "h") for i in range(40)]
    await models.ask("m", requests, label="x")
    await models.close()

asyncio.run(main())
"""


def usage(url):
    """Return what all calls in a store have used, together."""
    store = CallStore(url)
    store.close()
    (used,) = store.usage.values()
    return used


def covers(used, billed):
    return all(getattr(used, name) >= billed[name] for name in ("input_tokens", "output_tokens"))


# by kind of fault: every other answer arrives spoilt or not at all
@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    "kind",
    [
        *("hang", "endless_drip", "dropped_before", "dropped_in_body", "truncated_body", "html"),
        *("second_at_once", "longer_than_said", "shorter_than_said", "two_lengths", "no_status", "reset_start"),
        *("reset_body", "usage_of_zeros", "usage_of_2_62", "usage_of_2_63", "megabyte", "length", "refusal"),
    ],
)
def test_the_ledger_says_at_least_what_was_billed(ask, make_request, start_faulty, store_url, kind):
    server = start_faulty("--share", "0.5", "--kinds", kind, "--drip", "0.001", "--seed", "3")
    timeout_s = 1 if kind in ("hang", "endless_drip") else 60
    ask([make_request(str(i)) for i in range(12)], base_url=server.url, timeout_s=timeout_s, max_attempts=9)
    billed, used = server.get("billed"), usage(store_url)
    assert used.attempts == billed["calls"] > 12 or kind in ("megabyte", "length", "refusal") or "usage" in kind
    assert covers(used, billed), (used, billed)


@pytest.mark.usefixtures("hurry")
def test_what_takes_too_long_is_sent_a_few_times_in_all_runs_and_charged(ask, make_request, start_faulty, store_url):
    server = start_faulty("--always", "hang")

    def run():
        return ask([make_request("?")], base_url=server.url, timeout_s=0.2, max_attempts=2)

    # a list of one call: that it fails says that the endpoint is down
    with pytest.raises(ConnectionError, match=r"no reply within 0\.2 s"):
        run()
    sent = server.get("counts")["total"]
    assert sent == 2
    for _ in range(2):
        (reply,) = run()
        assert reply.outcome == "error" and "no reply within 0.2 s" in reply.problem
    assert server.get("counts")["total"] == sent
    used = usage(store_url)
    assert used.attempts == used.estimated == sent and covers(used, server.get("billed"))
    # if it is asked for
    assert allow_again(store_url) == 1
    assert run() == [reply]
    assert server.get("counts")["total"] == 2 * sent and covers(usage(store_url), server.get("billed"))


@pytest.mark.usefixtures("hurry")
def test_what_lost_answers_may_have_cost_makes_no_later_one_dearer(ask, script, make_request, store_url):
    """Replies of five tokens, and two hundred that are lost: each of these counts as twice as long, and no more."""

    def answer(body, nth):
        if "lost" in body["messages"][0]["content"]:
            return httpx2.Response(200, text="<html>")
        message, counts = {"role": "assistant", "content": "A"}, {"prompt_tokens": 7, "completion_tokens": 5}
        return httpx2.Response(200, json={"choices": [{"message": message}], "usage": counts})

    scripted = script(answer)
    ask([make_request(f"kept {i}") for i in range(4)], scripted)
    ask([make_request(f"lost {i}") for i in range(25)] + [make_request("kept")], scripted, max_attempts=8)
    used = usage(store_url)
    assert used.estimated == 200 and used.lost_output_tokens == 200 * 10
    assert used.output_tokens == 5 * 5 + used.lost_output_tokens


@pytest.mark.usefixtures("hurry")
def test_a_run_that_ended_well_ends_well_again_though_only_slow_calls_are_left(
    ask, make_request, store_url, monkeypatch
):
    # how long nothing is answered hangs on the machine, and is not what this is about
    monkeypatch.setattr(patience, "DOWN_S", 120)

    class Slow(httpx2.AsyncBaseTransport):
        sent = 0

        async def handle_async_request(self, request):
            if b"slow" in request.content:
                self.sent += 1
                await asyncio.sleep(60)
            message = {"role": "assistant", "content": "well"}
            return httpx2.Response(200, json={"choices": [{"finish_reason": "stop", "message": message}]})

    requests = [make_request(f"quick {i}") for i in range(20)] + [make_request(f"slow {i}") for i in range(6)]
    transport = Slow()
    first = ask(requests, transport, timeout_s=0.1, max_attempts=3)
    assert [reply.outcome for reply in first] == ["ok"] * 20 + ["error"] * 6 and transport.sent == 18
    assert ask(requests, transport, timeout_s=0.1, max_attempts=3) == first and transport.sent == 18
    # sent again because it was asked for, they fail as before; that says nothing new of the endpoint
    assert allow_again(store_url) == 6
    assert ask(requests, transport, timeout_s=0.1, max_attempts=3) == first and transport.sent == 36


@pytest.mark.usefixtures("hurry")
def test_what_is_no_answer_and_counts_its_tokens_is_charged_for_them(ask, script, make_request, store_url):
    kept = {"choices": [{"message": {"content": "well"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}

    def answer(body, nth):
        spoilt = {"choices": "none", "usage": {"prompt_tokens": 30, "completion_tokens": 3_000 if nth == 1 else 2**39}}
        return httpx2.Response(200, json=spoilt if nth < 3 else kept)

    ask([make_request("?")], script(answer))
    used = usage(store_url)
    # the second time more than any answer has
    assert used.lost_output_tokens == 3_000 + 2**18 and used.output_tokens == used.lost_output_tokens + 5
    assert used.input_tokens >= 2 * 30 + 7


def test_calls_on_the_wire_when_a_cell_is_interrupted_are_charged(make_request, store_url):
    class Silent(httpx2.AsyncBaseTransport):
        sent = 0

        async def handle_async_request(self, request):
            self.sent += 1
            await asyncio.sleep(60)

    transport = Silent()

    async def go():
        registry = Registry({"m": Model("m", "http://x.invalid/v1", "m-1")})
        models = Models(registry, CallStore(store_url), transport=transport)
        requests = [make_request(str(i), max_tokens=100) for i in range(5)]
        asking = asyncio.create_task(models.ask("m", requests, label="x"))
        while transport.sent < 5:
            await asyncio.sleep(0.01)
        # as the loop is ended by Ctrl-C
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        models.store.close()

    asyncio.run(go())
    used = usage(store_url)
    assert (
        used.calls == 0
        and used.attempts == used.estimated == 5
        and used.output_tokens == used.lost_output_tokens == 5 * 100
    )


def test_calls_on_the_wire_at_a_kill_are_charged_and_not_sent_for_ever(start_faulty, store_url, fork_python):
    server = start_faulty("--latency", "30")

    def run_until_killed(calls):
        process = fork_python(["-c", ASKING, store_url, server.url])
        deadline = time.monotonic() + 60
        while server.get("counts")["total"] < calls and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return server.get("counts")["total"]

    assert run_until_killed(16) == 16
    used = usage(store_url)
    assert used.attempts == used.estimated == 16 and used.calls == 0
    assert run_until_killed(32) == 32
    assert usage(store_url).attempts == 32
    # twice each: the other twenty-four are next, and those sixteen are not sent again
    assert run_until_killed(48) == 48
    assert usage(store_url).attempts == 48
    assert max(len(met) for met in server.get("injected").values()) == 2


def test_of_a_killed_process_what_was_only_ready_is_not_charged(store_url, tmp_path, monkeypatch):
    """Four attempts are begun and two of them sent; without the marks, as on another machine, all four count."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for marks_lost in (False, True):
        process = subprocess.run(
            [sys.executable, "-c", BEGINNING, store_url], env={**os.environ, "TMPDIR": str(tmp_path)}
        )
        assert process.returncode == 7
        (marks,) = tmp_path.glob("conflictscope-sent-*")
        if marks_lost:
            marks.unlink()
        store = CallStore(store_url)
        lost = asyncio.run(store.find_unanswered([f"key {nth}" for nth in range(4)]))
        store.close()
        assert usage(store_url).attempts == (2 + 4 if marks_lost else 2)
        # counted twice by now: those that were sent the first time
        assert {key: one.lost for key, one in lost.items()} == (
            {"key 0": 2, "key 1": 1, "key 2": 2, "key 3": 1} if marks_lost else {"key 0": 1, "key 2": 1}
        )
        assert not list(tmp_path.glob("conflictscope-sent-*"))


def test_attempts_whose_marks_cannot_be_kept_count_as_sent(tmp_path, monkeypatch):
    """The folder comes late or is full, the machine lost its power, or something else is in the file's place."""
    folder, holder = tmp_path / "later", "host:1:store"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    marks = SentMarks(holder)
    marks.set_ready(0)
    marks.set_sent(0)
    marks.set_ready(1)
    folder.mkdir()
    for number in (2, 3, 4):
        marks.set_ready(number)
    marks.set_sent(4)
    assert [was_sent(holder, number) for number in range(5)] == [True, True, False, False, True]
    (file,) = folder.iterdir()
    os.utime(file, (1, 1))
    assert was_sent(holder, 2)
    os.utime(file)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        marks.set_ready(100)
        assert was_sent(holder, 100) and not was_sent(holder, 2)
        marks.set_sent(100)
        assert was_sent(holder, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    marks.set_ready(5)
    assert not was_sent(holder, 5)
    file.unlink()
    file.mkdir()
    assert was_sent(holder, 5)
    marks.close()
    file.rmdir()
    assert was_sent("host:1:\0", 0)


def test_replies_that_claim_to_be_free_end_at_the_budget(ask, script, make_request, store_url):
    reply = {"choices": [{"finish_reason": "stop", "message": {"content": "x" * 4000}}]}
    for counts in ({"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 30, "completion_tokens": 1}):
        scripted = script(lambda body, nth, usage=counts: httpx2.Response(200, json=reply | {"usage": usage}))
        with pytest.raises(BudgetReached):
            # a thousand tokens of four characters, a dollar each
            ask([make_request(f"{counts} {i}") for i in range(200)], scripted, budget_usd=20, concurrency=2, **PRICES)
        assert len(scripted.bodies) <= 20
        os.remove(store_url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("count", [2**40, 2**62, 2**63, 10**400, 1e300, "7", True, -1, None])
def test_a_count_that_cannot_be_ends_no_study(ask, script, make_request, count):
    body = {
        "choices": [{"message": {"content": "well"}}],
        "usage": dict.fromkeys(("prompt_tokens", "completion_tokens")),
    }
    text = json.dumps(body).replace("null", json.dumps(count))
    scripted = script(lambda body, nth: httpx2.Response(200, text=text))
    # one after the other, so that what one has cost is known before the next
    replies = ask([make_request(str(i)) for i in range(20)], scripted, budget_usd=20, concurrency=1, **PRICES)
    assert [reply.text for reply in replies] == ["well"] * 20


@pytest.mark.parametrize(
    ("reply", "counted", "charged"),
    [
        # as much as was allowed, and no more, or as much as its bytes can be
        ({}, 512, 512),
        ({}, 200_000, 512),
        ({"content": "x" * 1000}, 3_000, 3_000),
        ({"content": "x" * 1000}, 200_000, 4_000),
        # thoughts may be outside of the limit: shown, counted, or counted in the total alone
        ({"reasoning_content": "Well …"}, 200_000, 200_000),
        ({"details": {"reasoning_tokens": 199_000}}, 200_000, 200_000),
        ({"total": 200_107}, 100, 200_100),
    ],
)
def test_a_reply_without_thoughts_is_charged_within_its_limit(
    ask, script, make_request, store_url, reply, counted, charged
):
    message = {"content": reply.get("content", "well"), "reasoning_content": reply.get("reasoning_content")}
    counts = {"prompt_tokens": 7, "completion_tokens": counted, "completion_tokens_details": reply.get("details")}
    counts |= {"total_tokens": reply["total"]} if "total" in reply else {}
    scripted = script(lambda body, nth: httpx2.Response(200, json={"choices": [{"message": message}], "usage": counts}))
    ask([make_request("?", max_tokens=512)], scripted)
    used = usage(store_url)
    assert used.output_tokens == charged and used.estimated == (charged < counted)


def test_a_reply_whose_limit_was_not_sent_may_have_thought_unseen(ask, script, make_request, store_url):
    body = {"choices": [{"message": {"content": "well"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 200_000}}
    scripted = script(lambda _, nth: httpx2.Response(200, json=body))
    ask([make_request("1")], scripted)
    ask([make_request("2", max_tokens=512)], scripted, refused_options=("max_tokens",))
    ask([make_request("3", max_tokens=512)], scripted, options={"max_tokens": None})
    assert usage(store_url).output_tokens == 3 * 200_000
    # one that the entry sends counts, whatever is refused
    ask([make_request("4")], scripted, refused_options=("max_tokens",), options={"max_completion_tokens": 512})
    assert usage(store_url).output_tokens == 3 * 200_000 + 512


def test_a_reply_longer_than_it_may_be_is_cut_off_and_paid_for_in_full(ask, script, make_request, store_url):
    """Three million characters to 1,024 tokens: what is stored and shown is as long as so many tokens can be."""
    scripted = script(lambda body, nth: "x" * 3_000_000)
    (reply,) = ask([make_request("?", max_tokens=1024)], scripted)
    assert reply.outcome == "invalid" and "cut off before its end" in reply.problem
    assert len(reply.text) == 1024 * 32
    assert usage(store_url).output_tokens == 750_000
    # an endpoint that is not told the limit keeps none
    (reply,) = ask([make_request("!", max_tokens=1024)], scripted, refused_options=("max_tokens",))
    assert len(reply.text) == 3_000_000


@pytest.mark.usefixtures("hurry")
def test_texts_to_embed_are_sent_as_often_and_charged(store_url, start_faulty):
    class Lost(httpx2.AsyncBaseTransport):
        sent = 0

        async def handle_async_request(self, request):
            self.sent += 1
            raise httpx2.ReadError("reset", request=request)

    transport = Lost()
    registry = Registry({"v": Model("v", "http://x.invalid/v1", "v", kind="embeddings", max_attempts=2)})

    def embed():
        async def go():
            models = Models(registry, CallStore(store_url), transport=transport)
            try:
                await models.embed("v", ["a text of some length"] * 3)
            finally:
                await models.close()

        asyncio.run(go())

    with pytest.raises(ConnectionError, match="no embeddings"):
        embed()
    with pytest.raises(
        ConnectionError, match=r"were sent 2 times, and each answer was lost .* conflictscope run … --again"
    ):
        embed()
    used = usage(store_url)
    assert transport.sent == 2 == used.attempts and used.input_tokens >= 2 * len("a text of some length") // 4
