import re
from pathlib import Path

import pytest

from conflictscope.models import Model, load_registry
from conflictscope.models.registry import ROLES

SHIPPED = Path(__file__).parents[2] / "params" / "models.yaml"
MODELS = """
models:
  big: {base_url: "https://api.example.com/v1", id: big-1, key_variable: BIG_KEY, refused_options: [temperature]}
  vectors: {base_url: "http://localhost:1/v1", id: v, kind: embeddings}
casts:
  mine: {author: big, filter_judge: big, simulated_user: big, judge: big, targets: [big], embedder: vectors}
"""


@pytest.fixture
def load(tmp_path):
    def load(text: str):
        path = tmp_path / "models.yaml"
        path.write_text(text)
        return load_registry(path)

    return load


def test_reads_models_and_casts(load):
    registry = load(MODELS)
    assert registry["big"].refused_options == ("temperature",)
    assert registry["big"].kind == "chat" and registry["vectors"].kind == "embeddings"
    assert registry.cast("mine")["targets"] == ["big"]
    assert "big" in registry and "small" not in registry


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("id: big-1", "ident: big-1"), r"models: big: unknown key 'ident'; expected one of .*'id'"),
        (("id: big-1", "id: big-1, concurency: 3"), "unknown key 'concurency'; .*did you mean 'concurrency'"),
        (("id: big-1", "id: big-1, name: other"), "unknown key 'name'"),
        (("id: big-1", "id: big-1, timeout_s: .inf"), "timeout_s: found '.inf'; expected a number above 0"),
        (("id: big-1", "id: big-1, requests_per_minute: 1.5"), "requests_per_minute: found 1.5; expected a whole"),
        (("author: big", "author: bigg"), "author: found 'bigg'; .*did you mean 'big'"),
        (("id: big-1, ", ""), "big: id is missing"),
        (("id: big-1", "id: 7"), "id: found 7; expected text"),
        (("id: big-1", "id: big-1, concurrency: 0"), "concurrency: found 0; expected a whole number above 0"),
        (("id: big-1", "id: big-1, concurrency: true"), "concurrency: found True"),
        (("id: big-1", "id: big-1, input_price: -1"), "input_price: found -1"),
        (("id: big-1", "id: big-1, json_schema: perhaps"), "json_schema: found 'perhaps'; expected true or false"),
        (("id: big-1", "id: big-1, family: 3"), "family: found 3; expected text"),
        (("id: big-1", "id: big-1, kind: oracle"), "kind: found 'oracle'; expected one of"),
        (("[temperature]", "[top_k]"), "refused_options"),
        (("id: big-1", "id: big-1, token_limit_name: a b"), "token_limit_name: found 'a b'; expected a name such as"),
        (("id: big-1", "id: big-1, system_role: perhaps"), "system_role: found 'perhaps'; expected true or false"),
        (("id: big-1", "id: big-1, options: [top_p]"), "options: expected a mapping"),
        (("id: big-1", "id: big-1, options: {stream: true}"), "options: expected options without"),
        (("id: big-1", "id: big-1, prices: gpt-4.1"), "prices: found 'gpt-4.1'; expected provider/model"),
        (("id: big-1", "id: big-1, retired: soon"), "retired: found 'soon'; expected a date such as"),
        (("https://api", "ftp://api"), "base_url: found 'ftp://api.example.com/v1'; expected http://"),
        (("https://api", "https://me:secret@api"), "without user name and password"),
        (
            ("https://api.", "https://api.."),
            r"base_url: .*api\.\.example.*expected an address whose host can be looked up",
        ),
        *(
            (("https://api.example.com", address), "expected an address such as https://")
            for address in (
                "http://h:99999",
                "http://h:port",
                "http://[::1",
                r"http://h\r\nX: y",
                r"http://h\0",
                "http://a b",
            )
        ),
        (("https://api.", f"https://{'a' * 64}."), "expected an address whose host can be looked up"),
        (("author: big", "author: small"), r"casts: mine: author: found 'small'; expected one of \['big'\]"),
        (("author: big", "author: vectors"), "author: found 'vectors'"),
        (("embedder: vectors", "embedder: big"), r"embedder: found 'big'; expected one of \['vectors', 'tfidf'"),
        (("author: big, ", ""), "expected the roles"),
        (("[big]", "big"), "targets: found 'big'; expected a list"),
        (("casts:", "groups:"), r"found \['groups', 'models'\]"),
        (("  vectors:", "  big:"), "repeated keys"),
    ],
)
def test_says_what_does_not_fit(load, change, said):
    assert change[0] in MODELS
    with pytest.raises(ValueError, match=said):
        load(MODELS.replace(*change, 1))


def test_unknown_names_are_told_the_known_ones(load):
    registry = load(MODELS)
    with pytest.raises(ValueError, match=r"unknown model 'small'; expected one of \['big', 'vectors'\]"):
        registry["small"]
    with pytest.raises(ValueError, match=r"unknown cast 'theirs'; expected one of \['mine'\]"):
        registry.cast("theirs")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"models\.yaml"):
        load_registry(tmp_path / "models.yaml")


def test_cost_is_unknown_where_a_price_is():
    priced = Model("m", "http://x/v1", "m", input_price=2.0, output_price=8.0)
    assert priced.cost(1_000_000, 500_000) == pytest.approx(6.0)
    assert Model("m", "http://x/v1", "m", input_price=2.0).cost(1, 1) is None
    assert Model("m", "http://x/v1", "m", kind="embeddings", input_price=2.0).cost(500_000, 0) == pytest.approx(1.0)


def test_shipped_file():
    registry = load_registry(SHIPPED)
    cast = registry.cast("simulated")
    assert set(cast) == set(ROLES) and len(cast["targets"]) >= 4
    assert all(registry[name].simulated and registry[name].cost(10, 10) == 0 for name in cast["targets"])
    # both ways of asking for a structured reply, and log-probabilities, are exercised by the demo
    assert {registry[name].json_schema for name in cast["targets"]} == {True, False}
    assert any(registry[name].logprobs for name in cast["targets"])
    assert not any(registry[name].simulated for name in registry.cast("openai")["targets"])
    for name in ("paper", "ollama", "llamacpp", "providers"):
        registry.cast(name)
    # judges are compared by family, so every model says whose it is, and the demo has two families of targets
    assert all(model.family for model in registry.models.values())
    assert len({registry[name].family for name in cast["targets"]}) == 2


def test_shipped_models_are_in_the_price_list_or_on_this_machine():
    registry = load_registry(SHIPPED)
    local = [model for model in registry.models.values() if not model.simulated and model.input_price == 0]
    commercial = [model for model in registry.models.values() if model.input_price is None]
    assert (
        local and commercial and all("localhost" in model.base_url or "127.0.0.1" in model.base_url for model in local)
    )
    assert [model.name for model in commercial if model.prices_now.listed is None] == []
    # those of the paper that are no more are marked
    assert registry["claude-3-5-sonnet"].retired == "2025-10-28"


def test_the_pages_name_models_of_the_file_alone():
    registry = load_registry(SHIPPED)
    root = SHIPPED.parents[1]
    text = "".join(path.read_text(encoding="utf-8") for path in (root / "README.md", *(root / "docs").glob("*.md")))
    lists = re.findall(r"(?:targets|further_judges): \[([^\]]+)\]", text) + re.findall(
        r"conflictscope probe (\S+?)$", text, re.MULTILINE
    )
    named = {name.strip() for found in lists for name in found.split(",")}
    assert named and {name for name in named if name not in registry} == set()


def test_what_may_be_a_key_is_not_shown(load):
    for change in (
        ("BIG_KEY", "sk-very-secret"),
        ("https://api.example.com/v1", "https://api.example.com/v1?sk-very-secret"),
    ):
        with pytest.raises(ValueError, match="big: ") as raised:
            load(MODELS.replace(*change, 1))
        assert "very-secret" not in str(raised.value)
