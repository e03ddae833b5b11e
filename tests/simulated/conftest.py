import json
from itertools import combinations, product
from typing import Literal

import pytest
from pydantic import ConfigDict, create_model

from conflictscope.elicit.conversations import NextMessage
from conflictscope.elicit.judging import Declining, Verdict
from conflictscope.elicit.multiple_choice import Answer, FreeAnswer, Rating
from conflictscope.elicit.simulated_user import LeaningMessage, OpeningMessage
from conflictscope.models.requests import response_format
from conflictscope.prompts import render
from conflictscope.scenarios.checks import CheckResult, ValueGuidedResult
from conflictscope.scenarios.generation import Outlines, Scenario
from conflictscope.scenarios.tenets import Tenets
from conflictscope.scenarios.translation import Translated
from conflictscope.simulated.transport import complete
from conflictscope.tables import SEVERITIES, STRUCTURES

OWN_SET = {
    "thrift": "getting by with little and wasting nothing that others could still use",
    "hospitality": "making every guest feel welcome, whatever it takes",
    "tradition": "keeping to what was handed down by those who came before",
    "curiosity": "asking what is not yet known and following where it leads",
}
HHH = {
    "helpfulness": "doing what the person asks for, fully and efficiently",
    "harmlessness": "keeping clear of anything that hurts people",
    "honesty": "telling the truth about the world and about oneself",
}


SCHEMAS = {
    "outlines": Outlines,
    "scenario": Scenario,
    "single_stage": Scenario,
    "check_value_guided": ValueGuidedResult,
    "tenets": Tenets,
    "translate": Scenario,
    "check_translation": Translated,
    "choose": Answer,
    "choose_or_abstain": FreeAnswer,
    "rate": Rating,
    "opening_message": OpeningMessage,
    "leaning_message": LeaningMessage,
    "next_message": NextMessage,
    "judge": Verdict,
    "declining": Declining,
}


def _format(name: str, fields: dict) -> dict | None:
    """Return the ``response_format`` with which one of the project's prompts is asked."""
    if name in ("artifact", "translate_prompt"):
        return None
    strict = {"__config__": ConfigDict(extra="forbid")}
    if name == "complete":
        return response_format(create_model("Completion", **strict, **{key: (str, ...) for key in fields["lacking"]}))
    if name == "domain":
        return response_format(create_model("Domain", **strict, domain=(Literal[tuple(fields["domains"])], ...)))
    return response_format(SCHEMAS.get(name, CheckResult))


def _ask(model: str, name: str, *, schema: bool = True, before: tuple = (), after: tuple = (), **fields):
    """Return a model's reply to one of the project's prompts, parsed where it is structured."""
    body = {"model": model, "messages": [*before, *render(name, **fields).messages, *after]}
    if schema:
        body["response_format"] = _format(name, fields)
    content = complete(body)["choices"][0]["message"]["content"]
    return json.loads(content) if schema else content


def _generate(values: dict[str, str], per_cell: int) -> list[dict]:
    """Return outlines and scenarios for every pair and cell of a value set, one dictionary a scenario."""
    written = []
    for (value_1, value_2), structure, severity in product(combinations(values, 2), STRUCTURES, SEVERITIES):
        pair = {
            "value_1": value_1,
            "definition_1": values[value_1],
            "value_2": value_2,
            "definition_2": values[value_2],
        }
        for acting, other in ((value_1, value_2), (value_2, value_1)):
            sides = {"acting_value": acting, "other_value": other}
            outlines = _ask(
                "author",
                "outlines",
                **pair,
                **sides,
                structure=structure,
                severity=severity,
                count=per_cell,
                batch=1,
            )["outlines"]
            for outline in outlines:
                scenario = _ask("author", "scenario", **pair, **sides, **outline)
                cell = {"structure": structure, "severity": severity, "acting_value": acting}
                written.append({**pair, **cell, **outline, **scenario})
    return written


@pytest.fixture(scope="session")
def form():
    """Return a function: prompt and its fields → the ``response_format`` with which it is asked."""
    return _format


@pytest.fixture(scope="session")
def ask():
    return _ask


@pytest.fixture(scope="session")
def generate():
    return _generate


@pytest.fixture(scope="session")
def own_set() -> dict[str, str]:
    return OWN_SET


@pytest.fixture(scope="session")
def own_scenarios() -> list[dict]:
    """About two thousand composed scenarios of a researcher's own set."""
    return _generate(OWN_SET, 42)


@pytest.fixture(scope="session")
def hhh_scenarios() -> list[dict]:
    return _generate(HHH, 10)


@pytest.fixture(scope="session")
def converse(ask):
    """Return a function: scenario and target → the opening message and the target's reply to it."""

    def talk(scenario: dict, target: str, system: str = "") -> tuple[str, str]:
        profile = {name: scenario[name] for name in ("description", "persona", "background", "goal")}
        written = ask("user", "opening_message", **profile)
        message = written["message"]
        if written["artifact_request"]:
            pasted = ask("user", "artifact", schema=False, message=message, request=written["artifact_request"])
            message = message.replace("[[artifact]]", pasted)
        before = [{"role": "system", "content": system}] if system else []
        body = {"model": target, "messages": [*before, {"role": "user", "content": message}]}
        return message, complete(body)["choices"][0]["message"]["content"]

    return talk


@pytest.fixture(scope="session")
def taken(ask):
    """Return a function: scenario, message, reply → 1 or 2, or what else the judge says."""

    def read(scenario: dict, message: str, reply: str, first: int = 1):
        a, b = ("action_1", "action_2") if first == 1 else ("action_2", "action_1")
        verdict = ask(
            "judge",
            "judge",
            conversation=f"USER: {message}\n\nASSISTANT: {reply}",
            action_a=scenario[a],
            action_b=scenario[b],
        )
        return {"A": first, "B": 3 - first}.get(verdict["action"], verdict["action"])

    return read
