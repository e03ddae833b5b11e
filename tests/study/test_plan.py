"""Plans: calls, tokens and dollars before anything is spent; whose tokeniser counted; unknown prices said."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import tiktoken

from conflictscope.models import Model, Registry, load_registry
from conflictscope.models.spending import read_planned, write_planned
from conflictscope.prompts import prompt_texts
from conflictscope.study import command_line, plan
from conflictscope.study.parameters import load_parameters
from conflictscope.study.plan import (
    BY_RULE,
    RULE,
    Done,
    asked_models,
    by_step,
    count_study,
    describe_minutes,
    notes_on_time,
    open_tokenisers,
    plan_study,
    read_done,
    sum_minutes,
)
from conflictscope.study.validation import validate_study
from conflictscope.table_files import read_table

ROOT = Path(__file__).parents[2]
PLAYING = (
    *("author=gpt-4.1", "filter_judge=gpt-4.1-mini", "simulated_user=gpt-4.1-mini", "judge=gpt-4.1"),
    "targets=[gpt-4.1, gpt-4o, gpt-4.1-mini, gpt-4o-mini]",
)


def a_byte_a_token(name):
    """A tiny encoding of tiktoken's own kind, made without a network."""
    ranks = {bytes([i]): i for i in range(256)}
    return tiktoken.Encoding(name, pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})


def offline(name):
    raise ConnectionError("no network")


@pytest.fixture
def study():
    return load_parameters(ROOT / "params" / "hhh.yaml", settings=[*PLAYING, "embedder=text-embedding-3-small"])


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
    words = ["plan", str(ROOT / "params" / "hhh.yaml")]
    for setting in (*PLAYING, "budget_usd=0.5"):
        words += ["--set", setting]
    command_line._commands(words, standalone_mode=False)
    said = capsys.readouterr().out
    # each line of the table says how its tokens were counted
    table = said[: said.index("\n\n")].splitlines()
    assert "tokens_by" in table[0] and len(table) > 10 and all(line.endswith(RULE) for line in table[1:])
    assert "Tokeniser o200k_base could not be used" in said and "gpt-4o-mini are counted at" in said
    assert "The budget is 0.50 dollars: the study may stop before its end." in said
    assert re.search(
        r"Prices of gpt-4.1, .* are those of genai-prices [0-9.]+, whose last change of a price is of 20", said
    )
    assert re.search(r"Asking takes about \d+ minutes, .*: calls of gpt-4.1, .* are assumed to take 1 s and 1 s", said)


def test_unknown_prices_are_said_and_no_zero(project, capsys):
    file = project / "params" / "models.yaml"
    own = 'gpt-4o: {base_url: "http://localhost:1/v1", id: gpt-4o, family: mine, input_price: 1}'
    file.write_text(re.sub(r"gpt-4o: \{.*", own, file.read_text()), encoding="utf-8")
    settings = [*PLAYING, "budget_usd=100"]
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
    assert (
        "unknown" in said and "plus the cost of gpt-4o (no prices in params/models.yaml, nor in the price list)" in said
    )
    assert "it cannot be kept while prices are unknown" in said
    # and the study is not started
    problems = [problem for problem in validate_study(parameters, registry) if "budget_usd" in problem]
    assert len(problems) == 1 and "targets: the price of 'gpt-4o' is unknown" in problems[0]


def test_where_it_is_known_how_many_were_kept_the_later_stages_ask_those(study, registry):
    whole, kept = plan_study(study, registry), plan_study(study, registry, done=Done({"kept": 7}))
    # domains and diversity are of those that were kept, too
    later = whole["stage"].isin(["03", "04", "06"]) | (whole["stage"].eq("02") & whole["step"].ne("checks"))
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


def test_how_long_it_takes_is_measured_scaled_or_assumed(study, registry):
    done = Done(seconds={("gpt-4o", "choose"): 6.0}, slowness={"gpt-4o": 3.0})
    plans = [plan_study(study, registry, done=some).set_index(["model", "stage", "prompt"]) for some in (done, Done())]
    for (about, row), (_, before) in zip(*(rows.iterrows() for rows in plans), strict=True):
        model, _, prompt = about
        known = "assumed" if model != "gpt-4o" else "measured" if prompt == "choose" else "scaled"
        assert row["seconds_by"] == known and before["seconds_by"] == "assumed"
        at_once = min(64, row["calls"])
        if known == "measured":
            assert row["minutes"] == pytest.approx(row["calls"] * 6 / 60 / at_once)
        elif known == "scaled":
            assert row["minutes"] == pytest.approx(3 * before["minutes"])
        elif prompt == "conversation":
            each = 1 + row["output_tokens"] / row["calls"] / 50
            assert before["minutes"] == pytest.approx(row["calls"] * each / 60 / at_once)
    said = describe_minutes(plan_study(study, registry, done=done))
    assert "calls of gpt-4o take as long as those in the call store" in said and "scaled to the model's other" in said


def test_an_accounts_limits_set_the_pace(study, registry):
    slow = Registry({name: replace(model, requests_per_minute=1) for name, model in registry.models.items()})
    plan = plan_study(study, slow)
    assert plan["minutes"].tolist() == plan["calls"].tolist()
    # targets are asked at once, steps one after the other
    steps = plan.groupby(["stage", "step", "model"])["calls"].sum().groupby(["stage", "step"]).max()
    assert sum_minutes(plan) == pytest.approx(steps.sum())
    tokens = Registry({name: replace(model, tokens_per_minute=1) for name, model in registry.models.items()})
    plan = plan_study(study, tokens)
    assert plan["minutes"].tolist() == (plan["input_tokens"] + plan["output_tokens"]).tolist()


def test_every_prompt_of_a_plan_is_one_that_is_asked(study, registry):
    asked = set(plan_study(study, registry)["prompt"])
    assert asked <= set(prompt_texts()) | {"conversation", "embedding"}


def test_a_registry_without_the_model_says_so(study):
    with pytest.raises(ValueError, match="unknown model"):
        plan_study(study, Registry({}))


def test_what_is_stored_is_not_to_be_asked_again(study, registry):
    whole = plan_study(study, registry)
    assert whole["still"].tolist() == whole["calls"].tolist()
    assert whole["dollars_still"].tolist() == pytest.approx(whole["dollars"].tolist())
    first = whole[whole["prompt"].eq("choose") & whole["model"].eq("gpt-4o")].iloc[0]
    # half as many replies again as the first stage asks for: the rest answers the second
    stored = {("gpt-4o", "choose"): int(first["calls"] * 1.5), ("gpt-4o", "rate"): 10**6}
    left = plan_study(study, registry, done=Done(replies=stored))
    of_target = left[left["model"].eq("gpt-4o")].set_index(["stage", "prompt"])
    assert of_target.loc[("03", "choose"), "still"] == of_target.loc[("03", "rate"), "still"] == 0
    assert of_target.loc[("06", "choose"), "still"] == of_target.loc[("06", "choose"), "calls"] - first["calls"] // 2
    steered = of_target.loc[("06", "choose")]
    assert steered["dollars_still"] / steered["dollars"] == pytest.approx(steered["still"] / steered["calls"])
    others = left["model"].ne("gpt-4o")
    assert left.loc[others, "still"].tolist() == left.loc[others, "calls"].tolist()


def test_for_a_table_that_is_up_to_date_only_what_failed_is_asked_again(study, registry):
    done = Done(tables=frozenset({"ratings"}), failures={("gpt-4o", "rate"): 3, ("gpt-4o", "choose"): 3})
    plan = plan_study(study, registry, done=done).set_index(["model", "stage", "prompt"])
    assert plan.loc[("gpt-4o", "03", "rate"), "still"] == 3
    assert plan.loc[("gpt-4o-mini", "03", "rate"), "still"] == 0
    assert plan.loc[("gpt-4o", "03", "choose"), "still"] == plan.loc[("gpt-4o", "03", "choose"), "calls"]


def test_of_a_study_that_has_run_nothing_is_still_to_be_asked(recorded, capsys):
    file = recorded / "params" / "newsroom.yaml"
    parameters = load_parameters(file)
    registry, done = load_registry(parameters.path("models_file")), read_done(parameters)
    whole = plan_study(parameters, registry, done=done)
    assert whole["still"].sum() == 0 and "at once" in describe_minutes(whole)
    counts = count_study(parameters, done.counts)
    assert counts.outlines == 18 >= counts.from_outline >= counts.scenarios >= counts.kept > 0
    command_line._commands(["status", str(file)], standalone_mode=False)
    assert "About 0 calls still to be asked, 0.00 dollars" in capsys.readouterr().out
    # one target more is asked everything, and nobody else anything
    more = load_parameters(file, settings=["targets=[simulated/steady, simulated/obliging, gpt-4o]"])
    plan = plan_study(more, registry, done=read_done(more)).groupby("model")[["calls", "still", "dollars_still"]].sum()
    assert plan.loc["gpt-4o", "still"] == plan.loc["gpt-4o", "calls"] > 0 and plan.loc["gpt-4o", "dollars_still"] > 0
    # conversations are counted as if every opening message could be used: default, steered and placebo
    unusable = (~read_table("opening_messages", recorded / "runs" / "newsroom", study="newsroom")["usable"]).sum()
    assert plan.loc[["simulated/steady", "simulated/obliging"], "still"].tolist() == [3 * unusable] * 2
    command_line._commands(["plan", str(file), "--set", "judge=gpt-4o"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "dollars_still" in said and "calls still to be asked" in said


@pytest.fixture
def looked_over(project):
    """Return a function: further judges → the plan, and what is wrong."""

    def look(*judges):
        file = project / "params" / "mine.yaml"
        file.write_text(f"value_set: hhh\noutlines_per_pair: 4\nfurther_judges: [{', '.join(judges)}]\n")
        parameters = load_parameters(file)
        registry = load_registry(parameters.path("models_file"))
        return (lambda: plan_study(parameters, registry)), validate_study(parameters, registry)

    return look


def test_each_further_judge_is_planned_for_like_the_judge(looked_over):
    plan, problems = looked_over("simulated/hasty_judge", "gpt-4.1")
    plan = plan()
    further = plan[plan["step"].eq("verdicts, further judges")].set_index("model")
    judge = plan[plan["step"].eq("verdicts") & plan["stage"].eq("04")].iloc[0]
    assert further.index.tolist() == ["simulated/hasty_judge", "gpt-4.1"]
    assert further["calls"].tolist() == [judge["calls"]] * 2 and judge["calls"] == 4 * 3 * 4
    assert further.loc["gpt-4.1", "dollars"] > 0
    # its key is asked for before anything is spent
    assert [problem for problem in problems if "OPENAI_API_KEY" in problem and "further_judges" in problem]


def test_without_further_judges_there_is_nothing_to_plan(looked_over):
    plan, problems = looked_over()
    assert not plan()["step"].str.contains("further").any() and not problems


def test_a_judge_named_twice_and_an_unknown_one_are_refused(looked_over):
    with pytest.raises(ValueError, match="found 'simulated/judge' in both; expected each judge once"):
        looked_over("simulated/judge")
    with pytest.raises(ValueError, match=r"further_judges: found .*expected each once"):
        looked_over("simulated/hasty_judge", "simulated/hasty_judge")
    _, problems = looked_over("simulated/hastyjudge")
    assert any("further_judges: unknown model 'simulated/hastyjudge'" in problem for problem in problems)
    assert any("did you mean 'simulated/hasty_judge'" in problem for problem in problems)


def test_a_notebook_that_takes_long_is_named(registry):
    assert notes_on_time(plan_study(load_parameters(ROOT / "params" / "hhh.yaml"), registry)) == []
    large = load_parameters(ROOT / "params" / "hhh.yaml", settings=["cast=openai", "outlines_per_pair=2000"])
    estimate = plan_study(large, registry)
    for note in (notes := notes_on_time(estimate)):
        stage = re.match(r"Notebook (\d\d) will take about [\d,.]+ (?:minutes|hours): [\d,]+ calls.$", note)[1]
        assert sum_minutes(estimate[estimate["stage"].eq(stage)], "minutes_still") >= 10
    assert any(note.startswith("Notebook 06") for note in notes)
    assert notes_on_time(estimate.assign(still=0)) == []
