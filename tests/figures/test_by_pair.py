"""Numbers by pair: one row a pair, in the order of their means, with the intervals of the table."""

import pandas as pd
import pytest

from conflictscope.figures import draw_by_pair, plot_by_pair
from conflictscope.figures.by_pair import MOST_PAIRS


def rates(target="m", higher=0.0):
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    table = pd.DataFrame(pairs, columns=["value_1", "value_2"]).assign(target=target, rate=[0.2, 0.1, 0.4 + higher])
    return table.assign(rate_low=table["rate"] - 0.1, rate_high=table["rate"] + 0.1)


def test_a_row_a_pair_with_its_interval(ax, read):
    draw_by_pair(rates(), ax, number="rate", condition="multiple_choice")
    assert read.rows(ax) == ["a – b", "a – c", "b – c"]
    assert read.marks(ax) == {("a – b", "o", True): 0.2, ("a – c", "o", True): 0.1, ("b – c", "o", True): 0.4}
    assert read.intervals(ax) == [pytest.approx(ends) for ends in ([0.0, 0.2], [0.1, 0.3], [0.3, 0.5])]


def test_a_panel_a_target_with_the_largest_pairs_on_top(read):
    figure = plot_by_pair(
        pd.concat([rates(), rates("n", 0.2)]), number="rate", condition="open_ended", xlabel="share", source="made up"
    )
    assert read.titles(figure) == ["m", "n"]
    assert read.rows(read.panels(figure)[0]) == ["b – c", "a – b", "a – c"]


def test_the_row_of_all_pairs_is_named_and_stands_on_top(read):
    overall = rates().head(1).assign(value_1="all", value_2="all")
    figure = plot_by_pair(pd.concat([rates(), overall]), number="rate", condition="open_ended", xlabel="share")
    assert read.rows(read.panels(figure)[0]) == ["all pairs", "b – c", "a – b", "a – c"]


def test_of_very_many_pairs_the_largest_are_shown(read):
    many = pd.DataFrame({"value_1": "a", "value_2": [f"v{n:03d}" for n in range(60)], "target": "m"})
    many = many.assign(rate=[n / 60 for n in range(60)], rate_low=0.0, rate_high=1.0)
    figure = plot_by_pair(many, number="rate", condition="open_ended", xlabel="share")
    rows = read.rows(read.panels(figure)[0])
    assert (len(rows), rows[0]) == (MOST_PAIRS, "a – v059")
