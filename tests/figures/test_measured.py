"""From choices to files: what ``measure`` gives is what the figures take, and the same choices give the same bytes."""

SCRIPT = """
import sys
import matplotlib
matplotlib.use("Agg")
import numpy as np
import pandas as pd
from conflictscope import figures, measure
from conflictscope.measure.difficulty import observed_agreement
from conflictscope.measure.rates import acting_effect, effects_by
from conflictscope.measure.shift import compare_conditions
from conflictscope.measure.steering import steering_effects

rng = np.random.default_rng(0)
rows = []
for target in ("m", "n"):
    for one, two in (("a", "b"), ("a", "c"), ("b", "c")):
        for n in range(8):
            for condition, judge in (("multiple_choice", None), ("open_ended", "j")):
                for prompt in ("default", "placebo", "steered:r"):
                    for first in (1, 2):
                        action = int(rng.integers(1, 3))
                        winner, loser = (one, two) if action == 1 else (two, one)
                        rows.append({
                            "scenario_id": f"{one}{two}{n}", "value_1": one, "value_2": two,
                            "structure": ("side_effect", "means")[n % 2], "severity": ("mild", "strong")[n // 2 % 2],
                            "acting_value": (one, two)[n // 4], "target": target, "condition": condition,
                            "arm": prompt, "repetition": 0, "judge": judge, "action_shown_first": first,
                            "outcome": "choice", "action": action, "winner": winner, "loser": loser,
                        })
choices = pd.DataFrame(rows)
settings = measure.Settings(resamples=20, seed=1)
_, shifts = compare_conditions(choices, ["a", "b", "c"], settings)
rates = measure.preference_rates(choices).query("condition == 'open_ended' and arm == 'default'")
steered, averages = steering_effects(choices, {"r": ["c", "b", "a"]}, settings)
likert = pd.DataFrame({"arm": ["default"], "rate": [0.5], "rate_low": [0.4], "rate_high": [0.6]})
point = figures.agreement_point("full", observed_agreement(choices, settings), likert)
effects = figures.gather_effects(
    measure.position_effect(choices), acting_effect(choices), effects_by(choices, "severity")
)
groups = {"a": "one", "b": "two", "c": "two"}
source = "simulated models"
for name, figure, table in (
    ("shift", figures.plot_shift(shifts, groups=groups, source=source), shifts),
    ("preferences", figures.plot_preference_heatmaps(rates, source=source), rates),
    ("steering", figures.plot_steering(steered, averages=averages, published=True, source=source), steered),
    ("agreement", figures.plot_agreement(point, source=source), point),
    ("effects", figures.plot_effects(effects, source=source), effects),
):
    figures.save_figure(figure, sys.argv[1], name, table=table)
"""


def test_the_same_choices_give_the_same_files_in_another_process(tmp_path, start_python):
    started = []
    for name, seed in (("one", "1"), ("two", "2")):
        started.append(start_python(["-c", SCRIPT, tmp_path / name], hashes=seed))
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    names = ("agreement", "effects", "preferences", "shift", "steering")
    assert files == [f"{name}.{ending}" for name in names for ending in ("csv", "pdf", "png", "txt")]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
