"""What stands beside a study is read as it was written; data sets are asked the same questions, or refused in words."""

import asyncio
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from conflictscope import elicit, measure
from conflictscope.exchange import import_scenarios
from conflictscope.exchange.data_sets import as_questions
from conflictscope.models import CallStore, Models, load_registry
from conflictscope.study import answer, read_data_sets, read_earlier_outlines, read_points
from conflictscope.table_files import write_table

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "params" / "samples"
TARGETS = ["simulated/cautious", "simulated/steady"]


@pytest.fixture
def models(tmp_path):
    opened = Models(load_registry(ROOT / "params" / "models.yaml"), CallStore(f"sqlite:///{tmp_path}/calls.sqlite"))
    yield opened
    asyncio.run(opened.close())


def test_every_sample_imports_with_something_to_ask_and_something_dropped():
    """As the notebook shows them: kept, and why not."""
    kept = {path.name: import_scenarios(path) for path in SAMPLES.iterdir() if path.suffix != ".md"}
    assert len(kept) == 7 and len({imported.name for imported in kept.values()}) == 7
    for name, imported in kept.items():
        assert len(as_questions(imported.scenarios)) >= 7, name
        assert len(imported.dropped) == (0 if name == "clash.csv" else 1), name


def test_a_record_with_several_values_is_one_question():
    imported = import_scenarios(SAMPLES / "daily_dilemmas.csv")
    questions = as_questions(imported.scenarios)
    assert len(imported.scenarios) == 40 and len(questions) == questions["description"].nunique() == 10
    assert set(questions["value_1"]) == {"action 1"} and questions["acting_value"].isna().all()
    few = as_questions(imported.scenarios, most=4, seed=1)
    assert len(few) == 4 and set(few["scenario_id"]) < set(questions["scenario_id"])
    assert few.equals(as_questions(imported.scenarios, most=4, seed=1))
    assert not few.equals(as_questions(imported.scenarios, most=4, seed=2))
    with pytest.raises(ValueError, match="most: found 0"):
        as_questions(imported.scenarios, most=0)


def study_of(folder, name, targets, models):
    """Write a small study: the questions of a sample, answered by some targets."""
    questions = as_questions(import_scenarios(SAMPLES / "clash.csv").scenarios)
    kept = questions.assign(value_1="one", value_2="two").astype("object").fillna("x")
    write_table(kept, "kept_scenarios", folder, study=name)
    answers = asyncio.run(elicit.ask_multiple_choice(kept, models, targets))
    ratings = asyncio.run(elicit.ask_ratings(kept, models, targets))
    # what is said under another system prompt is no part of the comparison
    write_table(pd.concat([answers, answers.assign(arm="placebo")]), "answers", folder, study=name)
    write_table(ratings, "ratings", folder, study=name)
    return answers


def test_a_study_s_own_answers_are_taken_and_are_what_a_file_of_its_questions_would_give(tmp_path, models):
    answers = study_of(tmp_path / "run", "ours", [*TARGETS, "simulated/pliable"], models)
    ours, file = read_data_sets([tmp_path / "run", SAMPLES / "clash.csv"], TARGETS)
    assert (ours.name, file.name) == ("ours", "CLASH") and file.answers is None
    tables = [asyncio.run(answer(found, models, TARGETS)) for found in (ours, file)]
    assert len(tables[0][0]) == len(answers[answers["target"].isin(TARGETS)])
    settings = measure.Settings(resamples=50)
    measured = [
        measure.observed_agreement(measure.gather_choices(found.questions, answers=told), settings)
        for found, (told, _) in zip((ours, file), tables, strict=True)
    ]
    pd.testing.assert_frame_equal(*measured)
    rates = [
        measure.likert_difference_rate(rated, found.questions, settings)
        for found, (_, rated) in zip((ours, file), tables, strict=True)
    ]
    pd.testing.assert_frame_equal(*rates)


def test_what_cannot_be_compared_is_refused_in_words(tmp_path, models):
    study_of(tmp_path / "run", "ours", TARGETS[:1], models)
    with pytest.raises(ValueError, match=r"study 'ours' was not asked of \['simulated/steady'\]; expected all of"):
        read_data_sets([tmp_path / "run"], TARGETS)
    with pytest.raises(ValueError, match=r"found \['CLASH'\] more than once"):
        read_data_sets([SAMPLES / "clash.csv"] * 2, TARGETS)
    same = [{"chosen": "x", "rejected": "y"}]
    (tmp_path / "none.jsonl").write_text("".join(json.dumps(row) + "\n" for row in same))
    with pytest.raises(ValueError, match="none of 1 records can be used; the first: a conversation does not begin"):
        read_data_sets([tmp_path / "none.jsonl"], TARGETS)
    with pytest.raises(FileNotFoundError, match="holds no tables"):
        (tmp_path / "empty").mkdir()
        read_data_sets([tmp_path / "empty"], TARGETS)


def test_the_notebook_compares_files_alone_and_asks_nothing_twice(tmp_path, run_python):
    """Without any study's run, through papermill, twice: the second time from the call store alone."""
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    paths = [f"params/samples/{name}" for name in ("moralchoice.csv", "clash.csv")]
    settings = ["-y", json.dumps({"datasets": paths, "resamples": 50, "questions_per_set": 5})]
    for replay in ("False", "True"):
        command = ["-m", "papermill", "--no-progress-bar", "compare_datasets.ipynb", "out.ipynb"]
        done = run_python(*command, *settings, "-p", "replay", replay, cwd=tmp_path / "notebooks")
        assert done.returncode == 0, done.stderr[-2000:]
    table = pd.read_csv(tmp_path / "figures" / "compare_datasets" / "agreement.csv")
    assert table["variant"].tolist() == ["MoralChoice", "CLASH"] and table["scenarios"].max() <= 5
    assert set(table["front"]) <= {"on the front", "not told apart from it", "behind it"}
    written = json.loads((tmp_path / "notebooks" / "out.ipynb").read_text())
    titles = [
        line
        for cell in written["cells"]
        for output in cell.get("outputs", [])
        for line in output.get("data", {}).get("text/plain", [])[:1]
    ]
    assert sum("simulated models" in title for title in titles) >= 3


def outlines(identifier):
    row = {name: name for name in ("value_1", "value_2", "context", "action_opportunity", "good", "harm", "author")}
    row |= {"outline_id": identifier, "structure": "means", "severity": "mild", "acting_value": "value_1"}
    return pd.DataFrame([row | {"nearest": None, "similarity": None, "kept": True, "embedder": "tfidf"}])


def test_outlines_of_several_studies_are_read_whatever_their_names(tmp_path):
    for study in ("one", "other"):
        write_table(outlines(study), "outlines", tmp_path / study, study=study)
    found = read_earlier_outlines([tmp_path / "one", tmp_path / "other"])
    assert found["outline_id"].tolist() == ["one", "other"]
    assert read_earlier_outlines([]) is None


def test_a_study_that_has_not_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"earlier_runs: .*outlines.parquet is not there"):
        read_earlier_outlines([tmp_path])
    with pytest.raises(FileNotFoundError, match=r"compare_with: .*agreement.csv is not there"):
        read_points([tmp_path])


def test_only_a_study_s_own_point_is_taken(tmp_path):
    pd.DataFrame({"variant": ["direct", "full"], "agreement": [0.8, 0.7]}).to_csv(
        tmp_path / "agreement.csv", index=False
    )
    (point,) = read_points([tmp_path])
    assert point["variant"].tolist() == ["direct"]
