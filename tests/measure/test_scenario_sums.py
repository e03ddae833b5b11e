"""Sums over resamples are those of scenarios drawn whole, within their pair."""

import numpy as np
import pytest

from conflictscope.measure.bootstrap import add_up, draw_weights, percentile_interval, resample_sums

PAIR = np.repeat([0, 1], [30, 70])


def test_each_resample_draws_as_many_scenarios_of_a_pair_as_there_are():
    ones = np.ones((100, 1))
    assert add_up(ones, PAIR)[:, 0].tolist() == [30, 70]
    sums = resample_sums(ones, PAIR, resamples=50, seed=1)
    assert sums.shape == (2, 50, 1)
    assert (sums[0] == 30).all() and (sums[1] == 70).all()


def test_columns_share_the_draws_and_the_seed_decides_them():
    amounts = np.random.default_rng(0).random((100, 1))
    both = resample_sums(np.hstack([amounts, 2 * amounts]), PAIR, resamples=50, seed=1)
    assert np.allclose(both[..., 1], 2 * both[..., 0])
    assert np.allclose(both[..., :1], resample_sums(amounts, PAIR, resamples=50, seed=1))
    assert not np.allclose(both[..., :1], resample_sums(amounts, PAIR, resamples=50, seed=2))


def test_the_spread_of_a_mean_is_its_standard_error():
    amounts = np.random.default_rng(0).normal(size=(400, 1))
    means = resample_sums(amounts, np.zeros(400, dtype=int), resamples=4000, seed=0)[0, :, 0] / 400
    # a standard deviation from 4,000 draws is itself known to about 1 part in 90
    assert means.std() == pytest.approx(amounts.std() / 20, rel=0.05)
    assert means.mean() == pytest.approx(amounts.mean(), abs=4 * amounts.std() / 20 / 4000**0.5)


def test_batches_do_not_repeat_their_draws(monkeypatch):
    monkeypatch.setattr("conflictscope.measure.bootstrap._DRAWS_AT_ONCE", 25)
    batches = list(draw_weights(10, resamples=5, seed=0, stratum=0))
    assert [len(weights) for _, weights in batches] == [2, 2, 1]
    assert not np.array_equal(batches[0][1], batches[1][1])


def test_undefined_resamples_are_left_out_and_counted():
    low, high, undefined = percentile_interval(np.array([np.nan, *range(101)]), 0.9)
    assert (low, high, undefined) == pytest.approx((5, 95, 1))
    assert percentile_interval(np.array([np.nan]), 0.9)[2] == 1


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="resamples: found 0"):
        resample_sums(np.ones((2, 1)), np.zeros(2, dtype=int), resamples=0, seed=0)
    with pytest.raises(ValueError, match="level: found 95"):
        percentile_interval(np.ones(3), 95)
