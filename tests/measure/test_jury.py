"""The jury: a truth table of votes."""

from itertools import product

import pandas as pd
import pytest

from conflictscope.measure import gather_choices, jury_verdicts
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
