import asyncio
import gzip
import json
import time
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import openai
import pytest

from conflictscope.models import Model
from conflictscope.models.client import Endpoint
from conflictscope.models.patience import retry_after, seconds_to_wait
from conflictscope.models.requests import read_completion

MODEL = Model("m", "http://model.invalid/v1", "m-1", max_attempts=3)


def failing(status, headers=None, text='{"error": {"message": "told to fail"}}'):
    return httpx2.Response(status, headers=headers or {}, text=text)


def call(transport, model=MODEL):
    """Make one call; return the raw reply and the seconds that it took."""

    async def go():
        endpoint = Endpoint(model, transport)
        start = time.perf_counter()
        try:
            raw = await endpoint.call("/chat/completions", b'{"messages": []}', read_completion)
        finally:
            await endpoint.close()
        return raw, time.perf_counter() - start

    return asyncio.run(go())


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_passing_failure_is_tried_again(script, status):
    scripted = script(lambda body, nth: failing(status, {"retry-after": "0"}) if nth < 3 else "well")
    assert call(scripted)[0].text == "well"
    assert len(scripted.bodies) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_lasting_failure_is_not(script, status):
    scripted = script(lambda body, nth: failing(status))
    with pytest.raises(openai.APIStatusError, match="told to fail"):
        call(scripted)
    assert len(scripted.bodies) == 1


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("text", ["", "null", "<html>busy</html>", "{}", '{"choices": null}', '{"error": "busy"}'])
def test_an_answer_that_is_none_is_tried_again(script, text):
    scripted = script(lambda body, nth: failing(200, text=text) if nth < 2 else "well")
    assert call(scripted)[0].text == "well"


def test_attempts_are_bounded(script):
    scripted = script(lambda body, nth: failing(503))
    with pytest.raises(openai.InternalServerError):
        call(scripted)
    assert len(scripted.bodies) == MODEL.max_attempts


def test_being_asked_to_slow_down_is_no_failed_attempt(script):
    scripted = script(lambda body, nth: failing(429, {"retry-after-ms": "1"}) if nth <= 3 else "well")
    assert call(scripted, replace(MODEL, max_attempts=1))[0].text == "well"


def test_waits_as_long_as_it_is_asked_to(script):
    scripted = script(lambda body, nth: failing(429, {"retry-after": "0.6"}) if nth == 1 else "well")
    raw, seconds = call(scripted)
    assert seconds >= 0.6
    # the time of the attempt that succeeded, not of the waiting
    assert raw.seconds < 0.6


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_what_the_endpoint_asks_for(status):
    response = failing(status, {"retry-after": "7"})
    response.request = httpx2.Request("POST", "http://x.invalid")
    problem = (openai.RateLimitError if status == 429 else openai.InternalServerError)(
        "busy", response=response, body=None
    )
    # if nothing is asked for, the first wait is a second at most
    assert 7 <= seconds_to_wait(problem, 1) <= 7.25
    response.headers.pop("retry-after")
    assert 0.5 <= seconds_to_wait(problem, 1) <= 1


def test_gives_up_where_it_is_asked_to_wait_too_long(script):
    scripted = script(lambda body, nth: failing(429, {"retry-after": "86400"}))
    with pytest.raises(openai.RateLimitError):
        call(scripted)
    assert len(scripted.bodies) == 1


def test_reads_every_form_ofretry_after():
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after(httpx2.Headers({"retry-after-ms": "250", "retry-after": "9"})) == 0.25
    assert retry_after(httpx2.Headers({"retry-after": "1.5"})) == 1.5
    assert 50 < retry_after(httpx2.Headers({"retry-after": in_a_minute})) <= 60
    assert retry_after(httpx2.Headers({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "-1"}, {"retry-after": "nan"}):
        assert retry_after(httpx2.Headers(nothing)) is None


def test_an_attempt_is_given_up_after_its_time(start_loopback):
    slow = start_loopback("--latency", "30")
    model = Model("m", slow.url, "m-1", timeout_s=0.3, max_attempts=1)

    async def go():
        endpoint = Endpoint(model)
        with pytest.raises(openai.APITimeoutError) as raised:
            await endpoint.call("/chat/completions", b'{"messages": []}', read_completion)
        await endpoint.close()
        return endpoint.describe(raised.value)

    assert asyncio.run(go()) == "no reply within 0.3 s"


def test_an_answer_that_comes_in_drops_has_no_more_time_than_another(start_faulty):
    # a tenth of it every 0.1 s: never silent for long, and a second long
    slow = start_faulty("--always", "slow_drip", "--drip", "0.1")
    with pytest.raises(openai.APITimeoutError):
        asyncio.run(ask_once(Model("m", slow.url, "m-1", timeout_s=0.4, max_attempts=1)))


async def ask_once(model):
    endpoint = Endpoint(model)
    body = b'{"model": "m-1", "messages": [{"role": "user", "content": "Hello"}]}'
    try:
        return await endpoint.call("/chat/completions", body, read_completion)
    finally:
        await endpoint.close()


def test_rate_limits_are_kept(script):
    async def go(model):
        endpoint = Endpoint(model, script(lambda body, nth: "well"))
        start = time.perf_counter()
        body = b'{"messages": [], "padding": "' + b"x" * 400 + b'"}'
        await asyncio.gather(*(endpoint.call("/x", body, read_completion) for _ in range(9)))
        await endpoint.close()
        return time.perf_counter() - start

    # a second's worth at once, then five a second: the other four need 0.8 s
    assert asyncio.run(go(Model("m", "http://x.invalid/v1", "m", requests_per_minute=300))) > 0.7
    # a hundred-odd tokens each: 500 a second leave more than 0.7 s for the rest
    assert asyncio.run(go(Model("m", "http://x.invalid/v1", "m", tokens_per_minute=30_000))) > 0.7


def test_the_key_is_sent_and_never_shown(script, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    model = Model("m", "http://model.invalid/v1", "m-1", key_variable="SECRET_KEY")
    echo = failing(401, text='{"error": {"message": "wrong key sk-very-secret given"}}')
    scripted = script(lambda body, nth: echo)

    async def go():
        endpoint = Endpoint(model, scripted)
        with pytest.raises(openai.AuthenticationError) as raised:
            await endpoint.call("/chat/completions", b"{}", read_completion)
        await endpoint.close()
        shown = [repr(model), str(model), repr(endpoint), endpoint.describe(raised.value)]
        return [*shown, endpoint.why_given_up(raised.value, 1)]

    shown = asyncio.run(go())
    assert scripted.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert all("sk-very-secret" not in text for text in shown)
    assert "wrong key … given" in shown[3] and "check the key in SECRET_KEY" in shown[4]


ANSWER = json.dumps({"choices": [{"message": {"content": "well"}, "finish_reason": "stop"}]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(ANSWER)


def serve_once(first, then=HEAD + LENGTH + b"\r\n" + ANSWER, **options):
    """Make a call to a server that answers with these bytes, first and from then on; return the reply, and requests."""
    requests = []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head.decode())
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        await reader.readexactly(length)
        writer.write(first if len(requests) == 1 else then)
        await writer.drain()
        writer.close()

    async def go():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            return await ask_once(Model("m", url, "m-1", timeout_s=5, **options))
        finally:
            server.close()

    return asyncio.run(go()), requests


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + LENGTH + b"Content-Length: 3\r\n\r\n" + ANSWER,
        HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + ANSWER,
        b"HTTP/1.1 twohundred OK\r\n" + LENGTH + b"\r\n" + ANSWER,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HEAD + b"".join(b"X-%d: x\r\n" % i for i in range(200)) + LENGTH + b"\r\n" + ANSWER,
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n" + LENGTH + b"\r\n" + ANSWER,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + ANSWER,
        HEAD + b"Content-Length: -5\r\n\r\n" + ANSWER,
        HEAD + b"Content-Encoding: gzip\r\n" + LENGTH + b"\r\n" + ANSWER,
        b"",
    ],
    ids=["two lengths", "length and chunks", "status", "ssh", "headers", "header", "chunk", "negative", "gzip", "none"],
)
def test_an_answer_that_breaks_http_is_an_attempt_that_failed(hurry, answer):
    reply, requests = serve_once(answer)
    assert reply.text == "well" and len(requests) == 2


def packed(content):
    return HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content) + content


def test_a_packed_answer_is_unpacked():
    assert serve_once(packed(gzip.compress(ANSWER)))[0].text == "well"


@pytest.mark.parametrize("zipped", [True, False])
def test_an_answer_is_not_read_beyond_its_bound(zipped):
    """A bomb of 50 kB that unpacks to 50 MB, and an endless answer: refused within a bound, and not asked for again."""
    bomb = packed(gzip.compress(b" " * 50_000_000)) if zipped else HEAD + b"\r\n" + b" " * 3_000_000
    tracemalloc.start()
    try:
        with pytest.raises(openai.OpenAIError, match=r"over 1 MB, max_reply_mb"):
            serve_once(bomb, bomb, max_reply_mb=1)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_redirect_is_not_followed(start_loopback):
    elsewhere = start_loopback()
    answer = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}/chat/completions\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(openai.APIStatusError, match="307"):
        serve_once(answer, answer)
    assert elsewhere.requests()["total"] == 0


def test_nothing_of_the_environment_reaches_an_endpoint(monkeypatch):
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer of-another\nX-Custom: custom")
    monkeypatch.setenv("OPENAI_ORG_ID", "the-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "the-project")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-other-provider")
    monkeypatch.setenv("OWN_KEY", "the-key-of-this-one")
    for key in (None, "OWN_KEY"):
        _, (request,) = serve_once(HEAD + LENGTH + b"\r\n" + ANSWER, key_variable=key)
        assert not any(secret in request for secret in ("of-another", "custom", "the-org", "the-project", "other-prov"))
        assert ("Bearer the-key-of-this-one" in request) == (key is not None)


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\N{HORIZONTAL ELLIPSIS}"])
def test_a_key_that_cannot_be_sent_is_said_and_not_shown(script, monkeypatch, key):
    monkeypatch.setenv("OWN_KEY", key)
    with pytest.raises(ValueError, match="OWN_KEY holds a line break or a character") as raised:
        call(script(lambda body, nth: "well"), replace(MODEL, key_variable="OWN_KEY"))
    assert "sk-" not in str(raised.value)


@pytest.fixture
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_that_catches_an_endpoint_is_named(no_proxy, start_loopback, monkeypatch, variable):
    endpoint = start_loopback()
    # at this port nobody listens
    monkeypatch.setenv(variable, "http://127.0.0.1:9")

    async def go():
        opened = Endpoint(Model("m", endpoint.url, "m-1", max_attempts=1))
        body = b'{"model": "m-1", "messages": [{"role": "user", "content": "Hello"}]}'
        try:
            await opened.call("/chat/completions", body, read_completion)
        except openai.OpenAIError as problem:
            return opened.describe(problem)
        finally:
            await opened.close()

    said = asyncio.run(go())
    assert f"by way of the proxy that {variable} names; NO_PROXY=127.0.0.1 goes without" in said
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert asyncio.run(go()) is None and endpoint.requests()["total"] == 1


@pytest.mark.parametrize(
    "proxy",
    [
        *(
            "socks5://me:secret@127.0.0.1:9",
            "http://[secret",
            "http://me:secret@127.0.0.1:x",
            "http://me:secret@h:99999",
        ),
        *("http://me:secret@", "me:secret@h\n:9"),
    ],
)
def test_a_proxy_that_is_none_of_http_is_said_without_its_password(no_proxy, monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ValueError, match=r"ALL_PROXY: found a proxy that is none of HTTP.*NO_PROXY") as raised:
        asyncio.run(ask_once(Model("m", "http://127.0.0.1:8/v1", "m-1")))
    assert "secret" not in str(raised.value)


def test_a_file_of_certificates_that_is_not_there_is_named(no_proxy, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match=r"the certificates that SSL_CERT_FILE.* names cannot be read"):
        asyncio.run(ask_once(Model("m", "https://127.0.0.1:8/v1", "m-1")))


def test_an_answer_out_of_a_gateway_s_cache_is_one_if_the_question_is_the_same(ask, script, make_request):
    """In another process too: the same body may be asked under another key, such as a repetition's."""
    late = []

    def answer(body, nth):
        asked = late[0] if late else body["messages"][-1]["content"]
        choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": asked}}]
        return httpx2.Response(200, json={"id": f"cached-{asked}", "model": "m-1", "choices": choices})

    gateway = script(answer)
    numbered = [make_request(str(i)) for i in range(30)]
    assert {reply.outcome for reply in ask(numbered, gateway)} == {"ok"}
    (repeated,) = ask([make_request("7", repetition=1)], gateway)
    assert (repeated.outcome, repeated.text) == ("ok", "7")
    late.append("7")
    with pytest.raises(ConnectionError, match="given to another question"):
        ask([make_request("another question")], gateway, max_attempts=1)
