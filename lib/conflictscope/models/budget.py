"""What a study may cost: nothing is asked that its budget may not cover.

In: what all processes on the call store have used, the prices in the file of models, and the calls under way. Out:
leave to make a call, or ``BudgetReached``. Stored are tokens; dollars are those tokens at the prices that the file of
models gives now, so that a price that was wrong is put right by correcting it there.
"""

import asyncio

from conflictscope.models.registry import Model, Registry
from conflictscope.models.store import CallStore
from conflictscope.models.usage import Usage, UsageTable, estimate_tokens

# tokens of a reply, as long as no reply to such a prompt has been seen and the call sets no limit
TYPICAL_REPLY_TOKENS = 500


class BudgetReached(RuntimeError):
    """The next call might cost more than is left of the study's budget; the message says how to go on."""


class Budget:
    """The dollars of one study.

    Parameters
    ----------
    registry : Registry
    store : CallStore
        Its total counts, whichever process has spent it.
    dollars : float, optional
        None: no limit.

    Raises
    ------
    ValueError
        Where it is not above 0, or the store holds calls of a model whose price is unknown.
    """

    def __init__(self, registry: Registry, store: CallStore, dollars: float | None):
        if dollars is not None and not dollars > 0:
            raise ValueError(f"budget_usd: found {dollars!r}; expected dollars above 0, or nothing for no limit.")
        self.registry, self.store, self.dollars = registry, store, dollars
        self.reached = False
        self._held: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._spent: tuple[UsageTable | None, float, list[str]] = (None, 0.0, [])
        if dollars is not None and self.unpriced:
            raise ValueError(self._no_price(self.unpriced))

    @property
    def spent(self) -> float:
        """Dollars spent so far, without what models of unknown price have cost."""
        return self._count()[0]

    @property
    def unpriced(self) -> list[str]:
        """Models that have been asked and whose price is unknown."""
        return self._count()[1]

    @property
    def left(self) -> float | None:
        """Dollars left; None without a budget. Below 0 where the last calls cost more than expected."""
        return None if self.dollars is None else self.dollars - self.spent

    def check(self, model: Model) -> None:
        """Refuse a model whose price is unknown, where there is a budget."""
        output = 0 if model.kind == "embeddings" else 1
        if self.dollars is not None and model.cost(1, output) is None:
            raise ValueError(self._no_price([model.name]))

    def expected_cost(self, model: Model, prompt: str, characters: int, max_tokens: int | None) -> float:
        """Return dollars to keep for a call; 0 without a budget.

        The reply counts as long as it may be, where the call sets a limit, else as long as such replies were on
        average.
        """
        if self.dollars is None:
            return 0.0
        usage = self.store.usage.get((model.name, prompt), Usage())
        output = usage.output_tokens / usage.calls if usage.calls else TYPICAL_REPLY_TOKENS
        if max_tokens is not None and "max_tokens" not in model.refused_options:
            output = max_tokens
        return model.cost(estimate_tokens(characters), 0 if model.kind == "embeddings" else output) or 0.0

    def hold(self, cost: float) -> None:
        """Keep so many dollars for a call that is under way."""
        self._held.append(cost)

    def release(self, cost: float) -> None:
        """Give back what was kept for a call; what it has cost is in the store by now."""
        self._held.remove(cost)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def await_leave(self, cost: float) -> None:
        """Return once a call may be made; while that depends on what calls under way will cost, wait for them.

        Raises
        ------
        BudgetReached
            Where it may not, and no call is under way any more.
        """
        if self.dollars is None:
            return
        while not self.reached and self.spent + sum(self._held) + cost > self.dollars:
            if not self._held:
                self.reached = True
            else:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
        if self.reached:
            raise BudgetReached(
                f"the budget of {self.dollars:,.2f} dollars is reached: {self.spent:,.2f} are spent, and the next call "
                f"may cost {cost:,.4f}. What was answered is in the call store {self.store.name}. To go on from there, "
                "run the same again with a higher budget_usd; nothing is asked twice."
            )

    def _count(self) -> tuple[float, list[str]]:
        """Return dollars spent and models of unknown price, counted anew where the store has news."""
        usage = self.store.usage
        if self._spent[0] is not usage:
            costs = {about: cost_of(self.registry, about[0], used) for about, used in usage.items()}
            unpriced = sorted({model for (model, _), cost in costs.items() if cost is None})
            self._spent = (usage, sum(cost for cost in costs.values() if cost is not None), unpriced)
        return self._spent[1:]

    def _no_price(self, models: list[str]) -> str:
        """Return the message that refuses models of unknown price."""
        return (
            f"budget_usd is {self.dollars:g}, but the price of {', '.join(models)} is unknown, so that it could not be "
            "kept. Give input_price and output_price in the file of models (0 where a model costs nothing), or leave "
            "budget_usd out."
        )


def cost_of(registry: Registry, model: str, usage: Usage) -> float | None:
    """Return dollars for what a model has used; None where its price is unknown or it is no longer in the registry."""
    if model not in registry:
        return None
    return registry[model].cost(usage.input_tokens, usage.output_tokens)
