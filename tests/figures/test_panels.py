"""Panels: names broken into lines, titles that fit, points beyond an axis shown as arrows."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from conflictscope.figures.panels import bottom_panels, break_name, draw_points, panel_grid, require, set_title


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "letters", "expected"),
    [
        ("short", 10, "short"),
        ("meta-llama/Llama-3.3-70B", 14, "meta-llama/\nLlama-3.3-70B"),
        ("honesty>harmlessness>helpfulness", 21, "honesty>harmlessness>\nhelpfulness"),
        ("acts: side effect, mild", 12, "acts: side\neffect, mild"),
        ("unbreakable", 4, "unbreakable"),
        ("", 4, ""),
    ],
)
def test_names_break_between_their_parts(name, letters, expected):
    assert break_name(name, letters) == expected


def test_the_title_names_the_source_on_one_line_or_two():
    wide, narrow, bare = (plt.figure(figsize=(width, 2)) for width in (7, 2, 7))
    set_title(wide, "Which values come first", "simulated models")
    set_title(narrow, "Which values come first", "simulated models")
    set_title(bare, "Which values come first", "")
    assert wide.get_suptitle() == "Which values come first · simulated models"
    assert narrow.get_suptitle() == "Which values come first\nsimulated models"
    assert bare.get_suptitle() == "Which values come first"


def test_points_beyond_the_axis_are_arrows_and_missing_ones_are_left_out():
    _, ax = plt.subplots()
    ax.set_xlim(0, 1)
    low, high = [-0.5, 0.4, np.nan, 0.9], [0.1, 0.6, np.nan, 2]
    draw_points(ax, [0, 1, 2, 3], [-0.3, 0.5, np.nan, 1.5], low, high, color="k", marker="o", size=3)
    drawn = {line.get_marker(): (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in ax.lines}
    assert drawn == {"<": ([0.02], [0]), "o": ([0.5], [1]), ">": ([0.98], [3])}
    segments = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert segments == [[-0.5, 0.1], [0.4, 0.6], [0.9, 2]]


def test_the_lowest_panel_of_each_column_carries_the_axis_label():
    _, panels = panel_grid(5, columns=3, width=7, panel_height=1, margins=0.5)
    assert len(panels) == 5
    assert bottom_panels(panels) == [panels[3], panels[4], panels[2]]
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in panels] == [False, False, True, True, True]


def test_tables_that_cannot_be_drawn_are_refused():
    table = pd.DataFrame({"target": ["m", "m", "n"], "rate": [0.1, 0.2, 0.3]})
    with pytest.raises(ValueError, match=r"rates: columns \['low'\] are missing"):
        require(table, "rates", columns=["low"], key=["target"])
    with pytest.raises(ValueError, match="rates: found no rows"):
        require(table.head(0), "rates", columns=["rate"], key=["target"])
    with pytest.raises(ValueError, match=r"rates: found targets \['m', 'n'\]"):
        require(table, "rates", columns=["rate"], key=["rate"], one=["target"])
    with pytest.raises(ValueError, match=r"rates: found \{'target': 'm'\} more than once"):
        require(table, "rates", columns=["rate"], key=["target"])
