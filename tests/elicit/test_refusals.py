"""What declining amounts to: asked once a scenario in both label orders, and turned back from the labels."""

import asyncio

import pytest

from conflictscope.elicit import read_refusals
from conflictscope.prompts import read_fences
from conflictscope.table_files import check_table


def read(models, scenarios):
    return check_table(asyncio.run(read_refusals(scenarios, models, "m")), "refusals")


def test_both_label_orders_are_asked_and_turned_back_and_no_value_or_reply_is_shown(scripted, scenarios):
    def script(body):
        sections = read_fences(body["messages"][-1]["content"])
        assert set(sections) == {"description", "action a", "action b"}
        text = str(body["messages"])
        assert "candour" not in text and "tact" not in text
        letter = "A" if sections["action a"] == scenarios["action_2"].iloc[0] else "B"
        return {"reasoning": "It leaves out all.", "amounts_to": letter}

    models, transport = scripted(script)
    table = read(models, scenarios.head(1))
    assert len(transport.bodies) == 2
    assert table["action_shown_first"].tolist() == [1, 2] and table["action"].tolist() == [2, 2]
    assert table["outcome"].eq("choice").all()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [({"reasoning": "Neither.", "amounts_to": "neither"}, "neither"), ("Hm.", "invalid"), (500, "error")],
)
def test_what_names_no_action_is_none(scripted, scenarios, reply, outcome):
    models, _ = scripted(lambda body: reply)
    table = read(models, scenarios.head(1))
    assert table["outcome"].eq(outcome).all() and table["action"].isna().all()


def test_without_scenarios_nobody_is_asked(scripted, scenarios):
    models, transport = scripted(lambda body: pytest.fail("asked"))
    assert read(models, scenarios.head(0)).empty and not transport.bodies
