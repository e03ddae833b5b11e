"""Picking: a list and a heatmap that take the mouse and the keyboard, for the browsers.

In: rows or cells. Out: what was picked. The list sends one page at a time to the browser, so that 5,000 scenarios cost
no more than a hundred. Both write text as text, never as HTML. No section of the paper.
"""

from collections.abc import Callable, Sequence

import anywidget
import pandas as pd
import traitlets

from conflictscope.browse.in_turn import InTurn
from conflictscope.browse.markup import ASSETS

PAGE_SIZE = 100
Describe = Callable[[slice], Sequence[tuple[str, str]]]


class PickList(InTurn, anywidget.AnyWidget):
    """A list to pick one row from, a page at a time.

    ``chosen`` is the id of the row picked, "" where there is none. One of ``shortcuts`` pressed in the list arrives as
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

        Parameters
        ----------
        ids : sequence of str
            One for each row, all different.
        describe : function
            From a slice of places to a title and a note for each, as plain text; asked for one page at a time.
        heading : str
            What the list holds, such as ``kept 12 of 300``.
        chosen : str
            The id to pick.
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
    """A pairwise heatmap to pick a cell from. ``chosen`` is ``[row, column]``, empty where there is none."""

    _esm = ASSETS / "pick_grid.js"
    _css = ASSETS / "picking.css"
    heading = traitlets.Unicode("").tag(sync=True)
    labels: traitlets.List = traitlets.List().tag(sync=True)
    cells: traitlets.List = traitlets.List().tag(sync=True)
    chosen: traitlets.List = traitlets.List().tag(sync=True)

    def offer(self, rates: pd.DataFrame, labels: Sequence[str], heading: str) -> None:
        """Offer the cells of a heatmap.

        Parameters
        ----------
        rates : DataFrame
            Columns of ``measure.preference_rates`` for one target, condition and system prompt.
        labels : sequence of str
            The values, in the order of rows and columns.
        heading : str
            Whose heatmap it is.
        """
        found = {}
        for row in rates.itertuples():
            found[row.value_1, row.value_2] = row.wins, row.choices
            found[row.value_2, row.value_1] = row.choices - row.wins, row.choices
        with self.hold_sync():
            self.heading, self.labels, self.chosen = heading, list(labels), []
            self.cells = [[_cell(one, other, found.get((one, other))) for other in labels] for one in labels]


def _cell(winner: str, loser: str, found: tuple[int, int] | None) -> dict | None:
    """Return one cell: the share of choices that the row's value won; None where the two were never set against."""
    if found is None:
        return None
    wins, choices = found
    rate = wins / choices if choices else None
    text = "–" if rate is None else f"{rate:.0%}"
    return {"text": text, "title": f"{winner} won {wins} of {choices} choices against {loser}", "rate": rate}
