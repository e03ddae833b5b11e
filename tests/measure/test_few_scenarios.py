"""Rates, κ, means over targets and shares of headroom, against closed forms and outside implementations."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t as t_distribution
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from conflictscope.measure.crossed import crossed_mean
from conflictscope.measure.few_scenarios import kappa_interval, rate_interval
from conflictscope.measure.headroom import headroom_gained


def test_independent_answers_give_wilsons_interval():
    rates = np.r_[np.ones(120), np.zeros(280)]
    rate, low, high = rate_interval(rates)
    expected = proportion_confint(120, 400, method="wilson")
    assert (rate, low, high) == pytest.approx((0.3, *expected), abs=1e-3)


def test_rates_that_are_all_alike_are_not_known_exactly():
    _, low, high = rate_interval(np.full(20, 0.5))
    assert low < 0.49 and high > 0.51
    _, low, high = rate_interval(np.ones(8))
    assert low < 0.8 and high == 1


def test_eight_conversations_give_no_interval_of_width_0():
    perfect = np.repeat(np.eye(4).reshape(-1, 2, 2)[[0, 3]], 4, axis=0)
    low, high = kappa_interval(perfect)
    assert low < 0.7 and high == 1
    one_sided = np.repeat(np.eye(4).reshape(-1, 2, 2)[[0, 2]], 4, axis=0)  # κ 0
    low, high = kappa_interval(one_sided)
    assert low < 0 < high and high - low > 0.3


def test_crossed_variance_of_statsmodels():
    rng = np.random.default_rng(0)
    targets, scenarios = 14, 60
    cells = rng.normal(size=(targets, 1)) + 2 * rng.normal(size=(1, scenarios)) + rng.normal(size=(targets, scenarios))
    contrasts = cells.mean(axis=1)
    found = crossed_mean(contrasts, (cells - contrasts[:, None]) / scenarios)
    fit = sm.OLS(cells.ravel(), np.ones(cells.size)).fit()
    group = np.indices(cells.shape).reshape(2, -1)
    outside = cov_cluster_2groups(fit, group[0], group[1], use_correction=False)[0]
    variance = float(np.squeeze(outside)) + contrasts.var(ddof=1) / targets - contrasts.var() / targets
    half = found.high - found.mean
    assert half == pytest.approx(t_distribution.isf(0.025, 20) * np.sqrt(variance), rel=0.15)
    assert found.low < found.low_given < found.mean < found.high_given < found.high


def test_headroom_is_not_biased_by_how_little_there_is():
    rng = np.random.default_rng(1)
    before, after = (rng.random((20_000, 51)) < 0.1).astype(float), (rng.random((20_000, 51)) < 0.1).astype(float)
    found = headroom_gained(before, after, strata=np.repeat(range(3), 17))
    known = np.isfinite(found.effect)
    plain = 1 - after[known].sum(axis=1) / before[known].sum(axis=1)
    assert plain.mean() < -0.2
    assert abs(found.effect[known].mean()) < 0.04
    assert ((found.low <= 0) & (found.high >= 0))[known].mean() == pytest.approx(0.95, abs=0.01)


def test_fiellers_interval_holds_just_the_ratios_that_are_not_rejected():
    rng = np.random.default_rng(2)
    before, after = (rng.random(80) < 0.5).astype(float), (rng.random(80) < 0.3).astype(float)
    found = headroom_gained(before, after)
    for end in (found.low, found.high):
        left = after - (1 - end) * before
        t = left.sum() / np.sqrt(80 * left.var(ddof=1))
        assert abs(t) == pytest.approx(t_distribution.isf(0.025, 79), rel=1e-6)


def test_little_headroom_leaves_the_lower_end_open():
    before = np.r_[1.0, np.zeros(50)]
    assert np.isneginf(headroom_gained(before, np.roll(before, 3)).low)
