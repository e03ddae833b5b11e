"""Screenshots of the three views on the demo, as docs/reading.md shows them.

Run by hand after ``make study``: ``.venv/bin/python tests/browse/screens.py`` writes them to ``figures/screens/``;
``... screens.py --dark FOLDER`` takes the same in the dark theme, to be looked at. It needs Chromium and playwright.
"""

import argparse
import importlib.util
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

SPEC = importlib.util.spec_from_file_location("driver", Path(__file__).with_name("driver.py"))
driver = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(driver)


def take_scenarios(page, lab):
    driver.run_all(page, lab, "browse_scenarios")
    driver.drop(page, "filter status", "dropped")
    driver.options(page).nth(1).click()
    return ".jp-OutputArea-output .widget-dropdown"


def take_responses(page, lab):
    driver.run_all(page, lab, "browse_responses")
    driver.drop(page, "asked by", "open ended · default")
    page.locator(".cs-grid-pick button[data-place='1,0']").click()
    driver.options(page).nth(2).click()
    # the list has to have answered before the pane is scrolled: a new case begins at its top
    page.wait_for_timeout(2000)
    # on to the first conversation, so that its end, the verdicts and the reader's own answer are in sight
    page.locator(".cs-label").first.evaluate("(row) => row.scrollIntoView({ block: 'end' })")
    return ".cs-grid-pick"


def take_annotate(page, lab):
    driver.run_all(page, lab, "annotate")
    return ".cs-pad"


VIEWS = {"browse_scenarios": take_scenarios, "browse_responses": take_responses, "annotate": take_annotate}


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--dark", type=Path, help="folder for the same screenshots in the dark theme")
    dark = asked.parse_args().dark
    out = dark or driver.ROOT / "figures" / "screens"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # a copy, so that nobody's labels are in the picture
        for name in ("notebooks", "params"):
            shutil.copytree(driver.ROOT / name, Path(folder) / name)
        tables = shutil.ignore_patterns("labels", "*.ipynb")
        shutil.copytree(driver.ROOT / "runs" / "hhh", Path(folder) / "runs" / "hhh", ignore=tables)
        with driver.serve(folder, Path(folder) / "home") as lab:
            chromium = playwright.chromium.launch(executable_path=driver.CHROMIUM, args=driver.FLAGS)
            for name, take in VIEWS.items():
                page = chromium.new_page(viewport={"width": 1366, "height": 950})
                page.set_default_timeout(driver.PATIENCE)
                shown = take(page, lab)
                page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
                driver.use_theme(page, "JupyterLab Dark" if dark else "JupyterLab Light")
                driver.into_view(page, shown)
                # the notebook draws what has come into view a moment later
                page.wait_for_timeout(1500)
                driver.into_view(page, shown)
                page.screenshot(path=out / f"{name}.png")
                page.close()
            chromium.close()


if __name__ == "__main__":
    main()
