"""An endpoint with Anthropic's message batches on loopback: a process of its own.

In: batches of requests in the form of Anthropic's messages. Out: results that depend on each request alone, and books
of what would have been billed (``GET /books``). It prints its port; options make it forgetful or strict.

    python tests/servers/message_batches.py --port 0 --seconds 2 --lose-created 1
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections import Counter
from datetime import UTC, datetime

from aiohttp import web
from loopback import completion, serve

NOTHING = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


class Provider:
    """Batches and what was billed."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.batches: dict[str, dict] = {}
        self.asked: dict[str, list[dict]] = {}
        self.billed: Counter[str] = Counter()
        self.bodies: list[dict] = []
        if options.stranger:
            self._begin([{"custom_id": f"theirs-{n}", "params": {}} for n in range(options.stranger)])

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Begin a batch."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        asked = (await request.json())["requests"]
        if any(len(one["custom_id"]) > 64 or set(one) != {"custom_id", "params"} for one in asked):
            return _error(
                400, "invalid_request_error", "requests: expected custom_id of up to 64 characters and params"
            )
        queued = sum(batch["request_counts"]["processing"] for batch in self.batches.values())
        if self.options.queue and queued + len(asked) > self.options.queue:
            return _error(429, "rate_limit_error", "too many requests are queued")
        self.bodies += [one["params"] for one in asked]
        batch = self._begin(asked)
        if self.options.lose_created:
            self.options.lose_created -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(batch)

    async def retrieve(self, request: web.Request) -> web.Response:
        """Return a batch."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        batch = self.batches.get(request.match_info["batch"])
        return (
            _error(404, "not_found_error", "no such batch") if batch is None else web.json_response(self._go_on(batch))
        )

    async def list_batches(self, request: web.Request) -> web.Response:
        """List batches, newest first, a page at a time."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        newest, after = list(self.batches)[::-1], request.query.get("after_id")
        start = newest.index(after) + 1 if after else 0
        page = newest[start : start + self.options.page]
        return web.json_response(
            {
                "data": [self._go_on(self.batches[one]) for one in page],
                "first_id": page[0] if page else None,
                "last_id": page[-1] if page else None,
                "has_more": start + len(page) < len(newest),
            }
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch before its time; half of it was done."""
        batch = self.batches[request.match_info["batch"]]
        if batch["processing_status"] == "in_progress":
            self._finish(batch, len(self.asked[batch["id"]]) // 2, "canceled")
        return web.json_response(batch)

    async def results(self, request: web.Request) -> web.Response:
        """Return the results of a batch that has ended, in any order."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        batch = self.batches[request.match_info["batch"]]
        lines, counts = self.asked[batch["id"]], batch["request_counts"]
        rest = "canceled" if counts["canceled"] else "expired"
        rows = []
        for nth, one in enumerate(lines):
            if nth >= counts["succeeded"] + counts["errored"]:
                result = {"type": rest}
            elif self._is_refused(one):
                error = {"type": "invalid_request_error", "message": "the body holds what is not taken here"}
                result = {"type": "errored", "error": {"type": "error", "error": error}}
            else:
                result = {"type": "succeeded", "message": _message(one["params"])}
            rows.append(json.dumps({"custom_id": one["custom_id"], "result": result}))
        return web.Response(text="\n".join(rows[::-1]) + "\n", content_type="application/x-jsonl")

    async def books(self, request: web.Request) -> web.Response:
        """Return what was billed, by key, and the bodies that came."""
        return web.json_response({"billed": self.billed, "batches": len(self.batches), "bodies": self.bodies})

    def _begin(self, asked: list[dict]) -> dict:
        now = datetime.now(UTC)
        identity = f"msgbatch_{len(self.batches):05d}"
        self.asked[identity] = asked
        self.batches[identity] = {
            "id": identity,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": NOTHING | {"processing": len(asked)},
            "created_at": now.isoformat(),
            "expires_at": datetime.fromtimestamp(now.timestamp() + 86400, UTC).isoformat(),
            "ended_at": None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }
        return self.batches[identity]

    def _go_on(self, batch: dict) -> dict:
        """Return a batch, ended if its time has come."""
        made = datetime.fromisoformat(batch["created_at"]).timestamp()
        if batch["processing_status"] == "in_progress" and time.time() >= made + self.options.seconds:
            many = len(self.asked[batch["id"]])
            self._finish(batch, many - round(self.options.expire_share * many), "expired")
        return batch

    def _finish(self, batch: dict, done: int, rest: str) -> None:
        """Answer the first so many requests."""
        answered = self.asked[batch["id"]][:done]
        errored = sum(map(self._is_refused, answered))
        self.billed.update(one["custom_id"] for one in answered if not self._is_refused(one))
        batch["request_counts"] = NOTHING | {"succeeded": done - errored, "errored": errored}
        batch["request_counts"][rest] = len(self.asked[batch["id"]]) - done
        batch["processing_status"], batch["ended_at"] = "ended", datetime.now(UTC).isoformat()
        batch["results_url"] = f"http://127.0.0.1/v1/messages/batches/{batch['id']}/results"

    def _is_refused(self, one: dict) -> bool:
        return bool(self.options.bad_word) and self.options.bad_word in json.dumps(one["params"])

    def _refusal(self, request: web.Request) -> web.Response | None:
        if "anthropic-version" not in request.headers or (
            self.options.key and request.headers.get("x-api-key") != self.options.key
        ):
            return _error(401, "authentication_error", "invalid x-api-key")
        return None


def _message(body: dict) -> dict:
    """Return the message that answers a request."""
    text = "theirs"
    if body:
        form = (body.get("output_config") or {}).get("format")
        schema = {"response_format": {"json_schema": {"schema": form["schema"]}}} if form else {}
        text = completion({"model": body["model"], "messages": body["messages"]} | schema)["choices"][0]["message"][
            "content"
        ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "theirs"),
        "content": [{"type": "text", "text": text, "citations": None}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 20,
            "output_tokens": max(9, len(text) // 4),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "service_tier": "batch",
        },
    }


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a batch takes")
    parser.add_argument("--expire-share", type=float, default=0.0, help="share of requests not done when it ends")
    parser.add_argument("--lose-created", type=int, default=0, help="close so many connections in place of a batch")
    parser.add_argument("--stranger", type=int, default=0, help="another program's batch of so many requests is there")
    parser.add_argument("--queue", type=int, default=0, help="requests that may be queued; 0: any number")
    parser.add_argument("--page", type=int, default=20, help="batches a page of the list")
    parser.add_argument("--bad-word", default="", help="a request with this word is an error")
    parser.add_argument("--key", default="", help="the key that is expected")
    provider = Provider(parser.parse_args())
    app = web.Application(client_max_size=512 * 1024**2)
    app.router.add_post("/v1/messages/batches", provider.create)
    app.router.add_get("/v1/messages/batches", provider.list_batches)
    app.router.add_get("/v1/messages/batches/{batch}", provider.retrieve)
    app.router.add_post("/v1/messages/batches/{batch}/cancel", provider.cancel)
    app.router.add_get("/v1/messages/batches/{batch}/results", provider.results)
    app.router.add_get("/books", provider.books)
    await serve(app, provider.options.port)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
