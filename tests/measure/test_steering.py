"""Steering worked out by hand, against planted effects, and where there is nothing to measure."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as t_distribution

from conflictscope.measure import Settings
from conflictscope.measure.judge_errors import JudgeErrors
from conflictscope.measure.steering import correct_steering, headroom_gained, moved_choices, steering_effects
from conflictscope.table_files import check_table

MEASURES = ("effect", "placebo", "over_placebo", "leakage")


def gather(pairs, answers, target="m"):
    """Return choices.

    `pairs` is scenario → its two values in one word, ``"ab"``; `answers` is system prompt → for each scenario the
    winners in one word: a letter for each answer, ``-`` a refusal.
    """
    rows = []
    for arm, by_scenario in answers.items():
        for (scenario, (one, two)), winners in zip(pairs.items(), by_scenario.split(), strict=True):
            for i, winner in enumerate(winners):
                chose = winner != "-"
                rows.append(
                    {
                        "scenario_id": scenario,
                        "value_1": one,
                        "value_2": two,
                        "structure": "means",
                        "severity": "mild",
                        "acting_value": one,
                        "target": target,
                        "condition": "multiple_choice",
                        "arm": arm,
                        "repetition": i // 2,
                        "judge": None,
                        "action_shown_first": 1 + i % 2,
                        "outcome": "choice" if chose else "refusal",
                        "action": (1 if winner == one else 2) if chose else pd.NA,
                        "winner": winner if chose else None,
                        "loser": (two if winner == one else one) if chose else None,
                    }
                )
    return check_table(pd.DataFrame(rows), "choices")


FOUR = {"s1": "ab", "s2": "ac", "s3": "bc", "s4": "ab"}
NINE = {f"s{i}": pair for i, pair in enumerate(["ab"] * 3 + ["ac"] * 3 + ["bc"] * 3, start=1)}


def test_one_changed_scenario_by_hand():
    # toward c > b > a, only s4 follows by default: a_d = 1/4. Steering moves s2: a_s = 2/4, effect (1/4) / (3/4).
    # The placebo loses s4: a = 0, which is (−1/4) / (3/4) as a plain ratio. What is lost beyond the headroom is divided
    # by the headroom + φ: 3 scenarios against, sum of squares within pairs 1, yes or no 3/4, φ = 4/3.
    choices = gather(FOUR, {"default": "a a b b", "steered:c>b>a": "a c b b", "placebo": "a a b a"})
    by_ranking, averages = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=200))
    found = by_ranking.iloc[0]
    assert found[["before", "after"]].tolist() == [1 / 4, 2 / 4]
    assert found[["scenarios", "left_out", "moved_toward", "moved_away"]].tolist() == [4, 0, 1, 0]
    assert found["effect"] == pytest.approx(1 / 3)
    assert found["placebo"] == pytest.approx(-1 / (3 + 4 / 3))
    assert found["over_placebo"] == pytest.approx(1 / 3 + 1 / (3 + 4 / 3))
    # c, which never wins, is the weakest; the target ranking turns every pair
    assert found["leakage_problem"] == "the target ranking orders every pair differently from the default"
    assert averages.iloc[0]["rankings"] == 1
    assert averages.iloc[0]["effect"] == pytest.approx(1 / 3)

    moves = moved_choices(choices, {"c>b>a": "cba"}).set_index("scenario_id")
    assert moves["moved"].to_dict() == {"s1": "stayed", "s2": "toward", "s3": "stayed", "s4": "stayed"}
    assert moves.loc["s2", ["wanted", "other", "before", "after", "movement"]].tolist() == ["c", "a", 0, 1, 1]


def test_leakage_by_hand():
    # by default a > b > c, two to one in each pair; b > a > c asks for another order of a and b only. Steering moves
    # s1 (asked for) and s6 (a, c: not asked for): leakage is 1 of the 6 scenarios of the two other pairs
    choices = gather(NINE, {"default": "a a b a a c b b c", "steered:b>a>c": "b a b a a a b b c"})
    found = steering_effects(choices, {"b>a>c": "bac"}, Settings(resamples=200))[0].iloc[0]
    assert found["effect"] == pytest.approx((7 / 9 - 5 / 9) / (4 / 9))
    assert found["leakage"] == pytest.approx(1 / 6)
    assert found["leakage_pairs"] == 2
    assert found["leakage_low"] <= found["leakage"] <= found["leakage_high"]
    assert found["placebo_problem"] == "not asked under placebo"
    assert found["over_placebo_problem"] == "placebo: not asked under placebo"


def test_the_reverse_of_the_default_leaves_no_pair_to_leak():
    choices = gather(NINE, {"default": "a a b a a c b b c", "steered:c>b>a": "b a b a a a b b c"})
    found = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=20))[0].iloc[0]
    assert pd.isna(found["leakage"]) and found["leakage_pairs"] == 0
    assert found["leakage_problem"] == "the target ranking orders every pair differently from the default"


def test_several_answers_to_a_scenario_are_averaged():
    # s1 gives half a choice to b; s4 has one readable answer and weighs as much as the others
    choices = gather(FOUR, {"default": "ab aa bb -b", "steered:c>b>a": "bb cc bb bb"})
    found = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=20))[0].iloc[0]
    assert found["before"] == pytest.approx((0.5 + 0 + 0 + 1) / 4)
    assert found["after"] == pytest.approx(3 / 4)
    assert found["moved_toward"] == 2


def test_a_scenario_needs_a_choice_under_both():
    choices = gather(FOUR, {"default": "a a b -", "steered:c>b>a": "b - b b"})
    found = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=20))[0].iloc[0]
    assert found[["before", "after", "scenarios", "left_out"]].tolist() == [0, 0.5, 2, 2]
    moves = moved_choices(choices, {"c>b>a": "cba"}).set_index("scenario_id")["moved"]
    assert moves.to_dict() == {"s1": "toward", "s2": "no_choice", "s3": "stayed", "s4": "no_choice"}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        (
            {"default": "b c c b", "steered:c>b>a": "b c c b"},
            "no headroom: every default choice follows the order already",
        ),
        ({"steered:c>b>a": "b c c b"}, "not asked under default"),
        (
            {"default": "a a - -", "steered:c>b>a": "- - b b"},
            "no scenario with a choice under both default and steering",
        ),
        (
            {"default": "- - - -", "steered:c>b>a": "- - - -"},
            "no scenario with a choice under both default and steering",
        ),
    ],
)
def test_an_effect_that_is_not_defined_says_why(answers, problem):
    choices = gather(FOUR, answers)
    by_ranking, averages = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=20))
    found = by_ranking.iloc[0]
    assert found["effect_problem"] == averages.iloc[0]["effect_problem"] == problem
    assert found[["effect", "effect_low", "effect_high"]].isna().all()
    for measure in MEASURES:  # a number or a reason, never neither
        assert found[[measure]].isna().all() == pd.notna(found[f"{measure}_problem"])
    assert len(moved_choices(choices, {"c>b>a": "cba"})) == 4


def test_hardly_any_headroom_leaves_the_lower_end_open():
    pairs = {f"s{i}": "ab" for i in range(10)}
    choices = gather(pairs, {"default": "a " * 9 + "b", "steered:a>b": "a " * 10})
    found = steering_effects(choices, {"a>b": "ab"})[0].iloc[0]
    assert found[["effect", "effect_high"]].tolist() == [1, 1] and np.isneginf(found["effect_low"])


def planted(seed, *, scenarios=120, before=0.3, steered=0.5, targets=("m",)):
    """Return choices toward c > b > a at rate `before`; under steering the others follow at rate `steered`."""
    rng = np.random.default_rng(seed)
    prompts = ["default", "placebo", "steered:c>b>a"]
    rows = pd.MultiIndex.from_product(
        [targets, prompts, range(scenarios)], names=["target", "arm", "scenario_id"]
    ).to_frame(index=False)
    pair = rows["scenario_id"].map(lambda scenario: ("ab", "ac", "bc")[scenario % 3])
    follows = rng.random((len(targets), scenarios)) < before
    also = follows | (rng.random(follows.shape) < steered)
    following = np.stack([follows, follows, also], axis=1).ravel()
    one, two = pair.str[0], pair.str[1]
    return rows.assign(
        scenario_id=rows["scenario_id"].map("s{:04d}".format),
        condition="multiple_choice",
        judge=None,
        value_1=one,
        value_2=two,
        acting_value=one,
        outcome="choice",
        action_shown_first=1,
        action=1 + following,
        winner=two.where(following, one),
        loser=one.where(following, two),
    )


def test_planted_effects_lie_within_their_intervals():
    # 200 targets, each a replication
    choices = planted(0, targets=[f"m{i}" for i in range(200)])
    found = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=500))[0]
    assert (found["placebo"] == 0).all() and found[["placebo_low", "placebo_high"]].abs().max(axis=None) < 1e-6
    # sd of one estimate: half of 84 scenarios, √(0.25 / 84) = 0.055
    assert found["effect"].mean() == pytest.approx(0.5, abs=4 * 0.055 / 200**0.5)
    # 95 % nominal; of 200 replications fewer than 180 or more than 199 lie inside once in a few hundred times
    assert 180 <= ((found["effect_low"] <= 0.5) & (found["effect_high"] >= 0.5)).sum() <= 199


def test_intervals_are_paired():
    # the two system prompts share the scenarios' differences; unpaired, the interval would be much wider
    found = steering_effects(planted(0, before=0.5, steered=0.02), {"c>b>a": "cba"})[0].iloc[0]
    assert found["effect_high"] - found["effect_low"] < 0.12


def test_averages_are_shares_of_the_headroom_of_all_rankings():
    values, pairs = "abc", {f"s{i}": pair for i, pair in enumerate(["ab", "ac", "bc"] * 20)}
    rng = np.random.default_rng(3)
    orders = {">".join(order): order for order in itertools.permutations(values)}
    prompts = ["default", "placebo", *(f"steered:{name}" for name in orders)]
    answers = {p: " ".join(pair[rng.integers(2)] for pair in pairs.values()) for p in prompts}
    by_ranking, averages = steering_effects(gather(pairs, answers), orders, Settings(resamples=100))
    assert len(by_ranking) == 6 and averages.iloc[0]["rankings"] == 6
    for measure in MEASURES:
        assert averages.iloc[0][f"{measure}_low"] <= averages.iloc[0][measure] <= averages.iloc[0][f"{measure}_high"]
    headroom = (1 - by_ranking["before"]) * by_ranking["scenarios"]
    gained = (by_ranking["after"] - by_ranking["before"]) * by_ranking["scenarios"]
    assert averages.iloc[0]["effect"] == pytest.approx(gained.sum() / headroom.sum(), abs=0.01)
    # over all orders more is known than over one
    width = (by_ranking["effect_high"] - by_ranking["effect_low"]).mean()
    assert averages.iloc[0]["effect_high"] - averages.iloc[0]["effect_low"] < width


def test_row_order_other_targets_and_which_value_is_first_do_not_matter():
    choices = planted(0, scenarios=30, targets=("m", "n"))
    swapped = choices.rename(columns={"value_1": "value_2", "value_2": "value_1"}).assign(action=3 - choices["action"])
    found = steering_effects(choices, {"c>b>a": "cba"}, Settings(resamples=50))
    for other in (choices.sample(frac=1, random_state=1), swapped):
        for one, two in zip(steering_effects(other, {"c>b>a": "cba"}, Settings(resamples=50)), found, strict=True):
            pd.testing.assert_frame_equal(one, two)
    alone = steering_effects(choices[choices["target"].eq("m")], {"c>b>a": "cba"}, Settings(resamples=50))[0]
    pd.testing.assert_frame_equal(alone, found[0][found[0]["target"].eq("m")])


def test_new_names_for_the_values_change_nothing_but_the_draws():
    choices, names = planted(0, scenarios=300), {"a": "z", "b": "y", "c": "x"}
    columns = ["value_1", "value_2", "winner", "loser", "acting_value"]
    renamed = choices.assign(**{column: choices[column].map(names) for column in columns})
    one = steering_effects(choices, {"c>b>a": "cba"})[0].iloc[0]
    two = steering_effects(renamed, {"c>b>a": "xyz"})[0].iloc[0]
    for column in ("before", "after", "effect", "placebo", "leakage_pairs"):
        assert one[column] == pytest.approx(two[column])
    assert two["effect_low"] == pytest.approx(one["effect_low"], abs=0.02)


def test_every_scenario_twice_keeps_the_effect_and_narrows_the_interval():
    choices = planted(0)
    twice = pd.concat([choices, choices.assign(scenario_id=choices["scenario_id"] + "'")], ignore_index=True)
    one, two = (steering_effects(c, {"c>b>a": "cba"})[0].iloc[0] for c in (choices, twice))
    assert two["effect"] == pytest.approx(one["effect"]) and two["scenarios"] == 2 * one["scenarios"]
    width = [found["effect_high"] - found["effect_low"] for found in (one, two)]
    assert width[1] / width[0] == pytest.approx(0.5**0.5, abs=0.1)


@pytest.mark.parametrize("order", ["ab", "abcc"])
def test_an_order_that_is_not_full_is_refused(order):
    choices = gather(FOUR, {"default": "a a b b", "steered:x": "a a b b"})
    for measure in (moved_choices, steering_effects):
        with pytest.raises(ValueError, match="expected a full order"):
            measure(choices, {"x": order})


def test_steered_choices_without_their_order_and_orders_without_choices_are_refused():
    choices = gather(FOUR, {"default": "a a b b", "steered:x": "a a b b"})
    with pytest.raises(ValueError, match=r"\['x'\] are in the choices but not among \['y'\]"):
        steering_effects(choices, {"y": "abc"})
    default = choices[choices["arm"].eq("default")]
    for measure in (steering_effects, moved_choices):
        with pytest.raises(ValueError, match="expected at least one that begins with 'steered:'"):
            measure(default, {"x": "abc"})


def test_headroom_is_not_biased_by_how_little_there_is():
    rng = np.random.default_rng(1)
    before, after = (rng.random((20_000, 51)) < 0.1).astype(float), (rng.random((20_000, 51)) < 0.1).astype(float)
    found = headroom_gained(before, after, strata=np.repeat(range(3), 17))
    known = np.isfinite(found.effect)
    plain = 1 - after[known].sum(axis=1) / before[known].sum(axis=1)
    assert plain.mean() < -0.2
    assert abs(found.effect[known].mean()) < 0.04
    assert ((found.low <= 0) & (found.high >= 0))[known].mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("gained", [0.0, 0.5])
def test_what_studies_without_headroom_leave_out_is_as_large_as_said(gained):
    rng = np.random.default_rng(3)
    expected, found = 3.0, []
    for _ in range(20):  # many scenarios with little chance each: as good as Poisson
        before, after = (rng.random((4000, 200)) < expected / 200 * share for share in (1, 1 - gained))
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = headroom_gained(before.astype(float), after.astype(float)).effect
        assert (np.isnan(effect) == ~before.any(axis=1)).all()
        found.append(np.nanmean(effect) - gained)
    bias = (1 - gained) * expected / np.expm1(expected)
    assert np.mean(found) == pytest.approx(bias, abs=0.015) and bias > 0.07


def test_fiellers_interval_holds_just_the_ratios_that_are_not_rejected():
    rng = np.random.default_rng(2)
    before, after = (rng.random(80) < 0.5).astype(float), (rng.random(80) < 0.3).astype(float)
    found = headroom_gained(before, after)
    for end in (found.low, found.high):
        left = after - (1 - end) * before
        t = left.sum() / np.sqrt(80 * left.var(ddof=1))
        assert abs(t) == pytest.approx(t_distribution.isf(0.025, 79), rel=1e-6)


def test_little_headroom_leaves_the_lower_end_open():
    before = np.r_[1.0, np.zeros(50)]
    assert np.isneginf(headroom_gained(before, np.roll(before, 3)).low)


def misread(choices, rates, seed):
    """Return open-ended choices as a judge reads them that takes so large a share of a value's wins for the other's."""
    rng = np.random.default_rng([seed, 99])  # not the draws behind the choices
    wrong = rng.random(len(choices)) < choices["winner"].map(rates).fillna(0.0).to_numpy()
    return choices.assign(
        winner=choices["winner"].mask(wrong, choices["loser"]),
        loser=choices["loser"].mask(wrong, choices["winner"]),
        action=choices["action"].mask(wrong, 3 - choices["action"]),
    )


def judge_errors(rates, labels):
    counts = np.zeros((3, 3, 2, 2))
    for i, j in itertools.combinations(range(3), 2):
        for side, value in enumerate((i, j)):
            wrong = rates.get("abc"[value], 0.0)
            counts[i, j, side, side], counts[i, j, side, 1 - side] = labels * (1 - wrong), labels * wrong
    return JudgeErrors(counts)


def test_a_judge_s_errors_are_taken_out_of_the_effect_and_its_labels_widen_the_interval():
    rates = {"a": 0.3, "b": 0.05, "c": 0.05}
    clean, read = [], []
    for seed in range(12):
        truly = planted(seed, scenarios=600).assign(condition="open_ended", judge="j")
        orders = {name.removeprefix("steered:"): "cba" for name in truly["arm"].unique() if name.startswith("steered:")}
        clean.append(steering_effects(truly, orders)[1]["effect"].iloc[0])
        wrong = misread(truly, rates, seed)
        many, few = (correct_steering(wrong, orders, "abc", judge_errors(rates, n)).iloc[0] for n in (1e7, 60))
        assert many["effect"] == pytest.approx(steering_effects(wrong, orders)[1]["effect"].iloc[0])
        assert few["corrected_high"] - few["corrected_low"] > many["corrected_high"] - many["corrected_low"]
        read.append((many["effect"], many["corrected"]))
    as_read, corrected = np.mean(read, axis=0)
    assert corrected == pytest.approx(np.mean(clean), abs=0.03)
    assert abs(as_read - np.mean(clean)) > 0.04


def test_without_errors_the_corrected_effect_is_the_effect_whichever_value_comes_first():
    choices = planted(1).assign(condition="open_ended", judge="j")
    orders = {name.removeprefix("steered:"): "cba" for name in choices["arm"].unique() if name.startswith("steered:")}
    for values in ("abc", "cba"):
        table = correct_steering(choices, orders, values, judge_errors({}, 1e9))
        assert table["target_ranking"].tolist() == ["all", *orders]
        assert table["corrected"].to_numpy(float) == pytest.approx(table["effect"].to_numpy(float), abs=0.01)
        for end in ("low", "high"):
            assert table[f"corrected_{end}"].to_numpy(float) == pytest.approx(
                table[f"effect_{end}"].to_numpy(float), abs=0.02
            )


def test_readings_that_hang_on_nothing_correct_nothing():
    choices = planted(1).assign(condition="open_ended", judge="j")
    orders = {name.removeprefix("steered:"): "cba" for name in choices["arm"].unique() if name.startswith("steered:")}
    table = correct_steering(choices, orders, "abc", judge_errors(dict.fromkeys("abc", 0.5), 1000))
    assert table["corrected"].isna().all() and table["problem"].str.contains("hardly depend").all()
