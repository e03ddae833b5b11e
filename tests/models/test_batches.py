"""Batches on an endpoint that has them: paid once, whatever comes between."""

import asyncio
import gc
import json
import os
import signal
import sqlite3
import time
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa
from openai.types import Batch, FileObject

from conflictscope.models import BudgetReached, CallStore, Model, Models, Registry, Request, records
from conflictscope.models.batch_providers import Folder
from conflictscope.models.batches import BatchesPending, _side_by_side
from conflictscope.models.records import BATCH_KEYS, BATCH_LINES, BATCHES, calls_in, record_batch_calls
from conflictscope.models.requests import make_call
from conflictscope.models.rescue import rescue_store
from conflictscope.models.store import read_rows
from conflictscope.prompts import Prompt

pytestmark = pytest.mark.usefixtures("hurry_batches")


@pytest.fixture
def start_batches(start_server):
    """Start an endpoint with batches."""
    return partial(start_server, "batches.py")


def requests(many: int, words: str = "Reply with one letter."):
    return [Request.of(Prompt("greeting", "abc", ({"role": "user", "content": f"{i}: {words}"},))) for i in range(many)]


def ask(place, url, asked, *, budget_usd=None, max_repairs=2, live=False, **described):
    """Ask in batches; return the replies and what was used."""
    described = {"batch": True, "batch_wait_minutes": 0.5} | described
    model = Model("m", url, "m-1", input_price=1.0, output_price=1.0, **({} if live else described))
    thresholds = gc.get_threshold()

    async def go():
        models = Models(Registry({"m": model}), CallStore(place), budget_usd=budget_usd, max_repairs=max_repairs)
        try:
            replies = await models.ask("m", asked, label="test")
            return replies, (await models.store.read_usage())["m", "greeting"], models._budget.spent
        finally:
            # whatever has become of the batches
            assert gc.get_threshold() == thresholds
            await models.close()

    return asyncio.run(go())


def rows(place, table):
    with sa.create_engine(f"sqlite:///{place}", poolclass=sa.NullPool).connect() as connection:
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def texts(replies):
    return [(reply.outcome, reply.text, reply.key) for reply in replies]


def test_batches_bring_what_live_calls_bring_at_half_the_price(start_batches, tmp_path):
    server, asked = start_batches("--seconds", "0.2", "--untidy"), requests(40)
    live, _, price = ask(tmp_path / "live.sqlite", server.url, asked, live=True)
    batched, used, spent = ask(tmp_path / "batched.sqlite", server.url, asked, batch_size=15)
    assert texts(batched) == texts(live)
    assert all(reply.outcome == "ok" for reply in batched)
    books = server.get("books")
    assert (len(books["billed"]), set(books["billed"].values()), books["live"]) == (40, {1}, 40)
    assert books["batches"] == {"completed": 3}
    assert spent == pytest.approx(price / 2)
    assert (used.calls, used.batch_input_tokens) == (40, used.input_tokens)
    assert rows(tmp_path / "batched.sqlite", BATCH_LINES) == rows(tmp_path / "batched.sqlite", BATCH_KEYS) == []


def test_a_reply_longer_than_it_may_be_is_cut_off_in_a_batch_as_it_is_live(start_batches, tmp_path):
    server = start_batches("--seconds", "0.2")
    asked = [replace(request, max_tokens=2) for request in requests(3, "Tell me of bread.")]
    live, used, _ = ask(tmp_path / "live.sqlite", server.url, asked, live=True)
    batched, used_in_batches, _ = ask(tmp_path / "batched.sqlite", server.url, asked)
    assert texts(batched) == texts(live)
    assert {(reply.outcome, len(reply.text)) for reply in batched} == {("invalid", 2 * 32)}
    # of what came, not of what is kept
    assert used_in_batches.output_tokens == used.output_tokens > 3 * 2 * 32


def test_what_a_batch_is_told_to_be_is_what_the_package_expects(start_batches, tmp_path):
    server = start_batches("--seconds", "30")
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, requests(2), batch_wait_minutes=0)
    for kind, listed in ((Batch, server.get("v1/batches")), (FileObject, server.get("v1/files"))):
        (one,) = listed["data"]
        kind.model_validate(one, strict=True, extra="forbid")


def test_a_stage_that_waits_is_left_and_gone_on_with(start_batches, tmp_path):
    server, asked = start_batches("--seconds", "1.5"), requests(10)
    with pytest.raises(BatchesPending, match=r"1 batch is with http.* with 10 calls .*same command again"):
        ask(tmp_path / "calls.sqlite", server.url, asked, batch_wait_minutes=0)
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, asked, batch_wait_minutes=0)
    time.sleep(1.6)
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, asked, batch_wait_minutes=0)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["live"]) == ({1}, 10, 0)


CALLS_IN_5 = """
CREATE TABLE batch_calls (number VARCHAR(64) NOT NULL, line INTEGER NOT NULL, key VARCHAR(64) NOT NULL,
    prompt TEXT NOT NULL, prompt_hash TEXT NOT NULL, request TEXT NOT NULL, body_at INTEGER NOT NULL,
    PRIMARY KEY (number, line));
CREATE INDEX ix_batch_calls_key ON batch_calls (key);
DROP TABLE batch_lines;
DROP TABLE batch_keys;
UPDATE meta SET value = '5' WHERE name = 'schema_version';
"""


def make_version_5(place):
    """Keep what a store holds as version 5 of its schema did: a row for each call of an open batch."""
    in_order = [
        (row["number"], line, *call)
        for row in rows(place, BATCH_LINES)
        for line, call in enumerate(calls_in(row["lines"]), start=1)
    ]
    with sqlite3.connect(place) as database:
        database.executescript(CALLS_IN_5)
        columns = "number, line, key, prompt, prompt_hash, body_at, request"
        database.executemany(f"INSERT INTO batch_calls ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", in_order)
    database.close()


@pytest.mark.parametrize("how", ["version 5", "rescued", "version 5, rescued"])
def test_a_batch_that_was_left_is_gone_on_with_in_a_store_that_was_made_anew(start_batches, tmp_path, how):
    server, asked = start_batches("--seconds", "1"), requests(10)
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, asked, batch_wait_minutes=0, batch_size=4)
    if "version 5" in how:
        make_version_5(tmp_path / "calls.sqlite")
    if "rescued" in how:
        (tmp_path / "calls.sqlite").rename(tmp_path / "damaged.sqlite")
        saved = rescue_store(tmp_path / "damaged.sqlite", tmp_path / "calls.sqlite")
        assert (saved["batches"], saved["batch_lines"]) == (3, 3)
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, asked)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["live"]) == ({1}, 10, 0)
    database = sqlite3.connect(tmp_path / "calls.sqlite")
    assert not database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'batch_calls'"
    ).fetchall()
    database.close()


def test_a_program_of_version_5_that_has_the_store_open_finds_no_empty_batches(start_batches, tmp_path):
    """It fails, also once another one of that version was refused, rather than take its batches for done."""
    server = start_batches("--seconds", "30")
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, requests(10), batch_wait_minutes=0)
    make_version_5(tmp_path / "calls.sqlite")
    older = sqlite3.connect(tmp_path / "calls.sqlite")
    assert older.execute("SELECT count(line) FROM batch_calls").fetchone() == (10,)
    CallStore(tmp_path / "calls.sqlite").close()
    # what it does first is to make the tables that are not there
    older.execute(CALLS_IN_5.partition(";")[0].replace("TABLE", "TABLE IF NOT EXISTS"))
    for statement in ("SELECT line, key FROM batch_calls", "INSERT INTO batch_calls (number, line) VALUES ('1', 1)"):
        with pytest.raises(sqlite3.OperationalError):
            older.execute(statement)
    older.close()


def test_no_batch_is_recorded_while_a_store_is_brought_up_to_date(start_batches, tmp_path, monkeypatch):
    """What a program of version 5 wrote between the look and the move would be dropped with its table."""
    server = start_batches("--seconds", "30")
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, requests(2), batch_wait_minutes=0)
    make_version_5(tmp_path / "calls.sqlite")
    older = sqlite3.connect(tmp_path / "calls.sqlite", isolation_level=None, timeout=0, check_same_thread=False)
    outcome = []

    def move(*about):
        try:
            older.execute("INSERT INTO batch_calls VALUES ('late', 1, 'key', 'greeting', 'abc', '{}', 0)")
            outcome.append("written")
        except sqlite3.OperationalError as problem:
            outcome.append(str(problem))
        record_batch_calls(*about)

    monkeypatch.setattr(records, "record_batch_calls", move)
    CallStore(tmp_path / "calls.sqlite").close()
    older.close()
    assert outcome == ["database is locked"] and len(rows(tmp_path / "calls.sqlite", BATCH_KEYS)) == 2


def test_of_calls_in_a_damaged_batch_only_those_that_are_whole_are_gone_on_with(start_batches, tmp_path):
    server, asked = start_batches("--seconds", "1"), requests(10)
    damaged, saved = tmp_path / "damaged.sqlite", tmp_path / "saved.sqlite"
    with pytest.raises(BatchesPending):
        ask(damaged, server.url, asked, batch_wait_minutes=0)
    with sqlite3.connect(damaged) as database:
        database.execute("UPDATE batch_lines SET lines = replace(lines, '7: Reply', '7: Rebel')")
    database.close()
    assert rescue_store(damaged, saved)["batch_lines"] == 1
    (kept,) = rows(saved, BATCH_LINES)
    assert [call.key for call in calls_in(kept["lines"])] == [
        make_call(Model("m", server.url, "m-1"), request).key for nth, request in enumerate(asked) if nth != 7
    ]
    assert len(rows(saved, BATCH_KEYS)) == 9
    # a text that is none of ours is no batch
    with sqlite3.connect(damaged) as database:
        database.execute("UPDATE batch_lines SET lines = 'a page of something else'")
    database.close()
    saved.unlink()
    assert rescue_store(damaged, saved)["batch_lines"] == 0


def test_what_is_in_a_batch_is_not_asked_live_as_well(start_batches, tmp_path):
    server, asked = start_batches("--seconds", "0.5"), requests(10)
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, asked[:6], batch_wait_minutes=0)
    with pytest.raises(BatchesPending, match=r"6 of these calls are in batches.* run … --batch"):
        ask(tmp_path / "calls.sqlite", server.url, asked, live=True)
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, asked)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["live"]) == ({1}, 10, 0)


@pytest.mark.parametrize("lost", ["--lose-created", "--lose-uploaded"])
def test_a_lost_answer_is_looked_for_and_nothing_is_handed_over_twice(start_batches, tmp_path, lost):
    server = start_batches("--seconds", "0.1", lost, "1", "--page", "1")
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, requests(12), batch_size=4)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["batches"]) == ({1}, 12, {"completed": 3})


def test_what_expires_or_fails_is_handed_over_again(start_batches, tmp_path):
    server = start_batches("--expire-share", "0.3", "--error-share", "0.1")
    replies, used, _ = ask(tmp_path / "calls.sqlite", server.url, requests(30))
    books = server.get("books")
    assert set(books["billed"].values()) == {1}
    answered = [reply for reply in replies if reply.outcome == "ok"]
    assert len(answered) == len(books["billed"]) == used.calls
    failed = [reply for reply in replies if reply.outcome == "error"]
    assert {reply.problem for reply in failed} <= {"no answer in 3 batches"}
    assert (sum(books["batches"].values()), len(answered) + len(failed)) == (3, 30)


def test_one_bad_line_is_named_and_the_rest_goes_on(start_batches, tmp_path):
    server = start_batches("--bad-word", "marmalade")
    asked = [*requests(5), *requests(1, "marmalade")]
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, asked)
    assert [reply.outcome for reply in replies] == ["ok"] * 5 + ["error"]
    assert replies[-1].problem == "line 6 of its batch was rejected: the body holds what is not taken here"


def test_results_that_are_cut_are_fetched_again_and_what_is_missing_is_asked_again(start_batches, tmp_path):
    server = start_batches("--cut", "1")
    replies, used, _ = ask(tmp_path / "calls.sqlite", server.url, requests(20))
    assert {reply.outcome for reply in replies} == {"ok"}
    assert used.calls == 20


def test_a_download_that_breaks_off_loses_nothing_of_what_had_come(start_batches, tmp_path):
    server = start_batches("--break-off", "2")
    replies, used, _ = ask(tmp_path / "calls.sqlite", server.url, requests(40))
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"]), books["batches"]) == ({1}, 40, {"completed": 1})
    assert used.calls == 40


def test_a_full_queue_is_waited_for(start_batches, tmp_path):
    server = start_batches("--queue", "10", "--seconds", "0.3")
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, requests(25), batch_size=10)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (set(books["billed"].values()), len(books["billed"])) == ({1}, 25)


def test_an_endpoint_without_batches_is_said(start_batches, tmp_path):
    server = start_batches("--without-batches")
    with pytest.raises(ConnectionError, match=r"it has no batches .*Set batch: false in its entry"):
        ask(tmp_path / "calls.sqlite", server.url, requests(2))
    assert [row["open"] for row in rows(tmp_path / "calls.sqlite", BATCHES)] == [False]
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, requests(2), live=True)
    assert {reply.outcome for reply in replies} == {"ok"}


def test_simulated_models_have_none(tmp_path):
    with pytest.raises(ValueError, match="has no batches"):
        ask(tmp_path / "calls.sqlite", "simulated:", requests(1))


def test_what_is_under_way_since_an_earlier_run_is_held_against_the_budget(start_batches, tmp_path):
    server, asked = start_batches("--seconds", "60"), requests(12, "Tell me of your day.")
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, asked[:6], batch_wait_minutes=0, budget_usd=0.0017)
    # 525 tokens a call are expected, at half a dollar for a million: six such calls are all that the budget covers
    with pytest.raises(BudgetReached):
        ask(tmp_path / "calls.sqlite", server.url, asked[6:], batch_wait_minutes=0, budget_usd=0.0017)


def test_an_old_batch_is_cancelled_and_the_rest_asked_live(start_batches, tmp_path):
    server = start_batches("--seconds", "60")
    replies, _, _ = ask(tmp_path / "calls.sqlite", server.url, requests(10), batch_hours=1e-5)
    assert {reply.outcome for reply in replies} == {"ok"}
    books = server.get("books")
    assert (len(books["billed"]), books["live"], books["batches"]) == (5, 5, {"cancelled": 1})


def test_the_budget_holds_against_what_is_handed_over(start_batches, tmp_path):
    server, asked = start_batches(), requests(20, "Tell me of your day.")
    with pytest.raises(BudgetReached, match="higher budget_usd"):
        ask(tmp_path / "calls.sqlite", server.url, asked, budget_usd=0.0005)
    billed = len(server.get("books")["billed"])
    assert 1 <= billed < 20
    replies, _, spent = ask(tmp_path / "calls.sqlite", server.url, asked, budget_usd=1.0)
    assert {reply.outcome for reply in replies} == {"ok"}
    assert set(server.get("books")["billed"].values()) == {1}
    assert spent > 0.0005


@pytest.mark.parametrize("later_s", [0.0, 0.2])
def test_two_processes_on_one_store_hand_nothing_over_twice(start_batches, tmp_path, later_s):
    server, asked = start_batches("--seconds", "0.5"), requests(10)

    async def go():
        model = Model("m", server.url, "m-1", batch=True, batch_wait_minutes=0.5)
        both = [Models(Registry({"m": model}), CallStore(tmp_path / "calls.sqlite")) for _ in range(2)]
        try:
            first = asyncio.create_task(both[0].ask("m", asked, label="one"))
            await asyncio.sleep(later_s)
            replies = await asyncio.gather(first, both[1].ask("m", asked, label="two"))
            return replies, (await both[0].store.read_usage())["m", "greeting"]
        finally:
            for models in both:
                await models.close()

    (one, two), used = asyncio.run(go())
    assert texts(one) == texts(two)
    books = server.get("books")
    assert (set(books["billed"].values()), books["batches"]) == ({1}, {"completed": 1})
    assert used.calls == len(books["billed"]) == 10


@pytest.fixture
def engine(tmp_path):
    """Ask six calls by a folder; answer some of the lines of its file of requests."""

    class Engine:
        folder = tmp_path / "engine"

        def ask(self):
            described = {"batch_folder": str(self.folder), "batch_wait_minutes": None}
            return ask(tmp_path / "calls.sqlite", "http://127.0.0.1:9/v1", requests(6), **described)

        def wait(self, words="engine"):
            with pytest.raises(BatchesPending, match=words):
                self.ask()

        @property
        def requests(self):
            return next(self.folder.glob("*.requests.jsonl"))

        @property
        def lines(self):
            return [json.loads(line) for line in self.requests.read_text().splitlines()]

        def answer(self, name, lines, text="A", more=""):
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            response = {"status_code": 200, "body": {"model": "m-1", "choices": [choice]}}
            rows = [json.dumps({"custom_id": line["custom_id"], "response": response, "error": None}) for line in lines]
            (self.folder / name).write_text("".join(f"{row}\n" for row in rows) + more)

    engine = Engine()
    engine.wait()
    return engine


def test_a_folder_takes_the_place_of_an_endpoint(engine):
    assert [set(line) for line in engine.lines] == [{"custom_id", "method", "url", "body"}] * 6
    engine.answer("b.jsonl", engine.lines[:2], "B", more='{"cut')
    engine.wait(r"4 of 6 requests have no result yet\. .*b\.jsonl: line 3 is no whole result \(1 such lines\)")
    engine.answer("a.jsonl", engine.lines[::-1][:5], "A")
    replies, used, _ = engine.ask()
    # the files are read by name, and the first result stays
    assert [reply.text for reply in replies] == ["B", "A", "A", "A", "A", "A"]
    again, used_again, _ = engine.ask()
    assert texts(again) == texts(replies) and used_again.calls == used.calls == 6


def test_results_of_another_study_are_refused_and_its_file_may_be_moved_away(engine):
    engine.answer("a.jsonl", [*engine.lines, {"custom_id": "f" * 64}])
    with pytest.raises(ValueError, match=r"a\.jsonl, line 7: a result for 'f+', which no file of requests .* asks for"):
        engine.ask()
    engine.answer("a.jsonl", engine.lines)
    replies, used, _ = engine.ask()
    assert {reply.outcome for reply in replies} == {"ok"} and used.calls == 6


def test_a_file_of_requests_that_was_changed_is_refused(engine):
    whole = engine.requests.read_text()
    engine.answer("a.jsonl", engine.lines)
    path = engine.requests
    path.write_text(whole.replace("one letter", "two letters", 1))
    with pytest.raises(ValueError, match="was changed since it was written"):
        engine.ask()
    path.unlink()
    with pytest.raises(ValueError, match="is gone since it was written"):
        engine.ask()
    path.write_text(whole)
    assert {reply.outcome for reply in engine.ask()[0]} == {"ok"}


def test_requests_go_into_no_file_that_a_link_leads_to(tmp_path):
    (tmp_path / "elsewhere").write_text("as it was")
    (tmp_path / "n.requests.jsonl").symlink_to("elsewhere")
    with pytest.raises(ValueError, match=r"n\.requests\.jsonl is a link; delete it"):
        asyncio.run(Folder(tmp_path).create("n", [b"{}"]))
    assert (tmp_path / "elsewhere").read_text() == "as it was"


def test_open_batches_stay_out_of_bundles(start_batches, tmp_path):
    server = start_batches("--seconds", "30")
    with pytest.raises(BatchesPending):
        ask(tmp_path / "calls.sqlite", server.url, requests(3), batch_wait_minutes=0)
    assert {name for name, _ in read_rows(tmp_path / "calls.sqlite")} == {"meta"}


STUDY = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.models.test_batches import ask, requests
from conflictscope.models import batches
batches._FIRST_PAUSE_S, batches._LONGEST_PAUSE_S, batches._LIST_LAG_S = 0.02, 0.05, 0.02
ask(Path(sys.argv[1]), sys.argv[2], requests(60), batch_size=10)
"""


def test_kills_at_any_moment_pay_nothing_twice(start_batches, tmp_path, pytestconfig, fork_python):
    server, place = start_batches("--seconds", "0.1"), tmp_path / "calls.sqlite"
    command = ["-c", STUDY.format(root=str(pytestconfig.rootpath)), str(place), server.url]
    started = time.monotonic()
    assert fork_python([*command[:2], str(tmp_path / "whole.sqlite"), server.url]).wait() == 0
    whole = time.monotonic() - started
    already = set(server.get("books")["billed"])
    assert len(already) == 60
    server = start_batches("--seconds", "0.1")
    command[-1] = server.url
    kills = int(os.environ.get("KILLS", "6"))
    for nth in range(kills):
        process = fork_python(command)
        time.sleep(whole * (0.05 + 0.9 * nth / max(kills - 1, 1)))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert fork_python(command).wait() == 0
    books = server.get("books")
    assert (len(books["billed"]), set(books["billed"].values()), books["live"]) == (60, {1}, 0)


def test_jobs_are_done_side_by_side_and_the_first_failure_ends_them():
    began, ended = [], []

    async def job(name, seconds, problem=None):
        began.append(name)
        await asyncio.sleep(seconds)
        if problem:
            raise problem
        ended.append(name)

    async def jobs(*names, problem=None):
        for name in names:
            yield job(name, 0.05, problem if name == "first" else None)

    asyncio.run(_side_by_side(jobs("a", "b", "c")))
    assert (began, ended) == (["a", "b", "c"], ["a", "b", "c"])
    began.clear(), ended.clear()
    with pytest.raises(ConnectionError, match="told to fail"):
        asyncio.run(_side_by_side(jobs("first", "beside", "after", problem=ConnectionError("told to fail"))))
    # what is under way may have been paid for
    assert (began, ended) == (["first", "beside"], ["beside"])

    async def interrupted():
        task = asyncio.create_task(_side_by_side(jobs("x", "y", "z")))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    began.clear(), ended.clear()
    assert asyncio.run(interrupted()) == 1
    assert (began, ended) == (["x", "y"], [])
