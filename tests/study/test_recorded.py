"""The recorded study of three open models: it is rebuilt from their replies, and is what the README says of it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from conflictscope import measure
from conflictscope.scenarios import load_value_set
from conflictscope.table_files import read_table

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "recorded" / "open_models.bundle.zip"
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
NAMES = {
    "llamacpp/smollm2-135m": "SmolLM2-135M-Instruct",
    "llamacpp/qwen2.5-coder-0.5b": "Qwen2.5-Coder-0.5B-Instruct",
    "llamacpp/qwen2.5-coder-1.5b": "Qwen2.5-Coder-1.5B-Instruct",
}


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory, run_python):
    """The folder of a replay, in a project that holds nothing but notebooks and parameters."""
    project = tmp_path_factory.mktemp("recorded")
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, project / name)
    done = run_python("-m", "conflictscope", "replay", str(BUNDLE), "--out", "rebuilt", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return project / "rebuilt"


@pytest.fixture
def tables(rebuilt):
    return lambda name: read_table(name, rebuilt / "run", study="recorded")


def test_it_is_small_and_gives_the_committed_figures(rebuilt):
    assert BUNDLE.stat().st_size < 5e6
    committed = {path.name: path.read_bytes() for path in (ROOT / "figures" / "recorded").iterdir()}
    assert {"effects.png", "rankings.png"} <= set(committed)
    assert {name: (rebuilt / "figures" / name).read_bytes() for name in committed} == committed


def test_what_the_readme_says_of_it_is_what_the_tables_say(tables):
    choices, verdicts, swapped = tables("choices"), tables("verdicts"), tables("swapped_verdicts")
    position, flips = (
        measured[measured["condition"] == "multiple_choice"].set_index("target")
        for measured in (measure.position_effect(choices), measure.flip_rate(choices))
    )
    read = verdicts["outcome"].eq("choice").groupby(verdicts["target"]).sum()
    for target, name in NAMES.items():
        row = (
            f"| {name} | {position.at[target, 'first_chosen']} of {position.at[target, 'choices']} "
            f"| {flips.at[target, 'flipped']} of {flips.at[target, 'compared']} "
            f"| {read[target]} of {(verdicts['target'] == target).sum()} |"
        )
        assert row in README, row
    values = load_value_set(ROOT / "params" / "value_sets" / "hhh.yaml").names
    support = measure.check_support(choices, values, measure.Settings(), swapped=swapped)
    scenarios, messages = tables("kept_scenarios"), tables("opening_messages")
    both = pd.concat([measure.read_verdicts(verdicts), measure.read_verdicts(swapped, suffix=", labels swapped")])
    again = measure.agreement_between_raters(both, measure.Settings()).iloc[0]
    for fact in (
        f"support {support['supported'].sum()} of {len(support)} rankings",
        f"wrote {len(scenarios)} scenarios",
        f"{(~messages['usable']).sum()} of {len(messages)} opening messages were none",
        f"κ {again['kappa']:.2f}",
        f"{again['agreed'] * again['read']:.0f} of {again['read']} replies the same",
    ):
        assert fact in README, fact
