"""Prompts that a server cut are known by what it counted, and by nothing less."""

import pytest

from conflictscope.models.patience import PromptCounts

WINDOW = 2048


def count(prompts):
    """Return what each of some prompts, (characters, tokens counted), shows."""
    counts = PromptCounts()
    return [counts.find_cut(str(n), characters, counted) for n, (characters, counted) in enumerate(prompts)]


@pytest.mark.parametrize(
    "prompts",
    [
        # English, French, Chinese, a prompt of code, counted whole
        [(18_556, 4_639), (18_556, 4_100), (3_000, 2_900), (9_000, 2_000)],
        # nothing was counted, or too little to be a window: a server that counts what it had not cached
        [(18_556, None), (18_556, 0), (18_556, 26), (18_556, 255)],
        # equal counts of prompts that are about equally long, or below one that is higher
        [(4_000 + n, 1_000) for n in range(50)],
        [(9_000, 2_000), *((4_000 + 200 * n, 1_000) for n in range(9))],
        # as long as the window, but not many
        [(8_000 + 500 * n, WINDOW) for n in range(4)],
    ],
)
def test_whole_prompts_are_not_taken_for_cut_ones(prompts):
    assert not any(count(prompts))


def test_one_clear_case_is_enough():
    assert count([(8_000, 2_000), (18_556, WINDOW)]) == [[], ["1"]]


def test_five_prompts_of_all_lengths_with_one_count_are_at_the_window():
    prompts = [(6_000, 1_500), *((8_400 + 400 * n, WINDOW) for n in range(5))]
    assert count(prompts) == [[], [], [], [], [], ["5", "1", "2", "3", "4"]]


def test_after_the_window_was_made_larger_counting_begins_anew():
    counts = PromptCounts()
    assert counts.find_cut("a", 18_556, WINDOW) == ["a"]
    assert counts.find_cut("b", 18_556, 4_639) == []
