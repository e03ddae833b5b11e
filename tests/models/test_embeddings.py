import asyncio

import httpx2
import numpy as np
import pytest

from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.models.embeddings import read_embeddings


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
