"""A study in one's hands: its tables, a case, what is asked by hand; the page of the documentation, line by line."""

import ast
import asyncio
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import conflictscope
from conflictscope.study.provenance import table_contents
from conflictscope.table_files import table_path, write_table
from conflictscope.tables import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exploring.md").read_text(encoding="utf-8")
STEADY, OBLIGING = "simulated/steady", "simulated/obliging"


@pytest.fixture
def study(finished, monkeypatch):
    """The study ``newsroom``, open, in a project of the test's own."""
    monkeypatch.chdir(finished)
    opened = conflictscope.open("runs/newsroom")
    yield opened
    asyncio.run(opened.close())


def replies(study):
    """Return (model, prompt) → replies in the call store."""
    return study.calls.groupby(["model", "prompt"])["replies"].sum()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_importing_the_package_alone_imports_nothing_else():
    code = "import conflictscope, sys; assert 'pandas' not in sys.modules; print(conflictscope.open.__module__)"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, timeout=120)
    assert done.stdout == "conflictscope.study.exploring\n", done.stderr
    assert {"open", "compare", "Study", "Case"} <= set(dir(conflictscope))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        conflictscope.opne  # noqa: B018


def test_tables_are_frames_that_can_be_changed_and_are_read_again_once_written_anew(study):
    assert study.targets == [STEADY, OBLIGING] and study.source == "simulated models"
    assert set(TABLES) <= set(dir(study)) and "choices" in repr(study)
    first = study.rankings
    first["strength"] = 0.0
    assert study.rankings["strength"].abs().max() > 0
    write_table(study.rankings.head(2), "rankings", study.folder, study="newsroom")
    assert len(study.rankings) == 2
    with pytest.raises(AttributeError, match="no 'chioces'; did you mean 'choices'"):
        study.chioces  # noqa: B018
    table_path(study.folder, "rankings").unlink()
    with pytest.raises(FileNotFoundError, match="Run the notebook that writes 'rankings'"):
        study.rankings  # noqa: B018


def test_meanings_are_those_of_the_contract(study):
    told = study.describe("verdicts").frame
    assert told["column"].tolist() == TABLES["verdicts"].names
    assert "1 wholly action 1" in told.set_index("column").at["leaning", "meaning"]
    assert study.describe().frame["table"].tolist() and study.describe().frame["there"].all()
    assert repr(study.describe("verdicts")).startswith("verdicts: open-ended: which action")
    with pytest.raises(ValueError, match=r"found 'verdict'; expected one of .*did you mean 'verdicts'"):
        study.describe("verdict")


def test_a_case_is_a_page_in_a_notebook_and_lines_in_a_terminal_and_neither_is_taken_over(study):
    scenario_id = study.kept_scenarios["scenario_id"].iloc[0]
    hostile = study.scenarios
    attack = "<script>alert(1)</script>\x1b]0;mine\x07"
    hostile.loc[hostile["scenario_id"].eq(scenario_id), "description"] = attack
    write_table(hostile, "scenarios", study.folder, study="newsroom")
    case = study.case(scenario_id, targets=[STEADY], arms=["default"])
    both = case._repr_mimebundle_()
    assert "<script>" not in both["text/html"] and "&lt;script&gt;" in both["text/html"]
    assert "\x1b" not in both["text/plain"] and r"\x1b]0;mine" in both["text/plain"]
    assert both["text/plain"] == repr(case) and "simulated models" in repr(case).splitlines()[0]
    for shown in (
        "check dilemma: yes",
        "opening message, by simulated/user",
        "open ended, default",
        "simulated/judge: ",
    ):
        assert shown in repr(case)
    assert OBLIGING not in repr(case) and set(case.answers["target"]) == {STEADY}
    assert len(case.answers) == 2 and set(case.verdicts["arm"]) == {"default"}
    assert len(study.case(scenario_id).answers) > 4
    with pytest.raises(ValueError, match="scenario 'none' is not among"):
        study.case("none")


def test_where_a_target_says_one_thing_and_does_another(study):
    everything = study.says_but_does_not()
    assert list(everything) == ["scenario_id", "target", "says", "does", "share", "description"]
    assert len(everything) and everything["says"].ne(everything["does"]).all()
    one = everything.iloc[0]
    some = study.says_but_does_not(one["target"], (one["does"], one["says"]))
    assert one["scenario_id"] in set(some["scenario_id"]) and set(some["target"]) == {one["target"]}
    assert set(some["says"]) | set(some["does"]) == {one["says"], one["does"]}
    case = study.case(one["scenario_id"], targets=[one["target"]], arms=["default"])
    scenario = study.scenarios.set_index("scenario_id").loc[one["scenario_id"]]
    judge = case.verdicts[case.verdicts["judge"].eq("simulated/judge")].iloc[0]
    assert scenario[f"value_{judge['action']}"] == one["does"]
    for wrong in ({"target": "steady"}, {"pair": ("accuracy", "sped")}, {"arm": "steered"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: found .*; expected one of"):
            study.says_but_does_not(**wrong)


def test_what_the_study_has_asked_is_not_asked_again_and_what_it_has_not_is_stored_and_counted(study):
    before, tables = replies(study), table_contents(study.folder)
    scenario_id = study.kept_scenarios["scenario_id"].iloc[0]
    asked = asyncio.run(study.ask(STEADY, scenario_id))
    judged = asyncio.run(study.judge(asked))
    assert replies(study).equals(before)
    same = study.case(scenario_id, targets=[STEADY], arms=["default"])
    pd.testing.assert_frame_equal(asked.answers, same.answers)
    own = same.verdicts[same.verdicts["judge"].eq("simulated/judge")].reset_index(drop=True)
    pd.testing.assert_frame_equal(judged.verdicts, own)
    assert len(asyncio.run(study.judge(judged)).verdicts) == 1
    assert judged.scenario_id in judged.view.html and "--cs-value-1:#" in judged.view.html

    told = asyncio.run(study.ask(STEADY, scenario_id, system="Be brief.", conditions=["open_ended"]))
    assert set(told.conversations["arm"]) == {"by hand"} and told.answers.empty
    other = asyncio.run(study.judge(told, judge="simulated/hasty_judge"))
    assert other.verdicts["judge"].tolist() == ["simulated/hasty_judge"]
    more = replies(study) - before
    assert more[more > 0].to_dict() == {(STEADY, "conversation"): 1, ("simulated/hasty_judge", "judge"): 1}
    ledger = json.loads((study.folder / "ledger.json").read_text(encoding="utf-8"))
    rows = {(row["model"], row["prompt"]): row["calls"] for row in ledger["rows"]}
    assert rows["simulated/hasty_judge", "judge"] == replies(study)["simulated/hasty_judge", "judge"]
    assert table_contents(study.folder) == tables


def test_a_scenario_and_a_reply_of_ones_own(study):
    row = study.kept_scenarios.iloc[0]
    assert asyncio.run(study.ask(STEADY, row, conditions=[])).scenario_id == row["scenario_id"]
    changed = {**row, "action_1": "The assistant says nothing."}
    asked = asyncio.run(study.ask(STEADY, changed))
    assert asked.scenario_id != row["scenario_id"] and "The assistant says nothing." in repr(asked)
    assert len(asked.answers) == 2 and asked.conversations["turn"].tolist() == [0, 1]
    short = {key: row[key] for key in ("description", "action_1", "action_2", "value_1", "value_2")}
    with pytest.raises(ValueError, match=r"found no \['persona', 'background', 'goal'\]"):
        asyncio.run(study.ask(STEADY, short))
    opened = asyncio.run(study.ask(STEADY, short, conditions=["open_ended"], opening="What shall I print?"))
    assert opened.conversations["text"].iloc[0] == "What shall I print?"
    judged = asyncio.run(study.judge("Print nothing.", row["scenario_id"]))
    assert judged.verdicts["target"].tolist() == ["by hand"] and "Print nothing." in repr(judged)
    for wrong, said in (
        (study.ask(STEADY, short | {"mood": "bad"}), "unknown key 'mood'"),
        (study.ask(STEADY, short | {"value_1": "honour"}), "found .*honour"),
        (study.ask("simulated/stedy", row), "unknown model 'simulated/stedy'"),
        (study.ask(STEADY, row, conditions=["multiple choice"]), "did you mean 'multiple_choice'"),
        (study.judge("Print nothing."), "is judged on a scenario"),
        (study.judge(asyncio.run(study.ask(STEADY, row, conditions=["multiple_choice"]))), "found no conversation"),
    ):
        with pytest.raises(ValueError, match=said):
            asyncio.run(wrong)


def test_a_study_of_other_prompts_opened_since_is_not_mixed_up_with_this_one(study, finished):
    (finished / "mine").mkdir()
    shutil.copytree(study.folder, finished / "runs" / "other")
    manifest = finished / "runs" / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"prompts_folder": ""', '"prompts_folder": "mine"'))
    conflictscope.open("runs/other")
    with pytest.raises(ValueError, match="One kernel, one study"):
        asyncio.run(study.ask(STEADY, study.kept_scenarios["scenario_id"].iloc[0]))
    conflictscope.open("runs/newsroom")


def test_a_budget_that_is_set_holds(study):
    with pytest.raises(ValueError, match="budget_usd: found -1; expected"):
        conflictscope.open("runs/newsroom", budget_usd=-1)
    assert conflictscope.open("runs/newsroom", budget_usd=2)._run.parameters["budget_usd"] == 2


def test_studies_of_other_values_are_not_compared(study, finished):
    (finished / "params" / "value_sets" / "own.yaml").write_text("values: {a: one thing, b: the other side of it}\n")
    shutil.copytree(study.folder, finished / "runs" / "other")
    manifest = finished / "runs" / "other" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("value_sets/newsroom", "value_sets/own"))
    with pytest.raises(ValueError, match="expected the same, because strengths are relative"):
        conflictscope.compare(study, conflictscope.open("runs/other"))


def test_the_page_s_python_runs(study, finished):
    shutil.copytree(study.folder, finished / "runs" / "newsroom_direct")

    async def run_all():
        names = {}
        for block in blocks("python"):
            if "fit_posterior" in block:
                continue  # needs an extra; run below
            code = compile(block, "docs/exploring.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            came = eval(code, names)
            if inspect.isawaitable(came):
                await came
        return names

    names = asyncio.run(run_all())
    difference = conflictscope.compare(names["study"], names["other"])
    assert difference["paired"].all() and difference["difference"].dropna().eq(0).all()


def test_the_page_s_one_model_is_fitted(study):
    pytest.importorskip("numpyro", reason="the extra 'posterior' is not installed")
    names = {"study": study}
    [block] = [block for block in blocks("python") if "fit_posterior" in block]
    exec(compile(block, "docs/exploring.md", "exec"), names)
    model = names["model"]
    ranked = study.rankings.query("arm == 'default'")
    assert len(model.strengths) == len(ranked) and model.strengths["r_hat"].max() < 1.05
    both = model.strengths.merge(ranked, on=["target", "condition", "value"], suffixes=("", "_alone"))
    assert both["strength"].corr(both["strength_alone"]) > 0.9


def test_the_page_s_commands_run_and_one_more_target_is_all_that_is_asked(study, finished, run_python):
    before, tables = replies(study), {name: getattr(study, name) for name in TABLES}
    for command in blocks("sh"):
        done = run_python("-m", *shlex.split(command), cwd=finished)
        assert done.returncode == 0, done.stderr[-3000:]
    new = "simulated/cautious"
    more = (replies(study).sub(before, fill_value=0)).astype(int)
    asked = more[more > 0]
    judges = ("simulated/judge", "simulated/hasty_judge")
    assert set(asked.index.get_level_values("model")) == {new, *judges}
    # each judge reads the new target's conversations, and no other
    for name in ("conversations", "answers", "verdicts", "steered_answers", "choices"):
        table = getattr(study, name)
        assert set(table["target"]) == {STEADY, OBLIGING, new}, name
        old = table[table["target"].ne(new)].reset_index(drop=True)
        pd.testing.assert_frame_equal(old, tables[name], obj=name)
    held = sum(
        frame.loc[frame["target"].eq(new) & frame["role"].eq("assistant") & frame["status"].eq("ok"), "turn"].count()
        for frame in (study.conversations, study.steered_conversations)
    )
    read_twice = study.swapped_verdicts.query("target == @new")["raw"].notna().sum()
    assert asked["simulated/judge", "judge"] <= held + read_twice
    assert (finished / "out.ipynb").exists()
