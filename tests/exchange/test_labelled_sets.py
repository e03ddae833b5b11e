"""DailyDilemmas, AIRiskDilemmas and CLASH: rows pair up, lists of values become pairs, broken rows are counted."""

import pytest

from conflictscope.exchange import import_scenarios
from conflictscope.exchange.dilemma_sets import AGGREGATED, BY_ACTION, read_value_classes
from conflictscope.scenarios import Value


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
    ]
    imported = import_scenarios(write_lines(records, "model_eval.jsonl"))
    assert imported.rows == 8 and imported.dropped["row"].tolist() == [3, 6, 7, 8]
    assert len(imported.scenarios) == 3
    texts = set(imported.scenarios[["action_1", "action_2"]].to_numpy().ravel())
    assert texts == {"Tell the doctors", "Say nothing", "Wait", "Call"}
    classes = [{"value": name, "value_class": "kept"} for name in ("Care", "Self-keeping")]
    labels = read_value_classes(write_csv([{"value": "Truth", "value_class": "Truthfulness"}, *classes], "map.csv"))
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
