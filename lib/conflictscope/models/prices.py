"""What models cost by the price list that the package ``genai-prices`` ships: nothing is fetched, nothing guessed.

In: where a model is asked, and its id there. Out: dollars per million tokens as of today, or None. The package is
imported when a price is first looked up, since its list takes a second or two to load.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

PACKAGE = "genai-prices"
_LOCAL = re.compile(r"simulated:|https?://(?:localhost|127\.[0-9.]+|\[::1\])(?:[:/]|$)")


@dataclass(frozen=True)
class Prices:
    """Dollars per million tokens; None: unknown.

    ``cached`` is for the part of the input that the endpoint had cached, at most ``input``. ``listed`` is the list's
    name for the model, ``provider/id``; None if the list has no part in them.
    """

    input: float | None = None
    output: float | None = None
    cached: float | None = None
    listed: str | None = None

    def cost(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float | None:
        """Return dollars for so many tokens, of whose input some were cached; None if a price needed is unknown."""
        if self.input is None or (self.output is None and output_tokens):
            return None
        cached = self.input if self.cached is None else self.cached
        dollars = (input_tokens - cached_tokens) * self.input + cached_tokens * cached
        return (dollars + output_tokens * (self.output or 0)) / 1e6


UNKNOWN = Prices()


@cache
def find_prices(base_url: str, id: str, reference: str | None = None) -> Prices:
    """Look a model up in the price list.

    Prices are those of today, for prompts below the lengths from which some models cost more (128,000 tokens or above).

    Parameters
    ----------
    base_url, id : str
        The endpoint tells the provider; one on this machine has none.
    reference : str, optional
        ``provider/model`` of the list, in place of both.

    Returns
    -------
    Prices
        ``UNKNOWN`` if the list has no such model.

    Raises
    ------
    ValueError
        If a reference is given that the list does not have.
    """
    if reference is None and _LOCAL.match(base_url):
        return UNKNOWN
    from genai_prices.data_snapshot import get_snapshot

    provider, _, model_id = (reference or "").partition("/")
    try:
        if reference is None:
            provider_found, model = get_snapshot().find_provider_model(id, None, None, base_url)
        else:
            provider_found, model = get_snapshot().find_provider_model(model_id, None, provider, None)
    except LookupError:
        if reference is None:
            return UNKNOWN
        raise ValueError(
            f"found {reference!r}; expected provider/model of {name_snapshot()}, such as openai/gpt-4.1 or "
            "openrouter/openai/gpt-oss-20b."
        ) from None
    listed = model.get_prices(datetime.now(UTC))
    per_token = {kind: _dollars(getattr(listed, f"{kind}_mtok")) for kind in ("input", "output", "cache_read")}
    return Prices(per_token["input"], per_token["output"], per_token["cache_read"], f"{provider_found.id}/{model.id}")


def override(prices: Prices, stated: Mapping[str, float | None]) -> Prices:
    """Return prices with those that an entry gives itself, by name, in their place.

    An own input price holds for cached tokens too, unless the entry gives a price of its own for these.
    """
    given = {name: price for name, price in stated.items() if price is not None}
    if not given:
        return prices
    cached = given.get("cached", given.get("input", prices.cached))
    return Prices(given.get("input", prices.input), given.get("output", prices.output), cached, prices.listed)


def name_snapshot() -> str:
    """Return the price list's version."""
    return f"{PACKAGE} {version(PACKAGE)}"


def date_snapshot() -> str:
    """Return the day of the list's last change of a price that is in force, ISO 8601: it has no date of its own."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import StartDateConstraint

    conditions = (
        price.constraint
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for price in model.prices
    )
    days = (condition.start_date for condition in conditions if isinstance(condition, StartDateConstraint))
    return str(max(day for day in days if day <= datetime.now(UTC).date()))


def _dollars(price: Any) -> float | None:
    """Return a price of the list as a number; of one that rises with the prompt's length, its base."""
    if price is None:
        return None
    return float(price if isinstance(price, Decimal) else price.base)
