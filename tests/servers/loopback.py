"""An OpenAI-compatible server on loopback, for tests and benchmarks: run it as a process of its own.

In: chat completions and embeddings. Out: deterministic content that depends on the body alone; it knows nothing of
the project. It prints its port, counts what it was sent (``GET /count``, ``GET /requests``), and can be slow or fail.

    python tests/servers/loopback.py --port 0 --latency 0.2 --fail-first 3
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
from collections import Counter

from aiohttp import web

WORDS = tuple(
    re.findall(
        r"\w+",
        "careful plain friend letter market garden record answer morning quiet teacher budget engine window report "
        "winter harbour recipe meeting doctor ticket bridge river lesson",
    )
)


class Desk:
    """What the server has been sent, and how it is told to behave."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.bodies: Counter[str] = Counter()
        self.total = self.failed = self.in_flight = self.most_in_flight = 0

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        body = await request.read()
        self.total += 1
        digest = hashlib.sha256(body).hexdigest()
        self.bodies[digest] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.options.latency:
                await asyncio.sleep(self.options.latency)
            if self.failed < self.options.fail_first:
                self.failed += 1
                return _error(self.options.fail_status, {"Retry-After": self.options.retry_after})
            found = json.loads(body)
            if self.options.refuse_word and self.options.refuse_word in body.decode():
                return _error(400, {})
            nth = self.bodies[digest] if self.options.vary else 1
            reply = embeddings(found) if request.path.endswith("/embeddings") else completion(found, nth)
            return web.Response(body=json.dumps(reply).encode(), content_type="application/json")
        finally:
            self.in_flight -= 1

    async def count(self, request: web.Request) -> web.Response:
        """Say how often each body was sent, by its SHA-256."""
        return web.json_response(self.bodies)

    async def requests(self, request: web.Request) -> web.Response:
        """Say how many requests came, how many distinct bodies, and how many were in flight at most."""
        return web.json_response(
            {"total": self.total, "distinct": len(self.bodies), "most_in_flight": self.most_in_flight}
        )


def _error(status: int, headers: dict) -> web.Response:
    return web.json_response({"error": {"message": f"told to fail ({status})"}}, status=status, headers=headers)


def completion(body: dict, nth: int = 1) -> dict:
    """Return a chat completion whose content depends on the body, and on which time of asking it is, alone."""
    text = json.dumps(body["messages"])
    draw = random.Random(hashlib.sha256(json.dumps(body).encode() + b" again" * (nth - 1)).digest())
    wanted = (body.get("response_format") or {}).get("json_schema")
    schema = wanted["schema"] if wanted else _schema_in(body["messages"][-1]["content"])
    if schema is not None:
        content = json.dumps(fill(schema, schema.get("$defs", {}), draw))
    elif "one letter" in text:
        content = draw.choice("AB")
    elif re.search(r"number from 1 to 7", text):
        content = str(draw.randint(1, 7))
    else:
        content = sentence(draw, 60)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    if body.get("logprobs"):
        both = [{"token": token, "logprob": value} for token, value in (("A", -0.3), ("B", -1.4))]
        choice["logprobs"] = {"content": [{"token": content[:1], "logprob": -0.3, "top_logprobs": both}]}
    sent, received = len(text) // 4, len(content) // 4
    return {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received},
    }


def _schema_in(text: str) -> dict | None:
    """Return the JSON schema at the end of a message that asks for JSON, if there is one."""
    if "JSON" not in text:
        return None
    for start in (match.start() for match in re.finditer(r"^\{", text, re.MULTILINE)):
        with contextlib.suppress(json.JSONDecodeError):
            found = json.loads(text[start:])
            return found if "properties" in found else None
    return None


def fill(schema: dict, definitions: dict, draw: random.Random):
    """Return content that fits a JSON schema."""
    if "$ref" in schema:
        return fill(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions, draw)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if "anyOf" in schema:
        return fill(schema["anyOf"][0], definitions, draw)
    kind = schema.get("type")
    if kind == "object":
        return {name: fill(part, definitions, draw) for name, part in schema["properties"].items()}
    if kind == "array":
        count = schema.get("minItems") or min(schema.get("maxItems", 3), 3)
        return [fill(schema["items"], definitions, draw) for _ in range(count)]
    if kind == "integer":
        return draw.randint(schema.get("minimum", 0), schema.get("maximum", 10))
    if kind == "number":
        return draw.uniform(schema.get("minimum", 0), schema.get("maximum", 1))
    if kind == "boolean":
        return draw.random() < 0.9
    return sentence(draw, 14)


def sentence(draw: random.Random, words: int) -> str:
    """Return so many words, in sentences."""
    chosen = [draw.choice(WORDS) for _ in range(words)]
    return " ".join(word.capitalize() if i % 12 == 0 else word for i, word in enumerate(chosen)) + "."


def embeddings(body: dict) -> dict:
    """Return vectors of eight numbers that depend on the text alone."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]] for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


async def serve(app: web.Application, port: int, **options: float) -> None:
    """Answer on a port of this machine for ever, and print it; 0: a free one."""
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fail-first", type=int, default=0, help="fail so many calls, then work")
    parser.add_argument("--fail-status", type=int, default=429)
    parser.add_argument("--retry-after", default="0.2", help="value of the header on a failure")
    parser.add_argument("--vary", action="store_true", help="answer the same body differently each time")
    parser.add_argument("--refuse-word", default="", help="answer 400 to every body that holds it")
    options = parser.parse_args()
    desk = Desk(options)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/chat/completions", desk.serve)
    app.router.add_post("/v1/embeddings", desk.serve)
    app.router.add_get("/count", desk.count)
    app.router.add_get("/requests", desk.requests)
    await serve(app, options.port)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
