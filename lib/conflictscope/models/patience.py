"""When a call is tried again, and after how long.

In: what an attempt failed with. Out: whether the same call may well succeed later, and the seconds to wait: those that
the endpoint asks for, else more each time.

When an endpoint is given up, so that a stage ends in minutes instead of grinding through thousands of errors.

In: which attempts were answered or failed, and which calls finally failed. Out: whether the stage should stop, and what
to tell the user. An endpoint is given up

- that has answered no call for ``DOWN_S`` seconds, or for twice the model's ``timeout_s`` where that is longer, while
  ``FEW`` calls or more kept failing; one that fails a share of its calls, or a few calls for ever, is not;
- that cannot be reached, or sends something else than answers, and has not answered since the study was opened: after
  ``FEW`` calls;
- that turns calls away (401, 402, 403, 404, no credit, a wait that is too long): after ``FEW`` calls in a row, or
  ``MANY`` where it has answered such calls before;
- that finds fault with each call (400 and the like) and has never answered one: after ``MANY``.

Of a list of fewer than ``FEW`` calls, all of them are enough; where fewer are under way at once, all of those.
"""

import math
import random
import time
from email.utils import parsedate_to_datetime

import httpx2
import openai
from tenacity import RetryCallState

from conflictscope.models.registry import Model
from conflictscope.models.store import Attempts

_TRANSIENT_STATUS = (408, 409, 425, 429)
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT = 30
_TIMES_TAKEN_AT_ITS_WORD = 3


def is_transient(problem: BaseException) -> bool:
    """Say whether the same call may well succeed later."""
    if isinstance(problem, openai.APIStatusError):
        transient = problem.status_code in _TRANSIENT_STATUS or problem.status_code >= 500
        # an account without credit is told so with the status of one that asks too fast; waiting does not fill it
        return transient and problem.code != "insufficient_quota"
    return isinstance(problem, openai.APIConnectionError | openai.APIResponseValidationError)


def is_throttled(problem: BaseException) -> bool:
    """Say whether the endpoint asked to be asked more slowly; that is no failure of the call."""
    return isinstance(problem, openai.RateLimitError)


def seconds_to_wait(state: RetryCallState) -> float:
    """Return seconds to wait: what the endpoint asks for, else longer each time, with jitter.

    At least half of 1, 2, 4, 8, 16, 30, 30 … seconds, so that the eight attempts of a call outlast a failure of 45 s;
    an endpoint that only asks to be asked more slowly is taken at its word the first few times.
    """
    problem = state.outcome.exception() if state.outcome else None
    asked = retry_after(problem.response.headers) if isinstance(problem, openai.APIStatusError) else None
    longest = _FIRST_WAIT_S * min(_LONGEST_WAIT, 2.0 ** min(state.attempt_number - 1, 5))
    # the jitter spreads out calls that failed, or were all told to come back, at the same moment
    backoff = longest * (1 + random.random()) / 2
    if asked is None or problem is None:
        return backoff
    told = asked + random.random() / 4
    return told if is_throttled(problem) and state.attempt_number <= _TIMES_TAKEN_AT_ITS_WORD else max(told, backoff)


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
    except (KeyError, ValueError):
        return None


DOWN_S = 300
FEW, MANY = 5, 25
_TURNED_AWAY = (401, 402, 403, 404, 429)


class Breaker:
    """What one model's endpoint has done lately."""

    def __init__(self, model: Model):
        self.model = model
        self.answered = False
        """Whether it has answered a call since it was opened."""
        self.known = False
        """Whether it is known to have answered calls like these, now or in an earlier run."""
        self._under_way = 0
        self._silent_since = 0.0
        self._failing: set[Attempts] = set()
        self._failed_in_a_row = 0

    @property
    def patience_s(self) -> float:
        """Seconds without an answer after which the endpoint is given up."""
        return max(DOWN_S, 2 * self.model.timeout_s)

    @property
    def silent_s(self) -> float:
        """Seconds for which calls have been under way and none was answered."""
        return time.monotonic() - self._silent_since

    def is_down(self, calls: int) -> bool:
        """Say whether the endpoint has failed too many of so many calls for too long."""
        # a list has twice as many calls under way as are on the wire
        enough = min(FEW, calls, 2 * self.model.concurrency)
        return len(self._failing) >= enough and self.silent_s >= self.patience_s

    def begin_call(self) -> None:
        """Say that a call begins; silence while none is under way does not count."""
        if not self._under_way:
            self._hear()
        self._under_way += 1

    def end_call(self) -> None:
        """Say that a call has ended."""
        self._under_way -= 1

    def hear_answer(self) -> None:
        """Say that a call was answered."""
        self.answered = self.known = True
        self._failed_in_a_row = 0
        self._hear()

    def hear_failure(self, attempts: Attempts) -> None:
        """Say that an attempt at a call has failed."""
        self._failing.add(attempts)

    def hear_last_failure(self, problem: openai.OpenAIError) -> None:
        """Say that a call has finally failed."""
        self._failed_in_a_row += 1
        if _finds_fault(problem):
            # it is there, and has read the call
            self._hear()

    def _hear(self) -> None:
        """Begin to count silence anew."""
        self._silent_since = time.monotonic()
        self._failing.clear()

    def why_given_up(self, problem: openai.OpenAIError, said: str, calls: int) -> str | None:
        """Return what to tell the user where the stage should end on this failure, else None.

        Parameters
        ----------
        said : str
            The failure in a line.
        calls : int
            How many calls the list has.
        """
        if self.is_down(calls):
            what = f"no call was answered for {self.silent_s:.0f} s (it is given up after {self.patience_s:g} s)"
        elif self._failed_in_a_row >= self._bound(problem, calls):
            what = f"{self._failed_in_a_row} calls in a row failed"
        else:
            return None
        return (
            f"model {self.model.name!r} at {self.model.base_url}: {what}, the last with: {said}. "
            f"To do: {self._advice(problem)}, then run the same command again; what was answered is in the call store."
        )

    def _bound(self, problem: openai.OpenAIError, calls: int) -> float:
        """Return how many failures in a row of this kind end the stage."""
        if _turns_away(problem):
            return MANY if self.known else min(FEW, calls)
        if _finds_fault(problem):
            return float("inf") if self.known else MANY
        if isinstance(problem, openai.APIConnectionError | openai.APIResponseValidationError) and not self.answered:
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
        if status is not None and status >= 500:
            return "wait until the endpoint works again, or restart it where it is yours"
        if status is not None:
            return "see what the endpoint finds wrong; refused_options and json_schema in the file of models may help"
        if isinstance(problem, openai.APIResponseValidationError):
            return "check base_url: what came back is no answer of a model"
        if isinstance(problem.__cause__, httpx2.ReadTimeout):
            return (
                "start the endpoint anew if it hangs; if it is slow, raise its timeout_s, "
                f"{self.model.timeout_s:g} now, or set max_attempts: 1, so that what takes too long counts as an error"
            )
        return "start the endpoint, or check base_url"


def _status(problem: openai.OpenAIError) -> int | None:
    """Return the HTTP status that a call failed with, None where it got none or one that tells of no failure."""
    return problem.status_code if isinstance(problem, openai.APIStatusError) else None


def _turns_away(problem: openai.OpenAIError) -> bool:
    """Say whether the endpoint will have nothing of the call, now or for long."""
    if not isinstance(problem, openai.APIStatusError):
        return False
    return problem.status_code in _TURNED_AWAY or (retry_after(problem.response.headers) or 0) >= DOWN_S


def _finds_fault(problem: openai.OpenAIError) -> bool:
    """Say whether the endpoint has read a call and finds fault with it."""
    status = _status(problem)
    return status is not None and 400 <= status < 500 and status not in (*_TURNED_AWAY, 408, 409, 425)
