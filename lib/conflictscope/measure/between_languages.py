"""Two languages: whether scenarios that were translated pull otherwise, pair by pair.

In: choices of one value set in two languages, and which scenario is a translation of which. Out: for each target and
pair how much more often the first value wins in the second language, tested on the same scenarios (differential
functioning). If language makes no difference, the two answers to a scenario could as well have been exchanged, so that
signs are drawn: the test holds its size whatever the answers are like.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP, check_choices, in_name_order
from conflictscope.measure.rates import ALL, rates_by_pair
from conflictscope.measure.shift import holm_multiples

_DRAWS = 5000
_ABOUT = [*GROUP, "scenario_id", "value_1", "value_2"]


def compare_languages(
    choices_a: pd.DataFrame, choices_b: pd.DataFrame, translated: Mapping[str, str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Compare choices in two languages, scenario by scenario.

    Parameters
    ----------
    choices_a, choices_b : DataFrame
        The table ``choices`` in either language, of the same targets and values.
    translated : mapping of str to str
        Scenario of the second → the scenario of the first that it is a translation of. Others are left out, and so are
        those without a choice in both.
    settings : Settings
        The level and the seed are used.

    Returns
    -------
    DataFrame
        For each target, condition and arm that both have a row with both values ``all``, then one for each pair:
        ``target``, ``condition``, ``arm``, ``value_1``, ``value_2`` (sorted by name), ``scenarios``; ``rate_a``,
        ``rate_b`` (share of choices that ``value_1`` won, mean over scenarios, 0–1; of ``all``: that the value
        earlier by name won); ``difference`` (b − a, −1 to 1) with ``_low`` and ``_high``, which cover by themselves;
        ``p_value`` (family-wise over the pairs of the group and, by Holm, over groups; of ``all``: that nothing at all
        differs, in either direction, which is the least of its pairs'); and ``functions_otherwise`` (it is below
        1 − level).

    Raises
    ------
    ValueError
        If no scenario has a choice in both, or the two sets are not of the same pairs.
    """
    shares = [_shares(choices_a, "rate_a")]
    shares.append(_shares(choices_b.assign(scenario_id=choices_b["scenario_id"].map(dict(translated))), "rate_b"))
    one, two = (part.set_index(_ABOUT)[part.columns[-1]] for part in shares)
    both = pd.concat([one, two], axis=1, join="inner").reset_index()
    if both.empty:
        raise ValueError(
            f"translated: none of {len(translated)} scenarios has a choice in both languages, by the same target and "
            "under the same values; expected some. Keep the names of values when a set is translated."
        )
    tables = [_compare(part.reset_index(drop=True), settings) for _, part in both.groupby(GROUP, sort=True)]
    table = pd.concat(tables, ignore_index=True)
    overall = table["value_1"].eq(ALL)
    multiple = holm_multiples(table.loc[overall, "p_value"].to_numpy())
    table["p_value"] = np.minimum(table["p_value"] * multiple[overall.cumsum() - 1], 1)
    table["functions_otherwise"] = table["p_value"] < 1 - settings.level
    return table


def _shares(choices: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the share of each scenario's choices that the value earlier by name won, orders weighing the same."""
    check_choices(choices)
    chosen = in_name_order(choices[choices["outcome"].eq("choice") & choices["scenario_id"].notna()])
    won = chosen["winner"].eq(chosen["value_1"]).astype(float).rename(name)
    by_order = won.groupby([chosen[column] for column in [*_ABOUT, "action_shown_first"]]).mean()
    return by_order.groupby(level=_ABOUT).mean().reset_index()


def _compare(both: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the rows of one group: all pairs together, then each."""
    difference = both["rate_b"] - both["rate_a"]
    # a share from 0 to 1, for which intervals are known
    rates = rates_by_pair(both.assign(share=(difference + 1) / 2), settings.level)
    means = both.groupby(["value_1", "value_2"])[["rate_a", "rate_b"]].mean()
    means.loc[(ALL, ALL), :] = both[["rate_a", "rate_b"]].mean()
    table = rates[["target", "value_1", "value_2", "scenarios"]].join(means, on=["value_1", "value_2"])
    for end in ("", "_low", "_high"):
        table[f"difference{end}"] = 2 * rates[f"rate{end}"] - 1
    pairs = pd.MultiIndex.from_frame(both[["value_1", "value_2"]])
    code, known = pairs.factorize()
    member = np.eye(len(known))[code]
    values = difference.to_numpy()
    size = np.sqrt(np.maximum((values**2) @ member, 1e-300))
    signs = np.random.default_rng(settings.seed).integers(0, 2, (_DRAWS, len(values))) * 2 - 1
    largest = np.abs((signs * values) @ member / size).max(axis=1)
    observed = np.abs(values @ member / size)
    p_value = (1 + (largest[:, None] >= observed - 1e-9).sum(axis=0)) / (1 + _DRAWS)
    by_pair = pd.Series(p_value, index=known)
    table["p_value"] = [
        p_value.min() if row.value_1 == ALL else by_pair[row.value_1, row.value_2] for row in table.itertuples()
    ]
    for place, name in enumerate(GROUP[1:], 1):
        table.insert(place, name, both[name].iloc[0])
    return table
