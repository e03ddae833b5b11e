"""Choices made from planted strengths, for every test of this folder."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conflictscope.table_files import check_table


def pytest_collection_modifyitems(items):
    """Let no statistic warn of anything; what a test elsewhere left to be collected is none of theirs."""
    quiet = pytest.mark.filterwarnings("error", "ignore::pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(quiet)


@pytest.fixture
def make_choices():
    """Return a function that draws a choices table from planted strengths."""

    def make(strengths, *, scenarios_per_pair, seed, target="m", condition="multiple_choice", spread=0.0, orders=(1,)):
        rng = np.random.default_rng(seed)
        rows = []
        for one, two in itertools.combinations(strengths, 2):
            for n in range(scenarios_per_pair):
                gap = strengths[one] - strengths[two] + rng.normal(0, spread)
                for action_shown_first in orders:
                    action = 1 if rng.random() < 1 / (1 + np.exp(-gap)) else 2
                    winner, loser = (one, two) if action == 1 else (two, one)
                    rows.append((f"{one}-{two}-{n}", one, two, one, action_shown_first, action, winner, loser))
        columns = [
            "scenario_id",
            "value_1",
            "value_2",
            "acting_value",
            "action_shown_first",
            "action",
            "winner",
            "loser",
        ]
        table = pd.DataFrame(rows, columns=columns).assign(
            structure="means", severity="mild", target=target, condition=condition, arm="default"
        )
        judge = "judge" if condition == "open_ended" else None
        return check_table(table.assign(repetition=0, judge=judge, outcome="choice"), "choices")

    return make


@pytest.fixture
def many_targets():
    """Return a function that lets many targets choose anew from planted strengths, in the scenarios of one table."""

    def draw(choices, strengths, *, targets, seed, spread=0.0):
        rng = np.random.default_rng(seed)
        table = pd.concat([choices.assign(target=f"m{n:03d}") for n in range(targets)], ignore_index=True)
        scenario = table.groupby(["target", "scenario_id"]).ngroup().to_numpy()
        gap = table["value_1"].map(strengths) - table["value_2"].map(strengths)
        gap += rng.normal(0, spread, scenario.max() + 1)[scenario]
        took_first = rng.random(len(table)) < 1 / (1 + np.exp(-gap))
        return table.assign(
            action=np.where(took_first, 1, 2),
            winner=table["value_1"].where(took_first, table["value_2"]),
            loser=table["value_2"].where(took_first, table["value_1"]),
        )

    return draw
