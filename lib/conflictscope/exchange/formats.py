"""One way in for all data sets, and the one form in which they can be compared.

In: the path of a file, whose columns give its format away. Out: an ``Imported``; from its scenarios or a study's, each
question once, with the action taken in place of the value that won: which values are at stake, and how often, is a
matter of each set, so that a bootstrap draws from the whole set, not within pairs (paper, section 3.2).
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conflictscope.exchange.dilemma_sets import AI_RISK_DILEMMAS, CLASH, DAILY_DILEMMAS, MORALCHOICE
from conflictscope.exchange.gathering import Imported, Importer, import_with
from conflictscope.exchange.published import TELLING, import_published_scenarios
from conflictscope.exchange.reply_sets import HH_RLHF, PKU_SAFERLHF
from conflictscope.exchange.rows import read_header

_IMPORTERS: Mapping[str, Importer] = {
    "moralchoice": MORALCHOICE,
    "daily_dilemmas": DAILY_DILEMMAS,
    "ai_risk_dilemmas": AI_RISK_DILEMMAS,
    "clash": CLASH,
    "hh_rlhf": HH_RLHF,
    "pku_saferlhf": PKU_SAFERLHF,
}
# format → columns that no other format has together
FORMATS: Mapping[str, AbstractSet[str]] = {
    "conflictscope": TELLING,
    **{name: importer.telling for name, importer in _IMPORTERS.items()},
}


def import_scenarios(path: Path | str, format: str | None = None, **options: Any) -> Imported:
    """Read somebody else's data set; raises as ``read_rows``, and ValueError for a format or option that is unknown.

    Parameters
    ----------
    path : Path or str
        A local file, as its authors publish it. Nothing is fetched.
    format : str, optional
        One of ``FORMATS``; default: the one that the file's columns give away.
    options
        ``name`` in all; ``values`` and ``kept_only`` for the published release, see ``import_published_scenarios``; in
        all others ``labels``, see ``gather``: the labels that a format has, and how an action gets them, are stated
        with its record function; ``several``, see there, if a format has records with several values on a side.
    """
    path = Path(path)
    chosen = format or recognise(path)
    if chosen not in FORMATS:
        raise ValueError(f"{path}: format: found {chosen!r}; expected one of {list(FORMATS)}.")
    importer = _IMPORTERS.get(chosen)
    known = ["labels", *(["several"] if importer.several else [])] if importer else ["values", "kept_only"]
    if unknown := sorted(set(options) - {*known, "name"}):
        raise ValueError(f"format {chosen!r} takes no {unknown}; expected some of {[*known, 'name']}.")
    return import_with(importer, path, **options) if importer else import_published_scenarios(path, **options)


def recognise(path: Path) -> str:
    """Return the format that a file's columns give away; raises as ``read_header``, or listing all formats."""
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


def as_questions(scenarios: pd.DataFrame, *, most: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return each different question of a data set once, `most` of them at most, drawn by `seed`.

    Returns
    -------
    DataFrame
        The scenarios table in the same order: of scenarios with one description and the same two actions, in either
        order, the first, as ``by_action`` gives it.
    """
    if most is not None and most < 1:
        raise ValueError(f"most: found {most}; expected at least 1, or nothing for all questions.")
    actions = scenarios[["action_1", "action_2"]]
    asked = pd.DataFrame(
        {"description": scenarios["description"], "one": actions.min(axis=1), "other": actions.max(axis=1)}
    )
    questions = scenarios[~asked.duplicated()]
    if most is not None and len(questions) > most:
        drawn = np.random.default_rng(seed).choice(len(questions), most, replace=False)
        questions = questions.iloc[np.sort(drawn)]
    return by_action(questions).reset_index(drop=True)


def by_action(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Return scenarios with ``action 1`` and ``action 2`` in place of the values that they support."""
    return scenarios.assign(value_1="action 1", value_2="action 2", acting_value=None)
