"""Text of anybody where marks in it could mean something: in a terminal, and on a page that typesets formulas.

In: replies, messages of endpoints, names and paths. Out: a text whose control characters show as what they are; and the
classes under which a page leaves a text as it is. What HTML would read as markup is escaped where HTML is written.
"""

import re

NOT_TYPESET = "mathjax_ignore tex2jax_ignore"
"""Classes of an element in which ``$5 … $10`` stays money: MathJax 3 (JupyterLab) knows the first, 2 the second."""

# C0 without tab and line end, DEL and C1, line and paragraph separators, marks that turn the direction of writing,
# and what is half a character
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def for_terminal(text: object) -> str:
    r"""Return a text that only says something: colours are left out, other control characters are written out.

    ``\x1b]0;title\x07`` would rename a terminal's window and ``\x1b[2J`` clear it; here ``\x1b`` is four signs.
    """
    return _CONTROL.sub(lambda mark: repr(mark[0])[1:-1], _COLOUR.sub("", str(text)))
