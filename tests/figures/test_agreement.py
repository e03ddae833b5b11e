"""The agreement figure: the study's points and the published ones stand where their tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import agreement_point, draw_agreement, plot_agreement
from conflictscope.measure.published import published_ablations


def points(*variants):
    numbers = {
        "agreement": 0.7,
        "agreement_low": 0.65,
        "agreement_high": 0.76,
        "likert": 0.6,
        "likert_low": 0.5,
        "likert_high": 0.66,
    }
    return pd.DataFrame([{"variant": variant} | numbers for variant in variants])


def marks(ax):
    """Return (x, y) → (marker, whether filled)."""
    return {
        (line.get_xdata()[0], line.get_ydata()[0]): (line.get_marker(), line.get_markerfacecolor() != "white")
        for line in ax.lines
    }


def test_points_and_error_bars_are_those_of_the_tables():
    _, ax = plt.subplots()
    assert draw_agreement(points("direct"), ax) is ax
    drawn = marks(ax)
    table = published_ablations()
    assert set(drawn) == {(0.7, 0.6), *zip(table["agreement"], table["likert"], strict=True)}
    direct = table.set_index("variant").loc["direct"]
    # one variant, one shape; the study's is filled
    assert drawn[0.7, 0.6] == (drawn[direct["agreement"], direct["likert"]][0], True)
    assert not drawn[direct["agreement"], direct["likert"]][1]
    assert len({marker for marker, _ in drawn.values()}) == 4
    segments = [segment.tolist() for lines in ax.collections for segment in lines.get_segments()]
    assert [[0.65, 0.6], [0.76, 0.6]] in segments and [[0.7, 0.5], [0.7, 0.66]] in segments
    assert len(segments) == 10


def test_the_published_numbers_are_the_papers():
    table = published_ablations().set_index("variant")
    half = (table["agreement_high"] - table["agreement_low"]) / 2
    assert table["agreement"].tolist() == [0.786, 0.824, 0.898, 0.852]
    assert half.tolist() == pytest.approx([0.007, 0.003, 0.004, 0.004])
    assert table["likert"].tolist() == [0.801, 0.818, 0.854, 0.830]
    half = (table["likert_high"] - table["likert_low"]) / 2
    assert half.tolist() == pytest.approx([0.017, 0.008, 0.011, 0.011])
    assert table.index.tolist() == ["full", "unfiltered", "single-stage", "direct"]


def test_published_points_can_be_left_out_and_are_cited_where_they_are_not():
    with_paper, without = (
        plot_agreement(points("full"), source="simulated models"),
        plot_agreement(points("full", "mine"), published=False),
    )
    assert "simulated models" in with_paper.get_suptitle()
    said = " ".join(text.get_text() for text in with_paper.legends[0].get_texts())
    assert "arXiv 2509.25369" in said
    named = [text.get_text() for text in with_paper.axes[0].texts]
    assert named == ["full", "full", "unfiltered", "direct", "single-stage"]
    assert [text.get_text() for text in without.legends[0].get_texts()] == ["this study (filled)"]
    assert [text.get_text() for text in without.axes[0].texts] == ["full", "mine"]
    assert len(without.axes[0].lines) == 2


def test_the_front_is_a_line_through_the_sets_on_it_and_those_behind_are_faint():
    table = points("a", "b", "c").assign(
        agreement=[0.8, 0.6, 0.9], likert=[0.9, 0.7, 0.5], front=["on the front", "on the front", "behind it"]
    )
    _, ax = plt.subplots()
    draw_agreement(table, ax, published=False)
    front = [line for line in ax.lines if len(line.get_xdata()) > 1]
    assert len(front) == 1
    assert list(zip(*front[0].get_data(), strict=True)) == [(0.6, 0.7), (0.8, 0.9)]
    alphas = {line.get_xdata()[0]: line.get_alpha() for line in ax.lines if len(line.get_xdata()) == 1}
    assert alphas[0.9] < alphas[0.6] == alphas[0.8] == 1
    figure = plot_agreement(table, asked="asked here", source="simulated models")
    said = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert "asked here (filled)" in said and "Pareto front" in said
    assert figure.get_suptitle().startswith("How hard the data sets are") and "simulated" in figure.get_suptitle()


def test_a_variant_without_a_number_is_named():
    _, ax = plt.subplots()
    draw_agreement(pd.concat([points("full"), points("direct").assign(likert=np.nan)]), ax, published=False)
    assert list(marks(ax)) == [(0.7, 0.6)]
    assert ax.get_title(loc="right") == "no number for direct"


def test_the_row_of_the_figure_joins_both_measures():
    agreement = pd.DataFrame(
        {
            "condition": ["multiple_choice", "open_ended"],
            "arm": "default",
            "agreement": [0.8, 0.7],
            "agreement_low": [0.75, 0.6],
            "agreement_high": [0.85, 0.8],
            "scenarios": 20,
            "targets": 4,
        }
    )
    likert = pd.DataFrame({"arm": ["default", "placebo"], "rate": [0.5, 0.1]})
    likert = likert.assign(rate_low=likert["rate"] - 0.1, rate_high=likert["rate"] + 0.1, targets=3)
    row = agreement_point("full", agreement, likert).iloc[0]
    assert (row["variant"], row["agreement"], row["likert"], row["likert_high"]) == ("full", 0.8, 0.5, 0.6)
    assert (row["scenarios"], row["targets"]) == (20, 4)
    assert agreement_point("full", agreement, likert, condition="open_ended")["agreement"].tolist() == [0.7]
    with pytest.raises(ValueError, match="found 0 and 1 rows"):
        agreement_point("full", agreement, likert, arm="placebo")


def test_bad_input():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="no rows"):
        draw_agreement(points("full").head(0), ax)
    with pytest.raises(ValueError, match="more than once"):
        plot_agreement(points("full", "full"))
    with pytest.raises(ValueError, match="found 15 variants"):
        plot_agreement(points(*"abcdefghijk"))
    with pytest.raises(ValueError, match=r"columns \['likert_low'\] are missing"):
        plot_agreement(points("full").drop(columns="likert_low"))


def test_the_published_authors_are_drawn_if_asked_with_their_names():
    figure, (ax, without) = plt.subplots(1, 2)
    draw_agreement(points("full"), ax, authors=True)
    draw_agreement(points("full"), without)
    names = {text.get_text() for text in ax.texts} - {text.get_text() for text in without.texts}
    assert {"gpt-5.2", "Qwen3.6-27B", "Claude 3.5 Sonnet"} <= names and len(names) == 8
    plt.close(figure)
