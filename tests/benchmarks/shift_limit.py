"""How often a planted shift can be found at all, beside how often `measure.compare_conditions` finds it in the grid.

Run by hand: ``python tests/benchmarks/shift_limit.py`` (15 s). Set beside it is a test that knows the covariance of the
estimates, here from 400 studies of the same truth, and that one value at most has moved. Where the scale is free, a
study is as far from "nothing shifts" as its strengths are from the nearest ones of which the second condition's are a
multiple of the first's. That distance, in standard errors, is the mean of a normal statistic: it has to pass the bar of
one value that was named beforehand, or of eight any of which may have moved (Bonferroni).
"""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from conflictscope.calibration import grid, read_grid
from conflictscope.measure.strengths import fit_strengths, grade_choices

STUDIES, SEED = 400, 77
CONDITIONS = ["multiple_choice", "open_ended"]


def distance(size: grid.Size, truth, nuisance) -> float:
    """Return how many standard errors a study of this truth is from the nearest one in which nothing shifts."""
    estimates = []
    for _, choices in grid.tables_of(truth, nuisance, size, STUDIES, SEED):
        graded = grade_choices(choices, truth.values)
        groups = graded.groups.assign(row=range(len(graded.groups)))
        rows = groups.pivot_table(index="target", columns="condition", values="row", aggfunc="first")[CONDITIONS]
        strengths = fit_strengths(graded.sums()).strengths
        estimates.append(np.hstack([strengths[rows[name]] for name in CONDITIONS]))
    x = np.vstack(estimates)
    x = x[~np.isnan(x).any(axis=1)]
    true = np.array([grid._read_strengths(truth, nuisance, name) for name in CONDITIONS])
    true = (true - true.mean(axis=1, keepdims=True))[:, :-1].ravel()
    n = size.values
    # strengths add up to 0, so that the last of each condition says nothing more
    kept = np.delete(np.arange(2 * n), [n - 1, 2 * n - 1])
    weight = np.linalg.inv(np.cov(x[:, kept], rowvar=False))

    def off(point: np.ndarray) -> float:
        strengths = np.append(point[:-1], -point[:-1].sum())[: n - 1]
        rest = np.concatenate([strengths, point[-1] * strengths]) - true
        return float(rest @ weight @ rest)

    starts = (np.append(true[: n - 1], scale) for scale in (0.7, 1.0, 1.4))
    return float(np.sqrt(min(minimize(off, start, method="BFGS").fun for start in starts)))


def main() -> None:
    size, table = grid.PAPER, read_grid()
    places = dict(zip(("first", "middle", "last"), (size.names[0], size.names[3], size.names[-1]), strict=True))
    for name in ("none", "position bias 1", "order noise, bias and judge error"):
        for place, value in places.items():
            z = distance(size, size.truth(shift={value: 0.8}), grid.NUISANCES[name])
            known, eight = norm.sf(norm.isf(0.025) - z), norm.sf(norm.isf(0.025 / size.values) - z)
            cell = table[
                table["size"].eq(size.name)
                & table["truth"].eq(f"{place} value shifts by .8")
                & table["nuisance"].eq(name)
            ].set_index("what")["found"]
            print(
                f"{place:6} value, {name}: {z:.2f} standard errors; of a test that knows more: {known:.2f} if named "
                f"beforehand, {eight:.2f} if any of {size.values}; in the grid: "
                f"named {cell['the shifted value named']:.2f}, some shift {cell['some shift found']:.2f}"
            )


if __name__ == "__main__":
    main()
