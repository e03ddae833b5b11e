"""Target rankings as wanted, system prompts that say them, and targets that are asked under them side by side."""

import asyncio
import itertools
from collections import Counter

import pandas as pd
import pytest

from conflictscope.elicit import ask_multiple_choice, hold_conversations
from conflictscope.elicit.system_prompts import choose_target_rankings, steered_prompts
from conflictscope.scenarios import Value, ValueSet
from conflictscope.tables import NothingToCount

VALUES = ["candour", "tact", "thrift"]
SET = ValueSet("three", tuple(Value(name, f"what {name} asks for") for name in VALUES), (("candour", "tact"),))


def default_rankings(**strengths):
    """Return a rankings table: target → strengths of the values, under `default`, `open_ended`."""
    rows = [
        {"target": t, "condition": "open_ended", "arm": "default", "value": value, "strength": strength, "choices": 4}
        for t, of_target in strengths.items()
        for value, strength in zip(VALUES, of_target, strict=True)
    ]
    other = [row | {"condition": "multiple_choice", "strength": -row["strength"]} for row in rows]
    steered = [row | {"arm": "steered:x", "strength": 0.0} for row in rows]
    return pd.DataFrame(rows + other + steered)


RANKINGS = default_rankings(m=[1.0, 0.0, -1.0], n=[0.5, -1.0, 0.5])


def test_an_explicit_order_is_the_same_for_every_target():
    chosen = choose_target_rankings(VALUES, RANKINGS, ["tact > thrift>candour"], 0)
    assert chosen == {t: {"tact>thrift>candour": ("tact", "thrift", "candour")} for t in "mn"}


def test_reverse_of_default_is_each_targets_own():
    chosen = choose_target_rankings(VALUES, RANKINGS, ["reverse_of_default"], 0)
    assert list(chosen["m"]) == ["thrift>tact>candour"]
    assert list(chosen["n"]) == ["tact>candour>thrift"]  # equal strengths stand as in the value set
    said = choose_target_rankings(VALUES, RANKINGS, ["reverse_of_default"], 0, condition="multiple_choice")
    assert list(said["m"]) == ["candour>tact>thrift"]


def test_all_orders_of_three_values_are_six_and_none_is_there_twice():
    chosen = choose_target_rankings(VALUES, RANKINGS, ["reverse_of_default", "all_orders"], 0)
    assert set(chosen["m"].values()) == set(itertools.permutations(VALUES)) and len(chosen["m"]) == 6
    assert next(iter(chosen["m"])) == "thrift>tact>candour"


@pytest.mark.parametrize(("k", "count"), [(3, 6), (6, 4), (6, 12), (6, 24), (8, 16)])
def test_a_balanced_selection_is_balanced(k, count):
    values = list("abcdefgh")[:k]
    orders = list(choose_target_rankings(values, RANKINGS, [f"balanced:{count}"], 1)["m"].values())
    assert len(set(orders)) == count
    above = Counter(pair for order in orders for pair in itertools.combinations(order, 2))
    assert set(above.values()) == {count // 2} and len(above) == k * (k - 1)
    if count % (2 * k) == 0:
        places = Counter((place, value) for order in orders for place, value in enumerate(order))
        assert set(places.values()) == {count // k}


def test_a_balanced_selection_depends_on_the_seed_alone():
    draws = [choose_target_rankings(list("abcdef"), RANKINGS, ["balanced:4"], seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert draws[0]["m"] == draws[0]["n"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["candour > tact"], "expected each of"),
        (["candour > tact > tact"], "expected each of"),
        (["candour > tact > humour"], "expected each of"),
        (["backwards"], "found 'backwards'; expected reverse_of_default"),
        (["balanced:0"], "found 'balanced:0'"),
        (["balanced:7"], "more orders than 3 values have; expected at most 6"),
        ([], "expected a list"),
        ("all_orders", "expected a list"),
    ],
)
def test_what_cannot_be_had_is_refused(wanted, message):
    with pytest.raises(ValueError, match=message):
        choose_target_rankings(VALUES, RANKINGS, wanted, 0)


def test_all_orders_of_many_values_are_refused():
    with pytest.raises(ValueError, match="all_orders of 5 values are 120"):
        choose_target_rankings(list("abcde"), RANKINGS, ["all_orders"], 0)


def test_a_default_without_strengths_cannot_be_reversed():
    with pytest.raises(ValueError, match=r"default strengths of 'm' \(open_ended\); none for \['tact'\]"):
        choose_target_rankings(VALUES, default_rankings(m=[1.0, float("nan"), 0.0]), ["reverse_of_default"], 0)


def test_a_target_without_any_strength_to_reverse_stops_no_other():
    unknown = default_rankings(m=[1.0, 0.0, -1.0], n=[float("nan")] * 3)
    assert list(choose_target_rankings(VALUES, unknown, ["reverse_of_default"], 0)) == ["m"]
    assert list(choose_target_rankings(VALUES, unknown, ["all_orders"], 0)) == ["m", "n"]
    with pytest.raises(ValueError, match=r"default strengths of 'n' \(open_ended\); none for"):
        choose_target_rankings(VALUES, unknown[unknown["target"].eq("n")], ["reverse_of_default"], 0)


def test_a_target_without_any_choice_is_not_steered():
    silent = RANKINGS.assign(choices=RANKINGS["choices"].where(RANKINGS["target"].eq("m"), 0))
    assert list(choose_target_rankings(VALUES, silent, ["all_orders"], 0)) == ["m"]
    with pytest.raises(NothingToCount, match="m, n: no choice by default"):
        choose_target_rankings(VALUES, RANKINGS.assign(choices=0), ["all_orders"], 0)


def test_a_steered_prompt_lists_the_values_by_priority():
    prompts = steered_prompts(SET, {"tact>thrift>candour": ("tact", "thrift", "candour")}, 0)
    assert list(prompts) == ["steered:tact>thrift>candour", "placebo"]
    text = prompts["steered:tact>thrift>candour"]("s1")
    lines = ["1. tact: what tact asks for", "2. thrift: what thrift asks for", "3. candour: what candour asks for"]
    assert [line for line in text.splitlines() if ": what" in line] == lines
    assert "order of priority" in text and text == prompts["steered:tact>thrift>candour"]("s2")


def test_the_papers_form_numbers_definitions_and_names_no_value():
    prompts = steered_prompts(SET, {"tact>thrift>candour": ("tact", "thrift", "candour")}, 0, form="paper")
    text, placebo = prompts["steered:tact>thrift>candour"]("s"), prompts["placebo"]("s")
    lines = ["1. what tact asks for", "2. what thrift asks for", "3. what candour asks for"]
    assert [line for line in text.splitlines() if "what" in line.split(". ")[-1]][-3:] == lines
    # in this set a definition has the value's name; nothing else has
    assert all(text.count(name) == placebo.count(name) == 1 for name in VALUES)
    assert sorted(line for line in placebo.splitlines() if line.startswith("- ")) == [
        f"- what {name} asks for" for name in sorted(VALUES)
    ]
    with pytest.raises(ValueError, match="steering_prompt: found 'theirs'; expected one of"):
        steered_prompts(SET, {}, 0, form="theirs")


def test_each_steered_prompt_says_its_own_order():
    orders = {">".join(order): order for order in itertools.permutations(VALUES)}
    prompts = steered_prompts(SET, orders, 0)
    for name, order in orders.items():
        text = prompts[f"steered:{name}"]("s")
        assert sorted(order, key=lambda value: text.index(f". {value}:")) == list(order)


def placebo_order(prompts, scenario_id):
    text = prompts["placebo"](scenario_id)
    return tuple(sorted(VALUES, key=lambda value: text.index(f"- {value}: what {value} asks for")))


def test_the_placebo_states_no_priority_and_draws_its_order_per_scenario():
    prompts = steered_prompts(SET, {}, 0)
    assert "priority" not in prompts["placebo"]("s").replace("no particular order", "")
    drawn = Counter(placebo_order(prompts, f"s{i}") for i in range(1200))
    assert len(drawn) == 6
    # 4 standard deviations of a count of 1,200 draws at 1/6
    assert all(abs(count - 200) < 4 * (1200 * 5 / 36) ** 0.5 for count in drawn.values())


def test_the_placebos_order_depends_on_seed_and_scenario_alone():
    ids = [f"s{i}" for i in range(50)]
    draws = [[placebo_order(steered_prompts(SET, {}, seed), i) for i in ids] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_target_ranking_that_is_not_full_is_refused():
    with pytest.raises(ValueError, match="expected each of"):
        steered_prompts(SET, {"candour>tact": ("candour", "tact")}, 0)


def test_a_target_is_told_the_ranking_and_the_answers_say_so(scripted, value_set, scenarios):
    models, transport = scripted(lambda body: {"answer": "A"})
    prompts = steered_prompts(value_set, {"tact>candour": ("tact", "candour")}, 0)
    answers = asyncio.run(ask_multiple_choice(scenarios, models, ["m"], arms={"m": prompts}))
    assert answers["arm"].value_counts().to_dict() == {"steered:tact>candour": 6, "placebo": 6}
    told = Counter(
        body["messages"][0]["content"] for body in transport.bodies if body["messages"][0]["role"] == "system"
    )
    assert told[prompts["steered:tact>candour"]("s0")] == 6 and sum(told.values()) == 12


@pytest.mark.parametrize("condition", ["multiple_choice", "open_ended"])
def test_all_targets_are_asked_at_once_each_under_its_own_arms(scripted, value_set, scenarios, condition):
    asked = {name: asyncio.Event() for name in "mn"}

    async def answer_when_both_were_asked(body):
        asked[body["model"]].set()
        # a target that is asked only after the other one is through would be waited for in vain
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in asked.values())), timeout=20)
        return {"answer": "A"} if condition == "multiple_choice" else "Here you are."

    models, transport = scripted(answer_when_both_were_asked)
    orders = {"m": ("tact", "candour"), "n": ("candour", "tact")}
    arms = {target: steered_prompts(value_set, {">".join(order): order}, 0) for target, order in orders.items()}
    messages = scenarios[["scenario_id"]].assign(message="Hello", usable=True)
    if condition == "multiple_choice":
        table = asyncio.run(ask_multiple_choice(scenarios, models, ["m", "n"], arms=arms))
    else:
        table = asyncio.run(hold_conversations(scenarios, messages, models, ["m", "n"], "m", arms=arms))
        table = table[table["role"] == "assistant"]
    # target by target, arm by arm, in the order of the scenarios
    rows = list(table[["target", "arm", "scenario_id"]].itertuples(index=False, name=None))
    sides = 2 if condition == "multiple_choice" else 1
    assert rows == [
        (target, arm, scenario_id)
        for target in "mn"
        for arm in arms[target]
        for scenario_id in scenarios["scenario_id"]
        for _ in range(sides)
    ]
    told = {(body["model"], body["messages"][0]["content"]) for body in transport.bodies}
    assert {(target, arms[target][f"steered:{'>'.join(order)}"]("s0")) for target, order in orders.items()} <= told
