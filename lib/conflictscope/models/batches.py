"""Batches: calls handed over in files and collected later, at half the price.

In: calls without a reply. Out: their replies, in the call store. What is to be handed over is recorded before it is,
and the endpoint keeps the record's number beside the batch; on every start the two are compared. So whenever a process
is killed, nothing is paid twice, and no batch that was paid for is left behind. A batch folder takes the place of the
endpoint for an engine that reads and writes such files itself (``vllm run-batch``).
"""

import asyncio
import json
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import openai
import sqlalchemy as sa

from conflictscope.models.batch_providers import (
    URL,
    AnthropicBatches,
    Folder,
    Handed,
    OpenAIBatches,
    Provider,
    QueueFull,
    Told,
    read_line,
)
from conflictscope.models.client import hide_key, read_key
from conflictscope.models.patience import is_transient
from conflictscope.models.records import (
    BATCH_KEYS,
    BATCH_LINES,
    BATCHES,
    NOTHING,
    Answered,
    Attempts,
    BatchedCall,
    Usage,
    as_parameter,
    find_answered,
    read_batch_calls,
    record_batch_calls,
    select_by_key,
    within_limit,
)
from conflictscope.models.registry import Model
from conflictscope.models.requests import Call, RawReply, read_block, read_completion, read_limit
from conflictscope.models.spending import Budget
from conflictscope.models.store import CallStore, is_gone

ROUNDS = 3
"""How often a call is handed over whose batch ended without an answer to it."""
MOST_CALLS, MOST_BYTES = 50_000, 100_000_000
"""Of one file; providers allow 50,000 and 200 MB."""
_PATIENCE_S = (1, 2, 5, 10, 30)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_STORED_AT_ONCE = 10_000
# of batches: an upload or a download waits for the endpoint, while others are written or read here
_AT_ONCE = 2
_LIST_LAG_S = 5.0
_CLAIMED_S = 7200

_Jobs = AsyncGenerator[Coroutine[Any, Any, None], None]


class BatchesPending(RuntimeError):
    """Batches are with the endpoint; the message says how many, and how to come back for them."""


class Batches:
    """The batches of one model on one call store.

    Parameters
    ----------
    model : Model
        One that is asked in batches.
    store : CallStore
    budget : Budget
        Held against what is handed over.

    Raises
    ------
    ValueError
        If it is a simulated model, or its key is not set.
    """

    def __init__(self, model: Model, store: CallStore, budget: Budget):
        self.loop = asyncio.get_running_loop()
        self._model, self._store, self._budget = model, store, budget
        if model.simulated:
            raise ValueError(f"model {model.name!r} is simulated and has no batches; take batch out of its entry.")
        self._key = read_key(model)
        self._provider = _provider_of(model)
        self._turn, self._collecting = asyncio.Lock(), asyncio.Lock()
        self._notes: dict[str, str] = {}
        self._looked_at: set[str] = set()
        self._not_it: defaultdict[str, set[str]] = defaultdict(set)
        self._brought: dict[str, RawReply] = {}
        self.failed: dict[str, str] = {}
        """Key → why no batch can answer it."""

    async def fill(self, calls: Sequence[Call]) -> dict[str, RawReply]:
        """Have batches bring the replies to calls into the store, as far as they can.

        What no batch can answer is in ``failed`` afterwards; what was left to be asked live is neither there nor in the
        store.

        Returns
        -------
        dict of str to RawReply
            Key → reply, of what this process has collected; others may have collected more.

        Raises
        ------
        BatchesPending
            If they are not done after ``minutes_to_wait``.
        BudgetReached
            If what is left of the budget may not cover the next call.
        ConnectionError
            If the endpoint has no batches, or does not take these.
        """
        # of a list before it nobody waits for anything any more, or looks in the store
        self._brought = {}
        wanted, tries, too_old = {call.key: call for call in calls}, Counter[str](), list[str]()
        self.failed = {key: problem for key, problem in self.failed.items() if key not in wanted}
        while True:
            async with self._turn:
                await self._compare()
                await self._refresh()
                missing = await self._missing(wanted)
                await _side_by_side(self._hand_over(missing, tries, wanted, too_old))
            self.failed |= {call.key: f"no answer in {ROUNDS} batches" for call in missing if tries[call.key] >= ROUNDS}
            await self._wait(wanted, too_old)
            if too_old or not await self._missing(wanted):
                brought, self._brought = self._brought, {}
                return brought

    async def close(self) -> None:
        """Let go of connections."""
        await self._provider.close()

    async def _missing(self, wanted: Mapping[str, Call]) -> list[Call]:
        """Return the calls that have neither reply nor problem, and are in no open batch."""
        left = [key for key in wanted if key not in self.failed and key not in self._brought]
        taken = await self._store.apply(lambda connection: _taken(connection, left))
        return [wanted[key] for key in left if key not in taken]

    async def _compare(self) -> None:
        """Find at the endpoint what was to be handed over and may have been; hand over what was not."""
        for seen in await self._open():
            if seen.batch_id is None and (batch := await self._claim(seen)) is not None:
                batch_id = batch.batch_id
                for seconds in (0.0, _LIST_LAG_S):
                    await asyncio.sleep(seconds)
                    known = self._not_it[batch.number] | await self._store.apply(_closed_ids)
                    batch_id = batch_id or await self._ask(partial(self._provider.find, batch, known))
                if batch_id is None:
                    await self._send(batch, await self._calls_of(batch))
                else:
                    await self._set_id(batch, batch_id)

    async def _claim(self, batch: Handed) -> Handed | None:
        """Return a batch as it is now if no other process hands it over or collects it; from now on this one does."""
        return await self._store.apply(lambda connection: _claim(connection, batch.number, self._store.holder))

    async def _set_id(self, batch: Handed, batch_id: str | None) -> None:
        """Record the endpoint's id of a batch, and let go of it."""
        await self._store.apply(lambda connection: _set_id(connection, batch.number, batch_id))

    async def _open(self) -> list[Handed]:
        """Return the model's open batches."""
        return await self._store.apply(lambda connection: _open_batches(connection, self._model.name))

    async def _hand_over(
        self, calls: Sequence[Call], tries: Counter[str], wanted: Mapping[str, Call], too_old: list[str]
    ) -> _Jobs:
        """Record calls that were not tried too often, in batches of as many as the budget covers; hand each one over.

        Yields
        ------
        coroutine
            Hands over a batch that is recorded, or looks at one that was: the first may be done before the last is
            handed over.
        """
        handed, next_look = list[str](), time.monotonic() + _FIRST_PAUSE_S
        for some in _files([call for call in calls if tries[call.key] < ROUNDS], self._model.batch_size):
            affordable, expected = self._affordable(some)
            tries.update(call.key for call in affordable)
            batch = Handed(uuid.uuid4().hex, None, time.time(), len(affordable))
            about = {
                "number": batch.number,
                "model": self._model.name,
                "created": batch.created,
                "input_tokens": expected.input_tokens,
                "output_tokens": expected.output_tokens,
                "open": True,
                **_lease(self._store.holder),
            }
            recorded = await self._store.apply(partial(_record, about=about, calls=affordable))
            await self._refresh()
            if recorded:
                yield self._send(batch, recorded)
                handed.append(batch.number)
            if time.monotonic() >= next_look:
                async for look in self._look_at_those(handed, wanted, too_old):
                    yield look
                next_look = time.monotonic() + _FIRST_PAUSE_S

    def _affordable(self, calls: Sequence[Call]) -> tuple[Sequence[Call], Usage]:
        """Return as many of the calls, from the first on, as the budget covers, and what they may use."""
        budget, sum_ = self._budget, NOTHING
        for count, call in enumerate(calls):
            more = sum_ + budget.expect(self._model, call.request.prompt, len(call.canonical), call.max_tokens)
            if not budget.covers_batch(self._model, more):
                if count == 0:
                    raise budget.refuse(self._model, more)
                return calls[:count], sum_
            sum_ = more
        return calls, sum_

    async def _calls_of(self, batch: Handed) -> list[BatchedCall]:
        """Return the calls of a recorded batch, in the order of its lines."""
        return await self._store.apply(lambda connection: read_batch_calls(connection, batch.number))

    async def _send(self, batch: Handed, calls: Sequence[BatchedCall]) -> None:
        """Hand a recorded batch over; if the provider's queue is full it stays recorded, for later."""
        lines = [_line(call) for call in calls]
        try:
            batch_id = await self._ask(lambda: self._provider.create(batch.number, lines), once=True)
        except (QueueFull, openai.APIConnectionError):
            # later; what was lost on the way may have come, which the next comparison finds
            batch_id = None
        except OSError:
            # it was not taken, for good: nothing of it is left behind
            await self._store.apply(lambda connection: _close(connection, batch.number))
            raise
        await self._set_id(batch, batch_id)

    async def _wait(self, wanted: Mapping[str, Call], too_old: list[str]) -> None:
        """Wait until no open batch holds a wanted call; note those that are too old."""
        began, pause = time.monotonic(), _FIRST_PAUSE_S
        held = await self._store.apply(lambda connection: _held_by_batches(connection, wanted))
        while True:
            async with self._turn:
                await self._compare()
                await _side_by_side(self._look_at_those(held, wanted, too_old))
                waiting = [batch for batch in await self._open() if batch.number in held]
            await self._refresh()
            if not waiting:
                return
            if time.monotonic() - began >= 60 * self._model.minutes_to_wait:
                calls, hours = sum(held[batch.number] for batch in waiting), (time.time() - waiting[0].created) / 3600
                many = "1 batch is" if len(waiting) == 1 else f"{len(waiting)} batches are"
                notes = [note for batch in waiting if (note := self._notes.get(batch.number))]
                raise BatchesPending(
                    f"model {self._model.name!r}: {many} with {self._place}, with {calls:,} calls of this step, the "
                    f"oldest since {hours:.1f} h. "
                    + "".join(f"{note} " for note in notes)
                    + "Give the same command again later, within a day as a rule: it collects what is done, and "
                    "nothing is asked twice."
                )
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE_S)

    async def _refresh(self) -> None:
        """Hold the budget against what is in open batches now."""
        sums = await self._store.apply(lambda connection: _expected(connection, self._model.name))
        self._budget.in_batches[self._model.name] = sums

    @property
    def _place(self) -> str:
        """Where the batches are."""
        return self._model.batch_folder or self._model.base_url

    async def _look_at_those(self, numbers: Collection[str], wanted: Mapping[str, Call], too_old: list[str]) -> _Jobs:
        """Look at open batches that nobody looks at already, here or in another process.

        Yields
        ------
        coroutine
            For a batch: collects it if it has ended.
        """
        for seen in await self._open():
            known = seen.number in numbers and seen.number not in self._looked_at and seen.batch_id is not None
            if known and (batch := await self._claim(seen)):
                yield self._look(batch, wanted, too_old)

    async def _look(self, batch: Handed, wanted: Mapping[str, Call], too_old: list[str]) -> None:
        """Collect a batch if it has ended; if it is too old, cancel it, and note that the rest is to be asked live."""
        batch_id, hours = batch.batch_id, self._model.batch_hours
        self._looked_at.add(batch.number)
        try:
            if batch_id is None:
                return  # another process has found the queue full
            state = await self._ask(lambda: self._provider.check(batch_id))
            self._notes[batch.number] = state.note
            if state.later:
                await self._set_id(batch, None)
                return
            old = hours is not None and time.time() - batch.created > 3600 * hours
            if old:
                too_old.append(batch.number)
            if state.ended:
                # one at a time: while it is read, the others ask how theirs are
                async with self._collecting:
                    await self._collect(batch, state, wanted)
            elif old:
                await self._ask(lambda: self._provider.cancel(batch_id))
        finally:
            self._looked_at.discard(batch.number)
            await self._store.apply(partial(_let_go, number=batch.number, holder=self._store.holder))

    async def _collect(self, batch: Handed, state: Told, wanted: Mapping[str, Call]) -> None:
        """Store what a batch has brought; it is closed when all of that is stored."""
        in_order = await self._calls_of(batch)
        calls = {call.key: call for call in in_order}
        for line, problem in dict(state.problems).items():
            if line == 0:
                await self._store.apply(lambda connection: _close(connection, batch.number))
                raise ConnectionError(
                    f"model {self._model.name!r} at {self._place}: the batch was rejected: {problem}. What to do "
                    "stands in its words; then run the same command again, or take batch out of the model's entry."
                )
            if 0 < line <= len(in_order):
                self.failed[in_order[line - 1].key] = f"line {line} of its batch was rejected: {problem}"
        # what was stored before a kill is not counted again
        counted = await self._store.apply(lambda connection: find_answered(connection, calls))
        ours = strangers = False
        for seconds in _PATIENCE_S:
            lines = 0
            answered: list[Answered] = []
            try:
                async for text in self._provider.results(state):
                    read = read_line(text)
                    lines += read is not None
                    strangers |= read is not None and read[0] not in calls
                    ours |= read is not None and read[0] in calls
                    if read is None or read[0] not in calls or read[0] in counted:
                        continue
                    counted.add(read[0])
                    if (one := self._read_answer(calls[read[0]], wanted.get(read[0]), *read[1:])) is not None:
                        answered.append(one)
                    if len(answered) >= _STORED_AT_ONCE:
                        await self._store_all(answered)
                        answered = []
            except (openai.OpenAIError, httpx2.HTTPError):
                lines = -1
            # what came before it broke off as well
            await self._store_all(answered)
            if lines >= state.answered:
                break
            await asyncio.sleep(seconds)
        else:
            if lines < 0:
                raise ConnectionError(
                    f"model {self._model.name!r} at {self._place}: the results of a batch cannot be fetched. Run the "
                    "same command again: what was fetched is stored, and nothing is asked twice."
                )
        if state.may_be_anothers and strangers and not ours:
            self._not_it[batch.number].add(str(batch.batch_id))
            await self._set_id(batch, None)
            return
        await self._store.apply(lambda connection: _close(connection, batch.number))

    async def _store_all(self, answered: Sequence[Answered]) -> None:
        """Store answers, and keep what is in the store then for whoever waits for it."""
        held = await self._store.add_all(answered)
        self._brought.update(zip((call["key"] for call, _, _ in answered), held, strict=True))

    def _read_answer(self, batched: BatchedCall, call: Call | None, response: Any, error: Any) -> Answered | None:
        """Return what there is to store of an answer; None if there is nothing, with why in ``failed``.

        Parameters
        ----------
        call : Call, optional
            What was batched; None: it was handed over for another list.
        """
        status = response.get("status_code") if isinstance(response, dict) else None
        body = hide_key(response.get("body"), self._key) if isinstance(response, dict) else None
        raw = None
        try:
            if status == 200:
                raw = read_completion(body, 0.0)
            elif isinstance(status, int):
                failure = body.get("error", body) if isinstance(body, dict) else body
                raw = read_block(status, failure, 0.0)
                if raw is None and 400 <= status < 500 and status not in (408, 409, 429):
                    self.failed[batched.key] = f"Error code: {status} - {_words(failure)}"
        except ValueError as problem:
            self.failed[batched.key] = f"not an answer: {problem}"
        if raw is None:
            # expired, cancelled, or a failure of the server's: the next round
            return None
        attempts = Attempts(made=1, batched=True)
        limit = call.sent_limit if call else read_limit(self._model, json.loads(batched.request)["body"])
        about = {
            "key": batched.key,
            "model": self._model.name,
            "prompt": batched.prompt,
            "prompt_hash": batched.prompt_hash,
            "request": batched.request,
        }
        return about, within_limit(raw, limit, attempts), attempts

    async def _ask(self, make: Any, *, once: bool = False) -> Any:
        """Ask the provider for something, as often as it takes; `once`: what is lost may have come."""
        for nth in range(len(_PATIENCE_S) + 1):
            try:
                async with asyncio.timeout(max(600.0, self._model.timeout_s)):
                    return await make()
            except TimeoutError as late:
                problem: openai.OpenAIError = openai.APITimeoutError(httpx2.Request("POST", self._model.base_url))
                problem.__cause__ = late
            except openai.OpenAIError as failure:
                problem = failure
            if once and isinstance(problem, openai.APIConnectionError):
                raise problem
            if not is_transient(problem) or nth == len(_PATIENCE_S):
                words = hide_key(" ".join(str(problem).split()), self._key)[:500]
                lacking = isinstance(problem, openai.NotFoundError)
                raise ConnectionError(
                    f"model {self._model.name!r} at {self._model.base_url}: "
                    + ("it has no batches" if lacking else "its batches cannot be used")
                    + f" ({words}). Set batch: false in its entry in the file of models to ask it live, or run the "
                    "same command again; what was handed over is recorded."
                ) from None
            await asyncio.sleep(_PATIENCE_S[nth])
        raise AssertionError("the loop returns or raises")


async def _side_by_side(jobs: _Jobs) -> None:
    """Do a few jobs at a time; if one fails, no other is begun, and its failure is raised once the rest have ended."""
    running: set[asyncio.Task[None]] = set()
    problems: list[BaseException] = []
    try:
        async with aclosing(jobs):
            async for job in jobs:
                running.add(asyncio.create_task(job))
                if len(running) == _AT_ONCE:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    problems = [problem for task in done if (problem := task.exception())]
                    if problems:
                        break
    except asyncio.CancelledError:
        for task in running:
            task.cancel()
        raise
    finally:
        ended = await asyncio.gather(*running, return_exceptions=True)
    problems += [problem for problem in ended if isinstance(problem, Exception)]
    if problems:
        raise problems[0]


def _provider_of(model: Model) -> Provider:
    """Return whoever carries out a model's batches."""
    if model.batch_folder is not None:
        return Folder(Path(model.batch_folder))
    return AnthropicBatches(model) if model.batches_as_anthropic else OpenAIBatches(model)


def _files(calls: Sequence[Call], most: int) -> Iterator[list[Call]]:
    """Return the calls in lists that fit into a file each."""
    some: list[Call] = []
    size = 0
    for call in calls:
        length = len(call.canonical) + 200
        if some and (len(some) == min(most, MOST_CALLS) or size + length > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(call)
        size += length
    if some:
        yield some


def _line(call: BatchedCall) -> bytes:
    """Return the line of a file of requests."""
    body = call.request[call.body_at : -1]
    return f'{{"custom_id": "{call.key}", "method": "POST", "url": "{URL}", "body": {body}}}\n'.encode()


def _words(error: Any) -> str:
    """Return in a line what an error says."""
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(message or "no reason given").split())[:300]


def _open_batches(connection: sa.Connection, model: str) -> list[Handed]:
    """Return a model's open batches, oldest first."""
    row = BATCHES.c
    query = sa.select(row.number, row.batch_id, row.created, row.calls).where(row.model == model, row.open)
    return [Handed(*columns) for columns in connection.execute(query.order_by(row.created, row.number))]


def _record(connection: sa.Connection, about: dict[str, Any], calls: Sequence[Call]) -> list[BatchedCall]:
    """Record a batch that is about to be handed over; return its calls, without those that others were faster with."""
    done = _taken(connection, [call.key for call in calls])
    left = [
        BatchedCall(call.key, call.request.prompt, call.request.prompt_hash, call.body_at, call.canonical)
        for call in calls
        if call.key not in done
    ]
    if left:
        connection.execute(BATCHES.insert(), about | {"calls": len(left)})
        record_batch_calls(connection, about["number"], left)
    return left


def _claim(connection: sa.Connection, number: str, holder: str) -> Handed | None:
    """Return a batch if it is open and no other process that is there works on it; from now on this one does."""
    row = BATCHES.c
    query = sa.select(row.open, row.holder, row.until, row.number, row.batch_id, row.created, row.calls)
    is_open, other, until, *batch = connection.execute(query.where(row.number == number)).one()
    if not is_open or (other not in (None, holder) and until > time.time() and not is_gone(other)):
        return None
    connection.execute(BATCHES.update().where(row.number == number).values(_lease(holder)))
    return Handed(*batch)


def _lease(holder: str) -> dict[str, Any]:
    """Return what a row holds while a process works on its batch."""
    return {"holder": holder, "until": time.time() + _CLAIMED_S}


def _let_go(connection: sa.Connection, number: str, holder: str) -> None:
    """Record that a process no longer works on a batch."""
    same = (BATCHES.c.number == number) & (BATCHES.c.holder == holder)
    connection.execute(BATCHES.update().where(same).values(holder=None))


def _set_id(connection: sa.Connection, number: str, batch_id: str | None) -> None:
    """Record the endpoint's id of a batch, on which nobody works any more."""
    known = {"batch_id": batch_id, "holder": None}
    connection.execute(BATCHES.update().where(BATCHES.c.number == number).values(known))


def _closed_ids(connection: sa.Connection) -> set[str]:
    """Return the endpoints' ids of the batches that have been collected."""
    ids = connection.scalars(sa.select(BATCHES.c.batch_id).where(~BATCHES.c.open))
    return {batch_id for batch_id in ids if batch_id is not None}


def in_open_batches(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """Return those of the keys that an open batch holds."""
    return set(connection.scalars(select_by_key(BATCH_KEYS, BATCH_KEYS.c.key), as_parameter(keys)).all())


def _held_by_batches(connection: sa.Connection, keys: Collection[str]) -> dict[str, int]:
    """Return number of an open batch → how many of the keys it holds, for those that hold any."""
    number = BATCH_KEYS.c.number
    query = select_by_key(BATCH_KEYS, number, sa.func.count()).group_by(number)
    return {number: calls for number, calls in connection.execute(query, as_parameter(keys))}


def _taken(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """Return those of the keys that have a reply, or that an open batch holds."""
    return find_answered(connection, keys) | in_open_batches(connection, keys)


def _expected(connection: sa.Connection, model: str) -> Usage:
    """Return what a model's open batches may use."""
    row = BATCHES.c
    sums = sa.select(sa.func.sum(row.input_tokens), sa.func.sum(row.output_tokens)).where(row.model == model, row.open)
    sent, received = connection.execute(sums).one()
    return Usage(input_tokens=int(sent or 0), output_tokens=int(received or 0))


def _close(connection: sa.Connection, number: str) -> None:
    """Forget the calls of a batch, all of which are stored or to be handed over again."""
    for table in (BATCH_LINES, BATCH_KEYS):
        connection.execute(table.delete().where(table.c.number == number))
    connection.execute(BATCHES.update().where(BATCHES.c.number == number).values(open=False, holder=None))
