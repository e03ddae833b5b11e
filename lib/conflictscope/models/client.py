"""One model's endpoint: calls in flight, rate limits, retries, time limits.

In: the body of a call. Out: the endpoint's JSON, or an ``openai`` exception once it has finally failed. The ``openai``
client sends the call and makes its exceptions of what goes wrong; its own retries are off, because ours honour
``Retry-After``, keep to the rate limits and give a slot back while they wait.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import openai
from aiolimiter import AsyncLimiter
from openai import AsyncOpenAI, DefaultAioHttpClient, RequestOptions
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay

from conflictscope.models.keys import hide_key, read_key
from conflictscope.models.registry import Model
from conflictscope.models.retrying import is_transient, seconds_to_wait

T = TypeVar("T")

# seconds after which a call that keeps failing is given up, however many attempts are left
PATIENCE_S = 900
# as many calls in a row that cannot reach the endpoint, or are turned away by it, end the stage
CALLS_BEFORE_GIVING_UP = 5
# attempts while nothing has ever been heard from the endpoint: a wrong address should not take minutes to notice
_FIRST_CONTACT_ATTEMPTS = 3
_OPTIONS: RequestOptions = {"headers": {"Content-Type": "application/json"}}
_CHARACTERS_PER_TOKEN = 4


class _BoundedClient(DefaultAioHttpClient):
    """The ``openai`` package's aiohttp client, with so many calls on the wire at most, each within its time.

    A slot is held from sending to the last byte. Making a request and reading its reply cost the ``openai`` client
    a millisecond; done within the slot, they would leave the endpoint idle.
    """

    def __init__(self, model: Model, transport: httpx2.AsyncBaseTransport | None):
        limits = httpx2.Limits(max_connections=model.concurrency, max_keepalive_connections=model.concurrency)
        super().__init__(transport=transport, limits=limits, timeout=model.timeout_s)
        self._seconds = model.timeout_s
        self._slots = asyncio.Semaphore(model.concurrency)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        async with self._slots:
            start = time.perf_counter()
            try:
                async with asyncio.timeout(self._seconds):
                    response = await super().send(request, **options)
            except TimeoutError as late:
                raise httpx2.ReadTimeout("the time for one attempt is over", request=request) from late
            response.extensions["seconds"] = time.perf_counter() - start
            return response


class Endpoint:
    """A model's endpoint, open in one event loop.

    Parameters
    ----------
    model : Model
    transport : httpx2.AsyncBaseTransport, optional
        Takes the place of the network; for simulated models, the simulated one does.

    Raises
    ------
    ValueError
        Where the environment variable that is to hold the key is not set.
    """

    def __init__(self, model: Model, transport: httpx2.AsyncBaseTransport | None = None):
        self.model = model
        self.loop = asyncio.get_running_loop()
        self._key = read_key(model)
        if model.simulated and transport is None:
            # loaded where it is needed: it brings its library of scenarios
            from conflictscope.simulated import SimulatedTransport

            transport = SimulatedTransport()
        self._client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url="http://simulated.invalid/v1" if model.simulated else model.base_url,
            max_retries=0,
            timeout=model.timeout_s,
            http_client=_BoundedClient(model, transport),
        )
        self._request_limit = _per_second(model.requests_per_minute)
        self._token_limit = _per_second(model.tokens_per_minute)
        self._heard_from = False
        self._turned_away = 0

    async def call(
        self, path: str, body: bytes, read: Callable[[object, float], T], *, max_tokens: int | None = None
    ) -> T:
        """Make a call, as often as it takes.

        Parameters
        ----------
        path : str
            Such as ``/chat/completions``.
        body : bytes
            JSON.
        read : callable
            ``read(payload, seconds)`` makes the result of the JSON that came back and the time that the attempt took,
            or raises ``ValueError`` where it is no answer; that counts as a failed attempt.
        max_tokens : int, optional
            Length of the reply, as far as it counts against the tokens per minute.

        Raises
        ------
        openai.OpenAIError
            Where the call has finally failed.
        """
        tokens = len(body) // _CHARACTERS_PER_TOKEN + (max_tokens or 0)

        async def attempt() -> T:
            return await self._attempt(path, body, read, tokens)

        try:
            try:
                result = await attempt()
            except openai.OpenAIError as problem:
                if not is_transient(problem):
                    raise
                result = await self._try_again(problem, attempt)
        except openai.OpenAIError as problem:
            self._count(problem)
            raise
        self._turned_away = 0
        return result

    def why_given_up(self, problem: openai.OpenAIError, calls: int) -> str | None:
        """Return what to tell the user where a stage of so many calls should end on this problem, else None."""
        if self._turned_away < min(CALLS_BEFORE_GIVING_UP, calls):
            return None
        advice = {
            401: f"check the key in {self.model.key_variable}"
            if self.model.key_variable
            else "set key_variable for it",
            404: "check base_url and id in the file of models",
        }
        status = getattr(problem, "status_code", None)
        if isinstance(problem.__cause__, httpx2.ReadTimeout):
            advice[0] = f"raise its timeout_s, {self.model.timeout_s:g} now, if it is only slow"
        return (
            f"model {self.model.name!r} at {self.model.base_url}: {self._turned_away} calls in a row failed, the last "
            f"with: {self.describe(problem)}. To do: "
            f"{advice.get(status or 0, 'start the endpoint, or check base_url')}, then run the same command again; "
            "what was answered is in the call store."
        )

    def describe(self, problem: openai.OpenAIError) -> str:
        """Return in a line what went wrong, without the key."""
        cause = problem.__cause__ or problem.__context__
        if isinstance(problem, openai.APIStatusError):
            said = problem.message
        elif isinstance(cause, httpx2.ReadTimeout):
            said = f"no reply within {self.model.timeout_s:g} s"
        elif isinstance(problem, openai.APIConnectionError):
            said = f"no connection ({cause or type(problem).__name__})"
        else:
            said = str(problem)
        return hide_key(" ".join(said.split()), self._key)[:500]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _try_again(self, problem: openai.OpenAIError, attempt: Callable[[], Awaitable[T]]) -> T:
        """Go on after a first attempt that failed in passing; it is the one that waiting and counting begin with."""
        made: list[openai.OpenAIError] = [problem]

        async def next_attempt() -> T:
            if made:
                raise made.pop()
            return await attempt()

        retrying = AsyncRetrying(
            wait=seconds_to_wait, stop=self._stop, retry=retry_if_exception(is_transient), reraise=True
        )
        return await retrying(next_attempt)

    def _stop(self, state: RetryCallState) -> bool:
        """Say whether a call has had its attempts."""
        problem = state.outcome.exception() if state.outcome else None
        attempts = self.model.max_attempts
        if not self._heard_from and isinstance(problem, openai.APIConnectionError):
            attempts = min(attempts, _FIRST_CONTACT_ATTEMPTS)
        return stop_after_attempt(attempts)(state) or stop_before_delay(PATIENCE_S)(state)

    def _count(self, problem: openai.OpenAIError) -> None:
        """Count the calls in a row that could not reach the endpoint or were turned away by it."""
        away = isinstance(problem, openai.APIConnectionError) or getattr(problem, "status_code", None) in (401, 404)
        self._turned_away = self._turned_away + 1 if away else 0

    async def _attempt(self, path: str, body: bytes, read: Callable[[object, float], T], tokens: int) -> T:
        """Make one attempt, within the limits."""
        if self._token_limit is not None:
            await _take(self._token_limit, tokens)
        if self._request_limit is not None:
            await self._request_limit.acquire()
        try:
            response = await self._client.post(path, cast_to=httpx2.Response, content=body, options=_OPTIONS)
        except openai.APIStatusError:
            self._heard_from = True
            raise
        self._heard_from = True
        try:
            return read(hide_key(json.loads(response.content), self._key), response.extensions["seconds"])
        except (ValueError, RecursionError) as problem:
            raise openai.APIResponseValidationError(response, None, message=f"not an answer: {problem}") from None


def _per_second(per_minute: int | None) -> AsyncLimiter | None:
    """Return a limiter that spreads a minute's allowance evenly, so that no minute holds much more than it."""
    if per_minute is None:
        return None
    # room for a second's worth, or for one where that is less
    return AsyncLimiter(per_minute / 60, 1) if per_minute >= 60 else AsyncLimiter(1, 60 / per_minute)


async def _take(limit: AsyncLimiter, tokens: int) -> None:
    """Take so many tokens out of a limiter, a second's worth at a time."""
    left = float(tokens)
    while left > 0:
        some = min(left, limit.max_rate)
        await limit.acquire(some)
        left -= some
