"""Anthropic's message batches, behind the functions that ``batches`` asks of whoever carries batches out.

In: lines in OpenAI's form, which the call keys are hashes of. Out: results in that form, read like any other. Its
interface keeps nothing of ours beside a batch, so one whose creation was not answered is looked for by when it was made
and how many requests it has, and is known for ours once its results, which hold our keys, are there.
"""

import json
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from conflictscope.models.batch_providers import Handed, OnlyOurs, QueueFull, Told
from conflictscope.models.client import read_key, status_error
from conflictscope.models.registry import Model
from conflictscope.models.wire import Wire

VERSION = "2023-06-01"
_PATH = "/messages/batches"
# the interface requires a limit; what the study or the model's entry says goes before this one
_MOST_TOKENS = 4096
_AS_THEY_ARE = ("temperature", "top_p", "top_k", "thinking", "stop_sequences", "output_config", "service_tier")
_LIMITS = ("max_tokens", "max_completion_tokens")
# a clock may be wrong, and a batch that is not ours is let go of in the end
_TOLERANCE_S = 3600
_STATUSES = {"invalid_request_error": 400, "authentication_error": 401, "permission_error": 403, "not_found_error": 404}


class AnthropicBatches:
    """Message batches at an endpoint.

    Raises
    ------
    ValueError
        If the model's entry has options that the interface does not know, or its key is not set.
    """

    def __init__(self, model: Model):
        allowed = (*_AS_THEY_ARE, "stop", *_LIMITS)
        if unknown := sorted(set(model.options) - set(allowed)):
            raise ValueError(
                f"model {model.name!r}: options {unknown} have no place in Anthropic's batches; expected some of "
                f"{sorted(allowed)}. Take them out of its entry, or set batch: false to ask it live."
            )
        key = read_key(model)
        headers = {"anthropic-version": VERSION} | ({} if key is None else {"x-api-key": key})
        self._url = f"{model.base_url.rstrip('/')}{_PATH}"
        self._http = httpx2.AsyncClient(
            transport=OnlyOurs(Wire(model.base_url), headers), timeout=None, follow_redirects=False, trust_env=False
        )

    async def create(self, number: str, lines: Sequence[bytes]) -> str:
        """Begin a batch."""
        requests = [
            {"custom_id": line["custom_id"], "params": _as_message(line["body"])} for line in map(json.loads, lines)
        ]
        try:
            created, _ = await self._ask("POST", "", {"requests": requests})
        except openai.RateLimitError as full:
            raise QueueFull(str(full)) from None
        return str(created["id"])

    async def find(self, batch: Handed, known: Collection[str]) -> str | None:
        """Return the oldest batch that may be this one: of as many requests, made since then, and not known."""
        after, candidate = "", None
        while True:
            page, now = await self._ask("GET", f"?limit=100{after}")
            # by the clock of the endpoint, which says when a batch was made
            since = batch.created + now - _TOLERANCE_S
            for one in page["data"]:
                made = datetime.fromisoformat(one["created_at"]).timestamp()
                if made >= since and one["id"] not in known and sum(one["request_counts"].values()) == batch.calls:
                    candidate = str(one["id"])
            if not page.get("has_more") or not page["data"] or made < since:
                return candidate
            after = f"&after_id={page['last_id']}"

    async def check(self, batch_id: str) -> Told:
        """Ask how a batch is."""
        batch, _ = await self._ask("GET", f"/{batch_id}")
        ended = batch["processing_status"] == "ended"
        return Told(ended, (batch_id,), sum(batch["request_counts"].values()) if ended else 0, may_be_anothers=True)

    async def cancel(self, batch_id: str) -> None:
        """Cancel a batch; one that has just ended is not."""
        try:
            await self._ask("POST", f"/{batch_id}/cancel")
        except (openai.ConflictError, openai.BadRequestError):
            return

    async def results(self, state: Told) -> AsyncIterator[bytes]:
        """Download results as they come, in OpenAI's form."""
        async with self._http.stream("GET", f"{self._url}/{state.files[0]}/results") as response:
            if not response.is_success:
                raise status_error(response, await response.aread())
            async for line in response.aiter_lines():
                yield _as_completion_line(line)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, content: object = None) -> tuple[Any, float]:
        """Return what the endpoint answers, and by how many seconds its clock is ahead of ours."""
        request = self._http.build_request(method, self._url + path, json=content)
        try:
            response = await self._http.send(request)
        except httpx2.HTTPError as problem:
            raise openai.APIConnectionError(request=request) from problem
        if not response.is_success:
            raise status_error(response, response.content)
        try:
            ahead = parsedate_to_datetime(response.headers["date"]).timestamp() - time.time()
        except (KeyError, ValueError):
            ahead = 0.0
        return response.json(), ahead


def _as_message(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat completion's body in the form of Anthropic's messages."""
    system = "\n\n".join(one["content"] for one in body["messages"] if one["role"] == "system")
    limit = next((body[name] for name in _LIMITS if name in body), _MOST_TOKENS)
    asked = {
        "model": body["model"],
        "max_tokens": limit,
        "messages": [one for one in body["messages"] if one["role"] != "system"],
        **{name: body[name] for name in _AS_THEY_ARE if name in body},
    }
    if system:
        asked["system"] = system
    if "stop" in body:
        asked["stop_sequences"] = [body["stop"]] if isinstance(body["stop"], str) else body["stop"]
    if "response_format" in body:
        form = {"type": "json_schema", "schema": body["response_format"]["json_schema"]["schema"]}
        asked["output_config"] = asked.get("output_config", {}) | {"format": form}
    return asked


def _as_completion_line(text: str) -> bytes:
    """Return a line of results in OpenAI's form; one that is not whole stays as it is."""
    try:
        line = json.loads(text)
        result, answer = line["result"], None
        if result["type"] == "succeeded":
            answer = {"status_code": 200, "body": _as_completion(result["message"])}
        elif result["type"] == "errored":
            error = result["error"]["error"]
            answer = {"status_code": _STATUSES.get(error["type"], 500), "body": {"error": error}}
        return json.dumps({"custom_id": line["custom_id"], "response": answer, "error": None}).encode()
    except (ValueError, KeyError, TypeError):
        return text.encode()


def _as_completion(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as the chat completion that would say the same."""
    usage = message.get("usage") or {}
    sent = [usage.get(f"{name}input_tokens") or 0 for name in ("", "cache_creation_", "cache_read_")]
    return {
        "model": message.get("model"),
        "choices": [{"finish_reason": message.get("stop_reason"), "message": {"content": message.get("content")}}],
        "usage": {
            "prompt_tokens": sum(sent),
            "completion_tokens": usage.get("output_tokens"),
            "prompt_tokens_details": {"cached_tokens": sent[2]},
        },
    }
