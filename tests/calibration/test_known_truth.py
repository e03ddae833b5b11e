"""Known truth: quadrature against closed forms and simulation, simulated tables against their planted numbers."""

import itertools
from dataclasses import replace
from math import exp, pi, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import dblquad
from scipy.special import expit
from scipy.stats import kendalltau

from conflictscope.calibration import (
    ALL_VALUES,
    Replications,
    abstention_and_compliance,
    naive_treatments,
    rank_recovery,
    simulate_choices,
    strength_coverage,
    true_steering,
    true_strengths,
    win_chance,
)
from conflictscope.calibration.recovery import NAIVE, summarise
from conflictscope.measure import Settings, flip_rate, position_effect, preference_rates, steering_effects
from conflictscope.simulated import Respondent, choice_latent
from conflictscope.table_files import check_table

pytestmark = pytest.mark.filterwarnings("error", "ignore::pytest.PytestUnraisableExceptionWarning")

UTILITIES = {"a": 0.8, "b": 0.1, "c": -0.6}
PAIRS = list(itertools.combinations(UTILITIES, 2))
PLAIN = Respondent("plain", utilities=UTILITIES, scenario_weight=0.0, noise=1.0)
NOISY = replace(PLAIN, scenario_weight=0.6, noise=0.7, order_noise=0.5, position_bias=0.4)


@pytest.fixture(scope="module")
def large_table():
    """Choices of a noisy respondent that loses some answers, in very many scenarios."""
    lossy = replace(
        NOISY,
        refusal={"multiple_choice": 0.05, "open_ended": 0.2},
        malformed={"multiple_choice": 0.1},
        neither={"open_ended": 0.08},
    )
    return simulate_choices({"t": lossy}, PAIRS, scenarios_per_pair=20_000, seed=3)


def test_without_scenario_effects_strengths_are_utilities_in_units_of_noise():
    found = true_strengths(replace(PLAIN, noise=0.5), PAIRS, "open_ended")
    expected = pd.Series(UTILITIES) / 0.5
    np.testing.assert_allclose(found, expected - expected.mean(), atol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_win_chance_is_the_double_integral(order):
    toward = 1 if order == 1 else -1

    def integrand(z, x):
        latent = 0.7 + 0.6 * z + 0.5 * x + toward * 0.4
        return expit(latent / 0.7) * exp(-z * z / 2) / sqrt(2 * pi) * expit(x) * expit(-x)

    expected = dblquad(integrand, -30, 30, -7, 7, epsabs=1e-6)[0]
    assert win_chance(NOISY, "a", "b", "multiple_choice", orders=[order]) == pytest.approx(expected, abs=1e-5)


def test_win_chances_of_the_two_sides_add_up_to_one():
    for condition in ("multiple_choice", "open_ended"):
        both = win_chance(NOISY, "a", "c", condition) + win_chance(NOISY, "c", "a", condition)
        assert both == pytest.approx(1, abs=1e-12)


def test_win_chance_is_that_of_the_embedded_respondents():
    wins = [choice_latent(NOISY, "a", "b", f"s{n}", "multiple_choice", "a") > 0 for n in range(4000)]
    error = np.sqrt(0.25 / len(wins))
    assert np.mean(wins) == pytest.approx(win_chance(NOISY, "a", "b", "multiple_choice", orders=[1]), abs=3 * error)


def test_table_fits_its_contract(large_table):
    small = large_table.head(2000)
    pd.testing.assert_frame_equal(small, check_table(small, "choices"))


def test_rates_of_a_large_table_are_the_win_chances(large_table):
    rates = preference_rates(large_table).set_index(["condition", "value_1", "value_2"])["rate"]
    for (condition, one, two), rate in rates.items():
        assert rate == pytest.approx(win_chance(NOISY, one, two, condition), abs=0.014), (condition, one, two)


def test_answers_are_lost_at_their_rates(large_table):
    shares = large_table.groupby("condition")["outcome"].value_counts(normalize=True)
    expected = {
        ("multiple_choice", "refusal"): 0.05,
        ("multiple_choice", "invalid"): 0.1,
        ("open_ended", "refusal"): 0.2,
        ("open_ended", "neither"): 0.08,
    }
    for key, share in expected.items():
        assert shares[key] == pytest.approx(share, abs=0.006), key
    assert ("open_ended", "invalid") not in shares and ("multiple_choice", "neither") not in shares


def test_position_bias_and_flips_come_from_their_settings():
    quiet = simulate_choices(
        {"t": replace(NOISY, order_noise=0, position_bias=0)}, PAIRS, scenarios_per_pair=500, seed=1
    )
    asked = quiet[quiet["condition"].eq("multiple_choice")]
    assert flip_rate(asked)["flipped"].item() == 0
    biased = simulate_choices({"t": NOISY}, PAIRS, scenarios_per_pair=500, seed=1, conditions=["multiple_choice"])
    assert position_effect(biased)["rate_low"].item() > 0.5
    assert flip_rate(biased)["rate_low"].item() > 0.05


def test_scenario_effects_are_shared_only_where_asked():
    # with hardly any noise, the scenario decides
    firm = replace(PLAIN, utilities=dict.fromkeys("abc", 0.0), scenario_weight=1.0, noise=1e-6)
    for shared, expected in ((True, 1.0), (False, 0.5)):
        table = simulate_choices(
            {"s": firm, "t": firm},
            PAIRS,
            scenarios_per_pair=400,
            seed=2,
            conditions=["open_ended"],
            shared_scenarios=shared,
        )
        sides = table.pivot(index="scenario_id", columns="target", values="winner")
        assert sides["s"].eq(sides["t"]).mean() == pytest.approx(expected, abs=0.05)


def test_same_draws_repeat_the_answer_in_conversation():
    for same, expected in ((True, 1.0), (False, 0.5)):
        table = simulate_choices(
            {"t": replace(PLAIN, utilities=dict.fromkeys("abc", 0.0), same_draws=same)},
            PAIRS,
            scenarios_per_pair=400,
            seed=2,
        )
        first = table[table["action_shown_first"].eq(1)].pivot(
            index="scenario_id", columns="condition", values="winner"
        )
        assert first["multiple_choice"].eq(first["open_ended"]).mean() == pytest.approx(expected, abs=0.05)


def test_seed_decides_the_table():
    one, again, other = (
        simulate_choices({"t": NOISY}, PAIRS, scenarios_per_pair=50, seed=seed)["winner"] for seed in (1, 1, 2)
    )
    assert one.equals(again) and not one.equals(other)


def test_true_steering_is_what_a_large_study_finds():
    steered = replace(NOISY, steerability=0.5)
    order = ["c", "b", "a"]
    table = simulate_choices(
        {"t": steered},
        PAIRS,
        scenarios_per_pair=20_000,
        seed=4,
        conditions=["open_ended"],
        target_rankings={"back": order},
    )
    found = steering_effects(table, {"back": order}, Settings())[0].iloc[0]
    true = true_steering(steered, PAIRS, "open_ended", order)
    assert found["before"] == pytest.approx(true["before"], abs=0.008)
    assert found["placebo"] * (1 - found["before"]) == pytest.approx(0, abs=0.008)
    assert found["after"] == pytest.approx(true["after"], abs=0.008)
    assert true["effect"] == pytest.approx((true["after"] - true["before"]) / (1 - true["before"]))
    assert true_steering(NOISY, PAIRS, "open_ended", order)["effect"] == 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="conditions"):
        simulate_choices({"t": PLAIN}, PAIRS, scenarios_per_pair=1, seed=0, conditions=["spoken"])
    with pytest.raises(ValueError, match="0 scenarios per pair"):
        simulate_choices({"t": PLAIN}, PAIRS, scenarios_per_pair=0, seed=0)
    with pytest.raises(ValueError, match="no utility for \\['d'\\]"):
        simulate_choices({"t": PLAIN}, [("a", "d")], scenarios_per_pair=1, seed=0)
    with pytest.raises(ValueError, match="noise 0"):
        win_chance(replace(PLAIN, noise=0), "a", "b", "open_ended")
    with pytest.raises(ValueError, match="replications"):
        Replications(PAIRS, studies=1)


def test_summary_by_hand():
    estimates = pd.DataFrame(
        [
            ("s1", "a", 0.3, 0.1, 0.5, 0.2),
            ("s2", "a", 0.6, 0.4, 0.8, 0.2),
            ("s1", "b", 0.0, -0.1, 0.1, 0.0),
            ("s2", "b", 0.0, -0.1, 0.1, 0.0),
            ("s3", "b", 0.0, None, None, 0.0),
        ],
        columns=["study", "what", "estimate", "low", "high", "true"],
    )
    table = summarise(estimates, Replications(PAIRS, studies=3)).set_index("what")
    assert table.loc["a", ["studies", "coverage", "detected"]].tolist() == [2, 0.5, 1.0]
    assert table.loc["b", ["studies", "coverage", "detected"]].tolist() == [2, 1.0, 0.0]
    assert table.loc["a", "bias"] == pytest.approx(0.25)
    assert table.loc["a", "coverage_error"] == pytest.approx(np.sqrt(0.95 * 0.05 / 2))
    assert table.loc[ALL_VALUES, "coverage"] == pytest.approx(0.75)
    assert table.loc[ALL_VALUES, "coverage_error"] == pytest.approx(np.std([1, 0.5], ddof=1) / np.sqrt(2))
    assert table.loc["a", "verdict"] == "too narrow"


def test_rank_recovery_is_kendalls_tau_and_grows_with_size():
    runs = Replications(PAIRS, 40, Settings(seed=1))
    table = rank_recovery(NOISY, runs, scenarios_per_pair=[4, 60], noises=[1.5])
    small, large = table["tau"]
    assert small < large
    choices = runs.draw(replace(NOISY, noise=1.5), 60, conditions=["multiple_choice"])
    wins = choices[choices["outcome"].eq("choice")].groupby("target")["winner"].value_counts().unstack(fill_value=0)
    # with every pair asked equally often, more wins in all is a larger strength
    taus = [kendalltau(row[list(UTILITIES)], list(UTILITIES.values())).statistic for _, row in wins.iterrows()]
    assert large == pytest.approx(np.mean(taus), abs=0.01)


def test_strengths_of_middling_studies_are_covered():
    runs = Replications(PAIRS, 150, Settings(seed=2))
    table = strength_coverage(NOISY, runs, scenarios_per_pair=[60]).set_index(["quantity", "what"])
    pooled = table.loc[("strength", ALL_VALUES)]
    assert abs(pooled["coverage"] - 0.95) < 3.5 * pooled["coverage_error"]
    of_values = table.loc["strength"].drop(ALL_VALUES)
    assert (of_values["bias"].abs() < 4 * of_values["bias_error"] + 0.02).all()


def test_naive_treatments_do_harm():
    runs = Replications(PAIRS, 300, Settings(seed=4))
    table = naive_treatments(NOISY, runs, scenarios_per_pair=60).set_index(["treatment", "way"])
    for naive in NAIVE:
        right, wrong = table.loc[(naive.name, "right")], table.loc[(naive.name, "naive")]
        assert wrong["coverage"] < right["coverage"] - 0.03, naive.name
    for name in (NAIVE[0].name, NAIVE[1].name):
        assert abs(table.loc[(name, "naive"), "bias"]) > 0.1 > abs(table.loc[(name, "right"), "bias"])


def test_planted_abstention_and_compliance_are_found_and_covered():
    swayed = replace(NOISY, abstention=0.6, compliance=1.0)
    found = abstention_and_compliance(swayed, Replications(PAIRS, 200, Settings(seed=2)), scenarios_per_pair=[30])
    pairs = found[found["what"].ne(ALL_VALUES)]
    assert pairs["bias"].abs().max() < 4 * pairs["bias_error"].max() < 0.04
    assert found.loc[found["what"].eq(ALL_VALUES), "coverage"].between(0.93, 0.98).all()
    assert pairs["true"].between(0.1, 0.5).all() and pairs["quantity"].value_counts().tolist() == [3, 3]
