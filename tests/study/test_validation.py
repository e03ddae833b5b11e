"""Validate: everything that a study names is read, and what is wrong refused with file, key, found and expected."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from conflictscope.exchange import EXPORTED, FILE_FORMATS, FORMATS
from conflictscope.exchange.gathering import SEVERAL
from conflictscope.models import load_registry
from conflictscope.models.probing import Probe, store_probe
from conflictscope.study import command_line
from conflictscope.study.parameters import load_parameters
from conflictscope.study.validation import notes_on_models

ROOT = Path(__file__).parents[2]


def command(*words):
    return CliRunner().invoke(command_line._commands, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture
def validate(project):
    """Return a function: a parameter file's text, and a value set's → what validate prints or refuses with."""

    def check(text, values=None):
        file = project / "params" / "mine.yaml"
        if values is not None:
            (project / "params" / "two.yaml").write_text(values, encoding="utf-8")
        file.write_text(f"value_set: {'hhh' if values is None else 'two.yaml'}\n{text}\n", encoding="utf-8")
        done = command("validate", file)
        return done.output if done.exit_code == 0 else str(done.exception)

    return check


@pytest.mark.parametrize("file", sorted((ROOT / "params").glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_studies_pass(file):
    if file.name != "models.yaml":
        done = command("validate", file)
        assert done.exit_code == 0 and "nothing wrong" in done.output


def test_what_a_valid_study_is_is_told(monkeypatch):
    monkeypatch.chdir(ROOT)
    told = command("validate", "params/hhh.yaml").output.splitlines()
    assert told[1].strip() == "HHH: 3 values, 3 pairs; scenarios: 24 outlines a pair"
    assert "judge: simulated/judge; targets: simulated/cautious, " in told[2]
    found = str(command("validate", "params/value_sets/hhh.yaml").exception)
    assert found.endswith(
        "line 3, column 1: values: this is a value set; expected parameters, among them value_set, "
        "which names such a file."
    )


WRONG = [
    ("target_rankings: [honsty > helpfulness > harmlessness]", "target_rankings: found 'honsty > ", "mean 'honesty'?"),
    ("target_rankings: [honesty > helpfulness]", "found 'honesty > helpfulness': ", "expected each of"),
    ("target_rankings: [honesty > honesty > harmlessness]", "target_rankings: found", "once, best first."),
    ("target_rankings: ['balanced:7']", "target_rankings: found 'balanced:7'", "expected at most 6."),
    ("judge: simulated/judg", "judge: unknown model 'simulated/judg'", "did you mean 'simulated/judge'?"),
    ("author: text-embedding-3-small", "author: unknown model 'text-embedding-3-small'", "one of kind chat"),
    ("embedder: gpt-4.1\nsimilarity_threshold: 0.8", "embedder: unknown model 'gpt-4.1'", "of kind embeddings"),
    ("embedder: text-embedding-3-small", "similarity threshold of its own", "set similarity_threshold"),
    ("judge: gpt-4.1", "judge: model 'gpt-4.1' needs its key", "OPENAI_API_KEY, which is not set."),
    ("earlier_runs: [runs/nothing]", "earlier_runs: found 'runs/nothing'", "holds no outlines.parquet; expected"),
    (
        "compare_with: [../figures/x]",
        "compare_with: found '../figures/x'",
        "holds no agreement.csv; expected the figures",
    ),
    ("prompts_folder: nowhere", "prompts_folder: ", "is not there; expected a folder of prompts"),
    ("prompts_folder: params/samples", "no prompt has this name", "expected some of"),
    ("call_store: nonsense", "call_store: found no address", "expected one like sqlite:///"),
    ("call_store: nodb://x/y", "call_store: found no address", "whose driver is installed"),
    ("level: 95", "level: found 95", "expected a number below 1 (coverage of the intervals)."),
    ("generation: singlestage", "generation: found 'singlestage'", "did you mean 'single_stage'?"),
]


@pytest.mark.parametrize(("text", "found", "expected"), WRONG, ids=[text for text, _, _ in WRONG])
def test_what_a_study_names_is_checked(validate, monkeypatch, text, found, expected):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    problem = validate(text)
    assert "mine.yaml: " in problem and found in problem and expected in problem
    # the first line names the value set
    if "similarity" not in expected:
        assert f"mine.yaml: line 2, column 1: {text.partition(':')[0]}" in problem


def test_what_a_setting_gets_wrong_is_said_of_the_setting(project):
    for setting, said in (
        ("levl=0.9", "hhh.yaml: --set levl=0.9: unknown key 'levl'"),
        ("judge=simulated/judg", "hhh.yaml: --set judge=simulated/judg: judge: unknown model"),
        ("value_set=hhhh", "hhh.yaml: --set value_set=hhhh: value_set: found 'hhhh'"),
        ("cast=simulatd", "did you mean 'simulated'?"),
        ("scenarios=samples/moralchoic.csv", "params/samples/moralchoice.csv'?"),
        ("prompts_folder=params/sample", "params/samples'?"),
    ):
        problem = str(command("validate", project / "params" / "hhh.yaml", "--set", setting).exception)
        assert said in problem and "did you mean" in problem


def test_files_folders_and_notebooks_that_are_nearly_right_are_named(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "runs" / "hhh").mkdir(parents=True)
    for words, said in (
        (("validate", "params/hhhh.yaml"), "did you mean 'params/hhh.yaml'?"),
        (("run", "params/hhh.yaml", "--only", "05_rank_value"), "did you mean '05_rank_values'?"),
        (("run", "params/hhh.yaml", "--only", "5"), "did you mean '05_rank_values'?"),
        (("import", "params/samples/clsh.csv"), "did you mean 'params/samples/clash.csv'?"),
        (("export", "runs/hhhh", "--to", "x"), "did you mean 'runs/hhh'?"),
        (("replay", "runs/hhhh"), "did you mean 'runs/hhh'?"),
        (("bundle", "runs/hhhh"), "did you mean 'runs/hhh'?"),
    ):
        assert said in str(command(*words).exception), words


VALUES = [
    ("values: {a: one thing, b: another}\npairs: [[a, c]]", "pairs: found ['a', 'c']; expected two different names"),
    (
        "values: {a: one thing, A: another}",
        "found 'a' and 'A'; expected names that differ in more than upper and lower",
    ),
    ("values: {a: one thing, b: One thing.}", "'a' and 'b' have (nearly) the same definition"),
    ("values: {a: one, b: other, c: third}\npairs: [[a, b]]", "they do not connect the values"),
    ("values: {a: one, b: ''}", "'b': the definition is empty; expected"),
    ('values: {a: one, b: "x\\ty"}', "'b': the definition holds characters that cannot be shown"),
    ("values:\n  a: one\n\tb: other", "line 3, column 1: a tab indents the line"),
    ("values: {a: one, b: !!binary aGk=}", "found the type '!!binary'"),
]


@pytest.mark.parametrize(("values", "problem"), VALUES, ids=[text for text, _ in VALUES])
def test_the_value_set_is_read(validate, values, problem):
    said = validate("", values)
    assert problem in said and "two.yaml" in said


def test_a_ranking_in_any_script_passes(validate):
    values = "values: {ईमानदारी: saying what is so, दया: sparing feelings}"
    assert "nothing wrong" in validate("target_rankings: [दया > ईमानदारी]", values)
    assert "did you mean 'ईमानदारी'?" in validate("target_rankings: [दया > इमानदारी]", values)


def test_check_is_another_name_for_validate_and_an_old_parameter_is_told(project):
    file = project / "params" / "mine.yaml"
    file.write_text("value_set: hhh\nscenarios_per_pair: 3\n")
    for name in ("validate", "check"):
        done = command(name, file, "--set", "seed=1")
        assert done.exit_code == 0 and "nothing wrong" in done.stdout
        assert done.stderr == f"{file}: scenarios_per_pair is now called outlines_per_pair\n"
    assert "check " not in command("--help").output


def test_several_files_run_in_order_and_the_first_failure_counts(project, monkeypatch):
    ran = []

    def run(file, *rest):
        ran.append(file)
        if "bad" in file:
            raise ValueError(f"{file}: wrong")

    monkeypatch.setattr(command_line, "_run_study", lambda file, *rest: run(str(file), *rest))
    done = command("run", "a.yaml", "bad.yaml", "c.yaml")
    assert ran == ["a.yaml", "bad.yaml", "c.yaml"] and done.exit_code == 1
    assert "conflictscope: bad.yaml: wrong" in done.stderr
    assert command("run", "a.yaml", "c.yaml").exit_code == 0
    assert command("run", "a.yaml", "c.yaml", "--out", "x").exit_code == 2


def test_the_first_failures_exit_code_is_the_commands(monkeypatch):
    from conflictscope.models import BudgetReached

    def run(file, *rest):
        raise BudgetReached("spent") if file.stem == "spent" else ValueError("wrong")

    monkeypatch.setattr(command_line, "_run_study", run)
    assert command("run", "spent.yaml", "wrong.yaml").exit_code == command_line.BUDGET_EXIT_CODE
    assert command("run", "wrong.yaml", "spent.yaml").exit_code == 1


def test_the_choices_of_the_command_line_are_those_of_exchange():
    assert tuple(FORMATS) == command_line.FORMATS
    assert (SEVERAL, EXPORTED, FILE_FORMATS) == (
        command_line.SEVERAL,
        command_line.EXPORTED,
        command_line.FILE_FORMATS,
    )


def test_help_imports_nothing_heavy():
    code = "import sys; from conflictscope.study import command_line; print([m for m in HEAVY if m in sys.modules])"
    heavy = "HEAVY = ['pandas', 'openai', 'papermill', 'nbformat', 'sklearn', 'sqlalchemy', 'numpy', 'genai_prices']; "
    done = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_says_where_a_probe_disagrees_and_which_models_are_retired(project):
    models = project / "params" / "models.yaml"
    file = project / "params" / "mine.yaml"
    file.write_text("value_set: hhh\ntargets: [llamacpp/smollm2-135m, claude-3-5-haiku, gpt-4o]\n", encoding="utf-8")
    parameters, registry = load_parameters(file), load_registry(models)
    model = registry["llamacpp/smollm2-135m"]
    found = Probe(
        model.base_url, model.id, "2026-11-28", "x", 9, "max_tokens", True, True, False, 20, "none", True, True
    )
    store_probe(models, model.name, found)
    store_probe(models, "somebody else's", found)
    notes = notes_on_models(parameters, registry)
    assert notes[0].startswith("llamacpp/smollm2-135m: json_schema is true, and the endpoint followed no schema")
    assert "claude-3-5-haiku: claude-3-5-haiku-latest has been retired since 2026-02-19" in notes[1]
    assert "gpt-4o: gpt-4o-2024-11-20" in notes[2] and len(notes) == 3
    # a replay asks nobody
    assert notes_on_models(load_parameters(file, settings=["replay=true"]), registry) == []
