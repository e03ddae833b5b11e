"""Views: one scenario, or one case, by its id, from any notebook.

In: an id and an archive. Out: a ``View`` that Jupyter shows and ``export_html`` writes; it holds no widget. No section
of the paper.
"""

from collections.abc import Collection

from conflictscope.browse.archive import Archive
from conflictscope.browse.markup import View
from conflictscope.browse.records import case_record, scenario_record
from conflictscope.browse.render import render_case, render_scenario


def show(
    scenario_id: str,
    archive: Archive,
    *,
    targets: Collection[str] | None = None,
    conditions: Collection[str] | None = None,
    system_prompts: Collection[str] | None = None,
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

    Raises
    ------
    ValueError
        Where the study has no such scenario.
    """
    record = case_record(archive, scenario_id, targets=targets, conditions=conditions, system_prompts=system_prompts)
    return View(f"Case {scenario_id}", render_case(record), archive.source)


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
