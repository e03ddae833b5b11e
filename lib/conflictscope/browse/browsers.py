"""The browsers: filters, a list and the scenario picked; a heatmap, lists of cases and the case picked, side by side.

In: an archive, and who labels. Out: widgets, and labels. They only wire: ``selection`` finds, ``render`` shows,
``labels`` writes. Sections 3.1 to 3.4 of the paper (arXiv 2509.25369).
"""

from functools import cache

import ipywidgets
import pandas as pd

from conflictscope.browse import controls
from conflictscope.browse.archive import FILTER_STATUSES, Archive
from conflictscope.browse.labels import Labelling
from conflictscope.browse.markup import View
from conflictscope.browse.render import LABEL_KEYS, conversation_key, show, show_scenario
from conflictscope.browse.selection import (
    COLUMNS,
    PRESETS,
    STARTS,
    cases_of_cell,
    choices_of,
    filter_scenarios,
    narrow_cases,
)
from conflictscope.measure import preference_rates
from conflictscope.tables import CHECKS, SEVERITIES, STRUCTURES

_EVERY = "every scenario"
_STUDY, _HEATMAP, _CELL = "the whole study", "this heatmap", "the cell picked"
_SHOWN_AT_FIRST = 3


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
            "pair": controls.choose("pair", {f"{one} – {two}": (one, two) for one, two in pairs}),
            "structure": controls.choose("structure", {name.replace("_", " "): name for name in STRUCTURES}),
            "severity": controls.choose("severity", {name: name for name in SEVERITIES}),
            "acting_value": controls.choose("acting serves", {name: name for name in values}),
            "filter_status": controls.choose(
                "filter status", {name: name for name in FILTER_STATUSES if name in statuses}
            ),
            "failed_check": controls.choose("failed check", failed),
            "domain": controls.choose("domain", {name: name for name in sorted(entries["domain"].dropna().unique())}),
            "text": controls.search_for_words(),
        }
        self._list = controls.PickList(name="scenarios")
        self._pane = controls.ViewPane()
        for control in self._controls.values():
            control.observe(self._filter, "value")
        self._list.observe(self._show, "chosen")
        self.widget = ipywidgets.VBox(
            [controls.controls_row(self._controls.values()), controls.beside(self._list, self._pane)]
        )
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
        return controls.shown_as(
            self.widget, f"Browser of {len(self._archive.entries)} scenarios and outlines; run the cell."
        )


class ResponseBrowser:
    """A widget that goes from a cell of the heatmap, or from a kind of disagreement, to the cases behind it.

    ``view`` is what is shown now, for ``export_html``. `labelling` is who labels conversations beside the judge;
    default: nobody. ValueError if there is no answer to show.
    """

    def __init__(self, archive: Archive, labelling: Labelling | None = None):
        if archive.choices.empty:
            raise ValueError(
                f"study {archive.study!r} has no answers and no verdicts; expected some. Run notebook 03 or 04 first."
            )
        self._archive, self._labelling = archive, labelling
        choices = archive.choices
        self._asked_about = archive.entries.loc[archive.entries.index.isin(choices["scenario_id"])]
        asked = {*choices["value_1"].unique(), *choices["value_2"].unique()}
        self._values = [value for value in archive.values if value in asked]
        groups = choices[["condition", "arm"]].drop_duplicates().sort_values(["condition", "arm"])
        askings = {f"{c.replace('_', ' ')} · {arm}": (c, arm) for c, arm in groups.itertuples(index=False)}
        targets = {name: name for name in archive.targets}
        default = [asking for asking in askings.values() if asking[1] == "default"] or askings.values()
        self._target = controls.choose("heatmap of", targets, anything=None)
        self._asking = controls.choose("asked by", askings, anything=None)
        self._judge = controls.choose("judge", {name: name for name in archive.judges} or {"none": None}, anything=None)
        self._cases = controls.choose("cases", {name: name for name in (_EVERY, *PRESETS)}, anything=None)
        self._within = controls.choose("within", {name: name for name in (_STUDY, _HEATMAP, _CELL)}, anything=None)
        self._words = controls.search_for_words()
        self._targets = controls.choose_some("targets shown", targets, archive.targets[:_SHOWN_AT_FIRST])
        self._askings = controls.choose_some("conditions shown", askings, default)
        self._grid, self._list, self._pane = controls.PickGrid(), controls.PickList(name="cases"), controls.ViewPane()
        self._find = cache(lambda preset, judge: PRESETS[preset](archive, judge))
        self._rows = pd.DataFrame(columns=COLUMNS)
        self.view = self._view()
        self._wire()
        rows = (
            (self._target, self._asking, self._judge),
            (self._cases, self._within, self._words),
            (self._targets, self._askings),
        )
        picks = ipywidgets.VBox([controls.controls_row(row) for row in rows])
        picks.layout = {"flex": "1 1 26rem", "min_width": "0"}
        top = controls.controls_row([self._grid, picks])
        self.widget = ipywidgets.VBox([top, controls.beside(self._list, self._pane)])
        self._draw_grid()
        self._fill_list()

    def _wire(self) -> None:
        for control in (self._target, self._asking, self._judge):
            control.observe(self._draw_grid, "value")
        for control in (self._cases, self._within, self._words, self._judge, self._target, self._asking):
            control.observe(self._fill_list, "value")
        for control in (self._targets, self._askings):
            control.observe(self._show, "value")
        self._grid.observe(self._pick_cell, "chosen")
        self._list.observe(self._show, "chosen")
        if self._labelling:
            self._list.shortcuts = list(LABEL_KEYS)
            self._list.on_msg(self._label_chosen)
            self._pane.on_msg(lambda pane, content, buffers: self._label(content["conversation"], content["answer"]))

    def _draw_grid(self, change=None) -> None:
        rows = choices_of(self._archive, **self._asked(), judge=self._judge.value)
        source = f" · {self._archive.source}" if self._archive.source else ""
        self._grid.offer(
            preference_rates(rows), self._values, self._archive.colors, f"how often the row's value won{source}"
        )

    def _asked(self) -> dict[str, str]:
        """Return the target, condition and arm of the heatmap."""
        condition, arm = self._asking.value
        return {"target": self._target.value, "condition": condition, "arm": arm}

    def _pick_cell(self, change=None) -> None:
        if self._grid.chosen and self._within.value == _CELL:
            self._fill_list()
        elif self._grid.chosen:
            self._within.value = _CELL

    def _fill_list(self, change=None) -> None:
        cases = self._cases_of_kind()
        if self._words.value.strip():
            cases = cases[cases["scenario_id"].isin(filter_scenarios(self._archive, text=self._words.value).index)]
        self._rows = cases.reset_index(drop=True)
        rows, texts = self._rows, self._asked_about["text"]
        counted = self._within.value == _CELL and self._cases.value == _EVERY

        def describe(place: slice) -> list[tuple[str, str]]:
            return [
                (case.what if counted else _title(case), str(texts[case.scenario_id])[:120])
                for case in rows.iloc[place].itertuples()
            ]

        scenarios = f"{rows['scenario_id'].nunique():,} of {len(texts):,} scenarios"
        self._list.offer([str(place) for place in range(len(rows))], describe, f"{len(rows):,} cases, {scenarios}")
        self._show()

    def _cases_of_kind(self) -> pd.DataFrame:
        kind, within, asked = self._cases.value, self._within.value, self._asked()
        picked = [self._values[place] for place in self._grid.chosen] if within == _CELL else []
        if within == _CELL and not picked:
            return pd.DataFrame(columns=COLUMNS)
        pair = (picked[0], picked[1]) if picked else None
        if kind in PRESETS:
            cases = self._find(kind, self._judge.value)
            if within == _STUDY:
                return cases
            return narrow_cases(self._archive, cases, starts=STARTS.get(kind), pair=pair, **asked)
        if pair:
            cell = cases_of_cell(self._archive, *pair, **asked, judge=self._judge.value)
            won, lost, none = (cell[name].astype("str") for name in ("won", "lost", "other"))
            unread = (", none " + none).where(cell["other"] > 0, "")
            return cell.assign(**asked, what=f"{pair[0]} " + won + f", {pair[1]} " + lost + unread)
        every = self._asked_about.reset_index()
        every = every.assign(target=None, condition=None, arm=None, what=every["value_1"] + " – " + every["value_2"])
        if within == _STUDY:
            return every
        put = choices_of(self._archive, **asked, judge=self._judge.value)["scenario_id"]
        return every[every["scenario_id"].isin(put)].assign(**asked)

    def _show(self, change=None) -> None:
        self.view = self._view()
        self._pane.html = self.view.html

    def _view(self) -> View:
        if not self._list.chosen:
            advice = "<p>Pick a cell of the heatmap, or another kind of cases.</p>"
            return View("No case to show", advice, self._archive.source)
        case = self._rows.iloc[int(self._list.chosen)]
        return show(
            case["scenario_id"],
            self._archive,
            targets=[*self._targets.value, case["target"]],
            conditions=[*(condition for condition, _ in self._askings.value), case["condition"]],
            arms=[*(arm for _, arm in self._askings.value), case["arm"]],
            labels=self._labelling.labels if self._labelling else None,
            labelling=self._labelling is not None,
        )

    def _label_chosen(self, widget, content: dict, buffers) -> None:
        """Label the conversation that the case in the list is about, with the key that was pressed there."""
        if content.get("key") not in LABEL_KEYS or content.get("chosen") != self._list.chosen or not self._list.chosen:
            return
        case = self._rows.iloc[int(self._list.chosen)]
        # a list of scenarios names no target: there the buttons beside each conversation are the way
        if isinstance(case["target"], str):
            self._label(conversation_key(case.to_dict() | {"repetition": 0}), LABEL_KEYS[content["key"]])

    def _label(self, conversation: str, answer: str) -> None:
        assert self._labelling is not None
        failed = ""
        try:
            self._labelling.label(conversation, answer)
        except OSError as problem:
            failed = f"Not saved: {problem}"
        # the pane is told what became of it and is not drawn again: what she had unfolded stays unfolded
        outcome = {"said": failed or "saved, with the verdict in sight", "failed": bool(failed)}
        self._pane.send({"conversation": conversation, "answer": answer} | outcome)
        self.view = self._view()

    def _repr_mimebundle_(self, include=None, exclude=None):
        held = f"{len(self._asked_about)} scenarios and {len(self._archive.targets)} targets"
        return controls.shown_as(self.widget, f"Browser of {held}; run the cell.")


def _title(case) -> str:
    """Return what is worth knowing of a case, on one line."""
    known = [case.what, case.target, case.condition and case.condition.replace("_", " "), case.arm]
    return " · ".join(text for text in known if isinstance(text, str))
