"""How long a researcher waits: first view after "Run All", a selection, a cell, in a headless Chromium.

Run by hand: ``.venv/bin/python tests/benchmarks/browsing.py [scenarios] [targets]`` (default: 2000 10). It needs
Chromium and playwright. Times are in the browser, from the click to the changed pane; medians of ten.
"""

import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat

BROWSER_TEST = Path(__file__).resolve().parents[1] / "browse" / "test_in_browser.py"
CELLS = {
    "scenarios": "browser = browse.ScenarioBrowser(archive)\nbrowser",
    "responses": "browser = browse.ResponseBrowser(archive)\nbrowser",
}
# resolves with the milliseconds from the click to the first change in the pane
WATCH = """([pane, clicked]) => new Promise((resolve) => {
  const start = performance.now();
  new MutationObserver((_, seen) => { seen.disconnect(); resolve(performance.now() - start); })
    .observe(pane, {childList: true, subtree: true, characterData: true});
  clicked.click();
})"""


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_notebooks(folder):
    start = "from conflictscope import browse\narchive = browse.open_archive('run', study='made')"
    for name, cell in CELLS.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (start, cell)])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")


def median_click(page, locate, pane):
    """Return the median time from a click on each of ten elements to the changed pane."""
    times = []
    for number in range(1, 11):
        times.append(page.evaluate(WATCH, [pane.element_handle(), locate(number).element_handle()]))
        page.wait_for_timeout(150)
    return statistics.median(times)


def main(scenarios=2000, targets=10):
    browsing = load(BROWSER_TEST)
    made = load(BROWSER_TEST.with_name("made_study.py"))
    with tempfile.TemporaryDirectory() as folder, browsing.sync_api.sync_playwright() as playwright:
        folder = Path(folder)
        (folder / "notebooks").mkdir()
        made.make_study(folder / "notebooks" / "run", scenarios=scenarios, targets=targets, prompts=("default",))
        write_notebooks(folder)
        chromium = playwright.chromium.launch(executable_path=browsing.CHROMIUM, args=browsing.FLAGS)
        with browsing.serve(folder, folder / "home") as lab:
            for name in CELLS:
                page = chromium.new_page(viewport={"width": 1366, "height": 900})
                browsing.run_all(page, lab, name)
                start = time.perf_counter()
                pane = page.locator(".cs-pane h2")
                pane.wait_for(timeout=60_000)
                print(f"{name}: first view {time.perf_counter() - start:.1f} s after Run All, with the imports")
                page.wait_for_timeout(1000)
                rows = browsing.options(page)
                chosen = median_click(page, lambda number, rows=rows: rows.nth(number), page.locator(".cs-pane"))
                print(f"{name}: selection {chosen:.0f} ms")
                if name == "responses":
                    cells = page.locator(".cs-grid-pick button")
                    count = cells.count()
                    locate = lambda number, cells=cells, count=count: cells.nth(number % count)  # noqa: E731
                    print(f"{name}: cell {median_click(page, locate, page.locator('.cs-pick-list')):.0f} ms")
                page.close()
        chromium.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
