"""How long a researcher waits, in a headless Chromium, on the notebooks themselves over a made-up study.

Run by hand: ``.venv/bin/python tests/benchmarks/browsing.py [scenarios] [targets] [values]`` (default: 2000 10 3). It
needs Chromium and playwright. First view: from Run All to the first view drawn, imports and the reading of tables
included (wanted: 5 s for 2,000 scenarios and 10 targets). The rest: from the click or key to the change it makes on the
page, medians of ten (wanted: 200 ms). A long session goes through 400 cases by keyboard: time a step, and memory.
"""

import importlib.util
import json
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from conflictscope.study.provenance import record_places

TESTS = Path(__file__).resolve().parents[1] / "browse"
# milliseconds from an action to the first change below an element
WATCH = """([watched, act]) => new Promise((resolve) => {
  const seen = document.querySelector(watched), start = performance.now();
  const observer = new MutationObserver(() => { observer.disconnect(); resolve(performance.now() - start); });
  observer.observe(seen, {childList: true, subtree: true, characterData: true});
  new Function('return ' + act)()();
})"""
# milliseconds from Run All to the first element that fits; a cell that fails leaves none
RUN_ALL = """(first) => new Promise((resolve, reject) => {
  const start = performance.now();
  const look = () => document.querySelector(first) ? resolve(performance.now() - start) : setTimeout(look, 10);
  window.ran = window.jupyterapp.commands.execute('notebook:run-all-cells');
  window.ran.then(() => setTimeout(() => reject(new Error(`all cells ran, or one failed; no ${first}`)), 30000));
  look();
})"""
# milliseconds of each of many steps with a key, from the key to the change
SESSION = """async ([watched, key, steps]) => {
  const times = [];
  for (let step = 0; step < steps; step++) {
    const start = performance.now(), pane = document.querySelector(watched);
    times.push(await new Promise((resolve) => {
      const observer = new MutationObserver(() => { observer.disconnect(); resolve(performance.now() - start); });
      observer.observe(pane, {childList: true, subtree: true, characterData: true});
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    }));
  }
  return times;
}"""
PRESS = "() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
CLICK = "() => document.querySelectorAll(`%s`)[%d].click()"
CHOOSE = """() => { const select = document.querySelectorAll('.widget-dropdown select')[%d];
  select.selectedIndex = %d; select.dispatchEvent(new Event('change', {bubbles: true})); }"""
TYPE = """() => { const input = document.querySelector('.widget-text input');
  input.value = 'number %d'; input.dispatchEvent(new Event('input', {bubbles: true})); }"""


def load(name):
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def heap(page):
    """Return the page's memory in MiB, what nothing refers to left out."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return page.evaluate("() => performance.memory.usedJSHeapSize") / 2**20


def main(scenarios=2000, targets=10, values=3):
    driver, made = load("driver"), load("made_study")
    registered = ["cautious", "obliging", "steady", "pliable"]
    # the notebooks ask the file of models for each target's name
    names = [f"simulated/{registered[n] if n < len(registered) else f'more-{n}'}" for n in range(targets)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        for name in ("notebooks", "params"):
            shutil.copytree(driver.ROOT / name, folder / name)
        models = folder / "params" / "models.yaml"
        more = "".join(f'  {name}: {{base_url: "http://nowhere.invalid/v1", id: x}}\n' for name in names[4:])
        models.write_text(models.read_text().replace("models:\n", f"models:\n{more}", 1))
        options = {"scenarios": scenarios, "target_names": names, "judges": ("simulated/judge",), "study": "hhh"}
        if values > 3:
            many = tuple(f"value {n}" for n in range(values))
            options["values"] = many
            # definitions have to differ
            letters = random.Random(0)
            defined = {name: " ".join("".join(letters.choices("abcdefghij", k=6)) for _ in range(8)) for name in many}
            written = {"name": "many", "values": defined}
            (folder / "params" / "value_sets" / "hhh.yaml").write_text(json.dumps(written | {"pairs": {"each": 8}}))
        made.make_study(folder / "runs" / "hhh", prompts=("default",), **options)
        places = {"value_set": "params/value_sets/hhh.yaml", "models_file": "params/models.yaml"}
        record_places(folder / "runs" / "hhh", "hhh", places | {"figures_folder": "figures"})
        chromium = playwright.chromium.launch(executable_path=driver.CHROMIUM, args=driver.FLAGS)
        with driver.serve(folder, folder / "home") as lab:

            def started(notebook, first):
                page = chromium.new_page(viewport=driver.LAPTOP)
                page.set_default_timeout(driver.PATIENCE)
                driver.open_notebook(page, lab, notebook)
                shown = page.evaluate(RUN_ALL, first)
                page.evaluate("() => window.ran")
                print(f"{notebook}: first view {shown / 1000:.1f} s after Run All", flush=True)
                return page

            def report(page, what, watched, act, places=range(1, 11)):
                times = []
                for place in places:
                    times.append(page.evaluate(WATCH, [watched, act % place if "%" in act else act]))
                    page.wait_for_timeout(300)
                print(f"  {what}: {statistics.median(times):.0f} ms (at most {max(times):.0f})", flush=True)

            def session(page, what, asked):
                before, times = heap(page), page.evaluate(SESSION, asked)
                first, last = statistics.median(times[:50]), statistics.median(times[-50:])
                print(f"  {what}: {len(times)} steps, {first:.0f} ms at first, {last:.0f} ms at last", end="")
                print(f" (at most {max(times):.0f}); {heap(page) - before:+.1f} MiB in the page", flush=True)

            row = ".cs-pick-list [role=option]"
            page = started("browse_scenarios", ".cs-pane h2")
            report(page, "a scenario picked", ".cs-pane", CLICK.replace("%s", row))
            report(page, "a filter changed", ".cs-pick-list", CHOOSE.replace("%d", "0", 1), [1, 2, 3, 0] * 3)
            report(page, "a word typed", ".cs-pick-list", TYPE, range(10, 20))
            page.close()
            page = started("browse_responses", ".cs-pane h2")
            grid = CLICK.replace("%s", ".cs-grid-pick button")
            report(page, "a cell picked", ".cs-pick-list", grid, [0, 1, 2, 3, 4] * 2)
            if values > 3:  # a cell of many holds a case or two
                page.close()
                chromium.close()
                return
            report(page, "a case picked", ".cs-pane", CLICK.replace("%s", row))
            page.locator(".cs-pick-list").focus()
            report(page, "the next case by key", ".cs-pane", PRESS % "ArrowDown")
            session(page, "a long session, case after case by key", [".cs-pane", "ArrowDown", min(400, scenarios - 50)])
            report(page, "another target's heatmap", ".cs-grid-pick", CHOOSE.replace("%d", "0", 1), [1, 2, 3, 0] * 3)
            # those that find something where there is one judge and no steering
            disagreements = [1, 2, 5, 6]
            preset = CHOOSE.replace("%d", "3", 1)
            report(page, "a kind of disagreement, first time", ".cs-pick-list", preset, disagreements)
            report(page, "and again", ".cs-pick-list", preset, disagreements)
            page.locator(".cs-pane .cs-label button").first.wait_for(state="attached")
            report(
                page,
                "a label beside the verdict, on disk",
                ".cs-pane .cs-label",
                CLICK.replace("%s", ".cs-label button"),
                [0, 1] * 5,
            )
            page.close()
            page = started("annotate", ".cs-pad h2")
            page.locator(".cs-pad").focus()
            report(page, "the next question, the answer on disk", ".cs-pad-content", PRESS % "a")
            page.close()
        chromium.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
