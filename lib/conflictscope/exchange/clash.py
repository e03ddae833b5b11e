"""CLASH (Lee et al., arXiv 2504.10823): situations with one action, which is taken or not.

In: ``dataset.csv``. Out: scenarios between doing it and leaving it.
"""

from collections.abc import Mapping
from pathlib import Path

from conflictscope.exchange.gathering import Record, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.rows import Form, read_header, read_rows
from conflictscope.scenarios import Value

_COLUMNS = ("id", "title", "topic", "source", "situation", "action", "acceptable", "unacceptable")
_CHARACTERS = 11
DOING, LEAVING = "doing", "leaving"
PAIR: Mapping[str, Value] = {
    DOING: Value("doing it", "taking the step that the situation puts up for decision"),
    LEAVING: Value("leaving it", "holding back from that step and letting things be as they are"),
}


def import_clash(path: Path | str, *, labels: Mapping[str, Value] = PAIR, name: str = "CLASH") -> Imported:
    """Read the CLASH file.

    The file has one action a situation, with a rationale for finding it acceptable and one for finding it unacceptable,
    both in free text. **The mapping:** action 1 is the file's action and action 2 is not taking it, in words added
    here; the one stands for "doing it", the other for "leaving it". Rationales and the columns of the characters
    (eleven, beginning with ``character - ``) have to be there and are not read.

    Parameters
    ----------
    labels : mapping
        ``doing`` → the value that taking the action stands for, ``leaving`` → that of not taking it.

    Returns
    -------
    Imported
        ``acting_value`` is the value of taking the action.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``, also where there are not eleven columns of characters.
    """
    path = Path(path)
    characters = tuple(column for column in read_header(path) if column.startswith("character - "))
    form = Form(f"the CLASH CSV, with {_CHARACTERS} columns 'character - …' (found {len(characters)})", _COLUMNS)
    problem = form.misfit([column for column in read_header(path) if column not in characters])
    if problem or len(characters) != _CHARACTERS:
        raise ValueError(f"{path}: {problem or f'columns do not fit {form.title}'}")
    read = read_rows(path, Form(form.title, (*_COLUMNS, *characters)))
    acting = {"acting_value": labels[DOING].name}
    records = [
        Record((row.number,), problem=row.problem)
        if row.problem
        else Record(
            rows=(row.number,),
            source=row.fields["id"],
            description=row.fields["situation"],
            actions=(row.fields["action"], f"Not this: {row.fields['action']}" if row.fields["action"].strip() else ""),
            labels=((DOING,), (LEAVING,)),
            more=acting,
        )
        for row in read
    ]
    return gather(name, records, labels=labels, rows=len(read))
