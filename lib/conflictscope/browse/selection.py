"""Selection: which scenarios, which of the cases behind a cell of the heatmap, and which cases are worth reading first.

In: an archive and what is wanted. Out: rows in the order of the study; or one row a case in which something disagrees,
the strongest first (presets). Every filter is a mask over columns that the archive holds ready, so a study of 5,000
scenarios is filtered between two keystrokes. A target *stands* for the value that won most of its answers to a scenario
under one condition and arm (both orders and all repetitions together); it is split if the two won equally often, and
stands for none if no answer is a choice. Sections 3.3, 3.4 and 5 of the paper (arXiv 2509.25369) compare the same
things over the whole study.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from conflictscope.browse.archive import Archive

SPLIT = "split"
_CONVERSATION = ["scenario_id", "target", "arm", "repetition"]
_STAND = ["scenario_id", "target", "condition", "arm"]
COLUMNS = [*_STAND, "what", "score"]


def filter_scenarios(
    archive: Archive,
    *,
    pair: tuple[str, str] | None = None,
    structure: str | None = None,
    severity: str | None = None,
    acting_value: str | None = None,
    filter_status: str | None = None,
    failed_check: str | None = None,
    domain: str | None = None,
    text: str = "",
) -> pd.DataFrame:
    """Return the rows of ``Archive.entries`` that fit everything that is asked.

    Parameters
    ----------
    pair : tuple of two values, optional
        In either order.
    structure, severity, acting_value, filter_status, domain : str, optional
        What the column of that name has to hold; only kept scenarios have a domain.
    failed_check : str, optional
        A check that was failed; other checks may be failed too.
    text : str
        Words that must all occur somewhere in the scenario or its id, in any order, whatever the case.
    """
    entries = archive.entries
    fits = pd.Series(True, index=entries.index)
    if pair is not None:
        fits &= _in_pair(entries, pair)
    wanted = {"structure": structure, "severity": severity, "acting_value": acting_value}
    wanted |= {"filter_status": filter_status, "domain": domain}
    for column, value in wanted.items():
        if value is not None:
            fits &= entries[column] == value
    if failed_check is not None:
        fits &= entries[failed_check].astype("boolean").eq(False).fillna(False).astype(bool)
    for word in text.lower().split():
        fits &= entries["searched"].str.contains(word, regex=False)
    return entries[fits]


def choices_of(archive: Archive, *, target: str, condition: str, arm: str, judge: str | None) -> pd.DataFrame:
    """Return one target's choices under a condition and arm; in ``open_ended`` by the verdicts of `judge`."""
    choices = archive.choices
    chosen = choices["target"].eq(target) & choices["condition"].eq(condition) & choices["arm"].eq(arm)
    return choices[chosen & choices["judge"].eq(judge)] if condition == "open_ended" else choices[chosen]


def cases_of_cell(
    archive: Archive, winner: str, loser: str, *, target: str, condition: str, arm: str, judge: str | None
) -> pd.DataFrame:
    """Return the scenarios behind one cell of a target's preference heatmap, those that `winner` won first.

    The cell's row and column are `winner` and `loser`; in ``open_ended`` the verdicts of `judge` count. One row a
    scenario of the pair that was put to the target: ``scenario_id``, ``won`` and ``lost`` (answers in which `winner`
    won or lost), ``other`` (answers that are no choice).
    """
    choices = choices_of(archive, target=target, condition=condition, arm=arm, judge=judge)
    rows = choices[_in_pair(choices, (winner, loser))]
    counts = (
        rows.assign(won=rows["winner"].eq(winner), lost=rows["winner"].eq(loser), other=rows["winner"].isna())
        .groupby("scenario_id", sort=False)[["won", "lost", "other"]]
        .sum()
        .reset_index()
    )
    return counts.sort_values("won", ascending=False, kind="stable").reset_index(drop=True)


def narrow_cases(
    archive: Archive,
    cases: pd.DataFrame,
    *,
    starts: Mapping[str, str] | None = None,
    pair: tuple[str, str] | None = None,
    **about: str,
) -> pd.DataFrame:
    """Return those cases of a preset that are about one target, condition and arm, and about one pair of values.

    Parameters
    ----------
    starts : mapping of str to str, optional
        Column → where the preset's changes begin (``STARTS``): asked about that, none is left out.
    pair : tuple of two values, optional
        In either order; default: all pairs.
    about : str
        ``target``, ``condition``, ``arm``; a case that names none of that kind is about all.
    """
    fits = pd.Series(True, index=cases.index)
    for column, wanted in about.items():
        if (starts or {}).get(column) != wanted:
            fits &= cases[column].isna() | cases[column].eq(wanted)
    if pair is not None:
        fits &= _in_pair(archive.entries.loc[cases["scenario_id"]], pair).to_numpy()
    return cases[fits]


def _in_pair(frame: pd.DataFrame, pair: tuple[str, str]) -> pd.Series:
    """Return which rows are about a pair of values, in either order."""
    one, two = frame["value_1"], frame["value_2"]
    return (one.eq(pair[0]) & two.eq(pair[1])) | (one.eq(pair[1]) & two.eq(pair[0]))


def scenario_choices(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return which value each target stands for in each scenario; in ``open_ended``, by the verdicts of `judge`.

    Columns: ``scenario_id``, ``target``, ``condition``, ``arm``, ``value_1``, ``value_2``, ``one`` and ``two``
    (answers that took action 1 or 2), ``asked`` (answers, whatever their outcome) and ``stand`` (a value, ``split``,
    or empty).
    """
    choices = archive.choices
    rows = choices[choices["condition"].ne("open_ended") | choices["judge"].eq(judge)]
    stands = (
        rows.assign(one=rows["action"].eq(1).fillna(False), two=rows["action"].eq(2).fillna(False), asked=1)
        .astype({"one": "int64", "two": "int64"})
        .groupby([*_STAND, "value_1", "value_2"], sort=False)[["one", "two", "asked"]]
        .sum()
        .reset_index()
    )
    one, two = stands["one"], stands["two"]
    stand = stands["value_1"].where(one > two, stands["value_2"]).mask(one == two, SPLIT)
    return stands.assign(stand=stand.mask(one + two == 0))


def between_models(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return the scenarios in which targets stand for different values under the same condition and arm.

    ``score`` is the smaller camp's share of the targets that stand for one value, up to 0.5.
    """
    stands = _decided(scenario_choices(archive, judge))
    first = stands["stand"].eq(stands["value_1"])
    camps = (
        stands.assign(first=first.astype("int64"), second=(~first).astype("int64"))
        .groupby(["scenario_id", "condition", "arm", "value_1", "value_2"], sort=False)[["first", "second"]]
        .sum()
        .reset_index()
    )
    smaller = camps[["first", "second"]].min(axis=1)
    camps = camps.assign(target=None, score=smaller / (camps["first"] + camps["second"]))[smaller > 0]
    sizes = zip(camps["value_1"], camps["first"], camps["value_2"], camps["second"], strict=True)
    what = [f"{one}: {n_one} targets; {two}: {n_two}" for one, n_one, two, n_two in sizes]
    return _ordered(camps.assign(what=what))


def says_and_does(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return the cases in which a target stands for one value in multiple choice and for the other in conversation.

    ``score`` is the share of its multiple-choice answers that went against what it did: 0.5–1.
    """
    stands = _decided(scenario_choices(archive, judge))
    moved = _moved(stands, on="condition", first="multiple_choice", second="open_ended")
    return _ordered(moved.assign(what="says " + moved["stand"] + ", does " + moved["stand_after"]))


def moved_by_steering(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return the cases in which a target stands for another value under a steering or placebo prompt than by default.

    ``score`` is the share of its default answers that the prompt moved it away from: 0.5–1.
    """
    stands = _decided(scenario_choices(archive, judge))
    arms = archive.arms or ["default"]
    moved = pd.concat([_moved(stands, on="arm", first="default", second=arm) for arm in arms])
    return _ordered(moved.assign(what=moved["stand"] + " → " + moved["stand_after"]))


def between_judges(archive: Archive, judge: str | None = None) -> pd.DataFrame:
    """Return the conversations that judges, or one judge with its labels swapped, read differently.

    ``score`` is the distance between the furthest leanings (0–6), or 6 if the outcomes differ in kind.
    """
    verdicts = archive.tables["verdicts"]
    read = verdicts["action"].astype("Int64").map({1: "action 1", 2: "action 2"}).fillna(verdicts["outcome"])
    readings = verdicts.assign(read=read, what=verdicts["judge"] + ": " + read)
    several = readings[readings.groupby(_CONVERSATION, sort=False)["read"].transform("nunique") > 1]
    cases = several.groupby(_CONVERSATION, sort=False).agg(
        what=("what", "; ".join), low=("leaning", "min"), high=("leaning", "max"), kinds=("outcome", "nunique")
    )
    apart = (cases["high"] - cases["low"]).astype("Float64").where(cases["kinds"] == 1, 6)
    return _ordered(cases.assign(condition="open_ended", score=apart.fillna(0)).reset_index())


def without_choice(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return the answers that are no choice (refusals, neither, unreadable, errors); ``score`` counts them by case."""
    choices = archive.choices
    rows = choices[
        choices["outcome"].ne("choice") & (choices["condition"].ne("open_ended") | choices["judge"].eq(judge))
    ]
    counts = rows.groupby([*_STAND, "outcome"], sort=False).size().rename("score").reset_index()
    return _ordered(counts.rename(columns={"outcome": "what"}))


def lowest_margin(archive: Archive, judge: str | None) -> pd.DataFrame:
    """Return every case from the closest call on: a target that could have gone either way.

    The margin is 0–1: in multiple choice how far P(action 1) is from even, from log-probabilities if there are any,
    else from the answers to both orders; in conversation how far the judge's leaning is from the middle.
    ``score`` is 1 − margin, so the closest come first.
    """
    answers = archive.tables["answers"]
    listed_first = answers["probability_first"].astype("float64")
    from_model = listed_first.where(answers["action_shown_first"].eq(1), 1 - listed_first)
    took_one = answers["action"].astype("Float64").eq(1).astype("Float64").astype("float64")
    chosen = answers.assign(condition="multiple_choice", one=from_model.fillna(took_one))
    verdicts = archive.tables["verdicts"]
    verdicts = verdicts[verdicts["judge"].eq(judge)]
    done = verdicts.assign(
        condition="open_ended", one=(7 - verdicts["leaning"].astype("Float64").astype("float64")) / 6
    )
    cases = pd.concat([chosen[[*_STAND, "one"]], done[[*_STAND, "one"]]]).groupby(_STAND, sort=False)["one"].mean()
    cases = cases.dropna().rename("one").reset_index()
    margin = (2 * cases["one"] - 1).abs()
    return _ordered(cases.assign(what=[f"margin {m:.2f}" for m in margin], score=1 - margin))


PRESETS: dict[str, Callable[[Archive, str | None], pd.DataFrame]] = {
    "between models": between_models,
    "between what a model says and does": says_and_does,
    "moved by steering": moved_by_steering,
    "between judges": between_judges,
    "refusals and unreadable replies": without_choice,
    "closest calls": lowest_margin,
}
"""What a browser offers → the function that finds it; each gives ``COLUMNS``, the highest ``score`` first."""
STARTS = {
    "between what a model says and does": {"condition": "multiple_choice"},
    "moved by steering": {"arm": "default"},
}
"""Preset → where the change begins that its cases end; they belong to either end."""


def _decided(stands: pd.DataFrame) -> pd.DataFrame:
    """Return the stands that are for one value."""
    return stands[stands["stand"].notna() & stands["stand"].ne(SPLIT)]


def _moved(stands: pd.DataFrame, *, on: str, first: str, second: str) -> pd.DataFrame:
    """Return where a target stands for another value in `second` than in `first`; ``score`` is its share in `first`."""
    rest = [name for name in _STAND if name != on]
    before, after = (stands[stands[on].eq(name)].drop(columns=on) for name in (first, second))
    both = before.merge(after[[*rest, "stand"]], on=rest, suffixes=("", "_after"))
    both = both[both["stand"].ne(both["stand_after"])]
    return both.assign(**{on: second}, score=both[["one", "two"]].max(axis=1) / (both["one"] + both["two"]))


def _ordered(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the cases with the highest score first, in the order of the study among equals."""
    return cases[COLUMNS].sort_values("score", ascending=False, kind="stable", ignore_index=True)
