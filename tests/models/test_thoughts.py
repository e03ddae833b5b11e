"""The truth table of thoughts: what is thought, what is reply, and what splitting costs."""

import pytest

from conflictscope.models import thoughts
from conflictscope.models.thoughts import split_thoughts


@pytest.mark.parametrize(
    ("text", "thought", "reply"),
    [
        # nothing to split off: the text as it is, its spaces too
        ("B", None, "B"),
        ("  I would tell her.\n", None, "  I would tell her.\n"),
        ("Thoughts:\n- tell her", None, "Thoughts:\n- tell her"),
        ("thought about it\nB", None, "thought about it\nB"),
        ("analysis of both: B", None, "analysis of both: B"),
        ("The tag `<think>` begins it, `</think>` ends it.", None, "The tag `<think>` begins it, `</think>` ends it."),
        # between marks
        ("<think>\nA or B?\n</think>\n\nB", "A or B?", "B"),
        ("<THINK>A?</Think>B", "A?", "B"),
        ("\n <thinking>A?</thinking>\nB", "A?", "B"),
        ("[THINK]A?[/THINK]B", "A?", "B"),
        ("◁think▷A?◁/think▷B", "A?", "B"),
        ("<seed:think>A?</seed:think>B", "A?", "B"),
        ("<|START_THINKING|>A?<|END_THINKING|>B", "A?", "B"),
        ("<mm:think>A?</mm:think>B", "A?", "B"),
        ("<scratchpad>A?</scratchpad>\n<output>B</output>", "A?", "B"),
        ("<|inner_prefix|>A?<|inner_suffix|>B", "A?", "B"),
        ("<|START_THINKING|>A?<|END_THINKING|><|START_RESPONSE|>B<|END_RESPONSE|>", "A?", "B"),
        ("<|begin_of_thought|>A?<|end_of_thought|>\n<|begin_of_solution|>B<|end_of_solution|>", "A?", "B"),
        ("My steps: A?\n[BEGIN FINAL RESPONSE]\nB\n[END FINAL RESPONSE]", "My steps: A?", "B"),
        ("<unused94>thought\nA?<unused95>B", "thought\nA?", "B"),
        ("<|channel>thought\nA?<channel|>B", "A?", "B"),
        ("<antThinking>A?</antThinking>B", "A?", "B"),
        ("<thought_process>A?</thought_process>B", "A?", "B"),
        ("<reason>A?</reason><answer>B</answer>", "A?", "B"),
        ("<thinking>A?<reflection>Hm.</reflection></thinking><output>B</output>", "A?<reflection>Hm.", "B"),
        ("[thinking]A?[/thinking]B", "A?", "B"),
        ("<|thinking|>A?<|/thinking|>B", "A?", "B"),
        ("<|thought_start|>A?<|thought_end|>B", "A?", "B"),
        ("<｜begin▁of▁thinking｜>A?<｜end▁of▁thinking｜>B<｜end▁of▁sentence｜>", "A?", "B"),
        ("< think >A?</ think >B", "A?", "B"),
        ("&lt;think&gt;A?&lt;/think&gt;B", "A?", "B"),
        ("```thinking\nA?\n```\nB", "A?", "B"),
        (
            '<details type="reasoning" done="true"><summary>3 s</summary>A?</details>\nB',
            "<summary>3 s</summary>A?",
            "B",
        ),
        ("<details>\n<summary>Thoughts</summary>\nA?\n</details>\n\nB", "A?", "B"),
        ("<details><summary>More</summary>A?</details>", None, "<details><summary>More</summary>A?</details>"),
        ("<rethink>A?</rethink>B", None, "<rethink>A?</rethink>B"),
        ("<think></think>\n\nB", None, "B"),
        ("<think>A?</think><answer>B</answer>", "A?", "B"),
        ("<think>A <think>again</think> and on</think> B", "A <think>again\n\nand on", "B"),
        ("<think>A?</think>\nFirst.\n<think>More.</think>\nSecond.", "A?\n\nMore.", "First.\n\nSecond."),
        ("Let me see. <think>A?</think> B", "A?", "Let me see.  B"),
        # the opening mark is part of the prompt, or the closing one never came
        ("A is tempting.\n</think>\n\nB", "A is tempting.", "B"),
        ("<think>\nA or B? Hm", "A or B? Hm", ""),
        ("First.\n<think>and on", "and on", "First."),
        # channels
        ("<|channel|>analysis<|message|>A?<|start|>assistant<|channel|>final<|message|>B", "A?", "B"),
        ("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>", "A?", "B"),
        ('<|channel|>final <|constrain|>json<|message|>{"answer": "A"}', None, '{"answer": "A"}'),
        ("<|channel|>commentary<|message|>Calling.<|end|><|channel|>analysis<|message|>A?", "Calling.\n\nA?", ""),
        ("analysisThe user asks. A?assistantfinalB", "The user asks. A?", "B"),
        ("analysisThe user asks. A?", "The user asks. A?", ""),
        # the word alone: where thoughts end has to be said
        ("thought\nThe user asks.\n\nB", "The user asks.\n\nB", ""),
        ("thought\nThe user asks.\nresponse\nB", "The user asks.", "B"),
        ("analysis\nA?\n\nassistantfinal\nB", "A?", "B"),
        ("analysis\nBoth are bad.", None, "analysis\nBoth are bad."),
        # end marks, and turns that are not of the reply
        ("B<|im_end|>", None, "B"),
        ("B</s></s> \n", None, "B"),
        ("B<｜end▁of▁sentence｜>", None, "B"),
        ("<|im_start|>assistant\nB<|im_end|>", None, "B"),
        ("<|assistant|>\n<think>A?</think>B", "A?", "B"),
        ("I would.<|im_end|>\n<|im_start|>user\nAnd then?", None, "I would."),
        ("Close it with </s> and go on.", None, "Close it with </s> and go on."),
        ("<think>A?</think>B<|eot_id|>", "A?", "B"),
    ],
)
def test_thoughts_are_parted_from_the_reply_and_nothing_is_guessed(text, thought, reply):
    assert split_thoughts(text) == (thought, reply)


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "<think",
        "&lt;",
        "<details>",
        "```thinking\n",
        "</think>",
        "</s>",
        "</s> x",
        "<|channel|>final<|message|>",
        "<",
        "[",
        "\n",
        "thought\n",
        "`",
    ],
)
def test_a_reply_twice_as_long_takes_at_most_twice_the_steps(piece, count_lines):
    short, long = (count_lines(thoughts, split_thoughts, piece * count) for count in (1000, 2000))
    assert long <= 2.1 * short + 100
