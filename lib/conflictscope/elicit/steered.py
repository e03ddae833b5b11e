"""Ask targets again under system prompts of their own (paper, section 5).

In: the scenarios and, for each target, its system prompts. Out: the same tables as without: answers and conversations.
Targets differ in their system prompts because a target may be steered against its own default order.
"""

from collections.abc import Mapping

import pandas as pd

from conflictscope.elicit.conversations import hold_conversations
from conflictscope.elicit.multiple_choice import ask_multiple_choice
from conflictscope.elicit.system_prompts import SystemPrompts
from conflictscope.models import Models


async def ask_steered(
    scenarios: pd.DataFrame, models: Models, steered: Mapping[str, SystemPrompts], **settings
) -> pd.DataFrame:
    """Put each scenario to each target as multiple choice, under the target's own system prompts.

    Parameters
    ----------
    steered : mapping
        Target → system prompts. Targets that are not in it are not asked; none at all gives an empty table.
    **settings
        Passed on to `ask_multiple_choice`.

    Returns
    -------
    DataFrame
        The answers table.
    """
    parts = [await ask_multiple_choice(scenarios, models, [])]
    for target, prompts in steered.items():
        parts.append(await ask_multiple_choice(scenarios, models, [target], system_prompts=prompts, **settings))
    return pd.concat(parts, ignore_index=True)


async def hold_steered_conversations(
    scenarios: pd.DataFrame,
    opening_messages: pd.DataFrame,
    models: Models,
    steered: Mapping[str, SystemPrompts],
    simulated_user: str,
    **settings,
) -> pd.DataFrame:
    """Let each target answer each usable opening message, under the target's own system prompts.

    Parameters
    ----------
    steered : mapping
        As for `ask_steered`.
    **settings
        Passed on to `hold_conversations`.

    Returns
    -------
    DataFrame
        The conversations table.
    """
    parts = [await hold_conversations(scenarios, opening_messages, models, [], simulated_user)]
    for target, prompts in steered.items():
        parts.append(
            await hold_conversations(
                scenarios, opening_messages, models, [target], simulated_user, system_prompts=prompts, **settings
            )
        )
    return pd.concat(parts, ignore_index=True)
