"""Judge traits: several judges as instruments, each with a severity and a discrimination (item response).

In: what at least three judges said, yes or no, of the same conversations. Out: how much it takes for each judge to say
yes, and how sharply it tells conversations apart, with intervals clustered by scenario.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from conflictscope.measure.raters import CONVERSATION
from conflictscope.measure.rates import check_level
from conflictscope.measure.strengths import expit

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_LOG_SHARP, _SPREAD = np.log(2.0), 1.0  # prior of log discrimination: keeps it finite if judges hardly ever part
_SEVERE = 2.0  # standard deviation of the prior of severity
_STEP = 1e-4


def judge_traits(readings: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give severity and discrimination of each judge by a two-parameter logistic model.

    P(judge says yes) = σ(a (θ − b)), θ how far a conversation is a yes, standard normal over conversations; a > 0 the
    judge's discrimination, b its severity.

    Parameters
    ----------
    readings : DataFrame
        One row for each conversation and judge: ``scenario_id``, ``target``, ``arm``, ``repetition``, ``rater``,
        ``yes`` (bool). Conversations that some judge has not read are left out.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        One row a judge: ``rater``, ``conversations`` (count), ``yes`` (share, 0–1); ``severity``, ``discrimination``,
        each with ``_low`` and ``_high``.

    Raises
    ------
    ValueError
        If there are fewer than three judges, or no conversation that all have read.

    Notes
    -----
    Birnbaum (1968); fitted to the marginal likelihood with weak priors (log a about log 2 ± 1, b about 0 ± 2), errors
    by the sandwich, clustered by scenario. What all judges have in common cannot be seen: a severity is against the
    others, not against the truth.
    """
    check_level(level)
    wide = readings.pivot(index=CONVERSATION, columns="rater", values="yes").dropna()
    judges = list(wide.columns)
    if len(judges) < 3 or wide.empty:
        raise ValueError(
            f"readings: {len(wide)} conversations that all of {judges} have read; expected at least three judges and "
            "one conversation. Name more in further_judges."
        )
    answers = wide.to_numpy(bool)
    patterns, which, counts = np.unique(answers, axis=0, return_inverse=True, return_counts=True)
    start = np.r_[np.full(len(judges), _LOG_SHARP), -norm.ppf(np.clip(answers.mean(axis=0), 0.02, 0.98))]
    fit = minimize(_surprise, start, args=(patterns, counts), jac=True, method="BFGS", options={"gtol": 1e-6})
    scores = _scores(fit.x, patterns)[1]
    size = len(fit.x)
    bent = np.empty((size, size))  # second derivatives of the surprise
    for n, step in enumerate(_STEP * np.eye(size)):
        up, down = (_surprise(fit.x + sign * step, patterns, counts)[1] for sign in (1, -1))
        bent[n] = (up - down) / (2 * _STEP)
    inverse = np.linalg.inv((bent + bent.T) / 2)
    scenario = wide.index.get_level_values("scenario_id").to_numpy()
    meat = pd.DataFrame(scores[which.ravel()]).groupby(scenario).sum().to_numpy()
    clusters = len(meat)
    covariance = inverse @ (meat.T @ meat * clusters / max(clusters - 1, 1)) @ inverse
    half = norm.isf((1 - level) / 2) * np.sqrt(np.diag(covariance))
    sharp, severe = np.split(np.arange(size), 2)
    table = pd.DataFrame({"rater": judges, "conversations": len(wide), "yes": answers.mean(axis=0)})
    for end, sign in (("", 0), ("_low", -1), ("_high", 1)):
        table[f"severity{end}"] = fit.x[severe] + sign * half[severe]
        table[f"discrimination{end}"] = np.exp(fit.x[sharp] + sign * half[sharp])
    names = [name + end for name in ("severity", "discrimination") for end in ("", "_low", "_high")]
    return table[["rater", "conversations", "yes", *names]].astype({"rater": "str"})


def _scores(parameters: NDArray, patterns: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Return the log-likelihood of each pattern of answers and its derivatives by the parameters."""
    log_sharp, severe = np.split(parameters, 2)
    sharp = np.exp(log_sharp)
    latent = sharp * (_NODES[:, None] - severe)
    chance = expit(latent)
    residual = patterns[:, None, :] - chance  # pattern, node, judge
    each = -np.logaddexp(0, np.where(patterns[:, None, :], -latent, latent)).sum(axis=2)
    top = each.max(axis=1, keepdims=True)
    weighted = np.exp(each - top) * _WEIGHTS
    total = weighted.sum(axis=1, keepdims=True)
    after = (weighted / total)[:, :, None]
    by_sharp = (after * residual * latent).sum(axis=1)
    by_severe = (after * residual * -sharp).sum(axis=1)
    return np.log(total[:, 0]) + top[:, 0], np.concatenate([by_sharp, by_severe], axis=1)


def _surprise(parameters: NDArray, patterns: NDArray[np.bool_], counts: NDArray) -> tuple[float, NDArray]:
    """Return what is minimised, with its derivatives."""
    log_sharp, severe = np.split(parameters, 2)
    likelihood, slopes = _scores(parameters, patterns)
    off = (log_sharp - _LOG_SHARP) / _SPREAD
    prior = (off**2).sum() / 2 + (severe**2).sum() / (2 * _SEVERE**2)
    slope = np.r_[off / _SPREAD, severe / _SEVERE**2]
    return float(prior - counts @ likelihood), slope - counts @ slopes
