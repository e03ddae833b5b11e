"""The sample: which conversations or scenarios are put to annotators.

In: an archive, a size and a seed. Out: a table of questions, in the order in which they are asked, the same for every
annotator, so that any two have answered the same questions as far as both have come. Strata are what the study was
designed by, never what the judge said, so rates on the sample estimate rates in the study. Section 4 of the paper
(arXiv 2509.25369).
"""

import numpy as np
import pandas as pd

from conflictscope.browse.archive import Archive
from conflictscope.browse.labels import QUESTION
from conflictscope.tables import CHECKS

_CONVERSATION = ["scenario_id", "target", "system_prompt", "repetition"]


def sample_conversations(archive: Archive, size: int, *, seed: int) -> pd.DataFrame:
    """Draw conversations, evenly over targets, system prompts and value pairs.

    Parameters
    ----------
    archive : Archive
        The study.
    size : int
        How many; all there are, where there are no more.
    seed : int
        Seed of the draw.

    Returns
    -------
    DataFrame
        Columns ``labels.QUESTION``, one row a conversation whose last reply can be read.

    Raises
    ------
    ValueError
        Where `size` is below 1 or there is no conversation.
    """
    turns = archive.tables["conversations"]
    last = turns.sort_values("turn", kind="stable").drop_duplicates(_CONVERSATION, keep="last")
    read = last[last["reply"].eq("ok") & last["role"].eq("assistant")].sort_values(_CONVERSATION)
    pairs = archive.tables["scenarios"].set_index("scenario_id")[["value_1", "value_2"]]
    drawn = _draw(read.join(pairs, on="scenario_id"), ["target", "system_prompt", "value_1", "value_2"], size, seed)
    return drawn.assign(kind="conversation", check=None, about_value=None)[list(QUESTION)]


def sample_checks(archive: Archive, size: int, *, seed: int) -> pd.DataFrame:
    """Draw scenarios that were checked, evenly over value pairs and templates, with seven questions about each.

    Parameters
    ----------
    archive : Archive
        The study.
    size : int
        How many scenarios; all there are, where there are no more.
    seed : int
        Seed of the draw.

    Returns
    -------
    DataFrame
        Columns ``labels.QUESTION``: for each scenario the six checks, ``value_guided`` once for each value.

    Raises
    ------
    ValueError
        Where `size` is below 1 or no scenario was checked.
    """
    scenarios = archive.tables["scenarios"]
    checked = scenarios[scenarios["scenario_id"].isin(archive.tables["checks"]["scenario_id"])]
    strata = ["value_1", "value_2", "structure", "severity"]
    drawn = _draw(checked.sort_values("scenario_id"), strata, size, seed)
    rows = [
        {"scenario_id": scenario.scenario_id, "kind": "check", "check": check, "about_value": about}
        for scenario in drawn.itertuples()
        for check in CHECKS
        for about in ((scenario.value_1, scenario.value_2) if check == "value_guided" else (None,))
    ]
    return pd.DataFrame(rows).assign(target=None, system_prompt=None, repetition=None)[list(QUESTION)]


def _draw(rows: pd.DataFrame, strata: list[str], size: int, seed: int) -> pd.DataFrame:
    """Return rows drawn in turn from each stratum, in the order drawn, so that any first part is balanced too."""
    if size < 1 or rows.empty:
        raise ValueError(
            f"sample: asked for {size} of {len(rows)}; expected at least 1 of at least 1. "
            "Run the notebook that writes them first, or ask for more."
        )
    rng = np.random.default_rng(seed)
    shuffled = rows.iloc[rng.permutation(len(rows))]
    turn = shuffled.groupby(strata, sort=False).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")].head(size)
