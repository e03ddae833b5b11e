"""Captions: what they count is what the tables say, and what is not known is said."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import captions, plot_shift, save_figure


def rankings():
    table = pd.DataFrame(
        {
            "target": ["m"] * 4 + ["n"] * 4,
            "condition": (["multiple_choice"] * 2 + ["open_ended"] * 2) * 2,
            "value": ["a", "b"] * 4,
            "strength": [1.0, -1.0, 0.1, -0.1, 2.0, -2.0, np.nan, np.nan],
            "rank_low": [1, 2, 1, 1, 1, 2, np.nan, np.nan],
            "rank_high": [1, 2, 2, 2, 1, 2, np.nan, np.nan],
            "choices": [20, 20, 9, 9, 30, 30, 0, 0],
            "scenarios": [10, 10, 9, 9, 15, 15, 0, 0],
            "identified": [True] * 6 + [False] * 2,
        }
    )
    return table.assign(strength_low=table["strength"] - 0.5, strength_high=table["strength"] + 0.5)


def shifts(problem=None):
    table = pd.DataFrame(
        {"target": "m", "value": ["a", "b", "c"], "expressed": [1.0, 0, -1], "revealed": [0.2, 0, -0.2]}
    )
    table = table.assign(
        shift=[-0.8, 0.0, 0.8], shift_low=[-1.2, -0.5, -0.1], shift_high=[-0.4, 0.5, 1.7], problem=problem
    )
    return table.assign(shifted=pd.array([True, False, False] if problem is None else [pd.NA] * 3, dtype="boolean"))


def test_a_ranking_says_its_n_who_is_first_and_what_is_not_known():
    said = captions.write("Which come first?", captions.rankings(rankings()), level=0.9, source="simulated models")
    for sentence in (
        "Which come first? Strengths (log-odds, mean 0) of 2 values for 2 targets.",
        "Multiple choice: 20–30 choices in 10–15 scenarios a target.",
        "Open-ended: 9 choices in 9 scenarios a target.",
        "One value is surely first in 2 of 3 orders (a: m, multiple choice; a: n, multiple choice).",
        "No value is told from any other in 1 of 3.",
        "The order is unknown in 1 (n, open-ended).",
        "Intervals cover 90 %. Results are those of simulated models and no finding about any other.",
    ):
        assert sentence in said, said


def test_the_mean_says_over_how_many_targets_each_condition_is():
    said = captions.mean_rankings(rankings())
    assert "Multiple choice: 2 targets; the highest mean has a (+1.50)" in said
    assert "Open-ended: 1 target; the highest mean has a (+0.10)" in said


def test_a_shift_counts_those_that_could_be_tested_and_names_the_reason_of_the_others():
    table = pd.concat([shifts(), shifts("open_ended: no choices").assign(target="n")], ignore_index=True)
    said = " ".join(captions.shifts(table))
    assert "Of 3 values of 1 target that could be tested, 1 shifted, all tests counted together (a: m)" in said
    assert "does not show that there is none" in said
    assert "1 target could not be compared (n: open-ended: no choices)" in said


def test_cases_are_named_up_to_four_and_then_counted():
    table = pd.DataFrame({"panel": [f"p{n}" for n in range(6)], "target": "m", "condition": "open_ended", "choices": 8})
    table = table.assign(rate=0.9, rate_low=[0.6, 0.6, 0.6, 0.6, 0.6, 0.4], rate_high=1.0)
    said = captions.effects(table)[1]
    assert said.startswith("5 of 6 shares leave out one half (p0: m, open-ended;") and said.endswith("; and 1 more)")


def test_steering_and_pairs_without_a_number_are_counted_as_such():
    effects = pd.DataFrame(
        {"target": ["m", "n"], "condition": "open_ended", "target_ranking": "r", "scenarios": [8, 9]}
    )
    effects = effects.assign(effect=[0.4, np.nan], over_placebo_low=[0.1, np.nan], effect_problem=[None, "no headroom"])
    said = captions.steering(effects)
    assert "1 of 1 are surely more than the placebo's" in said
    assert "1 of 2 effects are not known (no headroom)" in said
    rates = pd.DataFrame(
        {"target": "m", "condition": "open_ended", "value_1": "a", "value_2": ["b", "c"], "choices": [4, 0]}
    )
    rates = rates.assign(rate=[1.0, np.nan], rate_low=[0.51, np.nan], rate_high=[1.0, np.nan])
    assert {"1 of 1 leave out one half", "1 pair of a target had no choice"} <= set(captions.preferences(rates))


def test_the_caption_is_a_file_beside_the_figure_and_an_old_one_does_not_stay(tmp_path):
    figure = plot_shift(shifts(), title=None, level=0.95)
    files = save_figure(figure, tmp_path, "shift", table=shifts())
    assert [file.suffix for file in files] == [".pdf", ".png", ".csv", ".txt"]
    said = files[-1].read_text(encoding="utf-8")
    assert said.startswith("Circle: ") and said.endswith("Intervals cover 95 %.\n") and "simulated" not in said
    assert len(save_figure(plt.figure(), tmp_path, "shift", table=shifts())) == 3
    assert not files[-1].exists()


@pytest.mark.parametrize(
    ("level", "told"), [(None, ""), (0.95, "Intervals cover 95 %."), (0.999, "Intervals cover 99.9 %.")]
)
def test_coverage_is_said_only_if_it_is_known(level, told):
    assert captions.write(None, [], level=level, source="") == told
