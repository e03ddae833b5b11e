"""Bootstrap: against a slow bootstrap that loops over rows, and what the draws must not depend on."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import Settings, bootstrap, count_wins
from conflictscope.measure.bootstrap import (
    add_up,
    count_by_scenario,
    draw_weights,
    percentile_interval,
    resample_sums,
)

STRENGTHS = {"a": 1.0, "b": 0.0, "c": -1.0}
VALUES = list(STRENGTHS)


@pytest.fixture
def choices(make_choices):
    """Two targets; `m` is shown each scenario in two orders and does not always choose."""
    one = make_choices(STRENGTHS, scenarios_per_pair=20, seed=0, spread=1.0, orders=(1, 2))
    dropped = one.index[::7]
    one.loc[dropped, "outcome"] = "refusal"
    one.loc[dropped, ["action", "winner", "loser"]] = None
    two = make_choices(STRENGTHS, scenarios_per_pair=20, seed=1, target="n", condition="open_ended")
    return pd.concat([one, two], ignore_index=True)


def resample_wins(choices, settings):
    """Return resampled win counts, shape (groups, resamples, 3, 3), from sums of amounts."""
    counts = count_by_scenario(choices)
    won = np.stack([counts.wins, counts.choices - counts.wins], axis=-1).reshape(len(counts.wins), -1)
    sums = resample_sums(won.astype(float), counts.pair, settings)
    sums = sums.reshape(*sums.shape[:2], len(counts.groups), 2)
    wins = np.zeros((len(counts.groups), settings.resamples, 3, 3))
    for p, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        wins[..., i, j], wins[..., j, i] = sums[p, ..., 0].T, sums[p, ..., 1].T
    return wins


def slow_bootstrap(choices, target, resamples, seed):
    """Return resampled win counts, drawing scenarios pair by pair and counting row by row."""
    rng = np.random.default_rng(seed)
    scenarios = {}
    for row in choices.to_dict("records"):
        scenarios.setdefault((row["value_1"], row["value_2"]), set()).add(row["scenario_id"])
    rows = {}
    for row in choices.to_dict("records"):
        if row["target"] == target and row["outcome"] == "choice":
            rows.setdefault(row["scenario_id"], []).append((row["winner"], row["loser"]))
    wins = np.zeros((resamples, 3, 3))
    for r in range(resamples):
        for ids in scenarios.values():
            for drawn in rng.choice(sorted(ids), size=len(ids)):
                for winner, loser in rows.get(drawn, []):
                    wins[r, VALUES.index(winner), VALUES.index(loser)] += 1
    return wins


def test_counts(choices):
    groups, wins = count_wins(choices, VALUES)
    assert groups.to_numpy().tolist() == [["m", "multiple_choice", "default"], ["n", "open_ended", "default"]]
    for group, target in enumerate("mn"):
        part = choices[choices["target"] == target]
        for i, winner in enumerate(VALUES):
            for j, loser in enumerate(VALUES):
                assert wins[group, i, j] == (part["winner"].eq(winner) & part["loser"].eq(loser)).sum()


@pytest.mark.parametrize("target", ["m", "n"])
def test_same_distribution_as_the_slow_bootstrap(choices, target):
    resamples = 4000
    fast = resample_wins(choices, Settings(resamples=resamples, seed=0))["mn".index(target)]
    slow = slow_bootstrap(choices, target, 1500, seed=1)
    for i, j in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]:
        spread = slow[:, i, j].std()
        # five standard errors of the difference of two means, and of two standard deviations
        error = spread * np.sqrt(1 / resamples + 1 / len(slow))
        assert abs(fast[:, i, j].mean() - slow[:, i, j].mean()) < 5 * error
        assert abs(fast[:, i, j].std() - spread) < 5 * error / np.sqrt(2) + 0.05
        # both directions of a pair come from the same draw of scenarios
        together = np.corrcoef(fast[:, i, j], fast[:, j, i])[0, 1]
        assert together == pytest.approx(np.corrcoef(slow[:, i, j], slow[:, j, i])[0, 1], abs=0.1)
    np.testing.assert_allclose(np.corrcoef(fast[:, 0, 1], fast[:, 1, 2])[0, 1], 0, atol=0.08)


def test_groups_share_the_draws(make_choices):
    one = make_choices(STRENGTHS, scenarios_per_pair=15, seed=0)
    wins = resample_wins(pd.concat([one, one.assign(target="n")]), Settings(resamples=50, seed=0))
    np.testing.assert_array_equal(wins[0], wins[1])
    assert len(np.unique(wins[0, :, 0, 1])) > 1


def test_number_of_scenarios_a_pair_is_kept(make_choices):
    one = make_choices(STRENGTHS, scenarios_per_pair=15, seed=0)
    wins = resample_wins(one, Settings(resamples=50, seed=0))
    met = wins[0] + np.swapaxes(wins[0], 1, 2)
    np.testing.assert_array_equal(met, np.broadcast_to(15 * (1 - np.eye(3)), (50, 3, 3)))


def test_row_order_chunks_and_other_targets_do_not_matter(choices, monkeypatch):
    wins = resample_wins(choices, Settings(resamples=30, seed=5))
    shuffled = choices.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(resample_wins(shuffled, Settings(resamples=30, seed=5)), wins)
    only = choices[choices["target"] == "m"]
    np.testing.assert_array_equal(resample_wins(only, Settings(resamples=30, seed=5))[0], wins[0])
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 45)
    np.testing.assert_array_equal(resample_wins(choices, Settings(resamples=30, seed=5)), wins)
    assert not np.array_equal(resample_wins(choices, Settings(resamples=30, seed=6)), wins)


def test_which_value_stands_first_does_not_matter(choices):
    turned = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    turned = turned.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    some = choices["scenario_id"].str.endswith("3")
    mixed = pd.concat([choices[~some], turned[some]])
    np.testing.assert_array_equal(
        resample_wins(mixed, Settings(resamples=9, seed=0)),
        resample_wins(choices, Settings(resamples=9, seed=0)),
    )


def test_bad_input(choices):
    with pytest.raises(ValueError, match="at least two"):
        count_wins(choices, ["a"])
    with pytest.raises(ValueError, match=r"unknown values \['c'\]"):
        count_wins(choices, ["a", "b"])
    with pytest.raises(ValueError, match="each value once"):
        count_wins(choices, ["a", "b", "c", "a"])
    with pytest.raises(ValueError, match="'x' occurs with two value pairs"):
        count_wins(choices.assign(scenario_id="x"), VALUES)
    refused = choices.assign(outcome="refusal", action=None, winner=None, loser=None)
    with pytest.raises(ValueError, match="against itself"):
        count_wins(refused.assign(value_2=refused["value_1"]), VALUES)


PAIR = np.repeat([0, 1], [30, 70])


def test_each_resample_draws_as_many_scenarios_of_a_pair_as_there_are():
    ones = np.ones((100, 1))
    assert add_up(ones, PAIR)[:, 0].tolist() == [30, 70]
    sums = resample_sums(ones, PAIR, Settings(resamples=50, seed=1))
    assert sums.shape == (2, 50, 1)
    assert (sums[0] == 30).all() and (sums[1] == 70).all()


def test_columns_share_the_draws_and_the_seed_decides_them():
    amounts = np.random.default_rng(0).random((100, 1))
    both = resample_sums(np.hstack([amounts, 2 * amounts]), PAIR, Settings(resamples=50, seed=1))
    assert np.allclose(both[..., 1], 2 * both[..., 0])
    assert np.allclose(both[..., :1], resample_sums(amounts, PAIR, Settings(resamples=50, seed=1)))
    assert not np.allclose(both[..., :1], resample_sums(amounts, PAIR, Settings(resamples=50, seed=2)))


def test_the_spread_of_a_mean_is_its_standard_error():
    amounts = np.random.default_rng(0).normal(size=(400, 1))
    means = resample_sums(amounts, np.zeros(400, dtype=int), Settings(resamples=4000, seed=0))[0, :, 0] / 400
    # a standard deviation from 4,000 draws is itself known to about 1 part in 90
    assert means.std() == pytest.approx(amounts.std() / 20, rel=0.05)
    assert means.mean() == pytest.approx(amounts.mean(), abs=4 * amounts.std() / 20 / 4000**0.5)


def test_batches_do_not_repeat_their_draws(monkeypatch):
    monkeypatch.setattr("conflictscope.measure.bootstrap._DRAWS_AT_ONCE", 25)
    batches = list(draw_weights(10, Settings(resamples=5, seed=0)))
    assert [len(weights) for _, weights in batches] == [2, 2, 1]
    assert not np.array_equal(batches[0][1], batches[1][1])


def test_undefined_resamples_are_left_out_and_counted():
    low, high, undefined = percentile_interval(np.array([np.nan, *range(101)]), 0.9)
    assert (low, high, undefined) == pytest.approx((5, 95, 1))
    assert percentile_interval(np.array([np.nan]), 0.9)[2] == 1


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="resamples: found 0"):
        Settings(resamples=0)
    with pytest.raises(ValueError, match="level: found 95"):
        Settings(level=95)
    with pytest.raises(ValueError, match="level: found 95"):
        percentile_interval(np.ones(3), 95)
