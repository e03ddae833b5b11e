"""Marks: points beyond an axis and intervals cut at its edge are arrows; conditions do not lie on each other."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import use_style
from conflictscope.figures.panels import condition_rows, cut_off, draw_points
from conflictscope.figures.style import CONDITION_MARKS, Mark

TABLE = pd.DataFrame(
    {"x": [-0.3, 0.5, np.nan, 1.5, 0.6], "x_low": [-0.5, 0.4, np.nan, 0.9, -9], "x_high": [0.1, 0.6, np.nan, 2, 0.7]}
)


def test_points_beyond_the_axis_and_cut_intervals_are_arrows_and_missing_ones_are_named(ax, read):
    ax.set_xlim(0, 1)
    draw_points(ax, range(5), TABLE, "x", Mark("m", 0, "o", 3), missing="none")
    drawn = [(line.get_marker(), line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines]
    assert drawn == [("o", [0.5, 0.6], [1, 4]), ("<", [0.02], [0]), (">", [0.98], [3]), ("<", [0.0], [4])]
    assert ax.lines[1].get_markersize() > ax.lines[3].get_markersize()  # a number beyond is not a cut interval
    assert read.intervals(ax) == [[0, 0.1], [0, 0.7], [0.4, 0.6], [0.9, 1]]
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts] == [("none", 2)]


def test_the_legend_is_told_whether_anything_is_cut_off():
    assert cut_off(TABLE, ["x"], (0, 1)) and cut_off(TABLE.iloc[[4]], ["x"], (0, 1))
    assert not cut_off(TABLE.iloc[1:3], ["x"], (0, 1))


def test_the_conditions_of_a_row_stand_apart_in_one_order():
    table = pd.DataFrame({"target": ["n", "m", "m"], "condition": ["open_ended", "open_ended", "multiple_choice"]})
    rows = condition_rows(table, "target", ["m", "n"], numbers=["x"])
    drawn = {mark.label: heights.tolist() for mark, _, _, heights in rows}
    assert drawn == {"multiple choice": pytest.approx([-0.16]), "open-ended": pytest.approx([1.16, 0.16])}


def test_conditions_differ_in_lightness_so_that_grey_prints_are_readable():
    with use_style():
        colors = [matplotlib.colors.to_rgb(mark.color) for mark in CONDITION_MARKS.values()]
    grey = [np.dot(color, (0.299, 0.587, 0.114)) for color in colors]
    assert abs(grey[0] - grey[1]) > 0.2
    assert len({mark.marker for mark in CONDITION_MARKS.values()}) == len(CONDITION_MARKS)
