"""Calibrate the one model by simulation: are the ranks of truths among posterior draws even?

`python tests/benchmarks/posterior_calibration.py [STUDIES] [TARGETS] [SCENARIOS] [LABELS] [SEED]`: studies of three
values are drawn from the priors and fitted. For each quantity: ranks, their mean (even: .5), the share inside the
central 50 and 90 % of draws, and the p-value of evenness (χ² over ten bins, of the first place of each study, as
places of one study are not independent). Needs the extra ``posterior``.
"""

import sys
import time

import numpy as np
from scipy.stats import chisquare

from conflictscope.calibration.prior_studies import KEPT, posterior_ranks


def main() -> None:
    """Draw, fit, rank and print."""
    numbers = (100, 3, 8, 20, 0)
    given = [int(word) for word in sys.argv[1:]]
    studies, targets, scenarios, labels, seed = (*given, *numbers[len(given) :])
    start, began = time.perf_counter(), time.process_time()
    ranks = posterior_ranks(studies, targets=targets, scenarios=scenarios, labels=labels, seed=seed)
    print(f"{studies} studies, {targets} targets, {scenarios} scenarios a pair, {labels} labels a value and pair:")
    print(f"  {time.perf_counter() - start:.0f} s, of one processor {time.process_time() - began:.0f} s")
    print("  quantity             ranks   mean  in 50 %  in 90 %      p")
    for quantity, rows in ranks.groupby("quantity", sort=False):
        place = (rows["rank"].to_numpy(float) + 0.5) / (KEPT + 1)
        one = place[~rows["study"].duplicated()]
        p = chisquare(np.histogram(one, bins=10, range=(0, 1))[0]).pvalue
        inside = [np.mean(np.abs(place - 0.5) < half) for half in (0.25, 0.45)]
        print(f"  {quantity:20} {len(place):5}   {place.mean():.2f}   {inside[0]:6.1%}   {inside[1]:6.1%}   {p:.3f}")


if __name__ == "__main__":
    main()
