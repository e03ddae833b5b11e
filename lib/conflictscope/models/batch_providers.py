"""Who carries out batches: an endpoint with OpenAI's files and batches, or a folder for an engine that is run by hand.

In: lines of requests, in OpenAI's form. Out: what has become of a batch, and the lines of its results, in any order.
``message_batches`` does the same for Anthropic's interface.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx2
import openai

from conflictscope.files import refuse_link, unwritten, write_atomically
from conflictscope.models.client import read_key
from conflictscope.models.registry import Model
from conflictscope.models.wire import Wire

URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MARK = "conflictscope"
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
    """

    ended: bool
    files: tuple[str, ...] = ()
    answered: int = 0
    problems: Mapping[int, str] = field(default_factory=dict)
    later: bool = False
    may_be_anothers: bool = False


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

    def results(self, told: Told) -> AsyncIterator[bytes]:
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

    async def results(self, told: Told) -> AsyncIterator[bytes]:
        """Download the files as they come."""
        for file in told.files:
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

    ``<number>.requests.jsonl`` is written; results are taken from every other ``.jsonl`` there, in any order.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    async def create(self, number: str, lines: Sequence[bytes]) -> str:
        """Write the file of requests."""
        path = refuse_link(self._folder / f"{number}.requests.jsonl")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda temporary: Path(temporary).write_bytes(b"".join(lines)))
        except OSError as problem:
            raise unwritten(path, problem) from problem
        return number

    async def find(self, batch: Handed, known: Collection[str]) -> str | None:
        """Look whether the file of requests is there."""
        return batch.number if (self._folder / f"{batch.number}.requests.jsonl").exists() else None

    async def check(self, batch_id: str) -> Told:
        """Return whether there is a result for every request, or ``<number>.ended`` says that no more will come."""
        asked = {name for name, _, _ in filter(None, map(read_line, self._lines(f"{batch_id}.requests.jsonl")))}
        answered = {name for line in self._answers() if (read := read_line(line)) for name in [read[0]]}
        return Told(asked <= answered or (self._folder / f"{batch_id}.ended").exists())

    async def cancel(self, batch_id: str) -> None:
        """Take it as ended."""
        (self._folder / f"{batch_id}.ended").touch()

    async def results(self, told: Told) -> AsyncIterator[bytes]:
        """Read all files of results."""
        for line in self._answers():
            yield line

    async def close(self) -> None:
        """Nothing is open."""

    def _answers(self) -> Iterator[bytes]:
        """Return the lines of all files of results."""
        for path in sorted(self._folder.glob("*.jsonl")):
            if not path.name.endswith(".requests.jsonl"):
                yield from self._lines(path.name)

    def _lines(self, name: str) -> Iterator[bytes]:
        """Return the lines of a file."""
        with (self._folder / name).open("rb") as file:
            yield from file


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
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str):
        return None
    return row["custom_id"], row.get("response"), row.get("error")
