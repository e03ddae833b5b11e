"""The key of an endpoint: read from the environment, and taken out of whatever comes back.

In: a model; what its endpoint sent. Out: its key; the same without the key. An endpoint may echo the key in an error,
or a model in a reply, and what comes back is stored, shown and packed.

One model's endpoint: calls in flight, rate limits, retries, time limits.

In: the body of a call. Out: the endpoint's JSON, or an ``openai`` exception once it has finally failed. The ``openai``
client sends the call and makes its exceptions of what goes wrong; its own retries are off, because ours honour
``Retry-After``, keep to the rate limits and give a slot back while they wait. A call has the model's ``max_attempts``,
which answers of 429 do not count against, and ``PATIENCE_S`` seconds; when the endpoint itself is given up, ``breaker``
says.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import httpx2
import openai
from aiolimiter import AsyncLimiter
from openai import AsyncOpenAI, DefaultAioHttpClient, RequestOptions
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay

from conflictscope.models.patience import Breaker, is_throttled, is_transient, seconds_to_wait
from conflictscope.models.registry import Model
from conflictscope.models.store import Attempts, estimate_tokens

HIDDEN = "…"
# what stands in the place of a key where an endpoint wants none (`EMPTY`) is shorter, no secret, and may be a word
_SHORTEST = 12


def read_key(model: Model) -> str | None:
    """Return the key, or None where the endpoint asks for none.

    Raises
    ------
    ValueError
        Where the environment variable that is to hold it is not set.
    """
    if model.key_variable is None:
        return None
    key = os.environ.get(model.key_variable, "").strip()
    if not key:
        raise ValueError(
            f"model {model.name!r} needs its key in the environment variable {model.key_variable}, which is not set. "
            f"Set it (export {model.key_variable}=…) and run again; no call has been made."
        )
    return key


def hide_key(found: Any, key: str | None) -> Any:
    """Return text, or what JSON can hold, with ``…`` wherever the key stood: as it is, URL-quoted or in base64."""
    if key is None or len(key) < _SHORTEST:
        return found
    if isinstance(found, str):
        for form in _forms(key):
            found = found.replace(form, HIDDEN)
        return found
    if isinstance(found, list):
        # a vector's numbers hold no key, and there are many of them
        return [item if isinstance(item, float) else hide_key(item, key) for item in found]
    if isinstance(found, dict):
        return {hide_key(name, key): hide_key(item, key) for name, item in found.items()}
    return found


@cache
def _forms(key: str) -> list[str]:
    """Return how a key may be written, longest first; of base64 what does not depend on the text around it."""
    forms = {key, quote(key), quote(key, safe=""), quote_plus(key)}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * shift + key.encode()).decode().rstrip("=")
            # the first characters hold bits of what stands before the key, the last one of what stands behind it
            forms.add(encoded[-(-shift * 8 // 6) : len(encoded) - 1])
    return sorted((form for form in forms if form), key=len, reverse=True)


T = TypeVar("T")

# seconds after which a call that keeps failing is given up, however many attempts are left
PATIENCE_S = 900
# attempts while the endpoint has never answered: a wrong address should not take minutes to notice
_FIRST_CONTACT_ATTEMPTS = 3
_OPTIONS: RequestOptions = {"headers": {"Content-Type": "application/json"}}
_ATTEMPTS: ContextVar[Attempts] = ContextVar("attempts")


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
        attempts = _ATTEMPTS.get()
        async with self._slots:
            attempts.made += 1
            attempts.on_wire = True
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
        self.breaker = Breaker(model)

    async def call(
        self,
        path: str,
        body: bytes,
        read: Callable[[object, float], T],
        *,
        max_tokens: int | None = None,
        attempts: Attempts | None = None,
        calls: int = 1,
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
        attempts : Attempts, optional
            Takes note of what is tried; after an answer it stays ``on_wire``, until whoever asked has stored it.
        calls : int
            How many calls the list has that this one is of.

        Raises
        ------
        openai.OpenAIError
            Where the call has finally failed.
        """
        attempts = attempts or Attempts()
        _ATTEMPTS.set(attempts)
        tokens = estimate_tokens(len(body)) + (max_tokens or 0)
        attempt = partial(self._attempt, path, body, read, tokens, attempts)
        self.breaker.begin_call()
        try:
            try:
                result = await attempt()
            except openai.OpenAIError as problem:
                if not is_transient(problem):
                    raise
                result = await self._try_again(problem, attempt, attempts, calls)
        except openai.OpenAIError as problem:
            self.breaker.hear_last_failure(problem)
            raise
        finally:
            self.breaker.end_call()
        return result

    def why_given_up(self, problem: openai.OpenAIError, calls: int) -> str | None:
        """Return what to tell the user where a stage of so many calls should end on this problem, else None."""
        return self.breaker.why_given_up(problem, self.describe(problem), calls)

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

    async def _try_again(
        self, problem: openai.OpenAIError, attempt: Callable[[], Any], attempts: Attempts, calls: int
    ) -> Any:
        """Go on after a first attempt that failed in passing; it is the one that waiting and counting begin with."""
        made: list[openai.OpenAIError] = [problem]

        async def next_attempt() -> Any:
            if made:
                raise made.pop()
            return await attempt()

        retrying = AsyncRetrying(
            wait=seconds_to_wait,
            stop=partial(self._stop, attempts, calls),
            retry=retry_if_exception(is_transient),
            reraise=True,
        )
        return await retrying(next_attempt)

    def _stop(self, attempts: Attempts, calls: int, state: RetryCallState) -> bool:
        """Say whether a call has had its attempts."""
        problem = state.outcome.exception() if state.outcome else None
        allowed = self.model.max_attempts
        if not self.breaker.answered and isinstance(
            problem, openai.APIConnectionError | openai.APIResponseValidationError
        ):
            allowed = min(allowed, _FIRST_CONTACT_ATTEMPTS)
        over = attempts.called_off or attempts.counted >= allowed or self.breaker.is_down(calls)
        return over or stop_before_delay(PATIENCE_S)(state)

    async def _attempt(
        self, path: str, body: bytes, read: Callable[[object, float], T], tokens: int, attempts: Attempts
    ) -> T:
        """Make one attempt, within the limits."""
        if self._token_limit is not None:
            await _take(self._token_limit, tokens)
        if self._request_limit is not None:
            await self._request_limit.acquire()
        try:
            response = await self._client.post(path, cast_to=httpx2.Response, content=body, options=_OPTIONS)
            result = self._read(response, read, body, attempts)
        except openai.OpenAIError as problem:
            attempts.on_wire = False
            attempts.counted += not is_throttled(problem)
            self.breaker.hear_failure(attempts)
            raise
        self.breaker.hear_answer()
        return result

    def _read(
        self, response: httpx2.Response, read: Callable[[object, float], T], body: bytes, attempts: Attempts
    ) -> T:
        """Return the result of an answer; of one that is none, take note: it may have been charged for."""
        try:
            return read(hide_key(json.loads(response.content), self._key), response.extensions["seconds"])
        except (ValueError, RecursionError) as problem:
            attempts.unreadable += 1
            attempts.characters_in += len(body)
            attempts.characters_out += len(response.content)
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
