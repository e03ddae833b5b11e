"""What all tests share: their order, Python commands that are forked, a scripted model in place of the network."""

import asyncio
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx2
import pandas as pd
import pytest

from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.scenarios.value_sets import Value, ValueSet

# the kernels of whole studies read compiled modules
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
_SPEC = importlib.util.spec_from_file_location("forked", Path(__file__).with_name("forked.py"))
forked = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(forked)
# what takes longest, of a core or, as the models' tests do, by waiting; begun last, it would leave workers without work
LONGEST = ("study", "models", "browse", "hostile")


def pytest_configure(config):
    """Have kernels forked."""
    config.pluginmanager.register(forked)


def pytest_collection_modifyitems(items):
    """Begin with what takes longest."""
    tests = Path(__file__).parent
    places = [item.path.relative_to(tests).parts[0] for item in items]
    order = sorted(range(len(items)), key=lambda n: (*LONGEST, places[n]).index(places[n]))
    items[:] = [items[n] for n in order]


@pytest.fixture(scope="session")
def fork_python(pytestconfig):
    """Return a function: words after ``python``, its folder, environment and three streams → a forked process."""
    return partial(forked.Process, forked.template_of(pytestconfig))


@pytest.fixture(scope="session")
def start_python(pytestconfig):
    """Return a function: words after ``python``, its folder and environment → a forked process that is listened to.

    With ``hashes="2"`` its hashes, and with them the order of sets, are others.
    """

    def start(words, *, cwd=None, env=None, hashes="1"):
        return forked.Command(forked.template_of(pytestconfig, hashes), words, cwd=cwd, env=env)

    return start


@pytest.fixture(scope="session")
def run_python(start_python):
    """Return a function: words after ``python``, options of ``start_python`` → what ``subprocess.run`` returns."""

    def run(*words, **options):
        process = start_python(words, **options)
        printed = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, *printed)

    return run


@pytest.fixture(scope="session")
def fork_server(fork_python):
    """Return a function: a file of ``servers`` and its options → a forked process, and the port that it listens on."""

    def fork(name, *options):
        read, write = os.pipe()
        with open(os.devnull) as nothing:
            file = str(Path(__file__).parent / "servers" / name)
            process = fork_python([file, *options], streams=(nothing.fileno(), write, 2))
        os.close(write)
        with os.fdopen(read) as printed:
            return process, int(printed.readline())

    return fork


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


@pytest.fixture(scope="session")
def count_lines():
    """Return ``count_lines(module, read, text)``: how many lines of a module, or of all, run while a text is read."""

    def count(module, read, text):
        lines = 0

        def trace(frame, event, _):
            nonlocal lines
            lines += event == "line"
            return trace if module is None or frame.f_code.co_filename == module.__file__ else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            read(text)
        finally:
            sys.settrace(before)
        return lines

    return count
