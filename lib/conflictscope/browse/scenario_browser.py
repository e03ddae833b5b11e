"""The scenario browser: filters, a list, and the scenario picked in full.

In: an archive. Out: a widget. It only wires: ``filters`` finds, ``render`` shows. Sections 3.1 and 3.2 of the paper
(arXiv 2509.25369).
"""

import ipywidgets

from conflictscope.browse.archive import FILTER_STATUSES, Archive
from conflictscope.browse.controls import PickList, ViewPane, beside, choose, controls_row, search_for_words, shown_as
from conflictscope.browse.filters import filter_scenarios
from conflictscope.browse.markup import View
from conflictscope.browse.render import show_scenario
from conflictscope.tables import CHECKS, SEVERITIES, STRUCTURES


class ScenarioBrowser:
    """A widget that filters the scenarios of a study and shows the one picked: ``view``, for ``export_html``."""

    def __init__(self, archive: Archive):
        self._archive = archive
        entries = archive.entries
        pairs = sorted({tuple(pair) for pair in entries[["value_1", "value_2"]].to_numpy().tolist()})
        values = sorted({value for pair in pairs for value in pair})
        statuses = set(entries["filter_status"])
        failed = {check.replace("_", " "): check for check in CHECKS}
        self._controls = {
            "pair": choose("pair", {f"{one} – {two}": (one, two) for one, two in pairs}),
            "structure": choose("structure", {name.replace("_", " "): name for name in STRUCTURES}),
            "severity": choose("severity", {name: name for name in SEVERITIES}),
            "acting_value": choose("acting serves", {name: name for name in values}),
            "filter_status": choose("filter status", {name: name for name in FILTER_STATUSES if name in statuses}),
            "failed_check": choose("failed check", failed),
            "domain": choose("domain", {name: name for name in sorted(entries["domain"].dropna().unique())}),
            "text": search_for_words(),
        }
        self._list = PickList(name="scenarios")
        self._pane = ViewPane()
        for control in self._controls.values():
            control.observe(self._filter, "value")
        self._list.observe(self._show, "chosen")
        self.widget = ipywidgets.VBox([controls_row(self._controls.values()), beside(self._list, self._pane)])
        self._filter()

    def _filter(self, change=None) -> None:
        wanted = {name: control.value for name, control in self._controls.items() if control.value}
        fitting = filter_scenarios(self._archive, **wanted)
        heading = f"{len(fitting):,} of {len(self._archive.entries):,} shown"

        def describe(place: slice) -> list[tuple[str, str]]:
            rows = fitting.iloc[place].itertuples()
            return [(f"{row.value_1} – {row.value_2} · {row.filter_status}", row.text[:120]) for row in rows]

        self._list.offer(fitting.index.tolist(), describe, heading, self._list.chosen)
        self._show()

    def _show(self, change=None) -> None:
        nothing = View("No scenario fits", "<p>Take a filter away.</p>", self._archive.source)
        self.view = show_scenario(self._list.chosen, self._archive) if self._list.chosen else nothing
        self._pane.html = self.view.html

    def _repr_mimebundle_(self, include=None, exclude=None):
        return shown_as(self.widget, f"Browser of {len(self._archive.entries)} scenarios and outlines; run the cell.")
