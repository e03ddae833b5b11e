"""Changes and the matrix of values told to come first: marks, cells and words are those of the table."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from conflictscope.figures import draw_changes, draw_told_first, plot_changes, plot_told_first


def changes(pair="x → y", problem=None):
    table = pd.DataFrame({"value": ["a", "b", "c"], "change": [1.0, 0.1, -0.6]})
    table = table.assign(pair=pair, change_low=table["change"] - 0.3, change_high=table["change"] + 0.3)
    table = table.assign(p_value=[0.01, 0.9, 0.2], equivalent=pd.array([False, True, False], dtype="boolean"))
    if problem:
        table = table.assign(change=float("nan"), change_low=float("nan"), change_high=float("nan"), equivalent=pd.NA)
    return table.assign(problem=pd.array([problem] * 3, dtype="str"))


def test_filled_is_changed_and_a_diamond_is_equivalent(ax, read):
    draw_changes(changes(), ax, margin=0.5)
    assert read.marks(ax) == {("a", "o", True): 1.0, ("b", "D", False): 0.1, ("c", "o", False): -0.6}
    assert read.intervals(ax) == [pytest.approx(ends) for ends in ([-0.9, -0.3], [-0.2, 0.4], [0.7, 1.3])]


def test_a_pair_that_cannot_be_compared_says_why(read):
    figure = plot_changes(pd.concat([changes(), changes("x → z", "after: no choices")]), margin=0.5, source="made up")
    assert read.titles(figure) == ["x → y", "x → z"]
    words = " ".join(text.get_text().replace("\n", " ") for text in read.panels(figure)[1].texts)
    assert words == "cannot be compared: after: no choices"


def test_the_legend_names_what_is_drawn():
    table = changes()
    figure = plot_changes(pd.concat([table, table.assign(pair="x → z")]), margin=0.5)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["changed", "not told from none", "within the band: equivalent", "± 0.5, too little to matter"]
    figure = plot_changes(table[table["value"].eq("a")], margin=0.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["changed", "± 0.5, too little to matter"]


def told(target="m"):
    rows = [(first, value) for first in ("a", "b", "placebo") for value in ("a", "b")]
    table = pd.DataFrame(rows, columns=["told_first", "value"]).assign(target=target, condition="open_ended")
    table["scenarios"] = 20
    table["change"] = [0.8, -0.8, -1.2, 1.2, 0.0, 0.0]
    return table.assign(change_low=table["change"] - 1, change_high=table["change"] + 1)


def test_cells_are_the_changes_and_bold_where_the_interval_leaves_out_0(read):
    _, ax = plt.subplots()
    draw_told_first(told(), ax)
    assert [text.get_text() for text in ax.texts] == ["+0.8", "−0.8", "−1.2", "+1.2", "+0.0", "+0.0"]
    assert [text.get_fontweight() == "bold" for text in ax.texts] == [False, False, True, True, False, False]
    assert read.rows(ax) == ["a", "b", "placebo"]
    figure = plot_told_first(pd.concat([told(), told("n")]))
    assert read.titles(figure) == ["m, open-ended", "n, open-ended"]
