"""Controls: dropdowns, a list and a heatmap to pick from, and a pane, for the browsers.

In: options, rows or cells. Out: widgets that can be clicked faster than they answer, in boxes whose heights do not
change with what they hold. They write text as text, never as HTML, and take the mouse and the keyboard.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import anywidget
import ipywidgets
import pandas as pd
import traitlets

from conflictscope.browse.markup import ASSETS

_HEIGHT = "40rem"
_WIDEST = "17rem"  # of a control: two stand beside the heatmap on a laptop
_STYLE = {"description_width": "auto"}
PAGE_SIZE = 100
Describe = Callable[[slice], Sequence[tuple[str, str]]]
# one for all widgets: a click in one of them changes others
_TURN = threading.RLock()


class InTurn(ipywidgets.Widget):
    """A widget whose messages wait until every other such widget has handled its own.

    Kernels since ipykernel 7 hand a widget's first message to their main thread and later ones to a subshell, so two
    quick clicks are handled at the same time: a list would keep the count of a filter that is gone, and a key pressed
    twice would pass over a question.
    """

    def _handle_msg(self, msg: dict) -> None:
        with _TURN:
            super()._handle_msg(msg)


class _Dropdown(InTurn, ipywidgets.Dropdown): ...


class _SelectMultiple(InTurn, ipywidgets.SelectMultiple): ...


class _Text(InTurn, ipywidgets.Text): ...


def choose(label: str, options: Mapping[str, object], *, anything: str | None = "any") -> ipywidgets.Dropdown:
    """Return a dropdown, with an option for no restriction (value "") unless `anything` is None."""
    # not None: a dropdown takes it for "no option chosen" and goes blank
    offered = list(options.items()) if anything is None else [(anything, ""), *options.items()]
    layout = {"width": "auto", "max_width": _WIDEST}
    return _Dropdown(description=label, options=offered, style=_STYLE, layout=layout)


def choose_some(label: str, options: Mapping[str, object], chosen: Iterable) -> ipywidgets.SelectMultiple:
    """Return a box in which several options can be picked with Ctrl or Shift."""
    layout, rows = {"width": "auto", "max_width": "26rem"}, min(4, max(2, len(options)))
    offered = {"options": list(options.items()), "value": tuple(chosen), "rows": rows}
    return _SelectMultiple(description=label, style=_STYLE, layout=layout, **offered)


def search_for_words() -> ipywidgets.Text:
    """Return a box for words that must all occur, handled as they are typed."""
    return _Text(description="words", placeholder="all must occur", style=_STYLE)


def controls_row(controls: Iterable[ipywidgets.Widget]) -> ipywidgets.Box:
    """Return controls in a row that wraps."""
    layout = {"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "0.2rem 1rem"}
    return ipywidgets.Box(list(controls), layout=layout)


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


class PickList(InTurn, anywidget.AnyWidget):
    """A list to pick one row from, sent a page at a time, so that 5,000 scenarios cost no more than a hundred.

    ``chosen`` is the id of the row picked, "" if there is none. One of ``shortcuts`` pressed in the list arrives as
    a message with the ``key`` and the row's id.
    """

    _esm = ASSETS / "pick_list.js"
    _css = ASSETS / "picking.css"
    name = traitlets.Unicode("pick").tag(sync=True)
    heading = traitlets.Unicode("").tag(sync=True)
    rows: traitlets.List = traitlets.List().tag(sync=True)
    page = traitlets.Int(0).tag(sync=True)
    pages = traitlets.Int(1).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    shortcuts: traitlets.List = traitlets.List().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self._ids: Sequence[str] = []
        self._describe: Describe = lambda place: []

    def offer(self, ids: Sequence[str], describe: Describe, heading: str, chosen: str = "") -> None:
        """Offer rows and pick one: `chosen` if it is there, else the first.

        `ids` has one for each row, all different; `describe` makes of a slice of places a title and a note for each, as
        plain text, and is asked for one page at a time; `heading` is what the list holds, such as ``kept 12 of 300``.
        """
        self._ids, self._describe = ids, describe
        place = next((place for place, identifier in enumerate(ids) if identifier == chosen), 0)
        with self.hold_sync():
            self.heading = heading
            self.pages = max(1, -(-len(ids) // PAGE_SIZE))
            self.page = place // PAGE_SIZE
            self._send_page()
            self.chosen = ids[place] if len(ids) else ""

    @traitlets.observe("page")
    def _send_page(self, change=None) -> None:
        place = slice(self.page * PAGE_SIZE, (self.page + 1) * PAGE_SIZE)
        described = zip(self._ids[place], self._describe(place), strict=True)
        self.rows = [{"id": identifier, "title": title, "note": note} for identifier, (title, note) in described]


class PickGrid(InTurn, anywidget.AnyWidget):
    """A pairwise heatmap to pick a cell from. ``chosen`` is ``[row, column]``, or empty."""

    _esm = ASSETS / "pick_grid.js"
    _css = ASSETS / "picking.css"
    heading = traitlets.Unicode("").tag(sync=True)
    labels: traitlets.List = traitlets.List().tag(sync=True)
    colors: traitlets.List = traitlets.List().tag(sync=True)
    cells: traitlets.List = traitlets.List().tag(sync=True)
    chosen: traitlets.List = traitlets.List().tag(sync=True)

    def offer(self, rates: pd.DataFrame, labels: Sequence[str], colors: Mapping[str, str], heading: str) -> None:
        """Offer the cells of a heatmap: `labels` are the values, in the order of rows and columns, `colors` theirs.

        `rates` has the columns of ``measure.preference_rates``, for one target, condition and arm.
        """
        rows = {(row.value_1, row.value_2): (row.wins, row.choices) for row in rates.itertuples()}
        counts = rows | {(two, one): (choices - wins, choices) for (one, two), (wins, choices) in rows.items()}

        def cell(winner: str, loser: str) -> dict | None:
            """Return the share of choices that the row's value won; None if the two were never set against."""
            if (winner, loser) not in counts:
                return None
            wins, choices = counts[winner, loser]
            rate = wins / choices if choices else None
            text = "–" if rate is None else f"{rate:.0%}"
            return {"text": text, "title": f"{winner} won {wins} of {choices} choices against {loser}", "rate": rate}

        with self.hold_sync():
            self.heading, self.labels, self.colors = heading, list(labels), [colors[label] for label in labels]
            self.cells = [[cell(one, other) for other in labels] for one in labels]
