import pytest

from conflictscope.simulated.composing import (
    draft_of,
    message_of,
    outline_of,
    read_case,
    reply_of,
    scenario_of,
    stands_kept,
)
from conflictscope.simulated.parts import Case, Stand, load_angles, load_parts, names_one_of
from conflictscope.simulated.reviewers import action_taken

SHIPPED = tuple(name for name in load_angles() if name != "any")


def _stands(mode: str, principle: str) -> list[Stand]:
    return [
        Stand(angle, principle if value == "any" else "")
        for value, modes in load_angles().items()
        for angle in modes[mode]
    ]


def _cases(setting):
    """Return a case for every angle in a setting: each as acting side, each as holding side."""
    parts = load_parts()
    holds = _stands("hold", "leaving the last word to guests")
    for k, go in enumerate(_stands("go", "wasting nothing, and {mending} what can be mended")):
        for matter, _ in setting.matters:
            hold = holds[(k + 7 + len(matter)) % len(holds)]
            yield Case(
                first=parts[setting.only or ("she", "he")[k % 2]][k % 30],
                last=parts["surnames"][(k + len(matter)) % 60],
                place=parts["places"][k % 60],
                setting=setting,
                matter=matter,
                go=go,
                hold=hold,
                means=k % 2 == 0,
                strong=k % 3 == 0,
            )


@pytest.mark.parametrize("setting", load_parts()["settings"], ids=lambda setting: setting.role)
def test_every_text_of_a_case_tells_a_reader_what_it_is_about(setting):
    for case in _cases(setting):
        scenario = scenario_of(case, True)
        outline = "\n".join(outline_of(case).values())
        assert read_case(scenario["description"]) == read_case(outline) == case
        for message in (message_of(case), message_of(case, draft_of(case))):
            read = read_case(message)
            assert (read.identity, read.go, read.hold) == (case.identity, case.go, case.hold)
        assert stands_kept(scenario["action_1"]) == (case.go,)
        assert stands_kept(scenario["action_2"]) == (case.hold,)
        actions = {"A": scenario["action_1"], "B": scenario["action_2"]}
        for style in range(3):
            assert action_taken(reply_of(case, True, style), actions) == "A"
            assert action_taken(reply_of(case, False, style), actions) == "B"


@pytest.mark.parametrize("setting", load_parts()["settings"], ids=lambda setting: setting.role)
def test_no_text_of_a_case_names_a_shipped_value(setting):
    for case in _cases(setting):
        texts = (*scenario_of(case, False).values(), *outline_of(case).values(), message_of(case), reply_of(case, True))
        assert not names_one_of("\n".join(texts), SHIPPED)


def test_each_shipped_value_has_three_angles_for_either_side():
    assert len(SHIPPED) == 15
    assert all(len(load_angles()[value][mode]) >= 3 for value in SHIPPED for mode in ("go", "hold"))


def test_there_are_thirty_settings_with_a_matter_each():
    matters = [matter for setting in load_parts()["settings"] for matter, _ in setting.matters]
    assert len(load_parts()["settings"]) >= 30
    assert len(set(matters)) == len(matters)


def test_a_text_about_something_else_is_about_no_case():
    assert read_case("Marta Novak of Ghent would like a plain warning about the weather.") is None
