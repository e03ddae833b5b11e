"""Calls under way: each is seen through, and stored, even where the list that it belongs to is stopped.

In: the work of making one call and storing its reply. Out: its result. Where a list is stopped (the budget is reached,
an endpoint is down, the disk is full), calls that are on the wire end and are stored; calls that wait for their turn or
for another attempt are called off; and the lists beside it stop as well.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from conflictscope.models.budget import Budget
from conflictscope.models.usage import Attempts

T = TypeVar("T")


class CallsUnderWay:
    """The calls of all lists that are being asked."""

    def __init__(self, budget: Budget):
        self._budget = budget
        self._tasks: dict[asyncio.Task, Attempts] = {}
        self._lists = 0
        self._stopped: Exception | None = None

    def begin_list(self) -> None:
        """Say that a list is being asked."""
        self._lists += 1

    def end_list(self) -> None:
        """Say that a list is done or stopped; after the last one, others may begin."""
        self._lists -= 1
        if not self._lists:
            self._stopped = None

    async def see_through(self, cost: float, work: Callable[[Attempts], Awaitable[T]]) -> T:
        """Do the work of one call that is expected to cost so many dollars.

        Raises
        ------
        BudgetReached
            Where that is more than is left.
        Exception
            What stopped this list or one beside it.
        """
        await self._budget.await_leave(cost)
        if self._stopped is not None:
            raise self._stopped
        attempts = Attempts()
        self._budget.hold(cost)
        task = asyncio.ensure_future(work(attempts))
        self._tasks[task] = attempts
        task.add_done_callback(partial(self._end, cost))
        try:
            # its caller may be cancelled; a call that is on the wire is not
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            _call_off(task, attempts)
            if self._stopped is not None:
                raise self._stopped from None
            raise

    async def stop(self, reason: Exception) -> None:
        """Make no more calls for the lists being asked, and return when those on the wire have been stored."""
        self._stopped = self._stopped or reason
        await self.finish()

    async def finish(self) -> None:
        """Call off what waits, and wait for what is on the wire."""
        own = asyncio.get_running_loop()
        # those of an earlier event loop went with it
        tasks = {task: attempts for task, attempts in self._tasks.items() if task.get_loop() is own}
        for task, attempts in tasks.items():
            _call_off(task, attempts)
        if tasks:
            await asyncio.wait(tasks)

    def _end(self, cost: float, task: asyncio.Task) -> None:
        """Forget a call that has ended; where nobody waits for it any more, nobody is to be told how."""
        del self._tasks[task]
        if not task.cancelled():
            task.exception()
        self._budget.release(cost)


def _call_off(task: asyncio.Task, attempts: Attempts) -> None:
    """Let a call make no further attempt; the one on the wire comes to its end."""
    attempts.called_off = True
    if not attempts.on_wire:
        task.cancel()
