"""Time a study of 300 values in 1,000 pairs with 10 targets, on one core.

`python tests/benchmarks/many_values.py [VALUES]`: its value set is loaded, the study planned and its status told; every
table of notebook 05 is made of choices of known respondents, 5 scenarios a pair in both conditions. Processor seconds
of each, and the peak memory so far, are printed.
"""

import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from conflictscope import measure
from conflictscope.calibration import simulate_choices
from conflictscope.models.registry import load_registry
from conflictscope.scenarios import Value, load_value_set, value_set_text
from conflictscope.simulated import Respondent
from conflictscope.study.parameters import load_parameters
from conflictscope.study.plan import plan_study
from conflictscope.study.provenance import describe_status

ROOT = Path(__file__).parents[2]
TARGETS, SCENARIOS, PAIRS = 10, 5, 1000


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long something took, and how much memory the process has had at most."""
    start = time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
    print(f"  {what:32} {time.process_time() - start:7.2f} s   {peak:5.2f} GiB", flush=True)


def write_study(folder: Path, values: int) -> Path:
    """Write a project of so many values with definitions of 300 characters, and return its parameter file."""
    rng = np.random.default_rng(0)
    words = np.array(["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6)) for _ in range(4000)])
    entries = [Value(f"value {n:03d}", " ".join(rng.choice(words, 43))) for n in range(values)]
    for name in ("notebooks", "params"):
        (folder / name).symlink_to(ROOT / name)
    file = folder / "many.yaml"
    file.write_text(value_set_text("many", entries, each=min(values - 1, -(-2 * PAIRS // values))), encoding="utf-8")
    parameters = folder / "study.yaml"
    parameters.write_text("value_set: many.yaml\noutlines_per_pair: 8\n", encoding="utf-8")
    return parameters


def measure_everything(values: list[str], choices: pd.DataFrame) -> float:
    """Make every table, print the seconds of each and return their sum."""
    start = time.process_time()
    tables = {
        "rank_values": lambda: measure.rank_values(choices, values),
        "compare_conditions": lambda: measure.compare_conditions(choices, values),
        "value_orders": lambda: measure.value_orders(choices, values),
        "check_support": lambda: measure.check_support(choices, values),
        "diagnose": lambda: measure.diagnose(choices, values),
        "preference_rates": lambda: measure.preference_rates(choices),
        "position_effect": lambda: measure.position_effect(choices),
        "observed_agreement": lambda: measure.observed_agreement(choices),
        "net_value_effects": lambda: measure.net_value_effects(choices, values),
    }
    for name, make in tables.items():
        with timed(name):
            make()
    return time.process_time() - start


def main() -> None:
    """Time it all."""
    values = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        file = write_study(Path(folder), values)
        with timed("load_value_set"):
            value_set = load_value_set(file.with_name("many.yaml"))
        with timed("load_parameters"):
            parameters = load_parameters(file)
        with timed("plan_study"):
            plan_study(parameters, load_registry(parameters.path("models_file")), {})
        with timed("describe_status"):
            describe_status(parameters)
    names, rng = value_set.names, np.random.default_rng(0)
    print(f"{values} values, {len(value_set.pairs)} pairs, {TARGETS} targets, {SCENARIOS} scenarios a pair")
    respondents = {
        f"model {n}": Respondent(f"model {n}", utilities=dict(zip(names, rng.normal(0, 1, values), strict=True)))
        for n in range(TARGETS)
    }
    choices = simulate_choices(respondents, value_set.pairs, scenarios_per_pair=SCENARIOS, seed=0)
    print(f"  all tables: {measure_everything(names, choices):.1f} s (goal 120, 2 GiB)")


if __name__ == "__main__":
    with threadpool_limits(1):  # one core
        main()
