"""Which data set is this? One way in for all of them.

In: the path of a file, of a format that its columns give away. Out: an ``Imported``, as the format's own function makes
it. A file of no known format is refused in words.
"""

from collections.abc import Callable
from inspect import signature
from pathlib import Path

from conflictscope.exchange.dilemma_sets import (
    import_ai_risk_dilemmas,
    import_clash,
    import_daily_dilemmas,
    import_moralchoice,
)
from conflictscope.exchange.gathering import Imported
from conflictscope.exchange.published import import_published_scenarios
from conflictscope.exchange.reply_sets import import_hh_rlhf, import_pku_saferlhf
from conflictscope.exchange.rows import read_header

# format → its function, and columns that no other format has together
FORMATS: dict[str, tuple[Callable[..., Imported], frozenset[str]]] = {
    "conflictscope": (import_published_scenarios, frozenset({"check_results", "user_prompt"})),
    "moralchoice": (import_moralchoice, frozenset({"ambiguity", "generation_rule"})),
    "daily_dilemmas": (import_daily_dilemmas, frozenset({"dilemma_situation", "action_type"})),
    "ai_risk_dilemmas": (import_ai_risk_dilemmas, frozenset({"dilemma", "values"})),
    "clash": (import_clash, frozenset({"situation", "acceptable"})),
    "hh_rlhf": (import_hh_rlhf, frozenset({"chosen", "rejected"})),
    "pku_saferlhf": (import_pku_saferlhf, frozenset({"better_response_id", "safer_response_id"})),
}


def import_scenarios(path: Path | str, format: str | None = None, **options: object) -> Imported:
    """Read somebody else's data set.

    Parameters
    ----------
    path : Path or str
        A local file, as its authors publish it. Nothing is fetched.
    format : str, optional
        One of ``FORMATS``; default: the one that the file's columns give away.
    options
        What the format's own function takes: ``labels`` and ``several`` in most (which value a label stands for; what
        becomes of a record with several), ``values`` and ``kept_only`` for the published release, ``name`` in all. How
        a format without a value pair gets one is stated there.

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    ValueError
        Where the format is unknown or does not take an option, the columns do not fit it, or the file cannot be read.
    """
    path = Path(path)
    found = format or recognise(path)
    if found not in FORMATS:
        raise ValueError(f"{path}: format: found {found!r}; expected one of {list(FORMATS)}.")
    function = FORMATS[found][0]
    known = [name for name in signature(function).parameters if name != "path"]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"format {found!r} takes no {unknown}; expected some of {known}.")
    return function(path, **options)


def recognise(path: Path) -> str:
    """Return the format that a file's columns give away.

    Raises
    ------
    FileNotFoundError, ValueError
        Where the file is not there, is no CSV or JSON lines, or is of no known format, listing those.
    """
    columns = read_header(path)
    for name, (_, telling) in FORMATS.items():
        if telling <= set(columns):
            return name
    known = "; ".join(f"{name}: {sorted(telling)}" for name, (_, telling) in FORMATS.items())
    raise ValueError(
        f"{path}: a file with the columns {columns[:12]} is of no known format; expected a CSV or JSON lines file "
        f"(.jsonl, .jsonl.gz) with the columns of one of them ({known}). Scenarios of your own go straight into a "
        "study: scenarios: <file>."
    )
