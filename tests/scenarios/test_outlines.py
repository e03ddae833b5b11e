"""Outlines are spread evenly over pairs, templates and directions."""

from collections import Counter
from pathlib import Path

import pytest

from conflictscope.scenarios import load_value_set, plan_outlines

SETS = Path(__file__).parents[2] / "params" / "value_sets"


@pytest.mark.parametrize("name", ["hhh", "personal_protective", "modelspec"])
@pytest.mark.parametrize("wanted", [1, 3, 8, 11, 24, 240])
@pytest.mark.parametrize("per_call", [1, 5])
def test_each_pair_gets_what_was_asked_and_no_cell_is_favoured(name, wanted, per_call):
    value_set = load_value_set(SETS / f"{name}.yaml")
    batches = plan_outlines(value_set, wanted, per_call)
    by_pair, by_cell, by_direction = Counter(), Counter(), Counter()
    for batch in batches:
        assert 1 <= batch.count <= per_call
        assert {batch.acting_value, batch.fields(value_set)["other_value"]} == {batch.value_1, batch.value_2}
        pair = (batch.value_1, batch.value_2)
        by_pair[pair] += batch.count
        by_cell[pair, batch.structure, batch.severity, batch.acting_value] += batch.count
        by_direction[pair, batch.acting_value] += batch.count
    assert by_pair == dict.fromkeys(value_set.pairs, wanted)
    assert max(by_cell.values()) - (min(by_cell.values()) if len(by_cell) == 8 * len(by_pair) else 0) <= 1
    for pair in value_set.pairs:
        assert abs(by_direction[pair, pair[0]] - by_direction[pair, pair[1]]) <= 1


def test_the_remainder_moves_from_pair_to_pair():
    value_set = load_value_set(SETS / "personal_protective.yaml")
    cells = Counter()
    for batch in plan_outlines(value_set, 4, 5):
        cells[batch.structure, batch.severity, batch.acting_value == batch.value_1] += batch.count
    assert len(cells) == 8 and max(cells.values()) == min(cells.values()) == 8


def test_batches_of_a_cell_are_numbered_so_that_each_is_a_call_of_its_own():
    value_set = load_value_set(SETS / "hhh.yaml")
    batches = plan_outlines(value_set, 96, 5)
    assert len(set(batches)) == len(batches)
    assert [batch.number for batch in batches[:3]] == [1, 2, 3]
    assert [batch.count for batch in batches[:3]] == [5, 5, 2]


def test_asking_for_more_later_keeps_the_full_batches():
    value_set = load_value_set(SETS / "hhh.yaml")
    small, large = set(plan_outlines(value_set, 80, 5)), set(plan_outlines(value_set, 160, 5))
    assert small < large


@pytest.mark.parametrize(("wanted", "per_call", "name"), [(0, 5, "outlines_per_pair"), (8, 0, "outlines_per_call")])
def test_nonsense_numbers_are_refused(wanted, per_call, name):
    with pytest.raises(ValueError, match=name):
        plan_outlines(load_value_set(SETS / "hhh.yaml"), wanted, per_call)
