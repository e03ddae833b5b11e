"""What a study may cost (budget) and what it has cost (ledger): nothing is asked that the budget may not cover.

In: what all processes on the call store have used, the prices in the file of models, the calls in flight, and the plan.
Out: leave to make a call, or ``BudgetReached``; ``ledger.json`` in the study's folder, and a phrase for progress bars.
Stored are tokens; dollars are those tokens at today's prices, so that a wrong price is mended by correcting it. What
was sent and never answered counts by estimate.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from conflictscope.files import write_atomically, write_text
from conflictscope.models.records import EMBEDDING, NOTHING, Usage, UsageTable, estimate_tokens
from conflictscope.models.registry import BATCH_PRICE, Model, Registry, name_snapshot
from conflictscope.models.store import CallStore

# tokens of a reply, as long as no reply to such a prompt has been seen and the call sets no limit
TYPICAL_REPLY_TOKENS = 500
_OTHERS_S = 0.5


class BudgetReached(RuntimeError):
    """The next call might cost more than is left of the study's budget; the message says how to go on."""


Costs = Mapping[tuple[str, str], float | None]
"""(model, prompt) → dollars (None: the model's price is unknown, or it is no longer in the registry)."""


def batch_cost(model: Model, used: Usage) -> float:
    """Return the dollars for what is used in a batch; 0 if the price is unknown."""
    return BATCH_PRICE * (model.cost(used.input_tokens, used.output_tokens) or 0.0)


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
        If it is not above 0, or the store holds calls of a model whose price is unknown.
    """

    def __init__(self, registry: Registry, store: CallStore, dollars: float | None):
        if dollars is not None and not dollars > 0:
            raise ValueError(f"budget_usd: found {dollars!r}; expected dollars above 0, or nothing for no limit.")
        self.registry, self.store, self.dollars = registry, store, dollars
        self.reached = False
        self._held: list[float] = []
        self.in_batches: dict[str, Usage] = {}
        """Model → what may be used in batches that have not ended."""
        self._waiting: list[asyncio.Future[None]] = []
        self._counted: UsageTable | None = None
        self._costs: Costs = {}
        if dollars is not None and self.unpriced:
            raise ValueError(self._no_price(self.unpriced))

    @property
    def costs(self) -> Costs:
        """What has been spent, by model and prompt; counted anew when the store has news."""
        usage = self.store.usage
        if self._counted is not usage:
            self._counted = usage
            self._costs = {(model, prompt): self._cost(model, used) for (model, prompt), used in usage.items()}
        return self._costs

    @property
    def spent(self) -> float:
        """Dollars spent so far, without what models of unknown price have cost."""
        return sum(cost for cost in self.costs.values() if cost is not None)

    @property
    def unpriced(self) -> list[str]:
        """Models that have been asked and whose price is unknown."""
        return sorted({model for (model, _), cost in self.costs.items() if cost is None})

    @property
    def left(self) -> float | None:
        """Dollars left; None without a budget. Below 0 if the last calls cost more than expected."""
        return None if self.dollars is None else self.dollars - self.spent

    @property
    def _taken(self) -> float:
        """Dollars spent, or that may be, by calls on the wire of any process on the store and by open batches."""
        models = self.registry.models
        others = (
            models[name].cost(used.input_tokens, used.output_tokens) or 0.0
            for name, used in self.store.others.items()
            if name in models
        )
        in_batches = (batch_cost(models[name], used) for name, used in self.in_batches.items() if name in models)
        return self.spent + sum(self._held) + sum(others) + sum(in_batches)

    @property
    def is_kept(self) -> bool:
        """Whether what is under way is covered, others on the store having begun calls at the same moment."""
        return self.dollars is None or not self.store.others or self._taken <= self.dollars

    async def wait_for_others(self) -> None:
        """Wait a moment for the calls that others on the store have on the wire, and see what has become of them."""
        await asyncio.sleep(_OTHERS_S)
        await self.store.read_usage()

    def covers_batch(self, model: Model, expected: Usage) -> bool:
        """Return whether what is left covers so much more in a batch, beside what is under way."""
        return self.dollars is None or self._taken + batch_cost(model, expected) <= self.dollars

    def refuse(self, model: Model, expected: Usage) -> BudgetReached:
        """Return what to raise for a batch that what is left does not cover."""
        self.reached = True
        return BudgetReached(
            f"the budget of {self.dollars or 0:,.2f} dollars is reached: {self.spent:,.2f} are spent, more may be in "
            f"batches under way, and the next call may cost {batch_cost(model, expected):,.4f}. To go on, run the same "
            "again with a higher budget_usd; nothing is asked twice."
        )

    def check(self, model: Model) -> None:
        """Refuse a model whose price is unknown, if there is a budget."""
        output = 0 if model.kind == "embeddings" else 1
        if self.dollars is not None and model.cost(1, output) is None:
            raise ValueError(self._no_price([model.name]))

    def expect(self, model: Model, prompt: str, characters: int, max_tokens: int | None) -> Usage:
        """Return the tokens that an attempt at a call may use: held while it is made, charged if its answer is lost.

        The reply counts as long as it may be, if the call sets a limit, else twice as long as such replies were on
        average: what is lost because it took too long is longer than most.
        """
        usage = self.store.usage.get((model.name, prompt), NOTHING)
        written = usage.output_tokens - usage.lost_output_tokens
        output = -(-2 * written // usage.calls) if usage.calls else TYPICAL_REPLY_TOKENS
        if max_tokens is not None and "max_tokens" not in model.refused_options:
            output = max_tokens
        return Usage(
            estimated=1, input_tokens=estimate_tokens(characters), output_tokens=0 if prompt == EMBEDDING else output
        )

    async def hold(self, model: Model, expected: Usage) -> float:
        """Wait for leave to make an attempt, and hold what it may cost against the budget until it is released.

        While leave depends on what calls in flight will cost, here or in another process, they are waited for.

        Returns
        -------
        float
            The dollars held; 0 without a budget.

        Raises
        ------
        BudgetReached
            If the call may cost more than is left, and none is in flight any more.
        """
        if self.dollars is None:
            return 0.0
        cost = model.cost(expected.input_tokens, expected.output_tokens) or 0.0
        while not self.reached and self._taken + cost > self.dollars:
            if self._held:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
            elif self.store.others:
                await self.wait_for_others()
            else:
                self.reached = True
        if self.reached:
            raise BudgetReached(
                f"the budget of {self.dollars:,.2f} dollars is reached: {self.spent:,.2f} are spent, and the next call "
                f"may cost {cost:,.4f}. What was answered is in the call store {self.store.name}. To go on from there, "
                "run the same again with a higher budget_usd; nothing is asked twice."
            )
        self._held.append(cost)
        return cost

    def release(self, cost: float) -> None:
        """Give back what was held for a call; what it has cost is in the store by now."""
        if self.dollars is None:
            return
        self._held.remove(cost)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _cost(self, model: str, usage: Usage) -> float | None:
        """Return dollars for what a model has used."""
        described = self.registry.models.get(model)
        if described is None:
            return None
        cost = described.cost(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        in_batches = described.cost(usage.batch_input_tokens, usage.batch_output_tokens)
        return None if cost is None else cost - (1 - BATCH_PRICE) * (in_batches or 0.0)

    def _no_price(self, models: list[str]) -> str:
        """Return the message that refuses models of unknown price."""
        return (
            f"budget_usd is {self.dollars:g}, but the price of {', '.join(models)} is unknown, so that it could not be "
            f"kept: {name_snapshot()} does not list it. Give input_price and output_price in the file of models (0 if "
            "a model costs nothing), or leave budget_usd out."
        )


SECONDS_BETWEEN_WRITES = 2.0
DOLLARS_BY = (
    "stored tokens at the prices when this was written: those that the file of models gave, else those of "
    + name_snapshot()
)

Planned = Mapping[tuple[str, str], tuple[int, float | None]]
"""(model, prompt) → calls that a study is expected to make, and their dollars (None: unknown)."""


class Ledger:
    """The ledger of one study.

    Parameters
    ----------
    budget : Budget
    path : Path, optional
        Where it is written; None: nowhere.
    planned : mapping, optional
        What the whole study is expected to ask; without it, the lists being asked are all that is projected.
    """

    def __init__(self, budget: Budget, path: Path | None = None, planned: Planned | None = None):
        self._budget, self._path, self._planned = budget, path, planned or {}
        self._lists: list[tuple[str, Counter[str]]] = []
        self._next = time.monotonic() + SECONDS_BETWEEN_WRITES

    def begin_list(self, model: str, prompts: Iterable[str]) -> Counter[str]:
        """Record that a list begins; count down in what is returned, prompt by prompt."""
        left = Counter(prompts)
        self._lists.append((model, left))
        return left

    def end_list(self, left: Counter[str]) -> None:
        """Record that a list is done or stopped."""
        self._lists = [entry for entry in self._lists if entry[1] is not left]
        self.write()

    @property
    def projected(self) -> float:
        """Dollars that will have been spent once all that is planned or being asked is answered.

        What a call costs is what calls with the same model and prompt have cost so far, else what was planned. Calls
        that later stages will not make, because scenarios are dropped until then, are in it.
        """
        usage, costs = self._budget.store.usage, self._budget.costs
        asked: Counter[tuple[str, str]] = Counter()
        for model, left in self._lists:
            asked.update({(model, prompt): count for prompt, count in left.items()})
        to_come = 0.0
        for about in set(asked) | set(self._planned):
            planned, dollars = self._planned.get(about, (0, None))
            used = usage.get(about, NOTHING)
            calls = max(planned - used.calls, asked[about])
            cost = costs.get(about) if used.calls else dollars
            to_come += calls * (cost or 0.0) / (used.calls or planned or 1)
        return self._budget.spent + to_come

    def sum_up(self) -> str:
        """Return spent, left and projected in a phrase; "" if nothing costs anything."""
        left, unpriced, projected = self._budget.left, self._budget.unpriced, self.projected
        if left is None and not unpriced and projected <= 0:
            return ""
        phrase = f"${self._budget.spent:,.2f} spent"
        phrase += "" if left is None else f", ${left:,.2f} left"
        phrase += f", ${projected:,.2f} projected"
        return phrase + (f", and what {', '.join(unpriced)} cost" if unpriced else "")

    def write_now_and_then(self) -> None:
        """Write the ledger if it has not been written for a while."""
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write the ledger."""
        self._next = time.monotonic() + SECONDS_BETWEEN_WRITES
        if self._path is not None:
            text = json.dumps(self._content(), indent=2, ensure_ascii=False) + "\n"
            write_text(self._path, text)

    def _content(self) -> dict:
        """Return what the file holds."""
        usage, budget = self._budget.store.usage, self._budget
        rows = [
            {"model": model, "prompt": prompt, **used._asdict(), "usd": _rounded(budget.costs.get((model, prompt)))}
            for (model, prompt), used in sorted(usage.items())
        ]
        return {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "budget_usd": budget.dollars,
            "spent_usd": _rounded(budget.spent),
            "left_usd": _rounded(budget.left),
            "projected_usd": _rounded(self.projected),
            "budget_reached": budget.reached,
            "models_of_unknown_price": budget.unpriced,
            "dollars_by": DOLLARS_BY,
            **sum(usage.values(), NOTHING)._asdict(),
            "rows": rows,
        }


def describe_price(registry: Registry, tokens: Mapping[str, tuple[float, float]]) -> str:
    """Return in words about what so many tokens, model → sent and received, cost in dollars."""
    costs = {model: registry[model].cost(*counts) for model, counts in tokens.items()}
    known = [dollars for dollars in costs.values() if dollars is not None]
    unknown = sorted(model for model, dollars in costs.items() if dollars is None)
    words = [f"about {sum(known):,.2f} dollars"] if known else []
    if unknown:
        words.append(f"the cost of {', '.join(unknown)} (no prices in the file of models, nor in the price list)")
    return " plus ".join(words)


def _rounded(dollars: float | None) -> float | None:
    """Return dollars to the millionth: a call may cost less than a cent."""
    return None if dollars is None else round(dollars, 6)


_FILE = "plan.csv"


def write_planned(estimate: pd.DataFrame, folder: Path) -> None:
    """Write an estimate of ``plan.plan_study`` into a study's folder."""
    write_atomically(folder / _FILE, lambda temporary: estimate.to_csv(temporary, index=False))


def read_planned(folder: Path) -> Planned:
    """Return (model, prompt) → calls and dollars of the plan; empty if ``conflictscope run`` has written none."""
    path = folder / _FILE
    if not path.exists():
        return {}
    sums = pd.read_csv(path).groupby(["model", "prompt"])[["calls", "dollars"]].sum(min_count=1)
    return {
        about: (int(calls), None if pd.isna(dollars) else float(dollars)) for about, calls, dollars in sums.itertuples()
    }
