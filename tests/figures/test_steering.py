"""The steering figure: effects and placebos are those of the table, and what is missing is said."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import COLUMN_WIDTH, draw_steering, plot_steering
from conflictscope.measure.published import PUBLISHED_STEERING_EFFECT


def effects(targets=("m", "n"), rankings=("r",), conditions=("multiple_choice", "open_ended")):
    rows = [(t, c, r) for t in targets for c in conditions for r in rankings]
    table = pd.DataFrame(rows, columns=["target", "condition", "target_ranking"])
    effect = 0.5 - 0.03 * np.arange(len(table))
    placebo = 0.02 * np.arange(len(table)) - 0.05
    return table.assign(
        effect=effect,
        effect_low=effect - 0.1,
        effect_high=effect + 0.2,
        placebo=placebo,
        placebo_low=placebo - 0.05,
        placebo_high=placebo + 0.04,
        over_placebo_low=effect - placebo - 0.2,
        effect_problem=None,
        scenarios=20,
    )


def marks(ax, rows=None):
    """Return (row, marker, whether filled) → x; panels on the right have no labels of their own."""
    rows = rows or [label.get_text() for label in ax.get_yticklabels()]
    return {
        (rows[round(y)], line.get_marker(), line.get_markerfacecolor() != "white"): x
        for line in ax.lines
        if line.get_marker() != "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }


def test_marks_and_intervals_are_those_of_the_table(ax, read):
    table = effects()
    assert draw_steering(table, ax, order=["n", "m"]) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["n", "m"]
    shape = {"multiple_choice": "o", "open_ended": "D"}
    expected = {(r.target, shape[r.condition], True): r.effect for r in table.itertuples()}
    expected |= {(r.target, shape[r.condition], False): r.placebo for r in table.itertuples()}
    assert marks(ax) == expected
    drawn = read.intervals(ax)
    ends = [table[[f"{name}_low", f"{name}_high"]].to_numpy() for name in ("effect", "placebo")]
    assert drawn == sorted(np.vstack(ends).tolist())
    heights = [y for line in ax.lines if line.get_marker() != "None" for y in line.get_ydata()]
    assert len(set(np.round(heights, 6))) == 8  # no mark lies on another's row


def test_a_missing_effect_is_said_and_one_beyond_the_axis_is_an_arrow():
    _, ax = plt.subplots()
    table = effects(conditions=("open_ended",))
    table.loc[0, ["effect", "effect_low", "effect_high"]] = np.nan
    table.loc[1, ["effect", "effect_low"]] = [-4.0, -9.0]
    draw_steering(table, ax)
    assert [text.get_text() for text in ax.texts] == ["steering: none"]
    assert round(ax.texts[0].get_position()[1]) == 0
    assert {key for key in marks(ax) if key[2]} == {("n", "<", True)}
    left, right = ax.get_xlim()
    assert -1.2 < left < -1 and 0.5 <= right <= 1.1


def test_a_placebo_that_goes_on_beyond_the_axis_is_not_cut_without_a_mark(read):
    table = effects(conditions=("open_ended",))
    table.loc[0, "placebo_low"] = -3.0
    figure = plot_steering(table)
    panel = figure.axes[0]
    arrows = [line for line in panel.lines if line.get_marker() == "<"]
    assert [(line.get_xdata().tolist(), round(line.get_ydata()[0])) for line in arrows] == [([panel.get_xlim()[0]], 0)]
    assert min(low for low, _ in read.intervals(panel)) == panel.get_xlim()[0]
    assert read.legend(figure)[-1] == "arrow: goes on beyond the axis"
    assert not any("arrow" in words for words in read.legend(plot_steering(effects())))


def test_panels_are_target_rankings_after_their_mean():
    table = effects(rankings=("reverse_of_default", "a_first"))
    averages = effects().drop(columns="target_ranking")
    figure = plot_steering(table, averages=averages, published=True, source="simulated models")
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == ["all rankings", "reverse of default", "a first"]
    assert marks(panels[0])["m", "o", True] == averages["effect"].iloc[0]
    one = table.query("target_ranking == 'a_first' and target == 'n' and condition == 'open_ended'")
    assert marks(panels[2], ["m", "n"])["n", "D", True] == one["effect"].iloc[0]
    dotted = [[x for line in ax.lines for x in line.get_xdata()].count(PUBLISHED_STEERING_EFFECT) for ax in panels]
    assert dotted == [2, 0, 0]
    assert panels[0].get_xlim() == panels[1].get_xlim()
    assert figure.get_suptitle() == "What steering gains · simulated models"
    assert "2509.25369" in " ".join(text.get_text() for text in figure.legends[0].get_texts())


def test_with_one_target_the_rows_are_target_rankings():
    table = effects(targets=("m",), rankings=("r", "s"))
    figure = plot_steering(table, averages=effects(targets=("m",)).drop(columns="target_ranking"))
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == ["m"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["all rankings", "r", "s"]


@pytest.mark.parametrize("targets", [1, 4, 14])
def test_titles_do_not_overlap(targets):
    names = [f"simulated/target-{n}" for n in range(targets)]
    rankings = ["helpfulness > honesty > harmlessness", "harmlessness>honesty>helpfulness", "reverse_of_default"]
    for width in (COLUMN_WIDTH, 7.0):
        figure = plot_steering(effects(targets=names, rankings=rankings), width=width)
        figure.draw_without_rendering()
        titles = [ax._left_title.get_window_extent() for ax in figure.axes if ax.get_title(loc="left")]
        for n, title in enumerate(titles):
            assert title.x1 <= figure.bbox.x1 + 1
            assert not any(title.overlaps(other) for other in titles[n + 1 :])
        legend = figure.legends[0].get_window_extent()
        assert figure.bbox.x0 <= legend.x0 and legend.x1 <= figure.bbox.x1


def test_bad_input():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="more than once"):
        draw_steering(effects(rankings=("r", "s")), ax)
    with pytest.raises(ValueError, match=r"\['n'\] too"):
        draw_steering(effects(), ax, order=["m"])
    with pytest.raises(ValueError, match="Pass averages too"):
        plot_steering(effects(), published=True)
    with pytest.raises(ValueError, match="no rows"):
        plot_steering(effects().head(0))
    with pytest.raises(ValueError, match=r"columns \['placebo'\] are missing"):
        plot_steering(effects().drop(columns="placebo"))
