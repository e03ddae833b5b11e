import json
from collections import Counter
from itertools import combinations, product
from math import sqrt

import pytest

from conflictscope.prompts import render
from conflictscope.simulated import Respondent, choice_latent, load_respondents
from conflictscope.simulated.composing import stands_kept
from conflictscope.simulated.reviewers import action_taken
from conflictscope.simulated.transport import complete

TARGETS = sorted(load_respondents())
SETS = {
    "hhh": ("helpfulness", "harmlessness", "honesty"),
    "personal": ("autonomy", "authenticity", "creativity", "empowerment"),
    "protective": ("responsibility", "harmlessness", "compliance", "privacy"),
}


def _order(respondent, values, condition):
    return sorted(values, key=lambda value: -respondent.utility(value, condition))


def _choose(scenario, target, first=1, system="", **more):
    a, b = ("action_1", "action_2") if first == 1 else ("action_2", "action_1")
    prompt = render("choose", description=scenario["description"], action_a=scenario[a], action_b=scenario[b])
    before = [{"role": "system", "content": system}] if system else []
    return complete({"model": target, "messages": [*before, *prompt.messages], **more})["choices"][0]


def _choice(scenario, target, first=1, system=""):
    letter = _choose(scenario, target, first, system)["message"]["content"]
    return {"A": first, "B": 3 - first}.get(letter)


def test_swapping_the_values_flips_the_latent_preference():
    respondent = load_respondents()["pliable"]
    for n, condition in product(range(20), ("multiple_choice", "open_ended")):
        for listed_first in (None, "privacy", "honesty"):
            there = choice_latent(respondent, "privacy", "honesty", f"s{n}", condition, listed_first)
            back = choice_latent(respondent, "honesty", "privacy", f"s{n}", condition, listed_first)
            assert there == pytest.approx(-back)


def test_the_latent_preference_is_the_difference_of_utilities_where_nothing_else_weighs():
    bare = Respondent("bare", {"a": 1.0, "b": -0.5}, {"a": -1.0}, steerability=2.0, scenario_weight=0.0, noise=0.0)
    assert choice_latent(bare, "a", "b", "s", "multiple_choice") == 1.5
    assert choice_latent(bare, "a", "b", "s", "open_ended") == 0.5
    assert choice_latent(bare, "a", "b", "s", "multiple_choice", priorities={"a": -1.0, "b": 1.0}) == -2.5
    biased = Respondent("biased", scenario_weight=0.0, noise=0.0, position_bias=0.5)
    assert choice_latent(bare, "a", "b", "s", "multiple_choice", "a") == 1.5
    assert choice_latent(biased, "a", "a ", "s", "multiple_choice", "a ") - biased.utility("a", "multiple_choice") + (
        biased.utility("a ", "multiple_choice")
    ) == pytest.approx(-0.5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("condition", ["multiple_choice", "open_ended"])
def test_top_and_bottom_of_hhh_lie_far_enough_apart(target, condition):
    respondent = load_respondents()[target]
    utilities = [respondent.utility(value, condition) for value in SETS["hhh"]]
    assert max(utilities) - min(utilities) >= 1.5


def test_protective_values_lead_in_multiple_choice_and_personal_ones_in_conversations():
    both = (*SETS["personal"], *SETS["protective"])

    def mean_rank(condition):
        ranks = [
            _order(respondent, both, condition).index(value)
            for respondent in load_respondents().values()
            for value in SETS["protective"]
        ]
        return sum(ranks) / len(ranks)

    assert mean_rank("multiple_choice") < 3
    assert mean_rank("open_ended") > 3.5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("condition", ["multiple_choice", "open_ended"])
def test_the_planted_order_is_recovered_by_counting(target, condition, hhh_scenarios, converse, taken):
    wins = Counter()
    for scenario in hhh_scenarios:
        if condition == "multiple_choice":
            choices = [_choice(scenario, target, first) for first in (1, 2)]
        else:
            choices = [taken(scenario, *converse(scenario, target))]
        wins.update(scenario[f"value_{choice}"] for choice in choices if choice in (1, 2))
    respondent = load_respondents()[target]
    order = _order(respondent, SETS["hhh"], condition)
    assert wins[order[0]] > 1.3 * wins[order[2]]
    for better, worse in combinations(order, 2):
        if respondent.utility(better, condition) - respondent.utility(worse, condition) > 0.7:
            assert wins[better] > wins[worse]


def test_steady_chooses_the_same_in_both_conditions_and_orders(own_scenarios, converse, taken):
    n = different = 0
    for scenario in own_scenarios[:500]:
        if stands_kept(scenario["action_1"])[0].value == stands_kept(scenario["action_2"])[0].value:
            continue  # flawed: both actions serve one value, which a conversation does not show
        there, back = (_choice(scenario, "steady", first) for first in (1, 2))
        if there and back:
            assert there == back
        said = taken(scenario, *converse(scenario, "steady"))
        if there and said in (1, 2):
            n, different = n + 1, different + (there != said)
    assert n > 400
    assert different < 0.03 * n  # the judge's errors


@pytest.mark.parametrize("named", ["own", "hhh"])
def test_a_numbered_list_of_priorities_steers_and_an_unnumbered_one_does_not(
    named, own_scenarios, hhh_scenarios, own_set
):
    scenarios = own_scenarios[:800] if named == "own" else hhh_scenarios
    names = list(own_set) if named == "own" else list(SETS["hhh"])
    definitions = {s[f"value_{n}"]: s[f"definition_{n}"] for s in own_scenarios + hhh_scenarios for n in (1, 2)}

    def favoured(order, system):
        chosen = [(s, _choice(s, "pliable", system=system)) for s in scenarios]
        return sum(
            order.index(s[f"value_{choice}"]) < order.index(s[f"value_{3 - choice}"]) for s, choice in chosen if choice
        )

    for order in (names, names[::-1]):
        values = [{"name": name, "definition": definitions[name]} for name in order]
        steered, placebo = (
            render(f"system_{kind}", values=values).messages[0]["content"] for kind in ("steered", "placebo")
        )
        assert favoured(order, steered) > 0.7 * len(scenarios)
        assert abs(favoured(order, placebo) - favoured(order, "")) < 0.08 * len(scenarios)


@pytest.mark.parametrize("target", TARGETS)
def test_outcomes_come_at_their_rates(target, own_scenarios):
    respondent = load_respondents()[target]
    kinds = Counter()
    for scenario, first in product(own_scenarios, (1, 2)):
        message = _choose(scenario, target, first, response_format={"type": "json_schema"})["message"]
        if message["refusal"]:
            kinds["refusal"] += 1
            continue
        try:
            kinds[json.loads(message["content"])["answer"]] += 1
        except ValueError:
            kinds["malformed"] += 1
    n = 2 * len(own_scenarios)
    for kind, rates in (("refusal", respondent.refusal), ("malformed", respondent.malformed)):
        rate = rates["multiple_choice"]
        assert abs(kinds[kind] - n * rate) < 4 * sqrt(n * rate) + 1
    assert kinds["A"] + kinds["B"] + kinds["refusal"] + kinds["malformed"] == n


def test_a_malformed_answer_is_nearly_always_mended_when_asked_for_again(own_scenarios):
    broken = []
    for scenario in own_scenarios:
        prompt = render("rate", description=scenario["description"], action=scenario["action_1"])
        said = complete({"model": "obliging", "messages": list(prompt.messages)})["choices"][0]["message"]["content"]
        if said not in "1234567":
            messages = [
                *prompt.messages,
                {"role": "assistant", "content": said},
                *render("repair", problem="not a number").messages,
            ]
            again = complete({"model": "obliging", "messages": messages})["choices"][0]["message"]["content"]
            broken.append(again not in "1234567")
    assert len(broken) > 30
    assert sum(broken) < 0.2 * len(broken)


def test_ratings_follow_the_utility(own_scenarios, hhh_scenarios):
    rated = {"honesty": [], "harmlessness": []}
    for scenario in hhh_scenarios:
        for n in (1, 2):
            if scenario[f"value_{n}"] in rated:
                prompt = render("rate", description=scenario["description"], action=scenario[f"action_{n}"])
                said = complete({"model": "steady", "messages": list(prompt.messages)})["choices"][0]["message"][
                    "content"
                ]
                if said in "1234567":
                    rated[scenario[f"value_{n}"]].append(int(said))
    means = {value: sum(ratings) / len(ratings) for value, ratings in rated.items()}
    assert means["honesty"] > means["harmlessness"] + 1


def test_log_probabilities_agree_with_the_letter(own_scenarios):
    weights = set()
    for scenario in own_scenarios[:50]:
        choice = _choose(scenario, "steady", logprobs=True, top_logprobs=10)
        if choice["message"]["content"] not in ("A", "B"):
            continue
        (token,) = choice["logprobs"]["content"]
        likeliest = max(token["top_logprobs"], key=lambda entry: entry["logprob"])
        assert token["token"] == likeliest["token"] == choice["message"]["content"]
        weights.add(round(likeliest["logprob"], 6))
    assert len(weights) > 30


def test_a_second_turn_keeps_to_the_choice(own_scenarios, converse, taken):
    scenario = own_scenarios[5]
    message, reply = converse(scenario, "steady")
    messages = [
        {"role": "user", "content": message},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": "Please do it the way I asked."},
    ]
    second = complete({"model": "steady", "messages": messages})["choices"][0]["message"]["content"]
    assert reply in second
    assert second != reply
    assert taken(scenario, message, second) == taken(scenario, message, reply)


def test_unfamiliar_scenarios_are_answered_too():
    unfamiliar = {"description": "Rain.", "action_1": "The assistant sings.", "action_2": "The assistant hums."}
    choices = {target: _choice(unfamiliar, target) for target in TARGETS}
    assert set(choices.values()) <= {1, 2, None}
    said = complete({"model": "cautious", "messages": [{"role": "user", "content": "What is the time?"}]})
    assert said["choices"][0]["message"]["content"]


def test_targets_follow_what_a_message_presses_for_as_far_as_they_comply(ask, converse, own_scenarios, hhh_scenarios):
    """In composed scenarios as in the library's, utilities and compliance answer a message that leans."""
    followed = Counter()
    for scenario in [*own_scenarios[::40], *hhh_scenarios[::8]]:
        message, _ = converse(scenario, "steady")
        for number, target in product((1, 2), ("steady", "pliable")):
            wanted = scenario[f"action_{number}"]
            told = ask("user", "leaning_message", description=scenario["description"], action=wanted, message=message)[
                "message"
            ]
            reply = complete({"model": target, "messages": [{"role": "user", "content": told}]})
            actions = {"A": scenario["action_1"], "B": scenario["action_2"]}
            taken = action_taken(reply["choices"][0]["message"]["content"], actions)
            followed[target, taken == "AB"[number - 1]] += taken in "AB"
    share = {
        target: followed[target, True] / (followed[target, True] + followed[target, False])
        for target in ("steady", "pliable")
    }
    assert share["steady"] == pytest.approx(0.5, abs=0.03) and share["pliable"] > 0.75
