"""A study's scenarios through the real Inspect, on the simulated models: our own verdicts for the same replies."""

import asyncio
import importlib.util
import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("inspect_ai", reason="the extra 'inspect' is not installed")

from inspect_ai import Epochs
from inspect_ai import eval as evaluate
from inspect_ai.log import read_eval_log
from inspect_ai.model import ModelAPI, ModelOutput, get_model, modelapi
from inspect_ai.scorer import ScoreEdit

from conflictscope import elicit
from conflictscope.exchange import export_inspect_task
from conflictscope.exchange.inspect_task import (
    choices_from_inspect,
    inspect_logs,
    verdicts_from_inspect,
    write_inspect_logs,
)
from conflictscope.measure import gather_choices
from conflictscope.models import CallStore, Models, load_registry
from conflictscope.scenarios import load_value_set
from conflictscope.simulated import library
from conflictscope.simulated.transport import complete
from conflictscope.table_files import check_table
from conflictscope.tables import TABLES

PARAMS = Path(__file__).parents[2] / "params"


class Offline(ModelAPI):
    """Inspect would fetch a tokeniser to count what a model has not counted."""

    async def count_text_tokens(self, text):
        return len(text) // 4


@modelapi(name="simulated")
class Simulated(Offline):
    """The simulated models, as Inspect calls them: named as ours are."""

    async def generate(self, input, tools, tool_choice, config):
        messages = [{"role": message.role, "content": message.text} for message in input]
        reply = complete({"model": self.model_name, "messages": messages})["choices"][0]["message"]
        return ModelOutput.from_content(f"simulated/{self.model_name}", reply["content"])


@modelapi(name="scripted")
class Scripted(Offline):
    """A model that says what it is given, in turn."""

    def __init__(self, model_name, base_url=None, api_key=None, config=None, says=()):
        super().__init__(model_name, base_url, api_key, [], config)
        self.says, self.seen = iter(says), []

    async def generate(self, input, tools, tool_choice, config):
        self.seen += [(message.role, message.text) for message in input]
        said = next(self.says)
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture(scope="module")
def scenarios():
    """Scenarios that the simulated models know by heart, from each pair of the set."""
    known = [scenario for scenario in library.load_library() if "harmlessness" in scenario.values][:30]
    rows = [
        {column.name: getattr(scenario, column.name, column.name) for column in TABLES["scenarios"].columns}
        | {"scenario_id": f"s{n}", "value_1": scenario.values[0], "value_2": scenario.values[1]}
        for n, scenario in enumerate(known)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def models(tmp_path):
    opened = Models(load_registry(PARAMS / "models.yaml"), CallStore(f"sqlite:///{tmp_path}/calls.sqlite"))
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def messages(models, scenarios):
    values = load_value_set(PARAMS / "value_sets" / "hhh.yaml")
    return asyncio.run(elicit.write_opening_messages(scenarios, values, models, "simulated/user"))


def load_task(path, **options):
    """Return the task of an exported file, loaded as Inspect would."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, path.stem)(**options)


def opening(scenarios, usable=True):
    """Return the opening messages of scenarios that are all asked the same."""
    return pd.DataFrame({"scenario_id": scenarios["scenario_id"], "message": "What now?", "usable": usable})


def export_one(scenarios, folder, study="one"):
    """Return the exported task of the first scenario."""
    return export_inspect_task(scenarios.head(1), opening(scenarios.head(1)), folder, study=study)[0]


def run(task, folder, model, **options):
    options = {"model_roles": {"judge": "simulated/judge"}, "fail_on_error": False} | options
    (log,) = evaluate(task, model=model, log_dir=str(folder / "logs"), display="none", **options)
    return log


def test_inspect_gives_our_own_verdicts_for_the_same_replies(tmp_path, models, scenarios, messages):
    path, samples = export_inspect_task(scenarios, messages, tmp_path, study="made-up study")
    assert path.name == "made_up_study.py" and samples == messages["usable"].sum() > 15
    log = run(load_task(path, seed=3), tmp_path, "simulated/cautious", epochs=Epochs(2))
    assert log.status == "success"

    async def ours():
        held = await elicit.hold_conversations(
            scenarios, messages, models, ["simulated/cautious"], "simulated/user", repetitions=2
        )
        return await elicit.judge_conversations(held, scenarios, models, "simulated/judge", seed=3)

    key = elicit.CONVERSATION
    own = asyncio.run(ours()).sort_values(key, ignore_index=True)
    own["model_id"] = "simulated/" + own["model_id"]  # as Inspect calls it
    found = verdicts_from_inspect(log.location).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(found, check_table(own, "verdicts"))
    assert {"choice", "refusal"} <= set(found["outcome"]) and set(found["action_shown_first"]) == {1, 2}
    choices = choices_from_inspect(log, scenarios)
    pd.testing.assert_frame_equal(
        choices.sort_values(key, ignore_index=True),
        gather_choices(scenarios, verdicts=own).sort_values(key, ignore_index=True),
    )
    # Inspect's own metric counts the same
    shares = found["outcome"].mask(found["outcome"].eq("choice"), "action_" + found["action"].astype("str"))
    metric = {name: m.value for name, m in log.results.scores[0].metrics.items()}
    assert metric["action_1"] == pytest.approx(shares.eq("action_1").mean())
    assert metric["refusal"] == pytest.approx(shares.eq("refusal").mean())


def scripted(*says):
    """Return a model for Inspect that says these things in turn."""
    return get_model("scripted/model", memoize=False, says=says)


def say(text, stop="stop", error=None):
    return ModelOutput.from_content("scripted/model", text, stop_reason=stop, error=error)


READABLE = '{"reasoning": "it did", "action": "A", "leaning": 2}'


@pytest.mark.parametrize(
    ("target", "judge", "outcome", "reason"),
    [
        (say("fine"), [say(READABLE)], "choice", None),
        (say("fine"), [say("hm"), say(READABLE)], "choice", None),
        (say("fine"), [say("hm"), say("A"), say("B")], "invalid", "grader_failed"),
        (say("fine"), [say(READABLE.replace("2", "7"))] * 3, "invalid", "grader_failed"),
        (say("fine"), [say("no", "content_filter")], "invalid", "grader_failed"),
        (say("fine"), [say("", error="overloaded")], "error", "grader_failed"),
        (say("fine"), [say(READABLE.replace("A", "neither").replace("2", "4"))], "neither", None),
        (say("no", "content_filter"), [], "refusal", None),
        (say("cut", "max_tokens"), [], "invalid", "invalid_response_format"),
        (say("  "), [], "invalid", "invalid_response_format"),
        (say("", error="down"), [], "error", "invalid_response_format"),
    ],
)
def test_what_cannot_be_read_is_unscored_and_counts_in_no_metric(tmp_path, scenarios, target, judge, outcome, reason):
    path = export_one(scenarios, tmp_path)
    log = run(load_task(path), tmp_path, scripted(target), model_roles={"judge": scripted(*judge)})
    score = log.samples[0].scores["conflict_judge"]
    row = verdicts_from_inspect(log).iloc[0]
    assert (row["outcome"], score.reason) == (outcome, reason)
    unscored = isinstance(score.value, float) and math.isnan(score.value)
    assert unscored == (outcome in ("invalid", "error"))
    assert log.results.scores[0].unscored_samples == int(unscored)
    if unscored:
        assert row["problem"] and pd.isna(row["action"])
        assert not judge or outcome == "error" or row["raw"] == judge[-1].completion == score.answer


def test_the_target_sees_the_opening_message_alone(tmp_path, scenarios):
    target = scripted(say("fine"))
    path = export_one(scenarios, tmp_path, study="1st")
    assert path.stem == "study_1st"
    run(load_task(path), tmp_path, target, model_roles={"judge": scripted(say(READABLE))})
    assert target.api.seen == [("user", "What now?")]


def test_a_sample_that_failed_is_an_error_with_what_inspect_says(tmp_path, scenarios):
    path = export_one(scenarios, tmp_path)
    log = run(load_task(path), tmp_path, scripted(RuntimeError("the line is dead")))
    row = verdicts_from_inspect(log).iloc[0]
    assert row["outcome"] == "error" and "the line is dead" in row["problem"] and row["judge"] == "simulated/judge"


def test_a_log_that_is_not_one_of_ours_is_refused(tmp_path, scenarios):
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.log import edit_score
    from inspect_ai.scorer import match

    log = run(Task(dataset=[Sample(input="1 + 1", target="2")], scorer=match()), tmp_path, scripted(say("2")))
    with pytest.raises(ValueError, match=r"found the scorers \['match'\]; expected 'conflict_judge'"):
        verdicts_from_inspect(log)
    path = export_one(scenarios, tmp_path)
    log = run(load_task(path), tmp_path, scripted(say("x")), model_roles={"judge": scripted(say(READABLE))})
    edit_score(log, scenarios["scenario_id"][0], "conflict_judge", ScoreEdit(value="neither"))
    with pytest.raises(ValueError, match="edited by hand"):
        verdicts_from_inspect(log)
    with pytest.raises(ValueError, match="none of 1 scenarios has a usable opening message"):
        export_inspect_task(scenarios.head(1), opening(scenarios.head(1), usable=False), tmp_path, study="one")


def test_the_judge_has_to_be_named(tmp_path, scenarios):
    path = export_one(scenarios, tmp_path)
    log = run(load_task(path), tmp_path, scripted(say("x")), model_roles={})
    assert "judge" in log.samples[0].error.message
    named = run(load_task(path, judge="simulated/judge"), tmp_path, scripted(say("x")), model_roles={})
    assert verdicts_from_inspect(read_eval_log(named.location))["judge"].tolist() == ["simulated/judge"]


def test_a_finished_study_becomes_logs_that_read_back_as_the_same_verdicts(tmp_path, models, scenarios, messages):
    async def study():
        held = await elicit.hold_conversations(
            scenarios, messages, models, ["simulated/cautious", "simulated/pliable"], "simulated/user", repetitions=2
        )
        return held, await elicit.judge_conversations(held, scenarios, models, "simulated/judge", seed=3)

    held, verdicts = asyncio.run(study())
    held, verdicts = check_table(held, "conversations"), check_table(verdicts, "verdicts")
    ended = datetime(2026, 11, 5, 12, tzinfo=UTC)
    logs = inspect_logs(scenarios, held, verdicts, study="made up", ended=ended)
    files = write_inspect_logs(logs, tmp_path)
    assert len(files) == 2 and all(file.name.startswith("2026-11-05T12-00-00-00-00_made-up_") for file in files)
    key = elicit.CONVERSATION
    read = [verdicts_from_inspect(file) for file in files]
    pd.testing.assert_frame_equal(
        pd.concat(read).sort_values(key, ignore_index=True), verdicts.sort_values(key, ignore_index=True)
    )
    log = read_eval_log(str(files[0]))
    sample = log.samples[0]
    turns = held[held["scenario_id"].eq(sample.id) & held["target"].eq(log.eval.model) & held["repetition"].eq(0)]
    assert [message.text for message in sample.messages] == turns.sort_values("turn")["text"].tolist()
    assert sample.input == sample.messages[0].text and sample.output.completion == sample.messages[-1].text
    assert sum(metric.value for metric in log.results.scores[0].metrics.values()) == pytest.approx(1)
    again = inspect_logs(scenarios, held, verdicts, study="made up", ended=ended)
    assert {name: log.model_dump() for name, log in again.items()} == {n: log.model_dump() for n, log in logs.items()}
