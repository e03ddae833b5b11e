"""MoralChoice (Scherrer et al., arXiv 2307.14324): the high- and the low-ambiguity file.

In: ``moralchoice_high_ambiguity.csv`` or ``moralchoice_low_ambiguity.csv``. Out: scenarios between two of the ten rules
behind the data set, or between a rule and reasons that are none of the ten.

DailyDilemmas (Chiu et al., arXiv 2410.02683): everyday dilemmas, each with doing something and not doing it.

In: the aggregated CSV file (two rows a dilemma: ``to_do`` and ``not_to_do``) or the one by action, whose lists are
Python literals. Out: scenarios between the values that speak for the one action and those that speak for the other.

AIRiskDilemmas (Chiu et al., arXiv 2505.14633): dilemmas of AI systems, two adjacent rows each.

In: ``model_eval.jsonl`` or ``full.jsonl``. Out: scenarios between the values that speak for the one action and those
that speak for the other.

CLASH (Lee et al., arXiv 2504.10823): situations with one action, which is taken or not.

In: ``dataset.csv``. Out: scenarios between doing it and leaving it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conflictscope.exchange.gathering import Imported, Record, as_value_name, gather
from conflictscope.exchange.rows import Form, Row, read_header, read_literal, read_rows
from conflictscope.scenarios import Value

OTHER = "other"
# label → value, in our own words; the order is the file's
RULES: Mapping[str, Value] = {
    "death": Value("sparing life", "bringing about nobody's death"),
    "pain": Value("sparing pain", "causing nobody bodily or mental suffering"),
    "disable": Value("bodily integrity", "taking away nobody's health, senses or ability to move and think"),
    "freedom": Value("freedom", "leaving people free to decide and to go where they like"),
    "pleasure": Value("enjoyment", "not depriving anybody of what gives them joy"),
    "deceive": Value("truthfulness", "leaving no one with a false belief, by words or by silence"),
    "cheat": Value("fair play", "keeping to the rules of an exam, a game or a deal that others keep to as well"),
    "break_promise": Value("keeping promises", "doing what one has given one's word to do"),
    "break_law": Value("obeying the law", "staying within what the law of the place allows"),
    "duty": Value("doing one's duty", "doing what one's work, office or role asks"),
    OTHER: Value("other reasons", "going by what else speaks for an act, such as one's own good or somebody's wish"),
}
_RULE_COLUMNS = tuple(rule for rule in RULES if rule != OTHER)
MORALCHOICE_FORM = Form(
    "MoralChoice CSV",
    (
        *("scenario_id", "ambiguity", "generation_type", "generation_rule", "context", "action1", "action2"),
        *(f"a{action}_{rule}" for action in (1, 2) for rule in _RULE_COLUMNS),
    ),
)
_ANSWERS = ("Yes", "No", "No Agreement")
# words of the column generation_rule → the rule's column
_GENERATED_FOR = {
    "kill": "death",
    "pain": "pain",
    "disable": "disable",
    "freedom": "freedom",
    "pleasure": "pleasure",
    "deceive": "deceive",
    "cheat": "cheat",
    "promise": "break_promise",
    "promises": "break_promise",
    "law": "break_law",
    "duty": "duty",
}


def import_moralchoice(
    path: Path | str, *, labels: Mapping[str, Value] = RULES, several: str = "first", name: str = "MoralChoice"
) -> Imported:
    """Read a MoralChoice file.

    The file names no values; it says of each action which of ten rules it violates. **The mapping:** an action is
    spoken for by each rule that the other action violates and it does not ("No Agreement" counts as neither). Where no
    rule speaks for an action, but some rule speaks for the other, what speaks for it is none of the ten: the label
    ``other``. In the low-ambiguity file that is the rule. A record in which no rule tells the actions apart is dropped.
    Where several rules speak for an action, the one that the record was generated for comes first, then the file's
    order; with ``several="first"`` it alone counts.

    Parameters
    ----------
    labels : mapping
        Rule (the file's column without ``a1_``) or ``other`` → value. Give your own to put rules together, such as
        death, pain and disable under one value; leave ``other`` out to drop records that need it.
    several : str
        As in ``gather``.

    Returns
    -------
    Imported
        One record of the file is one scenario (with ``several="all"``: one or more). ``outline_id`` begins with the
        file's ``scenario_id``. The texts are about people, not about an assistant; they are not changed.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), MORALCHOICE_FORM)
    records = [_moralchoice_record(row) for row in read]
    return gather(name, records, labels=labels, several=several, rows=len(read))


def _moralchoice_record(row: Row) -> Record:
    """Return what a row says."""
    if row.problem:
        return Record((row.number,), problem=row.problem)
    fields = row.fields
    cells = [f"a{action}_{rule}" for action in (1, 2) for rule in _RULE_COLUMNS]
    if strange := [f"{cell} is {fields[cell]!r}" for cell in cells if fields[cell] not in _ANSWERS]:
        return Record((row.number,), problem=f"{', '.join(strange)}; expected one of {list(_ANSWERS)}")
    words = fields["generation_rule"].lower().split()
    first = next((_GENERATED_FOR[word] for word in words if word in _GENERATED_FOR), None)
    rules = sorted(_RULE_COLUMNS, key=lambda rule: rule != first)
    kept = [[rule for rule in rules if _violates_alone(fields, 3 - action, rule)] for action in (1, 2)]
    if any(kept):
        kept = [own or [OTHER] for own in kept]
    return Record(
        rows=(row.number,),
        source=fields["scenario_id"],
        description=fields["context"],
        actions=(fields["action1"], fields["action2"]),
        labels=(kept[0], kept[1]),
        problem="" if any(kept) else "no rule is violated by exactly one of the two actions",
    )


def _violates_alone(fields: dict[str, str], action: int, rule: str) -> bool:
    """Say whether one action violates a rule and the other does not."""
    return fields[f"a{action}_{rule}"] == "Yes" and fields[f"a{3 - action}_{rule}"] == "No"


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
    records = [*broken, *(_daily_dilemma(rows, values) for rows in groups.values())]
    return gather(name, records, labels=labels, several=several, rows=len(read))


def _daily_dilemma(rows: Sequence[Row], column: str) -> Record:
    """Return the dilemma that its two rows tell."""
    numbers = tuple(row.number for row in rows)
    types = [row.fields["action_type"] for row in rows]
    if sorted(types) != sorted(_ACTION_TYPES):
        return Record(numbers, problem=f"action_type: found {types} for one dilemma; expected {list(_ACTION_TYPES)}")
    do, leave = sorted(rows, key=lambda row: _ACTION_TYPES.index(row.fields["action_type"]))
    if do.fields["dilemma_situation"] != leave.fields["dilemma_situation"]:
        return Record(numbers, problem="the two rows of the dilemma tell different situations")
    try:
        labels = (_action_texts(do, column), _action_texts(leave, column))
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


def _action_texts(row: Row, column: str) -> list[str]:
    """Return the texts of a list cell; entries that are missing (``nan``) are left out."""
    try:
        entries = read_literal(row.fields[column])
    except ValueError as problem:
        raise ValueError(f"row {row.number}, {column}: {problem}") from None
    if not isinstance(entries, list):
        raise ValueError(f"row {row.number}, {column}: found {row.fields[column][:60]!r}; expected a list")
    return [entry.strip() for entry in entries if isinstance(entry, str) and entry.strip()]


AI_RISK_FORM = Form(
    "AIRiskDilemmas JSON lines (model_eval or full)",
    ("dilemma", "action", "values", "targets"),
    optional=("risky_behaviors", "context"),
)
VALUE_MAP = Form("the AIRiskDilemmas value map", ("value", "value_class"))


def import_ai_risk_dilemmas(
    path: Path | str,
    *,
    labels: Mapping[str, Value] | None = None,
    several: str = "all",
    name: str = "AIRiskDilemmas",
) -> Imported:
    """Read an AIRiskDilemmas file.

    **The mapping:** an action is spoken for by the values that the file lists for it; values listed for both actions of
    a dilemma decide nothing. The file has no ids: two adjacent rows with the same dilemma are its two actions. A row
    without such a neighbour is dropped, and pairing starts afresh at the next one.

    Parameters
    ----------
    labels : mapping, optional
        Value as named in the file → value of the study, such as ``read_value_classes`` gives; default: each is a
        value of its own, without a definition.
    several : str
        As in ``gather``; with ``all`` a dilemma with 3 values against 2 is six scenarios of the same texts.

    Returns
    -------
    Imported
        ``outline_id`` begins with ``dilemma`` and the number of its first row, for want of an id.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``.
    """
    read = read_rows(Path(path), AI_RISK_FORM)
    records, number = [], 0
    while number < len(read):
        pair = read[number : number + 2]
        if pair[0].problem:
            records.append(Record((pair[0].number,), problem=pair[0].problem))
            number += 1
        elif len(pair) < 2 or pair[1].problem or pair[0].fields["dilemma"] != pair[1].fields["dilemma"]:
            problem = "the next row does not tell the same dilemma; expected two adjacent rows each"
            records.append(Record((pair[0].number,), problem=problem))
            number += 1
        else:
            records.append(_ai_risk_record(*pair))
            number += 2
    return gather(name, records, labels=labels, several=several, rows=len(read))


def read_value_classes(path: Path | str) -> dict[str, Value]:
    """Read the data set's value map (``value``, ``value_class``) as labels: value → its class, without a definition.

    Raises
    ------
    FileNotFoundError, ValueError
        As from ``read_rows``; where a row is empty.
    """
    labels = {}
    for row in read_rows(Path(path), VALUE_MAP):
        found = as_value_name(str(row.fields.get("value_class", "")))
        if row.problem or not found or not row.fields["value"]:
            raise ValueError(f"{path}: row {row.number}: {row.problem or 'empty'}; expected a value and its class.")
        labels[str(row.fields["value"])] = Value(found, found)
    return labels


def _ai_risk_record(one: Row, two: Row) -> Record:
    """Return the dilemma that two adjacent rows tell."""
    numbers = (one.number, two.number)
    texts = [one.fields["dilemma"], one.fields["action"], two.fields["action"]]
    if not all(isinstance(text, str) for text in texts):
        return Record(numbers, problem="dilemma, action: expected texts")
    try:
        labels = (_ai_risk_texts(one), _ai_risk_texts(two))
    except ValueError as problem:
        return Record(numbers, problem=str(problem))
    actions = tuple(text.partition(":")[2].strip() if text.startswith("Action ") else text for text in texts[1:])
    return Record(numbers, f"dilemma {one.number}", texts[0], (actions[0], actions[1]), labels)


def _ai_risk_texts(row: Row) -> list[str]:
    """Return the values of a row: a list, or one written as text in JSON or as a Python literal."""
    found: Any = row.fields["values"]
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            found = read_literal(found)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise ValueError(f"row {row.number}, values: found {str(found)[:60]!r}; expected a list of texts")
    return [entry.strip() for entry in found if entry.strip()]


_COLUMNS = ("id", "title", "topic", "source", "situation", "action", "acceptable", "unacceptable")
_CHARACTERS = 11
DOING, LEAVING = "doing", "leaving"
CLASH_PAIR: Mapping[str, Value] = {
    DOING: Value("doing it", "taking the step that the situation puts up for decision"),
    LEAVING: Value("leaving it", "holding back from that step and letting things be as they are"),
}


def import_clash(path: Path | str, *, labels: Mapping[str, Value] = CLASH_PAIR, name: str = "CLASH") -> Imported:
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
