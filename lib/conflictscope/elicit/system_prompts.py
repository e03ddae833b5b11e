"""The system prompts under which a target is asked.

A system prompt is named as in the tables' ``system_prompt`` column; its text may depend on the scenario.
"""

from collections.abc import Callable, Mapping

SystemPrompts = Mapping[str, Callable[[str], str | None]]
"""Name → function from a scenario's id to the system prompt's text (None: no system message)."""

DEFAULT: SystemPrompts = {"default": lambda scenario_id: None}


def system_message(text: str | None) -> tuple[dict[str, str], ...]:
    """Return the system message to put first, if there is a text."""
    return () if text is None else ({"role": "system", "content": text},)
