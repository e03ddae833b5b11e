"""Replications: the same study many times over, and what its intervals do in the long run.

Choices of all studies come in one table, a target each; bias, coverage and rate of detection have the error of their
own simulation beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from conflictscope.calibration.studies import simulate_choices
from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.simulated import Respondent
from conflictscope.tables import CONDITIONS

ALL_VALUES = "all values"
_ERRORS = 2  # Monte Carlo errors within which a coverage passes for nominal


@dataclass(frozen=True)
class Replications:
    """How each experiment is repeated.

    Parameters
    ----------
    pairs : sequence of (str, str)
        The value pairs of each study.
    studies : int
        Studies of each kind, at least 2: the coverage of one interval is then known to √(level (1 − level) / studies).
    settings : Settings
        How each study is measured; the seed is that of the choices too.
    """

    pairs: Sequence[tuple[str, str]]
    studies: int = 500
    settings: Settings = DEFAULTS

    def __post_init__(self) -> None:
        """Raise if a number is out of its range."""
        if self.studies < 2:
            raise ValueError(f"replications: found {self.studies} studies; expected at least 2.")

    @property
    def values(self) -> list[str]:
        """The values of the pairs, in order of appearance."""
        return list(dict.fromkeys(value for pair in self.pairs for value in pair))

    def draw(
        self,
        respondent: Respondent,
        scenarios_per_pair: int,
        *,
        conditions: Sequence[str] = CONDITIONS,
        **asked: Any,
    ) -> pd.DataFrame:
        """Return the choices of all studies, a target each, with scenarios of its own; `simulate_choices` has more."""
        names = {f"study {n:05d}": respondent for n in range(self.studies)}
        return simulate_choices(
            names,
            self.pairs,
            scenarios_per_pair=scenarios_per_pair,
            seed=self.settings.seed,
            conditions=conditions,
            **asked,
            shared_scenarios=False,
        )


def estimates_of(table: pd.DataFrame, name: str, what: pd.Series, true: pd.Series) -> pd.DataFrame:
    """Return the rows of a measure's table as `summarise` takes them: a measure's column, ``_low`` and ``_high``."""
    return pd.DataFrame(
        {
            "study": table["target"],
            "what": what,
            "estimate": table[name].astype(float),
            "low": table[f"{name}_low"].astype(float),
            "high": table[f"{name}_high"].astype(float),
            "true": true.astype(float),
        }
    )


def summarise(estimates: pd.DataFrame, replications: Replications) -> pd.DataFrame:
    """Set estimates and their intervals beside the truth.

    Parameters
    ----------
    estimates : DataFrame
        One row for each study and ``what`` is estimated: ``study``, ``what``, ``estimate``, ``low``, ``high``
        (the interval; empty if the study gives none) and ``true``.
    replications : Replications
        How they were repeated.

    Returns
    -------
    DataFrame
        One row for each ``what``, then ``all values``: ``what``, ``studies`` (with an interval), ``true``, ``mean``
        (of the estimates), ``bias`` (mean − true), ``bias_error``; ``coverage`` (share of intervals that hold the
        truth), ``coverage_error``; ``verdict`` (``nominal``: coverage within two errors of the level; otherwise
        ``too narrow`` or ``too wide``); ``detected`` (share of intervals that leave 0 out: the size of the test if
        the truth is 0, its power otherwise), ``width`` (mean).
        Errors are standard errors over the studies. ``coverage_error`` is √(level (1 − level) / studies) for a single
        interval, what it would be if the level held; over all values the spread of the studies' own shares, as the
        intervals of a study go together. ``true``, ``mean`` and ``bias`` are empty over all values.
    """
    given = estimates.dropna(subset=["low", "high"])
    given = given.assign(
        error=given["estimate"] - given["true"],
        covered=((given["low"] <= given["true"]) & (given["true"] <= given["high"])).astype(float),
        detected=((given["low"] > 0) | (given["high"] < 0)).astype(float),
        width=given["high"] - given["low"],
    )
    each = given.groupby("what", sort=False)
    n = each.size()
    level = replications.settings.level
    table = pd.DataFrame(
        {
            "studies": n,
            "true": each["true"].mean(),
            "mean": each["estimate"].mean(),
            "bias": each["error"].mean(),
            "bias_error": each["error"].std() / np.sqrt(n),
            "coverage": each["covered"].mean(),
            "coverage_error": np.sqrt(level * (1 - level) / n),
            "detected": each["detected"].mean(),
            "width": each["width"].mean(),
        }
    )
    by_study = given.groupby("study")[["covered", "detected", "width"]].mean()
    pooled = by_study.mean()
    table.loc[ALL_VALUES, ["studies", "coverage", "detected", "width"]] = [
        len(by_study),
        pooled["covered"],
        pooled["detected"],
        pooled["width"],
    ]
    table.loc[ALL_VALUES, "coverage_error"] = by_study["covered"].std() / np.sqrt(len(by_study))
    off = table["coverage"] - level
    verdict = np.where(off > 0, "too wide", "too narrow")
    table.insert(7, "verdict", np.where(off.abs() <= _ERRORS * table["coverage_error"], "nominal", verdict))
    return table.rename_axis("what").reset_index().astype({"what": "str", "studies": "int64"})
