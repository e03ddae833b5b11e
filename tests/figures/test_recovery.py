"""Recovery figures: what is drawn is what the tables say."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.figures.recovery import draw_coverage, draw_recovery, plot_coverage, plot_recovery

RECOVERY = pd.DataFrame(
    {
        "noise": [0.5, 0.5, 1.0, 1.0],
        "scenarios_per_pair": [10, 40, 10, 40],
        "tau": [0.8, 1.0, 0.4, 0.7],
        "tau_low": [0.6, 1.0, -0.3, 0.4],
        "tau_high": [1.0, 1.0, 0.8, 1.0],
        "studies": 100,
    }
)
COVERAGE = pd.DataFrame(
    {
        "quantity": ["strength", "strength", "rank", "rank"],
        "what": ["a", "all values", "all values", "all values"],
        "scenarios_per_pair": [10, 10, 10, 40],
        "coverage": [0.5, 0.93, 0.99, 1.0],
        "coverage_error": [0.1, 0.01, 0.01, 0.0],
        "studies": 500,
    }
)


def heights(axes):
    """Return label → the heights of each line."""
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes.lines}


def test_recovery_has_a_line_a_noise(ax):
    lines = heights(draw_recovery(RECOVERY, ax))
    assert lines == {"noise 0.5": [0.8, 1.0], "noise 1": [0.4, 0.7]}
    assert ax.get_ylim()[0] < -0.3


def test_coverage_draws_only_what_is_over_all_values(ax):
    lines = heights(draw_coverage(COVERAGE, ax, level=0.9))
    assert lines["strength"] == [0.93] and lines["rank"] == [0.99, 1.0]
    assert [0.9, 0.9] in lines.values()


def test_source_is_in_the_title_and_too_many_lines_are_refused(ax):
    for figure in (plot_recovery(RECOVERY, source="simulated"), plot_coverage(COVERAGE, source="simulated")):
        assert "simulated" in figure.get_suptitle()
    many = pd.concat([RECOVERY.assign(noise=RECOVERY["noise"] + n) for n in range(0, 10, 2)])
    with pytest.raises(ValueError, match="at most 4"):
        draw_recovery(many, ax)
    with pytest.raises(ValueError, match="tau_low"):
        draw_recovery(RECOVERY.drop(columns="tau_low"), ax)
