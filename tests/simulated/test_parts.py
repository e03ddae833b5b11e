from statistics import fmean, pstdev

import pytest

from conflictscope.simulated.parts import likeness, logistic, normal, pick, uniform, words_of


def test_a_draw_depends_on_all_that_is_named_and_on_nothing_else():
    assert uniform("a", "b") == uniform("a", "b")
    assert len({uniform("a", "b"), uniform("ab"), uniform("b", "a"), uniform("a", "b", "")}) == 4


def test_a_draw_is_the_same_everywhere():
    assert uniform("model", "purpose", 3) == pytest.approx(0.13812022687520764, abs=0)


@pytest.mark.parametrize(("draw", "mean", "sd"), [(uniform, 0.5, 0.2887), (normal, 0, 1), (logistic, 0, 1.8138)])
def test_distributions(draw, mean, sd):
    drawn = [draw("test", n) for n in range(20_000)]
    assert fmean(drawn) == pytest.approx(mean, abs=0.04 * sd)
    assert pstdev(drawn) == pytest.approx(sd, rel=0.03)


def test_pick_reaches_every_item():
    assert {pick("abcde", n) for n in range(200)} == set("abcde")


def test_words_of_scripts_without_blanks_are_letters_two_by_two():
    assert words_of("說出真相") == {"說出", "出真", "真相"}
    assert words_of("सच बोलना") and not words_of("so it is")
    same, other = "ดูแลผู้คนด้วยความอ่อนโยน", "說出真相,即使這令人不快"
    assert likeness(same, "ความเมตตา", same) == 1 and likeness(other, "ความเมตตา", same) == 0
