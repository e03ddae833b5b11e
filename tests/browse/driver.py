"""JupyterLab in a headless Chromium, for tests, benchmarks and screenshots: serve a folder, open a notebook, run it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
LAPTOP = {"width": 1366, "height": 768}
PATIENCE = 120_000  # ms; more than five times what a busy two-core machine took
# the notebook is open, its kernel has answered, and nothing is under way any more that could swallow a command
READY = """(path) => {
  const app = window.jupyterapp, panel = app?.shell.currentWidget, session = panel?.context?.sessionContext;
  return panel?.context.path === path && panel.context.isReady && session.isReady
    && session.session?.kernel?.connectionStatus === 'connected' && session.session.kernel.status === 'idle';
}"""
CODE_CELLS_RUN = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter((cell) => cell.model.type === 'code').every((cell) => cell.model.executionCount !== null)"""


@contextmanager
def serve(folder, home, start=None):
    """Serve a folder with JupyterLab, settings and all in `home`, and give its address; the token is T.

    ``start(words, env, streams)`` starts Python otherwise than as a new process.
    """
    home.mkdir(parents=True)
    # JupyterLab asks whether it may fetch news, in front of what is to be seen
    settings = home / "user_settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=T", f"--ServerApp.root_dir={folder}"]
    command += [
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",
    ]
    command += [f"--LabApp.{name}_dir={home / name}" for name in ("user_settings", "workspaces")]
    environment = {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in ("config", "data", "runtime")}
    environment |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
    # kernels run this checkout, wherever the package was installed from
    environment["PYTHONPATH"] = str(ROOT / "lib")
    with (home / "log").open("w") as log, open(os.devnull) as nothing:
        if start is None:
            server = subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)
        else:
            server = start(command, env=environment, streams=[nothing.fileno(), log.fileno(), log.fileno()])
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/api?token=T", server, home / "log")
            yield address
        finally:
            # how JupyterLab ends is not what is tested, and it can take minutes over it on a busy machine
            server.kill()
            server.wait(timeout=60)


def _wait_for(address, server, log):
    """Wait until a server answers."""
    for _ in range(1200):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no answer from JupyterLab within two minutes: {log.read_text()}")


def open_notebook(page, lab, notebook):
    """Open a notebook and wait until its kernel is there."""
    page.goto(f"{lab}/lab/tree/notebooks/{notebook}.ipynb?token=T&reset")
    page.wait_for_function(READY, arg=f"notebooks/{notebook}.ipynb")


def run_all(page, lab, notebook):
    """Open a notebook and run all its cells to the end; fail where one of them fails."""
    open_notebook(page, lab, notebook)
    # as the menu does it; unlike a click in the menu, this says when it is done, and cannot be dropped on the way
    page.evaluate("() => { window.ran = window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.evaluate("() => window.ran")
    errors = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.count() == 0, errors.all_inner_texts()
    assert page.evaluate(CODE_CELLS_RUN)


def use_theme(page, name):
    """Change JupyterLab's theme: ``JupyterLab Light`` or ``JupyterLab Dark``."""
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name)
    light = "false" if "Dark" in name else "true"
    page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")


def into_view(page, selector):
    """Scroll the notebook so that an element of an output is at its top."""
    page.locator(selector).first.evaluate("(element) => element.scrollIntoView({ block: 'start' })")


def options(page):
    """Return the rows of the list to pick from."""
    return page.locator(".cs-pick-list [role=option]")


def drop(page, label, choice):
    """Choose in the dropdown of that label."""
    row = page.locator(".jp-OutputArea-output .widget-dropdown", has=page.get_by_text(label, exact=True))
    row.locator("select").select_option(label=choice)
