"""Damaged call stores: every command says so in words, and what can be read is saved."""

import asyncio
import shutil
import sqlite3

import pytest

from conflictscope.models import CallStore, Model
from conflictscope.models.records import Usage
from conflictscope.models.requests import RawReply, make_call
from conflictscope.models.rescue import rescue_store
from conflictscope.models.store import read_rows, summarise_store, write_rows_anew

PAGE = 4096


def damage(content, kind):
    """Return a store's bytes with something the matter with them."""
    if kind == "half":
        return content[: len(content) // 2 // PAGE * PAGE]
    if kind == "no header":
        return b"\0" * 100 + content[100:]
    # zeros over every tenth page, those left alone with which every table begins
    pages = [content[start : start + PAGE] for start in range(0, len(content), PAGE)]
    return b"".join(b"\0" * PAGE if number > 20 and number % 10 == 7 else page for number, page in enumerate(pages))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, made_call):
    """A call store of 400 replies and a failure, and the keys of the replies."""
    path = tmp_path_factory.mktemp("whole") / "calls.sqlite"
    calls = [made_call(str(number)) for number in range(400)]

    async def fill():
        store = CallStore(path)
        reply = RawReply("m-1", "A reply of some length. " * 20, None, "stop", 7, 100, None, 0.25)
        about = {"model": "m", "prompt": "p"}
        more = {"prompt_hash": "h"}
        await asyncio.gather(
            *(store.add(call.key, reply, **about, **more, request=call.canonical) for call in calls),
            store.add_failure("f", "told to fail", **about),
        )
        store.close()

    asyncio.run(fill())
    return path, [call.key for call in calls]


@pytest.fixture(scope="module")
def made_call():
    from conflictscope.models import Request

    model = Model("m", "http://x.invalid/v1", "m")
    return lambda text: make_call(model, Request(({"role": "user", "content": text},), "p", "h"))


@pytest.mark.parametrize("kind", ["half", "every tenth page", "no header"])
def test_damage_is_said_with_what_can_be_done(whole, tmp_path, kind):
    path = tmp_path / "calls.sqlite"
    path.write_bytes(damage(whole[0].read_bytes(), kind))
    # wherever it is met: on opening, in a look-up, in a summary
    with pytest.raises((ValueError, OSError), match=r"`conflictscope rescue RUN_FOLDER` saves what can be read"):
        store = CallStore(path)
        try:
            asyncio.run(store.find(whole[1]))
        finally:
            store.close()
    with pytest.raises((ValueError, OSError), match=r"`conflictscope rescue RUN_FOLDER` saves what can be read"):
        summarise_store(path)


def test_a_folder_in_the_place_of_a_store_is_said(tmp_path):
    (tmp_path / "calls.sqlite").mkdir()
    with pytest.raises(OSError, match="unable to open"):
        CallStore(tmp_path / "calls.sqlite")
    with pytest.raises(OSError, match="unable to open"):
        summarise_store(tmp_path / "calls.sqlite")


@pytest.mark.parametrize(("kind", "least"), [("half", 100), ("every tenth page", 250)])
def test_what_can_be_read_is_saved(whole, tmp_path, kind, least):
    damaged, saved = tmp_path / "calls.sqlite", tmp_path / "calls.rescued.sqlite"
    damaged.write_bytes(damage(whole[0].read_bytes(), kind))
    before = damaged.read_bytes()
    rows = rescue_store(damaged, saved)
    assert damaged.read_bytes() == before and rows["replies"] >= least
    store = CallStore(saved)
    held = asyncio.run(store.find(whole[1]))
    store.close()
    assert len(held) == rows["replies"] and {reply.text for reply in held.values()} == {"A reply of some length. " * 20}
    # what was used is there, or counted anew from the replies
    assert store.usage["m", "p"].calls in (400, len(held))


def test_nothing_is_lost_of_a_whole_store(whole, tmp_path):
    rows = rescue_store(shutil.copy(whole[0], tmp_path / "calls.sqlite"), tmp_path / "saved.sqlite")
    assert rows == {"replies": 400, "failures": 1, "usage": 1, "unanswered": 0, "batches": 0, "batch_lines": 0}
    store = CallStore(tmp_path / "saved.sqlite")
    store.close()
    assert store.usage == {("m", "p"): Usage(400, 1, 401, 0, 2800, 40_000)}


def test_a_reply_under_a_key_that_is_not_its_request_s_is_not_saved(whole, tmp_path):
    damaged = tmp_path / "calls.sqlite"
    content = whole[0].read_bytes()
    assert content.count(b'"content": "17"') == 1
    damaged.write_bytes(content.replace(b'"content": "17"', b'"content": "71"'))
    assert rescue_store(damaged, tmp_path / "saved.sqlite")["replies"] == 399


def test_where_there_is_nothing_to_save_it_is_said(tmp_path, whole):
    saved = tmp_path / "saved.sqlite"
    with pytest.raises(FileNotFoundError, match="is not there, or is no file"):
        rescue_store(tmp_path / "none.sqlite", saved)
    (tmp_path / "text.sqlite").write_text("no database, but long enough to be looked at " * 50)
    with pytest.raises(ValueError, match="nothing in it can be read"):
        rescue_store(tmp_path / "text.sqlite", saved)
    assert not saved.exists()
    saved.write_text("mine")
    with pytest.raises(FileExistsError, match="is there already"):
        rescue_store(whole[0], saved)
    assert saved.read_text() == "mine"
    # nor made where a link leads to
    saved.unlink()
    saved.symlink_to(tmp_path / "elsewhere.sqlite")
    with pytest.raises(ValueError, match="is a link; delete it"):
        rescue_store(whole[0], saved)
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_a_folder_that_takes_no_store_is_said(whole, tmp_path):
    with pytest.raises(OSError, match=r"calls\.sqlite was not written: unable to open database file"):
        rescue_store(whole[0], tmp_path / "none" / "calls.sqlite")
    with pytest.raises(OSError, match="was not written: unable to open database file"):
        write_rows_anew(tmp_path / "none" / "calls.sqlite", read_rows(whole[0]))


@pytest.mark.parametrize("text", ["{half", '{"A": 1}', "[" * 100_000])
def test_log_probabilities_that_are_none_are_not_saved(whole, tmp_path, text):
    """Else their reply would end each later run."""
    path = tmp_path / "calls.sqlite"
    shutil.copy(whole[0], path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE replies SET top_logprobs = ? WHERE key = ?", (text, whole[1][0]))
    database.close()
    rows = rescue_store(path, tmp_path / "saved.sqlite")
    assert rows["replies"] == len(whole[1]) - 1
    with pytest.raises(ValueError, match=r"\['top_logprobs'\] are not of their columns' types"):
        write_rows_anew(tmp_path / "anew.sqlite", read_rows(path))
