"""Two languages: rows, marks and words are those of the table."""

import pandas as pd
import pytest

from conflictscope.figures import draw_languages, plot_languages


def differences(target="m"):
    rows = [("all", "all", 0.1, False), ("a", "b", 0.4, True), ("a", "c", -0.1, False)]
    table = pd.DataFrame(rows, columns=["value_1", "value_2", "difference", "functions_otherwise"])
    table = table.assign(target=target, condition="open_ended", arm="default", scenarios=30, p_value=0.5)
    return table.assign(difference_low=table["difference"] - 0.2, difference_high=table["difference"] + 0.2)


def test_a_pair_that_functions_otherwise_is_filled_and_all_is_left_out(ax, read):
    draw_languages(differences(), ax)
    assert read.marks(ax) == {("a over b", "o", True): 0.4, ("a over c", "o", False): -0.1}
    assert sorted(read.intervals(ax)) == [pytest.approx(ends) for ends in ([-0.3, 0.1], [0.2, 0.6])]


def test_each_target_has_a_panel_and_the_legend_names_what_is_drawn(read):
    figure = plot_languages(pd.concat([differences(), differences("n")]), source="made up")
    assert read.titles(figure) == ["m, open-ended", "n, open-ended"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["functions otherwise", "not told from alike"]
    none = differences().assign(functions_otherwise=False)
    assert [text.get_text() for text in plot_languages(none).legends[0].get_texts()] == ["not told from alike"]
