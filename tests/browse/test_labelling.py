import json

import pytest

from conflictscope import browse
from conflictscope.browse.labels import Label, write_label
from conflictscope.browse.render import conversation_key

WHERE = {"scenario_id": "s00002", "target": "target-1", "arm": "default", "repetition": 0}


@pytest.fixture
def study(make_archive, tmp_path):
    """An archive and its folder."""
    return make_archive(scenarios=30, prompts=("default", "placebo")), tmp_path


def test_a_label_beside_the_verdict_is_on_disk_and_says_that_it_is_not_blind(study):
    archive, folder = study
    labelling = browse.Labelling(archive, folder, "ana")
    labelling.label(conversation_key(WHERE), "action_2")
    labelling.label(conversation_key(WHERE), "neither")
    lines = [json.loads(line) for line in (folder / "labels" / "ana.jsonl").read_text().splitlines()]
    assert [(line["answer"], line["blind"], line["action_shown_first"]) for line in lines] == [
        ("action_2", False, None),
        ("neither", False, None),
    ]
    assert browse.read_labels(folder)["answer"].tolist() == ["neither"]


@pytest.mark.parametrize(("where", "answer"), [(WHERE | {"target": "nobody"}, "neither"), (WHERE, "yes"), (WHERE, "A")])
def test_what_is_not_offered_is_refused(study, where, answer):
    archive, folder = study
    with pytest.raises(ValueError, match="offers no such thing"):
        browse.Labelling(archive, folder, "ana").label(conversation_key(where), answer)
    assert browse.read_labels(folder).empty


def test_a_key_in_the_list_labels_the_conversation_that_the_case_is_about(study):
    archive, folder = study
    browser = browse.ResponseBrowser(archive, browse.Labelling(archive, folder, "ana"))
    chosen = browser._list
    browser._label_chosen(chosen, {"key": "1", "chosen": chosen.chosen}, [])
    assert browse.read_labels(folder).empty, "a list of scenarios names no conversation"
    browser._grid.chosen = [1, 0]
    browser._label_chosen(chosen, {"key": "1", "chosen": chosen.chosen}, [])
    browser._label_chosen(chosen, {"key": "x", "chosen": chosen.chosen}, [])
    browser._label_chosen(chosen, {"key": "2", "chosen": "a row that was picked before"}, [])
    label = browse.read_labels(folder).iloc[0]
    case = browser._rows.iloc[0]
    assert (label["scenario_id"], label["target"], label["answer"]) == (
        case["scenario_id"],
        archive.targets[0],
        "action_1",
    )
    assert len(browse.read_labels(folder)) == 1
    assert 'data-answer="action_1" aria-pressed="true"' in browser.view.html


def test_a_label_that_cannot_be_written_is_said(study, monkeypatch):
    archive, folder = study
    browser = browse.ResponseBrowser(archive, browse.Labelling(archive, folder, "ana"))
    told = []
    monkeypatch.setattr(browser._pane, "send", told.append)
    (folder / "labels").write_text("a file where the folder should be")
    browser._label(conversation_key(WHERE), "action_1")
    assert told[0]["failed"] and told[0]["said"].startswith("Not saved: ")


def test_without_somebody_who_labels_there_are_no_buttons(study):
    archive, _ = study
    assert "data-answer" not in browse.ResponseBrowser(archive).view.html
    assert "data-answer" not in browse.show("s00002", archive).html


def test_a_blind_label_and_one_beside_the_verdict_stand_side_by_side(study):
    archive, folder = study
    write_label(Label(**WHERE, kind="conversation", annotator="ana", answer="action_1", labelled_at="2026"), folder)
    browse.Labelling(archive, folder, "ana").label(conversation_key(WHERE), "action_2")
    labels = browse.read_labels(folder)
    assert labels[["answer", "blind"]].to_numpy().tolist() == [["action_1", True], ["action_2", False]]
    html = browse.show("s00002", archive, targets=["target-1"], labels=labels).html
    assert "ana read it so, blind" in html and "ana read it so, with the verdict in sight" in html


def test_a_labels_file_from_before_blindness_was_recorded_is_blind(study):
    _, folder = study
    write_label(Label(**WHERE, kind="conversation", annotator="ana", answer="action_1", labelled_at="2026"), folder)
    path = folder / "labels" / "ana.jsonl"
    path.write_text(path.read_text().replace(', "blind": true', ""))
    assert browse.read_labels(folder)["blind"].tolist() == [True]


def test_what_was_labelled_beside_the_verdict_is_not_asked_blind_any_more(study):
    archive, folder = study
    sample = browse.sample_conversations(archive, 12, seed=1)
    seen_first, blind_first = sample.iloc[0].to_dict(), sample.iloc[1].to_dict()
    blind = {name: blind_first[name] for name in WHERE}
    write_label(Label(**blind, kind="conversation", annotator="ana", answer="action_1", labelled_at="2026"), folder)
    for row in (seen_first, blind_first):
        browse.Labelling(archive, folder, "ana").label(conversation_key(row), "neither")
    desk = browse.Annotator(archive, sample, folder, "ana", seed=0)
    assert desk.widget.total == 11 and desk.labelled == 1
    assert desk.widget.message.endswith("1 left out: labelled with the verdict in sight")
    assert browse.Annotator(archive, sample, folder, "ben", seed=0).widget.total == 12
