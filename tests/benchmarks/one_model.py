"""Time one model of 14 targets, 1,100 scenarios and 2 conditions, four chains on two cores.

`python tests/benchmarks/one_model.py [SCENARIOS] [TARGETS]`: studies of known truth, both orders in multiple choice,
position bias, scale and judge error on, 60 labels a pair. Seconds, the poorest diagnostics and how many of the 95 %
intervals hold the truth are printed. Needs the extra ``posterior``.
"""

import os
import sys
import time

import numpy as np

from conflictscope.calibration.generator import Nuisance, Truth, choices_table, draw_studies
from conflictscope.measure.judge_errors import JudgeErrors
from conflictscope.measure.posterior import fit_posterior

VALUES = ["helpfulness", "harmlessness", "honesty"]
ERROR, LABELS = 0.1, 60


def main() -> None:
    """Fit once and print."""
    scenarios, targets = (int(word) for word in (sys.argv[1:] + ["1100", "14"][len(sys.argv) - 1 :])[:2])
    pairs = [("helpfulness", "harmlessness"), ("helpfulness", "honesty"), ("harmlessness", "honesty")]
    truth = Truth(dict(zip(VALUES, (0.6, 0.0, -0.6), strict=True)), pairs, scenario_sd=1.0, target_sd=0.5)
    nuisance = Nuisance(position_bias=0.7, scale=1.4, judge_error=ERROR)
    drawn = draw_studies(truth, nuisance, scenarios=scenarios // 3, studies=1, seed=0, targets=targets)
    read = np.random.default_rng(1).binomial(LABELS // 2, 1 - ERROR, (3, 3, 2))
    counts = np.stack([read, LABELS // 2 - read], axis=-1).astype(float)
    counts[..., 1, :] = counts[..., 1, ::-1]
    counts[np.tril_indices(3)] = 0
    choices = choices_table(drawn)
    print(f"{targets} targets, {scenarios} scenarios, {len(choices)} choices, {os.cpu_count()} cores")
    start = time.perf_counter()
    posterior = fit_posterior(choices, VALUES, errors=JudgeErrors(counts))
    print(f"fit_posterior: {time.perf_counter() - start:.0f} s (goal: below 300)")
    for name in ("strengths", "effects"):
        table = getattr(posterior, name)
        print(f"  {name}: largest r-hat {table['r_hat'].max():.3f}, fewest effective draws {table['ess'].min():.0f}")
    print(posterior.effects[posterior.effects["target"].isna()].round(2).to_string(index=False))


if __name__ == "__main__":
    main()
