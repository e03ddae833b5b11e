"""A study with a budget, through papermill: it stops with its own exit code, and goes on with a higher budget."""

import json
import subprocess
import sys
from pathlib import Path

from conflictscope.study.command_line import BUDGET_EXIT_CODE

ROOT = Path(__file__).parents[2]
MODELS = """
models:
  m: {{base_url: "http://127.0.0.1:{port}/v1", id: m, json_schema: true, concurrency: 4, {prices}}}
casts:
  simulated: {{author: m, filter_judge: m, simulated_user: m, judge: m, targets: [m], embedder: tfidf}}
"""


def run(project, *words):
    command = [sys.executable, "-m", "conflictscope", "run", "params/hhh.yaml", "--only", "01_generate_scenarios"]
    return subprocess.run([*command, *words], cwd=project, text=True, capture_output=True, timeout=600)


def test_a_reached_budget_ends_the_run_with_its_own_code_and_more_goes_on(project, loopback):
    models = project / "params" / "models.yaml"
    models.write_text(MODELS.format(port=loopback.port, prices="input_price: 10, output_price: 10"), encoding="utf-8")
    folder = project / "runs" / "hhh"

    stopped = run(project, "--set", "budget_usd=0.2")
    assert stopped.returncode == BUDGET_EXIT_CODE == 3, stopped.stderr
    assert "01_generate_scenarios, cell" in stopped.stderr and "higher budget_usd" in stopped.stderr
    assert "budget of 0.20 dollars is reached" in stopped.stderr and "Traceback" not in stopped.stderr
    # a bar says what was spent, what is left, and where the study is heading
    assert "spent, $" in stopped.stderr and "left, $" in stopped.stderr and "projected" in stopped.stderr
    # the same words are in the notebook
    notebook = json.loads((folder / "01_generate_scenarios.ipynb").read_text(encoding="utf-8"))
    errors = [out for cell in notebook["cells"] for out in cell.get("outputs", []) if out["output_type"] == "error"]
    assert [error["ename"] for error in errors] == ["BudgetReached"] and "is reached" in errors[0]["evalue"]
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert ledger["budget_reached"] and 0.1 < ledger["spent_usd"] <= 0.2 < ledger["projected_usd"]

    done = run(project, "--set", "budget_usd=50")
    assert done.returncode == 0, done.stderr
    counted = loopback()
    assert counted["total"] == counted["distinct"]
    after = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert after["calls"] == counted["total"] > ledger["calls"] and not after["budget_reached"]


def test_a_price_that_is_unknown_is_said_before_anything_is_asked(project, loopback):
    models = project / "params" / "models.yaml"
    models.write_text(MODELS.format(port=loopback.port, prices="input_price: 10"), encoding="utf-8")
    refused = run(project, "--set", "budget_usd=0.2")
    assert refused.returncode == 1 and "the price of 'm' is unknown" in refused.stderr
    assert loopback()["total"] == 0
