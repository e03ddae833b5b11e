"""A bundle holds what it takes to rebuild a study, prompts of its own included, and packs nothing that is not whole."""

import json
import shutil
import zipfile

import pytest

from conflictscope.prompts import prompt_hashes, use_prompts
from conflictscope.prompts.rendering import FOLDER
from conflictscope.study import command_line
from conflictscope.study.bundle import open_bundle, pack_bundle
from conflictscope.study.parameters import load_parameters, restore_parameters
from conflictscope.study.provenance import read_manifest, record_places


def pack(project, *settings):
    parameters = load_parameters(project / "params" / "newsroom.yaml", settings=settings)
    manifest = read_manifest(project / "runs" / "newsroom")
    return pack_bundle(parameters, manifest, project / "bundle.zip")


def test_a_bundle_names_no_place_and_is_the_same_twice(recorded, tmp_path):
    project = shutil.copytree(recorded, tmp_path / "project")
    file = pack(project)
    with zipfile.ZipFile(file) as packed:
        head = json.loads(packed.read("bundle.json"))
        assert {"manifest.json", "value_set.yaml", "models.yaml", "calls.jsonl"} <= set(packed.namelist())
        crate = json.loads(packed.read("ro-crate-metadata.json"))
        described = {entity["@id"]: entity for entity in crate["@graph"]}
        parts = {part["@id"] for part in described["./"]["hasPart"]}
        assert parts == set(packed.namelist()) - {"ro-crate-metadata.json"} and parts <= set(described)
        assert described["ro-crate-metadata.json"]["about"] == {"@id": "./"}
        assert {"name", "description", "datePublished", "license"} <= set(described["./"])
        # the shipped prompts too, so that one reworded later does not ask anew
        assert {f"prompts/{path.name}" for path in FOLDER.glob("*.txt")} <= set(packed.namelist())
    assert not {"run_folder", "figures_folder", "value_set", "models_file", "call_store"} & set(head["parameters"])
    assert len(head["tables"]) == 24 and "rankings.png" in head["figures"]
    first = file.read_bytes()
    assert pack(project).read_bytes() == first


def test_what_is_stale_or_incomplete_is_not_bundled(recorded, tmp_path):
    project = shutil.copytree(recorded, tmp_path / "project")
    for setting, why in (
        ("level=0.9", "rankings: parameter level was 0.95"),
        ("targets=[simulated/steady, simulated/obliging, gpt-4o]", "answers: target gpt-4o is new"),
    ):
        with pytest.raises(ValueError, match=f"is not as its last run left it .{why}"):
            pack(project, setting)
    assert not (project / "bundle.zip").exists()


def test_prompts_of_ones_own_go_into_the_bundle(recorded, tmp_path):
    project = shutil.copytree(recorded, tmp_path / "project")
    (project / "mine").mkdir()
    # a prompt that nothing here was asked with, so that no table is stale by it
    text = (FOLDER / "single_stage.txt").read_text(encoding="utf-8") + "\nIn plain words.\n"
    (project / "mine" / "single_stage.txt").write_text(text, encoding="utf-8")
    file = pack(project, "prompts_folder=mine")
    with zipfile.ZipFile(file) as packed:
        assert packed.read("prompts/single_stage.txt").decode() == text
    (tmp_path / "opened").mkdir()
    bundle = open_bundle(file, tmp_path / "opened")
    values = bundle.parameters | bundle.inputs
    parameters = restore_parameters(bundle.study, values, project, bundle.places, source=str(file))
    assert parameters.path("prompts_folder") == (tmp_path / "opened" / "prompts").resolve()
    assert prompt_hashes(parameters.path("prompts_folder")) == prompt_hashes(project / "mine")
    use_prompts(None)


def test_a_folder_of_notebooks_run_by_hand_is_no_bundle(project, monkeypatch):
    monkeypatch.chdir(project)
    places = {"value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml", "figures_folder": "f"}
    record_places(project / "runs" / "hand", "hand", places)
    with pytest.raises(
        ValueError, match="made by running notebooks by hand; expected a study that `conflictscope run`"
    ):
        command_line._commands(["bundle", "runs/hand"], standalone_mode=False)
