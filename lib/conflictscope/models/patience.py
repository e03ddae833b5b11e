"""Patience with an endpoint: its rates, when a call is tried again (retries), when it is given up (circuit breaker).

In: what is about to be sent, what attempts failed with, and which were answered. Out: the seconds to wait before a call
or a retry, or why the stage should stop, so that it ends in minutes instead of grinding through thousands of errors. An
endpoint is given up

- that has answered no call for ``DOWN_S`` seconds, or for twice the model's ``timeout_s`` if that is longer, while
  ``FEW`` calls or more kept failing; one that fails a share of its calls, or a few calls for ever, is not;
- that cannot be reached, or sends something else than answers, and has not answered since the study was opened: after
  ``FEW`` calls;
- that turns calls away (401, 402, 403, 404, no credit, a redirect, a wait that is too long): after ``FEW`` calls in a
  row, or ``MANY`` if it has answered such calls before;
- that finds fault with each call (400 and the like) and has never answered one: after ``MANY``;
- that reads prompts that are cut, which shows in the tokens that it counts: at the first.

Of a list of fewer than ``FEW`` calls, all of them are enough; if fewer are in flight at once, all of those. Calls of a
list that came to its end although they failed say nothing of the endpoint if they fail in the same way again.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime

import httpx2
import openai
import sqlalchemy as sa

from conflictscope.models.records import RATES, Attempts
from conflictscope.models.registry import Model
from conflictscope.models.wire import UNSENT

# seconds after which a call that keeps failing is given up, however many attempts are left
PATIENCE_S = 900
DOWN_S = 300
FEW, MANY = 5, 25
# attempts while the endpoint has never answered: a wrong address should not take minutes to notice
_FIRST_CONTACT_ATTEMPTS = 3
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT = 30
_TIMES_TAKEN_AT_ITS_WORD = 3
_TRANSIENT = (408, 409, 425, 429)
_TURNED_AWAY = (401, 402, 403, 404, 429)
# what a gateway says if whoever was to answer did not in time, and may have begun to
_ANSWER_LOST = (408, 499, 502, 504, 520, 522, 524, 598, 599)


def is_transient(problem: openai.OpenAIError) -> bool:
    """Return whether the same call may well succeed later."""
    if isinstance(problem, openai.APIStatusError):
        transient = problem.status_code in _TRANSIENT or problem.status_code >= 500
        # an account without credit gets the status of one that asks too fast; waiting does not fill it
        return transient and problem.code != "insufficient_quota"
    return isinstance(problem, openai.APIConnectionError | openai.APIResponseValidationError)


def is_lost(problem: openai.OpenAIError) -> bool:
    """Return whether an attempt that failed so was sent, and may be charged for though it brought no reply."""
    if isinstance(problem, openai.APIStatusError):
        return problem.status_code in _ANSWER_LOST
    if isinstance(problem, openai.APIConnectionError):
        return UNSENT not in problem.request.extensions and not isinstance(problem.__cause__, httpx2.ConnectError)
    return True


def seconds_to_wait(problem: openai.OpenAIError, attempt: int) -> float:
    """Return seconds to wait after an attempt failed: what the endpoint asks for, else longer each time, with jitter.

    At least half of 1, 2, 4, 8, 16, 30, 30 … seconds, so that the eight attempts of a call outlast a failure of 45 s;
    an endpoint that only asks to be asked more slowly is taken at its word the first few times.

    Parameters
    ----------
    attempt : int
        1 for the first.
    """
    longest = _FIRST_WAIT_S * min(_LONGEST_WAIT, 2.0 ** min(attempt - 1, 5))
    # the jitter spreads out calls that failed, or were all asked to come back, at the same moment
    backoff = longest * (1 + random.random()) / 2
    asked = retry_after(problem.response.headers) if isinstance(problem, openai.APIStatusError) else None
    if asked is None:
        return backoff
    asked += random.random() / 4
    return asked if _is_throttled(problem) and attempt <= _TIMES_TAKEN_AT_ITS_WORD else max(asked, backoff)


def retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds that an endpoint asks to wait, given in milliseconds, in seconds or as a date."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):
        return None


class Breaker:
    """The circuit breaker of one model's endpoint: what it has done lately."""

    def __init__(self, model: Model):
        self.model = model
        self.answered = False
        """Whether it has answered a call since it was opened."""
        self.known = False
        """Whether it is known to have answered calls like these, now or in an earlier run."""
        self._silent_since = 0.0
        self._failing: set[Attempts] = set()
        self._failed_in_a_row = 0

    def end_silence(self) -> None:
        """Begin to count silence anew, as when a call begins while none is in flight."""
        self._silent_since = time.monotonic()
        self._failing.clear()

    def hear_answer(self) -> None:
        """Record that a call was answered."""
        self.answered = self.known = True
        self._failed_in_a_row = 0
        self.end_silence()

    def hear_failure(self, problem: openai.OpenAIError, attempts: Attempts, calls: int) -> float | None:
        """Record that an attempt at a call, of a list of so many, has failed.

        Returns
        -------
        float or None
            Seconds to wait before the next attempt; None: the call has finally failed.
        """
        attempts.on_wire = False
        # an endpoint that asks to be asked more slowly has not failed
        attempts.counted += not _is_throttled(problem)
        attempts.failing_since = attempts.failing_since or time.monotonic()
        if not attempts.as_before:
            self._failing.add(attempts)
        seconds = self._seconds_to_next(problem, attempts, calls)
        if seconds is None:
            self._failed_in_a_row += not attempts.as_before
            if _finds_fault(problem):
                # it is there, and has read the call
                self.end_silence()
        return seconds

    def why_given_up(self, problem: openai.OpenAIError, words: str, calls: int) -> str | None:
        """Return what to tell the user if a stage of so many calls should end on this failure, else None.

        Parameters
        ----------
        words : str
            The failure in a line.
        """
        if self._is_down(calls):
            what = f"no call was answered for {self._silent_s:.0f} s (it is given up after {self._patience_s:g} s)"
        elif self._failed_in_a_row >= self._bound(problem, calls):
            what = f"{self._failed_in_a_row} calls in a row failed"
        else:
            return None
        return (
            f"model {self.model.name!r} at {self.model.base_url}: {what}, the last with: {words}. "
            f"To do: {self._advice(problem)}, then run the same command again; what was answered is in the call store."
        )

    @property
    def _patience_s(self) -> float:
        """Seconds without an answer after which the endpoint is given up."""
        return max(DOWN_S, 2 * self.model.timeout_s)

    @property
    def _silent_s(self) -> float:
        """Seconds for which calls have been in flight and none was answered."""
        return time.monotonic() - self._silent_since

    def _is_down(self, calls: int) -> bool:
        """Return whether the endpoint has failed too many of so many calls for too long."""
        # a list has twice as many calls in flight as are on the wire
        enough = min(FEW, calls, 2 * self.model.concurrency)
        return len(self._failing) >= enough and self._silent_s >= self._patience_s

    def _seconds_to_next(self, problem: openai.OpenAIError, attempts: Attempts, calls: int) -> float | None:
        """Return the seconds before the next attempt, None if there is to be none."""
        allowed = self.model.max_attempts
        if not self.answered and _has_not_answered(problem):
            allowed = min(allowed, _FIRST_CONTACT_ATTEMPTS)
        over = attempts.called_off or attempts.counted >= allowed or self._is_down(calls)
        if over or not is_transient(problem):
            return None
        seconds = seconds_to_wait(problem, attempts.made)
        tried_for = time.monotonic() - (attempts.failing_since or 0.0)
        return seconds if tried_for + seconds < PATIENCE_S else None

    def _bound(self, problem: openai.OpenAIError, calls: int) -> float:
        """Return how many failures in a row of this kind end the stage."""
        if _turns_away(problem):
            return MANY if self.known else min(FEW, calls)
        if _finds_fault(problem):
            return float("inf") if self.known else MANY
        if _has_not_answered(problem) and not self.answered:
            return min(FEW, calls)
        return float("inf")  # it is the time that counts

    def _advice(self, problem: openai.OpenAIError) -> str:
        """Return what the user can do about a failure."""
        status, key = _status(problem), self.model.key_variable
        if status == 402 or getattr(problem, "code", None) == "insufficient_quota":
            return "add credit to the account at its provider"
        if status == 401:
            return f"check the key in {key}" if key else "set key_variable for it"
        if status == 403:
            return f"see whether the account{f' of the key in {key}' if key else ''} may use this model"
        if status == 404:
            return "check base_url and id in the file of models"
        if status == 429:
            return (
                "lower its concurrency in the file of models, set requests_per_minute or tokens_per_minute there, "
                "or wait until the account's limit is lifted"
            )
        if status is not None and status < 400:
            return "set base_url in the file of models to the address that it should have; redirects are not followed"
        if status is not None and status >= 500:
            return "wait until the endpoint works again, or restart it if it is yours"
        if status is not None:
            return "see what the endpoint finds wrong; refused_options and json_schema in the file of models may help"
        if isinstance(problem, openai.APIResponseValidationError):
            return "check base_url, and see what the endpoint says: what came back is no answer of a model"
        if isinstance(problem, openai.APITimeoutError):
            return (
                "start the endpoint anew if it hangs; if it is slow, raise its timeout_s, "
                f"{self.model.timeout_s:g} now, or set max_attempts: 1, so that what takes too long counts as an error"
            )
        return "start the endpoint, or check base_url"


def _is_throttled(problem: openai.OpenAIError) -> bool:
    """Return whether the endpoint asks to be asked more slowly."""
    return isinstance(problem, openai.RateLimitError)


def _has_not_answered(problem: openai.OpenAIError) -> bool:
    """Return whether what came back, if anything, was no answer of a model."""
    return isinstance(problem, openai.APIConnectionError | openai.APIResponseValidationError)


def _status(problem: openai.OpenAIError) -> int | None:
    """Return the HTTP status that a call failed with, None if it got none."""
    return problem.status_code if isinstance(problem, openai.APIStatusError) else None


def _turns_away(problem: openai.OpenAIError) -> bool:
    """Return whether the endpoint will have nothing of the call, now or for long."""
    if not isinstance(problem, openai.APIStatusError):
        return False
    status = problem.status_code
    return status in _TURNED_AWAY or status < 400 or (retry_after(problem.response.headers) or 0) >= DOWN_S


def _finds_fault(problem: openai.OpenAIError) -> bool:
    """Return whether the endpoint has read a call and finds fault with it."""
    status = _status(problem)
    return status is not None and 400 <= status < 500 and status not in (*_TURNED_AWAY, *_TRANSIENT)


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


MOST_CHARACTERS_ON_AVERAGE = 7
"""Longer tokens no prompt of ours has on average; English has 4 to 5, other languages less."""
FEWEST_TOKENS = 256
"""No window is smaller. A count below it says nothing: some servers count only what they had not cached."""
_EQUAL, _LONGER = 5, 1.1


class PromptCounts:
    """What one endpoint has counted in a model's prompts, in one process."""

    def __init__(self) -> None:
        self._most = 0
        self._at_most: dict[int, list[str]] = {}
        """Characters → keys of the calls with the highest count so far."""

    def find_cut(self, key: str, characters: int, counted: int | None) -> list[str]:
        """Add a call and return the keys of those whose prompts are now known to have been cut; [] if none is.

        They are known by either of two signs, each with a margin:

        - a prompt has more than ``MOST_CHARACTERS_ON_AVERAGE`` characters for every token counted;
        - five prompts or more, the longest at least a tenth longer than the shortest, have one and the same count, and
          none has a higher one: that is the size of the window.

        Parameters
        ----------
        key : str
            The call's.
        characters : int
            In all messages of the prompt.
        counted : int or None
            Tokens that the endpoint counted in it; None: it said nothing.
        """
        if counted is None or counted < FEWEST_TOKENS:
            return []
        if counted > self._most:
            self._most, self._at_most = counted, {}
        if counted == self._most:
            self._at_most.setdefault(characters, []).append(key)
        too_few = characters > MOST_CHARACTERS_ON_AVERAGE * counted
        lengths = self._at_most
        at_the_limit = len(lengths) >= _EQUAL and max(lengths) >= _LONGER * min(lengths)
        if not (too_few or at_the_limit):
            return []
        keys = [key] + [other for others in self._at_most.values() for other in others if at_the_limit]
        # so that the same process goes on once the window was made larger
        self._most, self._at_most = 0, {}
        return list(dict.fromkeys(keys))
