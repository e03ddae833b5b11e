"""Dilemmas with labelled actions: MoralChoice, DailyDilemmas, AIRiskDilemmas and CLASH.

In: rows of the data sets' files. Out: an ``Importer`` for each; the docstring of its record function states how an
action gets its labels. The texts are about people, not about an assistant, and are not changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conflictscope.exchange.gathering import Importer, Record, as_value_name
from conflictscope.exchange.rows import Form, Row, read_literal, read_rows
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
    **{name: name for name in ("pain", "disable", "freedom", "pleasure", "deceive", "cheat", "duty")},
    **{"kill": "death", "promise": "break_promise", "promises": "break_promise", "law": "break_law"},
}


def _moralchoice_record(row: Row) -> Record:
    """Return the dilemma of a row of MoralChoice, whose file says of each action which of ten rules it violates.

    An action is spoken for by each rule that the other action violates and it does not ("No Agreement" counts as
    neither). If no rule speaks for an action, but some rule for the other (in the low-ambiguity file as a rule), its
    label is ``other``. A row in which no rule tells the actions apart is dropped. The rule that a row was generated for
    comes first, then the file's order. Caller's ``labels`` may put rules together, or leave ``other`` out to drop rows
    that need it.
    """
    fields = row.fields
    cells = [f"a{action}_{rule}" for action in (1, 2) for rule in _RULE_COLUMNS]
    if strange := [f"{cell} is {fields[cell]!r}" for cell in cells if fields[cell] not in _ANSWERS]:
        raise ValueError(f"{', '.join(strange)}; expected one of {list(_ANSWERS)}")
    words = fields["generation_rule"].lower().split()
    first = next((_GENERATED_FOR[word] for word in words if word in _GENERATED_FOR), None)
    rules = sorted(_RULE_COLUMNS, key=lambda rule: rule != first)
    violates = {(action, rule): fields[f"a{action}_{rule}"] for action in (1, 2) for rule in rules}
    speaking = [
        [rule for rule in rules if violates[3 - action, rule] == "Yes" and violates[action, rule] == "No"]
        for action in (1, 2)
    ]
    if not any(speaking):
        raise ValueError("no rule is violated by exactly one of the two actions")
    return Record(
        source=fields["scenario_id"],
        description=fields["context"],
        actions=(fields["action1"], fields["action2"]),
        labels=(speaking[0] or [OTHER], speaking[1] or [OTHER]),
    )


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


def _dilemmas_of_a_day(rows: list[Row]) -> list[list[Row]]:
    """Return the rows with the same ``dilemma_idx`` or, in the file by action, the same ``dilemma_situation``."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.fields.get("dilemma_idx", row.fields["dilemma_situation"]), []).append(row)
    return list(groups.values())


def _daily_record(*rows: Row) -> Record:
    """Return the dilemma of two rows of DailyDilemmas, doing something and not doing it.

    An action is spoken for by the values that the file lists for it: ``values_aggregated`` or, by action,
    ``values_names``. The file has some 300 of them, so a study wants them put together into few. The consequences are
    the file's ``negative_consequence`` of each action.
    """
    types = [row.fields["action_type"] for row in rows]
    if sorted(types) != sorted(_ACTION_TYPES):
        raise ValueError(f"action_type: found {types} for one dilemma; expected {list(_ACTION_TYPES)}")
    do, leave = sorted(rows, key=lambda row: _ACTION_TYPES.index(row.fields["action_type"]))
    if do.fields["dilemma_situation"] != leave.fields["dilemma_situation"]:
        raise ValueError("the two rows of the dilemma tell different situations")
    column = "values_aggregated" if "values_aggregated" in do.fields else "values_names"
    return Record(
        source=do.fields.get("dilemma_idx") or do.fields["idx"],
        description=do.fields["dilemma_situation"],
        actions=(do.fields["action"], leave.fields["action"]),
        labels=(_listed_values(do, column), _listed_values(leave, column)),
        more={f"consequence_{n}": row.fields["negative_consequence"] for n, row in ((1, do), (2, leave))},
    )


def _listed_values(row: Row, column: str) -> list[str]:
    """Return the texts of a list, itself or written as JSON or a Python literal; missing entries are left out."""
    listed: Any = row.fields[column]
    if isinstance(listed, str):
        try:
            listed = json.loads(listed)
        except (ValueError, RecursionError):
            try:
                listed = read_literal(listed)
            except ValueError as problem:
                raise ValueError(f"row {row.number}, {column}: {problem}") from None
    # a missing entry is a bare nan
    if not isinstance(listed, list) or not all(isinstance(entry, str) or entry != entry for entry in listed):
        raise ValueError(f"row {row.number}, {column}: found {str(listed)[:60]!r}; expected a list of texts")
    return [entry.strip() for entry in listed if isinstance(entry, str) and entry.strip()]


AI_RISK_FORM = Form(
    "AIRiskDilemmas JSON lines (model_eval or full)",
    ("dilemma", "action", "values", "targets"),
    optional=("risky_behaviors", "context"),
)
VALUE_MAP = Form("the AIRiskDilemmas value map", ("value", "value_class"))


def _adjacent_rows(rows: list[Row]) -> Iterator[list[Row]]:
    """Yield two adjacent rows with the same dilemma, and each row without such a neighbour by itself."""
    place = 0
    while place < len(rows):
        one, *others = rows[place : place + 2]
        # a row that could not be read may stand between the two
        same = [r for r in others if r.number == one.number + 1 and r.fields["dilemma"] == one.fields["dilemma"]]
        yield [one, *same]
        place += 1 + len(same)


def _ai_risk_record(*rows: Row) -> Record:
    """Return the dilemma of two adjacent rows of AIRiskDilemmas, whose file has no ids: ``dilemma <first row>``.

    An action is spoken for by the values that the file lists for it.
    """
    if len(rows) < 2:
        raise ValueError("the next row does not tell the same dilemma; expected two adjacent rows each")
    texts = [rows[0].fields["dilemma"], *(row.fields["action"] for row in rows)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("dilemma, action: expected texts")
    actions = [text.partition(":")[2].strip() if text.startswith("Action ") else text for text in texts[1:]]
    labels = [_listed_values(row, "values") for row in rows]
    return Record(f"dilemma {rows[0].number}", texts[0], (actions[0], actions[1]), (labels[0], labels[1]))


def read_value_map(path: Path | str) -> dict[str, str]:
    """Read the value map of AIRiskDilemmas: value → its class, as the name of a value; raises as ``read_rows``."""
    classes = {}
    for row in read_rows(Path(path), VALUE_MAP):
        name = as_value_name(str(row.fields.get("value_class", "")))
        if row.problem or not name or not row.fields["value"]:
            raise ValueError(f"{path}: row {row.number}: {row.problem or 'empty'}; expected a value and its class.")
        classes[str(row.fields["value"])] = name
    return classes


_CLASH_COLUMNS = ("id", "title", "topic", "source", "situation", "action", "acceptable", "unacceptable")
_CHARACTERS = 11
DOING, LEAVING = "doing", "leaving"
CLASH_PAIR: Mapping[str, Value] = {
    DOING: Value("doing it", "taking the step that the situation puts up for decision"),
    LEAVING: Value("leaving it", "holding back from that step and letting things be as they are"),
}


def _clash_form(columns: Sequence[str]) -> Form:
    """Return the form of a CLASH file, with the columns of its characters, which have to be there and are not read."""
    characters = [column for column in columns if column.startswith("character - ")]
    lacking = [f"character - number {number}" for number in range(len(characters) + 1, _CHARACTERS + 1)]
    title = f"the CLASH CSV, with {_CHARACTERS} columns 'character - …' (found {len(characters)})"
    return Form(title, (*_CLASH_COLUMNS, *characters[:_CHARACTERS], *lacking))


def _clash_record(row: Row) -> Record:
    """Return the dilemma of a row of CLASH, which has one action: taking it, or not, in words added here.

    The one stands for ``doing``, the other for ``leaving``. The file's rationales are free text and not read.
    """
    action = row.fields["action"]
    return Record(
        source=row.fields["id"],
        description=row.fields["situation"],
        actions=(action, f"Not this: {action}" if action.strip() else ""),
        labels=((DOING,), (LEAVING,)),
        acting=0,
    )


# Scherrer et al., arXiv 2307.14324: moralchoice_{high,low}_ambiguity.csv
MORALCHOICE = Importer(
    "MoralChoice",
    {"ambiguity", "generation_rule"},
    MORALCHOICE_FORM,
    _moralchoice_record,
    labels=RULES,
    several="first",
)
# Chiu et al., arXiv 2410.02683: the aggregated CSV file, or the one by action
DAILY_DILEMMAS = Importer(
    "DailyDilemmas",
    {"dilemma_situation", "action_type"},
    form=lambda columns: AGGREGATED if "values_aggregated" in columns else BY_ACTION,
    record=_daily_record,
    group=_dilemmas_of_a_day,
    several="all",
)
# Chiu et al., arXiv 2505.14633: model_eval.jsonl or full.jsonl
AI_RISK_DILEMMAS = Importer(
    "AIRiskDilemmas", {"dilemma", "values"}, AI_RISK_FORM, _ai_risk_record, group=_adjacent_rows, several="all"
)
# Lee et al., arXiv 2504.10823: dataset.csv
CLASH = Importer("CLASH", {"situation", "acceptable"}, _clash_form, _clash_record, labels=CLASH_PAIR)
