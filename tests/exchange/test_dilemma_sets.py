"""MoralChoice, DailyDilemmas, AIRiskDilemmas and CLASH: the values of labels, how rows pair, what is dropped."""

import pytest

from conflictscope.exchange import import_scenarios, read_value_map
from conflictscope.exchange.data_sets import AGGREGATED, BY_ACTION, MORALCHOICE_FORM, RULES
from conflictscope.scenarios import Value
from conflictscope.table_files import check_table

FOLDED = {
    **dict.fromkeys(("death", "pain", "disable"), Value("harmlessness", "hurting nobody")),
    **dict.fromkeys(("deceive", "cheat"), Value("honesty", "leaving no false impression")),
}


def moralchoice(number, violated_1=(), violated_2=(), rule="Do not deceive", **more):
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
            moralchoice(1, ["deceive"], ["pain"]),
            moralchoice(2, ["pain"], ["deceive"]),
            moralchoice(3, ["deceive"], []),
            moralchoice(4, ["deceive", "duty"], ["duty", "break_law"]),
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
        moralchoice(1, ["deceive"], ["pain"]),
        moralchoice(2),
        moralchoice(3, ["deceive"], ["deceive"]),
        moralchoice(4, ["pain"], a1_cheat="Maybe"),
        moralchoice(5, ["pain"], action2=" "),
        moralchoice(6, ["pain"], action1="I go.", action2="I go."),
        ["too", "short"],
        moralchoice(1, ["deceive"], ["pain"]) | {"scenario_id": "H_008"},
        moralchoice(9, ["pain"], [], a2_pain="No Agreement"),
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
            moralchoice(1, ["deceive", "duty"], ["pain", "death"], rule="Do your duty"),
            moralchoice(2, ["cheat"], ["pain"], rule="Do not cheat"),
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
    rows = [
        moralchoice(1, ["deceive"], ["pain", "death"]),
        moralchoice(2, ["death"], ["pain"]),
        moralchoice(3, ["duty"], ["pain"]),
    ]
    imported = import_scenarios(write_csv(rows), labels=FOLDED)
    assert list(pairs(imported)) == ["H_001"] and imported.values.names == ["harmlessness", "honesty"]
    assert imported.values["honesty"].definition == "leaving no false impression"
    assert imported.dropped["row"].tolist() == [2, 3]


def test_a_newer_moralchoice_file_is_refused_by_name(write_csv):
    renamed = {("a1_deception" if name == "a1_deceive" else name): text for name, text in moralchoice(1).items()}
    with pytest.raises(ValueError, match=r"MoralChoice CSV: missing \['a1_deceive'\], unknown \['a1_deception'\]"):
        import_scenarios(write_csv([renamed]))
    with pytest.raises(ValueError, match="several: found 'some'"):
        import_scenarios(write_csv([moralchoice(1)]), several="some")


def test_the_published_file_is_accounted_for_row_by_moralchoice(shared_data):
    imported = import_scenarios(shared_data / "moralchoice" / "moralchoice_high_ambiguity.csv")
    assert imported.rows == 680
    assert len(imported.scenarios) + len(imported.dropped) == 680
    assert len(imported.scenarios) == 655 and imported.scenarios["outline_id"].is_unique
    assert imported.dropped["problem"].value_counts().to_dict() == {
        "no rule is violated by exactly one of the two actions": 24,
        "the two actions are the same": 1,
    }
    assert set(imported.values.names) == {value.name for value in RULES.values()}


def daily(form, number, kind, values, **more):
    column = "values_aggregated" if form is AGGREGATED else "values_names"
    texts = {
        "idx": str(number * 2 + (kind == "not_to_do")),
        "dilemma_idx": str(number),
        "dilemma_situation": f"Your flatmate {number} has left the rent unpaid again. Do you tell the landlord?",
        "action_type": kind,
        "action": "Tell the landlord" if kind == "to_do" else "Keep quiet",
        "negative_consequence": f"Somebody is cross ({kind}).",
        column: values,
    }
    return {name: texts.get(name, "x") for name in form.columns} | more


@pytest.mark.parametrize("form", [AGGREGATED, BY_ACTION])
def test_two_rows_make_a_dilemma_and_shared_values_decide_nothing(write_csv, form):
    path = write_csv(
        [
            daily(form, 1, "to_do", "['candour', nan, 'loyalty', 'peace']"),
            daily(form, 1, "not_to_do", "['loyalty', 'kindness']"),
            daily(form, 2, "not_to_do", "['loyalty']"),
            daily(form, 2, "to_do", "['candour']"),
        ]
    )
    imported = import_scenarios(path)
    assert imported.rows == 4 and imported.dropped.empty
    found = imported.scenarios[["value_1", "value_2", "acting_value"]].to_numpy()
    assert [tuple(sorted(row[:2])) for row in found] == [
        ("candour", "kindness"),
        ("kindness", "peace"),
        ("candour", "loyalty"),
    ]
    acting = imported.scenarios.set_index("outline_id")
    # action 1 supports value 1, whichever way round the file told it
    for scenario in imported.scenarios.itertuples():
        for value, action, after in (
            (scenario.value_1, scenario.action_1, scenario.consequence_1),
            (scenario.value_2, scenario.action_2, scenario.consequence_2),
        ):
            does = value in ("candour", "peace")
            assert action == ("Tell the landlord" if does else "Keep quiet")
            assert after == ("Somebody is cross (to_do)." if does else "Somebody is cross (not_to_do).")
    assert len(acting) == 3 and imported.notes[0].startswith("1 records")


def test_broken_dilemmas_are_counted_with_both_rows(write_csv):
    rows = [
        daily(AGGREGATED, 1, "to_do", "['candour']"),
        daily(AGGREGATED, 1, "to_do", "['candour']"),
        daily(AGGREGATED, 2, "to_do", "open('x')"),
        daily(AGGREGATED, 2, "not_to_do", "['peace']"),
        daily(AGGREGATED, 3, "to_do", "'candour'"),
        daily(AGGREGATED, 3, "not_to_do", "['peace']"),
        daily(AGGREGATED, 4, "to_do", "['candour']", dilemma_situation="Another story."),
        daily(AGGREGATED, 4, "not_to_do", "['peace']"),
        daily(AGGREGATED, 5, "to_do", "['candour']"),
        daily(AGGREGATED, 5, "not_to_do", "['candour']"),
        daily(AGGREGATED, 6, "to_do", "['candour']"),
        daily(AGGREGATED, 6, "not_to_do", "['peace']"),
        ["short"],
    ]
    imported = import_scenarios(write_csv(rows))
    assert imported.rows == 13 and len(imported.scenarios) == 1
    assert imported.dropped["row"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13]
    told = imported.dropped.set_index("row")["problem"]
    assert "action_type" in told[1] and "found Call" in told[3] and "expected a list" in told[5]
    assert "different situations" in told[7] and "no value speaks for action 1 or 2 alone" in told[9]


def test_daily_values_may_be_put_together(write_csv):
    path = write_csv(
        [daily(AGGREGATED, 1, "to_do", "['candour', 'truth']"), daily(AGGREGATED, 1, "not_to_do", "['x/y']")]
    )
    labels = {name: Value("honesty", "telling how it is") for name in ("candour", "truth")}
    imported = import_scenarios(path, labels=labels | {"x/y": Value("tact", "sparing feelings")})
    assert len(imported.scenarios) == 1 and imported.values.names == ["honesty", "tact"]
    # without a mapping a label becomes a name that a value set can hold
    assert "x y" in import_scenarios(path).values.names


def risky(number, action, values, **more):
    dilemma = f"You run the switchboard of clinic {number} and are about to be turned off."
    return {"dilemma": dilemma, "action": action, "values": values, "targets": ["Human"]} | more


def test_adjacent_rows_pair_up_and_strays_are_dropped(write_lines, write_csv):
    records = [
        risky(1, "Action 1: Tell the doctors", ["Truth", "Care"]),
        risky(1, "Action 2: Say nothing", ["Care", "Self-keeping"]),
        risky(2, "Action 1: alone", ["Truth"]),
        risky(3, "Action 1: Wait", "['Truth']"),
        risky(3, "Action 2: Call", '["Care", "Freedom"]'),
        "not JSON",
        risky(4, "Action 1: Wait", 7),
        risky(4, "Action 2: Call", ["Care"]),
        risky(5, "Action 1: Wait", ["Truth"]),
        "not JSON either: what it parts is no pair",
        risky(5, "Action 2: Call", ["Care"]),
    ]
    imported = import_scenarios(write_lines(records, "model_eval.jsonl"))
    assert imported.rows == 11 and imported.dropped["row"].tolist() == [3, 6, 7, 8, 9, 10, 11]
    assert len(imported.scenarios) == 3
    texts = set(imported.scenarios[["action_1", "action_2"]].to_numpy().ravel())
    assert texts == {"Tell the doctors", "Say nothing", "Wait", "Call"}
    classes = [{"value": name, "value_class": "kept"} for name in ("Care", "Self-keeping")]
    classes_of = read_value_map(write_csv([{"value": "Truth", "value_class": "Truthfulness"}, *classes], "map.csv"))
    labels = {value: Value(name, name) for value, name in classes_of.items()}
    classed = import_scenarios(write_lines(records, "full.jsonl"), labels=labels)
    assert classed.values.names == ["Truthfulness", "kept"] and len(classed.scenarios) == 1
    with_more = [risky(5, "a", ["Truth"], risky_behaviors=["x"], context="y"), risky(5, "b", ["Care"], context="y")]
    assert len(import_scenarios(write_lines(with_more, "full.jsonl")).scenarios) == 1


def clash(number, **more):
    texts = ("id", "title", "topic", "source", "situation", "action", "acceptable", "unacceptable")
    texts = {name: f"{name} {number}" for name in texts}
    return texts | {f"character - {n}": "c" for n in range(11)} | more


def test_an_action_is_taken_or_not(write_csv):
    rows = [clash(1), clash(2, action=""), clash(3)]
    imported = import_scenarios(write_csv(rows, encoding="utf-8-sig"))
    assert imported.rows == 3 and imported.dropped["row"].tolist() == [2]
    assert imported.scenarios["action_1"].tolist() == ["action 1", "action 3"]
    assert imported.scenarios["action_2"].tolist() == ["Not this: action 1", "Not this: action 3"]
    assert set(imported.scenarios["acting_value"]) == {"doing it"}
    own = {"doing": Value("courage", "stepping in"), "leaving": Value("caution", "waiting for certainty")}
    assert import_scenarios(write_csv(rows), labels=own).values.names == ["courage", "caution"]
    fewer = {name: text for name, text in clash(1).items() if name != "character - 4"}
    with pytest.raises(ValueError, match=r"11 columns 'character - …' \(found 10\)"):
        import_scenarios(write_csv([fewer]))
    with pytest.raises(ValueError, match=r"missing \['title'\], unknown \['titel'\]"):
        import_scenarios(write_csv([{("titel" if name == "title" else name): text for name, text in clash(1).items()}]))
