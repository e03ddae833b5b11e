"""When a call is tried again, and after how long.

In: what an attempt failed with. Out: whether the same call may well succeed later, and the seconds to wait: those that
the endpoint asks for, else more each time.
"""

import math
import random
import time
from email.utils import parsedate_to_datetime

import httpx2
import openai
from tenacity import RetryCallState

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
