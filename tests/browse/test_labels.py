import json
import multiprocessing

import pytest

from conflictscope.browse.labels import Label, labels_path, read_labels, write_label


def label(**more):
    base = {
        "scenario_id": "s",
        "kind": "conversation",
        "annotator": "ana",
        "answer": "action_1",
        "action_shown_first": 1,
    }
    where = {"target": "t", "arm": "default", "repetition": 0, "labelled_at": "2026-01-01T00:00:00+00:00"}
    return Label(**(base | where | more))


def write_many(folder, annotator, count):
    for number in range(count):
        # lines so long that many of them lie across two of the disk's pages
        write_label(label(annotator=annotator, scenario_id=f"s{number}", target="t" * 3000), folder)


def test_what_was_written_is_read(tmp_path):
    write_label(label(), tmp_path)
    write_label(label(annotator="ben", answer="cannot_tell", scenario_id="ü"), tmp_path)
    read = read_labels(tmp_path)
    assert read[["annotator", "scenario_id", "answer"]].to_numpy().tolist() == [
        ["ana", "s", "action_1"],
        ["ben", "ü", "cannot_tell"],
    ]
    assert read["repetition"].tolist() == [0, 0] and read["check"].isna().all()


def test_no_labels_is_an_empty_table(tmp_path):
    assert read_labels(tmp_path).empty and "answer" in read_labels(tmp_path)


def test_a_second_answer_replaces_the_first_and_both_stay_in_the_file(tmp_path):
    write_label(label(), tmp_path)
    write_label(label(scenario_id="u"), tmp_path)
    write_label(label(answer="neither"), tmp_path)
    assert read_labels(tmp_path)["answer"].tolist() == ["action_1", "neither"]
    assert len(labels_path(tmp_path, "ana").read_text().splitlines()) == 3


def test_two_annotators_and_two_tabs_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, name, 60)) for name in ("ana", "ana", "ben")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        # whoever reads meanwhile sees whole lines only
        assert set(read_labels(tmp_path)["target"]) <= {"t" * 3000}
    assert read_labels(tmp_path).groupby("annotator").size().to_dict() == {"ana": 60, "ben": 60}
    assert len(labels_path(tmp_path, "ana").read_text().splitlines()) == 120


def test_a_line_cut_short_swallows_no_later_label(tmp_path):
    write_label(label(), tmp_path)
    path = labels_path(tmp_path, "ana")
    path.write_bytes(path.read_bytes() + b'{"scenario_id": "cut')
    write_label(label(scenario_id="later"), tmp_path)
    with pytest.raises(ValueError, match=r"ana.jsonl, line 2: no label .* Delete the line"):
        read_labels(tmp_path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "cut" not in line) + "\n")
    assert read_labels(tmp_path)["scenario_id"].tolist() == ["s", "later"]


def test_a_file_of_an_earlier_version_is_read_and_goes_on_in_the_new_words(tmp_path):
    write_label(label(arm="placebo", action_shown_first=2), tmp_path)
    path = labels_path(tmp_path, "ana")
    earlier = path.read_text().replace('"arm"', '"system_prompt"').replace('"action_shown_first"', '"first_action"')
    assert "system_prompt" in earlier and "first_action" in earlier
    path.write_text(earlier)
    assert read_labels(tmp_path)[["arm", "action_shown_first"]].to_numpy().tolist() == [["placebo", 2]]
    write_label(label(arm="placebo", answer="neither"), tmp_path)
    # the later answer replaces the earlier one, though their lines have other keys
    assert read_labels(tmp_path)["answer"].tolist() == ["neither"]
    assert {"arm", "action_shown_first"} <= set(json.loads(path.read_text().splitlines()[1]))


@pytest.mark.parametrize("line", ["[1]", '"text"', "7", "null", '{"mood": 1}'])
def test_a_line_that_is_no_label_is_refused(tmp_path, line):
    write_label(label(), tmp_path)
    path = labels_path(tmp_path, "ana")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"ana\.jsonl, line 2: no label"):
        read_labels(tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "x" * 41, "a/b"])
def test_a_name_that_can_name_no_file_is_refused(name):
    with pytest.raises(ValueError, match="annotator: found"):
        label(annotator=name)


@pytest.mark.parametrize(
    "wrong", [{"answer": "A"}, {"kind": "chat"}, {"check": "realistic"}, {"action_shown_first": 3}]
)
def test_a_label_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="label: "):
        label(**wrong)
