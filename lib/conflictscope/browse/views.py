"""Views: one scenario, or one case, by its id, from any notebook.

In: an id and an archive. Out: a ``View`` that Jupyter shows and ``export_html`` writes; it holds no widget. No section
of the paper.
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
    system_prompts: Collection[str] | None = None,
    labels: pd.DataFrame | None = None,
    labelling: bool = False,
) -> View:
    """Show a scenario with what targets were asked, what they answered, and how the judge read it.

    Parameters
    ----------
    scenario_id : str
        As in any table's ``scenario_id``.
    archive : Archive
        The study; see ``open_archive``.
    targets, conditions, system_prompts : collection of str, optional
        Which of them; default: all there are.
    labels : DataFrame, optional
        Labels to show beside the verdicts, as ``read_labels`` gives them.
    labelling : bool
        Give each conversation buttons to label it with; they work in a ``ResponseBrowser`` only.

    Raises
    ------
    ValueError
        Where the study has no such scenario.
    """
    wanted = {"targets": targets, "conditions": conditions, "system_prompts": system_prompts}
    record = case_record(archive, scenario_id, **wanted, labels=labels)
    return View(f"Case {scenario_id}", render_case(record, labelling=labelling), archive.source)


def show_scenario(identifier: str, archive: Archive) -> View:
    """Show a scenario in full, or an outline that became none: outline, profile, actions, checks, nearest neighbours.

    Parameters
    ----------
    identifier : str
        A scenario's id, or an outline's.
    archive : Archive
        The study; see ``open_archive``.

    Raises
    ------
    ValueError
        Where the study has neither a scenario nor an outline under this id.
    """
    record = scenario_record(archive, identifier)
    kind = "Scenario" if record.scenario else "Outline"
    return View(f"{kind} {record.id}", render_scenario(record), archive.source)
