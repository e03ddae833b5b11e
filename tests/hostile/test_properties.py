"""Readers of foreign text and files under whatever comes (Hypothesis): no exception but our own, no vote by accident.

The same few examples in every run; ``EXAMPLES=50 pytest tests/hostile/test_properties.py`` draws fifty times as many
anew. One that fails is printed, and belongs into the truth table of its reader.
"""

import ast
import io
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from conflictscope.browse.labels import read_labels
from conflictscope.elicit import conversations, message_faults
from conflictscope.elicit.judging import Verdict
from conflictscope.elicit.short_answers import read_letter, read_rating, reads_as_refusal
from conflictscope.exchange import import_scenarios
from conflictscope.files import parse_yaml, read_mapping
from conflictscope.models import Model, Request, load_registry
from conflictscope.models.embeddings import read_embeddings
from conflictscope.models.records import REPLIES
from conflictscope.models.requests import RawReply, make_call, read_block, read_completion, read_object, read_reply
from conflictscope.models.store import misfits_of
from conflictscope.models.thoughts import split_thoughts
from conflictscope.prompts import read_fences
from conflictscope.scenarios import load_value_set
from conflictscope.scenarios.from_file import read_scenario_file
from conflictscope.shown import for_terminal
from conflictscope.study.bundle import open_bundle
from conflictscope.study.parameters import check_parameters, load_parameters
from conflictscope.study.provenance import read_manifest
from conflictscope.table_files import read_table

ROOT = Path(__file__).parents[2]
OURS = (ValueError, OSError)
MORE = int(os.environ.get("EXAMPLES", "1"))
# time is bounded in steps, where it is
every = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=MORE == 1, database=None)
many, few, fewer = (settings(every, max_examples=count * MORE) for count in (120, 40, 15))

# texts: of what answers are made of, and of anything else
PIECES = [
    *("The answer is", "I choose", "Action", "Option", "because", "but", "Actually,", "not", "I cannot", "Wait", "or"),
    *("{", "}", '"', ":", ",", ".", "\n", "\r", "\u2028", " ", "  ", "**", "(", ")", "\\boxed{", "</think>", "```json"),
    *(
        "on a scale of 1 to 7",
        "/7",
        "rating",
        "Kindness comes first here",
        "答案：",
        "私は",
        "\ud800",
        "\0",
        "$5",
        "\x1b",
    ),
]
NEUTRAL = ["It is a hard case.", "Kindness matters.", "Both sides have reasons.", "", "Consider the people in it."]
any_text = st.text(st.characters(), max_size=60)
texts = st.lists(st.one_of(st.sampled_from([*PIECES, "A", "B", "4", "7", "10"]), any_text), max_size=25).map(" ".join)
letters = [lambda x: x, lambda x: f"**{x}**", lambda x: f"The answer is {x}.", lambda x: f"I choose {x}."]
numbers = [lambda x: x, lambda x: f"**{x}**", lambda x: f"My rating is {x}.", lambda x: f"Rating: {x}"]
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.just(10**400), any_text),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(any_text, inner, max_size=4)),
    max_leaves=12,
)


def either_way(value, known):
    """Return a strategy: a structure as it should be, with parts of it taken away or replaced by anything."""
    if isinstance(known, dict):
        parts = {name: either_way(value, part) for name, part in known.items()}
        return st.one_of(value, st.fixed_dictionaries({}, optional=parts), st.fixed_dictionaries(parts))
    if isinstance(known, list):
        return st.one_of(value, st.lists(either_way(value, known[0]), max_size=3))
    return st.one_of(st.just(known), value)


@few
@given(texts)
def test_a_short_answer_is_read_or_not(text):
    assert read_letter(text) in (None, "A", "B")
    assert read_rating(text) in (None, *range(1, 8))
    assert reads_as_refusal(text) in (True, False)


@few
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(st.characters(categories=["Zs", "Po", "So"]))), max_size=30))
def test_what_names_no_answer_is_no_vote(pieces):
    text = " ".join(piece for piece in pieces if not re.search("[0-9]", piece))
    assert read_letter(text) is None and read_rating(text) is None


@few
@given(st.data())
def test_two_answers_are_no_vote_and_one_is_never_read_as_another(data):
    draw, rest = data.draw, st.lists(st.sampled_from(NEUTRAL), max_size=3).map("\n".join)
    for read, forms, options in ((read_letter, letters, "AB"), (read_rating, numbers, "1234567")):
        first, second = draw(st.permutations(options))[:2]
        said = [draw(st.sampled_from(forms))(option) for option in (first, second)]
        once = f"{draw(rest)}\n{said[0]}\n{draw(rest)}"
        assert read(once) in (None, first if options == "AB" else int(first))
        assert read(f"{once}\n{said[1]}\n{draw(rest)}") is None


VERDICT = {"reasoning": "It told her.", "action": "A", "leaning": 2}


@few
@given(either_way(json_values, VERDICT), texts, texts)
def test_a_verdict_is_one_object_and_nothing_else(verdict, before, after):
    text = json.dumps(verdict)
    try:
        parsed = read_object(text, Verdict)
    except ValueError:
        return
    assert parsed.model_dump() == verdict
    for more in (f"{before}x{text}", f"{text}x{after}", text + text, f"{text}\n{text}", text[:-1], f"[{text}]"):
        with pytest.raises(ValueError):
            read_object(more, Verdict)


@few
@given(texts)
def test_a_text_that_is_no_object_is_no_verdict(text):
    with pytest.raises(ValueError):
        read_object(text, Verdict)


LOGPROBS = {"content": [{"token": "A", "logprob": -0.5, "top_logprobs": [{"token": "B", "logprob": -1.5}]}]}
COMPLETION = {
    "id": "1",
    "model": "m-1",
    "choices": [{"finish_reason": "stop", "message": {"content": "A", "refusal": None}, "logprobs": LOGPROBS}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}
CALL = make_call(Model("m", "http://x.invalid/v1", "m"), Request(({"role": "user", "content": "?"},), "p", "h"))


@many
@given(either_way(json_values, COMPLETION))
def test_an_answer_is_refused_or_fits_the_store(payload):
    try:
        raw = read_completion(payload, 0.5)
    except ValueError:
        return
    fields = {name: getattr(raw, name) for name in RawReply._fields}
    logprobs = None if raw.top_logprobs is None else json.dumps(raw.top_logprobs)
    row = dict.fromkeys(REPLIES.columns.keys(), "x") | fields | {"top_logprobs": logprobs}
    assert not misfits_of(row, REPLIES)
    assert logprobs is None or ("Infinity" not in logprobs and "NaN" not in logprobs)
    assert read_reply(CALL, raw).outcome in ("ok", "refusal", "invalid")


@many
@given(either_way(json_values, {"data": [{"index": 0, "embedding": [0.5, 1.0]}], "usage": {"prompt_tokens": 7}}))
def test_embeddings_are_refused_or_fit_the_store(payload):
    try:
        replies = read_embeddings(payload, 0.5, texts=["one"], width=2)
    except ValueError:
        return
    assert len(replies) == 1 and len(replies[0].text) == 12


# files: as they should be, in part, with anything in between
YAML = {
    "value_set": "name: Two\nvalues:\n  candour: saying what is so\n  tact: {definition: sparing feelings, group: g}\n"
    "pairs: [[candour, tact]]\n",
    "models": "models:\n  m: {base_url: 'https://x.invalid/v1', id: m, concurrency: 3, input_price: 1.5}\ncasts:\n"
    "  own: {author: m, filter_judge: m, simulated_user: m, judge: m, targets: [m], embedder: tfidf}\n",
    "parameters": "value_set: hhh\ncast: simulated\noutlines_per_pair: 4\ntargets: [simulated/steady]\nseed: 3\n",
    "scenarios": "- {description: d, action_1: a, action_2: b, value_1: candour, value_2: tact}\n",
}
JUNK = [
    "!!binary eA==",
    "!!set {a}",
    "&a [*a]",
    "*a",
    "<<: {a: 1}",
    "\t",
    "\0",
    "'",
    '"',
    "[",
    "{",
    "? ",
    "- ",
    "1e999",
]
JUNK += ["\ufeff", "\ud800", "...", "---", "null", "~", ".nan", "2026-01-01", "{{ 7*7 }}", "$x$", "<script>", "\x1b[2J"]


@st.composite
def spoilt(draw, text):
    """Return a text with a few pieces of it replaced."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        junk = draw(st.one_of(st.sampled_from(JUNK), any_text))
        text = text[:start] + junk + text[start + draw(st.integers(0, 12)) :]
    return text


@st.composite
def spoilt_bytes(draw, content):
    """Return bytes with some of them flipped, or with their end missing."""
    if not draw(st.integers(0, 3)):
        return content[: draw(st.integers(0, len(content)))]
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


def refused_or_read(read):
    """Return what is read, or None if it is refused in words that a terminal can be given."""
    try:
        return read()
    except OURS as problem:
        assert str(problem) and len(str(problem)) < 5000
        assert not set(for_terminal(problem)) & set("\x1b\x07\x00\r")
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("ending", ["yaml", "json", "csv"])
@pytest.mark.parametrize("kind", YAML)
def test_files_that_people_write_are_read_or_refused(folder, kind, ending):
    path = folder / "params" / f"theirs.{ending}"
    (folder / "value_set.yaml").write_text(YAML["value_set"])
    values = load_value_set(folder / "value_set.yaml")
    reads = {
        "value_set": lambda: load_value_set(path),
        "models": lambda: load_registry(path),
        "parameters": lambda: load_parameters(path),
        "scenarios": lambda: read_scenario_file(path, values),
    }
    whole = YAML[kind]
    if ending == "json":
        import yaml

        whole = json.dumps(yaml.safe_load(whole), indent="\t")
    elif ending == "csv":
        whole = "description;action_1;action_2;value_1;value_2\r\nd;a;b;candour;tact\r\n\r\n"
    path.write_text(whole)
    if ending == "yaml" or (ending == "json" and kind not in ("value_set", "parameters")):
        assert refused_or_read(reads[kind]) is not None

    @fewer
    @given(spoilt(whole))
    def check(text):
        path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        refused_or_read(reads[kind])

    check()


@few
@given(st.text(max_size=200))
def test_a_file_of_anything_is_a_mapping_of_json_types_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    found = refused_or_read(lambda: read_mapping(path))
    # what goes into a kernel, a manifest and a bundle
    assert found is None or json.loads(json.dumps(found, allow_nan=False)) == found


# of what papermill writes into a kernel, these are no literals
no_json = st.one_of(st.binary(), st.frozensets(any_text, min_size=1), st.dates())
parameter_names = st.sampled_from(["seed", "judge", "targets", "domains", "study", "level", "x"])


@few
@given(st.dictionaries(parameter_names, st.one_of(json_values, any_text, st.lists(st.one_of(any_text, no_json)))))
def test_parameters_are_of_their_types_or_refused(values):
    found = refused_or_read(lambda: check_parameters(values, "theirs"))
    assert found is None or json.loads(json.dumps(found.model_dump(), allow_nan=False)) == found.model_dump()


@pytest.mark.parametrize("text", ['x";import os;#', "'\"'", "\\", 'a\\"', "{x}", "{{ x }}", "\\N{DIGIT ONE}", "%s$é"])
def test_a_text_reaches_the_kernel_as_it_is(text):
    values = check_parameters({"earlier_runs": [text], "default_system_prompt": text}, "theirs").model_dump()
    assert ast.literal_eval(PythonTranslator.translate(values["earlier_runs"])) == [text]
    assert ast.literal_eval(PythonTranslator.translate(values["default_system_prompt"])) == text


SAMPLES = sorted(path.name for path in (ROOT / "params" / "samples").iterdir() if path.suffix in (".csv", ".jsonl"))


@pytest.mark.parametrize("name", SAMPLES)
def test_data_sets_are_imported_or_refused(tmp_path, name):
    content = (ROOT / "params" / "samples" / name).read_bytes()
    path = tmp_path / name
    format_ = Path(name).stem

    @fewer
    @given(st.one_of(spoilt_bytes(content), spoilt(content.decode()).map(lambda t: t.encode(errors="surrogatepass"))))
    def check(spoilt):
        path.write_bytes(spoilt)
        refused_or_read(lambda: import_scenarios(path, format_))
        refused_or_read(lambda: import_scenarios(path))

    check()


HEAD = {
    "format": 1,
    "study": "theirs",
    "notebooks": ["01_generate_scenarios"],
    "parameters": {"author": "m", "seed": 1},
    "tables": {"scenarios": "abc"},
    "figures": {},
    "packages": {"numpy": "2"},
    "notebook_hashes": {},
}
ROW = ["failures", {"key": "k", "model": "m", "prompt": "p", "problem": "told to fail", "created": "2026-01-01"}]


def pack(head, row):
    """Return the bytes of a bundle."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (
            ("bundle.json", json.dumps(head)),
            ("value_set.yaml", YAML["value_set"]),
            ("models.yaml", YAML["models"]),
            ("calls.jsonl", json.dumps(row) + "\n"),
        ):
            file.writestr(name, text)
    return packed.getvalue()


@few
@given(
    st.one_of(
        spoilt_bytes(pack(HEAD, ROW)), st.builds(pack, either_way(json_values, HEAD), either_way(json_values, ROW))
    )
)
def test_a_bundle_is_opened_inside_its_folder_or_refused(tmp_path_factory, content):
    place = tmp_path_factory.mktemp("bundle")
    (place / "theirs.zip").write_bytes(content)
    (place / "opened").mkdir()
    refused_or_read(lambda: open_bundle(place / "theirs.zip", place / "opened"))
    assert {path.name for path in place.iterdir()} == {"theirs.zip", "opened"}
    shutil.rmtree(place)


def test_what_stands_in_a_study_s_folder_is_read_or_refused(tmp_path, scenarios):
    from conflictscope.table_files import table_path, write_table

    write_table(scenarios, "scenarios", tmp_path, study="s")
    table = table_path(tmp_path, "scenarios")
    whole = table.read_bytes()
    (tmp_path / "labels").mkdir()
    label = '{"scenario_id": "s", "kind": "check", "annotator": "me", "answer": "yes", "labelled_at": "2026-01-01"}\n'

    @few
    @given(spoilt_bytes(whole), spoilt(label), spoilt('{"study": "s", "parameters": {"seed": 1}}'))
    def check(rows, labels, manifest):
        table.write_bytes(rows)
        (tmp_path / "labels" / "me.jsonl").write_text(labels, encoding="utf-8", errors="surrogatepass", newline="")
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8", errors="surrogatepass", newline="")
        refused_or_read(lambda: read_table("scenarios", tmp_path, study="s"))
        refused_or_read(lambda: read_labels(tmp_path))
        refused_or_read(lambda: read_manifest(tmp_path))

    check()


@few
@given(texts)
def test_nothing_in_a_text_speaks_to_the_terminal(text):
    shown = for_terminal(text)
    assert all(mark in "\t\n" or mark.isprintable() or ord(mark) >= 0xA0 for mark in shown)
    assert for_terminal("plain text, 5 €\n") == "plain text, 5 €\n"


# as it was first written, in time that grew with the square of a run of marks
TURNS = re.compile(
    r"(?:(?<=[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])|\A)(?=[^\w\n]*(?:user|assistant)[^\w\n]*:)", re.IGNORECASE
)


@many
@given(
    st.lists(
        st.sampled_from(["user", "ASSISTANT", "x", "_", ":", " ", "**", "\n", "\r", "\u2028", "\v", "é", "1"]),
        max_size=14,
    ).map("".join)
)
def test_turns_within_a_turn_are_marked_as_ever(text):
    assert conversations.transcribe([("user", text)]) == f"USER: {TURNS.sub('> ', text)}"


@pytest.mark.parametrize("piece", ["\r", "\r user", "user ", "\u2028* assistant:", " :"])
def test_a_transcript_twice_as_long_takes_twice_the_steps(piece, count_lines):
    short, long = (
        count_lines(conversations, lambda text: conversations.transcribe([("user", text)]), piece * count)
        for count in (2000, 4000)
    )
    assert long <= 2.1 * short + 100


READERS = {
    "letter": read_letter,
    "rating": read_rating,
    "refusal": reads_as_refusal,
    "thoughts": split_thoughts,
    "object": lambda text: refused_or_read(lambda: read_object(text, Verdict)),
    "transcript": lambda text: conversations.transcribe([("user", text)]),
    "tag": message_faults.holds_tag,
    "moderation": lambda text: read_block(400, {"message": text}, 0.1),
    "terminal": for_terminal,
    "fences": read_fences,
    "YAML": lambda text: refused_or_read(lambda: parse_yaml(text, "theirs")),
}
PUMPS = [
    *("</think>", "<think>", "<answer>", "<|channel|>analysis<|message|>", "</s>", "[begin a 00000000]\n", "[begin a "),
    *("[[artifact", "```json\n", "{", "[", "- ", "? ", "&a [", "7", "7 ", "A", "The answer is ", "\r", "\u2028", " "),
    *("USER:", "\\boxed{", "(", "input was ", "answer:\n", "thought\n"),
]


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_eight_times_the_lines_for_eight_times_the_text(name, count_lines):
    """Of all that is run, in this package or in what it calls."""
    for pump in PUMPS:
        short, long = (count_lines(None, READERS[name], (pump * size)[:size]) for size in (250, 2_000))
        assert long <= 9 * short + 500, pump


def test_no_pattern_scans_on_from_every_place():
    """What may be repeated without bound is not looked for anew from each of many places; see the module's words."""
    assert "{0,200}" in message_faults._ANY_TAG.pattern
    assert not message_faults.holds_tag("[[artifact" * 50_000)
    assert message_faults.holds_tag("Here: [[ artifact: a letter ]].")
