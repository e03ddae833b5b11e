"""Probing: endpoints of other habits, each scripted; what is found, printed, kept, and where an entry disagrees."""

import asyncio
import json
import re

import httpx2
import pytest
import yaml

from conflictscope.models import Model, load_registry
from conflictscope.models.probing import (
    LONG_PROMPT,
    PROBES_FILE,
    Probe,
    describe_probe,
    find_disagreements,
    list_models,
    make_entry,
    probe_model,
    read_probes,
    store_probe,
)
from conflictscope.study import command_line

URL = "http://model.invalid/v1"
KEY = "a-key-that-is-long-enough"


class Habits(httpx2.AsyncBaseTransport):
    """An endpoint with habits: what it refuses, leaves out, cuts and thinks."""

    def __init__(self, **habits):
        self.refuses = habits.pop("refuses", {})
        self.window = habits.pop("window", 100_000)
        self.cuts = habits.pop("cuts", False)
        self.system = habits.pop("system", "read")
        self.schema = habits.pop("schema", True)
        self.most = habits.pop("most", 20)
        self.limits = habits.pop("limits", ("max_tokens", "max_completion_tokens"))
        self.thinks = habits.pop("thinks", None)
        self.counts = habits.pop("counts", True)
        self.obedient = habits.pop("obedient", True)
        assert not habits
        self.bodies = []

    async def handle_async_request(self, request):
        if request.method == "GET":
            assert request.url.path == "/v1/models"
            return httpx2.Response(200, json={"data": [{"id": "m-2"}, {"id": "m-1"}, {"object": "model"}]})
        body = json.loads(request.content)
        self.bodies.append(body)
        for option, words in self.refuses.items():
            if option in body and (not isinstance(words, tuple) or body[option] > words[0]):
                return refusal(words[1] if isinstance(words, tuple) else words)
        messages = body["messages"]
        if messages[0]["role"] == "system":
            if self.system == "refused":
                return refusal("System role not supported", 500)
            if self.system == "left out":
                messages = messages[1:]
        text = "\n".join(message["content"] for message in messages)
        tokens = len(text) // 4 + 7
        if tokens > self.window:
            if not self.cuts:
                return refusal(f"the request exceeds the available context size ({self.window} tokens)")
            text, tokens = text[-4 * self.window :], self.window
        return self.reply(body, text, tokens)

    def reply(self, body, text, tokens):
        """Answer a question as a model would."""
        form = body.get("response_format")
        if form and self.schema:
            ((name, part),) = form["json_schema"]["schema"]["properties"].items()
            content = json.dumps({name: part["enum"][0]})
        elif self.obedient and "single word marzipan" in text:
            content = "marzipan"
        elif word := re.search(r"Remember this word: (\w+)", text):
            content = word[1]
        elif "from 1 to 100" in text:
            content = " ".join(map(str, range(1, 101)))
        else:
            content = "It is as you say."
        message = {"role": "assistant", "content": content}
        thought = "Let me think about that, step by step." if self.thinks else ""
        if self.thinks in ("reasoning_content", "reasoning"):
            message[self.thinks] = thought
        elif self.thinks == "reasoning_details":
            message[self.thinks] = [{"type": "reasoning.text", "text": thought}]
        elif self.thinks == "content":
            message["content"] = f"<think>\n{thought}\n</think>\n\n{content}"
        received = (len(message["content"]) + len(thought) * (self.thinks == "counted")) // 3 + 1
        limit = next((body[name] for name in self.limits if name in body), received)
        finish = "length" if limit < received else "stop"
        if finish == "length":
            message["content"] = message["content"][: 3 * limit]
        if self.thinks == "parts":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
            message["content"] = [thinking, {"type": "text", "text": message["content"]}]
        choice = {"index": 0, "message": message, "finish_reason": finish}
        if body.get("logprobs") and self.most:
            given = [{"token": letter, "logprob": -1.0} for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
            given = given[: min(self.most, body["top_logprobs"])]
            choice["logprobs"] = {"content": [{**given[0], "top_logprobs": given}]}
        usage = {"prompt_tokens": tokens, "completion_tokens": min(received, limit)}
        if self.thinks == "counted":
            usage["completion_tokens_details"] = {"reasoning_tokens": min(9, usage["completion_tokens"])}
        answer = {"model": "m-1-of-today", "choices": [choice]} | ({"usage": usage} if self.counts else {})
        return httpx2.Response(200, json=answer)


def refusal(words, status=400):
    return httpx2.Response(status, json={"error": {"message": words}})


def probe(transport, **described):
    return asyncio.run(probe_model(Model("m", URL, "m-1", **described), transport))


UNSUPPORTED = "Unsupported parameter: use 'max_completion_tokens' instead."
ONLY_ONE = (
    "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
)
ROOM = {"reasoning_room": 4000}
ENDPOINTS = {
    # takes everything
    "llama.cpp": (
        {},
        {"token_limit": "max_tokens", "temperature": True, "system_role": True, "json_schema": True, "logprobs": 20},
        {"json_schema": True, "logprobs": True},
    ),
    # thinks, shows nothing of it, refuses what others take
    "flagship": (
        {
            "refuses": {"max_tokens": UNSUPPORTED, "temperature": ONLY_ONE, "logprobs": "logprobs are not supported"},
            "limits": ("max_completion_tokens",),
            "thinks": "counted",
        },
        {
            "token_limit": "max_completion_tokens",
            "temperature": False,
            "json_schema": True,
            "logprobs": 0,
            "reasoning": "counted",
        },
        {"token_limit_name": "max_completion_tokens", "refused_options": ["temperature"], "json_schema": True} | ROOM,
    ),
    # leaves out without a word what it does not know
    "compatible in name": (
        {"schema": False, "most": 0, "refuses": {"temperature": "`temperature` is deprecated for this model."}},
        {"json_schema": False, "logprobs": 0, "temperature": False, "token_limit": "max_tokens"},
        {"refused_options": ["temperature"]},
    ),
    # a template without a system role, thoughts in the reply
    "template without system": (
        {"system": "refused", "thinks": "content"},
        {"system_role": False, "reasoning": "content", "json_schema": True},
        {"system_role": False, "json_schema": True, "logprobs": True} | ROOM,
    ),
    # cuts what is too long, as Ollama does
    "short window": (
        {"window": 2048, "cuts": True, "thinks": "reasoning"},
        {"whole_prompt": False, "reasoning": "reasoning"},
        {"json_schema": True, "logprobs": True} | ROOM,
    ),
    # says so
    "window that is kept": (
        {"window": 4096, "thinks": "reasoning_content"},
        {"whole_prompt": False, "reasoning": "reasoning_content"},
        {"json_schema": True, "logprobs": True} | ROOM,
    ),
    # a proxy that drops the system message, gives five log-probabilities and obeys no limit
    "proxy": (
        {"system": "left out", "limits": (), "refuses": {"top_logprobs": (5, "top_logprobs must be at most 5")}},
        {"system_role": False, "logprobs": 5, "token_limit": None},
        {"system_role": False, "json_schema": True, "refused_options": ["max_tokens"]},
    ),
    # counts nothing: what it is told has to show in what it says
    "no usage": (
        {"counts": False},
        {"usage": False, "system_role": True, "whole_prompt": True, "token_limit": "max_tokens"},
        {"json_schema": True, "logprobs": True},
    ),
    "no usage, no system": (
        {"counts": False, "system": "left out"},
        {"usage": False, "system_role": False},
        {"system_role": False, "json_schema": True, "logprobs": True},
    ),
    "no usage, cut, follows nothing": (
        {"counts": False, "obedient": False, "window": 2048, "cuts": True},
        {"usage": False, "system_role": None, "whole_prompt": False},
        {"json_schema": True, "logprobs": True},
    ),
    # thoughts and reply as parts of one content, or beside it as a list
    "parts": (
        {"thinks": "parts", "counts": False, "most": 0},
        {"reasoning": "parts", "usage": False, "system_role": True, "json_schema": True, "whole_prompt": True},
        {"json_schema": True} | ROOM,
    ),
    "router": (
        {"thinks": "reasoning_details"},
        {"reasoning": "reasoning_details", "logprobs": 20},
        {"json_schema": True, "logprobs": True} | ROOM,
    ),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_finds_what_an_endpoint_takes(name):
    habits, expected, entry = ENDPOINTS[name]
    usual = {"usage": True, "whole_prompt": True, "reasoning": "none", "system_role": True, "model_id": "m-1-of-today"}
    endpoint = Habits(**habits)
    probe_found = probe(endpoint)
    for key, value in (usual | expected).items():
        assert getattr(probe_found, key) == value, (key, probe_found)
    made = make_entry(Model("m", URL, "m-1"), probe_found)
    assert made.items() >= ({"base_url": URL, "id": "m-1"} | entry).items()
    assert set(made) == {"base_url", "id", *entry}
    # a server error is tried twice
    assert probe_found.calls <= len(endpoint.bodies) <= 17
    # the entry is one that the file of models takes, and agrees with the probe
    sentences = find_disagreements(Model("m", **made), probe_found)
    assert len(sentences) == (probe_found.whole_prompt is False)
    assert all("did not arrive whole" in sentence for sentence in sentences)


def test_only_one_call_is_long():
    endpoint = Habits()
    probe(endpoint)
    lengths = sorted(sum(len(message["content"]) for message in body["messages"]) for body in endpoint.bodies)
    assert 0.95 < lengths[-1] / 4 / LONG_PROMPT < 1.05 and lengths[-2] <= 2100


def test_an_entrys_own_options_are_sent():
    endpoint = Habits()
    probe(endpoint, options={"reasoning_effort": "none"})
    assert all(body["reasoning_effort"] == "none" for body in endpoint.bodies)


def test_what_was_refused_is_told_in_the_endpoints_words():
    probe_found = probe(Habits(refuses={"temperature": ONLY_ONE}))
    said = "\n".join(describe_probe(probe_found))
    assert ONLY_ONE in said and "temperature 0: no" in said and "JSON schema: yes" in said


@pytest.mark.parametrize(("status", "words"), [(401, "Incorrect API key"), (404, "no such model"), (402, "no credit")])
def test_an_endpoint_that_answers_no_plain_question_ends_the_probe(status, words, script):
    with pytest.raises(ConnectionError, match=f"model 'm' at {URL}: .*{words}"):
        probe(script(lambda body, nth: refusal(words, status)))


def test_a_failure_in_between_is_no_finding(script, hurry):
    ordinary = Habits()

    def answer(body, nth):
        return refusal("overloaded", 503) if "temperature" in body else ordinary.reply(body, "It", 9)

    with pytest.raises(ConnectionError, match="overloaded"):
        probe(script(answer))


def test_simulated_models_and_embedders_are_refused():
    for described in ({"base_url": "simulated:"}, {"base_url": URL, "kind": "embeddings"}):
        with pytest.raises(ValueError, match="only endpoints of chat models"):
            asyncio.run(probe_model(Model(name="m", id="m", **described)))


def test_lists_the_endpoints_models(script):
    model = Model("m", URL, "m-1")
    assert asyncio.run(list_models(model, Habits())) == ["m-1", "m-2"]


FOUND = Probe(URL, "m-1", "2026-11-28T10:00:00+00:00", "m-1", 9, "max_tokens", True, True, True, 20, "none", True, True)


def test_says_where_an_entry_disagrees():
    def said(**described):
        return " ".join(find_disagreements(Model("m", URL, "m-1", **described), FOUND))

    assert said(json_schema=True, logprobs=True) == ""
    assert "json_schema is false, and the endpoint followed a schema (probed on 2026-11-28)." in said(logprobs=True)
    assert "logprobs is false, and the endpoint gave log-probabilities" in said()
    named = "token_limit_name is max_completion_tokens, and the endpoint obeyed max_tokens"
    assert named in said(token_limit_name="max_completion_tokens")
    assert "system_role is false, and the endpoint took a system message" in said(system_role=False)
    assert "refused_options names temperature" in said(refused_options=("temperature",))
    assert "refused_options names max_tokens, and the endpoint obeyed max_tokens" in said(
        refused_options=("max_tokens",)
    )
    (sentence,) = find_disagreements(Model("m", URL, "m-2"), FOUND)
    assert "probed on 2026-11-28 as 'm-1'" in sentence and "probe it again" in sentence


def test_probes_are_kept_beside_the_file_of_models(tmp_path):
    models = tmp_path / "models.yaml"
    assert read_probes(models) == {}
    assert store_probe(models, "m", FOUND) == tmp_path / PROBES_FILE
    store_probe(models, "n", FOUND)
    assert read_probes(models) == {"m": FOUND, "n": FOUND}
    (tmp_path / PROBES_FILE).write_text('{"m": {"id": 3}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"probes\.json is no file of probes"):
        read_probes(models)


def test_the_command_prints_an_entry_and_keeps_no_key(start_loopback, tmp_path, monkeypatch, capsys):
    server = start_loopback()
    models = tmp_path / "models.yaml"
    models.write_text(f"models:\n  there: {{base_url: '{server.url}', id: m, logprobs: true}}\n", encoding="utf-8")
    monkeypatch.setenv("A_KEY", KEY)
    command_line._commands(["probe", "there", "--models", str(models)], standalone_mode=False)
    said = capsys.readouterr().out
    assert "json_schema is false, and the endpoint followed a schema" in said
    assert "conflictscope probe there --list" in said
    words = ["probe", "new", "--models", str(models), "--base-url", server.url, "--id", "x", "--key-variable", "A_KEY"]
    command_line._commands(words, standalone_mode=False)
    said = capsys.readouterr().out
    printed = yaml.safe_load(said[said.index("  new:") : said.index("Kept in")])
    assert printed["new"]["id"] == "x" and printed["new"]["key_variable"] == "A_KEY" and printed["new"]["json_schema"]
    models.write_text(yaml.safe_dump({"models": printed}), encoding="utf-8")
    assert load_registry(models)["new"].json_schema
    assert set(read_probes(models)) == {"there", "new"}
    assert KEY not in said + (tmp_path / PROBES_FILE).read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="unknown model 'nobody'"):
        command_line._commands(["probe", "nobody", "--models", str(models)], standalone_mode=False)
