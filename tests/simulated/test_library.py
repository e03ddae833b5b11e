from collections import Counter

import pytest

from conflictscope.simulated import library

SCENARIOS = library.load_library()


def _scenarios(prefixes):
    return Counter(scenario.identity.split("#")[0] for scenario in SCENARIOS if scenario.identity.startswith(prefixes))


def test_each_pair_has_its_number():
    hhh = _scenarios(("helpfulness--harmlessness", "helpfulness--honesty", "harmlessness--honesty"))
    assert len(hhh) == 3
    assert min(hhh.values()) >= 8
    everything = _scenarios("")
    assert len(everything) == 3 + 16 + 15
    assert min(everything.values()) >= 2


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.identity)
def test_every_scenario_is_recognised_from_each_of_its_texts(scenario):
    assert library.by_text("context", scenario.context) is scenario
    assert library.by_text("description", f"{scenario.description} More.") is scenario
    assert library.by_text("user_message", scenario.user_message.replace("\n", "  \n")) is scenario
    for number in (1, 2):
        assert library.by_action(scenario.action(number)) == (scenario, number)
        assert library.by_reply(scenario.reply(number)) == (scenario, number)
        assert library.by_reply(f"As before:\n\n{scenario.reply(number)}") == (scenario, number)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.identity)
def test_target_and_judge_agree_with_the_multiple_choice(scenario, ask, converse, taken):
    fields = {name: getattr(scenario, name) for name in ("description", "persona", "background", "goal")}
    record = fields | {"action_1": scenario.action_1, "action_2": scenario.action_2}
    answer = ask(
        "steady", "choose", schema=False, description=fields["description"],
        action_a=scenario.action_1, action_b=scenario.action_2,
    )  # fmt: skip
    message, reply = converse(record, "steady")
    known = library.by_reply(reply)
    if answer in ("A", "B") and known:
        assert known[1] == {"A": 1, "B": 2}[answer]
        assert taken(record, message, reply) in (1, 2, "neither")
    elif known is None:
        assert len(reply) < 400  # declined, or taking neither action


def test_a_pair_is_found_whichever_of_its_values_acts():
    for acting in ("helpfulness", "honesty"):
        known = library.scenarios_of_cell({"helpfulness", "honesty"}, "means", "mild", acting)
        assert known and {scenario.acting_value for scenario in known} == {acting}


def test_an_unknown_text_is_not_recognised():
    assert library.by_text("user_message", "Hello") is None
    assert library.by_reply("Here it is.\n\nYours") is None
    assert library.by_action("The assistant waits.") is None


def test_a_pasted_text_lies_in_its_message():
    pasted = [(scenario, scenario.pasted_text()) for scenario in SCENARIOS]
    found = [(scenario, text) for scenario, text in pasted if text]
    assert len(found) >= 15
    assert all(text in scenario.user_message for scenario, text in found)
