"""The rate at which a model may be asked: a limit that all processes on a call store keep together.

In: how much is about to be sent. Out: nothing, once it may be. A process takes a second's worth at a time out of the
common rate, which is a row of the store that says until when it is used up, and spreads that evenly.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import sqlalchemy as sa

from conflictscope.models.records import RATES

_SHARE_S = 1.0
# of processes that wait in a line; a moment further ahead was written by a clock that was wrong
_LONGEST_LINE = 100
Reserve = Callable[[str, float], Awaitable[float]]
"""Takes so many seconds of a rate of a name; returns after how many they begin."""


class RateLimit:
    """A limit of calls or tokens a minute.

    Parameters
    ----------
    name : str
        What is limited.
    per_minute : int
    reserve : callable, optional
        ``Reserve``; None: the limit is this process's alone.
    """

    def __init__(self, name: str, per_minute: int, reserve: Reserve | None = None):
        self._name, self._a_second, self._reserve = name, per_minute / 60, reserve
        self._turn = asyncio.Lock()
        self._left = self._at = self._free_at = 0.0

    async def take(self, amount: float) -> None:
        """Wait until so much may be sent."""
        async with self._turn:
            while amount > 0:
                if self._left <= 0 or self._at < time.monotonic() - _SHARE_S:
                    self._left = max(1.0, self._a_second * _SHARE_S)
                    seconds = self._left / self._a_second
                    wait = await self._reserve(self._name, seconds) if self._reserve else self._reserve_here(seconds)
                    self._at = time.monotonic() + wait
                some = min(amount, self._left)
                if (wait := self._at - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                self._left, amount = self._left - some, amount - some
                self._at += some / self._a_second

    def _reserve_here(self, seconds: float) -> float:
        """Take so many seconds of the rate of this process; return after how many they begin."""
        now = time.monotonic()
        begin = max(self._free_at, now)
        self._free_at = begin + seconds
        return begin - now


def reserve(connection: sa.Connection, name: str, seconds: float) -> float:
    """Take so many seconds of a rate that processes share; return after how many they begin."""
    # the database's clock, as those of several machines differ
    now = time.time()
    if connection.dialect.name == "postgresql":
        now = float(connection.scalar(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))) or now)
    same = RATES.c.name == name
    free_at = connection.scalar(sa.select(RATES.c.free_at).where(same))
    begin = max(free_at or 0.0, now)
    if begin > now + _LONGEST_LINE * seconds:
        begin = now
    if free_at is None:
        connection.execute(RATES.insert().values(name=name, free_at=begin + seconds))
    else:
        connection.execute(RATES.update().where(same).values(free_at=begin + seconds))
    return begin - now
