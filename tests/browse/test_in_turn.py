"""Clicks that the kernel handles on two threads at a time, as it does since ipykernel 7."""

import threading

import ipywidgets
import pytest

from conflictscope import browse
from conflictscope.browse.controls import InTurn, PickList, choose, choose_some, search_for_words
from conflictscope.browse.labels import write_label


def receive(widget, **state):
    """Hand a widget the message that the page sends when somebody uses it."""
    hand_over(widget, {"method": "update", "state": state, "buffer_paths": []})


def hand_over(widget, data):
    """Hand a widget a message on the thread that calls."""
    widget._handle_msg({"content": {"data": data}, "buffers": []})


def parts(widget):
    """Return a widget and all that stands in it, without the boxes, which receive nothing."""
    if isinstance(widget, ipywidgets.Box):
        return [part for child in widget.children for part in parts(child)]
    return [widget]


@pytest.mark.parametrize(
    "made",
    [
        lambda: (choose("pair", {"one": 1}), {"index": 1}),
        lambda: (choose_some("targets", {"one": 1}, []), {"index": [0]}),
        lambda: (search_for_words(), {"value": "word"}),
        lambda: (PickList(), {"chosen": "scenario"}),
    ],
    ids=["dropdown", "several", "words", "list"],
)
def test_a_click_waits_until_the_one_before_it_is_handled(made):
    first, (second, state) = choose("filter status", {"kept": "kept"}), made()
    entered, goes_on, handled = threading.Event(), threading.Event(), []

    def slow(change):
        entered.set()
        assert goes_on.wait(10)
        handled.append("first")

    first.observe(slow, "value")
    second.observe(lambda change: handled.append("second"), next(iter(state)))
    clicks = [threading.Thread(target=receive, args=(first,), kwargs={"index": 1})]
    clicks[0].start()
    assert entered.wait(10)
    clicks.append(threading.Thread(target=receive, args=(second,), kwargs=state))
    clicks[1].start()
    # long enough for the second to be handled, were there nothing that it waits for
    clicks[1].join(0.2)
    assert handled == []
    goes_on.set()
    for click in clicks:
        click.join(10)
    assert handled == ["first", "second"]


def test_a_key_pressed_twice_while_the_disk_is_slow_answers_one_question(make_archive, tmp_path, monkeypatch):
    archive = make_archive(scenarios=12)
    sample = browse.sample_conversations(archive, 3, seed=0)
    annotator = browse.Annotator(archive, sample, tmp_path, "ana", seed=0)
    entered, goes_on = threading.Event(), threading.Event()

    def slow(label, folder):
        entered.set()
        assert goes_on.wait(10)
        write_label(label, folder)

    monkeypatch.setattr("conflictscope.browse.annotator.write_label", slow)
    message = {"method": "custom", "content": {"answer": "neither", "serial": annotator.widget.serial}}
    presses = [threading.Thread(target=hand_over, args=(annotator.widget, message)) for _ in range(2)]
    presses[0].start()
    assert entered.wait(10)
    presses[1].start()
    # long enough for the second to be taken, were there nothing that it waits for
    presses[1].join(0.2)
    goes_on.set()
    for each in presses:
        each.join(10)
    assert len(browse.read_labels(tmp_path)) == annotator.labelled == 1


def test_every_part_of_every_browser_waits_its_turn(make_archive, tmp_path):
    archive = make_archive(scenarios=12)
    sample = browse.sample_conversations(archive, 3, seed=0)
    found = [
        *parts(browse.ScenarioBrowser(archive).widget),
        *parts(browse.ResponseBrowser(archive).widget),
        *parts(browse.Annotator(archive, sample, tmp_path, "ana", seed=0).widget),
    ]
    assert len(found) > 15
    assert [type(part).__name__ for part in found if not isinstance(part, InTurn)] == []


def test_an_option_taken_back_shows_as_any_and_restricts_nothing(make_archive):
    archive = make_archive(scenarios=12)
    browser = browse.ScenarioBrowser(archive)
    filter_status = next(part for part in parts(browser.widget) if getattr(part, "description", "") == "filter status")
    scenarios = next(part for part in parts(browser.widget) if isinstance(part, PickList))
    every = scenarios.heading
    receive(filter_status, index=filter_status.options.index(("dropped", "dropped")))
    assert filter_status.value == "dropped" and scenarios.heading != every
    receive(filter_status, index=0)
    assert (filter_status.index, filter_status.label, scenarios.heading) == (0, "any", every)
