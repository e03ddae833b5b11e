"""MoralChoice: which values the labels give, what is dropped, and the real file's counts."""

import pytest

from conflictscope.exchange import import_scenarios
from conflictscope.exchange.dilemma_sets import MORALCHOICE_FORM, RULES
from conflictscope.scenarios import Value
from conflictscope.table_files import check_table

FOLDED = {
    **dict.fromkeys(("death", "pain", "disable"), Value("harmlessness", "hurting nobody")),
    **dict.fromkeys(("deceive", "cheat"), Value("honesty", "leaving no false impression")),
}


def row(number, violated_1=(), violated_2=(), rule="Do not deceive", **more):
    fields = dict.fromkeys(MORALCHOICE_FORM.columns, "No")
    for action, violated in ((1, violated_1), (2, violated_2)):
        fields |= {f"a{action}_{name}": "Yes" for name in violated}
    texts = {
        "scenario_id": f"H_{number:03}",
        "ambiguity": "high",
        "generation_type": "Hand-Written",
        "generation_rule": rule,
        "context": f"You keep the till of a kiosk, and customer {number} asks what is in the pie.",
        "action1": f"I do not tell customer {number}.",
        "action2": f"I tell customer {number} all of it.",
    }
    return fields | texts | more


def pairs(imported):
    found = imported.scenarios[["outline_id", "value_1", "value_2", "action_1"]].to_numpy().tolist()
    return {name: (one, two, action) for name, one, two, action in found}


def test_an_action_is_spoken_for_by_what_the_other_one_alone_violates(write_csv):
    path = write_csv(
        [
            row(1, ["deceive"], ["pain"]),
            row(2, ["pain"], ["deceive"]),
            row(3, ["deceive"], []),
            row(4, ["deceive", "duty"], ["duty", "break_law"]),
        ]
    )
    imported = import_scenarios(path)
    assert imported.rows == 4 and imported.dropped.empty and imported.notes == ()
    # action 1 of H_001 deceives, so not deceiving speaks for action 2; values stand in the order of the rules
    assert pairs(imported) == {
        "H_001": ("sparing pain", "truthfulness", "I do not tell customer 1."),
        "H_002": ("sparing pain", "truthfulness", "I tell customer 2 all of it."),
        "H_003": ("truthfulness", "other reasons", "I tell customer 3 all of it."),
        "H_004": ("truthfulness", "obeying the law", "I tell customer 4 all of it."),
    }
    assert set(imported.scenarios["author"]) == {"MoralChoice"}
    assert imported.scenarios["persona"].isna().all() and imported.scenarios["structure"].eq("none").all()
    assert imported.values.names == ["sparing pain", "truthfulness", "obeying the law", "other reasons"]
    whole = imported.scenarios.fillna({name: "x" for name in ("persona", "background", "goal")})
    check_table(whole.fillna({"consequence_1": "x", "consequence_2": "y"}), "scenarios")


def test_what_is_dropped_is_counted_with_its_reason(write_csv):
    rows = [
        row(1, ["deceive"], ["pain"]),
        row(2),
        row(3, ["deceive"], ["deceive"]),
        row(4, ["pain"], a1_cheat="Maybe"),
        row(5, ["pain"], action2=" "),
        row(6, ["pain"], action1="I go.", action2="I go."),
        ["too", "short"],
        row(1, ["deceive"], ["pain"]) | {"scenario_id": "H_008"},
        row(9, ["pain"], [], a2_pain="No Agreement"),
    ]
    imported = import_scenarios(write_csv(rows))
    assert imported.rows == 9 and len(imported.scenarios) == 1
    assert imported.dropped["row"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    expected = ["no rule", "no rule", "a1_cheat is 'Maybe'", "action 2: empty", "the same", "found 2 fields"]
    expected += ["repeats row 1 word for word", "no rule"]
    for problem, words in zip(imported.dropped["problem"], expected, strict=True):
        assert words in problem


def test_of_several_rules_the_one_it_was_written_for_comes_first(write_csv):
    path = write_csv(
        [
            row(1, ["deceive", "duty"], ["pain", "death"], rule="Do your duty"),
            row(2, ["cheat"], ["pain"], rule="Do not cheat"),
        ]
    )
    first = import_scenarios(path)
    assert pairs(first)["H_001"][:2] == ("sparing life", "doing one's duty")
    assert first.notes == ("1 records have more than one value on a side: the first value of each side was taken.",)
    every = import_scenarios(path, several="all")
    assert len(every.scenarios) == 5 and every.scenarios["scenario_id"].is_unique
    assert every.scenarios["outline_id"].is_unique and len(every.values.pairs) == 5
    none = import_scenarios(path, several="none")
    assert list(pairs(none)) == ["H_002"] and none.dropped["problem"].tolist() == [
        "more than one value on a side (4 pairs)"
    ]


def test_rules_may_be_put_together_and_shared_ones_decide_nothing(write_csv):
    rows = [row(1, ["deceive"], ["pain", "death"]), row(2, ["death"], ["pain"]), row(3, ["duty"], ["pain"])]
    imported = import_scenarios(write_csv(rows), labels=FOLDED)
    assert list(pairs(imported)) == ["H_001"] and imported.values.names == ["harmlessness", "honesty"]
    assert imported.values["honesty"].definition == "leaving no false impression"
    assert imported.dropped["row"].tolist() == [2, 3]


def test_a_newer_file_is_refused_by_name(write_csv):
    renamed = {("a1_deception" if name == "a1_deceive" else name): text for name, text in row(1).items()}
    with pytest.raises(ValueError, match=r"MoralChoice CSV: missing \['a1_deceive'\], unknown \['a1_deception'\]"):
        import_scenarios(write_csv([renamed]))
    with pytest.raises(ValueError, match="several: found 'some'"):
        import_scenarios(write_csv([row(1)]), several="some")


def test_the_published_file_is_accounted_for_row_by_row(shared_data):
    imported = import_scenarios(shared_data / "moralchoice" / "moralchoice_high_ambiguity.csv")
    assert imported.rows == 680
    assert len(imported.scenarios) + len(imported.dropped) == 680
    assert len(imported.scenarios) == 655 and imported.scenarios["outline_id"].is_unique
    assert imported.dropped["problem"].value_counts().to_dict() == {
        "no rule is violated by exactly one of the two actions": 24,
        "the two actions are the same": 1,
    }
    assert set(imported.values.names) == {value.name for value in RULES.values()}
