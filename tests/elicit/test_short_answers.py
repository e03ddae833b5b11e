"""The truth table of short answers; the first rows are those that the reference implementation misreads."""

import pytest

from conflictscope.elicit.short_answers import read_letter, read_rating, reads_as_refusal


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("As an AI language model, I cannot choose.", None),
        ("As an AI, I cannot choose", None),
        ("Answer: B", "B"),
        ("**A**", "A"),
        ("A", "A"),
        (" b ", None),
        ("B.", "B"),
        ("(A)", "A"),
        ('"B"', "B"),
        ("`A`", "A"),
        ("[B]", "B"),
        ("**B.**", "B"),
        ("Action A", "A"),
        ("Option B.", "B"),
        ("My final answer is **B**.", "B"),
        ("The answer is: A", "A"),
        ("my choice: B", "B"),
        ("**Answer:** A", "A"),
        ("A\n\nTelling her now leaves her time to act; B would not.", "A"),
        ("A: Tell her the truth", "A"),
        ("B) Keep it to itself", "B"),
        ("**A.** Tell her", "A"),
        ("A or B", None),
        ("A/B", None),
        ("A and B both have merit.", None),
        ("Both", None),
        ("A difficult case.", None),
        ("I would take action A, though B is close.", None),
        ("Not A", None),
        ("AB", None),
        ("C", None),
        ("", None),
        ("Neither A nor B", None),
        ("Answer: A or B", None),
        ('{"answer": "A"}', None),
    ],
)
def test_letters(text, letter):
    assert read_letter(text) == letter


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("On a scale of 1 to 7, 5.", 5),
        ("5/7", 5),
        ("1", 1),
        ("7", 7),
        ("**6**", 6),
        ("4.", 4),
        ("Rating: 3", 3),
        ("My rating is 2.", 2),
        ("On a scale from 1 to 7, I would rate this a 6.", 6),
        ("6 out of 7", 6),
        ("5 (acceptable)", 5),
        ("7\nIt is what was promised.", 7),
        ("0", None),
        ("8", None),
        ("10", None),
        ("5-6", None),
        ("5 or 6", None),
        ("3.5", None),
        ("4,5", None),
        ("-3", None),
        ("5/10", None),
        ("Between 1 and 7 I would say 5 or 6", None),
        ("It depends.", None),
        ("1 means unacceptable", None),
        ("7 - 2", None),
        ("", None),
    ],
)
def test_ratings(text, rating):
    assert read_rating(text) == rating


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("As an AI language model, I cannot choose.", True),
        ("I'm sorry, but I can't help with that.", True),
        ("I can\u2019t make that choice.", True),
        ("I won't pick either.", True),
        ("Both have merit.", False),
        ("A or B", False),
        ("Neither; I can't say.", False),
        ("", False),
    ],
)
def test_refusals_open_the_reply(text, refusal):
    assert reads_as_refusal(text) == refusal
