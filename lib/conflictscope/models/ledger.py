"""The ledger: what a study has spent, what is left, and where it is heading.

In: what the call store's calls have used, prices, the plan, and the lists being asked. Out: ``ledger.json`` in the
study's folder, kept current while models are asked, and a phrase for the progress bars.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from conflictscope.files import write_atomically
from conflictscope.models.budget import Budget, cost_of
from conflictscope.models.usage import Usage

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
