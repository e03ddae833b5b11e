"""Choice noise: how often the same question, asked again, is answered with the other action.

In: the choices table of a study with more than one repetition. Out: a rate with its interval for each target, condition
and system prompt. At a temperature above 0 a single answer is one draw; this says how far it can be relied on. Not in
the paper (arXiv 2509.25369), which asks once.
"""

import pandas as pd

from conflictscope.measure.choices import GROUP, check_choices
from conflictscope.measure.clustering import wilson_interval


def choice_noise(choices: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Give the chance that two askings of one question end in different choices.

    A question is one scenario put to one target; in multiple choice the order in which the actions are shown is part of
    it. All pairs of a question's choices are compared, and questions count alike. Answers to one scenario move
    together, so the interval rests on scenarios, not on answers.

    Parameters
    ----------
    choices : DataFrame
        Columns of the table ``choices``.
    level : float
        Coverage of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        One row a group that has a question with two choices or more; empty where each was asked once: ``target``,
        ``condition``, ``system_prompt``, ``questions``, ``scenarios``, ``choices`` (counts behind the rate), ``noise``,
        ``noise_low``, ``noise_high`` (0–1; Wilson, on the number of scenarios).

    Raises
    ------
    ValueError
        As for ``preference_rates``.
    """
    check_choices(choices)
    chosen = choices[choices["outcome"].eq("choice")]
    # a judge's label order is drawn anew for each repetition, and is no part of what the target was asked
    shown = chosen["first_action"].where(chosen["condition"].eq("multiple_choice"), 0)
    asked = chosen.assign(shown=shown, took_first=chosen["action"].eq(1)).groupby([*GROUP, "scenario_id", "shown"])
    each = asked["took_first"].agg(first="sum", choices="size").query("choices > 1").reset_index()
    n, first = each["choices"], each["first"]
    each["noise"] = 2.0 * first * (n - first) / (n * (n - 1))
    by_scenario = each.groupby([*GROUP, "scenario_id"]).agg(
        noise=("noise", "sum"), questions=("noise", "size"), choices=("choices", "sum")
    )
    counts = by_scenario.groupby(GROUP).agg(
        questions=("questions", "sum"),
        scenarios=("questions", "size"),
        choices=("choices", "sum"),
        noise=("noise", "sum"),
    )
    rate = counts["noise"] / counts["questions"]
    # a scenario's noise lies between 0 and 1, so its variance is at most that of a yes or no: the interval errs on the
    # wide side
    low, high = wilson_interval(rate * counts["scenarios"], counts["scenarios"], level)
    return counts.assign(noise=rate, noise_low=low, noise_high=high).reset_index()
