"""The published release: its scenarios with profile and template, its checks, messages and results as our tables."""

import json

import pytest

from conflictscope.exchange import import_scenarios, read_published_tables
from conflictscope.exchange.published import CHECK_NAMES, SCENARIOS, read_id
from conflictscope.scenarios import Value, ValueSet, apply_filter

OWN_SET = ValueSet(
    "own",
    (Value("candour", "saying what is so"), Value("tact", "sparing people's feelings")),
    (("candour", "tact"),),
)


def an_id(number, template="coc", one="candour", two="tact"):
    return f"some-model-3.5_{one}_{two}_{one}-{two}-{template}-{number}"


def scenario(number, template="coc", failed=(), one="candour", two="tact", **more):
    kept = not failed
    fields = {
        "scenario_id": an_id(number, template, one, two),
        "context": "c",
        "description": f"Case {number}: a baker asks what to think of her slogan.",
        "user_prompt": str({"persona": "a baker", "background": "She's tired.", "goal": f"an opinion on {number}"}),
        "value1": one,
        "value2": two,
        "action1": f"Say that slogan {number} is stale.",
        "action2": f"Praise what is good in slogan {number}.",
        "keep_scenario": str(kept),
        "check_results": json.dumps({name: name not in failed for name in CHECK_NAMES}),
        "generating_model": "some-model-3.5",
    }
    return fields | more


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("coc", ("side_effect", "strong")),
        ("coc_mild", ("side_effect", "mild")),
        ("cc", ("means", "strong")),
        ("cc_mild", ("means", "mild")),
    ],
)
def test_ids_say_where_a_scenario_is_from(template, expected):
    parts = read_id(an_id(14, template, "non-hate", "self_rule"))
    assert (parts.structure, parts.severity) == expected
    assert (parts.author, parts.value_1, parts.value_2, parts.number) == ("some-model-3.5", "non-hate", "self_rule", 14)


@pytest.mark.parametrize("wrong", ["", "x", "m_a_b_b-a-coc-1", "m_a_b_a-b-coco-1", "m_a_b_a-b-coc-x", "m_" * 20_000])
def test_other_ids_are_refused(wrong):
    with pytest.raises(ValueError, match="expected <author>_<value 1>"):
        read_id(wrong)


def test_scenarios_come_with_profile_template_and_checks(write_csv):
    path = write_csv(
        [
            scenario(1),
            scenario(2, "cc_mild", value1=OWN_SET["candour"].definition),
            scenario(3, failed=["scenario_ambiguity"]),
            scenario(4, user_prompt="__import__('os')"),
            scenario(5, check_results="{'scenario_realism': True}"),
            scenario(6, keep_scenario="maybe"),
            scenario(7, scenario_id="seven"),
            scenario(8, user_prompt="{'persona': 'a', 'goal': 'b'}"),
            scenario(9, one="tact", two="candour"),
        ]
    )
    for values in (None, OWN_SET):
        imported = import_scenarios(path, **({"values": values} if values else {}))
        assert imported.rows == 9 and imported.dropped["row"].tolist() == [3, 4, 5, 6, 7, 8]
        assert imported.values.names == ["candour", "tact"]
        assert imported.values["candour"].definition == "saying what is so"
    told = imported.dropped["problem"].tolist()
    assert told[0] == "filtered out by the release itself: dilemma"
    expected = ["found Call", "check_results", "keep_scenario", "id 'seven'", "user_prompt"]
    for problem, words in zip(told[1:], expected, strict=True):
        assert words in problem
    one, two, turned = imported.scenarios.to_dict("records")
    assert (one["structure"], one["severity"], one["goal"]) == ("side_effect", "strong", "an opinion on 1")
    assert (two["structure"], two["severity"], two["value_1"]) == ("means", "mild", "candour")
    # written the other way round: values and actions are turned together
    assert turned["value_1"] == "candour" and turned["action_1"].startswith("Praise")
    assert imported.scenarios["acting_value"].isna().all()

    everything = import_scenarios(path, kept_only=False)
    assert len(everything.scenarios) == 4
    checks = read_published_tables(path, everything).tables["checks"]
    assert len(checks) == 24
    decided = apply_filter(everything.scenarios, checks)
    assert decided["filter_status"].value_counts().to_dict() == {"kept": 3, "dropped": 1}
    # true means passed, in the last two as well
    assert decided["exclusive"].all() and (~decided["dilemma"]).sum() == 1


def test_a_newer_release_is_refused_by_name(write_csv):
    newer = scenario(1) | {"difficulty": "3"}
    with pytest.raises(ValueError, match=r"scenario CSV of the ConflictScope release: .*unknown \['difficulty'\]"):
        import_scenarios(write_csv([newer]))
    assert set(scenario(1)) == set(SCENARIOS.columns)


def messages(tmp_path, entries):
    path = tmp_path / "prompts.json"
    path.write_text("{" + ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in entries) + "}", encoding="utf-8")
    return path


def test_opening_messages_stand_on_their_own_and_go_with_their_scenarios(write_csv, tmp_path):
    path = messages(
        tmp_path,
        [
            (an_id(1), "Is my slogan any good?"),
            (an_id(2, "cc"), "Here it is: <ARTIFACT>the slogan</ARTIFACT>"),
            (an_id(3), "  "),
            (an_id(4), "What about tact?"),
            (an_id(5), "first"),
            (an_id(5), "second"),
            (an_id(6), 7),
            ("nonsense", "text"),
        ],
    )
    alone = read_published_tables(path)
    opened = alone.tables["opening_messages"]
    assert alone.rows == 8 and alone.dropped["row"].tolist() == [5, 6, 7, 8]
    assert "occurs 2 times" in alone.dropped["problem"][0] and "found int" in alone.dropped["problem"][2]
    # without the scenarios, the release's id stands for them
    assert opened["scenario_id"].tolist() == [an_id(1), an_id(2, "cc"), an_id(3), an_id(4)]
    assert opened["usable"].tolist() == [True, False, False, True]

    imported = import_scenarios(write_csv([scenario(1), scenario(2, "cc"), scenario(4), scenario(5)]))
    known = read_published_tables(path, imported)
    table = known.tables["opening_messages"]
    ids = dict(zip(imported.scenarios["outline_id"], imported.scenarios["scenario_id"], strict=True))
    assert table["scenario_id"].tolist() == [ids[an_id(1)], ids[an_id(2, "cc")], ids[an_id(4)]]
    assert table["keeps_tag"].tolist() == [False, True, False] and table["usable"].tolist() == [True, False, True]
    for found in (table, opened):
        assert found["named_value"].dropna().tolist() == ["tact"]
    assert known.dropped["row"].tolist() == [3, 5, 6, 7, 8] and "not among those" in known.dropped["problem"][0]


@pytest.mark.parametrize("text", ["[1, 2]", "{", '"text"', "[" * 100_000])
def test_what_are_no_messages_is_refused(tmp_path, text):
    path = tmp_path / "prompts.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="expected"):
        read_published_tables(path)


def test_an_id_that_two_scenarios_share_names_neither(write_csv, tmp_path):
    rows = [scenario(1), scenario(1) | {"description": "Another baker, the same id."}, scenario(2)]
    imported = import_scenarios(write_csv(rows))
    assert len(imported.scenarios) == 3 and imported.scenarios["outline_id"].is_unique
    path = messages(tmp_path, [(an_id(1), "Whose message?"), (an_id(2), "Mine.")])
    assert read_published_tables(path, imported).tables["opening_messages"]["message"].tolist() == ["Mine."]
    assert read_published_tables(write_csv(rows), imported).tables["checks"]["scenario_id"].nunique() == 1


def answer(number, choice, **more):
    fields = {
        "scenario_id": an_id(number),
        "generating_model": "some-model-3.5",
        "value1": "candour",
        "value2": "tact",
        "model": "target-1",
        "choice": choice,
        "likert": "0.5",
        "likert_a": "-0.3333333",
        "likert_b": "0.6666667",
    }
    return fields | more


def test_multiple_choice_results_become_choices_and_ratings(write_csv):
    rows = [
        answer(1, "A"),
        answer(2, "B", likert_a="0.1", likert_b=""),
        answer(3, "INVALID"),
        answer(4, "ERROR", likert_a="2"),
        answer(5, "C"),
        answer(6, ""),
        answer(7, "A", model=" "),
    ]
    results = read_published_tables(write_csv(rows))
    assert results.rows == 7 and results.dropped["row"].tolist() == [5, 6, 7]
    choices = results.tables["choices"]
    assert choices["outcome"].tolist() == ["choice", "choice", "invalid", "error"]
    assert choices["winner"].tolist()[:2] == ["candour", "tact"] and choices["winner"].isna().tolist()[2:] == [True] * 2
    assert set(choices["condition"]) == {"multiple_choice"} and choices["structure"].eq("side_effect").all()
    ratings = results.tables["ratings"]
    assert ratings["rating"].fillna(0).tolist() == [3, 6, 0, 0, 3, 6, 0, 6]
    assert ratings["problem"].notna().tolist() == [False, False, True, True, False, False, True, False]
    assert ratings.loc[2, "raw"] == "0.1" and "steps of a third" in ratings.loc[2, "problem"]
    assert set(results.tables) == {"choices", "ratings"}


def test_results_follow_their_scenarios_when_these_were_turned(write_csv):
    # the value set has candour first; this scenario of the release has it second
    turned = scenario(9, one="tact", two="candour")
    imported = import_scenarios(write_csv([scenario(1), turned], "scenarios.csv"), values=OWN_SET)
    own = {"scenario_id": turned["scenario_id"], "value1": "tact", "value2": "candour"}
    rows = [answer(1, "A"), answer(0, "A", **own), answer(3, "A")]
    results = read_published_tables(write_csv(rows), imported)
    assert results.tables["choices"]["action"].tolist() == [1, 2] and results.tables["choices"]["winner"].tolist() == [
        "candour",
        "tact",
    ]
    assert set(results.tables["choices"]["scenario_id"]) == set(imported.scenarios["scenario_id"])
    rated = results.tables["ratings"].groupby("scenario_id", sort=False)["rated_action"].agg(list).tolist()
    assert rated == [[1, 2], [2, 1]]
    assert "not among those imported" in results.dropped["problem"][0]


def test_open_ended_results_become_choices_and_verdicts(write_csv):
    def verdict(number, choice, likert):
        shared = ("scenario_id", "generating_model", "value1", "value2")
        fields = {name: text for name, text in answer(number, choice).items() if name in shared}
        models = {"user_model": "u", "assistant_model": "target-1", "judge_model": "judge-1"}
        return fields | models | {"choice": choice, "likert": likert, "reasoning": "r", "conversation": "USER: x"}

    rows = [verdict(1, "A", "-1.0"), verdict(2, "B", "0.33"), verdict(3, "INVALID", ""), verdict(4, "A", "5")]
    results = read_published_tables(write_csv(rows))
    assert results.tables["verdicts"]["leaning"].fillna(0).tolist() == [1, 5, 0, 0]
    assert results.tables["verdicts"]["outcome"].tolist() == ["choice", "choice", "invalid", "choice"]
    assert results.tables["choices"]["judge"].tolist() == ["judge-1"] * 4 and set(
        results.tables["choices"]["condition"]
    ) == {"open_ended"}
    assert set(results.tables) == {"choices", "verdicts"}
    with pytest.raises(ValueError, match=r"repeats the key"):
        read_published_tables(write_csv([answer(1, "A"), answer(1, "B")]))
    with pytest.raises(ValueError, match=r"multiple-choice CSV of the ConflictScope release: missing \['likert_b'\]"):
        read_published_tables(write_csv([{k: v for k, v in answer(1, "A").items() if k != "likert_b"}]))


def test_the_published_messages_are_all_there(shared_data):
    published = read_published_tables(shared_data / "conflictscope-published" / "HHH" / "prompts.json")
    opened = published.tables["opening_messages"]
    assert published.rows == len(opened) == 1109 and published.dropped.empty
    assert opened["keeps_tag"].sum() == 3 and opened["usable"].sum() == 1104
    # two leave a gap in what is pasted in, such as "Hi [Manager],"
    assert opened["fault"].value_counts().to_dict() == {"tag": 3, "placeholder": 2}
    ids = [read_id(published_id) for published_id in opened["scenario_id"]]
    assert len({(own.value_1, own.value_2, own.structure, own.severity) for own in ids}) == 12
    assert {value for own in ids for value in (own.value_1, own.value_2)} == {"helpfulness", "harmlessness", "honesty"}
