from math import sqrt

from conflictscope.simulated import library
from conflictscope.simulated.user import DEFECT_RATE, TAG

PROFILE = ("description", "persona", "background", "goal")


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


def test_a_stranger_s_scenario_gets_a_message_and_a_text(ask):
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
