"""Labels: what people answered, each written to disk the moment it is given; and the samples that they answer.

In: one label at a time. Out: a table of labels. Each annotator has a file of their own in the study's ``labels/``, one
JSON line a label, only ever appended to: two people never write to the same file, whatever file system it lies on, and
a label that was changed is still there. An answer given beside the judge's (`Labelling`), with all that is known of the
conversation in sight, is marked as not blind: it says where somebody disagrees with a judge; how good a judge is, blind
labels say (``annotator``). Section 4 of the paper (arXiv 2509.25369) compares its judges with people.
"""

import errno
import json
import os
import re
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from conflictscope.browse.archive import SWAPPED, Archive
from conflictscope.browse.render import LABEL_KEYS, conversation_key
from conflictscope.files import refuse_link, unwritten
from conflictscope.measure import rank_fragile, rank_fragile_checks
from conflictscope.tables import CHECKS

ANSWERS = ("action_1", "action_2", "neither", "cannot_tell", "yes", "no")
KINDS = ("conversation", "check")
QUESTION = ("scenario_id", "kind", "target", "arm", "repetition", "check", "about_value")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
# as earlier versions wrote them; they are read, and never written
_EARLIER_KEYS = {"system_prompt": "arm", "first_action": "action_shown_first"}
ORDERS = ("as drawn", "fragile first")
_CONVERSATION = ["scenario_id", "target", "arm", "repetition"]
_LARGEST_WEIGHT = 1_000_000
_LEAST_EACH = 3  # of each stratum, if strata are to be told apart
SIMULATED_PREFIX = "simulated-"
_WHEN = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Label:
    """One answer of one annotator to one question about a scenario.

    A blind label was given without sight of the judge's verdict, the target's name and the values. Other labels say
    where somebody disagrees with a judge, and are no measure of it.
    """

    scenario_id: str
    kind: str  # ``conversation`` (which action did the reply take?) or ``check`` (one of the six checks)
    annotator: str  # letters, digits, ``_``, ``.`` and ``-``
    answer: str  # one of ``ANSWERS``; actions are turned back from the labels shown
    labelled_at: str  # UTC, ISO 8601
    target: str | None = None  # with arm and repetition, which conversation; empty for a check
    arm: str | None = None
    repetition: int | None = None
    check: str | None = None  # empty for a conversation
    about_value: str | None = None  # of ``value_guided``
    action_shown_first: int | None = None  # as A; empty if no actions were named A and B
    blind: bool = True
    weight: float = 1.0  # 1 / its chance of having been drawn, against that of the mean conversation or scenario

    def __post_init__(self):
        check_annotator(self.annotator)
        texts = (self.scenario_id, self.labelled_at, self.target or "", self.arm or "", self.about_value or "")
        if not all(isinstance(text, str) for text in texts) or type(self.repetition or 0) is not int:
            raise ValueError("label: expected texts, and a whole number as repetition.")
        if type(self.weight) not in (int, float) or not 0 < self.weight <= _LARGEST_WEIGHT:
            raise ValueError(f"label: weight is {self.weight!r}; expected above 0, at most {_LARGEST_WEIGHT}.")
        allowed: dict[str, tuple] = {"kind": KINDS, "answer": ANSWERS, "action_shown_first": (None, 1, 2)}
        allowed |= {"check": (None, *CHECKS), "blind": (True, False)}
        for name, expected in allowed.items():
            if getattr(self, name) not in expected:
                raise ValueError(f"label: {name} is {getattr(self, name)!r}; expected one of {list(expected)}.")
        if (self.check is None) == (self.kind == "check"):
            kind = f"label: kind {self.kind!r} with check {self.check!r}"
            raise ValueError(f"{kind}; expected a check just for a 'check'.")


def now() -> str:
    """Return the time as labels have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_annotator(name: str) -> str:
    """Return an annotator's name; raise ValueError if it cannot name a file."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"annotator: found {name!r}; expected 1 to 40 letters, digits, '_', '.' or '-', such as 'ana'. "
            "Set the parameter `annotator`."
        )
    return name


def write_label(label: Label, folder: Path | str) -> None:
    """Append a label to its annotator's file in a study's folder; it is on disk when this returns.

    Raises OSError if the disk does not take it (the file is then as it was before), ValueError if the file, or the
    folder ``labels``, is a link.
    """
    path = labels_path(folder, label.annotator)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(asdict(label), ensure_ascii=False) + "\n").encode()
    try:
        # two tabs of one person: neither may see the other's line half written
        with _lock(refuse_link(path)), path.open("ab+", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            file.seek(max(before - 1, 0))
            # a line that a power cut left unfinished must not swallow this one
            if file.read(1) not in (b"", b"\n"):
                line = b"\n" + line
            if file.write(line) < len(line):
                file.truncate(before)
                raise OSError(errno.ENOSPC, "the disk took only part of it, which was taken back")
            os.fsync(file.fileno())
    except OSError as problem:
        raise unwritten(path, problem) from problem


def read_labels(folder: Path | str) -> pd.DataFrame:
    """Read the labels of everyone by annotator, as given; the last one if somebody answered a question more than once.

    A blind label and one that was not blind stand side by side: neither replaces the other. The columns are the fields
    of ``Label``. ValueError, naming file and line, if a line is no label.
    """
    labels = [label for path in sorted(Path(folder).glob("labels/*.jsonl")) for label in _read(path)]
    return labels_table(labels).drop_duplicates([*QUESTION, "annotator", "blind"], keep="last").reset_index(drop=True)


def labels_table(labels: list[Label]) -> pd.DataFrame:
    """Return labels as a table, with the fields of ``Label`` as columns."""
    names = [field.name for field in fields(Label)]
    table = pd.DataFrame([asdict(label) for label in labels], columns=names)
    others = {"repetition": "Int64", "action_shown_first": "Int64", "blind": "bool", "weight": "float64"}
    return table.astype(others | {name: "str" for name in names if name not in others})


def labels_path(folder: Path | str, annotator: str) -> Path:
    """Return the path of an annotator's file in a study's folder; ValueError if its folder is a link."""
    return refuse_link(Path(folder) / "labels") / f"{check_annotator(annotator)}.jsonl"


def _lock(path: Path) -> FileLock:
    """Return the lock of an annotator's file; its own file is beside it."""
    return FileLock(refuse_link(path.with_name(f".{path.stem}.lock")))


def _read(path: Path) -> list[Label]:
    """Return the labels of one file."""
    # a folder that cannot be written to takes no lock, and no label
    with _lock(path) if os.access(path.parent, os.W_OK) else nullcontext():
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    labels = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields_read = json.loads(line)
            labels.append(Label(**{_EARLIER_KEYS.get(key, key): value for key, value in fields_read.items()}))
        except (AttributeError, TypeError, ValueError, RecursionError) as problem:
            raise ValueError(
                f"{path}, line {number}: no label ({problem}); found {line[:80]!r}. Delete the line: what it held was "
                "never shown as saved, and will be asked again."
            ) from problem
    return labels


def sample_conversations(archive: Archive, size: int, *, seed: int, order: str = ORDERS[0]) -> pd.DataFrame:
    """Draw `size` conversations whose last reply can be read, evenly over targets, arms and value pairs.

    Every annotator is asked the same, in the order drawn, so any two have answered the same questions as far as both
    have come. Strata are what the study was designed by, never what the judge said, so rates on the sample estimate
    rates in the study. Columns ``QUESTION``, a row a conversation; all there are, if there are no more. ValueError if
    there is none, or `size` is below 1.

    With the order ``fragile first`` strata are the pair, what the study's first judge read and whether that verdict is
    fragile (``measure.rank_fragile``), and as many are drawn from each, so that fragile ones come far more often than
    they occur; of few labels, strata are fewer. The column ``weight`` then says what a label counts for in a rate, the
    share of its stratum in the study over its share in the sample, which any first part has too; without it, rates on
    the sample are not those of the study.
    """
    _check_order(order)
    turns = archive.tables["conversations"]
    last = turns.sort_values("turn", kind="stable").drop_duplicates(_CONVERSATION, keep="last")
    read = last[last["status"].eq("ok") & last["role"].eq("assistant")].sort_values(_CONVERSATION)
    pairs = archive.tables["scenarios"].set_index("scenario_id")[["value_1", "value_2"]]
    read = read.join(pairs, on="scenario_id")
    if order == ORDERS[0]:
        drawn = _draw(read, ["target", "arm", "value_1", "value_2"], size, seed)
        return drawn.assign(kind="conversation", check=None, about_value=None)[list(QUESTION)]
    judge = archive.judges[0]
    ranked = rank_fragile(archive.tables["verdicts"], judge, judge + SWAPPED)
    read = read.merge(ranked[[*_CONVERSATION, "reading", "fragile"]], how="left", on=_CONVERSATION)
    # what the judge has not read stands by itself
    read = read.assign(reading=read["reading"].fillna("unread"), fragile=read["fragile"].fillna(True).astype(bool))
    drawn = _draw_weighted(read, size, seed)
    return drawn.assign(kind="conversation", check=None, about_value=None)[[*QUESTION, "weight"]]


def _check_order(order: str) -> None:
    """Raise ValueError unless the order is one of ``ORDERS``."""
    if order not in ORDERS:
        raise ValueError(f"order: found {order!r}; expected one of {list(ORDERS)}.")


def sample_checks(archive: Archive, size: int, *, seed: int, order: str = ORDERS[0]) -> pd.DataFrame:
    """Draw `size` scenarios that were checked, evenly over value pairs and templates, with seven questions about each.

    As ``sample_conversations``: for each scenario the six checks, ``value_guided`` once for each value. With the order
    ``fragile first`` strata are the pair, what the study's first filter judge made of the scenario and whether that is
    fragile (``measure.rank_fragile_checks``); a scenario's questions have one ``weight``.
    """
    _check_order(order)
    scenarios, checks = archive.tables["scenarios"], archive.tables["checks"]
    checked = scenarios[scenarios["scenario_id"].isin(checks["scenario_id"])].sort_values("scenario_id")
    if order == ORDERS[0] or checked.empty:
        drawn = _draw(checked, ["value_1", "value_2", "structure", "severity"], size, seed)
    else:
        ranked = rank_fragile_checks(checks, checks["filter_judge"].iloc[0])
        checked = checked.merge(ranked[["scenario_id", "reading", "fragile"]], how="left", on="scenario_id")
        # what that judge has not checked stands by itself
        unchecked = checked.assign(reading=checked["reading"].fillna("unchecked"))
        drawn = _draw_weighted(unchecked.assign(fragile=checked["fragile"].fillna(True).astype(bool)), size, seed)
    weighed = "weight" in drawn.columns
    rows = [
        {"scenario_id": scenario.scenario_id, "kind": "check", "check": check, "about_value": about}
        | ({"weight": scenario.weight} if weighed else {})
        for scenario in drawn.itertuples()
        for check in CHECKS
        for about in ((scenario.value_1, scenario.value_2) if check == "value_guided" else (None,))
    ]
    table = pd.DataFrame(rows).assign(target=None, arm=None, repetition=None)
    return table[[*QUESTION, "weight"] if weighed else list(QUESTION)]


def _draw(rows: pd.DataFrame, strata: list[str], size: int, seed: int) -> pd.DataFrame:
    """Return rows drawn in turn from each stratum, in the order drawn, so that any first part is balanced too."""
    if size < 1 or rows.empty:
        raise ValueError(
            f"sample: asked for {size} of {len(rows)}; expected at least 1 of at least 1. "
            "Run the notebook that writes them first, or ask for more."
        )
    rng = np.random.default_rng(seed)
    shuffled = rows.iloc[rng.permutation(len(rows))]
    turn = shuffled.groupby(strata, sort=False).cumcount()
    return shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")].head(size)


def _draw_weighted(rows: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """Return rows drawn in turn from strata that all get some, with their ``weight``, the strata evenly mixed."""
    choices = (["fragile", "reading", "value_1", "value_2"], ["fragile", "reading"], ["fragile"])
    strata = next((some for some in choices if rows.groupby(some).ngroups * _LEAST_EACH <= size), choices[-1])
    drawn = _draw(rows, strata, size, seed)
    there, taken = (part.groupby(strata)["scenario_id"].transform("size") for part in (rows, drawn))
    drawn = drawn.assign(weight=(there[drawn.index] / len(rows)) / (taken / len(drawn)))
    start = drawn.groupby(strata)["scenario_id"].transform(lambda of: _rank_of_stratum(of.iloc[0], seed))
    due = (drawn.groupby(strata).cumcount() + start) / taken
    return drawn.iloc[np.argsort(due.to_numpy(), kind="stable")]


def _rank_of_stratum(scenario_id: str, seed: int) -> float:
    """Return a number in [0, 1): where among the others a stratum's first question stands."""
    return float(np.random.default_rng([seed, *scenario_id.encode()]).random())


def simulate_labels(archive: Archive, sample: pd.DataFrame, *, name: str, slips: float, seed: int) -> pd.DataFrame:
    """Label a sample as the study's first judge did, except for slips, so that the demo has labels.

    Agreement with it shows that the instrument works and what a slip rate does to κ; it says nothing about any judge.
    As from ``read_labels``, and never written to disk; no row for a question that the judge has no readable answer to.

    Parameters
    ----------
    sample : DataFrame
        From ``sample_conversations`` or ``sample_checks``.
    name : str
        The annotator's name, without the prefix ``simulated-``.
    slips : float
        Share of questions, 0–1, answered by another answer than the judge's, drawn evenly.
    seed : int
        Seed of the slips; another name slips elsewhere.
    """
    if not 0 <= slips <= 1:
        raise ValueError(f"slips: found {slips}; expected a share between 0 and 1.")
    rng = np.random.default_rng([seed, *name.encode()])
    judged = {**_conversations_judged(archive), **_checks_judged(archive)}
    labels = []
    for row in sample.astype(object).where(sample.notna(), None).to_dict("records"):
        key = tuple(row[part] for part in (*_CONVERSATION, "check", "about_value"))
        slipped, other = rng.random() < slips, rng.integers(2)
        if key not in judged:
            continue
        among = ("yes", "no") if judged[key] in ("yes", "no") else ("action_1", "action_2", "neither")
        others = [answer for answer in among if answer != judged[key]]
        answer = others[other % len(others)] if slipped else judged[key]
        labels.append(Label(**row, annotator=SIMULATED_PREFIX + name, answer=answer, labelled_at=_WHEN))
    return labels_table(labels)


def _conversations_judged(archive: Archive) -> dict[tuple, str]:
    """Return conversation → the first judge's reading."""
    verdicts = archive.tables["verdicts"]
    verdicts = verdicts[verdicts["judge"].isin(archive.judges[:1])].drop_duplicates(_CONVERSATION)
    read = verdicts[verdicts["outcome"].isin(("choice", "refusal", "neither"))]
    answers = ("action_" + read["action"].astype("str")).where(read["outcome"].eq("choice"), "neither")
    questions = read[_CONVERSATION].itertuples(index=False, name=None)
    return {(*question, None, None): answer for question, answer in zip(questions, answers, strict=True)}


def _checks_judged(archive: Archive) -> dict[tuple, str]:
    """Return question of a check → the filter judge's answer; in ``value_guided`` an action, as annotators give it."""
    checks = archive.tables["checks"].drop_duplicates(["scenario_id", "check", "about_value"])
    sides = archive.tables["scenarios"].set_index("scenario_id")["value_1"].to_dict()
    judged = {}
    for row in checks[checks["passed"].notna()].itertuples():
        about = row.about_value if isinstance(row.about_value, str) else None
        answer = "yes" if row.passed else "no"
        if about is not None:
            side = 1 if sides[row.scenario_id] == about else 2
            answer = f"action_{side if row.passed else 3 - side}"
        judged[row.scenario_id, None, None, None, row.check, about] = answer
    return judged


class Labelling:
    """What one annotator says about conversations beside the judge, written to the study's folder as it is said.

    ``labels`` are this annotator's labels so far, blind ones too. Raises as ``read_labels`` and ``check_annotator``.
    """

    def __init__(self, archive: Archive, folder: Path | str, annotator: str):
        self._archive, self._folder, self._annotator = archive, folder, check_annotator(annotator)
        self._read()

    def label(self, conversation: str, answer: str) -> None:
        """Record an answer about a conversation (``conversation_key``), in place of an earlier one given here.

        Raises ValueError if the study has no such conversation, or the answer is none of ``LABEL_KEYS``; OSError if it
        could not be written.
        """
        scenario_id, target, arm, repetition = json.loads(conversation)
        turns = self._archive.rows("conversations", scenario_id).to_dict("records")
        if conversation not in map(conversation_key, turns) or answer not in LABEL_KEYS.values():
            raise ValueError(f"answer {answer!r} about conversation {conversation}: the study offers no such thing.")
        where = {"target": target, "arm": arm, "repetition": repetition}
        label = Label(scenario_id, "conversation", self._annotator, answer, now(), **where, blind=False)
        write_label(label, self._folder)
        self._read()

    def _read(self) -> None:
        labels = read_labels(self._folder)
        self.labels = labels[labels["annotator"].eq(self._annotator)]
