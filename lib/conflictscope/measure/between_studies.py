"""Two studies: how far the strengths of the same values differ between them.

Strengths are log-odds with mean 0 over a set, so they compare between studies of the same values. Studies of the same
scenarios are compared on those with a choice in both, so that what the scenarios share cancels.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP
from conflictscope.measure.strengths import cross_covariance, fit_strengths, grade_choices


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
        The level is used. If the studies share some scenarios and not all, they are compared as if they shared none,
        which makes intervals too wide rather than too narrow.

    Returns
    -------
    DataFrame
        One row for each group and value: ``target``, ``condition``, ``arm``, ``value``, ``strength_a``, ``strength_b``
        (log-odds, mean 0, larger = preferred), ``difference`` (b − a), ``difference_low``, ``difference_high``,
        ``paired`` (whether both have the same scenarios) and ``problem``. If the pairs do not link all values, or every
        choice took the place in the list, ``problem`` says in which study, and all numbers are empty.

    Raises
    ------
    ValueError
        If no group is in both studies, or the choices do not fit `values`.
    """
    graded = [grade_choices(choices, values) for choices in (choices_a, choices_b)]
    paired = graded[0].scenario_ids == graded[1].scenario_ids
    there = [list(one.groups.itertuples(index=False, name=None)) for one in graded]
    if not (common := [group for group in there[0] if group in there[1]]):
        raise ValueError(
            f"choices: no target, condition and arm are in both studies; found the targets "
            f"{sorted(choices_a['target'].unique())} and {sorted(choices_b['target'].unique())}."
        )
    shares = [one.share[one.rows(common)] for one in graded]
    if paired:
        lost = np.isnan(shares[0] + shares[1])
        shares = [np.where(lost, np.nan, share) for share in shares]
    sums = [one.sums(share) for one, share in zip(graded, shares, strict=True)]
    fits = [fit_strengths(one) for one in sums]
    variance = sum(np.diagonal(fit.covariance, axis1=1, axis2=2) for fit in fits)
    if paired:
        cross = cross_covariance(fits[0], fits[1], sums[0], sums[1], graded[0].sums(shares[0] * shares[1]).y)
        variance = variance - 2 * np.diagonal(cross, axis1=1, axis2=2)
    freedom = np.minimum(fits[0].freedom, fits[1].freedom)[:, None]
    half = t_distribution.isf((1 - settings.level) / 2, freedom) * np.sqrt(np.maximum(variance, 0))
    known = [~np.isnan(fit.strengths[:, 0]) & ~fit.undecided for fit in fits]
    usable = (known[0] & known[1])[:, None]
    a, b = (np.where(usable, fit.strengths, np.nan) for fit in fits)
    table = pd.DataFrame(np.repeat(np.array(common, dtype=object), len(values), axis=0), columns=GROUP)
    table["value"] = list(values) * len(common)
    for name, numbers in (
        ("strength_a", a),
        ("strength_b", b),
        ("difference", b - a),
        ("difference_low", b - a - half),
        ("difference_high", b - a + half),
    ):
        table[name] = numbers.ravel().astype(float)
    table["paired"] = paired
    unknown = [
        " and ".join(name for name, of in zip("ab", row, strict=True) if not of) for row in zip(*known, strict=True)
    ]
    problems = [f"study {names}: choices do not link all values, or took the place in the list" for names in unknown]
    shown = [problem if names else None for problem, names in zip(problems, unknown, strict=True)]
    table["problem"] = pd.Series(np.repeat(np.array(shown, dtype=object), len(values)), dtype="str")
    return table.astype(dict.fromkeys([*GROUP, "value"], "str"))
