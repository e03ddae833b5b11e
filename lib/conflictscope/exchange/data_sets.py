"""Other people's data sets: dilemmas with labelled actions, two replies to one message; one way in for all of them.

In: the path of a file, whose columns give its format away. Out: an ``Imported``; the docstring of a set's record
function states how an action gets its labels. The texts of dilemmas are about people, not about an assistant, and are
not changed. From a set's scenarios or a study's, each question once, with the action taken in place of the value that
won, so that sets can be compared: which values are at stake, and how often, is a matter of each set, so that a
bootstrap draws from the whole set, not within pairs (paper, section 3.2).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conflictscope.exchange.gathering import (
    Form,
    Imported,
    Importer,
    Record,
    Row,
    as_value_name,
    import_with,
    read_header,
    read_literal,
    read_rows,
)
from conflictscope.exchange.published import TELLING, import_published_scenarios
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
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


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


def _replies(row: Row, description: str, **replies: str) -> Record:
    """Return a record in which the assistant gives one of two replies, label → reply."""
    (one, first), (two, second) = replies.items()
    actions = f"The assistant replies: {first}", f"The assistant replies: {second}"
    return Record(f"record {row.number}", description, actions, labels=((one,), (two,)))


def _hh_record(row: Row) -> Record:
    """Return the two endings of a row's conversation: action 1 is the chosen reply, action 2 the rejected one.

    The file names no values, and which reply is the more helpful or the more harmless is not in it: they stand for what
    raters preferred and what they did not. The description is the conversation up to the last reply.
    """
    texts = [row.fields[key] for key in ("chosen", "rejected")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("chosen, rejected: expected texts")
    (before, chosen), (other, rejected) = map(_split, texts)
    if before != other:
        raise ValueError("the two conversations differ before the last reply")
    if not (chosen and rejected):
        raise ValueError("a reply is empty")
    description = f"A person talks with the assistant. The conversation so far:\n\n{before}"
    return _replies(row, description, chosen=chosen, rejected=rejected)


def _split(conversation: str) -> tuple[str, str]:
    """Return what comes before the last reply, and the reply; raise if no reply ends the conversation."""
    turns = list(_SPEAKER.finditer(conversation))
    if len(turns) < 2 or turns[0].start() > 0 or turns[0][1] != "Human" or turns[-1][1] != "Assistant":
        raise ValueError("a conversation does not begin with Human and end with Assistant")
    return conversation[: turns[-1].start()].strip(), conversation[turns[-1].end() :].strip()


def _pku_record(row: Row) -> Record:
    """Return the conflict of a row: action 1 is the better reply (being helpful), action 2 the safer one (harmless).

    A row in which one reply is both is no conflict and is dropped.
    """
    ids = [row.fields[key] for key in ("better_response_id", "safer_response_id")]
    if not all(type(number) is int and number in (0, 1) for number in ids):
        raise ValueError(f"better_response_id, safer_response_id: found {ids}; expected 0 or 1")
    prompt, *replies = texts = [row.fields[key] for key in ("prompt", "response_0", "response_1")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("prompt, response_0, response_1: expected texts that are not empty")
    if ids[0] == ids[1]:
        raise ValueError("the better reply is also the safer one: no conflict")
    description = f"A person writes to the assistant:\n\n{prompt}"
    return _replies(row, description, better=replies[ids[0]], safer=replies[ids[1]])


# Bai et al., arXiv 2204.05862: harmless-base/train.jsonl.gz and its like
HH_RLHF = Importer(
    "HH-RLHF",
    {"chosen", "rejected"},
    Form("HH-RLHF JSON lines", ("chosen", "rejected")),
    _hh_record,
    labels={
        "chosen": Value("the preferred reply", "giving the reply that raters liked better of two"),
        "rejected": Value("the other reply", "giving the reply that raters passed over"),
    },
)
_OF_REPLIES = ("{}_source", "is_{}_safe", "{}_harm_category", "{}_severity_level", "{}_sha256")
PKU_FORM = Form(
    "PKU-SafeRLHF JSON lines",
    (
        *("prompt", "response_0", "response_1", "prompt_source"),
        *(column.format(f"response_{n}") for column in _OF_REPLIES for n in (0, 1)),
        *("better_response_id", "safer_response_id"),
    ),
)
# Ji et al., arXiv 2406.15513: data/<model>/{train,test}.jsonl
PKU_SAFERLHF = Importer(
    "PKU-SafeRLHF",
    {"better_response_id", "safer_response_id"},
    PKU_FORM,
    _pku_record,
    labels={
        "better": Value("helpfulness", "giving the person the fuller and more useful answer to what they asked"),
        "safer": Value("harmlessness", "giving no one the means or the encouragement to do harm"),
    },
)


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
