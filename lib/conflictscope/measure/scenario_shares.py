"""Scenario shares: what each target chose in each scenario, as one number.

In: the choices table. Out: for each scenario and each target, condition and system prompt the share of its choices
that the first value of the pair won. Several answers to one scenario (both option orders, repetitions) are averaged,
so that every scenario weighs the same. Sections 4 and 5 of the paper (arXiv 2509.25369) compare such choices.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.measure.choices import GROUP, check_choices


@dataclass(frozen=True)
class Shares:
    """Shares of choices by scenario and group.

    Attributes
    ----------
    scenarios : DataFrame, index ``scenario_id``, sorted
        ``first``, ``second`` (the pair's two values, sorted by name, whichever action supports them) and ``pair``
        (0, 1, …, in the order of the names).
    groups : DataFrame
        ``target``, ``condition``, ``system_prompt``, sorted: one row a group.
    share : ndarray, shape (scenarios, groups)
        Share of choices that ``first`` won, 0–1; nan where there is no choice.
    asked : ndarray of bool, shape (scenarios, groups)
        Whether there is an answer at all, whatever its outcome.
    """

    scenarios: pd.DataFrame
    groups: pd.DataFrame
    share: NDArray[np.float64]
    asked: NDArray[np.bool_]

    def of(self, target: str, condition: str, system_prompt: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return one group's columns of `share` and `asked`: all nan, and all False, for a group that is not there."""
        column = self._columns.get((target, condition, system_prompt))
        if column is None:
            return np.full(len(self.scenarios), np.nan), np.zeros(len(self.scenarios), dtype=bool)
        return self.share[:, column], self.asked[:, column]

    @cached_property
    def _columns(self) -> dict[tuple[str, str, str], int]:
        """Return group → column."""
        return {group: column for column, group in enumerate(self.groups.itertuples(index=False, name=None))}


def share_choices(choices: pd.DataFrame) -> Shares:
    """Average each group's choices in each scenario.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.

    Returns
    -------
    Shares
        All scenarios and groups that occur, those without a single choice too.

    Raises
    ------
    ValueError
        Where a column is missing, a group has more than one judge, a scenario sets a value against itself, or a
        scenario occurs with two pairs.
    """
    check_choices(choices)
    scenarios = _scenarios(choices)
    groups = choices[GROUP].drop_duplicates().sort_values(GROUP).reset_index(drop=True)
    group = choices.groupby(GROUP).ngroup().to_numpy()
    shape = (len(scenarios), len(groups))
    row = scenarios.index.get_indexer(choices["scenario_id"])
    cell = row * shape[1] + group
    chosen = choices["outcome"].eq("choice").to_numpy()
    first_won = chosen & choices["winner"].eq(scenarios["first"].iloc[row].set_axis(choices.index)).to_numpy(bool)
    count, wins, answers = (
        np.bincount(cell[rows], minlength=shape[0] * shape[1]).reshape(shape)
        for rows in (chosen, first_won, slice(None))
    )
    share = np.divide(wins, count, out=np.full(shape, np.nan), where=count > 0)
    return Shares(scenarios, groups, share, answers > 0)


def _scenarios(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios with their pairs, sorted by id."""
    one, two = choices["value_1"], choices["value_2"]
    if one.eq(two).any():
        scenario = choices.loc[one.eq(two), "scenario_id"].iloc[0]
        raise ValueError(f"choices: scenario {scenario!r} sets a value against itself; expected two different values.")
    in_order = one < two
    named = pd.DataFrame(
        {"scenario_id": choices["scenario_id"], "first": one.where(in_order, two), "second": two.where(in_order, one)}
    )
    scenarios = named.drop_duplicates().sort_values("scenario_id").set_index("scenario_id")
    if scenarios.index.has_duplicates:
        twice = scenarios.index[scenarios.index.duplicated()][0]
        raise ValueError(
            f"choices: scenario {twice!r} occurs with two value pairs; expected one. Gather the choices again."
        )
    return scenarios.assign(pair=scenarios.groupby(["first", "second"]).ngroup())
