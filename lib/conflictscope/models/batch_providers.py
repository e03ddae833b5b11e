"""Who carries out batches: an endpoint with OpenAI's files and batches, one with Anthropic's, or a folder.

In: lines of requests, in OpenAI's form, which the call keys are hashes of. Out: what has become of a batch, and the
lines of its results in that form, in any order. A folder is for an engine that is run by hand. Anthropic's interface
keeps nothing of ours beside a batch, so one whose creation was not answered is looked for by when it was made and how
many requests it has, and is known for ours once its results, which hold our keys, are there.
"""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx2
import openai
from pydantic_core import from_json

from conflictscope.files import refuse_link, unwritten, write_atomically
from conflictscope.models.client import read_key, status_error
from conflictscope.models.registry import Model
from conflictscope.models.wire import Wire

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MARK = "conflictscope"
_REQUESTS = ".requests.jsonl"
_WINDOW: Literal["24h"] = "24h"
_TOO_MUCH_QUEUED = ("token_limit_exceeded", "request_limit_exceeded")
_ENDED = ("completed", "expired", "cancelled", "failed")


@dataclass(frozen=True)
class Handed:
    """A batch as the call store knows it.

    Parameters
    ----------
    number : str
        Ours, in hexadecimal; the endpoint keeps it beside the batch.
    batch_id : str or None
        The endpoint's; None until its answer has been stored.
    created : float
        Seconds since 1970 at which it was recorded.
    calls : int
        How many calls it holds.
    """

    number: str
    batch_id: str | None
    created: float
    calls: int


@dataclass(frozen=True)
class Told:
    """What a provider tells of a batch.

    Parameters
    ----------
    ended : bool
        Whether nothing more of it will be answered.
    files : tuple of str
        Ids of the files that hold results and errors.
    answered : int
        How many results there should be.
    problems : mapping of int to str
        Line, counted from 1, → why the batch was rejected for it; 0: the batch as a whole.
    later : bool
        Whether it was rejected because too much is queued already.
    may_be_anothers : bool
        Whether it is somebody else's if no key of ours is in its results: the provider keeps nothing of ours beside it.
    note : str
        What whoever waits for it is to be told.
    """

    ended: bool
    files: tuple[str, ...] = ()
    answered: int = 0
    problems: Mapping[int, str] = field(default_factory=dict)
    later: bool = False
    may_be_anothers: bool = False
    note: str = ""


class QueueFull(RuntimeError):
    """The provider takes no more for now: what is queued has to end first."""


class Provider(Protocol):
    """Whoever carries out batches."""

    async def create(self, number: str, lines: Sequence[bytes]) -> str:
        """Hand lines over under a number; return the provider's id."""

    async def find(self, batch: Handed, known: Collection[str]) -> str | None:
        """Return the id of what was handed over as a batch; None if there is nothing, or only what is known."""

    async def check(self, batch_id: str) -> Told:
        """Return what there is to tell of a batch."""

    async def cancel(self, batch_id: str) -> None:
        """End a batch before its time; what was answered stays."""

    def results(self, state: Told) -> AsyncIterator[bytes]:
        """Return the lines of a batch's results and errors."""

    async def close(self) -> None:
        """Let go of connections."""


class OpenAIBatches:
    """Batches at an endpoint, by the ``openai`` package's own client."""

    def __init__(self, model: Model):
        key = read_key(model)
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=model.base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                transport=OnlyOurs(Wire(model.base_url), {} if key is None else {"Authorization": f"Bearer {key}"}),
                follow_redirects=False,
                trust_env=False,
            ),
        )

    async def create(self, number: str, lines: Sequence[bytes]) -> str:
        """Upload lines as a file, and begin a batch."""
        file = await self._client.files.create(file=(f"{_MARK}-{number}.jsonl", b"".join(lines)), purpose="batch")
        try:
            batch = await self._client.batches.create(
                input_file_id=file.id, endpoint=URL, completion_window=_WINDOW, metadata={_MARK: number}
            )
        except openai.RateLimitError as full:
            raise QueueFull(str(full)) from None
        return batch.id

    async def find(self, batch: Handed, known: Collection[str]) -> str | None:
        """Look through the endpoint's list of batches."""
        async for one in self._client.batches.list(limit=100):
            if (one.metadata or {}).get(_MARK) == batch.number and one.status != "failed":
                return one.id
        return None

    async def check(self, batch_id: str) -> Told:
        """Ask how a batch is."""
        batch = await self._client.batches.retrieve(batch_id)
        problems = {}
        if batch.status == "failed":
            errors = (batch.errors.data if batch.errors else None) or []
            problems = {error.line or 0: error.message or error.code or "no reason given" for error in errors}
            problems = problems or {0: "no reason given"}
            if any(error.code in _TOO_MUCH_QUEUED for error in errors):
                return Told(True, later=True)
        files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
        counts = batch.request_counts
        answered = counts.completed + counts.failed if counts and files else 0
        return Told(batch.status in _ENDED, files, answered, problems)

    async def cancel(self, batch_id: str) -> None:
        """Cancel a batch; one that has just ended is not."""
        try:
            await self._client.batches.cancel(batch_id)
        except (openai.ConflictError, openai.BadRequestError):
            return

    async def results(self, state: Told) -> AsyncIterator[bytes]:
        """Download the files as they come."""
        for file in state.files:
            async with self._client.files.with_streaming_response.content(file) as response:
                rest = b""
                async for chunk in response.iter_bytes():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        yield line
                if rest:
                    yield rest

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class Folder:
    """Batches as files in a folder, for an engine that is run by hand.

    ``<number>.requests.jsonl`` is written; results are taken from every other ``.jsonl`` there, in any order. Files of
    requests stay: they say which results belong here.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._looked_at: dict[str, tuple[object, Told]] = {}

    async def create(self, number: str, lines: Sequence[bytes]) -> str:
        """Write the file of requests; the id holds its hash, by which it is known if it is changed."""
        path, content = refuse_link(self._requests(number)), b"".join(lines)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda temporary: Path(temporary).write_bytes(content))
        except OSError as problem:
            raise unwritten(path, problem) from problem
        return f"{number}-{hashlib.sha256(content).hexdigest()}"

    async def find(self, batch: Handed, known: Collection[str]) -> str | None:
        """Look whether the file of requests is there."""
        path = self._requests(batch.number)
        return f"{batch.number}-{hashlib.sha256(path.read_bytes()).hexdigest()}" if path.exists() else None

    async def check(self, batch_id: str) -> Told:
        """Return whether there is a result for every request, or ``<number>.ended`` says that no more will come.

        Raises
        ------
        ValueError
            If the file of requests is not as it was written, or a file holds results that no request here asks for.
        """
        number, _, digest = batch_id.partition("-")
        path = self._requests(number)
        files = sorted(self._folder.glob("*.jsonl"))
        state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files], self._is_ended(number)
        if number in self._looked_at and self._looked_at[number][0] == state:
            return self._looked_at[number][1]
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ValueError(
                f"{path}: this file of requests {'was changed' if path.exists() else 'is gone'} since it was written, "
                "so that results may answer something else than was asked. Put it back as it was, with results that "
                "were made from it, and run the same command again."
            )
        by_file = {
            file: {key for _, key in _keys_in(file) if key is not None} for file in files if self._is_requests(file)
        }
        asked_here = {key for keys in by_file.values() for key in keys}
        missing, notes = set(by_file[path]), list[str]()
        for file in (file for file in files if not self._is_requests(file)):
            unread = []
            for line, key in _keys_in(file):
                if key is None:
                    unread.append(line)
                elif key not in asked_here:
                    raise ValueError(
                        f"{file}, line {line}: a result for {key!r}, which no file of requests in this folder asks "
                        "for. It belongs to another study, or the file of requests is gone: move it elsewhere, or put "
                        "that file back, and run the same command again. Nothing of this folder was read."
                    )
                missing.discard(key)
            if unread:
                notes.append(f"{file}: line {unread[0]} is no whole result ({len(unread):,} such lines).")
        ended = not missing or self._is_ended(number)
        note = f"{path}: {len(missing):,} of {len(by_file[path]):,} requests have no result yet."
        ended_with = Told(ended, note="" if ended else " ".join([note, *notes]))
        self._looked_at[number] = state, ended_with
        return ended_with

    async def cancel(self, batch_id: str) -> None:
        """Take it as ended."""
        (self._folder / f"{batch_id.partition('-')[0]}.ended").touch()

    async def results(self, state: Told) -> AsyncIterator[bytes]:
        """Read all files of results."""
        for path in sorted(self._folder.glob("*.jsonl")):
            if not self._is_requests(path):
                with path.open("rb") as lines:
                    for line in lines:
                        yield line

    async def close(self) -> None:
        """Nothing is open."""

    def _requests(self, number: str) -> Path:
        """Return the file of requests of a batch."""
        return self._folder / f"{number}{_REQUESTS}"

    def _is_requests(self, path: Path) -> bool:
        """Return whether a file is one of requests."""
        return path.name.endswith(_REQUESTS)

    def _is_ended(self, number: str) -> bool:
        """Return whether no more results of a batch will come."""
        return (self._folder / f"{number}.ended").exists()


def _keys_in(path: Path) -> Iterator[tuple[int, str | None]]:
    """Return the number of each line of a file with its key; None if the line is not whole."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            read = read_line(line)
            yield number, None if read is None else read[0]


class OnlyOurs(httpx2.AsyncBaseTransport):
    """Sends what the file of models says, and nothing that the environment adds."""

    def __init__(self, wire: Wire, headers: Mapping[str, str]):
        self._wire = wire
        self._headers = {"User-Agent": _MARK, "Accept-Encoding": "gzip", **headers}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request with headers of ours."""
        kept = {name: request.headers[name] for name in ("content-type", "accept") if name in request.headers}
        content = await request.aread()
        ours = httpx2.Request(request.method, request.url, headers=kept | self._headers, content=content or None)
        return await self._wire.handle_async_request(ours)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()


def read_line(text: bytes) -> tuple[str, Any, Any] | None:
    """Return key, response and error of a line of results; None if it is none."""
    try:
        row = _read_json(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str):
        return None
    return row["custom_id"], row.get("response"), row.get("error")


def _read_json(text: bytes) -> Any:
    """Return what JSON holds, from the parser that is twice as fast unless it refuses it: halves of characters, say."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


_ANTHROPIC_VERSION = "2023-06-01"
_MESSAGE_BATCHES = "/messages/batches"
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
        headers = {"anthropic-version": _ANTHROPIC_VERSION} | ({} if key is None else {"x-api-key": key})
        self._url = f"{model.base_url.rstrip('/')}{_MESSAGE_BATCHES}"
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
