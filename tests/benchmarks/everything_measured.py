"""Time every table that is made of choices, on one core.

`python tests/benchmarks/everything_measured.py`: 14 models × 3 conditions (multiple choice in both orders, open-ended,
steered multiple choice) × 1,100 scenarios, 1,000 resamples, for three sets: 3 values in 3 pairs, 8 in 16, 6 in 15; then
10 models × 100,000 scenarios, 8 values. The seconds of each table and the peak memory are printed.
"""

import itertools
import resource
import sys
import time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from conflictscope.measure import (
    acting_effect,
    check_support,
    compare_conditions,
    diagnose,
    effects_by,
    group_strengths,
    net_value_effects,
    observed_agreement,
    position_effect,
    preference_rates,
    rank_values,
    steering_effects,
    value_orders,
)

CROSSED = list(itertools.product("abcd", "efgh"))
SETS = {
    "3 values": list(itertools.combinations("abc", 2)),
    "8 values": CROSSED,
    "6 values": list(itertools.combinations("abcdef", 2)),
}


def simulated_choices(models: int, scenarios: int, steered: bool, of_set: list[tuple[str, str]]) -> pd.DataFrame:
    """Return choices from planted strengths that differ by model and condition."""
    rng = np.random.default_rng(0)
    values = np.array(sorted({value for pair in of_set for value in pair}))
    places = np.array([[values.tolist().index(value) for value in pair] for pair in of_set])
    pairs = places[np.arange(scenarios) % len(of_set)]
    base = pd.DataFrame({"scenario_id": [f"scenario {n:06d}" for n in range(scenarios)]})
    base["value_1"], base["value_2"] = values[pairs].T
    base["structure"] = np.array(["side_effect", "means"])[np.arange(scenarios) // 16 % 2]
    base["severity"] = np.array(["mild", "strong"])[np.arange(scenarios) // 32 % 2]
    base["acting_value"] = base["value_1"].where(np.arange(scenarios) // 64 % 2 == 0, base["value_2"])
    conditions = [("multiple_choice", "default", 1), ("multiple_choice", "default", 2), ("open_ended", "default", 1)]
    if steered:
        conditions += [("multiple_choice", f"steered:{'>'.join(values)}", order) for order in (1, 2)]
    parts = []
    for model in range(models):
        for condition, prompt, order in conditions:
            strengths = rng.normal(0, 0.7, len(values))
            first = rng.random(scenarios) < 1 / (1 + np.exp(strengths[pairs[:, 1]] - strengths[pairs[:, 0]]))
            part = base.assign(target=f"model {model:02d}", condition=condition, arm=prompt, judge=None)
            part["outcome"] = np.where(rng.random(scenarios) < 0.05, "refusal", "choice")
            part["action_shown_first"], part["action"] = order, np.where(first, 1, 2)
            part["winner"] = part["value_1"].where(first, part["value_2"])
            part["loser"] = part["value_2"].where(first, part["value_1"])
            without = part["outcome"].ne("choice")
            part.loc[without, ["winner", "loser"]] = None
            part["action"] = part["action"].astype("Int64").where(~without)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def time_tables(choices: pd.DataFrame, of_set: list[tuple[str, str]]) -> float:
    """Make every table, print the seconds of each and return their sum."""
    values = sorted({value for pair in of_set for value in pair})
    groups = {value: "personal" if value in "abcd" else "protective" for value in values}
    tables = {
        "rank_values": lambda: rank_values(choices, values),
        "compare_conditions": lambda: compare_conditions(choices, values),
        "value_orders": lambda: value_orders(choices, values),
        "check_support": lambda: check_support(choices, values),
        "diagnose": lambda: diagnose(choices, values),
        "preference_rates": lambda: preference_rates(choices),
        "position_effect": lambda: position_effect(choices),
        "acting_effect": lambda: acting_effect(choices),
        "effects_by": lambda: effects_by(choices, "severity"),
        "net_value_effects": lambda: net_value_effects(choices, values),
        "observed_agreement": lambda: observed_agreement(choices),
    }
    if of_set is CROSSED:
        tables["group_strengths"] = lambda: group_strengths(choices, values, groups)
    if choices["arm"].nunique() > 1:
        tables["steering_effects"] = lambda: steering_effects(choices, {">".join(values): values})
    seconds = {}
    for name, make in tables.items():
        start = time.perf_counter()
        make()
        seconds[name] = time.perf_counter() - start
    print("   ", ", ".join(f"{name} {spent:.2f}" for name, spent in seconds.items()))
    return sum(seconds.values())


def main() -> None:
    """Time every table on both studies."""
    total = 0.0
    for name, of_set in SETS.items():
        print(f"14 models × 1,100 scenarios, {name} in {len(of_set)} pairs, 3 conditions, 1,000 resamples (seconds)")
        total += time_tables(simulated_choices(14, 1100, True, of_set), of_set)
    print(f"  all tables of the three sets: {total:.1f} s (goal 20)")
    choices = simulated_choices(10, 100_000, False, CROSSED)
    print(f"10 models × 100,000 scenarios, 8 values, {len(choices):,} choices (seconds)")
    print(f"  all tables: {time_tables(choices, CROSSED):.1f} s (goal 60)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
    print(f"  peak memory {peak:.2f} GiB (goal 2)")


if __name__ == "__main__":
    with threadpool_limits(1):  # one core
        main()
