"""Saving: three files, the same bytes for the same table, and whole or not at all."""

import os
import subprocess
import sys

import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from conflictscope.figures import save_figure

SCRIPT = """
import sys, time
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from conflictscope.figures import save_figure
table = pd.DataFrame({"x": [1, 2], "y": [1 / 3, None]})
figure, ax = plt.subplots()
ax.plot(table["x"], table["y"], marker="o")
figure.suptitle("A line – simulated models")
save_figure(figure, sys.argv[1], "line", table=table)
"""


@pytest.fixture
def figure():
    figure, ax = plt.subplots()
    ax.plot([1, 2])
    yield figure
    plt.close(figure)


def test_another_process_on_another_day_writes_the_same_bytes(tmp_path):
    started = []
    for name, seed in (("one", "1"), ("two", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": f"{seed}000000000"}
        started.append(subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path / name], env=environment))
    assert [process.wait() for process in started] == [0, 0]
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["line.csv", "line.pdf", "line.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "line.csv").read_text() == "x,y\n1,0.333333\n2,\n"
    pdf = (tmp_path / "one" / "line.pdf").read_bytes()
    assert b"CreationDate" not in pdf and b"conflictscope" in pdf
    assert (tmp_path / "one" / "line.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_files_are_returned_in_a_new_folder(figure, tmp_path):
    files = save_figure(figure, tmp_path / "new" / "folder", "name", table=pd.DataFrame({"a": [1]}))
    assert [file.name for file in files] == ["name.pdf", "name.png", "name.csv"]
    assert all(file.stat().st_size for file in files)


def test_a_failure_leaves_the_earlier_file_and_nothing_else(figure, tmp_path):
    table = pd.DataFrame({"a": [1]})
    files = save_figure(figure, tmp_path, "name", table=table)
    before = {file: file.read_bytes() for file in files}

    class Unwritable:
        def to_csv(self, *args, **more):
            raise OSError("no space left on device")

    figure.axes[0].set_title("changed")
    with pytest.raises(OSError, match="no space"):
        save_figure(figure, tmp_path, "name", table=Unwritable())
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert files[2].read_bytes() == before[files[2]]
    assert files[0].read_bytes() != before[files[0]]
