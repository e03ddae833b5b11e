"""Captions: the sentences that belong under a figure in a paper, with n and with what its numbers do not support.

In: the table that a figure shows. Out: sentences, which `plot_panels` makes the figure's label and `save_figure` a file
beside it. Every number in them is computed from the table.
"""

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from conflictscope.figures.style import CONDITION_MARKS
from conflictscope.measure.rates import ALL

_SHOWN = 4  # cases that are named, of more
_EACH_BY_ITSELF = "Intervals hold each by itself, so that some of many leave out the line by chance"


def write(title: str | None, sentences: Sequence[str], *, level: float | None, source: str) -> str:
    """Return a caption: title, sentences, coverage of the intervals (0–1; None: not said) and what all rests on."""
    ends = [f"Intervals cover {100 * level:g} %"] if level else []
    rests_on = [f"Results are those of {source} and no finding about any other"] if source else []
    parts = [part.strip().rstrip(".") for part in (title or "", *sentences, *ends, *rests_on) if part]
    return re.sub(r"\?\.", "?", " ".join(f"{part}." for part in parts))


def rankings(table: pd.DataFrame) -> list[str]:
    """Return the caption of strengths with intervals: which value is surely first, which order is unknown."""
    known, size = table[table["identified"]], table["value"].nunique()
    first = known[known["rank_high"].eq(1)]
    per_ranking = known.groupby(["target", "condition"])
    tied = (known["rank_low"].eq(1) & known["rank_high"].eq(size)).groupby([known["target"], known["condition"]]).all()
    sentences = [f"Strengths (log-odds, mean 0) of {_count(size, 'value')} for {_targets(table)}"]
    for condition, part in _by_condition(known):
        n = part.groupby("target")[["choices", "scenarios"]].agg({"choices": "sum", "scenarios": "max"})
        sentences.append(
            f"{_way(condition)}: {_span(n['choices'] / 2)} choices in {_span(n['scenarios'])} scenarios a target"
        )
    sentences.append(f"Values of a {'target and condition'} that share a letter are not told apart")
    sentences.append(
        f"One value is surely first in {len(first)} of {per_ranking.ngroups} orders{_cases(first, 'value')}"
    )
    if tied.any():
        sentences.append(f"No value is told from any other in {tied.sum()} of {len(tied)}")
    unknown = table.loc[~table["identified"], ["target", "condition"]].drop_duplicates()
    if len(unknown):
        sentences.append(f"The order is unknown in {len(unknown)}{_cases(unknown)}")
    return [*sentences, "Misfit, missing answers and errors of the judge are no part of the intervals"]


def mean_rankings(table: pd.DataFrame) -> list[str]:
    """Return the caption of strengths over all targets: the highest mean of each condition."""
    known = table[table["identified"]]
    sentences = [
        "Pale: strength (log-odds) of a value for one target; full: mean over the targets whose order is known"
    ]
    for condition, part in _by_condition(known):
        means = part.groupby("value", sort=False)["strength"].mean()
        highest = f"the highest mean has {means.idxmax()} ({means.max():+.2f})"
        sentences.append(f"{_way(condition)}: {_targets(part)}; {highest}")
    return [*sentences, "The means have no interval: the targets are no sample of all models"]


def ranked(table: pd.DataFrame) -> list[str]:
    """Return the caption of one ranking of many values."""
    top = table.sort_values("strength", ascending=False).iloc[0]
    return [
        f"Strengths (log-odds, mean 0) of {_count(len(table), 'value')} for {_case(top)}, from "
        f"{table['choices'].sum() / 2:.0f} choices in {table['scenarios'].max()} scenarios",
        f"The highest is {top['value']}, whose rank is from {top['rank_low']:.0f} to {top['rank_high']:.0f}",
        "Values of one band are not told from its first",
    ]


def who_beats_whom(orders: pd.DataFrame) -> list[str]:
    """Return the caption of which value stands above which: how many orders are sure."""
    return [
        f"{_case(orders.iloc[0])}: {orders['sure'].sum()} of {_count(len(orders), 'order')} of two values are sure "
        "(dots; all comparisons counted together)",
        "The order of the others is not known",
    ]


def graded(table: pd.DataFrame) -> list[str]:
    """Return the caption of strengths by choices and by graded preferences: how many values each tells from 0."""
    sentences = [f"Strengths (log-odds, mean 0) of {_values(table)}, by what is counted"]
    for (condition, by), part in table.groupby(["condition", "by"], sort=False):
        known = part[part["identified"]]
        sure = known["strength_low"].gt(0) | known["strength_high"].lt(0)
        targets = _targets(part)
        sentences.append(f"{_way(condition)}, {by}: {sure.sum()} of {len(part)} values of {targets} differ from 0")
    return [*sentences, "Graded strengths lie nearer 0: compare orders, not sizes"]


def tipping(shown: pd.DataFrame) -> list[str]:
    """Return the caption of orders of neighbours by the share of lost answers against them: what turns, from where."""
    turning = shown["missing_tips"].le(1)
    words = f"{_count(len(shown), 'order')} of two values of neighbouring rank for {_targets(shown)}"
    looks = "sure (full), stands and is not sure (pale), has turned (hatched)"
    least = f"; the first from a share of {shown['missing_tips'].min():.2f} on" if turning.any() else ""
    return [
        f"By the share of the lost answers that went against each of {words}: {looks}",
        "At the right: answers lost in the pairs of the two",
        f"{turning.sum()} of {len(shown)} can turn{least}",
    ]


def shifts(table: pd.DataFrame) -> list[str]:
    """Return the caption of expressed against revealed strengths: which shifted, and who cannot be compared."""
    tested = table[table["shifted"].notna()]
    moved = tested[tested["shifted"].astype(bool)]
    targets = _count(tested["target"].nunique(), "target")
    sentences = [
        "Circle: strength in multiple choice, put on the scale of conversation; filled mark: strength in conversation"
    ]
    counted = (
        f"Of {_count(len(tested), 'value')} of {targets} that could be tested, {len(moved)} shifted, all tests counted "
        f"together{_cases(moved, 'value')}"
    )
    sentences.append(counted if len(tested) else "No value could be tested")
    if len(moved) < len(tested):
        sentences.append("For the others no shift is shown, which does not show that there is none")
    out = table[table["problem"].notna()].drop_duplicates("target")
    if len(out):
        reasons = "; ".join(f"{row.target}: {_in_words(row.problem)}" for row in out.head(_SHOWN).itertuples())
        sentences.append(f"{_count(len(out), 'target')} could not be compared ({reasons}{_more(len(out))})")
    return sentences


def preferences(rates: pd.DataFrame) -> list[str]:
    """Return the caption of how often each value won against each other: how many cells differ from one half."""
    asked = rates[rates["choices"].gt(0)]
    sure = asked["rate_low"].gt(0.5) | asked["rate_high"].lt(0.5)
    pairs = rates[["value_1", "value_2"]].drop_duplicates()
    sentences = [
        f"{_way(rates['condition'].iloc[0])}: share of choices that the value in the row won, for "
        f"{_count(len(pairs), 'pair')} and {_targets(rates)}, "
        f"{_span(asked['choices'])} choices each",
        f"{sure.sum()} of {len(asked)} leave out one half",
        _EACH_BY_ITSELF,
    ]
    none = len(rates) - len(asked)
    return [*sentences, f"{_count(none, 'pair')} of a target had no choice"] if none else sentences


def confusion(counts: pd.DataFrame, agreement: pd.Series) -> list[str]:
    """Return the caption of what one rater took for what, against another: κ, and over how many replies."""
    agreed = f"They agree in {100 * agreement['agreed']:.0f} % of {agreement['read']:.0f} replies that both read"
    if pd.isna(agreement["kappa"]):
        return [f"Rows: {counts.index.name}; columns: {counts.columns.name}", agreed, "Cohen's κ is undefined"]
    ends = f"[{agreement['kappa_low']:.2f}, {agreement['kappa_high']:.2f}]"
    return [
        f"Rows: {counts.index.name}; columns: {counts.columns.name}",
        f"{agreed}; Cohen's κ {agreement['kappa']:.2f} {ends}",
        "Agreement of two readings does not show that either is right",
    ]


def steering(effects: pd.DataFrame) -> list[str]:
    """Return the caption of steering effects: their range, and how many are surely more than the placebo's."""
    known, over = effects.dropna(subset="effect"), effects.dropna(subset="over_placebo_low")
    rankings_, targets = effects["target_ranking"].nunique(), effects["target"].nunique()
    sentences = [
        f"Share of the headroom that a system prompt gains, for {_count(rankings_, 'target ranking')} and "
        f"{_count(targets, 'target')}, {_span(effects['scenarios'])} scenarios each"
    ]
    if len(known):
        sentences.append(f"Effects are from {known['effect'].min():.2f} to {known['effect'].max():.2f}")
    sentences.append(f"{over['over_placebo_low'].gt(0).sum()} of {len(over)} are surely more than the placebo's")
    if len(known) < len(effects):
        reasons = "; ".join(sorted(set(effects["effect_problem"].dropna().map(_in_words))))
        sentences.append(f"{len(effects) - len(known)} of {len(effects)} effects are not known ({reasons})")
    return [*sentences, _EACH_BY_ITSELF]


def changes(table: pd.DataFrame, *, margin: float, alpha: float) -> list[str]:
    """Return the caption of changes between two groups: how many changed, and how many are within the margin."""
    known = table.dropna(subset="change")
    moved, same = known["p_value"].lt(alpha), known["equivalent"].astype(bool)
    neither = (~moved & ~same).sum()
    sentences = [
        f"Change of strength (log-odds) of {_values(known)} in {_count(table['pair'].nunique(), 'comparison')}",
        f"{moved.sum()} of {len(known)} changed, all comparisons counted together; for {same.sum()} all changes beyond "
        f"± {margin:g} are excluded; of {neither} neither is shown",
    ]
    out = table[table["change"].isna()].drop_duplicates("pair")
    return [*sentences, f"{_count(len(out), 'comparison')} could not be made"] if len(out) else sentences


def told_first(table: pd.DataFrame) -> list[str]:
    """Return the caption of what being told to put one value first did to all values."""
    known = table.dropna(subset="change")
    aimed = known[known["told_first"].eq(known["value"])]
    others = known[known["told_first"].ne(known["value"]) & known["told_first"].ne("placebo")]
    moved = others["change_low"].gt(0) | others["change_high"].lt(0)
    sentences = [
        f"Change of strength (log-odds) of the value in the column if the value in the row is to come first, for "
        f"{_targets(table)}, {_span(table['scenarios'])} scenarios each",
        f"The value named rose surely in {aimed['change_low'].gt(0).sum()} of {len(aimed)}; of the other values "
        f"{moved.sum()} of {len(others)} moved surely",
        _EACH_BY_ITSELF,
    ]
    return [*sentences, f"{len(table) - len(known)} changes are not known"] if len(known) < len(table) else sentences


def languages(table: pd.DataFrame) -> list[str]:
    """Return the caption of pairs in two languages: how many function otherwise, in which direction the test counts."""
    pairs = table[table["value_1"].ne("all")]
    return [
        f"How much more often the first value of a pair wins in the second language, for {_targets(table)}, "
        f"{_span(pairs['scenarios'])} scenarios each that were answered in both",
        f"{pairs['functions_otherwise'].sum()} of {len(pairs)} function otherwise, all pairs counted together",
        _EACH_BY_ITSELF,
    ]


def agreement(points: pd.DataFrame, *, published: bool) -> list[str]:
    """Return the caption of how hard data sets are: both numbers of each, and what they cannot be held against."""
    sentences = [
        "Observed agreement of two targets (lower: harder) and how often a target rates its two actions differently"
    ]
    for row in points.to_dict("records"):
        if pd.isna(row["agreement"]) or pd.isna(row["likert"]):
            sentences.append(f"{row['variant']}: no number")
            continue
        ends = {
            name: f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
            for name in ("agreement", "likert")
        }
        n = (
            f"{_count(int(row['scenarios']), 'scenario')}, {_count(int(row['targets']), 'target')}"
            if "targets" in row
            else ""
        )
        sentences.append(
            f"{row['variant']}: agreement {ends['agreement']}, rated differently {ends['likert']} ({n})".replace(
                " ()", ""
            )
        )
    sentences.append("Agreement depends on which targets are asked")
    return (
        [*sentences, "Published points rest on other scenarios and models: distances compare, levels do not"]
        if published
        else sentences
    )


def funnel(table: pd.DataFrame) -> list[str]:
    """Return the caption of what the checks leave: how many scenarios, and which check took most."""
    written = int(table.iloc[0][["passed", "failed", "undecided"]].sum())
    lost = -pd.Series([written, *table["left"]], dtype=int).diff().iloc[1:].set_axis(table["check"])
    took = (
        f"most are taken by “{str(lost.idxmax()).replace('_', ' ')}” ({lost.max():.0f})"
        if lost.any()
        else "none is taken"
    )
    undecided = int(table["undecided"].sum())
    sentences = [f"Of {_count(written, 'scenario')} written, {table['left'].iloc[-1]:.0f} pass all checks; {took}"]
    return (
        [*sentences, f"{_count(undecided, 'answer')} of the filter could not be read and counts as not passed"]
        if undecided
        else sentences
    )


def effects(table: pd.DataFrame) -> list[str]:
    """Return the caption of what else moves choices: how many shares differ from one half."""
    known = table.dropna(subset="rate")
    sure = known["rate_low"].gt(0.5) | known["rate_high"].lt(0.5)
    return [
        f"Share of the choices of {_targets(table)}, {_span(known['choices'])} choices each; "
        "in conversation the action listed first is the one that the judge read first",
        f"{sure.sum()} of {len(known)} shares leave out one half{_cases(known[sure], 'panel')}",
        _EACH_BY_ITSELF,
    ]


def by_pair(table: pd.DataFrame, *, number: str, signed: bool) -> list[str]:
    """Return the caption of one number of each pair: its ends, over all pairs and by pair."""
    whole = table["value_1"].eq(ALL)
    sentences = [f"{_count((~whole).groupby(table['target']).sum().max(), 'pair')} for {_targets(table)}"]
    for row in table[whole].head(_SHOWN).to_dict("records"):
        ends = f"[{row[f'{number}_low']:.2f}, {row[f'{number}_high']:.2f}]"
        sentences.append(f"{row['target']}, all pairs: {row[number]:.2f} {ends}")
    if signed:
        pairs = table[~whole].dropna(subset=number)
        sure = pairs[f"{number}_low"].gt(0) | pairs[f"{number}_high"].lt(0)
        sentences.append(f"{sure.sum()} of {len(pairs)} numbers of a pair leave out 0")
    return [*sentences, _EACH_BY_ITSELF]


def recovery(table: pd.DataFrame) -> list[str]:
    """Return the caption of how well known orders are found again, at the fewest and at the most scenarios."""
    sizes = table["scenarios_per_pair"]
    parts = [
        f"{size:g} scenarios a pair: {_span(table.loc[sizes.eq(size), 'tau'], digits=2)}"
        for size in (sizes.min(), sizes.max())
    ]
    return [
        f"Kendall's τ with the true order, mean of {_span(table['studies'])} simulated studies each; bars: the middle "
        "90 % of studies",
        "; ".join(parts),
    ]


def coverage(table: pd.DataFrame, *, level: float) -> list[str]:
    """Return the caption of how often intervals hold the truth."""
    off = table[(table["coverage"] - level).abs().gt(2 * table["coverage_error"])]
    return [
        f"Share of intervals that hold the truth, meant to be {level:g}, in {_span(table['studies'])} simulated "
        "studies each; bars: two Monte Carlo errors",
        f"They are from {table['coverage'].min():.3f} to {table['coverage'].max():.3f}; {len(off)} of {len(table)} are "
        f"further from {level:g} than these errors",
    ]


def _by_condition(table: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield each condition that occurs, with its rows."""
    return ((name, part) for name in CONDITION_MARKS if len(part := table[table["condition"].eq(name)]))


def _way(condition: str) -> str:
    """Return a condition in words, at the head of a sentence."""
    return CONDITION_MARKS[condition].label.capitalize()


def _in_words(problem: str) -> str:
    """Return a problem with its conditions in words."""
    for condition, mark in CONDITION_MARKS.items():
        problem = problem.replace(condition, mark.label)
    return problem


def _case(row) -> str:
    """Return whose number it is."""
    condition = [CONDITION_MARKS[row["condition"]].label] if "condition" in row else []
    return ", ".join([row["target"], *condition])


def _cases(table: pd.DataFrame, what: str = "") -> str:
    """Return the first rows of a table by name, in brackets, and that there are more."""
    if table.empty:
        return ""
    rows = table.head(_SHOWN).to_dict("records")
    return f" ({'; '.join((f'{row[what]}: ' if what else '') + _case(row) for row in rows)}{_more(len(table))})"


def _more(size: int) -> str:
    """Return how many there are that were not named."""
    return f"; and {size - _SHOWN} more" if size > _SHOWN else ""


def _count(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _targets(table: pd.DataFrame) -> str:
    """Return how many targets there are."""
    return _count(table["target"].nunique(), "target")


def _values(table: pd.DataFrame) -> str:
    """Return how many values there are."""
    return _count(table["value"].nunique(), "value")


def _span(numbers: pd.Series, digits: int = 0) -> str:
    """Return the least and the largest number, once if they are the same."""
    if numbers.dropna().empty:
        return "no"
    least, most = (f"{number:.{digits}f}" for number in (numbers.min(), numbers.max()))
    return least if least == most else f"{least}–{most}"
