"""Agreement against brute force, Krippendorff's published examples and known truth."""

import itertools

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure.difficulty import krippendorff_alpha, observed_agreement

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
    found = observed_agreement(gather(actions), resamples=200).iloc[0]
    assert found["agreement"] == pytest.approx(np.mean(per_scenario))
    assert (found["scenarios"], found["left_out"], found["targets"]) == (len(per_scenario), 40 - len(per_scenario), 5)
    assert found["agreement_low"] < found["agreement"] < found["agreement_high"]


# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: section A (two observers, ten units, binary, α =
# 0.095) and section C (four observers, twelve units, nominal, missing data, α = 0.743)
BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
NOMINAL = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
).T


def test_alpha_of_krippendorffs_examples():
    assert krippendorff_alpha(BINARY) == pytest.approx(0.095, abs=0.0005)
    assert krippendorff_alpha(NOMINAL) == pytest.approx(0.743, abs=0.0005)
    assert krippendorff_alpha(NOMINAL.astype(float)) == krippendorff_alpha(NOMINAL)


def test_alpha_does_not_depend_on_names_or_order():
    named = np.vectorize(lambda x: None if x is None else f"category {x}", otypes=[object])(NOMINAL)
    assert krippendorff_alpha(named[::-1, ::-1]) == pytest.approx(krippendorff_alpha(NOMINAL))


@pytest.mark.parametrize("ratings", [[[1, 1], [1, 1]], [[1, None], [None, 2]], np.empty((0, 3))])
def test_alpha_is_not_defined_without_variation_or_two_ratings_of_a_unit(ratings):
    assert np.isnan(krippendorff_alpha(ratings))


def test_alpha_refuses_a_list():
    with pytest.raises(ValueError, match="expected two, units × raters"):
        krippendorff_alpha([1, 2, 3])


def test_alpha_of_choices_is_krippendorffs_for_one_pair():
    actions = {(s, f"m{t}"): [int(rating) + 1] for (s, t), rating in np.ndenumerate(BINARY)}
    found = observed_agreement(gather(actions, [("x", "y")]), resamples=300).iloc[0]
    assert found["alpha"] == pytest.approx(krippendorff_alpha(BINARY))
    assert found["agreement"] == pytest.approx((BINARY[:, 0] == BINARY[:, 1]).mean())
    assert found["alpha_low"] < found["alpha"] < found["alpha_high"]


def test_chance_agreement_is_taken_within_pairs():
    # each pair has its favourite, which targets choose independently: agreement is high, beyond chance it is nil
    rng = np.random.default_rng(0)
    actions = {(s, f"m{t}"): [int(1 + (rng.random() < 0.1))] for s in range(900) for t in range(6)}
    found = observed_agreement(gather(actions), resamples=300).iloc[0]
    assert found["agreement"] == pytest.approx(0.82, abs=0.02)
    assert found["alpha_low"] < 0 < found["alpha_high"]


def test_targets_that_answer_at_random_agree_by_half_within_the_interval():
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        actions = {(s, f"m{t}"): [int(rng.integers(1, 3))] for s in range(60) for t in range(3)}
        found = observed_agreement(gather(actions), resamples=200, seed=seed).iloc[0]
        inside += found["agreement_low"] <= 0.5 <= found["agreement_high"]
    # 95 % nominal; 60 replications put fewer than 51 inside once in a thousand times
    assert inside >= 51


def test_nothing_to_compare_is_said_not_guessed():
    alone = observed_agreement(gather({(s, "m"): [1, 2] for s in range(5)})).iloc[0]
    unreadable = observed_agreement(
        gather({(s, t): [1, 2] for s in range(5) for t in "mn"}, outcome="invalid"), resamples=10
    ).iloc[0]
    for found in (alone, unreadable):
        assert found["agreement_problem"] == found["alpha_problem"] == "no scenario with choices of two targets"
        assert found[["agreement", "agreement_low", "agreement_high", "alpha", "alpha_low", "alpha_high"]].isna().all()
        assert (found["scenarios"], found["left_out"]) == (0, 5)
    assert (alone["targets"], unreadable["targets"]) == (1, 0)


def test_unanimous_choices_have_agreement_but_no_alpha():
    found = observed_agreement(gather({(s, t): [1, 1, 1] for s in range(6) for t in "lmn"}), resamples=50).iloc[0]
    assert (found["agreement"], found["agreement_low"], found["agreement_high"]) == (1, 1, 1)
    assert pd.isna(found["agreement_problem"]) and pd.isna(found["alpha"])
    assert found["alpha_problem"] == "the same value won throughout each pair"


def test_no_rows_give_no_rows():
    assert observed_agreement(gather({(0, "m"): [1]}).iloc[:0]).empty


def test_row_order_and_which_value_is_first_do_not_matter():
    choices = gather(random_actions())
    found = observed_agreement(choices, resamples=100)
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"}).assign(action=3 - choices["action"])
    for other in (choices.sample(frac=1, random_state=1), swapped):
        pd.testing.assert_frame_equal(observed_agreement(other, resamples=100), found)


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
