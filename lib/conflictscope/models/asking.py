"""Work through a long list with a few tasks, so that a hundred thousand calls are not a hundred thousand tasks.

Calls under way: each is seen through, and stored, even where the list that it belongs to is stopped.

In: the work of making one call and storing its reply. Out: its result. Where a list is stopped (the budget is reached,
an endpoint is down, the disk is full), calls that are on the wire end and are stored; calls that wait for their turn or
for another attempt are called off; and the lists beside it stop as well.

Calls to live endpoints: each made where the budget allows it, and stored before anybody reads it.

In: a call that the store does not hold. Out: the reply that is stored under its key, or why there is none.

Ask models: a list of requests to one model in, a list of replies out, in order.

What the call store holds is not asked again; what is missing is asked, stored the moment it arrives, and then read.
A structured reply that cannot be read is asked again with the error shown, as a call of its own. A call that finally
fails is an ``error`` among the replies, and the rest go on. Where the budget is reached, an endpoint is down or the
store takes nothing, all lists stop; what is on the wire then is stored first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import numpy as np
import openai

from conflictscope.models.client import Endpoint
from conflictscope.models.embeddings import (
    EmbeddingCall,
    as_vectors,
    embedding_body,
    make_embedding_call,
    read_embeddings,
)
from conflictscope.models.patience import is_transient
from conflictscope.models.progress import Progress, open_progress
from conflictscope.models.registry import Model, Registry
from conflictscope.models.requests import (
    Call,
    RawReply,
    Reply,
    Request,
    failed_reply,
    make_call,
    make_repair,
    read_completion,
    read_reply,
)
from conflictscope.models.spending import Budget, BudgetReached, Ledger, Planned
from conflictscope.models.store import EMBEDDING, Attempts, CallStore
from conflictscope.prompts import prompt_hash


async def work_off(jobs: Iterator[Coroutine[Any, Any, None]], workers: int) -> None:
    """Await every job, at most `workers` at a time; the first exception stops the rest and is raised."""

    async def work() -> None:
        for job in jobs:
            await job

    tasks = []
    try:
        for _ in range(workers):
            tasks.append(asyncio.create_task(work()))
            # one starts while those before it are under way; all at once, none would send before all were prepared
            await asyncio.sleep(0)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


T = TypeVar("T")


class CallsUnderWay:
    """The calls of all lists that are being asked."""

    def __init__(self, budget: Budget):
        self._budget = budget
        self._tasks: dict[asyncio.Task, Attempts] = {}
        self._lists = 0
        self._stopped: Exception | None = None

    def begin_list(self) -> None:
        """Say that a list is being asked."""
        self._lists += 1

    def end_list(self) -> None:
        """Say that a list is done or stopped; after the last one, others may begin."""
        self._lists -= 1
        if not self._lists:
            self._stopped = None

    async def see_through(self, cost: float, work: Callable[[Attempts], Awaitable[T]]) -> T:
        """Do the work of one call that is expected to cost so many dollars.

        Raises
        ------
        BudgetReached
            Where that is more than is left.
        Exception
            What stopped this list or one beside it.
        """
        await self._budget.await_leave(cost)
        if self._stopped is not None:
            raise self._stopped
        attempts = Attempts()
        self._budget.hold(cost)
        task = asyncio.ensure_future(work(attempts))
        self._tasks[task] = attempts
        task.add_done_callback(partial(self._end, cost))
        try:
            # its caller may be cancelled; a call that is on the wire is not
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            _call_off(task, attempts)
            if self._stopped is not None:
                raise self._stopped from None
            raise

    async def stop(self, reason: Exception) -> None:
        """Make no more calls for the lists being asked, and return when those on the wire have been stored."""
        self._stopped = self._stopped or reason
        await self.finish()

    async def finish(self) -> None:
        """Call off what waits, and wait for what is on the wire."""
        own = asyncio.get_running_loop()
        # those of an earlier event loop went with it
        tasks = {task: attempts for task, attempts in self._tasks.items() if task.get_loop() is own}
        for task, attempts in tasks.items():
            _call_off(task, attempts)
        if tasks:
            await asyncio.wait(tasks)

    def _end(self, cost: float, task: asyncio.Task) -> None:
        """Forget a call that has ended; where nobody waits for it any more, nobody is to be told how."""
        del self._tasks[task]
        if not task.cancelled():
            task.exception()
        self._budget.release(cost)


def _call_off(task: asyncio.Task, attempts: Attempts) -> None:
    """Let a call make no further attempt; the one on the wire comes to its end."""
    attempts.called_off = True
    if not attempts.on_wire:
        task.cancel()


class Caller:
    """Endpoints that are open, and the calls that are made to them."""

    def __init__(self, store: CallStore, budget: Budget, transport: httpx2.AsyncBaseTransport | None):
        self._store, self._budget, self._transport = store, budget, transport
        self._under_way = CallsUnderWay(budget)
        self._endpoints: dict[str, Endpoint] = {}

    def make_ready(self, model: Model, *, known: bool) -> None:
        """Open a model's endpoint before a list begins, so that what is missing is said before any call is made.

        Parameters
        ----------
        known : bool
            Whether it has answered some calls of the list in an earlier run.

        Raises
        ------
        ValueError
            Where its key is not set, or there is a budget and its price is unknown.
        """
        self._budget.check(model)
        self._endpoint(model).breaker.known |= known

    async def work_off(self, jobs: Iterator[Coroutine[Any, Any, None]], workers: int) -> None:
        """Work through the jobs of a list; where it is stopped, stop those beside it, and store what is on the wire."""
        self._under_way.begin_list()
        try:
            await work_off(jobs, workers)
        except (BudgetReached, OSError) as reason:
            await self._under_way.stop(reason)
            raise
        finally:
            self._under_way.end_list()

    async def obtain(self, model: Model, call: Call, calls: int) -> RawReply | str:
        """Return the reply to a call of a list of so many, or why there is none.

        Raises
        ------
        ConnectionError
            Where the endpoint is given up; see ``breaker``.
        BudgetReached
            Where what is left of the budget may not cover the call.
        OSError
            Where the store does not take the reply.
        """
        cost = self._budget.expected_cost(model, call.request.prompt, len(call.canonical), call.request.max_tokens)
        return await self._under_way.see_through(cost, partial(self._call, model, call, calls))

    async def obtain_vectors(self, model: Model, batch: list[EmbeddingCall], calls: int) -> dict[str, RawReply]:
        """Return key → vector of a few texts, asked for in one call of so many, each stored under its own key.

        Raises
        ------
        ConnectionError
            Where the call has finally failed.
        BudgetReached, OSError
            As for ``obtain``.
        """
        cost = self._budget.expected_cost(model, EMBEDDING, sum(len(call.canonical) for call in batch), None)
        stored = await self._under_way.see_through(cost, partial(self._call_for_vectors, model, batch, calls))
        return {call.key: raw for call, raw in zip(batch, stored, strict=True)}

    async def close(self) -> None:
        """Let what is on the wire be stored, then close the connections."""
        await self._under_way.finish()
        for endpoint in self._endpoints.values():
            if endpoint.loop is asyncio.get_running_loop():  # those of an earlier loop went with it
                await endpoint.close()
        self._endpoints.clear()

    async def _call(self, model: Model, call: Call, calls: int, attempts: Attempts) -> RawReply | str:
        """Make a call and store what comes of it."""
        request, endpoint = call.request, self._endpoint(model)
        try:
            raw = await endpoint.call(
                "/chat/completions",
                call.body,
                read_completion,
                max_tokens=request.max_tokens,
                attempts=attempts,
                calls=calls,
            )
        except openai.OpenAIError as failure:
            if attempts.called_off and is_transient(failure):
                # it has not finally failed: its list was stopped
                raise asyncio.CancelledError from None
            problem = endpoint.describe(failure)
            await self._store.add_failure(call.key, problem, model=model.name, prompt=request.prompt, attempts=attempts)
            if reason := endpoint.why_given_up(failure, calls):
                raise ConnectionError(reason) from None
            return problem
        return await self._store.add(
            call.key,
            raw,
            model=model.name,
            prompt=request.prompt,
            prompt_hash=request.prompt_hash,
            request=call.canonical,
            attempts=attempts,
        )

    async def _call_for_vectors(
        self, model: Model, batch: list[EmbeddingCall], calls: int, attempts: Attempts
    ) -> list[RawReply]:
        """Make the call for a few vectors and store them."""
        endpoint, texts = self._endpoint(model), [call.text for call in batch]
        try:
            vectors = await endpoint.call(
                "/embeddings",
                embedding_body(model, texts),
                partial(read_embeddings, texts=texts),
                attempts=attempts,
                calls=calls,
            )
        except openai.OpenAIError as failure:
            raise ConnectionError(
                f"model {model.name!r} at {model.base_url}: no embeddings: {endpoint.describe(failure)}. "
                "Run the same command again; what was answered is in the call store."
            ) from None
        return await asyncio.gather(
            *(
                self._store.add(
                    call.key,
                    raw,
                    model=model.name,
                    prompt=EMBEDDING,
                    prompt_hash="",
                    request=call.canonical,
                    # what it took is noted once
                    attempts=attempts if call is batch[0] else Attempts(),
                )
                for call, raw in zip(batch, vectors, strict=True)
            )
        )

    def _endpoint(self, model: Model) -> Endpoint:
        """Return the model's endpoint, opened in the running loop: connections cannot move between loops."""
        endpoint = self._endpoints.get(model.name)
        if endpoint is None or endpoint.loop is not asyncio.get_running_loop():
            endpoint = self._endpoints[model.name] = Endpoint(model, self._transport)
        return endpoint


TEXTS_A_CALL = 64


class Models:
    """The models of a registry, asked through one call store.

    Parameters
    ----------
    registry : Registry
    store : CallStore
        Closed by ``close``.
    replay : bool
        Answer from the store alone.
    max_repairs : int
        How often a structured reply that cannot be read is asked for again.
    progress : callable
        ``progress(label, total, note)`` returns what is told how far a list is; ``note()`` says what has been spent.
    transport : httpx2.AsyncBaseTransport, optional
        Takes the place of the network for every model: for scripted models.
    budget_usd : float, optional
        Dollars that all calls in the store may cost; None: no limit.
    ledger : Path, optional
        File that is to say what has been spent.
    planned : mapping, optional
        What the whole study is expected to ask, for the ledger's projection.

    Raises
    ------
    ValueError
        Where the budget cannot be kept, because a price is unknown.
    """

    def __init__(
        self,
        registry: Registry,
        store: CallStore,
        *,
        replay: bool = False,
        max_repairs: int = 2,
        progress: Callable[[str, int, Callable[[], str]], Progress] = open_progress,
        transport: httpx2.AsyncBaseTransport | None = None,
        budget_usd: float | None = None,
        ledger: Path | None = None,
        planned: Planned | None = None,
    ):
        self.registry, self.store, self.replay, self.max_repairs = registry, store, replay, max_repairs
        self.asked: set[tuple[str, str, str]] = set()
        """(model, prompt, prompt's hash, "" if it has no text of ours) of all that was asked, answered here or not."""
        self._progress = progress
        # a replay asks nothing: it spends nothing, and leaves the ledger of the run that did as it is
        budget = Budget(registry, store, None if replay else budget_usd)
        self._ledger = Ledger(budget, None if replay else ledger, planned)
        self._caller = Caller(store, budget, transport)

    async def ask(self, model: str, requests: Sequence[Request], *, label: str) -> list[Reply]:
        """Ask one model.

        Parameters
        ----------
        model : str
            Its name in the registry.
        requests : sequence of Request
            Equal ones are asked once; give them different repetitions to ask them separately.
        label : str
            What the progress bar says.

        Returns
        -------
        list of Reply
            One a request, in the same order.

        Raises
        ------
        ValueError
            Where the model is unknown, cannot do what is asked, its key is not set, or there is a budget and its price
            is unknown. No call has been made then.
        ConnectionError
            Where the endpoint is down, or turns every call away: see ``breaker``.
        BudgetReached
            Where what is left of the budget may not cover the next call.
        OSError
            Where the store does not take a reply.
        LookupError
            In a replay, where the store does not hold a reply.
        """
        described = self.registry[model]
        calls = [make_call(described, request) for request in requests]
        self.asked |= {(model, request.prompt, request.prompt_hash) for request in requests}
        if not described.json_schema and any(request.schema is not None for request in requests):
            self.asked.add((model, "json_only", prompt_hash("json_only")))
        # the same key may be read by two classes, so both count
        distinct = {(call.key, call.request.schema): call for call in calls}
        held = await self.store.find({key for key, _ in distinct})
        replies: dict[tuple[str, Any], Reply] = {}
        unanswered: list[tuple[Call, RawReply | None]] = []
        for identity, call in distinct.items():
            raw = held.get(call.key)
            reply = read_reply(call, raw) if raw is not None else None
            if reply is None or self._wants_repair(call, reply):
                unanswered.append((call, raw))
            else:
                replies[identity] = reply
        left = self._ledger.begin_list(model, (call.request.prompt for call, _ in unanswered))
        progress = self._progress(label, len(distinct), self._ledger.sum_up)
        progress.advance(len(replies))

        async def answer(call: Call, raw: RawReply | None) -> None:
            replies[call.key, call.request.schema] = await self._converse(described, call, raw, len(distinct))
            left[call.request.prompt] -= 1
            self._ledger.write_now_and_then()
            progress.advance()

        try:
            if any(raw is None for _, raw in unanswered) and not self.replay:
                self._caller.make_ready(described, known=bool(held))
            await self._caller.work_off((answer(call, raw) for call, raw in unanswered), 2 * described.concurrency)
        finally:
            self._ledger.end_list(left)
            progress.close()
        return [replies[call.key, call.request.schema] for call in calls]

    async def embed(self, model: str, texts: Sequence[str]) -> np.ndarray:
        """Have an embeddings model turn texts into vectors.

        Returns
        -------
        ndarray, shape (n_texts, n_dimensions)
            As the endpoint gives them, float32.

        Raises
        ------
        ValueError
            Where the model is unknown or no embeddings model, its key is not set, or there is a budget and its price is
            unknown.
        ConnectionError
            Where a call has finally failed: a table with holes in it could not be deduplicated.
        BudgetReached
            Where what is left of the budget may not cover the next call.
        LookupError
            In a replay, where the store does not hold a vector.
        """
        described = self.registry[model]
        calls = [make_embedding_call(described, text) for text in texts]
        self.asked.add((model, EMBEDDING, ""))
        distinct = {call.key: call for call in calls}
        held = await self.store.find(distinct)
        missing = [call for key, call in distinct.items() if key not in held]
        if missing and self.replay:
            raise self._miss(described, EMBEDDING, missing[0].key)
        batches = [missing[start : start + TEXTS_A_CALL] for start in range(0, len(missing), TEXTS_A_CALL)]
        left = self._ledger.begin_list(model, (EMBEDDING for _ in missing))
        progress = self._progress(f"embeddings: {model}", len(distinct), self._ledger.sum_up)
        progress.advance(len(held))

        async def embed_batch(batch: list[EmbeddingCall]) -> None:
            held.update(await self._caller.obtain_vectors(described, batch, len(batches)))
            left[EMBEDDING] -= len(batch)
            progress.advance(len(batch))

        try:
            if missing:
                self._caller.make_ready(described, known=bool(held))
            await self._caller.work_off((embed_batch(batch) for batch in batches), described.concurrency)
        finally:
            self._ledger.end_list(left)
            progress.close()
        return as_vectors(held[call.key] for call in calls)

    async def close(self) -> None:
        """Let what is on the wire be stored, then close the connections and the call store."""
        await self._caller.close()
        self.store.close()

    def _wants_repair(self, call: Call, reply: Reply) -> bool:
        """Say whether a reply is to be asked for again."""
        return reply.outcome == "invalid" and call.request.schema is not None and self.max_repairs > 0

    async def _converse(self, model: Model, call: Call, raw: RawReply | None, calls: int) -> Reply:
        """Ask, and ask again while the reply cannot be read; `raw` is the first reply where the store holds it."""
        for repair in range(self.max_repairs + 1):
            got = raw or await self._obtain(model, call, calls)
            if isinstance(got, str):
                return failed_reply(call, got)
            reply = read_reply(call, got)
            if repair == self.max_repairs or not self._wants_repair(call, reply):
                break
            call = make_repair(model, call, reply.text, reply.problem or "")
            self.asked.add((model.name, "repair", prompt_hash("repair")))
            raw = (await self.store.find([call.key])).get(call.key)
        return reply

    async def _obtain(self, model: Model, call: Call, calls: int) -> RawReply | str:
        """Return the reply to a call that the store does not hold, or why there is none."""
        request = call.request
        if self.replay:
            problem = (await self.store.find_failures([call.key])).get(call.key)
            if problem is None:
                raise self._miss(model, request.prompt, call.key)
            return problem
        return await self._caller.obtain(model, call, calls)

    def _miss(self, model: Model, prompt: str, key: str) -> LookupError:
        """Return the error that says what a replay lacks."""
        return LookupError(
            f"replay: the call store {self.store.name} holds no reply of model {model.name!r} to prompt {prompt!r} "
            f"(key {key}). The parameters, a prompt or the model's entry differ from the run that filled it; "
            "run without replay to ask for what is missing."
        )
