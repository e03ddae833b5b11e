"""Embeddings of an OpenAI-compatible endpoint, in the shape that the call store keeps.

In: texts. Out: one call a text as far as the store is concerned, a few texts a call on the wire, and vectors of what
came back. A vector is kept as the base64 of its 32-bit floats.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from conflictscope.models.records import MOST_CHARACTERS_PER_TOKEN
from conflictscope.models.registry import Model
from conflictscope.models.requests import RawReply, canonical_opening, key_of, read_count, storable_text

_FLOATS = np.dtype("<f4")
_MOST = float(np.finfo(_FLOATS).max)


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


def read_embeddings(
    payload: object, seconds: float, *, texts: Sequence[str], width: int | None = None
) -> list[RawReply]:
    """Read the body of an embeddings reply, in the order of the texts.

    The tokens that the endpoint counted for all of them are spread over them by their length.

    Parameters
    ----------
    width : int, optional
        Numbers that a vector has to have; default: as many in all.

    Raises
    ------
    ValueError
        If it does not hold one vector of numbers a text, all of one width.
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(data, list) or len(data) != len(texts):
        raise ValueError(f"expected {len(texts)} embeddings")
    by_index = {item["index"]: _read_vector(item.get("embedding")) for item in data if _has_index(item)}
    if sorted(by_index) != list(range(len(texts))):
        raise ValueError("an embedding is missing, or has no index of its own")
    vectors = [by_index[index] for index in range(len(texts))]
    widths = {len(vector) for vector in vectors}
    if len(widths) != 1:
        raise ValueError(f"the embeddings are vectors of different widths: {sorted(widths)}")
    if width is not None and widths != {width}:
        raise ValueError(
            f"the embeddings are vectors of {widths.pop()} numbers, and those stored before of {width}: another model "
            "answers at this address under the same id; give it another id in the file of models"
        )
    model_id, tokens = storable_text(payload.get("model")), _tokens(payload.get("usage"), texts)
    return [
        RawReply(
            model_id=model_id,
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


def width_of(reply: RawReply) -> int:
    """Return how many numbers a stored vector has."""
    return len(_vector_of(reply))


def as_vectors(replies: Iterable[RawReply]) -> np.ndarray:
    """Return the vectors in stored replies: shape (n_texts, n_dimensions), float32; (0, 1) if there are none.

    Raises
    ------
    ValueError
        If they are not all of one width: an earlier version stored them as they came.
    """
    vectors = [_vector_of(reply) for reply in replies]
    widths = sorted({len(vector) for vector in vectors})
    if len(widths) > 1:
        raise ValueError(
            f"the call store holds vectors of one model with {widths} numbers, which cannot be compared: another model "
            "has answered at its address. Give the embedder another id or name in the file of models, which has all "
            "texts embedded anew."
        )
    return np.stack(vectors) if vectors else np.zeros((0, 1), dtype=_FLOATS)


def _vector_of(reply: RawReply) -> np.ndarray:
    """Return the vector in a stored reply."""
    return np.frombuffer(base64.b64decode(reply.text or ""), dtype=_FLOATS)


def _has_index(item: object) -> bool:
    """Return whether this is an entry with a place among the others."""
    index = item.get("index") if isinstance(item, dict) else None
    return isinstance(index, int) and not isinstance(index, bool)


def _read_vector(numbers: object) -> np.ndarray:
    """Return a vector of finite 32-bit floats, unless these are none."""
    if not isinstance(numbers, list) or not numbers or not all(map(_is_number, numbers)):
        raise ValueError("an embedding is no list of finite numbers")
    return np.asarray(numbers, dtype=_FLOATS)


def _is_number(value: object) -> bool:
    """Return whether this is a number that a 32-bit float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def _tokens(usage: object, texts: Sequence[str]) -> list[int | None]:
    """Return the tokens of each text, whole numbers that add up to what was counted; None if that cannot be."""
    total = read_count(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    lengths = np.cumsum([len(text) + 1 for text in texts])
    if total is None or not lengths[-1] // MOST_CHARACTERS_PER_TOKEN <= total:
        return [None] * len(texts)
    return [int(tokens) for tokens in np.diff(np.rint(total * lengths / lengths[-1]), prepend=0)]
