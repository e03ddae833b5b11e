"""Ask models: a list of requests to one model in, a list of replies out, in order.

The way of a call is one street, ``Models._answer``: stored already (the cache)? → allowed by the budget? → recorded →
sent, within the rate limits and with retries → stored → read. If the budget is reached, an endpoint is down or the
store takes nothing, all lists stop; what is on the wire then is stored first. A body whose answers are lost is sent
``max_attempts`` times, in all runs together, unless ``store.allow_again`` lets it be sent as often again.
"""

import asyncio
import gc
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx2
import numpy as np
import openai

from conflictscope.models.batches import Batches, BatchesPending, in_open_batches
from conflictscope.models.client import ANSWERS_KEPT, Endpoint
from conflictscope.models.embeddings import (
    EmbeddingCall,
    as_vectors,
    embedding_body,
    make_embedding_call,
    read_embeddings,
    width_of,
)
from conflictscope.models.patience import MOST_CHARACTERS_ON_AVERAGE, PromptCounts, is_transient, reserve
from conflictscope.models.progress import Progress, open_progress
from conflictscope.models.records import (
    EMBEDDING,
    NOTHING,
    Attempts,
    Lost,
    Unanswered,
    Usage,
    usage_of_lost,
    within_limit,
)
from conflictscope.models.registry import Model, Registry
from conflictscope.models.requests import (
    Call,
    RawReply,
    Reply,
    Request,
    failed_reply,
    is_cut,
    make_call,
    make_repair,
    read_block,
    read_completion,
    read_reply,
    storable_text,
)
from conflictscope.models.spending import Budget, BudgetReached, Ledger, Planned
from conflictscope.models.store import CallStore
from conflictscope.prompts import prompt_hash
from conflictscope.tables import NothingToCount

T = TypeVar("T")
TEXTS_A_CALL = 64
_LOOK_S, _LOOKED_AHEAD = 0.2, 500
HOPELESS = 20
"""A list stops after so many replies if none of them can be used."""


def _is_used_up(model: Model, before: Unanswered | None) -> bool:
    """Return whether so many answers to a call were lost that it is not sent again by itself."""
    return before is not None and before.lost >= model.max_attempts


def _read_alike(payload: object, seconds: float, *, texts: Sequence[str], widths: list[int]) -> list[RawReply]:
    """Return vectors of the width that is known; the first ones that come make it known."""
    vectors = read_embeddings(payload, seconds, texts=texts, width=widths[0] if widths else None)
    widths[:] = [width_of(vectors[0])]
    return vectors


_thresholds: list[tuple[int, int, int]] = []


@contextmanager
def _many_objects_kept() -> Iterator[None]:
    """Let cycles be searched for among new objects alone: very many are made that stay, and are no cycles."""
    _thresholds.append(gc.get_threshold())
    gc.set_threshold(*_thresholds[0][:2], 2**30)
    try:
        yield
    finally:
        before = _thresholds.pop()
        if not _thresholds:
            # of several lists at once, the last one to leave finds what the first one found
            gc.set_threshold(*before)


@dataclass(eq=False)
class _List:
    """A list of calls to one model that is being asked."""

    model: Model
    calls: int
    unanswered: Counter[str]
    """Prompt → calls that are still to be answered; the ledger projects from it."""
    progress: Progress
    over: bool = False
    """Whether it is done or stopped: nobody waits any more for what is still on the wire."""
    unusable: int | None = 0
    """Replies so far if none of them could be used; None once one could."""


def _is_readable(reply: Reply) -> bool:
    """Return whether a reply says anything, if only that the model declines."""
    return reply.outcome != "invalid"


# seconds beyond its time limit in which an attempt is surely over
_GRACE_S = 60


class _AskedElsewhere(Exception):
    """Somebody else on the call store has asked a call or asks it now; nothing was sent."""

    def __init__(self, reply: RawReply | None):
        self.reply = reply


class _Attempt:
    """The attempt at a call that is under way: what is held of the budget for it, and its record in the store."""

    def __init__(
        self,
        budget: Budget,
        model: Model,
        key: str,
        prompt: str,
        *,
        characters: int,
        max_tokens: int | None,
        why_stopped: Callable[[], Exception | None],
    ) -> None:
        self._budget, self._store, self._model, self._key, self._prompt = budget, budget.store, model, key, prompt
        self._characters, self._max_tokens, self._why_stopped = characters, max_tokens, why_stopped
        self._expected = NOTHING
        self._held: float | None = None
        self.number: int | None = None
        """Under which it is in the store, until it is over."""

    async def begin(self) -> None:
        """Wait for leave, and record that it is about to be sent; raise if it is not to be, or no list goes on."""
        self._raise_if_stopped()
        self._expected = self._budget.expect(self._model, self._prompt, self._characters, self._max_tokens)
        # for its turn it may wait as long as for its answer
        seconds = 2 * self._model.timeout_s + _GRACE_S
        while True:
            self._held = await self._budget.hold(self._model, self._expected)
            self.number = number = self._store.next_number()
            elsewhere = await self._store.begin(
                number, self._key, expected=self._expected, seconds=seconds, **self._about
            )
            if elsewhere is not None:
                self.number = None
                self._release()
                raise _AskedElsewhere(elsewhere.reply)
            self._raise_if_stopped()
            if self._budget.is_kept:
                return
            # another process was faster with what was left
            self.close(sent=False)
            await self._budget.wait_for_others()

    def mark(self) -> None:
        """Record that it is sent now; raise if no list goes on, which may be since it was made ready."""
        self._raise_if_stopped()
        if self.number is not None:
            self._store.mark_sent(self.number)

    async def end(self, lost: Lost | None) -> None:
        """Record that it has brought no reply; if its answer was lost, what it may have cost."""
        if lost is None:
            self.close(sent=False)
            return
        number, self.number = self.number, None
        if number is not None:
            # before it is sent again, since what is lost is counted over all runs
            await self._store.end(number, self._key, used=usage_of_lost(lost, self._expected), **self._about)
        self._release()

    def close(self, *, sent: bool, made: int = 0) -> None:
        """Let go of it, whatever has become of it; what was sent and is not over may have cost something.

        Parameters
        ----------
        made : int
            Attempts at the call, which nothing else will count if it is not over.
        """
        if self.number is not None:
            used = usage_of_lost(Lost(), self._expected) + Usage(attempts=made) if sent else None
            number, self.number = self.number, None
            self._store.end_soon(number, self._key, used=used, **self._about)
        self._release()

    def _raise_if_stopped(self) -> None:
        """Raise why all lists have been stopped, if they have."""
        if (reason := self._why_stopped()) is not None:
            raise reason

    @property
    def _about(self) -> dict[str, str]:
        """What the store keeps it under besides its key."""
        return {"model": self._model.name, "prompt": self._prompt}

    def _release(self) -> None:
        """Give back what is held of the budget."""
        held, self._held = self._held, None
        if held is not None:
            self._budget.release(held)


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
        How often a structured reply that cannot be read is asked for again; one that was cut off is not, since the
        longer conversation would be cut at the same limit.
    limits : mapping, optional
        Prompt → the study's parameter that limits its replies' length, and that many tokens. Other prompts have the
        limit of their request.
    progress : callable
        ``progress(label, total, note)`` returns a ``Progress``; ``note()`` returns what has been spent.
    transport : httpx2.AsyncBaseTransport, optional
        Takes the place of the network for every model: for scripted models.
    budget_usd : float, optional
        Dollars that all calls in the store may cost; None: no limit.
    ledger : Path, optional
        File for what has been spent.
    planned : mapping, optional
        What the whole study is expected to ask, for the ledger's projection.

    Raises
    ------
    ValueError
        If the budget cannot be kept, because a price is unknown.
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
        limits: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    ):
        self.registry, self.store, self.replay, self.max_repairs = registry, store, replay, max_repairs
        self._limits = limits
        self.asked: set[tuple[str, str, str]] = set()
        """(model, prompt, prompt's hash, "" if it has no text of ours) of all that was asked, stored already or not."""
        self._progress, self._transport = progress, transport
        # a replay asks nothing: it spends nothing, and leaves the ledger of the run that did as it is
        self._budget = Budget(registry, store, None if replay else budget_usd)
        self._ledger = Ledger(self._budget, None if replay else ledger, planned)
        self._endpoints: dict[str, Endpoint] = {}
        self._batches: dict[str, Batches] = {}
        self._prompt_counts: defaultdict[str, PromptCounts] = defaultdict(PromptCounts)
        # task that works on a list → what it tries at the moment
        self._workers: dict[asyncio.Task, Attempts | None] = {}
        self._lists = 0
        self._stopped: Exception | None = None

    async def ask(
        self,
        model: str,
        requests: Sequence[Request],
        *,
        label: str,
        is_usable: Callable[[Reply], bool] = _is_readable,
    ) -> list[Reply]:
        """Ask one model.

        A call that finally fails is an ``error`` among the replies, and the rest go on.

        Parameters
        ----------
        model : str
            Its name in the registry.
        requests : sequence of Request
            Equal ones are asked once; give them different repetitions to ask them separately.
        label : str
            Name of the progress bar.
        is_usable : callable
            Whether a reply can be used, by whatever the caller reads in it.

        Returns
        -------
        list of Reply
            One a request, in the same order.

        Raises
        ------
        ValueError
            If the model is unknown, cannot do what is asked, its key is not set, or there is a budget and its price is
            unknown. No call has been made then.
        ConnectionError
            If the endpoint is down, or turns every call away: see ``patience``. If it cuts prompts: see
            ``PromptCounts``; the replies to those are taken out of the store.
        NothingToCount
            If the first ``HOPELESS`` replies cannot be used, not one of them.
        BudgetReached
            If what is left of the budget may not cover the next call.
        BatchesPending
            If it is asked in batches that are not done yet; the same call goes on from there.
        OSError
            If the store does not take a reply.
        LookupError
            In a replay, if the store does not hold a reply.
        """
        described = self.registry[model]
        with _many_objects_kept():
            calls = [make_call(described, self._with_limit(request)) for request in requests]
            self.asked |= {(model, request.prompt, request.prompt_hash) for request in requests}
            if not described.json_schema and any(request.schema is not None for request in requests):
                self.asked.add((model, "json_only", prompt_hash("json_only")))
            # the same key may be read by two classes, so both count
            distinct = {(call.key, call.request.schema): call for call in calls}
            stored = await self.store.find({key for key, _ in distinct})
            if not self.replay:
                stored = await self._without_cut(described, calls, stored)
            replies: dict[tuple[str, Any], Reply] = {}
            unanswered: list[Call] = []
            for identity, call in distinct.items():
                reply = read_reply(call, stored[call.key]) if call.key in stored else None
                if reply is None or self._wants_repair(call, reply):
                    unanswered.append(call)
                else:
                    replies[identity] = reply
            if unanswered and not self.replay and not described.in_batches:
                await self._refuse_what_is_in_batches(described, unanswered)
            elif unanswered and not self.replay:
                stored |= await self._fill_by_batches(described, unanswered, label)
                stored |= await self.store.find({key for key, _ in distinct if key not in stored})
                stored = await self._without_cut(described, calls, stored)
        unknown = {call.key for call in unanswered if call.key not in stored}
        before = {} if self.replay else await self.store.find_unanswered(unknown)
        to_send = any(not _is_used_up(described, before.get(key)) for key, _ in distinct if key not in stored)
        if to_send and not self.replay:
            await self._make_ready(described, known=bool(stored))
        asking = self._begin(described, label, len(distinct), [call.request.prompt for call in unanswered])

        todo, put_off, next_look = deque(unanswered), set[str](), 0.0

        def take(call: Call, reply: Reply) -> None:
            if asking.over:
                return
            replies[call.key, call.request.schema] = reply
            self._count(asking, call.request.prompt)
            self._look_whether_usable(asking, reply, is_usable)

        async def answer(call: Call) -> None:
            nonlocal next_look
            # what batches have brought, one after the other
            while (raw := stored.get(call.key)) and not self._wants_repair(call, reply := read_reply(call, raw)):
                take(call, reply)
                if not todo:
                    return
                call = todo.popleft()
            if put_off and time.monotonic() >= next_look:
                # what the others have answered meanwhile, many at a time
                next_look = time.monotonic() + _LOOK_S
                ahead = [call.key, *(one.key for one in islice(todo, _LOOKED_AHEAD))]
                stored.update(await self.store.find(set(ahead) - set(stored)))
            known = stored.get(call.key), before.get(call.key)
            answered = await self._answer(asking, call, *known, wait=call.key in put_off)
            if answered is None:
                # somebody else waits for it: the others first, from the other end, to meet in the middle
                if not put_off:
                    todo.reverse()
                put_off.add(call.key)
                todo.append(call)
            else:
                take(call, answered)

        if any(map(is_usable, replies.values())):
            asking.unusable = None
        try:
            with nullcontext() if to_send else _many_objects_kept():
                await self._work_off(asking, todo, answer, 2 * described.concurrency)
        except NothingToCount:
            if asking.unusable is not None and asking.unusable >= HOPELESS:
                # once its endpoint is mended it is asked anew
                await self.store.discard({key for key, _ in distinct})
            raise
        failed = [
            {"key": reply.key, "model": model, "prompt": distinct[identity].request.prompt}
            for identity, reply in replies.items()
            if reply.outcome == "error"
        ]
        if failed and not self.replay:
            await self.store.settle(failed)
        return [replies[call.key, call.request.schema] for call in calls]

    async def embed(self, model: str, texts: Sequence[str]) -> np.ndarray:
        """Have an embeddings model turn texts into vectors.

        Returns
        -------
        ndarray, shape (n_texts, n_dimensions)
            As the endpoint gives them, float32.

        Raises
        ------
        ValueError, BudgetReached, OSError, LookupError
            As for ``ask``.
        ConnectionError
            If a call has finally failed: a table with holes in it could not be deduplicated.
        """
        described = self.registry[model]
        calls = [make_embedding_call(described, text) for text in texts]
        self.asked.add((model, EMBEDDING, ""))
        distinct = {call.key: call for call in calls}
        stored = await self.store.find(distinct)
        missing = [call for key, call in distinct.items() if key not in stored]
        if missing and self.replay:
            raise self._miss(described, EMBEDDING, missing[0].key)
        if missing:
            await self._make_ready(described, known=bool(stored))
        # cut as if nothing were stored, so that processes that ask the same at once have the same batches
        keys = list(distinct)
        whole = [keys[start : start + TEXTS_A_CALL] for start in range(0, len(keys), TEXTS_A_CALL)]
        batches = [some for part in whole if (some := [distinct[key] for key in part if key not in stored])]
        before = await self.store.find_unanswered([call.key for call in missing])
        widths = [width_of(raw) for raw in stored.values()][:1]
        asking = self._begin(described, f"embeddings: {model}", len(distinct), [EMBEDDING for _ in missing])

        async def embed_batch(batch: list[EmbeddingCall]) -> None:
            lost = max(before[call.key].lost if call.key in before else 0 for call in batch)
            vectors = await self._embed(asking, batch, len(batches), lost, widths)
            if not asking.over:
                stored.update(zip((call.key for call in batch), vectors, strict=True))
                self._count(asking, EMBEDDING, len(batch))

        await self._work_off(asking, deque(batches), embed_batch, described.concurrency)
        return as_vectors(stored[call.key] for call in calls)

    async def close(self) -> None:
        """Let what is on the wire be stored, then close the connections and the call store."""
        await self._finish()
        for endpoint in self._endpoints.values():
            if endpoint.loop is asyncio.get_running_loop():  # those of an earlier loop went with it
                await endpoint.close()
        self._endpoints.clear()
        for batches in self._batches.values():
            if batches.loop is asyncio.get_running_loop():
                await batches.close()
        self._batches.clear()
        self.store.close()

    async def _answer(
        self, asking: _List, call: Call, stored: RawReply | None, before: Unanswered | None, *, wait: bool
    ) -> Reply | None:
        """Return the reply to a call; one that cannot be read is asked for again, as a call of its own.

        Parameters
        ----------
        stored : RawReply or None
            What the store holds under the key of the call.
        before : Unanswered or None
            What is known of it from earlier runs that got no reply.
        wait : bool
            Whether to wait if somebody else has it on the wire; else None is returned then.
        """
        for repairs_left in range(self.max_repairs, -1, -1):
            raw = stored
            if raw is None and self.replay:
                return failed_reply(call, await self._stored_problem(asking, call))
            if raw is None and (failed := self._failed_in_batches(asking.model, call)) is not None:
                await self.store.add_failure(
                    call.key, failed, model=asking.model.name, prompt=call.request.prompt, attempts=Attempts(made=1)
                )
                return failed_reply(call, failed)
            if raw is None and before is not None and _is_used_up(asking.model, before):
                return failed_reply(call, await self._keep_failure(asking, call, before))
            if raw is None:
                sent = await self._send(asking, call, before, wait=wait)
                if sent is None or isinstance(sent, Reply):
                    return sent
                raw, wait = sent, True
                await self._check_whole(asking.model, call, raw)
            reply = read_reply(call, raw)
            if repairs_left == 0 or not self._wants_repair(call, reply):
                break
            call = make_repair(asking.model, call, reply.text, reply.problem or "")
            self.asked.add((asking.model.name, "repair", prompt_hash("repair")))
            stored = (await self.store.find([call.key])).get(call.key)
            before = None if stored or self.replay else (await self.store.find_unanswered([call.key])).get(call.key)
        return reply

    async def _send(
        self, asking: _List, call: Call, before: Unanswered | None, *, wait: bool
    ) -> RawReply | Reply | None:
        """Return what a call brings, stored; its reply if it has failed; None if it is on the wire elsewhere."""
        request, limit = call.request, call.max_tokens
        characters = sum(len(message["content"]) for message in call.messages)
        attempts = self._begin_call(asking, before, characters)
        attempt = _Attempt(
            self._budget,
            asking.model,
            call.key,
            request.prompt,
            characters=len(call.canonical) - call.body_at - 1,
            max_tokens=limit,
            why_stopped=lambda: self._stopped,
        )
        while True:
            try:
                raw = await self._endpoint(asking.model).call(
                    "/chat/completions",
                    call.body,
                    read_completion,
                    read_failure=read_block,
                    max_tokens=limit,
                    attempts=attempts,
                    sending=attempt,
                    calls=asking.calls,
                )
                raw = within_limit(raw, call.sent_limit, attempts)
                # over with the reply, even if nobody waits any more when it is stored
                number, attempt.number = attempt.number, None
                raw = await self.store.add(
                    call.key,
                    raw,
                    model=asking.model.name,
                    prompt=request.prompt,
                    prompt_hash=request.prompt_hash,
                    request=call.canonical,
                    attempts=attempts,
                    number=number,
                )
                return raw
            except _AskedElsewhere as elsewhere:
                if elsewhere.reply is not None:
                    return elsewhere.reply
                if not wait and not attempts.made:
                    return None
            except openai.OpenAIError as failure:
                return failed_reply(call, await self._store_failure(asking, call, failure, attempts))
            finally:
                attempt.close(sent=attempts.on_wire, made=attempts.made)
                attempts.on_wire = False
            # with the same attempts, so that of two who take turns to fail neither goes on for ever
            if (there := await self.store.wait_elsewhere(call.key)) is not None:
                return there

    async def _refuse_what_is_in_batches(self, model: Model, calls: Sequence[Call]) -> None:
        """Raise ``BatchesPending`` if open batches will bring what is now to be asked live, and so paid twice."""
        keys = [call.key for call in calls]
        if handed := await self.store.apply(lambda connection: in_open_batches(connection, keys)):
            raise BatchesPending(
                f"model {model.name!r}: {len(handed):,} of these calls are in batches that were handed over before and "
                "will be paid for. To collect them, ask it in batches as then: run … --batch, or batch: true in its "
                "entry; with batch_hours there too, what an old batch leaves is asked live."
            )

    async def _fill_by_batches(self, model: Model, calls: Sequence[Call], label: str) -> dict[str, RawReply]:
        """Have batches bring what replies they can into the store, repairs in batches of their own; return those."""
        self._budget.check(model)
        batches = self._batches.get(model.name)
        if batches is None or batches.loop is not asyncio.get_running_loop():
            batches = self._batches[model.name] = Batches(model, self.store, self._budget)
        brought: dict[str, RawReply] = {}
        for nth in range(self.max_repairs + 1):
            progress = self._progress(
                f"{label} (in batches{', repairs' if nth else ''})", len(calls), self._ledger.sum_up
            )
            try:
                brought |= await batches.fill(calls)
                progress.advance(len(calls))
            finally:
                self._ledger.write()
                progress.close()
            calls = [call for call in calls if call.request.schema is not None]
            held = brought | await self.store.find([call.key for call in calls if call.key not in brought])
            read = ((call, read_reply(call, held[call.key])) for call in calls if call.key in held)
            calls = [
                make_repair(model, call, reply.text, reply.problem or "")
                for call, reply in read
                if self._wants_repair(call, reply)
            ]
            if not calls:
                break
        return brought

    async def _without_cut(
        self, model: Model, calls: Sequence[Call], stored: dict[str, RawReply]
    ) -> dict[str, RawReply]:
        """Return the stored replies but those to prompts that were cut, which are taken out of the store."""
        if not model.counts_prompts:
            return stored
        cut = {key for call in calls if call.key in stored for key in self._find_cut(model, call, stored[call.key])}
        if cut:
            await self.store.discard(cut)
        return {key: raw for key, raw in stored.items() if key not in cut}

    async def _check_whole(self, model: Model, call: Call, raw: RawReply) -> None:
        """Raise ``ConnectionError`` if a reply shows that the endpoint cuts prompts, and take such replies back."""
        cut = self._find_cut(model, call, raw)
        if not cut:
            return
        await self.store.discard(cut)
        characters = sum(len(message["content"]) for message in call.messages)
        raise ConnectionError(
            f"model {model.name!r} at {model.base_url} reads prompts that are cut: it was sent {characters:,} "
            f"characters of prompt {call.request.prompt!r} and counted {raw.prompt_tokens:,} tokens "
            f"(usage.prompt_tokens), where even {MOST_CHARACTERS_ON_AVERAGE} characters a token make "
            f"{characters // MOST_CHARACTERS_ON_AVERAGE:,}, or where prompts of all lengths have that same count. "
            "Replies to a part of the question do not count and were taken out of the call store. To do: give it a "
            "longer context (Ollama: OLLAMA_CONTEXT_LENGTH=16384 ollama serve, or num_ctx; llama.cpp: --ctx-size; "
            "vLLM: --max-model-len), then run the same command again; or, if its count leaves out what it had cached, "
            "set counts_prompts: false for it in the file of models."
        )

    def _find_cut(self, model: Model, call: Call, raw: RawReply) -> list[str]:
        """Return the keys of calls whose prompts are now known to have been cut."""
        if not model.counts_prompts:
            return []
        characters = sum(len(message["content"]) for message in call.messages)
        return self._prompt_counts[model.name].find_cut(call.key, characters, raw.prompt_tokens)

    def _look_whether_usable(self, asking: _List, reply: Reply, is_usable: Callable[[Reply], bool]) -> None:
        """Count the replies of a list that cannot be used, and stop it if there are many and no other."""
        if self.replay or reply.outcome == "error" or asking.unusable is None:
            return
        if is_usable(reply):
            asking.unusable = None
            return
        asking.unusable += 1
        if asking.unusable >= HOPELESS:
            name, example = asking.model.name, " ".join((reply.raw or reply.reasoning or "nothing").split())[:300]
            raise NothingToCount(
                f"model {name!r}: none of its first {HOPELESS} replies can be used. The last: "
                f"{reply.problem or 'not of the form that was asked for'}. It sent: {example!r}. To do: see what its "
                "endpoint sends, mend its entry in the file of models or leave it out of the study, then run the same "
                "command again. These replies were taken out of the call store."
            )

    async def _embed(
        self, asking: _List, batch: list[EmbeddingCall], calls: int, lost: int, widths: list[int]
    ) -> list[RawReply]:
        """Return the vectors of a few texts, asked for in one call and each stored under its own key.

        Parameters
        ----------
        lost : int
            How often answers to it were lost in earlier runs.
        widths : list of int
            How many numbers a vector has to have, once that is known.
        """
        model, texts = asking.model, [call.text for call in batch]
        endpoint = self._endpoint(model)
        if lost >= model.max_attempts:
            raise ConnectionError(
                f"model {model.name!r} at {model.base_url}: texts to embed were sent {lost} times, and each answer was "
                "lost and may have been charged for. To send them as often again: conflictscope run … --again."
            )
        attempts = self._begin_call(asking, Unanswered(lost, False, None), sum(map(len, texts)))
        sent = sum(len(call.canonical) for call in batch)
        attempt = _Attempt(
            self._budget,
            model,
            batch[0].key,
            EMBEDDING,
            characters=sent,
            max_tokens=None,
            why_stopped=lambda: self._stopped,
        )
        try:
            read = partial(_read_alike, texts=texts, widths=widths)
            body = embedding_body(model, texts)
            vectors = await endpoint.call("/embeddings", body, read, attempts=attempts, sending=attempt, calls=calls)
            number, attempt.number = attempt.number, None
            return await asyncio.gather(
                *(
                    self.store.add(
                        call.key,
                        raw,
                        model=model.name,
                        prompt=EMBEDDING,
                        prompt_hash="",
                        request=call.canonical,
                        # what it took is recorded once
                        attempts=attempts if call is batch[0] else Attempts(),
                        number=number if call is batch[0] else None,
                    )
                    for call, raw in zip(batch, vectors, strict=True)
                )
            )
        except _AskedElsewhere:
            # its first text stands for a batch
            await self.store.wait_elsewhere(batch[0].key)
            held = await self.store.find([call.key for call in batch])
            if rest := [call for call in batch if call.key not in held]:
                vectors = await self._embed(asking, rest, calls, lost, widths)
                held |= zip((call.key for call in rest), vectors, strict=True)
            return [held[call.key] for call in batch]
        except openai.OpenAIError as failure:
            problem = endpoint.describe(failure)
            about = {"model": model.name, "prompt": EMBEDDING}
            await self.store.add_failure(batch[0].key, problem, attempts=attempts, **about)
            raise ConnectionError(
                f"model {model.name!r} at {model.base_url}: no embeddings: {problem}. "
                "Run the same command again; what was answered is in the call store."
            ) from None
        finally:
            attempt.close(sent=attempts.on_wire, made=attempts.made)
            attempts.on_wire = False

    async def _store_failure(self, asking: _List, call: Call, failure: openai.OpenAIError, attempts: Attempts) -> str:
        """Store why a call has finally failed and return it; if the endpoint is given up, raise ``ConnectionError``."""
        if attempts.called_off and is_transient(failure):
            # it has not finally failed: its list was stopped
            raise asyncio.CancelledError from None
        endpoint, name = self._endpoint(asking.model), asking.model.name
        problem = endpoint.describe(failure)
        reason = endpoint.why_given_up(failure, asking.calls)
        given_up = ConnectionError(reason) if reason and not attempts.as_before else None
        # nothing more is begun while this is being stored
        self._stopped = self._stopped or given_up
        await self.store.add_failure(call.key, problem, model=name, prompt=call.request.prompt, attempts=attempts)
        if given_up is not None:
            raise given_up from None
        return problem

    async def _keep_failure(self, asking: _List, call: Call, before: Unanswered) -> str:
        """Return why a call failed that is not sent any more, and see that a replay will find it."""
        if before.problem is not None:
            return before.problem
        # killed before it was known
        problem = f"sent {before.lost} times, and each answer was lost"
        about = {"model": asking.model.name, "prompt": call.request.prompt}
        await self.store.add_failure(call.key, problem, attempts=Attempts(), **about)
        return problem

    async def _stored_problem(self, asking: _List, call: Call) -> str:
        """Return why a call of the run that is replayed has failed."""
        problem = (await self.store.find_failures([call.key])).get(call.key)
        if problem is None:
            raise self._miss(asking.model, call.request.prompt, call.key)
        return problem

    def _failed_in_batches(self, model: Model, call: Call) -> str | None:
        """Return why no batch could answer a call; None if none was asked to, or the rest is asked live."""
        batches = self._batches.get(model.name)
        # their words are a stranger's, and go into tables
        return None if batches is None else storable_text(batches.failed.get(call.key))

    def _wants_repair(self, call: Call, reply: Reply) -> bool:
        """Return whether a reply is to be asked for again."""
        return (
            reply.outcome == "invalid"
            and call.request.schema is not None
            and self.max_repairs > 0
            and not is_cut(reply)
        )

    def _with_limit(self, request: Request) -> Request:
        """Return a request with the study's limit for its prompt, if there is one."""
        if request.prompt not in self._limits:
            return request
        limit_name, max_tokens = self._limits[request.prompt]
        return replace(request, max_tokens=max_tokens, limit_name=limit_name)

    def _miss(self, model: Model, prompt: str, key: str) -> LookupError:
        """Return the error for a replay that lacks a reply."""
        return LookupError(
            f"replay: the call store {self.store.name} holds no reply of model {model.name!r} to prompt {prompt!r} "
            f"(key {key}). The parameters, a prompt or the model's entry differ from the run that filled it; "
            "run without replay to ask for what is missing."
        )

    async def _make_ready(self, model: Model, *, known: bool) -> None:
        """Open a model's endpoint before a list begins, so that a missing key or price is met before any call.

        Parameters
        ----------
        known : bool
            Whether it has answered some calls of the list in an earlier run.
        """
        self._budget.check(model)
        opened, endpoint = self._endpoints.get(model.name), self._endpoint(model)
        endpoint.breaker.known |= known
        if endpoint is not opened and not model.simulated:
            endpoint.learn(await self.store.find_answers(model.name, ANSWERS_KEPT))

    def _endpoint(self, model: Model) -> Endpoint:
        """Return the model's endpoint, opened in the running loop: connections cannot move between loops."""
        endpoint = self._endpoints.get(model.name)
        if endpoint is None or endpoint.loop is not asyncio.get_running_loop():
            endpoint = self._endpoints[model.name] = Endpoint(model, self._transport, self._reserve)
        return endpoint

    async def _reserve(self, name: str, seconds: float) -> float:
        """Take so many seconds of a rate that all processes on the call store share."""
        return await self.store.apply(lambda connection: reserve(connection, name, seconds))

    def _begin(self, model: Model, label: str, calls: int, prompts: Sequence[str]) -> _List:
        """Return a list of so many calls, of which those to some prompts are unanswered."""
        unanswered = self._ledger.begin_list(model.name, prompts)
        progress = self._progress(label, calls, self._ledger.sum_up)
        if answered := calls - len(prompts):
            progress.advance(answered)
        return _List(model, calls, unanswered, progress)

    def _count(self, asking: _List, prompt: str, calls: int = 1) -> None:
        """Count calls as answered."""
        asking.unanswered[prompt] -= calls
        self._ledger.write_now_and_then()
        asking.progress.advance(calls)

    async def _work_off(
        self, asking: _List, todo: deque[T], do: Callable[[T], Coroutine[Any, Any, None]], workers: int
    ) -> None:
        """Work through the calls of a list with a few tasks; if it has to stop, stop those beside it as well."""

        async def work() -> None:
            while todo:
                await do(todo.popleft())

        tasks: list[asyncio.Task] = []
        self._lists += 1
        try:
            for _ in range(min(workers, asking.unanswered.total())):
                tasks.append(asyncio.create_task(work()))
                self._workers[tasks[-1]] = None
                tasks[-1].add_done_callback(self._forget)
                # one starts while those before it are under way; all at once, none would send before all were prepared
                await asyncio.sleep(0)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else ((), ())
            if any(task.cancelled() for task in done):
                raise self._stopped or asyncio.CancelledError
            for task in done:
                task.result()
        except (BudgetReached, NothingToCount, OSError) as reason:
            self._stopped = self._stopped or reason
            await self._finish()
            if self.store.gone is not None:
                # whatever else the missing folder has brought about
                raise self.store.gone from None
            raise
        finally:
            asking.over = True
            self._lists -= 1
            if not self._lists:
                self._stopped = None
            self._call_off(tasks)
            self._ledger.end_list(asking.unanswered)
            asking.progress.close()

    def _begin_call(self, asking: _List, before: Unanswered | None, characters: int) -> Attempts:
        """Return the record of what the running task will try, unless nothing is to be tried any more.

        Parameters
        ----------
        before : Unanswered or None
            What is known of the call from earlier runs.
        characters : int
            Characters of the texts to be sent.
        """
        if self._stopped is not None:
            raise self._stopped
        task = asyncio.current_task()
        if asking.over or task is None:
            raise asyncio.CancelledError
        attempts = self._workers[task] = Attempts(characters=characters)
        if before is not None:
            attempts.counted = before.lost
            attempts.failed_before = before.problem if before.settled else None
        return attempts

    def _call_off(self, tasks: Sequence[asyncio.Task]) -> None:
        """Let tasks make no further attempt: what waits is cancelled, what is on the wire comes to its end."""
        for task in tasks:
            attempts = self._workers.get(task)
            if attempts is not None:
                attempts.called_off = True
            if attempts is None or not attempts.on_wire:
                task.cancel()

    async def _finish(self) -> None:
        """Call off what waits, and return when what is on the wire, of all lists, has been stored."""
        loop = asyncio.get_running_loop()
        # those of an earlier loop went with it
        tasks = [task for task in self._workers if task.get_loop() is loop]
        self._call_off(tasks)
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, task: asyncio.Task) -> None:
        """Forget a worker that has ended; if its list is over, nobody else looks at how."""
        del self._workers[task]
        if not task.cancelled():
            task.exception()
