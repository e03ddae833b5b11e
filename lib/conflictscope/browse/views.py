"""Views: one scenario, or one case, by its id, from any notebook.

In: an id and an archive. Out: a ``View`` that Jupyter shows and ``export_html`` writes; it holds no widget.
"""

from collections.abc import Collection

import pandas as pd

from conflictscope.browse.archive import Archive
from conflictscope.browse.markup import View
from conflictscope.browse.render import case_record, render_case, render_scenario, scenario_record


def show(
    scenario_id: str,
    archive: Archive,
    *,
    targets: Collection[str] | None = None,
    conditions: Collection[str] | None = None,
    arms: Collection[str] | None = None,
    labels: pd.DataFrame | None = None,
    labelling: bool = False,
) -> View:
    """Show a scenario with what targets were asked, what they answered, and how the judge read it.

    Parameters
    ----------
    scenario_id, archive, targets, conditions, arms, labels
        As for ``case_record``, which says what it refuses.
    labelling : bool
        Give each conversation buttons to label it with; they work in a ``ResponseBrowser`` only.
    """
    record = case_record(archive, scenario_id, targets=targets, conditions=conditions, arms=arms, labels=labels)
    return View(f"Case {scenario_id}", render_case(record, labelling=labelling), archive.source)


def show_scenario(identifier: str, archive: Archive) -> View:
    """Show a scenario in full, or an outline that became none: outline, profile, actions, checks, nearest neighbours.

    `identifier` is a scenario's id or an outline's, see ``scenario_record``.
    """
    record = scenario_record(archive, identifier)
    kind = "Scenario" if record.scenario else "Outline"
    return View(f"{kind} {record.id}", render_scenario(record), archive.source)
