import importlib.util
import runpy
from pathlib import Path

import pytest

from conflictscope import browse

_MADE = runpy.run_path(str(Path(__file__).with_name("made_study.py")))


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hostile_text():
    """What a reply might hold to break out of its place on the page."""
    return _MADE["HOSTILE"]


@pytest.fixture
def make_archive(tmp_path):
    """Return a function that writes a made-up study to ``tmp_path`` and opens it."""

    def make(**options):
        _MADE["make_study"](tmp_path, **options)
        return browse.open_archive(tmp_path, study="made", source="simulated models")

    return make


@pytest.fixture(scope="session")
def make_study():
    """Return the function that writes a made-up study."""
    return _MADE["make_study"]


@pytest.fixture(scope="session")
def driver():
    """JupyterLab in a headless Chromium; skips where there is none."""
    module = _load("driver")
    if module.CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    pytest.importorskip("playwright", reason="playwright is not installed (pip install playwright)")
    return module


@pytest.fixture(scope="session")
def expect(driver):
    """Playwright's assertions, with the driver's patience."""
    from playwright import sync_api

    sync_api.expect.set_options(timeout=driver.PATIENCE)
    return sync_api.expect


@pytest.fixture(scope="module")
def lab(driver, study, tmp_path_factory, fork_python):
    """JupyterLab on the module's ``study``."""
    with driver.serve(study, tmp_path_factory.mktemp("jupyter") / "home", fork_python) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(driver):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=driver.CHROMIUM, args=driver.FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(chromium, lab, driver):
    """A page that fails the test where a script of a model's ran or something was asked of another server."""
    opened = chromium.new_page(viewport=driver.LAPTOP)
    opened.set_default_timeout(driver.PATIENCE)
    elsewhere, dialogs = [], []
    ours = (lab, "data:", "blob:", "file:")
    opened.on("request", lambda request: None if request.url.startswith(ours) else elsewhere.append(request.url))
    opened.on("dialog", lambda dialog: (dialogs.append((dialog.type, dialog.message)), dialog.accept()))
    yield opened
    opened.close()
    assert elsewhere == []
    # JupyterLab asks before it lets a page with unsaved cells go; anything else would be a model's script
    assert [said for said in dialogs if said[0] != "beforeunload"] == []
