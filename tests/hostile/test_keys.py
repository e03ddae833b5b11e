"""A key is written nowhere, whatever the endpoint does with it; and the study is bundled and replayed without one."""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest

from conflictscope.models import Model, load_registry
from conflictscope.models.client import hide_key
from conflictscope.study import open_run, start_run
from conflictscope.study.bundle import open_bundle
from conflictscope.study.parameters import check_address, load_parameters, restore_parameters
from conflictscope.study.stages import STAGES as PIPELINE
from conflictscope.table_files import read_notes

ROOT = Path(__file__).parents[2]
# a slash and a plus, so that its URL-quoted form is another one
KEY = "sk-marked/7f3e+0123456789abcdef=="
MODELS = """
models:
  loopback:
    {{base_url: "http://127.0.0.1:{port}/v1", id: asked-for, key_variable: MARKED_KEY, json_schema: true,
      max_attempts: 1}}
casts:
  loopback: {{author: loopback, filter_judge: loopback, simulated_user: loopback, judge: loopback, targets: [loopback],
    embedder: tfidf}}
"""
# where nothing has been before, so that a file there was put there by this run
OUTSIDE = Path(tempfile.gettempdir(), f"escaped-{uuid.uuid4()}")
STAGES = ("01_generate_scenarios", "02_filter_scenarios", "03_multiple_choice")

spec = importlib.util.spec_from_file_location("loopback", ROOT / "tests" / "servers" / "loopback.py")
loopback = importlib.util.module_from_spec(spec)
spec.loader.exec_module(loopback)


class Echo(BaseHTTPRequestHandler):
    """An endpoint that sends the key back: in replies, or in the error with which it turns a stage away."""

    turn_away = ""  # a word of the bodies that are answered with 401
    calls = 0
    gone = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = self.headers["Authorization"]
        type(self).calls += 1
        if self.gone:
            self.close_connection = True
            return
        assert KEY in sent
        key64 = base64.b64encode(f"x{sent}".encode()).decode()
        away = bool(self.turn_away) and self.turn_away in body
        # some calls of every stage fail for good
        if away or hashlib.sha256(body.encode()).digest()[0] < 20:
            said = f"Incorrect API key provided: {KEY}, {quote(KEY)}. Headers: {{'Authorization': '{sent}'}} {key64}"
            self.answer(
                401 if away else 400,
                {"error": {"message": said, "type": "invalid_request_error", "param": sent, "code": KEY}},
            )
            return
        reply = loopback.completion(json.loads(body))
        message = reply["choices"][0]["message"]
        if message["content"][:1] == "{":
            message["content"] = message["content"].replace("careful", f"{KEY} {quote(KEY, safe='')} {key64}")
        reply["model"] = "answered-1" if self.calls < 30 else "answered-2"
        reply["system_fingerprint"] = KEY
        self.answer(200, reply)

    def answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), ("X-Echo", KEY)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


def forms(key):
    """Return how the key could be written; of base64 the part that does not depend on what stands around it."""
    yield from (key, quote(key, safe=""), quote(key), quote_plus(key), json.dumps(key)[1:-1])
    for before in ("", "x", "xy"):
        encoded = base64.b64encode((before + key).encode()).decode()
        yield encoded[4:-4]


def leaks(data):
    return [form for form in forms(KEY) if form.encode() in data]


class Project:
    """A copy of the project with a study on the echoing endpoint, and all that its commands have said."""

    def __init__(self, folder, run_python):
        self.folder, self.run_python, self.said = folder, run_python, ""
        for name in ("notebooks", "params"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / "tmp").mkdir()
        (folder / "params" / "mine.yaml").write_text(
            "value_set: hhh\ncast: loopback\noutlines_per_pair: 12\nfiltered: false\n"
        )

    def call(self, *words, key=KEY, **options):
        kept = {name: value for name, value in os.environ.items() if name != "MARKED_KEY"}
        environment = kept | {"TMPDIR": str(self.folder / "tmp")} | ({"MARKED_KEY": key} if key else {})
        done = self.run_python("-m", "conflictscope", *words, cwd=self.folder, env=environment, **options)
        self.said += done.stdout + done.stderr
        return done


def everything_written(study):
    """Return name → bytes of all files of a project, of what is packed in them, and of what its commands have said."""
    files = [path for path in study.folder.rglob("*") if path.is_file()]
    data = {str(path): path.read_bytes() for path in files} | {"said": study.said.encode()}
    for path in files:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as packed:
                data |= {f"{path}/{name}": packed.read(name) for name in packed.namelist()}
        if path.suffix == ".parquet":
            # its columns are compressed
            data[f"rows of {path}"] = repr(pq.read_table(path).to_pylist()).encode()
    return data


@pytest.fixture(scope="module")
def study(tmp_path_factory, run_python):
    """A study of which calls failed at each stage, that was turned away at the last, then ran; the endpoint is gone."""
    project = Project(tmp_path_factory.mktemp("keys"), run_python)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (project.folder / "params" / "models.yaml").write_text(MODELS.format(port=server.server_address[1]))
    Echo.turn_away = "one letter"
    every = [word for stage in STAGES for word in ("--only", stage)]
    failed = project.call("run", "params/mine.yaml", *every)
    assert failed.returncode == 1 and "Incorrect API key provided: …" in failed.stderr, failed.stderr[-2000:]
    Echo.turn_away = ""
    ran = project.call("run", "params/mine.yaml", "--only", STAGES[-1])
    assert ran.returncode == 0, ran.stderr[-2000:]
    packed = project.call("bundle", "runs/mine")
    assert packed.returncode == 0, packed.stderr
    Echo.gone = True
    yield project
    server.shutdown()
    server.server_close()


def test_the_key_is_in_no_byte_that_was_written_or_said(study):
    with sqlite3.connect(study.folder / "runs" / "mine" / "calls.sqlite") as store:
        texts = "".join(text for (text,) in store.execute("SELECT text FROM replies WHERE text IS NOT NULL"))
        problems = "".join(problem for (problem,) in store.execute("SELECT problem FROM failures"))
        failed = {prompt for (prompt,) in store.execute("SELECT prompt FROM failures")}
        assert "… …" in texts and "Bearer …" in problems, "the endpoint did echo the key"
        assert failed & {"outlines", "scenario"} and "check_value_guided" in failed and "choose" in failed
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    written = everything_written(study)
    names = {Path(name).name for name in written}
    assert {"calls.sqlite", "manifest.json", "answers.parquet", "01_generate_scenarios.ipynb", "ledger.json"} <= names
    assert "calls.jsonl" in names, "the bundle is looked into"
    assert not {name: found for name, content in written.items() if (found := leaks(content))}


def test_the_manifest_says_what_answered_and_that_it_changed(study):
    manifest = json.loads((study.folder / "runs" / "mine" / "manifest.json").read_text())
    answered = manifest["models"]["loopback"]
    assert answered["changed"] and [entry["id"] for entry in answered["ids"]] == ["answered-1", "answered-2"]
    assert answered["ids"][0]["first"] < answered["ids"][1]["last"]
    by_prompt = {row["prompt"]: row for row in manifest["calls"]}
    outcomes = manifest["outcomes"]["answers"]["loopback"]
    asked = by_prompt["choose"]["replies"] + by_prompt["choose"]["failures"]
    assert asked == sum(outcomes.values()) and outcomes["error"] == by_prompt["choose"]["failures"] > 0
    assert by_prompt["choose"]["prompt_tokens"] > 0
    assert set(manifest["notebooks"]) == set(STAGES) and manifest["seeds"] == {"seed": 0}
    assert set(manifest["tables"]) == {table for name in STAGES for table in PIPELINE[name].writes}
    # what the tables say that they were made with is what was asked
    folder = study.folder / "runs" / "mine"
    recorded = [json.loads(read_notes(table, folder)["origin"]) for table in manifest["tables"]]
    assert set(by_prompt) == {prompt for origin in recorded for prompt in origin["prompts"]}
    assert {model for origin in recorded for model in origin["models"]} == {"loopback"}


def test_status_on_the_command_line_needs_no_key(study):
    said = study.call("status", "params/mine.yaml", key=None).stdout
    assert "03_multiple_choice\n  answers, abstaining_answers, ratings: up to date" in said
    assert "07_figures\n  figures: not run" in said
    assert "replies in the call store" in said and "not counting loopback (price unknown)" in said


def test_a_bundle_is_replayed_without_key_and_endpoint(study):
    before = Echo.calls
    done = study.call("replay", "runs/mine.bundle.zip", key=None, hashes="2")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert Echo.calls == before
    assert "9 of 9 tables and figures are the same" in done.stdout


def test_a_reply_that_was_tampered_with_shows_in_the_tables_that_rest_on_it(study):
    altered = study.folder / "runs" / "altered.zip"
    with zipfile.ZipFile(study.folder / "runs" / "mine.bundle.zip") as packed, zipfile.ZipFile(altered, "w") as copy:
        for name in packed.namelist():
            content = packed.read(name)
            if name == "calls.jsonl":
                rows = [json.loads(line) for line in content.splitlines()]
                rated = next(row for table, row in rows if table == "replies" and row["prompt"] == "rate")
                rated["text"] = json.dumps({"rating": 8 - json.loads(rated["text"])["rating"] or 1}).replace("4", "5")
                content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            copy.writestr(name, content)
    done = study.call("replay", str(altered), key=None)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "ratings differs" in done.stdout and "8 of 9 tables and figures are the same" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda head, more: more.update({"../escaped": b"x"}), "is no bundle: it holds"),
        (lambda head, more: more.update({str(OUTSIDE): b"x"}), "is no bundle: it holds"),
        (lambda head, more: more.update({"notebooks/01_x.ipynb": b"x"}), "is no bundle: it holds"),
        (lambda head, more: head.update(format=2), "is a bundle of format 2; this version of conflictscope reads 1"),
        (lambda head, more: head.pop("tables"), "expected"),
        (lambda head, more: head.update(study="../x"), "study: found '../x'"),
        (lambda head, more: head["parameters"].update(mood="good"), "unknown key 'mood'"),
        (lambda head, more: head.update(notebooks=["08_more"]), "this version does not have"),
        (lambda head, more: more.update({"calls.jsonl": b'["replies", {"key": "x"}]\n'}), "is none of a call store's"),
        (lambda head, more: more.update({"calls.jsonl": b'["sqlite_master", {}]\n'}), "is none of a call store's"),
        (lambda head, more: more.update({"value_set.yaml": os.urandom(33 * 1024**2)}), "would unpack to"),
        (lambda head, more: more.update({"calls.jsonl": b" " * 9 * 1024**2}), "would unpack to"),
    ],
)
def test_a_bundle_is_opened_with_care(study, tmp_path, spoil, said):
    from conflictscope.study.bundle import replay_bundle

    spoilt = tmp_path / "spoilt.zip"
    with zipfile.ZipFile(study.folder / "runs" / "mine.bundle.zip") as packed:
        content = {name: packed.read(name) for name in packed.namelist()}
    head = json.loads(content["bundle.json"])
    spoil(head, content)
    with zipfile.ZipFile(spoilt, "w", zipfile.ZIP_DEFLATED) as copy:
        for name, data in (content | {"bundle.json": json.dumps(head)}).items():
            copy.writestr(name, data)
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        replay_bundle(spoilt, study.folder, tmp_path / "out")
    assert not (tmp_path / "escaped").exists() and not OUTSIDE.exists()


def test_no_bundle_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        open_bundle(tmp_path / "none.zip", tmp_path)
    (tmp_path / "text.zip").write_text("not a zip file")
    with pytest.raises(ValueError, match="is no bundle"):
        open_bundle(tmp_path / "text.zip", tmp_path)


def test_a_word_in_the_place_of_a_key_is_no_key():
    assert hide_key("The drawer was EMPTY.", "EMPTY") == "The drawer was EMPTY."
    assert hide_key({"a": [KEY, 1.5, None]}, KEY) == {"a": ["…", 1.5, None]}
    assert isinstance(load_registry(ROOT / "params" / "models.yaml")["gpt-4.1"], Model)


@pytest.mark.parametrize(
    "address",
    [
        *("postgresql://me:MARKED@host/db", "postgresql://host/db?user=me&password=MARKED"),
        *("postgresql://host/db?PASSWORD=MARKED", "postgresql://host/db?sslkey=k&sslpassword=MARKED"),
        *("postgresql://host/db?pass%77ord=MARKED", "postgresql://host/?dbname=password%3DMARKED"),
        *("mysql+pymysql://host/db?passwd=MARKED", "mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BPWD%3DMARKED"),
        *("snowflake://host/db?token=MARKED", "trino://host/db?access_token=MARKED", "x://host/db?api_key=MARKED"),
        # no addresses
        *("postgresql://me:MARKED/db", "host=h password=MARKED", "//me:MARKED@host"),
    ],
)
def test_a_password_of_the_call_store_is_refused_and_in_no_file_and_no_message(tmp_path, monkeypatch, address):
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    before = {path for path in tmp_path.rglob("*")}
    file = tmp_path / "params" / "hhh.yaml"
    begin = {"study": "x", "value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml"}
    said = []

    def refused(read):
        with pytest.raises(ValueError, match=r"call_?store") as problem:
            read()
        said.append(str(problem.value))

    if not address.startswith("postgresql://me:MARKED/"):
        # what is no address is found when the study is validated, or begins
        refused(lambda: load_parameters(file, settings=[f"call_store={address}"]))
        places = {"run_folder": tmp_path / "runs" / "x"}
        refused(lambda: restore_parameters("x", {"call_store": address}, tmp_path, places, source="manifest.json"))
    refused(lambda: load_parameters(file, settings=[f"callstore={address}"]))
    # a notebook that is run by hand
    refused(lambda: start_run("runs/x", begin | {"call_store": address}))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} <= before
    # and a manifest that holds one already
    start_run("runs/x", begin)
    manifest = tmp_path / "runs" / "x" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"study": "x"', f'"call_store": "{address}", "study": "x"'))
    content = json.loads(manifest.read_text())
    content["parameters"]["call_store"] = address
    manifest.write_text(json.dumps(content))
    refused(lambda: open_run("runs/x"))
    refused(lambda: start_run("runs/x", begin))
    assert not any("MARKED" in words for words in said)


def test_an_address_without_a_password_is_one():
    for address in (
        "postgresql+psycopg://me@host/study?sslmode=require&sslkey=/etc/me/client.key&passfile=/etc/me/.pgpass",
        *("sqlite:///runs/keys/passes.sqlite", "postgresql://host/db?host=/run/postgresql&connect_timeout=3"),
        "mysql+pymysql://host/db?ssl_key=/etc/me/k.pem&charset=utf8mb4",
    ):
        assert check_address(address) == address


def test_the_later_stages_leak_nothing_either(study):
    # the same endpoint comes back; the judge is turned away first, then some calls of each stage fail
    Echo.gone, Echo.turn_away = False, "Which action did the assistant take?"
    refused = study.call("run", "params/mine.yaml", "--only", "04_open_ended")
    assert refused.returncode == 1 and "Incorrect API key provided: …" in refused.stderr
    Echo.turn_away = ""
    later = ("04_open_ended", "05_rank_values", "06_steer")
    words = [word for stage in later for word in ("--only", stage)]
    done = study.call("run", "params/mine.yaml", *words, "--set", "target_rankings=[reverse_of_default]")
    assert done.returncode == 0, done.stderr[-2000:]
    with sqlite3.connect(study.folder / "runs" / "mine" / "calls.sqlite") as store:
        failed = {prompt for (prompt,) in store.execute("SELECT prompt FROM failures")}
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert {"opening_message", "conversation", "judge"} <= failed
    written = everything_written(study)
    assert {"steered_choices.parquet", "rankings.png"} <= {Path(name).name for name in written}
    assert not {name: found for name, content in written.items() if (found := leaks(content))}
