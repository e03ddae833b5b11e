"""Tipping points: a row for each two neighbours, a panel where anything is lost."""

import numpy as np
import pandas as pd

from conflictscope.figures import draw_tipping, plot_tipping


def orders(condition="open_ended", missing=(12, 5)):
    table = pd.DataFrame({"above": ["a", "b", "a"], "below": ["b", "c", "c"], "neighbours": [True, True, False]})
    numbers = {"missing_unsure": [0.25, 0.0, np.inf], "missing_tips": [0.75, np.inf, np.inf]}
    return table.assign(target="m", condition=condition, arm="default", missing=[*missing, 12], **numbers)


def test_a_bar_is_sure_then_stands_then_has_turned(ax, read):
    draw_tipping(orders().head(2), ax)
    assert read.rows(ax) == ["a > b", "b > c"]
    sure, stands, turned = ([bar.get_width() for bar in bars] for bars in ax.containers)
    assert (sure, stands, turned) == ([0.25, 0], [0.5, 1], [0.25, 0])
    assert [text.get_text() for text in ax.texts] == ["12", "5"]


def test_only_groups_that_lost_answers_have_a_panel(read):
    nothing = orders("multiple_choice", (0, 0)).assign(missing=0)
    figure = plot_tipping(pd.concat([orders(), nothing], ignore_index=True), source="made up")
    assert read.titles(figure) == ["m, open ended"]
    assert read.rows(read.panels(figure)[0]) == ["a > b", "b > c"]
    assert "1 of 2 can turn; the first from a share of 0.75 on." in figure.get_label()
