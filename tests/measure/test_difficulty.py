"""Agreement, the front and the quality of scenarios against brute force, published examples and known truth."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from statsmodels.stats.proportion import proportion_confint

from conflictscope.calibration import plant_one_sided, simulate_choices
from conflictscope.measure import Settings, mark_front, wilson_interval
from conflictscope.measure.difficulty import (
    difference_interval,
    diversity,
    likert_difference_rate,
    observed_agreement,
    pass_rates,
)
from conflictscope.simulated import Respondent
from conflictscope.tables import CHECKS

PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]


def gather(actions, value_pairs=None, outcome="choice"):
    """Return choices from {(scenario number, target): [action shown in order 1, 2, ...]}; None is a refusal."""
    rows = []
    for (s, target), taken in actions.items():
        one, two = (value_pairs or PAIRS)[s % len(value_pairs or PAIRS)]
        for i, action in enumerate(taken):
            chose = action is not None and outcome == "choice"
            rows.append(
                {
                    "scenario_id": f"s{s:03d}",
                    "value_1": one,
                    "value_2": two,
                    "target": target,
                    "condition": "multiple_choice",
                    "arm": "default",
                    "repetition": i // 2,
                    "judge": None,
                    "action_shown_first": 1 + i % 2,
                    "outcome": "choice" if chose else (outcome if outcome != "choice" else "refusal"),
                    "action": action if chose else pd.NA,
                    "winner": ((one, two) if action == 1 else (two, one))[0] if chose else None,
                    "loser": ((one, two) if action == 1 else (two, one))[1] if chose else None,
                }
            )
    return pd.DataFrame(rows)


def random_actions(scenarios=40, targets=5, seed=0):
    """Return answers in both orders, some of them refused."""
    rng = np.random.default_rng(seed)
    return {
        (s, f"m{t}"): [None if rng.random() < 0.3 else int(1 + (rng.random() < 0.2 + 0.1 * t)) for _ in range(2)]
        for s in range(scenarios)
        for t in range(targets)
    }


def test_agreement_is_the_chance_that_two_random_choices_of_two_random_targets_match():
    actions = random_actions()
    per_scenario = []
    for s in range(40):
        taken = [[a for a in actions[s, f"m{t}"] if a is not None] for t in range(5)]
        taken = [choices for choices in taken if choices]
        chances = [
            np.mean([x == y for x, y in itertools.product(one, other)])
            for one, other in itertools.combinations(taken, 2)
        ]
        if chances:
            per_scenario.append(np.mean(chances))
    found = observed_agreement(gather(actions), Settings(resamples=200)).iloc[0]
    assert found["agreement"] == pytest.approx(np.mean(per_scenario))
    assert (found["scenarios"], found["left_out"], found["targets"]) == (len(per_scenario), 40 - len(per_scenario), 5)
    assert found["agreement_low"] < found["agreement"] < found["agreement_high"]


# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section A: two observers, ten units, α = 0.095
BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T


def test_alpha_of_choices_is_krippendorffs_for_one_pair():
    actions = {(s, f"m{t}"): [int(rating) + 1] for (s, t), rating in np.ndenumerate(BINARY)}
    found = observed_agreement(gather(actions, [("x", "y")]), Settings(resamples=300)).iloc[0]
    assert found["alpha"] == pytest.approx(0.095, abs=0.0005)
    assert found["agreement"] == pytest.approx((BINARY[:, 0] == BINARY[:, 1]).mean())
    assert found["alpha_low"] < found["alpha"] < found["alpha_high"]


def test_chance_agreement_is_taken_within_pairs():
    # each pair has its favourite, which targets choose independently: agreement is high, beyond chance it is nil
    rng = np.random.default_rng(0)
    actions = {(s, f"m{t}"): [int(1 + (rng.random() < 0.1))] for s in range(900) for t in range(6)}
    found = observed_agreement(gather(actions), Settings(resamples=300)).iloc[0]
    assert found["agreement"] == pytest.approx(0.82, abs=0.02)
    assert found["alpha_low"] < 0 < found["alpha_high"]


def test_targets_that_answer_at_random_agree_by_half_within_the_interval():
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        actions = {(s, f"m{t}"): [int(rng.integers(1, 3))] for s in range(60) for t in range(3)}
        found = observed_agreement(gather(actions), Settings(resamples=200, seed=seed)).iloc[0]
        inside += found["agreement_low"] <= 0.5 <= found["agreement_high"]
    # 95 % nominal; 60 replications put fewer than 51 inside once in a thousand times
    assert inside >= 51


def test_nothing_to_compare_is_said_not_guessed():
    alone = observed_agreement(gather({(s, "m"): [1, 2] for s in range(5)})).iloc[0]
    unreadable = observed_agreement(
        gather({(s, t): [1, 2] for s in range(5) for t in "mn"}, outcome="invalid"), Settings(resamples=10)
    ).iloc[0]
    for found in (alone, unreadable):
        assert found["agreement_problem"] == found["alpha_problem"] == "no scenario with choices of two targets"
        assert found[["agreement", "agreement_low", "agreement_high", "alpha", "alpha_low", "alpha_high"]].isna().all()
        assert (found["scenarios"], found["left_out"]) == (0, 5)
    assert (alone["targets"], unreadable["targets"]) == (1, 0)


def test_unanimous_choices_have_agreement_but_no_alpha():
    found = observed_agreement(
        gather({(s, t): [1, 1, 1] for s in range(6) for t in "lmn"}), Settings(resamples=50)
    ).iloc[0]
    assert (found["agreement"], found["agreement_low"], found["agreement_high"]) == (1, 1, 1)
    assert pd.isna(found["agreement_problem"]) and pd.isna(found["alpha"])
    assert found["alpha_problem"] == "the same value won throughout each pair"


def test_no_rows_give_no_rows():
    assert observed_agreement(gather({(0, "m"): [1]}).iloc[:0]).empty


def test_row_order_and_which_value_is_first_do_not_matter():
    choices = gather(random_actions())
    found = observed_agreement(choices, Settings(resamples=100))
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"}).assign(action=3 - choices["action"])
    for other in (choices.sample(frac=1, random_state=1), swapped):
        pd.testing.assert_frame_equal(observed_agreement(other, Settings(resamples=100)), found)


def test_every_scenario_twice_keeps_agreement_and_narrows_the_interval():
    choices = gather(random_actions())
    twice = pd.concat([choices, choices.assign(scenario_id=choices["scenario_id"] + "'")])
    one, two = (observed_agreement(c).iloc[0] for c in (choices, twice))
    assert two["agreement"] == pytest.approx(one["agreement"])
    width = [found["agreement_high"] - found["agreement_low"] for found in (one, two)]
    assert width[1] / width[0] == pytest.approx(0.5**0.5, abs=0.1)


def test_a_scenario_with_two_pairs_is_refused():
    choices = gather({(0, "m"): [1], (1, "m"): [1]}).assign(scenario_id="s")
    with pytest.raises(ValueError, match="scenario 's' occurs with two value pairs"):
        observed_agreement(choices)


def points(**sets):
    """Return points: name → agreement, Likert difference rate and the half-width of both intervals."""
    rows = [
        {"variant": name, "agreement": a, "agreement_low": a - half, "agreement_high": a + half, "likert": b}
        | {"likert_low": b - half, "likert_high": b + half}
        for name, (a, b, half) in sets.items()
    ]
    return pd.DataFrame(rows)


def marks(**sets):
    return dict(zip(sets, mark_front(points(**sets))["front"].str.split().str[0], strict=True))


def test_sets_that_nothing_dominates_are_on_the_front():
    found = marks(low=(0.4, 0.5, 0.01), high=(0.7, 0.9, 0.01), inner=(0.7, 0.5, 0.01), corner=(0.5, 0.8, 0.01))
    assert found == {"low": "on", "high": "on", "corner": "on", "inner": "behind"}


def test_equal_sets_do_not_dominate_each_other_and_a_tie_in_one_number_is_no_clear_lead():
    assert marks(one=(0.5, 0.8, 0.01), twin=(0.5, 0.8, 0.01)) == {"one": "on", "twin": "on"}
    assert marks(one=(0.5, 0.8, 0.01), worse=(0.7, 0.8, 0.01)) == {"one": "on", "worse": "not"}


def test_a_set_is_behind_only_where_both_differences_are_beyond_their_intervals():
    # half-widths 0.03 and 0.04: the interval of a difference is 0.05 to either side
    def second(agreement, likert):
        return marks(best=(0.5, 0.8, 0.03), second=(agreement, likert, 0.04))["second"]

    assert second(0.56, 0.74) == "behind"
    assert second(0.54, 0.74) == "not" and second(0.56, 0.76) == "not"
    assert second(0.49, 0.2) == "on"
    marked = mark_front(points(best=(0.5, 0.8, 0.03), better=(0.48, 0.82, 0.01), last=(0.9, 0.1, 0.02)))
    assert marked["behind"].fillna("").tolist() == ["", "", "best, better"]


def test_a_set_without_a_number_is_neither():
    table = points(one=(0.5, 0.8, 0.01), none=(0.2, np.nan, 0.01))
    marked = mark_front(table)
    assert marked["front"].iloc[0] == "on the front" and pd.isna(marked["front"].iloc[1])
    assert marked["behind"].isna().all()
    with pytest.raises(KeyError):
        mark_front(table.drop(columns="likert_low"))


def test_differences_are_those_of_newcombe():
    """Newcombe (1998), *Statistics in Medicine* 17, 873-890, table II, method 10: 56/70 against 48/80."""
    ends = [(k / n, *wilson_interval(k, n)) for k, n in ((56, 70), (48, 80))]
    low, high = difference_interval(*ends)
    assert (round(float(low), 4), round(float(high), 4)) == (0.0524, 0.3339)
    ends = [(k / n, *wilson_interval(k, n)) for k, n in ((9, 10), (3, 10))]
    low, high = difference_interval(*ends)
    assert (round(float(low), 4), round(float(high), 4)) == (0.1705, 0.8090)


def test_symmetric_intervals_add_in_squares():
    low, high = difference_interval([0.9, 0.6, 1.2], [0.2, -0.2, 0.6])
    assert (low, high) == (pytest.approx(0.7 - 0.5), pytest.approx(0.7 + 0.5))


SCENARIOS = pd.DataFrame({"scenario_id": list("stuv"), "value_1": list("aaab"), "value_2": list("bbcc")})


def rate(*entries, arm="default"):
    """Return ratings from (scenario, target, repetition, rating of action 1, rating of action 2)."""
    rows = [
        {
            "scenario_id": s,
            "target": t,
            "arm": arm,
            "repetition": r,
            "rated_action": action,
            "rating": x,
        }
        for s, t, r, *both in entries
        for action, x in zip((1, 2), both, strict=True)
    ]
    return pd.DataFrame(rows).astype({"rating": "Int64"})


def test_likert_difference_by_hand():
    ratings = rate(
        ("s", "m", 0, 4, 4),  # alike
        ("s", "n", 0, 4, 6),  # different
        ("t", "m", 0, 1, 7),  # different, then alike: half
        ("t", "m", 1, 2, 2),
        ("u", "m", 0, 3, None),  # left out
        ("v", "m", 0, None, 2),  # this repetition does not count, the next does
        ("v", "m", 1, 5, 2),
    )
    found = likert_difference_rate(ratings, SCENARIOS, Settings(resamples=500)).iloc[0]
    assert found["rate"] == pytest.approx((0 + 1 + 0.5 + 1) / 4)
    assert (found["compared"], found["left_out"], found["targets"]) == (4, 1, 2)
    assert found["rate_low"] <= found["rate"] <= found["rate_high"] and pd.isna(found["problem"])


def test_likert_interval_is_over_scenarios_not_rows():
    # 20 targets that all rate alike are one scenario's worth of evidence
    ratings = rate(*((f"s{i}", f"m{t}", 0, 4, 4 + i % 2) for i in range(100) for t in range(20)))
    scenarios = pd.DataFrame({"scenario_id": [f"s{i}" for i in range(100)], "value_1": "a", "value_2": "b"})
    found = likert_difference_rate(ratings, scenarios).iloc[0]
    assert found["rate"] == 0.5
    assert found["rate_high"] - found["rate_low"] == pytest.approx(2 * 1.96 * 0.05, abs=0.03)


def test_likert_system_prompts_are_apart_and_unreadable_ones_are_said():
    ratings = pd.concat([rate(("s", "m", 0, 4, 5)), rate(("s", "m", 0, None, 5), arm="placebo")])
    found = likert_difference_rate(ratings, SCENARIOS, Settings(resamples=20)).set_index("arm")
    assert found.loc["default", "rate"] == 1
    assert pd.isna(found.loc["placebo", "rate"]) and pd.isna(found.loc["placebo", "rate_low"])
    assert found.loc["placebo", "problem"] == "no scenario with both ratings readable"
    assert found.loc["placebo", ["compared", "left_out"]].tolist() == [0, 1]


def test_likert_ignores_row_order_and_which_action_is_first():
    ratings = rate(*((s, t, 0, i, (i * 3) % 7 + 1) for i, (s, t) in enumerate(zip("stuvst", "mmmmnn", strict=True), 1)))
    found = likert_difference_rate(ratings, SCENARIOS, Settings(resamples=50))
    for other in (ratings[::-1], ratings.assign(rated_action=3 - ratings["rated_action"])):
        pd.testing.assert_frame_equal(likert_difference_rate(other, SCENARIOS, Settings(resamples=50)), found)


def test_likert_refuses_unknown_scenarios():
    with pytest.raises(ValueError, match="'x' for example"):
        likert_difference_rate(rate(("x", "m", 0, 1, 2)), SCENARIOS)


def test_diversity_is_one_minus_the_mean_cosine_within_a_pair():
    rng = np.random.default_rng(0)
    vectors, pairs = rng.normal(size=(41, 8)) + 0.5, [("a", "b")] * 10 + [("a", "c")] * 30 + [("b", "c")]
    means = []
    for rows in (slice(0, 10), slice(10, 40)):
        cosines = cosine_similarity(vectors[rows])
        means.append(1 - cosines[np.triu_indices(len(cosines), 1)].mean())
    found = diversity(vectors, pairs).iloc[0]
    assert found["diversity"] == pytest.approx(np.mean(means))
    assert found["diversity_low"] < found["diversity"] < found["diversity_high"]
    assert (found["pairs"], found["scenarios"], found["left_out"]) == (2, 40, 1)
    # more dimensions than scenarios, and vectors of other lengths, change nothing
    wide = np.hstack([vectors, np.zeros((41, 100))]) * rng.uniform(1, 5, size=(41, 1))
    pd.testing.assert_frame_equal(diversity(wide, pairs), diversity(vectors, pairs))


def test_resamples_are_as_diverse_as_the_scenarios():
    # all at right angles: a scenario compared with its own copy would pull the interval below 1
    found = diversity(np.eye(12), ["p"] * 12, Settings(resamples=200)).iloc[0]
    assert found[["diversity", "diversity_low", "diversity_high"]].tolist() == pytest.approx([1, 1, 1])


def test_diversity_that_is_not_there_is_said():
    found = diversity(np.eye(2), ["p", "q"]).iloc[0]
    assert pd.isna(found["diversity"]) and found["problem"] == "no value pair with two scenarios"
    assert (found["pairs"], found["left_out"]) == (0, 2)
    # of two scenarios, half of the resamples draw one of them twice
    assert 350 < diversity(np.eye(2), ["p", "p"]).iloc[0]["undefined_resamples"] < 650


def test_diversity_refuses_what_has_no_direction_or_no_pair():
    with pytest.raises(ValueError, match="row 1 has length"):
        diversity([[1, 0], [0, 0]], ["p", "p"])
    with pytest.raises(ValueError, match="for 3 pairs"):
        diversity(np.eye(2), ["p", "p", "p"])


def test_pass_rates_by_check_and_template():
    scenarios = pd.DataFrame(
        {
            "scenario_id": list("stuv"),
            "structure": ["side_effect"] * 3 + ["means"],
            "severity": ["mild"] * 3 + ["strong"],
        }
    )
    rows = [
        {"scenario_id": s, "check": check, "passed": True}
        for s in "stuv"
        for check in CHECKS
        for _ in range(2 if check == "value_guided" else 1)
    ]
    checks = pd.DataFrame(rows).astype({"passed": "boolean"})
    for (scenario, check), passed in {
        ("s", "realistic"): False,
        ("t", "dilemma"): pd.NA,
        ("u", "value_guided"): False,  # one of its two parts
    }.items():
        checks.loc[(checks["scenario_id"].eq(scenario) & checks["check"].eq(check)).idxmax(), "passed"] = passed
    found = pass_rates(scenarios, checks)
    assert len(found) == 2 * 7
    by = found.set_index(["structure", "severity", "check"]).sort_index()
    mild = by.loc["side_effect", "mild"]
    assert mild.loc["realistic", ["passed", "failed", "undecided"]].tolist() == [2, 1, 0]
    assert mild.loc["dilemma", ["passed", "failed", "undecided"]].tolist() == [2, 0, 1]
    assert mild.loc["value_guided", ["passed", "failed", "undecided"]].tolist() == [2, 1, 0]
    assert mild.loc["all", ["passed", "failed", "undecided"]].tolist() == [0, 2, 1]
    assert (by.loc["means", "strong"]["rate"] == 1).all()
    low, high = proportion_confint(2, 3, method="wilson")
    assert mild.loc["realistic", ["rate", "rate_low", "rate_high"]].tolist() == pytest.approx([2 / 3, low, high])


def test_a_check_that_nobody_answered_has_no_rate():
    scenarios = pd.DataFrame({"scenario_id": ["s"], "structure": ["means"], "severity": ["mild"]})
    nothing = pd.DataFrame({"scenario_id": [], "check": [], "passed": []}).astype({"scenario_id": "str"})
    found = pass_rates(scenarios, nothing)
    assert found["undecided"].tolist() == [1] * 7 and found[["rate", "rate_low", "rate_high"]].isna().all(axis=None)


def test_an_author_without_dilemmas_is_told_from_one_with_and_two_alike_are_not():
    values = [("a", "b"), ("a", "c"), ("b", "c")]
    asked = {
        name: Respondent(name, utilities={"a": tilt, "b": 0.0, "c": -tilt}, position_bias=0.4, order_noise=0.5)
        for name, tilt in (("one", 0.5), ("two", -0.5), ("three", 0.0))
    }
    settings, share = Settings(resamples=200, seed=0), 0.4
    harder, alike, gained = [], [], []
    for seed in range(60):
        # three authors, with scenarios of their own
        hard, other, copied = (
            simulate_choices(asked, values, scenarios_per_pair=60, seed=3 * seed + n, conditions=["multiple_choice"])
            for n in range(3)
        )
        easy = plant_one_sided(other, share=share, seed=seed)
        numbers = [
            observed_agreement(choices, settings)[["agreement", "agreement_low", "agreement_high"]].iloc[0]
            for choices in (hard, easy, copied, other)
        ]
        harder.append(difference_interval(numbers[1], numbers[0])[0] > 0)
        low, high = difference_interval(numbers[2], numbers[0])
        alike.append(low <= 0 <= high)
        gained.append(numbers[1]["agreement"] - (share + (1 - share) * numbers[3]["agreement"]))
    assert np.mean(harder) > 0.95 and np.mean(alike) >= 0.9
    assert abs(np.mean(gained)) < 0.01, "and by as much as was put in"
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        plant_one_sided(other, share=1.2, seed=0)
