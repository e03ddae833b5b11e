"""Recovery: what studies of a respondent whose preferences are known find, many times over, set beside the truth.

Choices of all studies come in one table, a target each. Kendall's τ, bias, coverage and how often a difference is
claimed have the error of their own simulation beside them; and the same under ways of counting that come first to mind
and go wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from conflictscope.calibration.studies import abstention_chance, simulate_choices, true_strengths, win_chance
from conflictscope.measure.bootstrap import DEFAULTS, Settings, count_wins
from conflictscope.measure.bradley_terry import fit_some, win_graph_connected
from conflictscope.measure.declining import compare_with_forced
from conflictscope.measure.pressure import compliance
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.rates import ALL, preference_rates
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


def rank_recovery(
    respondent: Respondent,
    replications: Replications,
    *,
    scenarios_per_pair: Sequence[int],
    noises: Sequence[float],
) -> pd.DataFrame:
    """Give how well multiple choice recovers the order of the utilities, by number of scenarios and noise.

    No two utilities may be alike; each of `noises` takes the place of the respondent's noise.

    Returns
    -------
    DataFrame
        One row for each noise and size: ``noise``, ``scenarios_per_pair``, ``studies``, ``tau`` (mean Kendall's τ with
        the true order; two values that a study ties count 0), ``tau_error`` (its standard error), ``tau_low``,
        ``tau_high`` (the middle 90 % of studies), ``all_right`` (share of studies with the whole order right),
        ``identified`` (share whose win graph is strongly connected).
    """
    values = replications.values
    utilities = np.array([respondent.utilities[value] for value in values])
    first, second = np.triu_indices(len(values), 1)
    true_sign = np.sign(utilities[first] - utilities[second])
    rows = []
    for noise in noises:
        for size in scenarios_per_pair:
            choices = replications.draw(replace(respondent, noise=noise), size, conditions=["multiple_choice"])
            _, wins = count_wins(choices, values)
            strengths = fit_some(wins, np.ones(len(wins), dtype=bool), replications.settings.penalty)
            tau = (np.sign(strengths[:, first] - strengths[:, second]) * true_sign).mean(axis=1)
            low, high = np.quantile(tau, [0.05, 0.95])
            rows.append(
                {
                    "noise": noise,
                    "scenarios_per_pair": size,
                    "studies": len(tau),
                    "tau": tau.mean(),
                    "tau_error": tau.std(ddof=1) / np.sqrt(len(tau)),
                    "tau_low": low,
                    "tau_high": high,
                    "all_right": (tau == 1).mean(),
                    "identified": np.mean(win_graph_connected(wins)),
                }
            )
    return pd.DataFrame(rows)


def strength_coverage(
    respondent: Respondent,
    replications: Replications,
    *,
    scenarios_per_pair: Sequence[int],
    treatment: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Give bias and coverage of the intervals of strengths, ranks and preference rates in multiple choice.

    A treatment, if given, is what is done to the choices before they are measured; see `NAIVE`.

    Returns
    -------
    DataFrame
        One row for each size, quantity (``strength``, ``rank``, ``rate``) and ``what`` (a value, a pair, or
        ``all values``), with the columns of `summarise` but ``detected``. The truth is `true_strengths`, their ranks,
        and `win_chance`. An interval of ranks holds more than its level, since ranks are whole numbers.
    """
    truth = true_strengths(respondent, replications.pairs, "multiple_choice")
    true_rank = truth.rank(ascending=False)
    in_order = [(min(pair), max(pair)) for pair in replications.pairs]  # as preference_rates names them
    true_rate = {(one, two): win_chance(respondent, one, two, "multiple_choice") for one, two in in_order}
    tables = []
    for size in scenarios_per_pair:
        choices = replications.draw(respondent, size, conditions=["multiple_choice"])
        choices = choices if treatment is None else treatment(choices)
        ranked = rank_values(choices, replications.values, replications.settings)
        estimated: dict[str, tuple] = {
            "strength": (ranked, "strength", ranked["value"], ranked["value"].map(truth)),
            "rank": (ranked, "rank", ranked["value"], ranked["value"].map(true_rank)),
        }
        if treatment is None:
            rates = preference_rates(choices, replications.settings.level)
            pair = pd.Series(list(zip(rates["value_1"], rates["value_2"], strict=True)), index=rates.index)
            estimated["rate"] = (rates, "rate", pair.map(" – ".join), pair.map(true_rate))
        for quantity, (table, column, what, true) in estimated.items():
            summary = summarise(estimates_of(table, column, what, true), replications).drop(columns="detected")
            summary.insert(0, "quantity", quantity)
            summary.insert(0, "scenarios_per_pair", size)
            tables.append(summary)
    return pd.concat(tables, ignore_index=True)


def abstention_and_compliance(
    respondent: Respondent, replications: Replications, *, scenarios_per_pair: Sequence[int]
) -> pd.DataFrame:
    """Give bias and coverage of how often neither action is taken, and of how far choices follow the user's lean.

    Returns
    -------
    DataFrame
        One row for each size, quantity (``abstention``, ``compliance``) and pair, with the columns of `summarise`. The
        truth is `abstention_chance`, and `win_chance` with the compliance for a value less that with it against it.
    """
    pairs = [(min(pair), max(pair)) for pair in replications.pairs]
    truths: dict[str, dict[tuple[str, str], float]] = {
        "abstention": {pair: abstention_chance(respondent, *pair) for pair in pairs},
        "compliance": {
            pair: win_chance(respondent, *pair, "open_ended", push=respondent.compliance)
            - win_chance(respondent, *pair, "open_ended", push=-respondent.compliance)
            for pair in pairs
        },
    }
    tables = []
    for size in scenarios_per_pair:
        choices = replications.draw(respondent, size, may_abstain=True, pressed=True)
        _, abstained = compare_with_forced(choices, replications.values, replications.settings)
        followed, _ = compliance(choices, replications.settings)
        estimated = {
            "abstention": abstained.rename(columns=lambda name: name.replace("rate", "abstention")),
            "compliance": followed[followed["value_1"].ne(ALL)],
        }
        for quantity, table in estimated.items():
            pair = pd.Series(list(zip(table["value_1"], table["value_2"], strict=True)), index=table.index)
            true = pair.map(truths[quantity])
            summary = summarise(estimates_of(table, quantity, pair.map(" – ".join), true), replications)
            tables.append(summary.assign(quantity=quantity, scenarios_per_pair=size))
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class NaiveTreatment:
    """A wrong way to treat choices, what of the respondent makes it matter, and the treatment itself."""

    name: str
    respondent: dict  # fields of Respondent that differ
    treat: Callable[[pd.DataFrame], pd.DataFrame]


def count_unreadable_for_value_2(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices with every unreadable reply as a choice of action 2."""
    unreadable = choices["outcome"].eq("invalid")
    return choices.assign(
        outcome=choices["outcome"].mask(unreadable, "choice"),
        action=choices["action"].mask(unreadable, 2),
        winner=choices["winner"].mask(unreadable, choices["value_2"]),
        loser=choices["loser"].mask(unreadable, choices["value_1"]),
    )


def keep_one_order(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices that were made with action 1 shown first."""
    return choices[choices["action_shown_first"].eq(1)].reset_index(drop=True)


def split_scenarios(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the choices with every answer as a scenario by itself, so that answers pass for independent."""
    return choices.assign(scenario_id=choices["scenario_id"] + " " + choices["action_shown_first"].astype(str))


NAIVE = (
    NaiveTreatment(
        "unreadable replies count for value 2", {"malformed": {"multiple_choice": 0.1}}, count_unreadable_for_value_2
    ),
    NaiveTreatment("one fixed option order", {"position_bias": 0.5}, keep_one_order),
    NaiveTreatment("answers counted as scenarios", {}, split_scenarios),
)


def naive_treatments(respondent: Respondent, replications: Replications, *, scenarios_per_pair: int) -> pd.DataFrame:
    """Set each naive treatment beside the right one, on the same choices.

    The respondent gets what makes a treatment matter: a tenth of replies unreadable, or a position bias of 0.5.

    Returns
    -------
    DataFrame
        Two rows for each treatment: ``treatment``, ``way`` (``right`` or ``naive``), ``value`` (of the
        largest naive bias), ``true``, ``mean``, ``bias``, ``bias_error`` (of that value's strength), ``coverage``,
        ``coverage_error``, ``width`` (of the intervals of all strengths).
    """
    rows = []
    for naive in NAIVE:
        affected = replace(respondent, **naive.respondent)
        tables = {}
        for way, treatment in (("right", None), ("naive", naive.treat)):
            table = strength_coverage(
                affected, replications, scenarios_per_pair=[scenarios_per_pair], treatment=treatment
            )
            tables[way] = table[table["quantity"].eq("strength")].set_index("what")
        worst = tables["naive"].drop(ALL_VALUES)["bias"].abs().idxmax()
        for way, table in tables.items():
            of_value = table.loc[worst, ["true", "mean", "bias", "bias_error"]].to_dict()
            of_all = table.loc[ALL_VALUES, ["coverage", "coverage_error", "width"]].to_dict()
            rows.append({"treatment": naive.name, "way": way, "value": worst} | of_value | of_all)
    return pd.DataFrame(rows)
