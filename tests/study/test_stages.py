"""The pipeline is told once: the notebooks' own cells, the README and what a run has recorded say the same."""

import ast
import json
from pathlib import Path

import nbformat
import pytest

from conflictscope.models.records import EMBEDDING
from conflictscope.prompts import prompt_hashes
from conflictscope.study.parameters import Parameters, declared_parameters, load_parameters, numbered_notebooks
from conflictscope.study.plan import count_study, read_done
from conflictscope.study.provenance import PLACES
from conflictscope.study.stages import LIMITS, NOTEBOOKS, STAGES, WRITERS, reply_limits
from conflictscope.table_files import read_notes
from conflictscope.tables import TABLES

ROOT = Path(__file__).parents[2]
# what says how a study is run or which it is, not what comes of it
# the language is of the whole study, and shapes what is written in it
RUNNING = {"study", "run_folder", "replay", "budget_usd", *PLACES} - {"language"}


def notebook(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def calls(name):
    """Return (function's name, its argument that is a literal) of each call in a notebook's cells, in order."""
    code = [cell.source for cell in notebook(name).cells if cell.cell_type == "code"]
    places = {("run", "read"): 0, ("run", "write"): 1, ("figures", "save_figure"): 2, (None, "save_figure"): 2}
    found = []
    for source in code:
        for node in ast.walk(ast.parse(source, mode="exec")):
            if isinstance(node, ast.Call):
                function = node.func
                owner = function.value.id if getattr(function, "attr", None) and hasattr(function.value, "id") else None
                called = getattr(function, "attr", getattr(function, "id", None))
                if (owner, called) in places:
                    literal = node.args[places[owner, called]]
                    found.append((node.lineno, called, literal.value))
    return [(called, literal) for _, called, literal in found]


def test_every_notebook_is_in_the_table_and_the_numbered_ones_run_in_its_order():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)
    assert [path.stem for path in numbered_notebooks(ROOT)] == list(STAGES)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_reads_writes_and_draws_what_the_table_says(name):
    stage, found = NOTEBOOKS[name], calls(name)
    assert {literal for called, literal in found if called == "read"} == set(stage.reads)
    assert [literal for called, literal in found if called == "write"] == list(stage.writes)
    assert [literal for called, literal in found if called == "save_figure"] == list(stage.figures)
    assert notebook(name).cells[0].source.startswith(f"# {stage.question}\n")


@pytest.mark.parametrize("name", STAGES)
def test_the_table_says_of_every_parameter_what_it_shapes(name):
    stage = STAGES[name]
    declared = set(declared_parameters(ROOT / "notebooks" / f"{name}.ipynb"))
    assert set(stage.parameters) == declared - RUNNING
    assert set(stage.parameters) <= set(Parameters.model_fields)
    assert {table for shaped in stage.parameters.values() for table in shaped} <= set(stage.writes)
    # a role's parameter shapes what its models are asked for
    for step in stage.steps:
        assert not step.table or step.table in stage.parameters[step.role] or step.prompt == "next_message"


def test_every_table_is_written_once_and_read_after_it_was_written():
    assert set(WRITERS) == set(TABLES)
    written = set()
    for stage in STAGES.values():
        assert set(stage.reads) <= written
        written |= set(stage.writes)


def test_every_prompt_has_its_place():
    steps = [step for stage in STAGES.values() for step in stage.steps]
    asked = {step.prompt for step in steps} | {
        prompt for step in steps for prompts in step.system.values() for prompt in prompts
    }
    assert asked - {EMBEDDING, "conversation"} == set(prompt_hashes()) - {
        "json_only",
        "repair",
        "write_again",
        # before a study
        *("tenets", "translate", "translate_prompt", "check_translation"),
    }


def test_every_role_that_writes_has_a_limit_which_the_notebooks_that_ask_it_declare():
    assert reply_limits({}) == reply_limits(dict.fromkeys(LIMITS.values())) == {}
    limits = reply_limits({name: n for n, name in enumerate(LIMITS.values(), start=1)})
    for name, stage in STAGES.items():
        for step in (step for step in stage.steps if step.role not in ("targets", "embedder")):
            assert limits[step.prompt][0] == LIMITS[step.role]
            assert LIMITS[step.role] in declared_parameters(ROOT / "notebooks" / f"{name}.ipynb")
    assert limits["write_again"][0] == "user_max_tokens"
    assert not {"conversation", "choose", "rate"} & set(limits)


def test_the_readme_shows_the_table():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    begin = lines.index("| notebook | what it asks | demo |") + 2
    assert lines[begin : begin + len(NOTEBOOKS) + 1] == [*(stage.readme_row for stage in NOTEBOOKS.values()), ""]


def test_what_a_run_has_recorded_is_what_the_table_says(recorded):
    parameters = load_parameters(recorded / "params" / "newsroom.yaml")
    counts = count_study(parameters, read_done(parameters).counts)
    order = list(WRITERS)
    for table, stage in WRITERS.items():
        origin = json.loads(read_notes(table, parameters.path("run_folder"))["origin"])
        steps = [step for step in stage.steps if step.table == table and step.calls(counts)]
        told = [prompt for step in steps for prompt in step.system.get("ours", ())]
        with_text = {*(step.prompt for step in steps), *told} & set(prompt_hashes())
        # of two opening messages none may need a text of its own
        assert set(origin["prompts"]) - {"json_only", "repair", "write_again"} | {"artifact"} == with_text | {
            "artifact"
        }, table
        roles = [parameters.values[step.role] for step in steps]
        models = {name for role in roles for name in (role if isinstance(role, list) else [role])}
        assert set(origin["models"]) == models - {"tfidf"}, table
        own = [name for name in stage.writes if order.index(name) < order.index(table)]
        assert set(own) <= set(origin["tables"]) <= {*own, *stage.reads}, table
        shaping = {name for name, shaped in stage.parameters.items() if table in shaped}
        assert shaping - set(origin["parameters"]) <= {"scenarios", "earlier_runs"}
