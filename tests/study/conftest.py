"""What the tests of studies share: a copy of the project, and a server that knows nothing of it."""

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A copy of the project's notebooks and parameters."""
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


class Loopback:
    """A server that is running: its port, and what it says of itself."""

    def __init__(self, port):
        self.port = port

    def __call__(self, what="requests"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}") as answer:
            return json.load(answer)


@pytest.fixture
def loopback(request):
    """A loopback server in its own process, which takes 50 ms for an answer; a test may give it further options."""
    options = getattr(request, "param", [])
    command = [sys.executable, ROOT / "tests" / "servers" / "loopback.py", "--latency", "0.05", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield Loopback(int(process.stdout.readline()))
    process.kill()
    process.wait()
    process.stdout.close()
