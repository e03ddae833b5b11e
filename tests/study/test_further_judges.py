"""Further judges are counted before anything is asked, and looked over like every other model."""

import shutil
from pathlib import Path

import pytest

from conflictscope.models import load_registry
from conflictscope.study.parameters import load_parameters
from conflictscope.study.plan import plan_study
from conflictscope.study.validation import validate_study

ROOT = Path(__file__).parents[2]


@pytest.fixture
def looked_over(tmp_path):
    """Return a function: further judges → the plan, and what is wrong."""
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)

    def look(*judges):
        file = tmp_path / "params" / "mine.yaml"
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
