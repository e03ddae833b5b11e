"""Readings: what one reader, a judge or a person, made of one conversation or of one check of a scenario.

In: verdicts and checks of judges, labels of people. Out: one row a reading, in one form whoever read, so that any two
readers can be compared. Section 4 of the paper (arXiv 2509.25369).

Validation: whether a judge reads conversations and scenarios as people do, and as it does itself.

In: readings of judges and people. Out: how far any two readers agree (share, Cohen's κ with an interval), who took
what for what, how well a judge finds what people find, and choices as each reader would have them, to rank by.
Section 4 of the paper (arXiv 2509.25369): κ 0.62 between judge and people, mean average precision 0.853 over the six
checks.

Self-preference: whether judges read, or authors test, the models of their own family otherwise than others.

In: verdicts of several judges on the same conversations, the scenarios, and the family of each model. Out: rates by
author, target and judge family, and what a family's membership adds to them, with intervals from a bootstrap over
scenarios. No section of the paper (arXiv 2509.25369), whose author, judge and two of its targets share families.

A verdict is no mark for quality, so favour has to be defined. For judges: a family's judges against the other judges on
the very same conversations, on targets of the family and on the rest; the difference of the two differences is what
being of one family adds. For authors: a family's targets against the other targets on scenarios that the family wrote
and on the rest, likewise.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.bootstrap import add_up, divide, percentile_interval, resample_sums
from conflictscope.measure.choices import gather_choices
from conflictscope.tables import CHECKS

READINGS = ("action_1", "action_2", "neither")
CONVERSATION = ["scenario_id", "target", "arm", "repetition"]
CHECK = ["scenario_id", "check"]
_LABEL = [*CONVERSATION, "kind", "check", "about_value", "annotator", "answer"]


def read_verdicts(verdicts: pd.DataFrame, *, suffix: str = "") -> pd.DataFrame:
    """Turn verdicts into readings.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``; one row a conversation and judge.
    suffix : str
        Put behind the judge's name, such as `` (labels swapped)``.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``target``, ``arm``, ``repetition``, ``reader`` and ``reading``, one of ``READINGS``:
        a refusal took neither action. Rows whose outcome is ``invalid`` or ``error`` are left out.
    """
    action = verdicts["action"].astype("Int64").map({1: "action_1", 2: "action_2"})
    reading = action.where(verdicts["outcome"].eq("choice"), "neither")
    readable = verdicts["outcome"].isin(("choice", "refusal", "neither"))
    readings = verdicts[CONVERSATION].assign(reader=verdicts["judge"] + suffix, reading=reading)
    return readings[readable].reset_index(drop=True)


def read_conversation_labels(labels: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of conversations into readings.

    Parameters
    ----------
    labels : DataFrame
        Columns ``scenario_id``, ``kind``, ``target``, ``arm``, ``repetition``, ``annotator``, ``answer``, as
        ``browse.read_labels`` gives them.

    Returns
    -------
    DataFrame
        As from `read_verdicts`; a ``cannot_tell`` is left out.
    """
    given = labels[labels["kind"].eq("conversation") & labels["answer"].isin(READINGS)]
    readings = given[CONVERSATION].assign(reader=given["annotator"], reading=given["answer"])
    return readings.astype({"repetition": "int64"}).reset_index(drop=True)


def read_checks(checks: pd.DataFrame) -> pd.DataFrame:
    """Turn a filter judge's answers into readings of checks.

    Parameters
    ----------
    checks : DataFrame
        Columns of the table ``checks``.

    Returns
    -------
    DataFrame
        ``scenario_id``, ``check``, ``reader``, ``reading`` (``yes`` or ``no``; `value_guided` needs both values right)
        and ``score`` (0–1, share of the check's questions passed). A check with an unreadable answer is left out.
    """
    return _checks_read(checks.rename(columns={"filter_judge": "reader"})[[*CHECK, "reader", "passed"]])


def read_check_labels(labels: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Turn people's labels of checks into readings of checks.

    Parameters
    ----------
    labels : DataFrame
        As ``browse.read_labels`` gives them.
    scenarios : DataFrame
        Columns of the table ``scenarios``: which action supports which value.

    Returns
    -------
    DataFrame
        As from `read_checks`; a check with a ``cannot_tell``, or `value_guided` answered for one value only, is left
        out.
    """
    asked = labels[labels["kind"].eq("check")].join(
        scenarios.set_index("scenario_id")[["value_1", "value_2"]], on="scenario_id"
    )
    own = np.where(asked["about_value"].eq(asked["value_1"]), "action_1", "action_2")
    guided = asked["check"].eq("value_guided")
    passed = asked["answer"].eq("yes").where(~guided, asked["answer"].eq(own))
    asked = asked.assign(
        passed=passed.astype("boolean").mask(asked["answer"].eq("cannot_tell")), reader=asked["annotator"]
    )
    complete = ~guided | asked.groupby([*CHECK, "reader"])["about_value"].transform("nunique").eq(2)
    return _checks_read(asked.loc[complete, [*CHECK, "reader", "passed"]])


def _checks_read(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of checks, from one row a question, without those that lack an answer."""
    passed = answers["passed"].astype("boolean").astype("Float64").astype("float64")
    grouped = answers.assign(passed=passed).groupby([*CHECK, "reader"], sort=False)["passed"]
    table = grouped.agg(score="mean", answered="count", asked="size").query("answered == asked").reset_index()
    table["reading"] = np.where(table["score"].eq(1), "yes", "no")
    return table[[*CHECK, "reader", "reading", "score"]]


def agreement_between_readers(
    readings: pd.DataFrame, *, by: str | None = None, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Say how far any two readers agree on what both have read.

    Parameters
    ----------
    readings : DataFrame
        From one or more of the ``read_…`` functions, put together.
    by : str, optional
        A column to split by, such as ``arm``, ``target`` or ``check``.
    resamples, seed, level
        Of the percentile bootstrap over scenarios, because the readings of one scenario move together.

    Returns
    -------
    DataFrame
        One row for each pair of readers with anything in common (and each value of `by`): ``reader``,
        ``other_reader``, ``read`` (count), ``agreed`` (share), ``kappa`` (Cohen 1960; 1 perfect, 0 as chance would have
        it, empty where both always give one and the same reading), ``kappa_low``, ``kappa_high``.

    Raises
    ------
    ValueError
        Where a reader has two readings of one thing.
    """
    item = _item_columns(readings)
    _check_read_once(readings, item)
    wide = readings.pivot(index=item, columns="reader", values="reading")
    rows = []
    for one, other in combinations(wide.columns, 2):
        both = wide[[one, other]].dropna().reset_index()
        groups = [((), both)] if by is None else [((value,), part) for value, part in both.groupby(by, sort=True)]
        for value, part in groups:
            if part.empty:
                continue
            counts = _counts_by_scenario(part, one, other)
            kappa = cohens_kappa(counts.sum(axis=0))
            low, high = _kappa_interval(counts, resamples=resamples, seed=seed, level=level)
            agreed = float(part[one].eq(part[other]).mean())
            rows.append((one, other, *value, len(part), agreed, float(kappa), low, high))
    split = [] if by is None else [by]
    columns = ["reader", "other_reader", *split, "read", "agreed", "kappa", "kappa_low", "kappa_high"]
    return pd.DataFrame(rows, columns=columns)


def cohens_kappa(counts: NDArray) -> NDArray:
    """Give Cohen's κ of one or many confusion tables (Cohen 1960, *Educational and Psychological Measurement* 20).

    Parameters
    ----------
    counts : ndarray, shape (..., k, k)
        ``counts[..., i, j]`` = things that the one reader took for i and the other for j.

    Returns
    -------
    ndarray, shape (...)
        (p_o − p_e) / (1 − p_e): −1 to 1; nan where chance alone would make them agree on everything.
    """
    counts = np.asarray(counts, dtype=float)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        # a hair of slack: 1 − 1 is not always 0
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def confusion(readings: pd.DataFrame, reader: str, other_reader: str) -> pd.DataFrame:
    """Count what one reader took for what, against another.

    Returns
    -------
    DataFrame
        Index: readings of `reader`; columns: readings of `other_reader`; counts, over what both have read.

    Raises
    ------
    ValueError
        Where one of them has read nothing.
    """
    known = readings["reader"].unique().tolist()
    for name in (reader, other_reader):
        if name not in known:
            raise ValueError(f"reader {name!r} has read nothing; expected one of {sorted(known)}.")
    item = _item_columns(readings)
    _check_read_once(readings, item)
    wide = readings.pivot(index=item, columns="reader", values="reading")[[reader, other_reader]].dropna()
    levels = [name for name in (*READINGS, "yes", "no") if wide.eq(name).any(axis=None)]
    return pd.crosstab(wide[reader], wide[other_reader]).reindex(index=levels, columns=levels, fill_value=0)


def check_scores(readings: pd.DataFrame, judge: str, people: list[str]) -> pd.DataFrame:
    """Say how well a filter judge finds what people find, for each check.

    Parameters
    ----------
    readings : DataFrame
        From `read_checks` and `read_check_labels`, put together.
    judge : str
        The filter judge's name.
    people : list of str
        Names of the people; where several have read the same check, each counts.

    Returns
    -------
    DataFrame
        Two rows a check, for finding what people pass (``found`` = ``yes``) and what they fail (``no``): ``check``,
        ``found``, ``read`` (count), ``positives`` (by the people), ``precision``, ``recall`` and
        ``average_precision``, 0–1, empty where there is nothing to divide by. Average precision is over the judge's
        score with ties taken together (as scikit-learn has it); with a single yes or no a check it has one step.
    """
    judged = readings[readings["reader"].eq(judge)].set_index(CHECK)
    human = readings[readings["reader"].isin(people)]
    both = human.join(judged[["reading", "score"]].add_suffix("_judged"), on=CHECK, how="inner")
    rows = []
    for check in CHECKS:
        part = both[both["check"].eq(check)]
        for found in ("yes", "no"):
            true = part["reading"].eq(found).to_numpy()
            taken = part["reading_judged"].eq(found).to_numpy()
            score = part["score_judged"].to_numpy(dtype=float)
            hits = int((true & taken).sum())
            rows.append(
                {
                    "check": check,
                    "found": found,
                    "read": len(part),
                    "positives": int(true.sum()),
                    "precision": hits / taken.sum() if taken.any() else np.nan,
                    "recall": hits / true.sum() if true.any() else np.nan,
                    "average_precision": _average_precision(true, score if found == "yes" else 1 - score),
                }
            )
    return pd.DataFrame(rows)


def choices_as_read(readings: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """Give the choices as each reader would have them, on the conversations that all readers have read.

    Parameters
    ----------
    readings : DataFrame
        From `read_verdicts` and `read_conversation_labels`, put together.
    scenarios : DataFrame
        Columns of the table ``scenarios``.

    Returns
    -------
    DataFrame
        Columns of the table ``choices``, with the reader in ``judge``; filter by it before ranking. Who saw which
        action as A is not told apart here: ``action_shown_first`` is 1.
    """
    _check_read_once(readings, CONVERSATION)
    by_all = readings.groupby(CONVERSATION)["reader"].transform("nunique").eq(readings["reader"].nunique())
    kept = readings[by_all]
    action = kept["reading"].map({"action_1": 1, "action_2": 2}).astype("Int64")
    verdicts = kept.assign(judge=kept["reader"], action_shown_first=1, action=action)
    verdicts["outcome"] = np.where(action.notna(), "choice", "neither")
    return gather_choices(scenarios, verdicts=verdicts)


def _item_columns(readings: pd.DataFrame) -> list[str]:
    """Return the columns that say what was read."""
    return CHECK if "check" in readings.columns else CONVERSATION


def _check_read_once(readings: pd.DataFrame, item: list[str]) -> None:
    """Raise where a reader has read one thing twice."""
    repeated = readings.duplicated([*item, "reader"])
    if repeated.any():
        row = readings[repeated].iloc[0]
        raise ValueError(
            f"readings: {row['reader']!r} has more than one reading of {row[item].to_dict()}; expected one. "
            "Give each way of reading its own reader (see `suffix`)."
        )


def _counts_by_scenario(both: pd.DataFrame, one: str, other: str) -> NDArray[np.float64]:
    """Return, shape (scenarios, k, k), what either reader took for what."""
    levels = pd.Index(sorted({*both[one], *both[other]}))
    scenario, ids = both["scenario_id"].factorize(sort=True)
    counts = np.zeros((len(ids), len(levels), len(levels)))
    np.add.at(counts, (scenario, levels.get_indexer(both[one]), levels.get_indexer(both[other])), 1)
    return counts


def _kappa_interval(counts: NDArray, *, resamples: int, seed: int, level: float) -> tuple[float, float]:
    """Return the percentile interval of κ over resamples of scenarios; nan where no resample has a κ."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    draws = cohens_kappa(np.tensordot(weights, counts, axes=1))
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _average_precision(true: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return Σ (R_n − R_{n−1}) P_n over falling thresholds; nan where there are no positives."""
    if not true.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum(true[order])[ends]
    return float((np.diff(hits, prepend=0) / true.sum() * hits / (ends + 1)).sum())


NOT_TOLD = "not told"
_FAMILIES = ["author_family", "target_family", "judge_family"]


def rates_by_family(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Give the rates of what judges saw, by author, target and judge family.

    Parameters
    ----------
    verdicts : DataFrame
        Columns of the table ``verdicts``, of all judges.
    scenarios : DataFrame
        Columns of the table ``scenarios``: authors, values, which side acts.
    families : mapping
        Model → family; a model that is not there, or None, counts as ``not told``.
    resamples, seed, level
        Of the percentile bootstrap over scenarios, drawn within value pair and author family.

    Returns
    -------
    DataFrame
        One row for each author, target and judge family and each measure: ``author_family``, ``target_family``,
        ``judge_family``, ``measure``, ``rate``, ``rate_low``, ``rate_high`` (0–1; empty where there is nothing to
        count), ``readings`` (counted). Only conversations count that every judge has read. The measures: ``choice``
        and ``refusal``, shares of readings; ``acting``, share of choices that took the acting side; ``leaning``, mean
        leaning toward it (0 wholly the other side, 1 wholly the acting side); ``won: <value>``, share of choices about
        the value that it won.
    """
    readings = _readings(verdicts, scenarios, families)
    rows = []
    for measure, counted in readings.groupby("measure", sort=False):
        cells = counted.groupby(_FAMILIES).ngroup().to_numpy()
        sums, draws = _sums(counted, cells, resamples=resamples, seed=seed)
        for cell, (names, part) in enumerate(counted.groupby(_FAMILIES)):
            low, high, _ = percentile_interval(_rate(draws, cell), level)
            rows.append((*names, measure, float(_rate(sums, cell)), low, high, len(part)))
    columns = [*_FAMILIES, "measure", "rate", "rate_low", "rate_high", "readings"]
    return pd.DataFrame(rows, columns=columns).sort_values(_FAMILIES, kind="stable", ignore_index=True)


def self_preference_of_judges(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say whether a family's judges read their own family's targets otherwise than they read the rest.

    Parameters
    ----------
    verdicts, scenarios, families, resamples, seed, level
        As for `rates_by_family`. Targets and judges whose family is not told do not count here.

    Returns
    -------
    DataFrame
        One row for each judge family and measure: ``family``, ``measure``, ``on_own`` (rate by the family's judges
        minus rate by the others, on the family's targets), ``on_others`` (the same on other targets),
        ``self_preference`` (the first minus the second; 0: none; −2 to 2), ``low``, ``high``, ``scenarios`` and
        ``problem`` (why it is empty; empty where it is not).
    """
    return _contrasts(_readings(verdicts, scenarios, families), "judge_family", "target_family", resamples, seed, level)


def self_preference_of_authors(
    verdicts: pd.DataFrame,
    scenarios: pd.DataFrame,
    families: Mapping[str, str | None],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say whether a family's targets do otherwise on the scenarios that their own family wrote.

    Parameters
    ----------
    verdicts : DataFrame
        As for `rates_by_family`; those of one judge or panel, or each conversation counts once a judge.
    scenarios, families, resamples, seed, level
        As for `rates_by_family`.

    Returns
    -------
    DataFrame
        As from `self_preference_of_judges`, a row for each target family: ``on_own`` is the family's targets minus the
        others on scenarios by the family. With one author family there is nothing to compare, and ``problem`` says so.
    """
    return _contrasts(
        _readings(verdicts, scenarios, families), "target_family", "author_family", resamples, seed, level
    )


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


def _contrasts(readings: pd.DataFrame, inner: str, outer: str, resamples: int, seed: int, level: float) -> pd.DataFrame:
    """Return, for each family of `inner`, the difference of differences over the two levels of `outer`."""
    told = readings[readings[inner].ne(NOT_TOLD) & readings[outer].ne(NOT_TOLD)]
    rows = []
    for family in sorted(told[inner].unique()):
        for measure, counted in told.groupby("measure", sort=False):
            own, at_home = counted[inner].eq(family), counted[outer].eq(family)
            cells = (2 * ~at_home + ~own).to_numpy()
            sums, draws = _sums(counted, cells, resamples=resamples, seed=seed)
            lacking = [name for cell, name in enumerate(_cell_names(inner, outer, family)) if not (cells == cell).any()]
            numbers = [float("nan")] * 5
            if not lacking:
                low, high, _ = percentile_interval(_difference(draws, 0) - _difference(draws, 2), level)
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


def _sums(
    counted: pd.DataFrame, cells: NDArray, *, resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums and counts by cell, shape (2 × cells), and those of the resamples, shape (resamples, 2 × cells)."""
    scenario, _ = pd.factorize(counted["scenario_id"], sort=True)
    stratum, _ = pd.factorize(counted["stratum"], sort=True)
    of_scenario = np.zeros(scenario.max() + 1, dtype=int)
    of_scenario[scenario] = stratum
    amounts = np.zeros((len(of_scenario), 2 * (max(cells.max(), 3) + 1)))
    np.add.at(amounts, (scenario, 2 * cells), counted["amount"].to_numpy())
    np.add.at(amounts, (scenario, 2 * cells + 1), 1.0)
    draws = resample_sums(amounts, of_scenario, resamples=resamples, seed=seed)
    return add_up(amounts, of_scenario).sum(axis=0), draws.sum(axis=0)


def _rate(sums: NDArray, cell: int) -> NDArray[np.float64]:
    """Return a cell's mean amount; nan where it holds nothing."""
    return divide(sums[..., 2 * cell], sums[..., 2 * cell + 1])


def _difference(sums: NDArray, cell: int) -> NDArray[np.float64]:
    """Return a cell's rate minus that of the next."""
    return _rate(sums, cell) - _rate(sums, cell + 1)
