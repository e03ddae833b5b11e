import re
from math import sqrt

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from conflictscope.simulated import library
from conflictscope.simulated.composing import FLAW_RATES, find_flaw, read_case, stands_kept
from conflictscope.simulated.writers import DEFECT_RATE, REPEAT_RATE, TAG

REPEATED = "days left for it."
PROFILE = ("description", "persona", "background", "goal")
CELL = ("value_1", "value_2", "structure", "severity", "acting_value")


def _within(count: int, n: int, rate: float) -> bool:
    """Say whether a binomial count lies within four standard errors."""
    return abs(count - n * rate) < 4 * sqrt(n * rate * (1 - rate)) + 1


def test_two_thousand_scenarios_of_an_unknown_set_are_distinct(own_scenarios):
    assert len(own_scenarios) >= 2000
    fresh = [scenario for scenario in own_scenarios if REPEATED not in scenario["context"]]
    assert len({scenario["description"] for scenario in fresh}) == len(fresh)


def test_no_scenario_names_a_value_of_its_pair(own_scenarios, hhh_scenarios):
    for scenario in (*own_scenarios, *hhh_scenarios):
        names = rf"(?i)\b({scenario['value_1']}|{scenario['value_2']})\b"
        text = "\n".join(scenario[field] for field in ("description", "action_1", "action_2"))
        assert not re.search(names, text), text


def test_descriptions_and_actions_are_of_the_length_asked_for(own_scenarios):
    lengths = sorted(len(scenario["description"].split()) for scenario in own_scenarios)
    assert lengths[len(lengths) // 20] >= 60
    assert lengths[len(lengths) // 2] <= 125
    for scenario in own_scenarios:
        assert scenario["action_1"].startswith("The assistant ")
        assert scenario["action_2"].startswith("The assistant ")


@pytest.mark.parametrize("names", [("the", "and"), ("paragraph", "idea"), ("letter", "assistant"), ("a.*", "(")])
def test_values_named_like_common_words_are_masked(names, generate):
    values = dict(zip(names, ("what comes first in a sentence", "what joins two things"), strict=True))
    pattern = "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names)
    for scenario in generate(values, 2):
        assert not re.search(pattern, scenario["description"], re.IGNORECASE)
        assert not re.search(pattern, scenario["action_1"], re.IGNORECASE)


def test_repeats_come_at_the_set_rate_and_tfidf_catches_them(own_scenarios):
    repeated = [scenario for scenario in own_scenarios if REPEATED in scenario["context"]]
    cells = {tuple(s[field] for field in CELL) for s in own_scenarios}
    assert _within(len(repeated), len(own_scenarios) - len(cells), REPEAT_RATE)
    pair = [s for s in own_scenarios if (s["value_1"], s["value_2"]) == ("thrift", "hospitality")]
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(
        s["context"] + " " + s["action_opportunity"] for s in pair
    )
    cosine = (vectors @ vectors.T).toarray()
    for n, scenario in enumerate(pair):
        if REPEATED in scenario["context"]:
            assert cosine[n, :n].max() >= 0.8
    fresh = [n for n, scenario in enumerate(pair) if REPEATED not in scenario["context"]]
    alike = sum(cosine[n, :n].max(initial=0) >= 0.8 for n in fresh)
    assert alike < 0.03 * len(fresh)


@pytest.mark.parametrize("check", [check for check in FLAW_RATES if check != "value_guided"])
def test_flaws_come_at_the_set_rate(check, own_scenarios):
    flawed = sum(
        find_flaw(check, scenario["description"], (scenario["action_1"], scenario["action_2"])) is not None
        for scenario in own_scenarios
    )
    assert _within(flawed, len(own_scenarios), FLAW_RATES[check])


def test_no_scenario_of_the_library_has_a_flaw():
    for scenario in library.load_library():
        for check in set(FLAW_RATES) - {"value_guided"}:
            assert find_flaw(check, scenario.description, (scenario.action_1, scenario.action_2)) is None


def test_the_library_comes_first_and_its_scenario_is_told_in_full(hhh_scenarios):
    known = [scenario for scenario in hhh_scenarios if library.by_text("context", scenario["context"])]
    assert len(known) >= 24
    for scenario in known:
        entry = library.by_text("context", scenario["context"])
        assert scenario["description"].startswith(entry.description)
        sides = {entry.values[0]: entry.action_1, entry.values[1]: entry.action_2}
        assert scenario["action_1"] == sides[scenario["value_1"]]
        assert scenario["action_2"] == sides[scenario["value_2"]]


def test_a_pair_asked_for_the_other_way_round_swaps_the_actions(ask):
    entry = library.load_library()[0]
    outline = {field: getattr(entry, field) for field in ("context", "action_opportunity", "good", "harm")}
    first, second = entry.values

    def expand(value_1, value_2):
        return ask(
            "author", "scenario", value_1=value_1, definition_1="d", value_2=value_2, definition_2="e",
            acting_value=first, other_value=second, **outline,
        )  # fmt: skip

    there, back = expand(first, second), expand(second, first)
    assert there["action_1"] == back["action_2"] == entry.action_1
    assert there["consequence_2"] == back["consequence_1"] == entry.consequence_2


def test_batches_do_not_repeat_one_another(ask):
    cell = {
        "value_1": "thrift", "definition_1": "using little", "value_2": "joy", "definition_2": "being glad",
        "structure": "means", "severity": "mild", "acting_value": "joy", "other_value": "thrift",
    }  # fmt: skip
    contexts = [
        outline["context"]
        for batch, count in ((1, 5), (2, 5), (3, 2))
        for outline in ask("author", "outlines", **cell, count=count, batch=batch)["outlines"]
    ]
    assert len(set(contexts)) == 12


def test_an_outline_of_somebody_else_becomes_a_plain_scenario(ask):
    scenario = ask(
        "author", "scenario", value_1="x", definition_1="d", value_2="y", definition_2="e", acting_value="y",
        other_value="x", context="Ann asks for a poem.", action_opportunity="The assistant could write the poem.",
        good="Ann is glad.", harm="Bob is not.",
    )  # fmt: skip
    assert scenario["action_2"] == "The assistant takes the opportunity to write the poem."
    assert scenario["consequence_1"] == "Bob is not."


def test_an_empty_definition_does_not_stop_the_author(generate):
    assert len(generate({"x-ness": "", "y-ness": "“"}, 1)) == 8


@pytest.mark.parametrize("structure", ["side_effect", "means", "none"])
def test_scenarios_in_one_step_are_distinct_and_follow_the_template(structure, ask):
    fields = {
        "value_1": "thrift",
        "definition_1": "using little",
        "value_2": "honesty",
        "definition_2": "telling the truth",
        "structure": structure,
        "severity": "none" if structure == "none" else "strong",
        "acting_value": "" if structure == "none" else "honesty",
        "other_value": "thrift",
    }
    written = [ask("author", "single_stage", **fields, number=number) for number in range(1, 61)]
    assert len({scenario["description"] for scenario in written}) == 60
    assert set(written[0]) == {
        "description", "persona", "background", "goal", "action_1", "action_2", "consequence_1", "consequence_2",
    }  # fmt: skip
    cases = [read_case(scenario["description"]) for scenario in written]
    acting = {(case.go.value, case.hold.value) for case in cases}
    there, back = ("honesty", "using little"), ("using little", "honesty")
    assert acting == ({there, back} if structure == "none" else {there})
    if structure != "none":
        assert {case.means for case in cases} == {structure == "means"}
    for scenario, case in zip(written, cases, strict=True):
        assert case.go in stands_kept(scenario["action_2" if case.go.value == "honesty" else "action_1"])
        assert "honesty" not in scenario["description"].lower()


def _opening(ask, scenario):
    return ask("user", "opening_message", **{name: scenario[name] for name in PROFILE})


def test_messages_ask_for_texts_and_have_defects_at_the_set_rates(ask, own_scenarios):
    written = [_opening(ask, scenario) for scenario in own_scenarios]
    n = len(written)
    asking = sum(bool(entry["artifact_request"]) for entry in written)
    assert abs(asking - 0.2 * n) < 4 * sqrt(0.16 * n)
    defects = sum(
        not entry["message"] or (TAG in entry["message"] and not entry["artifact_request"]) for entry in written
    )
    assert 0 < defects < DEFECT_RATE * n + 4 * sqrt(DEFECT_RATE * n)
    for entry in written:
        assert not entry["artifact_request"] or entry["message"].count(TAG) == 1


def test_the_library_gives_its_own_messages_and_texts(ask):
    asked = 0
    for scenario in library.load_library():
        entry = _opening(ask, {name: getattr(scenario, name) for name in PROFILE})
        message = entry["message"]
        if entry["artifact_request"]:
            asked += 1
            pasted = ask("user", "artifact", schema=False, message=message, request=entry["artifact_request"])
            assert message.replace(TAG, pasted) == scenario.user_message
    assert 5 < asked < 25


def test_a_message_with_a_defect_comes_out_right_when_asked_for_again(ask, own_scenarios):
    again = (
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "Your reply could not be used: it is blank"},
    )
    for scenario in own_scenarios[:300]:
        entry = ask("user", "opening_message", after=again, **{name: scenario[name] for name in PROFILE})
        assert entry["message"]
        assert TAG not in entry["message"] or entry["artifact_request"]


def test_an_unfamiliar_scenario_gets_a_message_and_a_text(ask):
    entry = ask("user", "opening_message", description="d", persona="p", background="It rained.", goal="To get a poem.")
    assert "It rained." in entry["message"]
    assert "To get a poem." in entry["message"]
    assert ask("user", "artifact", schema=False, message="See [[artifact]]", request="a log of the pump").count("pump")


def test_the_next_message_presses_for_the_same_thing(ask, own_scenarios):
    scenario = own_scenarios[0]
    entry = ask(
        "user", "next_message", description=scenario["description"], goal="x", conversation="USER: a\n\nASSISTANT: b"
    )
    assert len(entry["message"].split()) > 8
