"""Layout: controls that wrap, and a list beside a pane, at heights that do not change with what they hold.

In: widgets. Out: boxes. No section of the paper.
"""

from collections.abc import Iterable, Mapping

import anywidget
import ipywidgets
import traitlets

from conflictscope.browse.in_turn import InTurn
from conflictscope.browse.markup import ASSETS

_HEIGHT = "40rem"
_WIDEST = "17rem"  # of a control: two stand beside the heatmap on a laptop


class _Dropdown(InTurn, ipywidgets.Dropdown):
    pass


class _SelectMultiple(InTurn, ipywidgets.SelectMultiple):
    pass


class _Text(InTurn, ipywidgets.Text):
    pass


def choose(label: str, options: Mapping[str, object], *, anything: str | None = "any") -> ipywidgets.Dropdown:
    """Return a dropdown, with an option for no restriction (value "") unless `anything` is None."""
    # not None: a dropdown takes it for "no option chosen" and goes blank
    offered = list(options.items()) if anything is None else [(anything, ""), *options.items()]
    return _Dropdown(
        description=label,
        options=offered,
        style={"description_width": "auto"},
        layout={"width": "auto", "max_width": _WIDEST},
    )


def choose_some(label: str, options: Mapping[str, object], chosen: Iterable) -> ipywidgets.SelectMultiple:
    """Return a box in which several options can be picked with Ctrl or Shift."""
    return _SelectMultiple(
        description=label,
        options=list(options.items()),
        value=tuple(chosen),
        rows=min(4, max(2, len(options))),
        style={"description_width": "auto"},
        layout={"width": "auto", "max_width": "26rem"},
    )


def search_for_words() -> ipywidgets.Text:
    """Return a box for words that must all occur, handled as they are typed."""
    return _Text(description="words", placeholder="all must occur", style={"description_width": "auto"})


def controls_row(controls: Iterable[ipywidgets.Widget]) -> ipywidgets.Box:
    """Return controls in a row that wraps."""
    return ipywidgets.Box(
        list(controls),
        layout={"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "0.2rem 1rem"},
    )


class ViewPane(InTurn, anywidget.AnyWidget):
    """A pane that shows a view and scrolls by itself, from the top whenever ``html`` changes.

    An answer picked in it arrives as a message with ``conversation`` and ``answer``; what became of it goes back as a
    message with these, ``said`` and ``failed``.
    """

    _esm = ASSETS / "view_pane.js"
    html = traitlets.Unicode("").tag(sync=True)

    def __init__(self):
        super().__init__(layout={"height": _HEIGHT, "overflow": "hidden auto", "flex": "1 1 20rem", "min_width": "0"})
        self.add_class("cs-pane")


def beside(left: ipywidgets.Widget, right: ipywidgets.Widget) -> ipywidgets.Box:
    """Return a narrow widget and a wide one side by side."""
    # a flexible box is never narrower than its longest line unless it is told that it may be
    left.layout = ipywidgets.Layout(flex="0 0 21rem", min_width="0", height=_HEIGHT, margin="0 0.8rem 0 0")
    return ipywidgets.Box([left, right], layout={"display": "flex", "width": "100%", "align_items": "stretch"})


def shown_as(widget: ipywidgets.Widget, text: str) -> dict | tuple:
    """Return a widget's MIME bundle with our own plain text, which stays the same from run to run."""
    bundle = widget._repr_mimebundle_()
    if isinstance(bundle, tuple):
        data, metadata = bundle
        return data | {"text/plain": text}, metadata
    return bundle | {"text/plain": text}
