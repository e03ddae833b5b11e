"""A judge's errors: counted from labels, and taken out of strengths."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure.judge_errors import JudgeErrors, correct_fit, correct_rankings, count_judge_errors
from conflictscope.measure.strengths import PairSums, fit_strengths

FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


def sums(n, y) -> PairSums:
    """Return the sums of one group's yes-or-no shares of three values."""
    won = np.array([y], dtype=float)
    return PairSums(np.array([n], dtype=float), won, won, FIRST, SECOND, 3)


def errors_of(labels) -> JudgeErrors:
    """Return labelled verdicts of three values' pairs, from (pairs, 2, 2)."""
    counts = np.zeros((3, 3, 2, 2))
    counts[FIRST, SECOND] = labels
    return JudgeErrors(counts)


def test_a_judge_without_error_changes_next_to_nothing():
    given = sums([400, 400, 400], [250, 320, 280])
    labels = np.tile(np.diag([5000, 5000]), (3, 1, 1))
    plain, corrected = fit_strengths(given), correct_fit(given, errors_of(labels))[0]
    assert corrected.strengths == pytest.approx(plain.strengths, abs=1e-3)
    assert corrected.covariance == pytest.approx(plain.covariance, rel=0.02)


def test_known_error_is_taken_out_and_the_labels_widen_the_errors():
    true = np.array([0.7, 0.8, 0.6])
    read = 0.95 * true + 0.2 * (1 - true)
    given = sums([1000] * 3, 1000 * read)
    labels = np.tile(np.array([[0.95, 0.05], [0.2, 0.8]]), (3, 1, 1))
    many, few = (correct_fit(given, errors_of(times * labels))[0] for times in (1e6, 50))
    assert many.strengths == pytest.approx(fit_strengths(sums([1000] * 3, 1000 * true)).strengths, abs=1e-2)
    assert (few.covariance[0, 0, 0] > 2 * many.covariance[0, 0, 0]) and few.covariance[0, 0, 0] < 0.2


def test_a_judge_that_reads_at_random_gives_no_strengths():
    labels = np.full((3, 2, 2), 100)
    assert np.isnan(correct_fit(sums([50] * 3, [30, 30, 30]), errors_of(labels))[0].strengths).all()


def test_labels_are_counted_by_pair_and_side_whichever_value_comes_first():
    scenarios = pd.DataFrame({"scenario_id": ["s1", "s2"], "value_1": ["b", "b"], "value_2": ["a", "c"]})
    rows = [
        ("s1", "judge", "action_1"),  # read as for b
        ("s1", "one", "action_2"),  # truly for a
        ("s1", "two", "action_1"),
        ("s2", "judge", "action_2"),
        ("s2", "one", "action_2"),
        ("s2", "two", "neither"),
    ]
    readings = pd.DataFrame(rows, columns=["scenario_id", "rater", "reading"])
    readings = readings.assign(target="m", arm="default", repetition=0)
    errors = count_judge_errors(readings, scenarios, ["a", "b", "c"], "judge", ["one", "two"])
    assert errors.counts[0, 1].tolist() == [[0, 0.5], [0, 0.5]], "for a, read as b; for b, read as b: half a label each"
    assert errors.counts[1, 2].tolist() == [[0, 0], [0, 1]]
    assert errors.total == 2
    with pytest.raises(ValueError, match="no conversation that both"):
        count_judge_errors(readings, scenarios, ["a", "b", "c"], "judge", ["nobody"])


def study(b=0.2, **nuisance) -> pd.DataFrame:
    """Return the choices of one study of three values."""
    truth = Truth({"a": 0.9, "b": b, "c": -1.1}, [("a", "b"), ("a", "c"), ("b", "c")])
    return choices_table(draw_studies(truth, Nuisance(**nuisance), scenarios=400, studies=1, seed=0))


def test_corrected_strengths_are_those_without_misreading():
    labels = np.tile(np.array([[1500.0, 500.0], [40.0, 1960.0]]), (3, 1, 1))
    errors = errors_of(labels)
    errors.counts[1, 2] = [[1960, 40], [40, 1960]]  # only what is done for a is misread
    found = correct_rankings(study(judge_error=0.02, misread={"a": 0.23}), ["a", "b", "c"], errors).set_index("value")
    clean = correct_rankings(study(), ["a", "b", "c"], errors_of(np.tile(np.diag([1e5, 1e5]), (3, 1, 1))))
    assert (found["corrected"] - clean.set_index("value")["strength"]).abs().max() < 0.25
    assert (found["strength"] - clean.set_index("value")["strength"]).abs().max() > 0.4
    assert (found["corrected_high"] - found["corrected_low"] > found["strength_high"] - found["strength_low"]).all()
