"""The heat maps: numbers, colours and bars are those of the table, both ways round."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, QuadMesh

from conflictscope.figures import (
    COLUMN_WIDTH,
    FULL_WIDTH,
    draw_confusion,
    draw_preference_heatmap,
    plot_confusion,
    plot_preference_heatmaps,
    plot_who_beats_whom,
    value_colors,
)
from conflictscope.figures.heatmaps import COLORS


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


def names_of(ax):
    """Return the names of the rows and of the columns."""
    return [[label.get_text() for label in labels] for labels in (ax.get_yticklabels(), ax.get_xticklabels())]


def cells(ax):
    """Return (row, column) → colour of the cells with a number, and → box of those without."""
    rows, columns = names_of(ax)
    mesh = next(drawn for drawn in ax.collections if isinstance(drawn, QuadMesh))
    mesh.update_scalarmappable()
    shades = mesh.get_facecolors().reshape(len(rows), len(columns), 4)
    known = ~np.ma.getmaskarray(mesh.get_array()).reshape(len(rows), len(columns))
    full = {(rows[y], columns[x]): shades[y, x] for y, x in np.argwhere(known)}
    boxes = {(rows[round(box.get_y())], columns[round(box.get_x())]): box for box in ax.patches}
    return full, boxes


def test_numbers_colours_and_bars_are_those_of_the_table(ax):
    assert draw_preference_heatmap(rates(), ax) is ax
    names = "abcd"
    assert names_of(ax) == [list(names)] * 2
    said = {(names[int(t.get_position()[1])], names[int(t.get_position()[0])]): t for t in ax.texts}
    assert {cell: text.get_text() for cell, text in said.items()} == {
        ("a", "b"): "90",
        ("b", "a"): "10",
        ("a", "c"): "40",
        ("c", "a"): "60",
    }
    assert {cell for cell, text in said.items() if text.get_weight() == "bold"} == {("a", "b"), ("b", "a")}
    colors = matplotlib.colormaps[COLORS]
    full, _ = cells(ax)
    assert set(full) == set(said)
    for cell, rate in {("a", "b"): 0.9, ("b", "a"): 0.1, ("a", "c"): 0.4, ("c", "a"): 0.6}.items():
        assert full[cell] == pytest.approx(colors(rate), abs=0.01)
    drawn = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
    flat = [s for lines in drawn for s in lines.get_segments() if s[0, 1] == s[1, 1]]
    bars = {(names[int(s[0, 1])], names[int(s[:, 0].mean())]): s[:, 0] for s in flat}
    assert set(bars) == set(said)
    for (row, column), (low, high) in {("a", "b"): (0.6, 0.98), ("c", "a"): (0.31, 0.83)}.items():
        # from 0 to 1 a bar spans 0.88 of its cell
        middle = names.index(column) + 0.5
        assert (bars[row, column] - middle) / 0.88 + 0.5 == pytest.approx([low, high])


def test_cells_without_a_choice_are_hatched_and_pairs_not_studied_are_pale(ax):
    draw_preference_heatmap(rates(), ax)
    _, boxes = cells(ax)
    assert {cell for cell, box in boxes.items() if box.get_hatch()} == {("b", "d"), ("d", "b")}
    assert boxes["c", "d"].get_facecolor() == boxes["a", "d"].get_facecolor()
    assert not {("a", "a"), ("d", "d")} & set(boxes)
    figure = plot_preference_heatmaps(rates())
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[3:] == ["asked, no choice", "pair not studied"]


def test_the_middle_of_the_colours_is_one_half_and_the_ends_can_be_told_apart():
    colors = matplotlib.colormaps[COLORS]
    middle = colors(0.5)[:3]
    assert max(middle) - min(middle) < 0.02  # neither of the two hues
    assert colors(0.0)[0] > colors(0.0)[2] and colors(1.0)[2] > colors(1.0)[0]  # orange below, violet above


def test_two_groups_make_a_table_of_rows_and_columns():
    table = rates().iloc[:2]
    figure = plot_preference_heatmaps(table, groups={"c": "two", "b": "two", "a": "one"}, width=COLUMN_WIDTH)
    assert names_of(figure.axes[0]) == [["b", "c"], ["a"]]
    assert set(cells(figure.axes[0])[0]) == {("c", "a"), ("b", "a")}
    turned = plot_preference_heatmaps(
        table, values=["c", "b", "a"], groups={"c": "two", "b": "two", "a": "one"}, width=COLUMN_WIDTH
    )
    assert names_of(turned.axes[0]) == [["c", "b"], ["a"]]
    whole = plot_preference_heatmaps(rates(), groups={"a": "one", "b": "two", "c": "two", "d": "two"})
    assert sum(map(len, cells(whole.axes[0]))) == 12  # b and d are of one group: all values on both sides


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


def test_values_stand_in_the_studys_order_and_keep_their_colour(read):
    values = ["d", "a", "c", "b"]
    panel = plot_preference_heatmaps(rates(), values=values).axes[0]
    assert names_of(panel) == [values, values]
    colors = [pytest.approx(color, abs=1e-5) for color in value_colors(values).values()]
    assert [squares for squares in read.squares(panel) if len(squares) == 4] == [colors, colors]


def test_the_columns_of_every_panel_are_named_and_fourteen_targets_fit_a_page():
    table = pd.concat([rates(f"simulated/target-{n}") for n in range(14)])
    figure = plot_preference_heatmaps(table)
    assert figure.get_figheight() <= 9
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in figure.axes if ax.axison] == [True] * 14
    assert [names_of(ax)[1] for ax in figure.axes if ax.axison] == [list("abcd")] * 14


def test_the_title_can_be_left_out():
    assert plot_preference_heatmaps(rates()).get_suptitle() == "How often the row's value wins: open-ended"
    assert plot_preference_heatmaps(rates(), title=None).get_suptitle() == ""


def test_confusion_counts_both_ways_and_frames_what_agrees(ax):
    names = ["action_1", "action_2", "neither"]
    counts = pd.DataFrame([[92, 3, 2], [7, 88, 0], [1, 0, 11]], index=names, columns=names)
    draw_confusion(counts.rename_axis(index="judge", columns="person"), ax)
    assert names_of(ax) == [["action 1", "action 2", "neither"]] * 2
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("judge", "person")
    drawn = {(int(t.get_position()[1]), int(t.get_position()[0])): t for t in ax.texts}
    assert [[int(drawn[row, column].get_text()) for column in range(3)] for row in range(3)] == counts.values.tolist()
    assert {cell for cell, text in drawn.items() if text.get_weight() == "bold"} == {(0, 0), (1, 1), (2, 2)}
    assert {(round(box.get_y()), round(box.get_x())) for box in ax.patches} == {(0, 0), (1, 1), (2, 2)}


def test_confusion_of_readings_that_differ_and_its_kappa(ax, read):
    counts = pd.DataFrame([[1, 2, 3]], index=["neither"], columns=["action_1", "neither", "tie"])
    draw_confusion(counts, ax)
    assert [t.get_text() for t in ax.texts if t.get_weight() == "bold"] == ["2"]
    kappa = pd.Series({"kappa": 0.5, "kappa_low": 0.25, "kappa_high": 0.75, "read": 6, "agreed": 1 / 3})
    assert read.titles(plot_confusion(counts, kappa)) == ["κ = 0.50 (0.25 to 0.75), 6 read by both"]
    assert read.titles(plot_confusion(counts, kappa.replace(0.5, np.nan))) == ["κ undefined, agreed 33% of 6"]


def test_bad_input(ax):
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


def test_who_beats_whom_stands_in_the_order_found_with_dots_where_it_is_sure(read):
    table = pd.DataFrame({"above": ["b", "b", "a"], "below": ["a", "c", "c"], "probability": [0.7, 0.99, 0.9]})
    table = table.assign(sure=[False, True, False], target="m", condition="open_ended", arm="default")
    figure = plot_who_beats_whom(table, source="made up")
    (ax,) = read.panels(figure)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "a", "c"]
    (dots,) = ax.lines
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([2.5], [0.5])
    shown = ax.collections[0].get_array().reshape(3, 3)
    assert shown[0, 1] == 0.7 and shown[1, 0] == pytest.approx(0.3) and shown.mask.diagonal().all()
