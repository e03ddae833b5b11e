"""What the published release says of its scenarios becomes tables of a folder, by the command line."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from conflictscope.study import command_line
from conflictscope.table_files import read_table

SCENARIOS = Path(__file__).parents[2] / "params" / "samples" / "conflictscope.csv"


def run(*words):
    return CliRunner().invoke(command_line._commands, ["import", *map(str, words)])


@pytest.fixture
def ids():
    with SCENARIOS.open(encoding="utf-8", newline="") as file:
        return [(row["scenario_id"], row["value1"], row["value2"]) for row in csv.DictReader(file)]


def results_file(path, ids, **more):
    columns = ["scenario_id", "generating_model", "value1", "value2", "choice", "likert", *more]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([own, "m", one, two, "A", "-1", *more.values()] for own, one, two in ids)
    return path


def test_the_release_s_files_become_tables_of_one_folder(tmp_path, ids):
    folder = tmp_path / "release"
    chosen = results_file(tmp_path / "chosen.csv", ids, model="target", likert_a="1", likert_b="-1")
    models = {"user_model": "u", "assistant_model": "target", "judge_model": "judge", "reasoning": "r"}
    talked = results_file(tmp_path / "talked.csv", ids, **models, conversation="USER: x")
    opened = tmp_path / "prompts.json"
    opened.write_text(json.dumps({own: "What now?" for own, _, _ in ids} | {"seven": "?"}), encoding="utf-8")
    for file in (SCENARIOS, chosen, talked, opened):
        done = run(file, "--tables", folder, "--scenarios", SCENARIOS)
        assert done.exit_code == 0, done.output
    assert f"of {len(ids) + 1} rows were left out" in done.output
    tables = {
        name: read_table(name, folder, study="release")
        for name in ("checks", "choices", "ratings", "verdicts", "opening_messages")
    }
    known = set(tables["checks"]["scenario_id"])
    # both conditions stand in the one table, of the same scenarios
    assert tables["choices"].groupby("condition")["scenario_id"].agg(set).tolist() == [known, known]
    assert set(tables["opening_messages"]["scenario_id"]) == known and len(tables["ratings"]) == 2 * len(known)
    again = run(chosen, "--tables", folder, "--scenarios", SCENARIOS)
    assert isinstance(again.exception, ValueError) and "repeats the key" in str(again.exception)


def test_without_scenarios_the_release_s_ids_stand_for_them(tmp_path, ids):
    chosen = results_file(tmp_path / "chosen.csv", ids, model="target", likert_a="1", likert_b="-1")
    assert run(chosen, "--tables", tmp_path / "release").exit_code == 0
    choices = read_table("choices", tmp_path / "release", study="release")
    assert set(choices["scenario_id"]) <= {own for own, _, _ in ids}
