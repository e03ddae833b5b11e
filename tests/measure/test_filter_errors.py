"""What a filter's errors do to its counts: by hand, and against what was planted."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import filter_errors
from conflictscope.tables import CHECKS


def read(rater, passes, scenarios=None):
    """Return readings of all six checks: those of the first check as given, all others passed."""
    ids = [f"s{n:04d}" for n in (range(len(passes)) if scenarios is None else scenarios)]
    rows = [
        (s, c, rater, "yes" if p or c != CHECKS[0] else "no") for s, p in zip(ids, passes, strict=True) for c in CHECKS
    ]
    table = pd.DataFrame(rows, columns=["scenario_id", "check", "rater", "reading"])
    return table.assign(score=table["reading"].eq("yes").astype(float))


def errors(judged, labels, labelled, people=("p",)):
    readings = pd.concat([read("j", judged), *(read(name, labels, labelled) for name in people)], ignore_index=True)
    return filter_errors(readings, "j", list(people)).set_index("check")


def test_counts_are_those_of_the_labels_scaled_to_what_was_read():
    # 10 read, 8 passed; of 4 of these labelled people fail 1, of both that fail they pass 1
    judged = [True] * 8 + [False] * 2
    table = errors(judged, [True, True, True, False, True, False], [0, 1, 2, 3, 8, 9])
    row = table.loc[CHECKS[0]]
    assert (row["read"], row["passed"], row["labelled"]) == (10, 8, 6)
    assert row["wrongly_passed"] == 8 / 4 and row["wrongly_failed"] == 1
    assert row["pass_rate_corrected"] == pytest.approx((8 * 3 / 4 + 2 / 2) / 10)
    assert 0 < row["wrongly_passed_low"] < 2 < row["wrongly_passed_high"] <= 8
    # the other checks pass all scenarios, and people agree
    assert table.loc["all six", "wrongly_passed"] == 2 and table.loc[CHECKS[1], "pass_rate_corrected"] == 1


def test_two_who_part_count_half_each_and_what_is_not_labelled_is_empty():
    judged = [True] * 8 + [False] * 2
    both = pd.concat([read("j", judged), read("p", [True] * 4, range(4)), read("q", [True] * 3 + [False], range(4))])
    row = filter_errors(both, "j", ["p", "q"]).set_index("check").loc[CHECKS[0]]
    assert row["wrongly_passed"] == pytest.approx(8 * 0.5 / 4) and row["labelled"] == 4
    assert np.isnan(row["wrongly_failed"]) and np.isnan(row["pass_rate_corrected"])


def test_planted_errors_come_back_and_intervals_cover_them():
    rng = np.random.default_rng(0)
    covered, found = [], []
    for _ in range(120):
        true = rng.random(240) < 0.7
        judged = np.where(true, rng.random(240) < 0.95, rng.random(240) < 0.3)
        labelled = rng.choice(240, 60, replace=False)
        row = errors(judged, true[labelled], labelled).loc["all six"]
        wrongly, rate = (judged & ~true).sum(), 0.7
        found.append((row["wrongly_passed"] - wrongly, row["pass_rate_corrected"] - rate))
        covered.append(
            (
                row["wrongly_passed_low"] <= wrongly <= row["wrongly_passed_high"],
                row["pass_rate_corrected_low"] <= rate <= row["pass_rate_corrected_high"],
            )
        )
    assert np.abs(np.mean(found, axis=0)) == pytest.approx([0, 0], abs=2)
    assert abs(np.mean([rate for _, rate in found])) < 0.015
    assert (np.mean(covered, axis=0) > 0.9).all()
