import asyncio
import json

import httpx2
import pytest

from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry, spending
from conflictscope.models.spending import Budget, Ledger

PRICES = {"input_price": 1000, "output_price": 1000}


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
