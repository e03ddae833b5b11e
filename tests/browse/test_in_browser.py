"""The widget notebooks in JupyterLab, as a person uses them: open, filter, click, type, reload.

The study is made up, under the demo's names, and its model texts try to break out of the page.
"""

import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
TARGETS = ["simulated/cautious", "simulated/obliging", "simulated/steady", "simulated/pliable"]
READY = """() => {const k = document.querySelector('.jp-Toolbar-kernelName'),
  e = document.querySelector('.jp-Notebook-ExecutionIndicator');
  return k && e && !/No Kernel/.test(k.textContent) && e.dataset.status === 'idle'}"""
PATIENCE = 60_000  # ms; five times what a busy two-core machine took

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
sync_api.expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with the notebooks, the parameters and a made-up run."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, folder / name)
    make_study = runpy.run_path(str(Path(__file__).with_name("made_study.py")))["make_study"]
    made = {"scenarios": 240, "target_names": TARGETS, "judges": ("simulated/judge",), "hostile": True, "study": "hhh"}
    make_study(folder / "runs" / "hhh", **made)
    return folder


@contextmanager
def serve(folder, home):
    """Serve a folder with JupyterLab, settings and all in `home`, and give its address; the token is T."""
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=T", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += [f"--LabApp.{name}_dir={home / name}" for name in ("user_settings", "workspaces")]
    environment = {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in ("config", "data", "runtime")}
    environment |= {"HOME": str(home), "PATH": str(Path(sys.executable).parent)}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/api?token=T", server, home / "log")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(address, server, log):
    """Wait until a server answers."""
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no answer from JupyterLab within a minute: {log.read_text()}")


@pytest.fixture(scope="module")
def lab(study, tmp_path_factory):
    with serve(study, tmp_path_factory.mktemp("jupyter") / "home") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, lab):
    """A page that fails the test where a script of a model's ran or something was asked of another server."""
    opened = browser.new_page(viewport={"width": 1366, "height": 900})
    opened.set_default_timeout(PATIENCE)
    elsewhere, dialogs = [], []
    ours = (lab, "data:", "blob:", "file:")
    opened.on("request", lambda request: None if request.url.startswith(ours) else elsewhere.append(request.url))
    opened.on("dialog", lambda dialog: (dialogs.append((dialog.type, dialog.message)), dialog.accept()))
    yield opened
    opened.close()
    assert elsewhere == []
    # JupyterLab asks before it lets a page with unsaved cells go; anything else would be a model's script
    assert [said for said in dialogs if said[0] != "beforeunload"] == []


def run_all(page, lab, notebook):
    """Open a notebook and run all its cells."""
    page.goto(f"{lab}/lab/tree/notebooks/{notebook}.ipynb?token=T&reset")
    page.wait_for_function(READY)
    page.click(".jp-Notebook .jp-Cell >> nth=0")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def options(page):
    return page.locator(".cs-pick-list [role=option]")


def drop(page, label, choice):
    """Choose in the dropdown of that label."""
    row = page.locator(".jp-OutputArea-output .widget-dropdown", has=page.get_by_text(label, exact=True))
    row.locator("select").select_option(label=choice)


def test_a_scenario_is_found_and_read(page, lab):
    run_all(page, lab, "browse_scenarios")
    heading = page.locator(".cs-pick-heading span")
    sync_api.expect(heading).to_contain_text("kept 242 of 242 · page 1 of 3")
    drop(page, "fate", "duplicate")
    sync_api.expect(heading).to_have_text("kept 2 of 242")
    pane = page.locator(".cs-pane")
    sync_api.expect(pane).to_contain_text("an earlier outline that it repeats")
    drop(page, "fate", "any")
    page.locator(".jp-OutputArea-output .widget-text input").fill("TENANT s00017")
    sync_api.expect(options(page)).to_have_count(1)
    sync_api.expect(pane.locator("h2")).to_have_text("Scenario s00017")


def test_from_a_cell_to_the_verdict_and_the_page_to_send(page, lab, study):
    run_all(page, lab, "browse_responses")
    page.locator(".cs-grid-pick button[data-place='1,0']").click()
    sync_api.expect(page.locator(".cs-pick-heading span")).to_contain_text("80 cases, 80 of 240 scenarios")
    pane = page.locator(".cs-pane")
    options(page).nth(3).click()
    sync_api.expect(pane).to_contain_text("It wrote the letter.")
    sync_api.expect(pane).to_contain_text("<img src=x onerror=alert(1)>")
    assert pane.locator("img, script").count() == 0
    first = pane.locator("h2").inner_text()
    page.keyboard.press("ArrowDown")
    sync_api.expect(pane.locator("h2")).not_to_have_text(first)
    assert page.locator(".cs-pick-list [aria-selected=true]").count() == 1
    drop(page, "cases", "moved by steering")
    sync_api.expect(page.locator(".cs-pick-list [aria-selected=true]")).to_contain_text("→")
    page.goto((study / "runs" / "hhh" / "case.html").as_uri())
    sync_api.expect(page.locator(".cs-view h2")).to_contain_text("Case")


def test_three_labels_by_keyboard_survive_a_reload(page, lab, study):
    run_all(page, lab, "annotate")
    status = page.locator(".cs-pad [role=status]")
    sync_api.expect(status).to_have_text("0 of 40 answered by me; this is question 1")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    content = page.locator(".cs-pad-content")
    assert not re.search("simulated/|helpfulness|honesty|It wrote the letter", content.inner_text())
    page.locator(".cs-pad").click(position={"x": 5, "y": 5})
    for done, key in enumerate("abn", start=1):
        page.keyboard.press(key)
        sync_api.expect(status).to_have_text(f"{done} of 40 answered by me; this is question {done + 1}")
    # "a" and "b" are JupyterLab's own keys for a new cell
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert len((study / "runs" / "hhh" / "labels" / "me.jsonl").read_text().splitlines()) == 3
    page.reload()
    run_all(page, lab, "annotate")
    sync_api.expect(page.locator(".cs-pad [role=status]").first).to_have_text(
        "3 of 40 answered by me; this is question 4"
    )
