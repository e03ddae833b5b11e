"""A bundle from a stranger: it gives a replay data, and no say in what is read, written, asked or run."""

import json
import os
import zipfile
import zlib
from pathlib import Path

import pytest

from conflictscope.models.store import read_rows
from conflictscope.study import bundle as bundles
from conflictscope.study.bundle import open_bundle, replay_bundle
from conflictscope.study.parameters import PATHS

ROOT = Path(__file__).parents[2]
VALUES = "name: Two\nvalues: {candour: saying what is so, tact: sparing feelings}\n"
MODELS = 'models: {m: {base_url: "https://collect.invalid/v1", id: m, key_variable: OPENAI_API_KEY}}\n'
HEAD = {
    "format": 1,
    "study": "theirs",
    "notebooks": ["01_generate_scenarios"],
    "parameters": {"author": "m", "earlier_runs": ["inputs/earlier_runs/0"], "prompts_folder": "prompts"},
    "tables": {},
    "figures": {},
    "packages": {},
    "notebook_hashes": {},
}
MEMBERS = {
    "value_set.yaml": VALUES,
    "models.yaml": MODELS,
    "manifest.json": "{}",
    "inputs/earlier_runs/0/outlines.parquet": b"PAR1",
    "prompts/rate.txt": "--- user\n{{ description | fence('d') }}{{ action | fence('a') }}",
}
REPLY = {
    **dict.fromkeys(("model_id", "text", "refusal", "finish_reason", "prompt_tokens", "completion_tokens")),
    **{"key": "k", "model": "m", "prompt": "p", "prompt_hash": "h", "request": "{}", "top_logprobs": None},
    **{"seconds": 0.1, "created": "2026-01-01"},
}


@pytest.fixture
def pack(tmp_path):
    def pack(head=None, members=None, calls=(("replies", REPLY),)):
        file = tmp_path / "theirs.zip"
        lines = calls if isinstance(calls, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in calls)
        content = MEMBERS | {"bundle.json": json.dumps(HEAD | (head or {})), "calls.jsonl": lines} | (members or {})
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, text in content.items():
                if text is not None:
                    packed.writestr(name, text)
        return file

    return pack


@pytest.fixture
def opened(tmp_path):
    folder = tmp_path / "opened"
    folder.mkdir()
    return folder


def test_a_replay_reads_and_writes_in_its_own_folder_alone(pack, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(bundles, "run_study", lambda parameters, only: seen.append(parameters))
    out = tmp_path / "out"
    replay_bundle(pack(), ROOT, out)
    values = seen[0].values
    assert values["replay"] is True and values["call_store"] is None and values["budget_usd"] is None
    places = [place for name in PATHS for place in ([values[name]] if isinstance(values[name], str) else values[name])]
    assert len([place for place in places if place]) == 6
    assert all(Path(place).is_relative_to(out.resolve()) for place in places if place)
    assert seen[0].notebooks_folder == ROOT / "notebooks"
    assert [row["key"] for _, row in read_rows(out / "run" / "calls.sqlite")] == ["k"]


def test_a_replay_goes_into_no_folder_that_holds_something(pack, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "calls.sqlite").write_text("as it was")
    with pytest.raises(ValueError, match="out is not empty; name a new folder"):
        replay_bundle(pack(), ROOT, out)
    assert os.listdir(out) == ["calls.sqlite"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call_store", "sqlite:////tmp/elsewhere.sqlite"),
        ("run_folder", "/tmp/elsewhere"),
        ("figures_folder", ".."),
        ("models_file", "/etc/passwd"),
        ("value_set", "/etc/passwd"),
        ("budget_usd", 1000.0),
    ],
)
def test_where_a_replay_reads_and_writes_is_no_bundle_s_to_say(pack, opened, name, value):
    with pytest.raises(ValueError, match=rf"holds the parameters \['{name}'\]"):
        open_bundle(pack({"parameters": HEAD["parameters"] | {name: value}}), opened)
    assert not any(opened.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("earlier_runs", [place]) for place in ("/etc", "..", "inputs/earlier_runs/1", "inputs/earlier_runs/0/..")),
        *(("earlier_runs", value) for value in ("inputs/earlier_runs/0", [], [["inputs/earlier_runs/0"]], None, {})),
        *(("compare_with", [place]) for place in ("/etc", "../../x", "inputs/earlier_runs/0")),
        *(("scenarios", place) for place in ("/etc/passwd", "../x.csv", "inputs/earlier_runs/0/outlines.parquet", 3)),
        *(("prompts_folder", place) for place in ("/etc", "..", "", "prompts/..", ["prompts"])),
    ],
)
def test_an_input_that_is_not_in_the_bundle_is_refused(pack, opened, name, value):
    with pytest.raises(ValueError, match=f"{name}: found .*; expected what the bundle holds"):
        open_bundle(pack({"parameters": HEAD["parameters"] | {name: value}}), opened)


@pytest.mark.parametrize(
    "name",
    [
        "01_generate_scenarios.ipynb",
        "prompts/../x.txt",
        "/x",
        "inputs/scenarios/0/given.sh",
        "run/calls.sqlite",
        "a\x1b",
    ],
)
def test_what_no_bundle_holds_is_refused(pack, opened, name):
    with pytest.raises(ValueError, match="is no bundle: it holds"):
        open_bundle(pack(members={name: "x"}), opened)


def test_a_link_in_a_bundle_becomes_a_file(pack, opened, tmp_path):
    file = pack(members={"prompts/rate.txt": None})
    with zipfile.ZipFile(file, "a") as packed:
        link = zipfile.ZipInfo("prompts/rate.txt")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    open_bundle(file, opened)
    written = opened / "prompts" / "rate.txt"
    assert not written.is_symlink() and written.read_text() == "/etc/passwd"


@pytest.mark.parametrize(
    "more",
    [
        *({name: value} for name in REPLY for value in ({}, [1], True)),
        *({name: value} for name in ("key", "model", "created") for value in (None, 1, "\ud800")),
        *({"prompt_tokens": value} for value in ("7", 1.5, 2**63, 10**400)),
        *({"seconds": value} for value in (None, "x", float("nan"), 10**400)),
        {"another": 1},
    ],
    ids=repr,
)
def test_rows_of_odd_types_are_refused_in_words(pack, opened, more):
    with pytest.raises(ValueError, match=r"theirs\.zip is no bundle, or is damaged: a row of the table 'replies'"):
        open_bundle(pack(calls=[("replies", REPLY | more)]), opened)


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (b"[]\n", "no row"),
        (b"x\n", "no row"),
        (b'["replies"]\n', "no row"),
        (b'[["replies"], {}]\n', "no row"),
        (b'{"replies": {}}\n', "no row"),
        (b"[" * 100_000 + b"\n", "no row"),
        (b"\xff\n", "no row"),
        ([("sqlite_master", {})], "none of a call store's"),
        ([("replies", REPLY)] * 2, "have one key"),
    ],
)
def test_lines_that_are_no_rows_are_refused_in_words(pack, opened, calls, said):
    with pytest.raises(ValueError, match=rf"theirs\.zip .*{said}"):
        open_bundle(pack(calls=calls), opened)


@pytest.mark.parametrize(
    "head",
    [
        {"study": 7},
        {"notebooks": [7]},
        {"notebooks": {}},
        {"parameters": []},
        {"tables": {"a": 1}},
        {"packages": {"numpy": None}},
        {"format": 2},
        {"more": 1},
    ],
)
def test_a_head_of_another_form_is_refused_in_words(pack, opened, head):
    with pytest.raises(ValueError, match=r"theirs\.zip"):
        open_bundle(pack(head), opened)


def test_notebooks_and_parameters_that_this_version_lacks_are_refused(pack, tmp_path):
    for head, said in (
        ({"notebooks": ["99_theirs"]}, "has run notebooks that this version does not have"),
        ({"notebooks": ["../../theirs"]}, "has run notebooks that this version does not have"),
        ({"study": "../x"}, "study: found"),
        ({"parameters": HEAD["parameters"] | {"author": {"a": 1}}}, "author: found .*expected text"),
        ({"parameters": HEAD["parameters"] | {"nothing": 1}}, "unknown key"),
    ):
        with pytest.raises(ValueError, match=said):
            replay_bundle(pack(head), ROOT, tmp_path / "out" / str(len(os.listdir(tmp_path))) / said[:3])


def test_a_torn_file_is_refused_in_words(pack, opened, tmp_path):
    whole = pack().read_bytes()
    for place in range(0, len(whole), 37):
        torn = tmp_path / "torn.zip"
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            torn.write_bytes(content)
            target = opened / str(len(os.listdir(opened)))
            target.mkdir()
            try:
                open_bundle(torn, target)
            except ValueError as problem:
                assert "torn.zip" in str(problem)
            except zlib.error:
                pytest.fail("a raw exception")
