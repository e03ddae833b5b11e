"""Who carries out batches: an endpoint with OpenAI's files and batches, or a folder for an engine that is run by hand.

In: lines of requests, in OpenAI's form. Out: what has become of a batch, and the lines of its results, in any order.
``message_batches`` does the same for Anthropic's interface.
"""

import hashlib
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
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str):
        return None
    return row["custom_id"], row.get("response"), row.get("error")
