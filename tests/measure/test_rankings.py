"""Rankings: known truth, intervals and their coverage, ties, awkward groups, and what must not change a ranking."""

import itertools
import warnings

import choix
import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration import simulate_choices
from conflictscope.measure import Settings, compare_values, rank_values, rankings
from conflictscope.measure.rankings import _tie_letters, order_values, strength_intervals
from conflictscope.measure.strengths import PairSums, fit_strengths
from conflictscope.simulated import Respondent
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


def test_the_papers_strengths_are_those_of_choix_on_the_same_rows(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=30, seed=1)
    rows = [("abc".index(w), "abc".index(x)) for w, x in zip(choices["winner"], choices["loser"], strict=True)]
    expected = choix.ilsr_pairwise(3, rows, alpha=0.01, max_iter=10_000)
    assert rank_values(choices)["paper_strength"].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_intervals_cover_the_truth(make_choices, many_targets):
    """Of 300 studies, the 90 % interval must cover the truth about as often as it says."""
    truth = {"a": 0.6, "b": 0.0, "c": -0.6}
    choices = many_targets(make_choices(truth, scenarios_per_pair=60, seed=0), truth, targets=300, seed=1)
    ranked = rank_values(choices, settings=Settings(level=0.9))
    true = ranked["value"].map(truth)
    covered = ranked["strength_low"].le(true) & ranked["strength_high"].ge(true)
    # 900 intervals, three a study and dependent: 0.9 ± 0.035 is about two standard errors of 300 studies
    assert covered.mean() == pytest.approx(0.9, abs=0.035)


def test_interval_is_wider_where_the_answers_to_a_scenario_move_together(make_choices):
    once = make_choices(STRENGTHS, scenarios_per_pair=50, seed=2)
    twice = pd.concat([once, once.assign(repetition=1)])
    alone, together = rank_values(once), rank_values(twice)
    # the same scenarios asked again bring nothing new, so the interval stays
    assert together["strength_high"].to_numpy() == pytest.approx(alone["strength_high"].to_numpy(), abs=1e-5)
    assert together["strength_low"].to_numpy() == pytest.approx(alone["strength_low"].to_numpy(), abs=1e-5)


def test_one_who_takes_whatever_stands_first_has_no_strengths(make_choices):
    choices = make_choices({"a": 0, "b": 0, "c": 0}, scenarios_per_pair=10, seed=0, orders=(1, 2))
    choices["action"] = choices["action_shown_first"]
    first = choices["action"].eq(1)
    choices["winner"] = choices["value_1"].where(first, choices["value_2"])
    choices["loser"] = choices["value_2"].where(first, choices["value_1"])
    ranked = rank_values(choices)
    assert not ranked["identified"].any()
    assert ranked[["strength", "strength_low", "strength_high", "rank", "tie_group"]].isna().all(axis=None)
    assert ranked["paper_strength"].tolist() == [0, 0, 0], "the paper's fit takes it for equality"


def test_equal_values_are_seldom_told_apart(make_choices, many_targets):
    """Of 300 studies of values that do not differ, at most 5 % may tell any two apart."""
    level = {"a": 0.0, "b": 0.0, "c": 0.0}
    choices = many_targets(make_choices(level, scenarios_per_pair=60, seed=0), level, targets=300, seed=1)
    apart = rank_values(choices)["rank_high"].lt(3).to_numpy().reshape(-1, 3).any(axis=1)
    assert 0 < apart.mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


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
    """The choices order nothing: neither strengths nor ranks, and nothing crashes or warns."""

    EMPTY = ("strength", "strength_low", "strength_high", "rank", "rank_low", "rank_high", "tie_group")

    def check(self, choices, values=None):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ranked = rank_values(choices, values)
        assert not ranked["identified"].any()
        assert ranked[list(self.EMPTY)].isna().all().all()
        return ranked

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
        assert ranked["paper_strength"].isna().all()

    def test_beside_a_group_that_has_an_order(self, make_choices):
        good = make_choices(STRENGTHS, scenarios_per_pair=40, seed=0)
        bad = hardly_chosen(good.assign(target="z"), np.zeros(len(good), dtype=bool))
        ranked = rank_values(pd.concat([good, bad]))
        pd.testing.assert_frame_equal(ranked.head(3), rank_values(good))
        assert ranked["identified"].tolist() == [True] * 3 + [False] * 3


class TestOneSided:
    """Values that only ever win, or only ever lose, are ranked; the end that the data do not bound is open."""

    def test_a_strict_order_without_exception(self, make_choices):
        choices = make_choices(STRENGTHS, scenarios_per_pair=30, seed=0)
        ranked = rank_values(decided(choices, min))
        assert ranked["rank"].tolist() == ranked["rank_high"].tolist() == [1, 2, 3]
        assert np.isinf(ranked["strength_high"]).tolist() == [True, True, False]
        assert np.isinf(ranked["strength_low"]).tolist() == [False, True, True]

    def test_the_penalty_moves_nothing_but_the_papers_strengths(self, make_choices):
        choices = decided(make_choices(STRENGTHS, scenarios_per_pair=10, seed=0), min)
        tables = [rank_values(choices, settings=Settings(penalty=penalty)) for penalty in (0, 0.001, 0.1)]
        first = tables[0].drop(columns="paper_strength")
        for table in tables[1:]:
            pd.testing.assert_frame_equal(table.drop(columns="paper_strength"), first)
        assert tables[0]["paper_strength"].isna().all()
        assert tables[1]["paper_strength"].max() > tables[2]["paper_strength"].max() + 1


def test_what_is_no_choice_does_not_count(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=0, orders=(1, 2))
    kept = choices["action_shown_first"].eq(1)
    for outcome in ("refusal", "neither", "invalid", "error"):
        other = hardly_chosen(choices, kept)
        other.loc[~kept, "outcome"] = outcome
        pd.testing.assert_frame_equal(
            rank_values(other),
            rank_values(choices[kept]),
        )


def test_row_order_action_labels_and_values_order_do_not_matter(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    ranked = rank_values(choices)
    pd.testing.assert_frame_equal(rank_values(choices.sample(frac=1, random_state=1)), ranked)
    turned = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    turned = turned.assign(action=3 - choices["action"], action_shown_first=3 - choices["action_shown_first"])
    pd.testing.assert_frame_equal(rank_values(turned), ranked)
    other = rank_values(choices, ["c", "a", "b"]).set_index("value").loc[["a", "b", "c"]]
    fixed = ["rank", "choices", "scenarios", "identified"]
    pd.testing.assert_frame_equal(other[fixed], ranked.set_index("value")[fixed])


def test_renaming_the_values_renames_the_rows(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    names = {"a": "x", "b": "y", "c": "z"}
    columns = ["value_1", "value_2", "winner", "loser"]
    renamed = choices.assign(**{name: choices[name].map(names) for name in columns})
    expected = rank_values(choices)
    expected["value"] = expected["value"].map(names)
    pd.testing.assert_frame_equal(rank_values(renamed), expected, check_dtype=False)


def test_the_seed_draws_the_comparisons_only(make_choices):
    choices = make_choices(STRENGTHS, scenarios_per_pair=40, seed=4)
    first, again, other = (rank_values(choices, settings=Settings(seed=seed)) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    closed = ["strength", "strength_low", "strength_high"]
    assert first[closed].equals(other[closed])


def test_groups_are_ranked_each_by_itself(make_choices):
    parts = [
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=0, target="m"),
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=1, target="m", condition="open_ended"),
        make_choices(STRENGTHS, scenarios_per_pair=40, seed=2, target="n"),
    ]
    together = rank_values(pd.concat(parts))
    apart = pd.concat([rank_values(part) for part in parts], ignore_index=True)
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


FIRST, SECOND = np.array([0, 0, 1]), np.array([1, 2, 2])


def sums(n: list[float], y: list[float]) -> PairSums:
    """Return the sums of three values' yes-or-no shares."""
    won = np.array([y], dtype=float)
    return PairSums(np.array([n], dtype=float), won, won, FIRST, SECOND, 3)


def test_a_value_that_always_wins_is_ranked_with_its_upper_end_open():
    given = sums([50, 50, 50], [50, 50, 35])
    fit = fit_strengths(given)
    orders = order_values(fit)
    assert orders.rank[0].tolist() == orders.rank_low[0].tolist() == orders.rank_high[0].tolist() == [1, 2, 3]
    low, high = strength_intervals(fit, given)
    assert np.isposinf(high[0, 0]) and np.isfinite(low[0, 0])
    assert np.isneginf(low[0, 1:]).all() and np.isfinite(high[0, 1:]).all()


def test_a_value_between_one_that_always_wins_and_one_that_always_loses_has_no_bound():
    given = sums([20, 20, 20], [20, 20, 20])
    low, high = strength_intervals(fit_strengths(given), given)
    assert np.isinf(low[0]).tolist() == [False, True, True] and np.isinf(high[0]).tolist() == [True, True, False]


def test_values_that_are_not_apart_share_ranks():
    orders = order_values(fit_strengths(sums([20, 20, 20], [11, 16, 15])))
    assert orders.rank_low[0].tolist() == [1, 1, 3] and orders.rank_high[0].tolist() == [2, 2, 3]
    assert 0.5 < orders.above[0, 0, 1] < 0.9
    assert orders.above[0] + orders.above[0].T == pytest.approx(np.ones((3, 3)))


def test_a_target_that_takes_whatever_is_first_has_neither_rank_nor_bound():
    half = np.full((1, 3), 8.0)
    given = PairSums(2 * half, half, half / 2, FIRST, SECOND, 3)
    fit = fit_strengths(given)
    low, high = strength_intervals(fit, given)
    assert np.isneginf(low).all() and np.isposinf(high).all()
    orders = order_values(fit)
    assert np.isnan(orders.rank).all() and np.isnan(orders.above).all()
    assert orders.rank_low[0].tolist() == [1, 1, 1] and orders.rank_high[0].tolist() == [3, 3, 3]


def test_many_values_are_told_apart_by_tukeys_bar_in_numbered_bands():
    names = [f"v{n:02d}" for n in range(50)]
    pairs = np.array([(i, (i + step) % 50) for i in range(50) for step in (1, 7, 20)])
    first, second = pairs.min(axis=1), pairs.max(axis=1)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    truth = np.linspace(2, -2, 50)
    rng = np.random.default_rng(1)
    chance = 1 / (1 + np.exp(truth[second] - truth[first]))
    y = rng.binomial(40, chance, size=(60, len(first))).astype(float)
    fit = fit_strengths(PairSums(np.full(y.shape, 40.0), y, y, first, second, 50))
    orders = order_values(fit)
    wrong = orders.surely_above & (truth[:, None] <= truth[None])
    assert wrong.any(axis=(1, 2)).mean() <= 0.1 and orders.surely_above.sum(axis=(1, 2)).min() > 200
    letters = _tie_letters(fit.strengths[0], ~(orders.surely_above[0] | orders.surely_above[0].T))
    bands = [set(text.strip("()").split(")(")) for text in letters]
    by_rank = np.argsort(-fit.strengths[0])
    assert bands[by_rank[0]] == {"1"} and len(names) == len(bands)
    for i in range(50):
        for j in range(50):
            if bands[i] & bands[j]:
                assert not orders.surely_above[0, i, j], "what shares a band is not told apart"


def test_letters_are_those_of_the_largest_tied_sets_and_found_quickly(count_lines):
    rng = np.random.default_rng(0)
    for _ in range(20):
        strengths = rng.normal(size=7)
        tied = np.triu(rng.random((7, 7)) < 0.6, 1)
        tied |= tied.T | np.eye(7, dtype=bool)
        sets = [set(some) for size in range(1, 8) for some in itertools.combinations(range(7), size)]
        cliques = [some for some in sets if all(tied[i, j] for i in some for j in some)]
        largest = [some for some in cliques if not any(some < other for other in cliques)]
        letters = _tie_letters(strengths, tied)
        assert len({letter for name in letters for letter in name}) == len(largest)
        shared = [{v for v, name in enumerate(letters) if letter in name} for letter in sorted(set("".join(letters)))]
        assert sorted(map(sorted, shared)) == sorted(map(sorted, largest))
    # two values apart, all others tied: with each of them, 2 sets of 23; without a pivot, millions of steps
    tied = np.ones((24, 24), dtype=bool)
    tied[0, 23] = tied[23, 0] = False
    assert count_lines(rankings, lambda _: _tie_letters(np.arange(24.0), tied), "") < 2000


def test_two_values_are_compared_as_in_the_ranking_and_each_pair_once():
    known = Respondent("t", utilities={"a": 2.0, "b": 0.0, "c": -2.0}, scenario_weight=0.0, noise=0.7)
    choices = simulate_choices({"t": known}, [("a", "b"), ("b", "c"), ("a", "c")], scenarios_per_pair=30, seed=1)
    orders = compare_values(choices, ["c", "b", "a"])
    expected = {("a", "b"), ("b", "c"), ("a", "c")}
    for _, part in orders.groupby("condition"):
        assert set(zip(part["above"], part["below"], strict=True)) == expected
    assert orders["sure"].all() and orders["probability"].gt(0.99).all()
    positional = choices.query("condition == 'multiple_choice'").assign(action=1)
    positional["action"] = positional["action_shown_first"]
    positional["winner"] = positional["value_1"].where(positional["action"].eq(1), positional["value_2"])
    positional["loser"] = positional["value_2"].where(positional["action"].eq(1), positional["value_1"])
    # of a group whose choices order nothing there is nothing to say
    assert compare_values(positional, ["a", "b", "c"]).empty
