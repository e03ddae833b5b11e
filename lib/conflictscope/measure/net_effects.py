"""Net effects: strengths of the values net of position, acting and template, by logistic regression.

With the values alone it is the Bradley–Terry model. What the choices cannot tell is named, not estimated.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.rates import check_level
from conflictscope.tables import SEVERITIES, STRUCTURES

OTHER_TERMS = ("shown first", "acting", "acting × strong", "acting × means")
_NEEDED = ["structure", "severity", "acting_value", "action_shown_first", "action"]


def net_value_effects(choices: pd.DataFrame, values: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """Fit "action 1 was chosen" by logistic regression on values, position, acting and template.

    logit P(action 1) = (β_value_1 − β_value_2) + γ f + a (δ + δ_s s + δ_m m), with f = 1 if action 1 was shown first
    and −1 otherwise, a = 1 if action 1 is the acting side's and −1 otherwise, s = ½ for ``strong`` and −½ for
    ``mild``, m = ½ for ``means`` and −½ for ``side_effect`` (0 if the choices know just one). There is no intercept,
    so which action is called 1 does not matter.

    Returns
    -------
    DataFrame
        For each group one row a term: ``target``, ``condition``, ``arm``, ``term``, ``estimate``, ``low``,
        ``high`` (log-odds), ``p`` (two-sided, of no effect), ``choices``, ``scenarios`` (counts) and ``problem``. The
        terms are the values (β, mean 0), ``shown first`` (γ: above 0, the action shown first gains), ``acting`` (δ,
        mean of the templates), ``acting × strong`` and ``acting × means`` (δ_s, δ_m: how much more the acting side
        gains under the one than under the other). Standard errors are the sandwich clustered by scenario, with
        statsmodels' correction for the number of scenarios; intervals and p-values are normal.
        If a term has no estimate, ``problem`` says why: it cannot be told from the others in these choices; some
        combination of terms separates the choices, so that no finite estimate exists (Albert and Anderson 1984); or
        there are not more scenarios than terms.
    """
    check_level(level)
    check_choices(choices)
    missing = [name for name in _NEEDED if name not in choices.columns]
    unknown = sorted({*choices["value_1"].unique(), *choices["value_2"].unique()} - {*values})
    if missing or unknown or len(values) < 2:
        raise ValueError(
            f"choices: missing columns {missing}, unknown values {unknown}; expected the columns of the table "
            f"'choices' and at least two values, those of {list(values)}."
        )
    terms = [*values, *OTHER_TERMS]
    parts = []
    for key, rows in choices.groupby(GROUP):
        chosen = rows[rows["outcome"].eq("choice")]
        part = _fit_terms(chosen, values, level)
        part.insert(0, "term", pd.Series(terms, dtype="str"))
        for place, (name, content) in enumerate(zip(GROUP, key, strict=True)):
            part.insert(place, name, pd.Series([content] * len(part), dtype="str"))
        parts.append(part)
    if not parts:
        return pd.DataFrame(columns=[*GROUP, "term", "estimate", "low", "high", "p", "choices", "scenarios", "problem"])
    return pd.concat(parts, ignore_index=True)


def _fit_terms(chosen: pd.DataFrame, values: Sequence[str], level: float) -> pd.DataFrame:
    """Return estimate, interval, p and problem of each term for one group's choices."""
    design = _design(chosen, values)
    terms = [*values, *OTHER_TERMS]
    contrasts = np.eye(len(terms))
    contrasts[: len(values), : len(values)] -= 1 / len(values)
    scenarios = chosen["scenario_id"].nunique()
    table = pd.DataFrame(np.nan, index=range(len(terms)), columns=["estimate", "low", "high", "p"])
    table["choices"], table["scenarios"] = len(chosen), scenarios
    table["problem"] = pd.Series([None] * len(terms), dtype="str")
    if not len(chosen):
        return table.assign(problem="no choices")
    took_first = chosen["action"].eq(1).to_numpy(dtype=float)
    # the directions that the choices say something about; a term that sticks out of them cannot be estimated
    _, sizes, directions = np.linalg.svd(design.T @ design)
    directions = directions[sizes > 1e-9 * sizes[0]].T
    known = np.abs(contrasts - contrasts @ directions @ directions.T).max(axis=1) < 1e-6
    table.loc[~known, "problem"] = "cannot be told from other terms in these choices"
    separating = _separating_terms(design, took_first, contrasts)
    if separating.any():
        named = ", ".join(term for term, part in zip(terms, separating, strict=True) if part)
        return table.assign(problem=table["problem"].fillna(f"choices are separated, no finite estimate: {named}"))
    if scenarios <= directions.shape[1]:
        return table.assign(problem=table["problem"].fillna(f"{scenarios} scenarios for {len(terms)} terms"))
    clusters = chosen["scenario_id"].factorize()[0]
    fit = GLM(took_first, design @ directions, family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, maxiter=100, tol=1e-10
    )
    if not fit.converged:
        return table.assign(problem=table["problem"].fillna("logistic regression did not converge"))
    shown = contrasts[known] @ directions
    estimate = shown @ fit.params
    error = np.sqrt(np.einsum("ti,ij,tj->t", shown, fit.cov_params(), shown))
    margin = norm.isf((1 - level) / 2) * error
    numbers = [estimate, estimate - margin, estimate + margin, 2 * norm.sf(np.abs(estimate) / error)]
    table.loc[known, ["estimate", "low", "high", "p"]] = np.column_stack(numbers)
    return table


def _design(chosen: pd.DataFrame, values: Sequence[str]) -> NDArray[np.float64]:
    """Return one row a choice and one column a term, before anything is taken out."""
    place = pd.Index(values)
    rows = np.arange(len(chosen))
    design = np.zeros((len(chosen), len(values) + len(OTHER_TERMS)))
    design[rows, place.get_indexer(chosen["value_1"])] = 1
    design[rows, place.get_indexer(chosen["value_2"])] = -1
    # 0 if the scenario does not state it: nothing is known of acting there
    acts_on_1, acts_on_2 = (chosen["acting_value"].eq(chosen[side]).to_numpy(float) for side in ("value_1", "value_2"))
    acting = acts_on_1 - acts_on_2
    design[:, len(values)] = np.where(chosen["action_shown_first"].eq(1), 1.0, -1.0)
    design[:, len(values) + 1] = acting
    for column, name, categories in ((2, "severity", SEVERITIES), (3, "structure", STRUCTURES)):
        if chosen[name].nunique() > 1:
            under = chosen[name].eq(categories[1]).to_numpy(float) - chosen[name].eq(categories[0]).to_numpy(float)
            design[:, len(values) + column] = acting * under / 2
    return design


def _separating_terms(design: NDArray, took_first: NDArray, contrasts: NDArray) -> NDArray[np.bool_]:
    """Return the terms that predict no choice wrongly and some with certainty, alone or else together; none if none."""
    signed = design * np.where(took_first == 1, 1, -1)[:, None]
    rows = pd.DataFrame(signed).drop_duplicates().to_numpy()
    alone: NDArray[np.bool_] = np.any(rows, axis=0) & (np.all(rows >= 0, axis=0) | np.all(rows <= 0, axis=0))
    if alone.any():
        return alone
    # maximise the summed margin within a box: 0 just if the choices overlap
    answer = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    if answer.status != 0:
        raise ArithmeticError(f"the search for separated choices failed: {answer.message}")
    if -answer.fun < 1e-6:
        return np.zeros(len(contrasts), dtype=bool)
    return np.abs(contrasts @ answer.x) > 1e-6
