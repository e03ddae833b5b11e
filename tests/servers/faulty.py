"""An OpenAI-compatible server on loopback that fails on purpose, for tests and benchmarks: a process of its own.

It answers as ``loopback.py`` does, but for a share of the requests, drawn from the seed, the body and how often that
body has come: the same requests meet the same faults, in whatever order they arrive. ``GET /injected`` says what each
body met, in order; ``GET /counts`` sums it up by kind. A storm fails all for some seconds from the first call.
Its books (``GET /billed``) hold the tokens of all that it has answered, whether or not the answer arrived; a body that
was turned away costs nothing.

    python tests/servers/faulty.py --share 0.2 --kinds status_500,hang,empty --seed 3
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import socket
import struct
import time
from collections import Counter, defaultdict

import broken_http
from aiohttp import web
from loopback import completion, sentence, serve

# a reply was not got: the same body is sent again
UNANSWERED = (
    "status_429",
    "status_429_retry_after",
    "status_500",
    "status_503",
    "dropped_before",
    "dropped_in_body",
    "hang",
    "endless_drip",
    "truncated_body",
    "html",
    # an answer that was given to another question before
    "stale",
    *broken_http.VOID,
)
# a reply was got, and something is the matter with it
ANSWERED = (
    "slow_drip",
    "empty",
    "truncated_content",
    "wrong_schema",
    "length",
    "content_filter",
    "refusal",
    "odd_unicode",
    "megabyte",
    "fewer_items",
    "repeated_items",
    "usage_of_zeros",
    "usage_of_2_62",
    "usage_of_2_63",
    *broken_http.WHOLE,
    *broken_http.EITHER,
)
# of these, what leaves the text of the reply as it is
UNSPOILT = (
    "none",
    "slow_drip",
    "usage_of_zeros",
    "usage_of_2_62",
    "usage_of_2_63",
    *broken_http.WHOLE,
    *broken_http.EITHER,
)
# a megabyte takes disk and time: a tenth as often as the others
WEIGHTS = {kind: 0.1 if kind == "megabyte" else 1.0 for kind in (*UNANSWERED, *ANSWERED)}
# answers after which one of them may come again: all of these have arrived
STALE_AFTER = 300
LASTING = {f"lasting_{status}": status for status in (400, 401, 403, 404)}
ODD = "\ud83d\x00\u202eright to left\u202c z\u0353\u0321a\u0337l \ufeff\u2028 \udc00"


class Desk:
    """What the server has been sent, and what it did to it."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.kinds = [kind for kind in options.kinds.split(",") if kind] or list(WEIGHTS)
        self.met: defaultdict[str, list[str]] = defaultdict(list)
        self.first: float | None = None
        self.billed = {"calls": 0, "input_tokens": 0, "output_tokens": 0}
        self.given: list[bytes] = []

    def draw(self, body: bytes, nth: int) -> str:
        """Return the fault that a body meets when it comes for the nth time, or ``none``."""
        draw = random.Random(hashlib.sha256(f"{self.options.seed} {nth} ".encode() + body).digest())
        if draw.random() >= self.options.share:
            return "none"
        return draw.choices(self.kinds, [WEIGHTS.get(kind, 1.0) for kind in self.kinds])[0]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, or fail to."""
        body = await request.read()
        digest = hashlib.sha256(body).hexdigest()
        self.first = self.first or time.monotonic()
        nth = len(self.met[digest])
        kind = self.draw(body, nth)
        if time.monotonic() - self.first < self.options.storm:
            kind = self.options.storm_kind
        kind = self.options.always or kind
        if kind == "stale" and len(self.given) < STALE_AFTER:
            kind = "none"
        self.met[digest].append(kind)
        if self.options.latency:
            await asyncio.sleep(self.options.latency)
        return await self.answer(request, json.loads(body), kind, f"{digest} {nth}")

    def bill(self, body: dict, answer: dict) -> None:
        """Put what an answer costs into the books."""
        content = answer["choices"][0]["message"]["content"] or ""
        self.billed["calls"] += 1
        self.billed["input_tokens"] += len(json.dumps(body["messages"])) // 4
        self.billed["output_tokens"] += len(content) // 4

    async def answer(self, request: web.Request, body: dict, kind: str, name: str) -> web.StreamResponse:
        """Answer a body with a kind of fault."""
        if kind.startswith("status_429"):
            return _error(429, {"Retry-After": "0.3"} if kind.endswith("after") else {})
        if kind in ("status_500", "status_503"):
            return _error(int(kind[-3:]), {})
        if kind in LASTING:
            return _error(LASTING[kind], {})
        spoilt = spoil(body, kind) | {"id": name}
        self.bill(body, spoilt)
        if kind == "dropped_before":
            _drop(request)
            return web.Response()
        if kind == "hang":
            await asyncio.sleep(self.options.hang)
        if kind == "html":
            return web.Response(text="<html><body>Please sign in.</body></html>", content_type="text/html")
        content = json.dumps(spoilt).encode()
        if kind in broken_http.KINDS:
            return await self.send(request, content, kind, name)
        if kind == "stale":
            content = self.given[-STALE_AFTER]
        elif kind == "none":
            self.given.append(content)
            del self.given[: -2 * STALE_AFTER]
        if kind == "truncated_body":
            return web.Response(body=content[: len(content) // 2], content_type="application/json")
        if kind in ("dropped_in_body", "slow_drip", "endless_drip"):
            return await self.drip(request, content, kind)
        return web.Response(body=content, content_type="application/json")

    async def send(self, request: web.Request, content: bytes, kind: str, name: str) -> web.StreamResponse:
        """Send what is no HTTP, or hardly."""
        transport, other = request.transport, json.dumps(completion(OTHER) | {"id": f"{name} second"}).encode()
        with contextlib.suppress(ConnectionError):
            for seconds, piece in broken_http.send_broken(kind, content, other, random.Random(name)):
                await asyncio.sleep(seconds)
                transport.write(piece)
                # nobody reads an endless answer to its end
                while transport.get_write_buffer_size() > 4_000_000 and not transport.is_closing():
                    await asyncio.sleep(0.005)
                if transport.is_closing():
                    break
        if kind.startswith("reset_"):
            # what was written is on its way by then
            await asyncio.sleep(0.005)
            connection = transport.get_extra_info("socket")
            # whoever asked may have been killed
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        transport.close()
        return web.Response()

    async def drip(self, request: web.Request, content: bytes, kind: str) -> web.StreamResponse:
        """Send an answer in ten pieces; leave after half of them, or take very long over the last."""
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(content))})
        await response.prepare(request)
        piece = -(-len(content) // 10)
        for nth, start in enumerate(range(0, len(content), piece)):
            if kind == "dropped_in_body" and nth == 5:
                _drop(request)
                return response
            await asyncio.sleep(self.options.hang if kind == "endless_drip" and nth == 9 else self.options.drip)
            # whoever asked may have given up
            with contextlib.suppress(ConnectionError):
                await response.write(content[start : start + piece])
        return response

    async def books(self, request: web.Request) -> web.Response:
        """Say what all answers have cost."""
        return web.json_response(self.billed)

    async def injected(self, request: web.Request) -> web.Response:
        """Say what each body met, in order, by its SHA-256."""
        return web.json_response(self.met)

    async def counts(self, request: web.Request) -> web.Response:
        """Say how often each kind was met, and how many requests and bodies came."""
        kinds = Counter(kind for met in self.met.values() for kind in met)
        return web.json_response(
            {"total": sum(kinds.values()), "distinct": len(self.met), "kinds": dict(sorted(kinds.items()))}
        )


# a question that nobody has asked here
OTHER = {"model": "another", "messages": [{"role": "user", "content": "A question of somebody else."}]}


def spoil(body: dict, kind: str) -> dict:
    """Return the answer to a body, with something the matter with it."""
    answer = completion(body)
    choice = answer["choices"][0]
    message, content = choice["message"], choice["message"]["content"]
    structured = content.startswith("{")
    if kind == "empty":
        message["content"] = random.Random(content).choice([None, "", " \n\t"])
    elif kind == "truncated_content":
        message["content"] = content[: len(content) // 2]
    elif kind == "wrong_schema":
        message["content"] = json.dumps({"verdict": content})
    elif kind == "length":
        choice["finish_reason"], message["content"] = "length", content[: len(content) // 3]
    elif kind == "content_filter":
        choice["finish_reason"], message["content"] = "content_filter", None
    elif kind == "refusal":
        message["content"], message["refusal"] = None, "I cannot help with that."
    elif kind == "odd_unicode":
        message["content"] = _in_first_text(content, ODD) if structured else content + ODD
    elif kind == "megabyte":
        long = sentence(random.Random(content), 150_000)[:1_000_000]
        message["content"] = _in_first_text(content, long) if structured else long
    elif kind in ("fewer_items", "repeated_items"):
        message["content"] = _with_items(content, kind) if structured else content
    if kind.startswith("usage_of_"):
        count = {"zeros": 0, "2_62": 2**62, "2_63": 2**63}[kind.removeprefix("usage_of_")]
        answer["usage"] = {"prompt_tokens": count, "completion_tokens": count}
    elif kind != "none":
        answer["usage"]["completion_tokens"] = len(message["content"] or "") // 4
    return answer


def _in_first_text(content: str, text: str) -> str:
    """Return a JSON object with the text at the end of its first field that holds text."""
    found = json.loads(content)
    for name, value in found.items():
        if isinstance(value, str):
            # sent as it is, not as an escape: what can't be encoded is made an escape by the outer JSON
            return json.dumps(found | {name: f"{value} {text}"}, ensure_ascii=False)
    return content


def _with_items(content: str, kind: str) -> str:
    """Return a JSON object whose lists hold an item less, or the first item over and over."""
    found = json.loads(content)
    for name, value in found.items():
        if isinstance(value, list) and value:
            found[name] = value[:-1] if kind == "fewer_items" else value[:1] * len(value)
    return json.dumps(found)


def _drop(request: web.Request) -> None:
    """Close the connection, unless whoever asked has."""
    if request.transport is not None:
        request.transport.close()


def _error(status: int, headers: dict) -> web.Response:
    return web.json_response({"error": {"message": f"told to fail ({status})"}}, status=status, headers=headers)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--share", type=float, default=0.0, help="share of requests that meet a fault")
    parser.add_argument("--kinds", default="", help=f"which faults, with commas; default: {','.join(WEIGHTS)}")
    parser.add_argument("--always", default="", help="one fault for every request")
    parser.add_argument("--storm", type=float, default=0.0, help="seconds from the first call in which all fails")
    parser.add_argument("--storm-kind", default="status_503")
    parser.add_argument("--hang", type=float, default=3600.0, help="seconds that a hang takes")
    parser.add_argument("--drip", type=float, default=0.02, help="seconds before each tenth of a slow answer")
    parser.add_argument("--seed", type=int, default=0)
    desk = Desk(parser.parse_args())
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/chat/completions", desk.serve)
    app.router.add_get("/injected", desk.injected)
    app.router.add_get("/counts", desk.counts)
    app.router.add_get("/billed", desk.books)
    await serve(app, desk.options.port, shutdown_timeout=0.1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
