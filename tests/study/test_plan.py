"""Plans: calls, tokens and dollars before anything is spent; whose tokeniser counted; unknown prices said."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import tiktoken

from conflictscope.models import Model, Registry, load_registry
from conflictscope.models.spending import read_planned, write_planned
from conflictscope.prompts import prompt_texts
from conflictscope.study import command_line, plan
from conflictscope.study.parameters import load_parameters
from conflictscope.study.plan import BY_RULE, RULE, asked_models, by_step, open_tokenisers, plan_study
from conflictscope.study.validation import validate_study

ROOT = Path(__file__).parents[2]


def a_byte_a_token(name):
    """A tiny encoding of tiktoken's own kind, made without a network."""
    ranks = {bytes([i]): i for i in range(256)}
    return tiktoken.Encoding(name, pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})


def offline(name):
    raise ConnectionError("no network")


@pytest.fixture
def study():
    return load_parameters(ROOT / "params" / "hhh.yaml", settings=["cast=openai", "embedder=text-embedding-3-small"])


@pytest.fixture
def registry():
    return load_registry(ROOT / "params" / "models.yaml")


def model(name, tokeniser=None):
    return Model(name, "http://x.invalid/v1", name, tokeniser=tokeniser)


def test_a_models_own_tokeniser_counts_its_tokens(study, registry):
    tokenisers, notes = open_tokenisers(asked_models(study, registry), a_byte_a_token)
    assert notes == []
    own, rule = plan_study(study, registry, tokenisers), plan_study(study, registry)
    assert set(own["tokens_by"]) == {"o200k_base", "cl100k_base"} and set(rule["tokens_by"]) == {RULE}
    assert own["calls"].tolist() == rule["calls"].tolist()
    # a token a byte is four times a token every four characters, the prompts' few letters of two bytes apart
    assert (own["input_tokens"] / rule["input_tokens"]).between(3.9, 4.1).all()
    assert own["dollars"].sum() / rule["dollars"].sum() == pytest.approx(4, rel=0.03)


def test_a_prompts_own_text_is_counted_as_it_is():
    (tokeniser,) = open_tokenisers([model("m", "bytes")], a_byte_a_token)[0].values()
    text = prompt_texts()["choose"]
    assert tokeniser.count(text) == len(text.encode())
    assert BY_RULE.count("x" * 9) == 3


def test_a_tokeniser_that_cannot_be_had_is_said(monkeypatch):
    models = [model("a", "o200k_base"), model("b"), model("c", "o200k_base"), model("d", "bytes")]

    def load(name):
        return a_byte_a_token(name) if name == "bytes" else offline(name)

    tokenisers, (note,) = open_tokenisers(models, load)
    assert {name: tokeniser.name for name, tokeniser in tokenisers.items()} == dict.fromkeys("abc", RULE) | {
        "d": "bytes"
    }
    assert "o200k_base could not be used" in note and "tokens of a, c are counted at 4 characters a token" in note
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    (note,) = open_tokenisers([model("a", "o200k_base")])[1]
    assert "tiktoken is not installed; install the extra 'tokens'" in note
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"model 'a': tokeniser: found 'o300k'; tiktoken says: Unknown encoding"):
        open_tokenisers([model("a", "o300k")])


def test_a_plan_says_its_rule_its_notes_and_what_the_budget_does(monkeypatch, capsys):
    monkeypatch.setattr(plan, "open_tokenisers", lambda models: open_tokenisers(models, offline))
    words = ["plan", str(ROOT / "params" / "hhh.yaml"), "--set", "cast=openai", "--set", "budget_usd=0.5"]
    command_line._commands(words, standalone_mode=False)
    said = capsys.readouterr().out
    # each line of the table says how its tokens were counted
    table = said[: said.index("\n\n")].splitlines()
    assert "tokens_by" in table[0] and len(table) > 10 and all(line.endswith(RULE) for line in table[1:])
    assert "Tokeniser o200k_base could not be used" in said and "gpt-4o-mini are counted at" in said
    assert "The budget is 0.50 dollars: the study may stop before its end." in said


def test_unknown_prices_are_said_and_no_zero(project, capsys):
    file = project / "params" / "models.yaml"
    file.write_text(file.read_text().replace("    input_price: 2.50\n", ""), encoding="utf-8")  # gpt-4o
    settings = ["cast=openai", "budget_usd=100"]
    parameters = load_parameters(project / "params" / "hhh.yaml", settings=settings)
    registry = load_registry(file)
    estimate = by_step(plan_study(parameters, registry))
    assert estimate.loc[estimate["model"] == "gpt-4o", "dollars"].isna().all()
    assert estimate.loc[estimate["model"] != "gpt-4o", "dollars"].notna().all()
    command_line._commands(
        ["plan", str(parameters.file), *(word for setting in settings for word in ("--set", setting))],
        standalone_mode=False,
    )
    said = capsys.readouterr().out
    assert "unknown" in said and "plus what gpt-4o cost (no prices in params/models.yaml)" in said
    assert "it cannot be kept while prices are unknown" in said
    # and the study is not started
    problems = [problem for problem in validate_study(parameters, registry) if "budget_usd" in problem]
    assert len(problems) == 1 and "targets: the price of 'gpt-4o' is unknown" in problems[0]


def test_where_it_is_known_how_many_were_kept_the_later_stages_ask_those(study, registry):
    whole, kept = plan_study(study, registry), plan_study(study, registry, kept=7)
    later = whole["stage"].isin(["03", "04", "06"])
    assert (kept.loc[later, "calls"] < whole.loc[later, "calls"]).all()
    pd.testing.assert_frame_equal(kept[~later], whole[~later])
    choices = kept.query("stage == '03' and step == 'choices'")
    assert set(choices["calls"]) == {14}


def test_the_plan_on_disk_is_summed_by_model_and_prompt(study, registry, tmp_path):
    assert read_planned(tmp_path) == {}
    estimate = plan_study(study, registry)
    write_planned(estimate, tmp_path)
    planned = read_planned(tmp_path)
    asked = estimate[(estimate["model"] == "gpt-4o") & (estimate["prompt"] == "choose")]
    assert set(asked["stage"]) == {"03", "06"}
    assert planned["gpt-4o", "choose"] == (asked["calls"].sum(), pytest.approx(asked["dollars"].sum()))


def test_every_prompt_of_a_plan_is_one_that_is_asked(study, registry):
    asked = set(plan_study(study, registry)["prompt"])
    assert asked <= set(prompt_texts()) | {"conversation", "embedding"}


def test_a_registry_without_the_model_says_so(study):
    with pytest.raises(ValueError, match="unknown model"):
        plan_study(study, Registry({}))
