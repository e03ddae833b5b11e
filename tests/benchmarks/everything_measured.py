"""Time the tables of shift, diagnostics, bounds and effects, on one core.

`python tests/benchmarks/everything_measured.py`: 14 models × 3 conditions (multiple choice in both orders, open-ended,
steered multiple choice) × 1,100 scenarios, 8 values in 16 pairs, 1,000 resamples; then 10 models × 100,000 scenarios,
8 values. The seconds of each table and the peak memory are printed.
"""

import resource
import sys
import time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from conflictscope.measure import (
    acting_effect,
    diagnose,
    effects_by,
    group_ranks,
    net_value_effects,
    outcome_bounds,
    ranking_agreement,
    value_shifts,
)

VALUES = list("abcdefgh")
GROUPS = {value: "personal" if value in "abcd" else "protective" for value in VALUES}


def simulated_choices(models: int, scenarios: int, steered: bool) -> pd.DataFrame:
    """Return choices from planted strengths that differ by model and condition."""
    rng = np.random.default_rng(0)
    pairs = np.array([(i, j) for i in range(4) for j in range(4, 8)])[np.arange(scenarios) % 16]
    base = pd.DataFrame({"scenario_id": [f"scenario {n:06d}" for n in range(scenarios)]})
    base["value_1"], base["value_2"] = np.array(VALUES)[pairs].T
    base["structure"] = np.array(["side_effect", "means"])[np.arange(scenarios) // 16 % 2]
    base["severity"] = np.array(["mild", "strong"])[np.arange(scenarios) // 32 % 2]
    base["acting_value"] = base["value_1"].where(np.arange(scenarios) // 64 % 2 == 0, base["value_2"])
    conditions = [("multiple_choice", "default", 1), ("multiple_choice", "default", 2), ("open_ended", "default", 1)]
    if steered:
        conditions += [("multiple_choice", "steered:x", 1), ("multiple_choice", "steered:x", 2)]
    parts = []
    for model in range(models):
        for condition, prompt, order in conditions:
            strengths = rng.normal(0, 0.7, len(VALUES))
            first = rng.random(scenarios) < 1 / (1 + np.exp(strengths[pairs[:, 1]] - strengths[pairs[:, 0]]))
            part = base.assign(target=f"model {model:02d}", condition=condition, system_prompt=prompt, judge=None)
            part["outcome"] = np.where(rng.random(scenarios) < 0.05, "refusal", "choice")
            part["first_action"], part["action"] = order, np.where(first, 1, 2)
            part["winner"] = part["value_1"].where(first, part["value_2"])
            part["loser"] = part["value_2"].where(first, part["value_1"])
            without = part["outcome"].ne("choice")
            part.loc[without, ["winner", "loser"]] = None
            part["action"] = part["action"].astype("Int64").where(~without)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Time every table on both studies."""
    for models, scenarios, steered in ((14, 1100, True), (10, 100_000, False)):
        choices = simulated_choices(models, scenarios, steered)
        print(f"{models} models × {scenarios:,} scenarios, {len(choices):,} choices")
        total = 0.0
        for name, measure in {
            "value_shifts": lambda c: value_shifts(c, VALUES),
            "ranking_agreement": lambda c: ranking_agreement(c, VALUES),
            "group_ranks": lambda c: group_ranks(c, VALUES, GROUPS),
            "diagnose": lambda c: diagnose(c, VALUES),
            "outcome_bounds": lambda c: outcome_bounds(c, VALUES),
            "acting_effect": acting_effect,
            "effects_by": lambda c: effects_by(c, "severity"),
            "net_value_effects": lambda c: net_value_effects(c, VALUES),
        }.items():
            start = time.perf_counter()
            measure(choices)
            seconds = time.perf_counter() - start
            total += seconds
            print(f"  {name:18s} {seconds:6.2f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
        print(f"  {'all':18s} {total:6.2f} s, peak memory so far {peak:.2f} GiB")


if __name__ == "__main__":
    with threadpool_limits(1):  # one core
        main()
