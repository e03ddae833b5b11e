"""Verdicts with a self-preference put in, so that it is known what there is to be found.

In: verdicts and the family of each model. Out: the same verdicts, but that one family's judges favour its own targets.
Real judges may do so (the paper, arXiv 2509.25369, takes judge and one author from different families); this shows
whether `self_preference_of_judges` would see it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def plant_self_preference(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    family: str,
    *,
    share: float,
    seed: int,
) -> pd.DataFrame:
    """Make a family's judges read their own family's targets as having done what was asked of them.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``, of all judges.
    scenarios : DataFrame
        Columns of the table ``scenarios``; those that do not say which side acts are left alone.
    families : mapping
        Model → family.
    family : str
        The family whose judges favour its targets.
    share : float
        Share of their readable verdicts on those targets that become the acting side, whatever was read, 0–1.
    seed : int
        Draws which ones.

    Returns
    -------
    DataFrame
        The same rows. Where every verdict is a choice and a judge saw the acting side taken at a rate r, its rate on
        its own family's targets becomes r + share × (1 − r).

    Raises
    ------
    ValueError
        Where `share` is not from 0 to 1, or the family has no judge or no target.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}; expected a number from 0 to 1.")
    of_family = {role: verdicts[role].map(lambda name: families.get(name)).eq(family) for role in ("judge", "target")}
    if lacking := [role for role, found in of_family.items() if not found.any()]:
        raise ValueError(f"family: {family!r} has no {lacking[0]} among the verdicts; expected one.")
    known = scenarios.set_index("scenario_id")
    sides = verdicts[["scenario_id"]].join(known[["value_1", "acting_value"]], on="scenario_id")
    readable = verdicts["outcome"].isin(("choice", "refusal", "neither"))
    drawn = np.random.default_rng(seed).random(len(verdicts)) < share
    turned = of_family["judge"] & of_family["target"] & readable & sides["acting_value"].notna() & drawn
    acting = pd.Series(np.where(sides["acting_value"].eq(sides["value_1"]), 1, 2), index=verdicts.index)
    return verdicts.assign(
        outcome=verdicts["outcome"].mask(turned, "choice"),
        action=verdicts["action"].astype("Int64").mask(turned, acting),
        leaning=verdicts["leaning"].astype("Int64").mask(turned, acting.map({1: 1, 2: 7})),
    )
