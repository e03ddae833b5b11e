"""Judges as instruments: severity and discrimination that were put in come back, with intervals that cover."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import judge_traits

SHARP, SEVERE = np.array([3.0, 1.5, 0.8, 2.0]), np.array([0.0, 0.6, -0.4, 0.0])


def said(conversations, seed, sharp=SHARP, severe=SEVERE, scenarios=None):
    """Return what judges of these traits say, drawn here."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(conversations)
    yes = rng.random((conversations, len(sharp))) < 1 / (1 + np.exp(-sharp * (theta[:, None] - severe)))
    rows = [
        (f"s{n % (scenarios or conversations):05d}", f"m{n // (scenarios or conversations)}", f"judge {j}", yes[n, j])
        for n in range(conversations)
        for j in range(len(sharp))
    ]
    table = pd.DataFrame(rows, columns=["scenario_id", "target", "rater", "yes"])
    return table.assign(arm="default", repetition=0)


def test_traits_of_many_conversations_are_what_was_put_in():
    table = judge_traits(said(20_000, 0))
    assert table["severity"].to_numpy() == pytest.approx(SEVERE, abs=0.06)
    assert table["discrimination"].to_numpy() == pytest.approx(SHARP, rel=0.12)
    assert table["conversations"].eq(20_000).all()


def test_intervals_cover():
    covered = []
    for seed in range(60):
        table = judge_traits(said(400, seed))
        for name, true in (("severity", SEVERE), ("discrimination", SHARP)):
            covered.append((table[f"{name}_low"] <= true) & (true <= table[f"{name}_high"]))
    assert 0.91 < np.mean(covered) < 0.99


def test_a_judge_that_errs_at_random_discriminates_least_and_a_strict_one_is_severe():
    table = judge_traits(said(600, 1, np.array([4.0, 4.0, 0.3]), np.array([0.0, 0.9, 0.0])))
    assert table["discrimination"].idxmin() == 2 and table["severity"].idxmax() == 1
    assert table["severity_low"].iloc[1] > table["severity_high"].iloc[0]


def test_judges_who_never_part_get_finite_traits():
    alike = said(200, 2)
    alike["yes"] = alike.groupby(["scenario_id", "target"])["yes"].transform("first")
    table = judge_traits(alike)
    assert np.isfinite(table.drop(columns="rater").to_numpy(float)).all()


def test_two_judges_are_too_few():
    with pytest.raises(ValueError, match="at least three judges"):
        judge_traits(said(50, 3, SHARP[:2], SEVERE[:2]))
