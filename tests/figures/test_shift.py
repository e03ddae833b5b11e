"""The shift figure: strengths and intervals of shifts are those of the table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from conflictscope.figures import COLUMN_WIDTH, draw_shift, plot_shift, value_colors

GROUPS = {"c": "second", "a": "first", "b": "first"}


def shifts(target, expressed=(0.5, 0.2, -0.7), revealed=(1.5, -0.5, -1.0), shift=(0.75, -0.5, 0.25), problem=None):
    table = pd.DataFrame({"value": ["a", "b", "c"], "expressed": expressed, "revealed": revealed, "shift": shift})
    return table.assign(
        target=target,
        shift_low=table["shift"] - 0.5,
        shift_high=table["shift"] + 0.25,
        shifted=pd.array([True, False, None], dtype="boolean"),
        problem=pd.array([problem] * 3, dtype="str"),
    )


def row_names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_marks_lines_and_intervals_are_those_of_the_table():
    _, ax = plt.subplots()
    table = shifts("m")
    assert draw_shift(table, ax, order=["c", "a", "b"]) is ax
    assert row_names(ax) == ["c", "a", "b"]
    rows = dict(enumerate(row_names(ax)))
    marks = [line for line in ax.lines if line.get_marker() != "None"]
    expressed = {rows[m.get_ydata()[0]]: m.get_xdata()[0] for m in marks if m.get_marker() == "o"}
    revealed = {rows[m.get_ydata()[0]]: m.get_xdata()[0] for m in marks if m.get_marker() == "D"}
    # a circle stands where the scale and the others put the value: revealed less its shift
    assert expressed == {"a": 0.75, "b": 0.0, "c": -1.25}
    assert revealed == dict(zip(table["value"], table["revealed"], strict=True))
    styles = {
        rows[line.get_ydata()[0]]: line.get_linestyle()
        for line in ax.lines
        if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
    }
    assert styles == {"a": "-", "b": "--", "c": "--"}  # an unknown verdict is not drawn as a shift
    lines = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
    bars = {rows[s[0, 1]]: s[:, 0].tolist() for drawn in lines for s in drawn.get_segments()}
    assert bars == {"a": [1.0, 1.75], "b": [-1.0, -0.25], "c": [-1.5, -0.75]}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_groups_differ_in_mark_and_values_in_colour():
    _, ax = plt.subplots()
    draw_shift(shifts("m"), ax, groups=GROUPS)
    assert row_names(ax) == ["a", "b", "c"]  # the study's order
    assert [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]] == [1.5]  # between groups
    shapes = {}
    for line in ax.lines:
        if line.get_marker() not in ("None", "o"):
            shapes[row_names(ax)[line.get_ydata()[0]]] = (line.get_marker(), line.get_color())
    assert shapes["a"][0] == shapes["b"][0] != shapes["c"][0]
    assert {value: color for value, (_, color) in shapes.items()} == value_colors(["a", "b", "c"])


def test_bars_are_cut_at_the_ends_of_the_axis():
    _, ax = plt.subplots()
    draw_shift(shifts("m").assign(shift_low=-50.0, shift_high=np.inf), ax, limits=(-2, 2))
    lines = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
    assert {tuple(s[:, 0]) for drawn in lines for s in drawn.get_segments()} == {(-2.0, 2.0)}


def test_the_legend_explains_only_what_is_drawn(read):
    still = shifts("m").assign(shifted=False)
    names = ["multiple choice, to scale", "open-ended", "interval of shift", "not told from none"]
    assert read.legend(plot_shift(still)) == names
    assert read.legend(plot_shift(still.assign(shifted=True))) == [*names[:3], "shifted"]
    assert not plot_shift(shifts("m", revealed=(np.nan,) * 3, problem="none")).legends


def test_two_values_have_no_shift_and_start_where_they_are_expressed(read):
    two = shifts("m").head(2)
    two = two.assign(shift=np.nan, shift_low=np.nan, shift_high=np.nan, shifted=pd.NA)
    figure = plot_shift(two)
    circles = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert circles == [0.5, 0.2] and "interval of shift" not in read.legend(figure)


def test_values_stand_in_the_order_given():
    panel = plot_shift(shifts("m"), values=["z", "c", "a", "b"]).axes[0]
    assert row_names(panel) == ["c", "a", "b"]


def test_an_order_that_is_not_identified_is_said_and_not_drawn():
    _, ax = plt.subplots()
    nothing = (np.nan,) * 3
    draw_shift(shifts("m", revealed=nothing, problem="open_ended: no choices"), ax)
    assert not [line for line in ax.lines if line.get_marker() != "None"]
    said = " ".join(ax.texts[0].get_text().split())
    assert said == "cannot be compared: open-ended: no choices"


@pytest.mark.parametrize("targets", [1, 2, 14])
def test_one_panel_a_target_with_title_and_legend(targets):
    table = pd.concat([shifts(f"target {n}") for n in range(targets)], ignore_index=True)
    figure = plot_shift(table, groups=GROUPS, source="simulated models", width=COLUMN_WIDTH)
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == [f"target {n}" for n in range(targets)]
    assert "simulated models" in figure.get_suptitle()
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:3] == ["multiple choice, to scale", "open-ended: second", "open-ended: first"]
    assert said[-2:] == ["shifted", "not told from none"]


def test_bad_input():
    _, ax = plt.subplots()
    both = pd.concat([shifts("m"), shifts("n")])
    with pytest.raises(ValueError, match=r"found targets \['m', 'n'\]"):
        draw_shift(both.drop_duplicates("value").assign(target=["m", "m", "n"]), ax)
    with pytest.raises(ValueError, match="order: found"):
        draw_shift(shifts("m"), ax, order=["a", "b"])
    with pytest.raises(ValueError, match=r"groups: found 1 groups, and values \['z'\]"):
        plot_shift(both, groups={"z": "first"})
    with pytest.raises(ValueError, match="no rows"):
        plot_shift(both.head(0))
    with pytest.raises(ValueError, match=r"columns \['revealed'\] are missing"):
        plot_shift(both.drop(columns="revealed"))
