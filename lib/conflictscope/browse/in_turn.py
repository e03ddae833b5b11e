"""In turn: what the page sends is handled one message after the other, whichever thread of the kernel it comes on.

In: classes of widgets. Out: widgets that can be clicked faster than they answer. Kernels since ipykernel 7 hand a
widget's first message to their main thread and later ones to a subshell, so two quick clicks are handled at the same
time: a list would keep the count of a filter that is gone, and a key pressed twice would pass over a question. No
section of the paper.
"""

import threading

import ipywidgets

# one for all widgets: a click in one of them changes others
_TURN = threading.RLock()


class InTurn(ipywidgets.Widget):
    """A widget whose messages wait until every other such widget has handled its own."""

    def _handle_msg(self, msg: dict) -> None:
        with _TURN:
            super()._handle_msg(msg)
