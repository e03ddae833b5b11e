"""Means over targets that share their scenarios: targets and scenarios are both samples.

In: a contrast of strengths for each target, and what each scenario adds to each target's error. Out: the mean with an
interval that holds for other targets of the kind as well, and one for the targets at hand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution


@dataclass(frozen=True)
class CrossedMean:
    """A mean over targets.

    Attributes
    ----------
    mean : float
    low, high : float
        Interval with targets and scenarios as samples.
    low_given, high_given : float
        Interval for the mean of just these targets: scenarios alone as a sample.
    """

    mean: float
    low: float
    high: float
    low_given: float
    high_given: float


def crossed_mean(contrasts: NDArray, errors: NDArray, *, level: float = 0.95) -> CrossedMean:
    """Give the mean of a contrast over targets.

    Parameters
    ----------
    contrasts : ndarray, shape (targets,)
        Such as the mean strength of a group of values minus that of the rest.
    errors : ndarray, shape (targets, scenarios)
        What each scenario adds to each target's contrast: contrast · influence · residual; 0 where it has no choice.

    Notes
    -----
    Two-way clustered variance (Cameron, Gelbach and Miller 2011, *JBES* 29): between targets, plus between scenarios,
    minus what both count, and no less than between scenarios; t quantiles with Satterthwaite's degrees of freedom, at
    least targets − 1.
    """
    targets = len(contrasts)
    mean = float(contrasts.mean())
    by_scenario = float((errors.mean(axis=0) ** 2).sum())
    both = float((errors**2).sum()) / targets**2
    by_target = float(contrasts.var(ddof=1)) / targets if targets > 1 else np.inf
    variance = max(by_target + by_scenario - both, by_scenario)
    scenarios = int((errors != 0).any(axis=0).sum())
    freedom = variance**2 / (by_target**2 / max(targets - 1, 1) + by_scenario**2 / max(scenarios - 1, 1))
    half = t_distribution.isf((1 - level) / 2, max(freedom, targets - 1, 1)) * np.sqrt(variance)
    given = t_distribution.isf((1 - level) / 2, max(scenarios - 1, 1)) * np.sqrt(by_scenario)
    return CrossedMean(mean, mean - half, mean + half, mean - given, mean + given)
