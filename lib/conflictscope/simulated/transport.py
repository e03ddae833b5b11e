"""Answer the ``openai`` client's HTTP requests in this process, as an OpenAI-compatible endpoint would.

In: POST …/chat/completions. Out: a chat completion, or an error in OpenAI's format: 404 for an unknown model or path,
400 for a body that cannot be used, and, for a set share of requests, 429 with ``Retry-After`` on the first attempt, so
that retries are exercised. A reply depends on the request alone, never on the order in which requests arrive.
"""

import json
from collections.abc import Callable
from math import exp, log1p

import httpx2

from conflictscope.simulated import reviewers, writers
from conflictscope.simulated.answering import Answer, choose, converse, rate
from conflictscope.simulated.parts import uniform
from conflictscope.simulated.respondents import Respondent, load_respondents
from conflictscope.simulated.reviewers import JUDGES
from conflictscope.simulated.tasks import CHAT, Task, UnknownForm, read_task

ROLES = ("author", "filter_judge", "user", *JUDGES)
TOO_MANY_RATE = 0.01  # share of requests whose first attempt is answered with 429
RETRY_AFTER_S = 0.01
_UNTIL_MENDED_S = 86_400
_CHARACTERS_A_TOKEN = 4

_FIELDS: dict[str, Callable[[Task], dict]] = {
    "tenets": writers.list_tenets,
    "outlines": writers.write_outlines,
    "scenario": writers.write_scenario,
    "single_stage": writers.write_in_single_stage,
    "complete": writers.complete_scenario,
    "translate": writers.translate,
    "check_translation": reviewers.compare_translation,
    "opening_message": writers.write_opening_message,
    "leaning_message": writers.write_leaning_message,
    "next_message": writers.write_next_message,
    "check_value_guided": reviewers.answer_value_guided,
    "domain": reviewers.name_domain,
    "declining": reviewers.read_declining,
}
_TARGET_TASKS: dict[str, Callable[[Task, Respondent], Answer]] = {
    "choose": choose,
    "choose_or_abstain": choose,
    "rate": rate,
    CHAT: converse,
}


class SimulatedTransport(httpx2.AsyncBaseTransport):
    """The simulated models behind the ``openai`` client: ``http_client=httpx2.AsyncClient(transport=...)``.

    Models served: the roles ``author``, ``filter_judge`` and ``user``, the judges of ``reviewers.py`` and the targets
    of ``respondents.yaml``. The only state is which requests were answered with 429 already, and a prompt that was not
    recognised, after which nothing is answered.
    """

    def __init__(self) -> None:
        self._turned_away: set[bytes] = set()
        self._unrecognised = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        content = await request.aread()
        if request.method != "POST" or not request.url.path.endswith("/chat/completions"):
            return _error(404, f"No such endpoint: {request.method} {request.url.path}.")
        if self._unrecognised:
            return self._refuse()
        if content not in self._turned_away and uniform("too many", content.decode("utf-8", "replace")) < TOO_MANY_RATE:
            self._turned_away.add(content)
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            return _error(429, "Rate limit reached; try again shortly.", headers=wait)
        try:
            body = json.loads(content)
        except ValueError as error:
            return _error(400, f"The body is not JSON: {error}.")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
            return _error(400, "'messages' is missing or empty.")
        model = str(body.get("model"))
        if model not in ROLES and model not in load_respondents():
            known = ", ".join((*ROLES, *load_respondents()))
            message = f"The model '{model}' does not exist; the simulated models are: {known}."
            return _error(404, message, "model_not_found")
        try:
            return httpx2.Response(200, json=complete(body))
        except UnknownForm as problem:
            # from here on nothing is answered: a stage that lacks the answers to one of its prompts is not worth having
            self._unrecognised = str(problem)
            return self._refuse()

    def _refuse(self) -> httpx2.Response:
        """Return the refusal of every request since one was not recognised; so long a wait ends the stage."""
        return _error(400, self._unrecognised, "unknown_form", {"Retry-After": str(_UNTIL_MENDED_S)})


def complete(body: dict) -> dict:
    """Return the chat completion for a request's body: ``model``, ``messages`` and what else it has.

    ``response_format`` (JSON schema) and ``logprobs`` are honoured, sampling options make no difference: the same
    prompt gets the same reply.
    """
    task = read_task(body["messages"], body.get("response_format"))
    answer = _answer(task, body["model"])
    refused = answer.refused and task.name != CHAT and isinstance(body.get("response_format"), dict)
    content, refusal = (None, answer.text) if refused else (answer.text, None)
    message = {"role": "assistant", "content": content, "refusal": refusal}
    logprobs = _logprobs(answer) if body.get("logprobs") else None
    characters = {
        "prompt_tokens": sum(len(text) for _, text in task.turns) + len(task.system),
        "completion_tokens": len(answer.text),
    }
    tokens = {kind: -(-length // _CHARACTERS_A_TOKEN) for kind, length in characters.items()}
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "system_fingerprint": "simulated",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}],
        "usage": tokens | {"total_tokens": sum(tokens.values())},
    }


def _answer(task: Task, model: str) -> Answer:
    """Return what a model says to a task."""
    if task.name in _TARGET_TASKS:
        respondent = load_respondents().get(model) or Respondent(name=model)
        answer = _TARGET_TASKS[task.name](task, respondent)
        if task.schema is None or not answer.readable or answer.refused:
            return answer
        fields = {"rating": int(answer.text)} if task.name == "rate" else {"answer": answer.text}
        return Answer(json.dumps(fields), toward_a=answer.toward_a)
    if task.name == "artifact":
        return Answer(writers.write_artifact(task))
    if task.name == "translate_prompt":
        return Answer(task.sections["prompt"])
    if task.name == "judge":
        fields = reviewers.judge_conversation(task, JUDGES.get(model, JUDGES["judge"]))
    elif task.name in _FIELDS:
        fields = _FIELDS[task.name](task)
    else:
        fields = reviewers.answer_check(task, task.name.removeprefix("check_"))
    return Answer(json.dumps(fields, ensure_ascii=False))


def _logprobs(answer: Answer) -> dict | None:
    """Return the log-probabilities of the answer's tokens: A and B from the preference, certain otherwise."""
    if answer.toward_a is None:
        return None
    letter = answer.text if len(answer.text) == 1 else json.loads(answer.text)["answer"]
    before, _, after = answer.text.rpartition(letter)
    weights = {"A": -log1p(exp(-answer.toward_a)), "B": -log1p(exp(answer.toward_a))}
    ranked = sorted(weights, key=lambda token: -weights[token])
    first = _token(letter, weights[letter]) | {"top_logprobs": [_token(token, weights[token]) for token in ranked]}
    around = [_token(text) | {"top_logprobs": [_token(text)]} for text in (before, after) if before]
    return {"content": [*around[:1], first, *around[1:]], "refusal": None}


def _token(text: str, logprob: float = 0.0) -> dict:
    """Return one token's entry in a list of log-probabilities."""
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _error(status: int, message: str, code: str | None = None, headers: dict | None = None) -> httpx2.Response:
    """Return an error in OpenAI's format."""
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return httpx2.Response(status, json=body, headers=headers)
