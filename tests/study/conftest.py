"""What the tests of studies share: a copy of the project, a study that has run, a server that knows nothing of it."""

import json
import shutil
import time
import urllib.request
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A copy of the project's notebooks and parameters."""
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


# written for these tests: no value of a shipped set
OWN_SET = """
name: Newsroom
values:
  accuracy: publishing nothing that has not been checked
  speed: getting the news to people while it can still help them
  kindness: sparing people in the story pain that the story does not need
  openness: telling readers how the story came about and what is not known
"""
OWN_STUDY = """
value_set: newsroom
cast: simulated
outlines_per_pair: 3
target_rankings: [reverse_of_default]
targets: [simulated/steady, simulated/obliging]
further_judges: [simulated/hasty_judge]
resamples: 200
"""


@pytest.fixture(scope="session")
def recorded(tmp_path_factory, worker_id, run_python):
    """A copy of the project in which the study ``newsroom`` has run, once for all workers; to be read, not changed."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "recorded"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "said").exists():
            for name in ("notebooks", "params"):
                shutil.copytree(ROOT / name, folder / name)
            (folder / "params" / "value_sets" / "newsroom.yaml").write_text(OWN_SET, encoding="utf-8")
            (folder / "params" / "newsroom.yaml").write_text(OWN_STUDY, encoding="utf-8")
            done = run_python("-m", "conflictscope", "run", "params/newsroom.yaml", cwd=folder)
            assert done.returncode == 0, done.stderr[-3000:]
            (folder / "said").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def finished(recorded, tmp_path):
    """A copy of ``recorded`` of the test's own."""
    return shutil.copytree(recorded, tmp_path / "project")


class Loopback:
    """A server that is running: its port, and what it says of itself."""

    def __init__(self, port):
        self.port = port

    def __call__(self, what="requests"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}") as answer:
            return json.load(answer)


@pytest.fixture
def loopback(request, fork_server):
    """A loopback server in its own process, that takes 50 ms for an answer; a test may give options, or another."""
    options = getattr(request, "param", [])
    words = options if options and options[0].endswith(".py") else ["loopback.py", "--latency", "0.05", *options]
    process, port = fork_server(*words)
    yield Loopback(port)
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def wait_for():
    """Return a function that waits until a server was asked so many calls, while a process runs."""

    def wait(asked, total, process):
        while asked()["total"] < total:
            assert process.poll() is None, process.communicate()[-1]
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def quiet():
    """Return a function that waits until a server is asked nothing any more, and returns how many calls it had."""

    def wait(asked):
        before = -1
        while before != (before := asked()["total"]):
            time.sleep(1)
        return before

    return wait


@pytest.fixture
def run(run_python):
    """Return a function that runs the command line in a project and returns what it printed, or fails."""

    def run_in(project, *words, **options):
        done = run_python("-m", "conflictscope", *words, cwd=project, **options)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run_in
