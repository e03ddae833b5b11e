"""The wire: each request has a connection of its own, which is closed behind its answer (HTTP/1.1 by aiohttp).

In: a request. Out: its answer, whose body is read as it comes, or ``httpx2``'s exception for whatever goes wrong. On a
kept connection (keep-alive) nothing tells a second answer to one request from the answer to the next; on one of its own
all that comes is to this request. That costs 0.5 ms of CPU a call, 2.5 ms with TLS, and the round trips of a handshake.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp.http_exceptions import HttpProcessingError

UNSENT = "unsent"
"""Extension of a request that is not on its way yet: nobody can have charged for it."""

# aiohttp's errors have no common class
_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError)
_request: ContextVar[httpx2.Request] = ContextVar("request")


class Wire(httpx2.AsyncBaseTransport):
    """The network under one endpoint, open in one event loop.

    No cookie is kept, no redirect followed, and of the environment only proxies and certificates are looked at.

    Parameters
    ----------
    address : str
        The endpoint's ``base_url``.

    Raises
    ------
    ValueError
        If a proxy or a certificate that the environment names cannot be used.
    """

    def __init__(self, address: str):
        variable, self._proxy = _find_proxy(address)
        host = urlsplit(address).hostname
        self.way = f"by way of the proxy that {variable} names; NO_PROXY={host} goes without" if variable else ""
        """In words, what is between here and the endpoint; "" for nothing."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                force_close=True,
                # how many are in flight is bounded by whoever asks
                limit=0,
                ttl_dns_cache=300,
                ssl=_certificates() if address.startswith("https:") else True,
            ),
            response_class=_Answer,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; return its answer when the head of it is there."""
        request.extensions[UNSENT] = True
        _request.set(request)
        with _errors_of_httpx(request):
            answer = await self._session.request(
                request.method,
                str(request.url),
                headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
                data=request.content,
                allow_redirects=False,
                proxy=self._proxy,
            )
        body = _Body(answer, request)
        return httpx2.Response(answer.status, headers=answer.raw_headers, stream=body, request=request)

    async def aclose(self) -> None:
        """Close what connections are open."""
        await self._session.close()


class _Answer(aiohttp.ClientResponse):
    """An answer that knows its connection beyond its last byte."""

    line: Any = None

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Wait for the head of the answer; called once the request has been sent."""
        _request.get().extensions.pop(UNSENT, None)
        self.line = connection.protocol
        return await super().start(connection)


class _Body(httpx2.AsyncByteStream):
    """The body of an answer as it comes, packed or not."""

    def __init__(self, answer: Any, request: httpx2.Request):
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx(self._request):
            async for chunk in self._answer.content.iter_any():
                yield chunk
            line = self._answer.line
            # a second answer, or what is none, in one piece with the end of the first: which is true cannot be told
            if len(line) or isinstance(line.exception(), HttpProcessingError):
                raise aiohttp.ClientPayloadError("more came than one answer")

    async def aclose(self) -> None:
        self._answer.close()


@contextmanager
def _errors_of_httpx(request: httpx2.Request) -> Iterator[None]:
    """Raise aiohttp's errors as those of httpx2, which tell whether the request had been sent."""
    try:
        yield
    except _ERRORS as problem:
        kind = httpx2.ConnectError if UNSENT in request.extensions else httpx2.ReadError
        raise kind(str(problem) or type(problem).__name__, request=request) from problem


def _find_proxy(address: str) -> tuple[str, str | None]:
    """Return the environment variable that names a proxy for an address, and the proxy; "" and None for none."""
    parts = urlsplit(address)
    proxies = getproxies()
    kind = next((kind for kind in (parts.scheme, "all") if proxies.get(kind)), None)
    if kind is None or proxy_bypass(parts.netloc):
        return "", None
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    variable = next((name for name in names if os.environ.get(name)), "this system's settings")
    proxy = proxies[kind] if "://" in proxies[kind] else f"http://{proxies[kind]}"
    if not _is_address(proxy):
        # what it is may hold a password
        raise ValueError(
            f"{variable}: found a proxy that is none of HTTP; expected http://HOST:PORT. Put {parts.hostname} into "
            "NO_PROXY to reach this endpoint without it; no call has been made."
        )
    return variable, proxy


def _is_address(url: str) -> bool:
    """Return whether a URL names a host of HTTP, and a port of it if any."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def _certificates() -> Any:
    """Return the certificates by which endpoints are known."""
    try:
        return httpx2.create_ssl_context()
    except OSError as problem:
        names = " or ".join(name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
        raise ValueError(
            f"the certificates that {names or 'this system'} names cannot be read ({problem}). Set it right, or unset "
            "it to use those that come with Python; no call has been made."
        ) from None
