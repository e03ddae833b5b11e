"""A study in a second language starts from files that a person can read, and knows what each scenario translates."""

import re

from click.testing import CliRunner

from conflictscope.models import load_registry
from conflictscope.prompts import prompt_files, render, use_prompts
from conflictscope.scenarios import load_value_set, read_scenario_file
from conflictscope.simulated import library
from conflictscope.study.command_line import _commands
from conflictscope.study.parameters import load_parameters
from conflictscope.study.provenance import record_places
from conflictscope.study.validation import validate_study
from conflictscope.table_files import write_table
from conflictscope.tables import TABLES

TOLD = {"value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml", "figures_folder": "figures/a"}


def test_what_is_written_makes_a_study_of_the_same_pairs(project, monkeypatch):
    import pandas as pd

    monkeypatch.chdir(project)
    values = load_value_set(project / TOLD["value_set"])
    known = [one for one in library.load_library() if set(one.values) <= set(values.names)][:4]
    rows = [
        {column.name: getattr(one, column.name, column.name) for column in TABLES["scenarios"].columns}
        | {"scenario_id": f"s{n}", "value_1": one.values[0], "value_2": one.values[1]}
        for n, one in enumerate(known)
    ]
    record_places(project / "runs" / "a", "a", TOLD | {"targets": ["simulated/steady"], "level": 0.95})
    write_table(pd.DataFrame(rows), "kept_scenarios", project / "runs" / "a", study="a")
    line = ["translate", "runs/a", "--language", "de", "--author", "simulated/author", "--judge", "simulated/judge"]
    priced = [*line[:5], "gpt-4.1", "--judge", "gpt-4.1-mini", "--out", "params/a_de.yaml", "--price"]
    done = CliRunner().invoke(_commands, priced)
    told = re.fullmatch(r"runs/a: 4 scenarios, 22 calls, about (0\.\d\d) dollars\.\n", done.output)
    assert told and float(told[1]) > 0 and not (project / "params" / "scenarios").exists()
    done = CliRunner().invoke(_commands, [*line, "--out", "params/a_de.yaml"])
    assert (
        done.exit_code == 0
        and "22 calls, about 0.00 dollars" in done.output
        and "4 of 4 scenarios translated into de; 0 came back as another" in done.output
    )
    parameters = load_parameters(project / "params" / "a_de.yaml")
    assert not validate_study(parameters, load_registry(project / "params" / "models.yaml"))
    assert (parameters.values["language"], parameters.values["filtered"]) == ("de", False)
    assert parameters.values["targets"] == ["simulated/steady"] and parameters.study == "a_de"
    translated = read_scenario_file(parameters.path("scenarios"), values)
    assert translated["outline_id"].tolist() == ["s0", "s1", "s2", "s3"]
    assert prompt_files(parameters.path("prompts_folder"))["choose"].parent.name == "a_de"
    again = CliRunner().invoke(_commands, [*line, "--out", "params/a_de.yaml"])
    assert isinstance(again.exception, FileExistsError) and "there already" in str(again.exception)


def test_in_a_study_with_a_language_what_is_written_is_asked_for_in_it():
    fields = {"description": "d", "persona": "p", "background": "b", "goal": "g"}
    plain = render("opening_message", **fields)
    asked = render("choose", description="d", action_a="a", action_b="b")
    try:
        use_prompts(None, "தமிழ்")
        told = render("opening_message", **fields)
        assert told.messages[-1]["content"].startswith(plain.messages[-1]["content"])
        assert "is in தமிழ்," in told.messages[-1]["content"] and told.hash == plain.hash
        # targets are asked by prompts of the study's own
        assert render("choose", description="d", action_a="a", action_b="b") == asked
    finally:
        use_prompts(None)
    assert render("opening_message", **fields) == plain
