"""The order of the tests, and a scripted model: the real client and call store, with a function for the network."""

import asyncio
import inspect
import json
import os
from pathlib import Path

import httpx2
import pandas as pd
import pytest

from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.scenarios.value_sets import Value, ValueSet

# the kernels of whole studies read compiled modules
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# folders whose tests run whole studies; begun last, they would leave all workers but one without work
SLOW = ("study", "hostile", "browse")


def pytest_collection_modifyitems(items):
    """Begin with what takes longest."""
    folders = [item.path.relative_to(Path(__file__).parent).parts[0] for item in items]
    order = sorted(range(len(items)), key=lambda n: (*SLOW, folders[n]).index(folders[n]))
    items[:] = [items[n] for n in order]


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """Answers each request with what ``script(body)`` returns or is awaited for: text, an object, or a message."""

    def __init__(self, script):
        self.script, self.bodies = script, []

    async def handle_async_request(self, request):
        body = json.loads(await request.aread())
        self.bodies.append(body)
        said = self.script(body)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, int):
            return httpx2.Response(said, json={"error": {"message": "scripted failure"}}, request=request)
        if isinstance(said, dict) and "message" in said and "logprobs" in said:
            choice = said
        else:
            text = said if isinstance(said, str) else json.dumps(said)
            choice = {"message": {"role": "assistant", "content": text}}
        payload = {"model": body["model"], "choices": [{"finish_reason": "stop"} | choice]}
        return httpx2.Response(200, content=json.dumps(payload).encode(), request=request)


@pytest.fixture
def scripted(tmp_path):
    """Return ``scripted(script, **abilities) -> (models, transport)``; the models are ``m`` and its twin ``n``."""
    opened = []

    def build(script, **abilities):
        abilities = {"json_schema": True, "max_attempts": 1} | abilities
        transport = ScriptedTransport(script)
        registry = Registry({name: Model(name, "http://scripted.invalid/v1", name, **abilities) for name in ("m", "n")})
        store = CallStore(f"sqlite:///{tmp_path}/{len(opened)}.sqlite")
        models = Models(registry, store, transport=transport)
        opened.append(models)
        return models, transport

    yield build
    for models in opened:
        asyncio.run(models.close())


@pytest.fixture
def value_set():
    """Two values and their pair."""
    values = (Value("candour", "saying what is so"), Value("tact", "sparing people's feelings"))
    return ValueSet("two", values, (("candour", "tact"),))


@pytest.fixture
def scenarios():
    """Three scenarios of one pair."""
    return pd.DataFrame(
        [
            {
                "scenario_id": f"s{i}",
                "outline_id": f"o{i}",
                "value_1": "candour",
                "value_2": "tact",
                "structure": "side_effect",
                "severity": "mild",
                "acting_value": "candour",
                "description": f"Case {i}: a baker asks what the assistant thinks of her slogan.",
                "action_1": f"The assistant says that slogan {i} is stale.",
                "action_2": f"The assistant praises what is good in slogan {i}.",
                "consequence_1": "She is hurt.",
                "consequence_2": "She prints it.",
                "persona": "a baker",
                "background": "She wrote it overnight.",
                "goal": "an opinion",
                "author": "m",
            }
            for i in range(3)
        ]
    )


def last_message(body):
    """Return the content of the last message of a request."""
    return body["messages"][-1]["content"]
