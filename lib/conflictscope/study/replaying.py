"""Replay a bundle: rebuild every table and figure from the replies in it, and say whether any differs.

In: a bundle. Out: what was rebuilt and what differs. No model is asked, so neither keys nor a network are needed; what
runs are the notebooks of this project, never anything out of the bundle.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conflictscope.study.bundle import Bundle, open_bundle
from conflictscope.study.manifest import figure_hashes, notebook_hashes, package_versions, table_contents
from conflictscope.study.parameters import StudyParameters, restore_parameters
from conflictscope.study.runner import NotebookFailed, run_study


@dataclass(frozen=True)
class Replay:
    """What came of a replay: names of the tables and figures that are the same, differ, or were not rebuilt."""

    study: str
    same: list[str]
    differing: list[str]
    missing: list[str]
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def reproduced(self) -> bool:
        """Whether everything was rebuilt and is the same."""
        return not (self.differing or self.missing or self.problem)


def replay_bundle(file: Path, root: Path, out: Path | None = None) -> Replay:
    """Rebuild a study from its bundle.

    Parameters
    ----------
    file : Path
        The bundle.
    root : Path
        The project's folder, whose notebooks are run.
    out : Path, optional
        An empty or new folder in which everything is left; default: a temporary one that is removed.

    Raises
    ------
    FileNotFoundError, ValueError
        As for ``open_bundle``; where the notebooks of this version do not take the bundle's parameters; or where `out`
        holds something.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="conflictscope-replay-") as temporary:
            return _replay(file, root, Path(temporary))
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ValueError(f"{out} is not empty; name a new folder for the replay.")
    return _replay(file, root, out.resolve())


def _replay(file: Path, root: Path, folder: Path) -> Replay:
    """Open the bundle in a folder, run its notebooks there and compare."""
    bundle = open_bundle(file, folder)
    values = bundle.parameters | {"replay": True} | bundle.inputs
    parameters = restore_parameters(bundle.study, values, root, bundle.places, source=str(file))
    if unknown := sorted(set(bundle.notebooks) - set(parameters.notebooks)):
        raise ValueError(f"{file} has run notebooks that this version does not have: {unknown}.")
    problem = ""
    try:
        run_study(parameters, only=bundle.notebooks)
    except NotebookFailed as failure:
        problem = str(failure)
    rebuilt_tables = table_contents(parameters.path("run_folder"))
    rebuilt_figures = figure_hashes(parameters.path("figures_folder"))
    packed, rebuilt = bundle.tables | bundle.figures, rebuilt_tables | rebuilt_figures
    return Replay(
        study=bundle.study,
        same=[name for name in packed if packed[name] == rebuilt.get(name)],
        differing=[name for name in packed if name in rebuilt and packed[name] != rebuilt[name]],
        missing=[name for name in packed if name not in rebuilt],
        problem=problem,
        notes=_other_than_then(bundle, parameters),
    )


def _other_than_then(bundle: Bundle, parameters: StudyParameters) -> list[str]:
    """Return what is not as it was where the bundle was made: packages, notebooks."""
    packages = _differences(bundle.packages, package_versions())
    code = _differences(bundle.notebook_hashes, notebook_hashes(parameters))
    return [f"{name} {then} then, {now} now" for name, (then, now) in packages.items()] + [
        f"the code of {name} has changed" for name in code
    ]


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return name → what it was and is, where that differs."""
    return {name: (was, now[name]) for name, was in then.items() if name in now and now[name] != was}
