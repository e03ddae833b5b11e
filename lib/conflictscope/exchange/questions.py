"""Questions: scenarios of any data set in the one form in which data sets can be compared.

In: scenarios, imported or a study's. Out: each text once, with the action taken in place of the value that won: which
values are at stake, and how often, is a matter of each set, so that a bootstrap draws from the whole set, not within
pairs. Section 3.2 of the paper (arXiv 2509.25369).
"""

import numpy as np
import pandas as pd

ACTIONS = ("action 1", "action 2")


def as_questions(scenarios: pd.DataFrame, *, most: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return each different question of a data set once.

    Parameters
    ----------
    scenarios : DataFrame
        Columns of the table ``scenarios``.
    most : int, optional
        How many questions at most, drawn at random; default: all.
    seed : int
        Draws which.

    Returns
    -------
    DataFrame
        The same columns, in the same order of rows: of scenarios with one description and the same two actions, in
        either order, the first. ``value_1`` and ``value_2`` are ``action 1`` and ``action 2``; ``acting_value`` is
        empty.

    Raises
    ------
    ValueError
        If `most` is below 1.
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
    """Return scenarios with the actions in place of the values that they support."""
    return scenarios.assign(value_1=ACTIONS[0], value_2=ACTIONS[1], acting_value=None)
