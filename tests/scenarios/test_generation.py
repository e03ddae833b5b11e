"""Generation against a scripted author: what is asked, what is kept, what is counted as lost."""

import asyncio
from dataclasses import replace

import pytest

from conflictscope.prompts import read_fences
from conflictscope.scenarios import mark_duplicates, write_outlines, write_scenarios
from conflictscope.table_files import check_table
from conflictscope.tables import NothingToCount


def outline(n):
    # words of their own, so that no two are alike
    return {name: f"{name} w{n}a w{n}b w{n}c w{n}d" for name in ("context", "action_opportunity", "good", "harm")}


def scenario(n):
    names = ("description", "persona", "background", "goal", "action_1", "action_2", "consequence_1", "consequence_2")
    return {name: f"{name} {n}" for name in names}


def numbered():
    """Return a function that counts up."""
    count = iter(range(10_000))
    return lambda: next(count)


def write(models, value_set, wanted=16, per_call=5):
    return asyncio.run(write_outlines(value_set, models, "m", outlines_per_pair=wanted, outlines_per_call=per_call))


def test_outlines_come_back_with_their_cells(scripted, value_set):
    turn = numbered()

    def script(body):
        count = int(body["messages"][-1]["content"].split("Write ")[1].split(" outline")[0])
        return {"outlines": [outline(turn()) for _ in range(count)]}

    models, transport = scripted(script)
    outlines, shortfalls = write(models, value_set)
    assert len(outlines) == 16 and shortfalls.empty and len(transport.bodies) == 8
    assert outlines.groupby(["structure", "severity", "acting_value"]).size().tolist() == [2] * 8
    assert outlines["outline_id"].is_unique
    marked, _ = asyncio.run(mark_duplicates(outlines, models, embedder="tfidf"))
    assert check_table(marked, "outlines")["kept"].all()


def test_a_changed_definition_asks_anew_and_takes_no_outline_of_before(scripted, value_set):
    turn = numbered()
    models, transport = scripted(lambda body: {"outlines": [outline(turn()) for _ in range(2)]})
    old, _ = write(models, value_set)
    tact, candour = value_set["tact"], replace(value_set["candour"], definition="saying all that is so")
    changed = replace(value_set, values=(candour, tact))
    new, _ = write(models, changed)
    assert len(transport.bodies) == 16 and len(old) == len(new) == 16
    for name in ("outline_id", "context", "good"):
        assert not set(old[name]) & set(new[name])
    # what was asked before the change is still there under its own keys
    assert write(models, value_set)[0].equals(old) and len(transport.bodies) == 16


@pytest.mark.parametrize("got", [1, 3])
def test_too_few_or_too_many_are_neither_padded_nor_kept(scripted, value_set, got):
    turn = numbered()
    models, _ = scripted(lambda body: {"outlines": [outline(turn()) for _ in range(got)]})
    outlines, shortfalls = write(models, value_set)
    assert len(outlines) == 8 * min(got, 2)
    assert len(shortfalls) == (8 if got < 2 else 0)
    assert (shortfalls["got"] == got).all() and (shortfalls["asked"] == 2).all()


@pytest.mark.parametrize("nothing", ["Sure! Here are some outlines: 1. ...", {"outlines": []}])
def test_an_unreadable_or_empty_batch_is_a_shortfall_with_its_reason(scripted, value_set, nothing):
    turn = numbered()
    models, _ = scripted(lambda body: {"outlines": [outline(0), outline(1)]} if turn() == 0 else nothing)
    outlines, shortfalls = write(models, value_set)
    assert len(outlines) == 2 and len(shortfalls) == 7
    assert (shortfalls["got"] == 0).all() and shortfalls["problem"].str.len().gt(0).all()


def test_an_author_that_gives_nothing_stops_the_stage(scripted, value_set):
    turn = numbered()
    models, _ = scripted(lambda body: {"outlines": [outline(turn()), outline(turn())]})
    marked, _ = asyncio.run(mark_duplicates(write(models, value_set)[0], models, embedder="tfidf"))
    models, _ = scripted(lambda body: "Sure! Here are some: 1. ...")
    with pytest.raises(NothingToCount, match="author 'm' gave nothing that can be read in 8 calls"):
        write(models, value_set)
    with pytest.raises(NothingToCount, match="author 'm' gave nothing that can be read in 16 calls"):
        asyncio.run(write_scenarios(marked, value_set, models, "m"))


def test_word_for_word_repeats_have_rows_of_their_own_and_are_marked(scripted, value_set):
    models, _ = scripted(lambda body: {"outlines": [outline(1), outline(1)]})
    outlines, _ = write(models, value_set)
    marked = check_table(asyncio.run(mark_duplicates(outlines, models, embedder="tfidf"))[0], "outlines")
    assert len(marked) == 16 and marked["kept"].sum() == 1


def test_scenarios_are_named_by_their_content_and_losses_are_counted(scripted, value_set):
    turn = numbered()
    models, _ = scripted(lambda body: {"outlines": [outline(turn()), outline(turn())]})
    outlines, _ = write(models, value_set)
    marked, _ = asyncio.run(mark_duplicates(outlines, models, embedder="tfidf"))

    def author(body):
        context = read_fences(body["messages"][-1]["content"])["context"]
        n = int(context.split(" w")[1][:-1])
        # the same scenario for the first two outlines of a cell, nothing for the fourth
        return 500 if n == 3 else scenario(0 if n in (0, 1) else n)

    models, _ = scripted(author)
    written, lost = asyncio.run(write_scenarios(marked, value_set, models, "m"))
    written = check_table(written, "scenarios")
    assert len(written) == 14 and len(lost) == 2
    assert sorted(lost["problem"].str.contains("word for word")) == [False, True]
    again, _ = asyncio.run(write_scenarios(marked, value_set, models, "m"))
    assert again["scenario_id"].tolist() == written["scenario_id"].tolist()
    assert set(written["outline_id"]) <= set(marked["outline_id"])
