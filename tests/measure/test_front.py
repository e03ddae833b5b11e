"""The front: who dominates whom by a count by hand, and differences against Newcombe's published example."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import mark_front, wilson_interval
from conflictscope.measure.difficulty import difference_interval


def points(**sets):
    """Return points: name → agreement, Likert difference rate and the half-width of both intervals."""
    rows = [
        {"variant": name, "agreement": a, "agreement_low": a - half, "agreement_high": a + half, "likert": b}
        | {"likert_low": b - half, "likert_high": b + half}
        for name, (a, b, half) in sets.items()
    ]
    return pd.DataFrame(rows)


def marks(**sets):
    return dict(zip(sets, mark_front(points(**sets))["front"].str.split().str[0], strict=True))


def test_sets_that_nothing_dominates_are_on_the_front():
    found = marks(low=(0.4, 0.5, 0.01), high=(0.7, 0.9, 0.01), inner=(0.7, 0.5, 0.01), corner=(0.5, 0.8, 0.01))
    assert found == {"low": "on", "high": "on", "corner": "on", "inner": "behind"}


def test_equal_sets_do_not_dominate_each_other_and_a_tie_in_one_number_is_no_clear_lead():
    assert marks(one=(0.5, 0.8, 0.01), twin=(0.5, 0.8, 0.01)) == {"one": "on", "twin": "on"}
    assert marks(one=(0.5, 0.8, 0.01), worse=(0.7, 0.8, 0.01)) == {"one": "on", "worse": "not"}


def test_a_set_is_behind_only_where_both_differences_are_beyond_their_intervals():
    # half-widths 0.03 and 0.04: the interval of a difference is 0.05 to either side
    def second(agreement, likert):
        return marks(best=(0.5, 0.8, 0.03), second=(agreement, likert, 0.04))["second"]

    assert second(0.56, 0.74) == "behind"
    assert second(0.54, 0.74) == "not" and second(0.56, 0.76) == "not"
    assert second(0.49, 0.2) == "on"
    marked = mark_front(points(best=(0.5, 0.8, 0.03), better=(0.48, 0.82, 0.01), last=(0.9, 0.1, 0.02)))
    assert marked["behind"].fillna("").tolist() == ["", "", "best, better"]


def test_a_set_without_a_number_is_neither():
    table = points(one=(0.5, 0.8, 0.01), none=(0.2, np.nan, 0.01))
    marked = mark_front(table)
    assert marked["front"].iloc[0] == "on the front" and pd.isna(marked["front"].iloc[1])
    assert marked["behind"].isna().all()
    with pytest.raises(KeyError):
        mark_front(table.drop(columns="likert_low"))


def test_differences_are_those_of_newcombe():
    """Newcombe (1998), *Statistics in Medicine* 17, 873-890, table II, method 10: 56/70 against 48/80."""
    ends = [(k / n, *wilson_interval(k, n)) for k, n in ((56, 70), (48, 80))]
    low, high = difference_interval(*ends)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)
    ends = [(k / n, *wilson_interval(k, n)) for k, n in ((9, 10), (3, 10))]
    low, high = difference_interval(*ends)
    assert (round(float(low), 4), round(float(high), 4)) == (0.1705, 0.8090)


def test_symmetric_intervals_add_in_squares():
    low, high = difference_interval([0.9, 0.6, 1.2], [0.2, -0.2, 0.6])
    assert (low, high) == (pytest.approx(0.7 - 0.5), pytest.approx(0.7 + 0.5))
