"""Resampled win counts: against a slow bootstrap that loops over rows, and what they must not depend on."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import bootstrap, count_wins, resample_wins

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
    groups, fast = resample_wins(choices, VALUES, resamples=resamples, seed=0)
    fast = fast[groups["target"].tolist().index(target)]
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
    _, wins = resample_wins(pd.concat([one, one.assign(target="n")]), VALUES, resamples=50, seed=0)
    np.testing.assert_array_equal(wins[0], wins[1])
    assert len(np.unique(wins[0, :, 0, 1])) > 1


def test_number_of_scenarios_a_pair_is_kept(make_choices):
    one = make_choices(STRENGTHS, scenarios_per_pair=15, seed=0)
    _, wins = resample_wins(one, VALUES, resamples=50, seed=0)
    met = wins[0] + np.swapaxes(wins[0], 1, 2)
    np.testing.assert_array_equal(met, np.broadcast_to(15 * (1 - np.eye(3)), (50, 3, 3)))


def test_row_order_chunks_and_other_targets_do_not_matter(choices, monkeypatch):
    _, wins = resample_wins(choices, VALUES, resamples=30, seed=5)
    shuffled = choices.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(resample_wins(shuffled, VALUES, resamples=30, seed=5)[1], wins)
    only = choices[choices["target"] == "m"]
    np.testing.assert_array_equal(resample_wins(only, VALUES, resamples=30, seed=5)[1][0], wins[0])
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 45)
    np.testing.assert_array_equal(resample_wins(choices, VALUES, resamples=30, seed=5)[1], wins)
    assert not np.array_equal(resample_wins(choices, VALUES, resamples=30, seed=6)[1], wins)


def test_which_value_stands_first_does_not_matter(choices):
    turned = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    turned = turned.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    some = choices["scenario_id"].str.endswith("3")
    mixed = pd.concat([choices[~some], turned[some]])
    np.testing.assert_array_equal(
        resample_wins(mixed, VALUES, resamples=9, seed=0)[1], resample_wins(choices, VALUES, resamples=9, seed=0)[1]
    )


def test_bad_input(choices):
    with pytest.raises(ValueError, match=r"unknown values \['c'\]"):
        count_wins(choices, ["a", "b"])
    with pytest.raises(ValueError, match="each value once"):
        count_wins(choices, ["a", "b", "c", "a"])
    with pytest.raises(ValueError, match="resamples: found 0"):
        resample_wins(choices, VALUES, resamples=0, seed=0)
    with pytest.raises(ValueError, match="'x' occurs with two value pairs"):
        count_wins(choices.assign(scenario_id="x"), VALUES)
    refused = choices.assign(outcome="refusal", action=None, winner=None, loser=None)
    with pytest.raises(ValueError, match="against itself"):
        count_wins(refused.assign(value_2=refused["value_1"]), VALUES)
