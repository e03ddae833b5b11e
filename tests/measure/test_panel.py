"""The panel: a truth table of votes, and α against another implementation of it."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import alpha_between_readers, gather_choices, jury_verdicts, read_verdicts
from conflictscope.measure.difficulty import krippendorff_alpha
from conflictscope.table_files import check_table

SHOWN = {"1": ("choice", 1), "2": ("choice", 2), "r": ("refusal", None), "n": ("neither", None)}
SHOWN |= {"i": ("invalid", None), "e": ("error", None)}


def verdicts(*cases, judges="xyzw"):
    """Return verdicts: a case is a letter a judge, such as ``12n``."""
    rows = [
        {
            "scenario_id": f"s{number:03d}",
            "target": "t",
            "arm": "default",
            "repetition": 0,
            "judge": judge,
            "action_shown_first": 1 + number % 2,
            "outcome": SHOWN[letter][0],
            "action": SHOWN[letter][1],
            "leaning": None,
            "reasoning": None,
            "problem": None if letter in "12rn" else "?",
            "raw": letter,
        }
        for number, case in enumerate(cases)
        for judge, letter in zip(judges, case, strict=False)
    ]
    return pd.DataFrame(rows).astype({"action": "Int64"})


def found(case, rule):
    row = check_table(jury_verdicts(verdicts(case), rule), "verdicts").iloc[0]
    assert row["judge"] == rule
    return str(row["action"]) if row["outcome"] == "choice" else row["outcome"]


@pytest.mark.parametrize(
    ("case", "majority", "unanimous"),
    [
        ("111", "1", "1"),
        ("112", "1", "invalid"),
        ("12", "invalid", "invalid"),
        ("1122", "invalid", "invalid"),
        ("1112", "1", "invalid"),
        ("12n", "invalid", "invalid"),
        ("1nn", "neither", "invalid"),
        ("rrr", "refusal", "refusal"),
        # a seat without a vote still counts: one reading of two seats is no majority
        ("1i", "invalid", "invalid"),
        ("11i", "1", "invalid"),
        ("1ii", "invalid", "invalid"),
        ("1ee", "invalid", "invalid"),
        ("iie", "invalid", "invalid"),
        # what all judges have is what there is
        ("eee", "error", "error"),
        ("iii", "invalid", "invalid"),
        ("2", "2", "2"),
    ],
)
def test_votes(case, majority, unanimous):
    assert (found(case, "majority"), found(case, "unanimous")) == (majority, unanimous)


def test_any_three_votes_agree_with_counting_by_hand():
    cases = ["".join(case) for case in product("12rnie", repeat=3)]
    together = jury_verdicts(verdicts(*cases), "majority").set_index("scenario_id")
    for number, case in enumerate(cases):
        row = together.loc[f"s{number:03d}"]
        winners = [letter for letter in "12rn" if case.count(letter) >= 2]
        expected = SHOWN[winners[0]] if winners else ("error" if case == "eee" else "invalid", None)
        assert row["outcome"] == expected[0]
        assert (row["action"] if expected[1] else None) == expected[1]
        assert pd.isna(row["problem"]) == bool(winners)


def test_a_panel_s_verdicts_become_choices_and_say_what_the_votes_were():
    scenarios = pd.DataFrame(
        {"scenario_id": ["s000", "s001"], "value_1": "candour", "value_2": "tact", "structure": "means"}
    ).assign(severity="mild", acting_value="tact")
    together = jury_verdicts(verdicts("221", "12n"), "majority")
    choices = gather_choices(scenarios, verdicts=together)
    assert choices["winner"].fillna("").tolist() == ["tact", ""]
    assert choices["judge"].tolist() == ["majority"] * 2
    assert choices["action_shown_first"].tolist() == [1, 2]
    assert together["reasoning"].tolist() == ["1 action_1, 2 action_2", "1 action_1, 1 action_2, 1 neither"]
    assert together["problem"].tolist()[1] == "no majority: 1 action_1, 1 action_2, 1 neither"


def test_an_incomplete_panel_is_refused():
    both = verdicts("12", "11")
    with pytest.raises(ValueError, match=r"'s000'.* 1 verdicts of 1 judges; expected one of each of \['x', 'y'\]"):
        jury_verdicts(both.iloc[1:], "majority")
    with pytest.raises(ValueError, match="3 verdicts of 2 judges"):
        jury_verdicts(pd.concat([both, both.head(1)]), "majority")
    with pytest.raises(ValueError, match="different labels"):
        jury_verdicts(both.assign(action_shown_first=[1, 2, 1, 1]), "unanimous")
    with pytest.raises(ValueError, match="rule: found 'most'"):
        jury_verdicts(both, "most")


def test_alpha_is_krippendorff_s_and_its_interval_is_of_scenarios():
    rng = np.random.default_rng(5)
    truth = rng.integers(1, 3, 150).astype(str)
    cases = ["".join(t if rng.random() < 0.8 else rng.choice(list("12nri")) for _ in range(3)) for t in truth]
    readings = read_verdicts(verdicts(*cases))
    row = alpha_between_readers(readings, resamples=400).iloc[0]
    wide = readings.pivot(index="scenario_id", columns="reader", values="reading").to_numpy(object)
    assert row["alpha"] == pytest.approx(krippendorff_alpha(wide), abs=1e-12)
    assert row["alpha_low"] < row["alpha"] < row["alpha_high"]
    # two copies of each scenario's readings are no further scenarios
    twice = alpha_between_readers(pd.concat([readings, readings.assign(repetition=1)]), resamples=400).iloc[0]
    assert twice["alpha_high"] - twice["alpha_low"] == pytest.approx(row["alpha_high"] - row["alpha_low"], rel=0.1)
    assert twice["read"] == 2 * row["read"] == 2 * readings.groupby("scenario_id").size().gt(1).sum()


def test_alpha_of_readings_that_never_vary_is_not_defined():
    row = alpha_between_readers(read_verdicts(verdicts("11", "11")), resamples=10).iloc[0]
    assert np.isnan(row["alpha"]) and np.isnan(row["alpha_low"]) and row["undefined_resamples"] == 10
