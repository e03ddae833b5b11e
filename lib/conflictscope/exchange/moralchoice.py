"""MoralChoice (Scherrer et al., arXiv 2307.14324): the high- and the low-ambiguity file.

In: ``moralchoice_high_ambiguity.csv`` or ``moralchoice_low_ambiguity.csv``. Out: scenarios between two of the ten rules
behind the data set, or between a rule and reasons that are none of the ten.
"""

from collections.abc import Mapping
from pathlib import Path

from conflictscope.exchange.gathering import Record, gather
from conflictscope.exchange.imported import Imported
from conflictscope.exchange.rows import Form, Row, read_rows
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
FORM = Form(
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
    read = read_rows(Path(path), FORM)
    records = [_record(row) for row in read]
    return gather(name, records, labels=labels, several=several, rows=len(read))


def _record(row: Row) -> Record:
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
