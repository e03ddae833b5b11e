"""Elicit: put the scenarios to the targets and read what they chose (paper, section 3.3).

- ``short_answers``: read a letter or a number, strictly
- ``system_prompts``: the arms: what a target is told beforehand, and which orders to steer it to
- ``multiple_choice``: what a target says it would do, in both orders, and 1–7 ratings
- ``message_faults``: what makes a text no message of a user
- ``simulated_user``: what it opens with, audited; what has a fault is asked for once more
- ``conversations``: what a target does, open-ended
- ``judging``: which action a conversation shows, to one judge or to several; which action declining to help amounts to
"""

from conflictscope.elicit.conversations import CONVERSATION, hold_conversations, hold_pressed_conversations, transcribe
from conflictscope.elicit.judging import judge_conversations, judge_with_each, read_refusals
from conflictscope.elicit.multiple_choice import ask_multiple_choice, ask_ratings, ask_with_abstention, choice_prompts
from conflictscope.elicit.simulated_user import audit_messages, write_leaning_messages, write_opening_messages
from conflictscope.elicit.system_prompts import choose_target_rankings, steered_prompts

__all__ = [
    "CONVERSATION",
    "ask_multiple_choice",
    "ask_ratings",
    "ask_with_abstention",
    "audit_messages",
    "choice_prompts",
    "choose_target_rankings",
    "hold_conversations",
    "hold_pressed_conversations",
    "judge_conversations",
    "judge_with_each",
    "read_refusals",
    "steered_prompts",
    "transcribe",
    "write_leaning_messages",
    "write_opening_messages",
]
