"""Style: the one style file, the widths of a page, and how each condition is marked.

In: nothing. Out: a context in which figures are drawn and saved. Conditions differ by colour, lightness and shape, so
that they can be told apart without colour. No section of the paper.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.style

STYLE_FILE = Path(__file__).with_name("conflictscope.mplstyle")
COLUMN_WIDTH = 3.4  # inches: one of two columns
FULL_WIDTH = 7.0  # inches: across the page


@dataclass(frozen=True)
class ConditionMark:
    """How a condition looks: its label, its place in the style's colour cycle, its marker and size in points."""

    label: str
    place: int
    marker: str
    size: float

    @property
    def color(self) -> str:
        """The colour, from the style in force."""
        return mpl.rcParams["axes.prop_cycle"].by_key()["color"][self.place]


CONDITION_MARKS = {
    "multiple_choice": ConditionMark("multiple choice", 0, "o", 4.2),
    "open_ended": ConditionMark("open-ended", 1, "D", 3.8),
}


def use_style() -> AbstractContextManager:
    """Return a context in which the style file is in force: ``with use_style(): ...``."""
    return matplotlib.style.context([STYLE_FILE])
