"""Several processes on one call store: nothing is paid for twice, and budget and rates hold for all together."""

import asyncio
import time

import httpx2
import pytest
import sqlalchemy as sa

from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry

ASKING = """
import asyncio, sys
from conflictscope.models import CallStore, Model, Models, Registry, Request
from conflictscope.prompts import Prompt

async def go(store, url, many, **described):
    models = Models(Registry({"m": Model("m", url, "m-1", **described)}), CallStore(store))
    asked = [Request.of(Prompt("greeting", "abc", ({"role": "user", "content": str(i)},))) for i in range(many)]
    replies = await models.ask("m", asked, label="test")
    await models.close()
    print(*(reply.text for reply in replies), sep="|")
asyncio.run(go(sys.argv[1], sys.argv[2], int(sys.argv[3]), concurrency=4))
"""


@pytest.fixture
def start_asking(start_python):
    return lambda *words: start_python(["-c", ASKING, *words])


def open_models(url, server, **described):
    budget = {"budget_usd": described.pop("budget_usd", None)}
    model = Model("m", getattr(server, "url", "http://model.invalid/v1"), "m-1", **described)
    return Models(Registry({"m": model}), CallStore(url), **budget)


def ask_at_once(openings, asked):
    """Ask the same of several models at once, each with a store of its own; return replies, or what was raised."""

    async def go():
        opened = [opening() for opening in openings]
        try:
            return await asyncio.gather(
                *(models.ask("m", asked, label="test") for models in opened), return_exceptions=True
            )
        finally:
            for models in opened:
                await models.close()

    return asyncio.run(go())


def test_processes_that_ask_the_same_pay_once(start_loopback, shared_url, start_asking):
    server = start_loopback("--latency", "0.02")
    processes = [start_asking(shared_url, server.url, 112) for _ in range(2)]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed[0] == printed[1] and printed[0].count("|") == 111
    assert server.requests()["total"] == server.requests()["distinct"] == 112


def test_several_that_begin_at_one_moment_share_the_work(start_loopback, shared_url, make_request):
    server, asked = start_loopback("--latency", "0.2"), [make_request(str(i)) for i in range(48)]
    replies = ask_at_once([lambda: open_models(shared_url, server, concurrency=4)] * 3, asked)
    assert replies[0] == replies[1] == replies[2]
    counted = server.requests()
    # one alone has 4 in flight
    assert counted["total"] == 48 and counted["most_in_flight"] > 4


def test_texts_are_embedded_once(start_loopback, shared_url):
    server = start_loopback("--latency", "0.2")

    async def go():
        opened = [open_models(shared_url, server, kind="embeddings", concurrency=2) for _ in range(2)]
        try:
            return await asyncio.gather(*(models.embed("m", [f"text {i}" for i in range(200)]) for models in opened))
        finally:
            for models in opened:
                await models.close()

    one, two = asyncio.run(go())
    assert (one == two).all()
    assert server.requests()["total"] == 4


def test_what_a_killed_process_had_on_the_wire_is_waited_for_no_longer(
    start_loopback, shared_url, make_request, start_asking
):
    server = start_loopback("--latency", "3")
    process = start_asking(shared_url, server.url, 3)
    while server.requests()["total"] < 3:
        time.sleep(0.05)
    process.kill()
    process.wait()
    models = [lambda: open_models(shared_url, server)]
    (replies,) = ask_at_once(models, [make_request(str(i)) for i in range(3)])
    assert {reply.outcome for reply in replies} == {"ok"}
    assert server.requests()["total"] == 6


def test_a_budget_holds_for_all_processes_together(start_loopback, shared_url, make_request):
    server, asked = start_loopback("--latency", "0.1"), [make_request(str(i), max_tokens=200) for i in range(40)]
    prices = {"input_price": 0.0, "output_price": 1000.0, "concurrency": 8, "budget_usd": 1.0}
    both = ask_at_once([lambda: open_models(shared_url, server, **prices)] * 2, asked)
    assert all(isinstance(one, BudgetReached) for one in both)
    # each call holds 0.20 dollars until it is answered
    assert server.requests()["most_in_flight"] <= 5
    assert 0.7 <= spent(shared_url) <= 1.0


def spent(url):
    """Return what was spent at 1,000 dollars a million tokens of output."""

    async def go():
        store = CallStore(url)
        used = await store.read_usage()
        store.close()
        return used["m", "greeting"].output_tokens / 1000

    return asyncio.run(go())


def test_a_database_that_goes_away_and_comes_back_loses_nothing(start_loopback, postgresql, make_request):
    server, name = start_loopback("--latency", "0.1"), "goes_away"

    def execute(*statements):
        with postgresql.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    async def go():
        models = open_models(url, server, concurrency=4)
        asking = asyncio.create_task(models.ask("m", [make_request(str(i)) for i in range(60)], label="test"))
        await asyncio.sleep(0.6)
        leave = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        await asyncio.to_thread(execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", leave)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        replies = await asking
        await models.close()
        return replies

    execute(f"CREATE DATABASE {name}")
    url = postgresql.url.set(database=name).render_as_string(hide_password=False)
    assert {reply.outcome for reply in asyncio.run(go())} == {"ok"}
    assert server.requests()["total"] == 60


def test_a_rate_holds_for_all_processes_together(start_loopback, shared_url, make_request):
    server = start_loopback("--latency", "0.01")
    models = [lambda: open_models(shared_url, server, requests_per_minute=1200)] * 3
    start = time.monotonic()
    ask_at_once(models, [make_request(str(i)) for i in range(60)])
    # 20 a second
    assert time.monotonic() - start > 2.5
    assert server.requests()["total"] == 60


def test_a_rate_is_used_up_by_one_process(start_loopback, shared_url, make_request):
    server = start_loopback("--latency", "0.01")
    start = time.monotonic()
    ask_at_once(
        [lambda: open_models(shared_url, server, requests_per_minute=1200)], [make_request(str(i)) for i in range(60)]
    )
    assert 2.5 < time.monotonic() - start < 6


@pytest.mark.parametrize("failing", [True, False])
def test_a_call_that_fails_elsewhere_is_sent_here(shared_url, make_request, script, failing):
    """Two whose endpoint fails all calls come to an end, and one whose endpoint answers does with what it has."""
    answering = script(lambda body, nth: httpx2.Response(400, json={}) if failing else "yes")
    turned_away = script(lambda body, nth: httpx2.Response(400, json={}))

    def opening(transport):
        models = open_models(shared_url, None, max_attempts=2)
        models._transport = transport
        return models

    asked = [make_request(str(i)) for i in range(4)]
    first, second = ask_at_once([lambda: opening(answering), lambda: opening(turned_away)], asked)
    assert [reply.outcome for reply in first] == ["error" if failing else "ok"] * 4
    assert {reply.outcome for reply in second} <= {"error", "ok"}
