"""DailyDilemmas (Chiu et al., arXiv 2410.02683): everyday dilemmas, each with doing something and not doing it.

In: the aggregated CSV file (two rows a dilemma: ``to_do`` and ``not_to_do``) or the one by action, whose lists are
Python literals. Out: scenarios between the values that speak for the one action and those that speak for the other.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from conflictscope.exchange.gathering import Record, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.literals import read_literal
from conflictscope.exchange.rows import Form, Row, read_header, read_rows
from conflictscope.scenarios import Value

_SHARED = ("idx", "basic_situation", "dilemma_situation", "action_type", "action", "negative_consequence")
AGGREGATED = Form(
    "the aggregated DailyDilemmas CSV", (*_SHARED, "dilemma_idx", "values_aggregated", "topic", "topic_group")
)
BY_ACTION = Form(
    "the DailyDilemmas CSV by action",
    (
        *_SHARED,
        *("parties_direct", "parties_indirect", "values_direct", "values_indirect", "reason_direct", "reason_indirect"),
        *("model_resp_gpt35_clean", "model_resp_gpt4_clean", "values_names", "values_types", "wvs", "mft", "virtue"),
        *("emotion", "maslow", "background", "topic", "topic_group"),
    ),
)
_ACTION_TYPES = ("to_do", "not_to_do")


def import_daily_dilemmas(
    path: Path | str,
    *,
    labels: Mapping[str, Value] | None = None,
    several: str = "all",
    name: str = "DailyDilemmas",
) -> Imported:
    """Read a DailyDilemmas file, aggregated or by action.

    **The mapping:** an action is spoken for by the values that the file lists for it: ``values_aggregated``, or, by
    action, ``values_names``. Values listed for both actions of a dilemma decide nothing. The two rows of a dilemma are
    those with the same ``dilemma_idx`` (by action: the same ``dilemma_situation``).

    Parameters
    ----------
    labels : mapping, optional
        Value as named in the file → value of the study; default: each is a value of its own, without a definition.
        The file has some 300 of them, so a study wants them put together into few.
    several : str
        As in ``gather``; with ``all`` a dilemma with 3 values against 2 is six scenarios of the same texts.

    Returns
    -------
    Imported
        ``acting_value`` is the value of the action to do. ``consequence_1`` and ``consequence_2`` are the file's
        ``negative_consequence`` of each action.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    path = Path(path)
    aggregated = "values_aggregated" in read_header(path)
    read = read_rows(path, AGGREGATED if aggregated else BY_ACTION)
    key, values = ("dilemma_idx", "values_aggregated") if aggregated else ("dilemma_situation", "values_names")
    broken = [Record((row.number,), problem=row.problem) for row in read if row.problem]
    groups: dict[str, list[Row]] = {}
    for row in read:
        if not row.problem:
            groups.setdefault(row.fields[key], []).append(row)
    records = [*broken, *(_record(rows, values) for rows in groups.values())]
    return gather(name, records, labels=labels, several=several, rows=len(read))


def _record(rows: Sequence[Row], column: str) -> Record:
    """Return the dilemma that its two rows tell."""
    numbers = tuple(row.number for row in rows)
    types = [row.fields["action_type"] for row in rows]
    if sorted(types) != sorted(_ACTION_TYPES):
        return Record(numbers, problem=f"action_type: found {types} for one dilemma; expected {list(_ACTION_TYPES)}")
    do, leave = sorted(rows, key=lambda row: _ACTION_TYPES.index(row.fields["action_type"]))
    if do.fields["dilemma_situation"] != leave.fields["dilemma_situation"]:
        return Record(numbers, problem="the two rows of the dilemma tell different situations")
    try:
        labels = (_texts(do, column), _texts(leave, column))
    except ValueError as problem:
        return Record(numbers, problem=str(problem))
    consequences = {"consequence_1": do, "consequence_2": leave}
    return Record(
        rows=numbers,
        source=do.fields.get("dilemma_idx") or do.fields["idx"],
        description=do.fields["dilemma_situation"],
        actions=(do.fields["action"], leave.fields["action"]),
        labels=labels,
        more={name: row.fields["negative_consequence"] for name, row in consequences.items()},
    )


def _texts(row: Row, column: str) -> list[str]:
    """Return the texts of a list cell; entries that are missing (``nan``) are left out."""
    try:
        entries = read_literal(row.fields[column])
    except ValueError as problem:
        raise ValueError(f"row {row.number}, {column}: {problem}") from None
    if not isinstance(entries, list):
        raise ValueError(f"row {row.number}, {column}: found {row.fields[column][:60]!r}; expected a list")
    return [entry.strip() for entry in entries if isinstance(entry, str) and entry.strip()]
