import runpy
from pathlib import Path

import pytest

from conflictscope import browse

_MADE = runpy.run_path(str(Path(__file__).with_name("made_study.py")))


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
