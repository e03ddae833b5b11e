"""HH-RLHF and PKU-SafeRLHF: two replies to the same conversation."""

import pytest

from conflictscope.exchange import import_scenarios
from conflictscope.exchange.data_sets import PKU_FORM
from conflictscope.scenarios import Value

TALK = "\n\nHuman: How do I get my cat down?\n\nAssistant: From where?\n\nHuman: The roof."


def test_the_last_replies_are_the_actions(write_lines):
    records = [
        {"chosen": f"{TALK}\n\nAssistant: With a ladder\n\nand patience.", "rejected": f"{TALK}\n\nAssistant: Shout."},
        {"chosen": f"{TALK}\n\nAssistant: A.", "rejected": "\n\nHuman: Something else.\n\nAssistant: B."},
        {"chosen": f"{TALK}\n\nAssistant: A.", "rejected": TALK},
        {"chosen": f"{TALK}\n\nAssistant: A.", "rejected": f"{TALK}\n\nAssistant: "},
        {"chosen": f"{TALK}\n\nAssistant: A.", "rejected": f"{TALK}\n\nAssistant: A."},
        {"chosen": 3, "rejected": "x"},
        {"chosen": "x"},
    ]
    imported = import_scenarios(write_lines(records, "train.jsonl.gz"))
    assert imported.rows == 7 and len(imported.scenarios) == 1
    scenario = imported.scenarios.iloc[0]
    assert scenario["action_1"] == "The assistant replies: With a ladder\n\nand patience."
    assert scenario["action_2"] == "The assistant replies: Shout."
    assert scenario["description"].endswith("Human: The roof.") and "Shout" not in scenario["description"]
    told = imported.dropped.set_index("row")["problem"]
    assert told.index.tolist() == [2, 3, 4, 5, 6, 7]
    assert "differ before the last reply" in told[2] and "end with Assistant" in told[3]
    assert told[4] == "a reply is empty" and "the same" in told[5] and "expected texts" in told[6]
    assert "keys missing: ['rejected']" in told[7]
    own = {"chosen": Value("harmlessness", "doing no harm"), "rejected": Value("helpfulness", "being of use")}
    assert import_scenarios(write_lines(records), labels=own).values.names == ["harmlessness", "helpfulness"]


def pku(better, safer, **more):
    fields = dict.fromkeys(PKU_FORM.columns, "x")
    texts = {"prompt": "How is glue made?", "response_0": "From bones, and so.", "response_1": "Ask a grown-up."}
    return fields | texts | {"better_response_id": better, "safer_response_id": safer} | more


def test_where_the_better_reply_is_not_the_safer_one(write_lines):
    records = [
        pku(0, 1),
        pku(1, 1),
        pku(1, 0, prompt="And paste?"),
        pku("0", 1),
        pku(True, 0),
        pku(0, 1, response_0=""),
    ]
    imported = import_scenarios(write_lines(records))
    assert imported.rows == 6 and imported.dropped["row"].tolist() == [2, 4, 5, 6]
    assert imported.scenarios["value_1"].tolist() == ["helpfulness"] * 2
    assert imported.scenarios["action_1"].tolist() == [
        "The assistant replies: From bones, and so.",
        "The assistant replies: Ask a grown-up.",
    ]
    assert "no conflict" in imported.dropped["problem"].iloc[0]
    newer = [pku(0, 1, response_0_language="en")]
    with pytest.raises(ValueError, match=r"PKU-SafeRLHF JSON lines: missing none, unknown \['response_0_language'\]"):
        import_scenarios(write_lines(newer))
