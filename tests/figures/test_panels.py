"""Panels: names broken into lines, a title and legend that fit, as many panels as there are tables, on a page."""

from functools import partial

import pandas as pd
import pytest

from conflictscope.figures import COLUMN_WIDTH, value_colors
from conflictscope.figures.panels import break_name, legend_mark, order_rows, plot_panels, require, set_rows


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


def draw_rows(rows, ax):
    set_rows(ax, rows)


def page(count=1, **more):
    return plot_panels({f"panel {n}": partial(draw_rows, ["a", "b"]) for n in range(count)}, height=1.0, **more)


@pytest.mark.parametrize(
    ("title", "source", "width", "expected"),
    [
        ("Which values come first", "simulated models", 7.0, "Which values come first · simulated models"),
        ("Which values come first", "simulated models", 2.0, "Which values come first\nsimulated models"),
        ("Which values come first", "", 7.0, "Which values come first"),
        (None, "simulated models", 7.0, "simulated models"),
        ("", "", 7.0, ""),
    ],
)
def test_the_title_names_the_source_on_one_line_or_two_and_can_be_left_out(title, source, width, expected):
    assert page(title=title, source=source, width=width).get_suptitle() == expected


def test_each_panel_draws_its_own_and_the_lowest_carry_the_axis(read):
    figure = page(5, columns=3, xlabel="share")
    assert read.titles(figure) == [f"panel {n}" for n in range(5)]
    drawn = read.panels(figure)
    assert [ax.xaxis.get_tick_params()["labelbottom"] for ax in drawn] == [False, False, True, True, True]
    assert [ax.get_xlabel() for ax in drawn] == ["", "", "", "share", "share"]
    assert [ax.axison for ax in figure.axes] == [True] * 5 + [False]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 2), (12, 2), (14, 3), (40, 4)])
def test_panels_stand_in_the_fewest_columns_that_fit_a_page(count, columns):
    figure = page(count, at_least=2)
    assert figure.axes[0].get_gridspec().ncols == columns
    if count < 40:  # with four columns, what does not fit runs over
        assert figure.get_figheight() <= 9


def test_the_legend_takes_as_many_columns_as_fit_the_width():
    handles = [legend_mark(f"an entry of the legend {n}") for n in range(6)]
    for width in (COLUMN_WIDTH, 7.0):
        figure = page(handles=handles, width=width)
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert len({text.get_window_extent().x0 for text in figure.legends[0].get_texts()}) == (1 if width < 4 else 4)


def test_a_dollar_in_a_name_is_a_letter(read):
    names = ["cost $x_1$ or", r"$\frac$"]
    figure = plot_panels({"a $b$ c": partial(draw_rows, names)}, height=1.0, title="$t$", handles=[legend_mark("$l$")])
    figure.draw_without_rendering()  # a formula that cannot be read would raise
    texts = [*read.panels(figure)[0].get_yticklabels(), read.panels(figure)[0]._left_title, figure._suptitle]
    texts += figure.legends[0].get_texts()
    assert [text.get_text() for text in texts] == [*names, "a $b$ c", "$t$", "$l$"]
    assert not any(text.get_parse_math() for text in texts)


def test_on_axes_made_without_the_style_too(ax):
    set_rows(ax, [r"$\frac$"])
    ax.figure.draw_without_rendering()
    assert not ax.get_yticklabels()[0].get_parse_math()


def test_a_square_of_its_colour_stands_before_each_row(ax, read):
    colors = value_colors(["b", "a", "c"])
    set_rows(ax, ["a", "c"], colors)
    assert read.squares(ax) == [[pytest.approx(colors["a"], abs=1e-5), pytest.approx(colors["c"], abs=1e-5)]]
    assert ax.get_ylim() == (1.5, -0.5)


def test_rows_stand_in_the_order_given():
    assert order_rows(["b", "a", "b"], None) == ["b", "a"]
    assert order_rows(["b", "a"], ["a", "z", "b"]) == ["a", "b"]
    with pytest.raises(ValueError, match=r"order: found \['a'\]; expected all rows of the table, \['b'\] too"):
        order_rows(["b", "a"], ["a"])


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
