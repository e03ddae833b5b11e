"""One way in for all data sets: the columns of a file give its format away.

In: the path of a file. Out: an ``Imported``. A file of no known format is refused in words.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conflictscope.exchange.dilemma_sets import AI_RISK_DILEMMAS, CLASH, DAILY_DILEMMAS, MORALCHOICE
from conflictscope.exchange.gathering import Imported, Importer, import_with
from conflictscope.exchange.published import TELLING, import_published_scenarios
from conflictscope.exchange.reply_sets import HH_RLHF, PKU_SAFERLHF
from conflictscope.exchange.rows import read_header

_PUBLISHED = "conflictscope"
_IMPORTERS: Mapping[str, Importer] = {
    "moralchoice": MORALCHOICE,
    "daily_dilemmas": DAILY_DILEMMAS,
    "ai_risk_dilemmas": AI_RISK_DILEMMAS,
    "clash": CLASH,
    "hh_rlhf": HH_RLHF,
    "pku_saferlhf": PKU_SAFERLHF,
}
# format → columns that no other format has together
FORMATS: Mapping[str, frozenset[str]] = {
    _PUBLISHED: TELLING,
    **{name: importer.telling for name, importer in _IMPORTERS.items()},
}


def import_scenarios(path: Path | str, format: str | None = None, **options: Any) -> Imported:
    """Read somebody else's data set.

    Parameters
    ----------
    path : Path or str
        A local file, as its authors publish it. Nothing is fetched.
    format : str, optional
        One of ``FORMATS``; default: the one that the file's columns give away.
    options
        ``name`` in all. ``labels`` (label → value of the study) in all but the published release; the labels that a
        format has, and how an action gets them, are stated with its record function. ``several`` (what becomes of a
        record with several values on a side, see ``gather``) if a format has such records. ``values`` and
        ``kept_only`` for the published release, see ``import_published_scenarios``.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the format is unknown or does not take an option, the columns do not fit it, or the file cannot be read.
    """
    path = Path(path)
    chosen = format or recognise(path)
    if chosen not in FORMATS:
        raise ValueError(f"{path}: format: found {chosen!r}; expected one of {list(FORMATS)}.")
    importer = _IMPORTERS.get(chosen)
    if importer is None:
        known = ["values", "kept_only", "name"]
    else:
        known = ["labels", *(["several"] if importer.several else []), "name"]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"format {chosen!r} takes no {unknown}; expected some of {known}.")
    return import_with(importer, path, **options) if importer else import_published_scenarios(path, **options)


def recognise(path: Path) -> str:
    """Return the format that a file's columns give away.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is not there, is no CSV or JSON lines, or is of no known format, listing those.
    """
    columns = read_header(path)
    for name, telling in FORMATS.items():
        if telling <= set(columns):
            return name
    known = "; ".join(f"{name}: {sorted(telling)}" for name, telling in FORMATS.items())
    raise ValueError(
        f"{path}: a file with the columns {columns[:12]} is of no known format; expected a CSV or JSON lines file "
        f"(.jsonl, .jsonl.gz) with the columns of one of them ({known}). Scenarios of your own go straight into a "
        "study: scenarios: <file>."
    )
