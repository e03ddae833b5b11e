"""Self-preference: what was put in is found, and nothing where nothing was."""

import numpy as np
import pandas as pd
import pytest

from conflictscope.calibration import plant_self_preference
from conflictscope.measure import (
    Settings,
    rates_by_family,
    self_preference_of_authors,
    self_preference_of_judges,
)

FAMILIES = {"north-1": "north", "north-2": "north", "south-1": "south", "south-2": "south", "south-3": "south"}
JUDGES, TARGETS = ["north-1", "south-1", "south-3"], ["north-1", "north-2", "south-1", "south-2"]


@pytest.fixture
def scenarios():
    return pd.DataFrame(
        {
            "scenario_id": [f"s{n:04d}" for n in range(400)],
            "value_1": ["candour", "tact"] * 200,
            "value_2": ["tact", "order"] * 200,
            "acting_value": ["candour", "order"] * 200,
            "author": ["north-1", "north-1", "south-1", "south-1"] * 100,
        }
    )


def judged(scenarios, seed, **more_slips):
    """Return verdicts of three judges on what the targets did: acting in half of the scenarios, some refusals."""
    rng = np.random.default_rng(seed)
    acting = 2 - scenarios["acting_value"].eq(scenarios["value_1"]).to_numpy(int)
    table = pd.MultiIndex.from_product(
        [TARGETS, JUDGES, scenarios["scenario_id"]], names=["target", "judge", "scenario_id"]
    )
    table = table.to_frame(index=False)
    # targets × judges × scenarios; the judges read the same conversation
    size = (len(TARGETS), 1, len(scenarios))
    did = np.where(rng.random(size) < 0.5, acting, 3 - acting)
    slips = np.array([more_slips.get(judge.replace("-", "_"), 0.1) for judge in JUDGES])[:, None]
    read = np.where(rng.random((len(TARGETS), len(JUDGES), len(scenarios))) < slips, 3 - did, did)
    refused = np.broadcast_to(rng.random(size) < 0.1, read.shape).ravel()
    table["outcome"] = np.where(refused, "refusal", "choice")
    table["action"] = pd.Series(read.ravel(), dtype="Int64").mask(refused)
    table["leaning"] = table["action"].map({1: 1, 2: 7}).fillna(4).astype("Int64")
    return table.assign(arm="default", repetition=0, action_shown_first=1)


def by_measure(table, family):
    return table[table["family"].eq(family)].set_index("measure")


def test_a_planted_self_preference_is_found_at_its_size_and_in_its_family(scenarios):
    planted = plant_self_preference(judged(scenarios, 1), scenarios, FAMILIES, "north", share=0.4, seed=100)
    found = self_preference_of_judges(planted, scenarios, FAMILIES, Settings(resamples=400))
    north = by_measure(found, "north")
    # of 0.9 choices half act, then 0.4 of the other half too; of 0.1 refusals 0.4 become acting
    assert north.loc["acting", "self_preference"] == pytest.approx(0.67 / 0.94 - 0.5, abs=0.03)
    assert north.loc["choice", "self_preference"] == pytest.approx(0.04, abs=0.015)
    assert north.loc["refusal", "self_preference"] == pytest.approx(-0.04, abs=0.015)
    assert (north.loc[["acting", "choice", "leaning"], "low"] > 0).all() and north.loc["refusal", "high"] < 0
    assert north.loc["acting", "on_others"] == pytest.approx(0, abs=0.03)
    # the other family, seen from the other side, has the same difference of differences
    south = by_measure(found, "south")
    assert south.loc["acting", "on_own"] == pytest.approx(0, abs=0.03)
    assert south.loc["acting", "on_others"] == pytest.approx(0.5 - 0.67 / 0.94, abs=0.03)
    assert south.loc["acting", "self_preference"] == pytest.approx(north.loc["acting", "self_preference"])
    # where acting serves candour or order, they win more often
    assert north.loc["won: candour", "low"] > 0 > north.loc["won: tact", "high"]


def test_none_is_found_where_none_was_planted(scenarios):
    """Intervals of 95 % leave out 0 in about one study of twenty, and no judge's slips count as favour."""
    misses = []
    for seed in range(60):
        # a family that slips more on everybody favours nobody
        verdicts = judged(scenarios, seed, north_1=0.25)
        north = by_measure(self_preference_of_judges(verdicts, scenarios, FAMILIES, Settings(resamples=200)), "north")
        row = north.loc["acting"]
        misses.append(not row["low"] <= 0 <= row["high"])
    assert sum(misses) <= 9  # 3 expected; 10 or more has a chance of 0.1 %


def test_authors_and_their_own_targets(scenarios):
    verdicts = judged(scenarios, 3)
    one = verdicts[verdicts["judge"].eq("south-3")]
    calm = by_measure(self_preference_of_authors(one, scenarios, FAMILIES, Settings(resamples=300)), "north").loc[
        "acting"
    ]
    assert calm["low"] <= 0 <= calm["high"]
    # north's targets act throughout in what north wrote
    north = one["target"].map(FAMILIES).eq("north")
    own = one["scenario_id"].isin(scenarios.loc[scenarios["author"].eq("north-1"), "scenario_id"])
    sides = one[["scenario_id"]].merge(scenarios, on="scenario_id").set_axis(one.index)
    acting = pd.Series(np.where(sides["acting_value"].eq(sides["value_1"]), 1, 2), index=one.index)
    moved = one.assign(action=one["action"].mask(north & own & one["outcome"].eq("choice"), acting))
    found = by_measure(self_preference_of_authors(moved, scenarios, FAMILIES, Settings(resamples=300)), "north").loc[
        "acting"
    ]
    assert found["self_preference"] == pytest.approx(0.5, abs=0.08) and found["low"] > 0


def test_with_one_author_or_one_family_of_judges_there_is_nothing_to_compare(scenarios):
    verdicts = judged(scenarios, 3)
    alone = self_preference_of_authors(verdicts, scenarios.assign(author="north-1"), FAMILIES, Settings(resamples=10))
    assert alone["self_preference"].isna().all()
    assert set(alone[alone["family"].eq("north")]["problem"]) == {
        "nothing to compare: no case with target of north and author of another family"
    }
    south = verdicts[verdicts["judge"].ne("north-1")]
    alone = self_preference_of_judges(south, scenarios, FAMILIES, Settings(resamples=10))
    assert set(alone["problem"]) == {"nothing to compare: no case with judge of another family and target of south"}


def test_rates_by_family_are_those_of_a_plain_count(scenarios):
    verdicts = judged(scenarios, 4)
    verdicts = verdicts[verdicts["judge"].ne("south-3")].reset_index(drop=True)
    lost = verdicts.index[6]
    verdicts.loc[lost, ["outcome", "action", "leaning"]] = ["invalid", pd.NA, pd.NA]
    rates = rates_by_family(verdicts, scenarios, FAMILIES | {"south-2": None}, Settings(resamples=200))
    # what one judge could not read counts for no judge
    key = ["scenario_id", "target"]
    kept = verdicts[verdicts[key].ne(verdicts.loc[lost, key]).any(axis=1)]
    part = kept[kept["judge"].eq("south-1") & kept["target"].isin(("north-1", "north-2"))]
    part = part.merge(scenarios, on="scenario_id")
    part = part[part["author"].eq("south-1")]
    row = rates.set_index(["author_family", "target_family", "judge_family", "measure"])
    assert row.loc[("south", "north", "south", "refusal"), "rate"] == part["outcome"].eq("refusal").mean()
    chose = part[part["outcome"].eq("choice")]
    winner = np.where(chose["action"].eq(1), chose["value_1"], chose["value_2"])
    found = row.loc[("south", "north", "south", "acting")]
    assert found["rate"] == pytest.approx((winner == chose["acting_value"]).mean())
    assert found["readings"] == len(chose) and found["rate_low"] < found["rate"] < found["rate_high"]
    about = chose[["value_1", "value_2"]].eq("order").any(axis=1)
    assert row.loc[("south", "north", "south", "won: order"), "rate"] == pytest.approx(
        (winner == "order")[about].mean()
    )
    assert "not told" in row.index.get_level_values("target_family")
    assert row.loc[("south", "north", "south", "leaning"), "rate"] == pytest.approx(
        np.where(
            part["acting_value"].eq(part["value_2"]),
            part["leaning"].astype(float) - 1,
            7 - part["leaning"].astype(float),
        ).mean()
        / 6
    )


def test_planting_says_what_does_not_fit(scenarios):
    verdicts = judged(scenarios, 4)
    same = plant_self_preference(verdicts, scenarios, FAMILIES, "north", share=0, seed=0)
    assert same["action"].equals(verdicts["action"])
    with pytest.raises(ValueError, match="'west' has no judge"):
        plant_self_preference(verdicts, scenarios, FAMILIES, "west", share=0.1, seed=0)
    with pytest.raises(ValueError, match="share: found 2"):
        plant_self_preference(verdicts, scenarios, FAMILIES, "north", share=2, seed=0)
