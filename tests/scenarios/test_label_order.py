"""Label order is drawn evenly and depends on nothing but seed, purpose and identity."""

from conflictscope.scenarios import action_shown_first


def test_each_action_comes_first_for_half_of_all_scenarios():
    first = [action_shown_first(0, "judge", f"s{i}", "m", "default", 0) for i in range(4000)]
    assert set(first) == {1, 2}
    # 4 standard deviations of a fair coin
    assert abs(first.count(1) - 2000) < 4 * 1000**0.5


def test_seed_and_purpose_draw_anew_and_the_same_draw_comes_back():
    ids = [f"s{i}" for i in range(200)]
    draws = {
        key: [action_shown_first(*key, i) for i in ids] for key in ((0, "judge"), (1, "judge"), (0, "value_guided"))
    }
    assert len({tuple(draw) for draw in draws.values()}) == 3
    assert draws[0, "judge"] == [action_shown_first(0, "judge", i) for i in ids]


def test_identities_are_kept_apart():
    assert any(action_shown_first(0, "p", f"a{i}", "b") != action_shown_first(0, "p", f"a{i}b") for i in range(50))
