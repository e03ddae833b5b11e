"""Two studies: differences of strengths; what scenarios share cancels if they are the same."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.measure import Settings, rank_values, strength_differences

VALUES = ["candour", "tact", "speed"]
SETTINGS = Settings(resamples=300)


def study(seed, *, target="m", lean=0.0, prefix="s", each=40):
    """Choices of one target over three pairs; `lean` is added to the log-odds of candour."""
    rng, strengths = np.random.default_rng(seed), {"candour": 1.0 + lean, "tact": 0.0, "speed": -0.5}
    rows = []
    for a, b in (("candour", "tact"), ("candour", "speed"), ("tact", "speed")):
        for i in range(each):
            first = rng.random() < 1 / (1 + np.exp(strengths[b] - strengths[a]))
            winner, loser = (a, b) if first else (b, a)
            rows.append((f"{prefix}-{a}-{b}-{i}", a, b, winner, loser))
    frame = pd.DataFrame(rows, columns=["scenario_id", "value_1", "value_2", "winner", "loser"])
    return frame.assign(target=target, condition="open_ended", arm="default", judge="j", outcome="choice")


def test_the_difference_is_that_of_the_strengths_and_its_interval_finds_a_shift():
    a, b = study(1), study(2, lean=1.5, prefix="t")
    table = strength_differences(a, b, VALUES, SETTINGS).set_index("value")
    for column, choices in (("strength_a", a), ("strength_b", b)):
        alone = rank_values(choices, VALUES, SETTINGS).set_index("value")["strength"]
        assert table[column].to_dict() == pytest.approx(alone.to_dict())
    assert (table["difference"] - (table["strength_b"] - table["strength_a"])).abs().max() < 1e-9
    assert not table["paired"].any() and table["problem"].isna().all()
    assert table.at["candour", "difference_low"] > 0
    assert (table["difference_low"] <= table["difference"]).all()


def test_what_the_same_scenarios_share_cancels():
    a = study(1)
    same = strength_differences(a, a, VALUES, SETTINGS)
    assert same["paired"].all() and same["difference"].eq(0).all()
    # the same numbers, of scenarios that are said to be others
    apart = strength_differences(a, study(1, prefix="t"), VALUES, SETTINGS)
    assert not apart["paired"].any() and apart["difference"].eq(0).all()
    assert (same["difference_high"] < 0.6 * apart["difference_high"]).all()


def test_intervals_of_independent_studies_cover_as_often_as_they_say():
    covered = []
    for seed in range(60):
        table = strength_differences(study(seed), study(1000 + seed, prefix="t"), VALUES, Settings(resamples=200))
        covered += (table["difference_low"].le(0) & table["difference_high"].ge(0)).tolist()
    assert 0.9 <= np.mean(covered) <= 1


def test_what_cannot_be_compared_is_said():
    a = study(1)
    with pytest.raises(ValueError, match="no target, condition and arm are in both"):
        strength_differences(a, study(2, target="n"), VALUES, SETTINGS)
    unlinked = a[a["value_2"].ne("speed")]
    table = strength_differences(a, unlinked, VALUES, SETTINGS)
    assert set(table["problem"]) == {"study b: choices do not link all values, or took the place in the list"}
    assert table[["strength_a", "difference", "difference_low"]].isna().all().all()
