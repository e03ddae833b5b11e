"""An endpoint with batches (OpenAI's files and batches) on loopback, for tests and benchmarks: a process of its own.

In: JSONL files of requests, and batches of them. Out: results that depend on each body alone, as ``loopback.py`` gives
them, and books of what would have been billed (``GET /books``). It prints its port; options make it slow, forgetful,
untidy or strict.

    python tests/servers/batches.py --port 0 --seconds 2 --expire-share 0.3 --lose-created 1
"""

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from loopback import completion, serve

WINDOW_S = 24 * 3600
OPEN = ("validating", "in_progress", "finalizing", "cancelling")


class Provider:
    """Files, batches and what was billed."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.batches: dict[str, dict] = {}
        self.answers: dict[str, asyncio.Future[list[tuple[str, dict]]]] = {}
        self.billed: Counter[str] = Counter()
        self.live: Counter[str] = Counter()
        self.draw = random.Random(options.seed)
        self.lost = Counter(create=options.lose_created, upload=options.lose_uploaded, download=options.break_off)
        self.polls = 0
        # as an endpoint does: while it carries out a batch, it goes on to answer
        self.background = ThreadPoolExecutor(1)

    # files

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Keep a file."""
        fields = {}
        async for part in await request.multipart():
            fields[part.name] = bytes(await part.read()) if part.filename else await part.text()
            if part.filename:
                name = part.filename
        if fields.get("purpose") != "batch":
            return _error(400, "purpose: expected 'batch'")
        identity = f"file-{len(self.names):05d}"
        self.files[identity], self.names[identity] = fields["file"], name
        return await self._answer(request, "upload", self._file(identity))

    async def list_files(self, request: web.Request) -> web.Response:
        """List files."""
        return web.json_response({"object": "list", "data": [self._file(one) for one in self.files], "has_more": False})

    async def content(self, request: web.Request) -> web.StreamResponse:
        """Return what a file holds."""
        held = self.files.get(request.match_info["file"])
        if held is None:
            return _error(404, "no such file")
        if self.lost["download"] > 0:
            self.lost["download"] -= 1
            response = web.StreamResponse(headers={"Content-Length": str(len(held))})
            await response.prepare(request)
            await response.write(held[: 2 * len(held) // 3])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=held)

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a file."""
        identity = request.match_info["file"]
        if self.files.pop(identity, None) is None:
            return _error(404, "no such file")
        return web.json_response({"id": identity, "object": "file", "deleted": True})

    # batches

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Begin a batch."""
        options, asked = self.options, await request.json()
        if options.without_batches:
            return _error(404, "no such route")
        lines = self.files.get(asked["input_file_id"], b"").splitlines()
        queued = sum(batch["request_counts"]["total"] for batch in self.batches.values() if batch["status"] in OPEN)
        if options.queue and queued + len(lines) > options.queue:
            return _error(429, "Enqueued request limit reached for this model. Please try again once some have ended.")
        identity = f"batch_{len(self.batches):05d}"
        now = time.time()
        batch = {
            "id": identity,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "completion_window": asked["completion_window"],
            "input_file_id": asked["input_file_id"],
            "status": "validating",
            "created_at": int(now),
            "expires_at": int(now) + WINDOW_S,
            "metadata": asked.get("metadata"),
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        self.batches[identity] = batch
        problems = [
            {"code": "invalid_request", "line": number, "message": problem, "param": None}
            for number, line in enumerate(lines, start=1)
            if (problem := self._problem(line))
        ]
        if problems:
            batch |= {"status": "failed", "failed_at": int(now), "errors": {"object": "list", "data": problems}}
        else:
            batch["status"] = "in_progress"
            batch["ready"] = now + options.seconds
            self.answers[identity] = asyncio.wrap_future(self.background.submit(_answer_all, lines))
        return await self._answer(request, "create", _shown(batch))

    async def retrieve(self, request: web.Request) -> web.Response:
        """Return a batch."""
        self.polls += 1
        batch = self.batches.get(request.match_info["batch"])
        if batch is None:
            return _error(404, "no such batch")
        await self._go_on(batch)
        return web.json_response(_shown(batch))

    async def list_batches(self, request: web.Request) -> web.Response:
        """List batches, newest first, a page at a time."""
        if self.options.without_batches:
            return _error(404, "no such route")
        newest = list(self.batches)[::-1]
        after, limit = request.query.get("after"), min(int(request.query.get("limit", 20)), self.options.page)
        start = newest.index(after) + 1 if after else 0
        page = newest[start : start + limit]
        for identity in page:
            await self._go_on(self.batches[identity])
        return web.json_response(
            {
                "object": "list",
                "data": [_shown(self.batches[identity]) for identity in page],
                "first_id": page[0] if page else None,
                "last_id": page[-1] if page else None,
                "has_more": start + limit < len(newest),
            }
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch before its time; what was done is kept and billed."""
        batch = self.batches[request.match_info["batch"]]
        if batch["status"] == "in_progress":
            await self._finish(batch, "cancelled", 0.5)
        return web.json_response(_shown(batch))

    async def chat(self, request: web.Request) -> web.Response:
        """Answer a call at once, at full price."""
        body = await request.json()
        self.live[json.dumps(body)] += 1
        return web.json_response(completion(body))

    async def books(self, request: web.Request) -> web.Response:
        """Return what was billed: batched requests by key, live ones in all."""
        statuses = Counter(batch["status"] for batch in self.batches.values())
        return web.json_response(
            {
                "billed": self.billed,
                "live": sum(self.live.values()),
                "batches": statuses,
                "files": len(self.files),
                "polls": self.polls,
            }
        )

    def _problem(self, line: bytes) -> str | None:
        """Return what is wrong with a line of a file of requests."""
        try:
            asked = json.loads(line)
        except ValueError:
            return "this line is not JSON"
        if set(asked) != {"custom_id", "method", "url", "body"} or asked["url"] != "/v1/chat/completions":
            return "expected custom_id, method, url and body"
        if len(asked["custom_id"]) > 64:
            return "custom_id is longer than 64 characters"
        word = self.options.bad_word
        return "the body holds what is not taken here" if word and word in json.dumps(asked["body"]) else None

    async def _go_on(self, batch: dict) -> None:
        """End a batch whose time has come."""
        if batch["status"] == "in_progress" and time.time() >= batch["ready"]:
            share = self.options.expire_share
            await self._finish(batch, "expired" if share else "completed", 1 - share)

    async def _finish(self, batch: dict, status: str, share: float) -> None:
        """Answer a share of a batch's requests, and write its output and error files."""
        options, now = self.options, int(time.time())
        output, errors = [], []
        answers = await self.answers[batch["id"]]
        if self.answers.pop(batch["id"], None) is None:
            return  # another request has been told so meanwhile
        done = round(share * len(answers))
        for key, answer in answers[:done]:
            row = {"id": f"batch_req_{now}", "custom_id": key}
            if options.error_share and self.draw.random() < options.error_share:
                response = {"status_code": 500, "request_id": "", "body": {"error": {"message": "told to fail"}}}
                errors.append(row | {"response": response, "error": None})
                continue
            self.billed[key] += 1
            response = {"status_code": 200, "request_id": "", "body": answer}
            output.append(row | {"response": response, "error": None})
        late = {"code": "batch_expired", "message": "not carried out before the batch ended"}
        errors += [{"id": "", "custom_id": key, "response": None, "error": late} for key, _ in answers[done:]]
        if options.untidy:
            self.draw.shuffle(output)
            output += output[: len(output) // 10]
        for name, rows in (("output_file_id", output), ("error_file_id", errors)):
            if rows:
                identity = f"file-{len(self.names):05d}"
                text = "".join(f"{json.dumps(row)}\n" for row in rows)
                cut = options.cut and name == "output_file_id"
                self.files[identity] = text.encode()[: len(text) // 2 if cut else None]
                self.names[identity] = f"{batch['id']}_{name}.jsonl"
                options.cut -= bool(cut)
                batch[name] = identity
        batch["status"], batch[f"{status}_at"] = status, now
        batch["request_counts"] |= {"completed": len(output), "failed": len(errors)}

    def _file(self, identity: str) -> dict:
        """Return what there is to say of a file."""
        return {
            "id": identity,
            "object": "file",
            "bytes": len(self.files[identity]),
            "created_at": 0,
            "filename": self.names[identity],
            "purpose": "batch",
            "status": "processed",
        }

    async def _answer(self, request: web.Request, what: str, content: dict) -> web.StreamResponse:
        """Return an answer, or close the connection in place of it."""
        if self.lost[what] > 0:
            self.lost[what] -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(content)


def _answer_all(lines: list[bytes]) -> list[tuple[str, dict]]:
    """Return key and completion of each line of a file of requests."""
    return [(asked["custom_id"], completion(asked["body"])) for asked in map(json.loads, lines)]


def _shown(batch: dict) -> dict:
    """Return a batch as it is told."""
    return {name: value for name, value in batch.items() if name != "ready"}


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a batch takes")
    parser.add_argument("--expire-share", type=float, default=0.0, help="share of requests not done when it ends")
    parser.add_argument("--error-share", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--lose-created", type=int, default=0, help="close so many connections in place of a batch")
    parser.add_argument("--lose-uploaded", type=int, default=0, help="close so many connections in place of a file")
    parser.add_argument("--untidy", action="store_true", help="results in any order, some of them twice")
    parser.add_argument("--cut", type=int, default=0, help="so many output files end in the middle")
    parser.add_argument("--break-off", type=int, default=0, help="so many downloads break off after two thirds")
    parser.add_argument("--queue", type=int, default=0, help="requests that may be queued; 0: any number")
    parser.add_argument("--page", type=int, default=20, help="batches a page of the list")
    parser.add_argument("--bad-word", default="", help="a file with this word in a body is rejected")
    parser.add_argument("--without-batches", action="store_true", help="it has none")
    parser.add_argument("--seed", type=int, default=0)
    provider = Provider(parser.parse_args())
    app = web.Application(client_max_size=512 * 1024**2)
    app.router.add_post("/v1/files", provider.upload)
    app.router.add_get("/v1/files", provider.list_files)
    app.router.add_get("/v1/files/{file}/content", provider.content)
    app.router.add_delete("/v1/files/{file}", provider.delete)
    app.router.add_post("/v1/batches", provider.create)
    app.router.add_get("/v1/batches", provider.list_batches)
    app.router.add_get("/v1/batches/{batch}", provider.retrieve)
    app.router.add_post("/v1/batches/{batch}/cancel", provider.cancel)
    app.router.add_post("/v1/chat/completions", provider.chat)
    app.router.add_get("/books", provider.books)
    await serve(app, provider.options.port)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
