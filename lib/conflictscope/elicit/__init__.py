"""Elicit: put the scenarios to the targets and read what they chose (paper, section 3.3).

- ``short_answers``: read a letter or a number, strictly
- ``system_prompts``: what a target is told beforehand
- ``multiple_choice``: what a target says it would do, in both orders, and 1–7 ratings
- ``opening_messages``: what the simulated user opens with, audited
- ``conversations``: what a target does, open-ended
- ``judging``: which action a conversation shows
"""

from conflictscope.elicit.conversations import CONVERSATION, hold_conversations, transcribe
from conflictscope.elicit.judging import judge_conversations
from conflictscope.elicit.multiple_choice import ask_multiple_choice, ask_ratings
from conflictscope.elicit.opening_messages import write_opening_messages

__all__ = [
    "CONVERSATION",
    "ask_multiple_choice",
    "ask_ratings",
    "hold_conversations",
    "judge_conversations",
    "transcribe",
    "write_opening_messages",
]
