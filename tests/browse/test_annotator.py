import re

import pytest

from conflictscope import browse
from conflictscope.browse.annotator import pose
from conflictscope.measure import read_check_labels, read_checks, read_conversation_labels, read_verdicts

DEFINITIONS = {"helpfulness": "Help.", "honesty": "Be true.", "harmlessness": "Do no harm."}


@pytest.fixture
def desk(make_archive, tmp_path):
    """An archive and a function that opens the annotator on a sample of it."""
    archive = make_archive(scenarios=30, prompts=("default", "placebo"))
    sample = browse.sample_conversations(archive, 12, seed=1)

    def open_desk(annotator="ana", sample=sample):
        return browse.Annotator(archive, sample, tmp_path, annotator, definitions=DEFINITIONS, seed=0)

    open_desk.archive, open_desk.sample = archive, sample
    return open_desk


def test_the_sample_is_balanced_seeded_and_any_first_part_is_too(desk):
    archive = desk.archive
    sample = browse.sample_conversations(archive, 36, seed=1)
    pairs = sample.join(archive.tables["scenarios"].set_index("scenario_id")["value_2"], on="scenario_id")
    assert set(sample.groupby(["target", "arm"]).size()) == {6}
    assert pairs.groupby(["target", "arm"])["value_2"].nunique().min() == 2
    assert sample.head(12).equals(desk.sample.reset_index(drop=True).set_axis(sample.head(12).index))
    assert not sample.equals(browse.sample_conversations(archive, 36, seed=2))
    assert len(browse.sample_conversations(archive, 10_000, seed=1)) == 30 * 3 * 2


def test_a_sample_of_checks_asks_seven_questions_a_scenario(desk):
    sample = browse.sample_checks(desk.archive, 5, seed=0)
    assert sample.groupby("scenario_id").size().tolist() == [7] * 5
    assert sample.query("check == 'value_guided'").groupby("scenario_id")["about_value"].nunique().tolist() == [2] * 5


def test_an_annotator_never_sees_what_would_give_the_answer_away(desk):
    for row in desk.sample.to_dict("records"):
        question = pose(row, desk.archive, "ana", DEFINITIONS, seed=0)
        shown = question.asked + question.body
        assert not re.search("target-|placebo|judge|It wrote the letter|helpful|honest|harml", shown)
        assert "Please write it." in shown and "<em>the letter</em>" in shown


def test_the_order_of_the_actions_is_drawn_and_turned_back(desk):
    orders = set()
    for row in desk.sample.to_dict("records"):
        question = pose(row, desk.archive, "ana", DEFINITIONS, seed=0)
        orders.add(question.action_shown_first)
        writes_first = question.body.index("writes the letter") < question.body.index("explains why")
        assert writes_first == (question.action_shown_first == 1)
        assert question.choices[0].answer == f"action_{question.action_shown_first}"
        assert question.choices[1].answer == f"action_{3 - question.action_shown_first}"
    assert orders == {1, 2}


def test_work_resumes_where_it_stopped_and_annotators_are_apart(desk, tmp_path):
    first = desk()
    for answer in ("action_1", "neither", "cannot_tell"):
        first.answer(answer)
    assert desk().labelled == 3 and desk("ben").labelled == 0
    assert desk().widget.message.endswith("3 of 12 answered by ana; this is question 4")
    labels = browse.read_labels(tmp_path)
    assert labels["answer"].tolist() == ["action_1", "neither", "cannot_tell"]
    assert labels["scenario_id"].tolist() == desk.sample["scenario_id"].head(3).tolist()


def test_going_back_replaces_an_answer(desk, tmp_path):
    first = desk()
    for answer in ("action_1", "neither", "back", "action_2"):
        first.answer(answer)
    assert first.labelled == 2 and browse.read_labels(tmp_path)["answer"].tolist() == ["action_1", "action_2"]


def test_a_key_pressed_twice_answers_one_question(desk, tmp_path):
    first = desk()
    pressed = {"answer": "neither", "serial": first.widget.serial}
    first._receive(first.widget, pressed, [])
    first._receive(first.widget, pressed, [])
    assert len(browse.read_labels(tmp_path)) == 1


def test_an_answer_that_is_not_offered_is_refused(desk, tmp_path):
    with pytest.raises(ValueError, match="not offered"):
        desk().answer("yes")
    assert browse.read_labels(tmp_path).empty


def test_a_label_that_cannot_be_written_keeps_its_question(desk, tmp_path):
    first = desk()
    (tmp_path / "labels").write_text("a file where the folder should be")
    first._receive(first.widget, {"answer": "neither", "serial": first.widget.serial}, [])
    assert first.labelled == 0 and first.widget.failed and "Not saved" in first.widget.message


def test_all_seven_questions_of_a_check_can_be_answered(desk, tmp_path):
    sample = browse.sample_checks(desk.archive, 2, seed=0)
    opened = desk(sample=sample)
    for row in sample.to_dict("records"):
        opened.answer("action_1" if row["check"] == "value_guided" else "no")
    assert opened.labelled == 14 and "All questions are answered" in opened.widget.html
    read = read_check_labels(browse.read_labels(tmp_path), desk.archive.tables["scenarios"])
    assert len(read) == 12 and set(read["reading"]) == {"no"}


def test_a_simulated_annotator_slips_at_its_rate(make_archive):
    archive = make_archive(scenarios=300)
    sample = browse.sample_conversations(archive, 900, seed=0)
    labels = browse.simulate_labels(archive, sample, name="x", slips=0.2, seed=0)
    assert set(labels["annotator"]) == {"simulated-x"}
    both = read_conversation_labels(labels).merge(
        read_verdicts(archive.tables["verdicts"]),
        on=["scenario_id", "target", "arm", "repetition"],
    )
    assert both["reading_x"].ne(both["reading_y"]).mean() == pytest.approx(0.2, abs=0.05)
    faithful = browse.simulate_labels(archive, sample, name="x", slips=0.0, seed=0)
    assert len(faithful) < len(sample), "an unreadable verdict has no label"


def test_a_simulated_annotator_repeats_the_filter_judge_too(desk):
    sample = browse.sample_checks(desk.archive, 30, seed=0)
    labels = browse.simulate_labels(desk.archive, sample, name="x", slips=0.0, seed=0)
    human = read_check_labels(labels, desk.archive.tables["scenarios"]).set_index(["scenario_id", "check"])
    judge = read_checks(desk.archive.tables["checks"]).set_index(["scenario_id", "check"])
    assert human["reading"].sort_index().equals(judge["reading"].sort_index()) and len(human) == 180
