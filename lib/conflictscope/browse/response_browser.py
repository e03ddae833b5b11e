"""The response browser: a heatmap, lists of cases behind its cells or that disagree, and the case picked, side by side.

In: an archive, and who labels. Out: a widget, and labels. It only wires: ``filters`` and ``disagreements`` find,
``render`` shows, ``labelling`` writes. Sections 3.3 and 3.4 of the paper (arXiv 2509.25369).
"""

from functools import cache

import ipywidgets
import pandas as pd

from conflictscope.browse import controls
from conflictscope.browse.archive import Archive
from conflictscope.browse.disagreements import COLUMNS, PRESETS, STARTS
from conflictscope.browse.filters import cases_of_cell, choices_of, filter_scenarios, narrow_cases
from conflictscope.browse.labelling import Labelling
from conflictscope.browse.markup import View
from conflictscope.browse.render import LABEL_KEYS, conversation_key, show
from conflictscope.measure import preference_rates

_EVERY = "every scenario"
_STUDY, _HEATMAP, _CELL = "the whole study", "this heatmap", "the cell picked"
_SHOWN_AT_FIRST = 3


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
