"""Ask models: a list of requests to one model in, a list of replies out, in order.

What the call store holds is not asked again; what is missing is asked, stored the moment it arrives, and then read.
A structured reply that cannot be read is asked again with the error shown, as a call of its own. A call that finally
fails is an ``error`` among the replies, and the rest go on.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import httpx2
import numpy as np
import openai

from conflictscope.models.calls import Call, make_call, make_repair
from conflictscope.models.client import Endpoint
from conflictscope.models.embeddings import (
    EmbeddingCall,
    as_vectors,
    embedding_body,
    make_embedding_call,
    read_embeddings,
)
from conflictscope.models.progress import Progress, open_progress
from conflictscope.models.registry import Model, Registry
from conflictscope.models.replies import RawReply, failed_reply, read_completion, read_reply
from conflictscope.models.requests import Reply, Request
from conflictscope.models.store import CallStore
from conflictscope.models.workers import work_off

TEXTS_A_CALL = 64


class ReplayMiss(LookupError):
    """A replay needs a reply that the call store does not hold."""


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
        ``progress(label, total)`` returns what is told how far a list is.
    transport : httpx2.AsyncBaseTransport, optional
        Takes the place of the network for every model: for scripted models.
    """

    def __init__(
        self,
        registry: Registry,
        store: CallStore,
        *,
        replay: bool = False,
        max_repairs: int = 2,
        progress: Callable[[str, int], Progress] = open_progress,
        transport: httpx2.AsyncBaseTransport | None = None,
    ):
        self.registry, self.store, self.replay, self.max_repairs = registry, store, replay, max_repairs
        self._progress, self._transport = progress, transport
        self._endpoints: dict[str, Endpoint] = {}

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
            Where the model is unknown, cannot do what is asked, or its key is not set. No call has been made then.
        ConnectionError
            Where the endpoint is down, or turns every call away.
        OSError
            Where the store does not take a reply.
        ReplayMiss
            In a replay, where the store does not hold a reply.
        """
        described = self.registry[model]
        calls = [make_call(described, request) for request in requests]
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
        progress = self._progress(label, len(distinct))
        progress.advance(len(replies))

        async def answer(call: Call, raw: RawReply | None) -> None:
            replies[call.key, call.request.schema] = await self._converse(described, call, raw, len(distinct))
            progress.advance()

        try:
            if any(raw is None for _, raw in unanswered) and not self.replay:
                self._endpoint(described)
            await work_off((answer(call, raw) for call, raw in unanswered), 2 * described.concurrency)
        finally:
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
            Where the model is unknown or no embeddings model, or its key is not set.
        ConnectionError
            Where a call has finally failed: a table with holes in it could not be deduplicated.
        ReplayMiss
            In a replay, where the store does not hold a vector.
        """
        described = self.registry[model]
        calls = [make_embedding_call(described, text) for text in texts]
        distinct = {call.key: call for call in calls}
        held = await self.store.find(distinct)
        missing = [call for key, call in distinct.items() if key not in held]
        if missing:
            if self.replay:
                raise self._miss(described, "embedding", missing[0].key)
            self._endpoint(described)
        batches = [missing[start : start + TEXTS_A_CALL] for start in range(0, len(missing), TEXTS_A_CALL)]
        progress = self._progress(f"embeddings: {model}", len(distinct))
        progress.advance(len(held))

        async def embed_batch(batch: list[EmbeddingCall]) -> None:
            held.update(await self._embed_batch(described, batch))
            progress.advance(len(batch))

        try:
            await work_off((embed_batch(batch) for batch in batches), described.concurrency)
        finally:
            progress.close()
        return as_vectors(held[call.key] for call in calls)

    async def close(self) -> None:
        """Close the connections and the call store."""
        for endpoint in self._endpoints.values():
            if endpoint.loop is asyncio.get_running_loop():  # those of an earlier loop went with it
                await endpoint.close()
        self._endpoints.clear()
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
        endpoint = self._endpoint(model)
        try:
            raw = await endpoint.call("/chat/completions", call.body, read_completion, max_tokens=request.max_tokens)
        except openai.OpenAIError as failure:
            problem = endpoint.describe(failure)
            await self.store.add_failure(call.key, problem, model=model.name, prompt=request.prompt)
            if reason := endpoint.why_given_up(failure, calls):
                raise ConnectionError(reason) from None
            return problem
        return await self.store.add(
            call.key,
            raw,
            model=model.name,
            prompt=request.prompt,
            prompt_hash=request.prompt_hash,
            request=call.canonical,
        )

    async def _embed_batch(self, model: Model, batch: list[EmbeddingCall]) -> dict[str, RawReply]:
        """Ask for the vectors of a few texts in one call and store each under its own key."""
        endpoint = self._endpoint(model)
        body = embedding_body(model, [call.text for call in batch])
        try:
            vectors = await endpoint.call("/embeddings", body, partial(read_embeddings, texts=len(batch)))
        except openai.OpenAIError as failure:
            raise ConnectionError(
                f"model {model.name!r} at {model.base_url}: no embeddings: {endpoint.describe(failure)}. "
                "Run the same command again; what was answered is in the call store."
            ) from None
        stored = await asyncio.gather(
            *(
                self.store.add(
                    call.key, raw, model=model.name, prompt="embedding", prompt_hash="", request=call.canonical
                )
                for call, raw in zip(batch, vectors, strict=True)
            )
        )
        return {call.key: raw for call, raw in zip(batch, stored, strict=True)}

    def _endpoint(self, model: Model) -> Endpoint:
        """Return the model's endpoint, opened in the running loop: connections cannot move between loops."""
        endpoint = self._endpoints.get(model.name)
        if endpoint is None or endpoint.loop is not asyncio.get_running_loop():
            endpoint = self._endpoints[model.name] = Endpoint(model, self._transport)
        return endpoint

    def _miss(self, model: Model, prompt: str, key: str) -> ReplayMiss:
        """Return the error that says what a replay lacks."""
        return ReplayMiss(
            f"replay: the call store {self.store.name} holds no reply of model {model.name!r} to prompt {prompt!r} "
            f"(key {key}). The parameters, a prompt or the model's entry differ from the run that filled it; "
            "run without replay to ask for what is missing."
        )
