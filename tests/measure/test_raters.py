"""Readings, κ and α against scikit-learn, published examples and known truth."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, precision_score, recall_score

from conflictscope.measure import Settings, raters
from conflictscope.measure.raters import (
    READINGS,
    kappa_interval,
    krippendorff_alpha,
    read_check_labels,
    read_verdicts,
    vote_amounts,
)


def readings_of(reader, values):
    return pd.DataFrame(
        {
            "scenario_id": [f"s{i}" for i in range(len(values))],
            "target": "t",
            "arm": "default",
            "repetition": 0,
            "rater": reader,
            "reading": values,
        }
    )


def test_kappa_of_cohens_textbook_table():
    # 50 grant applications: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; κ = 0.4
    assert raters.cohens_kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_kappa_is_scikit_learns():
    rng = np.random.default_rng(0)
    one = rng.choice(READINGS, 200)
    other = np.where(rng.random(200) < 0.7, one, rng.choice(READINGS, 200))
    both = pd.concat([readings_of("one", one), readings_of("other", other)])
    row = raters.agreement_between_raters(both).iloc[0]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(one, other))
    assert row["agreed"] == pytest.approx((one == other).mean())
    assert row["kappa_low"] < row["kappa"] < row["kappa_high"]


def test_kappa_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    # two readers, even categories, equal with probability 0.8 by design: κ = 0.6
    covered = 0
    for seed in range(200):
        one = rng.integers(2, size=120)
        other = np.where(rng.random(120) < 0.8, one, 1 - one)
        names = np.array(["action_1", "action_2"])
        both = pd.concat([readings_of("one", names[one]), readings_of("other", names[other])])
        row = raters.agreement_between_raters(both, Settings(resamples=300, seed=seed)).iloc[0]
        covered += row["kappa_low"] <= 0.6 <= row["kappa_high"]
    assert 178 <= covered <= 199


def test_kappa_is_empty_where_chance_explains_everything():
    both = pd.concat([readings_of("one", ["neither"] * 5), readings_of("other", ["neither"] * 5)])
    row = raters.agreement_between_raters(both).iloc[0]
    assert np.isnan(row["kappa"]) and row["agreed"] == 1


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


def alpha_of(ratings):
    """Return α of a table of units × raters, None or nan if missing."""
    codes, kinds = pd.factorize(np.asarray(ratings, dtype=object).ravel())
    codes = codes.reshape(np.shape(ratings))
    votes = np.stack([(codes == kind).sum(axis=1) for kind in range(max(len(kinds), 1))], axis=1).astype(float)
    return float(krippendorff_alpha(vote_amounts(votes).sum(axis=0)[None]))


def test_alpha_of_krippendorffs_examples():
    assert alpha_of(BINARY) == pytest.approx(0.095, abs=0.0005)
    assert alpha_of(NOMINAL) == pytest.approx(0.743, abs=0.0005)
    assert alpha_of(NOMINAL.astype(float)) == alpha_of(NOMINAL)


def test_alpha_does_not_depend_on_names_or_order():
    named = np.vectorize(lambda x: None if x is None else f"category {x}", otypes=[object])(NOMINAL)
    assert alpha_of(named[::-1, ::-1]) == pytest.approx(alpha_of(NOMINAL))


@pytest.mark.parametrize("ratings", [[[1, 1], [1, 1]], [[1, None], [None, 2]], np.empty((0, 3))])
def test_alpha_is_not_defined_without_variation_or_two_ratings_of_a_unit(ratings):
    assert np.isnan(alpha_of(ratings))


def test_alpha_takes_chance_agreement_within_strata():
    # within each stratum all readings are the same but one
    votes = np.array([[2.0, 0], [2, 0], [1, 1]])
    strata = np.stack([vote_amounts(votes).sum(axis=0), vote_amounts(votes[:, ::-1]).sum(axis=0)])
    assert krippendorff_alpha(strata) == pytest.approx(krippendorff_alpha(strata[:1]))
    assert krippendorff_alpha(strata) < 0.1 < krippendorff_alpha(strata.sum(axis=0, keepdims=True))


def test_alpha_is_krippendorff_s_and_its_interval_is_of_scenarios():
    rng = np.random.default_rng(5)
    truth = rng.integers(1, 3, 150).astype(str)
    cases = [[t if rng.random() < 0.8 else rng.choice(list("12n")) for _ in range(3)] for t in truth]
    readings = pd.concat([readings_of(name, [case[n] for case in cases]) for n, name in enumerate("xyz")])
    row = raters.alpha_between_raters(readings, Settings(resamples=400)).iloc[0]
    wide = readings.pivot(index="scenario_id", columns="rater", values="reading").to_numpy(object)
    assert row["alpha"] == pytest.approx(alpha_of(wide), abs=1e-12)
    assert row["alpha_low"] < row["alpha"] < row["alpha_high"]
    # two copies of each scenario's readings are no further scenarios
    twice = raters.alpha_between_raters(
        pd.concat([readings, readings.assign(repetition=1)]), Settings(resamples=400)
    ).iloc[0]
    assert twice["alpha_high"] - twice["alpha_low"] == pytest.approx(row["alpha_high"] - row["alpha_low"], rel=0.1)
    assert twice["read"] == 2 * row["read"] == 2 * readings.groupby("scenario_id").size().gt(1).sum()


def test_alpha_of_readings_that_never_vary_is_not_defined():
    row = raters.alpha_between_raters(
        pd.concat([readings_of(name, ["neither"] * 2) for name in "xy"]), Settings(resamples=10)
    ).iloc[0]
    assert np.isnan(row["alpha"]) and np.isnan(row["alpha_low"]) and row["undefined_resamples"] == 10


def test_only_what_both_have_read_counts():
    both = pd.concat([readings_of("one", ["action_1"] * 6), readings_of("other", ["action_1", "action_2"])])
    assert raters.agreement_between_raters(both)["read"].tolist() == [2]
    assert raters.confusion(both, "one", "other").to_numpy().tolist() == [[1, 1], [0, 0]]


def test_a_second_reading_by_one_reader_is_refused():
    with pytest.raises(ValueError, match="more than one reading"):
        raters.agreement_between_raters(pd.concat([readings_of("one", ["neither"])] * 2))


def test_a_refusal_took_neither_and_an_unreadable_verdict_is_left_out():
    verdicts = pd.DataFrame(
        {
            "scenario_id": list("abcde"),
            "target": "t",
            "arm": "default",
            "repetition": 0,
            "judge": "j",
            "outcome": ["choice", "choice", "refusal", "invalid", "error"],
            "action": pd.array([1, 2, None, None, None], dtype="Int64"),
        }
    )
    assert read_verdicts(verdicts, suffix=" again")["reading"].tolist() == [
        "action_1",
        "action_2",
        "neither",
    ]
    assert set(read_verdicts(verdicts, suffix=" again")["rater"]) == {"j again"}


@pytest.fixture
def check_readings():
    rng = np.random.default_rng(2)
    n = 300
    true = rng.random(n) < 0.7
    votes = np.clip(np.round((true * 0.5 + rng.random(n) * 0.6) * 2) / 2, 0, 1)
    base = pd.DataFrame({"scenario_id": [f"s{i}" for i in range(n)], "check": "realistic"})
    human = base.assign(rater="ana", reading=np.where(true, "yes", "no"), score=true.astype(float))
    judge = base.assign(rater="judge", reading=np.where(votes == 1, "yes", "no"), score=votes)
    return true, votes, pd.concat([human, judge])


@pytest.mark.parametrize("found", ["yes", "no"])
def test_check_scores_are_scikit_learns(check_readings, found):
    true, votes, readings = check_readings
    scores = raters.check_scores(readings, "judge", ["ana"]).set_index(["check", "found"])
    row = scores.loc[("realistic", found)]
    positive, taken = (true, votes == 1) if found == "yes" else (~true, votes < 1)
    assert row["precision"] == pytest.approx(precision_score(positive, taken))
    assert row["recall"] == pytest.approx(recall_score(positive, taken))
    expected = average_precision_score(positive, votes if found == "yes" else 1 - votes)
    assert row["average_precision"] == pytest.approx(expected)
    assert np.isnan(scores.loc[("specific", found), "precision"])


def labels_of(rows):
    base = {"kind": "check", "annotator": "ana", "target": None, "arm": None, "repetition": None, "weight": 1.0}
    return pd.DataFrame([base | row for row in rows])


def test_value_guided_needs_both_values_right_and_cannot_tell_is_left_out():
    scenarios = pd.DataFrame({"scenario_id": ["a", "b", "c"], "value_1": "x", "value_2": "y"})
    labels = labels_of(
        [
            {"scenario_id": "a", "check": "value_guided", "about_value": "x", "answer": "action_1"},
            {"scenario_id": "a", "check": "value_guided", "about_value": "y", "answer": "action_2"},
            {"scenario_id": "b", "check": "value_guided", "about_value": "x", "answer": "action_1"},
            {"scenario_id": "b", "check": "value_guided", "about_value": "y", "answer": "neither"},
            {"scenario_id": "c", "check": "value_guided", "about_value": "x", "answer": "action_1"},
            {"scenario_id": "a", "check": "realistic", "about_value": None, "answer": "cannot_tell"},
            {"scenario_id": "b", "check": "realistic", "about_value": None, "answer": "no"},
        ]
    )
    read = read_check_labels(labels, scenarios)
    found = {(r.scenario_id, r.check): (r.reading, r.score) for r in read.itertuples()}
    assert found == {
        ("a", "value_guided"): ("yes", 1.0),
        ("b", "value_guided"): ("no", 0.5),
        ("b", "realistic"): ("no", 0.0),
    }


def test_choices_as_read_keep_what_all_have_read():
    scenarios = pd.DataFrame(
        {
            "scenario_id": ["s0", "s1"],
            "value_1": "x",
            "value_2": "y",
            "structure": "means",
            "severity": "mild",
            "acting_value": "x",
        }
    )
    both = pd.concat([readings_of("ana", ["action_2"]), readings_of("judge", ["neither", "action_1"])])
    choices = raters.choices_as_read(both, scenarios).set_index("judge")
    assert choices["scenario_id"].tolist() == ["s0", "s0"]
    assert choices.loc["ana", "winner"] == "y" and choices.loc["judge", "outcome"] == "neither"


def test_eight_conversations_give_no_interval_of_width_0():
    perfect = np.repeat(np.eye(4).reshape(-1, 2, 2)[[0, 3]], 4, axis=0)
    low, high = kappa_interval(perfect)
    assert low < 0.7 and high == 1
    one_sided = np.repeat(np.eye(4).reshape(-1, 2, 2)[[0, 2]], 4, axis=0)  # κ 0
    low, high = kappa_interval(one_sided)
    assert low < 0 < high and high - low > 0.3


def test_a_judge_that_slips_more_than_people_falls_short_of_them():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    tables = [
        readings_of(name, np.where(truth ^ (rng.random(400) < slips), "action_1", "action_2"))
        for name, slips in (("judge", 0.3), ("x", 0.05), ("y", 0.05), ("z", 0.05))
    ]
    worse = raters.judge_as_reader(pd.concat(tables), "judge", ["x", "y", "z"])
    assert worse["high"] < 0 and worse["difference"] == pytest.approx(worse["with_judge"] - worse["among_people"])
    pairwise = raters.agreement_between_raters(pd.concat(tables))
    with_judge = pairwise["rater"].eq("judge") | pairwise["other_rater"].eq("judge")
    assert worse["with_judge"] == pytest.approx(pairwise.loc[with_judge, "kappa"].mean())
    assert worse["among_people"] == pytest.approx(pairwise.loc[~with_judge, "kappa"].mean())
    like = raters.judge_as_reader(pd.concat(tables), "x", ["y", "z"])
    assert like["low"] < 0 < like["high"]
    assert np.isnan(raters.judge_as_reader(pd.concat(tables), "judge", ["x"])["difference"])


def test_average_precision_stands_beside_its_chance_level():
    table = pd.DataFrame(
        [("s1", "yes"), ("s2", "yes"), ("s3", "yes"), ("s4", "no")], columns=["scenario_id", "reading"]
    ).assign(check="realistic", score=1.0)
    both = pd.concat([table.assign(rater="filter", reading="yes"), table.assign(rater="x")])
    scores = raters.check_scores(both, "filter", ["x"]).set_index(["check", "found"])
    assert scores.loc[("realistic", "yes"), ["average_precision", "by_chance"]].tolist() == [0.75, 0.75]
    assert scores.loc[("realistic", "no"), "by_chance"] == 0.25
