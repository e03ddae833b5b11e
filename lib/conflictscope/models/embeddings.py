"""Embeddings of an OpenAI-compatible endpoint, in the shape that the call store keeps.

In: texts. Out: one call a text as far as the store is concerned, a few texts a call on the wire, and vectors of what
came back. A vector is kept as the base64 of its 32-bit floats.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from conflictscope.models.registry import Model
from conflictscope.models.requests import RawReply, canonical_opening, key_of, read_count

_FLOATS = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """One text to embed: the key of its vector, the canonical JSON that was hashed, and the text."""

    key: str
    canonical: str
    text: str


def make_embedding_call(model: Model, text: str) -> EmbeddingCall:
    """Return the call for the vector of one text.

    Raises
    ------
    ValueError
        If the model is not one for embeddings.
    """
    if model.kind != "embeddings":
        raise ValueError(f"model {model.name!r} has kind {model.kind!r}; expected one of kind 'embeddings'.")
    canonical = f"{canonical_opening(model, 0)}{json.dumps({'model': model.id, 'input': text})}}}"
    return EmbeddingCall(key_of(canonical), canonical, text)


def embedding_body(model: Model, texts: list[str]) -> bytes:
    """Return the body that asks for the vectors of several texts."""
    return json.dumps({"model": model.id, "input": texts, "encoding_format": "float"}).encode()


def read_embeddings(payload: object, seconds: float, *, texts: Sequence[str]) -> list[RawReply]:
    """Read the body of an embeddings reply, in the order of the texts.

    The tokens that the endpoint counted for all of them are spread over them by their length.

    Raises
    ------
    ValueError
        If it does not hold one vector of numbers a text.
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(data, list) or len(data) != len(texts):
        raise ValueError(f"expected {len(texts)} embeddings")
    try:
        by_index = {int(item["index"]): np.asarray(item["embedding"], dtype=_FLOATS) for item in data}
        vectors = [by_index[index] for index in range(len(texts))]
    except (KeyError, TypeError) as problem:
        raise ValueError(f"an embedding is missing or has no index ({problem!r})") from None
    if len({vector.shape for vector in vectors}) != 1 or vectors[0].ndim != 1 or not all(map(_finite, vectors)):
        raise ValueError("the embeddings are not vectors of equally many finite numbers")
    model_id, tokens = payload.get("model"), _tokens(payload.get("usage"), texts)
    return [
        RawReply(
            model_id=model_id if isinstance(model_id, str) else None,
            text=base64.b64encode(vector.tobytes()).decode(),
            refusal=None,
            finish_reason=None,
            prompt_tokens=spent,
            completion_tokens=None,
            top_logprobs=None,
            seconds=seconds,
        )
        for vector, spent in zip(vectors, tokens, strict=True)
    ]


def as_vectors(replies: Iterable[RawReply]) -> np.ndarray:
    """Return the vectors in stored replies: shape (n_texts, n_dimensions), float32; (0, 1) if there are none."""
    vectors = [np.frombuffer(base64.b64decode(reply.text or ""), dtype=_FLOATS) for reply in replies]
    return np.stack(vectors) if vectors else np.zeros((0, 1), dtype=_FLOATS)


def _tokens(usage: object, texts: Sequence[str]) -> list[int | None]:
    """Return the tokens of each text, whole numbers that add up to what was counted; None if nothing was."""
    total = read_count(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    if total is None:
        return [None] * len(texts)
    lengths = np.cumsum([len(text) + 1 for text in texts])
    return [int(tokens) for tokens in np.diff(np.rint(total * lengths / lengths[-1]), prepend=0)]


def _finite(vector: np.ndarray) -> bool:
    """Return whether all of a vector's numbers are finite."""
    return bool(np.isfinite(vector).all())
