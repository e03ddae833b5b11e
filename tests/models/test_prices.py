"""Prices: those of an entry, else those of the list; of which version; unknown stays unknown."""

import re
import sys

import pytest

from conflictscope.models import Model
from conflictscope.models.registry import UNKNOWN, Prices, date_snapshot, find_prices, name_snapshot

OPENAI = "https://api.openai.com/v1"


def test_a_model_is_found_by_its_endpoint_and_id():
    prices = find_prices(OPENAI, "gpt-4.1-2025-04-14")
    assert prices == Prices(2.0, 8.0, 0.5, "openai/gpt-4.1")
    assert find_prices("https://openrouter.ai/api/v1", "openai/gpt-4.1").listed == "openrouter/openai/gpt-4.1"
    assert find_prices(OPENAI, "text-embedding-3-small").output is None


@pytest.mark.parametrize(
    ("url", "id"),
    [
        (OPENAI, "gpt-4.1-and-something"),
        ("https://gateway.example.com/v1", "gpt-4.1"),
        ("http://localhost:8000/v1", "gpt-4.1"),
        ("simulated:", "author"),
    ],
)
def test_what_the_list_does_not_have_is_unknown(url, id):
    assert find_prices(url, id) == UNKNOWN
    assert Model("m", url, id).cost(1, 1) is None


def test_on_this_machine_the_list_is_not_even_loaded(monkeypatch):
    find_prices.cache_clear()
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    assert find_prices("http://127.0.0.1:8101/v1", "any") == UNKNOWN
    assert Model("m", OPENAI, "gpt-4.1", input_price=1.0, output_price=2.0).cost(1e6, 1e6) == pytest.approx(3)


def test_an_entry_may_name_its_model_in_the_list():
    gateway = Model("m", "https://gateway.example.com/v1", "our-gpt", prices="openai/gpt-4.1")
    assert gateway.cost(1e6, 1e6) == pytest.approx(10)
    routed = Model("m", "http://localhost:4000/v1", "m", prices="openrouter/openai/gpt-4.1")
    assert routed.prices_now.listed == "openrouter/openai/gpt-4.1"
    with pytest.raises(ValueError, match=r"model 'm': prices: found 'openai/gpt-0'; expected provider/model of genai"):
        Model("m", OPENAI, "m", prices="openai/gpt-0").cost(1, 1)


def test_own_prices_go_before_the_list():
    own = Model("m", OPENAI, "gpt-4.1", output_price=1.0)
    assert own.cost(1e6, 1e6) == pytest.approx(3)
    # whoever gives an own price for input has not said that cached input is cheaper
    assert Model("m", OPENAI, "gpt-4.1", input_price=1.0).cost(1e6, 0, cached_tokens=1e6) == pytest.approx(1)
    assert Model("m", OPENAI, "gpt-4.1", input_price=1.0, cached_price=0.1).cost(1e6, 0, 1e6) == pytest.approx(0.1)


def test_cached_tokens_cost_what_the_list_says():
    model = Model("m", OPENAI, "gpt-4.1")
    assert model.cost(1e6, 0, cached_tokens=400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.5)


def test_a_price_that_rises_with_the_prompts_length_is_that_of_short_ones():
    assert find_prices(OPENAI, "gpt-5.4").input == 2.5


def test_the_snapshot_is_told():
    assert re.fullmatch(r"genai-prices [0-9.]+", name_snapshot())
    assert re.fullmatch(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", date_snapshot())
