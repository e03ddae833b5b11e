"""When a call is tried again, and after how long.

In: what an attempt failed with. Out: whether the same call may well succeed later, and the seconds to wait: those that
the endpoint asks for, else more each time.
"""

import math
import time
from email.utils import parsedate_to_datetime

import httpx2
import openai
from tenacity import RetryCallState
from tenacity.wait import wait_random_exponential

_BACKOFF = wait_random_exponential(multiplier=1, max=30)
_TRANSIENT_STATUS = (408, 409, 425, 429)


def is_transient(problem: BaseException) -> bool:
    """Say whether the same call may well succeed later."""
    if isinstance(problem, openai.APIStatusError):
        return problem.status_code in _TRANSIENT_STATUS or problem.status_code >= 500
    return isinstance(problem, openai.APIConnectionError | openai.APIResponseValidationError)


def seconds_to_wait(state: RetryCallState) -> float:
    """Return seconds to wait: what the endpoint asks for, else longer each time, with jitter."""
    problem = state.outcome.exception() if state.outcome else None
    asked = retry_after(problem.response.headers) if isinstance(problem, openai.APIStatusError) else None
    backoff = _BACKOFF(state)
    # the jitter spreads out calls that were all told to come back at the same moment
    return backoff if asked is None else asked + min(backoff, 1) / 4


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
