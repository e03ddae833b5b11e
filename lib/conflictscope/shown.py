"""What is shown, wherever it is shown: text of anybody where marks in it could mean something, and one colour a value.

In: replies, messages of endpoints, names and paths; a study's values, in their order. Out: a text for a terminal whose
control characters show as what they are; the classes under which a page that typesets formulas leaves a text as it is
(what HTML would read as markup is escaped where HTML is written); RGB colours (0–1) that the colour-blind can tell
apart, none of them a condition's, the same in every figure and every view of a study.
"""

import re
from collections.abc import Sequence

NOT_TYPESET = "mathjax_ignore tex2jax_ignore"
"""Classes of an element in which ``$5 … $10`` stays money: MathJax 3 (JupyterLab) knows the first, 2 the second."""

# C0 without tab and line end, DEL and C1, line and paragraph separators, marks that turn the direction of writing,
# and what is half a character
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# the last two stand for the pink and the yellow of seaborn's colour-blind palette, which are weak on white
_COLORS = ("029e73", "d55e00", "cc78bc", "56b4e9", "ca9161", "949494", "882255", "222255")


def for_terminal(text: object) -> str:
    r"""Return a text that only says something: colours are left out, other control characters are written out.

    ``\x1b]0;title\x07`` would rename a terminal's window and ``\x1b[2J`` clear it; here ``\x1b`` is four signs.
    """
    return _CONTROL.sub(lambda mark: repr(mark[0])[1:-1], _COLOUR.sub("", str(text)))


def value_colors(values: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Return value → RGB colour (0–1): the same wherever it is given the study's values in their order."""
    if len(values) > len(_COLORS):
        # slow to import, and few studies have so many
        from seaborn import husl_palette

        return dict(zip(values, husl_palette(len(values), l=0.6), strict=True))
    channels = [[int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)] for color in _COLORS]
    return {value: (red, green, blue) for value, (red, green, blue) in zip(values, channels, strict=False)}
