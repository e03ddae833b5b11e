"""Diagnostics: whether the data support a ranking at all.

In: the choices table. Out: for each target, condition and system prompt whether the win graph is connected, whether
the Bradley–Terry model fits and where it fits worst, how many triads of values are cyclic, and whether the values
are apart at all. Checks on section 3.4 of the paper (arXiv 2509.25369), which reports none.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from conflictscope.measure.bradley_terry import fit_bradley_terry, win_graph_connected
from conflictscope.measure.choices import GROUP
from conflictscope.measure.clustering import count_successes, design_effect
from conflictscope.measure.resampling import count_wins

FIT_REJECTED_BELOW = 0.01
_DIGITS = 8  # strengths that differ by less differ by rounding alone


def diagnose(choices: pd.DataFrame, values: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Say for each target, condition and system prompt whether the data support a ranking.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``; only the outcome ``choice`` counts.
    values : sequence of str
        The value set, at least two.
    level : float
        Between 0 and 1: the values are taken to be apart where ``equal_p`` is below 1 − `level`.

    Returns
    -------
    DataFrame
        One row a group: ``target``, ``condition``, ``system_prompt``, ``choices``; ``connected`` (Ford's condition);
        ``deviance`` against the saturated pairwise model, 2 Σ n_ij log(n_ij / N_ij P_ij), ``degrees_of_freedom`` (pairs
        with a choice − values + 1), ``dispersion`` (the design effect of `design_effect`, pooled over pairs) and
        ``p_value`` (of deviance / dispersion as χ²: Rao and Scott 1981, first order); ``worst_winner``,
        ``worst_loser``, ``worst_observed``, ``worst_expected`` (rates, 0–1) and ``worst_residual`` of the pair with the
        largest standardised Pearson residual, named so that it is above 0: ``worst_winner`` wins more often than the
        model says, divided by √dispersion too; ``triads_decided`` (triples of values where all three majorities are
        decided) and ``triads_cyclic`` (those where i beats j, j beats k and k beats i); ``equal_p`` (p-value
        of all strengths being equal: likelihood ratio / dispersion as χ² with values − 1 degrees of freedom);
        ``supported`` and ``why_not`` (empty where supported). Deviance and what follows from it are empty where the win
        graph is not connected, p-value and residual where no degree of freedom is left. With three values every
        residual has the same size, and the first pair is named.

    Raises
    ------
    ValueError
        Where the choices do not fit `values`, a group has more than one judge, or `level` is not between 0 and 1.

    Notes
    -----
    Deviance, residuals and likelihood ratio are of maximum likelihood. Equality of strengths is tested by likelihood
    rather than by the bootstrap interval of the range: picking the strongest and the weakest value makes that interval
    exclude 0 too often, and resamples in which a value never loses make it too wide.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a number between 0 and 1, such as 0.95.")
    if len(values) < 2:
        raise ValueError(f"values: found {list(values)}; expected at least two. Pass the study's values.")
    groups, wins = count_wins(choices, values)
    connected = np.asarray(win_graph_connected(wins))
    decided, cyclic = _count_triads(wins)
    table = groups.assign(choices=wins.sum(axis=(1, 2)).astype(int), connected=connected)
    dispersion = _dispersion(choices, groups)
    fits = [_fit(w, values, d) if known else {} for w, known, d in zip(wins, connected, dispersion, strict=True)]
    columns = [
        "deviance", "degrees_of_freedom", "dispersion", "p_value", "worst_winner", "worst_loser", "worst_observed",
        "worst_expected", "worst_residual",
    ]  # fmt: skip
    kinds = {"degrees_of_freedom": "Int64", "worst_winner": "str", "worst_loser": "str"}
    for name in columns:
        table[name] = pd.Series([fit.get(name) for fit in fits], dtype=kinds.get(name, "float64"))
    table["triads_decided"], table["triads_cyclic"] = decided, cyclic
    table["equal_p"] = pd.Series([fit.get("equal_p") for fit in fits], dtype="float64")
    table["why_not"] = pd.Series([_why_not(row, 1 - level) for row in table.to_dict("records")], dtype="str")
    table.insert(len(table.columns) - 1, "supported", table["why_not"].isna())
    return table


def _fit(wins: NDArray, values: Sequence[str], dispersion: float) -> dict:
    """Return deviance and worst-fitting pair of one connected table of counts."""
    first, second = np.triu_indices(len(wins), 1)
    asked = (wins + wins.T)[first, second] > 0
    first, second = first[asked], second[asked]
    won, lost = wins[first, second], wins[second, first]
    trials = won + lost
    strengths = fit_bradley_terry(wins, penalty=0)
    expected = 1 / (1 + np.exp(strengths[second] - strengths[first]))
    freedom = len(first) - len(wins) + 1
    found = {"degrees_of_freedom": freedom, "dispersion": dispersion}
    found["deviance"] = _deviance(won, lost, expected)
    gain = _deviance(won, lost, np.full(len(trials), 0.5)) - found["deviance"]
    found["equal_p"] = chi2.sf(gain / dispersion, len(wins) - 1)
    if not freedom:
        return found | {"deviance": 0.0}
    found["p_value"] = chi2.sf(found["deviance"] / dispersion, freedom)
    design = np.zeros((len(first), len(wins)))
    design[np.arange(len(first)), first], design[np.arange(len(first)), second] = 1, -1
    information = trials * expected * (1 - expected)
    covariance = np.linalg.pinv(design.T @ (information[:, None] * design))
    # a pair that alone ties a value to the rest is fitted without error and has no residual
    left = 1 - information * np.einsum("pi,ij,pj->p", design, covariance, design)
    tested = left > 1e-9
    residual = np.zeros(len(first))
    residual[tested] = ((won - trials * expected)[tested]) / np.sqrt((information * left * dispersion)[tested])
    # residuals that differ by rounding alone are the same
    worst = int(np.abs(residual).round(_DIGITS).argmax())
    winner, loser = (first, second) if residual[worst] >= 0 else (second, first)
    more = residual[worst] >= 0
    return found | {
        "worst_winner": values[winner[worst]],
        "worst_loser": values[loser[worst]],
        "worst_observed": (won if more else lost)[worst] / trials[worst],
        "worst_expected": expected[worst] if more else 1 - expected[worst],
        "worst_residual": abs(residual[worst]),
    }


def _deviance(won: NDArray, lost: NDArray, expected: NDArray) -> float:
    """Return the deviance of rates against the pairs' own."""
    trials = won + lost
    return 2 * (_log_ratio(won, trials * expected) + _log_ratio(lost, trials * (1 - expected))).sum()


def _log_ratio(observed: NDArray, expected: NDArray) -> NDArray:
    """Return n log(n / expected), 0 where n is 0."""
    return observed * np.log(np.where(observed > 0, observed, 1) / np.where(observed > 0, expected, 1))


def _dispersion(choices: pd.DataFrame, groups: pd.DataFrame) -> NDArray[np.float64]:
    """Return each group's design effect, pooled over its pairs."""
    chosen = choices[choices["outcome"].eq("choice")]
    in_order = chosen["value_1"] <= chosen["value_2"]
    pair = chosen.assign(
        value_1=chosen["value_1"].where(in_order, chosen["value_2"]),
        value_2=chosen["value_2"].where(in_order, chosen["value_1"]),
    )
    counts = count_successes(pair, pair["winner"].eq(pair["value_1"]), [*GROUP, "value_1", "value_2"])
    counts["independent"] = counts["successes"] * (1 - counts["successes"] / counts["trials"])
    pooled = counts.groupby(GROUP)[["spread", "independent", "largest_spread", "trials"]].sum()
    pooled = pooled.reindex(pd.MultiIndex.from_frame(groups), fill_value=0)
    return design_effect(pooled["spread"], pooled["independent"], pooled["largest_spread"], pooled["trials"])


def _count_triads(wins: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each group how many triads are decided, and how many of them are cyclic."""
    decided, cyclic = np.zeros(len(wins), dtype=int), np.zeros(len(wins), dtype=int)
    lead = np.sign(wins - np.swapaxes(wins, 1, 2))
    for i, j, k in combinations(range(wins.shape[1]), 3):
        sides = np.stack([lead[:, i, j], lead[:, j, k], lead[:, k, i]])
        decided += (sides != 0).all(axis=0)
        cyclic += np.abs(sides.sum(axis=0)) == 3
    return decided, cyclic


def _why_not(row: dict, apart_below: float) -> str | None:
    """Return what speaks against a ranking, or None."""
    if not row["choices"]:
        return "no choices"
    reasons = [
        ("win graph not connected", not row["connected"]),
        (f"model does not fit (p < {FIT_REJECTED_BELOW})", row["p_value"] < FIT_REJECTED_BELOW),
        (f"values not apart (p = {row['equal_p']:.2f})", row["equal_p"] >= apart_below),
    ]
    return "; ".join(reason for reason, holds in reasons if holds) or None
