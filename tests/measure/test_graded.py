"""Graded preferences: scales as told, position cancels, and the bounded effect is a share of what there was."""

import itertools

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import grade_preferences, rank_values, steering_effects

VALUES, PAIRS = ["a", "b", "c"], list(itertools.combinations("abc", 2))
STRENGTHS = {"a": 0.6, "b": 0.0, "c": -0.6}


def scenarios(each):
    rows = [(f"{one}{two}{n}", one, two) for one, two in PAIRS for n in range(each)]
    table = pd.DataFrame(rows, columns=["scenario_id", "value_1", "value_2"])
    return table.assign(structure="none", severity="none", acting_value=None)


def answers(table, *, bias, spread, seed, arm="default", lift=0.0):
    """Answers whose letter is the likelier one; `lift` is added to the log-odds of a's actions."""
    rng = np.random.default_rng(seed)
    gap = table["value_1"].map(STRENGTHS) - table["value_2"].map(STRENGTHS)
    gap = gap + lift * table["value_1"].eq("a") + spread * rng.standard_normal(len(table))
    parts = []
    for first in (1, 2):
        toward_first = gap * (1 if first == 1 else -1) + bias
        part = table[["scenario_id"]].assign(
            action_shown_first=first, target="m", arm=arm, repetition=0, outcome="choice"
        )
        parts.append(
            part.assign(
                probability_first=1 / (1 + np.exp(-toward_first)),
                action=np.where((toward_first > 0) == (first == 1), 1, 2),
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"action": "Int64"})


def test_a_leaning_runs_from_1_to_0_and_ratings_from_all_to_nothing():
    table = scenarios(1)
    verdicts = table[["scenario_id"]].assign(target="m", arm="default", repetition=0, judge="j", action_shown_first=1)
    verdicts["leaning"] = pd.array([1, 6, None], dtype="Int64")
    verdicts["action"] = pd.array([1, 2, None], dtype="Int64")
    verdicts["outcome"] = ["choice", "choice", "refusal"]
    ratings = pd.DataFrame(
        [
            (s, n, r)
            for s, two in zip(table["scenario_id"], [(7, 1), (4, 4), (3, None)], strict=True)
            for n, r in enumerate(two, 1)
        ],
        columns=["scenario_id", "rated_action", "rating"],
    ).assign(target="m", arm="default", repetition=0)
    graded = grade_preferences(table, verdicts=verdicts, ratings=ratings.astype({"rating": "Int64"}))
    assert list(graded) == ["leaning", "ratings"]
    assert graded["leaning"]["preference"].tolist()[:2] == pytest.approx([1, 1 / 6])
    assert graded["ratings"].set_index("scenario_id")["preference"].tolist() == pytest.approx(
        [1, 0.5, np.nan], nan_ok=True
    )
    assert graded["ratings"].set_index("scenario_id").loc["bc0", "outcome"] == "invalid"
    assert graded["leaning"]["outcome"].tolist() == ["choice", "choice", "refusal"]


def test_position_cancels_in_log_odds_where_choices_say_nothing():
    table = scenarios(100)
    asked = answers(table, bias=8.0, spread=0.5, seed=1)
    assert asked["action"].eq(asked["action_shown_first"]).all(), "every choice is the option listed first"
    ranked = rank_values(grade_preferences(table, answers=asked)["log-odds"], VALUES).set_index("value")
    for value, strength in STRENGTHS.items():
        assert ranked.at[value, "strength"] == pytest.approx(strength, abs=0.1)
        assert ranked.at[value, "strength_low"] < ranked.at[value, "strength"] < ranked.at[value, "strength_high"]
    assert ranked["tie_group"].tolist() == ["a", "b", "c"]


def test_graded_strengths_are_covered_and_narrower_than_those_of_choices():
    table, covered, narrower = scenarios(20), [], []
    truth = rank_values(
        grade_preferences(scenarios(4000), answers=answers(scenarios(4000), bias=0.5, spread=1.0, seed=0))["log-odds"],
        VALUES,
    )
    for seed in range(1, 61):
        asked = answers(table, bias=0.5, spread=1.0, seed=seed)
        graded = grade_preferences(table, answers=asked)["log-odds"]
        ranked = rank_values(graded, VALUES)
        covered += (
            ranked["strength_low"].le(truth["strength"]) & ranked["strength_high"].ge(truth["strength"])
        ).tolist()
        binary = rank_values(graded.drop(columns="preference"), VALUES)
        widths = [(one["strength_high"] - one["strength_low"]).mean() for one in (ranked, binary)]
        narrower.append(widths[0] < widths[1])
    assert np.mean(covered) >= 0.92 and np.mean(narrower) == 1


def test_one_order_alone_is_not_graded_and_nothing_given_is_nothing():
    table = scenarios(3)
    asked = answers(table, bias=0.0, spread=0.0, seed=0)
    one_order = asked[asked["action_shown_first"].eq(1) | asked["scenario_id"].ne("ab0")]
    assert "ab0" not in set(grade_preferences(table, answers=one_order)["log-odds"]["scenario_id"])
    assert grade_preferences(table, answers=asked.assign(probability_first=np.nan)) == {}


def test_an_effect_on_graded_preferences_is_the_share_of_their_headroom():
    table = scenarios(50)
    both = pd.concat(
        [
            answers(table, bias=1.0, spread=0.3, seed=1),
            answers(table, bias=1.0, spread=0.3, seed=1, arm="steered:x", lift=0.4),
        ]
    )
    graded = grade_preferences(table, answers=both.reset_index(drop=True))["log-odds"]
    row = steering_effects(graded, {"x": VALUES})[0].iloc[0]
    first = graded.pivot(index="scenario_id", columns="arm", values="preference")  # value 1 is the one wanted
    wanted = (first["steered:x"].mean() - first["default"].mean()) / (1 - first["default"].mean())
    assert row["effect"] == pytest.approx(wanted, abs=0.005) and 0 < row["effect_low"] < row["effect"]
    assert row["bounded"] == row["effect"]


def choices(before, after):
    """Choices of two arms: per scenario of a pair, whether the value wanted won."""
    parts = []
    for arm, won in (("default", before), ("steered:x", after)):
        part = pd.DataFrame({"won": won}).assign(
            arm=arm, target="m", condition="open_ended", judge="j", outcome="choice"
        )
        part["scenario_id"] = [f"s{n}" for n in range(len(won))]
        parts.append(part.assign(value_1="a", value_2="b", repetition=0, action_shown_first=1))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(winner=np.where(table["won"], "a", "b"), loser=np.where(table["won"], "b", "a"))


@pytest.mark.parametrize(
    ("before", "after", "bounded"),
    [
        ([1] * 10 + [0] * 10, [1] * 15 + [0] * 5, 0.5),  # half of the headroom
        ([1] * 18 + [0] * 2, [1] * 9 + [0] * 11, -0.5),  # half of what was aligned; the effect would be −4.5
        ([1] * 20, [1] * 5 + [0] * 15, -0.75),  # no headroom, and yet there is something to lose
        ([1] * 18 + [0] * 2, [0] * 20, -1.0),
    ],
)
def test_the_bounded_effect_is_a_share_of_what_there_was_to_gain_or_to_lose(before, after, bounded):
    row = steering_effects(choices(before, after), {"x": ["a", "b"]})[0].iloc[0]
    assert row["bounded"] == pytest.approx(bounded, abs=0.02) and pd.isna(row["bounded_problem"])
    assert -1 <= row["bounded_low"] <= row["bounded"] <= row["bounded_high"] <= 1
    assert (row["bounded_low"] > 0, row["bounded_high"] < 0) == (bounded > 0, bounded < 0)


def test_where_nothing_can_be_gained_and_nothing_was_lost_the_bounded_effect_is_empty():
    row = steering_effects(choices([1] * 9, [1] * 9), {"x": ["a", "b"]})[0].iloc[0]
    assert pd.isna(row["bounded"]) and row["bounded_problem"].startswith("no headroom")
