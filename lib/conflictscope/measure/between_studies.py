"""Two studies: how far the strengths of the same values differ between them.

Strengths are log-odds with mean 0 over a set, so they compare between studies of the same values. Studies of the same
scenarios are compared on the same resamples of them, others on independent ones.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from conflictscope.measure.bootstrap import DEFAULTS, Settings, resample_wins
from conflictscope.measure.bradley_terry import fit_some, win_graph_connected
from conflictscope.measure.choices import GROUP


def strength_differences(
    choices_a: pd.DataFrame, choices_b: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give the difference of each value's strength between two studies, for each group that both have.

    Parameters
    ----------
    choices_a, choices_b : DataFrame
        The table ``choices`` of each study.
    values : sequence of str
        The value set, the same in both, in the order wanted.
    settings : Settings
        All are used. If the studies share some scenarios and not all, they are resampled as if they shared none, which
        makes intervals too wide rather than too narrow.

    Returns
    -------
    DataFrame
        One row for each group and value: ``target``, ``condition``, ``arm``, ``value``, ``strength_a``, ``strength_b``
        (log-odds, mean 0, larger = preferred), ``difference`` (b − a), ``difference_low``, ``difference_high``,
        ``paired`` (whether both have the same scenarios) and ``problem``. If a win graph is not strongly connected,
        ``problem`` says which, and all numbers are empty.

    Raises
    ------
    ValueError
        If no group is in both studies, the choices do not fit `values`, or the penalty is 0 and a resample has no
        maximum of the likelihood.
    """
    paired = set(choices_a["scenario_id"]) == set(choices_b["scenario_id"])
    # other seeds, other draws: a pair of as many scenarios would be drawn alike
    second = settings if paired else replace(settings, seed=settings.seed + 1)
    fits = [_fit(choices, values, own) for choices, own in ((choices_a, settings), (choices_b, second))]
    if not (common := [group for group in fits[0] if group in fits[1]]):
        raise ValueError(
            f"choices: no target, condition and arm are in both studies; found the targets "
            f"{sorted(choices_a['target'].unique())} and {sorted(choices_b['target'].unique())}."
        )
    tables = []
    for group in common:
        (a, draws_a, known_a), (b, draws_b, known_b) = (fit[group] for fit in fits)
        unknown = [name for name, known in (("a", known_a), ("b", known_b)) if not known]
        low, high = np.quantile(draws_b - draws_a, settings.tails, axis=0)
        numbers = {
            "strength_a": a,
            "strength_b": b,
            "difference": b - a,
            "difference_low": low,
            "difference_high": high,
        }
        table = pd.DataFrame(numbers if not unknown else dict.fromkeys(numbers, np.full(len(values), np.nan)))
        table["paired"] = paired
        table["problem"] = f"win graph of {' and '.join(unknown)} not connected" if unknown else None
        tables.append(pd.DataFrame(dict(zip(GROUP, group, strict=True)) | {"value": list(values)}).join(table))
    return pd.concat(tables, ignore_index=True).astype({"problem": "str"})


def _fit(choices: pd.DataFrame, values: Sequence[str], settings: Settings) -> dict[tuple, tuple]:
    """Return group → strengths, their resamples and whether the win graph is connected."""
    groups, wins, resampled = resample_wins(choices, values, settings)
    connected = np.asarray(win_graph_connected(wins))
    strengths, draws = (fit_some(tables, connected, settings.penalty) for tables in (wins, resampled))
    keys = groups[GROUP].itertuples(index=False, name=None)
    return dict(zip(keys, zip(strengths, draws, connected, strict=True), strict=True))
