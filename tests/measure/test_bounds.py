"""Bounds: where the answers without a choice could move a value."""

import pandas as pd
import pytest

from conflictscope.measure.bradley_terry import outcome_bounds
from conflictscope.measure.rankings import rank_values

PAIR = {"target": "m", "condition": "multiple_choice", "arm": "default", "judge": None, "action_shown_first": 1}


def choices_of(counts, outcome="refusal"):
    """Return choices of each pair: (value 1, value 2) → wins of value 1, wins of value 2, answers without a choice."""
    rows = [
        {"value_1": one, "value_2": two, "action": action}
        for (one, two), (first, second, without) in counts.items()
        for action in [1] * first + [2] * second + [None] * without
    ]
    table = pd.DataFrame(rows).assign(**PAIR)
    table["scenario_id"] = [f"s{n}" for n in range(len(table))]
    table["outcome"] = table["action"].notna().map({True: "choice", False: outcome})
    table["winner"] = table["value_1"].where(table["action"].eq(1), table["value_2"]).where(table["action"].notna())
    table["loser"] = table["value_2"].where(table["action"].eq(1), table["value_1"]).where(table["action"].notna())
    return table


COUNTS = {("a", "b"): (6, 4, 5), ("a", "c"): (7, 3, 0), ("b", "c"): (6, 4, 5)}


def test_bounds_are_the_fits_of_the_filled_counts():
    found = outcome_bounds(choices_of(COUNTS), list("abc")).set_index("value")
    for value in "abc":
        for bound, wins in (("for", True), ("against", False)):
            filled = {
                pair: (
                    first + without * ((pair[0] == value) if wins else (pair[1] == value)) * (value in pair),
                    second + without * ((pair[1] == value) if wins else (pair[0] == value)) * (value in pair),
                    0,
                )
                for pair, (first, second, without) in COUNTS.items()
            }
            ranking = rank_values(choices_of(filled), list("abc"), resamples=1).set_index("value")
            assert found.loc[value, f"strength_{bound}"] == pytest.approx(ranking.loc[value, "strength"])
            assert found.loc[value, f"rank_{bound}"] == ranking.loc[value, "rank"]
    assert found["without_choice"].tolist() == [5, 10, 5]
    assert found["choices"].tolist() == [20, 20, 20]


def test_bounds_enclose_the_strength_and_say_whether_the_rank_holds():
    found = outcome_bounds(choices_of(COUNTS), list("abc"))
    assert (found["strength_against"] <= found["strength"]).all()
    assert (found["strength"] <= found["strength_for"]).all()
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["rank_against"].tolist() == [2, 3, 3]
    assert found["rank_for"].tolist() == [1, 1, 2]
    assert not found["rank_holds"].any()
    few = outcome_bounds(
        choices_of({("a", "b"): (30, 10, 1), ("a", "c"): (35, 5, 0), ("b", "c"): (30, 10, 1)}), list("abc")
    )
    assert few["rank_holds"].all()


def test_without_missing_answers_the_bounds_meet():
    whole = {pair: (first, second, 0) for pair, (first, second, _) in COUNTS.items()}
    found = outcome_bounds(choices_of(whole), list("abc"))
    assert (found["strength_against"] == found["strength_for"]).all() and found["rank_holds"].all()


@pytest.mark.parametrize("outcome", ["refusal", "neither", "invalid", "error"])
def test_all_answers_without_a_choice(outcome):
    nothing = dict.fromkeys(COUNTS, (0, 0, 4))
    found = outcome_bounds(choices_of(nothing, outcome), list("abc"))
    assert found[["rank", "rank_against", "rank_for", "rank_holds"]].isna().all(axis=None)
    assert (found["strength"] == 0).all() and (found["strength_for"] > 0).all()
    assert found["without_choice"].tolist() == [8, 8, 8]
    bare = outcome_bounds(choices_of(nothing, outcome), list("abc"), penalty=0)
    assert bare[["strength", "strength_against", "strength_for"]].isna().all(axis=None)


def test_a_value_that_never_loses_has_no_rank_unless_the_bound_gives_one():
    counts = {("a", "b"): (5, 0, 2), ("a", "c"): (5, 0, 0), ("b", "c"): (3, 2, 0)}
    found = outcome_bounds(choices_of(counts), list("abc")).set_index("value")
    assert found["rank"].isna().all()
    assert found.loc["a", "rank_against"] == 1, "with two losses the win graph is connected"
    assert pd.isna(found.loc["a", "rank_for"]) and pd.isna(found.loc["a", "rank_holds"])


def test_values_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        outcome_bounds(choices_of(COUNTS), ["a"])
    with pytest.raises(ValueError, match="unknown values"):
        outcome_bounds(choices_of(COUNTS), ["a", "b"])
