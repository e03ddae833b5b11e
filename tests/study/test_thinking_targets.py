"""A model that thinks goes through all seven notebooks, and chooses as its plain twin does in each."""

import pandas as pd
import pytest

from conflictscope.table_files import read_table

MODELS = """
models:
  simulated/author: {{base_url: "simulated:", id: author, json_schema: true, input_price: 0, output_price: 0}}
  simulated/filter_judge: {{base_url: "simulated:", id: filter_judge, json_schema: true}}
  simulated/user: {{base_url: "simulated:", id: user, json_schema: true}}
  judge: {{base_url: "http://127.0.0.1:{port}/v1", id: judge, json_schema: true}}
  plain: {{base_url: "http://127.0.0.1:{port}/v1", id: plain}}
  beside: {{base_url: "http://127.0.0.1:{port}/v1", id: beside, reasoning_room: 4000}}
  within: {{base_url: "http://127.0.0.1:{port}/v1", id: within, reasoning_room: 4000}}
casts:
  thinking:
    author: simulated/author
    filter_judge: simulated/filter_judge
    simulated_user: simulated/user
    judge: judge
    targets: [plain, beside, within]
    embedder: tfidf
"""
STUDY = """
value_set: hhh
cast: thinking
outlines_per_pair: 2
filtered: false
target_rankings: ["honesty > helpfulness > harmlessness"]
max_turns: 2
resamples: 20
"""
THINKING = ("beside", "within")
CHOSEN = {
    "answers": ("scenario_id", "repetition", "action_shown_first", "outcome", "action"),
    "ratings": ("scenario_id", "repetition", "rated_action", "rating"),
    "conversations": ("scenario_id", "repetition", "turn", "role", "text", "status"),
    "verdicts": ("scenario_id", "repetition", "outcome", "action"),
    "choices": ("scenario_id", "condition", "arm", "outcome", "winner", "loser"),
    "rankings": ("condition", "value", "strength", "rank"),
    "steered_choices": ("scenario_id", "condition", "arm", "outcome", "winner", "loser"),
}


@pytest.mark.parametrize("loopback", [["thinking.py"]], indirect=True)
def test_all_seven_notebooks_count_of_a_thinking_model_what_they_count_of_its_plain_twin(project, loopback, run):
    (project / "params" / "models.yaml").write_text(MODELS.format(port=loopback.port), encoding="utf-8")
    (project / "params" / "thinking.yaml").write_text(STUDY, encoding="utf-8")
    assert "7 notebooks ran" in run(project, "run", "params/thinking.yaml")
    for name, columns in CHOSEN.items():
        table = read_table(name, project / "runs" / "thinking", study="thinking")
        chosen = {
            target: rows[list(columns)].sort_values(list(columns), ignore_index=True)
            for target, rows in table.groupby("target")
        }
        assert len(chosen["plain"]), name
        for target in THINKING:
            pd.testing.assert_frame_equal(chosen[target], chosen["plain"], obj=f"{name} of {target}")
    answers = read_table("answers", project / "runs" / "thinking", study="thinking")
    assert (answers["outcome"] == "choice").any()
    assert (answers["reasoning"].notna() == answers["target"].isin(THINKING)).all()
