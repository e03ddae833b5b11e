"""Clustering: the design effect of answers that move together."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure.bootstrap import count_successes, design_effect


def rows_of(scenarios):
    """Return a row an answer from a list of each scenario's answers."""
    rows = [(f"s{n}", "g", answer) for n, answers in enumerate(scenarios) for answer in answers]
    table = pd.DataFrame(rows, columns=["scenario_id", "group", "success"])
    return table, table["success"].astype(bool)


@pytest.mark.parametrize(
    ("scenarios", "effect"),
    [
        ([[1], [0], [1], [1]], 1),  # one answer each: independent
        ([[1, 1], [0, 0], [1, 1]], 2),  # both orders agree
        ([[1, 1, 1], [0, 0, 0]], 3),
        ([[1, 0], [1, 0]], 1),  # answers that cancel out are worth no more than independent ones
        ([[1, 1], [0, 0], [1, 0], [1, 0]], 1),
        ([[1, 1], [1, 1]], 2),  # all alike: the most it can be
        ([[0], [0, 0, 0]], 2.5),  # (1 + 9) / 4
    ],
)
def test_design_effect_by_hand(scenarios, effect):
    table, success = rows_of(scenarios)
    counts = count_successes(table, success, ["group"]).iloc[0]
    independent = counts["successes"] * (1 - counts["successes"] / counts["trials"])
    found = design_effect(counts["spread"], independent, counts["largest_spread"], counts["trials"])
    assert found == pytest.approx(effect)


def test_counts_are_those_of_plain_python():
    rng = np.random.default_rng(0)
    scenarios = [rng.integers(0, 2, rng.integers(1, 5)).tolist() for _ in range(30)]
    counts = count_successes(*rows_of(scenarios), ["group"]).loc["g"]
    trials, successes = sum(map(len, scenarios)), sum(map(sum, scenarios))
    assert (counts["trials"], counts["successes"], counts["scenarios"]) == (trials, successes, 30)
    spread = sum((sum(answers) - len(answers) * successes / trials) ** 2 for answers in scenarios)
    assert counts["spread"] == pytest.approx(spread)
    assert counts["largest_spread"] == sum(len(answers) ** 2 for answers in scenarios)


def test_nothing_asked_has_no_design_effect():
    assert design_effect([0.0], [0.0], [0.0], [0]).tolist() == [1]
