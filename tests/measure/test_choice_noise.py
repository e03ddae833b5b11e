"""Choice noise against known truth; and repetitions that do not pass for more evidence."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import preference_rates, rank_values, retest_reliability

VALUES = ["candour", "tact", "thrift"]
PAIRS = [("candour", "tact"), ("candour", "thrift"), ("tact", "thrift")]


def asked(chances, repetitions, rng, *, condition="multiple_choice", target="m"):
    """Return choices: each scenario's own chance that action 1 is taken, asked so often; scenarios by pair."""
    rows = []
    for s, chance in enumerate(chances):
        one, two = PAIRS[s % len(PAIRS)]
        for repetition in range(repetitions):
            for first in (1, 2) if condition == "multiple_choice" else (1 + repetition % 2,):
                took = 1 if rng.random() < chance else 2
                rows.append(
                    {
                        "scenario_id": f"s{s}",
                        "value_1": one,
                        "value_2": two,
                        "target": target,
                        "condition": condition,
                        "arm": "default",
                        "repetition": repetition,
                        "action_shown_first": first,
                        "judge": "j" if condition == "open_ended" else None,
                        "outcome": "choice",
                        "action": took,
                        "winner": (one, two)[took - 1],
                        "loser": (two, one)[took - 1],
                        "structure": "none",
                        "severity": "none",
                        "acting_value": None,
                    }
                )
    return pd.DataFrame(rows)


def test_a_worked_example():
    # asked three times each: 1 1 2 (two of three pairs differ), 1 1 1 (none), and one that was asked once
    rows = asked([1, 1, 1], 3, np.random.default_rng(0), condition="open_ended")
    rows.loc[2, ["action", "winner", "loser"]] = [2, "tact", "candour"]
    found = retest_reliability(rows.drop(index=[7, 8])).iloc[0]
    assert found[["questions", "scenarios", "choices"]].tolist() == [2, 2, 6]
    assert found["noise"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["noise_low"] < found["noise"] < found["noise_high"]


def test_what_was_asked_once_is_unknown_not_zero():
    rows = asked([0.5] * 6, 1, np.random.default_rng(0))
    assert retest_reliability(rows).empty
    # the two orders are two questions
    assert retest_reliability(asked([0.5] * 6, 2, np.random.default_rng(0)))["questions"].tolist() == [12]


@pytest.mark.parametrize("condition", ["multiple_choice", "open_ended"])
def test_the_noise_that_was_put_in_is_found_and_covered(condition):
    rng = np.random.default_rng(3)
    covered, found = [], []
    for _ in range(60):
        chances = rng.choice([0.0, 0.1, 0.5, 1.0], size=40)
        noise = retest_reliability(asked(chances, 3, rng, condition=condition)).iloc[0]
        true = np.mean(2 * np.array([0.0, 0.1, 0.5, 1.0]) * (1 - np.array([0.0, 0.1, 0.5, 1.0])))
        covered.append(noise["noise_low"] <= true <= noise["noise_high"])
        found.append(noise["noise"] - true)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    assert np.mean(covered) >= 0.9


def width(table):
    return (table["strength_high"] - table["strength_low"]).to_numpy()


def test_copied_repetitions_make_no_interval_narrower():
    rows = asked(np.random.default_rng(1).uniform(0.2, 0.9, 60), 1, np.random.default_rng(1))
    copied = pd.concat([rows.assign(repetition=n) for n in range(9)], ignore_index=True)
    settings = {"resamples": 400, "seed": 0, "penalty": 0.0}
    once, often = (rank_values(table, VALUES, **settings) for table in (rows, copied))
    np.testing.assert_allclose(often["strength"], once["strength"], atol=1e-6)
    # a bootstrap over answers would give a third of the width
    np.testing.assert_allclose(width(often), width(once), rtol=1e-6)
    one, nine = preference_rates(rows), preference_rates(copied)
    spread = [(table["rate_high"] - table["rate_low"]).to_numpy() for table in (one, nine)]
    assert (spread[1] > 0.9 * spread[0]).all()


def test_intervals_cover_the_truth_with_repetitions():
    # each scenario has a chance of its own; what is to be covered is the strength over all scenarios
    rng = np.random.default_rng(7)
    ends = np.array([[0.3, 0.9], [0.2, 0.8], [0.1, 0.9]])
    many = [asked(rng.uniform(*ends[np.arange(3000) % 3].T), 1, rng) for _ in range(8)]
    many = [table.assign(scenario_id=table["scenario_id"] + f"-{n}") for n, table in enumerate(many)]
    truth = rank_values(pd.concat(many), VALUES, resamples=1)["strength"].to_numpy()
    covered = []
    for seed in range(100):
        rows = asked(rng.uniform(*ends[np.arange(60) % 3].T), 5, rng)
        table = rank_values(rows, VALUES, resamples=200, seed=seed)
        covered.append((table["strength_low"].to_numpy() <= truth) & (truth <= table["strength_high"].to_numpy()))
    # 300 intervals of 95 %, three a study: within three standard errors of a hundred studies, and a little too narrow
    assert 0.87 <= np.mean(covered) <= 1
