import pandas as pd
import pytest

from conflictscope import browse
from conflictscope.browse.render import case_record, render_case, render_scenario, render_turns, scenario_record
from conflictscope.browse.selection import cases_of_cell, filter_scenarios
from conflictscope.table_files import write_table
from conflictscope.tables import TABLES


def test_entries_hold_scenarios_and_outlines_that_became_none(make_archive):
    archive = make_archive(scenarios=30)
    filter_statuses = archive.entries["filter_status"].value_counts()
    assert len(archive.entries) == 32 and filter_statuses["duplicate"] == 2
    failed = archive.tables["checks"].query("passed == False")["scenario_id"].nunique()
    assert filter_statuses.get("dropped", 0) == failed and filter_statuses["kept"] == 30 - failed


def test_stages_that_have_not_run_are_named(make_archive, tmp_path):
    make_archive(scenarios=6)
    for name in ("verdicts", "checks", "domains"):
        (tmp_path / f"{name}.parquet").unlink()
    archive = browse.open_archive(tmp_path, study="made")
    assert archive.absent == ("checks", "domains", "pressed_messages", "verdicts")
    assert archive.entries["filter_status"].value_counts().to_dict() == {"unchecked": 6, "duplicate": 2}
    assert archive.judges == []
    assert "Case s00000" in browse.show("s00000", archive).html


def test_a_study_without_scenarios_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="scenarios"):
        browse.open_archive(tmp_path, study="made")


def test_an_unknown_id_is_an_error(make_archive):
    archive = make_archive(scenarios=6)
    with pytest.raises(ValueError, match="'nope' is not among the 6 scenarios"):
        browse.show("nope", archive)


def test_each_filter_agrees_with_the_tables(make_archive):
    archive = make_archive(scenarios=60)
    entries, every = archive.entries, filter_scenarios(archive)
    assert len(every) == len(entries)
    pair = filter_scenarios(archive, pair=("honesty", "helpfulness"))
    assert len(pair) == 21 and set(pair["value_1"]) == {"helpfulness"}
    for column in ("structure", "severity", "acting_value", "filter_status"):
        for value in entries[column].unique():
            assert len(filter_scenarios(archive, **{column: value})) == (entries[column] == value).sum()
    assert filter_scenarios(archive, domain="housing").index.tolist() == [f"s{i:05}" for i in range(0, 60, 2)]
    failed = archive.tables["checks"].query("check == 'dilemma' and passed == False")["scenario_id"]
    assert set(filter_scenarios(archive, failed_check="dilemma").index) == set(failed)
    assert filter_scenarios(archive, text="NUMBER 17 tenant").index.tolist() == ["s00017"]
    assert filter_scenarios(archive, text="s00017").index.tolist() == ["s00017"]
    assert filter_scenarios(archive, text="number.17").empty


def test_a_cell_lists_the_answers_behind_its_rate(make_archive):
    archive = make_archive(scenarios=30, judges=("judge-a", "judge-b"))
    where = {"target": "target-1", "condition": "open_ended", "arm": "default"}
    cell = cases_of_cell(archive, "honesty", "helpfulness", **where, judge="judge-b")
    verdicts = archive.tables["verdicts"].merge(archive.tables["scenarios"], on="scenario_id")
    verdicts = verdicts.query("target == 'target-1' and arm == 'default' and judge == 'judge-b'")
    verdicts = verdicts.query("value_1 == 'helpfulness' and value_2 == 'honesty'")
    assert len(cell) == 10 and cell["won"].is_monotonic_decreasing
    # honesty is value 2 of this pair
    assert cell["won"].sum() == verdicts["action"].eq(2).sum()
    assert cell["lost"].sum() == verdicts["action"].eq(1).sum()
    assert cell[["won", "lost", "other"]].sum().sum() == len(verdicts)


def test_a_preset_stays_when_it_is_narrowed_to_a_target_a_prompt_and_a_pair(make_archive):
    archive = make_archive(scenarios=60, prompts=("default", "placebo"))
    browser = browse.ResponseBrowser(archive)
    kind = "between what a model says and does"
    every = browse.PRESETS[kind](archive, "judge-a")
    browser._cases.value, browser._target.value = kind, "target-1"
    browser._asking.value = ("multiple_choice", "default")
    assert len(browser._rows) == len(every)
    browser._within.value = "this heatmap"
    about = every.query("target == 'target-1' and arm == 'default'")
    assert 0 < len(about) < len(every) and browser._rows["scenario_id"].tolist() == about["scenario_id"].tolist()
    browser._grid.chosen = [1, 0]
    pairs = archive.entries.loc[about["scenario_id"], ["value_1", "value_2"]]
    of_pair = about[pairs.isin(browser._values[:2]).all(axis=1).to_numpy()]
    assert browser._cases.value == kind and browser._within.value == "the cell picked"
    assert browser._rows["scenario_id"].tolist() == of_pair["scenario_id"].tolist() != []
    browser._within.value = "the whole study"
    assert len(browser._rows) == len(every)


def test_messages_that_press_stand_on_either_side_of_the_one_that_does_not(make_archive, tmp_path):
    archive = make_archive(scenarios=6, targets=1, prompts=("default", "for_1", "for_2"))
    told = {"lean": ["for_2", "for_1"], "message": ["Better not write it.", "Do write it."]}
    pressed = archive.tables["opening_messages"].head(1).drop(columns="message").merge(pd.DataFrame(told), how="cross")
    write_table(
        pressed[[column.name for column in TABLES["pressed_messages"].columns]],
        "pressed_messages",
        tmp_path,
        study="made",
    )
    archive = browse.open_archive(tmp_path, study="made")
    html = browse.show("s00000", archive).html
    order = [
        "Do write it.",
        "Please write it.",
        "Better not write it.",
        *(f"conversation · {arm}" for arm in ("for_1", "default", "for_2")),
    ]
    assert sorted(order, key=html.index) == order
    assert "Do write it." not in browse.show("s00000", archive, arms=["default"]).html


def test_an_action_has_the_colour_that_its_value_has_in_the_figures(make_archive, tmp_path):
    make_archive(scenarios=6)
    archive = browse.open_archive(tmp_path, study="made", values=["honesty", "harmlessness", "helpfulness"])
    assert list(archive.colors) == ["honesty", "harmlessness", "helpfulness"]
    assert archive.colors["honesty"] == "#029e73"
    # s00000 is about helpfulness and honesty
    assert f"--cs-value-1:{archive.colors['helpfulness']};--cs-value-2:#029e73" in browse.show("s00000", archive).html


def test_a_scenario_shows_all_that_is_known_of_it(make_archive):
    archive = make_archive(scenarios=30)
    html = render_scenario(scenario_record(archive, "s00003"))
    for text in (
        "Context 3.",
        "Ada, 41, tenant",
        "The letter goes out.",
        "Because of dilemma.",
        "simulated/filter_judge",
        "o00000",
    ):
        assert text in html
    assert "0.40" in html and "supports helpfulness" in html


def neighbours(archive, identifier):
    """Return outline, cosine, standing and filter_status of each neighbour of a scenario or outline."""
    found = scenario_record(archive, identifier).neighbours
    return [(near.outline_id, near.similarity, near.standing, near.filter_status) for near in found]


def test_a_duplicate_shows_what_it_repeats(make_archive):
    archive = make_archive(scenarios=30)
    filter_status = archive.decisions.loc["s00001", "filter_status"]
    assert neighbours(archive, "r00001") == [("o00001", 0.93, "what it was dropped for", filter_status)]
    html = render_scenario(scenario_record(archive, "r00001"))
    assert "0.93" in html and "Context 1." in html and "what it was dropped for" in html


def test_an_original_shows_what_repeats_it_and_its_nearest_neighbours(make_archive):
    archive = make_archive(scenarios=30)
    found = neighbours(archive, "s00000")
    assert found[0] == ("r00000", 0.93, "dropped as a repeat of this one", "duplicate")
    assert [(name, cosine, standing) for name, cosine, standing, _ in found[1:]] == [
        ("o00003", 0.4, "of the same pair")
    ]
    standings = {name: standing for name, _, standing, _ in neighbours(archive, "s00009")}
    assert standings == {
        "o00006": "the nearest earlier outline that was kept",
        "o00012": "of the same pair",
        "o00003": "of the same pair",
    }


def test_neighbours_are_shown_without_their_table_too(make_archive, tmp_path):
    make_archive(scenarios=30)
    (tmp_path / "neighbours.parquet").unlink()
    archive = browse.open_archive(tmp_path, study="made")
    assert [near[0] for near in neighbours(archive, "s00000")] == ["r00000"]
    assert [near[0] for near in neighbours(archive, "r00000")] == ["o00000"]


def test_a_repeat_of_an_earlier_study_says_so(make_archive, tmp_path):
    outlines = make_archive(scenarios=6).tables["outlines"]
    repeats = outlines["outline_id"].isin(["r00000", "r00001"])
    # one repeats an outline of an earlier study; the other is that study's outline, word for word
    outlines = outlines.assign(nearest=outlines["nearest"].mask(repeats, "elsewhere"))
    outlines.loc[outlines["outline_id"].eq("r00001"), "nearest"] = "r00001"
    write_table(outlines, "outlines", tmp_path, study="made")
    archive = browse.open_archive(tmp_path, study="made")
    for identifier, nearest in (("r00000", "elsewhere"), ("r00001", "r00001")):
        record = scenario_record(archive, identifier)
        assert (record.neighbours[0].outline_id, record.neighbours[0].outline) == (nearest, None)
        assert "An earlier study kept it" in render_scenario(record)


def test_an_outlines_id_leads_to_its_scenario(make_archive):
    archive = make_archive(scenarios=6)
    assert browse.show_scenario("o00004", archive).html == browse.show_scenario("s00004", archive).html
    assert filter_scenarios(archive, text="o00004").index.tolist() == ["s00004"]


def test_a_case_holds_what_was_chosen_and_no_more(make_archive):
    archive = make_archive(scenarios=6)
    everything = case_record(archive, "s00002")
    assert len(everything.askings) == 3 * 2 * 3
    some = case_record(archive, "s00002", targets=["target-1"], conditions=["open_ended"], arms=["default", "placebo"])
    assert [(a.target, a.condition, a.arm) for a in some.askings] == [
        ("target-1", "open_ended", "default"),
        ("target-1", "open_ended", "placebo"),
    ]
    assert [turn["turn"] for turn in some.askings[0].turns] == [0, 1] and len(some.askings[0].verdicts) == 1
    html = render_case(some)
    assert "It wrote the letter." in html and "<em>the letter</em>" in html and "target-0" not in html


def test_thoughts_are_folded_beside_what_was_answered(make_archive):
    case = case_record(make_archive(scenarios=6), "s00002", targets=["target-1"], arms=["default"])
    thought = "A letter is all that is asked."
    fold = f'<details><summary><span class="cs-more">thoughts, 7 words</span></summary><div class="cs-text">{thought}'
    # two answers and a reply
    assert render_case(case).count(fold) == render_case(case).count(thought) == 3
    for row in next(asking.answers for asking in case.askings if asking.condition == "multiple_choice"):
        row |= {"raw": f"<think>{thought}</think>\n\nA"}
    assert render_case(case).count(thought) == 3 and "think&gt;" not in render_case(case)
    # who labels sees what the judge saw
    turns = next(asking.turns for asking in case.askings if asking.condition == "open_ended")
    assert thought not in render_turns(turns)


def test_hostile_text_of_models_opens_no_tag(make_archive, hostile_text):
    archive = make_archive(scenarios=6, hostile=True)
    for html in (browse.show("s00000", archive).html, browse.show_scenario("s00000", archive).html):
        assert "<script" not in html and "<img" not in html and "<a " not in html and "href=" not in html
        assert "&lt;script&gt;" in html
        assert html.count("<section") == html.count("</section>") == 1
        assert html.count("<div") == html.count("</div>")


def test_views_say_what_they_rest_on(make_archive):
    bundle = browse.show("s00001", make_archive(scenarios=6))._repr_mimebundle_()
    assert "simulated models" in bundle["text/html"] and bundle["text/plain"] == "Case s00001 · simulated models"


def test_steered_answers_and_swapped_labels_stand_with_the_others(make_archive, tmp_path):
    before = make_archive(scenarios=6, prompts=("default",))
    for name in ("answers", "conversations", "verdicts"):
        steered = before.tables[name].assign(arm="steered:honesty_first")
        write_table(steered, f"steered_{name}", tmp_path, study="made")
    swapped = before.tables["verdicts"].assign(action_shown_first=2)
    write_table(swapped, "swapped_verdicts", tmp_path, study="made")
    archive = browse.open_archive(tmp_path, study="made")
    assert archive.arms == ["default", "steered:honesty_first"]
    assert archive.judges == ["judge-a", "judge-a, labels swapped"]
    assert len(archive.choices) == 2 * len(before.choices) + len(swapped)
    case = case_record(archive, "s00001", targets=["target-0"], conditions=["open_ended"])
    assert [(a.arm, len(a.turns), len(a.verdicts)) for a in case.askings] == [
        ("default", 2, 2),
        ("steered:honesty_first", 2, 1),
    ]
