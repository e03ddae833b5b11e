"""Recovery: what studies of a respondent whose preferences are known find, set beside the truth.

Kendall's τ, bias, coverage and how often a difference is claimed; and the same under ways of counting that come first
to mind and go wrong. Studies of `scenarios_per_pair` are drawn of the respondent as the `replications` say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from conflictscope.calibration.replications import ALL_VALUES, Replications, estimates_of, summarise
from conflictscope.calibration.truths import abstention_chance, true_strengths, win_chance
from conflictscope.measure.bootstrap import count_wins
from conflictscope.measure.bradley_terry import fit_some, win_graph_connected
from conflictscope.measure.declining import compare_with_forced
from conflictscope.measure.pressure import compliance
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.rates import ALL, preference_rates
from conflictscope.simulated import Respondent


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
