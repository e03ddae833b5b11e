"""Time rankings with their intervals against the reference's bootstrap, in one run on one core.

`python tests/benchmarks/ranking_intervals.py`: 14 models × 2 conditions over 1,109 scenarios and 3
values. The reference's way (pandas `.sample`, `.iterrows`, `choix.ilsr_pairwise`, as the paper's code does) is timed on
a few resamples of one model and one condition and scaled up to 1,000; both times and their ratio are printed.
"""

import time

import choix
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from conflictscope.measure import rank_values

MODELS, SCENARIOS, RESAMPLES = 14, 1109, 1000
VALUES = ["helpfulness", "harmlessness", "honesty"]
TIMED_RESAMPLES = 10


def simulated_choices(rng: np.random.Generator) -> pd.DataFrame:
    """Return one choice for each scenario, model and condition, from planted strengths that differ by model."""
    pairs = np.array([(0, 1), (0, 2), (1, 2)])[np.arange(SCENARIOS) % 3]
    parts = []
    for model in range(MODELS):
        for condition in ("multiple_choice", "open_ended"):
            strengths = rng.normal(0, 0.7, len(VALUES))
            first_wins = rng.random(SCENARIOS) < 1 / (1 + np.exp(strengths[pairs[:, 1]] - strengths[pairs[:, 0]]))
            part = pd.DataFrame({"scenario_id": [f"scenario {n:05d}" for n in range(SCENARIOS)]})
            part["value_1"], part["value_2"] = np.array(VALUES)[pairs].T
            part["target"], part["condition"], part["arm"] = f"model {model:02d}", condition, "default"
            part["repetition"], part["judge"] = 0, "judge" if condition == "open_ended" else None
            part["outcome"], part["action_shown_first"], part["action"] = "choice", 1, np.where(first_wins, 1, 2)
            part["winner"] = part["value_1"].where(first_wins, part["value_2"])
            part["loser"] = part["value_2"].where(first_wins, part["value_1"])
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def reference_resamples(choices: pd.DataFrame, resamples: int) -> None:
    """Resample rows and fit as the reference does."""
    place = {value: n for n, value in enumerate(VALUES)}
    for n in range(resamples):
        sample = choices.sample(len(choices), replace=True, random_state=n)
        comparisons = [(place[row["winner"]], place[row["loser"]]) for _, row in sample.iterrows()]
        choix.ilsr_pairwise(len(VALUES), comparisons, alpha=0.01)


def main() -> None:
    """Time both and print the ratio."""
    choices = simulated_choices(np.random.default_rng(0))
    rank_values(choices.head(SCENARIOS), VALUES)  # warm: imports are no part of either
    times = []
    for _ in range(5):
        start = time.perf_counter()
        rank_values(choices, VALUES)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    reference_resamples(choices.head(SCENARIOS), TIMED_RESAMPLES)
    one = (time.perf_counter() - start) / TIMED_RESAMPLES * RESAMPLES
    print(f"rank_values, {MODELS} models × 2 conditions × {RESAMPLES} resamples: best of 5 {min(times):.2f} s")
    print(f"   (all five: {', '.join(f'{t:.2f}' for t in times)} s; target: below 1 s on one core)")
    print(f"reference's way, one model and condition, scaled from {TIMED_RESAMPLES} resamples: {one:.1f} s")
    print(f"   scaled to {MODELS} × 2: {one * MODELS * 2:.0f} s")
    print(f"ratio: {one * MODELS * 2 / min(times):.0f}")


if __name__ == "__main__":
    with threadpool_limits(1):  # one core for both
        main()
