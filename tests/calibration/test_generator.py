"""Drawn studies against what they are drawn from."""

import numpy as np
import pytest

from conflictscope.calibration.generator import (
    Nuisance,
    Truth,
    choices_table,
    draw_studies,
    expected_shares,
    true_strengths,
)
from conflictscope.table_files import check_table

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
TRUTH = Truth({"a": 0.9, "b": 0.0, "c": -0.9}, PAIRS, shift={"b": 0.5}, scenario_sd=0.8)


@pytest.mark.parametrize("nuisance", [Nuisance(), Nuisance(position_bias=1.0, order_noise=1.0), Nuisance(scale=1.5)])
def test_shares_are_as_expected(nuisance):
    drawn = draw_studies(TRUTH, nuisance, scenarios=40_000, studies=1, seed=0)
    assert drawn.expressed[0, 0].mean(axis=(1, 2, 3)) == pytest.approx(
        expected_shares(TRUTH, nuisance, "multiple_choice"), abs=0.01
    )
    assert drawn.revealed[0, 0].mean(axis=(1, 2)) == pytest.approx(
        expected_shares(TRUTH, nuisance, "open_ended"), abs=0.01
    )


def test_without_nuisance_strengths_are_those_put_in():
    plain = Truth(TRUTH.strengths, PAIRS)
    assert true_strengths(plain, Nuisance(), "multiple_choice") == pytest.approx([0.9, 0, -0.9], abs=1e-6)


def test_misreading_and_refusals_are_as_asked_for():
    nuisance = Nuisance(judge_error=0.02, misread={"a": 0.23}, refusal={"c": 0.3})
    drawn = draw_studies(TRUTH, nuisance, scenarios=40_000, studies=1, seed=0)
    acted, read = drawn.acted[0, 0, 0], drawn.revealed[0, 0, 0]
    assert read[acted == 1].mean() == pytest.approx(0.75, abs=0.01)
    assert read[acted == 0].mean() == pytest.approx(0.02, abs=0.01)
    lost = np.isnan(drawn.revealed[0, 0, 1])
    assert lost[drawn.acted[0, 0, 1] == 0].mean() == pytest.approx(0.3, abs=0.02)
    assert not lost[drawn.acted[0, 0, 1] == 1].any()


def test_conditions_share_their_scenarios():
    drawn = draw_studies(
        Truth({"a": 0.0, "b": 0.0}, PAIRS[:1], scenario_sd=3.0), Nuisance(), scenarios=5000, studies=1, seed=0
    )
    both = np.corrcoef(drawn.expressed[0, 0, 0, :, 0, 0], drawn.revealed[0, 0, 0, :, 0])
    assert both[0, 1] > 0.4


def test_the_table_is_a_table_of_choices():
    drawn = draw_studies(TRUTH, Nuisance(refusal={"a": 0.5}), scenarios=5, studies=1, seed=0, targets=2)
    table = check_table(choices_table(drawn), "choices")
    assert len(table) == 2 * 3 * 5 * 3
    chosen = table[table["outcome"].eq("choice")]
    assert chosen["winner"].eq(chosen["value_1"].where(chosen["action"].eq(1), chosen["value_2"])).all()
