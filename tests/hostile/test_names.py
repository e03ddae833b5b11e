"""Names and files that come from anybody: refused with words, or mean nothing but themselves."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from conflictscope.files import name_problem, read_mapping
from conflictscope.models import load_registry
from conflictscope.scenarios import load_value_set
from conflictscope.study import show_table
from conflictscope.study.parameters import load_parameters

ROOT = Path(__file__).parents[2]
STRANGE = [
    *("../x", "/etc/passwd", "a\0b", "a\nb", "x" * 300, "<script>alert(1)</script>", "$x^2$", "`code`", "a > b", "a:b"),
    *("**bold**", "[link](http://x)", "a\u202eb", "", " a", "a  b", "{{ 7*7 }}", "a|b", "..", "\\frac", 7, None),
]


@pytest.mark.parametrize("name", STRANGE, ids=repr)
def test_strange_names_are_refused_everywhere(tmp_path, name):
    import yaml

    def refused(content, read, said):
        if not isinstance(name, str) and name in (content.get("values", {}) | content.get("models", {})):
            # refused by the reader of all files, before anything knows what the key is for
            said = "found the key .*expected text"
        path = tmp_path / "file.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        with pytest.raises(ValueError, match=said) as problem:
            read(path)
        assert len(str(problem.value)) < 600
        assert str(path) in str(problem.value)

    values = {"candour": "saying what is so", "tact": "sparing the feelings of people"}
    assert name_problem(name)
    refused({"values": {"candour": "saying what is so", name: "sparing feelings"}}, load_value_set, "value .*expected")
    if name not in ("a:b",):
        refused({"name": name, "values": values}, load_value_set, "name: found .*expected")
    if name not in ("", None):
        grouped = {"candour": {"definition": "saying what is so", "group": name}, "tact": values["tact"]}
        refused({"values": grouped}, load_value_set, "group: found .*expected")
    if name not in ("a:b",):
        refused({"models": {name: {"base_url": "simulated:", "id": "x"}}}, load_registry, "models: .*expected")


def test_definitions_are_one_line_of_what_can_be_shown(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text('values: {candour: "say\\0 so", tact: spare feelings}', encoding="utf-8")
    with pytest.raises(ValueError, match="value 'candour': the definition holds characters that cannot be shown"):
        load_value_set(path)
    path.write_text('values: {candour: "say\\n  <b>so</b> $x$", tact: spare feelings}', encoding="utf-8")
    assert load_value_set(path)["candour"].definition == "say <b>so</b> $x$"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        *((f"study: {study!r}", "study: found") for study in ("../x", "/x", "a/b", "x" * 300, ".hidden", "a b", "$x$")),
        ("variant: '$x^2$'", "variant: found"),
        ("domains: [work, '<script>']", "domains: found '<script>'"),
        ("call_store: 'postgresql://me:secret@host/db'", "call_store: expected an address .*holds a password"),
    ],
)
def test_parameters_that_would_leave_their_place_are_refused(tmp_path, line, said):
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    file = tmp_path / "params" / "mine.yaml"
    file.write_text(f"value_set: hhh\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=said) as problem:
        load_parameters(file)
    assert "secret" not in str(problem.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system ['touch pwned']", "found the type '!!python"),
        ("a: !!python/name:os.system", "found the type '!!python"),
        ("a: &a [*a]", "aliases stand for too much"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "\n".join(f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
            "aliases stand for too much",
        ),
        ("a: " + "[" * 5000, "cannot be read"),
        ("a: !!timestamp 2026-01-01", "found the type '!!timestamp'"),
        ("a: [!!binary eCI7aW1wb3J0IG9zOyM=]", "line 1, column 5: found the type '!!binary'"),
        ("a: [!!set {'x\"; import os; #'}]", "found the type '!!set'"),
        ("a: !!omap [b: 1]", "found the type '!!omap'"),
        ("a: !!python/tuple [1, 2]", "found the type '!!python/tuple'"),
        ("a: !!bool maybe", "found 'maybe'"),
        ("a: 1e999", "1e999 is no number"),
        ("a: !!float nan", "found 'nan'"),
        ("1: a", "line 1, column 1: found the key '1', which is no text"),
        ("a: 1\nb:\n\tc: 2", "line 3, column 1: a tab indents the line"),
        ("a: 1\nb: [\nc: 2", "line 3"),
        ("a: {[1, 2]: 3}", "cannot be read"),
        ("a: 'x\0y'", "cannot be read"),
        ("- a", "found list"),
    ],
)
def test_yaml_is_data_within_bounds(tmp_path, text, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said) as problem:
        read_mapping(path)
    assert str(path) in str(problem.value) and not (tmp_path / "pwned").exists()


def test_what_is_no_json_type_in_yaml_is_text(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text("a: 2026-01-02\nb: yes\nc: 1:30\nd: 010\ne: 1e-3\nf: .nan\ng: ~\nh: true\ni: re\u0301al\n", "utf-8")
    assert read_mapping(path) == {
        **{"a": "2026-01-02", "b": "yes", "c": "1:30", "d": 10, "e": 0.001, "f": ".nan", "g": None, "h": True},
        "i": "r\xe9al",
    }


def test_json_is_read_as_json(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{\n\t"a": {"b": [1, 2.5, null]}\n}', encoding="utf-8")
    assert read_mapping(path) == {"a": {"b": [1, 2.5, None]}}
    for text in ('{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "{" * 9000, '{"a": yes}', '["a"]', "[" * 90_000):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"file\.json"):
            read_mapping(path)


@pytest.mark.parametrize(
    "name", ["नैतिकता", "கனிவு", "ความจริง", "égalité", "정직", "честность", "صدق", "2nd value", "誠実さ"]
)
def test_names_of_every_script_are_names(name):
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["\u0301a", "ta\ufe0fct", "tact\u034f", "\u3164", "a\u200db"])
def test_marks_that_show_nothing_make_no_name(name):
    assert name_problem(name)


def test_a_file_that_nobody_wrote_by_hand_is_refused(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text("a: " + "x" * 5_000_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 5,000,003 bytes"):
        read_mapping(path)


def test_a_key_in_the_place_of_its_variable_is_refused_and_not_repeated(tmp_path):
    path = tmp_path / "models.yaml"
    keys = ("sk-marked-0123456789", "hf_markedABCDEFGHIJ0123456789", "gsk_marked0123456789abcdefghij")
    keys += ("MARKED0123456789ABCDEFGHIJKLMNOP", "marked0123456789", "AIzaMarked_0123456789")
    entries = [f'key_variable: "{key}"' for key in keys]
    for entry in (*entries, f'base_url: "https://x.invalid/v1?key={keys[0]}"'):
        path.write_text(
            f'models: {{m: {{base_url: "https://x.invalid/v1", id: m, {entry}}}}}'.replace(
                'base_url: "https://x.invalid/v1", id: m, base_url', "id: m, base_url"
            ),
            encoding="utf-8",
        )
        with pytest.raises(ValueError, match="environment") as problem:
            load_registry(path)
        assert "marked" not in str(problem.value).lower()
    # where nobody looks for it
    wrong = [
        f"{field}: {keys[1]}" for field in ("prices", "input_price", "retired", "logprobs", "token_limit_name", keys[2])
    ]
    wrong += [
        f"options: {{{name}: {keys[1]}}}" for name in ("Authorization", "api-key", "apiKey", "x-api-key", "auth_token")
    ]
    for entry in wrong:
        path.write_text(f'models: {{m: {{base_url: "https://x.invalid/v1", id: m, {entry}}}}}', encoding="utf-8")
        with pytest.raises(ValueError, match="expected") as problem:
            load_registry(path)
        assert "marked" not in str(problem.value).lower()
    for name in ("OPENAI_API_KEY", "KEY", "AZURE_OPENAI_KEY_2", "HF_TOKEN"):
        path.write_text(f'models: {{m: {{base_url: "https://x.invalid/v1", id: m, key_variable: {name}}}}}')
        assert load_registry(path)["m"].key_variable == name


def test_a_title_is_text():
    table = show_table(pd.DataFrame({"<b>": ["<script>"]}), "<script>alert(1)</script>", "<i>")
    assert "<script>" not in table._repr_mimebundle_()["text/html"]
