"""The ranking figure: what is drawn is what the table says."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import (
    COLUMN_WIDTH,
    draw_graded,
    draw_mean_rankings,
    draw_ranked,
    draw_rankings,
    plot_graded,
    plot_mean_rankings,
    plot_ranked,
    plot_rankings,
)
from conflictscope.table_files import check_table


def ranking(target, condition, strengths, *, identified=True, arm="default"):
    values = pd.DataFrame({"value": ["a", "b", "c"], "strength": strengths if identified else np.nan})
    half = 0.5
    return check_table(
        values.assign(
            target=target,
            condition=condition,
            arm=arm,
            strength_low=values["strength"] - half,
            strength_high=values["strength"] + half,
            rank=values["strength"].rank(ascending=False, method="min") if identified else None,
            rank_low=1 if identified else None,
            rank_high=3 if identified else None,
            tie_group=["a", "ab", "b"] if identified else None,
            paper_strength=strengths,
            choices=10,
            scenarios=15,
            identified=identified,
        ),
        "rankings",
    )


@pytest.fixture
def rankings():
    return pd.concat(
        [
            ranking("m", "multiple_choice", [1.0, 0.25, -1.25]),
            ranking("m", "open_ended", [-1.0, 0.5, 0.5]),
            ranking("n", "multiple_choice", [9.0, 0.0, -9.0], identified=False),
            ranking("n", "open_ended", [0.5, 0.0, -0.5]),
        ],
        ignore_index=True,
    )


def marks(ax):
    """Return (marker, face colour, x, y) of every mark."""
    lines = [line for line in ax.lines if line.get_marker() != "None"]
    return [
        (line.get_marker(), line.get_markerfacecolor(), x, y)
        for line in lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def test_marks_and_intervals_are_those_of_the_table(rankings, ax, read):
    one = rankings[rankings["target"] == "m"]
    assert draw_rankings(one, ax, order=["c", "a", "b"]) is ax
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == ["c", "a", "b"]
    drawn = {(marker, rows[round(y)]): x for marker, _, x, y in marks(ax)}
    shape = {"multiple_choice": "o", "open_ended": "D"}
    expected = {(shape[r["condition"]], r["value"]): r["strength"] for r in one.to_dict("records")}
    assert drawn == expected
    assert read.intervals(ax) == sorted(one[["strength_low", "strength_high"]].to_numpy().tolist())
    assert [text.get_text() for text in ax.texts] == ["a", "ab", "b"] * 2
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first value is on top


def test_a_ranking_that_orders_nothing_is_not_drawn_and_said_so(rankings):
    _, ax = plt.subplots()
    draw_rankings(rankings[rankings["target"] == "n"], ax)
    assert {marker for marker, *_ in marks(ax)} == {"D"}
    assert ax.get_title(loc="right") == "multiple choice:\norder unknown"


def test_an_end_that_the_data_do_not_bound_is_an_arrow_at_the_edge(rankings, ax, read):
    one = rankings[rankings["target"].eq("m") & rankings["condition"].eq("multiple_choice")].copy()
    one["strength_high"] = one["strength_high"].mask(one["value"].eq("a"), np.inf)
    draw_rankings(one, ax)
    left, right = ax.get_xlim()
    assert left > -3 and right < 3, "an open end does not set the scale"
    assert [(x, y) for marker, _, x, y in marks(ax) if marker == ">"] == [(right, 0)]
    assert "arrow: goes on beyond the axis" in read.legend(plot_rankings(one))


def test_one_panel_a_target_in_one_order_and_on_one_scale(rankings):
    figure = plot_rankings(rankings, source="simulated models")
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == ["m", "n"]
    assert panels[0].get_xlim() == panels[1].get_xlim()
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels == ["a", "b", "c"]  # as they come in the table, which has the study's order
    turned = plot_rankings(rankings, values=["c", "a", "b"]).axes[0]
    assert [label.get_text() for label in turned.get_yticklabels()] == ["c", "a", "b"]
    assert "simulated models" in figure.get_suptitle()
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:2] == ["multiple choice", "open-ended"]
    assert "·" not in plot_rankings(rankings).get_suptitle()


def test_over_all_targets_a_pale_mark_a_target_and_a_full_one_their_mean(rankings, ax):
    draw_mean_rankings(rankings, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    dots = [drawn for drawn in ax.collections if drawn.get_alpha() == 0.35 and len(drawn.get_offsets())]
    pale = sorted((round(float(y)), float(x)) for drawn in dots for x, y in drawn.get_offsets())
    # m in both conditions and n in conversation; the ranking that is not identified is left out
    assert pale == [(0, -1.0), (0, 0.5), (0, 1.0), (1, 0.0), (1, 0.25), (1, 0.5), (2, -1.25), (2, -0.5), (2, 0.5)]
    means = {line.get_marker(): line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 3}
    assert means == {"o": [1.0, 0.25, -1.25], "D": [-0.25, 0.25, 0.0]}
    with pytest.raises(ValueError, match="identified rankings: found no rows"):
        draw_mean_rankings(rankings.assign(identified=False), ax)


def test_the_figure_over_all_targets_says_how_many(rankings, read):
    figure = plot_mean_rankings(rankings, title="")
    assert figure.get_suptitle() == ""
    # one of the two targets has no order in multiple choice
    assert read.legend(figure) == ["mean of 1, multiple choice", "mean of 2, open-ended", "pale: a target each"]


@pytest.mark.parametrize("targets", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [COLUMN_WIDTH, 7.0])
def test_nothing_is_cut_off_or_overlaps(targets, width):
    table = pd.concat(
        [
            ranking(f"simulated/target-{n}", condition, [1, 0, -1])
            for n in range(targets)
            for condition in ("multiple_choice", "open_ended")
        ]
    )
    table["value"] = table["value"].map({"a": "empowerment", "b": "responsibility", "c": "non-condescension"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_rankings(table, width=width, source="simulated models")
        figure.draw_without_rendering()
    page = figure.bbox
    boxes = [ax.get_tightbbox() for ax in figure.axes if ax.get_title(loc="left")]
    assert len(boxes) == targets
    boxes += [figure.legends[0].get_window_extent(), figure._suptitle.get_window_extent()]
    for n, box in enumerate(boxes):
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
        for other in boxes[n + 1 :]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            along = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(across, along) < 1


def test_drawing_changes_neither_the_table_nor_the_settings(rankings):
    before, settings = rankings.copy(deep=True), dict(plt.rcParams)
    plot_rankings(rankings)
    pd.testing.assert_frame_equal(rankings, before)
    assert dict(plt.rcParams) == settings


def test_bad_input(rankings):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"found targets \['m', 'n'\]"):
        draw_rankings(rankings, ax)
    with pytest.raises(ValueError, match="order: found"):
        draw_rankings(rankings[rankings["target"] == "m"], ax, order=["a", "b"])
    steered = ranking("m", "open_ended", [1, 0, -1], arm="placebo")
    with pytest.raises(ValueError, match="found arms"):
        plot_rankings(pd.concat([rankings, steered]))
    with pytest.raises(ValueError, match="found no rows"):
        plot_rankings(rankings.head(0))


def test_graded_strengths_are_hollow_beside_those_of_choices(ax, read):
    table = pd.DataFrame({"value": ["a", "b"] * 3, "by": np.repeat(["choices", "ratings", "log-odds"], 2)})
    table["strength"] = [1.0, -1.0, 0.4, -0.4, 0.7, -0.7]
    table = table.assign(strength_low=table["strength"] - 0.1, strength_high=table["strength"] + 0.1, tie_group="a")
    table = table.assign(target="m", condition="multiple_choice", arm="default", identified=True)
    draw_graded(table, ax)
    assert read.marks(ax) == {
        ("a", "o", True): 1.0,
        ("b", "o", True): -1.0,
        ("a", "s", False): 0.4,
        ("b", "s", False): -0.4,
        ("a", "^", False): 0.7,
        ("b", "^", False): -0.7,
    }
    labels = [text.get_text() for text in plot_graded(table).legends[0].get_texts()]
    assert labels == ["multiple choice: choices", "multiple choice: ratings", "multiple choice: log-odds"]


def test_many_values_stand_in_bands_from_the_strongest_down(ax, read):
    size = 160
    table = pd.DataFrame({"value": [f"v{n:03d}" for n in range(size)], "strength": np.linspace(-2, 2, size)})
    table = table.assign(strength_low=table["strength"] - 1, strength_high=table["strength"] + 1, target="m")
    table = table.assign(condition="open_ended", arm="default", identified=True)
    table = table.assign(choices=40, scenarios=900, rank_low=1, rank_high=9)
    table["tie_group"] = [
        f"({4 - n // 40})({5 - n // 40})" if 0 < n % 40 < 20 else f"({4 - n // 40})" for n in range(size)
    ]
    draw_ranked(table, ax, ranks=(1, 80))
    assert read.rows(ax)[0] == "v159" and len(read.rows(ax)) == 80
    shades = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in ax.patches]
    assert shades and all(0 <= top + 0.5 < bottom + 0.5 <= 80 for top, bottom in shades)
    figure = plot_ranked(table)
    assert read.titles(figure) == ["1–54", "55–108", "109–160"]
    with pytest.raises(ValueError, match="exactly one"):
        draw_ranked(pd.concat([table, table.assign(target="n", value="w" + table["value"])]), ax)
