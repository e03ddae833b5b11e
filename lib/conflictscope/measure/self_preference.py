"""Self-preference: whether judges read, or authors test, the models of their own family otherwise than others.

A verdict is no mark for quality, so favour is a difference of differences: what being of one family adds to the rates
of what judges saw.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import DEFAULTS, Settings, add_up, divide, percentile_interval, resample_sums
from conflictscope.measure.raters import CONVERSATION

NOT_TOLD = "not told"
_FAMILIES = ["author_family", "target_family", "judge_family"]


def rates_by_family(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Give the rates of what judges saw, by author, target and judge family.

    Parameters
    ----------
    verdicts : DataFrame
        Of all judges.
    scenarios : DataFrame
        Authors, values, which side acts.
    families : mapping
        Model → family; a model that is not there, or None, counts as ``not told``.
    settings : Settings
        Of the intervals: scenarios are drawn within value pair and author family.

    Returns
    -------
    DataFrame
        One row for each author, target and judge family and each measure: ``author_family``, ``target_family``,
        ``judge_family``, ``measure``, ``rate``, ``rate_low``, ``rate_high`` (0–1; empty if there is nothing to
        count), ``readings`` (counted). Only conversations count that every judge has read. The measures: ``choice``
        and ``refusal``, shares of readings; ``acting``, share of choices that took the acting side; ``leaning``, mean
        leaning toward it (0 wholly the other side, 1 wholly the acting side); ``won: <value>``, share of choices about
        the value that it won.
    """
    readings = _readings(verdicts, scenarios, families)
    rows = []
    for measure, counted in readings.groupby("measure", sort=False):
        cells = counted.groupby(_FAMILIES).ngroup().to_numpy()
        sums, draws = _sums(counted, cells, settings)
        for cell, (names, part) in enumerate(counted.groupby(_FAMILIES)):
            low, high, _ = percentile_interval(_rate(draws, cell), settings.level)
            rows.append((*names, measure, float(_rate(sums, cell)), low, high, len(part)))
    columns = [*_FAMILIES, "measure", "rate", "rate_low", "rate_high", "readings"]
    return pd.DataFrame(rows, columns=columns).sort_values(_FAMILIES, kind="stable", ignore_index=True)


def self_preference_of_judges(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Give whether a family's judges read their own family's targets otherwise than they read the rest.

    A family's judges are set against the other judges on the very same conversations, on targets of the family and on
    the rest.

    Parameters
    ----------
    verdicts, scenarios, families, settings
        As for `rates_by_family`. Targets and judges whose family is not told do not count here.

    Returns
    -------
    DataFrame
        One row for each judge family and measure: ``family``, ``measure``, ``on_own`` (rate by the family's judges
        minus rate by the others, on the family's targets), ``on_others`` (the same on other targets),
        ``self_preference`` (the first minus the second; 0: none; −2 to 2), ``low``, ``high``, ``scenarios`` and
        ``problem`` (why it is empty; empty if it is not).
    """
    return _contrasts(_readings(verdicts, scenarios, families), "judge_family", "target_family", settings)


def self_preference_of_authors(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Give whether a family's targets do otherwise on the scenarios that their own family wrote.

    Parameters
    ----------
    verdicts : DataFrame
        As for `rates_by_family`; those of one judge or jury, or each conversation counts once a judge.
    scenarios, families, settings
        As for `rates_by_family`.

    Returns
    -------
    DataFrame
        As from `self_preference_of_judges`, a row for each target family: ``on_own`` is the family's targets minus the
        others on scenarios by the family. With one author family there is nothing to compare, and ``problem`` says so.
    """
    return _contrasts(_readings(verdicts, scenarios, families), "target_family", "author_family", settings)


def _readings(verdicts: pd.DataFrame, scenarios: pd.DataFrame, families: Mapping[str, str | None]) -> pd.DataFrame:
    """Return a row for each reading and measure that it counts in: families, stratum, scenario and amount, 0–1."""
    known = scenarios.set_index("scenario_id")[["value_1", "value_2", "acting_value", "author"]]
    readable = verdicts[verdicts["outcome"].isin(("choice", "refusal", "neither"))]
    read_by = readable.groupby(CONVERSATION)["judge"].transform("nunique")
    rows = readable[read_by.eq(verdicts["judge"].nunique())].join(known, on="scenario_id")
    for role in ("author", "target", "judge"):
        rows[f"{role}_family"] = [families.get(name) or NOT_TOLD for name in rows[role]]
    ends = rows[["value_1", "value_2"]]
    rows["stratum"] = ends.min(axis=1) + "\n" + ends.max(axis=1) + "\n" + rows["author_family"]
    chose = rows["outcome"].eq("choice")
    winner = rows["value_1"].where(rows["action"].eq(1), rows["value_2"]).where(chose)
    sided = rows["acting_value"].notna()
    toward_2 = (rows["leaning"].astype("float64") - 1) / 6
    toward_acting = toward_2.where(rows["acting_value"].eq(rows["value_2"]), 1 - toward_2)
    parts = [
        rows.assign(measure="choice", amount=chose.astype(float)),
        rows.assign(measure="refusal", amount=rows["outcome"].eq("refusal").astype(float)),
        rows.assign(measure="acting", amount=winner.eq(rows["acting_value"]).astype(float))[chose & sided],
        rows.assign(measure="leaning", amount=toward_acting)[sided & toward_acting.notna()],
    ]
    for value in sorted({*rows["value_1"], *rows["value_2"]}):
        about = chose & ends.eq(value).any(axis=1)
        parts.append(rows.assign(measure=f"won: {value}", amount=winner.eq(value).astype(float))[about])
    return pd.concat(parts)[["scenario_id", "stratum", *_FAMILIES, "measure", "amount"]].reset_index(drop=True)


def _contrasts(readings: pd.DataFrame, inner: str, outer: str, settings: Settings) -> pd.DataFrame:
    """Return, for each family of `inner`, the difference of differences over the two levels of `outer`."""
    known = readings[readings[inner].ne(NOT_TOLD) & readings[outer].ne(NOT_TOLD)]
    rows = []
    for family in sorted(known[inner].unique()):
        for measure, counted in known.groupby("measure", sort=False):
            of_family, at_home = counted[inner].eq(family), counted[outer].eq(family)
            cells = (2 * ~at_home + ~of_family).to_numpy()
            sums, draws = _sums(counted, cells, settings)
            lacking = [name for cell, name in enumerate(_cell_names(inner, outer, family)) if not (cells == cell).any()]
            numbers = [float("nan")] * 5
            if not lacking:
                low, high, _ = percentile_interval(_difference(draws, 0) - _difference(draws, 2), settings.level)
                on_own, on_others = float(_difference(sums, 0)), float(_difference(sums, 2))
                numbers = [on_own, on_others, on_own - on_others, low, high]
            problem = f"nothing to compare: no case with {lacking[0]}" if lacking else None
            rows.append((family, measure, *numbers, counted["scenario_id"].nunique(), problem))
    columns = ["family", "measure", "on_own", "on_others", "self_preference", "low", "high", "scenarios", "problem"]
    return pd.DataFrame(rows, columns=columns).astype({"problem": "str"})


def _cell_names(inner: str, outer: str, family: str) -> list[str]:
    """Return what each of the four cells holds, in words, in the cells' order."""
    sides = (f"of {family}", "of another family")
    one, other = (role.removesuffix("_family") for role in (inner, outer))
    return [f"{one} {a} and {other} {b}" for b in sides for a in sides]


def _sums(counted: pd.DataFrame, cells: NDArray, settings: Settings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums and counts by cell, shape (2 × cells), and those of the resamples, shape (resamples, 2 × cells)."""
    scenario, _ = pd.factorize(counted["scenario_id"], sort=True)
    stratum, _ = pd.factorize(counted["stratum"], sort=True)
    of_scenario = np.zeros(scenario.max() + 1, dtype=int)
    of_scenario[scenario] = stratum
    amounts = np.zeros((len(of_scenario), 2 * (max(cells.max(), 3) + 1)))
    np.add.at(amounts, (scenario, 2 * cells), counted["amount"].to_numpy())
    np.add.at(amounts, (scenario, 2 * cells + 1), 1.0)
    draws = resample_sums(amounts, of_scenario, settings)
    return add_up(amounts, of_scenario).sum(axis=0), draws.sum(axis=0)


def _rate(sums: NDArray, cell: int) -> NDArray[np.float64]:
    """Return a cell's mean amount; nan if it holds nothing."""
    return divide(sums[..., 2 * cell], sums[..., 2 * cell + 1])


def _difference(sums: NDArray, cell: int) -> NDArray[np.float64]:
    """Return a cell's rate minus that of the next."""
    return _rate(sums, cell) - _rate(sums, cell + 1)
