"""The shift figure: expressed and revealed ranks are those of the table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from conflictscope.figures import COLUMN_WIDTH, draw_shift, plot_shift, value_colors

GROUPS = {"c": "second", "a": "first", "b": "first"}


def shifts(target, expressed=(2.0, 1.0, 3.0), revealed=(1.0, 2.5, 2.5), problem=None):
    table = pd.DataFrame({"value": ["a", "b", "c"], "rank_expressed": expressed, "rank_revealed": revealed})
    difference = table["rank_revealed"] - table["rank_expressed"]
    return table.assign(
        target=target,
        rank_shift_low=difference - 0.5,
        rank_shift_high=difference + 1,
        beyond_noise=pd.array([True, False, None], dtype="boolean"),
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
    assert expressed == dict(zip(table["value"], table["rank_expressed"], strict=True))
    assert revealed == dict(zip(table["value"], table["rank_revealed"], strict=True))
    styles = {rows[line.get_ydata()[0]]: line.get_linestyle() for line in ax.lines if len(line.get_xdata()) == 2}
    assert styles == {"a": "-", "b": "--", "c": "--"}  # an unknown verdict is not drawn as beyond the noise
    lines = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
    bars = {rows[s[0, 1]]: s[:, 0].tolist() for drawn in lines for s in drawn.get_segments()}
    # a: 2 − 1.5 to 2, b: 1 + 1 to 1 + 2.5, c: 3 − 1 to 3 + 0.5; there is no rank before the first or after the last
    assert bars == {"a": [1, 2.0], "b": [2.0, 3], "c": [2.0, 3]}
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


def test_the_legend_explains_only_what_is_drawn(read):
    table = shifts("m", expressed=(1.0, 2.0, 3.0), revealed=(1.0, 2.0, 3.0))
    # nothing moved: no line, solid or dotted
    assert read.legend(plot_shift(table)) == ["multiple choice", "open-ended", "interval of shift"]
    still = table.assign(rank_shift_low=0.0, rank_shift_high=0.0)
    assert read.legend(plot_shift(still)) == ["multiple choice", "open-ended"]
    assert not plot_shift(shifts("m", revealed=(np.nan,) * 3, problem="none")).legends


def test_values_stand_in_the_order_given():
    panel = plot_shift(shifts("m"), values=["z", "c", "a", "b"]).axes[0]
    assert row_names(panel) == ["c", "a", "b"]


def test_an_order_that_is_not_identified_is_said_and_not_drawn():
    _, ax = plt.subplots()
    nothing = (np.nan,) * 3
    draw_shift(shifts("m", revealed=nothing, problem="open_ended: win graph not connected"), ax)
    assert not [line for line in ax.lines if line.get_marker() != "None"]
    said = " ".join(ax.texts[0].get_text().split())
    assert said == "cannot be compared: open-ended: win graph not connected"


@pytest.mark.parametrize("targets", [1, 2, 14])
def test_one_panel_a_target_with_title_and_legend(targets):
    table = pd.concat([shifts(f"target {n}") for n in range(targets)], ignore_index=True)
    figure = plot_shift(table, groups=GROUPS, source="simulated models", width=COLUMN_WIDTH)
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == [f"target {n}" for n in range(targets)]
    assert "simulated models" in figure.get_suptitle()
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:3] == ["multiple choice", "open-ended: second", "open-ended: first"]
    assert said[-2:] == ["strength: beyond noise", "strength: within noise"]


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
    with pytest.raises(ValueError, match=r"columns \['rank_revealed'\] are missing"):
        plot_shift(both.drop(columns="rank_revealed"))
