"""Figures are drawn without a screen and closed after each test; what an axis shows is read back in one way."""

import matplotlib
import pytest
from matplotlib.collections import LineCollection, PathCollection

matplotlib.use("Agg")

import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


@pytest.fixture
def read():
    """Return how to read axes back."""
    return Reader


class Reader:
    """What is drawn on axes."""

    @staticmethod
    def rows(ax):
        return [label.get_text() for label in ax.get_yticklabels()]

    @staticmethod
    def marks(ax, rows=None):
        """Return (row, marker, whether filled) → x; panels on the right have no labels of their own."""
        rows = rows or Reader.rows(ax)
        return {
            (rows[round(y)], line.get_marker(), line.get_markerfacecolor() != "white"): x
            for line in ax.lines
            if line.get_marker() != "None"
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        }

    @staticmethod
    def intervals(ax):
        """Return the ends of all horizontal lines, sorted."""
        lines = [lines for lines in ax.collections if isinstance(lines, LineCollection)]
        return sorted(segment[:, 0].tolist() for drawn in lines for segment in drawn.get_segments())

    @staticmethod
    def panels(figure):
        return [ax for ax in figure.axes if ax.get_title(loc="left")]

    @staticmethod
    def titles(figure):
        return [ax.get_title(loc="left") for ax in Reader.panels(figure)]

    @staticmethod
    def legend(figure):
        return [text.get_text() for text in figure.legends[0].get_texts()]

    @staticmethod
    def squares(ax):
        """Return the colours of the squares that stand before the rows or below the columns."""
        drawn = [drawn for drawn in ax.collections if isinstance(drawn, PathCollection)]
        return [squares.get_facecolors()[:, :3].tolist() for squares in drawn]
