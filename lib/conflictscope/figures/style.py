"""Style: the style file, how conditions are marked, and a figure saved with the table that it shows.

In: a figure and its table. Out: PDF, PNG, CSV and caption of one name, the same bytes for the same table on
one set of package versions (no dates, no program versions). Files appear whole or not at all.
"""

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from conflictscope.files import write_atomically, write_text

STYLE_FILE = Path(__file__).with_name("conflictscope.mplstyle")
COLUMN_WIDTH, FULL_WIDTH = 3.4, 7.0  # inches: one of two columns, and across the page
GREY, PALE = "#444444", "#999999"
PLACEBO_DASHES = (0, (2, 1.2))


@dataclass(frozen=True)
class Mark:
    """How a condition (or a template) looks: label, place in the style's colour cycle, marker, size in points."""

    label: str
    place: int
    marker: str
    size: float

    @property
    def color(self) -> str:
        """The colour, from the style in force."""
        return cycle_colors()[self.place]


# conditions differ by colour, lightness and shape, so that they can be told apart without colour
CONDITION_MARKS = {
    "multiple_choice": Mark("multiple choice", 0, "o", 4.2),
    "open_ended": Mark("open-ended", 1, "D", 3.8),
}


def cycle_colors() -> list[str]:
    """Return the colour cycle of the style in force."""
    return mpl.rcParams["axes.prop_cycle"].by_key()["color"]


@functools.cache
def _installed_families() -> tuple[str, ...]:
    """Return the families that the style file names and this machine has; matplotlib would warn of the others."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    named = mpl.rc_params_from_file(STYLE_FILE, use_default_template=False)["font.family"]
    return tuple(family for family in named if family in installed)


@contextmanager
def use_style() -> Iterator[None]:
    """Have the style file in force: ``with use_style(): ...``, or ``@use_style()`` above a function that plots."""
    with matplotlib.style.context([STYLE_FILE, {"font.family": list(_installed_families())}]):
        yield


def warn_of_missing_letters(figure: Figure) -> set[str]:
    """Return the letters of a figure that no installed font of its style has, and warn of them once, in words."""
    fonts = [FT2Font(font_manager.findfont(family)) for family in _installed_families()]
    letters = {letter for text in figure.findobj(Text) for letter in text.get_text() if not letter.isspace()}
    missing = {letter for letter in letters if not any(font.get_char_index(ord(letter)) for font in fonts)}
    if missing:
        shown = "".join(sorted(missing)[:12]) + ("…" if len(missing) > 12 else "")
        warnings.warn(
            f"fonts: none of {list(_installed_families())} has the {len(missing)} letters {shown!r}; they are drawn as "
            f"boxes. Install one of the families that {STYLE_FILE.name} names (Noto Sans of that script).",
            stacklevel=3,
        )
        # said in words now: not again for each letter whenever the figure is drawn
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
    return missing


def save_figure(figure: Figure, folder: Path | str, name: str, *, table: pd.DataFrame) -> list[Path]:
    """Save a figure, the table that it shows and its caption, and return ``<name>.pdf``, ``.png``, ``.csv``, ``.txt``.

    The folder is created if it does not exist; the figure's title, if any, becomes the PDF's; numbers are written with
    six digits; the caption is the figure's label, as `plot_panels` leaves it, without a file if there is none. Raises
    OSError if the disk does not take a file; an earlier file of that name is then untouched.
    """
    title = figure.get_suptitle() or name
    metadata: dict[str, dict] = {
        "pdf": {"Title": title, "Creator": "conflictscope", "Producer": None, "CreationDate": None},
        "png": {"Title": title, "Software": None},
    }
    files = [Path(folder) / f"{name}.{ending}" for ending in (*metadata, "csv")]
    with use_style():
        for file, (ending, fields) in zip(files, metadata.items(), strict=False):
            write_atomically(file, functools.partial(figure.savefig, format=ending, metadata=fields))
    to_csv = functools.partial(table.to_csv, index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(files[-1], to_csv)
    caption = Path(folder) / f"{name}.txt"
    if text := str(figure.get_label()):
        write_text(caption, text + "\n")
        files.append(caption)
    else:
        caption.unlink(missing_ok=True)
    return files
