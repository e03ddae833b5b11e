"""The widget notebooks in JupyterLab on the executed demo, as a person uses them: filter, click, type, reload."""

import json
import re
import shutil

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from conflictscope import browse
from conflictscope.browse.selection import cases_of_cell, filter_scenarios
from conflictscope.tables import CHECKS

STAGES = ["01_generate_scenarios", "02_filter_scenarios", "03_multiple_choice", "04_open_ended", "05_rank_values"]
OTHER_KEY = {"action_1": "2", "action_2": "1", "neither": "1"}
# the least contrast between a text and what lies behind it, of all texts in sight; what it says with it
FAINTEST = """() => {
  const canvas = new OffscreenCanvas(1, 1), ink = canvas.getContext('2d', { willReadFrequently: true });
  const luminance = (colours) => {
    ink.clearRect(0, 0, 1, 1);
    for (const colour of colours) { ink.fillStyle = colour; ink.fillRect(0, 0, 1, 1); }
    const part = (byte) => { const c = byte / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    const [r, g, b] = ink.getImageData(0, 0, 1, 1).data;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  let faintest = [99, ''];
  for (const e of document.querySelectorAll(':is(.cs-view, .cs-pick, .cs-grid-pick, .cs-pad) *')) {
    if (![...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || !e.offsetParent || e.disabled)
      continue;
    const behind = [];
    for (let at = e; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const [text, back] = [luminance([...behind, getComputedStyle(e).color]), luminance(behind)].sort((a, b) => b - a);
    const contrast = (text + 0.05) / (back + 0.05);
    if (contrast < faintest[0]) faintest = [contrast, e.className + ': ' + e.textContent.slice(0, 40)];
  }
  return faintest;
}"""


@pytest.fixture(scope="module")
def study(driver, tmp_path_factory, run_python):
    """A folder with the notebooks, the parameters and the demo, run as a user would, on fewer scenarios."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("notebooks", "params"):
        shutil.copytree(driver.ROOT / name, folder / name)
    command = ["-m", "conflictscope", "run", "params/hhh.yaml", "--set", "outlines_per_pair=16"]
    command += ["--set", "target_rankings=[reverse_of_default]"]
    command += [word for name in (*STAGES, "06_steer") for word in ("--only", name)]
    done = run_python(*command, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def archive(study):
    return browse.open_archive(study / "runs" / "hhh", study="hhh")


@pytest.fixture
def labels(study):
    """Return a function that reads the lines of the labels file; nobody has labelled when the test begins."""
    folder = study / "runs" / "hhh" / "labels"
    shutil.rmtree(folder, ignore_errors=True)
    return lambda: [json.loads(line) for line in (folder / "me.jsonl").read_text().splitlines()]


def readings(archive):
    """Return conversation → what the judge took it for."""
    verdicts = archive.tables["verdicts"].query("judge == 'simulated/judge'")
    read = "action_" + verdicts["action"].astype("str")
    read = read.where(verdicts["outcome"].eq("choice"), "neither")
    read.index = pd.MultiIndex.from_frame(verdicts[["scenario_id", "target", "arm"]])
    return read.to_dict()


def table_row(page, title, *words):
    """Return the cells of the row of a titled table that holds these words."""
    table = page.locator(".jp-OutputArea-output table", has=page.locator("caption", has_text=title))
    rows = table.locator("tbody tr")
    for word in words:
        rows = rows.filter(has=page.get_by_text(word, exact=True))
    return dict(zip(table.locator("thead th").all_text_contents(), rows.locator("td").all_text_contents(), strict=True))


def test_scenarios_are_found_by_every_filter_and_read(page, lab, study, archive, driver, expect):
    driver.run_all(page, lab, "browse_scenarios")
    heading, pane = page.locator(".cs-pick-heading span"), page.locator(".cs-pane")
    every = len(archive.entries)
    expect(heading).to_have_text(f"{every} of {every} shown")
    controls = page.locator(".widget-dropdown select")
    assert set(controls.evaluate_all("all => all.map((s) => s.value)")) == {"any"}
    pair = tuple(archive.entries.iloc[0][["value_1", "value_2"]])
    domain = archive.entries["domain"].dropna().iloc[0]
    failed = next(check for check in CHECKS if archive.decisions[check].eq(False).any())
    filters = [
        ("pair", " – ".join(pair), {"pair": pair}),
        ("structure", "means", {"structure": "means"}),
        ("severity", "mild", {"severity": "mild"}),
        ("acting serves", pair[0], {"acting_value": pair[0]}),
        ("filter status", "dropped", {"filter_status": "dropped"}),
        ("failed check", failed.replace("_", " "), {"failed_check": failed}),
        ("domain", domain, {"domain": domain}),
    ]
    for label, choice, wanted in filters:
        driver.drop(page, label, choice)
        found = len(filter_scenarios(archive, **wanted))
        assert 0 < found < every
        expect(heading).to_have_text(f"{found} of {every} shown")
        driver.drop(page, label, "any")

    expect(heading).to_have_text(f"{every} of {every} shown")
    # one that is taken back must not go blank
    assert set(controls.evaluate_all("all => all.map((s) => s.value)")) == {"any"}
    driver.drop(page, "filter status", "duplicate")
    expect(pane.locator("h2")).to_contain_text("Outline")
    expect(pane).to_contain_text("what it was dropped for")
    outline = archive.tables["outlines"].query("not kept").iloc[0]
    expect(pane.locator("table", has_text="cosine")).to_contain_text(f"{outline['similarity']:.2f}")
    expect(pane).to_contain_text(outline["nearest"])
    driver.drop(page, "filter status", "any")

    wanted = archive.tables["scenarios"].iloc[5]
    page.locator(".jp-OutputArea-output .widget-text input").fill(wanted["outline_id"].upper())
    expect(driver.options(page)).to_have_count(1)
    expect(pane.locator("h2")).to_have_text(f"Scenario {wanted['scenario_id']}")
    for part in ("description", "action_1", "action_2", "persona", "background", "goal"):
        expect(pane).to_contain_text(" ".join(wanted[part].split()))
    for check in archive.rows("checks", wanted["scenario_id"]).itertuples():
        expect(pane).to_contain_text(" ".join(check.reason.split()))

    page.goto((study / "runs" / "hhh" / "scenario.html").as_uri())
    expect(page.locator(".cs-view h2")).to_have_text(f"Scenario {archive.entries.index[0]}")


def test_from_a_cell_to_the_conversations_to_a_dispute_to_kappa(page, lab, study, archive, labels, driver, expect):
    target = "simulated/obliging"
    driver.run_all(page, lab, "browse_responses")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    driver.drop(page, "heatmap of", target)
    driver.drop(page, "asked by", "open ended · default")
    values = page.locator(".cs-grid-pick thead th span").all_text_contents()[1:]
    page.locator(".cs-grid-pick button[data-place='1,0']").click()
    where = {"target": target, "condition": "open_ended", "arm": "default", "judge": "simulated/judge"}
    behind = cases_of_cell(archive, values[1], values[0], **where)
    assert len(behind) >= 10
    expect(page.locator(".widget-dropdown", has_text="within").locator("select")).to_have_value(
        re.compile("cell.picked")
    )
    expect(page.locator(".cs-pick-heading span")).to_contain_text(f"{len(behind)} cases")

    pane, judged = page.locator(".cs-pane"), readings(archive)
    driver.options(page).nth(0).click()
    before, said = pane.bounding_box(), {}
    for place in range(3):
        scenario = behind["scenario_id"].iloc[place]
        expect(pane.locator("h2")).to_have_text(f"Case {scenario}")
        verdict = archive.tables["verdicts"].query(f"scenario_id == '{scenario}' and target == '{target}'").iloc[0]
        expect(pane).to_contain_text(" ".join(verdict["reasoning"].split()[:12]))
        row = pane.locator(".cs-label", has=page.locator("button")).and_(
            pane.locator(f"""[data-conversation='["{scenario}", "{target}", "default", 0]']""")
        )
        # the verdict's own words stand in the card above the buttons
        said[scenario] = OTHER_KEY[judged[scenario, target, "default"]]
        page.keyboard.press(said[scenario])
        expect(row.get_by_role("status")).to_have_text("saved, with the verdict in sight")
        expect(row.locator("[aria-pressed=true] kbd")).to_have_text(said[scenario])
        page.keyboard.press("ArrowDown")
    assert [line["blind"] for line in labels()] == [False] * 3
    # in command mode "1" would turn a cell into a heading, and nothing may move what is read
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells and pane.bounding_box() == before

    page.reload()
    driver.run_all(page, lab, "browse_responses")
    page.locator(".jp-OutputArea-output .widget-text input").fill(next(iter(said)))
    row = pane.locator(f"""[data-conversation='["{next(iter(said))}", "{target}", "default", 0]']""")
    expect(row.locator("[aria-pressed=true] kbd")).to_have_text(next(iter(said.values())))

    driver.run_all(page, lab, "validate_judges")
    found = table_row(page, "Readings with the verdict in sight", "me, verdict in sight")
    mine = [{"1": "action_1", "2": "action_2"}[key] for key in said.values()]
    kappa = cohen_kappa_score(mine, [judged[scenario, target, "default"] for scenario in said])
    assert found["read"] == "3" and found["agreed"] == "0.00" and float(found["kappa"]) == round(kappa, 2) <= 0
    assert (
        "simulated conversation labels" in page.locator("caption", has_text="Agreement between raters").text_content()
    )
    disputed = page.locator("table", has=page.locator("caption", has_text="Disputed readings"))
    for scenario in said:
        expect(disputed).to_contain_text(scenario)
    page.goto((study / "runs" / "hhh" / "case.html").as_uri())
    expect(page.locator(".cs-view h2")).to_contain_text("Case")


def test_three_blind_labels_by_keyboard_survive_a_reload_and_give_kappa(page, lab, archive, labels, driver, expect):
    driver.run_all(page, lab, "annotate")
    status = page.locator(".cs-pad [role=status]").first
    expect(status).to_have_text("0 of 40 answered by me; this is question 1")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    assert not re.search("simulated/|helpfulness|honesty", page.locator(".cs-pad-content").inner_text())
    pad = page.locator(".cs-pad")
    before = pad.bounding_box()
    # whoever sees it can answer
    driver.into_view(page, ".cs-pad")
    expect(pad).to_be_focused()
    for done, key in enumerate("abn", start=1):
        page.keyboard.press(key)
        expect(status).to_have_text(f"{done} of 40 answered by me; this is question {done + 1}")
        # each is on disk before the next question is there
        assert len(labels()) == done
    assert page.locator(".cs-pad progress").evaluate("(bar) => bar.value / bar.max") == pytest.approx(3 / 40)
    # "a" and "b" are JupyterLab's own keys for a new cell
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert pad.bounding_box()["height"] == before["height"]
    assert {line["annotator"] for line in labels()} == {"me"} and all(line["blind"] for line in labels())
    page.reload()
    driver.run_all(page, lab, "annotate")
    expect(status).to_have_text("3 of 40 answered by me; this is question 4")

    driver.run_all(page, lab, "validate_judges")
    found = table_row(page, "Agreement between raters of conversations", "me", "simulated/judge")
    judged = readings(archive)
    mine = [line["answer"] for line in labels()]
    its = [judged[line["scenario_id"], line["target"], line["arm"]] for line in labels()]
    shown = float(found["kappa"]) if found["kappa"] != "–" else float("nan")
    assert found["read"] == "3" and shown == pytest.approx(cohen_kappa_score(mine, its), abs=0.005, nan_ok=True)
    assert "simulated conversation labels" not in page.locator("caption", has_text="Agreement between").text_content()
    expect(
        page.locator(".jp-OutputArea-output", has_text="Nobody has labelled with the verdict in sight")
    ).to_be_visible()


def test_the_six_checks_are_answered_by_keyboard(page, lab, study, labels, driver, expect):
    notebook = json.loads((study / "notebooks" / "annotate.ipynb").read_text())
    for cell in notebook["cells"]:
        cell["source"] = [line.replace('"conversations"  # conv', '"checks"  # conv') for line in cell["source"]]
    (study / "notebooks" / "annotate_checks.ipynb").write_text(json.dumps(notebook))
    driver.run_all(page, lab, "annotate_checks")
    status = page.locator(".cs-pad [role=status]")
    page.locator(".cs-pad").click(position={"x": 5, "y": 5})
    keys = [{"value_guided": "a"}.get(check, "y") for check in CHECKS for _ in range(1 + (check == "value_guided"))]
    for done, key in enumerate(keys, start=1):
        page.keyboard.press(key)
        expect(status).to_contain_text(f"{done} of ")
    given = pd.DataFrame(labels())
    assert given["scenario_id"].nunique() == 1 and given["check"].drop_duplicates().tolist() == list(CHECKS)
    assert given["about_value"].nunique() == 2


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_text_can_be_read_at_laptop_width(theme, page, lab, driver, expect):
    driver.run_all(page, lab, "browse_responses")
    driver.use_theme(page, theme)
    page.locator(".cs-grid-pick button").first.click()
    expect(page.locator(".cs-pane .cs-label").first).to_be_attached()
    page.locator(".cs-pane summary").first.click()
    contrast, text = page.evaluate(FAINTEST)
    assert contrast >= 4.5, text
    wide = "all => all.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.className)"
    assert page.locator(".jp-Notebook, .jp-OutputArea-output, .cs-pane").evaluate_all(wide) == []
