"""Which value won, as a truth table; what is refused; and how outcomes are counted."""

import pandas as pd
import pytest

from conflictscope.measure import (
    count_choices,
    count_outcomes,
    gather_choices,
    groups_without_choice,
    rank_values,
    split_by_model_id,
)
from conflictscope.table_files import check_table
from conflictscope.tables import OUTCOMES, TABLES, NothingToCount

SCENARIO_TEXT = ("outline_id", "description", "action_1", "action_2", "consequence_1", "consequence_2", "persona")


@pytest.fixture
def scenarios():
    table = pd.DataFrame(
        {
            "scenario_id": ["s1", "s2"],
            "value_1": ["honesty", "privacy"],
            "value_2": ["kindness", "honesty"],
            "structure": ["means", "side_effect"],
            "severity": ["mild", "strong"],
            "acting_value": ["kindness", "privacy"],
        }
    ).assign(**dict.fromkeys((*SCENARIO_TEXT, "background", "goal", "author"), "x"))
    return check_table(table, "kept_scenarios")


def replies(name, rows):
    table = pd.DataFrame(rows, columns=["scenario_id", "action_shown_first", "outcome", "action"])
    table = table.assign(target="m", arm="default", repetition=0)
    table = table.assign(**{c.name: None for c in TABLES[name].columns if c.name not in table.columns})
    if name == "verdicts":
        table["judge"] = "j"
    return check_table(table, name)


TRUTH = [
    # scenario, outcome, action → winner, loser
    ("s1", "choice", 1, "honesty", "kindness"),
    ("s1", "choice", 2, "kindness", "honesty"),
    ("s2", "choice", 1, "privacy", "honesty"),
    ("s2", "choice", 2, "honesty", "privacy"),
    ("s1", "refusal", None, None, None),
    ("s1", "neither", None, None, None),
    ("s2", "invalid", None, None, None),
    ("s2", "error", None, None, None),
]


@pytest.mark.parametrize("action_shown_first", [1, 2])
@pytest.mark.parametrize(("name", "condition"), [("answers", "multiple_choice"), ("verdicts", "open_ended")])
@pytest.mark.parametrize(("scenario", "outcome", "action", "winner", "loser"), TRUTH)
def test_truth_table(scenarios, name, condition, action_shown_first, scenario, outcome, action, winner, loser):
    made = gather_choices(scenarios, **{name: replies(name, [(scenario, action_shown_first, outcome, action)])})
    assert list(made.columns) == [column.name for column in TABLES["choices"].columns]
    row = made.iloc[0]
    found = [
        None if pd.isna(row[name]) else row[name] for name in ("condition", "outcome", "action", "winner", "loser")
    ]
    assert found == [condition, outcome, action, winner, loser]
    assert row["action_shown_first"] == action_shown_first


def test_every_row_stays_and_brings_pair_template_and_judge(scenarios):
    answers = replies("answers", [("s2", 1, "choice", 1), ("s2", 2, "invalid", None), ("s1", 1, "choice", 2)])
    verdicts = replies("verdicts", [("s1", 2, "refusal", None)])
    made = gather_choices(scenarios, answers, verdicts)
    assert made["scenario_id"].tolist() == ["s2", "s2", "s1", "s1"]
    assert made["condition"].tolist() == ["multiple_choice"] * 3 + ["open_ended"]
    assert made["judge"].isna().tolist() == [True, True, True, False]
    assert made.loc[0, ["value_1", "value_2", "structure", "severity", "acting_value"]].tolist() == [
        "privacy",
        "honesty",
        "side_effect",
        "strong",
        "privacy",
    ]


def test_index_of_replies_does_not_matter(scenarios):
    answers = replies("answers", [("s1", 1, "choice", 1), ("s2", 1, "choice", 2), ("s1", 2, "choice", 2)])
    filtered = answers.iloc[[2, 1]]
    assert gather_choices(scenarios, filtered)["winner"].tolist() == ["kindness", "honesty"]


def test_swapping_the_actions_of_a_scenario_changes_no_winner(scenarios):
    swapped = scenarios.rename(columns={"value_1": "value_2", "value_2": "value_1"})
    answers = replies("answers", [("s1", 1, "choice", 1), ("s2", 2, "choice", 2), ("s2", 1, "refusal", None)])
    turned = answers.assign(action=3 - answers["action"], action_shown_first=3 - answers["action_shown_first"])
    columns = ["scenario_id", "winner", "loser"]
    pd.testing.assert_frame_equal(
        gather_choices(scenarios, answers)[columns], gather_choices(swapped, turned)[columns], check_dtype=True
    )


def test_unknown_scenarios_are_counted_with_an_example(scenarios):
    answers = replies("answers", [("s1", 1, "choice", 1), ("gone", 1, "choice", 1), ("lost", 1, "choice", 1)])
    with pytest.raises(ValueError, match=r"answers: 2 scenario_id\(s\).*'gone'"):
        gather_choices(scenarios, answers)


@pytest.mark.parametrize(("outcome", "action"), [("choice", None), ("refusal", 1), ("error", 2)])
def test_an_action_without_a_choice_is_refused(scenarios, outcome, action):
    with pytest.raises(ValueError, match="expected an action, 1 or 2, just where the outcome is 'choice'"):
        gather_choices(scenarios, replies("answers", [("s1", 1, outcome, action)]))


def test_other_bad_input(scenarios):
    with pytest.raises(ValueError, match="neither answers nor verdicts"):
        gather_choices(scenarios)
    answers = replies("answers", [("s1", 1, "choice", 1)])
    with pytest.raises(ValueError, match="'s1' occurs more than once"):
        gather_choices(pd.concat([scenarios, scenarios.head(1)]), answers)


def test_outcomes_are_counted_also_those_that_never_occur(scenarios):
    rows = [("s1", 1, "choice", 1), ("s1", 2, "choice", 2), ("s2", 1, "refusal", None), ("s2", 2, "invalid", None)]
    counted = count_outcomes(gather_choices(scenarios, replies("answers", rows), replies("verdicts", rows[2:3])))
    assert counted.columns.tolist() == ["target", "condition", "arm", "outcome", "answers", "share"]
    assert counted["outcome"].tolist() == [*OUTCOMES, *OUTCOMES]
    assert counted["answers"].tolist() == [2, 1, 0, 1, 0, 0, 1, 0, 0, 0]
    assert counted["share"].tolist() == [0.5, 0.25, 0, 0.25, 0, 0, 1, 0, 0, 0]


def test_two_judges_in_one_group_are_refused(scenarios):
    verdicts = replies("verdicts", [("s1", 1, "choice", 1)])
    both = pd.concat([verdicts, verdicts.assign(judge="k")])
    with pytest.raises(ValueError, match=r"'m' \(open_ended, default\) has verdicts of 2 judges.*Filter by judge"):
        count_outcomes(gather_choices(scenarios, verdicts=both))


def test_a_winner_that_is_not_of_the_pair_is_refused(scenarios):
    made = gather_choices(scenarios, replies("answers", [("s1", 1, "choice", 1)]))
    with pytest.raises(ValueError, match="winner 'privacy'"):
        count_outcomes(made.assign(winner="privacy"))
    with pytest.raises(ValueError, match=r"columns \['winner'\] are missing"):
        count_outcomes(made.drop(columns="winner"))


def test_without_any_choice_there_is_nothing_to_count(scenarios):
    some = gather_choices(scenarios, replies("answers", [("s1", 1, "choice", 1), ("s2", 1, "refusal", None)]))
    assert count_choices(some) == 1 and groups_without_choice(some) == []
    none = gather_choices(scenarios, replies("answers", [("s1", 1, "invalid", None), ("s2", 1, "refusal", None)]))
    with pytest.raises(NothingToCount, match=r"none of the 2 answers of m is a choice \(1 \w+, 1 \w+\)"):
        count_choices(none)
    assert groups_without_choice(none) == ["m (multiple_choice, default)"]
    both = pd.concat([some, none.assign(target="n")], ignore_index=True)
    assert count_choices(both) == 1 and groups_without_choice(both) == ["n (multiple_choice, default)"]


def test_a_target_that_answered_as_several_models_is_parted(scenarios):
    rows = [("s1", 1, "choice", 1), ("s1", 2, "choice", 2), ("s2", 1, "choice", 1), ("s2", 2, "choice", 2)]
    steady = gather_choices(scenarios, replies("answers", rows).assign(target="steady", model_id="x-1"))
    answers = replies("answers", rows).assign(model_id=["x-1", "x-2", "x-2", None])
    choices = pd.concat([steady, gather_choices(scenarios, answers)], ignore_index=True)
    parted = split_by_model_id(choices)
    assert parted["target"].tolist() == ["m (x-1)", "m (x-2)", "m (x-2)"]
    values = ["honesty", "kindness", "privacy"]
    assert rank_values(parted, values)["target"].unique().tolist() == ["m (x-1)", "m (x-2)"]
    unchanged = split_by_model_id(steady)
    assert unchanged.empty and rank_values(unchanged, values).empty
    # an older table does not say who answered
    assert split_by_model_id(gather_choices(scenarios, replies("answers", rows))).empty
