"""Multiple choice: both orders are asked, what was shown is stored, and letters are turned back into actions."""

import asyncio
import shutil
from collections import Counter

import pandas as pd
import pytest

from conflictscope.elicit import ask_multiple_choice, ask_ratings, ask_with_abstention
from conflictscope.prompts import read_fences, rendering
from conflictscope.table_files import check_table
from conflictscope.tables import NothingToCount


def shown(body):
    return read_fences(body["messages"][-1]["content"])


def prefers_candour(body):
    return {"answer": "A" if "is stale" in shown(body)["action a"] else "B"}


def test_each_scenario_is_asked_in_both_orders_and_actions_are_turned_back(scripted, scenarios):
    models, transport = scripted(prefers_candour)
    answers = check_table(asyncio.run(ask_multiple_choice(scenarios, models, ["m", "n"])), "answers")
    assert len(answers) == len(transport.bodies) == 3 * 2 * 2
    assert (answers["outcome"] == "choice").all() and (answers["action"] == 1).all()
    orders = answers.groupby(["scenario_id", "target"])["action_shown_first"].agg(sorted)
    assert orders.tolist() == [[1, 2]] * 6
    assert {body["temperature"] for body in transport.bodies} == {0}


def test_a_model_that_always_says_a_chooses_the_first_listed_action(scripted, scenarios):
    models, _ = scripted(lambda body: {"answer": "A"})
    answers = asyncio.run(ask_multiple_choice(scenarios, models, ["m"]))
    assert (answers["action"] == answers["action_shown_first"]).all()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("B", "choice"),
        ("**A**", "choice"),
        ("As an AI, I cannot choose.", "refusal"),
        ("Both have merit.", "invalid"),
        ("", "invalid"),
    ],
)
def test_without_a_schema_the_whole_reply_has_to_be_a_letter(scripted, scenarios, reply, outcome):
    models, _ = scripted(lambda body: reply, json_schema=False, logprobs=False)
    answers = check_table(asyncio.run(ask_multiple_choice(scenarios.head(1), models, ["m"])), "answers")
    assert answers["outcome"].tolist() == [outcome] * 2
    assert answers["action"].notna().all() == (outcome == "choice")
    if reply:
        assert answers["raw"].tolist() == [reply] * 2


def test_a_failed_call_is_an_error_and_the_others_go_on(scripted, scenarios):
    models, _ = scripted(lambda body: 400 if "Case 1" in shown(body)["description"] else {"answer": "B"})
    answers = check_table(asyncio.run(ask_multiple_choice(scenarios, models, ["m"])), "answers")
    assert answers.groupby("scenario_id")["outcome"].first().tolist() == ["choice", "error", "choice"]
    assert "scripted failure" in answers.loc[answers["outcome"] == "error", "problem"].iloc[0]


@pytest.mark.parametrize("json_schema", [True, False])
def test_log_probabilities_become_the_share_of_the_first_letter(scripted, scenarios, json_schema):
    """A letter among the alternatives of a brace is not the letter of the answer."""
    brace = {"token": '{"answer": "', "top_logprobs": [{"token": '{"answer": "', "logprob": -0.1}]}
    brace["top_logprobs"] += [{"token": "A", "logprob": -9}, {"token": "B", "logprob": -4}]

    def script(body):
        assert ("response_format" in body) == json_schema and body["logprobs"]
        alternatives = [
            {"token": " A", "logprob": -0.5},
            {"token": "B", "logprob": -1.5},
            {"token": "C", "logprob": -3},
        ]
        letter = {"token": "A", "logprob": -0.5, "top_logprobs": alternatives}
        content = '{"answer": "A"}' if json_schema else "A"
        tokens = [brace, letter] if json_schema else [letter]
        return {"message": {"role": "assistant", "content": content}, "logprobs": {"content": tokens}}

    models, _ = scripted(script, logprobs=True, json_schema=json_schema)
    answers = asyncio.run(ask_multiple_choice(scenarios.head(1), models, ["m"]))
    assert answers["outcome"].tolist() == ["choice"] * 2
    assert answers["probability_first"].tolist() == [pytest.approx(1 / (1 + 2.718281828459045**-1))] * 2


def test_the_system_prompt_goes_first_and_is_named(scripted, scenarios):
    models, transport = scripted(prefers_candour)
    arms = {"m": {"default": lambda scenario_id: None, "steered:x": lambda scenario_id: f"for {scenario_id}"}}
    answers = asyncio.run(ask_multiple_choice(scenarios, models, ["m"], arms=arms))
    assert answers["arm"].value_counts().to_dict() == {"default": 6, "steered:x": 6}
    systems = [body["messages"][0]["content"] for body in transport.bodies if body["messages"][0]["role"] == "system"]
    assert sorted(set(systems)) == ["for s0", "for s1", "for s2"]


def test_repetitions_are_asked_anew(scripted, scenarios):
    said = iter("AB" * 9)
    models, transport = scripted(lambda body: {"answer": next(said)})
    answers = asyncio.run(ask_multiple_choice(scenarios, models, ["m"], repetitions=3))
    # three calls of each question, alike in what is sent, and each with a reply of its own in the store
    bodies = Counter(str(body) for body in transport.bodies)
    assert len(answers) == 3 * 2 * 3 and set(bodies.values()) == {3} and len(bodies) == 6
    assert sorted(answers["repetition"].unique()) == [0, 1, 2]
    assert models.store.usage["m", "choose"].calls == 18
    # and the same rows come of them, whoever asks next
    again = asyncio.run(ask_multiple_choice(scenarios, models, ["m"], repetitions=3))
    pd.testing.assert_frame_equal(again, answers)
    assert len(transport.bodies) == 18
    once = asyncio.run(ask_multiple_choice(scenarios, models, ["m"]))
    pd.testing.assert_frame_equal(once, answers[answers["repetition"] == 0].reset_index(drop=True))


def test_the_temperature_reaches_the_endpoint(scripted, scenarios):
    models, transport = scripted(lambda body: "A", json_schema=False)
    arms = {"m": {"steered:x": lambda scenario_id: "x"}}
    for ask in (ask_multiple_choice, ask_ratings):
        asyncio.run(ask(scenarios, models, ["m"], temperature=0.7))
    asyncio.run(ask_multiple_choice(scenarios, models, ["m"], arms=arms, temperature=0.7))
    assert [body["temperature"] for body in transport.bodies] == [0.7] * 18


def test_old_replies_and_new_ones_are_never_in_one_table(scripted, scenarios, monkeypatch, tmp_path):
    said = "A"
    models, transport = scripted(lambda body: {"answer": said})
    old = asyncio.run(ask_multiple_choice(scenarios, models, ["m"]))
    shutil.copytree(rendering.FOLDER, tmp_path / "prompts")
    prompt = tmp_path / "prompts" / "choose.txt"
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("one letter", "a single letter"), encoding="utf-8")
    said = "B"
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "FOLDER", tmp_path / "prompts")
        rendering._read.cache_clear()
        new = asyncio.run(ask_multiple_choice(scenarios, models, ["m"]))
    rendering._read.cache_clear()
    # every reply under the changed prompt is new, none of those that the store held under the old one is among them
    assert len(transport.bodies) == 12 and (old["action"] == 3 - new["action"]).all() and len(new) == 6
    # a scenario with other words likewise, and the others are as they were
    said = "A"
    other = scenarios.assign(description=scenarios["description"].str.replace("Case 1", "Case one"))
    mixed = asyncio.run(ask_multiple_choice(other, models, ["m"]))
    assert len(transport.bodies) == 14
    pd.testing.assert_frame_equal(mixed, old)


def test_each_action_is_rated_by_itself(scripted, scenarios):
    models, _ = scripted(lambda body: {"rating": 6 if "is stale" in shown(body)["action"] else 2})
    ratings = check_table(asyncio.run(ask_ratings(scenarios, models, ["m"])), "ratings")
    assert ratings.groupby("rated_action")["rating"].unique().map(list).to_dict() == {1: [6], 2: [2]}


def test_a_rating_off_the_scale_is_empty_with_its_text_kept(scripted, scenarios):
    models, _ = scripted(lambda body: "8", json_schema=False)
    ratings = check_table(asyncio.run(ask_ratings(scenarios.head(1), models, ["m"])), "ratings")
    assert ratings["rating"].isna().all()
    assert ratings["raw"].tolist() == ["8", "8"]
    assert ratings["problem"].notna().all()


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("asked", [ask_multiple_choice, ask_ratings])
def test_where_the_endpoint_takes_schemas_it_is_asked_with_one(scripted, scenarios, asked, logprobs):
    reply = {"answer": "A"} if asked is ask_multiple_choice else {"rating": 5}
    models, transport = scripted(lambda body: reply, logprobs=logprobs)
    asyncio.run(asked(scenarios, models, ["m"]))
    assert all("response_format" in body for body in transport.bodies)


def test_what_the_default_arm_is_told_reaches_choices_and_ratings(scripted, scenarios):
    models, transport = scripted(lambda body: {"rating": 5} if "action" in shown(body) else {"answer": "A"})
    asyncio.run(ask_multiple_choice(scenarios, models, ["m"], default_system_prompt="Be good."))
    asyncio.run(ask_ratings(scenarios, models, ["m"], default_system_prompt="Be good."))
    assert len(transport.bodies) == 12
    assert {body["messages"][0]["content"] for body in transport.bodies} == {"Be good."}


def test_thoughts_are_kept_apart_and_their_letters_are_no_votes(scripted, scenarios):
    models, _ = scripted(lambda body: "<think>\nA or B? A.\n</think>\n\nB", json_schema=False)
    answers = check_table(asyncio.run(ask_multiple_choice(scenarios, models, ["m"])), "answers")
    assert (answers["action"] != answers["action_shown_first"]).all()
    assert set(answers["reasoning"]) == {"A or B? A."} and set(answers["model_id"]) == {"m"}
    assert set(answers["raw"]) == {"<think>\nA or B? A.\n</think>\n\nB"}


def test_a_target_none_of_whose_first_replies_can_be_read_stops_the_stage(scripted, scenarios):
    many = pd.concat([scenarios.assign(scenario_id=f"{n}", description=f"Case {n}.") for n in range(40)])
    models, transport = scripted(lambda body: "A or B, both are fine.", json_schema=False, concurrency=2)
    with pytest.raises(NothingToCount, match=r"first 20 replies can be used.*both are fine"):
        asyncio.run(ask_multiple_choice(many, models, ["m"]))
    assert len(transport.bodies) < 30
    # one that declines says something
    models, transport = scripted(lambda body: "I'm sorry, I can't choose.", json_schema=False, concurrency=2)
    answers = asyncio.run(ask_multiple_choice(many, models, ["m"]))
    assert set(answers["outcome"]) == {"refusal"}


@pytest.mark.parametrize("asked", [ask_multiple_choice, ask_ratings])
def test_without_scenarios_nobody_is_asked(scripted, scenarios, asked):
    models, transport = scripted(lambda body: 500)
    with pytest.raises(NothingToCount, match="no scenario to put to the targets: notebook 02 kept none"):
        asyncio.run(asked(scenarios.head(0), models, ["m"]))
    assert not transport.bodies


@pytest.mark.parametrize("json_schema", [True, False])
def test_a_third_answer_is_an_outcome_of_its_own_and_leaves_the_forced_form_alone(scripted, scenarios, json_schema):
    def script(body):
        if "action c" not in shown(body):
            return {"answer": "A"} if json_schema else "A"
        letter = "C" if "Case 1" in shown(body)["description"] else "B"
        return {"answer": letter} if json_schema else letter

    models, transport = scripted(script, json_schema=json_schema, logprobs=False)
    free = check_table(asyncio.run(ask_with_abstention(scenarios, models, ["m"])), "abstaining_answers")
    assert free["outcome"].tolist() == ["choice"] * 2 + ["neither"] * 2 + ["choice"] * 2
    assert free["arm"].eq("may_abstain").all()
    assert free["action"].isna().equals(free["outcome"].eq("neither"))
    assert free["action"].dropna().tolist() == [2, 1, 2, 1]
    assert all(shown(body)["action c"] == "Neither; I would say why." for body in transport.bodies)
    forced = asyncio.run(ask_multiple_choice(scenarios, models, ["m"]))
    assert forced["outcome"].eq("choice").all() and forced["arm"].eq("default").all()
    nobody = asyncio.run(ask_with_abstention(scenarios, models, []))
    assert check_table(nobody, "abstaining_answers").empty
