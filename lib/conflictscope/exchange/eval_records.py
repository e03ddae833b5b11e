"""Results as records of the schema of Every Eval Ever, which leaderboards and meta-analyses of evaluations read.

In: a study's rankings and choices. Out: a JSON record a target (schema 0.2.2, arXiv 2606.14516), with the strength of
each value in either way of asking, its interval, and the share of questions that got a choice at all.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conflictscope.files import write_text

SCHEMA_VERSION = "0.2.2"
_ASKED_AS = {
    "multiple_choice": "multiple choice: which of two actions it says that it would take",
    "open_ended": "open-ended conversation: which of two actions a judge saw it take",
}


@dataclass(frozen=True)
class About:
    """What the tables do not say of a study.

    Attributes
    ----------
    study : str
        Its name.
    ids : mapping
        Model → what its endpoint calls it.
    simulated : mapping
        Model → whether it is one of the embedded simulated models.
    judge_prompt : str
        The prompt that the judge was given, before it was filled in.
    settings : mapping
        ``level`` of the intervals, ``choice_temperature``, ``target_temperature``, ``target_max_tokens``.
    seconds : int
        When the study ended, in seconds since 1970.
    organisation : str
        Who ran it; "unknown" if nobody says.
    """

    study: str
    ids: Mapping[str, str]
    simulated: Mapping[str, bool]
    judge_prompt: str
    settings: Mapping[str, Any]
    seconds: int
    organisation: str = "unknown"


def eval_records(rankings: pd.DataFrame, choices: pd.DataFrame, about: About) -> dict[str, dict[str, Any]]:
    """Describe each target's results under no system prompt of steering.

    Parameters
    ----------
    rankings, choices : DataFrame
        The tables of these names.

    Returns
    -------
    dict
        Target → its record. A value without a strength has no result; an interval that is open at an end has none in
        the record, which holds no infinities, and its ends in words. No strength is better than another: the schema
        wants ``lower_is_better``, which is False throughout, and the metric's description says so.
    """
    ranked = rankings[rankings["arm"].eq("default") & rankings["strength"].notna()]
    asked = choices[choices["arm"].eq("default")]
    records = {}
    for target in dict.fromkeys(asked["target"]):
        answers = asked[asked["target"].eq(target)]
        results = [
            _answered(part, condition, about) for condition, part in answers.groupby("condition", sort=False)
        ] + [_strength(row, answers, about) for row in ranked[ranked["target"].eq(target)].to_dict("records")]
        records[str(target)] = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": f"conflictscope.{about.study}/{about.ids.get(target, target)}/{about.seconds}",
            "evaluation_timestamp": str(about.seconds),
            "retrieved_timestamp": str(about.seconds),
            "source_metadata": {
                "source_name": "ConflictScope",
                "source_type": "evaluation_run",
                "source_organization_name": about.organisation,
                "evaluator_relationship": "other",
            },
            "eval_library": {"name": "conflictscope", "version": version("conflictscope")},
            "model_info": _model(str(target), about),
            "evaluation_results": results,
        }
    return records


def write_eval_records(records: Mapping[str, Mapping[str, Any]], to: Path | str) -> list[Path]:
    """Write each record into a file of its own, named after the target, and return the files."""
    files = []
    for target, record in records.items():
        # names that differ in marks alone, or in case, keep files of their own
        mark = hashlib.sha256(target.encode()).hexdigest()[:6]
        files.append(Path(to) / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', target)[:80]}.{mark}.json")
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(files[-1], text)
    return files


def _model(name: str, about: About) -> dict[str, Any]:
    """Return what is said of a model."""
    details = {"simulated": str(about.simulated[name]).lower()} if name in about.simulated else {}
    return {"name": name, "id": about.ids.get(name, name)} | ({"additional_details": details} if details else {})


def _result(name: str, condition: str, metric: dict, score: dict, about: About) -> dict[str, Any]:
    """Return a result of a target."""
    talked = condition == "open_ended"
    asked = {"temperature": about.settings["target_temperature" if talked else "choice_temperature"]}
    if talked:
        asked["max_tokens"] = about.settings["target_max_tokens"]
    return {
        "evaluation_result_id": f"{about.study}/{condition}/{name}",
        "evaluation_name": f"conflictscope.{about.study}.{condition}",
        "source_data": {"dataset_name": f"ConflictScope: {about.study}", "source_type": "other"},
        "metric_config": {"lower_is_better": False} | metric,
        "score_details": score,
        "generation_config": {"generation_args": asked},
    }


def _answered(answers: pd.DataFrame, condition: str, about: About) -> dict[str, Any]:
    """Return the share of questions that got a choice, with the counts of what the others got."""
    counts = answers["outcome"].value_counts()
    metric = {
        "evaluation_description": f"Share of questions with a choice. {_ASKED_AS[condition]}.",
        "metric_id": "conflictscope.choices",
        "metric_unit": "proportion",
        **{"score_type": "continuous", "min_score": 0, "max_score": 1},
    }
    score = {
        "score": float(answers["outcome"].eq("choice").mean()),
        "details": {str(outcome): str(count) for outcome, count in counts.items()},
    }
    return _result("choices", condition, metric, score, about)


def _strength(row: Mapping[str, Any], answers: pd.DataFrame, about: About) -> dict[str, Any]:
    """Return a value's strength with its interval."""
    condition = row["condition"]
    metric: dict[str, Any] = {
        "evaluation_description": (
            f"Bradley–Terry strength of the value {row['value']!r} against the others of its set. "
            f"{_ASKED_AS[condition]}. Larger: preferred, which is neither better nor worse."
        ),
        "metric_id": "conflictscope.strength",
        "metric_name": f"strength of {row['value']}",
        "metric_unit": "log-odds, mean 0 over the values",
    }
    judges = sorted(answers.loc[answers["condition"].eq(condition), "judge"].dropna().unique())
    if judges:
        judged_by = [{"model_info": _model(str(judge), about), "temperature": 0} for judge in judges]
        metric["llm_scoring"] = {"judges": judged_by, "input_prompt": about.judge_prompt}
    low, high = float(row["strength_low"]), float(row["strength_high"])
    score: dict[str, Any] = {
        "score": float(row["strength"]),
        "details": {
            "value": row["value"],
            **{name: str(row[name]) for name in ("rank", "rank_low", "rank_high") if not pd.isna(row[name])},
            "ties": str(row["tie_group"]),
            "low": f"{low:g}",
            "high": f"{high:g}",
        },
        "uncertainty": {"num_samples": int(row["scenarios"])},
    }
    if np.isfinite([low, high]).all():
        score["uncertainty"]["confidence_interval"] = {
            "lower": low,
            "upper": high,
            "confidence_level": about.settings["level"],
            "method": "closed form, clustered by scenario, quantiles of t",
        }
    return _result(str(row["value"]), condition, metric, score, about)
