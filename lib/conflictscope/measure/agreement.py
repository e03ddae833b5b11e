"""Agreement: do the targets choose alike? Scenarios on which they part are the ones that tell them apart.

In: the choices table, or ratings by any number of raters. Out: observed agreement with Krippendorff's α beside it, by
condition and system prompt, with intervals from a bootstrap over scenarios; the targets are taken as given. The lower
the agreement, the harder the data set. Section 3.2 of the paper (arXiv 2509.25369) compares ablations by it.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from conflictscope.measure.scenario_shares import share_choices
from conflictscope.measure.scenario_sums import add_up, divide, percentile_interval, resample_sums


def observed_agreement(
    choices: pd.DataFrame, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Give the chance that two random targets choose the same value on a random scenario.

    Only scenarios where at least two targets have a choice count; every one of them weighs the same. Where a target
    chose several times in a scenario (both option orders, repetitions), the chance is that of one of its choices at
    random: a target that chose either value half of the time agrees with anyone at 0.5.

    Krippendorff's α takes the targets as raters and the value that won as the nominal rating. Chance agreement is taken
    within each value pair, because no other value can win a scenario: α = 1 − Σ n_p D_o,p / Σ n_p D_e,p over the pairs
    p. With one pair and one choice a target and scenario it is `krippendorff_alpha`.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``. Rows whose outcome is not ``choice`` do not count.
    resamples : int
        Bootstrap resamples of scenarios, drawn within each value pair.
    seed : int
        Seed of the resamples.
    level : float
        Coverage of the percentile intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row for each condition and system prompt: ``condition``, ``system_prompt``, ``agreement``,
        ``agreement_low``, ``agreement_high`` (0–1), ``alpha``, ``alpha_low``, ``alpha_high`` (1 = perfect, 0 = chance,
        below 0 = less than chance), ``targets`` (with a choice), ``scenarios`` (counted), ``left_out`` (fewer than two
        targets with a choice), ``undefined_resamples`` (those without α, which its interval leaves out),
        ``agreement_problem`` and ``alpha_problem`` (why the number is empty; empty where it is not).

    Raises
    ------
    ValueError
        Where the choices do not fit their table, `resamples` is below 1, or `level` is not between 0 and 1.
    """
    shares = share_choices(choices)
    pair = shares.scenarios["pair"].to_numpy()
    keys = shares.groups[["condition", "system_prompt"]]
    rows = []
    for (condition, system_prompt), own in keys.groupby(list(keys)).groups.items():
        share = shares.share[:, own]
        asked = shares.asked[:, own].any(axis=1)
        amounts = _scenario_amounts(share)
        observed = _measures(add_up(amounts, pair))
        draws = _measures(resample_sums(amounts, pair, resamples=resamples, seed=seed))
        scenarios = int(amounts[:, 0].sum())
        no_agreement = None if scenarios else "no scenario with choices of two targets"
        no_alpha = no_agreement or ("the same value won throughout each pair" if np.isnan(observed[1]) else None)
        low, high, _ = percentile_interval(draws[0], level)
        alpha_low, alpha_high, undefined = percentile_interval(draws[1], level)
        rows.append(
            {
                "condition": condition,
                "system_prompt": system_prompt,
                "agreement": float(observed[0]),
                "agreement_low": low,
                "agreement_high": high,
                "alpha": float(observed[1]),
                "alpha_low": alpha_low,
                "alpha_high": alpha_high,
                "targets": int((~np.isnan(share)).any(axis=0).sum()),
                "scenarios": scenarios,
                "left_out": int(asked.sum()) - scenarios,
                "undefined_resamples": undefined,
                "agreement_problem": no_agreement,
                "alpha_problem": no_alpha,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"agreement_problem": "str", "alpha_problem": "str"})


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Give Krippendorff's α for nominal ratings by any number of raters, some of them missing.

    α = 1 − D_o / D_e, from the coincidences of the ratings within units (Krippendorff 2011, *Computing Krippendorff's
    Alpha-Reliability*, University of Pennsylvania; nominal metric).

    Parameters
    ----------
    ratings : array_like, shape (units, raters)
        Category codes or labels; missing ratings are None or nan. Units with fewer than two ratings do not count.

    Returns
    -------
    float
        1 = perfect agreement, 0 = as by chance, below 0 = less than chance; nan where α is not defined: no unit has
        two ratings, or all ratings are the same.

    Raises
    ------
    ValueError
        Where `ratings` is not two-dimensional.
    """
    table = np.asarray(ratings, dtype=object)
    if table.ndim != 2:
        raise ValueError(f"ratings: found {table.ndim} dimension(s); expected two, units × raters.")
    codes, _ = pd.factorize(table.ravel())  # −1 where missing
    codes = codes.reshape(table.shape)
    votes = np.stack([(codes == category).sum(axis=1) for category in range(max(codes.max(initial=-1) + 1, 1))], axis=1)
    votes = votes[votes.sum(axis=1) > 1]
    raters = votes.sum(axis=1)
    totals, n = votes.sum(axis=0), votes.sum()
    alike = totals @ (totals - 1)
    if n == 0 or alike == n * (n - 1):
        return float("nan")
    differ = ((raters**2 - (votes**2).sum(axis=1)) / (raters - 1)).sum()
    return float(1 - differ * (n - 1) / (n * (n - 1) - alike))


_COLUMNS = [
    "condition",
    "system_prompt",
    "agreement",
    "agreement_low",
    "agreement_high",
    "alpha",
    "alpha_low",
    "alpha_high",
    "targets",
    "scenarios",
    "left_out",
    "undefined_resamples",
    "agreement_problem",
    "alpha_problem",
]


def _scenario_amounts(share: NDArray) -> NDArray[np.float64]:
    """Return, by scenario, what agreement and α are made of; share has the shape (scenarios, targets).

    The columns: 1 where the scenario counts; chance that two targets agree; targets with a choice; expected
    disagreements a target; votes for the first value; and Σ p² + Σ (1 − p)², the part of the squared votes that are of
    a target with itself.
    """
    present = ~np.isnan(share)
    p = np.where(present, share, 0.0)
    n = present.sum(axis=1).astype(float)
    counts = n > 1
    first = p.sum(axis=1)
    with_itself = (p**2).sum(axis=1) + ((1 - p) ** 2 * present).sum(axis=1)
    alike = first**2 + (n - first) ** 2 - with_itself
    others = np.where(counts, n - 1, 1)
    agreement = alike / (np.where(counts, n, 1) * others)
    disagreements = (n * (n - 1) - alike) / others
    columns = np.stack([np.ones_like(n), agreement, n, disagreements, first, with_itself], axis=1)
    return np.where(counts[:, None], columns, 0.0)


def _measures(sums: NDArray) -> tuple[NDArray, NDArray]:
    """Return agreement and α from sums of the scenarios' amounts, shape (pairs, ..., amounts)."""
    scenarios, agreement, n, differ, first, with_itself = np.moveaxis(sums, -1, 0)
    alike = first**2 + (n - first) ** 2 - with_itself
    expected = n - np.divide(alike, n - 1, out=np.zeros_like(n), where=n > 1)
    # what is left of equal votes after rounding is no variation
    expected = np.where(expected > 1e-9 * n, expected, 0.0).sum(axis=0)
    return divide(agreement.sum(axis=0), scenarios.sum(axis=0)), 1 - divide(differ.sum(axis=0), expected)
