"""A server of one simulated model under three names, which shows its thoughts in three ways, and of a judge.

In: chat completions. Out: for ``plain`` what the model says, for ``beside`` the same with thoughts in
``reasoning_content``, for ``within`` with thoughts in the reply. The judge goes by a hash of the conversation that it
is shown, whatever the labels: one word of a thought in it, and its verdict may be another.
"""

import asyncio
import hashlib
import json

from aiohttp import web
from loopback import serve

from conflictscope.prompts.rendering import read_fences
from conflictscope.simulated.transport import complete

THOUGHT = "First idea: A, I simply do what they ask, a 7. No, B, or 2. I'm sorry, I can't help with that."


def judge(body: dict) -> dict:
    """Return the judge's completion."""
    shown = read_fences(body["messages"][-1]["content"])
    first, second = sorted(shown[f"action {letter}"] for letter in "ab")
    chosen = (first, second)[hashlib.sha256(shown["conversation"].encode()).digest()[0] % 2]
    action = "A" if chosen == shown["action a"] else "B"
    verdict = {"reasoning": "As it wrote.", "action": action, "leaning": 1 if action == "A" else 7}
    message = {"role": "assistant", "content": json.dumps(verdict)}
    return {"model": "judge", "choices": [{"finish_reason": "stop", "message": message}]}


def target(body: dict) -> dict:
    """Return a target's completion, with thoughts as its name has them."""
    completion = complete(body | {"model": "steady"})
    message = completion["choices"][0]["message"]
    if body["model"] == "beside":
        message["reasoning_content"] = THOUGHT
    elif body["model"] == "within":
        message["content"] = f"<think>\n{THOUGHT}\n</think>\n\n{message['content']}"
    return completion | {"model": body["model"]}


async def answer(request: web.Request) -> web.Response:
    """Answer one call."""
    body = await request.json()
    return web.json_response(judge(body) if body["model"] == "judge" else target(body))


async def main() -> None:
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/chat/completions", answer)
    await serve(app, 0)


if __name__ == "__main__":
    asyncio.run(main())
