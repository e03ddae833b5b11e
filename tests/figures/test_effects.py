"""The effects figure: position and acting effects are those of the tables, a panel each."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import COLUMN_WIDTH, draw_effect, gather_effects, plot_effects


def rates(**columns):
    table = pd.DataFrame([("m", "multiple_choice"), ("m", "open_ended"), ("n", "open_ended")])
    table.columns = ["target", "condition"]
    rate = np.array([0.3, 0.6, 0.75])
    return table.assign(arm="default", choices=9, rate=rate, rate_low=rate - 0.1, rate_high=rate + 0.2, **columns)


@pytest.fixture
def gathered():
    acting = pd.concat(
        [rates(structure="all", severity="all"), rates(structure="side_effect", severity="mild").iloc[1:]]
    )
    by = pd.concat(
        [
            rates(measure="acting", by="domain", category="health", value_1=None, value_2=None),
            rates(measure="preference", by="domain", category="health", value_1="a", value_2="b"),
        ]
    )
    placebo = rates().assign(arm="placebo")
    return gather_effects(pd.concat([rates(), placebo]), acting, by)


def marks(ax, rows=None):
    rows = rows or [label.get_text() for label in ax.get_yticklabels()]
    return {
        (rows[round(y)], line.get_marker()): x
        for line in ax.lines
        if line.get_marker() != "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_the_tables_become_one(gathered):
    assert gathered["panel"].unique().tolist() == [
        "takes first-listed",
        "acts, all templates",
        "acts: side effect, mild",
        "acts: health",
    ]
    assert gathered["panel"].value_counts(sort=False).tolist() == [3, 3, 2, 3]
    assert gathered["arm"].unique().tolist() == ["default"]
    with pytest.raises(ValueError, match=r"found 'steered:r'; expected one of \['default'\]"):
        gather_effects(rates(), rates(structure="all", severity="all"), arm="steered:r")


def test_marks_and_intervals_are_those_of_the_table(ax, read):
    table = rates()
    assert draw_effect(table, ax, order=["n", "m"]) is ax
    assert marks(ax) == {("m", "o"): 0.3, ("m", "D"): 0.6, ("n", "D"): 0.75}
    assert read.intervals(ax) == sorted(table[["rate_low", "rate_high"]].to_numpy().tolist())
    assert ax.get_xlim() == (0, 1)
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "None"] == [0.5]


def test_a_target_without_a_choice_says_so():
    _, ax = plt.subplots()
    table = rates()
    table.loc[2, ["rate", "rate_low", "rate_high"]] = np.nan
    draw_effect(table, ax)
    assert [text.get_text().strip() for text in ax.texts] == ["no choice"]
    assert round(ax.texts[0].get_position()[1]) == 1
    assert ("n", "D") not in marks(ax)


@pytest.mark.parametrize("width", [COLUMN_WIDTH, 7.0])
def test_one_panel_an_effect_in_one_order_of_targets(gathered, width):
    figure = plot_effects(gathered, source="simulated models", width=width)
    figure.draw_without_rendering()
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    titles = [" ".join(ax.get_title(loc="left").split()).replace("- ", "-") for ax in panels]
    assert titles == [f"{name}, n=9" for name in gathered["panel"].unique()]
    assert marks(panels[2], ["m", "n"]) == {("m", "D"): 0.6, ("n", "D"): 0.75}
    assert "simulated models" in figure.get_suptitle()
    boxes = [ax._left_title.get_window_extent() for ax in panels]
    assert all(not one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[n + 1 :])
    one = plot_effects(gathered[gathered["target"] == "n"])
    assert [text.get_text() for text in one.legends[0].get_texts()] == ["open-ended"]


def test_a_panel_says_on_how_many_choices_it_rests(read):
    table = rates(panel="acts").assign(choices=[12, 1, 3])
    assert read.titles(plot_effects(table)) == ["acts, n=1–12"]


def test_bad_input(gathered):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="more than once"):
        draw_effect(gathered, ax)
    with pytest.raises(ValueError, match=r"\['n'\] too"):
        draw_effect(rates(), ax, order=["m"])
    with pytest.raises(ValueError, match="found arms"):
        plot_effects(pd.concat([gathered, gathered.assign(arm="placebo", panel="other")]))
    with pytest.raises(ValueError, match="no rows"):
        plot_effects(gathered.head(0))
