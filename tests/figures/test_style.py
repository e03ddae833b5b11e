"""Style and saving: one colour a value, letters of any script; the same bytes for the same table, or nothing."""

import os
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from conflictscope.figures import STYLE_FILE, save_figure, use_style, value_colors
from conflictscope.figures.panels import plot_panels
from conflictscope.figures.style import CONDITION_MARKS

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


def test_another_process_on_another_day_writes_the_same_bytes(tmp_path, start_python):
    started = []
    for name, seed in (("one", "1"), ("two", "2")):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": f"{seed}000000000"}
        started.append(start_python(["-c", SCRIPT, tmp_path / name], env=environment, hashes=seed))
    assert [process.wait(timeout=300) for process in started] == [0, 0]
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


def test_a_value_has_one_colour_in_a_study_and_none_that_a_condition_has():
    for count in (1, 8, 9, 20):
        colors = value_colors([f"v{n}" for n in range(count)])
        assert len(set(colors.values())) == count
        with use_style():
            taken = {matplotlib.colors.to_rgb(mark.color) for mark in CONDITION_MARKS.values()}
        assert all(np.abs(np.subtract(color, other)).max() > 0.05 for color in colors.values() for other in taken)
    assert value_colors(["a", "b", "c"])["b"] == value_colors(["a", "b"])["b"]


def test_letters_without_a_font_are_warned_of_once_in_words(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = plot_panels({"诚实 \U000e0100 honesty": lambda ax: ax.plot([1, 2])}, height=1.0)
        save_figure(figure, tmp_path, "name", table=pd.DataFrame({"a": [1]}))
    words = [str(warning.message) for warning in caught]
    assert len(words) == 1 and words[0].startswith("fonts: none of [") and "Noto Sans" in words[0]


def test_names_in_letters_that_are_there_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_panels({"honnêteté честность τιμή": lambda ax: ax.plot([1, 2])}, height=1.0).draw_without_rendering()


def test_only_installed_families_are_asked_for_and_other_scripts_have_theirs():
    named = matplotlib.rc_params_from_file(STYLE_FILE, use_default_template=False)["font.family"]
    for script in ("CJK SC", "Devanagari", "Thai", "Tamil"):
        assert f"Noto Sans {script}" in named
    with use_style():
        asked = plt.rcParams["font.family"]
    installed = {font.name for font in matplotlib.font_manager.fontManager.ttflist}
    assert asked == [family for family in named if family in installed] and asked[0] == "DejaVu Sans"
