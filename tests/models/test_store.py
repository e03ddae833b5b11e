import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from conflictscope.models import CallStore
from conflictscope.models import store as models_store
from conflictscope.models.records import BATCHES, Attempts, Usage
from conflictscope.models.requests import RawReply
from conflictscope.models.store import read_rows, write_rows_anew

REPLY = RawReply("m-1", "Hello, \N{GRINNING FACE}", None, "stop", 7, 3, [{"A": -0.5}], 0.25)
ABOUT = {"model": "m", "prompt": "p", "prompt_hash": "h", "request": "{}"}

# stores replies 0, 1, 2 … under keys that begin with a name, and says so after each
WRITER = """
import asyncio, sys
from conflictscope.models import CallStore
from conflictscope.models.requests import RawReply
from conflictscope.models.store import read_rows, write_rows_anew

async def main(url, name, count):
    store = CallStore(url)
    for i in range(count):
        raw = RawReply("m", f"{name} {i}", None, "stop", 1, 1, None, 0.0)
        held = await store.add(f"key {i}", raw, model="m", prompt="p", prompt_hash="h", request="{}")
        print(i, held.text, sep="\\t", flush=True)
    store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def run(url, work):
    """Open a store, await ``work(store)``, close it, return the result."""

    async def go():
        store = CallStore(url)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(go())


def start_writer(url, name, count):
    return subprocess.Popen([sys.executable, "-c", WRITER, url, name, str(count)], stdout=subprocess.PIPE, text=True)


def test_gives_back_what_was_stored(store_url):
    refusal = RawReply(None, None, "No.", None, None, None, None, 0.0)

    async def fill(store):
        await asyncio.gather(store.add("a", REPLY, **ABOUT), store.add("b", refusal, **ABOUT))

    run(store_url, fill)
    assert run(store_url, lambda store: store.find(["a", "b", "c"])) == {"a": REPLY, "b": refusal}


def test_results_of_a_commit_come_one_a_turn_of_the_loop(store_url):
    """So that of many that come together none keeps what is to be sent from its turn; all come, in order."""

    async def work(store):
        turn, turns = 0, []

        def count():
            nonlocal turn
            turn += 1
            counting = loop.call_soon(count)
            if len(turns) == 20:
                counting.cancel()

        async def find(nth):
            await store.find([str(nth)])
            turns.append((turn, nth))

        loop = asyncio.get_running_loop()
        loop.call_soon(count)
        # while this is done the others come together
        held = asyncio.create_task(store.apply(lambda connection: time.sleep(0.1)))
        await asyncio.sleep(0.02)
        await asyncio.gather(held, *(find(nth) for nth in range(20)))
        return turns

    turns = run(store_url, work)
    assert [nth for _, nth in turns] == list(range(20))
    assert len({turn for turn, _ in turns}) == 20 and turns[-1][0] - turns[0][0] < 40


def test_a_call_whose_reply_is_stored_in_the_same_commit_is_not_sent_again(store_url):
    attempt = {"model": "m", "prompt": "p", "expected": Usage(), "seconds": 300}

    async def work(store):
        await store.begin(store.next_number(), "a", **attempt)
        # while this is done the others come together
        held = asyncio.create_task(store.apply(lambda connection: time.sleep(0.1)))
        await asyncio.sleep(0.02)
        _, _, elsewhere = await asyncio.gather(
            held, store.add("a", REPLY, number=0, **ABOUT), store.begin(store.next_number(), "a", **attempt)
        )
        return elsewhere.reply

    assert run(store_url, work) == REPLY


def test_nobody_waits_for_attempts_that_a_store_has_left_which_this_process_has_closed(store_url):
    """As of a full disk, which does not take that they are over."""
    attempt = {"model": "m", "prompt": "p", "expected": Usage(), "seconds": 300}
    run(store_url, lambda store: store.begin(store.next_number(), "a", **attempt))

    async def again(store):
        return await asyncio.wait_for(store.wait_elsewhere("a"), 5), await store.begin(0, "a", **attempt)

    assert run(store_url, again) == (None, None)


def test_the_first_reply_stays_and_is_what_everybody_gets(store_url):
    later = REPLY._replace(text="later")

    async def fill(store):
        return await asyncio.gather(*(store.add("a", reply, **ABOUT) for reply in (REPLY, later, later)))

    assert run(store_url, fill) == [REPLY] * 3
    assert run(store_url, lambda store: store.add("a", later, **ABOUT)) == REPLY


def test_finds_more_keys_than_fit_into_a_query(store_url):
    async def fill(store):
        await asyncio.gather(*(store.add(str(i), REPLY, **ABOUT) for i in range(1203)))
        return await store.find([str(i) for i in range(3000)])

    assert len(run(store_url, fill)) == 1203


def test_the_last_failure_stays(store_url):
    async def fill(store):
        for problem in ("first", "second"):
            await store.add_failure("a", problem, model="m", prompt="p")
        return await store.find_failures(["a", "b"])

    assert run(store_url, fill) == {"a": "second"}


def test_no_reply_that_was_acknowledged_is_lost_by_a_kill(store_url):
    writer = start_writer(store_url, "one", 100_000)
    acknowledged = [writer.stdout.readline().split("\t")[0] for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [line.split("\t")[0] for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    held = run(store_url, lambda store: store.find([f"key {i}" for i in acknowledged]))
    assert len(held) == len(acknowledged) >= 50


def test_two_processes_get_the_same_replies(store_url):
    writers = [start_writer(store_url, name, 100) for name in ("one", "two")]
    told = [writer.communicate()[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert told[0] == told[1] and len(told[0]) == 100


def test_another_schema_version_is_refused(store_url, tmp_path):
    run(store_url, lambda store: store.find([]))
    with sqlite3.connect(tmp_path / "calls.sqlite") as database:
        database.execute("UPDATE meta SET value = '99'")
        # which a later program may have done without
        database.execute("DROP TABLE unanswered")
    with pytest.raises(
        ValueError, match=r"schema version 99; this version .* reads 1 to 6\. Use the conflictscope that"
    ):
        CallStore(store_url)
    # an empty one would tell that program that nothing was lost
    assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'unanswered'").fetchall()
    database.close()


VERSION_1 = """
CREATE TABLE meta (name VARCHAR(64) NOT NULL PRIMARY KEY, value VARCHAR(64));
CREATE TABLE replies (key VARCHAR(64) NOT NULL PRIMARY KEY, model TEXT NOT NULL, prompt TEXT NOT NULL,
    prompt_hash TEXT NOT NULL, request TEXT NOT NULL, model_id TEXT, text TEXT, refusal TEXT, finish_reason TEXT,
    prompt_tokens INTEGER, completion_tokens INTEGER, top_logprobs TEXT, seconds FLOAT NOT NULL,
    created VARCHAR(40) NOT NULL);
CREATE TABLE failures (key VARCHAR(64) NOT NULL PRIMARY KEY, model TEXT NOT NULL, prompt TEXT NOT NULL,
    problem TEXT NOT NULL, created VARCHAR(40) NOT NULL);
INSERT INTO meta VALUES ('schema_version', '1');
INSERT INTO replies VALUES
    ('a', 'm', 'p', 'h', '{}', 'm-1', 'Hello', NULL, 'stop', 7, 3, NULL, 0.25, '2026-01-01'),
    ('b', 'm', 'p', 'h', '123456789', NULL, NULL, 'No, no', NULL, NULL, NULL, NULL, 0.5, '2026-01-01'),
    ('c', 'v', 'embedding', '', '12345678', NULL, 'AACAPwAAgD8=', NULL, NULL, NULL, NULL, NULL, 0.5, '2026-01-01');
INSERT INTO failures VALUES ('d', 'm', 'p', 'told to fail', '2026-01-01');
"""


@pytest.fixture
def old_store(tmp_path):
    """Make a call store as version 1 of its schema made it."""
    database = sqlite3.connect(tmp_path / "calls.sqlite")
    database.executescript(VERSION_1)
    database.close()


def test_a_store_of_version_1_keeps_its_replies_and_is_counted_once(old_store, store_url, tmp_path):
    expected = {
        # 7 + 9/4 and 3 + 6/4, rounded up: the second reply came without its tokens, so they are estimated
        ("m", "p"): Usage(calls=2, failed=1, attempts=3, estimated=1, input_tokens=10, output_tokens=5),
        ("v", "embedding"): Usage(calls=1, attempts=1, estimated=1, input_tokens=2, output_tokens=0),
    }
    for _ in range(2):
        store = CallStore(store_url)
        assert store.usage == expected
        held = asyncio.run(store.find(["a", "b", "c", "d"]))
        assert held["a"] == RawReply("m-1", "Hello", None, "stop", 7, 3, None, 0.25) and set(held) == {"a", "b", "c"}
        assert asyncio.run(store.find_failures(["d"])) == {"d": "told to fail"}
        store.close()
    with sqlite3.connect(tmp_path / "calls.sqlite") as database:
        assert database.execute("SELECT value FROM meta").fetchall() == [("6",)]
    database.close()


def test_a_store_of_version_2_gets_a_place_for_thoughts(store_url, tmp_path):
    run(store_url, lambda store: store.add("a", REPLY, **ABOUT))
    with sqlite3.connect(tmp_path / "calls.sqlite") as database:
        database.execute("ALTER TABLE replies DROP COLUMN reasoning")
        database.execute("UPDATE meta SET value = '2'")
    database.close()
    # what only reads leaves it as it is
    rows = [row for table, row in read_rows(store_url) if table == "replies"]
    assert "reasoning" not in rows[0]
    write_rows_anew(tmp_path / "copy.sqlite", [("replies", row) for row in rows])
    thoughtful = REPLY._replace(reasoning="Hm.")

    async def fill(store):
        return [await store.add(key, thoughtful, **ABOUT) for key in "ab"]

    assert run(store_url, fill) == [REPLY, thoughtful]
    assert run(f"sqlite:///{tmp_path / 'copy.sqlite'}", lambda store: store.find(["a"])) == {"a": REPLY}


def test_a_reply_that_is_taken_back_stays_counted(store_url):
    async def fill(store):
        await store.add("a", REPLY, **ABOUT)
        await store.discard(["a", "none"])
        return await store.find(["a"]), store.usage["m", "p"].calls

    assert run(store_url, fill) == ({}, 1)


VERSION_2 = (
    VERSION_1.replace("'schema_version', '1'", "'schema_version', '2'")
    + """
CREATE TABLE usage (model VARCHAR(200) NOT NULL, prompt VARCHAR(200) NOT NULL, calls BIGINT NOT NULL,
    failed BIGINT NOT NULL, attempts BIGINT NOT NULL, estimated BIGINT NOT NULL, input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL, PRIMARY KEY (model, prompt));
INSERT INTO usage VALUES ('m', 'p', 2, 1, 3, 1, 10, 5);
"""
)


def test_a_store_of_version_2_is_read_as_it_is_and_then_tells_cached_tokens_and_thoughts(store_url, tmp_path):
    path = tmp_path / "calls.sqlite"
    database = sqlite3.connect(path)
    database.executescript(VERSION_2)
    database.close()
    # what only reads leaves it as it is
    summary = models_store.summarise_store(path)
    assert summary["cached_tokens"].sum() == 0 and summary["seconds"].sum() == pytest.approx(1.25)
    copy = tmp_path / "copy.sqlite"
    models_store.write_rows_anew(copy, models_store.read_rows(path))
    thoughtful = REPLY._replace(cached_tokens=5, reasoning_tokens=2)
    for place in (path, copy):
        assert run(place, lambda store: store.add("e", thoughtful, **ABOUT)) == thoughtful
        store = CallStore(place)
        assert store.usage["m", "p"] == Usage(3, 1, 4, 1, 17, 8, 5, 2)
        assert asyncio.run(store.find(["a", "e"]))["a"].cached_tokens is None
        store.close()
    assert models_store.summarise_store(path)["cached_tokens"].sum() == 5


def test_processes_that_migrate_at_once_count_once(old_store, store_url):
    writers = [start_writer(store_url, name, 1) for name in ("one", "two", "three")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.stdout.close()
    store = CallStore(store_url)
    # what was there, and one call of each process
    assert store.usage["m", "p"] == Usage(5, 1, 6, 1, 13, 8)
    store.close()


def test_a_reply_that_came_second_was_paid_for_as_well(store_url):
    async def fill(store):
        await asyncio.gather(*(store.add("a", reply, **ABOUT) for reply in (REPLY, REPLY._replace(text="later"))))
        await store.add("a", REPLY._replace(completion_tokens=5), **ABOUT)
        return store.usage

    assert run(store_url, fill) == {("m", "p"): Usage(calls=3, attempts=3, input_tokens=21, output_tokens=11)}


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "calls.sqlite").write_text("not a database, but long enough to be looked at " * 50)
    with pytest.raises(ValueError, match="is not a call store"):
        CallStore(f"sqlite:///{tmp_path / 'calls.sqlite'}")
    with pytest.raises(OSError, match="cannot be used"):
        CallStore(f"sqlite:///{tmp_path / 'no such folder' / 'calls.sqlite'}")
    with pytest.raises(ValueError, match="cannot use this database URL"):
        CallStore("no url")


def test_a_full_disk_stops_the_writer_and_loses_nothing(store_url):
    async def fill(store):
        await store.add("a", REPLY, **ABOUT)

    run(store_url, fill)

    class Full(CallStore):
        """Its database may not grow: SQLite then raises what it raises on a full disk."""

        def _open(self):
            connection = super()._open()
            connection.exec_driver_sql(
                f"PRAGMA max_page_count={connection.exec_driver_sql('PRAGMA page_count').scalar()}"
            )
            connection.rollback()
            return connection

    async def overfill():
        store = Full(store_url)
        big = REPLY._replace(text="x" * 1_000_000)
        with pytest.raises(OSError, match=r"cannot be used: database or disk is full\. What it holds stays"):
            await store.add("b", big, **ABOUT)
        found = await store.find(["a", "b"])
        store.close()
        return found

    assert asyncio.run(overfill()) == {"a": REPLY}


def test_a_log_that_finds_no_room_is_a_full_disk(store_url):
    """SQLite says no more of it than that."""
    store = CallStore(store_url)
    raised = store._unusable(sa.exc.OperationalError("", None, sqlite3.OperationalError("disk I/O error")))
    store.close()
    assert store.name in str(raised) and "If the disk is full, free disk space" in str(raised)


def test_a_closed_store_says_so(store_url):
    store = CallStore(store_url)
    store.close()
    store.close()
    with pytest.raises(ValueError, match="is closed"):
        asyncio.run(store.find(["a"]))


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql+nodriver://me:secret@host/db", "nodb://host/db?password=secret", "sqlite://me:secret/x.sqlite"),
        *("sqlite:////nowhere/x.sqlite?password=secret", "secret"),
    ],
)
@pytest.mark.filterwarnings("ignore:Query string")
def test_a_password_in_the_url_is_not_shown(url, tmp_path):
    with pytest.raises((ValueError, OSError), match="call store") as raised:
        CallStore(url)
    assert "secret" not in str(raised.value)
    store = CallStore(f"sqlite:///{tmp_path}/x.sqlite?password=secret")
    store.close()
    assert "secret" not in store.name + repr(store)


def test_one_reply_that_the_database_refuses_takes_no_others_with_it(store_url):
    """Stored together, as in one commit: the rest is there, and its text, which was paid for."""
    odd = REPLY._replace(prompt_tokens=2**63, text="paid for")

    async def fill(store):
        async with asyncio.TaskGroup() as group:
            for key in "abcde":
                group.create_task(store.add(key, odd if key == "c" else REPLY, **ABOUT))
            group.create_task(store.add_failure("f", "told to fail", model="m", prompt="p"))
        return await store.find("abcde"), await store.find_failures("f")

    replies, failures = run(store_url, fill)
    assert [replies[key].text for key in "abcde"] == [REPLY.text, REPLY.text, "paid for", REPLY.text, REPLY.text]
    assert replies["c"].prompt_tokens is None and replies["a"] == REPLY and failures == {"f": "told to fail"}
    store = CallStore(store_url)
    assert (store.usage["m", "p"].calls, store.usage["m", "p"].failed) == (5, 1)
    store.close()


@pytest.mark.parametrize("count", ["prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"])
def test_of_many_replies_that_are_stored_as_one_a_refused_one_takes_no_others_with_it(store_url, count):
    odd = REPLY._replace(text="paid for", **{count: 2**63})
    answered = [({"key": key} | ABOUT, odd if key == "c" else REPLY, Attempts(made=1)) for key in "abcde"]
    held = run(store_url, lambda store: store.add_all(answered))
    assert held == run(store_url, lambda store: store.add_all(answered[::-1]))[::-1]
    assert [reply.text for reply in held] == [REPLY.text, REPLY.text, "paid for", REPLY.text, REPLY.text]
    assert getattr(held[2], count) is None and held[0] == held[4] == REPLY


def test_what_an_endpoint_counts_need_not_fit_into_the_database(shared_url):
    """PostgreSQL's integers have 32 bits; of many replies, a few are stored one by one."""
    odd = REPLY._replace(cached_tokens=2**34, prompt_tokens=2**35)
    answered = [({"key": f"key {i}"} | ABOUT, odd if i == 700 else REPLY, Attempts(made=1)) for i in range(1000)]
    held = run(shared_url, lambda store: store.add_all(answered))
    assert [reply.text for reply in held] == [REPLY.text] * 1000
    store = CallStore(shared_url)
    store.close()
    assert store.usage["m", "p"].calls == 1000


def test_a_path_may_hold_any_mark(tmp_path):
    for name in ("a?b", "a%41b", "a#b", "a b", "a&timeout=1"):
        path = tmp_path / name / "calls.sqlite"
        path.parent.mkdir()
        run(path, lambda store: store.add("a", REPLY, **ABOUT))
        assert path.exists()
        # by the file, and by the URL that is made of it
        assert run(models_store.store_url(path), lambda store: store.find(["a"])) == {"a": REPLY}
        assert models_store.summarise_store(path)["replies"].tolist() == [1]
        copy = path.with_name("copy?.sqlite")
        models_store.write_rows_anew(copy, models_store.read_rows(path))
        assert run(copy, lambda store: store.find(["a"])) == {"a": REPLY}


GONE = ["removed", "replaced", "folder removed", "folder moved"]


def take_away(path, how):
    """Do to a call store's file, which is in use, what people do to it."""
    if how == "removed":
        for file in path.parent.glob("calls.sqlite*"):
            file.unlink()
    elif how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        other.replace(path)
    elif how == "folder removed":
        shutil.rmtree(path.parent)
    else:
        path.parent.rename(path.parent.with_name("moved"))


@pytest.mark.parametrize("how", GONE)
def test_a_store_that_is_taken_away_is_noticed_and_saved(tmp_path, how):
    path = tmp_path / "run" / "calls.sqlite"
    path.parent.mkdir()

    async def go():
        store = CallStore(path)
        await asyncio.gather(*(store.add(f"before {i}", REPLY, **ABOUT) for i in range(50)))
        take_away(path, how)
        with pytest.raises(OSError, match="was removed or replaced while it was in use") as raised:
            await store.add("after", REPLY, **ABOUT)
        # nobody goes on as if nothing had happened
        with pytest.raises(OSError, match="was removed or replaced"):
            await store.find(["before 1"])
        store.close()
        return str(raised.value)

    told = asyncio.run(go())
    saved = path.with_name("calls.saved.sqlite")
    assert str(saved) in told and "move that file to the place of the call store" in told
    held = run(saved, lambda store: store.find([*(f"before {i}" for i in range(50)), "after"]))
    assert len(held) == 51


def test_a_store_that_is_taken_away_stops_the_stage_and_nothing_is_asked_again(ask, script, make_request, tmp_path):
    path = tmp_path / "calls.sqlite"

    def answer(body, nth):
        if nth == 20:
            take_away(path, "removed")
        return "well"

    requests = [make_request(str(i)) for i in range(60)]
    scripted = script(answer)
    with pytest.raises(OSError, match="was removed or replaced while it was in use"):
        ask(requests, scripted, concurrency=4)
    sent = len(scripted.bodies)
    assert sent < 40
    path.with_name("calls.saved.sqlite").rename(path)
    assert [reply.text for reply in ask(requests, scripted)] == ["well"] * 60 and len(scripted.bodies) == 60


def test_a_store_that_is_taken_away_at_the_end_is_said_on_closing(tmp_path):
    path = tmp_path / "calls.sqlite"
    store = CallStore(path)
    asyncio.run(store.add("a", REPLY, **ABOUT))
    take_away(path, "removed")
    with pytest.raises(OSError, match="was removed or replaced while it was in use"):
        store.close()
    assert set(run(path.with_name("calls.saved.sqlite"), lambda saved: saved.find(["a"]))) == {"a"}


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_store_that_is_cut_off_in_its_place_is_noticed(tmp_path, kept):
    path = tmp_path / "calls.sqlite"

    async def fill(store):
        await asyncio.gather(*(store.add(f"before {i}", REPLY, **ABOUT) for i in range(500)))

    run(path, fill)
    store = CallStore(path)

    async def go():
        # its pages are in memory: SQLite itself notices nothing
        await store.find([f"before {i}" for i in range(500)])
        await store.add("between", REPLY, **ABOUT)
        os.truncate(path, int(kept * path.stat().st_size))
        with pytest.raises(OSError, match=r"was cut off or written over.*conflictscope rescue"):
            await store.add("after", REPLY, **ABOUT)

    asyncio.run(go())
    store.close()


def test_a_log_that_is_cut_off_is_noticed(tmp_path):
    """What is written next makes it as long again, with a hole in it."""
    path = tmp_path / "calls.sqlite"
    store = CallStore(path)

    async def go():
        await store.add("before", REPLY, **ABOUT)
        os.truncate(path.with_name("calls.sqlite-wal"), 0)
        with pytest.raises(OSError, match=r"was cut off or written over.*conflictscope rescue"):
            await store.add("after", REPLY, **ABOUT)

    asyncio.run(go())
    store.close()


def test_a_path_that_is_no_text_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"is not UTF-8, which a call store's path has to be; rename the folder"):
        CallStore(tmp_path / "a\udcff" / "calls.sqlite")


def test_another_process_s_attempts_are_charged_once_nobody_waits_for_them(tmp_path):
    """Of a process that is there, when their time is over; of one that has ended, at once."""
    path = tmp_path / "calls.sqlite"
    about = {"model": "m", "prompt": "p", "expected": Usage(input_tokens=5, output_tokens=7)}

    def used():
        store = CallStore(path)
        store.close()
        return store.usage.get(("m", "p"))

    async def begin(key, seconds):
        store = CallStore(path)
        await store.begin(store.next_number(), key, seconds=seconds, **about)
        return store

    waiting = asyncio.run(begin("k", 60))
    assert used() is None
    asyncio.run(begin("l", -1)).close()
    lost = Usage(attempts=1, estimated=1, input_tokens=5, output_tokens=7, lost_output_tokens=7)
    assert used() == used() == lost
    assert run(path, lambda store: store.find_unanswered(["l"]))["l"].lost == 1
    # what ends in time is not charged
    asyncio.run(waiting.end(0, "k", model="m", prompt="p", used=None))
    waiting.close()
    assert used() == lost


def test_what_one_process_applies_no_other_comes_between(store_url):
    """Two that look a batch up and then change it at the same moment are never both the first."""

    def claim(connection):
        (calls,) = connection.execute(sa.select(BATCHES.c.calls)).one()
        time.sleep(0.001)
        connection.execute(BATCHES.update().values(calls=calls + 1))
        return calls

    async def both():
        stores = [CallStore(store_url) for _ in range(2)]
        row = {"number": "n", "model": "m", "created": 0.0, "calls": 0, "open": True}
        row |= {"input_tokens": 0, "output_tokens": 0}
        await stores[0].apply(lambda connection: connection.execute(BATCHES.insert(), row) and None)
        claimed = await asyncio.gather(*(store.apply(claim) for _ in range(50) for store in stores))
        for store in stores:
            store.close()
        return claimed

    assert sorted(asyncio.run(both())) == list(range(100))


def test_a_store_of_version_4_tells_lost_answers_apart_from_then_on(store_url, tmp_path):
    run(store_url, lambda store: store.add("a", REPLY, **ABOUT))
    database = sqlite3.connect(tmp_path / "calls.sqlite")
    database.executescript("ALTER TABLE usage DROP COLUMN lost_output_tokens; UPDATE meta SET value = '4';")
    database.close()
    store = CallStore(store_url)
    store.close()
    assert [used.lost_output_tokens for used in store.usage.values()] == [0]
