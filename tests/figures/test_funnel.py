"""The funnel figure: bars, numbers and pass rates are those of the tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import FULL_WIDTH, draw_funnel, draw_pass_rates, plot_funnel


@pytest.fixture
def funnel():
    return pd.DataFrame(
        {
            "check": ["realistic", "value_guided", "dilemma"],
            "passed": [8, 9, 0],
            "failed": [2, 0, 0],
            "undecided": [0, 1, 10],
            "pass_rate": [0.8, 1.0, np.nan],
            "left": [8, 7, 0],
        }
    )


@pytest.fixture
def rates():
    rows = [("side_effect", "mild", "realistic", 0.9), ("side_effect", "mild", "all", 0.7)]
    rows += [("means", "strong", "realistic", 0.4), ("means", "strong", "all", np.nan)]
    table = pd.DataFrame(rows, columns=["structure", "severity", "check", "rate"])
    return table.assign(rate_low=table["rate"] - 0.1, rate_high=table["rate"] + 0.05)


def test_bars_and_numbers_are_those_of_the_table(funnel):
    _, ax = plt.subplots()
    assert draw_funnel(funnel, ax) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["written", "realistic", "value guided", "dilemma"]
    bars = [(round(b.get_y() + 0.31), b.get_x(), b.get_width(), bool(b.get_hatch())) for b in ax.patches]
    assert bars == [
        (0, 0, 10, False),
        (1, 0, 8, False),
        (2, 0, 7, False),
        (3, 0, 0, False),
        (1, 8, 2, True),
        (2, 7, 1, True),
        (3, 0, 7, True),
    ]
    assert [text.get_text() for text in ax.texts[2:]] == ["10", "8", "7", "0", "80 %", "100 % (1?)", "– (10?)"]
    assert ax.get_xlim() == (0, 10)


def test_pass_rates_are_drawn_by_template(rates, ax, read):
    assert draw_pass_rates(rates, ax) is ax
    assert [t.get_text() for t in ax.get_yticklabels()] == ["realistic", "all six"]
    drawn = {
        (round(y), line.get_marker(), line.get_markerfacecolor() != "white"): x
        for line in ax.lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert drawn == {(0, "o", False): 0.9, (1, "o", False): 0.7, (0, "D", True): 0.4}
    segments = read.intervals(ax)
    assert np.allclose(sorted(segments), [[0.3, 0.45], [0.6, 0.75], [0.8, 0.95]])


def test_the_legend_explains_what_occurs(funnel, rates):
    figure = plot_funnel(funnel, rates=rates, source="simulated models", width=FULL_WIDTH)
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["left", "taken by this check", "(2?): undecided", "side effect, mild", "means, strong"]
    assert "simulated models" in figure.get_suptitle()
    alone = plot_funnel(funnel.assign(undecided=0))
    assert [text.get_text() for text in alone.legends[0].get_texts()] == ["left", "taken by this check"]


def test_a_funnel_of_no_scenarios_and_of_one_check(funnel):
    nothing = funnel.assign(passed=0, failed=0, undecided=0, left=0, pass_rate=np.nan)
    assert [text.get_text() for text in plot_funnel(nothing).axes[0].texts][2:6] == ["0"] * 4
    assert len(plot_funnel(funnel.head(1)).axes[0].get_yticklabels()) == 2


def test_bad_input(funnel, rates):
    with pytest.raises(ValueError, match=r"found \[10, 8, 9, 0\] scenarios left"):
        plot_funnel(funnel.assign(left=[8, 9, 0]))
    with pytest.raises(ValueError, match="no rows"):
        plot_funnel(funnel.head(0))
    with pytest.raises(ValueError, match=r"columns \['left'\] are missing"):
        plot_funnel(funnel.drop(columns="left"))
    with pytest.raises(ValueError, match="more than once"):
        plot_funnel(funnel, rates=pd.concat([rates, rates]))


def test_scenarios_without_a_template_have_a_mark_of_their_own(funnel, rates):
    figure = plot_funnel(funnel, rates=rates.assign(structure="none", severity="none").head(2))
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "no template"
    _, ax = plt.subplots()
    both = pd.concat([rates, rates.assign(structure="none", severity="none").head(2)])
    draw_pass_rates(both, ax)
    assert len({line.get_marker() for line in ax.lines if line.get_marker() not in ("", "None", None)}) == 3
