"""A study whose model texts try to break out of the page, in JupyterLab and in an exported page: they show as text."""

import shutil

import nbformat
import pytest

from conflictscope.study.provenance import record_places

# a formula of ours, which shows that formulas are set here; a table and a view of texts
TABLES = nbformat.v4.new_notebook(
    metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    cells=[
        nbformat.v4.new_code_cell(source)
        for source in (
            "from IPython.display import Markdown\nMarkdown('$x^2$')",
            "from conflictscope import browse\nfrom conflictscope.study import open_run, show_table\n"
            "run = open_run('runs/hhh')\nkept = run.read('scenarios')\ntext = kept['description'][0]\n"
            "show_table(kept[['description']].head(1).assign(**{text[:60]: 'x'}).set_index('description', drop=False),"
            " text, text)",
            "browse.show('s00000', browse.open_archive(run.folder, study='hhh', source=text))",
        )
    ],
)
TARGETS = ["simulated/cautious", "simulated/obliging", "simulated/steady", "simulated/pliable"]


@pytest.fixture(scope="module")
def study(driver, make_study, tmp_path_factory):
    """A folder with the notebooks, the parameters and a made-up run under the demo's names."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("notebooks", "params"):
        shutil.copytree(driver.ROOT / name, folder / name)
    made = {"scenarios": 240, "target_names": TARGETS, "judges": ("simulated/judge",), "hostile": True, "study": "hhh"}
    make_study(folder / "runs" / "hhh", **made)
    places = {
        "value_set": "params/value_sets/hhh.yaml",
        "models_file": "params/models.yaml",
        "figures_folder": "figures",
    }
    record_places(folder / "runs" / "hhh", "hhh", places)
    nbformat.write(TABLES, folder / "notebooks" / "texts.ipynb")
    return folder


def test_hostile_text_shows_as_text_in_every_view(page, lab, study, driver, expect, hostile_text):
    driver.run_all(page, lab, "browse_responses")
    driver.drop(page, "asked by", "open ended · default")
    page.locator(".cs-grid-pick button[data-place='1,0']").click()
    pane = page.locator(".cs-pane")
    expect(pane).to_contain_text("</div></section><script>alert(1)</script><img src=x onerror=alert(1)>")
    expect(pane).to_contain_text("He owes $5 to Ann and $10 to Bo; $$a$$, (b), \\(b\\)")
    assert pane.locator("img, script, a").count() == 0
    assert pane.locator("section").count() == 1

    driver.run_all(page, lab, "browse_scenarios")
    page.locator(".jp-OutputArea-output .widget-text input").fill("s00000")
    expect(pane.locator("h2")).to_have_text("Scenario s00000")
    expect(pane).to_contain_text(hostile_text)
    assert pane.locator("img, script, a").count() == 0

    driver.run_all(page, lab, "annotate")
    content = page.locator(".cs-pad-content")
    expect(content).to_contain_text("<script>alert(1)</script>")
    assert content.locator("img, script, a").count() == 0

    page.goto((study / "runs" / "hhh" / "scenario.html").as_uri())
    expect(page.locator("section")).to_have_count(1)
    expect(page.locator("section")).to_contain_text(hostile_text)
    assert page.locator("img, script, a").count() == 0


def test_no_text_is_set_as_a_formula(page, lab, study, driver, expect, hostile_text):
    driver.run_all(page, lab, "texts")
    formula = page.locator("mjx-container")
    expect(formula).to_have_count(1)
    table = page.locator(".jp-OutputArea-output table", has=page.locator("caption"))
    for part in ("caption", "tbody th", "tbody td >> nth=0"):
        expect(table.locator(part)).to_contain_text(hostile_text)
    expect(page.locator(".cs-view").last).to_contain_text(hostile_text)
    for notebook in ("browse_scenarios", "browse_responses", "annotate"):
        driver.run_all(page, lab, notebook)
        assert formula.count() == 0
    assert page.locator("a[href*='x.invalid']").count() == 0
