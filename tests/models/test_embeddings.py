import asyncio

import httpx2
import numpy as np
import pytest

from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.models.embeddings import as_vectors, read_embeddings


@pytest.fixture
def embed(store_url):
    def run(texts, url="http://x.invalid/v1", transport=None, *, replay=False, kind="embeddings"):
        async def go():
            registry = Registry({"v": Model("v", url, "v-1", kind=kind, max_attempts=2)})
            models = Models(registry, CallStore(store_url), replay=replay, transport=transport)
            try:
                return await models.embed("v", texts)
            finally:
                await models.close()

        return asyncio.run(go())

    return run


def test_one_vector_a_text_in_order_and_each_is_paid_for_once(embed, start_loopback):
    server = start_loopback()
    texts = [f"text {i}" for i in range(150)]
    vectors = embed(texts, server.url)
    assert vectors.shape == (150, 8) and vectors.dtype == np.float32
    assert server.requests()["total"] == 3
    shuffled = [texts[7], texts[3], texts[7], "new"]
    again = embed(shuffled, server.url)
    assert server.requests()["total"] == 4
    assert np.array_equal(again[:3], vectors[[7, 3, 7]])
    assert np.array_equal(embed(shuffled, server.url, replay=True), again)
    with pytest.raises(LookupError, match="'embedding'"):
        embed(["another"], server.url, replay=True)


def test_no_texts_no_call(embed):
    assert embed([]).shape == (0, 1)


def test_a_failure_is_said(embed, script):
    failing = script(lambda body, nth: httpx2.Response(400, json={"error": {"message": "too long"}}))
    with pytest.raises(ConnectionError, match=r"model 'v' at .*: no embeddings: .*too long"):
        embed(["x"], transport=failing)


def test_a_chat_model_gives_none(embed):
    with pytest.raises(ValueError, match="kind 'chat'; expected one of kind 'embeddings'"):
        embed(["x"], kind="chat")


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [float("nan")]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AAAA"}],
    ],
)
def test_what_are_not_two_vectors_is_refused(data):
    with pytest.raises(ValueError):
        read_embeddings({"data": data}, 0.1, texts=["one", "two"])


def test_vectors_are_put_in_the_order_of_their_index():
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]
    first, second = read_embeddings({"data": data}, 0.1, texts=["one", "two"])
    assert first.text != second.text
    flipped = read_embeddings({"data": data[::-1]}, 0.1, texts=["one", "two"])
    assert [first.text, second.text] == [raw.text for raw in flipped]


@pytest.mark.parametrize("index", ["1e400", "-1", "true", "0.5", '"0"', "[0]", "2"])
def test_an_index_that_is_none_is_an_answer_that_failed_and_is_not_paid_for_for_ever(embed, script, index):
    second = f'{{"index": {index}, "embedding": [2.0]}}'
    text = f'{{"data": [{{"index": 0, "embedding": [1.0]}}, {second}]}}'
    scripted = script(lambda body, nth: httpx2.Response(200, text=text))
    for _ in range(3):
        with pytest.raises(ConnectionError, match=r"no embeddings|each answer was lost"):
            embed(["one", "two"], transport=scripted)
    # max_attempts in all runs
    assert len(scripted.bodies) == 2


def test_vectors_of_another_width_are_refused_when_they_come_and_block_no_study(embed, script):
    def answer(width):
        data = lambda body: [{"index": i, "embedding": [0.5] * width} for i, _ in enumerate(body["input"])]  # noqa: E731
        return script(lambda body, nth: httpx2.Response(200, json={"data": data(body)}))

    assert embed(["one"], transport=answer(3)).shape == (1, 3)
    with pytest.raises(ConnectionError, match=r"vectors of 5 numbers, and those stored before of 3"):
        embed(["one", "two"], transport=answer(5))
    # the endpoint as it was: the study goes on
    assert embed(["one", "three"], transport=answer(3)).shape == (2, 3)


def test_vectors_of_different_width_that_an_earlier_version_stored_are_said():
    (short,), (long,) = (
        read_embeddings({"data": [{"index": 0, "embedding": [0.5] * width}]}, 0.1, texts=["one"]) for width in (3, 5)
    )
    with pytest.raises(ValueError, match=r"vectors of one model with \[3, 5\] numbers, .*Give the embedder another id"):
        as_vectors([short, long])
