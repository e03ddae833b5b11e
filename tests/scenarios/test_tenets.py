"""Tenets: each with a sentence of the text, what was made up refused and said, a file that loads as it was meant."""

import asyncio

import pytest

from conflictscope.scenarios import Value, alike_pairs, load_value_set, read_tenets, split_passages, value_set_text

TEXT = """# Conduct

It should tell
the truth. It should be kind to everybody.

It must never hurt anyone."""
TRUTH = {"name": "truth", "definition": "telling what is so", "sentence": "It should tell the truth."}
KIND = {"name": "kindness", "definition": "sparing people pain", "sentence": "It should be kind to everybody."}


def read(scripted, *tenets):
    models, transport = scripted(lambda body: {"tenets": list(tenets)})
    return asyncio.run(read_tenets(TEXT, models, "m")), transport


def test_a_tenet_rests_on_a_sentence_of_the_text_wherever_its_lines_break(scripted):
    reading, transport = read(scripted, TRUTH, KIND)
    assert [(value.name, value.sentence) for value in reading.values] == [
        ("truth", "It should tell the truth."),
        ("kindness", "It should be kind to everybody."),
    ]
    assert reading.refused.empty and len(transport.bodies) == 1
    assert "It must never hurt anyone." in transport.bodies[0]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"sentence": "It should always tell the truth."}, "its sentence does not occur in the text"),
        ({"sentence": "It should tell the Truth."}, "its sentence does not occur in the text"),
        ({"name": "<b>truth</b>"}, "its name cannot be a value's; expected up to 60 letters"),
        ({"name": "Kindness"}, "its name is taken"),
        ({"definition": "sparing people  pain."}, "its definition nearly repeats that of 'kindness'"),
        ({"definition": "tell\u200bing"}, "its definition cannot be shown"),
    ],
)
def test_what_does_not_hold_is_refused_and_said(scripted, changed, problem):
    reading, _ = read(scripted, KIND, TRUTH | changed)
    assert [value.name for value in reading.values] == ["kindness"]
    assert reading.refused["problem"].iloc[0].startswith(problem)


def test_a_reply_that_cannot_be_read_ends_it_with_what_to_do(scripted):
    models, _ = scripted(lambda body: "no tenets")
    with pytest.raises(ValueError, match=r"passage 1 of 1 got no reply .*Give the command again"):
        asyncio.run(read_tenets(TEXT, models, "m"))
    with pytest.raises(ValueError, match="empty"):
        asyncio.run(read_tenets(" \n", models, "m"))


def test_passages_are_whole_paragraphs():
    assert split_passages("a\n\nbb\n \nccc", most=5) == ["a\n\nbb", "ccc"]
    assert split_passages("x" * 9 + "\n\ny", most=5) == ["x" * 9, "y"]


def test_the_file_loads_with_sentences_and_without_the_pairs_that_are_alike(scripted, tmp_path):
    values = [Value(f"v{n}", f"definition {n} {'abcdefgh'[n] * 9}", sentence=f"It should {n}: yes.") for n in range(8)]
    models, _ = scripted(lambda body: "")
    alike = asyncio.run(alike_pairs([*values[:7], Value("v7", values[0].definition + " too")], models, "tfidf", 0.5))
    assert alike[["value_1", "value_2"]].values.tolist() == [["v0", "v7"]] and alike["similarity"].iloc[0] > 0.5
    with pytest.raises(ValueError, match="expected a threshold"):
        asyncio.run(alike_pairs(values, models, "tfidf"))
    place = tmp_path / "set.yaml"
    place.write_text(value_set_text("A text", values, without=[("v0", "v7"), ("v1", "v2")]), encoding="utf-8")
    loaded = load_value_set(place)
    assert loaded.values == tuple(values) and len(loaded.pairs) == 28 - 2
    place.write_text(value_set_text("A text", values, without=[("v0", "v7")], each=3, seed=4), encoding="utf-8")
    drawn = load_value_set(place).pairs
    assert len(drawn) == 12 and ("v0", "v7") not in drawn
    assert {sum(name in pair for pair in drawn) for name in loaded.names} == {3}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("{without: [[a, z]]}", "expected two different names"),
        ("{without: []}", "or without, a list of pairs of names"),
        ("{without: [[a, b], [a, c], [a, d]]}", "do not connect the values"),
        ("{each: 2, without: [[a, b], [a, c], [a, d]]}", "found no order in which neighbours may meet"),
    ],
)
def test_pairs_that_are_left_out_are_checked(tmp_path, pairs, said):
    place = tmp_path / "set.yaml"
    definitions = "\n".join(f"  {name}: {name * 12} is done" for name in "abcd")
    place.write_text(f"name: x\nvalues:\n{definitions}\npairs: {pairs}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        load_value_set(place)
