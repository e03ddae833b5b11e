"""Ask models: a list of requests to one model in, a list of replies out, in order.

What the call store holds is not asked again; what is missing is asked, stored the moment it arrives, and then read.
A structured reply that cannot be read is asked again with the error shown, as a call of its own. A call that finally
fails is an ``error`` among the replies, and the rest go on. Where the budget is reached, an endpoint is down or the
store takes nothing, all lists stop; what is on the wire then is stored first.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from conflictscope.models.budget import Budget
from conflictscope.models.calling import Caller
from conflictscope.models.calls import Call, make_call, make_repair
from conflictscope.models.embeddings import EmbeddingCall, as_vectors, make_embedding_call
from conflictscope.models.ledger import Ledger, Planned
from conflictscope.models.progress import Progress, open_progress
from conflictscope.models.registry import Model, Registry
from conflictscope.models.replies import RawReply, failed_reply, read_reply
from conflictscope.models.requests import Reply, Request
from conflictscope.models.store import CallStore
from conflictscope.models.usage import EMBEDDING

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
