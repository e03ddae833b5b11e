"""One model's endpoint: its key, calls in flight, rate limits, time limits, retries.

In: the body of a call. Out: what the endpoint's JSON is read as, or an exception of the ``openai`` package once the
call has finally failed. Nothing is sent but the body and the key, read from the environment variable that the file of
models names; the key is taken out of whatever comes back, since that is stored, shown and packed.
"""

import asyncio
import base64
import hashlib
import json
import os
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, quote_plus

import httpx2
import openai

from conflictscope.models.patience import Breaker, RateLimit, Reserve, is_lost
from conflictscope.models.records import Attempts, Lost, estimate_tokens
from conflictscope.models.registry import SIMULATED, Model
from conflictscope.models.requests import RawReply, read_count, storable_text
from conflictscope.models.wire import Wire

HIDDEN = "…"
# what stands in the place of a key if an endpoint wants none (`EMPTY`) is shorter, no secret, and may be a word
_SHORTEST = 12


def read_key(model: Model) -> str | None:
    """Return the key, or None if the endpoint asks for none.

    Raises
    ------
    ValueError
        If the environment variable that is to hold it is not set, or holds what cannot be sent.
    """
    if model.key_variable is None:
        return None
    key = os.environ.get(model.key_variable, "").strip()
    if not key:
        raise ValueError(
            f"model {model.name!r} needs its key in the environment variable {model.key_variable}, which is not set. "
            f"Set it (export {model.key_variable}=…) and run again; no call has been made."
        )
    if not (key.isascii() and key.isprintable()):
        raise ValueError(
            f"{model.key_variable} holds a line break or a character that no key has; no call has been made."
        )
    return key


def hide_key(value: Any, key: str | None) -> Any:
    """Return text, or what JSON can hold, with ``…`` wherever the key stood: as it is, URL-quoted or in base64."""
    if key is None or len(key) < _SHORTEST:
        return value
    if isinstance(value, str):
        for form in _forms(key):
            value = value.replace(form, HIDDEN)
        return value
    if isinstance(value, list):
        # a vector's numbers hold no key, and there are many of them
        return [item if isinstance(item, float) else hide_key(item, key) for item in value]
    if isinstance(value, dict):
        return {hide_key(name, key): hide_key(item, key) for name, item in value.items()}
    return value


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
# an endpoint has two or three addresses, and thousands of calls go to each
_parse = cache(httpx2.URL)

_GZIP = 31
# of the calls that may be on the wire at once, one in so many more is made ready
_READY_SHARE = 4
_OF_PROXIES = (403, 407, 502, 503, 504)
_STATUS_ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}


class Sending(Protocol):
    """What is recorded of the attempts of a call as they are made."""

    async def begin(self) -> None:
        """Record that an attempt is about to be sent; may wait for leave, or raise if there is none."""

    def mark(self) -> None:
        """Record, without waiting, that it is sent now, or raise if there is no leave any more."""

    async def end(self, lost: Lost | None) -> None:
        """Record that it has brought no reply, and what may have been charged for it."""


class Endpoint:
    """A model's endpoint, open in one event loop.

    Parameters
    ----------
    model : Model
    transport : httpx2.AsyncBaseTransport, optional
        Takes the place of the network; for simulated models, the simulated one does.
    reserve : callable, optional
        As for ``RateLimit``.

    Raises
    ------
    ValueError
        If the environment variable that is to hold the key is not set, or a proxy or a certificate that the environment
        names cannot be used.
    """

    def __init__(
        self, model: Model, transport: httpx2.AsyncBaseTransport | None = None, reserve: Reserve | None = None
    ):
        self.model = model
        self.loop = asyncio.get_running_loop()
        self.breaker = Breaker(model)
        self._key = read_key(model)
        simulated = model.base_url == SIMULATED
        if simulated and transport is None:
            # loaded when it is needed: it brings its library of scenarios
            from conflictscope.simulated import SimulatedTransport

            transport = SimulatedTransport()
        self._way = ""
        if transport is None:
            transport = wire = Wire(model.base_url)
            self._way = wire.way
        self._transport = transport
        self._url = "http://simulated.invalid/v1" if simulated else model.base_url.rstrip("/")
        self._headers = httpx2.Headers(
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": "conflictscope",
            }
        )
        if self._key is not None:
            self._headers["Authorization"] = f"Bearer {self._key}"
        self._seen = _SeenAnswers()
        self._slots = asyncio.Semaphore(model.concurrency)
        # some more are recorded and wait for their turn, so that no turn is spent on a commit
        self._ready = asyncio.Semaphore(model.concurrency + -(-model.concurrency // _READY_SHARE))
        self._in_flight = 0
        calls, tokens = model.requests_per_minute, model.tokens_per_minute
        self._calls = RateLimit(f"{model.name} calls", calls, reserve) if calls else None
        self._tokens = RateLimit(f"{model.name} tokens", tokens, reserve) if tokens else None

    async def call(
        self,
        path: str,
        body: bytes,
        read: Callable[[object, float], T],
        *,
        read_failure: Callable[[int, object, float], T | None] | None = None,
        max_tokens: int | None = None,
        attempts: Attempts | None = None,
        sending: Sending | None = None,
        calls: int = 1,
    ) -> T:
        """Make a call, as often as it takes.

        Parameters
        ----------
        path : str
            Such as ``/chat/completions``.
        body : bytes
            JSON; empty: the endpoint is asked for what is there (GET).
        read : callable
            ``read(payload, seconds)`` makes the result of the JSON that came back and the time that the attempt took,
            or raises ``ValueError`` if it is no answer; that counts as a failed attempt.
        read_failure : callable, optional
            ``read_failure(status, error, seconds)`` makes the result of a failure of HTTP that is an answer after all,
            or returns None.
        max_tokens : int, optional
            Length of the reply, as far as it counts against the tokens per minute.
        attempts : Attempts, optional
            Records what is tried; after an answer it stays ``on_wire``, until whoever asked has stored it.
        sending : Sending, optional
            Told before each attempt, and after each that brings no reply.
        calls : int
            How many calls the list has that this one is of.

        Raises
        ------
        openai.OpenAIError
            If the call has finally failed.
        """
        attempts = attempts or Attempts()
        if not self._in_flight:
            self.breaker.end_silence()
        self._in_flight += 1
        try:
            while True:
                if self._tokens is not None:
                    await self._tokens.take(estimate_tokens(len(body)) + (max_tokens or 0))
                if self._calls is not None:
                    await self._calls.take(1)
                try:
                    result = await self._attempt(path, body, read, read_failure, attempts, sending)
                except openai.OpenAIError as problem:
                    if sending is not None:
                        await sending.end((attempts.lost or Lost()) if is_lost(problem) else None)
                    attempts.as_before = _same_kind(self.describe(problem), attempts.failed_before)
                    seconds = self.breaker.hear_failure(problem, attempts, calls)
                    if seconds is None:
                        raise
                else:
                    self.breaker.hear_answer()
                    return result
                await asyncio.sleep(seconds)
        finally:
            self._in_flight -= 1

    def why_given_up(self, problem: openai.OpenAIError, calls: int) -> str | None:
        """Return what to tell the user if a stage of so many calls should end on this problem, else None."""
        return self.breaker.why_given_up(problem, self.describe(problem), calls)

    def describe(self, problem: openai.OpenAIError) -> str:
        """Return in a line what went wrong, without the key."""
        cause = problem.__cause__
        if isinstance(problem, openai.APITimeoutError):
            words = f"no reply within {self.model.timeout_s:g} s"
        elif isinstance(problem, openai.APIConnectionError):
            words = f"no connection ({cause or type(problem).__name__})"
        else:
            words = str(problem)
        words = str(storable_text(hide_key(" ".join(words.split()), self._key)[:500]))
        perhaps_by_proxy = isinstance(problem, openai.APIConnectionError) or (
            getattr(problem, "status_code", None) in _OF_PROXIES
        )
        return words + (f" ({self._way})" if self._way and perhaps_by_proxy else "")

    def learn(self, answers: Iterable[str]) -> None:
        """Know answers of earlier processes, as ``RawReply.answer``: given once more they are answers to nothing."""
        self._seen.learn(answers)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _attempt(
        self,
        path: str,
        body: bytes,
        read: Callable[[object, float], T],
        read_failure: Callable[[int, object, float], T | None] | None,
        attempts: Attempts,
        sending: Sending | None,
    ) -> T:
        """Make one attempt and return the result of its answer."""
        method = "POST" if body else "GET"
        request = httpx2.Request(method, _parse(self._url + path), content=body or None, headers=self._headers)
        async with self._ready:
            if sending is not None:
                await sending.begin()
            # held to the last byte: what is done before and after would leave the endpoint idle
            await self._slots.acquire()
            try:
                if sending is not None:
                    sending.mark()
                attempts.made += 1
                attempts.on_wire, attempts.lost = True, None
                start = time.perf_counter()
                async with asyncio.timeout(self.model.timeout_s):
                    response = await self._transport.handle_async_request(request)
                    try:
                        content = await self._receive(response, attempts)
                    finally:
                        await response.stream.aclose()  # type: ignore[union-attr]
            except (TimeoutError, httpx2.ReadTimeout) as late:
                raise openai.APITimeoutError(request) from late
            except (httpx2.HTTPError, zlib.error) as problem:
                raise openai.APIConnectionError(request=request) from problem
            finally:
                self._slots.release()
            seconds = time.perf_counter() - start
        if not response.is_success:
            response.request = request
            failure = status_error(response, content)
            error = hide_key(failure.body, self._key)
            answer = read_failure(failure.status_code, error, seconds) if read_failure else None
            if answer is None:
                raise failure
            return answer
        # what waits for the slot is sent before this is read; of a failure it first has to be known what follows
        await asyncio.sleep(0)
        payload = None
        try:
            payload = json.loads(content)
            identity = self._seen.check(payload, content, body)
            result = read(hide_key(payload, self._key), seconds)
            return result._replace(answer=identity) if isinstance(result, RawReply) else result
        except (ValueError, RecursionError) as problem:
            response.request = request
            attempts.lost = _read_lost(payload, len(content))
            raise openai.APIResponseValidationError(response, None, message=f"not an answer: {problem}") from None

    async def _receive(self, response: httpx2.Response, attempts: Attempts) -> bytes:
        """Return the body of a response, unpacked; one that is too long is left unread."""
        most = int(self.model.max_reply_mb * 1e6)
        unpack = zlib.decompressobj(wbits=_GZIP) if "gzip" in response.headers.get("content-encoding", "") else None
        content = bytearray()
        async for chunk in response.stream:  # type: ignore[union-attr]
            # a small body may unpack to a huge one: no more of it is unpacked than is looked at
            content += unpack.decompress(chunk, most + 1 - len(content)) if unpack else chunk
            if len(content) > most:
                attempts.lost = Lost(len(content))
                raise openai.OpenAIError(
                    f"its answer has over {self.model.max_reply_mb:g} MB, max_reply_mb in the file of models"
                )
            if unpack and unpack.unused_data:
                raise httpx2.DecodingError("more came than one packed answer")
        if unpack and not unpack.eof:
            raise httpx2.DecodingError("the packed answer ends before its end")
        return bytes(content)


def _read_lost(payload: object, received: int) -> Lost:
    """Return what may have been charged for an answer that is none; the tokens that it counts are taken as a hint."""
    usage = payload.get("usage") if isinstance(payload, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    return Lost(
        received,
        # what is no JSON may be the first half of an answer
        whole=payload is not None,
        input_tokens=read_count(counts.get("prompt_tokens")) or 0,
        output_tokens=read_count(counts.get("completion_tokens")) or 0,
    )


def _same_kind(words: str, before: str | None) -> bool:
    """Return whether a call fails as it did before: with the same status, or the same way of not being answered."""
    return before is not None and words.split()[:3] == before.split()[:3]


# an endpoint numbers its answers if so many in a row had ids of their own
_NUMBERED = 20
_HASH = 16
ANSWERS_KEPT = 4096
"""Of so many answers of an endpoint it is known which question they were given to."""


class _SeenAnswers:
    """The answers of an endpoint that numbers them: one that comes again, to another question, is an answer to neither.

    Many endpoints have one id for all answers, or draw it from a few hundred; what those send is not looked at.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._numbered = 0
        self._off = False

    def learn(self, answers: Iterable[str]) -> None:
        """Know answers that were given to earlier processes."""
        for answer in answers:
            self._look(answer)

    def check(self, payload: object, content: bytes, body: bytes) -> str | None:
        """Return what tells an answer from others; raise ``ValueError`` if it was given before, to another body."""
        identity = payload.get("id") if isinstance(payload, dict) else None
        if not isinstance(identity, str) or not identity:
            return None
        answer = "".join(map(_short_hash, (identity.encode("utf-8", "surrogatepass"), content, body)))
        if not self._look(answer):
            raise ValueError("the same answer, by its id, was given to another question before")
        return answer

    def _look(self, answer: str) -> bool:
        """Remember an answer; return whether it is new, or was given to the same question before."""
        if self._off:
            return True
        identity, content, body = (answer[start : start + _HASH] for start in range(0, 3 * _HASH, _HASH))
        content_before, body_before = self._seen.setdefault(identity, (content, body))
        if (content_before, body_before) == (content, body):
            self._numbered += 1
            if len(self._seen) > ANSWERS_KEPT:
                self._seen.popitem(last=False)
            return True
        if content_before == content and self._numbered >= _NUMBERED:
            return False
        self._off = True
        self._seen.clear()
        return True


def _short_hash(content: bytes) -> str:
    """Return the first characters of a hash, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[:_HASH]


def status_error(response: httpx2.Response, content: bytes) -> openai.APIStatusError:
    """Return the ``openai`` package's exception for a response that tells of a failure."""
    status, error = response.status_code, None
    try:
        payload = json.loads(content)
        error = payload.get("error", payload) if isinstance(payload, dict) else None
    except (ValueError, RecursionError):
        pass  # pages of proxies: the status says what there is to say
    message = error.get("message") if isinstance(error, dict) else error
    words = f"Error code: {status}" + (f" - {message}" if message and isinstance(message, str) else "")
    kind = openai.InternalServerError if status >= 500 else _STATUS_ERRORS.get(status, openai.APIStatusError)
    return kind(words, response=response, body=error)
