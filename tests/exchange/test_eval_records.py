"""A study's results in the schema of Every Eval Ever, held to what that schema demands."""

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from conflictscope.calibration import simulate_choices
from conflictscope.exchange import About, eval_records, write_eval_records
from conflictscope.measure import rank_values
from conflictscope.simulated import Respondent

SCHEMA = json.loads(Path(__file__).with_name("every_eval_ever.schema.json").read_text(encoding="utf-8"))
VALUES = ["Wärme", "正直", "tact"]


@pytest.fixture(scope="module")
def choices():
    """Choices of two respondents, of which one always prefers the first value."""
    known = [
        Respondent(name, utilities=dict(zip(VALUES, utilities, strict=True)), scenario_weight=0.4, noise=0.5)
        for name, utilities in (("maker/one", (0.6, 0.0, -0.6)), ("maker/two", (40.0, 0.0, 0.2)))
    ]
    pairs = [(one, two) for n, one in enumerate(VALUES) for two in VALUES[n + 1 :]]
    return simulate_choices({one.name: one for one in known}, pairs, scenarios_per_pair=20, seed=0)


@pytest.fixture(scope="module")
def records(choices):
    settings = {"level": 0.9, "choice_temperature": 0.0, "target_temperature": 1.0, "target_max_tokens": 1024}
    about = About(
        "news", {"maker/one": "one-2026"}, {"maker/two": True}, "Which action?", settings, 1_795_000_000, "Lab"
    )
    ranked = rank_values(choices, VALUES)
    return eval_records(ranked, choices, about), ranked


def test_records_are_what_the_schema_demands(records):
    checker = jsonschema.Draft7Validator(SCHEMA)
    assert list(records[0]) == ["maker/one", "maker/two"]
    for record in records[0].values():
        assert not [error.message for error in checker.iter_errors(record)]
    broken = json.loads(json.dumps(records[0]["maker/one"])) | {"mood": "good"}
    del broken["evaluation_results"][1]["metric_config"]["lower_is_better"]
    assert len(list(checker.iter_errors(broken))) == 2, "the schema refuses what does not fit"


def test_a_record_holds_strengths_intervals_and_what_was_no_choice(records, choices):
    record = records[0]["maker/one"]
    results = {result["evaluation_result_id"]: result for result in record["evaluation_results"]}
    assert len(results) == 2 * (1 + 3) and record["model_info"] == {"name": "maker/one", "id": "one-2026"}
    told = results["news/open_ended/正直"]
    row = records[1].set_index(["target", "condition", "value"]).loc[("maker/one", "open_ended", "正直")]
    assert told["score_details"]["score"] == row["strength"]
    ends = told["score_details"]["uncertainty"]["confidence_interval"]
    assert (ends["lower"], ends["upper"], ends["confidence_level"]) == (row["strength_low"], row["strength_high"], 0.9)
    assert told["metric_config"]["llm_scoring"]["input_prompt"] == "Which action?"
    assert "llm_scoring" not in results["news/multiple_choice/tact"]["metric_config"]
    asked = choices[choices["target"].eq("maker/one") & choices["condition"].eq("multiple_choice")]
    counted = results["news/multiple_choice/choices"]["score_details"]
    assert counted["score"] == asked["outcome"].eq("choice").mean()
    assert sum(map(int, counted["details"].values())) == len(asked)


def test_an_open_interval_is_told_in_words_and_not_as_a_number(records, tmp_path):
    record = records[0]["maker/two"]
    best = next(r for r in record["evaluation_results"] if r["evaluation_result_id"] == "news/multiple_choice/Wärme")
    assert best["score_details"]["details"]["high"] == "inf"
    assert "confidence_interval" not in best["score_details"]["uncertainty"]
    assert record["model_info"]["additional_details"] == {"simulated": "true"}
    files = write_eval_records(records[0], tmp_path)
    assert [json.loads(file.read_text(encoding="utf-8")) for file in files] == list(records[0].values())


def test_a_value_without_a_strength_has_no_result(choices):
    about = About("s", {}, {}, "", {"choice_temperature": 0, "target_temperature": 1, "target_max_tokens": 9}, 0)
    unknown = rank_values(choices, VALUES).assign(strength=float("nan"))
    (first, *_) = eval_records(unknown, choices, about).values()
    assert [r["metric_config"]["metric_id"] for r in first["evaluation_results"]] == ["conflictscope.choices"] * 2
    assert eval_records(unknown, pd.DataFrame(columns=choices.columns), about) == {}
