"""What a study may cost: nothing is asked that its budget may not cover.

In: what all processes on the call store have used, the prices in the file of models, and the calls under way. Out:
leave to make a call, or ``BudgetReached``. Stored are tokens; dollars are those tokens at the prices that the file of
models gives now, so that a price that was wrong is put right by correcting it there.

The ledger: what a study has spent, what is left, and where it is heading.

In: what the call store's calls have used, prices, the plan, and the lists being asked. Out: ``ledger.json`` in the
study's folder, kept current while models are asked, and a phrase for the progress bars.

The plan of a study on disk, so that its ledger can say where the study is heading.

In: the estimate of ``plan``. Out: ``plan.csv`` in the study's folder, and what its notebooks read of it.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from conflictscope.files import write_atomically
from conflictscope.models.registry import Model, Registry
from conflictscope.models.store import CallStore, Usage, UsageTable, estimate_tokens

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


SECONDS_BETWEEN_WRITES = 2.0
DOLLARS_BY = "stored tokens at the prices that the file of models gave when this was written"

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
        self._next = 0.0

    def begin_list(self, model: str, prompts: Iterable[str]) -> Counter[str]:
        """Say that a list begins; count down in what is returned, prompt by prompt."""
        left = Counter(prompts)
        self._lists.append((model, left))
        return left

    def end_list(self, left: Counter[str]) -> None:
        """Say that a list is done or stopped."""
        self._lists = [entry for entry in self._lists if entry[1] is not left]
        self.write()

    @property
    def projected(self) -> float:
        """Dollars that will have been spent once all that is planned or being asked is answered.

        What a call costs is what calls with the same model and prompt have cost so far, else what was planned. Calls
        that later stages will not make, because scenarios are dropped until then, are in it.
        """
        usage = self._budget.store.usage
        asked: Counter[tuple[str, str]] = Counter()
        for model, left in self._lists:
            asked.update({(model, prompt): count for prompt, count in left.items()})
        to_come = 0.0
        for about in set(asked) | set(self._planned):
            planned, dollars = self._planned.get(about, (0, None))
            used = usage.get(about, Usage())
            calls = max(planned - used.calls, asked[about])
            cost = cost_of(self._budget.registry, about[0], used) if used.calls else dollars
            to_come += calls * (cost or 0.0) / (used.calls or planned or 1)
        return self._budget.spent + to_come

    def sum_up(self) -> str:
        """Return spent, left and projected in a phrase; "" where nothing costs anything."""
        spent, left, unpriced = self._budget.spent, self._budget.left, self._budget.unpriced
        if left is None and not unpriced and self.projected <= 0:
            return ""
        phrase = f"${spent:,.2f} spent"
        phrase += "" if left is None else f", ${left:,.2f} left"
        phrase += f", ${self.projected:,.2f} projected"
        return phrase + (f", and what {', '.join(unpriced)} cost" if unpriced else "")

    def write_now_and_then(self) -> None:
        """Write the ledger where it has not been written for a while."""
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write the ledger."""
        self._next = time.monotonic() + SECONDS_BETWEEN_WRITES
        if self._path is not None:
            text = json.dumps(self._content(), indent=2, ensure_ascii=False) + "\n"
            write_atomically(self._path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))

    def _content(self) -> dict:
        """Return what the file holds."""
        usage, budget = self._budget.store.usage, self._budget
        rows = [
            {"model": model, "prompt": prompt, **asdict(used), "usd": _rounded(cost_of(budget.registry, model, used))}
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
            **asdict(sum(usage.values(), Usage())),
            "rows": rows,
        }


def _rounded(dollars: float | None) -> float | None:
    """Return dollars to the millionth: a call may cost less than a cent."""
    return None if dollars is None else round(dollars, 6)


_FILE = "plan.csv"


def write_planned(estimate: pd.DataFrame, folder: Path) -> None:
    """Write an estimate of ``plan.plan_study`` into a study's folder."""
    write_atomically(folder / _FILE, lambda temporary: estimate.to_csv(temporary, index=False))


def read_planned(folder: Path) -> Planned:
    """Return (model, prompt) → calls and dollars of the plan; empty where ``conflictscope run`` has written none."""
    path = folder / _FILE
    if not path.exists():
        return {}
    sums = pd.read_csv(path).groupby(["model", "prompt"])[["calls", "dollars"]].sum(min_count=1)
    return {
        about: (int(calls), None if pd.isna(dollars) else float(dollars)) for about, calls, dollars in sums.itertuples()
    }
