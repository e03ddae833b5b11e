"""Effects: what else moves choices: acting against refraining, template, domain.

In: the choices table, with any column of the scenarios joined on. Out: how often the acting action is chosen and which
value wins, by template or any other column. Several answers to one scenario move together, so intervals are Wilson
intervals of as many independent answers as they are worth. Section 4 of the paper (arXiv 2509.25369) looks at values
alone.
"""

import pandas as pd

from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.clustering import count_successes, with_clustered_rate

ALL = "all"
_TEMPLATE = ["structure", "severity"]
_PAIR = ["value_1", "value_2"]


def acting_effect(choices: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the share of choices that took the action of the acting side, over all and by template.

    Where either value of a pair is equally often on the acting side, a respondent that minds only the values has 0.5,
    whatever it prefers.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        For each group a row over all (``structure`` and ``severity`` both ``all``) and one for each template that
        occurs in `choices`: ``target``, ``condition``, ``system_prompt``, ``structure``, ``severity``,
        ``acting_chosen``, ``choices`` (counts), ``rate``, ``rate_low``, ``rate_high`` (0–1; empty where there is no
        choice) and ``design_effect`` (by which the answers were divided for the interval).

    Raises
    ------
    ValueError
        Where a column is missing, an acting value is not of the scenario's pair, a group has more than one judge, or
        `level` is not between 0 and 1.
    """
    _check(choices, [*_TEMPLATE, "acting_value"])
    chosen = choices[choices["outcome"].eq("choice")]
    acting = chosen["winner"].eq(chosen["acting_value"])
    groups = choices[GROUP].drop_duplicates().sort_values(GROUP)
    templates = choices[_TEMPLATE].drop_duplicates().sort_values(_TEMPLATE)
    overall = pd.DataFrame({"structure": [ALL], "severity": [ALL]})
    every = groups.merge(pd.concat([overall, templates], ignore_index=True), how="cross")
    counts = [
        count_successes(chosen.assign(structure=ALL, severity=ALL), acting, [*GROUP, *_TEMPLATE]),
        count_successes(chosen, acting, [*GROUP, *_TEMPLATE]),
    ]
    table = every.join(pd.concat(counts), on=[*GROUP, *_TEMPLATE])
    return with_clustered_rate(table.rename(columns={"successes": "acting_chosen"}), "acting_chosen", level)


def effects_by(choices: pd.DataFrame, column: str, level: float = 0.95) -> pd.DataFrame:
    """Give acting and preference rates by the categories of a column, such as severity, structure or domain.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices`` and `column`, joined on by ``scenario_id`` if need be.
    column : str
        The column whose categories are compared. Rows without a category stand together as ``(none)``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        For each group and category a row with ``measure`` ``acting`` (share that took the acting side's action) and one
        for each pair of values with ``measure`` ``preference`` (share that ``value_1`` won; the two sorted by name):
        ``target``, ``condition``, ``system_prompt``, ``measure``, ``value_1``, ``value_2`` (empty for ``acting``),
        ``by`` (`column`), ``category``, ``chosen``, ``choices`` (counts), ``rate``, ``rate_low``, ``rate_high`` (0–1;
        empty where there is no choice) and ``design_effect``. Pairs and categories are those that occur together in
        `choices`.

    Raises
    ------
    ValueError
        As for `acting_effect`.
    """
    _check(choices, [column, "acting_value"])
    in_order = choices["value_1"] <= choices["value_2"]
    named = choices.assign(
        value_1=choices["value_1"].where(in_order, choices["value_2"]),
        value_2=choices["value_2"].where(in_order, choices["value_1"]),
        category=choices[column].astype("object").where(choices[column].notna(), "(none)").astype("str"),
    )
    groups = named[GROUP].drop_duplicates().sort_values(GROUP)
    chosen = named[named["outcome"].eq("choice")]
    tables = []
    for measure, success, keys in (
        ("acting", chosen["winner"].eq(chosen["acting_value"]), ["category"]),
        ("preference", chosen["winner"].eq(chosen["value_1"]), [*_PAIR, "category"]),
    ):
        every = groups.merge(named[keys].drop_duplicates().sort_values(keys), how="cross")
        counts = count_successes(chosen, success, [*GROUP, *keys])
        tables.append(every.join(counts, on=[*GROUP, *keys]).assign(measure=measure, by=column))
    table = pd.concat(tables, ignore_index=True).rename(columns={"successes": "chosen"})
    table = with_clustered_rate(table, "chosen", level)
    numbers = ["chosen", "choices", "rate", "rate_low", "rate_high", "design_effect"]
    return table[[*GROUP, "measure", *_PAIR, "by", "category", *numbers]].astype({"measure": "str", "by": "str"})


def _check(choices: pd.DataFrame, needed: list[str]) -> None:
    """Raise unless the columns are there and each acting value is of its pair."""
    check_choices(choices)
    missing = [name for name in needed if name not in choices.columns]
    if missing:
        raise ValueError(
            f"choices: columns {missing} are missing; expected them beside those of the table 'choices'. Join them on "
            "by scenario_id."
        )
    stray = ~(choices["acting_value"].eq(choices["value_1"]) | choices["acting_value"].eq(choices["value_2"]))
    if stray.any():
        row = choices[stray].iloc[0]
        raise ValueError(
            f"choices: scenario {row['scenario_id']!r}: acting_value {row['acting_value']!r}; expected "
            f"{row['value_1']!r} or {row['value_2']!r}. Gather the choices again."
        )
