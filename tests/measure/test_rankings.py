"""Rankings: known truth, intervals and their coverage, ties, awkward groups, and what must not change a ranking."""

import itertools
import warnings

import choix
import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import Settings, fit_bradley_terry, rank_values, resample_wins
from conflictscope.measure.rankings import _tie_letters
from conflictscope.table_files import check_table

STRENGTHS = {"a": 1.5, "b": 0.0, "c": -1.5}


def hardly_chosen(choices, keep):
    """Return the choices with the outcome refusal where `keep` is False."""
    choices = choices.copy()
    choices.loc[~keep, "outcome"] = "refusal"
    choices.loc[~keep, ["action", "winner", "loser"]] = None
    return check_table(choices, "choices")


def decided(choices, winner_of):
    """Return the choices with each pair won by the value that `winner_of` names, given the pair."""
    winner = choices.apply(lambda row: winner_of(row["value_1"], row["value_2"]), axis=1)
    first = winner.eq(choices["value_1"])
    loser = choices["value_2"].where(first, choices["value_1"])
    return check_table(choices.assign(winner=winner, loser=loser, action=2 - first.astype(int)), "choices")


def test_recovers_planted_order_and_says_how_sure(make_choices):
    ranked = rank_values(make_choices(STRENGTHS, scenarios_per_pair=400, seed=0))
    assert ranked["value"].tolist() == ["a", "b", "c"]
    assert ranked["rank"].tolist() == ranked["rank_low"].tolist() == ranked["rank_high"].tolist() == [1, 2, 3]
    assert ranked["tie_group"].tolist() == ["a", "b", "c"]
    assert ranked["strength"].to_numpy() == pytest.approx([1.5, 0, -1.5], abs=0.25)
    assert (ranked["strength_low"] < ranked["strength"]).all() and (ranked["strength"] < ranked["strength_high"]).all()
    assert ranked["identified"].all()
    assert ranked["choices"].tolist() == [800] * 3
    assert ranked["scenarios"].tolist() == [1200] * 3


def test_strengths_are_those_of_choix_on_the_same_rows(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=30, seed=1)
    rows = [("abc".index(w), "abc".index(x)) for w, x in zip(choices["winner"], choices["loser"], strict=True)]
    expected = choix.ilsr_pairwise(3, rows, alpha=0.01, max_iter=10_000)
    assert rank_values(choices, settings=Settings(resamples=2))["strength"].to_numpy() == pytest.approx(
        expected, abs=1e-6
    )


def test_intervals_cover_the_truth(make_choices):
    """Of 120 studies, the 90 % interval must cover the truth about as often as it says."""
    covered = []
    for seed in range(120):
        choices = make_choices({"a": 0.6, "b": 0.0, "c": -0.6}, scenarios_per_pair=60, seed=seed)
        ranked = rank_values(choices, settings=Settings(resamples=300, seed=seed, level=0.9))
        covered.append(ranked["strength_low"].le([0.6, 0, -0.6]) & ranked["strength_high"].ge([0.6, 0, -0.6]))
    # 360 intervals, three a study and dependent: 0.9 ± 0.05 is about two standard errors of 120 studies
    assert np.mean(covered) == pytest.approx(0.9, abs=0.055)


def test_interval_is_wider_where_the_answers_to_a_scenario_move_together(make_choices):
    once = make_choices(STRENGTHS, scenarios_per_pair=50, seed=2)
    twice = pd.concat([once, once.assign(repetition=1)])
    alone, together = (
        rank_values(once, settings=Settings(penalty=1e-9)),
        rank_values(twice, settings=Settings(penalty=1e-9)),
    )
    # the same scenarios asked again bring nothing new, so the interval stays
    assert together["strength_high"].to_numpy() == pytest.approx(alone["strength_high"].to_numpy(), abs=1e-5)
    assert together["strength_low"].to_numpy() == pytest.approx(alone["strength_low"].to_numpy(), abs=1e-5)


def test_equal_values_share_rank_and_letter(make_choices):
    choices = make_choices({"a": 0, "b": 0, "c": 0}, scenarios_per_pair=10, seed=0, orders=(1, 2))
    # in each scenario either order is won by either value: a draw without any spread
    choices["action"] = choices["action_shown_first"]
    first = choices["action"].eq(1)
    choices["winner"] = choices["value_1"].where(first, choices["value_2"])
    choices["loser"] = choices["value_2"].where(first, choices["value_1"])
    ranked = rank_values(choices)
    assert ranked["strength"].tolist() == ranked["strength_low"].tolist() == [0, 0, 0]
    assert ranked["rank"].tolist() == ranked["rank_low"].tolist() == [1, 1, 1]
    assert ranked["rank_high"].tolist() == [3, 3, 3]
    assert ranked["tie_group"].tolist() == ["a", "a", "a"]


def test_equal_values_are_seldom_told_apart(make_choices):
    """Of 100 studies of values that do not differ, about 5 % of the differences may have an interval without 0."""
    apart = []
    for seed in range(100):
        choices = make_choices({"a": 0, "b": 0, "c": 0}, scenarios_per_pair=60, seed=seed)
        groups = [
            set(letters) for letters in rank_values(choices, settings=Settings(resamples=300, seed=seed))["tie_group"]
        ]
        apart += [not groups[i] & groups[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    # 300 differences, three a study and dependent: two standard errors of 100 studies are about 0.045
    assert 0 < np.mean(apart) < 0.1


def test_letters_follow_the_paired_differences(make_choices):
    """The two values' intervals may overlap and yet their difference be clear: it is judged in the same resamples."""
    choices = make_choices({"a": 0.45, "b": 0.15, "c": -0.15, "d": -0.45}, scenarios_per_pair=70, seed=1)
    _, _, wins = resample_wins(choices, list("abcd"), Settings(resamples=400, seed=9))
    draws = fit_bradley_terry(wins[0])
    letters = rank_values(choices, settings=Settings(resamples=400, seed=9))["tie_group"]
    shared = []
    for i, j in itertools.combinations(range(4), 2):
        low, high = np.percentile(draws[:, i] - draws[:, j], [2.5, 97.5])
        shared.append(bool(set(letters[i]) & set(letters[j])))
        assert shared[-1] == (low <= 0 <= high)
    assert 0 < sum(shared) < 6


@pytest.mark.parametrize(
    ("strengths", "ties", "letters"),
    [
        ([3, 2, 1], [], ["a", "b", "c"]),
        ([3, 2, 1], [(0, 1), (1, 2)], ["a", "ab", "b"]),
        ([1, 3, 2], [(0, 2), (1, 2)], ["b", "a", "ab"]),
        ([3, 2, 1], [(0, 1), (1, 2), (0, 2)], ["a", "a", "a"]),
        # a and d are tied, though both differ from what lies between
        ([4, 3, 2, 1], [(0, 3)], ["a", "b", "c", "a"]),
        ([5, 4, 3, 2, 1], [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4)], ["a", "a", "ab", "bc", "c"]),
    ],
)
def test_letters_are_shared_by_just_those_that_are_tied(strengths, ties, letters):
    tied = np.eye(len(strengths), dtype=bool)
    for i, j in ties:
        tied[i, j] = tied[j, i] = True
    assert _tie_letters(np.array(strengths, dtype=float), tied) == letters


def test_letters_say_what_the_ties_say_in_general():
    rng = np.random.default_rng(0)
    for k in (2, 5, 8, 9):
        tied = np.triu(rng.random((k, k)) < 0.5, 1)
        tied = tied | tied.T | np.eye(k, dtype=bool)
        letters = _tie_letters(rng.normal(size=k), tied)
        shared = [[bool(set(one) & set(two)) for two in letters] for one in letters]
        np.testing.assert_array_equal(shared, tied)


def test_more_letters_than_the_alphabet_has():
    """24 values in 8 triples that differ within: 3⁸ groups, so letters run out and numbers go on."""
    k = 12
    tied = np.ones((k, k), dtype=bool)
    for start in range(0, k, 3):
        tied[start : start + 3, start : start + 3] = np.eye(3, dtype=bool)
    letters = _tie_letters(-np.arange(k, dtype=float), tied)
    assert "(52)" in "".join(letters)


class TestNoOrder:
    """The data do not identify an order: strengths stay, ranks do not, and nothing crashes or warns."""

    EMPTY = ("strength_low", "strength_high", "rank", "rank_low", "rank_high", "tie_group")

    def check(self, choices, values=None, *, strengths=True, **more):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ranked = rank_values(choices, values, Settings(resamples=50, **more))
        assert not ranked["identified"].any()
        assert ranked[list(self.EMPTY)].isna().all().all()
        assert ranked["strength"].notna().all() == strengths
        return ranked

    def test_a_value_that_never_loses(self, make_choices):
        choices = make_choices({"a": 0, "b": 0, "c": 0}, scenarios_per_pair=20, seed=0)
        won = choices["value_1"].eq("a")
        choices.loc[won, "winner"], choices.loc[won, "loser"] = "a", choices.loc[won, "value_2"]
        ranked = self.check(choices)
        assert ranked["strength"].idxmax() == 0
        self.check(choices, penalty=0, strengths=False)

    def test_a_strict_order_without_exception(self, make_choices):
        choices = make_choices(STRENGTHS, scenarios_per_pair=5, seed=0)
        ranked = self.check(decided(choices, min))
        assert ranked["strength"].is_monotonic_decreasing

    def test_a_value_without_a_choice(self, make_choices):
        choices = make_choices({"a": 0, "b": 0}, scenarios_per_pair=20, seed=0)
        ranked = self.check(choices, ["a", "b", "c"])
        assert ranked["choices"].tolist() == [20, 20, 0]

    def test_values_in_two_parts_that_never_meet(self, make_choices):
        parts = [make_choices(dict.fromkeys(pair, 0.0), scenarios_per_pair=20, seed=0) for pair in ("ab", "cd")]
        self.check(pd.concat(parts))

    def test_a_group_without_a_choice(self, make_choices):
        choices = make_choices(STRENGTHS, scenarios_per_pair=5, seed=0)
        ranked = self.check(hardly_chosen(choices, np.zeros(len(choices), dtype=bool)))
        assert ranked["choices"].tolist() == ranked["scenarios"].tolist() == [0, 0, 0]
        assert ranked["strength"].tolist() == [0, 0, 0]

    def test_beside_a_group_that_has_an_order(self, make_choices):
        good = make_choices(STRENGTHS, scenarios_per_pair=40, seed=0)
        bad = hardly_chosen(good.assign(target="z"), np.zeros(len(good), dtype=bool))
        ranked = rank_values(pd.concat([good, bad]), settings=Settings(resamples=50))
        pd.testing.assert_frame_equal(ranked.head(3), rank_values(good, settings=Settings(resamples=50)))
        assert ranked["identified"].tolist() == [True] * 3 + [False] * 3


def test_what_is_no_choice_does_not_count(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=0, orders=(1, 2))
    kept = choices["action_shown_first"].eq(1)
    for outcome in ("refusal", "neither", "invalid", "error"):
        other = hardly_chosen(choices, kept)
        other.loc[~kept, "outcome"] = outcome
        pd.testing.assert_frame_equal(
            rank_values(other, settings=Settings(resamples=20)),
            rank_values(choices[kept], settings=Settings(resamples=20)),
        )


def test_row_order_action_labels_and_values_order_do_not_matter(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    ranked = rank_values(choices, settings=Settings(resamples=100))
    pd.testing.assert_frame_equal(
        rank_values(choices.sample(frac=1, random_state=1), settings=Settings(resamples=100)), ranked
    )
    turned = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    turned = turned.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    pd.testing.assert_frame_equal(rank_values(turned, settings=Settings(resamples=100)), ranked)
    other = rank_values(choices, ["c", "a", "b"], Settings(resamples=100)).set_index("value").loc[["a", "b", "c"]]
    fixed = ["strength", "rank", "choices", "scenarios", "identified"]
    pd.testing.assert_frame_equal(other[fixed], ranked.set_index("value")[fixed])


def test_renaming_the_values_renames_the_rows(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    names = {"a": "x", "b": "y", "c": "z"}
    columns = ["value_1", "value_2", "winner", "loser"]
    renamed = choices.assign(**{name: choices[name].map(names) for name in columns})
    expected = rank_values(choices, settings=Settings(resamples=100))
    expected["value"] = expected["value"].map(names)
    pd.testing.assert_frame_equal(rank_values(renamed, settings=Settings(resamples=100)), expected, check_dtype=False)


def test_the_seed_draws_the_intervals_only(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    first, again, other = (rank_values(choices, settings=Settings(resamples=100, seed=seed)) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert first["strength"].tolist() == other["strength"].tolist()
    assert first["strength_low"].tolist() != other["strength_low"].tolist()


def test_groups_are_ranked_each_by_itself(make_choices):
    parts = [
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=0, target="m"),
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=1, target="m", condition="open_ended"),
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=2, target="n"),
    ]
    together = rank_values(pd.concat(parts), settings=Settings(resamples=30))
    apart = pd.concat([rank_values(part, settings=Settings(resamples=30)) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart)


def test_bad_input(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=3, seed=0, condition="open_ended")
    with pytest.raises(ValueError, match="Filter by judge"):
        rank_values(pd.concat([choices, choices.assign(judge="other")]))
    with pytest.raises(ValueError, match="unknown values"):
        rank_values(choices, ["a", "b"])
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="level"):
            Settings(level=level)
    with pytest.raises(ValueError, match="expected at least two"):
        rank_values(choices.head(0))
    with pytest.raises(ValueError, match=r"columns \['value_1'\] are missing"):
        rank_values(choices.drop(columns=["value_1"]))
