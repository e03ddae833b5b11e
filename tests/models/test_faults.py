"""Every kind of fault, and a short soak, against a server that fails on purpose (``tests/servers/faulty.py``)."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from conflictscope import scenarios as sc
from conflictscope.models import CallStore, Model, Models, Registry, patience
from conflictscope.table_files import read_table, write_table

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("benchmarks", "servers")]
from broken_http import EITHER, TOO_LARGE  # noqa: E402
from faulty import UNANSWERED, UNSPOILT  # noqa: E402
from soak import examine, examine_bill, make_requests, outcome_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("hurry")
# kind of fault → outcome of a free reply, outcome of a structured one that is not asked for again
ANSWERED = {
    "slow_drip": ("ok", "ok"),
    "empty": ("invalid", "invalid"),
    "truncated_content": ("ok", "invalid"),
    "wrong_schema": ("ok", "invalid"),
    "length": ("invalid", "invalid"),
    "content_filter": ("refusal", "refusal"),
    "refusal": ("refusal", "refusal"),
    "odd_unicode": ("ok", "ok"),
    "megabyte": ("ok", "ok"),
    **{kind: ("ok", "ok") for kind in UNSPOILT if kind not in EITHER},
}


NOTHING_WRONG = dict.fromkeys(("lost", "paid twice", "not as injected", "another's answer"), 0)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str
    rating: int = Field(ge=1, le=7)


@pytest.mark.parametrize("kind", [kind for kind in UNANSWERED if kind != "stale"])
def test_what_brings_no_reply_is_tried_again(ask, make_request, start_faulty, kind, monkeypatch):
    # of twenty calls one fails five times, and waits twice as long each time
    monkeypatch.setattr(patience, "_FIRST_WAIT_S", 0.005)
    server = start_faulty("--share", "0.4", "--kinds", kind, "--seed", "2", "--drip", "0.005")
    timeout_s = 1 if kind in ("hang", "endless_drip") else 60
    replies = ask([make_request(str(i), schema=Answer) for i in range(20)], base_url=server.url, timeout_s=timeout_s)
    assert [reply.outcome for reply in replies] == ["ok"] * 20
    counts = server.get("counts")
    assert counts["kinds"]["none"] == 20 and counts["kinds"][kind] > 3


@pytest.mark.parametrize("kind", ANSWERED)
def test_what_brings_a_spoilt_reply_is_kept_with_its_outcome(ask, make_request, start_faulty, kind):
    server = start_faulty("--always", kind)
    for schema, outcome in zip((None, Answer), ANSWERED[kind], strict=True):
        requests = [make_request(str(i), schema=schema) for i in range(3)]
        replies = ask(requests, base_url=server.url, max_repairs=0, json_schema=True)
        assert [reply.outcome for reply in replies] == [outcome] * 3
        assert all((reply.problem is None) == (outcome == "ok") for reply in replies)
        # what was paid for is there, and what is there is not asked again
        again = ask(requests, base_url=server.url, replay=True, max_repairs=0, json_schema=True)
        assert again == replies
    assert server.get("counts")["kinds"] == {kind: 6}


def test_odd_unicode_and_a_megabyte_reach_the_tables(ask, make_request, start_faulty, scenarios, tmp_path):
    for kind, length in (("odd_unicode", 20), ("megabyte", 1_000_000)):
        server = start_faulty("--always", kind)
        (reply,) = ask([make_request(kind, schema=Answer)], base_url=server.url, json_schema=True)
        assert len(reply.parsed.reason) >= length
        frame = scenarios.assign(description=reply.parsed.reason)
        write_table(frame, "scenarios", tmp_path, study="s")
        assert read_table("scenarios", tmp_path, study="s")["description"][0] == reply.parsed.reason
        if kind == "odd_unicode":
            assert "\N{REPLACEMENT CHARACTER}" in reply.parsed.reason and "z\u0353\u0321a" in reply.parsed.reason
            assert "\u202eright to left\u202c" in reply.parsed.reason


def test_too_few_outlines_are_counted_and_repeated_ones_dropped(store_url, start_faulty, value_set):
    def write(kind):
        server = start_faulty("--always", kind)
        registry = Registry({"m": Model(kind, server.url, "m", json_schema=True)})

        async def go():
            models = Models(registry, CallStore(store_url))
            outlines, short = await sc.write_outlines(value_set, models, "m", outlines_per_pair=24)
            marked, _ = await sc.mark_duplicates(outlines, models, embedder="tfidf")
            await models.close()
            return marked, short

        return asyncio.run(go())

    # the server gives three outlines a call, whatever it is asked for; three are asked for
    marked, short = write("none")
    # its words are few, so that some are near others by chance
    assert len(marked) == 24 and marked["kept"].sum() > 16 and short.empty
    marked, short = write("fewer_items")
    assert len(marked) == 16 and (short["asked"] - short["got"] == 1).all() and len(short) == 8
    marked, short = write("repeated_items")
    assert len(marked) == 24 and marked["kept"].sum() <= 8 and short.empty


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_an_answer_without_end_is_left_unread_and_not_asked_for_again(ask, make_request, start_faulty, kind):
    server = start_faulty("--always", kind)
    (reply,) = ask([make_request("?")], base_url=server.url, max_reply_mb=1)
    assert (reply.outcome, server.get("counts")["total"]) == ("error", 1)
    assert "over 1 MB, max_reply_mb in the file of models" in reply.problem


def test_a_second_answer_goes_to_no_other_question(ask, start_faulty):
    """It comes 5 to 50 ms after the first: on a kept connection, as the answer to the next request."""
    server = start_faulty("--share", "0.5", "--kinds", "second_late", "--seed", "1")
    described, requests = Model("m", server.url, "m-1", json_schema=True), make_requests(0, 200)
    replies = ask(requests, base_url=server.url, json_schema=True, concurrency=4)
    outcomes = dict(outcome_of(described, *pair) for pair in zip(requests, replies, strict=True))
    assert examine(server.get("injected"), outcomes) == NOTHING_WRONG
    assert {outcome for outcome in outcomes.values()} == {("ok", True, True), ("ok", False, True)}


@pytest.mark.parametrize("lists", [1, 4])
def test_an_answer_that_was_given_to_another_question_is_given_to_none(ask, start_faulty, lists):
    """Nor one that an earlier process was given."""
    server = start_faulty("--share", "0.3", "--kinds", "stale", "--seed", "4")
    described, requests = Model("m", server.url, "m-1", json_schema=True), make_requests(0, 600)
    parts = [requests[nth * 600 // lists : (nth + 1) * 600 // lists] for nth in range(lists)]
    replies = [reply for part in parts for reply in ask(part, base_url=server.url, json_schema=True, concurrency=16)]
    met = server.get("injected")
    outcomes = dict(outcome_of(described, *pair) for pair in zip(requests, replies, strict=True))
    assert server.get("counts")["kinds"]["stale"] > 30
    assert examine(met, outcomes) == NOTHING_WRONG


def test_a_short_soak(ask, make_request, start_faulty, store_url):
    """A fifth of the attempts fails in 54 ways: no reply is lost, none paid for twice, outcomes are as injected."""
    server = start_faulty("--share", "0.2", "--seed", "5", "--drip", "0.005")
    requests = make_requests(0, 600)
    replies = ask(requests, base_url=server.url, json_schema=True, max_repairs=0, concurrency=32, timeout_s=3)
    described = Model("m", server.url, "m-1", json_schema=True)
    outcomes = dict(outcome_of(described, *pair) for pair in zip(requests, replies, strict=True))
    met, counts = server.get("injected"), server.get("counts")
    assert len(outcomes) == counts["distinct"] == 600 and set(outcomes) == set(met)
    assert examine(met, outcomes) == NOTHING_WRONG
    assert sum(counts["kinds"].values()) - counts["kinds"]["none"] > 100 and len(counts["kinds"]) > 40
    # by the server's books
    store = CallStore(store_url)
    used = store.usage["m", "p"]
    store.close()
    assert examine_bill(server.get("billed"), used) == {"input_tokens": 0, "output_tokens": 0}
    # one that takes too long may end before the server has read it
    assert counts["total"] <= used.attempts <= counts["total"] + used.estimated
    # run again, nothing is asked
    assert ask(requests, base_url=server.url, json_schema=True, max_repairs=0) == replies
    assert server.get("counts")["total"] == counts["total"]


def test_repairs_under_faults_are_asked_once_each(ask, start_faulty, store_url):
    server = start_faulty("--share", "0.3", "--kinds", "wrong_schema,truncated_content,empty,status_500", "--seed", "3")
    replies = ask(make_requests(0, 200), base_url=server.url, json_schema=True, concurrency=16)
    met = server.get("injected")
    # each body, repairs among them, was answered once
    answered = [[kind for kind in kinds if kind != "status_500"] for kinds in met.values()]
    assert {len(kinds) for kinds in answered} == {1} and len(met) > 210
    store = CallStore(store_url)
    assert store.usage["m", "p"].calls == len(met)
    assert store.usage["m", "p"].attempts == server.get("counts")["total"]
    store.close()
    # three times in a row unreadable is rare, and nothing else is invalid
    structured = [reply for reply in replies[1::2]]
    assert sum(reply.outcome == "ok" for reply in structured) >= 95
    assert json.dumps(sorted({reply.outcome for reply in structured})) in ('["invalid", "ok"]', '["ok"]')
