"""Calls to live endpoints: each made where the budget allows it, and stored before anybody reads it.

In: a call that the store does not hold. Out: the reply that is stored under its key, or why there is none.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

import httpx2
import openai

from conflictscope.models.budget import Budget, BudgetReached
from conflictscope.models.calls import Call
from conflictscope.models.client import Endpoint
from conflictscope.models.embeddings import EmbeddingCall, embedding_body, read_embeddings
from conflictscope.models.registry import Model
from conflictscope.models.replies import RawReply, read_completion
from conflictscope.models.retrying import is_transient
from conflictscope.models.store import CallStore
from conflictscope.models.under_way import CallsUnderWay
from conflictscope.models.usage import EMBEDDING, Attempts
from conflictscope.models.workers import work_off


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
