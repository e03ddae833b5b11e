"""Budget and ledger: a scripted reply costs 7 tokens in and 3 out; at these prices, a cent."""

import asyncio
import json

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict

from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry, spending
from conflictscope.models.records import Usage
from conflictscope.models.spending import Budget, Ledger

PRICES = {"input_price": 1000, "output_price": 1000}
CENT = 0.01


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: str


def usage(url):
    store = CallStore(url)
    store.close()
    return store.usage


@pytest.fixture
def short(make_request):
    """Make a request whose reply may be 3 tokens long, so that what is kept for it is close to what it costs."""
    return lambda text, **options: make_request(text, max_tokens=3, **options)


def test_stops_before_it_is_passed_and_goes_on_with_more(ask, script, short, store_url):
    requests = [short(str(i)) for i in range(40)]
    first = script(lambda body, nth: "well")
    with pytest.raises(BudgetReached, match=r"budget of 0\.20 dollars is reached: 0\.1\d are spent") as raised:
        ask(requests, first, budget_usd=20 * CENT, concurrency=4, **PRICES)
    assert "higher budget_usd; nothing is asked twice" in str(raised.value) and store_url in str(raised.value)
    spent = usage(store_url)["m", "greeting"]
    # a request of 100 characters is taken for 25 tokens or more, so the last one that would have fitted is not made
    assert 15 <= spent.calls <= 20 and spent.calls == len(first.bodies)

    # with the same budget: nothing; and what is there is given back
    again = script(lambda body, nth: 1 / 0)
    with pytest.raises(BudgetReached):
        ask(requests, again, budget_usd=20 * CENT, **PRICES)
    with pytest.raises(BudgetReached):
        ask(requests, again, budget_usd=5 * CENT, **PRICES)

    more = script(lambda body, nth: "well")
    assert [reply.text for reply in ask(requests, more, budget_usd=1, **PRICES)] == ["well"] * 40
    assert len(first.bodies) + len(more.bodies) == 40
    # where everything is held, an exhausted budget stops nothing
    assert len(ask(requests, again, budget_usd=5 * CENT, **PRICES)) == 40


def test_without_a_budget_nothing_stops(ask, script, short):
    replies = ask([short(str(i)) for i in range(40)], script(lambda body, nth: "well"), **PRICES)
    assert len(replies) == 40


def test_calls_in_flight_are_held_against_the_budget(ask, make_request, store_url, start_loopback):
    """All forty fit into the endpoint at once, and a quarter of them into the budget."""
    server = start_loopback("--latency", "0.3")
    requests = [make_request(str(i), max_tokens=100) for i in range(40)]
    with pytest.raises(BudgetReached):
        ask(requests, base_url=server.url, budget_usd=1.4, concurrency=40, **PRICES)
    used = usage(store_url)["m", "greeting"]
    assert used.calls == server.requests()["total"] > 5
    assert Model("m", "http://x", "m", **PRICES).cost(used.input_tokens, used.output_tokens) <= 1.4


def test_calls_in_flight_are_stored_first_in_every_list(short, store_url, start_faulty):
    """Two lists at once: when the budget is reached, all that was sent has been stored."""
    server = start_faulty("--latency", "0.3")
    registry = Registry({name: Model(name, server.url, name, concurrency=5, **PRICES) for name in "mn"})

    async def go():
        models = Models(registry, CallStore(store_url), budget_usd=2.0)
        lists = [[short(f"{name} {i}") for i in range(200)] for name in "mn"]
        with pytest.raises(BudgetReached):
            await asyncio.gather(*(models.ask(name, own, label=name) for name, own in zip("mn", lists, strict=True)))
        found = sum(used.calls for used in models.store.usage.values()), server.get("counts")["total"]
        await models.close()
        return found

    stored, sent = asyncio.run(go())
    assert stored == sent > 5


def test_what_another_process_spends_counts(store_url, start_loopback, tmp_path, start_python):
    """Two processes on one store: together they stay within the budget, but for what both have in flight."""
    server = start_loopback("--latency", "0.02")
    code = """
import asyncio, sys
from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry, Request
url, base, name = sys.argv[1:]

async def main():
    model = Model("m", base, "m", concurrency=2, input_price=1000, output_price=1000)
    models = Models(Registry({"m": model}), CallStore(url), budget_usd=10)
    requests = [Request(({"role": "user", "content": f"{name} {i}"},), "p", "h", max_tokens=100) for i in range(500)]
    try:
        await models.ask("m", requests, label="x")
    except BudgetReached:
        print("reached")
    await models.close()

asyncio.run(main())
"""
    both = [start_python(["-c", code, store_url, server.url, name]) for name in ("one", "two")]
    assert [process.communicate()[0].strip() for process in both] == ["reached", "reached"]
    used = usage(store_url)["m", "p"]
    spent = Model("m", "http://x", "m", **PRICES).cost(used.input_tokens, used.output_tokens)
    each = spent / used.calls
    # each process may have four calls under way that the other does not know of
    assert 10 - 10 * each <= spent <= 10 + 4 * each
    assert used.calls == server.requests()["total"]


def test_repairs_and_unreadable_answers_cost(ask, script, make_request, store_url):
    message = {"role": "assistant", "content": '{"answer": "A"}'}
    repaired = {"choices": [{"message": message}], "usage": {"prompt_tokens": 70, "completion_tokens": 3}}
    none = httpx2.Response(200, text='{"detail": "' + "x" * 26 + '"}')
    answers = [none, "no object", httpx2.Response(200, json=repaired)]
    scripted = script(lambda body, nth: answers[nth - 1])
    (reply,) = ask([make_request("?", schema=Answer)], scripted, json_schema=True)
    assert reply.outcome == "ok"
    used = usage(store_url)["m", "greeting"]
    sent = len(json.dumps(scripted.bodies[0]))
    # replies of 7 and 3, and of 70 and 3 tokens, and an answer of 40 characters that was none
    assert used == Usage(2, 0, 3, 1, 77 + -(-sent // 4), 6 + 10, lost_output_tokens=10)


def test_a_reply_without_its_tokens_is_estimated(ask, script, make_request, store_url):
    body = {"choices": [{"message": {"content": "x" * 41}}]}
    ask([make_request("?")], script(lambda _, nth: httpx2.Response(200, json=body)))
    used = usage(store_url)["m", "greeting"]
    assert (used.calls, used.estimated, used.output_tokens) == (1, 1, 11) and used.input_tokens > 20


def test_calls_that_fail_are_counted(ask, script, make_request, store_url):
    ask([make_request("?")], script(lambda body, nth: httpx2.Response(400)))
    assert usage(store_url) == {("m", "greeting"): Usage(failed=1, attempts=1)}


@pytest.mark.parametrize("prices", [{}, {"input_price": 1}, {"output_price": 1}])
def test_a_model_without_a_price_is_refused_before_any_call(ask, script, make_request, prices):
    scripted = script(lambda body, nth: "well")
    with pytest.raises(ValueError, match=r"price of m is unknown.*Give input_price and output_price.*0 if"):
        ask([make_request("?")], scripted, budget_usd=1, **prices)
    assert scripted.bodies == []
    # said to cost nothing, it may be asked
    assert ask([make_request("?")], scripted, budget_usd=1, input_price=0, output_price=0)[0].outcome == "ok"


def test_a_store_that_holds_calls_of_unknown_price_is_refused(ask, script, make_request, store_url):
    ask([make_request("?")], script(lambda body, nth: "well"))
    store = CallStore(store_url)
    with pytest.raises(ValueError, match="price of m is unknown"):
        Models(Registry({"n": Model("n", "http://x.invalid", "n", **PRICES)}), store, budget_usd=1)
    store.close()


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_is_above_0(ask, make_request, budget):
    with pytest.raises(ValueError, match=r"budget_usd: found .*; expected dollars above 0"):
        ask([make_request("?")], budget_usd=budget)


def test_a_replay_spends_nothing(ask, script, short):
    ask([short("?")], script(lambda body, nth: "well"), **PRICES)
    assert ask([short("?")], replay=True, budget_usd=0.001, **PRICES)[0].text == "well"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.json"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_says_what_was_spent_on_what(ask, script, make_request, path):
    requests = [make_request("x"), make_request("y"), make_request("bad")]
    scripted = script(lambda body, nth: httpx2.Response(400) if body["messages"][0]["content"] == "bad" else "well")
    ask(requests, scripted, ledger=path, budget_usd=10, **PRICES)
    found = read(path)
    counts = {"calls": 2, "failed": 1, "attempts": 3, "estimated": 0, "input_tokens": 14, "output_tokens": 6}
    counts |= {"cached_tokens": 0, "reasoning_tokens": 0, "batch_input_tokens": 0}
    counts |= {"batch_output_tokens": 0, "lost_output_tokens": 0}
    assert found["rows"] == [{"model": "m", "prompt": "greeting", **counts, "usd": 0.02}]
    assert {name: found[name] for name in counts} == counts
    assert (found["budget_usd"], found["spent_usd"], found["left_usd"]) == (10, 0.02, 9.98)
    assert found["projected_usd"] == 0.02 and not found["budget_reached"]


def test_a_price_that_is_put_right_puts_the_dollars_right(ask, script, make_request, path):
    for price, dollars in ((None, None), (1000, 0.01), (2000, 0.02)):
        ask([make_request("x")], script(lambda body, nth: "well"), ledger=path, input_price=price, output_price=price)
        assert read(path)["rows"][0]["usd"] == dollars
        # unknown is said, and is no zero
        assert read(path)["models_of_unknown_price"] == ([] if dollars else ["m"])


def test_is_current_while_a_list_is_asked_and_says_where_it_leads(ask, script, make_request, path, monkeypatch):
    monkeypatch.setattr(spending, "SECONDS_BETWEEN_WRITES", 0)
    seen = {}

    def answer(body, nth):
        if path.exists():
            seen[nth] = read(path)
        return "well"

    ask([make_request(str(i)) for i in range(30)], script(answer), ledger=path, concurrency=1, **PRICES)
    assert set(range(3, 31)) <= set(seen)
    for nth, content in seen.items():
        # of the calls before this one, one at most is not yet answered and counted
        assert nth - 2 <= round(content["spent_usd"] / 0.01) <= nth - 1
        # a call may be stored and not yet be counted off its list
        assert 0.3 <= content["projected_usd"] <= 0.31


def test_says_that_the_budget_is_reached(ask, script, make_request, path):
    with pytest.raises(BudgetReached):
        ask(
            [make_request(str(i), max_tokens=3) for i in range(40)],
            script(lambda body, nth: "well"),
            ledger=path,
            budget_usd=0.1,
            **PRICES,
        )
    assert read(path)["budget_reached"] and 0 < read(path)["left_usd"] < 0.1


def test_projects_what_is_planned(ask, script, make_request, store_url):
    ask([make_request(str(i)) for i in range(4)], script(lambda body, nth: "well"), **PRICES)
    store = CallStore(store_url)
    registry = Registry({"m": Model("m", "http://x.invalid", "m", **PRICES)})
    # ten greetings, of which four are made and showed a price of their own; five calls that none was made of yet
    planned = {("m", "greeting"): (10, 99.0), ("m", "farewell"): (5, 2.5)}
    book = Ledger(Budget(registry, store, 4.0), None, planned)
    assert book.projected == pytest.approx(0.10 + 2.5)
    assert book.sum_up() == "$0.04 spent, $3.96 left, $2.60 projected"
    store.close()


def test_the_bars_say_what_was_spent(script, make_request, store_url):
    said = []

    class Bar:
        def __init__(self, label, total, note):
            self.note = note

        def advance(self, count=1):
            said.append(self.note())

        def close(self):
            pass

    async def go(**prices):
        registry = Registry({"m": Model("m", "http://x.invalid/v1", "m", concurrency=1, **prices)})
        models = Models(registry, CallStore(store_url), progress=Bar, transport=script(lambda body, nth: "well"))
        await models.ask("m", [make_request(f"{i} {prices}") for i in range(3)], label="x")
        await models.close()

    asyncio.run(go(input_price=0, output_price=0))
    assert set(said) == {""}
    said.clear()
    asyncio.run(go(**PRICES))
    # three calls were free until the price was known, and cost the same then
    assert said[-1] == "$0.06 spent, $0.06 projected"
    said.clear()
    asyncio.run(go())
    assert said[-1].endswith(", and what m cost")


def test_a_replay_leaves_it_alone(ask, script, make_request, path):
    ask([make_request("x")], script(lambda body, nth: "well"), **PRICES)
    ask([make_request("x")], replay=True, ledger=path, **PRICES)
    assert not path.exists()
