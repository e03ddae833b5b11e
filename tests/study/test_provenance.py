"""What a table was made from is recorded, and held against how things stand: stale, incomplete, or untouched."""

import json
import shutil
import sqlite3

import pytest

from conflictscope.study import open_run
from conflictscope.study.parameters import load_parameters
from conflictscope.study.provenance import (
    call_store_url,
    describe_changed_models,
    describe_status,
    read_manifest,
    record_places,
    study_status,
    unfinished_tables,
    write_manifest,
)
from conflictscope.study.stages import WRITERS
from conflictscope.table_files import read_table, write_table

TABLES = list(WRITERS)
# tables from a stage on
FROM = {name: TABLES[TABLES.index(name) :] for name in TABLES}
AFTER_VERDICTS = [
    "refusals",
    *(name for name in TABLES if name.startswith("pressed_")),
    "swapped_verdicts",
    "further_verdicts",
    *FROM["choices"],
]


@pytest.fixture(scope="module")
def ran(recorded, tmp_path_factory):
    """The recorded study, in which a test may change parameters, value set, models and prompts, and put them back."""
    return shutil.copytree(recorded, tmp_path_factory.mktemp("provenance") / "project")


def status_of(project, *settings, out=None):
    parameters = load_parameters(project / "params" / "newsroom.yaml", settings=settings, out=out)
    return study_status(parameters)


def in_state(status, state):
    return status.loc[status["state"].eq(state) & status["table"].ne("figures"), "table"].tolist()


def test_nothing_is_stale_where_nothing_has_changed(ran):
    status = status_of(ran)
    assert set(status["state"]) == {"up to date"} and set(status["why"]) == {""}
    assert status["table"].tolist().count("figures") == 3
    # how a study is run, and where things are, makes no difference
    assert set(status_of(ran, "budget_usd=5", "replay=true")["state"]) == {"up to date"}
    drawn_otherwise = status_of(ran, "variant=direct")
    assert drawn_otherwise.loc[drawn_otherwise["state"].eq("stale"), "notebook"].tolist() == ["07_figures"]


@pytest.mark.parametrize(
    ("setting", "first", "why", "stale"),
    [
        ("outlines_per_pair=4", "outlines", "parameter outlines_per_pair was 3, is 4", TABLES),
        ("author=simulated/user", "outlines", "parameter author was 'simulated/author'", TABLES),
        ("filtered=false", "kept_scenarios", "parameter filtered was True, is False", FROM["kept_scenarios"]),
        ("domains=[work, leisure]", "domains", "parameter domains was", ["domains"]),
        ("repetitions=2", "answers", "parameter repetitions was 1, is 2", None),
        (
            "choice_temperature=1",
            "answers",
            "parameter choice_temperature was 0.0",
            ["answers", "abstaining_answers", "ratings", *FROM["choices"]],
        ),
        ("user_temperature=0", "opening_messages", "parameter user_temperature was 1.0", FROM["opening_messages"]),
        ("judge=simulated/first_label_judge", "verdicts", "parameter judge was", ["verdicts", *AFTER_VERDICTS]),
        ("level=0.9", "rankings", "parameter level was 0.95, is 0.9", FROM["rankings"]),
        ("penalty=1", "rankings", "parameter penalty was 0.01", FROM["rankings"]),
        ("max_turns=2", "conversations", "parameter max_turns was 1, is 2", FROM["conversations"]),
        ("target_rankings=[selection]", "steered_answers", "parameter target_rankings", FROM["steered_answers"]),
        ("targets=[simulated/steady]", "answers", "target simulated/obliging is no more", None),
    ],
)
def test_a_parameter_makes_stale_what_it_touches_and_nothing_else(ran, setting, first, why, stale):
    status = status_of(ran, setting)
    if stale is None:
        # asked of targets alone
        stale = [name for name in FROM["answers"] if name != "opening_messages"]
    assert in_state(status, "stale") == stale and not in_state(status, "incomplete")
    assert status.set_index("table").loc[first, "why"].startswith(why)


@pytest.mark.parametrize(
    ("setting", "why", "incomplete"),
    [
        (
            "targets=[simulated/steady, simulated/obliging, simulated/pliable]",
            "target simulated/pliable is new",
            [name for name in FROM["answers"] if name != "opening_messages"],
        ),
        ("further_judges=[simulated/hasty_judge, gpt-4o]", "judge gpt-4o is new", ["further_verdicts"]),
    ],
)
def test_one_model_more_makes_tables_incomplete_and_not_stale(ran, setting, why, incomplete):
    status = status_of(ran, setting)
    assert in_state(status, "incomplete") == incomplete and not in_state(status, "stale")
    assert status.set_index("table").loc[incomplete[0], "why"] == why
    assert set(in_state(status, "up to date")) == set(TABLES) - set(incomplete)
    parameters = load_parameters(ran / "params" / "newsroom.yaml", settings=[setting])
    assert set(unfinished_tables(parameters)["table"]) - {"figures"} == set(incomplete)
    assert any("incomplete" in line and why in line for line in describe_status(parameters))


def test_targets_in_another_order_are_the_same_targets(ran):
    assert set(status_of(ran, "targets=[simulated/obliging, simulated/steady]")["state"]) == {"up to date"}


@pytest.mark.parametrize(
    ("file", "old", "new", "why", "stale"),
    [
        ("value_sets/newsroom.yaml", "nothing that", "what", "value accuracy has another definition", TABLES),
        (
            "models.yaml",
            "simulated/obliging: {<<: *simulated",
            "simulated/obliging: {<<: *simulated, refused_options: [temperature]",
            "model simulated/obliging has another entry",
            [name for name in FROM["answers"] if name != "opening_messages"],
        ),
        (
            "models.yaml",
            "simulated/obliging: {<<: *simulated",
            "simulated/obliging: {<<: *simulated, max_attempts: 9",
            "",
            [],
        ),
    ],
)
def test_definitions_and_entries_of_models_are_part_of_what_a_table_is_made_from(ran, file, old, new, why, stale):
    path = ran / "params" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    try:
        status = status_of(ran)
    finally:
        path.write_text(text, encoding="utf-8")
    assert in_state(status, "stale") == stale
    if stale:
        assert why in status.set_index("table").loc[stale[0], "why"]


def test_a_changed_prompt_makes_what_was_asked_with_it_stale(ran):
    from conflictscope.prompts.rendering import FOLDER

    def stale_with(name):
        folder = ran / f"prompts_{name}"
        folder.mkdir()
        text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        (folder / f"{name}.txt").write_text(f"{text}\nTake your time.\n", encoding="utf-8")
        status = status_of(ran, f"prompts_folder={folder.name}")
        return in_state(status, "stale"), status.set_index("table")["why"]

    stale, why = stale_with("rate")
    assert stale == ["ratings"] and why["ratings"] == "prompt rate changed"
    stale, why = stale_with("system_steered")
    assert stale == FROM["steered_answers"] and why["steered_conversations"].startswith("prompt system_steered changed")
    # nobody needed a repair of a scenario
    assert stale_with("complete")[0] == []


def test_a_folder_without_tables_has_not_run(ran, tmp_path):
    assert set(status_of(ran, out=tmp_path)["state"]) == {"not run"}


def test_a_table_that_says_nothing_of_its_origin_is_stale(finished):
    folder = finished / "runs" / "newsroom"
    write_table(read_table("domains", folder, study="newsroom"), "domains", folder, study="newsroom")
    status = status_of(finished).set_index("table")
    assert status.loc["domains", "why"] == "its file does not say what it was made from"


def test_what_does_not_belong_together_is_not_read_together(finished):
    folder = finished / "runs" / "newsroom"
    kept = read_table("kept_scenarios", folder, study="newsroom")
    run = open_run(folder)
    assert len(run.read("answers"))
    # the same rows written anew replace nothing
    run.read("scenarios"), run.read("checks")
    run.write(kept, "kept_scenarios")
    assert len(run.read("answers"))
    run.write(kept.iloc[1:], "kept_scenarios")
    with pytest.raises(
        ValueError, match=r"answers.parquet was made from a table 'kept_scenarios' that has been repl"
    ) as e:
        run.read("answers")
    assert "Run notebook 03_multiple_choice again" in str(e.value)
    # nor what was made from it in turn
    with pytest.raises(ValueError, match="has been replaced since"):
        run.read("rankings")
    assert status_of(finished).set_index("table").loc["answers", "why"] == (
        "table kept_scenarios was written anew, with other rows; made from stale kept_scenarios"
    )


def test_other_definitions_are_refused(finished):
    values = finished / "params" / "value_sets" / "newsroom.yaml"
    values.write_text(values.read_text().replace("nothing that", "what"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"made with other definitions of \['accuracy'\]"):
        open_run(finished / "runs" / "newsroom").read("scenarios")


def test_the_manifest_is_written_at_the_end_and_keeps_what_did_not_run(finished):
    folder = finished / "runs" / "newsroom"
    before = read_manifest(folder)
    assert set(before["figures_from"]) == {"05_rank_values", "06_steer", "07_figures"}
    assert set(before["notebooks"]) == {stage.notebook for stage in WRITERS.values()} | {"07_figures"}
    write_manifest(load_parameters(finished / "params" / "newsroom.yaml"), {}, finished=False)
    after = read_manifest(folder)
    assert not after["finished"] and after["notebooks"] == before["notebooks"]
    for name in ("tables", "figures", "figures_from", "prompt_hashes", "calls"):
        assert after[name] == before[name], name


def test_a_model_that_changed_behind_its_id_is_said(finished):
    parameters = load_parameters(finished / "params" / "newsroom.yaml")
    assert describe_changed_models(parameters) == []
    with sqlite3.connect(finished / "runs" / "newsroom" / "calls.sqlite") as store:
        store.execute("UPDATE replies SET model_id = NULL WHERE model = 'simulated/judge' AND key < '8'")
        store.execute("UPDATE replies SET model_id = 'steady-2' WHERE model = 'simulated/steady' AND key < '8'")
    store.close()
    (sentence,) = describe_changed_models(parameters)
    assert sentence.startswith("simulated/steady changed behind its name: steady") and "steady-2 (" in sentence
    assert sentence in describe_status(parameters)
    write_manifest(parameters, {}, finished=True)
    models = read_manifest(finished / "runs" / "newsroom")["models"]
    assert {name for name, model in models.items() if model["changed"]} == {"simulated/steady"}


def test_a_folder_is_one_study_s(tmp_path):
    record_places(tmp_path, "one", {"value_set": "a"})
    record_places(tmp_path, "one", {"models_file": "b"})
    assert json.loads((tmp_path / "manifest.json").read_text())["parameters"] == {"value_set": "a", "models_file": "b"}
    with pytest.raises(ValueError, match="holds study 'one'; expected 'other'"):
        record_places(tmp_path, "other", {})


def test_a_call_store_is_seen_from_the_projects_folder(project):
    folder = project / "runs" / "x"
    folder.mkdir(parents=True)
    assert str(call_store_url(None, folder)) == f"sqlite:///{folder}/calls.sqlite"
    assert (
        str(call_store_url("sqlite:///runs/shared.sqlite", folder))
        == f"sqlite:///{project.resolve()}/runs/shared.sqlite"
    )
    assert str(call_store_url("sqlite:////data/x.sqlite", folder)) == "sqlite:////data/x.sqlite"
    assert str(call_store_url("postgresql://host/db", folder)) == "postgresql://host/db"
    with pytest.raises(ValueError, match="call_store: found no address"):
        call_store_url("nonsense", folder)
