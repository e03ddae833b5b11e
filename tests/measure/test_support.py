"""Support: each named check fails where it should, and says why."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure import check_support
from conflictscope.measure.judge_errors import JudgeErrors
from conflictscope.measure.strengths import fit_strengths, grade_choices
from conflictscope.measure.support import CHECKS, misfit

VALUES = list("abc")
PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]


def study(scenarios=120, truth=None, seed=0, **nuisance) -> pd.DataFrame:
    """Return the choices of one study of three values, 0.9 apart."""
    known = Truth({"a": 0.9, "b": 0.0, "c": -0.9}, PAIRS, **(truth or {}))
    return choices_table(draw_studies(known, Nuisance(**nuisance), scenarios=scenarios, studies=1, seed=seed))


def checked(choices, condition, **more) -> pd.Series:
    """Return the checks of one condition."""
    return check_support(choices, VALUES, **more).set_index("condition").loc[condition]


def test_a_clean_study_supports_its_whole_order():
    found = check_support(study(), VALUES)
    assert found["order"].tolist() == ["a > b > c"] * 2
    assert found["supported"].all() and found["why_not"].isna().all()
    assert found["listed"].isna().tolist() == [False, True] and found["judge"].isna().all()
    assert found["unless"].isna().tolist() == [True, False]
    assert found["unless"].iloc[1].startswith("the judge errs in")


def test_equal_values_stand_together_in_the_order():
    truth = Truth({"a": 0.6, "b": 0.6, "c": -1.2}, PAIRS)
    choices = choices_table(draw_studies(truth, Nuisance(), scenarios=120, studies=1, seed=0))
    assert checked(choices, "multiple_choice")["order"] in ("a, b > c", "b, a > c")
    nothing = Truth(dict.fromkeys("abc", 0.0), PAIRS)
    choices = choices_table(draw_studies(nothing, Nuisance(), scenarios=60, studies=1, seed=0))
    found = checked(choices, "multiple_choice")
    assert pd.isna(found["order"]) and not found["supported"]
    assert found["why_not"] == "no value surely stands above another"


def test_the_first_option_always_is_not_linked():
    found = checked(study(always_first=True), "multiple_choice")
    assert not found["linked"] and not found["listed"] and not found["supported"]
    assert found["why_not"].startswith("every choice took the place in the list; the order of the options decides 100%")


def test_a_strong_position_bias_is_said():
    found = checked(study(scenarios=400, position_bias=3.0), "multiple_choice")
    assert not found["listed"] and "of the scenarios" in found["why_not"]


def test_misfit_is_judged_by_its_size():
    preference = {pair: sign for pair, sign in zip(PAIRS, (1, -1, 1), strict=True)}
    mild, strong = (
        checked(study(3000, {"pair_preference": {p: by * s for p, s in preference.items()}}), "multiple_choice")
        for by in (0.15, 1.0)
    )
    assert mild["fit"] and mild["supported"]
    assert not strong["fit"] and "pairs are off by 0." in strong["why_not"]


def test_misfit_of_many_scenarios_is_what_was_put_in():
    preference = dict(zip(PAIRS, (0.6, -0.6, 0.6), strict=True))
    graded = grade_choices(study(20_000, {"pair_preference": preference}), VALUES)
    sums = graded.sums()
    fit = fit_strengths(sums)
    off = sums.y / sums.n - fit.fitted
    assert misfit(sums, fit) == pytest.approx(np.sqrt((off**2).mean(axis=1)), abs=0.005)


def test_refusals_that_are_the_act_fail_the_check_of_missing_answers():
    near = Truth({"a": 0.5, "b": 0.4, "c": -0.9}, PAIRS)
    drawn = draw_studies(near, Nuisance(refusal={"b": 0.4}), scenarios=370, studies=1, seed=0)
    found = checked(choices_table(drawn), "open_ended")
    assert not found["missing"] and "hang on answers without a choice" in found["why_not"]


def swapped_of(choices, flipped, seed=0):
    """Return the verdicts read again, a share of them turned round."""
    talked = choices[choices["condition"].eq("open_ended")]
    turned = np.random.default_rng(seed).random(len(talked)) < flipped
    return talked.assign(action=talked["action"].where(~turned, 3 - talked["action"]))


def test_a_judge_that_does_not_agree_with_itself_fails():
    choices = study()
    steady, wavering = (checked(choices, "open_ended", swapped=swapped_of(choices, by)) for by in (0.03, 0.35))
    assert steady["judge"] and steady["supported"]
    assert not wavering["judge"] and "κ with itself" in wavering["why_not"]


def test_an_order_that_labels_undo_fails():
    choices = study(scenarios=370)
    counts = np.zeros((3, 3, 2, 2))
    counts[0, 1], counts[0, 2], counts[1, 2] = [[50, 0], [0, 50]], [[50, 0], [0, 50]], [[50, 0], [40, 10]]
    clean = np.zeros((3, 3, 2, 2))
    clean[:, :] = [[50, 0], [0, 50]]
    bad, good = (checked(choices, "open_ended", errors=JudgeErrors(c)) for c in (counts, clean))
    assert good["judge"] and good["supported"]
    assert not bad["judge"] and "do not outlast the correction" in bad["why_not"]


def test_columns():
    found = check_support(study(scenarios=10), VALUES)
    assert list(found.columns) == [
        "target", "condition", "arm", "order", *CHECKS, "supported", "why_not", "unless",
    ]  # fmt: skip
