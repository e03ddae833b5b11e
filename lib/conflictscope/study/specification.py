"""A specification's way into a study: read by the author model, written as a value set, left for a person to read.

In: a Markdown or text file. Out: a value set file with the sentence behind each value, and lines that say what was
taken, what was refused and why, and which pairs are left out.
"""

from pathlib import Path

import pandas as pd

from conflictscope.files import read_text, write_text
from conflictscope.models import CallStore, Models
from conflictscope.models.records import estimate_tokens
from conflictscope.models.registry import load_registry
from conflictscope.models.spending import describe_price
from conflictscope.prompts import prompt_texts
from conflictscope.scenarios import Reading, alike_pairs, load_value_set, read_tenets, split_passages, value_set_text
from conflictscope.scenarios.tenets import ALIKE


def describe_calls(file: Path, author: str | None = None, models_file: Path | None = None) -> str:
    """Return how many calls reading a specification takes and, if the author is named, about how many dollars.

    What comes back is taken to be as long as the text: sentences are copied, and definitions written beside them.
    """
    passages = split_passages(read_text(file))
    letters, more = sum(map(len, passages)), "s" * (len(passages) > 1)
    calls = f"{file}: {len(passages)} passage{more}, {letters:,} characters, one call each"
    if author is None or models_file is None:
        return f"{calls}; name an --author for the price and to ask."
    prompt_tokens = estimate_tokens(len(prompt_texts()["tenets"]))
    tokens_out = estimate_tokens(letters)
    tokens = {author: (len(passages) * prompt_tokens + tokens_out, tokens_out)}
    return f"{calls}, of {author}: {describe_price(load_registry(models_file), tokens)}."


async def write_tenets(
    file: Path,
    place: Path,
    author: str,
    models_file: Path,
    *,
    embedder: str = "tfidf",
    alike: float | None = None,
    each: int | None = None,
    seed: int = 0,
) -> list[str]:
    """Write a specification's tenets as a value set.

    Replies are kept in a call store beside the value set, so that a second try asks nothing twice.

    Parameters
    ----------
    file, place : Path
        The specification, and the value set to be written, which must not be there.
    author : str
        Model of the file of models.
    embedder, alike
        As for `alike_pairs`; without a threshold of either, no pair is left out.
    each, seed
        As for `value_set_text`.

    Returns
    -------
    list of str
        What was taken, refused and left out, and what to do next.

    Raises
    ------
    FileExistsError
        If there is a value set at `place`.
    ValueError
        If fewer than two tenets were taken, or the value set could not be loaded.
    """
    if place.exists():
        raise FileExistsError(f"{place} is there; nothing is written over. Name another file with --out, or move it.")
    text = read_text(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    models = Models(load_registry(models_file), CallStore(place.with_suffix(".calls.sqlite")))
    reading, dropped = await _ask(text, models, author, embedder, alike)
    if len(reading.values) < 2:
        raise ValueError(f"{file}: {len(reading.values)} tenets taken, {len(reading.refused)} refused; expected two.")
    pairs = [(str(one), str(two)) for one, two in zip(dropped["value_1"], dropped["value_2"], strict=True)]
    content = value_set_text(file.stem, reading.values, without=pairs, each=each, seed=seed)
    write_text(place, content)
    value_set = load_value_set(place)
    return [
        f"{len(reading.values)} tenets, {len(reading.refused)} refused; {len(value_set.pairs)} pairs, "
        f"{len(pairs)} left out as alike.",
        *(f"  refused: {row.name}: {row.problem}: {row.sentence!r}" for row in reading.refused.itertuples(index=False)),
        *(f"  alike ({row.similarity:.2f}): {row.value_1}, {row.value_2}" for row in dropped.itertuples()),
        f"Written: {place}. Read it, each value with its sentence, and mend it by hand before anything is asked.",
    ]


async def _ask(
    text: str, models: Models, author: str, embedder: str, alike: float | None
) -> tuple[Reading, pd.DataFrame]:
    """Return what the author made of the text, and the pairs that are too much alike."""
    try:
        reading = await read_tenets(text, models, author)
        if alike is None and embedder not in ALIKE:
            return reading, pd.DataFrame(columns=["value_1", "value_2", "similarity"])
        return reading, await alike_pairs(reading.values, models, embedder, alike)
    finally:
        await models.close()
