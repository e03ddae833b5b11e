"""The preference heatmap: numbers, colours and bars are those of the table, both ways round."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from conflictscope.figures import COLUMN_WIDTH, FULL_WIDTH, draw_preference_heatmap, plot_preference_heatmaps
from conflictscope.figures.preference_heatmap import COLORS


def rates(target="m"):
    """Three of the six pairs of four values; one without a choice."""
    return pd.DataFrame(
        [
            ("a", "b", 10, 0.9, 0.6, 0.98),
            ("a", "c", 10, 0.4, 0.17, 0.69),
            ("b", "d", 0, np.nan, np.nan, np.nan),
        ],
        columns=["value_1", "value_2", "choices", "rate", "rate_low", "rate_high"],
    ).assign(target=target, condition="open_ended", arm="default")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def cells(ax):
    """Return (row, column) → patch."""
    columns = [label.get_text() for label in ax.get_xticklabels()]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return {(rows[round(box.get_y() + 0.5)], columns[round(box.get_x() + 0.5)]): box for box in boxes}


def test_numbers_colours_and_bars_are_those_of_the_table():
    _, ax = plt.subplots()
    assert draw_preference_heatmap(rates(), ax) is ax
    names = "abcd"
    said = {(names[round(t.get_position()[1] + 0.1)], names[t.get_position()[0]]): t for t in ax.texts}
    assert {cell: text.get_text() for cell, text in said.items()} == {
        ("a", "b"): "90",
        ("b", "a"): "10",
        ("a", "c"): "40",
        ("c", "a"): "60",
    }
    assert {cell for cell, text in said.items() if text.get_weight() == "bold"} == {("a", "b"), ("b", "a")}
    colors = matplotlib.colormaps[COLORS]
    boxes = cells(ax)
    for cell, rate in {("a", "b"): 0.9, ("b", "a"): 0.1, ("a", "c"): 0.4, ("c", "a"): 0.6}.items():
        assert boxes[cell].get_facecolor() == pytest.approx(colors(rate))
    flat = [s for lines in ax.collections for s in lines.get_segments() if s[0, 1] == s[1, 1]]
    bars = {(names[round(s[0, 1] - 0.3)], names[round(s[:, 0].mean())]): s[:, 0] for s in flat}
    assert set(bars) == set(said)
    for (row, column), (low, high) in {("a", "b"): (0.6, 0.98), ("c", "a"): (0.31, 0.83)}.items():
        # from 0 to 1 a bar spans 0.88 of its cell
        middle = names.index(column)
        assert (bars[row, column] - middle) / 0.88 + 0.5 == pytest.approx([low, high])


def test_cells_without_a_choice_are_hatched_and_pairs_not_studied_are_pale():
    _, ax = plt.subplots()
    draw_preference_heatmap(rates(), ax)
    boxes = cells(ax)
    assert {cell for cell, box in boxes.items() if box.get_hatch()} == {("b", "d"), ("d", "b")}
    assert boxes["c", "d"].get_facecolor() == boxes["a", "d"].get_facecolor()
    assert not {("a", "a"), ("d", "d")} & set(boxes)
    figure = plot_preference_heatmaps(rates())
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[2:] == ["asked, no choice", "pair not studied"]


def test_the_middle_of_the_colours_is_one_half_and_the_ends_can_be_told_apart():
    colors = matplotlib.colormaps[COLORS]
    middle = colors(0.5)[:3]
    assert max(middle) - min(middle) < 0.02  # neither of the two hues
    assert colors(0.0)[0] > colors(0.0)[2] and colors(1.0)[2] > colors(1.0)[0]  # orange below, violet above


def test_two_groups_make_a_table_of_rows_and_columns():
    table = rates().iloc[:2]
    figure = plot_preference_heatmaps(table, groups={"c": "two", "b": "two", "a": "one"}, width=COLUMN_WIDTH)
    boxes = cells(figure.axes[0])
    assert list(boxes) == [("c", "a"), ("b", "a")]
    whole = plot_preference_heatmaps(rates(), groups={"a": "one", "b": "two", "c": "two", "d": "two"})
    assert len(cells(whole.axes[0])) == 12  # b and d are of one group: all values on both sides


@pytest.mark.parametrize("width", [COLUMN_WIDTH, FULL_WIDTH])
@pytest.mark.parametrize("targets", [1, 4, 14])
@pytest.mark.parametrize("values", [3, 8])
def test_panels_fit_the_width_and_numbers_their_cells(width, targets, values):
    names = [f"value-{n}" for n in range(values)]
    pairs = [(one, two) for n, one in enumerate(names) for two in names[n + 1 :]]
    one = pd.DataFrame(pairs, columns=["value_1", "value_2"]).assign(choices=9, rate=1.0, rate_low=0.7, rate_high=1.0)
    one = one.assign(condition="multiple_choice", arm="default")
    table = pd.concat([one.assign(target=f"simulated/target-{n}") for n in range(targets)])
    figure = plot_preference_heatmaps(table, width=width, source="simulated models")
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert len(panels) == targets
    assert "simulated models" in figure.get_suptitle()
    for ax in panels:
        box = ax.get_tightbbox()
        assert figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        cell = ax.get_window_extent().width / values
        assert max(text.get_window_extent().width for text in ax.texts) <= cell * 1.05
        titles = [ax._left_title.get_window_extent() for ax in panels]
    for n, title in enumerate(titles):
        assert not any(title.overlaps(other) for other in titles[n + 1 :])


def test_bad_input():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"found targets \['m', 'n'\]"):
        draw_preference_heatmap(pd.concat([rates(), rates("n")]), ax)
    with pytest.raises(ValueError, match=r"no cell for the pairs \[\('a', 'c'\)\]"):
        draw_preference_heatmap(rates(), ax, rows=["a", "b"], columns=["b", "d"])
    with pytest.raises(ValueError, match=r"found conditions \['open_ended', 'multiple_choice'\]"):
        plot_preference_heatmaps(pd.concat([rates(), rates().assign(condition="multiple_choice")]))
    with pytest.raises(ValueError, match="no rows"):
        plot_preference_heatmaps(rates().head(0))
    with pytest.raises(ValueError, match="more than once"):
        plot_preference_heatmaps(pd.concat([rates(), rates()]))
